"""Flood depth of a heavy-rain scenario at a place, read from the scenario's raster by windows.

A cell counts when its centre lies in the buffered project; where the project is smaller than that, the cells that it touches count.
NoData is "outside the model": nothing is said of it. Depth is metres above ground. The maximum alone is unstable (a single pit),
so the 90th percentile of the wet cells stands beside it.
"""

from __future__ import annotations

__all__ = ["Depths", "apply", "depths"]

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader
from rasterio.warp import transform_geom
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as window_transform
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from processes.project import Project
from processes.report import Outcome, comma
from processes.rules import RainRule
from processes.view import View
from stadtgrund.errors import SourceError

_SIDE = 1024
"""Cells of a window's side: memory does not grow with the project."""


@dataclass(frozen=True)
class Depths:
    """Depths within an area: all cells, those with data, those wet; depths in m, NaN where no cell is wet."""

    cells: int
    known: int
    wet: int
    max_m: float
    p90_m: float

    @property
    def share_wet(self) -> float:
        """Share of the cells with data that are wet."""
        return self.wet / self.known if self.known else 0.0


def depths(path: Path, area: BaseGeometry, wet_m: float, *, srid: int) -> Depths:
    """Read the depths within `area`, given in the CRS `srid`.

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    try:
        with rasterio.open(path) as raster:
            if raster.crs.to_epsg() != srid:
                area = shape(transform_geom(f"EPSG:{srid}", raster.crs, mapping(area)))
            cells, known = _read(raster, area, touched=False)
            if not cells:
                cells, known = _read(raster, area, touched=True)
    except rasterio.errors.RasterioError as error:
        raise SourceError(f"Das Raster {path.name} ist nicht lesbar.", remedy="Bitte den Datensatz neu laden.") from error
    wet = known[known >= wet_m]
    return Depths(
        cells=cells,
        known=int(known.size),
        wet=int(wet.size),
        max_m=float(wet.max()) if wet.size else float("nan"),
        p90_m=float(np.percentile(wet, 90)) if wet.size else float("nan"),
    )


def _read(raster: DatasetReader, area: BaseGeometry, *, touched: bool) -> tuple[int, NDArray[np.float64]]:
    """Return the number of cells within `area`, also beyond the raster's edge, and the depths of those with data."""
    cells, found = 0, [np.empty(0, "float64")]
    for window in _windows(raster, area):
        shape_ = (int(window.height), int(window.width))
        inside = ~geometry_mask([area], shape_, window_transform(window, raster.transform), all_touched=touched)
        number = int(inside.sum())
        if not number:
            continue
        cells += number
        top, left = max(0, -window.row_off), max(0, -window.col_off)
        bottom = min(shape_[0], raster.height - window.row_off)
        right = min(shape_[1], raster.width - window.col_off)
        if bottom <= top or right <= left:
            continue
        part = Window(window.col_off + left, window.row_off + top, right - left, bottom - top)
        values = raster.read(1, window=part, masked=True).astype("float64")
        wanted = inside[top:bottom, left:right] & ~np.ma.getmaskarray(values)
        known = values.data[wanted]
        found.append(known[np.isfinite(known)])
    return cells, np.concatenate(found)


def _windows(raster: DatasetReader, area: BaseGeometry) -> Iterator[Window]:
    """Yield the windows that cover the bounds of `area`, one cell of margin on each side; they may lie outside the raster."""
    whole = from_bounds(*area.bounds, transform=raster.transform)
    left, top = floor(whole.col_off) - 1, floor(whole.row_off) - 1
    right, bottom = ceil(whole.col_off + whole.width) + 1, ceil(whole.row_off + whole.height) + 1
    for row in range(top, bottom, _SIDE):
        for column in range(left, right, _SIDE):
            yield Window(column, row, min(_SIDE, right - column), min(_SIDE, bottom - row))


def apply(view: View, rule: RainRule, project: Project, buffer_m: float, base: Outcome) -> Outcome:
    """Return the outcome of a rain rule; outside the model's domain the state is `missing`, never "not affected"."""
    path = view.rasters.get(rule.collection)
    if path is None or not path.is_file():
        return replace(base, state="missing", text="Die Rasterdatei liegt nicht vor.")
    area = shapely.from_wkb(bytes.fromhex(project.ewkb)).buffer(buffer_m)
    if area.is_empty:
        return replace(base, state="missing", text="Ohne Puffer hat das Vorhaben keine Fläche; bitte buffer_m größer 0 wählen.")
    try:
        found = depths(path, area, rule.wet_m, srid=project.srid)
    except SourceError as error:  # one damaged file does not take the rest of the answer with it
        return replace(base, state="missing", text=str(error))
    measure: dict[str, float | int | None] = {
        "cells": found.cells,
        "known": found.known,
        "wet": found.wet,
        "share_wet": round(found.share_wet, 4),
    }
    if not found.known:
        return replace(base, state="missing", text="Der Ort liegt außerhalb des berechneten Gebiets: keine Aussage.", measure=measure)
    partly = "" if found.known == found.cells else f" {found.cells - found.known} von {found.cells} Zellen ohne Berechnung."
    if not found.wet:
        return replace(base, text=f"Keine Zelle ab {comma(rule.wet_m, 2)} m.{partly}", measure=measure)
    measure |= {"max_m": round(found.max_m, 3), "p90_m": round(found.p90_m, 3)}
    text = (
        f"bis {comma(found.max_m, 2)} m tief, 90. Perzentil der nassen Zellen {comma(found.p90_m, 2)} m, "
        f"{comma(found.share_wet * 100, 0)} % der Fläche ab {comma(rule.wet_m, 2)} m.{partly}"
    )
    return replace(base, state="hit", count=1, text=text, measure=measure)
