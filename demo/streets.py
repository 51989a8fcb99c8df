"""The plan of the town: river, rings, radials, villages, blocks; one planar graph from which all else is cut.

The plan is drawn with straight cuts in an ideal plane (metres, origin at the market square), noded there, and then bent by a
smooth map. Nodes stay nodes, so the network is connected and the blocks between its edges tile the municipality without gaps.
"""

from __future__ import annotations

__all__ = ["CENTRE", "WIDTH", "Plan", "draw_plan", "generator"]

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from demo.names import street_names

Array = npt.NDArray[Any]
CENTRE = np.array([423_900.0, 5_483_500.0])
RIVER_HALF = 19.0
# width of the public parcel by class, metres; classes of width 0 are boundaries, not ways
WIDTH = {
    "Hauptverkehrsstraße": 20.0,
    "Sammelstraße": 14.0,
    "Anliegerstraße": 9.5,
    "Altstadtgasse": 6.5,
    "Wirtschaftsweg": 5.0,
    "Bach": 4.0,
    "Ufer": 0.0,
    "Grenze": 0.0,
}
# zone → width and length of a block from street axis to street axis
BLOCK = {
    "Altstadt": (58.0, 100.0),
    "Block": (82.0, 150.0),
    "Einfamilienhaus": (68.0, 200.0),
    "Reihenhaus": (64.0, 190.0),
    "Zeile": (100.0, 190.0),
    "Gewerbe": (150.0, 260.0),
    "Dorf": (72.0, 180.0),
    "Feld": (260.0, 480.0),
}
RADIALS = (12.0, 50.0, 95.0, 138.0, 170.0, 217.0, 258.0, 292.0, 326.0)
VILLAGES = {12.0: None, 50.0: "061", 95.0: "062", 170.0: "063", 217.0: "071", 326.0: "072"}


@dataclass(frozen=True)
class Plan:
    """The planar graph in EPSG:25832. `street` is -1 where an edge is no way; `names`, `key` (Straßenschlüssel),
    `street_kind` and `axis` (the whole line) belong to streets."""

    edges: Array
    kind: Array
    street: Array
    names: list[str]
    key: Array
    street_kind: list[str]
    axis: Array
    blocks: Array
    zone: Array
    river: shapely.LineString
    boundary: shapely.Polygon
    size: float


def generator(seed: int, part: str) -> np.random.Generator:
    """Return the random numbers of one part: a change in one part leaves the others as they are."""
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def _bend(xy: Array, size: float) -> Array:
    """Bend the ideal plane (metres around the market square) into EPSG:25832; at most about 80 m, smooth over 1.5 km."""
    x, y = xy[:, 0] / size, xy[:, 1] / size
    dx = 42 * np.sin(y / 310 + 0.4) + 30 * np.sin((x + y) / 520 + 1.9) + 12 * np.sin(y / 130 + x / 240)
    dy = 40 * np.sin(x / 330 + 2.2) + 28 * np.sin((x - y) / 480 + 0.3) + 12 * np.sin(x / 140 - y / 260)
    return np.asarray(CENTRE + xy + size * np.stack([dx, dy], axis=1))


def _polar(angle: Array, radius: Array) -> Array:
    return np.asarray(np.stack([radius * np.cos(np.radians(angle)), radius * np.sin(np.radians(angle))], axis=1))


def _river_y(x: Array) -> Array:
    return np.asarray(-715 + 250 * np.sin(x / 900 + 0.6) + 110 * np.sin(x / 430 + 2.2))


def _ring(radius: float, wobble: float, phase: float, stretch: float = 1.0) -> Array:
    angle = np.arange(0, 360, 6.0)
    a = np.radians(angle)
    r = radius * (1 + wobble * (np.sin(2 * a + phase) + 0.7 * np.sin(3 * a + 2 * phase) + 0.5 * np.sin(5 * a - phase)))
    return np.asarray(_polar(angle, r) * np.array([stretch, 1 / stretch]))


