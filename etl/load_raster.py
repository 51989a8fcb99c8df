"""A load of a grid: one file, no rows."""

from __future__ import annotations

__all__ = ["load_raster"]

from pathlib import Path

from etl.extract import raster
from etl.findings import Finding
from etl.loading import Loading
from stadtgrund.catalog.collection import Extent
from stadtgrund.catalog.contract import Geometry
from stadtgrund.errors import LoadStopped, SourceError, by_locale
from stadtgrund.store.retention import drop_unnamed
from stadtgrund.store.versions import LoadFacts, Run, StoredFile


def load_raster(load: Loading, run: Run, paths: tuple[Path, ...]) -> None:
    """Convert the grid, put it in its place within the transaction that shows it.

    Raises
    ------
    SourceError, LoadStopped
        It is not one readable grid, or lies outside the city.
    """
    contract, report = load.contract, load.report
    if len(paths) != 1:
        raise SourceError(
            by_locale(
                f"Datensatz {contract.id}: ein Raster ist eine Datei, gefunden sind {len(paths)}.",
                f"Dataset {contract.id}: a raster is one file, found are {len(paths)}.",
            ),
            remedy=by_locale("Fügen Sie Kacheln vorher zusammen (gdal raster mosaic).", "Merge tiles before (gdal raster mosaic)."),
        )
    folder = _closed(load.db.paths.files / load.db.name) / contract.id

    def rows(done: int, total: int) -> None:
        load.progress(contract.id, "extract", done, total)

    with load.phase("transform"):
        grid = raster.convert(contract, paths[0], folder, rows)
    report.raster = grid.facts.as_json()
    final: list[Path] = []

    def stored(version: int) -> list[StoredFile]:
        final.append(folder / f"{contract.id}__v{version}.tif")
        grid.path.replace(final[-1])
        relative = final[-1].relative_to(load.db.paths.files).as_posix()
        return [StoredFile(f"{contract.id}.tif", relative, grid.bytes, grid.sha256, raster.MEDIA_TYPE)]

    try:
        _check_raster(load, grid.facts)
        extent = Extent(crs84=grid.facts.extent, storage=grid.facts.bounds)
        load.publish(run, LoadFacts(report.recipe, report.source_hash, load.source_time, extent=extent), stored)
    except BaseException:
        grid.path.unlink(missing_ok=True)
        if final:
            drop_unnamed(load.db, contract.id, final)
        raise


def _closed(folder: Path) -> Path:
    """Return the folder of a database's files, for its owner only: the grids of drafts are among them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def _check_raster(load: Loading, facts: raster.RasterFacts) -> None:
    west, south, east, north = load.deployment.box84
    xmin, ymin, xmax, ymax = facts.extent
    geometry = load.contract.geometry or Geometry(type="Polygon")
    if geometry.within == "deployment" and (xmin > east or xmax < west or ymin > north or ymax < south):
        raise LoadStopped(
            by_locale(
                f"Datensatz {load.contract.id}: das Raster liegt außerhalb der Stadt (bei {xmin:.3f} / {ymin:.3f}).",
                f"Dataset {load.contract.id}: the raster lies outside the city (at {xmin:.3f} / {ymin:.3f}).",
            ),
            remedy=by_locale("Prüfen Sie source.crs und die box in deployment.yml.", "Check source.crs and the box in deployment.yml."),
        )
    if facts.minimum is None:
        message = by_locale("Das Raster hat keine einzige Zelle mit einem Wert.", "Not one cell of the raster has a value.")
        load.report.findings.append(Finding("nodata", "report", facts.width * facts.height, message))
