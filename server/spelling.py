"""Numbers, days, moments and CRSs as pages spell them, in the language of the page."""

from __future__ import annotations

__all__ = ["crs_code", "spell_crs", "spell_day", "spell_moment", "spell_number", "spell_value"]

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError

from stadtgrund.catalog.collection import CollectionField
from stadtgrund.crs import CRS84H, Crs
from stadtgrund.query.interval import BERLIN

_SWAPPED = str.maketrans(",.", ".,")
_ZONES = {"CET": "MEZ", "CEST": "MESZ"}


def spell_number(value: Any, language: str, *, grouped: bool = True) -> str:
    """Return a number in groups of three digits, in German with a decimal comma; what is no number stays.

    A number of a feature keeps each digit that it came with.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    text = f"{value:.10g}" if type(value) is float else str(value)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, rest = digits.partition(".")
    if grouped and whole.isdecimal():
        first = len(whole) % 3
        whole = ",".join(filter(None, (whole[:first], *(whole[at : at + 3] for at in range(first, len(whole), 3)))))
    spelled = f"{sign}{whole}{point}{rest}"
    return spelled.translate(_SWAPPED) if language == "de" else spelled


def spell_day(text: str | None, language: str) -> str:
    """Return a date, or the day in Berlin of an RFC 3339 instant; None, an open end, is an ellipsis, and what is neither stays."""
    if text is None:
        return "…"
    try:
        return _day(_in_berlin(text).date() if "T" in text else date.fromisoformat(text), language)
    except (ValueError, OverflowError):
        return text


def spell_value(value: Any, field: CollectionField, language: str) -> str:
    """Return the value of an attribute.

    Whole numbers without a unit are years, numbers and codes more often than amounts: they are not grouped, whatever their type.
    """
    match field.type:
        case "integer" | "number" | "decimal":
            return spell_number(value, language, grouped=field.unit is not None or not _is_whole(value))
        case "date":
            return spell_day(str(value), language)
        case "datetime":
            return spell_moment(str(value), language)
    return str(value)


def crs_code(uri: str) -> str:
    """Return the code in the URI of a CRS: `EPSG:25832`, `CRS84`."""
    code = uri.rsplit("/", 1)[1]
    return f"EPSG:{code}" if "/EPSG/" in uri else code


def spell_crs(crs: Crs, language: str) -> str:
    """Return the name of a CRS, with the order of its coordinates where they are degrees: `WGS 84 (latitude, longitude)`."""
    name = _name(crs.srid)
    if not crs.geographic:
        return name
    longitude, latitude, height = ("Länge", "Breite", "Höhe") if language == "de" else ("longitude", "latitude", "height")
    order = [latitude, longitude] if crs.northing_first else [longitude, latitude]
    return f"{name} ({', '.join([*order, height] if crs == CRS84H else order)})"


@lru_cache(maxsize=64)
def _name(srid: int) -> str:
    try:
        return str(CRS.from_epsg(srid).name)
    except CRSError:  # PostGIS may know one that PROJ does not
        return ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _in_berlin(text: str) -> datetime:
    """Return a moment in Berlin; in UTC where Berlin went by the sun, whose zone nobody knows (before April 1893)."""
    moment = datetime.fromisoformat(text).astimezone(BERLIN)
    return moment.astimezone(UTC) if moment.tzname() == "LMT" else moment


def _day(day: date, language: str) -> str:
    return f"{day.day:02}.{day.month:02}.{day.year:04}" if language == "de" else day.isoformat()


def spell_moment(text: str, language: str) -> str:
    """Return an RFC 3339 instant as day, clock and zone in Berlin; what is none stays."""
    try:
        moment = _in_berlin(text)
    except (ValueError, OverflowError):
        return text
    clock = moment.time().isoformat("auto" if moment.second or moment.microsecond else "minutes")
    if moment.microsecond:
        clock = clock.rstrip("0")
    zone = moment.tzname() or ""
    return f"{_day(moment.date(), language)} {clock} {_ZONES.get(zone, zone) if language == 'de' else zone}"
