"""Flood depth of a heavy-rain scenario at a place, read from the scenario's raster by windows.

A cell counts when its centre lies in the buffered project. NoData is "outside the model": nothing is said of it. Depth is
metres above ground. The maximum alone is unstable (a single pit), so the 90th percentile of the wet cells stands beside it.
"""

from __future__ import annotations

__all__ = ["Depths", "apply", "depths"]

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.features import geometry_mask
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as window_transform
from shapely.geometry.base import BaseGeometry

from processes.project import Project
from processes.report import Outcome
from processes.rules import RainRule
from processes.view import View
from stadtgrund.errors import SourceError


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


def depths(path: Path, area: BaseGeometry, wet_m: float) -> Depths:
    """Read the depths within `area` (in the raster's CRS).

    Raises
    ------
    SourceError
        When the file cannot be read.
    """
    try:
        with rasterio.open(path) as raster:
            window = from_bounds(*area.bounds, transform=raster.transform).round_offsets("floor").round_lengths("ceil")
            window = Window(window.col_off - 1, window.row_off - 1, window.width + 2, window.height + 2)
            values = raster.read(1, window=window, boundless=True, masked=True, fill_value=raster.nodata)
            inside = ~geometry_mask([area], values.shape, window_transform(window, raster.transform), all_touched=False)
    except rasterio.errors.RasterioError as error:
        raise SourceError(f"Das Raster {path.name} ist nicht lesbar.", remedy="Bitte den Datensatz neu laden.") from error
    known = np.ma.compressed(np.ma.masked_array(values, mask=np.ma.getmaskarray(values) | ~inside)).astype("float64")
    known = known[np.isfinite(known)]
    wet = known[known >= wet_m]
    return Depths(
        cells=int(inside.sum()),
        known=int(known.size),
        wet=int(wet.size),
        max_m=float(wet.max()) if wet.size else float("nan"),
        p90_m=float(np.percentile(wet, 90)) if wet.size else float("nan"),
    )


def apply(view: View, rule: RainRule, project: Project, buffer_m: float, base: Outcome) -> Outcome:
    """Return the outcome of a rain rule; outside the model's domain the state is `missing`, never "not affected"."""
    path = view.rasters.get(rule.collection)
    if path is None or not path.is_file():
        return replace(base, state="missing", text="Die Rasterdatei liegt nicht vor.")
    area = shapely.from_wkb(bytes.fromhex(project.ewkb)).buffer(buffer_m)
    if area.is_empty:
        return replace(base, state="missing", text="Ohne Puffer hat das Vorhaben keine Fläche; bitte buffer_m größer 0 wählen.")
    found = depths(path, area, rule.wet_m)
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
        return replace(base, text=f"Keine Zelle ab {rule.wet_m:g} m.".replace(".", ",", 1) + partly, measure=measure)
    measure |= {"max_m": round(found.max_m, 3), "p90_m": round(found.p90_m, 3)}
    text = (
        (
            f"bis {found.max_m:.2f} m tief, 90. Perzentil der nassen Zellen {found.p90_m:.2f} m, "
            f"{found.share_wet * 100:.0f} % der Fläche ab {rule.wet_m:g} m"
        )
        .replace(".", ",")
        .replace("90,", "90.")
    )
    return replace(base, state="hit", count=1, text=text + "." + partly, measure=measure)
