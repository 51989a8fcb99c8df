"""Musterstadt as a whole: from the plan to all layers, tables and grids, without faults and without files."""

from __future__ import annotations

__all__ = ["City", "build"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely

from demo.buildings import raise_houses
from demo.cadastre import areas, cadastre, quarter_of
from demo.nature import nature
from demo.parcels import cut_lots, dress_blocks
from demo.streets import Array, Plan, draw_plan
from demo.tables import tables
from demo.terrain import Relief, flood, shape_terrain
from demo.works import works


@dataclass(frozen=True)
class City:
    """Layers have a column `geom` in EPSG:25832, rounded to millimetres; `pairs` are planted pairs of construction sites."""

    plan: Plan
    relief: Relief
    layers: dict[str, pd.DataFrame]
    tables: dict[str, pd.DataFrame]
    depth: dict[str, Array]
    pairs: list[dict[str, Any]]


def build(seed: int = 1, scale: float = 1.0) -> City:
    """Build the town; `scale` is its area as a share of the full one (0.02 to 1)."""
    plan = draw_plan(seed, scale)
    relief = shape_terrain(plan, seed)
    zone = dress_blocks(plan, seed, relief.at(shapely.centroid(plan.blocks)))
    lots = cut_lots(plan, zone, seed)
    houses = raise_houses(plan, lots, seed)
    quarter = quarter_of(plan, zone)
    layers = areas(plan, quarter)
    layers |= cadastre(plan, lots, houses, quarter, layers["ortsteile"], seed)
    layers |= nature(plan, lots, zone, layers, seed)
    more, pairs = works(plan, lots, houses, layers, layers["ortsteile"], seed)
    layers |= more
    for name, frame in layers.items():
        layers[name] = frame.assign(geom=_to_millimetres(frame["geom"].to_numpy()))
    return City(plan, relief, layers, tables(layers, seed), flood(relief), pairs)


def _to_millimetres(geom: Array) -> Array:
    """Round coordinates; the few rings that rounding alone would spoil are snapped with care for their topology."""
    rounded = shapely.transform(geom, lambda xy: np.round(xy, 3))
    spoilt = ~shapely.is_valid(rounded)
    rounded[spoilt] = shapely.set_precision(geom[spoilt], 0.001)
    return np.asarray(rounded)
