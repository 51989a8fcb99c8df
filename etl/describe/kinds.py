"""Which field types the values of a text column are, tried with the cast that a load uses: what holds here holds there."""

from __future__ import annotations

__all__ = ["SURE_SYMBOLS", "SYMBOLS", "TOTALS", "Candidate", "TextKinds"]

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.cast import cast
from stadtgrund.catalog.contract import FieldType

SURE_SYMBOLS = frozenset(
    {
        "k. A.", "k.A.", "k. A", "k.A", "k.a.", "keine Angabe", "n/a", "N/A", "n. a.", "n.a.", "NULL", "null", "Null", "<Null>",
        "(null)", "None", "NaN", "nan", "#NV", "#N/A", "#WERT!", "#DIV/0!",
    }
)  # fmt: skip
"""Texts that mean "no value" wherever they stand."""
SYMBOLS = SURE_SYMBOLS | {"-", "–", "—", ".", "..", "...", "…", "/", "//", "x", "X", "NA", "-9999", "-999", "-99999", "?", "*"}
"""Texts that mean "no value" in a column of numbers or dates; official statistics use several, each with a meaning of its own."""
PLACES = r"^(Land|Stadt|Landkreis|Kreis|Region|Stadtkreis) [A-ZÄÖÜ]\S*( \S+)?$"
"""Regular expression of a whole area's name, which in the first or last row of a list of its parts is their total."""
TOTALS = (
    r"^((?i:summe|gesamt|gesamtsumme|gesamtergebnis|insgesamt|total|zusammen|gesamtstadt|stadt gesamt|stadt insgesamt|alle)(:| .*)?$|"
    + PLACES[1:]
    + ")"
)
"""Regular expression of words that a row of totals has instead of a key or a name."""

