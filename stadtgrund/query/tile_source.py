"""Where a tile's features are read: prepared geometry in full detail, or generalised for a zoom.

Prepared geometry (`store.tile_tables`) has rows `sg_level, sg_id, sg_count, …attributes as tiles have them…, geom`. `FULL` is every
feature in Web Mercator. A level has the zoom of WebMercatorQuad for its number; its coordinates are whole units of that zoom, from the
south-west corner of the matrix set, and its areas are valid and wound as tiles want them: what lies inside a tile is only
moved there, in a third of the time that cutting and rounding take. `sg_count`: how many features one stands for, where it is not one.
"""

from __future__ import annotations

__all__ = ["FULL", "LEVELS_UP_TO", "attribute", "columns_at", "level_of", "number_of", "prepared_rows", "selected", "share", "units"]

from collections.abc import Collection, Sequence
from math import asinh, pi, radians, tan

import shapely

from stadtgrund.query.matrix_set import BUFFER, HALF_M, UNITS, MatrixSet
from stadtgrund.query.projection import Rectangle, ewkb
from stadtgrund.query.relation import Column
from stadtgrund.query.statement import Fragment

FULL = 99
"""`sg_level` of full detail."""
LEVELS_UP_TO = 14
"""Zoom of WebMercatorQuad from which on tiles have full detail: half a pixel is a metre and a half on the ground here."""
_POLE = 85.0511287798066


def attribute(column: Column) -> str:
    """Return the expression (over alias `f`) of a tile's attribute: the encoder knows booleans, integers, doubles and texts."""
    sql = "f." + column.sql
    match column.type:
        case "number" | "decimal":
            double = sql if column.type == "number" else f"{sql}::double precision"
            return f"CASE WHEN {sql} < 'Infinity' AND {sql} > '-Infinity' THEN {double} END"
        case "datetime":
            return f"CASE WHEN isfinite({sql}) THEN replace(timezone('UTC', {sql})::text, ' ', 'T') || 'Z' END"
        case "date":
            return f"CASE WHEN isfinite({sql}) THEN {sql}::text END"
        case "uuid" | "json":
            return f"{sql}::text"  # the encoder would spread the keys of a JSON object over the attributes
    return sql


def columns_at(columns: Sequence[Column], names: tuple[str, ...] | None) -> tuple[Column, ...]:
    """Return the columns that a tile carries; `names` None = all."""
    return tuple(column for column in columns if names is None or column.name in names)


def number_of(id_type: str) -> str:
    """Return the expression (over alias `f`) of a feature's number: positive, and exact in JavaScript.

    The ids of vector tiles are unsigned, and MapLibre reads them as doubles; of a text id it is a hash of 53 bits.
    """
    return "f.sg_id" if id_type == "integer" else "hashtextextended(f.sg_id, 0) & 9007199254740991"


def selected(columns: Sequence[Column], values: Sequence[str], id_type: str) -> str:
    """Return the select list of a tile's feature but for its geometry: number, `id`, attributes."""
    attributes = [f"{value} AS {column.sql}" for column, value in zip(columns, values, strict=True)]
    if "id" not in (column.name for column in columns):
        attributes.insert(0, "f.sg_id AS id")
    return ", ".join((f"{number_of(id_type)} AS sg_fid", *attributes))


def level_of(levels: Collection[int], matrices: MatrixSet, z: int) -> int | None:
    """Return the level that a tile is read from, `FULL`, or None where the form's own rows serve: full detail in CRS84.

    A tile of WorldCRS84Quad is half as wide as one of WebMercatorQuad at the same zoom; its pixels show the same level at twice the scale.
    """
    return z if z in levels else None if matrices.crs.geographic else FULL


