"""Which tiles there are: rows and columns of a zoom that meet a box, and what a path must say to name one of them."""

from __future__ import annotations

__all__ = ["SOUTHERNMOST", "TILEJSON_SET", "Limits", "limits", "place", "union"]

import re
from collections.abc import Callable, Iterable, Mapping
from math import asinh, floor, pi, radians, tan
from typing import NamedTuple

from server.tile_cache import Place
from stadtgrund.errors import NotFound
from stadtgrund.query.tiles import MATRIX_SETS

TILEJSON_SET = "WebMercatorQuad"
"""The tile matrix set that TileJSON knows."""
SOUTHERNMOST = 85.0511287798066
"""Latitude at the edge of the square world."""
_INDEX = re.compile(r"\d{1,9}", re.ASCII)

Box = tuple[float, float, float, float]


class Limits(NamedTuple):
    """First and last row, first and last column; row 0 is north."""

    min_row: int
    max_row: int
    min_column: int
    max_column: int

    def have(self, x: int, y: int) -> bool:
        """Whether a tile lies within."""
        return self.min_row <= y <= self.max_row and self.min_column <= x <= self.max_column

    @property
    def number(self) -> int:
        """Number of tiles."""
        return (self.max_row - self.min_row + 1) * (self.max_column - self.min_column + 1)


def limits(name: str, box84: Box, zoom: int) -> Limits:
    """Return the tiles of a zoom that meet a box in CRS84."""
    west, south, east, north = box84
    rows, columns = 2**zoom, MATRIX_SETS[name].columns * 2**zoom

    def held(share: float, number: int) -> int:
        return max(0, min(number - 1, floor(share * number)))

    def down(latitude: float) -> float:
        if name != TILEJSON_SET:
            return (90 - latitude) / 180
        inside = radians(max(-SOUTHERNMOST, min(SOUTHERNMOST, latitude)))
        return (1 - asinh(tan(inside)) / pi) / 2

    return Limits(held(down(north), rows), held(down(south), rows), held((west + 180) / 360, columns), held((east + 180) / 360, columns))


def union(boxes: Iterable[Box | None]) -> Box | None:
    """Return the box around boxes; None without any."""
    found = [box for box in boxes if box]
    if not found:
        return None
    west, south, east, north = zip(*found, strict=True)
    return min(west), min(south), max(east), max(north)


def place(places: Mapping[str, str], zoom: tuple[int, int], box_at: Callable[[int], Box | None]) -> Place:
    """Return the tile that a path names (its parts `tms`, `z`, `y`, `x`).

    Parameters
    ----------
    zoom : tuple of int
        First and last zoom that is offered.
    box_at : callable
        The zoom → box in CRS84 of what is shown there; None = nothing is, and the matrix set alone bounds the tiles.

    Raises
    ------
    NotFound
        There is no such tile: another matrix set, a zoom that is not offered, a row or column outside of the limits
        (Tiles Part 1, `tc-error`: 404 outside of the matrix set and of its limits alike).
    """
    tms, texts = places["tms"], [places[name] for name in ("z", "y", "x")]
    if tms not in MATRIX_SETS:
        raise NotFound(f"There is no tileset {tms!r}.", remedy=f"Known: {', '.join(MATRIX_SETS)}.")
    what = f"There is no tile {'/'.join(texts)[:60]}."
    if not all(map(_INDEX.fullmatch, texts)):
        raise NotFound(what, remedy="Zoom, row and column are whole numbers.")
    z, y, x = map(int, texts)
    low, high = zoom
    if not low <= z <= high:
        raise NotFound(what, remedy=f"Zoom levels: {low} to {high}.")
    if not MATRIX_SETS[tms].has(z, x, y):
        raise NotFound(what, remedy=f"Rows of this zoom level: 0 to {2**z - 1}.")
    box = box_at(z)
    if box and not (held := limits(tms, box, z)).have(x, y):
        raise NotFound(
            what,
            remedy=f"At this zoom level there are rows {held.min_row} to {held.max_row}, columns {held.min_column} to {held.max_column}.",
        )
    return Place(tms, z, x, y)
