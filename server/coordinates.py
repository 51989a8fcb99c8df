"""The geometry of one feature in figures, for its page: type, coordinates, extent, and the whole as text."""

from __future__ import annotations

__all__ = ["Coordinates", "coordinates"]

from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry import shape

from stadtgrund.crs import Crs

_MOST = 20_000
"""Positions whose coordinates a page states; the features of more are read as a file."""


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
    found = shape(geometry) if geometry else None
    if geometry is None or found is None or found.is_empty:
        return None
    kind, positions = geometry["type"], shapely.get_coordinates(found).shape[0]
    if kind == "Point":
        return Coordinates(kind, crs, positions, point=", ".join(map(str, geometry["coordinates"])))
    box = ", ".join(f"{value:.{crs.digits}f}".rstrip("0").rstrip(".") for value in found.bounds)
    wkt = shapely.to_wkt(found, rounding_precision=crs.digits, trim=True) if positions <= _MOST else None
    return Coordinates(kind, crs, positions, box=box, wkt=wkt)
