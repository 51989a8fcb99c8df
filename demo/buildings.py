"""Houses on their plots, facing the street, and the addresses at their doors."""

from __future__ import annotations

__all__ = ["Houses", "number_doors", "raise_houses"]

from dataclasses import dataclass

import numpy as np
import shapely

from demo.parcels import Lots, find_way
from demo.streets import Array, Plan, generator

# zone → setback from the street (low, high), side margin, width (low, high), depth (low, high), all in metres
FORM = {
    "Altstadt": (0.1, 0.25, 0.03, 60, 60, 10, 14),
    "Block": (0.2, 0.4, 0.03, 60, 60, 11.5, 13.5),
    "Einfamilienhaus": (4, 6.5, 2.6, 9, 12, 9, 12),
    "Reihenhaus": (4.8, 5.2, 0.03, 60, 60, 10, 11),
    "Zeile": (5, 7, 4, 36, 46, 11.5, 12.5),
    "Gewerbe": (7, 14, 6, 28, 60, 20, 44),
    "Dorf": (0.5, 5, 2.6, 9, 13, 10, 15),
    "Schule": (8, 16, 8, 46, 70, 16, 24),
}


@dataclass(frozen=True)
class Houses:
    """Buildings with their plot; `kind` is Haus, Hinterhaus, Garage or Schuppen; doors are 0.4 m inside the street front."""

    area: Array
    lot: Array
    kind: Array
    zone: Array
    door: Array
    door_house: Array


class _Frame:
    """The plots' own frames: origin at the middle of the frontage, x along it, y into the plot."""

    def __init__(self, front: Array) -> None:
        along = front[:, 1] - front[:, 0]
        self.width = np.hypot(*along.T)
        self.origin = front.mean(axis=1)
        self.x = along / np.maximum(self.width, 1e-9)[:, None]
        self.y = np.stack([self.x[:, 1], -self.x[:, 0]], axis=1)

    def place(self, at: Array, x: Array, y: Array) -> Array:
        """Return world coordinates (…, 2) of frame coordinates of the plots `at`."""
        extra = (None,) * (np.ndim(x) - 1)
        o, a, b = (v[at][(slice(None), *extra)] for v in (self.origin, self.x, self.y))
        return np.asarray(o + x[..., None] * a + y[..., None] * b)

    def box(self, at: Array, x: Array, y: Array, width: Array, depth: Array) -> Array:
        """Return rectangles with the middle of their street front at (x, y)."""
        xs = np.stack([x - width / 2, x + width / 2, x + width / 2, x - width / 2], axis=1)
        ys = np.stack([y, y, y + depth, y + depth], axis=1)
        return np.asarray(shapely.polygons(self.place(at, xs, ys)))

    def angle(self, at: Array, x: Array, y: Array, width: Array, depth: Array, wing: Array, more: Array) -> Array:
        """Return L-shaped houses: a rectangle with a wing of that width that reaches `more` metres farther back."""
        xs = np.stack([x - width / 2, x + width / 2, x + width / 2, x + width / 2 - wing, x + width / 2 - wing, x - width / 2], axis=1)
        ys = np.stack([y, y, y + depth + more, y + depth + more, y + depth, y + depth], axis=1)
        return np.asarray(shapely.polygons(self.place(at, xs, ys)))


