"""`/collections/{dataset}/tiles/{tms}/{z}/{y}/{x}`: a vector tile out of PostGIS, in its bytes, or as it was stored."""

from __future__ import annotations

__all__ = ["PLAIN_PARAMETERS", "Drawn", "Tiles"]

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from server import params, tile_grid
from server.answer import Answer
from server.call import Call
from server.compression import coding_of
from server.host import Profile, Published, Snapshot
from server.negotiation import MEDIA
from server.reading import Connection, execute, read
from server.tile_cache import Place, Stored, TileCache, TileKey, encoded, key_of, plain
from server.tile_hot import HOT, Source
from stadtgrund.errors import NotFound
from stadtgrund.query import tiles
from stadtgrund.query.tiles import Tile

log = logging.getLogger(__name__)

PLAIN_PARAMETERS = frozenset({"f"})
"""A tile that is asked with no other parameter is stored."""
_OFF_LOOP = 64 * 1024
"""From this size on, compressing takes longer than changing to a thread."""
_MOST_WAITING = 200
"""Tiles that wait to be written; more are not stored."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A tile of one collection without coding, and the collection as of the version that it is of."""

    published: Published
    body: bytes


class Tiles:
    """The handler of tiles, with what is stored of them."""

    def __init__(self, cache: TileCache, profiles: Callable[[], Iterable[Profile]]) -> None:
        self.cache, self._profiles = cache, profiles
        self._keys: WeakKeyDictionary[Published, TileKey] = WeakKeyDictionary()
        self._reading: dict[tuple[str, str, str, Place], asyncio.Task[tuple[Published, Tile]]] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    async def tile(self, call: Call) -> Answer:
        """Answer with the tile: 204 when nothing lies in it, 404 when there is none by that name (Tiles Part 1, `tc-error`)."""
        published = call.collection()
        call.only(*params.TILE_PARAMETERS)
        call.format(("mvt", MEDIA["mvt"]), ("pbf", MEDIA["mvt"]))
        place = _place(call, published)
        tag = self.tag(call, published.digest)
        if call.query.keys() <= PLAIN_PARAMETERS:
            return self.unasked(call, published, tag) or await self._stored(call, published, place)
        params.tile_conditions(call.query, published.relation)
        if unchanged := call.unchanged(tag):
            return unchanged
        if call.head:
            return Answer(200, None, MEDIA["mvt"], (("etag", tag),))
        published, tile = await self._read(call, place)
        return self.answer(Stored(tile.body, None), self.tag(call, published.digest))

    @staticmethod
    def tag(call: Call, digest: str) -> str:
        """Return the ETag of a tile: no word of it depends on the language."""
        return call.tag(digest, MEDIA["mvt"], worded=False)

    @staticmethod
    def unasked(call: Call, published: Published | None, tag: str) -> Answer | None:
        """Return what is known without the tile: a 304, or the headers for a HEAD; `published` None = it is of several collections."""
        call.scope[HOT] = Source(call.profile, call.snapshot, published)
        if unchanged := call.unchanged(tag):
            return unchanged
        return Answer(200, None, MEDIA["mvt"], (("etag", tag),)) if call.head else None

    @staticmethod
    def answer(stored: Stored, tag: str) -> Answer:
        """Return the answer with a tile; its tag names the coding (RFC 9110, 8.8.3.3)."""
        if not stored.body:
            return Answer(204, None, None, (("etag", tag),))
        if stored.coding is None:
            return Answer(200, stored.body, MEDIA["mvt"], (("etag", tag),))
        headers = (("etag", f'{tag[:-1]}-{stored.coding}"'), ("content-encoding", stored.coding))
        return Answer(200, stored.body, MEDIA["mvt"], headers)

    async def _stored(self, call: Call, published: Published, place: Place) -> Answer:
        coding = coding_of(call.header("accept-encoding"))
        if call.profile.recent is call.snapshot and (stored := self.cache.get(self.key(published), place, coding)):
            return self.answer(stored, self.tag(call, published.digest))
        published, tile = await self._shared(call, published, place)
        call.scope[HOT] = Source(call.profile, call.snapshot, published)
        stored = await self.encoded(tile.body, coding)
        self.store(self.key(published), place, tile.body, stored)
        return self.answer(stored, self.tag(call, published.digest))

    async def drawn(self, call: Call, place: Place) -> Drawn:
        """Return the tile of the collection that the call's path names, stored or read."""
        published = call.collection()
        if call.profile.recent is call.snapshot and (stored := self.cache.get(self.key(published), place, None)):
            return Drawn(published, plain(stored))
        published, tile = await self._shared(call, published, place)
        self.store(self.key(published), place, tile.body, Stored(tile.body, None))
        return Drawn(published, tile.body)

    async def thinned(self, call: Call, place: Place, thin: int) -> Drawn:
        """Return the tile of the collection that the call's path names with less in it: half, a quarter, …"""
        published, tile = await self._read(call, place, thin)
        return Drawn(published, tile.body)

    async def _shared(self, call: Call, published: Published, place: Place) -> tuple[Published, Tile]:
        """Read a tile, once for all who ask for it at the same time."""
        asked = (call.profile.name, published.collection.id, published.digest, place)
        reading = self._reading.get(asked)
        if reading is None:
            reading = self._reading[asked] = asyncio.create_task(self._read(call, place))
            reading.add_done_callback(lambda _: self._reading.pop(asked, None))
        # One who leaves does not take it from the others.
        return await asyncio.shield(reading)

    async def _read(self, call: Call, place: Place, thin: int = 0) -> tuple[Published, Tile]:
        async def ask(connection: Connection, published: Published) -> Tile:
            collection = published.collection
            _place(call, published)
            assert collection.tiles
            chosen, interval = params.tile_conditions(call.query, published.relation)
            where = (place.matrix_set, place.z, place.x, place.y)
            statement = tiles.tile(published.relation, collection.tiles, *where, chosen, interval, thin=thin)
            return tiles.read_tile(published.relation, await execute(connection, statement))

        return await read(call, ask)

    def key(self, published: Published) -> TileKey:
        """Return the key that a collection's tiles are stored under."""
        found = self._keys.get(published)
        if found is None:
            found = self._keys[published] = key_of(published.collection)
        return found

    @staticmethod
    async def encoded(body: bytes, coding: str | None) -> Stored:
        """Return a tile as it is sent."""
        return await asyncio.to_thread(encoded, body, coding) if len(body) >= _OFF_LOOP else encoded(body, coding)

    def store(self, key: TileKey, place: Place, body: bytes, stored: Stored) -> None:
        """Store a tile in a thread; in zstd when it was asked for without coding."""
        if self.cache.limit and len(self._waiting) < _MOST_WAITING:
            self._wait_for(asyncio.create_task(asyncio.to_thread(self._write, key, place, body, stored)))

    def _wait_for(self, task: asyncio.Task[None]) -> None:
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def _write(self, key: TileKey, place: Place, body: bytes, stored: Stored) -> None:
        self.cache.put(key, place, stored if stored.coding else encoded(body, "zstd"))
        if self.cache.sweep.is_due:
            self.cache.tidy(self._named())

    def _named(self) -> list[TileKey]:
        """Return the keys that the states name, as far as this process has read them."""
        snapshots = [snapshot for profile in self._profiles() if (snapshot := profile.recent)]
        return [self.key(item) for snapshot in snapshots for item in list(snapshot.published.values())]

    def changed(self, before: Snapshot, after: Snapshot) -> None:
        """Remove, in a thread, the tiles that a profile's state no longer names and no other does."""
        if self.cache.limit:
            self._wait_for(asyncio.create_task(asyncio.to_thread(self._forget, before, after)))

    def _forget(self, before: Snapshot, after: Snapshot) -> None:
        gone = {self.key(item) for name, item in before.published.items() if after.published.get(name) is not item}
        for key in gone - {self.key(item) for item in after.published.values()} - set(self._named()):
            if size := self.cache.drop(key):
                log.info("%d KiB of tiles removed: %s/%s", size // 1024, *key)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._waiting, return_exceptions=True)


def _place(call: Call, published: Published) -> Place:
    """Return the tile that the path names.

    Raises
    ------
    NotFound
        The collection has no such tile.
    """
    collection = published.collection
    if collection.tiles is None or collection.geometry is None:
        raise NotFound(f"Collection {collection.id!r} has no tiles.")
    return tile_grid.place(call.places, collection.tiles.zoom, lambda _: collection.facts.extent.crs84)
