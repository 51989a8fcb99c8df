"""The terrain (DGM) and the water that stands on it after heavy rain.

Not a hydraulic model: depressions are filled with the rain that their catchment brings, flow paths get a depth from their
catchment and slope, the river rises by a fixed amount. A rarer rain is never shallower anywhere.
"""

from __future__ import annotations

__all__ = ["CELL", "SCENARIOS", "Relief", "flood", "shape_terrain"]

import heapq
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin

from demo.streets import RIVER_HALF, Array, Plan, generator

CELL = 5.0
NODATA = -9999.0
# scenario → rain that runs off in metres, factor of flow depth, rise of the river in metres
SCENARIOS = {"selten": (0.018, 0.6, 0.4), "aussergewoehnlich": (0.032, 1.0, 1.5), "extrem": (0.064, 1.6, 2.4)}


@dataclass(frozen=True)
class Relief:
    """Heights in metres (row 0 in the north, `CELL` wide), the river's water level, masks of city and river."""

    height: Array
    level: Array
    city: Array
    water: Array
    west: float
    north: float

    def at(self, points: Array) -> Array:
        """Return the height at points in EPSG:25832."""
        xy = shapely.get_coordinates(points)
        column = np.clip(((xy[:, 0] - self.west) / CELL).astype(int), 0, self.height.shape[1] - 1)
        row = np.clip(((self.north - xy[:, 1]) / CELL).astype(int), 0, self.height.shape[0] - 1)
        return np.asarray(self.height[row, column])


def _stretch(grid: Array, rows: int, columns: int) -> Array:
    """Enlarge a grid bilinearly to rows × columns; its corners stay the corners."""
    y, x = np.linspace(0, grid.shape[0] - 1, rows), np.linspace(0, grid.shape[1] - 1, columns)
    i, j = np.minimum(y.astype(int), grid.shape[0] - 2), np.minimum(x.astype(int), grid.shape[1] - 2)
    p, q = (y - i)[:, None], x - j
    tall = grid[i] * (1 - p) + grid[i + 1] * p
    return np.asarray(tall[:, j] * (1 - q) + tall[:, j + 1] * q)


def _noise(rng: np.random.Generator, rows: int, columns: int, wave: float) -> Array:
    """Return smooth noise, about -1 to 1, of that wave length in metres: a sum of plane waves."""
    total = np.zeros((rows, columns))
    for turn, length, phase in rng.uniform((0, 0.7, 0), (np.pi, 1.6, 2 * np.pi), (16, 3)):
        k = 2 * np.pi * CELL / (wave * length)
        x, y = k * np.cos(turn) * np.arange(columns), k * np.sin(turn) * np.arange(rows) + phase
        total += np.outer(np.cos(y), np.cos(x)) - np.outer(np.sin(y), np.sin(x))
    return total / 5


