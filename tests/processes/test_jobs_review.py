"""A hostile review of jobs, echo and references: each test shows what goes wrong, and holds when it is mended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import psycopg
import pytest
from support.jobs import ended
from support.planted import KEY
from support.served import City, free_port

from server.job_runner import Runner
from server.job_store import JobStore

KEYED = {"x-api-key": KEY}


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=60, trust_env=False)


def keyed(url: str) -> httpx.Response:
    return get(url, **KEYED)


def post(url: str, body: Any, *, job: bool = False, key: bool = False) -> httpx.Response:
    headers = {"content-type": "application/json", **({"prefer": "respond-async"} if job else {}), **(KEYED if key else {})}
    content = body if isinstance(body, bytes) else None
    return httpx.post(url, content=content, json=None if content is not None else body, headers=headers, timeout=120, trust_env=False)


def one(planted: City, statement: str, *values: Any) -> Any:
    with psycopg.connect(planted.environment["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


def an_item(api: str, collection: str = "denkmale") -> tuple[str, bytes]:
    first = get(f"{api}/collections/{collection}/items?limit=1&f=json").json()["features"][0]["id"]
    address = f"{api}/collections/{collection}/items/{first}"
    return address, get(address, accept="application/geo+json").content


def test_one_request_of_many_numbers_does_not_stop_the_server(api: str) -> None:
    """jsonschema looks at each of half a million numbers in the event loop: nobody else is answered meanwhile."""
    body = b'{"inputs":{"numbers":[' + b",".join([b"1"] * 500_000) + b"]}}"
    assert len(body) < 1024 * 1024
    get(f"{api}/conformance?f=json")
    slowest, done = 0.0, threading.Event()

    def look() -> None:
        nonlocal slowest
        while not done.is_set():
            began = time.monotonic()
            get(f"{api}/conformance?f=json")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        time.sleep(0.2)
        post(f"{api}/processes/echo/execution", body)
        done.set()
        looking.result()
    assert slowest < 1, f"another request waited {slowest:.1f} s"


def test_references_do_not_multiply_a_request(api: str, planted: City) -> None:
    """A body of 300 kB names one item 3000 times: each is read from the database, parsed, and all of it is kept with the job."""
    address, item = an_item(api)
    body = {"inputs": {"message": [{"href": address}] * 3000}}
    began = time.monotonic()
    answer = post(f"{api}/processes/echo/execution", body, job=True)
    took = time.monotonic() - began
    if answer.status_code == 201:
        time.sleep(0.5)
        ended(get, answer.headers["location"])
    # The same without a job: nothing of it is of the schema, and still all were read first.
    began = time.monotonic()
    assert post(f"{api}/processes/echo/execution", body).status_code == 400
    waited = time.monotonic() - began
    assert answer.status_code in (400, 413), f"{3000 * len(item)} bytes were read for one request in {took:.1f} s"
    assert waited < 1, f"{waited:.1f} s until the refusal"


def test_what_is_kept_with_a_job_is_no_larger_than_a_body(api: str, planted: City) -> None:
    address, item = an_item(api)
    # Others are in front of it, so that it is still waiting when we look.
    blocking = [post(f"{api}/processes/echo/execution", {"inputs": {"pause": 5}}, job=True, key=True) for _ in range(1)]
    answer = post(f"{api}/processes/echo/execution", {"inputs": {"message": [{"href": address}] * 3000}}, job=True, key=True)
    try:
        if answer.status_code == 201:
            number = answer.json()["jobID"]
            size = one(planted, "SELECT octet_length(request::text) FROM meta.job WHERE job = %s", number)
            assert size is None or size <= 1024 * 1024, f"{size} bytes of a request of {3000 * (len(address) + 12)}"
    finally:
        for made in (*blocking, answer):
            if made.status_code == 201:
                httpx.delete(made.headers["location"], headers=KEYED, trust_env=False)


def test_depth_is_that_of_the_json_and_not_of_its_texts(api: str) -> None:
    """Closing brackets in a text make room for as many open ones: the parser recurses all the same."""
    deep = 200_000
    body = b'{"inputs":{"message":"' + b"]" * deep + b'","content":' + b"[" * deep + b"]" * deep + b"}}"
    answer = post(f"{api}/processes/echo/execution", body)
    assert answer.status_code == 400, (answer.status_code, answer.text[:200])
    texts = post(f"{api}/processes/echo/execution", {"inputs": {"message": "[" * 41}})
    assert texts.status_code == 200, texts.text  # and a text may hold as many as it likes


@pytest.mark.parametrize("job", [False, True])
def test_a_number_that_is_no_number_of_json(api: str, job: bool) -> None:
    """1e999 becomes infinity, which no answer can say."""
    answer = post(f"{api}/processes/echo/execution", b'{"inputs":{"content":{"a":1e999}}}', job=job)
    assert answer.status_code == 400 and "content" in answer.text or "JSON" in answer.text, (answer.status_code, answer.text)
    assert answer.status_code != 500


def test_the_next_page_of_jobs_can_be_followed(api: str) -> None:
    for _ in range(2):
        ended(keyed, post(f"{api}/processes/echo/execution", {"inputs": {}}, job=True, key=True).headers["location"])
    page = keyed(f"{api}/jobs?f=html&limit=1&lang=de").text
    before, _, _ = page.partition("Nächste Seite</a>")
    href = before.rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    answer = keyed(href)
    assert answer.status_code == 200, (href, answer.text[:300])


def test_a_request_that_is_refused_makes_no_job(api: str) -> None:
    before = {job["jobID"] for job in keyed(f"{api}/jobs?limit=1000").json()["jobs"]}
    refused = post(f"{api}/processes/echo/execution?lang=fr", {"inputs": {}}, job=True, key=True)
    after = {job["jobID"] for job in keyed(f"{api}/jobs?limit=1000").json()["jobs"]}
    assert refused.status_code == 201 or after == before, "refused with 400, and made all the same: nobody knows its address"


def test_a_refused_removal_removes_nothing(api: str) -> None:
    location = post(f"{api}/processes/echo/execution", {"inputs": {}}, job=True).headers["location"]
    ended(get, location)
    refused = httpx.delete(f"{location}?lang=fr", trust_env=False)
    assert refused.status_code == 200 or get(location).status_code == 200, "400, and the job is gone"


def test_a_job_waits_where_a_request_would_be_told_to_come_again(api: str) -> None:
    """Busy is for who waits. Of a job it makes a failure for ever, although nobody would mind a minute."""
    with ThreadPoolExecutor(8) as pool:
        pausing = [pool.submit(post, f"{api}/processes/echo/execution", {"inputs": {"pause": 4}}) for _ in range(8)]
        time.sleep(1)
        location = post(f"{api}/processes/echo/execution", {"inputs": {"pause": 0.1}}, job=True).headers["location"]
        status = ended(get, location, 30)
        for each in pausing:
            each.result()
    assert status["status"] == "successful", status["message"]


@pytest.fixture
def own(planted: City, tmp_path: Path) -> Any:
    """A server of the test's own, of which the test knows the process: (address, process, log)."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "serve"], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    get(f"{url}/?f=json")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield url, process, log
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


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
    connection.execute("LOCK TABLE meta.state IN SHARE MODE")  # readers go on
    name = connection.execute(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname = 'rel' AND c.relname LIKE '%%baustellen%%' LIMIT 1"
    ).fetchone()
    assert name
    connection.rollback()
    connection.execute(f"LOCK TABLE {name[0]} IN ACCESS EXCLUSIVE MODE")
    return connection


