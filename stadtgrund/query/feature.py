"""A row as the text of a GeoJSON feature: the fastest form measured is `concat` around `row_to_json`."""

from __future__ import annotations

__all__ = ["FeatureText", "feature_text", "geometry_text", "is_prepared", "linear", "made_text", "prepared_text", "value"]

from dataclasses import dataclass
from functools import lru_cache

from stadtgrund.crs import CRS84, Crs
from stadtgrund.query.relation import Column, Relation

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
            return f"replace(timezone('UTC', {sql})::text, ' ', 'T') || 'Z'"
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


def geometry_text(relation: Relation, crs: Crs) -> str:
    """Return the expression (over alias `q`) of the geometry in `crs`, NULL where there is none."""
    assert relation.geometry
    geom = linear("q.geom", relation)
    if crs.srid != relation.geometry.srid:
        geom = f"ST_Transform({geom}, {crs.srid:d})"
    if crs.northing_first:
        geom = f"ST_FlipCoordinates({geom})"
    return f"ST_AsGeoJSON({geom}, {crs.digits:d}, 0)"


@dataclass(frozen=True, slots=True)
class FeatureText:
    """`columns`: what the rows (alias `q`) must have beside `sg_id`; `row`: the lateral item; `text`: the feature's expression."""

    columns: tuple[str, ...]
    row: str
    text: str


@lru_cache(maxsize=1024)
def feature_text(
    relation: Relation, properties: tuple[str, ...] | None = None, crs: Crs = CRS84, skip_geometry: bool = False
) -> FeatureText:
    """Return how a row becomes a feature: read where it lies ready, else made."""
    if is_prepared(relation, properties, crs, skip_geometry):
        # A look-up a row, not a join: the planner cannot put it in another order.
        return FeatureText((), "", f"(SELECT t.sg_text FROM {relation.text} t WHERE t.sg_id = q.sg_id)")
    return made_text(relation, properties, crs, skip_geometry)


def is_prepared(relation: Relation, properties: tuple[str, ...] | None, crs: Crs, skip_geometry: bool) -> bool:
    """Whether what is asked lies ready."""
    return relation.prepared and properties is None and crs == CRS84 and not skip_geometry


def prepared_text(relation: Relation, rows: str) -> str:
    """Return the query of `sg_id` and `sg_text` that prepares the features of a table: by the same expression, so to the same byte."""
    feature = made_text(relation, None, CRS84, False)
    return f"SELECT q.sg_id, {feature.text} AS sg_text FROM {rows} q{feature.row}".replace("%%", "%")  # runs without placeholders


def made_text(relation: Relation, properties: tuple[str, ...] | None, crs: Crs, skip_geometry: bool) -> FeatureText:
    """Return how a row is made a feature."""
    wanted = [column for column in relation.columns if properties is None or column.name in properties]
    with_geometry = relation.geometry is not None and not skip_geometry
    ident = "q.sg_id" if relation.id_type == "integer" else "to_json(q.sg_id)"
    geometry = f"coalesce({geometry_text(relation, crs)}, 'null')" if with_geometry else "'null'"
    fields = ", ".join(f"{value(column)} AS {column.sql}" for column in wanted)
    row = f", LATERAL (SELECT {fields}) r" if wanted else ""
    attributes = "row_to_json(r)" if wanted else "'{}'"
    text = f"""concat('{{"type":"Feature","id":', {ident}, ',"geometry":', {geometry}, ',"properties":', {attributes}, '}}')"""
    columns = [column.sql for column in wanted]
    return FeatureText((*columns, "geom") if with_geometry else tuple(columns), row, text)
