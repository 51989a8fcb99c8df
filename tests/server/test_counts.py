"""`numberMatched`: known from before without a statement, counted within its time, absent when that is over; never wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server import counts
from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.query import FeatureQuery, items, rows
from stadtgrund.query.statement import Statement
from stadtgrund.store.database import Database

from .conftest import POLES, Client, fill, write_served

Own = tuple[Client, Database, registry.Deployment]
MANY = "/collections/masten/items?limit=3&filter=nummer>10"


@pytest.fixture
def own(server: Server, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """A client of this test's own, to which more than a handful of matches are many."""
    folder = write_served(tmp_path / "teststadt")
    deployment = registry.read(folder, folder / "data")
    fill(db, deployment)
    monkeypatch.setattr(rows, "_FEW", 5)
    client = Client(create_app(settings_for(server, db, folder)))
    yield client, db, deployment
    client.close()


@contextmanager
def slow_counts(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[list[FeatureQuery]]:
    """Let each count take so long in the database; yields what is counted."""
    plain, begun = items.count, list[FeatureQuery]()

    def slow(query: FeatureQuery) -> Statement:
        begun.append(query)
        statement = plain(query)
        return replace(statement, sql=f"{statement.sql} AND pg_sleep({seconds}) IS NOT NULL")

    with monkeypatch.context() as patch:
        patch.setattr(items, "count", slow)
        yield begun


def test_a_count_is_known_the_second_time(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _, _ = own
    assert client.json(MANY)["numberMatched"] == 50
    with slow_counts(monkeypatch, 5):
        for url in (MANY, MANY + "&sortby=-hoehe", MANY + "&properties=art", MANY + "&skipGeometry=true"):
            assert client.json(url)["numberMatched"] == 50


def test_a_count_that_takes_too_long_is_absent_and_known_later(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _, _ = own
    with slow_counts(monkeypatch, 2):
        page = client.json(MANY)
        assert "numberMatched" not in page and page["numberReturned"] == 3
        following = client.json(next(link["href"] for link in page["links"] if link["rel"] == "next"))
        assert "numberMatched" not in following
        deadline = time.monotonic() + 30
        while "numberMatched" not in (page := client.json(MANY)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert page["numberMatched"] == 50


def test_what_takes_far_too_long_is_given_up_for_a_while(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    client, db, _ = own
    monkeypatch.setattr(counts, "_LONGEST_S", 0.2)
    with slow_counts(monkeypatch, 30) as begun:
        assert "numberMatched" not in client.json(MANY)
        with db.connect("owner", autocommit=True) as owner:
            running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            deadline = time.monotonic() + 20
            while client.app.items.counts._running or owner.execute(running).fetchone() != (0,):
                assert time.monotonic() < deadline, "the count goes on in the database"
                client.run(asyncio.sleep(0.05))
        monkeypatch.setattr(counts, "COUNT_S", 60.0)
        assert "numberMatched" not in client.json(MANY)
        assert len(begun) == 1, "no second count begins"
    assert client.json(MANY.replace("10", "11"))["numberMatched"] == 49


def test_a_known_count_is_of_its_version(own: Own) -> None:
    client, db, deployment = own
    assert client.json(MANY)["numberMatched"] == 50
    publish_rows(db, deployment, "masten", [row for row in POLES if row["nummer"] != 20])
    page = client.json(MANY)
    assert page["numberMatched"] == 49
