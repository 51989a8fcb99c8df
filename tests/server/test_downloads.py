"""Files of whole collections and excerpts over HTTP: links, sizes, checksums, ranges, who gets them, and what happens meanwhile."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import psutil
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server import downloads, exporting
from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.catalog.file_formats import FORMATS
from stadtgrund.store import versions
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf

from .conftest import FIGURES, KEY, POLES, Client

BASE = "http://localhost:5000/collections/masten"


def enclosures(client: Client, url: str = "/collections/masten", **more: Any) -> dict[str, dict[str, Any]]:
    """Return the links to files, by their name."""
    links = client.json(url, **more)["links"]
    return {link["href"].rsplit("/", 1)[1]: link for link in links if link["rel"] == "enclosure"}


@pytest.fixture
def own(server: Server, db: Database, served_folder: Path) -> Iterator[Client]:
    """An application over a database of the test's own."""
    deployment = registry.read(served_folder, served_folder / "data")
    for dataset, rows in (("masten", POLES), ("zahlen", FIGURES)):
        publish_rows(db, deployment, dataset, rows)
    made = Client(create_app(settings_for(server, db, served_folder)))
    yield made
    made.close()


def test_a_collection_links_its_files_with_size_and_checksum(own: Client) -> None:
    names = {"masten.gpkg", "masten_epsg4326.gpkg", "masten.fgb", "masten_epsg4326.fgb", "masten.parquet", "masten_epsg4326.parquet"}
    before = enclosures(own)
    assert set(before) == names | {"masten.csv", "masten.geojson"}
    assert not any("length" in link for link in before.values())  # none is written yet
    first = own.get("/collections/masten")
    for name, link in before.items():
        response = own.get(link["href"])
        assert response.status_code == 200 and response.headers["content-type"].partition(";")[0] == link["type"], name
        assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    after = enclosures(own)
    for name, link in after.items():
        body = own.get(link["href"]).content
        assert link["length"] == len(body) and link["sha256"] == hashlib.sha256(body).hexdigest(), name
    # What lies ready is part of the document: a copy from before is not current any more.
    changed = own.get("/collections/masten", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]
    assert own.get("/collections/masten", headers={"if-none-match": changed.headers["etag"]}).status_code == 304
    assert after["masten.gpkg"]["title"] == "Herunterladen: GeoPackage (EPSG:25832)"
    assert enclosures(own, "/collections/masten?lang=en")["masten.csv"]["title"] == "Download: CSV (CRS84)"
    # Thousands of collections would list ten thousands of files.
    assert "enclosure" not in own.get("/collections").text
    assert set(enclosures(own, "/collections/zahlen")) == {"zahlen.gpkg", "zahlen.parquet", "zahlen.csv", "zahlen.geojson"}
    assert enclosures(own, "/collections/zahlen")["zahlen.parquet"]["title"] == "Herunterladen: Parquet"


def test_the_page_offers_the_files(client: Client) -> None:
    client.get("/collections/gebiete/files/gebiete.gpkg")
    page = client.get("/collections/gebiete?f=html").text
    assert "Ganzen Datensatz herunterladen" in page and "GeoPackage (EPSG:25832)" in page
    assert '/collections/gebiete/files/gebiete.gpkg.sha256">SHA-256</a>' in page
    assert "Download the whole dataset" in client.get("/collections/gebiete?f=html&lang=en").text


def test_checksums_in_the_header_and_beside_the_file(client: Client) -> None:
    response = client.get(f"{BASE}/files/masten.csv")
    digest = hashlib.sha256(response.content)
    assert response.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"  # RFC 9530
    beside = client.get(f"{BASE}/files/masten.csv.sha256")
    assert beside.text == f"{digest.hexdigest()}  masten.csv\n" and beside.headers["content-type"].startswith("text/plain")


