"""Exact count and extent of a table."""

from __future__ import annotations

__all__ = ["measure"]

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import Extent
from stadtgrund.catalog.contract import Contract, FieldType, Temporal

Box = tuple[float, float, float, float]

_BOUND: dict[tuple[FieldType, str], str] = {
    ("datetime", "begin"): "{value}",
    ("datetime", "end"): "{value}",
    # A day and a year last to their end; days are those of Berlin, as in `datetime`.
    ("date", "begin"): "({value})::timestamp AT TIME ZONE 'Europe/Berlin'",
    ("date", "end"): "(({value}) + 1)::timestamp AT TIME ZONE 'Europe/Berlin' - interval '1 second'",
    ("integer", "begin"): "make_timestamptz(({value})::integer, 1, 1, 0, 0, 0, 'UTC')",
    ("integer", "end"): "make_timestamptz(({value})::integer, 12, 31, 23, 59, 59, 'UTC')",
}


def measure(
    connection: psycopg.Connection[Any], relation: tuple[str, str], srid: int | None, contract: Contract, temporal: Temporal | None
) -> tuple[int, Extent]:
    """Return the number of rows and their extent.

    Parameters
    ----------
    relation : (schema, table)
        What is counted.
    srid : int or None
        Of its column `geom`; None = it has none.
    temporal : Temporal or None
        The columns that say when; None where the relation does not have them all.

    Notes
    -----
    The box in CRS84 is that of the transformed rows, not the transformed box, which is larger or, in a zone's edge, wrong.
    """
    values: list[sql.SQL | sql.Composed] = [sql.SQL("count(*)"), *map(sql.SQL, ("NULL::box2d", "NULL::box2d", "NULL", "NULL"))]
    if srid is not None:
        values[1] = sql.SQL("ST_Extent(geom)")
        values[2] = values[1] if srid == 4326 else sql.SQL("ST_Extent(ST_Transform(geom, 4326))")
    if temporal:
        values[3:] = _times(contract, temporal)
    query = sql.SQL(
        # Infinity and what lies outside of the years 1 to 9999 cannot be written as RFC 3339 has it: open, too.
        "SELECT n, ARRAY[ST_XMin(s), ST_YMin(s), ST_XMax(s), ST_YMax(s)], ARRAY[ST_XMin(w), ST_YMin(w), ST_XMax(w), ST_YMax(w)],"
        " CASE WHEN b >= '0001-01-02Z' AND b < '9999-12-31Z' THEN b END, CASE WHEN e >= '0001-01-02Z' AND e < '9999-12-31Z' THEN e END"
        " FROM (SELECT {} FROM {}) AS m (n, s, w, b, e)"
    ).format(sql.SQL(", ").join(values), sql.Identifier(*relation))
    row = connection.execute(query).fetchone()
    assert row is not None  # an aggregate without GROUP BY has one row
    count, storage, crs84, begin, end = row
    return count, Extent(crs84=_box(crs84), storage=_box(storage), begin=_utc(begin), end=_utc(end))


def _times(contract: Contract, temporal: Temporal) -> list[sql.SQL | sql.Composed]:
    """Return begin and end as SQL; NULL where a row is open on that side, or there is no column for it."""
    names = (temporal.instant or temporal.start, temporal.instant or temporal.end)
    result: list[sql.SQL | sql.Composed] = []
    for name, side, function in zip(names, ("begin", "end"), ("min", "max"), strict=True):
        bound = _BOUND.get((contract.field(name).type, side)) if name else None
        if name is None or bound is None:
            result.append(sql.SQL("NULL::timestamptz"))
            continue
        value = sql.SQL(bound).format(value=sql.SQL(function + "({})").format(sql.Identifier(name)))
        if not temporal.instant:
            # Open is a side on which a row that has the other end is open; a row without either has no time at all.
            dated = sql.SQL("num_nonnulls({}) > 0").format(sql.SQL(", ").join(map(sql.Identifier, temporal.columns)))
            value = sql.SQL("CASE WHEN bool_and({} IS NOT NULL) FILTER (WHERE {}) THEN {} END").format(sql.Identifier(name), dated, value)
        result.append(value)
    return result


def _box(values: list[float | None]) -> Box | None:
    xmin, ymin, xmax, ymax = values
    if xmin is None or ymin is None or xmax is None or ymax is None:
        return None
    return xmin, ymin, xmax, ymax


def _utc(value: datetime | None) -> datetime | None:
    return value.astimezone(UTC) if value else None
