"""What the abstract tests of OGC API - Processes ask, and the schemas that they hold answers against: facts of 18-062r2."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from conformance.data import KEY
from jsonschema import Draft7Validator
from support.client import Client
from support.jobs import ended

__all__ = [
    "BASE",
    "EXCEPTION",
    "EXCEPTIONS",
    "INPUT",
    "INPUTS",
    "JOB_LIST",
    "JSON",
    "KEYWORDS",
    "LINK",
    "LINKS",
    "NAMED",
    "NOBODY",
    "OGC",
    "OPENAPI",
    "OUTPUT",
    "OUTPUTS",
    "POINT",
    "PROCESS",
    "PROCESSES",
    "PROCESS_LIST",
    "RESULTS",
    "STATUS",
    "SUMMARY",
    "TEXT",
    "WRONG",
    "ask",
    "begun",
    "data",
    "description",
    "document",
    "echoed",
    "end",
    "exception_of",
    "execute",
    "formats",
    "made",
    "moment",
    "parameters_of",
    "rels",
    "remove_all",
    "removed",
    "same",
    "status_of",
    "valid",
    "without_time",
]

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


def data(value: Any, media_type: str = "application/json") -> str:
    """Return a reference whose value is in the address."""
    return f"data:{media_type},{quote(json.dumps(value))}"


def formats(output: Any) -> list[str]:
    """Return the media types of an output, the default first."""
    schema = output["schema"]
    return [each["contentMediaType"] for each in schema.get("oneOf", [schema])]
