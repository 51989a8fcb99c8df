"""Whose turn it is, how many jobs one may have, and what becomes of jobs when the public loses what they may show."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest
from support.jobs import ended, execute, get, one, settled
from support.served import City

from server.job_store import Asker, JobStore
from stadtgrund.errors import Busy

OFFICE = Asker("Amt", None)
HOME, CAFE = Asker(None, "203.0.113.0"), Asker(None, "198.51.100.0")


@pytest.fixture
def alone(planted: City) -> Iterator[City]:
    """The city without jobs of `verwaltung`, which no server runs meanwhile: what waits is not due for an hour."""
    one(planted, "DELETE FROM meta.job WHERE profile = 'verwaltung'")
    yield planted
    one(planted, "DELETE FROM meta.job WHERE profile = 'verwaltung'")


def with_store[T](city: City, ask: Callable[[JobStore], Awaitable[T]]) -> T:
    async def run() -> T:
        store = JobStore("verwaltung", city.db.pool("verwaltung", 2, kept=False, writes=True))
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_each_asker_may_have_so_many(alone: City) -> None:
    async def fill(store: JobStore) -> dict[Asker, int]:
        counts = {}
        for asker in (OFFICE, HOME):
            counts[asker] = 0
            with pytest.raises(Busy):
                while True:
                    await store.add(asker, "echo", {"inputs": {"pause": 5}})
                    counts[asker] += 1
        await store.add(CAFE, "echo", {"inputs": {}})  # another network
        await store.add(Asker("Nachbaramt", None), "echo", {"inputs": {}})
        return counts

    assert with_store(alone, fill) == {OFFICE: 100, HOME: 20}


@pytest.mark.parametrize(("asker", "most"), [(OFFICE, 1000), (HOME, 200)])
def test_the_oldest_answers_make_room(alone: City, asker: Asker, most: int) -> None:
    """Of those that are older than ten minutes; where there are none such, the next one is refused."""
    insert = (
        "INSERT INTO meta.job (profile, owner, origin, process, status, started, finished, media_type, answer, epoch)"
        " SELECT 'verwaltung', %s, %s, 'echo', 'successful', now(), now() - n * interval '1 second', 'application/json', '{}', epoch"
        " FROM meta.job_epoch, generate_series(%s::integer, %s) n WHERE profile = 'verwaltung'"
    )
    one(alone, insert, asker.owner, asker.origin, 1, most)
    kept = "SELECT count(*) FROM meta.job WHERE status = 'successful'" + " AND profile = 'verwaltung'"
    if most < 600:
        with pytest.raises(Busy):
            with_store(alone, lambda store: store.add(asker, "echo", {}))
        one(alone, "UPDATE meta.job SET finished = finished - interval '10 minutes' WHERE profile = 'verwaltung'")
    with_store(alone, lambda store: store.add(asker, "echo", {"inputs": {}}))
    newest = one(alone, kept + " AND finished > now() - interval '10 minutes'")
    assert one(alone, kept) == max(most // 2, newest)


def test_the_size_of_answers_makes_room(alone: City) -> None:
    insert = (
        "INSERT INTO meta.job (profile, origin, process, status, started, finished, media_type, answer, epoch)"
        " SELECT 'verwaltung', %s, 'echo', 'successful', now(), now() - interval '1 hour' - n * interval '1 second', 'application/json',"
        " convert_to(repeat('x', 10 * 1024 * 1024), 'UTF8'), epoch FROM meta.job_epoch, generate_series(1, 9) n"
        " WHERE profile = 'verwaltung'"
    )
    one(alone, insert, HOME.origin)
    with_store(alone, lambda store: store.add(HOME, "echo", {"inputs": {}}))
    assert one(alone, "SELECT count(*) FROM meta.job WHERE profile = 'verwaltung' AND status = 'successful'") == 6  # of 10 MiB, in 64


def test_to_look_for_jobs_is_cheap_where_many_wait(alone: City) -> None:
    one(
        alone,
        "INSERT INTO meta.job (profile, owner, process, request, later) SELECT 'verwaltung', 'Amt ' || o, 'echo', '{}',"
        " now() + interval '1 hour' FROM generate_series(1, 50) o, generate_series(1, 100)",
    )
    one(
        alone,
        "INSERT INTO meta.job (profile, owner, process, status, started, finished, media_type, answer, epoch)"
        " SELECT 'verwaltung', 'Amt ' || o, 'echo', 'successful', now(), now(), 'application/json', '{}', epoch"
        " FROM meta.job_epoch, generate_series(1, 50) o, generate_series(1, 900) WHERE profile = 'verwaltung'",
    )
    one(alone, "ANALYZE meta.job")
    plan = "EXPLAIN (FORMAT json) " + with_store(alone, _candidates)
    with alone.db.connect("verwaltung", autocommit=True) as connection:
        (tree,) = connection.execute(plan).fetchone() or ({},)  # type: ignore[call-overload]
    assert '"Relation Name": "job"' in str(tree).replace("'", '"') and "Seq Scan" not in str(tree)


async def _candidates(store: JobStore) -> str:
    return store._sql["candidates"].as_string(None)


@pytest.mark.parametrize("committed", [True, False])
def test_what_is_withdrawn_meanwhile_is_in_no_answer(planted: City, api: str, committed: bool) -> None:
    """A job that ended before the withdrawal was committed is gone with it; one that waited reads what it refers to when it is run."""
    item = get(f"{api}/collections/schutzgebiete/items?limit=1").json()["features"][0]
    address = f"{api}/collections/schutzgebiete/items/{item['id']}"
    name = item["properties"]["name"]
    row = None
    with psycopg.connect(planted.environment["DATABASE_URL"], autocommit=committed) as connection:
        try:
            blocking = execute(api, "echo", {"inputs": {"pause": 3}}, job=True).headers["location"]
            location = execute(api, "echo", {"inputs": {"place": {"href": address}}}, job=True).headers["location"]
            row = connection.execute(
                "DELETE FROM meta.state WHERE dataset = 'schutzgebiete' AND profile = 'open' RETURNING to_json(state.*)::text"
            ).fetchone()
            assert row
            if committed:
                assert ended(get, location)["status"] == "failed"
                ended(get, blocking)
            else:
                assert ended(get, location)["status"] == "successful" and name in get(f"{location}/results").text
                connection.commit()
                assert get(location).status_code == 404
            result = get(f"{location}/results")
            assert result.status_code == (400 if committed else 404) and name not in result.text
        finally:
            if row:
                connection.execute("INSERT INTO meta.state SELECT * FROM json_populate_record(NULL::meta.state, %s::json)", row)
                connection.commit()
                settled(api, "schutzgebiete")
