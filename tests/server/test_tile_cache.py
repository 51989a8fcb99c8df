"""Tiles on disk: what they are kept under, who may read them, what is removed, and what happens when nothing can be written."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import mapbox_vector_tile
import pytest
import zstandard
from support.deployment import read_now
from support.postgis import Server, settings_for
from support.rows import publish_rows
from support.waiting import until

from server.app import create_app
from server.tile_cache import COMPOSITE, Place, Stored, TileCache, TileKey, composite_key, encoded, key_of, plain
from server.tile_sweep import _files, size_of
from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection
from stadtgrund.query.form_filter import compile_text, compile_where
from stadtgrund.settings import Settings
from stadtgrund.store import applied, forms
from stadtgrund.store.database import Database

from .conftest import KEY, POLES, Client, fill, write_served
from .test_tiles import every_place, place

HERE = Place("WebMercatorQuad", 12, 2000, 1000)
BODY = bytes(range(256)) * 20


@pytest.fixture
def cache(tmp_path: Path) -> TileCache:
    return TileCache(tmp_path / "tiles" / "stadt", 10 * 2**20)


def key(name: str = "full.v1.0a") -> TileKey:
    return TileKey("masten", name)


@pytest.mark.parametrize("stored_as", [None, "zstd", "gzip"])
@pytest.mark.parametrize("wanted", [None, "zstd", "gzip"])
def test_a_tile_comes_back_in_the_coding_that_is_wanted(cache: TileCache, stored_as: str | None, wanted: str | None) -> None:
    assert cache.put(key(), HERE, encoded(BODY, stored_as))
    found = cache.get(key(), HERE, wanted)
    assert found is not None and found.coding == wanted and plain(found) == BODY
    assert found == encoded(BODY, wanted), "the same bytes as without the cache: its ETag is the same"
    assert cache.has(key(), HERE) and not cache.has(key("full.v2.0a"), HERE) and not cache.has(key(), HERE._replace(x=1))
    if wanted:
        assert zlib.decompress(found.body, 31) == BODY if wanted == "gzip" else zstandard.ZstdDecompressor().decompress(found.body) == BODY


def test_small_and_empty_tiles_have_no_coding(cache: TileCache) -> None:
    for body in (b"", b"x" * 999):
        assert encoded(body, "zstd") == Stored(body, None)
        cache.put(key(), HERE, encoded(body, "zstd"))
        assert cache.get(key(), HERE, "gzip") == Stored(body, None)


def test_no_other_account_may_read(cache: TileCache) -> None:
    cache.put(key(), HERE, encoded(BODY, "zstd"))
    assert stat.S_IMODE(cache.root.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in cache.root.rglob("*.zst")} == {0o600}


def test_a_damaged_file_is_no_tile(cache: TileCache, caplog: pytest.LogCaptureFixture) -> None:
    for content in (b"", b"SGT1", b"SGT1" + bytes(4) + BODY, BODY):
        cache.put(key(), HERE, encoded(BODY, "zstd"))
        (path,) = cache.root.rglob("*.zst")
        path.write_bytes(content)
        assert cache.get(key(), HERE, "zstd") is None
    assert "damaged" in caplog.text
    assert cache.put(key(), HERE, encoded(BODY, "zstd")) and cache.get(key(), HERE, "zstd")


def test_without_room_nothing_is_stored_or_read(tmp_path: Path) -> None:
    with_room, without = TileCache(tmp_path, 2**20), TileCache(tmp_path, 0)
    with_room.put(key(), HERE, encoded(BODY, "zstd"))
    assert without.get(key(), HERE, "zstd") is None and not without.put(key(), HERE, encoded(BODY, "zstd"))


def test_what_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tiles").write_text("a file where the folder should be")
    cache = TileCache(tmp_path / "tiles" / "stadt", 2**20)
    with caplog.at_level(logging.WARNING):
        assert [cache.put(key(), HERE._replace(x=x), encoded(BODY, "zstd")) for x in range(5)] == [False] * 5
    assert [record.message for record in caplog.records] == ["tiles cannot be stored (Not a directory): they are made for each request"]
    assert cache.get(key(), HERE, "zstd") is None
    (tmp_path / "tiles").unlink()
    assert cache.put(key(), HERE, encoded(BODY, "zstd")), "as soon as it works again"


def test_what_cannot_be_read_is_told_again_when_it_worked_meanwhile(cache: TileCache, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert cache.put(key(), HERE, encoded(BODY, "zstd")) and cache.get(key(), HERE, "zstd")
        (path,) = cache.root.rglob("*.zst")
        path.unlink()
        path.mkdir()
        assert [cache.get(key(), HERE, "zstd") for _ in range(3)] == [None] * 3
        path.rmdir()
    assert caplog.text.count("tiles cannot be read (Is a directory)") == 2


def test_what_cannot_be_tidied_is_told_again_when_it_worked_meanwhile(cache: TileCache, caplog: pytest.LogCaptureFixture) -> None:
    def tidy() -> None:
        cache.sweep._next = 0.0
        cache.tidy([key()])

    cache.put(key(), HERE, encoded(BODY, "zstd"))
    for _ in range(2):
        (cache.root / "lock").mkdir()
        tidy()
        tidy()
        (cache.root / "lock").rmdir()
        tidy()
        (cache.root / "lock").unlink()
    assert caplog.text.count("tiles cannot be tidied (Is a directory)") == 2


@pytest.mark.skipif(os.getuid() != 0, reason="needs the account root: a mount")
def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        cache = TileCache(disk / "tiles", 10 * 2**20)
        stored = [cache.put(key(), HERE._replace(x=x), Stored(os.urandom(9000), "zstd")) for x in range(20)]
        assert stored[0] and not stored[-1] and caplog.text.count("No space left") == 1
        assert not list(disk.rglob("*.tmp")), "nothing half is left"
        assert cache.get(key(), HERE._replace(x=0), "zstd") and cache.get(key(), HERE._replace(x=19), "zstd") is None
    finally:
        subprocess.run(["umount", disk], check=True)


def test_writers_at_once_leave_whole_tiles(cache: TileCache) -> None:
    """Two caches on one folder, as two workers have; one of them removes the folder again and again."""
    other, wrong = TileCache(cache.root, cache.limit), []
    tiles = [Stored(bytes([n]) * (3000 + n), "zstd") for n in range(8)]

    def write(own: TileCache) -> None:
        for round_ in range(60):
            own.put(key(), HERE, tiles[round_ % 8])
            found = own.get(key(), HERE, "zstd")
            if found is not None and found not in tiles:
                wrong.append(found)
            if own is other and round_ % 5 == 0:
                own.drop(key())

    threads = [threading.Thread(target=write, args=(own,)) for own in (cache, other, cache)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and not list(cache.root.rglob("*.tmp"))
    assert cache.put(key(), HERE, tiles[0]) and cache.get(key(), HERE, "zstd") == tiles[0]


def age(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - seconds,) * 2)


def test_old_versions_go_first_then_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = TileCache(tmp_path / "tiles", 40 * 4096)
    for x in range(30):
        cache.put(key("full.v1.old"), HERE._replace(x=x), Stored(b"a" * 4000, "zstd"))
    for x in range(30):
        cache.put(key("full.v2.new"), HERE._replace(x=x), Stored(b"b" * 4000, "zstd"))
        age(cache.root / "masten/full.v2.new/WebMercatorQuad/12" / str(x), 5000 + x)
    cache.tidy([key("full.v2.new")])
    assert size_of(cache.root)[1] <= 40 * 4096
    assert size_of(cache.root / "masten/full.v2.new")[0] == 30 and size_of(cache.root / "masten/full.v1.old")[0] < 10
    # Now the new ones alone are too many; the first five are asked for, so that they stay.
    assert all(cache.get(key("full.v2.new"), HERE._replace(x=x), "zstd") for x in range(25, 30))
    small = TileCache(cache.root, 10 * 4096)
    small.tidy([key("full.v2.new")])
    left = {int(path.parent.name) for path in cache.root.rglob("*.zst")}
    assert {25, 26, 27, 28, 29} <= left and len(left) <= 10
    assert not (cache.root / "masten/full.v1.old").exists()


def test_a_file_that_goes_while_a_folder_is_read_hides_no_other(cache: TileCache) -> None:
    for y in range(5):
        cache.put(key(), HERE._replace(y=y), Stored(b"a", None))
    (folder,) = cache.root.rglob("2000")
    with os.scandir(folder) as found:
        order = [entry.path for entry in found]
    files = _files(folder)
    seen = [next(files)[0]]
    os.unlink(order[1])
    seen += [path for path, _, _ in files]
    assert seen == [order[0], *order[2:]]


def test_abandoned_files_are_removed(cache: TileCache) -> None:
    cache.put(key(), HERE, Stored(b"a", None))
    folder = next(cache.root.rglob("1000")).parent
    for name, seconds in (("1000.ab.tmp", 10_000), ("1001.cd.tmp", 1)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - seconds,) * 2)
    cache.tidy([key()])
    assert [path.name for path in folder.glob("*.tmp")] == ["1001.cd.tmp"]


# Through the application


@pytest.fixture
def own(server: Server, tmp_path: Path) -> Iterator[tuple[Client, Database, registry.Deployment, Settings]]:
    """A served deployment of the test's own."""
    folder = write_served(tmp_path / "teststadt")
    database = server.clone()
    deployment = registry.read(folder, folder / "data")
    fill(database, deployment)
    settings = settings_for(server, database, folder)
    client = Client(create_app(settings))
    yield client, database, deployment, settings
    client.close()
    server.drop(database.name)