def prepared_rows(
    source: str,
    columns: Sequence[Column],
    id_type: str,
    matrices: MatrixSet,
    zxy: tuple[int, int, int],
    level: int,
    most: int,
    thin: int = 0,
) -> Fragment:
    """Return the query of a tile's features with their geometry in its units, from prepared geometry at `source` (quoted).

    `thin`: half of the features stay, a quarter, …; of the lines and areas of a level those that are at least 16 units wide or high, 32, …
    """
    # Names of the prepared columns are those of the attributes.
    names = selected(columns, ["f." + column.sql for column in columns], id_type)
    bounds = matrices.bounds(*zxy)
    cut = f"{UNITS:d}, {BUFFER:d}"
    if level == FULL:
        sql = (
            f"SELECT {names}, ST_AsMVTGeom(f.geom, %s::box2d, {cut}) AS geom FROM "
            f"(SELECT * FROM {source} WHERE sg_level = {FULL:d} AND geom && %s::geometry{share(thin)} LIMIT {most + 1:d}) f"
        )
        return Fragment(sql, (_box(bounds), _rectangle(matrices.reach(*zxy), matrices.crs.srid)))
    condition = f"FROM {source} f WHERE f.sg_level = {level:d} AND f.geom && %s::geometry{_thinned(thin)}"
    if matrices.crs.geographic:
        unit = repr(2 * HALF_M / (UNITS * 2**level))
        metres = f"ST_SetSRID(ST_Affine(f.geom, {unit}, 0, 0, {unit}, -{HALF_M!r}, -{HALF_M!r}), 3857)"
        geom = f"ST_AsMVTGeom(ST_Transform({metres}, {matrices.crs.srid:d}), %s::box2d, {cut})"
        reach = _rectangle(units(matrices.reach(*zxy), matrices, level), 0)
        return Fragment(f"SELECT {names}, f.sg_count, {geom} AS geom {condition}", (_box(bounds), reach))
    z, x, y = zxy
    left, top = x * UNITS, (2**z - y) * UNITS
    reach = _rectangle((left - BUFFER, top - UNITS - BUFFER, left + UNITS + BUFFER, top + BUFFER), 0)
    sql = (
        f"SELECT {names}, f.sg_count, CASE WHEN f.geom @ %s::geometry"
        " THEN ST_Affine(f.geom, 1, 0, 0, -1, %s::double precision, %s::double precision)"
        f" ELSE ST_AsMVTGeom(f.geom, %s::box2d, {cut}) END AS geom {condition}"
    )
    return Fragment(sql, (reach, str(-left), str(top), _box((left, top - UNITS, left + UNITS, top)), reach))


def share(thin: int) -> str:
    """Return a condition that half of the features meet (`thin` 1), a quarter (2), … and always the same ones; nothing for 0."""
    return f" AND hashtext(sg_id::text) & {2**thin - 1:d} = 0" if thin else ""


def _thinned(thin: int) -> str:
    if not thin:
        return ""
    extent = "greatest(ST_XMax(f.geom) - ST_XMin(f.geom), ST_YMax(f.geom) - ST_YMin(f.geom))"
    return f" AND CASE WHEN ST_Dimension(f.geom) = 0 THEN true{share(thin)} ELSE {extent} >= {8 * 2**thin:d} END"


def units(box: Rectangle, matrices: MatrixSet, level: int) -> Rectangle:
    """Return a box in the CRS of a matrix set in the units of a level."""
    size: int = UNITS * 2**level
    west, south, east, north = box
    if not matrices.crs.geographic:
        scale = size / (2 * HALF_M)
        return west * scale + size / 2, south * scale + size / 2, east * scale + size / 2, north * scale + size / 2

    def up(latitude: float) -> float:
        inside = radians(max(-_POLE, min(_POLE, latitude)))
        share: float = (1 + asinh(tan(inside)) / pi) / 2
        return share * size

    return (west + 180) / 360 * size, up(south), (east + 180) / 360 * size, up(north)


def _box(box: Rectangle) -> str:
    """Return the text that PostgreSQL reads as a box2d: typed so, it is not cast for each row."""
    return f"BOX({box[0]!r} {box[1]!r},{box[2]!r} {box[3]!r})"


def _rectangle(box: Rectangle, srid: int) -> str:
    return ewkb(shapely.box(*box), srid)
