"""Who waits for a connection, for how long, and what is said when none comes: against a real database, also one that is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from server import connections
from server.connections import Connections
from server.costs import Cost
from stadtgrund.errors import Busy, DatabaseUnavailable
from stadtgrund.store.database import Database


def opened(db: Database, work: Callable[[Connections], Awaitable[None]]) -> None:
    """Run `work` over open pools of `open`, with one connection for heavy requests."""

    async def whole() -> None:
        connections = Connections.of(db, "open", 1)
        await connections.open()
        try:
            await work(connections)
        finally:
            await connections.close()

    asyncio.run(whole())


async def hold(connections: Connections, seconds: float, cost: Cost = Cost.HEAVY) -> None:
    async with connections.lend(cost) as connection:
        await asyncio.sleep(seconds)
        await connection.execute("SELECT 1")


def test_who_comes_while_a_connection_changes_hands_waits_for_it(module_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two borrowers nobody has a connection; that does not mean that there is none."""

    async def work(lent: Connections) -> None:
        await hold(lent, 0)  # made, however long that takes
        monkeypatch.setattr(connections, "_DOWN_S", 0.3)
        async with lent.lend(Cost.HEAVY):
            second = asyncio.create_task(hold(lent, 1))
            await asyncio.sleep(0.1)
        assert lent._lent == 0 and not second.done()  # given back, and the second has not run since
        await hold(lent, 0)
        await second

    opened(module_db, work)


def test_a_long_queue_is_not_a_database_that_is_down(module_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(lent: Connections) -> None:
        await hold(lent, 0)
        monkeypatch.setattr(connections, "_DOWN_S", 0.2)
        await asyncio.gather(*(hold(lent, 0.15) for _ in range(10)))

    opened(module_db, work)


def test_a_connection_that_comes_back_in_the_moment_of_the_look(module_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was lent before the waiter came and is nobody's when it looks whether anybody has one."""

    async def work(lent: Connections) -> None:
        async def busy(seconds: float) -> None:
            async with lent.lend(Cost.HEAVY):
                await asyncio.sleep(seconds)
                time.sleep(0.02)  # as when bytes are made

        await hold(lent, 0)
        monkeypatch.setattr(connections, "_DOWN_S", 0.2)
        for n in range(12):
            first = asyncio.create_task(busy(0.196 + 0.0005 * n))
            await asyncio.sleep(0.001)
            await hold(lent, 0)
            await first

    opened(module_db, work)


def test_a_database_that_is_down_is_said_soon(module_db: Database) -> None:
    nowhere = replace(module_db, _place={**module_db._place, "host": "/nowhere"})

    async def work(lent: Connections) -> None:
        found = await asyncio.gather(*(hold(lent, 0, cost) for cost in (*Cost, Cost.HEAVY, Cost.LIGHT)), return_exceptions=True)
        # And not `Busy`, as when the patience of its queue has ended.
        assert [type(error) for error in found] == [DatabaseUnavailable] * len(found)

    opened(nowhere, work)


def test_who_goes_away_while_waiting_takes_no_connection_along(module_db: Database) -> None:
    async def work(lent: Connections) -> None:
        for pause in (0, 0, 0.001, 0.01):
            async with lent.lend(Cost.HEAVY):
                leaving = [asyncio.create_task(hold(lent, 60)) for _ in range(3)]
                await asyncio.sleep(0.05)
                for task in leaving[:2]:
                    task.cancel()
            await asyncio.sleep(pause)  # the third is given the connection, or is just about to be
            leaving[2].cancel()
            found: list[Any] = await asyncio.gather(*leaving, return_exceptions=True)
            assert [type(error) for error in found] == [asyncio.CancelledError] * 3
            await asyncio.wait_for(hold(lent, 0), 5)
        assert lent._lent == 0

    opened(module_db, work)


def test_a_full_queue_refuses_at_once(module_db: Database) -> None:
    async def work(lent: Connections) -> None:
        async with lent.lend(Cost.COUNT):
            waiting = asyncio.create_task(hold(lent, 0, Cost.COUNT))
            await asyncio.sleep(0.05)
            with pytest.raises(Busy):
                await hold(lent, 0, Cost.COUNT)
        await waiting

    opened(module_db, work)
