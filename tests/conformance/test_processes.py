"""OGC API Processes Part 1: Core 1.0 (18-062r2, Annex A): the abstract tests, by their ids.

What the processes of the server do not offer (more than one value of an input, several outputs, results by reference) has nothing to be
run; those tests state that it is not offered, and fail on the day it is.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.client import Client
from support.jobs import ended

from server.conformance import CLASSES

from .conftest import KEY

PROCESSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
BASE = "http://localhost:5000"
JSON = {"accept": "application/json"}
NOBODY = "0642062f-ad40-4ddd-8585-87257c659252"
OUTPUTS = {"construction_overlay": "report", "echo": "echo"}
"""The processes, each with its output."""
POINT = {"type": "Point", "coordinates": [7.2, 51.45]}
INPUTS: dict[str, dict[str, Any]] = {
    "construction_overlay": {"geometry": {"value": POINT}, "buffer_m": 5},
    "echo": {"message": "Grüße", "numbers": [3, -1, 2]},
}
"""A request that each process can be run with."""
WRONG: dict[str, dict[str, Any]] = {"construction_overlay": {"geometry": {"value": POINT}, "buffer_m": -1}, "echo": {"numbers": ["drei"]}}
"""One that it refuses, for its last input."""

TEXT = {"type": "string"}
LINK = {"type": "object", "required": ["href"], "properties": {name: TEXT for name in ("href", "rel", "type", "hreflang", "title")}}
LINKS = {"type": "array", "minItems": 1, "items": LINK}
NAMED: dict[str, Any] = {
    "title": TEXT,
    "description": TEXT,
    "keywords": {"type": "array", "items": TEXT},
    "metadata": {"type": "array", "items": {"type": "object"}},
}
SUMMARY: dict[str, Any] = {
    "type": "object",
    "required": ["id", "version"],
    "properties": {
        **NAMED,
        "id": TEXT,
        "version": TEXT,
        "jobControlOptions": {"type": "array", "items": {"enum": ["sync-execute", "async-execute", "dismiss"]}},
        "outputTransmission": {"type": "array", "items": {"enum": ["value", "reference"]}},
        "links": LINKS,
    },
}
OUTPUT = {"type": "object", "required": ["schema"], "properties": {**NAMED, "schema": {"type": "object"}}}
INPUT: dict[str, Any] = {
    **OUTPUT,
    "properties": {
        **NAMED,
        "schema": {"type": "object"},
        "minOccurs": {"type": "integer", "minimum": 0},
        "maxOccurs": {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "unbounded"}]},
    },
}
PROCESS = {
    **SUMMARY,
    "properties": {
        **SUMMARY["properties"],
        "inputs": {"type": "object", "additionalProperties": INPUT},
        "outputs": {"type": "object", "additionalProperties": OUTPUT},
    },
}
STATUS = {
    "type": "object",
    "required": ["jobID", "status", "type", "processID"],  # the last as there is a list of jobs
    "properties": {
        "processID": TEXT,
        "type": {"const": "process"},
        "jobID": TEXT,
        "status": {"enum": ["accepted", "running", "successful", "failed", "dismissed"]},
        "message": TEXT,
        **{name: TEXT for name in ("created", "started", "finished", "updated")},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "links": {"type": "array", "items": LINK},
    },
}
PROCESS_LIST = {
    "type": "object",
    "required": ["processes", "links"],
    "properties": {"processes": {"type": "array", "items": SUMMARY}, "links": LINKS},
}
JOB_LIST = {"type": "object", "required": ["jobs", "links"], "properties": {"jobs": {"type": "array", "items": STATUS}, "links": LINKS}}
EXCEPTION = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT, "instance": TEXT},
}
RESULTS = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean", "array"]},
            *({"type": "object", "required": [name]} for name in ("value", "href", "bbox")),
        ]
    },
}
"""A document of results: what is an object itself stands under `value`, as in a request."""
KEYWORDS = (
    "title description type format default enum multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern"
    " maxItems minItems uniqueItems items maxProperties minProperties required properties additionalProperties not allOf oneOf anyOf"
    " nullable readOnly writeOnly example deprecated contentMediaType contentEncoding contentSchema"
)
"""Of the schema of an input or output: those of OpenAPI 3.0, and three for what is in a text."""


@pytest.fixture(params=OUTPUTS)
def process(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def _only_own_jobs(fuzzed: Client) -> Iterator[None]:
    """The key has no jobs but those of this file: others leave some that wait for a long time."""
    remove_all(fuzzed)
    yield
    remove_all(fuzzed)


def remove_all(client: Client) -> None:
    while jobs := document(client, "/jobs?limit=1000")["jobs"]:
        for job in jobs:
            removed(client, f"/jobs/{job['jobID']}")


def document(client: Client, path: str) -> Any:
    return client.json(path, key=KEY, headers=JSON)


def description(client: Client, process: str) -> Any:
    return document(client, f"/processes/{process}")


def ask(client: Client, address: str) -> httpx.Response:
    return client.get(address, key=KEY, headers=JSON)


def execute(client: Client, process: str, body: Any, **headers: str) -> httpx.Response:
    return client.request("POST", f"/processes/{process}/execution", json=body, headers={"x-api-key": KEY, **JSON, **headers})


def echoed(client: Client, **inputs: Any) -> Any:
    """Return what `echo` understood."""
    response = execute(client, "echo", {"inputs": inputs})
    assert response.status_code == 200, response.text
    return response.json()


def made(client: Client, process: str, inputs: Any, **more: Any) -> str:
    """Return the address of a new job."""
    response = execute(client, process, {"inputs": inputs, **more}, prefer="respond-async")
    assert response.status_code == 201, response.text
    return str(response.headers["location"])


def end(client: Client, address: str) -> dict[str, Any]:
    return ended(lambda url: ask(client, url), address)


def begun(client: Client, address: str) -> Any:
    """Return the status of a job that runs, as soon as it does."""
    last = time.monotonic() + 30
    while (status := document(client, address))["status"] == "accepted" and time.monotonic() < last:
        time.sleep(0.02)
    assert status["status"] == "running", status
    return status


def removed(client: Client, address: str) -> httpx.Response:
    return client.request("DELETE", address, headers={"x-api-key": KEY, **JSON})


def valid(schema: Any, value: Any) -> Any:
    Draft7Validator(schema).validate(value)
    return value


def status_of(value: Any) -> dict[str, Any]:
    """Return a status document whose times are times, in their order."""
    status: dict[str, Any] = valid(STATUS, value)
    times = [moment(status[name]) for name in ("created", "started", "finished") if name in status]
    assert times == sorted(times) and all(moment(status[name]) for name in ("updated",) if name in status)
    return status


def exception_of(response: httpx.Response, code: int, kind: str | None = None) -> Any:
    assert response.status_code == code, response.text
    found = valid(EXCEPTION, response.json())
    assert found["status"] == code and found["detail"]
    assert kind is None or found["type"] == EXCEPTIONS + kind
    return found


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    assert found.tzinfo is not None
    return found


def rels(found: Any, rel: str, media_type: str = "application/json") -> list[str]:
    return [link["href"] for link in found["links"] if link["rel"] == rel and link["type"] == media_type]


def without_time(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "created": ""}


def same(process: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one == other if process == "echo" else without_time(one) == without_time(other)


def parameters_of(client: Client, path: str) -> dict[str, Any]:
    """Return the parameters of `GET` by name."""
    definition = document(client, "/api")
    shared = definition["components"]["parameters"]
    stated = definition["paths"][path]["get"]["parameters"]
    return {found["name"]: found for found in (shared[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each for each in stated)}


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


def data(value: Any, media_type: str = "application/json") -> str:
    """Return a reference whose value is in the address."""
    return f"data:{media_type},{quote(json.dumps(value))}"


def test_inputs_inline_and_by_reference(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-inputs: both in one request."""
    place = {"href": data(POINT, "application/geo+json"), "type": "application/geo+json"}
    assert echoed(fuzzed, message="hier", place=place) == {"message": "hier", "place": POINT}


