"""The geometry of one feature in figures, for its page: type, coordinates, extent, and the whole as text."""

from __future__ import annotations

__all__ = ["Coordinates", "coordinates"]

from dataclasses import dataclass
from itertools import chain
from typing import Any

from shapely.geometry import shape

from stadtgrund.crs import Crs
from stadtgrund.query.csv_text import wkt

_MOST = 20_000
"""Positions whose coordinates a page states; the features of more are read as a file."""
_DEPTH = {"Point": 0, "MultiPoint": 0, "LineString": 0, "MultiLineString": 1, "Polygon": 1, "MultiPolygon": 2}
"""In how many lists the lists of positions lie."""


@dataclass(frozen=True)
class Coordinates:
    """A geometry in the CRS and axis order of its answer.

    `point`: the coordinates of a single point. `box` (least of each axis, then greatest) and `positions` are of all others; `wkt` None =
    there are too many.
    """

    type: str
    crs: Crs
    positions: int
    point: str = ""
    box: str = ""
    wkt: str | None = None


def coordinates(geometry: dict[str, Any] | None, crs: Crs) -> Coordinates | None:
    """Return the figures of a GeoJSON geometry; None where there is none, or it is empty."""
    positions = _positions(geometry) if geometry else []
    if geometry is None or not positions:
        return None
    kind = geometry["type"]
    if kind == "Point":
        return Coordinates(kind, crs, 1, point=", ".join(map(str, positions[0])))
    axes = [[position[axis] for position in positions] for axis in (0, 1)]
    box = ", ".join(_spelled(each(axis), crs) for each in (min, max) for axis in axes)
    text = wkt([shape(geometry)], crs.digits)[0] if len(positions) <= _MOST else None
    return Coordinates(kind, crs, len(positions), box=box, wkt=text)


def _positions(geometry: dict[str, Any]) -> list[Any]:
    if geometry["type"] == "GeometryCollection":
        return [position for part in geometry["geometries"] for position in _positions(part)]
    found = geometry["coordinates"]
    for _ in range(_DEPTH[geometry["type"]]):
        found = list(chain.from_iterable(found))
    return list(filter(None, [found] if geometry["type"] == "Point" else found))


def _spelled(value: float, crs: Crs) -> str:
    return f"{value:z.{crs.digits}f}".rstrip("0").rstrip(".")
