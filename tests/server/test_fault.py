"""Faults under load, against `stadtgrund serve` with two workers and a PostgreSQL of its own that may be stopped."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from psycopg import sql
from support.postgis import Server, environment, running_server
from support.rows import publish_rows
from support.served import free_port, running

from bench.driver import Answer, Kind, Load
from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT
from stadtgrund.store import embedded
from stadtgrund.store.cluster import Cluster
from stadtgrund.store.database import Database
from stadtgrund.store.versions import current

from .conftest import POLES, write_served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ITEMS = "/collections/masten/items"
ROWS = 3000
TILE = "/collections/masten/tiles/WebMercatorQuad/{z}/{y}/{x}"


@dataclass(frozen=True)
class Place:
    """A deployment over a PostgreSQL that a test may stop."""

    server: Server
    cluster: Cluster
    db: Database
    deployment: registry.Deployment
    folder: Path

    def environment(self, port: int, **more: str) -> dict[str, str]:
        return {**environment(self.server, self.db, self.folder), "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "2", **more}

    def publish(self, version: int) -> None:
        """Publish `masten` so that each row says which version it is of, and the number of rows does."""
        publish_rows(self.db, self.deployment, "masten", rows(version))


def rows(version: int) -> list[dict[str, Any]]:
    return [
        {**POLES[n % 60], "nummer": n, "name": f"v{version}", "geom": f"POINT({360000 + n % 60} {5700000 + n // 60})"}
        for n in range(1, ROWS + 1 - version)
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_server() as server:
        assert server.home
        with patch.dict(os.environ, {"STADTGRUND_PG_HOME": str(server.home)}):
            cluster = embedded.locate(server.paths)
        db = server.clone()
        folder = write_served(tmp_path_factory.mktemp("fault") / "teststadt")
        made = Place(server, cluster, db, registry.read(folder, folder / "data"), folder)
        made.publish(0)
        yield made


@contextmanager
def serving(place: Place, log: Path, **more: str) -> Iterator[int]:
    port = free_port()
    with running([ROOT / ".venv" / "bin" / "stadtgrund", "serve"], place.environment(port, **more), f"http://127.0.0.1:{port}", log):
        end = time.monotonic() + 20
        while len(workers(port)) < int(more.get("STADTGRUND_WORKERS", "2")) and time.monotonic() < end:
            time.sleep(0.1)
        yield port


def workers(port: int) -> set[int]:
    """Return the processes that listen on a port."""
    listening = {
        fields[9]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port
    }
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = {os.readlink(handle) for handle in (process / "fd").iterdir()}
        except OSError:
            continue
        if any(f"socket:[{inode}]" in held for inode in listening):
            found.add(int(process.name))
    return found


def retry_is_said(answer: Answer) -> str | None:
    """Say what is wrong with a 503."""
    return "503 without Retry-After" if answer.status == 503 and not answer.headers.get("retry-after", "").isdigit() else None


def light(place: Place) -> list[Kind]:
    return [
        Kind("page", [f"{ITEMS}?limit=10", f"{ITEMS}?limit=10&sortby=-hoehe"], 3, retry_is_said),
        Kind("item", [f"{ITEMS}/{n}" for n in range(1, 50)], 3, retry_is_said),
        Kind("large", [f"{ITEMS}?limit=2000"], 1, retry_is_said),
        Kind("tile", [TILE.format(z=14, y=5453, x=8509)], 1, retry_is_said),
        Kind("document", ["/collections/masten", "/conformance"], 1, retry_is_said),
    ]


def test_a_database_that_restarts_is_bridged(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path / "log") as port:
        before = workers(port)
        load = Load("127.0.0.1", port, light(place), 16)
        up: list[float] = []

        def restart() -> None:
            time.sleep(2)
            embedded.stop(place.cluster)
            time.sleep(3)
            embedded.start(place.cluster, fsync=False)
            up.append(time.monotonic())
            time.sleep(4)
            load.stop()

        thread = threading.Thread(target=restart)
        thread.start()
        asyncio.run(load.run(60))
        thread.join()
        assert [tally.faults for tally in load.tallies.values() if tally.faults] == []
        for name in ("page", "item", "large"):
            tally = load.tallies[name]
            assert set(tally.statuses) == {200, 503}, name
        asked = [(moment, status) for tally in load.tallies.values() for moment, status in zip(tally.moments, tally.answers, strict=True)]
        late = [(moment - up[0], status) for moment, status in asked if moment > up[0] + 5 and status not in (200, 204)]
        assert late == []
        assert workers(port) == before


def of_one_version(answer: Answer) -> str | None:
    """Say what of an answer is not of the version that the rest of it is."""
    if answer.status == 503:
        return retry_is_said(answer)
    versions = set(re.findall(rb'"name":"v(\d+)"', answer.body))
    if len(versions) != 1:
        return f"versions {sorted(versions)}"
    counted = re.search(rb'"numberMatched":(\d+)', answer.body)
    if counted and int(counted[1]) != ROWS - int(versions.pop()):
        return f"{counted[0]!r} of another version"
    return None


def of_one_tile(answer: Answer) -> str | None:
    versions = set(re.findall(rb"\x03v(\d\d)", answer.body))
    return None if answer.status == 503 or len(versions) == 1 else f"versions {sorted(versions)}"


def test_a_load_that_publishes_is_seen_whole(place: Place, tmp_path: Path) -> None:
    place.publish(10)  # and from here on two digits, which is what a tile is searched for
    kinds = [
        Kind("page", [f"{ITEMS}?limit=10", f"{ITEMS}?limit=10&sortby=-hoehe"], 4, of_one_version),
        Kind("item", [f"{ITEMS}/{n}" for n in range(1, 50)], 4, of_one_version),
        Kind("all", [f"{ITEMS}?limit=10000&filter=nummer%3E0"], 1, of_one_version),
        Kind("tile", [TILE.format(z=14, y=5453, x=8509)], 1, of_one_tile),
    ]
    with serving(place, tmp_path / "log") as port:
        load = Load("127.0.0.1", port, kinds, 4)

        def publish() -> None:
            for version in range(11, 17):
                place.publish(version)
                time.sleep(0.5)
            load.stop()

        thread = threading.Thread(target=publish)
        thread.start()
        asyncio.run(load.run(120))
        thread.join()
        for name, tally in load.tallies.items():
            assert (dict(tally.faults), set(tally.statuses)) == ({}, {200}), name
        newest = httpx.get(f"http://127.0.0.1:{port}{ITEMS}?limit=1", trust_env=False).json()
        assert newest["numberMatched"] == ROWS - 16


def test_a_slow_reader_holds_no_connection_of_the_database(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path / "log", STADTGRUND_WORKERS="1", STADTGRUND_POOL_MAX="1") as port, ExitStack() as open_:
        readers = [open_.enter_context(socket.socket()) for _ in range(5)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(f"GET {ITEMS}?limit=10000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        for _ in range(3):
            for reader in readers:
                assert len(reader.recv(1024)) > 0
            # What costs as much as theirs: it would wait for the same connection, until it is refused.
            assert httpx.get(f"http://127.0.0.1:{port}{ITEMS}?limit=10000", trust_env=False, timeout=25).status_code == 200
            with place.server.superuser() as superuser:
                states = superuser.execute(
                    "SELECT state FROM pg_stat_activity WHERE datname = %s AND application_name = 'stadtgrund open'", (place.db.name,)
                ).fetchall()
            assert set(states) == {("idle",)} and len(states) < len(readers)
            time.sleep(1)
        for reader in readers:
            reader.settimeout(20)
            body = b"".join(iter(lambda reader=reader: reader.recv(65536), b""))  # type: ignore[misc]
            assert body.endswith(b"]}")


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path / "log") as port:
        before = workers(port)
        load = Load("127.0.0.1", port, light(place), 8)

        def kill() -> None:
            time.sleep(1)
            os.kill(max(before), signal.SIGKILL)
            end = time.monotonic() + 20
            while len(workers(port) - {max(before)}) < len(before) and time.monotonic() < end:
                time.sleep(0.2)
            time.sleep(2)
            load.stop()

        thread = threading.Thread(target=kill)
        thread.start()
        asyncio.run(load.run(60))
        thread.join()
        assert len(workers(port)) == len(before) and max(before) not in workers(port)
        for name, tally in load.tallies.items():
            assert set(tally.statuses) <= {200, 204}, name
            # Only who was connected to that worker notices, once each.
            assert tally.faults.total() <= 8, (name, tally.faults)
        asyncio.run(Load("127.0.0.1", port, light(place), 8).run(1))


def test_an_end_waits_for_the_requests_that_run(place: Place, tmp_path: Path) -> None:
    found: list[httpx.Response] = []

    def ask(port: int, limit: int) -> None:
        found.append(httpx.get(f"http://127.0.0.1:{port}{ITEMS}?limit={limit}", trust_env=False, timeout=60))

    with serving(place, tmp_path / "log") as port:
        parent = int(Path(f"/proc/{max(workers(port))}/stat").read_text().rpartition(")")[2].split()[1])
        asked = [threading.Thread(target=ask, args=(port, limit)) for limit in (3, 4, 5, 6)]
        version = current(place.db, "masten")
        assert version
        with place.db.connect("owner") as owner, place.server.superuser() as superuser:
            owner.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier("data", f"masten__v{version.version}")))
            for thread in asked:
                thread.start()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
            end = time.monotonic() + 30
            while superuser.execute(waiting, (place.db.name,)).fetchone() != (len(asked),) and time.monotonic() < end:
                time.sleep(0.05)
            os.kill(parent, signal.SIGTERM)
            time.sleep(1)
        for thread in asked:
            thread.join()
    assert [response.status_code for response in found] == [200] * len(asked)
    assert sorted(json.loads(response.content)["numberReturned"] for response in found) == [3, 4, 5, 6]
