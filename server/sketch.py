"""A small drawing of features as SVG inside the page: no map library, no background from another host."""

from __future__ import annotations

__all__ = ["sketch"]

from collections.abc import Iterable, Iterator
from html import escape
from math import cos, isfinite, radians
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 720, 400, 12
_MOST = 20_000
"""Positions; a page with more of them is drawn as far as they go."""

Position = tuple[float, float]


def _parts(geometry: dict[str, Any]) -> Iterator[tuple[str, list[list[Position]]]]:
    """Yield ("point" | "line" | "area", rings) of a geometry."""
    kind: str = geometry["type"]
    coordinates: Any = geometry.get("coordinates") or []
    match kind:
        case "Point":
            yield "point", [[coordinates]] if coordinates else []
        case "MultiPoint":
            yield "point", [[position] for position in coordinates]
        case "LineString":
            yield "line", [coordinates]
        case "MultiLineString":
            yield "line", coordinates
        case "Polygon":
            yield "area", coordinates
        case "MultiPolygon":
            for polygon in coordinates:
                yield "area", polygon
        case "GeometryCollection":
            for part in geometry["geometries"]:
                yield from _parts(part)


def sketch(features: Iterable[dict[str, Any]], title: str) -> Markup:
    """Return an SVG of the features' geometries, north up; nothing when they have none."""
    parts: list[tuple[str, list[list[Position]]]] = []
    used = 0
    for feature in features:
        if feature.get("geometry") and used < _MOST:
            parts.extend(_parts(feature["geometry"]))
            used += sum(len(ring) for ring in parts[-1][1]) if parts else 0
    positions = [position for _, rings in parts for ring in rings for position in ring]
    if not positions or not all(isfinite(value) for position in positions for value in position[:2]):
        return Markup("")
    xs, ys = [position[0] for position in positions], [position[1] for position in positions]
    # Degrees of longitude are shorter than those of latitude; metres are not.
    geographic = max(map(abs, xs)) <= 180 and max(map(abs, ys)) <= 90
    squeeze = max(0.01, cos(radians((min(ys) + max(ys)) / 2))) if geographic else 1.0
    width, height = (max(xs) - min(xs)) * squeeze, max(ys) - min(ys)
    scale = min((_WIDTH - 2 * _MARGIN) / width if width else 1e9, (_HEIGHT - 2 * _MARGIN) / height if height else 1e9)
    scale = 1.0 if scale >= 1e9 else scale
    left, top = (_WIDTH - width * scale) / 2, (_HEIGHT - height * scale) / 2

    def place(position: Position) -> str:
        return f"{left + (position[0] - min_x) * squeeze * scale:.1f} {top + (max_y - position[1]) * scale:.1f}"

    min_x, max_y = min(xs), max(ys)
    drawn: list[str] = []
    for kind, rings in parts:
        if kind == "point":
            for ring in rings:
                x, y = place(ring[0]).split()
                drawn.append(f'<circle cx="{x}" cy="{y}" r="3.5"/>')
        else:
            end, name = ("Z", "area") if kind == "area" else ("", "line")
            path = "".join("M" + "L".join(map(place, ring)) + end for ring in rings if ring)
            drawn.append(f'<path class="{name}" fill-rule="evenodd" d="{path}"/>')
    label = escape(title, quote=True)
    # Only numbers of ours and the escaped title are in it.
    return Markup(f'<svg class="sketch" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>')
