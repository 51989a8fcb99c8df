"""A grid to a cloud optimised GeoTIFF with overviews; statistics on the way."""

from __future__ import annotations

__all__ = ["Raster", "RasterFacts", "convert"]

import hashlib
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError, RasterioIOError
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from etl.extract import drivers
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SetupError, SourceError
from stadtgrund.language import say

_LEFT = 1 << 20
"""Less than so many bytes free: a write that failed, of which GDAL does not say why, failed for want of room."""
_CACHE_MB = 64  # GDAL would take 5 % of the memory
MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class RasterFacts:
    """What a grid holds. Values are in `unit`; `extent` is (west, south, east, north) in CRS84, `bounds` in `crs`; share 0 to 1."""

    width: int
    height: int
    bands: int
    pixel: tuple[float, float]
    crs: str
    bounds: tuple[float, float, float, float]
    extent: tuple[float, float, float, float]
    minimum: float | None
    maximum: float | None
    mean: float | None
    nodata: float | None
    nodata_share: float
    unit: str | None
    scenario: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of the report."""
        return asdict(self)


@dataclass(frozen=True)
class Raster:
    """A converted grid: the temporary file, its size and SHA-256, and what is in it."""

    path: Path
    bytes: int
    sha256: str
    facts: RasterFacts


def convert(contract: Contract, source: Path, folder: Path, progress: Callable[[int, int], None] | None = None) -> Raster:
    """Write the grid as a COG into `folder` under a temporary name and return it.

    The values are not resampled. CRS and nodata of the contract override those of the file. Memory is that of a few blocks.

    Parameters
    ----------
    progress : callable, optional
        Called with rows done and rows in all.

    Raises
    ------
    SourceError
        The file is no raster, or has no CRS and the contract states none.
    SetupError
        There is no room in the folder.
    """
    try:
        with (
            drivers.files_only(),
            rasterio.Env(GDAL_CACHEMAX=_CACHE_MB, **drivers.OFFLINE),
            rasterio.open(source, driver=drivers.raster_driver(source)) as grid,
        ):
            crs = _crs(contract, grid, source)
            nodata = contract.source.nodata if contract.source.nodata is not None else grid.nodata
            folder.mkdir(parents=True, exist_ok=True)
            plain, target = folder / ".plain.tif", folder / ".cog.tif"  # the dataset's lock is held: nobody else writes them
            try:
                statistics = _copied(contract, grid, plain, crs, nodata, progress)
                _optimised(contract, plain, target)
            finally:
                plain.unlink(missing_ok=True)
            facts = _facts(contract, grid, crs, nodata, statistics)
    except RasterioIOError as error:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {source} ist kein lesbares Raster ({error}).",
                f"Dataset {contract.id}: {source} is no readable raster ({error}).",
            ),
            remedy=say(
                "Prüfen Sie, ob die Datei vollständig ist; erwartet wird ein GeoTIFF.",
                "Check that the file is complete; a GeoTIFF is expected.",
            ),
        ) from error
    with target.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Raster(target, target.stat().st_size, digest, facts)


def _copied(
    contract: Contract, grid: Any, plain: Path, crs: CRS, nodata: float | None, progress: Callable[[int, int], None] | None
) -> _Statistics:
    try:
        return _copy(grid, plain, crs, nodata, progress)
    except RasterioError as error:  # of the source, unless there is no room: GDAL does not say which
        if shutil.disk_usage(plain.parent).free < _LEFT:
            raise _not_written(contract, plain.parent) from error
        raise


def _optimised(contract: Contract, plain: Path, target: Path) -> None:
    try:
        rasterio.shutil.copy(
            plain, target, driver="COG", compress="DEFLATE", predictor="YES", overview_resampling="AVERAGE", bigtiff="IF_SAFER"
        )
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, RasterioError | CPLE_BaseError):  # the source is read by now
            raise _not_written(contract, target.parent) from error
        raise


def _not_written(contract: Contract, folder: Path) -> SetupError:
    free_mb = shutil.disk_usage(folder).free >> 20
    return SetupError(
        say(
            f"Datensatz {contract.id}: das Raster konnte nicht in {folder} geschrieben werden; dort sind {free_mb} MB frei.",
            f"Dataset {contract.id}: the raster could not be written into {folder}; {free_mb} MB are free there.",
        ),
        remedy=say("Schaffen Sie Platz und wiederholen Sie den Befehl.", "Make room and repeat the command."),
    )


def _crs(contract: Contract, grid: Any, source: Path) -> CRS:
    if contract.source.crs:
        try:
            return CRS.from_user_input(contract.source.crs)
        except CRSError as error:
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: source.crs {contract.source.crs} ist GDAL nicht bekannt.",
                    f"Dataset {contract.id}: source.crs {contract.source.crs} is not known to GDAL.",
                ),
                remedy=say("Schreiben Sie es als EPSG:<Nummer>.", "Write it as EPSG:<number>."),
            ) from error
    if grid.crs is None:
        raise SourceError(
            say(f"Datensatz {contract.id}: {source.name} nennt kein Bezugssystem.", f"Dataset {contract.id}: {source.name} states no CRS."),
            remedy=say(
                "Schreiben Sie source.crs in den Vertrag, z. B. EPSG:25832.", "Write source.crs into the contract, e.g. EPSG:25832."
            ),
        )
    return grid.crs


@dataclass
class _Statistics:
    minimum: float = math.inf
    maximum: float = -math.inf
    total: float = 0.0
    valid: int = 0
    cells: int = 0

    def add(self, band: np.ndarray, nodata: float | None) -> None:
        """Take in one block of the first band."""
        good = np.isfinite(band) if np.issubdtype(band.dtype, np.floating) else np.ones(band.shape, dtype=bool)
        if nodata is not None and not math.isnan(nodata):
            good &= band != nodata
        self.cells += band.size
        values = band[good]
        if values.size:
            self.minimum = min(self.minimum, float(values.min()))
            self.maximum = max(self.maximum, float(values.max()))
            self.total += float(values.sum(dtype=np.float64))
            self.valid += int(values.size)


def _copy(grid: Any, target: Path, crs: CRS, nodata: float | None, progress: Callable[[int, int], None] | None) -> _Statistics:
    """Copy the grid strip by strip with the right CRS and nodata, its north at the top, and measure its first band."""
    statistics = _Statistics()
    transform = grid.transform
    from_south = transform.e > 0 and transform.b == transform.d == 0  # the first row is the southernmost, as in many XYZ
    if from_south:
        transform = from_origin(transform.c, transform.f + transform.e * grid.height, transform.a, transform.e)
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": grid.count,
        "dtype": grid.dtypes[0],
        "crs": crs,
        "transform": transform,
        "nodata": nodata,
        "tiled": True,
        "bigtiff": "IF_SAFER",
    }
    strip = 512
    with rasterio.open(target, "w", **profile) as copy:
        for top in range(0, grid.height, strip):
            window = rasterio.windows.Window(0, top, grid.width, min(strip, grid.height - top))
            block = grid.read(window=window)
            statistics.add(block[0], nodata)
            if from_south:
                block, window = block[:, ::-1], rasterio.windows.Window(0, grid.height - top - window.height, grid.width, window.height)
            copy.write(block, window=window)
            if progress:
                progress(min(top + strip, grid.height), grid.height)
        for band in range(1, grid.count + 1):
            if grid.descriptions[band - 1]:
                copy.set_band_description(band, grid.descriptions[band - 1])
    return statistics


def _facts(contract: Contract, grid: Any, crs: CRS, nodata: float | None, statistics: _Statistics) -> RasterFacts:
    west, first, east, last = (float(value) for value in grid.bounds)
    bounds = (west, min(first, last), east, max(first, last))
    extent = transform_bounds(crs, CRS.from_epsg(4326), *bounds)  # rasterio gives x/y order: this is CRS84
    seen = statistics.valid > 0
    return RasterFacts(
        width=grid.width,
        height=grid.height,
        bands=grid.count,
        pixel=(float(grid.transform.a), abs(float(grid.transform.e))),
        crs=crs.to_string(),
        bounds=bounds,
        extent=tuple(float(value) for value in extent),  # type: ignore[arg-type]
        minimum=statistics.minimum if seen else None,
        maximum=statistics.maximum if seen else None,
        mean=statistics.total / statistics.valid if seen else None,
        nodata=nodata,
        nodata_share=1 - statistics.valid / statistics.cells if statistics.cells else 0.0,
        unit=contract.source.unit or (grid.units[0] if grid.units else None),
        scenario=contract.source.scenario,
    )
