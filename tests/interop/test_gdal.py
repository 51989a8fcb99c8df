"""GDAL's own programs against the running server: what they download is what the database has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import geopandas
import httpx
import numpy
import pandas
import pytest
import shapely
from pyproj import Transformer
from support.city import SPATIAL, TABLES
from support.deployment import checked, contract_of, write_deployment
from support.office import HOEHEN
from support.postgis import Server, environment
from support.rows import publish_rows
from support.served import City, free_port, running

from stadtgrund.catalog import registry

TOLERANCE_M = 0.01


def run(*command: str | Path) -> str:
    """Run one of GDAL's programs and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def download(api: str, collection: str, folder: Path) -> geopandas.GeoDataFrame:
    target = folder / f"{collection}.gpkg"
    run("ogr2ogr", "-f", "GPKG", target, f"OAPIF:{api}", collection, "-oo", "PAGE_SIZE=1000")
    return geopandas.read_file(target, layer=collection)


def plain(values: pandas.Series, type_of: pandas.Series) -> list[object]:
    """Return a column's values so that the two roads of a value can be compared, whatever type a reader chose for it."""
    found: list[object] = []
    for value, truth in zip(values, type_of, strict=True):
        if pandas.isna(value) if not isinstance(value, list | dict) else False:
            found.append(None)
        elif hasattr(truth, "tzinfo") and truth is not None and not pandas.isna(truth):
            found.append(pandas.Timestamp(value).tz_convert("UTC").isoformat())
        elif hasattr(truth, "isoformat"):
            found.append(pandas.Timestamp(value).date().isoformat())
        elif isinstance(truth, bool):
            found.append(bool(value))
        elif isinstance(value, float | int | numpy.number) or type(value).__name__ == "Decimal":
            found.append(round(float(value), 9))
        else:
            found.append(str(value))
    return found


def assert_attributes_equal(found: pandas.DataFrame, truth: pandas.DataFrame) -> None:
    columns = [name for name in truth.columns if name not in ("sg_id", "geometry")]
    assert set(columns) <= set(found.columns)
    for name in columns:
        assert plain(found[name], truth[name]) == plain(truth[name], truth[name]), name


def key_of(truth: pandas.DataFrame) -> list[str]:
    """Return the columns that identify a row in these tests."""
    return [name for name in truth.columns if name in ("nummer", "schluessel", "gebaeude_id", "nr", "ortsteil", "jahr")]


@pytest.mark.parametrize("collection", SPATIAL)
def test_ogr2ogr_downloads_what_the_database_has(collection: str, api: str, city: City, tmp_path: Path) -> None:
    truth = city.rows(collection)
    keys = key_of(truth)
    found = download(api, collection, tmp_path)
    assert len(found) == len(truth) > 0
    found = found.sort_values(keys, na_position="first").reset_index(drop=True)
    truth = truth.sort_values(keys, na_position="first").reset_index(drop=True)
    assert_attributes_equal(found, truth)
    assert found.crs == "EPSG:4326"
    shapes = found.geometry.to_crs(truth.crs)
    assert list(shapes.isna()) == list(truth.geometry.isna())
    present = ~truth.geometry.isna()
    assert present.any()
    distance = shapely.hausdorff_distance(shapes[present].values, truth.geometry[present].values)
    assert distance.max() <= TOLERANCE_M
    assert [shape.geom_type for shape in shapes[present]] == [shape.geom_type for shape in truth.geometry[present]]


@pytest.mark.parametrize("collection", TABLES)
def test_ogr2ogr_downloads_tables(collection: str, api: str, city: City, tmp_path: Path) -> None:
    truth = city.rows(collection)
    found = download(api, collection, tmp_path)
    assert len(found) == len(truth) > 0
    keys = key_of(truth)
    assert_attributes_equal(found.sort_values(keys).reset_index(drop=True), truth.sort_values(keys).reset_index(drop=True))


def test_ogr2ogr_reads_heights_in_the_default_crs(server: Server, tmp_path: Path) -> None:
    """It is CRS84h."""
    db = server.clone()
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(HOEHEN)))
    rows = [{"nr": f"L{n}", "geom": f"LINESTRING Z (370000 5700000 {n}, 370010 5700000 {n}.5)"} for n in range(5)]
    publish_rows(db, registry.read(folder, folder / "data"), "hoehen", rows)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**environment(server, db, folder), "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path / "log") as api:
        found = download(api, "hoehen", tmp_path)
    server.drop(db.name)
    assert found.crs == "EPSG:4326" and list(found["nr"]) == [f"L{n}" for n in range(5)]
    assert [shape.coords[0][2] for shape in found.geometry] == [0, 1, 2, 3, 4]
    x, y = Transformer.from_crs("EPSG:25833", "OGC:CRS84", always_xy=True).transform(370000, 5700000)
    assert found.geometry[0].coords[0][:2] == pytest.approx((x, y), abs=1e-7)


def boxes(city: City, collection: str) -> Sequence[tuple[float, float, float, float]]:
    """Return boxes in CRS84: one that is small, one over a corner of the data, one that holds all, one beside it."""
    x0, y0, x1, y1 = city.rows(collection).to_crs("EPSG:4326").total_bounds
    width, height = x1 - x0, y1 - y0
    return (
        (x0 + 0.3 * width, y0 + 0.31 * height, x0 + 0.55 * width, y0 + 0.52 * height),
        (x0 - width, y0 - height, x0 + 0.21 * width, y0 + 0.33 * height),
        (x0 - 0.1, y0 - 0.1, x1 + 0.1, y1 + 0.1),
        (x1 + 0.01, y1 + 0.01, x1 + 0.02, y1 + 0.02),
    )


