"""OGC API - Processes: the check of a construction project, run by child processes on the caller's own role.

Only what runs at once is offered: there are no jobs. Where the deployment has no rules, there is no process.
"""

from __future__ import annotations

__all__ = ["Execution", "Processes", "openapi_paths"]

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from processes import rules, sheet
from processes.construction_overlay import METADATA
from processes.project import InvalidInput, check_text
from processes.workers import Workers
from server.answer import Answer, Receive, Scope, Send
from server.caching import NO_STORE
from server.call import Call
from server.documents import Documents
from server.host import Profile
from server.layers import MAX_BODY, header
from server.negotiation import MEDIA
from server.params import page_size
from server.problems import MethodNotAllowed, Unsupported
from stadtgrund import identity
from stadtgrund.errors import NotFound, UsageError
from stadtgrund.settings import Settings

ID = str(METADATA["id"])
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_BRACKETS = re.compile(rb"[][{}]")
_DEEPEST = 40
"""Levels of a request's JSON; a geometry has five."""
_BODY_S = 30
"""How long a body may take to arrive."""


def sheet_policy() -> str:
    """Return the content security policy of the printed page: its one style sheet, nothing else."""
    digest = base64.b64encode(hashlib.sha256(sheet.STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


class Processes:
    """The handlers of what describes processes, and the children that run them."""

    def __init__(self, documents: Documents, settings: Settings) -> None:
        self.documents = documents
        self.offered = rules.read(settings.deployment.config) is not None
        self.workers = Workers(environment=settings.environment())

    async def processes(self, call: Call) -> Answer:
        """`/processes`: the list, with summaries. One process fits every page; `limit` is to be taken (/req/core/pl-limit-definition)."""
        self._must_be_offered()
        page_size(call.query)

        async def make() -> Any:
            whole = _description(call)
            summary = {key: value for key, value in whole.items() if key not in ("inputs", "outputs", "example")}
            return {"processes": [summary], "links": _own(f"{call.base_url}/processes", call)}

        return await self.documents.answer(call, "processes", "processes/index.html", make, digest=call.snapshot.digest, more=("limit",))

    async def process(self, call: Call) -> Answer:
        """`/processes/{process}`: what it takes and gives."""
        self._named(call.places["process"])

        async def make() -> Any:
            return _description(call)

        return await self.documents.answer(call, f"process {ID}", "processes/process.html", make, digest=call.snapshot.digest)

    def links(self, call: Call) -> list[dict[str, str]]:
        """Return what the landing page links."""
        title = "Prozesse" if call.language == "de" else "Processes"
        link = {"rel": f"{_OGC}/processes", "type": MEDIA["json"], "title": title, "href": f"{call.base_url}/processes"}
        return [link] if self.offered else []

    def _must_be_offered(self) -> None:
        if not self.offered:
            raise NotFound("There are no processes here.", remedy="A deployment offers them by its folder rules/.")

    def _named(self, name: str) -> None:
        self._must_be_offered()
        if name != ID:
            raise NotFound(f"There is no process {name!r}.", remedy=f"Known: {ID}.")

    async def execute(self, name: str, body: bytes) -> Answer:
        """Run a process as the current profile.

        Raises
        ------
        StadtgrundError
            As the check says: a wrong input is an InvalidInput.
        """
        self._named(name)
        inputs, whole = _request(body)
        answer = await self.workers.run(identity.current().profile, inputs)
        if answer.media_type == "text/html" and not whole:
            page = str(answer.body).encode()
            return Answer(200, page, "text/html; charset=utf-8", (NO_STORE, ("content-security-policy", sheet_policy())))
        return Answer.of_json({"report": answer.body} if whole else answer.body, MEDIA["json"], (NO_STORE,))

    async def close(self) -> None:
        """End the children."""
        await self.workers.close()


class Execution:
    """`POST /processes/{process}/execution`. It reads a body, which no other route does."""

    _ALLOW = "POST, OPTIONS"

    def __init__(self, processes: Processes, profiles: Mapping[str, Profile]) -> None:
        self.processes, self.profiles = processes, profiles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await Answer(204, None, None, (("allow", self._ALLOW),))(scope, receive, send)
            return
        if scope["method"] != "POST":
            raise MethodNotAllowed(scope["method"], self._ALLOW)
        kind = (header(scope, b"content-type") or "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Unsupported(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body is {kind!r}.", remedy="Allowed: application/json.")
        answer = await self.processes.execute(scope["path_params"]["process"], await _body(receive))
        await answer(scope, receive, send)


async def _body(receive: Receive) -> bytes:
    """Return the request's body. Its stated length was checked; one that is not stated is counted."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise UsageError("The body is not whole.", remedy="Send it again.")
                part = message.get("body", b"")
                size += len(part)
                if size > MAX_BODY:
                    raise Unsupported(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.", remedy=f"Allowed: {MAX_BODY} bytes.")
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise Unsupported(HTTPStatus.REQUEST_TIMEOUT, f"The body took longer than {_BODY_S} s.", remedy="Send it at once.") from error


def _request(body: bytes) -> tuple[dict[str, Any], bool]:
    """Return the inputs of an execute request, and whether the answer is wanted as a document of all outputs.

    Raises
    ------
    UsageError, InvalidInput
        What of it cannot be done.
    """

    def no_number(name: str) -> float:
        raise ValueError(f"{name} is no JSON")

    try:
        # Depth first: the parser recurses, and a stack that overflows in C takes the process with it.
        if _depth(body) > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels")
        request = json.loads(body.decode(), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        said = f"Der Inhalt der Anfrage ist kein JSON in UTF-8: {str(error)[:120]}."
        raise UsageError(said, remedy='Erwartet wird {"inputs": {…}}.') from error
    check_text(request, "")
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), dict):
        raise InvalidInput("inputs", "nichts", 'ein JSON-Objekt {"inputs": {…}}')
    _outputs(request)
    response = request.get("response", "raw")
    if response not in ("raw", "document"):
        raise InvalidInput("response", str(response), "raw oder document")
    return {name: _inline(name, value) for name, value in request["inputs"].items()}, response == "document"


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.finditer(body):
        depth += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _outputs(request: dict[str, Any]) -> None:
    outputs = request.get("outputs", {})
    if not isinstance(outputs, dict) or not set(outputs) <= set(METADATA["outputs"]):
        raise InvalidInput("outputs", str(outputs), "ein Objekt mit " + ", ".join(METADATA["outputs"]))
    for name, wanted in outputs.items():
        if isinstance(wanted, dict) and wanted.get("transmissionMode", "value") != "value":
            raise InvalidInput(f"outputs.{name}.transmissionMode", str(wanted["transmissionMode"]), "value")


def _inline(name: str, value: Any) -> Any:
    """Return an input given as it is or as `{"value": …}`; we fetch nothing from addresses that a client names."""
    if isinstance(value, dict) and "href" in value and "type" not in value:
        raise InvalidInput(name, str(value["href"]), "ein Wert in der Anfrage selbst, kein Verweis")
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _own(url: str, call: Call) -> list[dict[str, str]]:
    german = call.language == "de"
    return [
        {
            "rel": "self",
            "type": MEDIA["json"],
            "title": "Dieses Dokument als JSON" if german else "This document as JSON",
            "href": f"{url}?f=json",
        },
        {
            "rel": "alternate",
            "type": MEDIA["html"],
            "title": "Diese Seite als HTML" if german else "This page as HTML",
            "href": f"{url}?f=html",
        },
    ]


def _description(call: Call) -> dict[str, Any]:
    """Return the process's description in the language of the call."""
    url = f"{call.base_url}/processes/{ID}"
    german = call.language == "de"
    execute = {
        "rel": f"{_OGC}/execute",
        "type": MEDIA["json"],
        "title": "Ausführen (POST)" if german else "Execute (POST)",
        "href": f"{url}/execution",
    }
    made: dict[str, Any] = _localised(METADATA, call.language)
    return {**made, "links": [*_own(url, call), execute]}


def _localised(value: Any, language: str) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"de", "en"}:
            return value[language]
        return {key: _localised(part, language) for key, part in value.items()}
    return [_localised(part, language) for part in value] if isinstance(value, list) else value


def openapi_paths() -> dict[str, Any]:
    """Return the paths of this module for the OpenAPI document."""
    faults = {
        code: {"$ref": f"#/components/responses/{name}"}
        for code, name in (("400", "BadRequest"), ("401", "Unauthorized"), ("404", "NotFound"), ("413", "TooLarge"), ("503", "Unavailable"))
    }
    document = {"schema": {"type": "object"}}
    page = {"schema": {"type": "string"}}
    shown = [{"$ref": f"#/components/parameters/{name}"} for name in ("f", "lang")]
    listed = [*shown, {"$ref": "#/components/parameters/limit_processes"}]
    inputs = {name: value["schema"] for name, value in METADATA["inputs"].items()}
    inputs = {name: {key: part for key, part in schema.items() if key != "contentMediaType"} for name, schema in inputs.items()}

    def described(operation: str, summary: str, parameters: list[dict[str, str]] = shown) -> dict[str, Any]:
        ok = {"description": "OK", "content": {MEDIA["json"]: document, MEDIA["html"]: page}}
        return {
            "get": {
                "tags": ["server"],
                "operationId": operation,
                "summary": summary,
                "parameters": parameters,
                "responses": {"200": ok, **{code: value for code, value in faults.items() if code != "413"}},
            }
        }

    return {
        "/processes": described("getProcesses", "Processes", listed),
        f"/processes/{ID}": described("getProcess", "Check a construction project: its description"),
        f"/processes/{ID}/execution": {
            "post": {
                "tags": ["server"],
                "operationId": f"{ID}.execute",
                "summary": "Check a construction project",
                "requestBody": {
                    "required": True,
                    "content": {
                        MEDIA["json"]: {
                            "schema": {
                                "type": "object",
                                "required": ["inputs"],
                                "properties": {
                                    "inputs": {"type": "object", "properties": inputs},
                                    "outputs": {"type": "object"},
                                    "response": {"type": "string", "enum": ["raw", "document"], "default": "raw"},
                                },
                            },
                            "example": METADATA["example"],
                        }
                    },
                },
                "responses": {
                    "200": {"description": "The report.", "content": {MEDIA["json"]: document, MEDIA["html"]: page}},
                    **faults,
                },
            }
        },
    }
