"""A row as the text of a GeoJSON feature: the fastest form measured is `concat` around `row_to_json`."""

from __future__ import annotations

__all__ = ["FeatureText", "feature_text", "geometry_text", "linear", "prepared_text", "ready_text", "value"]

from dataclasses import dataclass, replace
from functools import lru_cache

from stadtgrund.crs import CRS84, CRS84H, Crs, storage
from stadtgrund.query.relation import Column, Relation

GEOM84, GEOM, PROPERTIES = "sg_geom84", "sg_geom", "sg_properties"
"""The columns of the pieces that lie ready."""
ARC_TOLERANCE_M = 0.01
"""Curves become chords that lie at most this far from the arc (in degrees where the storage CRS is geographic: the same at 111 km/°)."""


def value(column: Column) -> str:
    """Return the expression (over alias `q`) that `row_to_json` prints right.

    NaN and the infinities have no JSON: null. Moments carry their zone whatever the session's is.
    """
    sql = "q." + column.sql
    match column.type:
        case "number" | "decimal":
            return f"CASE WHEN {sql} < 'Infinity' AND {sql} > '-Infinity' THEN {sql} END"
        case "datetime":
            return f"CASE WHEN isfinite({sql}) THEN replace(timezone('UTC', {sql})::text, ' ', 'T') || 'Z' END"
        case "date":
            return f"CASE WHEN isfinite({sql}) THEN {sql} END"
        case "json":
            return f"{sql}::jsonb"
    return sql


def linear(geom: str, relation: Relation) -> str:
    """Return `geom` without arcs, in the storage CRS; only a column of any type can hold them."""
    assert relation.geometry
    if relation.geometry.type != "Geometry":
        return geom
    tolerance = ARC_TOLERANCE_M / 111_000 if relation.crs and relation.crs.geographic else ARC_TOLERANCE_M
    return f"ST_CurveToLine({geom}, {tolerance:.9f}, 1, 1)"


def _oriented(geom: str, kind: str) -> str:
    """Return `geom` with outer rings counterclockwise (RFC 7946, 3.1.6), whatever the source has; PostGIS would turn lines about, too."""
    if "Polygon" in kind:
        return f"ST_ForcePolygonCCW({geom})"
    if kind == "Geometry":
        return f"CASE WHEN GeometryType({geom}) IN ('POLYGON', 'MULTIPOLYGON') THEN ST_ForcePolygonCCW({geom}) ELSE {geom} END"
    return geom


def geometry_text(relation: Relation, crs: Crs) -> str:
    """Return the expression (over alias `q`) of the geometry in `crs`, NULL where there is none."""
    assert relation.geometry
    geom = _oriented(linear("q.geom", relation), relation.geometry.type)
    if crs.srid != relation.geometry.srid:
        geom = f"ST_Transform({geom}, {crs.srid:d})"
    if crs.northing_first:
        geom = f"ST_FlipCoordinates({geom})"
    return f"ST_AsGeoJSON({geom}, {crs.digits:d}, 0)"


@dataclass(frozen=True, slots=True)
class FeatureText:
    """How a row (alias `q`) becomes a feature.

    `columns`: what the row must have beside `sg_id`; `row`: the lateral item; `text`: the feature's expression. `ready`: the rows
    may be those of the prepared pieces themselves, where `text` finds all that it names.
    """

    columns: tuple[str, ...]
    row: str
    text: str
    ready: bool = False


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The two expressions that make a feature with its id, and what they need; `ready` = columns of the prepared pieces."""

    geometry: str
    attributes: str
    columns: tuple[str, ...]
    row: str
    geometry_ready: bool
    attributes_ready: bool


@lru_cache(maxsize=1024)
def feature_text(
    relation: Relation, properties: tuple[str, ...] | None = None, crs: Crs = CRS84, skip_geometry: bool = False
) -> FeatureText:
    """Return how a row of the view becomes a feature: of pieces that lie ready, where there are any, and of made ones."""
    pieces = _pieces(relation, properties, crs, skip_geometry)
    text = _joined(relation, pieces, "t" if pieces.geometry_ready or pieces.attributes_ready else "q")
    if pieces.geometry_ready or pieces.attributes_ready:
        # A look-up a row, not a join: the planner cannot put it in another order.
        text = f"(SELECT {text} FROM {relation.text} t WHERE t.sg_id = q.sg_id)"
    return FeatureText(pieces.columns, pieces.row, text)


@lru_cache(maxsize=1024)
def ready_text(relation: Relation, properties: tuple[str, ...] | None, crs: Crs, skip_geometry: bool) -> FeatureText | None:
    """Return how a row of the prepared pieces becomes a feature; None where it takes more than they hold."""
    pieces = _pieces(relation, properties, crs, skip_geometry)
    if not pieces.attributes_ready or "geom" in pieces.columns:
        return None
    columns = (pieces.geometry, pieces.attributes) if pieces.geometry_ready else (pieces.attributes,)
    return FeatureText(columns, "", _joined(relation, pieces, "q"), ready=True)


def prepared_text(relation: Relation, rows: str) -> str:
    """Return the query of the pieces that lie ready for a table: made by the same expressions, so the same to the byte.

    `sg_geom84` and `sg_geom`: the geometry in CRS84 and in the storage CRS (its axis order); `sg_properties`: all attributes.
    """
    assert relation.geometry
    bare = replace(relation, prepared=False)
    here, there = _pieces(bare, None, CRS84, False), _pieces(bare, None, storage(relation.geometry.srid), False)
    return (
        f"SELECT q.sg_id, {here.geometry} AS {GEOM84}, {there.geometry} AS {GEOM}, {here.attributes}::text AS {PROPERTIES} "
        f"FROM {rows} q{here.row}"
    ).replace("%%", "%")  # runs without placeholders


def _pieces(relation: Relation, properties: tuple[str, ...] | None, crs: Crs, skip_geometry: bool) -> _Pieces:
    with_geometry = relation.geometry is not None and not skip_geometry
    # CRS84h has the coordinates of CRS84.
    lies = {CRS84: GEOM84, CRS84H: GEOM84, storage(relation.geometry.srid): GEOM} if relation.prepared and relation.geometry else {}
    geometry, columns = "'null'", list[str]()
    if with_geometry and crs in lies:
        geometry = lies[crs]
    elif with_geometry:
        geometry = f"coalesce({geometry_text(relation, crs)}, 'null')"
        columns.append("geom")
    if relation.prepared and properties is None:
        return _Pieces(geometry, PROPERTIES, tuple(columns), "", with_geometry and crs in lies, True)
    wanted = [column for column in relation.columns if properties is None or column.name in properties]
    fields = ", ".join(f"{value(column)} AS {column.sql}" for column in wanted)
    row = f", LATERAL (SELECT {fields}) r" if wanted else ""
    columns = [*(column.sql for column in wanted), *columns]
    return _Pieces(geometry, "row_to_json(r)" if wanted else "'{}'", tuple(columns), row, with_geometry and crs in lies, False)


def _joined(relation: Relation, pieces: _Pieces, ready: str) -> str:
    """Return the text of a feature; `ready`: the alias of the prepared pieces."""
    ident = "q.sg_id" if relation.id_type == "integer" else "to_json(q.sg_id)"
    geometry = f"{ready}.{pieces.geometry}" if pieces.geometry_ready else pieces.geometry
    attributes = f"{ready}.{pieces.attributes}" if pieces.attributes_ready else pieces.attributes
    return f"""concat('{{"type":"Feature","id":', {ident}, ',"geometry":', {geometry}, ',"properties":', {attributes}, '}}')"""
