"""Jobs while servers, children and connections end: none is lost, none is failed for that."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from support.jobs import ended, execute, get, keyed, one
from support.served import City, free_port, started
from support.waiting import until

from processes.workers import Answer
from server.job_runner import Runner
from server.job_store import Candidate, Taken


@pytest.fixture
def own(planted: City, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of the test's own, of which the test knows the process: (address, process)."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with started([sys.executable, "-m", "cli", "serve"], env, url, tmp_path / "log") as process:
        yield url, process


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for part in Path("/proc").iterdir():
        if part.name.isdigit():
            try:
                parent = int((part / "stat").read_text().rpartition(")")[2].split()[1])
                command = (part / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == pid:
                found |= _children(int(part.name))
                if b"\0processes\0" in command:
                    found.add(int(part.name))
    return found


def _held(planted: City) -> Any:
    """A lock that each check waits for."""
    connection = psycopg.connect(planted.environment["DATABASE_URL"])
    tables = connection.execute(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname IN ('data', 'rel')"
    ).fetchall()
    assert tables
    connection.execute(f"LOCK TABLE {', '.join(name for (name,) in tables)} IN ACCESS EXCLUSIVE MODE")
    return connection


def _wait_for_lock(planted: City) -> None:
    """Wait until a check waits for it."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'stadtgrund-process' AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    until(lambda: one(planted, query))


def test_the_end_of_the_whole_group_fails_no_job(own: Any, planted: City, api: str) -> None:
    """systemd, docker and Ctrl-C signal all processes at once: the child ends first, which says nothing of its job."""
    url, process = own
    with _held(planted) as connection:
        answer = execute(url, "construction_overlay", {"inputs": {"baustelle": "P"}}, job=True)
        number = answer.json()["jobID"]
        until(lambda: one(planted, "SELECT status FROM meta.job WHERE job = %s", number) == "running")
        until(lambda: _children(process.pid))
        _wait_for_lock(planted)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        status = one(planted, "SELECT status FROM meta.job WHERE job = %s", number)
        connection.rollback()
    httpx.delete(f"{api}/jobs/{number}", trust_env=False)
    assert status in ("accepted", "running"), f"{status}: {one(planted, 'SELECT problem::text FROM meta.job WHERE job = %s', number)}"


def test_the_child_of_a_dismissed_check_is_ended(own: Any, planted: City) -> None:
    url, process = own
    with _held(planted) as connection:
        location = execute(url, "construction_overlay", {"inputs": {"baustelle": "P"}}, job=True).headers["location"]
        before = until(lambda: _children(process.pid))
        _wait_for_lock(planted)
        assert httpx.delete(location, trust_env=False).status_code == 200
        until(lambda: not before & _children(process.pid))
        connection.rollback()


def test_a_child_that_is_killed_fails_no_job(own: Any, planted: City, api: str) -> None:
    """Memory ran short, or the group was signalled: for who waits that is `Busy`, come again. A job could be run again, and is failed."""
    url, process = own
    with _held(planted) as connection:
        location = execute(url, "construction_overlay", {"inputs": {"baustelle": "P"}}, job=True).headers["location"]
        children = until(lambda: _children(process.pid))
        _wait_for_lock(planted)
        for child in children:
            os.kill(child, signal.SIGKILL)
        connection.rollback()
        status = ended(get, location)
    assert status["status"] == "successful", status["message"]


def test_jobs_of_the_administration_are_run_and_removed_after_a_restart(own: Any, planted: City) -> None:
    """Also where nobody asks for a job with a key: what waits is run, and confidential answers do not outlive their day.

    The server of the other tests may do it, too.
    """
    waiting = one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, request, created)"
        """ VALUES ('verwaltung', 'Amt', 'echo', '{"inputs": {}}', now() - interval '1 hour') RETURNING job""",
    )
    old = one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, status, finished, media_type, answer) SELECT 'verwaltung', 'Amt', 'echo',"
        " 'successful', now() - interval '25 hours', 'application/json', 'geheim' RETURNING job",
    )
    url, _ = own
    assert keyed(f"{url}/collections?f=json").status_code == 200
    try:
        until(lambda: one(planted, "SELECT array_agg(status) FROM meta.job WHERE job IN (%s, %s)", waiting, old) == ["successful"])
    finally:
        one(planted, "DELETE FROM meta.job WHERE job IN (%s, %s)", waiting, old)


def test_a_job_waits_where_a_request_would_be_told_to_come_again(api: str) -> None:
    """Busy is for who waits. Of a job it makes a failure for ever, although nobody would mind a minute."""
    with ThreadPoolExecutor(8) as pool:
        pausing = [pool.submit(execute, api, "echo", {"inputs": {"pause": 4}}) for _ in range(8)]
        time.sleep(1)
        location = execute(api, "echo", {"inputs": {"pause": 0.1}}, job=True).headers["location"]
        status = ended(get, location, 30)
        for each in pausing:
            each.result()
    assert status["status"] == "successful", status["message"]


