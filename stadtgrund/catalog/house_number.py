"""House numbers: number, suffix, and where it is a range or a pair, the second one.

`12a`, `12 A`, `012a` are one number; `12. Dez` is a date that a spreadsheet made of one and is refused.
"""

from __future__ import annotations

__all__ = ["HouseNumber", "normalise", "parse"]

import re
from dataclasses import dataclass
from typing import Literal

from stadtgrund.language import BadValue

_NONE = {"0", "-", "–", ".", "o. nr.", "o.nr.", "ohne", "ohne nr.", "ohne nummer", "k. a.", "k.a.", "x"}
_PARTS = {"hh": "HH", "vh": "VH", "gh": "GH", "sf": "SF", "qg": "QG", "hinterhaus": "HH", "vorderhaus": "VH", "gartenhaus": "GH"}
_SUFFIX = r"(?:[a-z](?:\d{1,2})?|1/[234]|3/4|/\d{1,3}(?:[a-z])?)"
_ONE = rf"0*(?P<number>\d{{1,4}})(?:\s*(?P<suffix>{_SUFFIX}))?"
_TWO = rf"(?:0*(?P<to_number>\d{{1,4}}))?(?:\s*(?P<to_suffix>{_SUFFIX}))?"
_FORM = re.compile(
    rf"(?:(?:haus)?nr\.?\s*|hausnummer\s*|no\.?\s*)?{_ONE}(?:\s*(?P<joiner>-|–|—|bis|\+|u\.|und|&)\s*{_TWO})?(?:\s+(?P<part>{'|'.join(_PARTS)}))?",
    re.IGNORECASE,
)
_NAMES = "jan|feb|m[äa]r|mrz|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec"
_MONTH = re.compile(
    rf"\d{{1,2}}[. -]+({_NAMES})|({_NAMES})[a-zä]*[. -]+\d|\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}\.\d{{1,2}}\.(\d{{2,4}})?$", re.IGNORECASE
)


@dataclass(frozen=True, order=True)
class HouseNumber:
    """A house number. `joiner` "-" is a range, "+" a pair; `part` a part of the house (HH = Hinterhaus)."""

    number: int
    suffix: str = ""
    joiner: Literal["", "-", "+"] = ""
    to_number: int = 0
    to_suffix: str = ""
    part: str = ""

    def __str__(self) -> str:
        text = _joined(self.number, self.suffix)
        if self.joiner:
            text += self.joiner + _joined(self.to_number, self.to_suffix)
        return f"{text} {self.part}" if self.part else text


def parse(text: str) -> HouseNumber | None:
    """Read a house number; None where the address has none (`0`, `ohne`, `-`).

    Raises
    ------
    BadValue
        With a sentence that says what is wrong.
    """
    text = " ".join(text.split())
    if text.lower() in _NONE:
        return None
    if match := re.fullmatch(r"(\d+)[.,]0+", text):
        text = match[1]
    if _MONTH.search(text):
        raise BadValue(
            f"„{text}“ ist ein Datum, das eine Tabelle aus der Hausnummer gemacht hat (etwa 12-14). Spalte als Text ausgeben.",
            f"“{text}” is a date that a spreadsheet made of the house number (such as 12-14). Export the column as text.",
        )
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadValue(
            f"„{text}“ ist keine Hausnummer; erlaubt sind etwa 12, 12a, 12/1, 12 1/2, 12-14, 12a-c, 12+14, 12 HH.",
            f"“{text}” is no house number; such as 12, 12a, 12/1, 12 1/2, 12-14, 12a-c, 12+14, 12 HH are.",
        )
    number, suffix = int(match["number"]), _suffix(match["suffix"])
    if number == 0:
        raise BadValue(f"„{text}“ ist keine Hausnummer: die Nummer ist 0.", f"“{text}” is no house number: the number is 0.")
    part = _PARTS[match["part"].lower()] if match["part"] else ""
    if not match["joiner"]:
        return HouseNumber(number, suffix, part=part)
    joiner: Literal["-", "+"] = "-" if match["joiner"].lower() in ("-", "–", "—", "bis") else "+"
    if not match["to_number"] and not match["to_suffix"]:
        raise BadValue(
            f"„{text}“ ist keine Hausnummer: nach „{match['joiner']}“ fehlt die zweite.",
            f"“{text}” is no house number: after “{match['joiner']}” the second one is missing.",
        )
    to_number, to_suffix = int(match["to_number"] or number), _suffix(match["to_suffix"])
    if (to_number, to_suffix) <= (number, suffix):
        raise BadValue(
            f"„{text}“ ist keine Hausnummer: die zweite ist nicht größer als die erste.",
            f"“{text}” is no house number: the second one is not larger than the first.",
        )
    return HouseNumber(number, suffix, joiner, to_number, to_suffix, part)


def normalise(text: str) -> str | None:
    """Return the house number as text in its one spelling (12a, 12-14, 12 1/2); None where there is none."""
    found = parse(text)
    return None if found is None else str(found)


def _suffix(text: str | None) -> str:
    return (text or "").replace(" ", "").lower()


def _joined(number: int, suffix: str) -> str:
    return f"{number} {suffix}" if suffix[:1].isdigit() else f"{number}{suffix}"