def test_the_end_of_the_whole_group_fails_no_job(own: Any, planted: City, api: str) -> None:
    """systemd, docker and Ctrl-C signal all processes at once: the child ends first, and its job is kept as failed for good."""
    url, process, _ = own
    with _held(planted) as connection:
        answer = post(f"{url}/processes/construction_overlay/execution", {"inputs": {"baustelle": "P"}}, job=True)
        number = answer.json()["jobID"]
        end = time.monotonic() + 20
        while not _children(process.pid) or one(planted, "SELECT status FROM meta.job WHERE job = %s", number) != "running":
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(3)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        status = one(planted, "SELECT status FROM meta.job WHERE job = %s", number)
        connection.rollback()
    assert status in ("accepted", "running"), f"{status}: {one(planted, 'SELECT problem::text FROM meta.job WHERE job = %s', number)}"


def test_the_child_of_a_dismissed_check_is_ended(own: Any, planted: City) -> None:
    url, process, _ = own
    with _held(planted) as connection:
        location = post(f"{url}/processes/construction_overlay/execution", {"inputs": {"baustelle": "P"}}, job=True).headers["location"]
        end = time.monotonic() + 20
        while not _children(process.pid):
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(3)
        assert httpx.delete(location, trust_env=False).status_code == 200
        time.sleep(3)
        left = _children(process.pid)
        connection.rollback()
    assert not left


