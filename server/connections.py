"""The database connections of a profile in a worker: a pool and a bounded queue a class of cost."""

from __future__ import annotations

__all__ = ["Connections"]

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import psycopg_pool

from server.costs import BOUNDS, Cost, connections
from server.lending import Connection, Lending, Pool
from stadtgrund.errors import Busy, DatabaseUnavailable
from stadtgrund.store.database import Database

_DOWN_S = 0.7
"""How long somebody waits while nobody has a connection or gets one: a database that answers gives it sooner."""


class Connections:
    """Lends connections by cost; those of one class never wait for another's."""

    def __init__(self, pools: Mapping[Cost, Pool]) -> None:
        self.pools = pools
        self._lendings = {cost: Lending(pool, BOUNDS[cost].waiting) for cost, pool in pools.items()}
        self._lent = 0  # at this moment
        self._moved = 0  # lent and given back, ever
        self._undoing: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, database: Database, profile: str, most: int) -> Connections:
        """Return about `most` connections of a profile, none of them open yet."""
        return cls({cost: database.pool(profile, size, kept=BOUNDS[cost].kept) for cost, size in connections(most).items()})

    async def open(self) -> None:
        """Open the pools, without waiting for the database."""
        for pool in self.pools.values():
            await pool.open(wait=False)

    @asynccontextmanager
    async def lend(self, cost: Cost) -> AsyncIterator[Connection]:
        """Lend a connection.

        Raises
        ------
        Busy
            All of the class are in use, and too many wait for one, or none came back in time.
        DatabaseUnavailable
            There is none, as the database does not answer.
        """
        lending = self._lendings[cost]
        connection = lending.ready() or await self._wait(lending, cost)
        self._lent += 1
        self._moved += 1
        try:
            yield connection
        finally:
            self._lent -= 1
            self._moved += 1
            await lending.give(connection)

    async def _wait(self, lending: Lending, cost: Cost) -> Connection:
        taking = asyncio.create_task(lending.take(BOUNDS[cost].patience_s))
        try:
            while True:
                moved = self._moved
                await asyncio.wait({taking}, timeout=_DOWN_S)
                if taking.done():
                    return await taking
                # One that comes back is nobody's until the next in the queue runs: that nobody has one now says nothing alone.
                if not self._lent and self._moved == moved:
                    raise DatabaseUnavailable("No connection.")
        except psycopg_pool.PoolTimeout as error:
            raise Busy(f"All database connections for {cost.value} requests are in use.") from error
        except BaseException:
            self._undo(taking, lending)
            raise

    def _undo(self, taking: asyncio.Task[Connection], lending: Lending) -> None:
        """Let nobody wait any more, and give back what came in this very moment; nothing can come in between."""

        async def undo() -> None:
            await asyncio.wait({taking})
            if not taking.cancelled() and taking.exception() is None:
                await lending.give(taking.result())

        taking.cancel()
        task = asyncio.create_task(undo())
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def settle(self) -> None:
        """Give what waits for its next borrower back to the pools; to be called once a second."""
        for lending in self._lendings.values():
            await lending.settle()

    async def close(self) -> None:
        """Close the pools."""
        await self.settle()
        for pool in self.pools.values():
            await pool.close()
