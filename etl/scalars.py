"""One value from the text that an office wrote: numbers with decimal commas, German dates, ja/nein.

Each function takes a trimmed, non-empty text and returns the value, or raises ValueError with a reason. They are the slow and
complete half of `cast.py`, which handles what is regular in whole columns.
"""

from __future__ import annotations

__all__ = ["boolean", "date_value", "datetime_value", "decimal_value", "integer", "json_text", "number", "uuid_value"]

import json
import math
import re
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from stadtgrund.language import BadValue

GERMANY = ZoneInfo("Europe/Berlin")
"""Times without an offset are German local time."""

_TRUE = frozenset({"true", "t", "ja", "j", "wahr", "yes", "y", "1", "x"})
_FALSE = frozenset({"false", "f", "nein", "n", "falsch", "no", "0"})
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’](?=\d{3}(?!\d))")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BIGINT = 2**63


def decimal_value(text: str, decimal: str | None) -> Decimal:
    """Return a number exactly. `decimal` is the decimal sign; None = a point, and a comma is refused as it could be either."""
    plain = _SPACES.sub("", text.replace("\u2212", "-"))
    if decimal == ",":
        whole, comma, fraction = plain.partition(",")
        if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", whole):
            whole = whole.replace(".", "")
        if "." in whole:
            raise BadValue(
                f"„{text}“ ist keine Zahl mit Dezimalkomma: der Punkt trennt keine Tausender",
                f"“{text}” is no number with a decimal comma: its point separates no thousands",
            )
        plain = f"{whole}.{fraction}" if comma else whole
    elif decimal == "." and re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    if not _PLAIN.fullmatch(plain):
        if decimal is None and re.fullmatch(r"[+-]?[\d.]*,\d+", plain):
            raise BadValue(
                f'„{text}“ hat ein Komma; schreiben Sie decimal: "," in den Vertrag, wenn es das Dezimalzeichen ist',
                f'“{text}” has a comma; write decimal: "," into the contract if it is the decimal sign',
            )
        raise BadValue(f"„{text}“ ist keine Zahl", f"“{text}” is no number")
    try:
        return Decimal(plain)
    except InvalidOperation as error:
        raise BadValue(f"„{text}“ ist keine Zahl", f"“{text}” is no number") from error


def number(text: str, decimal: str | None) -> float:
    """Return a number as a float; one that is too large is refused."""
    value = float(decimal_value(text, decimal))
    if not math.isfinite(value):
        raise BadValue(f"„{text}“ ist zu groß", f"“{text}” is too large")
    return value


def integer(text: str, decimal: str | None) -> int:
    """Return a whole number, also from `7319000.0` or `7,319E6`."""
    value = decimal_value(text, decimal)
    if abs(value) >= _BIGINT:
        raise BadValue(f"„{text}“ ist zu groß für eine ganze Zahl", f"“{text}” is too large for a whole number")
    if value != value.to_integral_value():
        raise BadValue(f"„{text}“ ist keine ganze Zahl", f"“{text}” is no whole number")
    return int(value)


def boolean(text: str) -> bool:
    """Return true or false from ja/nein, wahr/falsch, true/false, 1/0, x."""
    low = text.lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise BadValue(f"„{text}“ ist weder ja noch nein", f"“{text}” is neither yes nor no")


def date_value(text: str, pattern: str | None) -> date:
    """Return a date written as `pattern` (strptime) or ISO; German `31.12.2026` too where no pattern is given."""
    for form in (pattern,) if pattern else ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        de, en = _written(pattern) if pattern else ("JJJJ-MM-TT oder TT.MM.JJJJ", "YYYY-MM-DD or DD.MM.YYYY")
        raise BadValue(f"„{text}“ ist kein Datum (erwartet: {de})", f"“{text}” is no date (expected: {en})") from None


def datetime_value(text: str, pattern: str | None) -> datetime:
    """Return an instant in UTC; without an offset it is German local time."""
    value: datetime | None = None
    for form in (pattern,) if pattern else ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"):
        try:
            value = datetime.strptime(text, form)
            break
        except ValueError:
            continue
    if value is None:
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            usual = ("JJJJ-MM-TTThh:mm:ss oder TT.MM.JJJJ hh:mm", "YYYY-MM-DDThh:mm:ss or DD.MM.YYYY hh:mm")
            de, en = _written(pattern) if pattern else usual
            raise BadValue(f"„{text}“ ist kein Zeitpunkt (erwartet: {de})", f"“{text}” is no instant (expected: {en})") from None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=GERMANY)).astimezone(UTC)
    except OverflowError:
        raise BadValue(f"„{text}“ liegt außerhalb der Jahre 1 bis 9999", f"“{text}” is outside of the years 1 to 9999") from None


def uuid_value(text: str) -> bytes:
    """Return the 16 bytes of a UUID."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise BadValue(f"„{text}“ ist keine UUID", f"“{text}” is no UUID") from None


def json_text(text: str) -> str:
    """Return JSON as text that PostgreSQL takes."""
    try:
        value = json.loads(text)
        made = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise BadValue(f"„{text[:80]}“ ist kein JSON", f"“{text[:80]}” is no JSON") from None
    if "\\u0000" in made:
        raise BadValue("JSON mit dem Zeichen U+0000", "JSON with the character U+0000")
    return made


def _written(pattern: str) -> tuple[str, str]:
    """Return a strptime pattern as people write it, in German and in English."""
    made = []
    for year, day in (("J", "T"), ("Y", "D")):
        words = {"%Y": year * 4, "%y": year * 2, "%m": "MM", "%d": day * 2, "%H": "hh", "%M": "mm", "%S": "ss"}
        text = pattern
        for code, word in words.items():
            text = text.replace(code, word)
        made.append(text)
    return made[0], made[1]
