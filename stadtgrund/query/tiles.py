"""Vector tiles: one statement a tile, which also returns the version in the same snapshot."""

from __future__ import annotations

__all__ = ["MATRIX_SETS", "MatrixSet", "Tile", "encoded", "fields_at", "is_overview", "read_tile", "tile"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely

from stadtgrund.catalog.contract import Tiles
from stadtgrund.crs import BBox, Crs
from stadtgrund.errors import NotFound
from stadtgrund.query.box import overlap_condition
from stadtgrund.query.expression import Expression
from stadtgrund.query.feature import linear
from stadtgrund.query.interval import Interval
from stadtgrund.query.matrix_set import BUFFER, MATRIX_SETS, UNITS, MatrixSet
from stadtgrund.query.projection import Rectangle, ewkb
from stadtgrund.query.relation import Relation
from stadtgrund.query.state import is_current, published, state_of
from stadtgrund.query.statement import TRUE, Fragment, Statement, conjunction
from stadtgrund.query.tile_source import LEVELS_UP_TO, attribute, columns_at, level_of, prepared_rows, selected, share
from stadtgrund.query.where import conditions

MAX_FEATURES = 200_000
"""Features a tile."""


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
    thin: int = 0,
) -> Statement:
    """Return the statement of a tile: version, digest, features read, body (empty when nothing is in it). Read its row with `read_tile`.

    `thin`: how often to halve what is shown (`tile_source.prepared_rows` says what goes).
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
    source = _prepared(relation, tiles, matrices, (z, x, y), max_features, thin) if where == TRUE else None
    source = source or _rows(relation, tiles, matrices, (z, x, y), where, max_features, thin)
    sql = (
        "SELECT s.version, s.digest, t.* FROM "
        f"(SELECT count(*), coalesce({encoded(relation)}, '') FROM ({source.sql}) m) t, {state_of(relation)}"
    )
    # A box alone is found by its index whatever its values are, so that one plan serves all tiles.
    return Statement(sql, source.params, None if where == TRUE else False)


def encoded(relation: Relation) -> str:
    """Return the aggregate (over alias `m`) that makes a tile's layer of its features."""
    return f"ST_AsMVT(m, '{relation.dataset}', {UNITS:d}, 'geom', 'sg_fid')"


def is_overview(z: int) -> bool:
    """Whether tiles of a zoom are for an overview: what is small may not be in them."""
    return z <= LEVELS_UP_TO


def _prepared(relation: Relation, tiles: Tiles, matrices: MatrixSet, zxy: tuple[int, int, int], most: int, thin: int) -> Fragment | None:
    """Return the features from prepared geometry, None where there is none for this tile.

    A condition cannot hold for a feature that stands for others, so that tiles with one are made of the rows.
    """
    if relation.tile_levels is None or tiles != relation.tiles:
        return None
    level = level_of(relation.tile_levels, matrices, zxy[0])
    if level is None:
        return None
    columns = columns_at(relation.columns, fields_at(tiles, zxy[0]))
    return prepared_rows(relation.tile_geometry, columns, relation.id_type, matrices, zxy, level, most, thin)


def _rows(
    relation: Relation, tiles: Tiles, matrices: MatrixSet, zxy: tuple[int, int, int], where: Fragment, most: int, thin: int
) -> Fragment:
    assert relation.geometry
    columns = columns_at(relation.columns, fields_at(tiles, zxy[0]))
    found = conjunction((overlap_condition(relation, BBox(*matrices.reach(*zxy), matrices.crs)), where))
    geom = linear("f.geom", relation)
    if relation.geometry.srid != matrices.crs.srid:
        geom = f"ST_Transform({geom}, {matrices.crs.srid:d})"
    names = selected(columns, [attribute(column) for column in columns], relation.id_type)
    wanted = ", ".join(("sg_id", *(column.sql for column in columns), "geom"))
    sql = (
        f"SELECT {names}, ST_AsMVTGeom({geom}, %s::geometry::box2d, {UNITS:d}, {BUFFER:d}) AS geom "
        f"FROM (SELECT {wanted} FROM {relation.view} WHERE ({found.sql}){share(thin)} LIMIT {most + 1:d}) f"
    )
    return Fragment(sql, (_box(matrices.bounds(*zxy), matrices.crs), *found.params))


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
