from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
import shapely

from etl.extract import arcs

X, Y = 380000.0, 5700000.0
GAP = 0.01


def wkb(kind: int, *parts: bytes | tuple[float, ...], order: str = "<", axes: int = 0) -> bytes:
    """Return WKB of a line of points, or of a geometry of parts."""
    body = b"".join(part if isinstance(part, bytes) else struct.pack(f"{order}{len(part)}d", *part) for part in parts)
    return struct.pack(f"{order}BII", order == "<", kind + axes, len(parts)) + body


def on_circle(radius: float, *angles: float) -> list[tuple[float, float]]:
    return [(X + radius * np.cos(angle), Y + radius * np.sin(angle)) for angle in angles]


def straight(data: bytes, gap: float = GAP) -> np.ndarray:
    made, had_arcs = arcs.linear(data, gap)
    assert had_arcs
    return shapely.get_coordinates(shapely.from_wkb(made), include_z=shapely.has_z(shapely.from_wkb(made)))


def farthest(line: np.ndarray, radius: float) -> float:
    """Return the largest distance between the circle around X, Y and the line: at a vertex or in the middle of a chord."""
    middles = (line[1:] + line[:-1]) / 2
    return float(np.abs(np.hypot(*(np.concatenate([line, middles]) - (X, Y)).T) - radius).max())


@pytest.mark.parametrize("radius", [0.003, 0.5, 10, 1000, 50_000, 5_000_000])
@pytest.mark.parametrize("sweep", [0.001, 1.0, -3.0, 6.2])
def test_chords_keep_to_the_tolerance_and_ends_stay(radius: float, sweep: float) -> None:
    points = on_circle(radius, 0.3, 0.3 + 0.4 * sweep, 0.3 + sweep)
    line = straight(wkb(8, *points))
    assert farthest(line, radius) <= GAP
    assert tuple(line[0]) == points[0] and tuple(line[-1]) == points[2]
    length = sum(np.hypot(*(b - a)) for a, b in pairwise(line))
    assert length == pytest.approx(radius * abs(sweep), rel=0.03), "the way around that the second point tells"
    assert 3 <= len(line) <= 3 + abs(sweep) * max(np.sqrt(radius / GAP), 1.3), "no more points than the tolerance needs"
    assert np.array_equal(straight(wkb(8, *points[::-1])), line[::-1]), "neighbours have the same points"


@pytest.mark.parametrize("radius", [0.5, 1000])
def test_a_circle(radius: float) -> None:
    first, opposite = on_circle(radius, 1, 1 + np.pi)
    line = straight(wkb(8, first, opposite, first))
    assert farthest(line, radius) <= GAP and tuple(line[0]) == tuple(line[-1]) == first
    assert shapely.Polygon(line).area == pytest.approx(np.pi * radius**2, rel=0.03)


def test_three_points_almost_in_line_give_a_bounded_number_of_points() -> None:
    line = straight(wkb(8, (X, Y), (X + 100, Y + 1e-9), (X + 50, Y)))
    assert len(line) <= 100_001
    assert straight(wkb(8, (X, Y), (X + 50, Y), (X + 100, Y))).tolist() == [[X, Y], [X + 50, Y], [X + 100, Y]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_of_curve_becomes_the_one_without(order: str) -> None:
    def made(kind: int, *parts: bytes | tuple[float, ...]) -> bytes:
        return wkb(kind, *parts, order=order)

    a, b, c = on_circle(10, 0, 1, 2)
    arc, back = made(8, a, b, c), made(2, c, (X, Y), a)
    ring = made(9, arc, back)
    area = made(10, ring)
    square = struct.pack(f"{order}BIII", order == "<", 3, 1, 4) + struct.pack(f"{order}8d", 0, 0, 1, 0, 1, 1, 0, 0)
    for data, kind in (
        (arc, "LineString"),
        (ring, "LineString"),
        (area, "Polygon"),
        (made(11, arc, back), "MultiLineString"),
        (made(12, square, area), "MultiPolygon"),
        (made(7, square, area, made(7, arc)), "GeometryCollection"),
    ):
        shape = shapely.from_wkb(arcs.linear(data, GAP)[0])
        assert shape.geom_type == kind and arcs.linear(data, GAP)[1]
        assert {a, c} <= set(map(tuple, shapely.get_coordinates(shape).tolist()))
    assert shapely.from_wkb(arcs.linear(area, GAP)[0]).area == pytest.approx(100, rel=0.01)
    assert arcs.linear(made(12, square), GAP)[1] is False and shapely.from_wkb(arcs.linear(made(12, square), GAP)[0]).area == 0.5
    for kind in (8, 9, 10, 11, 12):
        assert shapely.from_wkb(arcs.linear(made(kind), GAP)[0]).is_empty
    for broken in (area[:-3], b"", made(8, a)[:3], made(99, a)):
        assert arcs.linear(broken, GAP) == (broken, False)


def test_heights_run_evenly_between_the_three_points() -> None:
    points = [(*point, height) for point, height in zip(on_circle(10, 0, 1, 3), (1, 5, 6), strict=True)]
    line = straight(wkb(8, *points, axes=1000))
    angle = np.arctan2(line[:, 1] - Y, line[:, 0] - X)
    assert line[:, 2] == pytest.approx(np.interp(angle, (0, 1, 3), (1, 5, 6)), abs=1e-6)
