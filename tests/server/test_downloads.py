"""Files of whole collections and excerpts over HTTP: links, sizes, checksums, ranges, who gets them, and what happens meanwhile."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.rows import publish_rows

from server import exporting
from stadtgrund.catalog import registry
from stadtgrund.catalog.file_formats import FORMATS
from stadtgrund.store import applied
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf

from .conftest import KEY, POLES, Client

BASE = "http://localhost:5000/collections/masten"


def enclosures(client: Client, url: str = "/collections/masten", **more: Any) -> dict[str, dict[str, Any]]:
    """Return the links to files, by their name."""
    links = client.json(url, **more)["links"]
    return {link["href"].rsplit("/", 1)[1]: link for link in links if link["rel"] == "enclosure"}


def test_a_collection_links_its_files_with_size_and_checksum(own_client: Client) -> None:
    names = {"masten.gpkg", "masten_epsg4326.gpkg", "masten.fgb", "masten_epsg4326.fgb", "masten.parquet", "masten_epsg4326.parquet"}
    before = enclosures(own_client)
    assert set(before) == names | {"masten.csv", "masten.geojson"}
    assert not any("length" in link for link in before.values())  # none is written yet
    first = own_client.get("/collections/masten")
    for name, link in before.items():
        response = own_client.get(link["href"])
        assert response.status_code == 200 and response.headers["content-type"].partition(";")[0] == link["type"], name
        assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    after = enclosures(own_client)
    for name, link in after.items():
        body = own_client.get(link["href"]).content
        assert link["length"] == len(body) and link["sha256"] == hashlib.sha256(body).hexdigest(), name
    # What lies ready is part of the document: a copy from before is not current any more.
    changed = own_client.get("/collections/masten", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]
    assert own_client.get("/collections/masten", headers={"if-none-match": changed.headers["etag"]}).status_code == 304
    assert after["masten.gpkg"]["title"] == "Herunterladen: GeoPackage (EPSG:25832)"
    assert enclosures(own_client, "/collections/masten?lang=en")["masten.csv"]["title"] == "Download: CSV (CRS84)"
    # Thousands of collections would list ten thousands of files.
    assert "enclosure" not in own_client.get("/collections").text
    assert set(enclosures(own_client, "/collections/zahlen")) == {"zahlen.gpkg", "zahlen.parquet", "zahlen.csv", "zahlen.geojson"}
    assert enclosures(own_client, "/collections/zahlen")["zahlen.parquet"]["title"] == "Herunterladen: Parquet"


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


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_range_is_of_the_file_as_it_lies_there(client: Client, coding: str) -> None:
    """Its bytes are counted in what is not compressed (RFC 9110, 14.2)."""
    url = f"{BASE}/files/masten.geojson"
    whole = client.get(url)
    part = client.get(url, headers={"range": "bytes=100-2599", "accept-encoding": coding})
    assert part.status_code == 206 and "content-encoding" not in part.headers
    assert part.content == whole.content[100:2600] and part.headers["etag"] == whole.headers["etag"]


def test_last_modified_is_when_the_file_was_made(own_client: Client) -> None:
    shelf: Shelf = own_client.app.downloads.shelf
    paths = {}
    for name in ("csv", "geojson"):
        own_client.get(f"{BASE}/files/masten.{name}")
        (paths[name],) = (shelf.root / "whole").rglob(f"*.{name}")
        for path in (paths[name], paths[name].with_name(f"{paths[name].name}.json")):
            os.utime(path, (1_700_000_000, 1_700_000_000))
    url = f"{BASE}/files/masten.csv"
    first, second = own_client.get(url), own_client.get(url)
    moment = "Tue, 14 Nov 2023 22:13:20 GMT"
    assert first.headers["last-modified"] == second.headers["last-modified"] == moment
    current = own_client.get(url, headers={"if-modified-since": moment})
    assert (current.status_code, current.content, current.headers["etag"]) == (304, b"", first.headers["etag"])
    assert current.headers["cache-control"] == first.headers["cache-control"]
    # The tag goes before the time (RFC 9110, 13.2.2), and after a rollback the time is an earlier one.
    assert own_client.get(url, headers={"if-modified-since": moment, "if-none-match": '"x"'}).status_code == 200
    assert own_client.get(url, headers={"if-modified-since": "Wed, 15 Nov 2023 00:00:00 GMT"}).status_code == 200
    assert own_client.get(url, headers={"range": "bytes=0-9", "if-range": moment}).status_code == 206
    # The one that nobody asked for since goes first.
    Shelf(shelf.root, len(first.content)).sweep()
    assert paths["csv"].exists() and not paths["geojson"].exists()


def test_head_writes_nothing(own_client: Client) -> None:
    for url in (f"{BASE}/files/masten.fgb", f"{BASE}/download?f=fgb&nummer=3"):
        head = own_client.request("HEAD", url)
        assert head.status_code == 200 and head.headers["content-type"] == "application/vnd.flatgeobuf"
        assert "content-length" not in head.headers
    assert not list(own_client.app.downloads.shelf.root.rglob("*.fgb"))


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
    for suffix, crs in (("", ""), ("_epsg25833", "&crs=EPSG:25833"), ("_epsg4258", "&crs=EPSG:4258")):
        table = client.get(f"{BASE}/files/masten{suffix}.csv")
        shown = client.get(f"/collections/masten/items?f=csv&limit=1000{crs}")
        assert table.content == shown.content and table.headers["content-crs"] == shown.headers["content-crs"]


# What happens meanwhile


def test_who_waits_too_long_is_led_to_the_same_address(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "WAIT_S", 0.0)
    url = f"{BASE}/download?f=csv&filter=name%20=%20%27Stra%C3%9Fe%27"
    first = own_client.get(url)
    assert first.status_code == 307 and first.headers["location"] == url and first.headers["cache-control"] == "no-store"
    assert int(first.headers["retry-after"]) >= 1 and "wird geschrieben" in first.text
    end = time.monotonic() + 60
    while (response := own_client.get(first.headers["location"])).status_code == 307:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert response.status_code == 200 and "Straße" in response.text
    assert own_client.get(f"{BASE}/files/masten.gpkg").status_code == 307


def test_many_who_ask_for_a_file_wait_for_one_child(own_client: Client) -> None:
    async def ask() -> list[int]:
        answers = await asyncio.gather(*(own_client.http.get(f"{BASE}/files/masten.gpkg") for _ in range(12)))
        assert len({answer.content for answer in answers}) == 1
        return [answer.status_code for answer in answers]

    assert own_client.run(ask()) == [200] * 12
    assert len(children_of(own_client)) == 1


def test_who_comes_when_too_many_wait_is_refused(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "WAIT_S", 0.0)
    monkeypatch.setattr(exporting, "_MOST_WAITING", 1)
    files = [f"{BASE}/files/masten.{format_}" for format_ in ("gpkg", "fgb", "parquet", "gpkg")]

    async def ask() -> list[int]:
        async with own_client.app.downloads.exports._places[False]:  # the child for whole collections is at work
            return [(await own_client.http.get(url)).status_code for url in (*files, f"{BASE}/download?f=csv&nummer=3")]

    # One is next, one waits, a third is too many; who asks for a file that is ordered already, or for an excerpt, is none more.
    assert own_client.run(ask()) == [307, 307, 503, 307, 307]


def children_of(client: Client) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in client.app.downloads.exports.children.pids]


def test_a_killed_child_costs_one_answer(own_client: Client) -> None:
    assert own_client.get(f"{BASE}/files/masten.csv").status_code == 200
    (child,) = children_of(own_client)
    child.suspend()

    async def ask() -> int:
        request = asyncio.create_task(own_client.http.get(f"{BASE}/files/masten.gpkg"))
        async with asyncio.timeout(30):
            while any(own_client.app.downloads.exports.children._idle.values()):  # until it is asked
                await asyncio.sleep(0.01)
        child.kill()
        return (await request).status_code

    assert own_client.run(ask()) == 503
    assert not list(own_client.app.downloads.shelf.root.rglob("*.part"))
    assert own_client.get(f"{BASE}/files/masten.gpkg").status_code == 200


def test_a_new_version_has_new_files(own_client: Client, db: Database, served_folder: Path) -> None:
    """No answer mixes them, and the size in the link is that of the file that is sent."""
    old = own_client.get(f"{BASE}/files/masten.geojson")
    assert enclosures(own_client)["masten.geojson"]["length"] == len(old.content)
    publish_rows(db, registry.read(served_folder, served_folder / "data"), "masten", [{**row, "name": "neu"} for row in POLES[:7]])
    own_client.run(own_client.app.profiles["open"].refresh())
    assert enclosures(own_client)["masten.geojson"].get("length") != len(old.content)
    new = own_client.get(f"{BASE}/files/masten.geojson", headers={"if-none-match": old.headers["etag"]})
    assert new.status_code == 200 and [each["properties"]["name"] for each in new.json()["features"]] == ["neu"] * 7
    assert new.json()["version"] == "2" and enclosures(own_client)["masten.geojson"]["length"] == len(new.content)


def test_an_old_snapshot_is_no_obstacle(own_client: Client, db: Database, served_folder: Path) -> None:
    """What was compiled of the state before is compiled anew."""
    own_client.run(own_client.app.profiles["open"].snapshot())
    publish_rows(db, registry.read(served_folder, served_folder / "data"), "masten", [{**row, "name": "neu"} for row in POLES[:7]])
    found = own_client.get(f"{BASE}/download?f=csv&nummer=3&properties=name")
    assert found.status_code == 200 and "neu" in found.text


def test_a_file_that_lost_its_bytes_is_written_anew(own_client: Client) -> None:
    body = own_client.get(f"{BASE}/files/masten.csv").content
    (path,) = (own_client.app.downloads.shelf.root / "whole").rglob("*.csv")
    path.write_bytes(body[:100])
    assert own_client.get(f"{BASE}/files/masten.csv").content == body
    path.unlink()
    assert own_client.get(f"{BASE}/files/masten.csv").content == body


def test_the_files_stay_below_their_limit(own_client: Client) -> None:
    for format_ in FORMATS:
        assert own_client.get(f"{BASE}/files/masten.{format_}").status_code == 200
    shelf = Shelf(own_client.app.downloads.shelf.root, 40_000)
    shelf.sweep()
    left = {path.suffix for path in (shelf.root / "whole").rglob("v1-*") if path.suffix != ".json"}
    assert left == {".csv", ".geojson"}  # asked for last; the GeoPackage alone is over it
    assert set(enclosures(own_client)) and "length" not in enclosures(own_client)["masten.gpkg"]
    Shelf(shelf.root, 1).sweep()
    (newest,) = (path for path in (shelf.root / "whole").rglob("v1-*") if path.suffix != ".json")
    assert newest.suffix == ".geojson"  # though it is over the limit alone


def test_nothing_is_sent_that_may_have_been_withdrawn(own_client: Client, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file needs no database to be sent; whether it may be does."""
    assert own_client.get(f"{BASE}/files/masten.csv").status_code == 200
    monkeypatch.setattr("server.host.POLL_S", 1000.0)
    time.sleep(1.2)  # the poll that was under way
    applied.withdraw(db, "masten", by="Test", reason="Test")
    monkeypatch.setattr("server.host._RECENT_S", 0.0)
    assert own_client.get(f"{BASE}/files/masten.csv").status_code == 404
    assert (
        own_client.get(f"{BASE}/files/masten.csv.sha256").status_code
        == own_client.get(f"{BASE}/download?f=csv&nummer=3").status_code
        == 404
    )


def test_the_log_tells_the_size_of_a_file_that_the_host_reads(own_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Granian reads files itself (http.response.pathsend), so that their bytes never pass through Python."""
    body = own_client.get(f"{BASE}/files/masten.csv").content
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        place = {"path": "/collections/masten/files/masten.csv", "raw_path": b"/collections/masten/files/masten.csv", "query_string": b""}
        more = {"headers": [(b"accept-encoding", b"gzip")], "client": ("127.0.0.1", 1), "extensions": {"http.response.pathsend": {}}}
        await own_client.app({"type": "http", "method": "GET", "http_version": "1.1", "scheme": "http", **place, **more}, receive, send)

    with caplog.at_level("INFO", "server.layers"):
        own_client.run(ask())
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
