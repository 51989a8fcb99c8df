"""What the `cql2` parser must not see of a CQL2 text: nesting that ends the process, and numbers that it would round."""

from __future__ import annotations

__all__ = ["MAX_DEPTH", "prepare", "restore"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stadtgrund.errors import InvalidFilter
from stadtgrund.query.build import moment

MAX_DEPTH = 60
"""Levels of nesting; a filter that people or QGIS write has fewer than ten. The parser's stack ends at some hundreds to thousands."""

_LIFTED = "\ue000"
"""First character (for private use) of the property that stands for a number that was lifted out."""
_EXACT_DIGITS = 15
"""A float holds any decimal number of so many digits."""
_TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<geometry>(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\s*Z?\s*\(|(?:GEOMETRYCOLLECTION|BBOX)\s*Z?\s*\()
      | (?P<word>[^\W\d][\w:.]*)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<operator>[<>=]+|[-+*/^%])
      | (?P<space>\s+)
      | .""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_WORD_OPERATORS = frozenset({"not", "div", "like", "in", "is", "between"})
_TIMES = frozenset({"date", "timestamp", "interval"})


@dataclass
class _Level:
    """Inside one pair of brackets: operators in a row, BETWEENs whose AND is to come, whether it is a geometry or a time."""

    chain: int = 0
    betweens: int = 0
    geometry: bool = False
    temporal: bool = False


class _Nesting:
    """Measures how deep the parser would go: brackets, and operators in a row; AND and OR are flat."""

    def __init__(self) -> None:
        self.levels = [_Level()]

    @property
    def in_geometry(self) -> bool:
        return self.levels[-1].geometry

    @property
    def in_time(self) -> bool:
        return self.levels[-1].temporal

    def open(self, *, geometry: bool = False, temporal: bool = False) -> None:
        self.levels.append(_Level(geometry=geometry or self.in_geometry, temporal=temporal))

    def close(self) -> None:
        self.levels.pop()
        if not self.levels:
            raise InvalidFilter("The filter is not valid CQL2 text: a bracket is closed that was not opened.")

    def word(self, word: str) -> None:
        level = self.levels[-1]
        if word == "and" and level.betweens:
            level.betweens -= 1
        elif word in ("and", "or", ","):
            level.chain = level.betweens = 0
        else:
            level.chain += 1
            level.betweens += word == "between"

    def check(self) -> None:
        if len(self.levels) - 1 + sum(level.chain for level in self.levels) > MAX_DEPTH:
            raise InvalidFilter(f"The filter is nested more than {MAX_DEPTH} levels deep.", remedy="Write it flatter, with AND, OR or IN.")


def prepare(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text for the parser and the numbers that were lifted out of it.

    Strings are written with `''` for a quote (the parser does not know `\\'`), so that it sees brackets where we see them.

    Raises
    ------
    InvalidFilter
        When it is nested deeper than MAX_DEPTH, a quote or bracket is not closed, or a time is none: the parser would give one
        without a zone, or without seconds, what it lacks.
    """
    if _LIFTED in text:
        raise InvalidFilter("The filter has a character for private use (U+E000).")
    parts, lifted, nesting = list[str](), list[str](), _Nesting()
    before_operand = True  # where a minus is a sign
    word = ""  # the token before, if it was one
    for token in _TOKEN.finditer(text):
        kind, part = token.lastgroup, token[0]
        match kind:
            case "string":
                if nesting.in_time and part != "'..'":
                    moment(part[1:-1])
                part = re.sub(r"\\(.)", lambda pair: "''" if pair[1] == "'" else pair[0], part, flags=re.DOTALL)
            case "geometry":
                nesting.open(geometry=True)
            case "word" if part.lower() in _WORD_OPERATORS or part.lower() in ("and", "or"):
                nesting.word(part.lower())
            case "number" if not nesting.in_geometry and _is_long(part):
                lifted.append(part)
                part = f'"{_LIFTED}{len(lifted) - 1}"'
            case "operator" if not nesting.in_geometry and not (before_operand and _is_sign(part, text, token.end())):
                nesting.word(part)
            case None if part == "(":
                nesting.open(temporal=word in _TIMES)
            case None if part == ")":
                nesting.close()
            case None if part == ",":
                nesting.word(part)
            case None if part in "'\"":
                raise InvalidFilter("The filter is not valid CQL2 text: a quote is not closed.")
        nesting.check()
        if kind != "space":
            before_operand = kind in ("operator", "geometry") or part in "(,"
            word = part.lower() if kind == "word" else ""
        parts.append(part)
    return "".join(parts), tuple(lifted)


def _is_sign(part: str, text: str, end: int) -> bool:
    """Whether this is the sign of a number, not of something that nests."""
    return part in "+-" and text[end : end + 1].isdigit()


def _is_long(digits: str) -> bool:
    return digits.startswith(".") or sum(char.isdigit() for char in digits) > _EXACT_DIGITS


def restore(tree: Any, lifted: Sequence[str]) -> Any:
    """Return the parsed tree with the lifted numbers in their places."""
    match tree:
        case {"property": str(name)} if name.startswith(_LIFTED):
            return Decimal(lifted[int(name[1:])])
        case dict():
            return {key: restore(value, lifted) for key, value in tree.items()}
        case list():
            return [restore(value, lifted) for value in tree]
    return tree