def collection(client: Client, dataset: str, profile: str = "open") -> Collection:
    snapshot = client.run(client.app.profiles[profile].snapshot())
    found: Collection = snapshot.published[dataset].collection
    return found


def test_a_tile_is_read_once_and_then_sent_as_stored(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    client, db, _, _ = own
    cache, url = client.app.tiles.cache, place(client, 14)
    first = client.get(url, headers={"accept-encoding": "gzip"})
    key, (z, y, x) = key_of(collection(client, "masten")), map(int, url.split("/")[-3:])
    stored_at = Place("WebMercatorQuad", z, x, y)
    until(lambda: cache.get(key, stored_at, "gzip") is not None)  # it is written behind the answer
    stored = cache.get(key, stored_at, "gzip")
    assert stored and plain(stored) == first.content
    for coding in ("gzip", "zstd", "identity"):
        second = client.get(url, headers={"accept-encoding": coding})
        assert second.content == first.content
    with db.connect("owner", autocommit=True) as connection:
        connection.execute("DROP VIEW p_open.masten")  # nothing could be read any more
        assert client.get(url, headers={"accept-encoding": "gzip"}).headers["etag"] == first.headers["etag"]
        assert client.get(f"{url}?datetime=2011-02-15").status_code >= 500, "with a condition it is asked anew"


def test_each_form_has_its_own_tiles(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    client, _, _, _ = own
    url = place(client, 14)
    for _ in range(2):
        opened, internal = (mapbox_vector_tile.decode(client.get(url, key=who).content)["masten"] for who in (None, KEY))
        assert "betreiberkonto" not in str(opened) and "betreiberkonto" in str(internal)
    assert key_of(collection(client, "masten")) != key_of(collection(client, "masten", "verwaltung"))
    # The same form of the same version is stored once for both.
    assert key_of(collection(client, "gebiete")) == key_of(collection(client, "gebiete", "verwaltung"))
    closed = "/collections/geheimleitungen/tiles/WebMercatorQuad"
    limits = client.json(closed, key=KEY)["tileMatrixSetLimits"][4]
    tile = f"{closed}/{limits['tileMatrix']}/{limits['minTileRow']}/{limits['minTileCol']}"
    assert client.get(tile, key=KEY).status_code == 200
    assert client.get(tile).status_code == 404 and client.get(tile, key=KEY).status_code == 200 and client.get(tile).status_code == 404


def test_a_new_version_has_new_tiles_and_the_old_ones_go(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    client, db, deployment, _ = own
    cache, url = client.app.tiles.cache, place(client, 9)
    before, old = client.get(url), key_of(collection(client, "masten"))
    until(lambda: size_of(cache.root.joinpath(*old))[0])
    publish_rows(db, deployment, "masten", [{**row, "name": "neu"} for row in POLES])
    until(lambda: client.get(url).headers["etag"] != before.headers["etag"])
    new = key_of(collection(client, "masten"))
    assert new != old
    until(lambda: not cache.root.joinpath(*old).exists())
    applied.withdraw(db, "masten", by="Test")
    until(lambda: client.get(url).status_code == 404)
    until(lambda: not cache.root.joinpath(*new).exists())


def test_what_tiles_do_not_depend_on_does_not_remove_them(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    client, _, _, _ = own
    known = collection(client, "masten")
    title = known.title.model_copy(update={"de": "Lichtmasten"})
    assert key_of(known) == key_of(known.model_copy(update={"title": title, "attribution": "Stadt", "sortables": ()}))
    for changed in (
        {"form": "full"},
        {"tiles": known.tiles.model_copy(update={"fields": {}}) if known.tiles else None},
        {"fields": known.fields[1:]},
        {"facts": known.facts.model_copy(update={"version": 9})},
        {"facts": known.facts.model_copy(update={"published": known.facts.published.replace(year=2001)})},
        {"facts": known.facts.model_copy(update={"count": 1})},
    ):
        assert key_of(known) != key_of(known.model_copy(update=changed)), changed
    assert composite_key([key()]).dataset == COMPOSITE and composite_key([key()]) != composite_key([key("full.v2.0a")])


def test_another_row_filter_of_the_same_version_changes_key_and_tag(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    """Equal count and extent, other rows: only what the form is defined by tells them apart."""
    client, db, deployment, _ = own
    contract = deployment.contract("masten")
    url, seen = place(client, 9), []
    for where in ("nummer <> 30", "nummer <> 31"):
        changed = type(contract).model_validate({**contract.canonical(), "forms": {"open": {"where": where}}})
        forms.reconcile(db, read_now(deployment), changed, compile_where=compile_where, compile_text=compile_text)
        client.run(client.app.profiles["open"].refresh())
        response = client.get(url)
        layer = mapbox_vector_tile.decode(response.content)["masten"]
        assert {feature["id"] for feature in layer["features"]}.isdisjoint({int(where[-2:])})
        seen.append((key_of(collection(client, "masten")), response.headers["etag"]))
    assert seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1]


def test_requests_at_once_read_a_tile_once(own: tuple[Client, Database, registry.Deployment, Settings]) -> None:
    client, _, _, _ = own
    tiles, asked = client.app.tiles, 0
    read = tiles._read

    async def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return await read(*arguments)

    tiles._read = counted  # type: ignore[method-assign, assignment]
    url = place(client, 10)

    async def many() -> list[int]:
        return [response.status_code for response in await asyncio.gather(*(client.http.get(url) for _ in range(12)))]

    assert set(client.run(many())) == {200} and asked == 1


def test_no_stored_tile_without_a_recent_state(
    own: tuple[Client, Database, registry.Deployment, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that cannot read the state any more stops sending tiles after a while: the dataset may have been withdrawn."""
    client, db, _, _ = own
    url = place(client, 14)
    assert client.get(url).status_code == client.get(url).status_code == 200
    with db.connect("owner", autocommit=True) as connection:
        connection.execute("ALTER VIEW p_open.sg_state RENAME TO sg_gone")
        assert client.get(url).status_code == 200
        monkeypatch.setattr("server.host._RECENT_S", 0.0)
        assert client.get(url).status_code in (500, 503)
        connection.execute("ALTER VIEW p_open.sg_gone RENAME TO sg_state")
    monkeypatch.undo()
    until(lambda: client.get(url).status_code == 200)


def test_nothing_is_asked_that_is_not_within_the_limits(client: Client) -> None:
    assert all(client.get(url).status_code in (200, 204) for url in every_place(client, 13))
