from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from stadtgrund.errors import Busy, DatabaseUnavailable

from .conftest import City


def write_grid(path: Path, *, crs: str | None = "EPSG:25832", nodata: float | None = -9999.0, x: float = 380000.0) -> np.ndarray:
    values = np.arange(700 * 600, dtype=np.float32).reshape(700, 600) / 1000
    values[:70] = -9999
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=600,
        height=700,
        count=1,
        dtype="float32",
        crs=crs,
        transform=from_origin(x, 5700000, 2, 2),
        nodata=nodata,
    ) as grid:
        grid.write(values, 1)
    return values


def declare(city: City, **source: object) -> None:
    city.declare(
        "tiefe", {"kind": "raster", "location": "${DATA}/t.tif", "unit": "m", "scenario": "hN 90 mm/h", **source}, [], id_field=None
    )


def test_a_grid_becomes_a_cog_with_statistics(city: City) -> None:
    values = write_grid(city.data / "t.tif")
    declare(city)
    report = city.published("tiefe")
    ((path, size, media, version),) = city.ask("SELECT path, bytes, media_type, version FROM meta.file")
    file = city.db.paths.files / path
    assert path.endswith("tiefe__v1.tif") and file.stat().st_size == size and version == 1 and "cloud-optimized" in media
    with rasterio.open(file) as grid:
        assert grid.overviews(1) and grid.nodata == -9999 and grid.crs.to_epsg() == 25832
        assert grid.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.array_equal(grid.read(1), values)
    assert report.raster is not None
    assert (report.raster["minimum"], report.raster["nodata_share"], report.raster["unit"]) == (
        pytest.approx(42.0),
        pytest.approx(0.1),
        "m",
    )
    assert "Szenario: hN 90 mm/h" in report.text() and "ohne Wert 10 %" in report.text()
    ((extent,),) = city.ask("SELECT extent -> 'crs84' FROM meta.form")
    assert extent[0] == pytest.approx(7.27, abs=0.01)
    assert city.load("tiefe").status == "unchanged" and city.leftovers() == []


def test_nodata_and_crs_of_the_contract_win(city: City) -> None:
    write_grid(city.data / "t.tif", crs=None, nodata=None)
    declare(city)
    report = city.load("tiefe")
    assert report.error == "Datensatz tiefe: t.tif nennt kein Bezugssystem." and "source.crs" in report.next_step
    declare(city, crs="EPSG:25832", nodata=-9999)
    report = city.published("tiefe")
    assert report.raster is not None and report.raster["nodata_share"] == pytest.approx(0.1)


def test_a_grid_elsewhere_is_stopped_and_leaves_no_file(city: City) -> None:
    write_grid(city.data / "t.tif", x=580000)
    declare(city)
    report = city.load("tiefe")
    assert report.status == "stopped" and "außerhalb der Stadt" in report.error
    assert city.leftovers() == [] and not [path for path in (city.db.paths.files / city.db.name).rglob("*") if path.is_file()]


def break_off(monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"stadtgrund.store.{where}", broken)


def stored_files(city: City) -> list[str]:
    return [path.relative_to(city.db.paths.files).as_posix() for path in city.db.paths.files.rglob("*.tif") if city.db.name in path.parts]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DatabaseUnavailable("No connection.")], ids=lambda error: type(error).__name__)
def test_what_breaks_off_after_the_commit_leaves_the_file_that_is_served(
    city: City, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write_grid(city.data / "t.tif")
    declare(city)
    break_off(monkeypatch, "versions.drop_old", error)
    with suppress(KeyboardInterrupt):
        city.load("tiefe")
    assert city.ask("SELECT version FROM meta.state") == [(1,)]
    assert city.ask("SELECT path FROM meta.file") == [(path,) for path in stored_files(city)]


def test_what_breaks_off_before_the_commit_leaves_no_file(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    write_grid(city.data / "t.tif")
    declare(city)
    break_off(monkeypatch, "publication.forms.settle", DatabaseUnavailable("No connection."))
    assert city.load("tiefe").status == "failed" and stored_files(city) == []
    # Where nobody can say whether it is served, it stays; the next load puts its own in its place.
    break_off(monkeypatch, "retention.take_lock", Busy("Another one publishes."))
    assert city.load("tiefe").status == "failed" and len(stored_files(city)) == 1
    monkeypatch.undo()
    city.published("tiefe")
    assert city.ask("SELECT path FROM meta.file") == [(path,) for path in stored_files(city)]


@pytest.mark.parametrize("left", [None, b"half"], ids=["no file", "half a file"])
def test_a_version_whose_file_is_lost_is_loaded_again(city: City, left: bytes | None) -> None:
    write_grid(city.data / "t.tif")
    declare(city)
    city.published("tiefe")
    (path,) = stored_files(city)
    file = city.db.paths.files / path
    file.unlink()
    if left is not None:
        file.write_bytes(left)
    report = city.published("tiefe")
    ((path,),) = city.ask("SELECT path FROM meta.file WHERE version = %s", report.version)
    with rasterio.open(city.db.paths.files / path) as grid:
        assert grid.width == 600
    assert city.load("tiefe").status == "unchanged"


def test_no_other_account_reads_the_files(city: City) -> None:
    write_grid(city.data / "t.tif")
    declare(city)
    folder = city.db.paths.files / city.db.name
    city.published("tiefe")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    city.load("tiefe", force=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_raster_at_all(city: City) -> None:
    (city.data / "t.tif").write_text("kein Raster")
    declare(city)
    assert "kein lesbares Raster" in city.load("tiefe").error


@pytest.mark.shared
@pytest.mark.parametrize("path", ["duisburg/dgm1", "tuebingen/hochwasser-raster", "bonn/dem-gtopo30"])
def test_real_grids(city: City, shared_data: Path, path: str) -> None:
    source = min((shared_data / path).glob("*.tif"))
    (city.data / "t.tif").write_bytes(source.read_bytes())
    with rasterio.open(source) as grid:
        crs = None if grid.crs else "EPSG:4326"
    city.declare(
        "tiefe",
        {"kind": "raster", "location": "${DATA}/t.tif", **({"crs": crs} if crs else {})},
        [],
        id_field=None,
        geometry={"type": "Polygon", "within": "anywhere"},
    )
    report = city.published("tiefe")
    assert report.raster is not None and report.raster["maximum"] is not None