def test_the_notice_beside_the_files(client: Client) -> None:
    response = client.get(f"{BASE}/files/masten_lizenz.txt")
    assert "Titel: Masten\n" in response.text and "Lizenz: Datenlizenz Deutschland – Zero – Version 2.0\n" in response.text
    assert "Quelle: Stadt Teststadt, Amt 62\n" in response.text and "Version: 1\n" in response.text
    (link,) = [link for link in client.json("/collections/masten")["links"] if link["rel"] == "describedby"]
    assert link["href"] == f"{BASE}/files/masten_lizenz.txt" and link["type"] == "text/plain"
    linked = client.get(f"{BASE}/files/masten.csv").headers["link"]
    assert f'<{BASE}/files/masten_lizenz.txt>; rel="describedby"' in linked and 'dl-de/zero-2-0>; rel="license"' in linked


def test_ranges_and_copies_that_are_current(client: Client) -> None:
    url = f"{BASE}/files/masten.gpkg"
    whole = client.get(url)
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["cache-control"] == "public, max-age=30, must-revalidate"
    part = client.get(url, headers={"range": "bytes=100-199", "if-range": whole.headers["etag"]})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert part.headers["repr-digest"] == whole.headers["repr-digest"]  # of the whole, RFC 9530, 3
    assert client.get(url, headers={"range": "bytes=999999999-"}).status_code == 416
    assert client.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    head = client.request("HEAD", url)
    assert head.content == b"" and head.headers["content-length"] == str(len(whole.content))


def test_head_writes_nothing(own: Client) -> None:
    for url in (f"{BASE}/files/masten.fgb", f"{BASE}/download?f=fgb&nummer=3"):
        head = own.request("HEAD", url)
        assert head.status_code == 200 and head.headers["content-type"] == "application/vnd.flatgeobuf"
        assert "content-length" not in head.headers
    assert not list(own.app.downloads.shelf.root.rglob("*.fgb"))


NAMES = (
    "masten.shp",
    "masten",
    "gebiete.gpkg",
    "masten_epsg31467.gpkg",
    "masten_epsg25832.gpkg",
    "masten_epsg25832.geojson",
    "masten_auszug.gpkg",
    "masten.gpkg.sha512",
    ".gpkg",
    "MASTEN.gpkg",
    "masten.gpkg.json",
    "masten.gpkg%0A",
)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_files_that_are_offered(client: Client, name: str) -> None:
    response = client.get(f"{BASE}/files/{name}")
    assert response.status_code == 404
    assert "masten.gpkg, masten.fgb, masten.parquet, masten.csv, masten.geojson" in response.json()["detail"]
    assert client.get(f"{BASE}/files/..%2f..%2f{name}").status_code == 404
    assert client.get(f"{BASE}/files/masten.gpkg?limit=1").status_code == 400


@pytest.mark.parametrize("name", ["geheimleitungen.gpkg", "geheimleitungen_lizenz.txt", "geheimleitungen.csv.sha256"])
def test_files_of_closed_data_take_the_key(client: Client, name: str) -> None:
    url = f"/collections/geheimleitungen/files/{name}"
    assert client.get(url, key=KEY).headers["cache-control"] == "private, no-store"
    closed, absent = client.get(url), client.get(f"/collections/nirgends/files/{name}")  # though the file lies there by now
    assert closed.status_code == absent.status_code == 404
    assert closed.json()["detail"].replace("geheimleitungen", "nirgends") == absent.json()["detail"]
    assert client.get("/collections/geheimleitungen/download?f=csv").status_code == 404


def test_a_form_without_a_field_makes_a_file_without_it(client: Client) -> None:
    mine, theirs = client.get(f"{BASE}/files/masten.csv", key=KEY).text, client.get(f"{BASE}/files/masten.csv").text
    assert "betreiberkonto" in mine and "DE-KONTO-7" in mine
    assert "betreiberkonto" not in theirs and "DE-KONTO" not in theirs
    # The same address, another file: a cache must not mix them up.
    assert "Authorization" in client.get(f"{BASE}/files/masten.csv").headers["vary"]
    for format_ in FORMATS:
        assert b"DE-KONTO" not in client.get(f"{BASE}/files/masten.{format_}").content, format_


