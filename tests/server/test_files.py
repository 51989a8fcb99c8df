"""A grid over HTTP: what its collection says, its file whole and by ranges, and who gets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from openapi_spec_validator import OpenAPIV30SpecValidator
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, settings_for

from etl import pipeline
from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

from .conftest import KEY, Client, add_key

TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def _grid(dataset: str) -> dict[str, Any]:
    return {
        "id": dataset,
        "title": {"de": dataset.capitalize()},
        "description": {"de": "Überflutungstiefe."},
        "source": {"kind": "raster", "location": f"${{DATA}}/{dataset}.tif", "crs": "EPSG:25832", "unit": "m", "nodata": -9999},
    }


@pytest.fixture(scope="module")
def grids(server: Server, module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An application with two grids: `tiefe` is public, `bunker` closed."""
    contracts = [checked(contract_of(_grid("tiefe"))), checked(contract_of(_grid("bunker")), "security_critical")]
    folder = write_deployment(tmp_path_factory.mktemp("grids") / "teststadt", *contracts)
    values = np.arange(700 * 600, dtype=np.float32).reshape(700, 600) / 1000
    for contract in contracts:
        place = {"crs": "EPSG:25832", "transform": from_origin(360000, 5700000, 2, 2), "nodata": -9999}
        path = folder / "data" / f"{contract.id}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=600, height=700, count=1, dtype="float32", **place) as grid:
            grid.write(values, 1)
    for report in pipeline.load_all(module_db, registry.read(folder, folder / "data")):
        assert report.status == "published", report.text()
    add_key(module_db)
    made = Client(create_app(settings_for(server, module_db, folder)))
    yield made
    made.close()


def test_a_grid_says_what_it_is_and_links_its_file_only(grids: Client) -> None:
    document = grids.json("/collections/tiefe")
    assert document["stadtgrund"]["raster"] is True and document["stadtgrund"]["numberOfItems"] is None
    assert "itemType" not in document and "crs" not in document
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    assert 6.9 < west < east < 7.1 and 51.3 < south < north < 51.6
    (link,) = [link for link in document["links"] if link["rel"] == "enclosure"]
    assert link["type"] == TIFF and link["href"] == "http://localhost:5000/collections/tiefe/files/tiefe.tif"
    assert link["length"] == len(grids.get(link["href"]).content)
    for link in document["links"]:
        if link["href"].startswith("http://localhost:5000"):
            assert grids.get(link["href"], headers={"accept": link["type"]}).status_code == 200, link
    for name in ("items", "schema", "queryables", "sortables", "tiles"):
        assert grids.get(f"/collections/tiefe/{name}").status_code == 404
    described = grids.json("/api")
    OpenAPIV30SpecValidator(described).validate()
    assert described["paths"]["/collections/tiefe/files/tiefe.tif"]["get"]["responses"]["200"]["content"].keys() == {TIFF}


@pytest.mark.parametrize(("language", "words"), [("de", ("Raster", "Herunterladen: tiefe.tif")), ("en", ("Raster", "Download: tiefe.tif"))])
def test_pages_call_it_a_raster(grids: Client, language: str, words: tuple[str, str]) -> None:
    page = grids.get(f"/collections/tiefe?f=html&lang={language}").text
    assert all(word in page for word in words) and "/vsicurl/http://localhost:5000/collections/tiefe/files/tiefe.tif" in page
    start = grids.get(f"/?f=html&lang={language}").text
    assert '<td class="number">Raster</td>' in start


def test_the_file_is_the_grid_that_was_loaded(grids: Client) -> None:
    response = grids.get("/collections/tiefe/files/tiefe.tif")
    assert response.headers["content-type"] == TIFF and response.headers["accept-ranges"] == "bytes"
    with MemoryFile(response.content) as memory, memory.open() as grid:
        assert grid.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and grid.crs.to_epsg() == 25832
        assert grid.read(1)[3, 4] == pytest.approx((3 * 600 + 4) / 1000)


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=10-10", 10, 10)]
)
def test_a_range_is_that_part(grids: Client, asked: str, first: int, last: int | None) -> None:
    url = "/collections/tiefe/files/tiefe.tif"
    whole = grids.get(url).content
    first = first % len(whole)
    last = len(whole) - 1 if last is None else last
    response = grids.get(url, headers={"range": asked})
    assert response.status_code == 206 and response.content == whole[first : last + 1]
    assert response.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


