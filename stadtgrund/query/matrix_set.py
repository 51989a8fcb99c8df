"""The tile matrix sets that tiles are cut by, and the units inside a tile."""

from __future__ import annotations

__all__ = ["BUFFER", "HALF_M", "MATRIX_SETS", "UNITS", "MatrixSet"]

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stadtgrund.crs import CRS84, Crs, storage
from stadtgrund.query.projection import Rectangle

UNITS = 4096
"""Units along a tile's side (`extent` of the vector tile specification)."""
BUFFER = 64
"""Units around a tile that its features reach beyond it: 8 pixels of 512, for outlines and symbols on the edge."""
HALF_M = 20037508.342789244
"""Half a side of the square world of Web Mercator, in its metres."""


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

    def reach(self, z: int, x: int, y: int) -> Rectangle:
        """Return the box of a tile with its buffer, in the CRS of the set."""
        west, south, east, north = self.bounds(z, x, y)
        margin = (east - west) * BUFFER / UNITS
        return west - margin, south - margin, east + margin, north + margin

    def has(self, z: int, x: int, y: int) -> bool:
        """Whether there is such a tile."""
        return 0 <= z <= 30 and 0 <= x < self.columns * 2**z and 0 <= y < 2**z


MATRIX_SETS: Mapping[str, MatrixSet] = MappingProxyType(
    {
        "WebMercatorQuad": MatrixSet("WebMercatorQuad", storage(3857), -HALF_M, HALF_M, 2 * HALF_M, 1),
        "WorldCRS84Quad": MatrixSet("WorldCRS84Quad", CRS84, -180.0, 90.0, 180.0, 2),
    }
)
