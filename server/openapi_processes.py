"""The paths of OGC API - Processes in the OpenAPI document; the operation ids are those of the standard's own definition."""

from __future__ import annotations

__all__ = ["process_paths"]

from collections.abc import Mapping, Sequence
from typing import Any

from server.jobs import STATUSES
from server.negotiation import MEDIA
from server.openapi_parts import named
from server.params import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_SECONDS: Json = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_LINKS: Json = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_SUMMARY: Json = {
    "type": "object",
    "required": ["id", "version"],
    "properties": {
        "id": _TEXT,
        "version": _TEXT,
        "title": _TEXT,
        "description": _TEXT,
        "jobControlOptions": {"type": "array", "items": {"type": "string", "enum": ["sync-execute", "async-execute", "dismiss"]}},
        "outputTransmission": {"type": "array", "items": {"type": "string", "enum": ["value", "reference"]}},
        "links": _LINKS,
    },
}
_STATUS: Json = {
    "type": "object",
    "required": ["jobID", "status", "type"],
    "properties": {
        "processID": _TEXT,
        "type": {"type": "string", "enum": ["process"]},
        "jobID": _TEXT,
        "status": {"type": "string", "enum": list(STATUSES)},
        "message": _TEXT,
        "created": {"type": "string", "format": "date-time"},
        "started": {"type": "string", "format": "date-time"},
        "finished": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "links": _LINKS,
    },
}
_REFERENCE: Json = {"type": "object", "required": ["href"], "properties": {"href": _TEXT}}
_QUALIFIED: Json = {"type": "object", "required": ["value"], "properties": {"value": {}}}
_FAULTS = {"400": "BadRequest", "401": "Unauthorized", "404": "NotFound", "500": "ServerError", "503": "Unavailable"}


def process_paths(offered: Mapping[str, Json]) -> Json:
    """Return the paths for processes with these descriptions, and for jobs."""
    process = _in_path("processID", "Id of a process.", {"type": "string", "enum": list(offered)})
    job = _in_path("jobId", "Id of a job.", _TEXT)
    page = [
        _asked("limit", f"Entries a page; more than {MAX_LIMIT} counts as {MAX_LIMIT}.", _LIMIT),
        _asked("offset", "Entries to skip.", {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}),
    ]
    listed = {"type": "object", "required": ["processes", "links"], "properties": {"processes": _list_of(_SUMMARY), "links": _LINKS}}
    whole = {**_SUMMARY, "properties": {**_SUMMARY["properties"], "inputs": {"type": "object"}, "outputs": {"type": "object"}}}
    jobs = {"type": "object", "required": ["jobs", "links"], "properties": {"jobs": _list_of(_STATUS), "links": _LINKS}}
    result = {MEDIA["json"]: {"schema": {}}, MEDIA["html"]: {"schema": _TEXT}}
    return {
        "/processes": {"get": _operation("getProcesses", "Processes", page, listed)},
        "/processes/{processID}": {"get": _operation("getProcessDescription", "What a process takes and gives", [process], whole)},
        "/processes/{processID}/execution": {"post": _execute(offered, process, result)},
        "/jobs": {"get": _operation("getJobs", "Jobs of the caller's key", [*page, *_filters(offered)], jobs)},
        "/jobs/{jobId}": {
            "get": _operation("getStatus", "How far a job is", [job], _STATUS),
            "delete": {
                **_operation("dismiss", "End a job and remove its result", [job], None),
                "responses": {"200": {"description": "OK", "content": {MEDIA["json"]: {"schema": _STATUS}}}, **_faults()},
            },
        },
        "/jobs/{jobId}/results": {
            "get": {
                **_operation("getResult", "The result of a job", [job], None),
                "responses": {"200": {"description": "OK", "content": result}, **_faults(("406", "NotAcceptable"), ("413", "TooLarge"))},
            }
        },
    }


_LIMIT: Json = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}


def _operation(operation_id: str, summary: str, asked: Sequence[Json], schema: Json | None) -> Json:
    content = {MEDIA["json"]: {"schema": schema}, MEDIA["html"]: {"schema": _TEXT}}
    return {
        "tags": ["server"],
        "operationId": operation_id,
        "summary": summary,
        "parameters": [*asked, *named("f", "lang")],
        "responses": {
            "200": {"description": "OK", "content": content},
            **({"304": {"$ref": "#/components/responses/NotModified"}} if operation_id.startswith("getProcess") else {}),
            **_faults(("406", "NotAcceptable")),
        },
    }


def _execute(offered: Mapping[str, Json], process: Json, result: Json) -> Json:
    prefer = {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "respond-async makes a job: the answer is 201 with its address.",
        "schema": {"type": "string", "enum": ["respond-async"]},
    }
    location = {"description": "Address of the job.", "schema": {"type": "string", "format": "uri"}}
    return {
        "tags": ["server"],
        "operationId": "execute",
        "summary": "Run a process",
        "parameters": [process, prefer],
        "requestBody": {
            "required": True,
            "content": {
                MEDIA["json"]: {
                    "schema": {"anyOf": [_request(metadata) for metadata in offered.values()]},
                    "examples": {name: {"value": metadata["example"]} for name, metadata in offered.items()},
                }
            },
        },
        "responses": {
            "200": {"description": "What the process gives.", "content": result},
            "201": {
                "description": "A job was made.",
                "headers": {"Location": location, "Preference-Applied": {"schema": {"type": "string", "enum": ["respond-async"]}}},
                "content": {MEDIA["json"]: {"schema": _STATUS}},
            },
            **_faults(("408", "TooSlow"), ("413", "TooLarge"), ("415", "UnsupportedMediaType")),
        },
    }


def _request(metadata: Json) -> Json:
    """Return the schema of an execute request to one process."""
    # OpenAPI 3.0 does not know the keywords for what a text holds.
    inputs = {
        name: {"anyOf": [_without(value["schema"], "contentMediaType", "contentEncoding"), _REFERENCE, _QUALIFIED]}
        for name, value in metadata["inputs"].items()
    }
    return {
        "type": "object",
        "properties": {
            "inputs": {"type": "object", "properties": inputs},
            "outputs": {"type": "object"},
            "response": {"type": "string", "enum": ["raw", "document"], "default": "raw"},
        },
    }


def _without(schema: Json, *keys: str) -> Json:
    return {name: part for name, part in schema.items() if name not in keys}


def _filters(offered: Mapping[str, Json]) -> list[Json]:
    return [
        _asked("type", "Kind of job.", _list_of({"type": "string", "enum": ["process"]})),
        _asked("processID", "Jobs of these processes.", _list_of({"type": "string", "enum": list(offered)})),
        _asked("status", "Jobs in one of these states.", _list_of({"type": "string", "enum": list(STATUSES)})),
        _asked("datetime", "Jobs that were made at this time: an instant, a date or an interval.", _TEXT),
        _asked("minDuration", "Jobs that have run for so many seconds.", _SECONDS),
        _asked("maxDuration", "Jobs that have run for so many seconds at most.", _SECONDS),
    ]


def _list_of(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _asked(name: str, description: str, schema: Json) -> Json:
    more = {"minItems": 1} if schema.get("type") == "array" else {}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {**schema, **more},
        "style": "form",
        "explode": schema.get("type") == "array",
    }


def _in_path(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _faults(*more: tuple[str, str]) -> Json:
    return {code: {"$ref": f"#/components/responses/{name}OfProcesses"} for code, name in [*_FAULTS.items(), *more]}
