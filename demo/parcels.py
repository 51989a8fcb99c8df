"""Parcels (Flurstücke): house plots along the streets of each block, fields, and the public ground between the blocks."""

from __future__ import annotations

__all__ = ["Lots", "Way", "cut_lots", "dress_blocks", "find_way", "public_ground"]

from dataclasses import dataclass

import numpy as np
import shapely

from demo.streets import WIDTH, Array, Plan, generator

# zone → frontage of a house plot in metres, and its smallest area in m²
FRONT = {
    "Altstadt": (11.0, 80.0),
    "Block": (15.5, 150.0),
    "Einfamilienhaus": (16.2, 220.0),
    "Reihenhaus": (8.2, 110.0),
    "Zeile": (52.0, 900.0),
    "Gewerbe": (66.0, 1500.0),
    "Dorf": (18.0, 230.0),
    "Feld": (52.0, 900.0),
}
DEEP = {"Gewerbe": 60.0, "Feld": 170.0, "Zeile": 56.0}
OPEN = ("Uferpark", "Park", "Friedhof", "Sportplatz", "Schule", "Marktplatz", "Wald", "Fluss", "Aue", "Teich")


@dataclass(frozen=True)
class Lots:
    """Plots; `front` holds the frontage (n, 2, 2) from left to right as seen from the plot, NaN where there is none."""

    area: Array
    block: Array
    zone: Array
    front: Array


@dataclass(frozen=True)
class Way:
    """The street that a point belongs to (-1 = none near), its distance, its measure along the street, the side (-1 left, 1 right)."""

    street: Array
    near: Array
    measure: Array
    side: Array


def dress_blocks(plan: Plan, seed: int, hills: Array) -> Array:
    """Return the blocks' zones with parks, schools, a market square, woods and meadows among them."""
    rng = generator(seed, "zones")
    zone = plan.zone.copy()
    size = shapely.area(plan.blocks)
    middle = shapely.get_coordinates(shapely.centroid(plan.blocks))
    built = ["Altstadt", "Block", "Einfamilienhaus", "Reihenhaus", "Zeile", "Dorf"]
    for name, among, share, low, high in (
        ("Park", built, 0.035, 2_500, 1e9),
        ("Schule", built[1:], 0.018, 6_000, 1e9),
        ("Sportplatz", ["Einfamilienhaus", "Dorf"], 0.01, 9_000, 1e9),
        ("Friedhof", ["Einfamilienhaus", "Dorf", "Reihenhaus"], 0.007, 8_000, 1e9),
    ):
        fit = np.flatnonzero(np.isin(zone, among) & (size > low) & (size < high))
        zone[rng.permutation(fit)[: max(2 if name == "Schule" else 1, round(share * len(fit)))]] = name
    old = np.flatnonzero(zone == "Altstadt")
    zone[old[np.argmin(np.hypot(*(middle[old] - middle[old].mean(axis=0)).T))]] = "Marktplatz"
    field = zone == "Feld"
    zone[field & (hills > np.quantile(hills[field], 0.66))] = "Wald"
    near = shapely.dwithin(plan.blocks, plan.river, 60)
    zone[near & (zone == "Feld")] = "Aue"
    zone[np.isin(zone, built) & ((size < 350) | (size / shapely.length(plan.blocks) < 3.2))] = "Park"
    return zone


def cut_lots(plan: Plan, zone: Array, seed: int) -> Lots:
    """Cut each block, less the public ground around it, into plots: two rows back to back, or one where it is shallow."""
    rng = generator(seed, "lots")
    ways = np.flatnonzero([WIDTH[kind] > 0 for kind in plan.kind])
    half = np.array([WIDTH[kind] / 2 for kind in plan.kind[ways]])
    ground = shapely.buffer(plan.edges[ways], half, quad_segs=4)
    block, way = shapely.STRtree(ground).query(plan.blocks, predicate="intersects")
    around = np.array([shapely.union_all(ground[way[part]]) for part in _groups(block, len(plan.blocks))], dtype=object)
    net = shapely.difference(plan.blocks, around)
    parts, index = shapely.get_parts(net, return_index=True)
    keep = shapely.area(parts) > 25
    parts, index = parts[keep], index[keep]
    plain = np.isin(zone[index], OPEN)
    blank = np.full((int(plain.sum()), 2, 2), np.nan)
    lots = [Lots(parts[plain], index[plain], zone[index[plain]], blank)]
    for name in sorted(set(zone[index[~plain]])):
        chosen = zone[index] == name
        lots.append(_rows(parts[chosen], index[chosen], str(name), rng))
    return Lots(*(np.concatenate([getattr(part, field) for part in lots]) for field in ("area", "block", "zone", "front")))


