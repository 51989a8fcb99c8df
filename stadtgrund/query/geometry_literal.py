"""Geometries that a filter states: checked, cut to where the data lie, densified and transformed to the storage CRS."""

from __future__ import annotations

__all__ = ["geometry_literal"]

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from stadtgrund.crs import Crs
from stadtgrund.errors import InvalidFilter
from stadtgrund.query.expression import GeometryLiteral
from stadtgrund.query.projection import MARGIN_DEGREES, MARGIN_METRES, Rectangle, area_of_use, ewkb, extent_in, to_storage
from stadtgrund.query.relation import Relation

_TYPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")


def geometry_literal(stated: Mapping[str, Any], relation: Relation, crs: Crs, *, reaches: bool = False) -> GeometryLiteral:
    """Return the literal of a GeoJSON geometry or of `{"bbox": […]}`, whose coordinates are in the axis order of `crs`.

    `reaches`: it matters that parts of it lie outside of every feature, so that something stands for those which are cut away.

    Raises
    ------
    InvalidFilter
        When it is no valid geometry.
    """
    assert relation.geometry
    if "type" not in stated:  # a geometry may state its bbox beside its coordinates
        geometry = _box(stated["bbox"], crs)
    else:
        geometry = _geometry(stated)
        if crs.northing_first:
            geometry = shapely.transform(geometry, lambda x, y: (y, x), interleaved=False)
    _check_range(geometry, crs)
    bounds = extent_in(relation, crs)
    if bounds is None and relation.count == 0:
        bounds = area_of_use(relation.geometry.srid, crs)
    if bounds is None:
        return GeometryLiteral(None)
    cut = not shapely.box(*bounds).covers(geometry)
    dimension = shapely.get_dimensions(geometry)
    if cut:
        geometry = _cut(geometry, shapely.box(*bounds))
    if geometry.is_empty:
        return GeometryLiteral(None)
    if cut and reaches:
        geometry = shapely.union_all([geometry, _beside(bounds, dimension, MARGIN_DEGREES if crs.geographic else MARGIN_METRES)])
    return GeometryLiteral(ewkb(to_storage(geometry, crs, relation.geometry.srid), relation.geometry.srid), cut)


def _check_range(geometry: BaseGeometry, crs: Crs) -> None:
    west, south, east, north = geometry.bounds
    if crs.geographic and (west < -180 or east > 180 or south < -90 or north > 90):
        raise _refuse("longitudes go from -180 to 180, latitudes from -90 to 90")


def _cut(geometry: BaseGeometry, bounds: BaseGeometry) -> BaseGeometry:
    """Return what of a geometry lies in the bounds, of its own dimension: what only touches them is left out."""
    if geometry.geom_type == "GeometryCollection":
        parts = [_cut(part, bounds) for part in geometry.geoms]
        return shapely.GeometryCollection([part for part in parts if not part.is_empty])
    found = shapely.intersection(geometry, bounds)
    if found.geom_type != "GeometryCollection":
        return found if shapely.get_dimensions(found) == shapely.get_dimensions(geometry) else shapely.Point()
    kept = [part for part in found.geoms if shapely.get_dimensions(part) == shapely.get_dimensions(geometry)]
    merged: BaseGeometry = shapely.union_all(kept) if kept else shapely.Point()
    return merged


def _beside(bounds: Rectangle, dimension: int, size: float) -> BaseGeometry:
    """Return a small point, line or area just outside of the bounds."""
    x, y = bounds[2] + size, bounds[3] + size
    corner = shapely.box(x, y, x + size, y + size)
    return corner if dimension == 2 else shapely.LineString([(x, y), (x + size, y + size)]) if dimension == 1 else shapely.Point(x, y)


def _refuse(what: str) -> InvalidFilter:
    return InvalidFilter(f"A geometry of the filter is not valid: {what}.", remedy="Write it as WKT or GeoJSON, rings closed.")


def _geometry(stated: Mapping[str, Any]) -> BaseGeometry:
    kind = stated.get("type")
    if kind not in _TYPES:
        raise _refuse(f"type {kind!r} is none of {', '.join(_TYPES)}")
    try:
        geometry = shapely.force_2d(shapely.from_geojson(json.dumps(stated, default=float)))
    except (GEOSException, ValueError, TypeError) as error:
        raise _refuse(str(error).removesuffix(".") or "its coordinates cannot be read") from error
    if geometry.is_empty:
        raise _refuse("it is empty")
    if not all(map(isfinite, geometry.bounds)):
        raise _refuse("coordinates must be finite numbers")
    if not geometry.is_valid:
        raise _refuse(shapely.is_valid_reason(geometry))
    return geometry


def _box(numbers: object, crs: Crs) -> BaseGeometry:
    if not isinstance(numbers, Sequence) or len(numbers) not in (4, 6):
        raise _refuse("a BBOX has 4 or 6 numbers")
    try:
        values = [float(number) for number in numbers]
    except (TypeError, ValueError) as error:
        raise _refuse("a BBOX has numbers only") from error
    half = len(values) // 2
    (xmin, ymin), (xmax, ymax) = values[:2], values[half : half + 2]
    if crs.northing_first:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    if not all(map(isfinite, values)) or ymin > ymax or (xmin > xmax and not crs.geographic):
        raise _refuse("a BBOX is finite, each lower corner below its upper corner")
    if xmin > xmax:  # across the antimeridian
        return shapely.MultiPolygon([shapely.box(xmin, ymin, 180, ymax), shapely.box(-180, ymin, xmax, ymax)])
    if xmin == xmax and ymin == ymax:
        return shapely.Point(xmin, ymin)
    return shapely.LineString([(xmin, ymin), (xmax, ymax)]) if xmin == xmax or ymin == ymax else shapely.box(xmin, ymin, xmax, ymax)
