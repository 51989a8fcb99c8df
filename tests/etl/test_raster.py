from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

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