def test_jobs_of_the_administration_are_run_and_removed_after_a_restart(own: Any, planted: City) -> None:
    """The runner of `verwaltung` begins with the first request for a job: before, none is taken over, and confidential answers stay."""
    waiting = one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, request, created)"
        """ VALUES ('verwaltung', 'Amt', 'echo', '{"inputs": {}}', now() - interval '1 hour') RETURNING job""",
    )
    old = one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, status, finished, media_type, answer)"
        " VALUES ('verwaltung', 'Amt', 'echo', 'successful', now() - interval '25 hours', 'application/json', 'geheim') RETURNING job",
    )
    url, _, _ = own
    assert keyed(f"{url}/collections?f=json").status_code == 200
    try:
        time.sleep(8)
        status = one(planted, "SELECT status FROM meta.job WHERE job = %s", waiting)
        kept = one(planted, "SELECT count(*) FROM meta.job WHERE job = %s", old)
        assert (status, kept) == ("successful", 0)
    finally:
        one(planted, "DELETE FROM meta.job WHERE job IN (%s, %s)", waiting, old)


def test_what_is_withdrawn_is_in_no_job_that_waits(api: str, planted: City) -> None:
    """A reference is read when the job is made. What waits meanwhile keeps the item, and shows it after its collection is closed."""
    address, item = an_item(api, "schutzgebiete")
    assert b'"name"' in item
    # As if it had been made a moment ago and waited: nobody takes it before two seconds have passed.
    running = post(f"{api}/processes/echo/execution", {"inputs": {"pause": 4}}, job=True)
    answer = post(f"{api}/processes/echo/execution", {"inputs": {"place": {"href": address}}}, job=True)
    row = None
    with psycopg.connect(planted.environment["DATABASE_URL"], autocommit=True) as connection:
        try:
            row = connection.execute(
                "DELETE FROM meta.state WHERE dataset = 'schutzgebiete' AND profile = 'open' RETURNING to_json(state.*)::text"
            ).fetchone()
            assert row
            status = ended(get, answer.headers["location"], 30)
            result = get(f"{answer.headers['location']}/results")
            assert get(address).status_code == 404
        finally:
            if row:
                connection.execute("INSERT INTO meta.state SELECT * FROM json_populate_record(NULL::meta.state, %s::json)", row)
    httpx.delete(running.headers["location"], trust_env=False)
    assert "schutzgebiete" not in result.text and '"name"' not in result.text, (status["status"], result.text[:300])


def test_the_error_of_a_job_is_a_page_for_who_asks_for_one(api: str) -> None:
    location = post(f"{api}/processes/construction_overlay/execution", {"inputs": {"baustelle": "weg"}}, job=True).headers["location"]
    ended(get, location)
    url = f"{api}/processes/construction_overlay/execution"
    waited = httpx.post(url, json={"inputs": {"baustelle": "weg"}}, headers={"accept": "text/html"}, timeout=60, trust_env=False)
    kept = get(f"{location}/results", accept="text/html")
    assert waited.headers["content-type"].startswith("text/html") and waited.status_code == kept.status_code == 404
    assert kept.headers["content-type"].startswith("text/html"), kept.headers["content-type"]


def test_a_format_that_there_is_not_is_refused(api: str) -> None:
    location = post(f"{api}/processes/echo/execution", {"inputs": {}}, job=True).headers["location"]
    ended(get, location)
    assert get(f"{location}?f=quatsch").status_code == 400
    assert get(f"{location}/results?f=quatsch").status_code == 400
    assert get(f"{location}/results?f=html").headers["content-type"].startswith("text/html") or get(f"{location}/results?f=html").status_code == 400