def _groups(keys: Array, count: int) -> list[Array]:
    """Return for each key 0…count-1 the positions that carry it."""
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.searchsorted(keys[order], np.arange(1, count)))


def _turn(geometry: Array, index: Array, centre: Array, angle: Array) -> Array:
    """Move geometries to the origin of their block's frame and turn them by `angle` (radians)."""
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    at = index[owner]
    c, s = np.cos(angle[at]), np.sin(angle[at])
    d = xy - centre[at]
    turned = np.stack([c * d[:, 0] - s * d[:, 1], s * d[:, 0] + c * d[:, 1]], axis=1)
    return np.asarray(shapely.set_coordinates(geometry.copy(), turned))


def _rows(parts: Array, block: Array, zone: str, rng: np.random.Generator) -> Lots:
    frontage, smallest = FRONT[zone]
    count = len(parts)
    box = shapely.get_coordinates(shapely.oriented_envelope(parts)).reshape(count, 5, 2)
    u, v = box[:, 1] - box[:, 0], box[:, 2] - box[:, 1]
    long = np.where((np.hypot(*u.T) >= np.hypot(*v.T))[:, None], u, v)
    angle, centre, here = np.arctan2(long[:, 1], long[:, 0]), box[:, :4].mean(axis=1), np.arange(count)
    local = _turn(parts, here, centre, -angle)
    xmin, ymin, xmax, ymax = shapely.bounds(local).T
    deep = ymax - ymin
    rows = np.where(deep > DEEP.get(zone, 1.55 * min(frontage, 20)), 2, 1)
    number = np.maximum(1, np.round((xmax - xmin) / frontage)).astype(int)
    owner = np.repeat(here, number * rows)
    start = np.repeat(np.cumsum(number * rows) - number * rows, number * rows)
    slot = np.arange(len(owner)) - start
    row, column = slot // number[owner], slot % number[owner]
    step = ((xmax - xmin) / number)[owner]
    # the same wobble for both neighbours of a cut, so that plots meet exactly
    cuts = rng.uniform(-0.13, 0.13, (count, 2, int(number.max()) + 1))
    wobble = np.where((column > 0) & (column < number[owner]), cuts[owner, row, column], 0)
    wobble_next = np.where(column + 1 < number[owner], cuts[owner, row, column + 1], 0)
    left, right = xmin[owner] + (column + wobble) * step, xmin[owner] + (column + 1 + wobble_next) * step
    # a single row looks at either side; of two rows the first looks down
    middle = (ymin + ymax)[owner] / 2
    up = np.where(rows[owner] == 2, row == 1, rng.random(count)[owner] < 0.5)
    low = np.where((rows[owner] == 2) & (row == 1), middle, ymin[owner] - 1)
    high = np.where((rows[owner] == 2) & (row == 0), middle, ymax[owner] + 1)
    pieces = shapely.intersection(shapely.box(left, low, right, high), local[owner])
    many, at = shapely.get_parts(pieces, return_index=True)
    area = shapely.area(many)
    many, at, area = many[area > 0.5], at[area > 0.5], area[area > 0.5]  # where a block ends, a cut may miss it
    # a piece too small for a house joins the largest piece beside it
    join = np.flatnonzero((area < smallest) & (number[owner[at]] > 1))
    target = np.arange(len(many))
    home = owner[at]  # ascending: the pieces of a block lie side by side
    for piece in join[np.argsort(area[join], kind="stable")]:
        near = np.arange(*np.searchsorted(home, [home[piece], home[piece] + 1]))
        near = near[(near != piece) & (target[near] == near)]
        near = near[shapely.dwithin(many[near], many[piece], 0.01)]
        edge = shapely.length(shapely.intersection(many[near], many[piece]))
        near, edge = near[edge > 1], edge[edge > 1]
        if len(near):
            best = near[np.argmax(np.where(area[near] < 2.2 * smallest, 1e6, 0) + edge)]
            many[best] = shapely.union(many[best], many[piece])
            area[best] += area[piece]
            target[piece] = best
    whole = (target == np.arange(len(many))) & (shapely.get_type_id(many) == 3)
    many, at = many[whole], at[whole]
    front = _front(many, left[at], right[at], up[at])
    here = owner[at]
    ends = _turn(shapely.points(front.reshape(-1, 2)), np.repeat(here, 2), np.zeros_like(centre), angle)
    moved = shapely.get_coordinates(ends).reshape(-1, 2, 2) + centre[here][:, None]
    world = _turn(many, here, np.zeros_like(centre), angle)
    xy, index = shapely.get_coordinates(world, return_index=True)
    world = shapely.set_coordinates(world, xy + centre[here][index])
    return Lots(world, block[here], np.full(len(world), zone, dtype=object), moved)