def shape_terrain(plan: Plan, seed: int) -> Relief:
    """Shape a river valley with terraces and wooded heights in the north."""
    rng = generator(seed, "terrain")
    xmin, ymin, xmax, ymax = plan.boundary.bounds
    west, north = np.floor(xmin / 100) * 100 - 100, np.ceil(ymax / 100) * 100 + 100
    columns, rows = int((np.ceil(xmax / 100) * 100 + 100 - west) / CELL), int((north - np.floor(ymin / 100) * 100 + 100) / CELL)
    river = plan.river.simplify(1.0)
    step = 8
    x = west + CELL * np.linspace(0.5, columns - 0.5, columns // step + 2)
    y = north - CELL * np.linspace(0.5, rows - 0.5, rows // step + 2)
    spots = shapely.points(*np.meshgrid(x, y))
    distance = _stretch(shapely.distance(spots, river), rows, columns)
    level = np.tile(127.0 - 0.0012 * CELL * np.arange(columns), (rows, 1))  # the river runs east
    close = np.flatnonzero(distance < 90)
    cell = shapely.points(west + CELL * (close % columns + 0.5), north - CELL * (close // columns + 0.5))
    distance.flat[close] = shapely.distance(cell, river)
    up = 1 - np.exp(-((distance / (1700 * plan.size)) ** 1.8))
    height = level + 1.9 + 2.6 * (1 - np.exp(-distance / 260)) + 58 * up + 17 * up * _noise(rng, rows, columns, 1700 * plan.size)
    for wave, amount in ((520, 2.6), (190, 0.7), (70, 0.16)):
        height += amount * _noise(rng, rows, columns, wave) * (0.15 + 0.85 * (1 - np.exp(-distance / 400)))
    for _ in range(max(4, round(90 * plan.size**2))):  # hollows, where water will stand
        row, column, radius, deep = int(rng.integers(rows)), int(rng.integers(columns)), rng.uniform(20, 70), rng.uniform(0.4, 1.5)
        reach = int(3 * radius / CELL)
        top, left = max(0, row - reach), max(0, column - reach)
        window = height[top : row + reach + 1, left : column + reach + 1]
        dy, dx = np.ogrid[top - row : top - row + window.shape[0], left - column : left - column + window.shape[1]]
        window -= deep * np.exp(-((dy**2 + dx**2) * CELL**2) / (2 * (radius / 1.5) ** 2))
    transform = from_origin(west, north, CELL, CELL)
    brooks = shapely.buffer(plan.edges[plan.kind == "Bach"], 4.0)
    height -= 0.8 * rasterize(brooks, (rows, columns), transform=transform, dtype="uint8")
    bank = level + 0.35 * np.maximum(distance - RIVER_HALF, 0)
    height = np.where(distance < RIVER_HALF, level - 0.8 - 1.2 * (1 - (distance / RIVER_HALF) ** 2), np.minimum(height, bank))
    city = rasterize([plan.boundary], (rows, columns), transform=transform, dtype="uint8").astype(bool)
    return Relief(height, level, city, distance < RIVER_HALF, float(west), float(north))


def flood(relief: Relief) -> dict[str, Array]:
    """Return the water depth in metres per scenario, float32 with `NODATA` outside the city."""
    rows, columns = (n // 2 for n in relief.height.shape)

    def halve(grid: Array) -> Array:
        return np.asarray(grid[: rows * 2, : columns * 2].reshape(rows, 2, columns, 2).mean(axis=(1, 3)))

    coarse, water, city = halve(relief.height), halve(relief.water) > 0, halve(relief.city) > 0
    fill, parent, order = _fill(coarse, water, city)
    area = np.ones(coarse.size)
    for cell in order[::-1]:  # upstream cells come last out of the heap
        if parent[cell] >= 0:
            area[parent[cell]] += area[cell]
    z = coarse.ravel()
    hollow = _hollows(z, fill, parent, order)
    drop = np.maximum((z - z[np.maximum(parent, 0)]) / (2 * CELL), 0.004)
    stream = 0.014 * np.maximum(area - 260, 0) ** 0.36 / drop**0.22 * (parent >= 0)
    result = {}
    before = np.zeros_like(relief.height)
    for name, (rain, factor, rise) in SCENARIOS.items():
        pond = _ponds(z, fill, hollow, area, rain)
        flow = np.minimum(stream * factor, 0.2 + 0.35 * factor).reshape(rows, columns)
        wide = flow.copy()
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):  # a path is wider than one cell
            wide = np.maximum(wide, 0.55 * np.roll(flow, shift, axis))
        surface = np.full(relief.height.shape, -np.inf)
        surface[: rows * 2, : columns * 2] = np.repeat(np.repeat(pond.reshape(rows, columns), 2, 0), 2, 1)
        depth = np.maximum(surface - relief.height, 0)
        path = np.zeros_like(depth)
        path[: rows * 2, : columns * 2] = _stretch(wide, rows * 2, columns * 2)
        overflow = np.where(_near(relief.water, 45), relief.level + rise - relief.height, 0)
        depth = np.maximum.reduce([depth, path, overflow, before])
        before = depth = np.where(depth < 0.05, 0, depth)
        result[name] = np.where(relief.city, np.round(depth, 2), NODATA).astype("float32")
    return result


def _near(mask: Array, cells: int) -> Array:
    """Return the cells of the square neighbourhood, `cells` to each side, of a mask."""
    near = mask.astype(np.int32)
    for axis in (0, 1):
        total = np.cumsum(np.pad(near, [(cells + 1, cells) if a == axis else (0, 0) for a in (0, 1)]), axis=axis)
        near = (_span(total, 2 * cells + 1, axis) > 0).astype(np.int32)
    return near > 0


def _span(total: Array, size: int, axis: int) -> Array:
    """Return the sums of windows of that size from running totals."""
    count = total.shape[axis]
    return np.asarray(total.take(range(size, count), axis=axis) - total.take(range(count - size), axis=axis))


def _fill(coarse: Array, water: Array, city: Array) -> tuple[Array, Array, Array]:
    """Fill depressions by priority flood from the river and the city's edge.

    Returns the filled height, each cell's downstream cell (-1 at outlets and outside) and the cells in order of flooding.

    Source: Barnes, Lehman, Mulla, "Priority-flood", Computers & Geosciences 62 (2014).
    """
    columns = coarse.shape[1]
    inside = np.pad(city[1:-1, 1:-1], 1)
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 1))
    outlets = np.flatnonzero((inside & water) | edge)
    z, closed = coarse.ravel().tolist(), (~inside).ravel().tolist()
    fill, parent, order = list(z), [-1] * len(z), []
    heap = [(z[cell], cell) for cell in outlets.tolist()]
    heapq.heapify(heap)
    for _, cell in heap:
        closed[cell] = True
    steps = (-columns - 1, -columns, -columns + 1, -1, 1, columns - 1, columns, columns + 1)
    while heap:
        here, cell = heapq.heappop(heap)
        order.append(cell)
        for step in steps:
            other = cell + step
            if not closed[other]:
                closed[other] = True
                parent[other] = cell
                level = z[other] if z[other] > here else here
                fill[other] = level
                heapq.heappush(heap, (level, other))
    return np.array(fill), np.array(parent), np.array(order)


def _hollows(z: Array, fill: Array, parent: Array, order: Array) -> Array:
    """Return for each cell the hollow that it lies in (the cell that was flooded first), or -1."""
    hollow = np.full(len(z), -1)
    deep = fill > z + 1e-9
    for cell in order[deep[order]].tolist():
        above = parent[cell]
        hollow[cell] = hollow[above] if hollow[above] >= 0 and fill[above] == fill[cell] else cell
    return hollow


def _ponds(z: Array, fill: Array, hollow: Array, area: Array, rain: float) -> Array:
    """Return the water level in each hollow's cells (−inf elsewhere) after `rain` metres on the whole catchment."""
    cells = np.flatnonzero(hollow >= 0)
    cells = cells[np.lexsort((z[cells], hollow[cells]))]
    first = np.append(True, hollow[cells][1:] != hollow[cells][:-1])
    start = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    rank = np.arange(len(cells)) - start[group] + 1
    total = np.cumsum(z[cells])
    below = total - (total[start] - z[cells][start])[group]
    held = rank * z[cells] - below  # volume below the height of this cell, in cells × metres
    gain = np.maximum.reduceat(area[cells], start) * rain
    wet = held <= gain[group]
    last = np.maximum.reduceat(np.where(wet, np.arange(len(cells)), 0), start)
    level = (gain + below[last]) / rank[last]
    level = np.minimum(level, fill[cells][start])
    result = np.full(len(z), -np.inf)
    result[cells] = level[group]
    return result