def test_an_error_that_passes_says_when_to_come_again(api: str, planted: City) -> None:
    """What who waits is told with Retry-After, who fetches a result is told without."""
    number = one(
        planted,
        "INSERT INTO meta.job (profile, process, status, started, finished, problem) VALUES ('open', 'echo', 'failed', now(), now(),"
        """ '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"busy"}') RETURNING job""",
    )
    answer = get(f"{api}/jobs/{number}/results")
    assert answer.status_code != 503 or "retry-after" in answer.headers


def test_one_without_a_key_does_not_shut_others_out(api: str, planted: City) -> None:
    """All who have no key are one owner: a hundred small requests of one of them, and nobody else can make a job for 17 minutes."""
    one(
        planted,
        "INSERT INTO meta.job (profile, process, request)"
        """ SELECT 'open', 'echo', '{"inputs": {"pause": 10}}' FROM generate_series(1, 100)""",
    )
    try:
        assert post(f"{api}/processes/echo/execution", {"inputs": {}}, job=True).status_code in (201, 503)
        waiting = one(planted, "SELECT count(*) FROM meta.job WHERE owner IS NULL AND status = 'accepted'")
        other = post(f"{api}/processes/construction_overlay/execution", {"inputs": {"baustelle": "P"}}, job=True)
        assert other.status_code == 201, f"{waiting} jobs of 10 s each are in front"
    finally:
        one(planted, "DELETE FROM meta.job WHERE owner IS NULL")


def test_a_thousand_kept_jobs_of_one_do_not_shut_others_out(api: str, planted: City) -> None:
    """Each done in a millisecond, and all kept for ten minutes at least."""
    one(
        planted,
        "INSERT INTO meta.job (profile, process, status, started, finished, media_type, answer)"
        " SELECT 'open', 'echo', 'successful', now(), now(), 'application/json', '{}' FROM generate_series(1, 1000)",
    )
    try:
        assert post(f"{api}/processes/echo/execution", {"inputs": {}}, job=True).status_code == 201
    finally:
        one(planted, "DELETE FROM meta.job WHERE owner IS NULL")


def test_who_removes_his_jobs_is_not_always_first(planted: City) -> None:
    """The turn of an owner is told by his jobs that are still there; who dismisses them has always waited longest."""
    one(planted, "DELETE FROM meta.job WHERE profile = 'verwaltung'")
    one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, status, started, finished, media_type, answer) VALUES"
        " ('verwaltung', 'geduldig', 'echo', 'successful', now() - interval '20 hours', now() - interval '20 hours', 'application/json', '{}')",
    )
    one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, request, created) VALUES"
        """ ('verwaltung', 'geduldig', 'echo', '{"inputs": {"message": "b"}}', now() - interval '1 hour'),"""
        """ ('verwaltung', 'räumt auf', 'echo', '{"inputs": {"message": "1"}}', now() - interval '1 minute'),"""
        """ ('verwaltung', 'räumt auf', 'echo', '{"inputs": {"message": "2"}}', now() - interval '1 minute'),"""
        """ ('verwaltung', 'räumt auf', 'echo', '{"inputs": {"message": "3"}}', now() - interval '1 minute')""",
    )

    async def turns() -> list[str | None]:
        store = JobStore("verwaltung", planted.db.pool("verwaltung", 1, kept=False, writes=True))
        found = []
        try:
            for _ in range(3):
                taken = await store.take()
                assert taken
                await store.succeed(taken, "application/json", b"{}")
                found.append(taken.owner)
                await store.dismiss(taken.job, taken.owner)
            return found
        finally:
            await store.close()

    try:
        assert "geduldig" in asyncio.run(turns())
    finally:
        one(planted, "DELETE FROM meta.job WHERE profile = 'verwaltung'")


