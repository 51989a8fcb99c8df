"""Pages, single items and counts: one statement each, which also returns the version in the same snapshot."""

from __future__ import annotations

__all__ = ["Count", "Item", "Page", "count", "item", "page", "read_count", "read_item", "read_page"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stadtgrund.crs import CRS84, Crs
from stadtgrund.errors import NotFound
from stadtgrund.query.cursor import Cursor
from stadtgrund.query.feature import FeatureText, feature_text, is_prepared
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.order import Branch, Order, branches, order_of
from stadtgrund.query.relation import Relation
from stadtgrund.query.state import is_current, published, state_of
from stadtgrund.query.statement import FALSE, TRUE, Fragment, Param, Statement, conjunction
from stadtgrund.query.value import check_text
from stadtgrund.query.where import conditions

_SEPARATOR = b',\n{"type":"Feature","id":'
"""Between two features. JSON writes a line feed in a string as an escape, so that this occurs nowhere else in a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page statement returned.

    `body` is the features, joined by commas. `current` is false when the state in the database is no longer the one that the
    relation was made from: make the relation anew and ask again, as boxes and columns may have changed with it.
    """

    version: int
    digest: str
    returned: int
    body: bytes
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


def page(query: FeatureQuery) -> Statement:
    """Return the statement of a page: version, digest, rows read (one more than `limit` when there is a next page), body, id and
    keys of that one row more. Read its row with `read_page`. No row: the collection is not published.

    The text depends on the shape of the query only. A plan with a box or filter depends on the values: `prepare` is then False,
    so that PostgreSQL never settles for a generic one.
    """
    relation, rows = query.relation, query.limit + 1
    feature = feature_text(relation, query.properties, query.crs, query.skip_geometry)
    order = order_of(query)
    where = conditions(relation, query.bbox, query.datetime, query.filter)
    view = relation.view
    if not order.keys and where == TRUE and is_prepared(relation, query.properties, query.crs, query.skip_geometry):
        view, feature = relation.text, FeatureText(("sg_text",), "", "q.sg_text")
    columns = ", ".join(dict.fromkeys(("sg_id", *feature.columns, *(key.sql for key in order.keys))))
    source = _rows(query, order, where, view, columns)
    keys = "".join(f", (array_agg(q.{key.sql}))[{rows:d}]::text" for key in (order.id, *order.keys))
    sql = (
        f"SELECT s.version, s.digest, p.* FROM (SELECT count(*), "
        f"convert_to(coalesce(string_agg({feature.text}, E',\\n'), ''), 'UTF8'){keys} "
        f"FROM ({source.sql}) q{feature.row}) p, {state_of(relation)}"
    )
    return Statement(sql, source.params, None if where == TRUE else False)


def _rows(query: FeatureQuery, order: Order, where: Fragment, view: str, columns: str) -> Fragment:
    """Return the rows of the page: paged first, so that no skipped row is formatted."""
    rows = query.limit + 1
    offset = 0 if query.cursor else query.offset
    if where == FALSE:
        return Fragment(f"SELECT {columns} FROM {view} WHERE FALSE")
    parts = branches(order, query.cursor)
    skip = Fragment(" OFFSET %s::bigint", (str(offset),)) if offset else Fragment("")
    if len(parts) == 1:
        found = _select(view, where, columns, parts[0])
        return Fragment(f"{found.sql} LIMIT {rows:d}{skip.sql}", found.params + skip.params)
    # With an offset each branch must bring what is skipped, too.
    limit = Fragment("%s::bigint", (str(rows + offset),)) if offset else Fragment(f"{rows:d}")
    texts, params = list[str](), list[Param]()
    for part in parts:
        found = _select(view, where, columns, part)
        texts.append(f"({found.sql} LIMIT {limit.sql})")
        params += (*found.params, *limit.params)
    return Fragment(f"SELECT * FROM ({' UNION ALL '.join(texts)}) u LIMIT {rows:d}{skip.sql}", (*params, *skip.params))


def _select(view: str, where: Fragment, columns: str, part: Branch) -> Fragment:
    found = conjunction((part.condition, where))
    clause = "" if found == TRUE else f" WHERE {found.sql}"
    return Fragment(f"SELECT {columns} FROM {view}{clause} ORDER BY {part.order_by}", found.params)


def read_page(query: FeatureQuery, row: Sequence[Any] | None) -> Page:
    """Return the page that the row of `page(query)` holds.

    Raises
    ------
    NotFound
        Without a row: the collection is not published (any more).
    """
    version, digest, read, body, ident, *values = published(query.relation, row)
    following = None
    returned = read
    if read > query.limit:
        returned = query.limit
        body = bytes(body[: body.rindex(_SEPARATOR)])
        before = (query.cursor.before if query.cursor else query.offset) + returned
        following = Cursor(version, ident, tuple(values), before, query.cursor.count if query.cursor else None)
    return Page(version, digest, returned, body, following, is_current(query.relation, (version, digest)))


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
    if is_prepared(relation, properties, crs, skip_geometry):
        feature, view = FeatureText((), "", "q.sg_text"), relation.text
    else:
        feature, view = feature_text(relation, properties, crs, skip_geometry), relation.view
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
    where = conditions(query.relation, query.bbox, query.datetime, query.filter)
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