def test_a_request_of_another_version_is_not_lost(planted: City, api: str) -> None:
    """During an update, older code takes what newer code was asked: a member that it does not know fails the job for good."""
    number = one(
        planted,
        "INSERT INTO meta.job (profile, process, request, created)"
        """ VALUES ('open', 'echo', '{"inputs": {"message": "neu"}, "priority": 1}', now() - interval '5 s') RETURNING job""",
    )
    assert ended(get, f"{api}/jobs/{number}")["status"] == "successful"


def test_cut_connections_cost_no_answer(api: str, planted: City) -> None:
    """All of them at once, as by a restart of PostgreSQL: nobody who asks afterwards is told to come again.

    Unless the machine stands still for so long that the database counts as down, which it does not three times on end.
    """
    location = execute(api, "echo", {"inputs": {}}, job=True).headers["location"]
    ended(get, location)
    asked = [location, f"{api}/collections/denkmale/items?limit=1", f"{api}/collections/denkmale/items?limit=1000"] * 4
    with ThreadPoolExecutor(len(asked)) as pool:
        for _ in range(3):
            assert {answer.status_code for answer in pool.map(get, asked)} <= {200, 503}
            assert len(_cut(planted)) > 2
            found = [get(url).status_code for url in asked[:3]] + [answer.status_code for answer in pool.map(get, asked)]
            if set(found) == {200}:
                break
    assert set(found) == {200}, found


def _cut(planted: City) -> list[int]:
    """End all connections of `open`, and return when they are gone."""
    pids = one(
        planted,
        "WITH cut AS MATERIALIZED (SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'stadtgrund open' AND datname = current_database()) SELECT array_agg(pid) FROM cut",
    )
    until(lambda: not one(planted, "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", pids))
    return list(pids)


class _Store:
    """A store with one job, of which a statement is held up."""

    def __init__(self, *, hold: str) -> None:
        self.hold, self.calls = hold, list[str]()
        self.reached = asyncio.Event()
        self._left = [uuid4()]

    async def _noted(self, name: str) -> None:
        self.calls.append(name)
        if name == self.hold:
            self.reached.set()
            await asyncio.sleep(0.2 if name == "take" else 3600)

    async def candidates(self) -> list[Candidate]:
        return [Candidate(job, None, None) for job in self._left]

    async def take(self, job: UUID) -> Taken:
        self._left.clear()
        await self._noted("take")  # done in the database; the answer is on its way
        return Taken(job, 1, 1, datetime.now(UTC), "echo", None, {"inputs": {}})

    async def sign(self, _: Any) -> bool:
        await self._noted("sign")
        return True

    async def give_back(self, _: Any, **__: Any) -> None:
        await self._noted("give_back")

    async def succeed(self, *_: Any) -> bool:
        await self._noted("succeed")
        return True

    async def expire(self) -> None:
        await self._noted("expire")

    async def close(self) -> None:
        """It holds nothing."""


@pytest.mark.parametrize("hold", ["take", "succeed"])
def test_a_server_that_ends_gives_its_job_back(hold: str) -> None:
    """Also in the very moment when it takes it, and while its answer is being written."""

    async def ends() -> list[str]:
        store = _Store(hold=hold)

        async def run(*_: Any) -> Answer:
            return Answer("application/json", {})

        runner = Runner("open", store, run)  # type: ignore[arg-type]
        runner.wake()
        async with asyncio.timeout(5):
            await store.reached.wait()
            await runner.close()
        return store.calls

    assert asyncio.run(ends())[-1] == "give_back"


class _Queue(_Store):
    """A store with jobs of several askers, one of whom has a new one as soon as his last is done."""

    def __init__(self, askers: list[str], busy: str) -> None:
        super().__init__(hold="")
        self.waiting = {uuid4(): asker for asker in askers}
        self.busy = busy
        self.served: list[str] = []

    async def candidates(self) -> list[Candidate]:
        oldest = {asker: job for job, asker in reversed(self.waiting.items())}
        return [Candidate(job, asker, None) for asker, job in oldest.items()]

    async def take(self, job: UUID) -> Taken:
        asker = self.waiting.pop(job)
        self.served.append(asker)
        if asker == self.busy and len(self.served) < 12:
            self.waiting[uuid4()] = asker
        return Taken(job, 1, 1, datetime.now(UTC), "echo", asker, {"inputs": {}})


def test_askers_have_their_turns() -> None:
    """Nobody waits behind a hundred jobs of another, nor for ever behind one who always has a new one."""

    async def served() -> list[str]:
        store = _Queue(["viele"] * 5 + ["eifrig", "geduldig"], "eifrig")

        async def run(*_: Any) -> Answer:
            return Answer("application/json", {})

        runner = Runner("open", store, run)  # type: ignore[arg-type]
        while await runner._next():
            pass
        return store.served

    order = asyncio.run(served())
    assert set(order[:3]) == {"viele", "eifrig", "geduldig"} and order.count("viele") == 5
    assert all({"viele", "eifrig"} == set(order[at : at + 2]) for at in range(3, 11, 2)), order