class _Draft:
    """Lines and leaf areas in the ideal plane, as they are drawn."""

    def __init__(self, rng: np.random.Generator, size: float) -> None:
        self.rng, self.size = rng, size
        self.lines: list[shapely.LineString] = []
        self.kinds: list[str] = []
        self.leaves: list[shapely.Polygon] = []
        self.zones: list[str] = []

    def line(self, xy: Array, kind: str) -> None:
        self.lines.append(shapely.LineString(xy))
        self.kinds.append(kind)

    def ring(self, xy: Array, kind: str, arcs: int) -> shapely.Polygon:
        """Draw a closed ring as several streets."""
        for part in np.array_split(np.arange(len(xy)), arcs):
            self.line(xy[np.append(part, part[-1] + 1) % len(xy)], kind)
        return shapely.Polygon(xy)

    def divide(self, face: shapely.Polygon, zone: str) -> None:
        """Cut an area into blocks: quarters by collector streets first, then strips, then blocks."""
        quarter = 1e9 if zone in ("Altstadt", "Feld") else 190_000 * max(self.size, 0.45) ** 2
        stack = [(face, zone, False)]
        while stack:
            area, zone, settled = stack.pop()
            if area.area < 400:
                self._leaf(area, "Park" if zone == "Stadt" else zone)
                continue
            corners = shapely.get_coordinates(shapely.oriented_envelope(area))
            u, v = corners[1] - corners[0], corners[2] - corners[1]
            if np.hypot(*u) < np.hypot(*v):
                u, v = v, u
            length, width = float(np.hypot(*u)), float(np.hypot(*v))
            if not settled and area.area <= quarter:
                zone, settled = self._zone(area, zone), True
            block_width, block_length = BLOCK.get(zone, (0.0, 0.0))
            ways = {"Altstadt": "Altstadtgasse", "Feld": "Wirtschaftsweg"}
            if not settled:
                kind, along, share = "Sammelstraße", v, 0.5 + self.rng.uniform(-0.09, 0.09)
            elif width > 1.42 * block_width:
                rows = max(2, round(width / block_width))
                kind, along, share = ways.get(zone, "Anliegerstraße"), u, (rows // 2) / rows + self.rng.uniform(-0.03, 0.03)
            elif length > 1.4 * block_length:
                kind, along, share = ways.get(zone, "Anliegerstraße"), v, 0.5 + self.rng.uniform(-0.1, 0.1)
            else:
                self._leaf(area, zone)
                continue
            cross = u if along is v else v
            middle = corners[:4].mean(axis=0) + (share - 0.5) * cross
            turn = np.radians(self.rng.normal(0, 11.0 if zone == "Altstadt" else 2.6))
            way = along / np.hypot(*along) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            knife = shapely.LineString([middle - way * 9e3, middle + way * 9e3])
            parts = shapely.get_parts(shapely.polygonize([shapely.node(shapely.union(knife, area.boundary))]))
            parts = [part for part in parts if area.contains(part.point_on_surface())]
            for cut in shapely.get_parts(shapely.intersection(knife, area)):
                if cut.length > 1:
                    self.lines.append(cut)
                    self.kinds.append(kind)
            stack.extend((part, zone, settled) for part in parts)

    def _leaf(self, area: shapely.Polygon, zone: str) -> None:
        self.leaves.append(area)
        self.zones.append(zone)

    def _zone(self, area: shapely.Polygon, zone: str) -> str:
        """Choose what is built in a quarter of the main settlement: denser inside, businesses in the east."""
        if zone != "Stadt":
            return zone
        x, y = area.centroid.x / self.size, area.centroid.y / self.size
        radius = float(np.hypot(x, y))
        if x > 1250 and -900 < y < 120:
            return "Gewerbe"
        if radius < 900:
            return "Block"
        draw = self.rng.random()
        return (
            "Zeile"
            if draw < 0.1
            else "Reihenhaus"
            if draw < 0.36
            else "Block"
            if draw < 0.36 + (radius < 1300) * 0.25
            else "Einfamilienhaus"
        )


def draw_plan(seed: int, scale: float) -> Plan:
    """Draw the plan; `scale` is the share of the full town's area."""
    size = float(np.sqrt(scale))
    rng = generator(seed, "plan")
    draft = _Draft(rng, size)
    x = np.arange(-4600, 4601, 60.0)
    middle = np.stack([x, _river_y(x)], axis=1) * size
    river = shapely.LineString(middle)
    for side in (-1, 1):
        draft.line(shapely.get_coordinates(river.offset_curve(side * RIVER_HALF)), "Ufer")
    limits = draft.ring(_ring(3440, 0.022, 1.1, 1.07) * size, "Grenze", 1)
    town = draft.ring(_ring(2310, 0.06, 0.7, 1.06) * size, "Anliegerstraße", 16)
    core = draft.ring(_ring(400, 0.04, 2.0) * max(size, 0.4), "Hauptverkehrsstraße", 4)
    draft.ring(_ring(1290, 0.04, 0.2, 1.03) * size, "Hauptverkehrsstraße", 9)
    for side in (-1, 1):
        quay = shapely.intersection(river.offset_curve(side * (RIVER_HALF + 45 * max(size, 0.5))), town)
        for part in shapely.get_parts(quay):
            draft.line(shapely.get_coordinates(part), "Sammelstraße")
    villages = []
    for angle in RADIALS:
        r = np.linspace(0.9 * core.exterior.distance(shapely.Point(0, 0)), 3900 * size, 24)
        t = np.linspace(0, 1, 24)
        drift = t * rng.uniform(3, 7) * np.sin(t * rng.uniform(5, 8) + rng.uniform(0, 6.3))
        path = _polar(angle + drift, r)
        draft.line(shapely.get_coordinates(shapely.difference(shapely.LineString(path), core)), "Hauptverkehrsstraße")
        if VILLAGES.get(angle):
            spot = path[np.argmin(np.abs(r - (2800 if abs(np.sin(np.radians(angle))) > 0.7 else 2960) * size))]
            ring = spot + _ring(rng.uniform(330, 420), 0.11, angle) * size
            villages.append(draft.ring(ring, "Anliegerstraße", 3))
    for bends in (
        [(-2900, 3600), (-2700, 2300), (-2850, 1300), (-2700, -1500)],
        [(2900, -3300), (2550, -2100), (2750, -1300), (2600, 100)],
    ):
        brook = shapely.difference(shapely.LineString(np.array(bends) * size), river.buffer(RIVER_HALF - 1))
        draft.line(shapely.get_coordinates(shapely.get_parts(brook)[0]), "Bach")
    axis = _ring(400, 0.04, 2.0) * max(size, 0.4)
    draft.line(axis[[3, 34]], "Altstadtgasse")
    draft.line(axis[[18, 48]], "Altstadtgasse")
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all(draft.lines, grid_size=0.01))))
    spots = shapely.point_on_surface(faces)
    away = shapely.distance(spots, river)
    for face, spot, gap in zip(faces, spots, away, strict=True):
        if not limits.contains(spot):
            continue
        if gap < RIVER_HALF:
            draft._leaf(face, "Fluss")
        elif core.contains(spot):
            draft.divide(face, "Altstadt")
        elif town.contains(spot):
            narrow = face.area / face.length < 28 * max(size, 0.5)
            if gap < RIVER_HALF + 45 * max(size, 0.5) and narrow:
                draft._leaf(face, "Uferpark")
            else:
                draft.divide(face, "Stadt")
        else:
            draft.divide(face, "Dorf" if any(village.contains(spot) for village in villages) else "Feld")
    return _bent(draft, river, limits, villages, size, rng)