def test_ranges_that_cannot_be(grids: Client) -> None:
    url = "/collections/tiefe/files/tiefe.tif"
    whole = grids.get(url)
    beyond = grids.get(url, headers={"range": "bytes=999999999-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    assert grids.get(url, headers={"range": "bytes=-0"}).status_code == 416
    assert grids.get(url, headers={"range": "bytes=0-9,999999999-"}).headers["content-range"].startswith("bytes 0-9/")
    for nonsense in ("bytes=a-b", "lines=1-2", "bytes=-", "1-2", "bytes=5-1", "bytes=0-9,5-1"):
        response = grids.get(url, headers={"range": nonsense})
        assert response.status_code == 200 and response.content == whole.content, nonsense
    changed = grids.get(url, headers={"range": "bytes=0-9", "if-range": '"another"'})
    assert changed.status_code == 200 and changed.content == whole.content
    gone = grids.get(url, headers={"range": "bytes=999999999-", "if-range": '"another"'})
    assert gone.status_code == 200
    same = grids.get(url, headers={"range": "bytes=0-9", "if-range": whole.headers["etag"]})
    assert same.status_code == 206


def test_a_range_beyond_the_file_is_a_problem_as_others_are(grids: Client) -> None:
    beyond = grids.get("/collections/tiefe/files/tiefe.tif", headers={"range": "bytes=999999999-"})
    other = grids.get("/collections/tiefe/files/gibtesnicht.tif")
    assert beyond.json()["status"] == 416 and "Range" in beyond.json()["detail"]
    for name in ("content-type", "cache-control", "access-control-allow-origin", "vary"):
        assert beyond.headers[name] == other.headers[name], name


def test_head_and_a_copy_that_is_current(grids: Client) -> None:
    url = "/collections/tiefe/files/tiefe.tif"
    whole = grids.get(url)
    head = grids.request("HEAD", url)
    assert head.status_code == 200 and head.content == b"" and head.headers["content-length"] == str(len(whole.content))
    current = grids.get(url, headers={"if-none-match": whole.headers["etag"]})
    assert current.status_code == 304 and current.content == b""
    assert whole.headers["cache-control"] == "public, max-age=30, must-revalidate"


def test_who_may_not_see_the_grid_gets_no_file(grids: Client) -> None:
    url = "/collections/bunker/files/bunker.tif"
    closed, absent = grids.get(url), grids.get("/collections/nirgends/files/bunker.tif")
    assert closed.status_code == absent.status_code == 404
    assert closed.json()["detail"].replace("bunker", "nirgends") == absent.json()["detail"]
    assert "bunker" not in grids.get("/api").text + grids.get("/collections").text
    allowed = grids.get(url, key=KEY)
    assert allowed.status_code == 200 and allowed.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("name", ["bunker.tif", "..%2f..%2fbunker%2fbunker__v1.tif", "tiefe__v1.tif", "tiefe.tif?limit=1"])
def test_only_the_files_of_the_collection(grids: Client, name: str) -> None:
    response = grids.get(f"/collections/tiefe/files/{name}")
    assert response.status_code == (400 if "?" in name else 404)
    assert response.headers["content-type"] == "application/problem+json"


def test_a_file_that_is_gone_is_a_503_that_names_no_path(grids: Client, module_db: Database, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(module_db.paths.files, module_db.name, "bunker", "bunker__v1.tif")
    aside = path.rename(path.with_suffix(".aside"))
    try:
        response = grids.get("/collections/bunker/files/bunker.tif", key=KEY)
    finally:
        aside.rename(path)
    assert response.status_code == 503 and "v1" not in response.text and str(path.parent) not in response.text
    assert response.headers["content-type"] == "application/problem+json" and response.headers["retry-after"] == "3600"
    assert response.json()["detail"].startswith("The server does not have this file at the moment")
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "bunker__v1.tif" in line.getMessage() and "stadtgrund load bunker" in line.getMessage() and not line.exc_info
