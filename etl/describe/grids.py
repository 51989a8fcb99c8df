"""What a grid says of itself, and where it lies."""

from __future__ import annotations

__all__ = ["Grid", "read"]

from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from etl.describe import placing
from etl.describe.placing import Place
from etl.describe.sources import Probe
from etl.extract import drivers
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SourceError
from stadtgrund.language import say


@dataclass(frozen=True)
class Grid:
    """A grid's place, size in cells and per cell (units of its CRS), and its "no value"."""

    place: Place
    width: int
    height: int
    bands: int
    pixel: tuple[float, float]
    type: str
    nodata: float | None
    unit: str | None


def read(probe: Probe, deployment: Deployment, *, crs: str | None) -> Grid:
    """Return what is known of a grid without reading its cells.

    Raises
    ------
    SourceError
        It is not one readable grid, or lies outside the city.
    """
    if len(probe.paths) != 1:
        raise SourceError(
            say(f"Ein Raster ist eine Datei, gefunden sind {len(probe.paths)}.", f"A raster is one file, found are {len(probe.paths)}."),
            remedy=say(
                "Fügen Sie die Kacheln vorher zusammen: gdal_merge.py, oder in QGIS Raster › Verschiedenes › Verschmelzen.",
                "Merge the tiles first: gdal_merge.py.",
            ),
        )
    path = probe.paths[0]
    try:
        with drivers.files_only(), rasterio.Env(**drivers.OFFLINE), rasterio.open(path, driver=drivers.raster_driver(path)) as grid:
            west, first, east, last = grid.bounds
            south, north = min(first, last), max(first, last)
            corners = np.array([(west, south), (west, north), (east, south), (east, north), ((west + east) / 2, (south + north) / 2)])
            stated = grid.crs.to_wkt() if grid.crs else None
            size = (grid.width, grid.height, grid.count, grid.dtypes[0], grid.nodata, grid.units[0] if grid.units else None)
            pixel = (abs(float(grid.transform.a)), abs(float(grid.transform.e)))
    except RasterioIOError as error:
        raise SourceError(
            say(f"{path.name} ist kein lesbares Raster ({error}).", f"{path.name} is no readable raster ({error})."),
            remedy=say(
                "Prüfen Sie, ob die Datei vollständig ist; erwartet wird ein GeoTIFF.",
                "Check that the file is complete; a GeoTIFF is expected.",
            ),
        ) from error
    place = placing.find(corners, stated, deployment, probe.name, asked=crs)
    if place.swapped or not placing.overlaps((west, south, east, north), place.crs, deployment):
        raise SourceError(
            say(
                f"{probe.name}: Das Raster liegt nicht in der Stadt: {place.evidence[0]}",
                f"{probe.name}: The raster does not lie in the city: {place.evidence[0]}",
            ),
            remedy=say(
                "Prüfen Sie die box in deployment.yml, oder nennen Sie das Bezugssystem mit --crs EPSG:<Nummer>.",
                "Check box in deployment.yml, or state the CRS with --crs EPSG:<number>.",
            ),
        )
    width, height, bands, kind, nodata, unit = size
    return Grid(place, width, height, bands, pixel, kind, nodata, unit)
