"""Geometry of a request in the storage CRS: transformed here once, so that the column is never transformed and its index is used.

Straight lines of a request are straight in *its* CRS. They are given so many vertices that, transformed, they stray less than 1 cm.
Everything is first cut to where the data lie: far from its zone a transverse Mercator has no meaning, and the whole world
transformed to UTM is a line.
"""

from __future__ import annotations

__all__ = ["MARGIN_DEGREES", "MARGIN_METRES", "Rectangle", "ewkb", "extent_in", "to_storage", "transformer"]

from functools import lru_cache

import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from stadtgrund.crs import Crs
from stadtgrund.query.relation import Relation

type Rectangle = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax."""

STEP_DEGREES = 0.005
STEP_METRES = 500.0
"""Vertices at least this dense: a parallel's chord of 0.005° strays 3 mm from it at 55° N, that of 500 m in Web Mercator less."""
MARGIN_DEGREES = 1e-6
MARGIN_METRES = 0.1
"""Added to the extent: more than its digits lose."""


@lru_cache(maxsize=64)
def transformer(source: int, target: int) -> Transformer:
    """Return the transformer between two SRIDs, x/y order on both sides."""
    return Transformer.from_crs(source, target, always_xy=True)


def _grow(box: Rectangle, by: float) -> Rectangle:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


@lru_cache(maxsize=512)
def extent_in(relation: Relation, crs: Crs) -> Rectangle | None:
    """Return a box in `crs` that holds all geometries of the collection, a little larger than they; None when there are none."""
    geographic, stored = relation.extent.crs84, relation.extent.storage
    if relation.geometry is None or geographic is None or stored is None:
        return None
    if crs.geographic:
        return _grow(geographic, MARGIN_DEGREES)
    if crs.srid != relation.geometry.srid:
        stored = transformer(relation.geometry.srid, crs.srid).transform_bounds(*stored, densify_pts=99)
    return _grow(stored, MARGIN_METRES)


@lru_cache(maxsize=64)
def area_of_use(srid: int, crs: Crs) -> Rectangle:
    """Return where a storage CRS has a meaning, in `crs`, with some degrees around it."""
    area = CRS.from_epsg(srid).area_of_use
    west, south, east, north = (area.west, area.south, area.east, area.north) if area else (-180.0, -90.0, 180.0, 90.0)
    bounds = max(west - 3, -180.0), max(south - 3, -85.0), min(east + 3, 180.0), min(north + 3, 85.0)
    return bounds if crs.geographic else transformer(4326, crs.srid).transform_bounds(*bounds, densify_pts=99)


def to_storage(geometry: BaseGeometry, crs: Crs, srid: int) -> BaseGeometry:
    """Return a geometry of a request in the storage CRS, its lines densified."""
    if crs.srid == srid:
        return geometry
    dense = shapely.segmentize(geometry, STEP_DEGREES if crs.geographic else STEP_METRES)
    moved: BaseGeometry = shapely.transform(dense, transformer(crs.srid, srid).transform, interleaved=False)
    return moved


def ewkb(geometry: BaseGeometry, srid: int) -> str:
    """Return the text that PostgreSQL reads as a geometry with its SRID."""
    text: str = shapely.to_wkb(shapely.set_srid(geometry, srid), hex=True, include_srid=True)
    return text
