"""OGC API Processes Part 1: Core 1.0 (18-062r2, Annex A): the abstract tests, by their ids.

What the processes of the server do not offer (more than one value of an input, several outputs, results by reference) has nothing to be
run; those tests state that it is not offered, and fail on the day it is.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from conformance.data import KEY
from conformance.process_requests import (
    BASE,
    INPUTS,
    JSON,
    LINKS,
    OGC,
    OPENAPI,
    OUTPUTS,
    PROCESS,
    PROCESS_LIST,
    PROCESSES,
    RESULTS,
    ask,
    description,
    document,
    end,
    exception_of,
    execute,
    formats,
    parameters_of,
    rels,
    same,
    valid,
)
from support.client import Client

from server.conformance import CLASSES

pytestmark = pytest.mark.usefixtures("own_jobs")


def test_declared(fuzzed: Client) -> None:
    """Each class that is declared of Processes is tested here, and no other."""
    tested = {PROCESSES + name for name in ("core", "ogc-process-description", "json", "oas30", "job-list", "dismiss")}
    assert tested == {name for name in CLASSES if "/ogcapi-processes-" in name}
    assert tested <= set(document(fuzzed, "/conformance")["conformsTo"])


@pytest.mark.parametrize("path", ["/processes", "/processes/echo", "/jobs"])
def test_http(fuzzed: Client, path: str) -> None:
    """18-062r2 /conf/core/http: HTTP 1.1 as its standard has it, with its status codes."""
    got, head = ask(fuzzed, path), fuzzed.request("HEAD", path, headers={"x-api-key": KEY, **JSON})
    assert got.status_code == head.status_code == 200 and head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"] == "application/json"
    refused = fuzzed.request("PUT", path, content=b"{}")
    assert refused.status_code == 405 and refused.headers["allow"] == fuzzed.request("OPTIONS", path).headers["allow"]
    assert fuzzed.get(path, headers={"accept": "image/png"}).status_code == 406
    assert fuzzed.get(f"{path}?unbekannt=1").status_code == 400


@pytest.mark.parametrize(
    ("rel", "media_type", "path"),
    [
        ("service-desc", OPENAPI, None),
        ("service-doc", "text/html", None),
        (f"{OGC}conformance", "application/json", "/conformance"),
        (f"{OGC}processes", "application/json", "/processes"),
        (f"{OGC}job-list", "application/json", "/jobs"),  # /rec/job-list/landing-page
    ],
)
def test_landing_page(fuzzed: Client, rel: str, media_type: str, path: str | None) -> None:
    """18-062r2 /conf/core/landingpage-op, landingpage-success: links to the API definition, the declaration, the processes."""
    found = document(fuzzed, "/")
    (href,) = rels({"links": valid(LINKS, found["links"])}, rel, media_type)
    response = fuzzed.get(href, headers={"accept": media_type})
    assert response.status_code == 200 and response.headers["content-type"].startswith(media_type)
    assert path is None or href.partition("?")[0] == BASE + path


def test_api_definition(fuzzed: Client) -> None:
    """18-062r2 /conf/core/api-definition-op, api-definition-success: what each link to it leads to is of the type that it states."""
    found = document(fuzzed, "/")
    for rel in ("service-desc", "service-doc"):
        stated = [link for link in found["links"] if link["rel"] == rel]
        assert stated
        for link in stated:
            response = fuzzed.get(link["href"], headers={"accept": link["type"]})
            assert response.status_code == 200 and response.headers["content-type"].startswith(link["type"])


def test_conformance(fuzzed: Client) -> None:
    """18-062r2 /conf/core/conformance-op, conformance-success: a list of the classes, with those of Processes."""
    told = document(fuzzed, "/conformance")["conformsTo"]
    assert all(isinstance(each, str) for each in told) and len(set(told)) == len(told)
    assert {PROCESSES + name for name in ("core", "ogc-process-description", "json")} <= set(told)


def test_process_list(fuzzed: Client) -> None:
    """18-062r2 /conf/core/process-list-op, process-list-success: a summary of each process, which says what its description says."""
    found = valid(PROCESS_LIST, document(fuzzed, "/processes"))
    assert [summary["id"] for summary in found["processes"]] == list(OUTPUTS)
    for summary in found["processes"]:
        whole = description(fuzzed, summary["id"])
        assert summary.keys() >= {"version", "title", "description", "jobControlOptions", "outputTransmission", "links"}
        assert all(whole[name] == value for name, value in summary.items()) and "inputs" not in summary
        (href,) = rels(summary, "self")
        assert document(fuzzed, href) == whole


def test_process_list_limit_definition(fuzzed: Client) -> None:
    """18-062r2 /conf/core/pl-limit-definition: a whole number of the query; the numbers may be a server's own (/per/core/pl-limit-…)."""
    limit = parameters_of(fuzzed, "/processes")["limit"]
    assert (limit["in"], limit["required"], limit["style"], limit["explode"]) == ("query", False, "form", False)
    assert (
        limit["schema"]["type"] == "integer" and 1 == limit["schema"]["minimum"] <= limit["schema"]["default"] <= limit["schema"]["maximum"]
    )


