"""Excerpts over HTTP: what of a collection fulfils conditions, as a file in any format."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import time
from pathlib import Path

import geopandas
import pytest

from server import downloads
from stadtgrund.store.shelf import Shelf

from .conftest import Client

BASE = "http://localhost:5000/collections/masten"

QUERIES = (
    "name=Ahorn",
    "filter=hoehe > 5 AND art = 'holz'",
    "bbox=6.986,51.433,6.988,51.5",
    "bbox=5700010,360010,5700030,360060&bbox-crs=EPSG:25832&filter=NOT leuchtet",
    "datetime=2012-01-01/2014-12-31",
    "filter=S_INTERSECTS(geometry, POINT(360020 5700020))&filter-crs=EPSG:25832",
    "filter=name LIKE '%25=%25' OR name IS NULL",
    "properties=nummer,gross_nr&nummer=3",
    "skipGeometry=true",
    "filter=nummer < 0",
)  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_an_excerpt_has_the_features_of_the_pages(client: Client, query: str) -> None:
    page = client.json(f"/collections/masten/items?{query}&limit=1000")
    found = client.get(f"{BASE}/download?f=geojson&{query}")
    assert found.status_code == 200, found.text
    assert found.headers["content-disposition"] == 'attachment; filename="masten_auszug.geojson"'
    assert found.json()["features"] == page["features"]
    name = query.split("=", 1)[0]
    assert name in found.json()["excerpt"]
    table = client.get(f"{BASE}/download?f=csv&{query}")
    assert table.content == client.get(f"/collections/masten/items?f=csv&limit=1000&{query}").content


@pytest.mark.parametrize("crs", ["OGC:CRS84", "EPSG:4326", "EPSG:4258", "EPSG:25833"])
@pytest.mark.parametrize("query", ["", "&nummer=3", "&skipGeometry=true"])
def test_a_table_has_the_axis_order_of_its_crs(client: Client, crs: str, query: str) -> None:
    page = client.get(f"/collections/masten/items?f=csv&limit=1000&crs={crs}{query}")
    url = f"{BASE}/download?f=csv&crs={crs}{query}"
    found = client.get(url)
    if found.status_code == 303:
        found = client.get(found.headers["location"])
    assert found.content == page.content and found.headers["content-crs"] == page.headers["content-crs"]


def test_the_crs_of_a_file_is_told(client: Client) -> None:
    crs = "http://www.opengis.net/def/crs/"
    for query, uri in (
        ("f=gpkg", "EPSG/0/25832"),
        ("f=gpkg&crs=EPSG:4326", "EPSG/0/4326"),
        ("f=geojson", "OGC/1.3/CRS84"),
        ("f=geojson&crs=EPSG:4326", "OGC/1.3/CRS84"),  # RFC 7946, section 4: longitude first
    ):
        assert client.get(f"{BASE}/download?{query}&nummer=3").headers["content-crs"] == f"<{crs}{uri}>", query


@pytest.mark.parametrize("format_", ["gpkg", "fgb", "parquet"])
def test_an_excerpt_in_a_format_and_crs(client: Client, tmp_path: Path, format_: str) -> None:
    found = client.get(f"{BASE}/download?f={format_}&crs=EPSG:25833&filter=nummer<=5&properties=nummer,kosten")
    assert found.headers["content-disposition"] == f'attachment; filename="masten_auszug_epsg25833.{format_}"'
    assert int(found.headers["content-length"]) == len(found.content)
    path = tmp_path / f"a.{format_}"
    path.write_bytes(found.content)
    frame = geopandas.read_parquet(path) if format_ == "parquet" else geopandas.read_file(path)
    assert sorted(frame["nummer"]) == [1, 2, 3, 4, 5] and frame.crs.to_epsg() == 25833
    assert sorted(map(float, frame["kosten"])) == [1.1, 2.1, 3.1, 4.1, 5.1] and "name" not in frame


def test_the_format_may_be_negotiated(client: Client) -> None:
    wanted = {"accept": "application/vnd.flatgeobuf"}
    assert client.get(f"{BASE}/download?nummer=9", headers=wanted).headers["content-type"] == "application/vnd.flatgeobuf"
    assert client.get(f"{BASE}/download?nummer=9", headers={"accept": "image/png"}).status_code == 406
    assert client.get(f"{BASE}/download?nummer=9").headers["content-type"] == "application/geopackage+sqlite3"


@pytest.mark.parametrize(
    ("query", "name"), [("f=fgb", "masten.fgb"), ("f=csv&crs=EPSG:25833", "masten_epsg25833.csv"), ("", "masten.gpkg")]
)
def test_nothing_in_particular_is_the_whole_file(client: Client, query: str, name: str) -> None:
    response = client.get(f"{BASE}/download?{query}")
    assert response.status_code == 303 and response.headers["location"] == f"{BASE}/files/{name}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("f=shp", "gpkg, fgb, parquet, csv, geojson"),
        ("f=gpkg&limit=5", "no such parameter; known are f, crs"),
        ("f=gpkg&sortby=name", "no such parameter"),
        ("f=gpkg&cursor=x", "no such parameter"),
        ("f=gpkg&gibtesnicht=1", "no such parameter"),
        ("f=gpkg&betreiberkonto=1", "no such parameter"),
        ("f=geojson&crs=EPSG:25832", "RFC 7946"),
        ("f=gpkg&crs=EPSG:31467", "one of http"),
        ("f=fgb&skipGeometry=true", "consists of geometries"),
        ("f=csv&filter=gibtesnicht=1", "Unknown property"),
        ("f=csv&bbox=1,2,3", "four numbers"),
        ("f=csv&properties=betreiberkonto", "some of nummer"),
        ("f=csv&datetime=2021/2020", ""),
        ("f=csv&filter=2^99999=1", "outside the range of its type"),
    ],
)
def test_what_cannot_be_asked_is_a_400(client: Client, query: str, words: str) -> None:
    response = client.get(f"{BASE}/download?{query}")
    assert response.status_code == 400 and words in response.json()["detail"], response.text
    assert client.get("/collections/zahlen/download?f=fgb").status_code == 400


def test_an_excerpt_over_the_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_EXCERPT", 2000)
    response = client.get(f"{BASE}/download?f=gpkg&filter=nummer<1000")
    assert response.status_code == 413 and "smaller bbox" in response.json()["detail"]
    assert client.get(f"{BASE}/download?f=csv&filter=nummer<3").status_code == 200


def test_conditions_are_not_mixed_up(client: Client) -> None:
    """The key of an excerpt tells values from names."""
    one = client.get(f'{BASE}/download?f=csv&name=Ahorn", "art": "holz').content
    two = client.get(f"{BASE}/download?f=csv&name=Ahorn&art=holz").content
    assert len(list(csv.reader(io.StringIO(one.decode())))) == 1 < len(list(csv.reader(io.StringIO(two.decode()))))


def test_excerpts_go_when_their_time_is_over(own_client: Client) -> None:
    assert own_client.get(f"{BASE}/download?f=csv&nummer=3").status_code == 200
    shelf: Shelf = own_client.app.downloads.shelf
    (path,) = (shelf.root / "excerpts").rglob("*.csv")
    shelf.sweep()
    assert path.exists()
    os.utime(path.with_name(f"{path.name}.json"), (time.time() - 1000, time.time() - 1000))
    shelf.sweep()
    assert not [each for each in (shelf.root / "excerpts").rglob("*") if each.is_file()]


def test_one_timer_sweeps_for_all_excerpts(own_client: Client) -> None:
    made = own_client.app.downloads

    async def timers() -> list[asyncio.TimerHandle]:
        pending = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        return [timer for timer in pending if not timer.cancelled() and "Downloads." in repr(timer)]

    async def ring() -> None:
        (timer,) = await timers()
        timer.cancel()
        made._sweep_again()

    tag = own_client.get(f"{BASE}/download?f=csv&nummer=3").headers["etag"]
    for number in (3, 3, 4, 4):
        assert own_client.get(f"{BASE}/download?f=csv&nummer={number}", headers={"if-none-match": tag}).status_code in (200, 304)
    assert len(own_client.run(timers())) == 1
    own_client.run(ring())  # one was asked for since the timer was set: its time comes later
    (timer,) = own_client.run(timers())
    assert timer.when() == made._sweep_at
    made._sweep_at = 0.0
    own_client.run(ring())
    assert own_client.run(timers()) == []
