"""OGC API - Processes Part 1 (18-062r2, Annex A): ogc-process-description, json and oas30, by the ids of the abstract tests."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conformance.data import KEY
from conformance.process_requests import (
    BASE,
    INPUT,
    INPUTS,
    JSON,
    KEYWORDS,
    NOBODY,
    OPENAPI,
    OUTPUT,
    OUTPUTS,
    PROCESS,
    WRONG,
    ask,
    description,
    document,
    end,
    exception_of,
    execute,
    made,
    parameters_of,
    removed,
    valid,
)
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.client import Client

pytestmark = pytest.mark.usefixtures("own_jobs")


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