class _Store:
    """A store whose statements the test holds up."""

    def __init__(self, *, hold: str) -> None:
        self.hold, self.calls = hold, list[str]()
        self.reached = asyncio.Event()
        self._left = 1

    async def _noted(self, name: str) -> None:
        self.calls.append(name)
        if name == self.hold:
            self.reached.set()
            await asyncio.sleep(3600)

    async def take(self) -> Any:
        if not self._left:
            return None
        self._left -= 1
        from server.job_store import Taken

        values: dict[str, Any] = {"job": uuid4(), "turn": 1, "tries": 1, "process": "echo", "owner": None, "request": {"inputs": {}}}
        taken = Taken(**{name: values[name] for name in Taken.__dataclass_fields__})
        if self.hold == "take":  # done in the database; the answer is on its way
            await self._noted("take")
        return taken

    async def sign(self, _: Any) -> bool:
        await self._noted("sign")
        return True

    async def give_back(self, _: Any) -> None:
        await self._noted("give_back")

    async def succeed(self, *_: Any) -> None:
        await self._noted("succeed")

    async def fail(self, *_: Any) -> None:
        await self._noted("fail")

    async def expire(self) -> None:
        pass

    async def close(self) -> None:
        pass


def test_a_server_that_ends_while_it_writes_an_answer_gives_the_job_back() -> None:
    """Otherwise it is one of the two deaths that a job survives, and fifteen seconds are lost, although the server ended in order."""
    from processes.workers import Answer

    async def ends() -> list[str]:
        store = _Store(hold="succeed")

        async def run(*_: Any) -> Answer:
            return Answer("application/json", {})

        class _Profile:
            name = "open"

        runner = Runner(_Profile(), store, run)  # type: ignore[arg-type]
        runner.start()
        runner.wake()
        async with asyncio.timeout(5):
            await store.reached.wait()
            await runner.close()
        return store.calls

    assert asyncio.run(ends())[-1] == "give_back"


def test_a_preference_is_not_found_in_the_text_of_another(api: str) -> None:
    answer = httpx.post(
        f"{api}/processes/echo/execution", json={"inputs": {}}, headers={"prefer": 'note="later, respond-async"'}, trust_env=False
    )
    assert answer.status_code == 200


def test_references_say_nothing_of_the_database(api: str) -> None:
    for tail in ("%00", "%FF", "%zz", "1%0A2", "a" * 70_000):
        href = f"{api}/collections/denkmale/items/{tail}"
        answer = post(f"{api}/processes/echo/execution", {"inputs": {"place": {"href": href}}})
        assert answer.status_code == 400, (tail[:10], answer.status_code, answer.text[:300])
        assert "PostgreSQL" not in answer.text and "psycopg" not in answer.text, answer.text


@pytest.mark.parametrize(
    "tail",
    [
        "/collections/leitungen/items/L1",
        "/collections/baeume%2F..%2Fleitungen/items/1",
        "/collections/../jobs/items/x",
        "/collections/x/items/../../../jobs",
        "/collections/x%2Fitems%2F..%2F..%2F..%2Fjobs%3F/items/y",
        "/collections/denkmale%2Ffiles%2Fdenkmale.gpkg%3F/items/y",
        "/collections//items/x",
        "@example.org/collections/a/items/b",
        "/collections/denkmale/items?limit=1#/items/x",
    ],
)
def test_what_a_reference_may_not_reach(api: str, tail: str) -> None:
    for base in (api, api.replace("127.0.0.1", "127.0.0.1@127.0.0.1"), f"{api}0", api.replace("http", "HTTP")):
        answer = post(f"{api}/processes/echo/execution", {"inputs": {"place": {"href": base + tail}}})
        assert answer.status_code == 400, (base + tail, unquote(tail), answer.status_code, answer.text[:200])


def test_times_at_the_edges(api: str) -> None:
    for moment in ("0001-01-01", "9999-12-31", "../9999-12-31", "0001-01-01/..", "2024-06-01T00:00:60Z", "2020-01-01/P1Y"):
        answer = keyed(f"{api}/jobs?datetime={moment}")
        assert answer.status_code in (200, 400), (moment, answer.status_code, answer.text)


def test_a_request_of_another_version_is_not_lost(planted: City, api: str) -> None:
    """During an update, a server of the older code takes what a newer one was asked: a member that it does not know fails the job for good."""
    number = one(
        planted,
        "INSERT INTO meta.job (profile, process, request, created)"
        """ VALUES ('open', 'echo', '{"inputs": {"message": "neu"}, "priority": 1}', now() - interval '5 s') RETURNING job""",
    )
    assert ended(get, f"{api}/jobs/{number}")["status"] == "successful"