def test_process_list_limit(fuzzed: Client) -> None:
    """18-062r2 /conf/core/pl-limit-response: no more summaries than asked for."""
    everything = document(fuzzed, "/processes")["processes"]
    most = parameters_of(fuzzed, "/processes")["limit"]["schema"]["maximum"]
    for limit in (1, 2, most):
        assert document(fuzzed, f"/processes?limit={limit}")["processes"] == everything[:limit]
    for wrong in ("0", "-1", "1.5", "viele", ""):
        assert exception_of(ask(fuzzed, f"/processes?limit={wrong}"), 400)["parameter"] == "limit"


@pytest.mark.parametrize("path", ["/processes", "/processes?limit=1"])
def test_process_list_links(fuzzed: Client, path: str) -> None:
    """18-062r2 /conf/core/pl-links: to this very document, and to its other form."""
    found = document(fuzzed, path)
    (own,), (page,) = rels(found, "self"), rels(found, "alternate", "text/html")
    again = document(fuzzed, own)
    assert again["processes"] == found["processes"] and rels(again, "self") == [own]
    response = fuzzed.get(page)
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/html")
    titles = [summary["title"] for summary in found["processes"]]
    assert all(title in response.text for title in titles) and ("limit" not in path or "Echo" not in response.text)


def test_process(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/process, process-success: the description of a process, in two languages of the same content."""
    found = valid(PROCESS, description(fuzzed, process))
    assert found["id"] == process and found["title"] and found["description"]
    assert found["jobControlOptions"] == ["sync-execute", "async-execute", "dismiss"] and found["outputTransmission"] == ["value"]
    assert list(found["outputs"]) == [OUTPUTS[process]]
    for each in found["inputs"].values():
        assert each["title"] and each["minOccurs"] <= each["maxOccurs"]
    (execution,) = rels(found, f"{OGC}execute")
    assert execution == f"{BASE}/processes/{process}/execution"
    (own,) = rels(found, "self")
    assert document(fuzzed, own) == found
    english = valid(PROCESS, fuzzed.json(f"/processes/{process}?lang=en", headers=JSON))
    assert english["inputs"].keys() == found["inputs"].keys() and english["description"] != found["description"]


def test_no_such_process(fuzzed: Client) -> None:
    """18-062r2 /conf/core/process-exception-no-such-process: 404 of this type, where a process is described and where it is run."""
    for response in (ask(fuzzed, "/processes/gibtesnicht"), execute(fuzzed, "gibtesnicht", {"inputs": {}})):
        exception_of(response, 404, "no-such-process")
        assert response.headers["content-type"] == "application/json"
    assert fuzzed.get("/processes/gibtesnicht").headers["content-type"] == "application/problem+json"


def test_job_creation(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-op: POST runs a process, no other method does."""
    path = f"/processes/{process}/execution"
    assert execute(fuzzed, process, {"inputs": INPUTS[process]}).status_code == 200
    for method in ("GET", "PUT", "DELETE"):
        refused = fuzzed.request(method, path)
        assert refused.status_code == 405 and "POST" in refused.headers["allow"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {}},
        {"inputs": {"message": "x"}, "outputs": {"echo": {}}},
        {"inputs": {"message": "x"}, "outputs": {"echo": {"transmissionMode": "value", "format": {"mediaType": "application/json"}}}},
        {"inputs": {"message": "x"}, "response": "raw"},
        {"inputs": {"message": "x"}, "response": "document"},
        {},
        {"response": "raw"},
    ],
    ids=json.dumps,
)
def test_job_creation_request(fuzzed: Client, body: Any) -> None:
    """18-062r2 /conf/core/job-creation-request: an object of inputs, outputs and response, of which none must be given."""
    response = execute(fuzzed, "echo", body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "inputs"),
        ("text", "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {}, "outputs": []}, "outputs"),
        ({"inputs": {}, "outputs": {"karte": {}}}, "outputs"),
        ({"inputs": {}, "response": "xml"}, "response"),
    ],
    ids=repr,
)
def test_job_creation_of_what_is_no_request(fuzzed: Client, body: Any, named: str) -> None:
    """18-062r2 /conf/core/job-creation-request: what is not of the structure is refused, the member is named."""
    assert exception_of(execute(fuzzed, "echo", body), 400)["parameter"] == named