def test_the_files_are_the_pages(client: Client) -> None:
    """CSV and GeoJSON: byte for byte what the pages have."""
    page = client.json("/collections/masten/items?limit=1000")
    whole = client.json(f"{BASE}/files/masten.geojson")
    assert whole["features"] == page["features"] and whole["name"] == "masten" and whole["version"] == "1"
    for suffix, crs in (("", ""), ("_epsg25833", "&crs=EPSG:25833")):
        table = client.get(f"{BASE}/files/masten{suffix}.csv")
        assert table.content == client.get(f"/collections/masten/items?f=csv&limit=1000{crs}").content


# Excerpts

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


def test_excerpts_go_when_their_time_is_over(own: Client) -> None:
    assert own.get(f"{BASE}/download?f=csv&nummer=3").status_code == 200
    shelf: Shelf = own.app.downloads.shelf
    (path,) = (shelf.root / "excerpts").rglob("*.csv")
    shelf.sweep()
    assert path.exists()
    os.utime(path, (time.time() - 1000, time.time() - 1000))
    shelf.sweep()
    assert not [each for each in (shelf.root / "excerpts").rglob("*") if each.is_file()]


# What happens meanwhile


def test_who_waits_too_long_is_led_to_the_same_address(own: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "WAIT_S", 0.0)
    url = f"{BASE}/download?f=csv&filter=name%20=%20%27Stra%C3%9Fe%27"
    first = own.get(url)
    assert first.status_code == 307 and first.headers["location"] == url and first.headers["cache-control"] == "no-store"
    assert int(first.headers["retry-after"]) >= 1 and "wird geschrieben" in first.text
    end = time.monotonic() + 60
    while (response := own.get(first.headers["location"])).status_code == 307:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert response.status_code == 200 and "Straße" in response.text
    assert own.get(f"{BASE}/files/masten.gpkg").status_code == 307


def test_many_who_ask_for_a_file_wait_for_one_child(own: Client) -> None:
    async def ask() -> list[int]:
        answers = await asyncio.gather(*(own.http.get(f"{BASE}/files/masten.gpkg") for _ in range(12)))
        assert len({answer.content for answer in answers}) == 1
        return [answer.status_code for answer in answers]

    assert own.run(ask()) == [200] * 12
    assert len(children_of(own)) == 1


def children_of(client: Client) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in client.app.downloads.exports.children.pids]


def test_a_killed_child_costs_one_answer(own: Client) -> None:
    assert own.get(f"{BASE}/files/masten.csv").status_code == 200
    (child,) = children_of(own)
    child.suspend()

    async def ask() -> int:
        request = asyncio.create_task(own.http.get(f"{BASE}/files/masten.gpkg"))
        await asyncio.sleep(0.3)
        child.kill()
        return (await request).status_code

    assert own.run(ask()) == 503
    assert not list(own.app.downloads.shelf.root.rglob("*.part"))
    assert own.get(f"{BASE}/files/masten.gpkg").status_code == 200


def test_a_new_version_has_new_files(own: Client, db: Database, served_folder: Path) -> None:
    """No answer mixes them, and the size in the link is that of the file that is sent."""
    old = own.get(f"{BASE}/files/masten.geojson")
    assert enclosures(own)["masten.geojson"]["length"] == len(old.content)
    publish_rows(db, registry.read(served_folder, served_folder / "data"), "masten", [{**row, "name": "neu"} for row in POLES[:7]])
    own.run(own.app.profiles["open"].refresh())
    assert "length" not in enclosures(own)["masten.geojson"]
    new = own.get(f"{BASE}/files/masten.geojson", headers={"if-none-match": old.headers["etag"]})
    assert new.status_code == 200 and [each["properties"]["name"] for each in new.json()["features"]] == ["neu"] * 7
    assert new.json()["version"] == "2" and enclosures(own)["masten.geojson"]["length"] == len(new.content)


def test_an_old_snapshot_is_no_obstacle(own: Client, db: Database, served_folder: Path) -> None:
    """What was compiled of the state before is compiled anew."""
    own.run(own.app.profiles["open"].snapshot())
    publish_rows(db, registry.read(served_folder, served_folder / "data"), "masten", [{**row, "name": "neu"} for row in POLES[:7]])
    found = own.get(f"{BASE}/download?f=csv&nummer=3&properties=name")
    assert found.status_code == 200 and "neu" in found.text


