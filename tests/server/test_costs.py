"""Classes of cost: who waits for whom, how many may wait, and what a connection keeps of a large answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from server.costs import BOUNDS, Cost, connections, cost_of
from stadtgrund.crs import BBox
from stadtgrund.query import Cursor, FeatureQuery, SortKey, cql2
from stadtgrund.store.database import Database

from .conftest import Client

HEAVY, MEDIUM, LIGHT = "limit=5000", "limit=5&bbox=6,50,8,52&filter=name<>'x'", "limit=5"
AREAS, POLES = "/collections/gebiete/items?", "/collections/masten/items?"


@contextmanager
def blocked(db: Database, *datasets: str) -> Iterator[None]:
    """Hold the tables of datasets, so that each statement that reads one waits."""
    with db.connect("owner") as owner:
        for dataset in datasets:
            # With the tables under them.
            owner.execute(f"LOCK TABLE p_open.{dataset}, p_open._text__{dataset} IN ACCESS EXCLUSIVE MODE")
        yield
        owner.rollback()


def ask(client: Client, *urls: str) -> list[asyncio.Task[httpx.Response]]:
    """Begin requests; they wait in the order in which they are given."""

    async def begin() -> list[asyncio.Task[httpx.Response]]:
        tasks = []
        for url in urls:
            tasks.append(asyncio.create_task(client.http.get(url)))
            await asyncio.sleep(0.05)
        return tasks

    begun: list[asyncio.Task[httpx.Response]] = client.run(begin())
    return begun


def answers(client: Client, tasks: list[asyncio.Task[httpx.Response]]) -> list[int]:
    async def gather() -> list[int]:
        return [response.status_code for response in await asyncio.gather(*tasks)]

    found: list[int] = client.run(gather())
    return found


def test_what_a_page_costs(client: Client) -> None:
    relation = client.run(client.app.profiles["open"].snapshot()).get("masten").relation
    page = FeatureQuery(relation=relation, limit=100)
    assert cost_of(page) == cost_of(replace(page, sortby=(SortKey("name"),))) == cost_of(replace(page, offset=1000)) == Cost.LIGHT
    assert cost_of(replace(page, offset=5000, cursor=Cursor(1, "7"))) == Cost.LIGHT  # the offset does not count beside a cursor
    medium = [
        {"limit": 1000},
        {"offset": 1001},
        {"bbox": BBox(6, 50, 7, 51)},
        {"filter": cql2.parse("nummer = 1", "cql2-text", relation)},
        {"sortby": (SortKey("name"), SortKey("hoehe"))},
    ]
    assert {cost_of(replace(page, **more)) for more in medium} == {Cost.MEDIUM}  # type: ignore[arg-type]
    assert cost_of(replace(page, limit=1001)) == Cost.HEAVY


@pytest.mark.parametrize(("most", "each"), [(8, [4, 2, 1, 1]), (1, [1, 1, 1, 1]), (4, [1, 1, 1, 1]), (40, [20, 10, 5, 5])])
def test_the_connections_of_a_worker_are_shared_out(most: int, each: list[int]) -> None:
    assert list(connections(most).values()) == each


def test_light_requests_do_not_wait_behind_heavy_ones(client: Client, served_db: Database) -> None:
    with blocked(served_db, "gebiete"):
        waiting = ask(client, *[f"{AREAS}{HEAVY}&skipGeometry=true&offset={n}" for n in range(6)], *[AREAS + MEDIUM] * 6)
        for url in (POLES + LIGHT, "/collections/masten/items/7", "/collections/masten"):
            assert client.get(url).status_code == 200
        assert not any(task.done() for task in waiting)
    assert answers(client, waiting) == [200] * 12


def test_heavy_and_medium_requests_do_not_wait_for_each_other(client: Client, served_db: Database) -> None:
    with blocked(served_db, "gebiete"):
        heavy = ask(client, *[AREAS + HEAVY] * 3)
        assert client.get(POLES + MEDIUM.replace("filter=name<>'x'", "filter=nummer>3")).status_code == 200
    assert answers(client, heavy) == [200] * 3
    with blocked(served_db, "gebiete"):
        medium = ask(client, *[AREAS + MEDIUM] * 3)
        assert client.get(POLES + HEAVY).status_code == 200
    assert answers(client, medium) == [200] * 3


def test_a_full_queue_is_a_503_that_says_when_to_come_back(client: Client, served_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is that of a class in a worker: one more request than may wait is refused at once, the others are answered."""
    lending = client.app.profiles["open"].connections._lendings[Cost.HEAVY]
    monkeypatch.setattr(lending, "_most_waiting", 2)
    with blocked(served_db, "gebiete"):
        waiting = ask(client, *[AREAS + HEAVY] * 3)  # one has the connection
        started = time.monotonic()
        refused = client.get(AREAS + HEAVY)
        assert refused.status_code == 503 and time.monotonic() - started < BOUNDS[Cost.HEAVY].patience_s / 2
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["detail"] == "The server is busy. The same request may succeed in a few seconds."
        assert client.get(POLES + LIGHT).status_code == 200
    assert answers(client, waiting) == [200] * 3


def test_who_waits_too_long_is_refused(client: Client, served_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {**BOUNDS, Cost.HEAVY: replace(BOUNDS[Cost.HEAVY], patience_s=0.3)}
    monkeypatch.setattr("server.connections.BOUNDS", bounds)
    with blocked(served_db, "gebiete"):
        first = ask(client, AREAS + HEAVY)
        assert client.get(AREAS + HEAVY).status_code == 503
    assert answers(client, first) == [200]
    assert client.get(AREAS + HEAVY).status_code == 200