def _bent(
    draft: _Draft,
    river: shapely.LineString,
    limits: shapely.Polygon,
    villages: list[shapely.Polygon],
    size: float,
    rng: np.random.Generator,
) -> Plan:
    """Node the draft, bend it, and find the blocks between the bent edges."""
    lines = np.array(draft.lines, dtype=object)
    edges = shapely.get_parts(shapely.union_all(lines, grid_size=0.01))
    middles = shapely.line_interpolate_point(edges, 0.5, normalized=True)
    source = shapely.STRtree(lines).query_nearest(middles, all_matches=False)[1]
    inside = shapely.covers(limits.buffer(0.1), middles)
    edges, source, middles = edges[inside], source[inside], middles[inside]
    kind = np.array(draft.kinds, dtype=object)[source]
    # a main road is the village's own street where it runs through the village
    place = np.full(len(edges), -1)
    for number, village in enumerate(villages):
        place[shapely.contains(village, middles) & (kind == "Hauptverkehrsstraße")] = number
    way = ~np.isin(kind, ["Bach", "Ufer", "Grenze"])
    lost = np.flatnonzero(way)[~_connected(edges[way])]
    kind[lost], way[lost] = "Ufer", False
    keys = {pair: number for number, pair in enumerate(sorted(set(zip(source[way].tolist(), place[way].tolist(), strict=True))))}
    street = np.array(
        [keys[pair] if is_way else -1 for pair, is_way in zip(zip(source.tolist(), place.tolist(), strict=True), way, strict=True)]
    )
    kinds = [draft.kinds[line] for line, _ in keys]
    names = street_names(kinds, rng)
    names = ["Hauptstraße" if village >= 0 else name for (_, village), name in zip(keys, names, strict=True)]

    # keys in alphabetical order, as they were given out when the register was set up
    key = np.empty(len(names), dtype=object)
    key[np.argsort(np.array(names), kind="stable")] = [f"{10 * (n + 1):05d}" for n in range(len(names))]

    def bend(geometry: Any) -> Any:
        return shapely.transform(shapely.segmentize(geometry, 20.0), lambda xy: _bend(xy, size))

    bent = bend(edges)
    blocks = shapely.get_parts(shapely.polygonize(bent))
    spots = shapely.transform(shapely.point_on_surface(np.array(draft.leaves, dtype=object)), lambda xy: _bend(xy, size))
    leaf, block = shapely.STRtree(blocks).query(spots, predicate="intersects")
    order = np.argsort(shapely.area(np.array(draft.leaves, dtype=object))[leaf], kind="stable")  # slivers never name a block
    zone = np.full(len(blocks), "Feld", dtype=object)
    zone[block[order]] = np.array(draft.zones, dtype=object)[leaf[order]]
    axis = bend(lines[[line for line, _ in keys]])
    return Plan(bent, kind, street, names, key, kinds, axis, blocks, zone, bend(river), shapely.union_all(blocks), size)


def _connected(edges: Array) -> Array:
    """Return which edges belong to the largest connected part of the network."""
    ends = shapely.get_coordinates(shapely.get_point(edges, np.array([[0], [-1]])).ravel())
    _, node = np.unique(np.round(ends, 2), axis=0, return_inverse=True)
    a, b = node.reshape(2, -1)
    label = np.arange(node.max() + 1)
    while (label[a] != label[b]).any():
        least = np.minimum(label[a], label[b])
        np.minimum.at(label, a, least)
        np.minimum.at(label, b, least)
    part, count = np.unique(label[a], return_counts=True)
    return np.asarray(label[a] == part[np.argmax(count)])
