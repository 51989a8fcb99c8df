"""Files that are written ahead after a publish: which ones, for whom, how often, and what else goes on meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.file_formats import FORMATS
from stadtgrund.store import applied
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf, Target

from .conftest import FIGURES, KEY, LINES, POLES, Client, add_key

BASE = "/collections/masten/files"


class City:
    """The application and what is published in it."""

    def __init__(self, client: Client, db: Database, folder: Path) -> None:
        self.client, self.db, self.deployment = client, db, registry.read(folder, folder / "data")
        self.renewing, self.shelf = client.app.downloads.renewing, client.app.downloads.shelf

    def publish(self, name: str, dataset: str = "masten", rows: Any = POLES[:7], profile: str = "open") -> None:
        """Publish a version of which each row has this name, and let the server see it."""
        publish_rows(self.db, self.deployment, dataset, [{**row, "name": name} for row in rows])
        self.see(profile)

    def see(self, profile: str = "open") -> None:
        self.client.run(self.client.app.profiles[profile].refresh())

    def wait(self) -> None:
        """Wait until nothing is written ahead any more."""
        assert self.renewing._task is not None
        _, waiting = self.client.run(asyncio.wait({self.renewing._task}, timeout=60))
        assert not waiting

    def written(self, version: int, dataset: str = "masten") -> set[str]:
        """Return the files of a version, by their extensions."""
        return {path.suffix for path in (self.shelf.root / "whole" / dataset).glob(f"v{version}-*")} - {".json"}

    def target(self, extension: str) -> Target:
        """Return a file of `masten`, as it is published now."""
        collection = self.client.run(self.client.app.profiles["open"].snapshot()).get("masten").collection
        return Target.of(collection, FORMATS[extension], 4326)


@pytest.fixture
def city(own_client: Client, db: Database, served_folder: Path) -> City:
    return City(own_client, db, served_folder)


def test_what_was_asked_for_is_written_ahead_for_the_next_version(city: City) -> None:
    """Once: what nobody asks for again is not written again."""
    city.client.get(f"{BASE}/masten.csv")
    city.client.get(f"{BASE}/masten_epsg25833.gpkg")
    city.publish("zwei")
    city.wait()
    assert city.written(2) == {".csv", ".gpkg"}
    (link,) = (each for each in city.client.json("/collections/masten")["links"] if "length" in each)  # in that CRS the other is not linked
    body = city.client.get(link["href"]).content
    assert link["sha256"] == hashlib.sha256(body).hexdigest() and b"zwei" in body
    city.publish("drei")
    city.wait()
    assert city.written(3) == {".csv"}  # the GeoPackage of the second version was nobody's
    assert city.client.request("HEAD", f"{BASE}/masten.csv").headers["content-length"]  # who only looks has not fetched it
    city.publish("vier")
    city.wait()
    assert city.written(4) == set()


def test_what_only_the_administration_sees_is_written_for_it(city: City) -> None:
    add_key(city.db)
    lines = [dict(row) for row in LINES]
    publish_rows(city.db, city.deployment, "geheimleitungen", lines)
    city.see("verwaltung")
    assert city.client.get("/collections/geheimleitungen/files/geheimleitungen.csv", key=KEY).status_code == 200
    publish_rows(city.db, city.deployment, "geheimleitungen", lines[:1])
    city.see("verwaltung")
    city.wait()
    assert city.written(2, "geheimleitungen") == {".csv"}


def test_nothing_is_written_ahead_of_what_is_withdrawn(city: City, caplog: pytest.LogCaptureFixture) -> None:
    """Although its file was due, and the server has not seen it yet."""
    caplog.set_level("INFO", "server.renewing")
    city.client.get(f"{BASE}/masten.csv")
    with Shelf(city.shelf.root, 1 << 30).ahead():
        city.publish("zwei")
        applied.withdraw(city.db, "masten", by="Test", reason="Test")
    city.wait()
    assert city.written(2) == set() and "masten.csv is not written ahead" in caplog.text


def test_one_writes_ahead_at_a_time(city: City) -> None:
    city.client.get(f"{BASE}/masten.csv")
    with Shelf(city.shelf.root, 1 << 30).ahead() as alone:  # another process does
        assert alone
        city.publish("zwei")
        city.publish("drei")
        assert city.written(2) == city.written(3) == set()
    city.wait()
    assert city.written(3) == {".csv"} and b"drei" in city.client.get(f"{BASE}/masten.csv").content


def test_a_version_that_comes_while_files_of_the_last_one_are_written(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could ask for those: what was asked for of the first version is written of the third, too."""
    city.client.get(f"{BASE}/masten.csv")
    exports = city.client.app.downloads.exports
    obtain = exports.obtain

    async def slowly(*order: Any, **more: Any) -> Any:
        found = await obtain(*order, **more)
        monkeypatch.undo()
        publish_rows(city.db, city.deployment, "masten", POLES[:1])
        await city.client.app.profiles["open"].refresh()
        return found

    monkeypatch.setattr(exports, "obtain", slowly)
    city.publish("zwei")
    city.wait()
    assert city.written(2) == city.written(3) == {".csv"}


def test_what_another_process_is_writing_is_left_to_it(city: City) -> None:
    city.client.get(f"{BASE}/masten.csv")
    other = Shelf(city.shelf.root, 1 << 30)
    with other.ahead():
        city.publish("zwei")
        target = city.target("csv")
        writing = other.writing(target)
        path = writing.__enter__()
        assert path is not None
    city.wait()  # it does not wait for the other one
    path.write_text("des anderen")
    writing.__exit__(None, None, None)
    assert city.client.get(f"{BASE}/masten.csv").text == "des anderen"


def test_who_asks_is_before_what_is_written_ahead(city: City) -> None:
    city.client.get(f"{BASE}/masten.csv")
    exports = city.client.app.downloads.exports

    async def ask() -> tuple[set[str], int]:
        async with exports._places[False]:  # the child is at work
            asked = asyncio.create_task(city.client.http.get(f"{BASE}/masten.fgb"))
            while not exports._jobs:
                await asyncio.sleep(0.01)
            publish_rows(city.db, city.deployment, "masten", POLES[:7])
            await city.client.app.profiles["open"].refresh()
            await asyncio.sleep(0.5)
            waiting = {Path(job).suffix for job in exports._jobs}
        return waiting, (await asked).status_code

    assert city.client.run(ask()) == ({".fgb"}, 200)
    city.wait()
    assert ".csv" in city.written(2)


def test_a_fault_of_one_is_not_that_of_the_others(city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for dataset in ("masten", "zahlen"):
        city.client.get(f"/collections/{dataset}/files/{dataset}.csv")
    find = Shelf.is_written

    def fails(shelf: Shelf, target: Target) -> bool:
        if "masten" in target.path:
            raise OSError("too many files are open")
        return find(shelf, target)

    monkeypatch.setattr(Shelf, "is_written", fails)
    with Shelf(city.shelf.root, 1 << 30).ahead():
        city.publish("zwei")
        publish_rows(city.db, city.deployment, "zahlen", FIGURES[:1])
        city.see()
    city.wait()
    assert "masten: its files are not written ahead" in caplog.text
    assert (city.written(2), city.written(2, "zahlen")) == (set(), {".csv"})


def test_nothing_begins_after_the_end(city: City) -> None:
    city.client.get(f"{BASE}/masten.csv")
    city.client.run(city.renewing.close())
    city.publish("zwei")
    assert city.renewing._task is None and city.written(2) == set()
