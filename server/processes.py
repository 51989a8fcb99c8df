"""OGC API - Processes: which processes there are, what each takes and gives, and running one.

`construction_overlay` is run by child processes on the caller's own role, where the deployment has rules; `echo` is everywhere.
"""

from __future__ import annotations

__all__ = ["Processes", "Request", "media_types", "next_link"]

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from processes import construction_overlay, echo, rules
from processes.project import InvalidInput
from processes.workers import Answer as Output
from processes.workers import Workers
from server.answer import Answer
from server.call import Call
from server.documents import Documents, own_links
from server.negotiation import MEDIA
from server.params import page_offset, page_size
from server.problems import NoSuchProcess
from stadtgrund import identity
from stadtgrund.settings import Settings

OVERLAY = str(construction_overlay.METADATA["id"])
_ECHO = str(echo.METADATA["id"])
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run: inputs by name, values or references; the media type of the output, None = as the inputs say; whether the answer
    is to be a document of all outputs. It is kept as JSON with a job.
    """

    inputs: dict[str, Any]
    media_type: str | None = None
    document: bool = False

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Request:
        """Return what was kept with a job, perhaps by another version of this program."""
        return cls(**{field.name: kept[field.name] for field in fields(cls) if field.name in kept})


class Processes:
    """The handlers of what describes processes, and what runs them."""

    def __init__(self, documents: Documents, settings: Settings) -> None:
        self.documents = documents
        with_rules = rules.read(settings.deployment.config) is not None
        self.offered: Mapping[str, dict[str, Any]] = {
            **({OVERLAY: construction_overlay.METADATA} if with_rules else {}),
            _ECHO: echo.METADATA,
        }
        """The descriptions by id, the ones for people first."""
        self._workers = Workers(environment=settings.environment())

    async def processes(self, call: Call) -> Answer:
        """`/processes`: the list, with summaries."""
        limit, offset = page_size(call.query), page_offset(call.query)

        async def make() -> Any:
            names = list(self.offered)
            listed = [self._description(name, call) for name in names[offset : offset + limit]]
            summaries = [{key: value for key, value in whole.items() if key not in ("inputs", "outputs", "example")} for whole in listed]
            links = own_links(f"{call.base_url}/processes", call, *more)
            if offset + limit < len(names):
                links.append(next_link(f"{call.base_url}/processes", call, limit, offset))
            return {"processes": summaries, "links": links}

        more = ("limit", "offset")
        return await self.documents.answer(call, "processes", "processes/index.html", make, digest=call.snapshot.digest, more=more)

    async def process(self, call: Call) -> Answer:
        """`/processes/{process}`: what it takes and gives."""
        name = call.places["process"]
        self.metadata(name)

        async def make() -> Any:
            return self._description(name, call)

        return await self.documents.answer(call, f"process {name}", "processes/process.html", make, digest=call.snapshot.digest)

    def links(self, call: Call) -> list[dict[str, str]]:
        """Return what the landing page links."""
        title = "Prozesse" if call.language == "de" else "Processes"
        return [{"rel": f"{_OGC}/processes", "type": MEDIA["json"], "title": title, "href": f"{call.base_url}/processes"}]

    def metadata(self, name: str) -> dict[str, Any]:
        """Return the description of a process, its texts in all languages.

        Raises
        ------
        NoSuchProcess
            Naming those that there are.
        """
        if name not in self.offered:
            raise NoSuchProcess(f"There is no process {name!r}.", remedy=f"Known: {', '.join(self.offered)}.")
        return self.offered[name]

    async def run(self, name: str, request: Request) -> Output:
        """Run a process with values as the current profile.

        Raises
        ------
        StadtgrundError
            As the process says: a wrong input is an InvalidInput.
        """
        (output,) = self.metadata(name)["outputs"]
        if name == _ECHO:
            answer = await echo.run(request.inputs)
        else:
            answer = await self._workers.run(identity.current().profile, _formatted(request))
        if not request.document:
            return answer
        return Output(MEDIA["json"], {output: {"value": answer.body, "mediaType": answer.media_type}})

    async def close(self) -> None:
        """End the children."""
        await self._workers.close()

    def _description(self, name: str, call: Call) -> dict[str, Any]:
        """Return a process's description in the language of the call."""
        url = f"{call.base_url}/processes/{name}"
        german = call.language == "de"
        execute = {
            "rel": f"{_OGC}/execute",
            "type": MEDIA["json"],
            "title": "Ausführen (POST)" if german else "Execute (POST)",
            "href": f"{url}/execution",
        }
        made: dict[str, Any] = _localised(self.offered[name], call.language)
        return {**made, "links": [*own_links(url, call), execute]}


def _formatted(request: Request) -> dict[str, Any]:
    """Return the inputs of a check with the form that the outputs ask for."""
    if request.media_type is None:
        return request.inputs
    form = "html" if request.media_type == MEDIA["html"] else "json"
    if request.inputs.get("format", form) != form:
        raise InvalidInput("format", str(request.inputs["format"]), f"{form}, wie in outputs; oder nur eines von beiden angeben")
    return {**request.inputs, "format": form}


def media_types(output: Mapping[str, Any]) -> list[str]:
    """Return the media types that an output of a description can be given in."""
    schema = output["schema"]
    return [part["contentMediaType"] for part in schema.get("oneOf", [schema])]


def next_link(url: str, call: Call, limit: int, offset: int) -> dict[str, str]:
    """Return the link to the next page of a list."""
    kept = {name: value for name, value in call.query.items() if name not in ("f", "lang")}
    asked = urlencode({**kept, "limit": limit, "offset": offset + limit})
    title = "Nächste Seite" if call.language == "de" else "Next page"
    return {"rel": "next", "type": MEDIA["json"], "title": title, "href": f"{url}?{asked}"}


def _localised(value: Any, language: str) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"de", "en"}:
            return value[language]
        return {key: _localised(part, language) for key, part in value.items()}
    return [_localised(part, language) for part in value] if isinstance(value, list) else value
