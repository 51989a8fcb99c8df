"""Vector tiles: one statement a tile, which also returns the version in the same snapshot."""

from __future__ import annotations

__all__ = ["MATRIX_SETS", "MatrixSet", "Tile", "fields_at", "read_tile", "tile"]

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import shapely

from stadtgrund.catalog.contract import Tiles
from stadtgrund.crs import CRS84, BBox, Crs, storage
from stadtgrund.errors import NotFound
from stadtgrund.query.box import overlap_condition
from stadtgrund.query.expression import Expression
from stadtgrund.query.feature import linear
from stadtgrund.query.interval import Interval
from stadtgrund.query.projection import Rectangle, ewkb
from stadtgrund.query.relation import Column, Relation
from stadtgrund.query.state import is_current, published, state_of
from stadtgrund.query.statement import TRUE, Fragment, Statement, conjunction
from stadtgrund.query.where import conditions

UNITS = 4096
"""Units along a tile's side (`extent` of the vector tile specification)."""
BUFFER = 64
"""Units around a tile that its features reach beyond it: 8 pixels of 512, for outlines and symbols on the edge."""
MAX_FEATURES = 200_000
"""Features a tile."""


@dataclass(frozen=True, slots=True)
class MatrixSet:
    """A tile matrix set of square tiles that halve at each zoom; `columns` at zoom 0, one row.

    Source: OGC Two Dimensional Tile Matrix Set 2.0, annex D.
    """

    name: str
    crs: Crs
    left: float
    top: float
    side: float
    columns: int

    def bounds(self, z: int, x: int, y: int) -> Rectangle:
        """Return the box of a tile, in the CRS of the set."""
        side = self.side / 2**z
        return self.left + x * side, self.top - (y + 1) * side, self.left + (x + 1) * side, self.top - y * side

    def has(self, z: int, x: int, y: int) -> bool:
        """Whether there is such a tile."""
        return 0 <= z <= 30 and 0 <= x < self.columns * 2**z and 0 <= y < 2**z


_HALF = 20037508.342789244
MATRIX_SETS: Mapping[str, MatrixSet] = MappingProxyType(
    {
        "WebMercatorQuad": MatrixSet("WebMercatorQuad", storage(3857), -_HALF, _HALF, 2 * _HALF, 1),
        "WorldCRS84Quad": MatrixSet("WorldCRS84Quad", CRS84, -180.0, 90.0, 180.0, 2),
    }
)


@dataclass(frozen=True, slots=True)
class Tile:
    """What a tile statement returned. `features` were read for it, at most `MAX_FEATURES`; `complete` is false when there are more."""

    version: int
    digest: str
    features: int
    complete: bool
    body: bytes
    current: bool


_CONDITION = re.compile(r"(<=|>=|<|>|=)?\s*(\d+)")


def fields_at(tiles: Tiles, z: int) -> tuple[str, ...] | None:
    """Return the fields that tiles of a zoom carry: those of the first condition that holds; None = all."""
    for condition, names in tiles.fields.items():
        found = _CONDITION.fullmatch(condition.strip())
        if found is None:
            raise ValueError(f"not a condition on a zoom: {condition!r}")
        limit = int(found[2])
        holds = {"<": z < limit, "<=": z <= limit, ">": z > limit, ">=": z >= limit}.get(found[1], z == limit)
        if holds:
            return names
    return None


def _value(column: Column) -> str:
    """Return the expression (over alias `f`) of a tile's attribute: the encoder knows booleans, integers, doubles and texts."""
    sql = "f." + column.sql
    match column.type:
        case "number" | "decimal":
            double = sql if column.type == "number" else f"{sql}::double precision"
            return f"CASE WHEN {sql} < 'Infinity' AND {sql} > '-Infinity' THEN {double} END"
        case "datetime":
            return f"replace(timezone('UTC', {sql})::text, ' ', 'T') || 'Z'"
        case "date" | "uuid" | "json":
            return f"{sql}::text"  # the encoder would spread the keys of a JSON object over the attributes
    return sql


