"""One pygeoapi API a profile, made of what the profile's role can read, and replaced as a whole when that changes."""

from __future__ import annotations

__all__ = ["POLL_S", "Profile", "Published", "Snapshot", "StoredFile", "shielded", "unshielded"]

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import psycopg_pool
from psycopg import sql
from pygeoapi.api import API

from server.answer import Answer
from server.city import City
from server.describing import described
from server.lending import Lending, Pool
from stadtgrund.catalog import resources
from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import Busy, DatabaseUnavailable, NotFound, TransientError
from stadtgrund.query.relation import Relation

log = logging.getLogger(__name__)

POLL_S = 1.0
_WAIT_S = 5.0
"""How long a request waits for a connection while others have all of them."""
_DOWN_S = 0.7
"""How long it waits for the first connection: a database that answers gives it sooner."""

# pygeoapi writes every "<" of a document as "&lt;", which cannot be told from a text that says "&lt;". So it never sees one:
# the two characters travel as code points of the private use area, and come back behind it.
_SHIELD = str.maketrans({"<": "\ue03c", ">": "\ue03e"})
_UNSHIELD = str.maketrans({"\ue03c": "<", "\ue03e": ">"})


def shielded(value: Any) -> Any:
    """Return a JSON value with `<` and `>` as private characters."""
    return _translated(value, _SHIELD)


def unshielded(value: Any) -> Any:
    """Return what `shielded` got."""
    return _translated(value, _UNSHIELD)


def _translated(value: Any, table: dict[int, str]) -> Any:
    if isinstance(value, str):
        return value.translate(table)
    if isinstance(value, Mapping):
        return {key.translate(table) if isinstance(key, str) else key: _translated(part, table) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_translated(part, table) for part in value]
    return value


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
    resource: dict[str, Any]
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a profile sees at one moment. `documents` keeps what was made of it; it dies with it."""

    profile: str
    base_url: str
    digest: str | None
    published: Mapping[str, Published]
    api: API
    documents: dict[Any, Answer] = field(default_factory=dict)

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
    """A profile's pool and its current snapshot, polled once a second from the same pool."""

    def __init__(self, name: str, pool: Pool, city: City, base_url: str) -> None:
        self.name, self.pool, self.city, self.base_url = name, pool, city, base_url
        self._lending = Lending(pool)
        self._lent = 0
        self._snapshot: Snapshot | None = None
        self._polling: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()
        state = sql.Identifier(f"p_{name}", "sg_state")
        self._all = sql.SQL("SELECT md5(string_agg(dataset || digest, ',' ORDER BY dataset)) FROM {}").format(state)
        self._digests = sql.SQL("SELECT dataset, digest FROM {}").format(state)
        self._rows = sql.SQL("SELECT dataset, digest, collection FROM {} WHERE dataset = ANY(%s)").format(state)
        self._files = sql.SQL("SELECT dataset, version, name, bytes, media_type FROM {} WHERE dataset = ANY(%s) ORDER BY name").format(
            sql.Identifier(f"p_{name}", "sg_files")
        )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection of the profile's role.

        Raises
        ------
        Busy
            All are in use and none came back in time.
        DatabaseUnavailable
            There is none, as the database does not answer.
        """
        busy = self._lent > 0
        try:
            connection = await self._lending.take(_WAIT_S if busy else _DOWN_S)
        except psycopg_pool.PoolTimeout as error:
            if busy:
                raise Busy("All database connections are in use.") from error
            raise DatabaseUnavailable("No connection.") from error
        self._lent += 1
        try:
            yield connection
        finally:
            self._lent -= 1
            await self._lending.give(connection)

    async def start(self) -> None:
        """Open the pool and begin to poll; the second call does nothing."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name=f"poll {self.name}")
            await self.pool.open(wait=False)

    async def snapshot(self) -> Snapshot:
        """Return the current snapshot; the first call opens the pool and reads it.

        Raises
        ------
        DatabaseUnavailable
            It was never read, and the database is not reachable.
        """
        return self._snapshot or await self.refresh()

    async def refresh(self) -> Snapshot:
        """Read the state now and return the snapshot of it; the same one when nothing changed."""
        async with self._refreshing:
            await self.start()
            known = self._snapshot
            async with self.connection() as connection, connection.cursor() as cursor:
                (digest,) = await (await cursor.execute(self._all)).fetchone() or (None,)
                if known and known.digest == digest:
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
            log.info("%s: %d collections, %d of them new or changed", self.name, len(self._snapshot.published), len(rows))
            return self._snapshot

    def _made(
        self, digest: str | None, kept: dict[str, Published], rows: list[tuple[str, str, Any]], stored: list[tuple[str, int, str, int, str]]
    ) -> Snapshot:
        files: dict[tuple[str, int], list[StoredFile]] = {}
        for dataset, version, name, size, media_type in stored:
            files.setdefault((dataset, version), []).append(StoredFile(name, size, media_type))
        published = dict(kept)
        for dataset, own_digest, content in rows:
            collection = Collection.model_validate(content)
            resource = resources.resource(collection, self.base_url, profile=self.name)
            resource["providers"] = described(resource["providers"])
            relation = Relation.of(collection, f"p_{self.name}", own_digest)
            own = tuple(files.get((dataset, collection.facts.version), ()))
            published[dataset] = Published(collection, relation, own_digest, shielded(resource), own)
        published = dict(sorted(published.items()))
        config = self.city.pygeoapi(self.base_url, {name: item.resource for name, item in published.items()})
        return Snapshot(self.name, self.base_url, digest, published, API(config, {}))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self._lending.settle()
            try:
                await self.refresh()
            except (psycopg.Error, TransientError) as error:
                log.warning("%s: the state could not be read: %s", self.name, error)

    async def close(self) -> None:
        """End polling and give the connections back."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None
            await self._lending.settle()
            await self.pool.close()