@pytest.mark.parametrize("collection", SPATIAL)
def test_ogrinfo_spat_finds_what_postgis_finds(collection: str, api: str, city: City) -> None:
    sizes = set()
    for box in boxes(city, collection):
        truth = city.within(collection, box)
        spat = [f"{value:.9f}" for value in box]
        printed = run("ogrinfo", "-ro", "-so", "-spat", *spat, f"OAPIF:{api}", collection, "-oo", "PAGE_SIZE=1000")
        assert f"Feature Count: {len(truth)}" in printed, box
        sizes.add(len(truth))
        # GDAL asks by bbox and looks through the answer again, so that the server's own answer is asked for too.
        answer = httpx.get(f"{api}/collections/{collection}/items", params={"bbox": ",".join(spat), "limit": "10000"}, trust_env=False)
        assert {str(feature["id"]) for feature in answer.json()["features"]} == truth
    assert len(sizes) >= 3


def test_the_closed_collection_is_not_there(api: str) -> None:
    printed = run("ogrinfo", "-ro", f"OAPIF:{api}")
    assert "baeume" in printed
    assert "leitungen" not in printed
    done = subprocess.run(["ogrinfo", "-ro", "-so", f"OAPIF:{api}", "leitungen"], capture_output=True, text=True, check=False, timeout=60)
    assert "Couldn't fetch requested layer" in done.stdout + done.stderr


ZOOMS = (13, 15)


def tiles_of(city: City, collection: str, zoom: int) -> list[tuple[int, int]]:
    """Return (column, row) of the tiles over the middle of the data."""
    x0, y0, x1, y1 = city.rows(collection).to_crs("EPSG:3857").total_bounds
    size = 2 * 20037508.342789244 / 2**zoom
    column, row = int(((x0 + x1) / 2 + 20037508.342789244) / size), int((20037508.342789244 - (y0 + y1) / 2) / size)
    return [(column, row), (column + 1, row)]


def in_tile(city: City, collection: str, zoom: int, column: int, row: int, margin: float) -> set[str]:
    """Return the ids of the features that PostGIS finds in a tile widened by a share of its width."""
    from psycopg import sql

    query = sql.SQL(
        "SELECT sg_id::text FROM {} WHERE ST_Intersects(geom, ST_Transform(ST_TileEnvelope(%s, %s, %s, margin => %s), ST_SRID(geom)))"
    ).format(sql.Identifier("p_open", collection))
    with city.db.connect("open") as connection:
        return {found[0] for found in connection.execute(query, (zoom, column, row, margin)).fetchall()}


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize(
    ("collection", "key"), [("baeume", "nummer"), ("strassen", "schluessel"), ("gebaeude", "gebaeude_id"), ("pegel", "nr")]
)
def test_gdal_reads_the_tiles(collection: str, key: str, zoom: int, api: str, city: City, tmp_path: Path) -> None:
    counted = 0
    for column, row in tiles_of(city, collection, zoom):
        answer = httpx.get(f"{api}/collections/{collection}/tiles/WebMercatorQuad/{zoom}/{row}/{column}", trust_env=False)
        inside = in_tile(city, collection, zoom, column, row, 0.0)
        if answer.status_code in (204, 404):  # nothing lies there; 404 beyond the tileset's limits
            assert not inside
            continue
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        source, target = tmp_path / f"{zoom}-{column}-{row}.mvt", tmp_path / f"{zoom}-{column}-{row}.gpkg"
        source.write_bytes(answer.content)
        run("ogr2ogr", "-f", "GPKG", target, f"MVT:{source}", "-oo", f"X={column}", "-oo", f"Y={row}", "-oo", f"Z={zoom}", "-oo", "CLIP=NO")
        found = geopandas.read_file(target, layer=collection)
        ids = {str(value) for value in found[key]}
        assert inside <= ids <= in_tile(city, collection, zoom, column, row, 0.05)
        counted += len(ids)
        _assert_near(found, city.rows(collection), key, zoom)
    assert counted > 0


def _assert_near(found: geopandas.GeoDataFrame, truth: geopandas.GeoDataFrame, key: str, zoom: int) -> None:
    """Each part of a tile lies on its feature, as near as the tile's grid of 4096 cells can say."""
    cell_m = 2 * 20037508.342789244 / 2**zoom / 4096
    shapes = truth.set_index(truth[key].astype(str)).geometry.to_crs("EPSG:3857")
    for value, shape in zip(found[key].astype(str), found.geometry.to_crs("EPSG:3857"), strict=True):
        assert shape.representative_point().distance(shapes[value]) <= 2 * cell_m


def test_a_geojson_of_one_item_is_read_as_it_is(api: str, city: City, tmp_path: Path) -> None:
    answer = httpx.get(f"{api}/collections/gebaeude/items/DENW000009", trust_env=False)
    path = tmp_path / "item.geojson"
    path.write_bytes(answer.content)
    info = json.loads(run("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", path))
    truth = city.rows("gebaeude").set_index("sg_id").geometry["DENW000009"]
    shape = shapely.geometry.shape(info["features"][0]["geometry"])
    there = Transformer.from_crs("EPSG:4326", "EPSG:25832", always_xy=True)
    moved = shapely.transform(shape, lambda places: numpy.column_stack(there.transform(places[:, 0], places[:, 1])))
    assert shapely.hausdorff_distance(moved, truth) <= TOLERANCE_M
    assert len(truth.geoms[0].interiors) == 1