def raise_houses(plan: Plan, lots: Lots, seed: int) -> Houses:
    """Build on every plot that has a street; each building lies wholly on its plot."""
    rng = generator(seed, "houses")
    front = _school_fronts(lots)
    frame = _Frame(front)
    room = shapely.buffer(lots.area, -0.01, join_style="mitre")  # a centimetre for the rounding of delivered coordinates
    form = np.array([FORM.get(zone, (np.nan,) * 7) for zone in lots.zone])
    ok = np.isfinite(frame.width) & np.isfinite(form[:, 0]) & (frame.width > 5)
    at = np.flatnonzero(ok)
    reach = np.where(lots.zone[at] == "Schule", 40.0, 18.0)
    at = at[find_way(plan, shapely.points(frame.origin[at]), 40).near <= reach]
    at = at[(rng.random(len(at)) > 0.015)]  # a few plots are still empty
    low, high, margin, narrow, wide, shallow, deep = form[at].T
    count = len(at)
    setback = rng.uniform(low, high)
    width = np.minimum(rng.uniform(narrow, wide), frame.width[at] - 2 * margin)
    depth = np.minimum(rng.uniform(shallow, deep), 0.72 * shapely.area(lots.area[at]) / frame.width[at])
    side = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    x = -side * np.maximum(0, frame.width[at] / 2 - margin - width / 2) * np.where(margin < 1, 0, 1)
    end = (lots.zone[at] == "Reihenhaus") & (rng.random(count) < 0.14)  # the end of a row has a window in its gable
    width, x = np.where(end, width - 2.6, width), np.where(end, x - side * 1.3, x)
    house = np.full(count, None, dtype=object)
    todo = np.arange(count)
    for shrink, back in ((1, 0), (0.94, 0.3), (0.86, 0.7), (0.74, 1.2), (0.62, 1.8), (0.5, 2.5), (0.4, 3)):
        w, d = width[todo] * shrink, depth[todo] * shrink
        y = setback[todo] + back * np.where(lots.zone[at[todo]] == "Schule", 8, 1)
        plain = frame.box(at[todo], x[todo] * shrink, y, w, d)
        wing = frame.angle(at[todo], x[todo] * shrink, y, w, d, w * 0.45, np.minimum(4.5, 0.4 * d))
        bent = (rng.random(len(todo)) < 0.3) & shapely.covers(room[at[todo]], wing)
        shape = np.where(bent, wing, plain)
        fits = shapely.covers(room[at[todo]], shape) & (w > 4) & (d > 5)
        house[todo[fits]] = shape[fits]
        width[todo[fits]], setback[todo[fits]], x[todo[fits]] = w[fits], y[fits], x[todo[fits]] * shrink
        todo = todo[~fits]
    built = np.flatnonzero(shapely.is_geometry(house))
    at, house, width, setback, x, side, depth = (v[built] for v in (at, house, width, setback, x, side, depth))
    parts = [(house, at, np.full(len(at), "Haus", dtype=object))]
    room_behind = shapely.area(lots.area[at]) / frame.width[at]
    extras: list[tuple[str, tuple[str, ...], float, Array, Array, float]] = [
        ("Garage", ("Einfamilienhaus", "Dorf"), 0.75, setback + 1.2, np.full(len(at), 3.1), 6.4),
        ("Hinterhaus", ("Block", "Altstadt"), 0.35, setback + depth + 9, frame.width[at] * 0.7, 8.5),
        ("Schuppen", ("Einfamilienhaus", "Dorf", "Reihenhaus"), 0.2, 0.85 * room_behind - 1, np.full(len(at), 2.6), 2.8),
    ]
    for extra, zones, share, back_by, broad, long in extras:
        pick = np.flatnonzero(np.isin(lots.zone[at], zones) & (rng.random(len(at)) < share))
        beside = side[pick] * (frame.width[at[pick]] / 2 - broad[pick] / 2 - 0.25)
        shape = frame.box(at[pick], beside * (extra != "Hinterhaus"), back_by[pick], broad[pick], np.full(len(pick), long))
        fits = shapely.covers(room[at[pick]], shape) & (shapely.distance(shape, house[pick]) > 0.25)
        parts.append((shape[fits], at[pick[fits]], np.full(int(fits.sum()), extra, dtype=object)))
    area, lot, kinds = (np.concatenate(column) for column in zip(*parts, strict=True))
    # doors: a slab has one each 10 m; a back building has its own now and then
    doors = np.where(np.isin(lots.zone[at], ["Zeile"]), np.maximum(1, width // 10.5), 1).astype(int)
    who = np.repeat(np.arange(len(at)), doors)
    nth = np.arange(len(who)) - np.repeat(np.cumsum(doors) - doors, doors)
    spot = x[who] + width[who] * ((nth + 0.5) / doors[who] - 0.5)
    door = frame.place(at[who], spot, setback[who] + 0.4)
    rear = np.flatnonzero((kinds == "Hinterhaus") & (rng.random(len(kinds)) < 0.5))
    second = shapely.get_coordinates(shapely.centroid(area[rear]))
    order = np.concatenate([who, rear])
    return Houses(area, lot, kinds, lots.zone[lot], shapely.points(np.concatenate([door, second])), order)


def _school_fronts(lots: Lots) -> Array:
    """Return the lots' frontages, with those of schools (whole blocks) along the side that is nearest to a street."""
    front = lots.front.copy()
    schools = np.flatnonzero(lots.zone == "Schule")
    box = shapely.get_coordinates(shapely.oriented_envelope(lots.area[schools])).reshape(-1, 5, 2)
    clockwise = np.where(shapely.is_ccw(shapely.linearrings(box))[:, None, None], box[:, ::-1], box)
    sides = np.stack([clockwise[:, :-1], clockwise[:, 1:]], axis=2)
    middle = shapely.points(sides.mean(axis=2))
    long = np.hypot(*np.moveaxis(sides[:, :, 1] - sides[:, :, 0], 2, 0))
    gap = shapely.distance(middle, shapely.boundary(lots.area[schools])[:, None]) - 0.1 * long
    front[schools] = sides[np.arange(len(schools)), np.argmin(gap, axis=1)]
    return front


def number_doors(plan: Plan, houses: Houses, seed: int) -> tuple[Array, Array, Array]:
    """Number the doors along their streets, odd on the left, even on the right: street, number, suffix ('' or a letter)."""
    rng = generator(seed, "doors")
    way = find_way(plan, houses.door, 60)
    back = houses.kind[houses.door_house] == "Hinterhaus"
    order = np.lexsort((back, way.measure, way.side, way.street))
    key = np.stack([way.street[order], way.side[order]], axis=1)
    first = np.append(True, (key[1:] != key[:-1]).any(axis=1))
    draw = rng.random(len(order))
    # a plot that was divided later shares the number of its neighbour and takes a letter
    step = np.where(back[order] | (draw < 0.035), 0, np.where(draw > 0.96, 4, 2))
    step[first] = 0
    total = np.cumsum(step)
    group = np.cumsum(first) - 1
    start = np.where(way.side[order] < 0, 1, 2)
    number = start + total - total[np.flatnonzero(first)][group]
    anchor = np.maximum.accumulate(np.where(first | (step > 0), np.arange(len(order)), 0))
    letter = np.arange(len(order)) - anchor
    suffix = np.array(["", *"abcdefghijklmnopqrstuvwxyz"], dtype=object)[np.minimum(letter, 26)]
    numbers, letters = np.empty(len(order), dtype=int), np.empty(len(order), dtype=object)
    numbers[order], letters[order] = number, suffix
    return way.street, numbers, letters