def test_a_file_that_lost_its_bytes_is_written_anew(own: Client) -> None:
    body = own.get(f"{BASE}/files/masten.csv").content
    (path,) = (own.app.downloads.shelf.root / "whole").rglob("*.csv")
    path.write_bytes(body[:100])
    assert own.get(f"{BASE}/files/masten.csv").content == body
    path.unlink()
    assert own.get(f"{BASE}/files/masten.csv").content == body


def test_the_files_stay_below_their_limit(own: Client) -> None:
    for format_ in FORMATS:
        assert own.get(f"{BASE}/files/masten.{format_}").status_code == 200
    shelf = Shelf(own.app.downloads.shelf.root, 40_000)
    shelf.sweep()
    left = {path.suffix for path in (shelf.root / "whole").rglob("v1-*") if path.suffix != ".json"}
    assert left == {".csv", ".geojson"}  # asked for last; the GeoPackage alone is over it
    assert set(enclosures(own)) and "length" not in enclosures(own)["masten.gpkg"]


def test_nothing_is_sent_that_may_have_been_withdrawn(
    own: Client, db: Database, served_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file needs no database to be sent; whether it may be does."""
    assert own.get(f"{BASE}/files/masten.csv").status_code == 200
    deployment = registry.read(served_folder, served_folder / "data")
    monkeypatch.setattr("server.host.POLL_S", 1000.0)
    time.sleep(1.2)  # the poll that was under way
    versions.withdraw(db, deployment, deployment.contract("masten"), by="Test", reason="Test")
    monkeypatch.setattr("server.host._RECENT_S", 0.0)
    assert own.get(f"{BASE}/files/masten.csv").status_code == 404
    assert own.get(f"{BASE}/files/masten.csv.sha256").status_code == own.get(f"{BASE}/download?f=csv&nummer=3").status_code == 404


def test_the_log_tells_the_size_of_a_file_that_the_host_reads(own: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Granian reads files itself (http.response.pathsend), so that their bytes never pass through Python."""
    body = own.get(f"{BASE}/files/masten.csv").content
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        place = {"path": "/collections/masten/files/masten.csv", "raw_path": b"/collections/masten/files/masten.csv", "query_string": b""}
        more = {"headers": [(b"accept-encoding", b"gzip")], "client": ("127.0.0.1", 1), "extensions": {"http.response.pathsend": {}}}
        await own.app({"type": "http", "method": "GET", "http_version": "1.1", "scheme": "http", **place, **more}, receive, send)

    with caplog.at_level("INFO", "server.layers"):
        own.run(ask())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
    assert Path(sent[1]["path"]).read_bytes() == body
    assert f"200 {len(body)} B" in caplog.text


# The description


def test_openapi_describes_the_files(client: Client) -> None:
    document = client.json("/api")
    OpenAPIV30SpecValidator(document).validate()
    file = document["paths"]["/collections/masten/files/{name}"]["get"]
    (name,) = file["parameters"]
    assert {"masten.gpkg", "masten_epsg25833.csv", "masten.geojson"} <= set(name["schema"]["enum"])
    assert "masten_epsg25833.geojson" not in name["schema"]["enum"]
    excerpt = document["paths"]["/collections/masten/download"]["get"]
    assert {"200", "206", "303", "307", "400", "404", "413", "503"} <= set(excerpt["responses"])
    names = {each.get("name") or each["$ref"].rsplit("/", 1)[1] for each in excerpt["parameters"]}
    assert {"f", "crs", "bbox", "filter", "nummer"} <= names and not {"limit", "sortby", "cursor", "f_items", "lang"} & names
    assert "/collections/zahlen/download" in document["paths"]
    assert json.dumps(document).count("geheim") == 0


def test_the_geopackage_opens(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "masten.gpkg"
    path.write_bytes(client.get(f"{BASE}/files/masten.gpkg").content)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*), max(gross_nr), min(technik) FROM masten").fetchone()[:2] == (60, 2**53 + 60)
    connection.close()
