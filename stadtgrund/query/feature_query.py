"""What a request asks of a collection: frozen, validated against the relation, without a word of SQL."""

from __future__ import annotations

__all__ = ["MAX_OFFSET", "FeatureQuery", "SortKey", "parse_sortby", "sortables"]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stadtgrund.crs import CRS84, BBox, Crs
from stadtgrund.errors import InvalidParameter
from stadtgrund.query.interval import Interval
from stadtgrund.query.relation import Relation

if TYPE_CHECKING:
    from stadtgrund.query.cursor import Cursor
    from stadtgrund.query.expression import Expression
    from stadtgrund.query.search import Search

MAX_OFFSET = 2**63 - 1
"""PostgreSQL's OFFSET is a bigint."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """A sortable column and its direction."""

    column: str
    descending: bool = False

    def __str__(self) -> str:
        return ("-" if self.descending else "") + self.column


@dataclass(frozen=True, kw_only=True)
class FeatureQuery:
    """A page of features.

    Parameters
    ----------
    relation : Relation
        Of what.
    limit : int
        Features a page, from 1; the caller caps it.
    offset : int
        Features to skip; does not count when there is a `cursor`.
    cursor : Cursor, optional
        Where the page before ended.
    bbox : BBox, optional
        x/y order, with its CRS; features without geometry never match. Its heights select where the geometries have some.
    datetime : Interval, optional
        Matched with the temporal columns of the contract; no effect on a collection that has none.
    properties : tuple of str, optional
        Attributes to return, in the relation's order; None = all.
    sortby : tuple of SortKey
        Sortables only. The id is always the last key.
    search : Search, optional
        Words that a row must have; the relation must have fields to search.
    filter : Expression, optional
        All conditions on attributes and geometry.
    crs : Crs
        Of the geometries that are returned.
    skip_geometry : bool
        Return `"geometry":null` for each feature.

    Raises
    ------
    InvalidParameter
        Naming the parameter and what is allowed.
    """

    relation: Relation
    limit: int
    offset: int = 0
    cursor: Cursor | None = None
    bbox: BBox | None = None
    datetime: Interval | None = None
    properties: tuple[str, ...] | None = None
    sortby: tuple[SortKey, ...] = ()
    search: Search | None = None
    filter: Expression | None = None
    crs: Crs = CRS84
    skip_geometry: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InvalidParameter("limit", str(self.limit), "an integer from 1")
        if not 0 <= self.offset <= MAX_OFFSET:
            raise InvalidParameter("offset", str(self.offset), "an integer from 0 to 2^63-1")
        for name in self.properties or ():
            if name not in self.relation.by_name:
                raise InvalidParameter("properties", name, _list(self.relation.by_name))
        _check_sortby(self.sortby, self.relation)
        if self.search and not self.relation.search:
            raise InvalidParameter(
                "q", " ".join(self.search.terms[0]), "nothing: this collection has no text to search; filter asks for values"
            )

    @property
    def is_conditional(self) -> bool:
        """Whether some rows may not match."""
        return not (self.bbox is None and self.datetime is None and self.filter is None and self.search is None)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none (the collection has no such column)"


def sortables(relation: Relation) -> tuple[str, ...]:
    """Return the columns that a collection can be sorted by: the contract's, and the attribute that is the id."""
    own = (relation.id_field,) if relation.id_field in relation.by_name else ()
    return tuple(dict.fromkeys((*relation.sortables, *filter(None, own))))


def _check_sortby(keys: tuple[SortKey, ...], relation: Relation) -> None:
    allowed = sortables(relation)
    seen = set[str]()
    for key in keys:
        if key.column not in allowed:
            raise InvalidParameter("sortby", str(key), _list(allowed))
        if key.column in seen:
            raise InvalidParameter("sortby", str(key), "each column once")
        seen.add(key.column)


def parse_sortby(text: str, relation: Relation) -> tuple[SortKey, ...]:
    """Read the value of `sortby`: names separated by commas, each with an optional + or - before it.

    Raises
    ------
    InvalidParameter
        For a column that is not sortable, listing those that are.
    """
    keys = tuple(
        SortKey(part.strip().lstrip("+-").strip(), part.strip().startswith("-")) for part in text.split(",")
    )  # a "+" in a URL arrives as a space
    _check_sortby(keys, relation)
    return keys
