"""Arcs in WKB as line segments that keep to a tolerance, each arc by its own radius.

GDAL's own algorithm takes one angle for all radii. Pure: bytes in, bytes out.
"""

from __future__ import annotations

__all__ = ["CURVES", "linear"]

import struct
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np


class _Kind(IntEnum):
    POINT = 1
    LINE = 2
    POLYGON = 3
    MULTI_POINT = 4
    MULTI_LINE = 5
    MULTI_POLYGON = 6
    COLLECTION = 7
    ARCS = 8
    COMPOUND = 9
    CURVE_POLYGON = 10
    MULTI_CURVE = 11
    MULTI_SURFACE = 12


_LINEAR = {
    _Kind.ARCS: _Kind.LINE,
    _Kind.COMPOUND: _Kind.LINE,
    _Kind.CURVE_POLYGON: _Kind.POLYGON,
    _Kind.MULTI_CURVE: _Kind.MULTI_LINE,
    _Kind.MULTI_SURFACE: _Kind.MULTI_POLYGON,
}
CURVES = (_Kind.COLLECTION, *_LINEAR)
"""Types of WKB in which arcs may be."""

_LARGEST_STEP = np.pi / 4  # what is smaller than the tolerance stays an area
_MOST_SEGMENTS = (
    100_000  # of one arc: enough for a circle as large as the Earth at 1 cm; three points almost in line may ask for any number
)


def linear(wkb: bytes, gap: float) -> tuple[bytes, bool]:
    """Return the geometry in the types that have no arcs, and whether it had one.

    Ends of arcs stay as they are. An arc gives the same points in both directions, so that neighbours keep what they share. Heights and
    measures run evenly between the three points of an arc. What is not ISO WKB comes back as it is.

    Parameters
    ----------
    gap : float
        Largest distance between arc and chord, in units of the coordinates.

    Source: ISO/IEC 13249-3 (SQL/MM Spatial), ST_CircularString: an arc has three points; those of a circle begin and end in the same one.
    """
    reader = _Reader(wkb, gap)
    try:
        made = reader.geometry()
    except (struct.error, ValueError, RecursionError):  # cut off, or of no type that is known
        return wkb, False
    return made, reader.has_arcs


@dataclass
class _Reader:
    data: bytes
    gap: float
    at: int = 0
    has_arcs: bool = False

    def geometry(self) -> bytes:
        """Read one geometry with its head; return it in little endian."""
        order, kind, dimension = self._head()
        match kind:
            case _Kind.POINT:
                body = self._points(order, dimension, 1).tobytes()
            case _Kind.LINE | _Kind.ARCS | _Kind.COMPOUND:
                body = _sequence(self._line(order, kind, dimension))
            case _Kind.POLYGON:
                rings = [self._points(order, dimension, self._count(order)) for _ in range(self._count(order))]
                body = struct.pack("<I", len(rings)) + b"".join(map(_sequence, rings))
            case _Kind.CURVE_POLYGON:
                rings = [self._line(*self._head()) for _ in range(self._count(order))]
                body = struct.pack("<I", len(rings)) + b"".join(map(_sequence, rings))
            case _:
                parts = [self.geometry() for _ in range(self._count(order))]
                body = struct.pack("<I", len(parts)) + b"".join(parts)
        return struct.pack("<BI", 1, _LINEAR.get(kind, kind) + 1000 * dimension) + body

    def _head(self) -> tuple[str, _Kind, int]:
        order = "<" if self._take("<B", 1) else ">"
        dimension, kind = divmod(self._take(order + "I", 4), 1000)
        return order, _Kind(kind), dimension

    def _count(self, order: str) -> int:
        return self._take(order + "I", 4)

    def _take(self, form: str, size: int) -> int:
        value: int = struct.unpack_from(form, self.data, self.at)[0]
        self.at += size
        return value

    def _points(self, order: str, dimension: int, count: int) -> np.ndarray:
        width = {0: 2, 1: 3, 2: 3, 3: 4}.get(dimension)
        if width is None:
            raise ValueError(dimension)
        found = np.frombuffer(self.data, order + "f8", count * width, self.at) if count else np.empty(0)
        self.at += found.nbytes
        return found.astype("<f8").reshape(count, width)

    def _line(self, order: str, kind: _Kind, dimension: int) -> np.ndarray:
        """Read what follows the head of a line of any kind."""
        count = self._count(order)
        if kind == _Kind.LINE:
            return self._points(order, dimension, count)
        if kind == _Kind.ARCS:
            points = self._points(order, dimension, count)
            self.has_arcs |= count > 2
            arcs = [_chords(points[i : i + 3], self.gap) for i in range(0, count - 2, 2)]
            return _joined([*arcs, points[-1:]]) if arcs else points
        if kind == _Kind.COMPOUND:
            parts = [self._line(*self._head()) for _ in range(count)]
            return _joined([part for part in parts if len(part)]) if any(map(len, parts)) else self._points(order, dimension, 0)
        raise ValueError(kind)


def _sequence(points: np.ndarray) -> bytes:
    return struct.pack("<I", len(points)) + points.tobytes()


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return one line of parts of which each begins where the one before ends."""
    rest = [part[1:] if np.array_equal(part[0, :2], before[-1, :2]) else part for before, part in pairwise(parts)]
    return np.concatenate([parts[0], *rest])


def _chords(three: np.ndarray, gap: float) -> np.ndarray:
    """Return points on the arc from the first to the third of three points, by way of the second; those two are the ends."""
    start, middle, end = three[:, :2]
    if tuple(end) < tuple(start):
        return _chords(three[::-1], gap)[::-1]
    out, on, across = middle - start, end - middle, end - start
    turn = float(out[0] * on[1] - out[1] * on[0])
    if not across.any():  # a circle, the second point lies opposite
        diameter, sweep, share = float(np.hypot(*out)), 2 * np.pi, 0.5
        tangent = float(np.arctan2(out[1], out[0])) - np.pi / 2
    elif turn:
        diameter = float(np.hypot(*out) * np.hypot(*on) * np.hypot(*across)) / abs(turn)
        # The angle at the circumference is half of that at the centre: exact for arcs that are almost straight, too.
        sweep = 2 * float(np.arctan2(turn, out @ on))
        share = 2 * float(np.arctan2(turn, across @ on)) / sweep
        tangent = float(np.arctan2(across[1], across[0])) - sweep / 2
    else:
        return three
    if not diameter > 0 or not np.isfinite(diameter):
        return three
    step = min(_LARGEST_STEP, 4 * float(np.arcsin(np.sqrt(min(gap / diameter, 1)))))  # gap = diameter · sin²(step / 4)
    segments = min(max(2, int(np.ceil(abs(sweep) / step))), _MOST_SEGMENTS)
    part = np.arange(1, segments) / segments
    half = sweep * part / 2
    away = diameter * np.abs(np.sin(half))
    inner = [start[0] + away * np.cos(tangent + half), start[1] + away * np.sin(tangent + half)]
    inner += [np.interp(part, (0, share, 1), values) for values in three[:, 2:].T]
    return np.concatenate([three[:1], np.column_stack(inner), three[2:]])
