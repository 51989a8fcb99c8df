"""Pages, single items and counts: one statement each, which also returns the version in the same snapshot."""

from __future__ import annotations

__all__ = ["Count", "Item", "Page", "count", "item", "page", "read_count", "read_item", "read_page"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stadtgrund.crs import CRS84, Crs
from stadtgrund.errors import NotFound
from stadtgrund.query.cursor import Cursor
from stadtgrund.query.feature import feature_text, ready_text
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.order import order_of
from stadtgrund.query.relation import Relation
from stadtgrund.query.rows import page_rows
from stadtgrund.query.state import is_current, published, state_of
from stadtgrund.query.statement import TRUE, Statement
from stadtgrund.query.value import check_text
from stadtgrund.query.where import conditions

_SEPARATOR = b',\n{"type":"Feature","id":'
"""Between two features. JSON writes a line feed in a string as an escape, so that this occurs nowhere else in a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page statement returned.

    `body` is the features, joined by commas; `matched` how many match in all, where the statement found out. `current` is false when
    the state in the database is no longer the one that the relation was made from: make the relation anew and ask again, as boxes
    and columns may have changed with it.
    """

    version: int
    digest: str
    returned: int
    matched: int | None
    body: bytes | memoryview
    next: Cursor | None
    current: bool


@dataclass(frozen=True, slots=True)
class Item:
    """What an item statement returned: one feature's text."""

    version: int
    digest: str
    body: bytes
    current: bool


@dataclass(frozen=True, slots=True)
class Count:
    """What a count statement returned."""

    version: int
    digest: str
    matched: int
    current: bool


def page(query: FeatureQuery, matched: int | None = None) -> Statement:
    """Return the statement of a page: version, digest, number matched, rows read (one more than `limit` when there is a next page),
    body, id and keys of that one row more. Read its row with `read_page`. No row: the collection is not published.

    `matched`, where it is known, is how many match; it decides how they are looked for, never which.
    The text depends on the shape of the query only. Where matches are collected, the best plan depends on the values: `prepare` is then
    False, so that PostgreSQL never settles for a generic one. A walk has one plan: making it anew took 0.45 ms instead of 0.10 [measured].
    """
    relation = query.relation
    order = order_of(query)
    where = conditions(relation, query.bbox, query.datetime, query.filter, query.search)
    plain = where == TRUE and not order.keys
    ready = ready_text(relation, query.properties, query.crs, query.skip_geometry) if plain else None
    feature = ready or feature_text(relation, query.properties, query.crs, query.skip_geometry)
    rows = page_rows(query, order, where, relation.text if ready else relation.view, feature.columns, matched)
    keys = "".join(f", (array_agg(q.{key.sql}))[{query.limit + 1:d}]::text" for key in (order.id, *order.keys))
    # Whoever changes the views locks that of the rows first, and so does each statement that reads more than one of them: PostgreSQL
    # locks what WITH names first when it parses a statement, but last when it plans it anew.
    first = f"(SELECT count(*) FROM {relation.view} WHERE FALSE) l, " if rows.first.sql else ""
    sql = (
        f"{rows.first.sql} SELECT s.version, s.digest, {rows.matched}, p.* FROM {first}(SELECT count(*), "
        f"convert_to(coalesce(string_agg({feature.text}, E',\\n'), ''), 'UTF8'){keys} "
        f"FROM ({rows.source.sql}) q{feature.row}) p, {state_of(relation)}"
    ).lstrip()
    return Statement(sql, rows.first.params + rows.source.params, False if rows.collects else None)


def read_page(query: FeatureQuery, row: Sequence[Any] | None) -> Page:
    """Return the page that the row of `page(query)` holds.

    Raises
    ------
    NotFound
        Without a row: the collection is not published (any more).
    """
    version, digest, matched, read, body, ident, *values = published(query.relation, row)
    following = None
    returned = read
    if read > query.limit:
        returned = query.limit
        body = memoryview(body)[: body.rindex(_SEPARATOR)]  # megabytes are not copied for it
        before = (query.cursor.before if query.cursor else query.offset) + returned
        following = Cursor(version, ident, tuple(values), before, query.cursor.count if query.cursor else None)
    if query.cursor:
        matched = None  # of the rows from the cursor on
    return Page(version, digest, returned, matched, body, following, is_current(query.relation, (version, digest)))


def item(
    relation: Relation, ident: str, crs: Crs = CRS84, properties: tuple[str, ...] | None = None, skip_geometry: bool = False
) -> Statement:
    """Return the statement of one feature: version, digest, text (NULL when there is none). Read its row with `read_item`.

    Raises
    ------
    NotFound
        When `ident` cannot be an id of this collection.
    """
    try:
        check_text(ident, relation.id_type)
    except ValueError as error:
        raise _no_item(relation, ident) from error
    ready = ready_text(relation, properties, crs, skip_geometry)
    feature = ready or feature_text(relation, properties, crs, skip_geometry)
    view = relation.text if ready else relation.view
    sql = (
        f"SELECT s.version, s.digest, (SELECT convert_to({feature.text}, 'UTF8') FROM {view} q{feature.row} "
        f"WHERE q.sg_id = %s::{relation.id_cast}) FROM {state_of(relation)}"
    )
    return Statement(sql, (ident,))


def _no_item(relation: Relation, ident: str) -> NotFound:
    shown = ident if len(ident) <= 100 else ident[:100] + "…"
    return NotFound(f"Collection {relation.dataset!r} has no item {shown!r}.")


def read_item(relation: Relation, ident: str, row: Sequence[Any] | None) -> Item:
    """Return the item that the row of `item(…)` holds.

    Raises
    ------
    NotFound
        When there is no such item, or no such collection.
    """
    version, digest, body = published(relation, row)
    if body is None:
        raise _no_item(relation, ident)
    return Item(version, digest, body, is_current(relation, (version, digest)))


def count(query: FeatureQuery) -> Statement:
    """Return the statement that counts what matches, whatever the page: version, digest, count. Read its row with `read_count`."""
    where = conditions(query.relation, query.bbox, query.datetime, query.filter, query.search)
    clause = "" if where == TRUE else f" WHERE {where.sql}"
    sql = f"SELECT s.version, s.digest, (SELECT count(*) FROM {query.relation.view}{clause}) FROM {state_of(query.relation)}"
    return Statement(sql, where.params, None if where == TRUE else False)


def read_count(query: FeatureQuery, row: Sequence[Any] | None) -> Count:
    """Return the count that the row of `count(query)` holds.

    Raises
    ------
    NotFound
        Without a row: the collection is not published (any more).
    """
    version, digest, matched = published(query.relation, row)
    return Count(version, digest, matched, is_current(query.relation, (version, digest)))
