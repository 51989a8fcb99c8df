"""`POST /processes/{process}/execution`: reads an execute request, and runs it at once or makes a job of it."""

from __future__ import annotations

__all__ = ["Execution"]

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from processes.project import InvalidInput, check_text
from server import jsontext
from server.answer import Answer, Receive, Scope, Send
from server.call import Call
from server.host import Profile
from server.jobs import Jobs
from server.layers import MAX_BODY, header
from server.outputs import delivered
from server.problems import MethodNotAllowed, Unsupported
from server.processes import Processes, Request, media_types
from server.references import References
from stadtgrund import identity
from stadtgrund.errors import UsageError

_BODY_S = 30
"""How long a body may take to arrive."""


class Execution:
    """It reads a body, which no other route does."""

    _ALLOW = "POST, OPTIONS"

    def __init__(self, processes: Processes, jobs: Jobs, references: References, profiles: Mapping[str, Profile]) -> None:
        self.processes, self.jobs, self.references, self.profiles = processes, jobs, references, profiles

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
        name = scope["path_params"]["process"]
        metadata = self.processes.metadata(name)
        request = _read(metadata, await _body(receive))
        # For a job, too: what is wrong with a reference is told at once. What is kept are the references, to be read again when it is run.
        inputs = await self.references.resolved(metadata["inputs"], request.inputs)
        if _prefers(scope, "respond-async"):
            profile = self.profiles[identity.current().profile]
            answer = await self.jobs.create(Call(scope, profile, await profile.snapshot()), name, request)
        else:
            output = await self.processes.run(name, replace(request, inputs=inputs))
            answer = delivered(output.media_type, output.body)
        await answer(scope, receive, send)


def _read(metadata: Mapping[str, Any], body: bytes) -> Request:
    """Return what an execute request asks for.

    Raises
    ------
    UsageError, InvalidInput
        What of it cannot be done.
    """
    try:
        request = jsontext.parse(body)
    except ValueError as error:
        said = f"Der Inhalt der Anfrage ist kein JSON in UTF-8: {str(error)[:120]}."
        raise UsageError(said, remedy='Erwartet wird {"inputs": {…}}.') from error
    check_text(request, "")
    if not isinstance(request, dict) or not isinstance(request.get("inputs", {}), dict):
        raise InvalidInput("inputs", "nichts", 'ein JSON-Objekt {"inputs": {…}}')
    for name in request.keys() - {"inputs", "outputs", "response"}:
        instead = "; Rückrufe gibt es nicht, den Stand sagt /jobs/{jobID}" if name == "subscriber" else ""
        raise InvalidInput(name, str(request[name]), f"inputs, outputs, response{instead}")
    response = request.get("response", "raw")
    if response not in ("raw", "document"):
        raise InvalidInput("response", str(response), "raw oder document")
    media_type = _media_type(metadata["outputs"], request.get("outputs", {}))
    return Request(request.get("inputs", {}), media_type, response == "document")


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


def _prefers(scope: Scope, wanted: str) -> bool:
    """Whether a header `Prefer` (RFC 7240) has this preference."""
    given = b",".join(value for name, value in scope["headers"] if name == b"prefer").decode("latin-1")
    return any(re.split(r"[;=]", part, maxsplit=1)[0].strip().lower() == wanted for part in given.split(","))


def _media_type(offered: Mapping[str, Any], wanted: Any) -> str | None:
    """Return the media type that the outputs of a request ask for; each process has one output."""
    if not isinstance(wanted, dict) or not set(wanted) <= set(offered):
        raise InvalidInput("outputs", str(wanted), "ein Objekt mit " + ", ".join(offered))
    chosen: str | None = None
    for name, output in wanted.items():
        if not isinstance(output, dict):
            continue
        if output.get("transmissionMode", "value") != "value":
            raise InvalidInput(f"outputs.{name}.transmissionMode", str(output["transmissionMode"]), "value")
        form = output.get("format")
        chosen = form.get("mediaType") if isinstance(form, dict) else None
        if chosen is not None and chosen not in media_types(offered[name]):
            raise InvalidInput(f"outputs.{name}.format.mediaType", str(chosen), " oder ".join(media_types(offered[name])))
    return chosen
