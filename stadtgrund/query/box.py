"""The condition of a bounding box, exact to 1 cm in whatever CRS the box is stated."""

from __future__ import annotations

__all__ = ["box_condition", "overlap_condition"]

from collections.abc import Callable
from functools import lru_cache
from math import ceil, isfinite

import numpy as np
import shapely

from stadtgrund.crs import BBox, Crs
from stadtgrund.errors import InvalidParameter
from stadtgrund.query.projection import STEP_DEGREES, STEP_METRES, Rectangle, ewkb, extent_in, transformer
from stadtgrund.query.relation import Relation
from stadtgrund.query.statement import FALSE, TRUE, Fragment, conjunction, disjunction

_SLACK = 0.6
"""Of the last digit that coordinates are written with: so a feature lies in the box of the coordinates that it is written with."""
_EVERYWHERE = Fragment("geom IS NOT NULL")


def box_condition(relation: Relation, bbox: BBox) -> Fragment:
    """Return the condition that a geometry intersects the box; rows without a geometry never do.

    A box that holds the extent of the collection is no condition, one apart from it is FALSE. Heights select where geometries have them.

    Raises
    ------
    InvalidParameter
        For numbers that are not finite and for corners in the wrong order.
    """
    return conjunction((_condition(relation, bbox, _intersects), _height_condition(relation, bbox)))


def overlap_condition(relation: Relation, bbox: BBox) -> Fragment:
    """Return the condition that the upright box around a geometry overlaps the box: a little more than intersects it, by index only."""
    return _condition(relation, bbox, _overlaps)


def _height_condition(relation: Relation, bbox: BBox) -> Fragment:
    """Return the condition that the heights of a geometry, from its lowest to its highest, meet those of the box."""
    if bbox.heights is None:
        return TRUE
    bottom, top = bbox.heights
    if not (isfinite(bottom) and isfinite(top) and bottom <= top):
        raise InvalidParameter("bbox", f"{bottom},{top}", "finite heights, the bottom not above the top")
    if relation.geometry is None or relation.geometry.dimensions != 3:
        return TRUE
    slack = _SLACK / 10**bbox.crs.digits
    return Fragment(
        "(ST_ZMax(geom) >= %s::double precision AND ST_ZMin(geom) <= %s::double precision)", (repr(bottom - slack), repr(top + slack))
    )


def _condition(relation: Relation, bbox: BBox, test: Callable[[Rectangle, Crs, int], Fragment]) -> Fragment:
    slack = _SLACK / 10**bbox.crs.digits
    parts = [(box[0] - slack, box[1] - slack, box[2] + slack, box[3] + slack) for box in _parts(bbox)]
    extent = extent_in(relation, bbox.crs)
    if relation.geometry is None or extent is None:
        return FALSE
    srid = relation.geometry.srid
    found = []
    for box in parts:
        if box[0] <= extent[0] and box[1] <= extent[1] and box[2] >= extent[2] and box[3] >= extent[3]:
            return _EVERYWHERE
        cut = max(box[0], extent[0]), max(box[1], extent[1]), min(box[2], extent[2]), min(box[3], extent[3])
        if cut[0] <= cut[2] and cut[1] <= cut[3]:
            found.append(test(cut, bbox.crs, srid))
    return disjunction(found)


def _parts(bbox: BBox) -> tuple[Rectangle, ...]:
    """Return the box, or the two parts of one that spans the antimeridian (xmin > xmax)."""
    xmin, ymin, xmax, ymax = box = bbox.as_tuple()
    if not all(map(isfinite, box)) or ymin > ymax or (xmin > xmax and not bbox.crs.geographic):
        raise InvalidParameter("bbox", ",".join(map(str, box)), "finite numbers, each lower corner below its upper corner")
    return (box,) if xmin <= xmax else ((xmin, ymin, 180.0, ymax), (-180.0, ymin, xmax, ymax))


@lru_cache(maxsize=256)
def _intersects(box: Rectangle, crs: Crs, srid: int) -> Fragment:
    """Return the condition for a rectangle that lies where the data do; kept, as all pages of a walk state the same one.

    What lies wholly in `inner`, an upright rectangle inside the transformed box, needs no test of the geometry itself: most rows.
    The CASE keeps PostgreSQL from counting the selectivity of the box twice, and from turning the test into an index scan of its own.
    """
    if crs.srid == srid:
        outer = inner = shapely.box(*box)
    else:
        outer, inside = _transformed(box, crs, srid)
        inner = shapely.box(*inside) if inside[0] < inside[2] and inside[1] < inside[3] else None
    shape = ewkb(outer, srid)
    if inner is None:
        return Fragment("(geom && %s::geometry AND ST_Intersects(geom, %s::geometry))", (shape, shape))
    return Fragment(
        "(geom && %s::geometry AND CASE WHEN geom @ %s::geometry THEN TRUE ELSE ST_Intersects(geom, %s::geometry) END)",
        (shape, ewkb(inner, srid), shape),
    )


def _overlaps(box: Rectangle, crs: Crs, srid: int) -> Fragment:
    outer = shapely.box(*box) if crs.srid == srid else _transformed(box, crs, srid)[0]
    return Fragment("geom && %s::geometry", (ewkb(shapely.box(*outer.bounds), srid),))


def _transformed(box: Rectangle, crs: Crs, srid: int) -> tuple[shapely.Polygon, Rectangle]:
    """Return the box in the storage CRS as polygon, and the largest upright rectangle between its four bent sides."""
    xmin, ymin, xmax, ymax = box
    step = STEP_DEGREES if crs.geographic else STEP_METRES
    columns, rows = max(1, ceil((xmax - xmin) / step)), max(1, ceil((ymax - ymin) / step))
    xs, ys = np.linspace(xmin, xmax, columns + 1), np.linspace(ymin, ymax, rows + 1)
    across, up = np.ones(columns + 1), np.ones(rows + 1)
    # South, east, north, west: each side whole, counterclockwise, so that the corners come twice.
    x = np.concatenate([xs, xmax * up, xs[::-1], xmin * up])
    y = np.concatenate([ymin * across, ys, ymax * across, ys[::-1]])
    x, y = transformer(crs.srid, srid).transform(x, y)
    ends = np.cumsum([columns + 1, rows + 1, columns + 1])
    (_, east, _, west), (south, _, north, _) = np.split(x, ends), np.split(y, ends)
    inner = float(west.max()), float(south.max()), float(east.min()), float(north.min())
    return shapely.Polygon(np.column_stack([x, y])), inner