def _front(plots: Array, left: Array, right: Array, up: Array) -> Array:
    """Return the frontage of plots in their block's frame, measured at two stations 20 % inside."""
    xmin, ymin, xmax, ymax = shapely.bounds(plots).T
    left, right = np.maximum(left, xmin), np.minimum(right, xmax)
    ends = []
    for share in (0.2, 0.8):  # a plot that has no breadth between its cuts has no frontage: NaN
        x = left + share * (right - left)
        probe = shapely.linestrings(np.nan_to_num(np.stack([np.stack([x, ymin - 1], axis=1), np.stack([x, ymax + 1], axis=1)], axis=1)))
        _, bottom, _, top = shapely.bounds(shapely.intersection(probe, plots)).T
        ends.append(np.stack([x, np.where(up, top, bottom)], axis=1))
    # out to the plot's corners, left to right as seen by somebody who stands on the plot and looks at the street
    first, last = np.where(up[:, None], ends[0], ends[1]), np.where(up[:, None], ends[1], ends[0])
    reach = (last - first) / 3
    return np.stack([first - reach, last + reach], axis=1)


def find_way(plan: Plan, points: Array, reach: float) -> Way:
    """Find the named street beside each point: which, where along it, on which side."""
    ways = np.flatnonzero((plan.street >= 0) & (plan.kind != "Wirtschaftsweg"))
    tree = shapely.STRtree(plan.edges[ways])
    (point, edge), gap = tree.query_nearest(points, max_distance=reach, return_distance=True, all_matches=False)
    street, near = np.full(len(points), -1), np.full(len(points), np.inf)
    street[point], near[point] = plan.street[ways][edge], gap
    axis = plan.axis[np.maximum(street, 0)]
    measure = shapely.line_locate_point(axis, points)
    start = np.clip(measure - 1, 0, shapely.length(axis) - 2)
    a = shapely.get_coordinates(shapely.line_interpolate_point(axis, start))
    b = shapely.get_coordinates(shapely.line_interpolate_point(axis, start + 2))
    xy = shapely.get_coordinates(points)
    cross = (b[:, 0] - a[:, 0]) * (xy[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (xy[:, 0] - a[:, 0])
    return Way(street, near, measure, np.where(cross > 0, -1, 1))


def public_ground(plan: Plan) -> tuple[Array, Array]:
    """Return the ground that no plot covers, cut at the blocks' corners: areas and the edge that each belongs to."""
    ways = np.flatnonzero([WIDTH[kind] > 0 for kind in plan.kind])
    rank = np.array([WIDTH[kind] for kind in plan.kind[ways]])
    ways = ways[np.argsort(-rank, kind="stable")]
    ground = shapely.buffer(plan.edges[ways], np.array([WIDTH[kind] / 2 for kind in plan.kind[ways]]), quad_segs=4)
    key = np.where(plan.street[ways] >= 0, plan.street[ways], -1 - np.arange(len(ways)))
    _, order, member = np.unique(key, return_index=True, return_inverse=True)
    whole = np.array([shapely.union_all(ground[part]) for part in _groups(member, len(order))], dtype=object)
    rank = np.argsort(np.argsort(order))
    one, other = shapely.STRtree(whole).query(whole, predicate="intersects")
    before = rank[other] < rank[one]
    one, other = one[before], other[before]
    cover = np.array([shapely.union_all(whole[other[part]]) for part in _groups(one, len(whole))], dtype=object)
    rest = shapely.intersection(shapely.difference(whole, cover), plan.boundary)
    parts, index = shapely.get_parts(rest, return_index=True)
    keep = (shapely.get_dimensions(parts) == 2) & (shapely.area(parts) > 4)
    return parts[keep], ways[order[index[keep]]]