_SAMPLE = 60
_NEAR = 5
_BOOLEANS = ({"ja", "nein"}, {"j", "n"}, {"true", "false"}, {"t", "f"}, {"wahr", "falsch"}, {"yes", "no"}, {"y", "n"})
_LEADING_ZERO = r"^[+-]?0\d"
_DATES = ("%d.%m.%Y", "%Y-%m-%d", "%d.%m.%y", "%Y%m%d", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d")
_TIMES = ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y%m%d%H%M%S")
_SHAPES: dict[tuple[FieldType, str | None], str] = {
    ("json", None): r"^[\[{]",
    ("datetime", None): r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d",
    ("date", None): r"^(\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.(\d{2}|\d{4}))$",
    ("date", "%Y%m%d"): r"^(19|20)\d{6}$",
}
"""What values must look like before the cast is asked, which takes more than people mean."""
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


@dataclass
class Candidate:
    """A type that the values may have: decimal sign and date pattern are part of it; `misses` counts different values that do not fit."""

    type: FieldType
    decimal: str | None = None
    pattern: str | None = None
    misses: int = 0
    examples: list[str] = field(default_factory=list)


def _candidates(*, numbers: bool) -> list[Candidate]:
    made = [Candidate("integer"), Candidate("integer", ","), Candidate("number"), Candidate("number", ",")] if numbers else []
    made += [Candidate("date", pattern=pattern) for pattern in _DATES]
    made += [*(Candidate("datetime", pattern=pattern) for pattern in _TIMES), Candidate("datetime")]
    return [*made, Candidate("date"), Candidate("json")]


class TextKinds:
    """Takes the distinct texts of a column batch by batch and knows at the end which types hold for all of them.

    Parameters
    ----------
    numbers : bool
        Whether texts may become numbers: in tables yes; a format with types of its own said "text" on purpose.
    """

    def __init__(self, *, numbers: bool) -> None:
        self.candidates = _candidates(numbers=numbers)
        self.seen = 0
        self.is_key = False
        """A value has leading zeros, a plus sign, or more digits than a number needs: text, whatever it looks like."""
        self.only_digits = True
        self.dotted, self.grouped, self.plain_thousands = False, True, False
        self.booleans: set[str] = set()
        self.only_booleans = True
        self.only_uuid = True
        self._first = True

    def add(self, words: pa.Array) -> None:
        """Take in distinct, trimmed texts, without nulls, null symbols and words of totals."""
        if not len(words):
            return
        self.seen += len(words)
        self._flags(words)
        if self._first:
            sample = words.take(pa.array(np.linspace(0, len(words) - 1, min(_SAMPLE, len(words))).astype(int)))
            self.candidates = [one for one in self.candidates if 2 * len(_errors(sample, one)) <= len(sample)]
            self._first = False
        for one in self.candidates:
            missed = _errors(words, one)
            one.misses += len(missed)
            one.examples += missed[: _NEAR - len(one.examples)]
        limit = max(_NEAR, self.seen // 50)
        self.candidates = [one for one in self.candidates if one.misses <= limit]

    def _flags(self, words: pa.Array) -> None:
        def any_(pattern: str) -> bool:
            return bool(pc.any(pc.match_substring_regex(words, pattern)).as_py())

        self.is_key = self.is_key or any_(_LEADING_ZERO) or any_(r"^\+\d") or any_(r"^\d{16,}$")
        self.only_digits = self.only_digits and bool(pc.all(pc.match_substring_regex(words, r"^\+?\d+$")).as_py())
        self.dotted = self.dotted or any_(r"^[+-]?\d+\.\d")
        self.grouped = self.grouped and not any_(r"^[+-]?(\d{4,}\.|\d+\.(\d{1,2}$|\d{4,}|.*\.\d{1,2}$)|0\.)")
        self.plain_thousands = self.plain_thousands or any_(r"^[+-]?[1-9]\d{3,}$")
        self.only_uuid = self.only_uuid and bool(pc.all(pc.match_substring_regex(words, _UUID)).as_py())
        if self.only_booleans:
            self.booleans |= {str(word).lower() for word in words.slice(0, 10).to_pylist()}
            self.only_booleans = len(words) <= 10 and any(self.booleans <= pair for pair in _BOOLEANS)

    @property
    def is_boolean(self) -> bool:
        """Whether all values are of one pair such as ja/nein; a single letter alone could mean anything."""
        return bool(self.booleans) and self.only_booleans and (len(self.booleans) == 2 or max(map(len, self.booleans)) > 1)

    def holds(self, kind: FieldType, decimal: str | None = None) -> Candidate | None:
        """Return the candidate of a type that all values fit, None where there is none."""
        if not self.seen or (self.is_key and kind in ("integer", "number")):
            return None
        for one in self.candidates:
            if one.type == kind and one.decimal == decimal and not one.misses:
                return one
        return None

    def nearly(self) -> Candidate | None:
        """Return the candidate that all but a few values fit, where no type fits all."""
        if self.is_key:
            return None
        return min((one for one in self.candidates if one.misses), key=lambda one: one.misses, default=None)


def _errors(words: pa.Array, one: Candidate) -> list[str]:
    if (one.type, one.pattern) in _SHAPES:
        shaped = pc.match_substring_regex(words, _SHAPES[one.type, one.pattern])
        if not pc.all(shaped).as_py():
            return [str(word) for word in words.filter(pc.invert(shaped)).to_pylist()]
    if one.type in ("date", "datetime") and one.pattern and not _may_be(words, one.pattern):
        return [str(word) for word in words.to_pylist()]
    _, errors = cast(words, one.type, decimal=one.decimal, pattern=one.pattern)
    missed = [str(words[error.index].as_py()) for error in errors]
    if one.type in ("date", "datetime") and one.pattern:
        # A load takes ISO beside the stated pattern; here the pattern itself must hold, or it would be stated for nothing.
        shape = _shape(one.pattern)
        missed += [str(word) for word in words.to_pylist() if not re.fullmatch(shape, str(word)) and str(word) not in missed]
    return missed


def _may_be(words: pa.Array, pattern: str) -> bool:
    return (
        re.fullmatch(_shape(pattern), str(words[0].as_py())) is not None
        or re.fullmatch(_shape(pattern), str(words[-1].as_py())) is not None
    )


def _shape(pattern: str) -> str:
    shape = re.escape(pattern)
    for code, digits in (
        ("%Y", r"\d{4}"),
        ("%y", r"\d{2}"),
        ("%m", r"\d{1,2}"),
        ("%d", r"\d{1,2}"),
        ("%H", r"\d{1,2}"),
        ("%M", r"\d{2}"),
        ("%S", r"\d{2}"),
    ):
        shape = shape.replace(re.escape(code), digits)
    return shape
