"""Makes the tiles of a collection before they are asked for, as the server would, and stores them where it looks."""

from __future__ import annotations

__all__ = ["Seeded", "Seeding", "collections", "places"]

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from server.tile_cache import Place, TileCache, encoded, key_of
from server.tile_grid import limits
from server.tile_sweep import on_disk
from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import Busy, StadtgrundError, TooLarge, by_locale
from stadtgrund.query import tiles
from stadtgrund.query.relation import Relation
from stadtgrund.store.database import Database

Progress = Callable[[int, int], None]
"""Tiles that are done, and of how many."""


def collections(connection: psycopg.Connection[Any], profile: str) -> dict[str, tuple[Collection, str]]:
    """Return what a profile sees, with the digest of its state, by id."""
    query = sql.SQL("SELECT dataset, collection, digest FROM {} ORDER BY dataset").format(sql.Identifier(f"p_{profile}", "sg_state"))
    return {dataset: (Collection.model_validate(said), digest) for dataset, said, digest in connection.execute(query)}


def places(collection: Collection, matrix_set: str, zoom: tuple[int, int]) -> Iterator[Place]:
    """Yield the tiles of a collection between two zooms, as far as it has them, from the smallest scale on."""
    box = collection.facts.extent.crs84
    if collection.tiles is None or box is None:
        return
    low, high = collection.tiles.zoom
    for z in range(max(low, zoom[0]), min(high, zoom[1]) + 1):
        held = limits(matrix_set, box, z)
        for y in range(held.min_row, held.max_row + 1):
            for x in range(held.min_column, held.max_column + 1):
                yield Place(matrix_set, z, x, y)


@dataclass
class Seeded:
    """What was done: tiles made, those that were there already, those without features, and bytes stored."""

    made: int = 0
    kept: int = 0
    empty: int = 0
    bytes: int = 0

    @property
    def done(self) -> int:
        """Tiles that need nothing more."""
        return self.made + self.kept


class Seeding:
    """Stores the tiles of collections, several at a time, each on a connection of its own.

    Parameters
    ----------
    room : int
        Bytes that may be stored yet; what is stored beyond them would be removed again.
    """

    def __init__(self, db: Database, profile: str, cache: TileCache, jobs: int, room: int) -> None:
        self.db, self.profile, self.cache, self.jobs, self.room = db, profile, cache, jobs, room
        self._own = threading.local()
        self._connections = ExitStack()

    def seed(self, collection: Collection, digest: str, chosen: Iterable[Place], total: int, progress: Progress) -> Seeded:
        """Make the tiles that are not stored yet. What is stored stays, so that it goes on where it was interrupted.

        Raises
        ------
        Busy
            The collection was published meanwhile.
        TooLarge
            The tiles take all the room that there is.
        """
        key, relation = key_of(collection), Relation.of(collection, f"p_{self.profile}", digest)
        result = Seeded()

        def made(place: Place) -> tuple[int, int] | None:
            """Return features and bytes of a tile, None of one that is there."""
            if self.cache.has(key, place):
                return None
            assert collection.tiles
            statement = tiles.tile(relation, collection.tiles, place.matrix_set, place.z, place.x, place.y)
            row = self._connection.execute(statement.sql, statement.params, prepare=statement.prepare, binary=True).fetchone()
            tile = tiles.read_tile(relation, row)
            if not tile.current:
                raise Busy(
                    by_locale(f"{collection.id} ist inzwischen neu veröffentlicht.", f"{collection.id} was published meanwhile."),
                    remedy=by_locale("Befehl wiederholen.", "Repeat the command."),
                )
            stored = encoded(tile.body, "zstd")
            if not self.cache.put(key, place, stored):
                raise StadtgrundError(
                    by_locale(
                        f"Kacheln lassen sich nicht nach {self.cache.root} schreiben.", f"Tiles cannot be written to {self.cache.root}."
                    ),
                    remedy=by_locale("Platz und Rechte prüfen: stadtgrund doctor", "Check space and rights: stadtgrund doctor"),
                )
            return len(tile.body), len(stored.body)

        with ExitStack() as self._connections, ThreadPoolExecutor(self.jobs, thread_name_prefix="seed") as pool:
            source = iter(chosen)
            # A few at a time: there may be a million.
            running: set[Future[tuple[int, int] | None]] = {pool.submit(made, place) for place in islice(source, 4 * self.jobs)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    found = future.result()
                    if found is None:
                        result.kept += 1
                    else:
                        result.made += 1
                        result.empty += found[0] == 0
                        result.bytes += found[1]
                        self.room -= on_disk(found[1])
                    if self.room < 0:
                        raise TooLarge(
                            by_locale("Der Platz für Kacheln ist voll.", "The room for tiles is full."),
                            kept=by_locale(f"{result.done} von {total} Kacheln von {collection.id} liegen bereit.",
                                           f"{result.done} of {total} tiles of {collection.id} are stored."),
                            remedy=by_locale("Weniger Zoomstufen (--zoom) oder mehr Platz (STADTGRUND_TILES_MB).",
                                             "Fewer zooms (--zoom) or more room (STADTGRUND_TILES_MB)."),
                        )  # fmt: skip
                    progress(result.done, total)
                running |= {pool.submit(made, place) for place in islice(source, len(finished))}
        return result

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        """The connection of this thread, opened at its first tile."""
        if getattr(self._own, "of", None) is not self._connections:
            connection = self.db.connect(self.profile, autocommit=True, application="stadtgrund tiles")
            self._connections.callback(connection.close)
            self._own.of, self._own.connection = self._connections, connection
        found: psycopg.Connection[Any] = self._own.connection
        return found
