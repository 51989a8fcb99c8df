"""One pygeoapi API a profile, made of what the profile's role can read, and replaced as a whole when that changes."""

from __future__ import annotations

__all__ = ["POLL_S", "Profile", "Published", "Snapshot", "StoredFile"]

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pydantic
from psycopg import sql
from pygeoapi.api import API

from server.city import City
from server.connections import Connections
from server.costs import Cost
from server.kept import Kept
from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import NotFound, TransientError
from stadtgrund.query.relation import Relation

log = logging.getLogger(__name__)

POLL_S = 1.0
_RECENT_S = 30.0
"""Age of the state up to which what was made from it is sent without asking the database."""


@dataclass(frozen=True)
class StoredFile:
    """A file that belongs to a collection: its name in the address, its size."""

    name: str
    bytes: int
    media_type: str


@dataclass(frozen=True, eq=False)
class Published:
    """A collection that a profile sees, as of one version."""

    collection: Collection
    relation: Relation
    digest: str
    files: tuple[StoredFile, ...] = ()
    described: dict[str, bytes] = field(default_factory=dict)
    """What `/collections/{dataset}` says, by language: made once, as it is the same in every snapshot that holds this object."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a profile sees at one moment. `documents` keeps what was made of it; it dies with it."""

    profile: str
    base_url: str
    digest: str | None
    published: Mapping[str, Published]
    api: API
    documents: Kept = field(default_factory=Kept)

    def get(self, dataset: str) -> Published:
        """Return a collection.

        Raises
        ------
        NotFound
            It does not exist, or not for this profile: the two look the same.
        """
        try:
            return self.published[dataset]
        except KeyError:
            raise NotFound(f"There is no collection {dataset!r}.") from None


class Profile:
    """A profile's connections and its current snapshot, polled once a second."""

    def __init__(self, name: str, connections: Connections, city: City, base_url: str) -> None:
        self.name, self.connections, self.city, self.base_url = name, connections, city, base_url
        self.changed: list[Callable[[Snapshot, Snapshot], None]] = []
        """Who is told when a snapshot has taken another's place."""
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._polling: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()
        state = sql.Identifier(f"p_{name}", "sg_state")
        self._all = sql.SQL("SELECT md5(string_agg(dataset || digest, ',' ORDER BY dataset)) FROM {}").format(state)
        self._digests = sql.SQL("SELECT dataset, digest FROM {}").format(state)
        self._rows = sql.SQL("SELECT dataset, digest, collection FROM {} WHERE dataset = ANY(%s)").format(state)
        self._files = sql.SQL("SELECT dataset, version, name, bytes, media_type FROM {} WHERE dataset = ANY(%s) ORDER BY name").format(
            sql.Identifier(f"p_{name}", "sg_files")
        )

    def connection(self, cost: Cost = Cost.LIGHT) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Lend a connection of the profile's role; errors as in `Connections.lend`."""
        return self.connections.lend(cost)

    async def start(self) -> None:
        """Open the pool and begin to poll; the second call does nothing."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name=f"poll {self.name}")
            await self.connections.open()

    async def snapshot(self) -> Snapshot:
        """Return the current snapshot; the first call opens the pool and reads it.

        Raises
        ------
        DatabaseUnavailable
            It was never read, and the database is not reachable.
        """
        return self._snapshot or await self.refresh()

    @property
    def recent(self) -> Snapshot | None:
        """The current snapshot when the database has confirmed it lately, else None: a dataset may have been withdrawn since."""
        return self._snapshot if time.monotonic() - self._read_at < _RECENT_S else None

    async def refresh(self) -> Snapshot:
        """Read the state now and return the snapshot of it; the same one when nothing changed.

        A collection whose state cannot be read (newer code wrote it) is logged and left out: what was known of it may be closed by now.
        """
        async with self._refreshing:
            await self.start()
            known, asked_at = self._snapshot, time.monotonic()
            async with self.connection() as connection, connection.cursor() as cursor:
                (digest,) = await (await cursor.execute(self._all)).fetchone() or (None,)
                if known and known.digest == digest:
                    self._read_at = asked_at
                    return known
                old = known.published if known else {}
                digests: dict[str, str] = dict(await (await cursor.execute(self._digests)).fetchall())
                kept = {name: item for name, item in old.items() if digests.get(name) == item.digest}
                wanted = [name for name in digests if name not in kept]
                # A dataset that is withdrawn between the two statements is not in the rows, one that is published has its new digest.
                rows = await (await cursor.execute(self._rows, (wanted,))).fetchall() if wanted else []
                stored = await (await cursor.execute(self._files, (wanted,))).fetchall() if wanted else []
            # Thousands of collections take a while to parse: the event loop goes on meanwhile.
            self._snapshot = await asyncio.to_thread(self._made, digest, kept, rows, stored)
            self._read_at = asked_at
            if known:
                for tell in self.changed:
                    tell(known, self._snapshot)
            log.info("%s: %d collections, %d of them new or changed", self.name, len(self._snapshot.published), len(rows))
            return self._snapshot

    def _made(
        self, digest: str | None, kept: dict[str, Published], rows: list[tuple[str, str, Any]], stored: list[tuple[str, int, str, int, str]]
    ) -> Snapshot:
        files: dict[tuple[str, int], list[StoredFile]] = {}
        for dataset, version, name, size, media_type in stored:
            files.setdefault((dataset, version), []).append(StoredFile(name, size, media_type))
        published = dict(kept)
        with _uncollected():
            for dataset, own_digest, content in rows:
                try:
                    collection = Collection.model_validate(content)
                except pydantic.ValidationError as error:
                    log.error("%s: %s cannot be read and is not served: %s", self.name, dataset, error)
                    continue
                relation = Relation.of(collection, f"p_{self.name}", own_digest)
                own = tuple(files.get((dataset, collection.facts.version), ()))
                published[dataset] = Published(collection, relation, own_digest, own)
        published = dict(sorted(published.items()))
        return Snapshot(self.name, self.base_url, digest, published, API(self.city.pygeoapi(self.base_url, {}), {}))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for step, failed in (
                (self.connections.settle, "connections could not be given back"),
                (self.refresh, "the state could not be read"),
            ):
                try:
                    await step()
                except (psycopg.Error, TransientError) as error:
                    log.warning("%s: %s: %s", self.name, failed, error)
                except Exception:  # nobody waits for this task: whatever ended it, what is withdrawn would stay listed
                    log.exception("%s: %s", self.name, failed)

    async def close(self) -> None:
        """End polling and give the connections back."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None
            await self.connections.close()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make what stays without the garbage collector looking through all of it again and again: a quarter of the time for thousands."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