@pytest.mark.parametrize(
    ("name", "value"),
    [("message", ""), ("message", "Grüße 🌳 \"'\\"), ("pause", 0), ("pause", 0.01), ("content", "Text"), ("numbers", [])],
)
def test_input_inline(fuzzed: Client, name: str, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline: a value as it is, and the same one as a value object."""
    assert echoed(fuzzed, **{name: value}) == echoed(fuzzed, **{name: {"value": value}}) == {name: value}


def test_input_array(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-input-array: more than one value of an input would be a list; no input takes more than one.

    One whose value is itself a list, as its schema says, takes that.
    """
    assert all(each["maxOccurs"] == 1 for each in description(fuzzed, process)["inputs"].values())
    assert echoed(fuzzed, numbers=[1, -2, 3_000_000_000]) == {"numbers": [1, -2, 3_000_000_000]}
    name, value = next(iter({"echo": {"message": "a"}, "construction_overlay": {"baustelle": "a"}}[process].items()))
    assert exception_of(execute(fuzzed, process, {"inputs": {name: [value, value]}}), 400)["parameter"] == name


@pytest.mark.parametrize("value", [{}, {"a": {"b": [1, {"c": None}]}}, {"value": 1, "more": 2}, {"value": {"value": 1}}, {"href": "x"}])
def test_input_inline_object(fuzzed: Client, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-object: an object stands under `value`, whatever its own members are called."""
    assert echoed(fuzzed, content={"value": value}) == {"content": value}


def test_input_inline_object_of_a_check(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-object: also where it is more than given back."""
    report = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": POINT, "mediaType": "application/geo+json"}}})
    other = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": {**POINT, "coordinates": [7.3, 51.5]}}}})
    assert report.status_code == other.status_code == 200 and report.json()["project"] != other.json()["project"]


@pytest.mark.parametrize("value", ["ein Text", {"ein": "Objekt"}])
def test_input_inline_mixed(fuzzed: Client, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-mixed: each of the types that `oneOf` offers, with its format said."""
    assert len(description(fuzzed, "echo")["inputs"]["content"]["schema"]["oneOf"]) == 2
    media_type = "text/plain" if isinstance(value, str) else "application/json"
    assert echoed(fuzzed, content={"value": value, "mediaType": media_type}) == {"content": value}
    assert exception_of(execute(fuzzed, "echo", {"inputs": {"content": {"value": 5}}}), 400)["parameter"] == "content"


def test_input_inline_binary(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-binary: bytes as text in base64, by itself, as a value object, and by reference."""
    schema = description(fuzzed, "echo")["inputs"]["file"]["schema"]
    assert (schema["type"], schema["contentEncoding"], schema["contentMediaType"]) == ("string", "base64", "application/octet-stream")
    for content in (bytes(range(256)), b"", b"a", b"GIF89a"):
        text = base64.b64encode(content).decode()
        assert echoed(fuzzed, file=text) == {"file": text}
        assert echoed(fuzzed, file={"value": text, "encoding": "base64", "mediaType": "image/gif"}) == {"file": text}
    for wrong in ("?", "YQ", "a=b=", 5, ["YQ=="]):
        assert exception_of(execute(fuzzed, "echo", {"inputs": {"file": wrong}}), 400)["parameter"] == "file", wrong


@pytest.mark.parametrize("content", [b"GIF89a", b"\x00\x01\x02", bytes(range(256))], ids=["text", "controls", "all"])
def test_input_binary_by_reference(fuzzed: Client, content: bytes) -> None:
    """18-062r2 /conf/core/job-creation-input-ref: bytes that are referred to are those that would stand there in base64."""
    text = base64.b64encode(content).decode()
    assert echoed(fuzzed, file={"href": f"data:image/gif;base64,{text}", "type": "image/gif"}) == {"file": text}


@pytest.mark.parametrize(
    "box",
    [
        {"bbox": [6.9, 51.4, 7.1, 51.5]},
        {"bbox": [6.9, 51.4, 0, 7.1, 51.5, 100.5], "crs": "http://www.opengis.net/def/crs/OGC/0/CRS84h"},
        {"bbox": [6.9, 51.4, 7.1, 51.5], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    ],
)
def test_input_inline_bbox(fuzzed: Client, box: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-bbox: four or six numbers with their CRS, without `value` around them."""
    assert echoed(fuzzed, box=box) == echoed(fuzzed, box={"value": box}) == {"box": box}
    for wrong in ({"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, "vier"]}, {"crs": "x"}, [6.9, 51.4, 7.1, 51.5]):
        assert exception_of(execute(fuzzed, "echo", {"inputs": {"box": wrong}}), 400)["parameter"] == "box"


def test_input_by_reference(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-ref: a link, to what the server has and to what is in the address itself."""
    href = f"{BASE}/collections/flaechen/items/1"
    feature = fuzzed.json(href, headers={"accept": "application/geo+json"})
    place = echoed(fuzzed, place={"href": href, "type": "application/geo+json"})["place"]
    assert (place["id"], place["geometry"], place["properties"]) == (feature["id"], feature["geometry"], feature["properties"])
    assert place["geometry"]["type"] == "Polygon"
    text = base64.b64encode("Grüße".encode()).decode()
    for name, address, value in (
        ("message", f"data:text/plain;charset=utf-8,{quote('Grüße')}", "Grüße"),
        ("message", f"data:text/plain;charset=utf-8;base64,{text}", "Grüße"),
        ("numbers", data([1, 2]), [1, 2]),
        ("content", data({"value": 1}), {"value": 1}),
    ):
        assert echoed(fuzzed, **{name: {"href": address}}) == {name: value}
    plain = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": POINT}}})
    linked = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"href": data(POINT, "application/geo+json")}}})
    assert linked.status_code == 200 and without_time(linked.json()) == without_time(plain.json())


@pytest.mark.parametrize(
    ("process", "inputs", "named"),
    [
        ("echo", {"message": 5}, "message"),
        ("echo", {"message": "x", "numbers": [1, 1.5]}, "numbers"),
        ("echo", {"numbers": {"value": "1,2"}}, "numbers"),
        ("echo", {"content": [1]}, "content"),
        ("echo", {"pause": -1}, "pause"),
        ("echo", {"pause": 500}, "pause"),
        ("echo", {"place": {"value": {"type": "Kreis"}}}, "place"),
        ("echo", {"gibtesnicht": 1}, "gibtesnicht"),
        ("construction_overlay", {"geometry": {"value": POINT}, "buffer_m": "viel"}, "buffer_m"),
        ("construction_overlay", {"geometry": {"value": POINT}, "from": "gestern"}, "from"),
        ("construction_overlay", {"geometry": {"value": POINT}, "format": "pdf"}, "format"),
        ("construction_overlay", {"geometry": {"value": {"type": "Point"}}}, "geometry"),
        # What is referred to is checked as if it stood there.
        ("echo", {"message": {"href": data(5)}}, "message"),
        ("echo", {"place": {"href": data({"type": "Kreis"})}}, "place"),
        ("echo", {"place": {"href": "data:text/plain,hier"}}, "place"),
        ("echo", {"numbers": {"href": f"{BASE}/collections/orte/items/1"}}, "numbers"),
        ("construction_overlay", {"geometry": {"href": data({"type": "Point"})}}, "geometry"),
        # What cannot be read.
        ("echo", {"place": {"href": f"{BASE}/collections/orte/items/999999"}}, "place"),
        ("echo", {"place": {"href": f"{BASE}/collections/gibtesnicht/items/1"}}, "place"),
        ("echo", {"place": {"href": "data:application/json,{"}}, "place"),
        ("echo", {"place": {"href": "https://example.org/1"}}, "place"),
    ],
    ids=repr,
)
def test_input_validation(fuzzed: Client, process: str, inputs: Any, named: str) -> None:
    """18-062r2 /conf/core/job-creation-input-validation: a value against its definition; the exception names the input."""
    found = exception_of(execute(fuzzed, process, {"inputs": inputs}), 400)
    assert found["parameter"] == named and named in found["detail"]


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


def formats(output: Any) -> list[str]:
    """Return the media types of an output, the default first."""
    schema = output["schema"]
    return [each["contentMediaType"] for each in schema.get("oneOf", [schema])]


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


@pytest.fixture(scope="module")
def jobs(fuzzed: Client) -> list[dict[str, Any]]:
    """Jobs of the key, of both processes, of different ends and durations, the newest first."""
    inputs = ({"message": "a"}, {"pause": 1.2}, {"message": "b"}, WRONG["echo"], {"pause": 0.3})
    addresses = [made(fuzzed, "echo", each) for each in inputs]
    addresses += [made(fuzzed, "construction_overlay", each["construction_overlay"]) for each in (INPUTS, WRONG)]
    return [end(fuzzed, address) for address in reversed(addresses)]


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


def fragments(schema: Any) -> Iterator[Any]:
    """Yield a schema and all that are in it."""
    yield schema
    for name in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(name, []):
            yield from fragments(part)
    for part in (*schema.get("properties", {}).values(), *(schema[name] for name in ("items", "not") if name in schema)):
        yield from fragments(part)


def checked_schema(schema: Any) -> None:
    """Check that a schema is one of OpenAPI 3.0, with what may say how a text is encoded."""
    for part in fragments(schema):
        assert isinstance(part, dict) and ("$ref" in part or part.keys() <= set(KEYWORDS.split())), part
        assert part.get("type", "object") in ("array", "boolean", "integer", "number", "object", "string"), part
        assert all(isinstance(part.get(name, False), bool) for name in ("exclusiveMinimum", "exclusiveMaximum", "uniqueItems")), part
        assert all(part[name] for name in ("required", "enum") if name in part), part
        assert part.get("type") != "array" or isinstance(part.get("items", {}), dict), part
    Draft7Validator.check_schema(schema)


def test_json_encoding(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/json-encoding: each description, in each language."""
    for language in ("de", "en"):
        response = fuzzed.get(f"/processes/{process}?lang={language}", headers=JSON)
        assert response.headers["content-type"] == "application/json"
        found = valid(PROCESS, response.json())
        assert found.keys() >= {"id", "version", "title", "inputs", "outputs", "jobControlOptions", "outputTransmission", "links"}


def test_inputs_definition(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/inputs-def: by their names, which are those of a request."""
    inputs = valid({"type": "object", "minProperties": 1, "additionalProperties": INPUT}, description(fuzzed, process)["inputs"])
    assert inputs.keys() >= INPUTS[process].keys()
    refused = execute(fuzzed, process, {"inputs": {**INPUTS[process], "gibtesnicht": 1}})
    assert all(name in exception_of(refused, 400)["allowed"] for name in inputs)


def test_input_definition(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/input-def: `schema` is a schema; a request is checked against it."""
    inputs = description(fuzzed, process)["inputs"]
    for name, told in inputs.items():
        checked_schema(told["schema"])
        if name in INPUTS[process]:
            given = INPUTS[process][name]
            Draft7Validator(told["schema"]).validate(given["value"] if isinstance(given, dict) else given)
    name = list(WRONG[process])[-1]
    assert not Draft7Validator(inputs[name]["schema"]).is_valid(WRONG[process][name])
    assert exception_of(execute(fuzzed, process, {"inputs": WRONG[process]}), 400)["parameter"] == name


def test_input_definition_mixed(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/input-mixed-type: `oneOf`, of schemas of which a value fits one."""
    mixed = [told["schema"] for told in description(fuzzed, process)["inputs"].values() if "oneOf" in told["schema"]]
    assert len(mixed) == (process == "echo")
    for schema in mixed:
        assert schema["oneOf"] and "type" not in schema
        for part in schema["oneOf"]:
            checked_schema(part)
        assert Draft7Validator(schema).is_valid({}) and Draft7Validator(schema).is_valid("") and not Draft7Validator(schema).is_valid(1)


def test_outputs_definition(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/outputs-def: by their names, which are those of a document of results."""
    outputs = valid({"type": "object", "minProperties": 1, "additionalProperties": OUTPUT}, description(fuzzed, process)["outputs"])
    assert execute(fuzzed, process, {"inputs": INPUTS[process], "response": "document"}).json().keys() == outputs.keys()


def test_output_definition(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/output-def: `schema` is a schema; what comes is of it."""
    told = description(fuzzed, process)["outputs"][OUTPUTS[process]]["schema"]
    checked_schema(told)
    given = execute(fuzzed, process, {"inputs": INPUTS[process]}).json()
    assert Draft7Validator(told).is_valid(given) and not Draft7Validator(told).is_valid(1)


def test_output_definition_mixed(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/ogc-process-description/output-mixed-type: `oneOf`, the first is what comes unasked."""
    told = description(fuzzed, process)["outputs"][OUTPUTS[process]]["schema"]
    assert ("oneOf" in told) == (process == "construction_overlay")
    for part in told.get("oneOf", []):
        checked_schema(part)
    first = told.get("oneOf", [told])[0]
    response = execute(fuzzed, process, {"inputs": INPUTS[process]})
    assert response.headers["content-type"] == first["contentMediaType"] and Draft7Validator(first).is_valid(response.json())


def test_json(fuzzed: Client, jobs: list[dict[str, Any]], process: str) -> None:
    """18-062r2 /conf/json/definition: each resource is JSON to who asks for it, by Accept and by `f`."""
    job = next(each["jobID"] for each in jobs if each["processID"] == process and each["status"] == "successful")
    for path in ("/", "/conformance", "/processes", f"/processes/{process}", "/jobs", f"/jobs/{job}"):
        for response in (ask(fuzzed, path), fuzzed.get(f"{path}?f=json", key=KEY)):
            assert response.status_code == 200 and response.headers["content-type"] == "application/json", path
            assert isinstance(response.json(), dict)
    for headers in ({}, {"prefer": "respond-async"}):
        response = execute(fuzzed, process, {"inputs": INPUTS[process], "response": "document"}, **headers)
        assert response.headers["content-type"] == "application/json" and isinstance(response.json(), dict)
        if headers:
            assert response.status_code == 201 and end(fuzzed, response.headers["location"])["status"] == "successful"
            assert ask(fuzzed, f"{response.headers['location']}/results").headers["content-type"] == "application/json"


OPERATIONS = {
    ("/processes", "get"): "getProcesses",
    ("/processes/{processID}", "get"): "getProcessDescription",
    ("/processes/{processID}/execution", "post"): "execute",
    ("/jobs", "get"): "getJobs",
    ("/jobs/{jobId}", "get"): "getStatus",
    ("/jobs/{jobId}", "delete"): "dismiss",
    ("/jobs/{jobId}/results", "get"): "getResult",
}


def test_oas30_definition(fuzzed: Client) -> None:
    """18-062r2 /conf/oas30/oas-definition-1, oas-definition-2: OpenAPI 3.0 as a document and as a page, valid, each operation once."""
    response = fuzzed.get("/api", key=KEY, headers={"accept": OPENAPI})
    assert response.headers["content-type"] == OPENAPI and fuzzed.get("/api?f=html").headers["content-type"].startswith("text/html")
    definition = response.json()
    OpenAPIV30SpecValidator(definition).validate()
    paths = definition["paths"]
    assert {path for path in paths if path.startswith(("/processes", "/jobs"))} == {path for path, _ in OPERATIONS}
    assert {(path, method): paths[path][method]["operationId"] for path, method in OPERATIONS} == OPERATIONS
    every = [operation["operationId"] for methods in paths.values() for operation in methods.values() if "operationId" in operation]
    assert len(every) == len(set(every))


def answer_of(definition: Any, path: str, method: str, response: httpx.Response) -> Any:
    """Return what the definition says of this answer."""
    found = definition["paths"][path][method]["responses"].get(str(response.status_code))
    assert found is not None, (method, path, response.status_code)
    return definition["components"]["responses"][found["$ref"].rsplit("/", 1)[1]] if "$ref" in found else found


def test_oas30_completeness(fuzzed: Client) -> None:
    """18-062r2 /conf/oas30/completeness: each answer of an operation is described, with its media type."""
    definition = document(fuzzed, "/api")
    address = made(fuzzed, "echo", {})
    end(fuzzed, address)
    page = {"accept": "text/html"}
    for path, method, response, code in (
        ("/processes", "get", ask(fuzzed, "/processes"), 200),
        ("/processes", "get", fuzzed.get("/processes", headers=page), 200),
        ("/processes/{processID}", "get", ask(fuzzed, "/processes/echo"), 200),
        ("/processes/{processID}", "get", fuzzed.get("/processes/echo", headers=page), 200),
        ("/processes/{processID}/execution", "post", execute(fuzzed, "echo", {"inputs": {}}), 200),
        ("/processes/{processID}/execution", "post", execute(fuzzed, "echo", {"inputs": {}}, prefer="respond-async"), 201),
        ("/jobs", "get", ask(fuzzed, "/jobs"), 200),
        ("/jobs", "get", fuzzed.get("/jobs", key=KEY, headers=page), 200),
        ("/jobs/{jobId}", "get", ask(fuzzed, address), 200),
        ("/jobs/{jobId}", "get", fuzzed.get(address, key=KEY, headers=page), 200),
        ("/jobs/{jobId}/results", "get", ask(fuzzed, f"{address}/results"), 200),
        ("/jobs/{jobId}", "delete", removed(fuzzed, address), 200),
    ):
        assert response.status_code == code, (path, response.text)
        described = answer_of(definition, path, method, response)
        assert response.headers["content-type"].partition(";")[0] in {name.partition(";")[0] for name in described["content"]}
        if code == 201:
            assert "Location" in described["headers"]


EXECUTION = "/processes/{processID}/execution"


@pytest.mark.parametrize(
    ("path", "method", "url", "code", "more"),
    [
        ("/processes", "get", "/processes?limit=0", 400, {}),
        ("/processes", "get", "/processes", 401, {"headers": {"x-api-key": "sg_falsch"}}),
        ("/processes", "get", "/processes", 406, {"headers": {"accept": "image/png"}}),
        ("/processes/{processID}", "get", "/processes/gibtesnicht", 404, {}),
        (EXECUTION, "post", "/processes/echo/execution", 400, {"json": {"inputs": {"message": 5}}}),
        (EXECUTION, "post", "/processes/echo/execution", 401, {"json": {"inputs": {}}, "headers": {"x-api-key": "sg_falsch"}}),
        (EXECUTION, "post", "/processes/gibtesnicht/execution", 404, {"json": {"inputs": {}}}),
        (EXECUTION, "post", "/processes/echo/execution", 413, {"content": b" " * 1_200_000}),
        (EXECUTION, "post", "/processes/echo/execution", 415, {"content": b"<a/>", "headers": {"content-type": "text/xml"}}),
        ("/jobs", "get", "/jobs?status=weg", 400, {}),
        ("/jobs", "get", "/jobs", 406, {"headers": {"accept": "image/png"}}),
        ("/jobs/{jobId}", "get", f"/jobs/{NOBODY}", 404, {}),
        ("/jobs/{jobId}", "get", f"/jobs/{NOBODY}?unbekannt=1", 400, {}),
        ("/jobs/{jobId}", "delete", f"/jobs/{NOBODY}", 404, {}),
        ("/jobs/{jobId}/results", "get", f"/jobs/{NOBODY}/results", 404, {}),
    ],
)
def test_oas30_exception_codes(fuzzed: Client, path: str, method: str, url: str, code: int, more: Any) -> None:
    """18-062r2 /conf/oas30/exceptions-codes: each error that the server answers with is described, with its media type."""
    response = fuzzed.request(method.upper(), url, **more)
    assert response.status_code == code, response.text
    described = answer_of(document(fuzzed, "/api"), path, method, response)
    assert response.headers["content-type"] in described["content"]


def test_oas30_implementation(fuzzed: Client, jobs: list[dict[str, Any]]) -> None:
    """18-062r2 /conf/oas30/oas-impl: each path with the processes that it names, each example, each value of a parameter."""
    definition = document(fuzzed, "/api")
    paths = definition["paths"]
    assert definition["servers"] == [{"url": BASE}]
    (name,) = [each for each in paths["/processes/{processID}"]["get"]["parameters"] if each.get("name") == "processID"]
    assert name["schema"]["enum"] == list(OUTPUTS) and (name["in"], name["required"]) == ("path", True)
    for process in name["schema"]["enum"]:
        assert ask(fuzzed, f"/processes/{process}").status_code == 200
    body = paths[EXECUTION]["post"]["requestBody"]
    assert body["required"] and body["content"].keys() == {"application/json"}
    assert execute(fuzzed, "echo", body["content"]["application/json"]["examples"]["echo"]["value"]).status_code == 200
    (prefer,) = [each for each in paths[EXECUTION]["post"]["parameters"] if each.get("name") == "Prefer"]
    assert (prefer["in"], prefer["required"]) == ("header", False)
    for parameter in parameters_of(fuzzed, "/jobs").values():
        for value in parameter["schema"].get("items", parameter["schema"]).get("enum", []):
            assert fuzzed.get(f"/jobs?{parameter['name']}={value}", key=KEY).status_code == 200
    for path in ("/jobs/{jobId}", "/jobs/{jobId}/results"):
        assert ask(fuzzed, path.replace("{jobId}", jobs[-1]["jobID"])).status_code == 200


def test_oas30_security(fuzzed: Client) -> None:
    """18-062r2 /conf/oas30/security: the ways to give a key are described, and are ways to the jobs of a key."""
    definition = fuzzed.json("/api", headers=JSON)
    schemes = definition["components"]["securitySchemes"]
    assert {name for each in definition["security"] for name in each} == schemes.keys() == {"bearer", "key", "basic"}
    assert {} in definition["security"]  # without a key, too: then it is the open profile
    address = made(fuzzed, "echo", {})
    end(fuzzed, address)
    assert fuzzed.get(address).status_code == 404
    basic = base64.b64encode(f"egal:{KEY}".encode()).decode()
    for headers in ({schemes["key"]["name"]: KEY}, {"authorization": f"Bearer {KEY}"}, {"authorization": f"Basic {basic}"}):
        assert fuzzed.get(address, headers=headers).status_code == 200, headers
    assert removed(fuzzed, address).status_code == 200
