"""Jobs over HTTP: made, asked for, fetched, removed; whose they are; what becomes of them when a server process ends."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from support.jobs import ended, settled
from support.planted import KEY
from support.served import City, free_port, running
from support.waiting import until

from server.job_store import JobStore, Taken
from stadtgrund.store import api_keys

NARROWED = (
    "UPDATE meta.state SET collection = jsonb_set(collection, '{facts,definition}', '\"andere\"')"
    " WHERE profile = 'open' AND dataset = 'baeume'"
)
EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=30, trust_env=False)


def made(api: str, process: str, inputs: Any, *, key: str | None = None, **more: Any) -> httpx.Response:
    """Ask for a job."""
    headers = {"prefer": "respond-async", **({"x-api-key": key} if key else {})}
    url = f"{api}/processes/{process}/execution"
    return httpx.post(url, json={"inputs": inputs, **more}, headers=headers, timeout=30, trust_env=False)


def key_of(name: str) -> dict[str, str]:
    return {"x-api-key": name}


def test_a_job_from_its_making_to_its_removal(api: str) -> None:
    answer = made(api, "echo", {"message": "Grüße", "numbers": [1, 2]})
    assert answer.status_code == 201 and answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["cache-control"] == "private, no-store"
    location = answer.headers["location"]
    first = answer.json()
    assert location == f"{api}/jobs/{first['jobID']}" and (first["status"], first["processID"], first["type"]) == (
        "accepted",
        "echo",
        "process",
    )
    last = ended(get, location)
    assert last["status"] == "successful" and last["progress"] == 100 and last["created"] <= last["started"] <= last["finished"]
    (results,) = (link for link in last["links"] if link["rel"].endswith("/results"))
    result = get(results["href"])
    assert (result.status_code, result.headers["content-type"]) == (200, "application/json") == (200, results["type"])
    assert result.text == '{"message":"Grüße","numbers":[1,2]}' and result.headers["cache-control"] == "no-store"
    removed = httpx.delete(location, trust_env=False)
    assert removed.status_code == 200 and removed.json()["status"] == "dismissed"
    for address in (location, f"{location}/results"):
        gone = get(address)
        assert (gone.status_code, gone.json()["type"]) == (404, f"{EXCEPTIONS}/no-such-job")
    assert httpx.delete(location, trust_env=False).status_code == 404


def test_the_answer_of_a_job_is_that_of_who_waits(api: str) -> None:
    url = f"{api}/processes/construction_overlay/execution"
    for form, kind in (("json", "application/json"), ("html", "text/html; charset=utf-8")):
        inputs = {"baustelle": "P", "format": form}
        waited = httpx.post(url, json={"inputs": inputs}, timeout=60, trust_env=False)
        location = made(api, "construction_overlay", inputs).headers["location"]
        assert ended(get, location)["status"] == "successful"
        result = get(f"{location}/results")
        assert result.headers["content-type"] == waited.headers["content-type"] == kind
        assert result.headers.get("content-security-policy") == waited.headers.get("content-security-policy")
        if form == "json":
            assert {**result.json(), "created": ""} == {**waited.json(), "created": ""}
        else:
            assert "<h1>Prüfung eines Vorhabens</h1>" in result.text
    location = made(api, "construction_overlay", {"baustelle": "P"}, response="document").headers["location"]
    ended(get, location)
    assert get(f"{location}/results").json()["report"]["value"]["summary"]["Konflikt"] == 4


def test_a_job_that_fails_says_why_in_the_same_words(api: str) -> None:
    location = made(api, "construction_overlay", {"baustelle": "gibtesnicht"}).headers["location"]
    status = ended(get, location)
    waited = httpx.post(
        f"{api}/processes/construction_overlay/execution", json={"inputs": {"baustelle": "gibtesnicht"}}, timeout=60, trust_env=False
    )
    assert status["status"] == "failed" and status["message"] == waited.json()["detail"]
    result = get(f"{location}/results")
    assert result.status_code == waited.status_code == 404 and result.headers["content-type"] == "application/problem+json"
    assert result.json()["detail"] == status["message"]


def test_the_result_is_not_there_before_the_end(api: str) -> None:
    location = made(api, "echo", {"pause": 5}).headers["location"]
    early = get(f"{location}/results", accept="application/json")
    assert (early.status_code, early.json()["type"]) == (404, f"{EXCEPTIONS}/result-not-ready")
    assert early.headers["content-type"] == "application/json"
    status = get(location)
    assert status.json()["status"] in ("accepted", "running") and status.headers["retry-after"] == "2"
    assert [link["href"] for link in status.json()["links"] if link["rel"] == "monitor"] == [location]
    page = get(f"{location}?f=html&lang=en")
    assert 'http-equiv="refresh"' in page.text and ("The job waits." in page.text or "The job is running." in page.text)
    began = time.monotonic()
    assert httpx.delete(location, trust_env=False).json()["status"] == "dismissed"
    # The next one does not wait for the end of the pause.
    assert ended(get, made(api, "echo", {"message": "danach"}).headers["location"])["status"] == "successful"
    assert time.monotonic() - began < 4


def test_whose_a_job_is(api: str, planted: City) -> None:
    other = _another_key(planted)
    location = made(api, "construction_overlay", {"baustelle": "P"}, key=KEY).headers["location"]
    ended(lambda address: get(address, **key_of(KEY)), location)
    nobody, stranger, own = get(location), get(location, **key_of(other)), get(location, **key_of(KEY))
    assert nobody.status_code == stranger.status_code == 404 and own.status_code == 200
    for headers in ({}, key_of(other)):
        assert (
            get(f"{location}/results", **headers).status_code == httpx.delete(location, headers=headers, trust_env=False).status_code == 404
        )
    assert "H-geheim" in get(f"{location}/results", **key_of(KEY)).text
    assert own.json()["jobID"] in [job["jobID"] for job in get(f"{api}/jobs", **key_of(KEY)).json()["jobs"]]
    assert get(f"{api}/jobs", **key_of(other)).json()["jobs"] == get(f"{api}/jobs").json()["jobs"] == []
    # Nobody's is found by its address, in its profile.
    shared = made(api, "echo", {}).headers["location"]
    assert get(shared).status_code == 200 and get(shared, **key_of(KEY)).status_code == 404


def _another_key(planted: City) -> str:
    return api_keys.create(planted.db, "Nachbaramt", "verwaltung").reveal()


def test_the_list_and_its_parameters(api: str) -> None:
    for inputs in ({"message": "a"}, {"message": "b"}, {"pause": "lang"}):
        ended(lambda address: get(address, **key_of(KEY)), made(api, "echo", inputs, key=KEY).headers["location"])
    ended(lambda address: get(address, **key_of(KEY)), made(api, "construction_overlay", {"baustelle": "P"}, key=KEY).headers["location"])

    def listed(query: str) -> list[dict[str, Any]]:
        answer = get(f"{api}/jobs?{query}", **key_of(KEY))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found

    everything = listed("limit=1000")
    assert [job["created"] for job in everything] == sorted((job["created"] for job in everything), reverse=True)
    assert {job["processID"] for job in listed("processID=construction_overlay")} == {"construction_overlay"}
    assert {job["status"] for job in listed("status=failed")} == {"failed"}
    assert len(listed("status=failed,successful")) == len(everything) == len(listed("type=process")) and listed("status=dismissed") == []
    moment = everything[1]["created"]
    assert [job["created"] for job in listed(f"datetime={moment}/..&limit=1000")] == [job["created"] for job in everything[:2]]
    assert len(listed("status=failed&type=process&status=successful")) == len(everything)
    assert listed("datetime=2001-01-01") == [] and listed("minDuration=3000") == []
    assert len(listed("maxDuration=3000")) == len(everything)
    first = get(f"{api}/jobs?limit=2&status=successful", **key_of(KEY)).json()
    (more,) = (link["href"] for link in first["links"] if link["rel"] == "next")
    second = get(more, **key_of(KEY)).json()
    successful = [job["jobID"] for job in everything if job["status"] == "successful"]
    assert [job["jobID"] for page in (first, second) for job in page["jobs"]] == successful[:4]
    page = get(f"{api}/jobs?f=html", **key_of(KEY))
    assert everything[0]["jobID"] in page.text and "Aufträge" in page.text
    assert re.search(r"<td>\d\d\.\d\d\.\d{4} \d\d:\d\d(:\d\d)? (MEZ|MESZ)</td>", page.text)
    assert "eigenen Schlüssels" in get(f"{api}/jobs?f=html").text
    for query in (
        "status=weg",
        "processID=x",
        "type=x",
        "minDuration=-1",
        "minDuration=1.5",
        "maxDuration=nan",
        "datetime=gestern",
        "limit=0",
        "offset=-1",
        "x=1",
    ):
        refused = get(f"{api}/jobs?{query}", **key_of(KEY))
        assert refused.status_code == 400 and query.partition("=")[0] in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/x", 404),
        ("GET", "/jobs/0642062f-ad40-4ddd-8585-87257c659252", 404),
        ("DELETE", "/jobs/x", 404),
        ("PUT", "/jobs/x", 405),
        ("POST", "/jobs", 405),
        ("DELETE", "/jobs", 405),
        ("DELETE", "/jobs/x/results", 405),
    ],
)
def test_what_is_not_there(api: str, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, f"{api}{path}", trust_env=False)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["type"] == f"{EXCEPTIONS}/no-such-job"


def test_what_makes_no_job(api: str) -> None:
    """What can be told at once is told at once."""
    assert made(api, "quatsch", {}).json()["type"] == f"{EXCEPTIONS}/no-such-process"
    for more in ({"response": "x"}, {"outputs": {"x": {}}}, {"subscriber": {"successUri": "http://localhost/"}}):
        assert made(api, "echo", {}, **more).status_code == 400
    plain = httpx.post(
        f"{api}/processes/echo/execution", json={"inputs": {}}, headers={"prefer": "return=minimal, wait=5"}, trust_env=False
    )
    assert plain.status_code == 200 and "location" not in plain.headers
    waits = httpx.post(
        f"{api}/processes/echo/execution", json={"inputs": {}}, headers={"prefer": "wait=5, Respond-Async ;x=1"}, trust_env=False
    )
    assert waits.status_code == 201


def test_browsers_may_make_and_remove_jobs(api: str) -> None:
    asked = {"access-control-request-method": "DELETE", "origin": "https://example.org"}
    allowed = httpx.options(f"{api}/jobs/x", headers=asked, trust_env=False).headers
    assert "DELETE" in allowed["access-control-allow-methods"] and "Prefer" in allowed["access-control-allow-headers"]
    assert "Location" in made(api, "echo", {}).headers["access-control-expose-headers"]
    assert httpx.options(f"{api}/jobs/x", trust_env=False).headers["allow"] == "GET, HEAD, DELETE, OPTIONS"


def _one(planted: City, statement: str, *values: Any) -> Any:
    with psycopg.connect(planted.environment["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


def test_a_server_that_stops_gives_its_job_back(planted: City, api: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path / "log"):
        locations = [made(url, "echo", {"pause": 4, "message": str(n)}).headers["location"] for n in range(2)]
        numbers = [location.rpartition("/")[2] for location in locations]
        until(lambda: any(_one(planted, "SELECT status FROM meta.job WHERE job = %s", n) == "running" for n in numbers))
    tries = [_one(planted, "SELECT tries FROM meta.job WHERE job = %s", n) for n in numbers]
    assert set(tries) <= {0, 1}
    for number in numbers:
        assert ended(get, f"{api}/jobs/{number}")["status"] == "successful"
        assert _one(planted, "SELECT tries FROM meta.job WHERE job = %s", number) == 1
        httpx.delete(f"{api}/jobs/{number}", trust_env=False)


@pytest.mark.parametrize(("tries", "status"), [(1, "successful"), (2, "failed")])
def test_a_job_of_a_server_that_was_killed(planted: City, api: str, tries: int, status: str) -> None:
    """It is taken over when there has been no sign of life; what ends a second server is not tried a third time."""
    number = _one(
        planted,
        "INSERT INTO meta.job (profile, process, request, status, started, alive, tries)"
        """ VALUES ('open', 'echo', '{"inputs": {"message": "Waise"}}', 'running', now(), now() - interval '16 s', %s) RETURNING job""",
        tries,
    )
    last = ended(get, f"{api}/jobs/{number}")
    assert last["status"] == status
    result = get(f"{api}/jobs/{number}/results")
    assert (result.status_code, "Waise" in result.text) == ((200, True) if status == "successful" else (500, False))


def test_one_that_was_thought_dead_changes_nothing(planted: City, api: str) -> None:
    """Its lease has lapsed and another one has the job: what it writes then is not taken."""
    number = _one(
        planted,
        "INSERT INTO meta.job (profile, process, request, status, started, turn, epoch)"
        """ SELECT 'open', 'echo', '{"inputs": {}}', 'running', now(), 2, epoch FROM meta.job_epoch WHERE profile = 'open' RETURNING job""",
    )

    async def late() -> bool:
        store = JobStore("open", planted.db.pool("open", 1, kept=False, writes=True))
        taken = Taken(UUID(str(number)), 1, 1, datetime.now(UTC), "echo", None, {})
        try:
            assert not await store.succeed(taken, "application/json", b"1")
            await store.give_back(taken)
            return await store.sign(taken)
        finally:
            await store.close()

    assert asyncio.run(late()) is False
    assert _one(planted, "SELECT status || turn FROM meta.job WHERE job = %s", number) == "running2"
    assert httpx.delete(f"{api}/jobs/{number}", trust_env=False).status_code == 200


def test_jobs_go_a_day_after_their_end(planted: City, api: str) -> None:
    number = _one(
        planted,
        "INSERT INTO meta.job (profile, process, status, finished, media_type, answer, epoch) SELECT 'open', 'echo', 'successful',"
        " now() - interval '25 hours', 'application/json', '{}', epoch FROM meta.job_epoch WHERE profile = 'open' RETURNING job",
    )
    until(lambda: get(f"{api}/jobs/{number}").status_code != 200)


def test_one_who_floods_is_refused_and_others_have_their_turn(planted: City, api: str) -> None:
    flood = api_keys.create(planted.db, "Flut", "verwaltung").reveal()
    _one(
        planted,
        "INSERT INTO meta.job (profile, owner, process, request)"
        """ SELECT 'verwaltung', 'Flut', 'echo', '{"inputs": {"pause": 2}}' FROM generate_series(1, 102)""",
    )
    try:
        refused = made(api, "echo", {}, key=flood)
        assert refused.status_code == 503 and "retry-after" in refused.headers
        location = made(api, "echo", {}, key=KEY).headers["location"]
        # Behind one of them, not behind a hundred.
        assert ended(lambda address: get(address, **key_of(KEY)), location, 10)["status"] == "successful"
    finally:
        _one(planted, "DELETE FROM meta.job WHERE owner = 'Flut'")


@pytest.mark.parametrize("change", ["DELETE FROM meta.state WHERE profile = 'open' AND dataset = 'baeume'", NARROWED])
def test_what_the_public_loses_is_in_no_answer(planted: City, api: str, change: str) -> None:
    """Answers that may show what is withdrawn, or narrowed, go with it; what is being run begins anew."""
    kept = made(api, "echo", {}, key=KEY).headers["location"]
    ended(lambda address: get(address, **key_of(KEY)), kept)
    answered = made(api, "echo", {"message": "was es war"}).headers["location"]
    ended(get, answered)
    running = made(api, "echo", {"pause": 4}).headers["location"].rpartition("/")[2]
    until(lambda: _one(planted, "SELECT status FROM meta.job WHERE job = %s", running) == "running")
    before = _one(planted, "SELECT to_json(s.*)::text FROM meta.state s WHERE profile = 'open' AND dataset = 'baeume'")
    try:
        _one(planted, change)
        gone = [get(answered), get(f"{answered}/results"), httpx.delete(answered, trust_env=False)]
        assert [answer.json()["type"] for answer in gone] == [f"{EXCEPTIONS}/no-such-job"] * 3
        assert get(kept, **key_of(KEY)).json()["status"] == "successful"
    finally:
        _one(planted, "DELETE FROM meta.state WHERE profile = 'open' AND dataset = 'baeume'")
        _one(planted, "INSERT INTO meta.state SELECT * FROM json_populate_record(NULL::meta.state, %s::json)", before)
        settled(api, "baeume")
    assert ended(get, f"{api}/jobs/{running}")["status"] == "successful"
    assert _one(planted, "SELECT turn > 1 FROM meta.job WHERE job = %s", running)  # it began anew
    until(lambda: not _one(planted, "SELECT count(*) FROM meta.job WHERE job = %s", answered.rpartition("/")[2]))
