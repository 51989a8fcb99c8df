"""The figures of a geometry on the page of its feature."""

from __future__ import annotations

from typing import Any

import pytest

from server.coordinates import Coordinates, coordinates
from stadtgrund.crs import CRS84

LINE = {"type": "LineString", "coordinates": [[1e-8, -1e-9], [7.1, 51.5]]}
AREA = {"type": "MultiPolygon", "coordinates": [[[[0, 0], [2, 0], [2, 3], [0, 0]]], [[[5, 5], [6, 5], [6, 7], [5, 5]]]]}
POINT = {"type": "Point", "coordinates": [7.0, 51.5]}


@pytest.mark.parametrize(
    ("geometry", "figures"),
    [
        (None, None),
        ({"type": "Point", "coordinates": []}, None),
        ({"type": "MultiPolygon", "coordinates": []}, None),
        ({"type": "GeometryCollection", "geometries": []}, None),
        (POINT, Coordinates("Point", CRS84, 1, point="7.0, 51.5")),
        (
            {"type": "MultiPoint", "coordinates": [[1, 2], [3, 0]]},
            Coordinates("MultiPoint", CRS84, 2, box="1, 0, 3, 2", wkt="MULTIPOINT ((1 2), (3 0))"),
        ),
        (LINE, Coordinates("LineString", CRS84, 2, box="0.00000001, 0, 7.1, 51.5", wkt="LINESTRING (0.00000001 0, 7.1 51.5)")),
        (
            AREA,
            Coordinates("MultiPolygon", CRS84, 8, box="0, 0, 6, 7", wkt="MULTIPOLYGON (((0 0, 2 0, 2 3, 0 0)), ((5 5, 6 5, 6 7, 5 5)))"),
        ),
        (
            {"type": "GeometryCollection", "geometries": [POINT, LINE]},
            Coordinates(
                "GeometryCollection",
                CRS84,
                3,
                box="0.00000001, 0, 7.1, 51.5",
                wkt="GEOMETRYCOLLECTION (POINT (7 51.5), LINESTRING (0.00000001 0, 7.1 51.5))",
            ),
        ),
    ],
)
def test_figures(geometry: dict[str, Any] | None, figures: Coordinates | None) -> None:
    assert coordinates(geometry, CRS84) == figures


def test_of_many_positions_no_geometry_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.coordinates._MOST", 7)
    monkeypatch.setattr("server.coordinates.shape", None)
    assert coordinates(AREA, CRS84) == Coordinates("MultiPolygon", CRS84, 8, box="0, 0, 6, 7")
