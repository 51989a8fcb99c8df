"""SQL text and its bound values: whole statements, and the fragments that they are made of.

Text is psycopg's: a `%s` a value, a per cent sign doubled. Equal shapes give equal text, so that prepared statements pay off;
values are text with a cast beside the placeholder, so that the types of a statement do not vary with its values.
"""

from __future__ import annotations

__all__ = ["FALSE", "TRUE", "Fragment", "Statement", "conjunction", "disjunction", "identifier"]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, ready for `cursor.execute(sql, params, binary=True)`.

    `prepare` is psycopg's argument of that name: False where the plan depends on the values, so that one for others would mislead.
    """

    sql: str
    params: tuple[str, ...] = ()
    prepare: Literal[False] | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL with the values of its placeholders, in order."""

    sql: str
    params: tuple[str, ...] = ()


TRUE = Fragment("TRUE")
FALSE = Fragment("FALSE")


def identifier(name: str) -> str:
    """Quote a name; a per cent sign is doubled, as the text still passes through psycopg's placeholders.

    Raises
    ------
    ValueError
        For an empty name or one with NUL, which PostgreSQL cannot hold.
    """
    if not name or "\0" in name:
        raise ValueError(f"not a name: {name!r}")
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _join(parts: Iterable[Fragment], word: str, absorbing: Fragment, neutral: Fragment) -> Fragment:
    kept = [part for part in parts if part != neutral]
    if absorbing in kept:
        return absorbing
    if len(kept) < 2:
        return kept[0] if kept else neutral
    return Fragment("(" + word.join(part.sql for part in kept) + ")", tuple(p for part in kept for p in part.params))


def conjunction(parts: Iterable[Fragment]) -> Fragment:
    """Return the fragments joined by AND; TRUE without any, FALSE as soon as one is FALSE."""
    return _join(parts, " AND ", FALSE, TRUE)


def disjunction(parts: Iterable[Fragment]) -> Fragment:
    """Return the fragments joined by OR; FALSE without any, TRUE as soon as one is TRUE."""
    return _join(parts, " OR ", TRUE, FALSE)
