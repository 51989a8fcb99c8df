"""Areas that tile the plane, simplified so that they still do: the edge that two of them share stays one edge."""

from __future__ import annotations

__all__ = ["MOST_VERTICES", "Coverage"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

MOST_VERTICES = 1_000_000
"""Larger layers are not held in memory (about 100 MB); of them rounding alone keeps shared edges shared."""


class Coverage:
    """The areas of a layer in Web Mercator, simplified further with each level.

    Source: GEOS' coverage simplification (Visvalingam and Whyatt); PostGIS has it from 3.4 on only.
    """

    def __init__(self, ids: Sequence[Any], areas: NDArray[Any]) -> None:
        self._ids, self._areas = ids, areas

    @classmethod
    def of(cls, connection: psycopg.Connection[Any], table: str, level: int) -> Coverage | None:
        """Read the areas of a level of a table (quoted); None when they are too many, overlap, or share edges with differing vertices."""
        source = f"FROM {table} WHERE sg_level = {level:d}"
        row = connection.execute(f"SELECT coalesce(sum(ST_NPoints(geom)), 0) {source}").fetchone()
        if row is None or not 0 < row[0] <= MOST_VERTICES:
            return None
        rows = connection.execute(f"SELECT sg_id, ST_AsBinary(geom) {source}").fetchall()
        areas = np.asarray(shapely.from_wkb([row[1] for row in rows]))
        if not shapely.is_valid(areas).all() or not shapely.coverage_is_valid(areas):
            return None
        return cls([row[0] for row in rows], areas)

    def simplify(self, tolerance_m: float) -> None:
        """Take out vertices whose triangle with their neighbours is smaller than the square of the tolerance."""
        self._areas = shapely.coverage_simplify(self._areas, tolerance_m)

    def write(self, connection: psycopg.Connection[Any], table: str) -> None:
        """Write the areas into a table of `sg_id, geom`; its name is quoted."""
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} (sg_id, geom) FROM STDIN") as lines:
            for ident, text in zip(self._ids, shapely.to_wkb(self._areas, hex=True), strict=True):
                lines.write_row((ident, text))