def tile(
    relation: Relation,
    tiles: Tiles,
    matrix_set: str,
    z: int,
    x: int,
    y: int,
    filter: Expression | None = None,
    datetime: Interval | None = None,
    max_features: int = MAX_FEATURES,
) -> Statement:
    """Return the statement of a tile: version, digest, features read, body (empty when nothing is in it). Read its row with `read_tile`.

    Features carry an integer id (of a text id a hash of 53 bits), the feature id as attribute `id`, and the fields of this zoom.

    Raises
    ------
    NotFound
        For a tile matrix set that is not known, and a tile outside of it or of the published zooms.
    """
    matrices = MATRIX_SETS.get(matrix_set)
    low, high = tiles.zoom
    if matrices is None:
        raise NotFound(f"Unknown tile matrix set {matrix_set[:60]!r}; known: {', '.join(MATRIX_SETS)}.")
    if relation.geometry is None:
        raise NotFound(f"Collection {relation.dataset!r} has no geometry and so no tiles.")
    if not low <= z <= high or not matrices.has(z, x, y):
        raise NotFound(f"Tile {z}/{y}/{x} does not exist.", remedy=f"Zoom is {low} to {high}, rows and columns begin at 0.")
    where = conditions(relation, None, datetime, filter)
    source = _rows(relation, tiles, matrices, (z, x, y), where, max_features)
    sql = (
        "SELECT s.version, s.digest, t.* FROM "
        f"(SELECT count(*), coalesce(ST_AsMVT(m, '{relation.dataset}', {UNITS:d}, 'geom', 'sg_fid'), '') "
        f"FROM ({source.sql}) m) t, {state_of(relation)}"
    )
    # A box alone is found by its index whatever its values are, so that one plan serves all tiles.
    return Statement(sql, source.params, None if where == TRUE else False)


def _rows(relation: Relation, tiles: Tiles, matrices: MatrixSet, zxy: tuple[int, int, int], where: Fragment, most: int) -> Fragment:
    assert relation.geometry
    names = fields_at(tiles, zxy[0])
    columns = [column for column in relation.columns if names is None or column.name in names]
    bounds = matrices.bounds(*zxy)
    margin = (bounds[2] - bounds[0]) * BUFFER / UNITS
    reach = BBox(bounds[0] - margin, bounds[1] - margin, bounds[2] + margin, bounds[3] + margin, matrices.crs)
    found = conjunction((overlap_condition(relation, reach), where))
    # Positive and exact in JavaScript: the ids of vector tiles are unsigned, and MapLibre reads them as doubles.
    number = "f.sg_id" if relation.id_type == "integer" else "hashtextextended(f.sg_id, 0) & 9007199254740991"
    geom = linear("f.geom", relation)
    if relation.geometry.srid != matrices.crs.srid:
        geom = f"ST_Transform({geom}, {matrices.crs.srid:d})"
    attributes = [f"{_value(column)} AS {column.sql}" for column in columns]
    if "id" not in (column.name for column in columns):
        attributes.insert(0, "f.sg_id AS id")
    wanted = ", ".join(("sg_id", *(column.sql for column in columns), "geom"))
    sql = (
        f"SELECT {number} AS sg_fid, {', '.join(attributes)}, ST_AsMVTGeom({geom}, %s::geometry::box2d, {UNITS:d}, {BUFFER:d}) AS geom "
        f"FROM (SELECT {wanted} FROM {relation.view} WHERE {found.sql} LIMIT {most + 1:d}) f"
    )
    return Fragment(sql, (_box(bounds, matrices.crs), *found.params))


def _box(bounds: Rectangle, crs: Crs) -> str:
    return ewkb(shapely.box(*bounds), crs.srid)


def read_tile(relation: Relation, row: Sequence[Any] | None, max_features: int = MAX_FEATURES) -> Tile:
    """Return the tile that the row of `tile(…)` holds.

    Raises
    ------
    NotFound
        Without a row: the collection is not published (any more).
    """
    version, digest, features, body = published(relation, row)
    complete = features <= max_features
    return Tile(version, digest, min(features, max_features), complete, body, is_current(relation, (version, digest)))