def test_default_execution_mode(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-default-execution-mode: at once, where both are offered and nothing is preferred."""
    assert {"sync-execute", "async-execute"} <= set(description(fuzzed, process)["jobControlOptions"])
    for headers in ({}, {"prefer": "wait=10"}, {"prefer": "return=minimal"}):
        response = execute(fuzzed, process, {"inputs": INPUTS[process]}, **headers)
        assert response.status_code == 200 and "location" not in response.headers


def test_auto_execution_mode(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-auto-execution-mode: either is right where both are offered; we do what is preferred, and say so."""
    for prefer in ("respond-async", "respond-async, wait=10", "handling=lenient, Respond-Async"):
        response = execute(fuzzed, process, {"inputs": INPUTS[process]}, prefer=prefer)
        assert response.status_code == 201, response.text
        assert response.headers["preference-applied"] == "respond-async"  # /rec/core/job-creation-preference-applied
        assert end(fuzzed, response.headers["location"])["status"] == "successful"


def test_default_outputs(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-default-outputs: without `outputs` all that there are, as if they had been asked for."""
    outputs = description(fuzzed, process)["outputs"]
    omitted = execute(fuzzed, process, {"inputs": INPUTS[process], "response": "document"}).json()
    asked = execute(fuzzed, process, {"inputs": INPUTS[process], "response": "document", "outputs": {name: {} for name in outputs}}).json()
    assert omitted.keys() == asked.keys() == outputs.keys()


def test_sync_raw_value_one(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-sync-raw-value-one: the output itself, in its default type or in that which is asked for."""
    name = OUTPUTS[process]
    offered = formats(description(fuzzed, process)["outputs"][name])
    default = execute(fuzzed, process, {"inputs": INPUTS[process]})
    assert default.status_code == 200 and default.headers["content-type"] == offered[0] == "application/json"
    assert default.json().keys() >= ({"message", "numbers"} if process == "echo" else {"profile", "project", "rules", "summary"})
    for media_type in offered:
        wanted = {name: {"format": {"mediaType": media_type}, "transmissionMode": "value"}}
        response = execute(fuzzed, process, {"inputs": INPUTS[process], "outputs": wanted, "response": "raw"})
        assert response.status_code == 200 and response.headers["content-type"].partition(";")[0] == media_type
        assert ("<html" in response.text) == (media_type == "text/html")
    refused = execute(fuzzed, process, {"inputs": INPUTS[process], "outputs": {name: {"format": {"mediaType": "image/png"}}}})
    assert "mediaType" in exception_of(refused, 400)["parameter"]


def test_sync_raw_of_other_kinds(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-sync-raw-value-multi, -raw-ref, -raw-mixed-multi: one output by its value is what is offered."""
    found = description(fuzzed, process)
    assert len(found["outputs"]) == 1 and found["outputTransmission"] == ["value"]
    wanted = {OUTPUTS[process]: {"transmissionMode": "reference"}}
    for response in ("raw", "document"):
        refused = execute(fuzzed, process, {"inputs": INPUTS[process], "outputs": wanted, "response": response})
        assert "transmissionMode" in exception_of(refused, 400)["parameter"]


def test_sync_document(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-sync-document: JSON with each output by its name, an object as a qualified value."""
    raw = execute(fuzzed, process, {"inputs": INPUTS[process]}).json()
    response = execute(fuzzed, process, {"inputs": INPUTS[process], "response": "document"})
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    found = valid(RESULTS, response.json())
    assert list(found) == [OUTPUTS[process]] and same(process, found[OUTPUTS[process]]["value"], raw)


def test_sync_document_of_a_text(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-sync-document: what is a text is one in the document, or is the value of an object."""
    wanted = {"report": {"format": {"mediaType": "text/html"}}}
    body = {"inputs": INPUTS["construction_overlay"], "outputs": wanted, "response": "document"}
    response = execute(fuzzed, "construction_overlay", body)
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    report = valid(RESULTS, response.json())["report"]
    assert "<html" in (report if isinstance(report, str) else report["value"])
