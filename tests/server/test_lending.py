"""Connections between two requests, and the statements that they keep: against a real pool, also when it is hurt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import psycopg_pool
import pytest
from support.waiting import until

from server.lending import Lending, Pool, borrowed
from server.statements import _AFTER, _MOST, Prepared
from stadtgrund.query.statement import Statement
from stadtgrund.store.database import Database

PID = Statement("SELECT pg_backend_pid()", ())


def lent(db: Database, work: Callable[[Lending, Pool], Awaitable[None]], size: int = 1) -> None:
    """Run `work` over an open pool of `open` with `size` connections."""

    async def whole() -> None:
        pool = db.pool("open", size)
        await pool.open()
        try:
            lending = Lending(pool)
            await work(lending, pool)
            await lending.settle()
        finally:
            await pool.close()

    asyncio.run(whole())


async def pid(connection: psycopg.AsyncConnection[object]) -> int:
    row = await Prepared.of(connection).row(connection, PID)
    assert row is not None
    return int(row[0])


def test_the_last_connection_is_lent_again(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        first = await lending.take(5)
        await lending.give(first)
        assert await lending.take(5) is first
        await lending.give(first)

    lent(module_db, work)


def test_who_waits_gets_what_comes_back(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        waiter = asyncio.create_task(lending.take(5))
        await asyncio.sleep(0.05)
        assert not waiter.done()
        await lending.give(held)
        assert await waiter is held
        with pytest.raises(psycopg_pool.PoolTimeout):
            await lending.take(0.05)
        await lending.give(held)

    lent(module_db, work)


def test_a_lost_connection_is_replaced(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        lost = await pid(held)
        with module_db.connect("owner", autocommit=True) as owner, module_db.connect("open", autocommit=True) as reader:
            reader.execute("SELECT pg_terminate_backend(%s)", (lost,))
            assert owner.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            await pid(held)
        await lending.give(held)
        again = await lending.take(5)
        assert await pid(again) != lost
        await lending.give(again)

    lent(module_db, work)


@pytest.mark.parametrize("settled", [False, True])
def test_what_was_cut_while_it_waited_is_not_lent(module_db: Database, settled: bool) -> None:
    """Whether it waited here or in the pool, and however many there were: the borrower gets one that works."""

    async def work(lending: Lending, pool: Pool) -> None:
        held = [await lending.take(5) for _ in range(4)]
        pids = {await pid(connection) for connection in held}
        for connection in held:
            await lending.give(connection)
        if settled:
            await lending.settle()
        _cut(module_db, pids)
        again = [lending.ready() or await lending.take(5) for _ in range(4)]
        assert not pids & {await pid(connection) for connection in again}
        for connection in again:
            await lending.give(connection)

    lent(module_db, work, 4)


def test_a_pool_that_is_seldom_used_lends_none_that_was_cut(module_db: Database) -> None:
    async def work(_: Lending, pool: Pool) -> None:
        async with borrowed(pool, 5) as first, borrowed(pool, 5) as second, borrowed(pool, 5) as third:
            pids = {await pid(connection) for connection in (first, second, third)}
        _cut(module_db, pids)
        async with borrowed(pool, 5) as again:
            assert await pid(again) not in pids
        with pytest.raises(ZeroDivisionError):
            async with borrowed(pool, 5):
                raise ZeroDivisionError
        async with borrowed(pool, 5), borrowed(pool, 5), borrowed(pool, 5):
            with pytest.raises(psycopg_pool.PoolTimeout):
                async with borrowed(pool, 0.05):
                    """There are three."""

    lent(module_db, work, 3)


def _cut(db: Database, pids: set[int]) -> None:
    """End connections, and return when they are gone."""
    with db.connect("open", autocommit=True) as reader:
        reader.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (list(pids),))
        until(lambda: reader.execute("SELECT FROM pg_stat_activity WHERE pid = ANY(%s)", (list(pids),)).fetchone() is None)


def test_a_statement_that_was_cancelled_leaves_the_connection_right(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await Prepared.of(held).row(held, Statement("SELECT pg_sleep(30)", ()))
        await lending.give(held)
        again = await lending.take(5)
        assert await pid(again) > 0
        await lending.give(again)

    lent(module_db, work)


def test_values_come_back_as_they_went_whether_kept_or_not(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        kept = Prepared.of(held)
        asked = Statement("SELECT %s::bigint, %s::text, 7 %% 4, NULL::text", (str(2**53 + 1), "Straße 'ß' %s $1"))
        for _ in range(_AFTER + 3):
            assert await kept.row(held, asked) == (2**53 + 1, "Straße 'ß' %s $1", 3, None)
        assert await kept.row(held, Statement("SELECT 1 WHERE false", ())) is None
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await kept.row(held, Statement("SELECT %s::bigint", ("x",)))
        assert await kept.row(held, asked) == (2**53 + 1, "Straße 'ß' %s $1", 3, None)
        await lending.give(held)

    lent(module_db, work)


def test_a_connection_keeps_a_bounded_number_of_statements(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        kept = Prepared.of(held)
        for number in range(_MOST + 20):
            for _ in range(_AFTER + 1):
                assert await kept.row(held, Statement(f"SELECT {number:d}", ())) == (number,)
        counted = await kept.row(held, Statement("SELECT count(*) FROM pg_prepared_statements", ()))
        assert counted is not None
        assert counted[0] == _MOST
        assert await kept.row(held, Statement("SELECT 0", ())) == (0,)  # one that was let go
        await lending.give(held)

    lent(module_db, work)


def test_a_plan_that_depends_on_values_is_made_for_them(module_db: Database) -> None:
    async def work(lending: Lending, pool: Pool) -> None:
        held = await lending.take(5)
        kept = Prepared.of(held)
        plans = "SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint FROM pg_prepared_statements WHERE statement LIKE %s::text"
        for mark, prepare in (("anew", False), ("once", None)):
            asked = Statement(f"SELECT count(*), '{mark}' FROM pg_class WHERE oid = %s::oid", ("1259",), prepare)
            for _ in range(_AFTER + 12):
                assert await kept.row(held, asked) == (1, mark)
            found = await kept.row(held, Statement(plans, (f"%'{mark}'%",)))
            assert found is not None
            none, all_ = found if mark == "anew" else reversed(found)
            assert none == 0 and all_ >= 12
        await lending.give(held)

    lent(module_db, work)
