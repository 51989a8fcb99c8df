"""OGC API - Processes Part 1 (18-062r2, Annex A): jobs of core, job-list and dismiss, by the ids of the abstract tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from conformance.data import KEY
from conformance.process_requests import (
    BASE,
    INPUTS,
    JOB_LIST,
    JSON,
    NOBODY,
    OGC,
    OUTPUTS,
    RESULTS,
    WRONG,
    ask,
    begun,
    description,
    document,
    end,
    exception_of,
    execute,
    formats,
    made,
    moment,
    parameters_of,
    rels,
    removed,
    same,
    status_of,
    valid,
)
from support.client import Client

pytestmark = pytest.mark.usefixtures("own_jobs")


def test_async(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-success-async, job-creation-success-header: 201, the address of the job, its status."""
    response = execute(fuzzed, process, {"inputs": INPUTS[process]}, prefer="respond-async")
    assert response.status_code == 201 and response.headers["content-type"] == "application/json"
    status = status_of(response.json())
    assert status["status"] in ("accepted", "running", "successful") and status["processID"] == process
    assert response.headers["location"] == f"{BASE}/jobs/{status['jobID']}"
    assert end(fuzzed, response.headers["location"])["jobID"] == status["jobID"]


def test_job(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-op, job-success: how far it is, with its times; the links of /rec/core/job-status."""
    address = made(fuzzed, process, INPUTS[process])
    response = ask(fuzzed, address)
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    assert status_of(response.json())["processID"] == process
    status = status_of(end(fuzzed, address))
    assert (status["status"], status["progress"], status["type"]) == ("successful", 100, "process")
    assert status.keys() >= {"created", "started", "finished", "updated"} and f"{BASE}/jobs/{status['jobID']}" == address
    (own,) = rels(status, "self")
    assert document(fuzzed, own) == status
    (results,) = rels(status, f"{OGC}results")
    assert ask(fuzzed, results).status_code == 200


def test_no_such_job(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-exception-no-such-job, job-results-exception-no-such-job: 404 of this type."""
    for name in (NOBODY, "gibtesnicht"):
        for response in (ask(fuzzed, f"/jobs/{name}"), ask(fuzzed, f"/jobs/{name}/results"), removed(fuzzed, f"/jobs/{name}")):
            exception_of(response, 404, "no-such-job")


def test_results_raw(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results, job-results-success, job-results-async-raw-value-one: as who waits for it gets it."""
    name = OUTPUTS[process]
    for media_type in formats(description(fuzzed, process)["outputs"][name]):
        body = {"inputs": INPUTS[process], "outputs": {name: {"format": {"mediaType": media_type}}}}
        waited = execute(fuzzed, process, body)
        address = made(fuzzed, process, body["inputs"], outputs=body["outputs"])
        assert end(fuzzed, address)["status"] == "successful"
        result = ask(fuzzed, f"{address}/results")
        assert result.status_code == waited.status_code == 200
        assert result.headers["content-type"] == waited.headers["content-type"] and result.headers["content-type"].startswith(media_type)
        assert "<html" in result.text if media_type == "text/html" else same(process, result.json(), waited.json())


def test_results_of_other_kinds(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results-async-raw-value-multi, -raw-ref, -raw-mixed-multi: refused before there is a job."""
    count = len(document(fuzzed, "/jobs?limit=1000")["jobs"])
    wanted = {OUTPUTS[process]: {"transmissionMode": "reference"}}
    refused = execute(fuzzed, process, {"inputs": INPUTS[process], "outputs": wanted}, prefer="respond-async")
    assert "transmissionMode" in exception_of(refused, 400)["parameter"]
    assert len(document(fuzzed, "/jobs?limit=1000")["jobs"]) == count


def test_results_document(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results-async-document: the document that who waits for it gets."""
    raw = execute(fuzzed, process, {"inputs": INPUTS[process]}).json()
    address = made(fuzzed, process, INPUTS[process], response="document")
    assert end(fuzzed, address)["status"] == "successful"
    result = ask(fuzzed, f"{address}/results")
    assert result.status_code == 200 and result.headers["content-type"] == "application/json"
    found = valid(RESULTS, result.json())
    assert list(found) == [OUTPUTS[process]] and same(process, found[OUTPUTS[process]]["value"], raw)


def test_results_of_what_was_waited_for(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results-success-sync: who waits makes no job, so none is linked (`monitor`) and none listed."""
    count = len(document(fuzzed, "/jobs?limit=1000")["jobs"])
    response = execute(fuzzed, process, {"inputs": INPUTS[process]})
    assert response.status_code == 200 and "monitor" not in response.headers.get("link", "")
    assert len(document(fuzzed, "/jobs?limit=1000")["jobs"]) == count


def test_results_not_ready(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-results-exception-results-not-ready: 404 of this type, while it waits and while it runs."""
    running, waiting = made(fuzzed, "echo", {"pause": 5}), made(fuzzed, "echo", {"pause": 5})
    seen = set()
    for address in (running, waiting):
        exception_of(ask(fuzzed, f"{address}/results"), 404, "result-not-ready")
        status = status_of(document(fuzzed, address))
        assert "finished" not in status and not rels(status, f"{OGC}results")
        seen.add(status["status"])
    assert seen <= {"accepted", "running"}
    assert {removed(fuzzed, address).status_code for address in (running, waiting)} == {200}


def test_results_failed(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results-failed: the status code of what went wrong, and an exception that tells it."""
    address = made(fuzzed, process, WRONG[process])
    status = status_of(end(fuzzed, address))
    assert status["status"] == "failed" and not rels(status, f"{OGC}results")
    found = exception_of(ask(fuzzed, f"{address}/results"), 400)
    assert found["detail"] == status["message"] and found["parameter"] == list(WRONG[process])[-1]


def test_type_of_what_failed(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-results-failed: the type of the exception says why, as for an input that is wrong; "about:blank" does not."""
    address = made(fuzzed, process, WRONG[process])
    end(fuzzed, address)
    found = exception_of(ask(fuzzed, f"{address}/results"), 400)
    assert found["type"] != "about:blank"


def listed(client: Client, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = valid(JOB_LIST, document(client, f"/jobs?limit=1000&{query}"))["jobs"]
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [job["jobID"] for job in found]


def test_job_list(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/job-list-op, job-list-success: the status of each; /rec/job-list/access: of the caller alone."""
    response = ask(fuzzed, "/jobs?limit=1000")
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    found = valid(JOB_LIST, response.json())["jobs"]
    assert [each for each in found if each["jobID"] in ids(jobs)] == jobs
    for each in found:
        assert status_of(each) == document(fuzzed, f"/jobs/{each['jobID']}")
    assert fuzzed.json("/jobs", headers=JSON)["jobs"] == []


def test_job_list_with_process_ids(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/processID-mandatory: each status says of which process, in the list and by itself."""
    for each in listed(fuzzed, "f=json"):
        assert each["processID"] in OUTPUTS and document(fuzzed, f"/jobs/{each['jobID']}")["processID"] == each["processID"]


@pytest.mark.parametrize("path", ["/jobs", "/jobs?limit=2", "/jobs?limit=2&status=successful"])
def test_job_list_links(fuzzed: Client, jobs: list[dict[str, Any]], path: str) -> None:
    """18-062r2 /conf/job-list/links: to this very document, and to its other form."""
    found = document(fuzzed, path)
    (own,), (page,) = rels(found, "self"), rels(found, "alternate", "text/html")
    again = document(fuzzed, own)
    assert again["jobs"] == found["jobs"] and rels(again, "self") == [own]
    response = fuzzed.get(page, key=KEY)
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/html")
    shown = [each for each in ids(listed(fuzzed, "f=json")) if each in response.text]
    assert shown == ids(found["jobs"])


@pytest.mark.parametrize("name", ["type", "processID", "status"])
def test_job_list_definition_of_lists(fuzzed: Client, name: str) -> None:
    """18-062r2 /conf/job-list/type-definition, processID-definition, status-definition: a list of texts in the query."""
    found = parameters_of(fuzzed, "/jobs")[name]
    assert (found["in"], found["required"]) == ("query", False)
    assert found["schema"]["type"] == "array" and found["schema"]["items"]["type"] == "string"


def test_job_list_definition_of_datetime(fuzzed: Client) -> None:
    """18-062r2 /conf/job-list/datetime-definition: a text in the query; an instant, or an interval that may be open at one end."""
    found = parameters_of(fuzzed, "/jobs")["datetime"]
    assert (found["in"], found["required"], found["schema"]["type"]) == ("query", False, "string")
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00+01:00"
    for text in (early, f"{early}/{late}", f"../{early}", f"/{early}", f"{early}/..", f"{early}/"):
        assert ask(fuzzed, f"/jobs?datetime={quote(text)}").status_code == 200, text
    for text in ("gestern", "2026-13-01T00:00:00Z", f"{late}/{early}", f"{early}/{early}/{early}", ""):
        assert exception_of(ask(fuzzed, f"/jobs?datetime={quote(text)}"), 400)["parameter"] == "datetime", text


@pytest.mark.parametrize("name", ["minDuration", "maxDuration"])
def test_job_list_definition_of_durations(fuzzed: Client, name: str) -> None:
    """18-062r2 /conf/job-list/duration-definition: whole seconds in the query."""
    found = parameters_of(fuzzed, "/jobs")[name]
    assert (found["in"], found["required"]) == ("query", False)
    for value in ("-1", "lang", "nan", ""):
        assert exception_of(ask(fuzzed, f"/jobs?{name}={value}"), 400)["parameter"] == name
    schema = found["schema"]["items"] if found["schema"]["type"] == "array" else found["schema"]  # 1.0 has a list, later texts one number
    assert schema["type"] == "integer"


def test_job_list_definition_of_limit(fuzzed: Client) -> None:
    """18-062r2 /conf/job-list/limit-definition: a whole number of the query; the numbers may be a server's own."""
    limit = parameters_of(fuzzed, "/jobs")["limit"]
    assert (limit["in"], limit["required"], limit["schema"]["type"]) == ("query", False, "integer")
    assert 1 == limit["schema"]["minimum"] <= limit["schema"]["default"] <= limit["schema"]["maximum"]


def test_job_list_by_type(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/type-response: all are of processes; another kind there is not."""
    assert ids(listed(fuzzed, "type=process")) == ids(listed(fuzzed, "f=json"))
    assert {job["type"] for job in jobs} == {"process"}
    assert exception_of(ask(fuzzed, "/jobs?type=wps"), 400)["parameter"] == "type"


@pytest.mark.parametrize("chosen", [("echo",), ("construction_overlay",), ("echo", "construction_overlay")])
def test_job_list_by_process(fuzzed: Client, jobs: list[dict[str, Any]], chosen: tuple[str, ...]) -> None:
    """18-062r2 /conf/job-list/processID-response: those of one of the processes."""
    everything = listed(fuzzed, "f=json")
    found = listed(fuzzed, f"processID={','.join(chosen)}")
    assert {job["processID"] for job in found} == set(chosen)
    assert ids(found) == [job["jobID"] for job in everything if job["processID"] in chosen]


@pytest.mark.parametrize(
    ("name", "values"),
    [("status", ("failed", "successful")), ("processID", ("echo", "construction_overlay")), ("type", ("process", "process"))],
)
def test_job_list_with_a_parameter_given_twice(fuzzed: Client, jobs: list[dict[str, Any]], name: str, values: tuple[str, ...]) -> None:
    """18-062r2 /conf/job-list/type-definition, processID-definition, status-definition: neither style nor explode is stated.

    By OpenAPI each value of the list is then a parameter of its own.
    """
    everything = [job["jobID"] for job in listed(fuzzed, "f=json") if job[name] in values]
    assert ids(listed(fuzzed, "&".join(f"{name}={value}" for value in values))) == everything


@pytest.mark.parametrize("chosen", [("successful",), ("failed",), ("failed", "successful"), ("accepted", "running"), ("dismissed",)])
def test_job_list_by_status(fuzzed: Client, jobs: list[dict[str, Any]], chosen: tuple[str, ...]) -> None:
    """18-062r2 /conf/job-list/status-response: those in one of the states."""
    expected = [job["jobID"] for job in listed(fuzzed, "f=json") if job["status"] in chosen]
    assert ids(listed(fuzzed, f"status={','.join(chosen)}")) == expected
    assert bool(expected) == ("successful" in chosen or "failed" in chosen)
    assert exception_of(ask(fuzzed, "/jobs?status=weg"), 400)["parameter"] == "status"


def test_job_list_by_time(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/datetime-response: those made in that time, its ends among it; one by the instant that it tells itself."""
    everything = listed(fuzzed, "f=json")
    times = {job["jobID"]: moment(job["created"]) for job in everything}
    early, late = jobs[-2]["created"], jobs[2]["created"]

    def between(first: str | None, last: str | None) -> list[str]:
        return [
            name
            for name, made_at in times.items()
            if (first is None or made_at >= moment(first)) and (last is None or made_at <= moment(last))
        ]

    for text, expected in (
        (f"{early}/{late}", between(early, late)),
        (f"{early}/..", between(early, None)),
        (f"{early}/", between(early, None)),
        (f"../{late}", between(None, late)),
        (f"/{late}", between(None, late)),
        (late, between(late, late)),
        ("2001-01-01T00:00:00Z/2001-01-02T00:00:00Z", []),
    ):
        assert ids(listed(fuzzed, f"datetime={quote(text)}")) == expected, text
    assert jobs[2]["jobID"] in between(late, late) and 0 < len(between(early, late)) < len(everything)


def test_job_list_by_duration(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/duration-response: from the start to the end; both bounds at once; with a state, of that state."""
    everything = listed(fuzzed, "f=json")
    took = {job["jobID"]: moment(job["finished"]) - moment(job["started"]) for job in everything}
    second = timedelta(seconds=1)
    assert max(took.values()) > second > min(took.values())
    for query, expected in (
        ("minDuration=1", [name for name, taken in took.items() if taken >= second]),
        ("maxDuration=1", [name for name, taken in took.items() if taken <= second]),
        ("minDuration=0&maxDuration=1", [name for name, taken in took.items() if taken <= second]),
        ("minDuration=1&status=failed", [job["jobID"] for job in everything if job["status"] == "failed" and took[job["jobID"]] >= second]),
        ("minDuration=0", list(took)),
        ("minDuration=3600", []),
        ("minDuration=2&maxDuration=1", []),
    ):
        assert ids(listed(fuzzed, query)) == expected, query


def test_job_list_by_duration_of_what_has_not_ended(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/duration-response: what runs has taken the time till now; what waits has none."""
    running, waiting = (made(fuzzed, "echo", {"pause": 5}).rpartition("/")[2] for _ in range(2))
    begun(fuzzed, f"/jobs/{running}")
    assert document(fuzzed, f"/jobs/{waiting}")["status"] == "accepted"
    for query in ("minDuration=0", "maxDuration=30", "minDuration=0&status=running,accepted"):
        found = ids(listed(fuzzed, query))
        assert running in found and waiting not in found, query
    assert listed(fuzzed, "status=accepted&minDuration=0") == [] and ids(listed(fuzzed, "status=accepted")) == [waiting]
    assert running not in ids(listed(fuzzed, "minDuration=60"))
    assert {removed(fuzzed, f"/jobs/{name}").status_code for name in (waiting, running)} == {200}


def test_job_list_limit(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/job-list/limit-response: no more than asked for; /rec/job-list/next-1: the pages hold each job once."""
    everything = ids(listed(fuzzed, "f=json"))
    for limit in (1, 3):
        seen: list[str] = []
        href: str | None = f"/jobs?limit={limit}"
        while href:
            found = valid(JOB_LIST, document(fuzzed, href))
            assert 0 < len(found["jobs"]) <= limit
            seen += ids(found["jobs"])
            href = next(iter(rels(found, "next")), None)
        assert seen == everything
    for wrong in ("0", "-1", "1.5", "viele", ""):
        assert exception_of(ask(fuzzed, f"/jobs?limit={wrong}"), 400)["parameter"] == "limit"


@pytest.mark.parametrize("inputs", [{"message": "zu Ende"}, WRONG["echo"]], ids=["successful", "failed"])
def test_dismiss(fuzzed: Client, inputs: Any) -> None:
    """18-062r2 /conf/dismiss/job-dismiss-op, job-dismiss-success: 200 with the status "dismissed"; then it is gone with its results."""
    assert "dismiss" in description(fuzzed, "echo")["jobControlOptions"]
    address = made(fuzzed, "echo", inputs)
    end(fuzzed, address)
    response = removed(fuzzed, address)
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    status = status_of(response.json())
    assert (status["status"], status["jobID"], status["processID"]) == ("dismissed", address.rpartition("/")[2], "echo")
    for gone in (ask(fuzzed, address), ask(fuzzed, f"{address}/results"), removed(fuzzed, address)):
        exception_of(gone, 404, "no-such-job")
    assert status["jobID"] not in ids(listed(fuzzed, "f=json"))


def test_dismiss_what_runs(fuzzed: Client) -> None:
    """18-062r2 /conf/dismiss/job-dismiss-success: what runs stops, the next one need not wait for its end; what waits never runs."""
    running, waiting, following = made(fuzzed, "echo", {"pause": 5}), made(fuzzed, "echo", {"pause": 5}), made(fuzzed, "echo", {})
    started = moment(begun(fuzzed, running)["started"])
    for address in (waiting, running):
        response = removed(fuzzed, address)
        assert response.status_code == 200 and status_of(response.json())["status"] == "dismissed"
    last = end(fuzzed, following)
    assert last["status"] == "successful" and moment(last["finished"]) - started < timedelta(seconds=8)
    for address in (waiting, running):
        exception_of(ask(fuzzed, address), 404, "no-such-job")
