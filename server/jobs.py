"""`/jobs`: what was asked to be run while nobody waits for it, how far it is, and what came of it."""

from __future__ import annotations

__all__ = ["JobDoor", "Jobs"]

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import psycopg

from processes.workers import Answer as Output
from server.answer import Answer, Receive, Scope, Send, as_json, rfc3339
from server.auth import ANONYMOUS
from server.caching import PRIVATE
from server.call import Call, Endpoint
from server.documents import own_links
from server.forwarded import Forwarding, shortened
from server.host import Profile
from server.job_runner import Runner
from server.job_store import Asker, Filters, Job, JobStore, due
from server.negotiation import MEDIA, choose_format
from server.outputs import delivered
from server.pages import HTML, Pages
from server.params import page_offset, page_size
from server.problems import MethodNotAllowed, NoSuchJob, ResultNotReady, StoredProblem, refused
from server.processes import Processes, Request, next_link
from server.references import References
from stadtgrund import identity
from stadtgrund.errors import TransientError
from stadtgrund.query.interval import Interval

log = logging.getLogger(__name__)

_LOOK_S = 2.0
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
STATUSES = ("accepted", "running", "successful", "failed", "dismissed")
_LISTS = ("type", "processID", "status")
_FILTERS = ("type", "processID", "status", "datetime", "minDuration", "maxDuration")
_AGAIN_S = 2
_MESSAGES = {
    "accepted": ("Der Auftrag wartet.", "The job waits."),
    "running": ("Der Auftrag läuft.", "The job is running."),
    "successful": ("Das Ergebnis liegt vor.", "The result is there."),
    "dismissed": ("Der Auftrag und sein Ergebnis sind gelöscht.", "The job and its result are removed."),
}


class Jobs:
    """The handlers of jobs, and what runs them: of each profile for itself."""

    def __init__(
        self,
        pages: Pages,
        processes: Processes,
        references: References,
        stores: Mapping[str, JobStore],
        looking: Profile,
        forwarding: Forwarding,
        *,
        listed: bool = False,
    ) -> None:
        """`looking`: through whose connections to look for jobs of any profile; `listed`: those of nobody are listed to who has no key."""
        self.pages, self.processes, self.references, self._stores, self._listed = pages, processes, references, stores, listed
        self._looking, self._forwarding = looking, forwarding
        self._runners = {name: Runner(name, store, self._run) for name, store in stores.items()}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for jobs that nobody runs."""
        self._task = asyncio.create_task(self._look(), name="jobs")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._looking.start()
                async with self._looking.connection() as connection:
                    profiles = await due(connection)
            except (psycopg.Error, TransientError) as error:
                log.warning("jobs could not be looked for: %s", error)
                continue
            except Exception:  # nobody waits for this task: whatever ended it, what another process left would never be run
                log.exception("jobs could not be looked for")
                continue
            for profile in profiles:
                if profile in self._runners:
                    self._runners[profile].wake()

    async def create(self, call: Call, process: str, request: Request) -> Answer:
        """Make a job of a request: 201, with the address that tells how far it is."""
        call.only("f", "lang")
        said = ("content-language", call.language)
        job = await self._store(call).add(self._asker(call), process, asdict(request))
        self._runners[call.profile.name].wake()
        headers = (PRIVATE, said, ("location", f"{call.base_url}/jobs/{job.job}"), ("preference-applied", "respond-async"))
        return Answer(201, as_json(_status(job, call)), MEDIA["json"], headers)

    async def listed(self, call: Call) -> Answer:
        """`/jobs`: those of the caller's key, the newest first. Without a key there are none: who made them cannot be told."""
        call = _merged(call)
        call.only("f", "lang", "limit", "offset", *_FILTERS)
        limit, offset, filters = page_size(call.query), page_offset(call.query), _filters(call, tuple(self.processes.offered))
        owner = _owner()
        hidden = owner is None and not self._listed
        found = [] if hidden else await self._store(call).list(owner, filters, limit + 1, offset)
        links = own_links(f"{call.base_url}/jobs", call, "limit", "offset", *_FILTERS)
        if len(found) > limit:
            links.append(next_link(f"{call.base_url}/jobs", call, limit, offset))
        document = {"jobs": [_status(job, call) for job in found[:limit]], "links": links}
        return await self._shown(call, "jobs/index.html", {**document, "hidden": hidden} if self._is_page(call) else document)

    async def status(self, call: Call) -> Answer:
        """`/jobs/{job}`: how far it is."""
        call.only("f", "lang")
        job = await self._job(call)
        answer = await self._shown(call, "jobs/job.html", _status(job, call))
        return answer if job.finished else answer.with_headers(("retry-after", str(_AGAIN_S)))

    async def results(self, call: Call) -> Answer:
        """`/jobs/{job}/results`: what the process answers to who waits for it, an error with its status."""
        call.only("f", "lang")
        job = await self._job(call)
        if job.problem is not None:
            raise StoredProblem(job.problem)
        if job.media_type is not None:
            # What Accept says is not asked, as of who waits: the request said which form it is to have.
            choose_format(call.query.get("f"), None, (("html" if job.media_type == MEDIA["html"] else "json", job.media_type),))
            if call.head:
                return Answer(200, None, job.media_type, (PRIVATE,))
        kept = await self._store(call).answer(job.job, _owner())
        if kept is None:
            if job.finished:  # dismissed in this very moment
                raise _none(str(job.job))
            raise ResultNotReady(f"Job {job.job} is {job.status}.", remedy=f"Its status is at {call.base_url}/jobs/{job.job}.")
        return delivered(*kept)

    async def dismiss(self, call: Call) -> Answer:
        """`DELETE /jobs/{job}`: ends it, and removes it with its result."""
        call.only("f", "lang")
        said = ("content-language", call.language)
        job = await self._store(call).dismiss(_named(call), _owner())
        if job is None:
            raise _none(call.places["job"])
        return Answer(200, as_json(_status(job, call, dismissed=True)), MEDIA["json"], (PRIVATE, said))

    def links(self, call: Call) -> list[dict[str, str]]:
        """Return what the landing page links."""
        title = "Aufträge" if call.language == "de" else "Jobs"
        return [{"rel": f"{_OGC}/job-list", "type": MEDIA["json"], "title": title, "href": f"{call.base_url}/jobs"}]

    async def close(self) -> None:
        """End; what is being run is given back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*(runner.close() for runner in self._runners.values()))

    def _store(self, call: Call) -> JobStore:
        return self._stores[call.profile.name]

    async def _job(self, call: Call) -> Job:
        job = await self._store(call).get(_named(call), _owner())
        if job is None:
            raise _none(call.places["job"])
        return job

    async def _run(self, process: str, request: Mapping[str, Any]) -> Output:
        asked = Request.of(request)
        inputs = await self.references.resolved(self.processes.metadata(process)["inputs"], asked.inputs)
        return await self.processes.run(process, replace(asked, inputs=inputs))

    def _asker(self, call: Call) -> Asker:
        owner = _owner()
        return Asker(owner, None if owner else shortened(self._forwarding.client(call.scope)))

    def _is_page(self, call: Call) -> bool:
        return call.format(("json", MEDIA["json"]), ("html", MEDIA["html"])) == "html"

    async def _shown(self, call: Call, template: str, document: dict[str, Any]) -> Answer:
        said = ("content-language", call.language)
        if not self._is_page(call):
            return Answer(200, as_json(document), MEDIA["json"], (PRIVATE, said))
        body = await asyncio.to_thread(self.pages.render, template, call.snapshot, call.language, document, call.query)
        return Answer(200, body, HTML, (PRIVATE, said))


class JobDoor:
    """The route of one job, which can be read and removed."""

    _ALLOW = "GET, HEAD, DELETE, OPTIONS"

    def __init__(self, jobs: Jobs, profiles: Mapping[str, Profile]) -> None:
        self.jobs, self.profiles = jobs, profiles
        self._read = Endpoint(jobs.status, profiles)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["method"]:
            case "GET" | "HEAD":
                await self._read(scope, receive, send)
            case "DELETE":
                profile = self.profiles[identity.current().profile]
                answer = await self.jobs.dismiss(Call(scope, profile, await profile.snapshot()))
                await answer(scope, receive, send)
            case "OPTIONS":
                await Answer(204, None, None, (("allow", self._ALLOW),))(scope, receive, send)
            case method:
                raise MethodNotAllowed(method, self._ALLOW)


def _owner() -> str | None:
    """Return whose jobs the caller has: the label of the key, None without one."""
    principal = identity.current()
    return None if principal is ANONYMOUS else principal.name


def _named(call: Call) -> UUID:
    try:
        return UUID(call.places["job"])
    except ValueError:
        raise _none(call.places["job"]) from None


def _none(name: str) -> NoSuchJob:
    kept = "One that was made with a key is found with that key. It is removed a day after its end, or when it may show what is closed."
    return NoSuchJob(f"There is no job {name!r}.", remedy=kept)


def _status(job: Job, call: Call, *, dismissed: bool = False) -> dict[str, Any]:
    """Return the status document of a job (statusInfo)."""
    german = call.language == "de"
    url = f"{call.base_url}/jobs/{job.job}"
    status = "dismissed" if dismissed else job.status
    message = job.problem["detail"] if job.problem and not dismissed else _MESSAGES[status][0 if german else 1]
    document: dict[str, Any] = {"processID": job.process, "type": "process", "jobID": str(job.job), "status": status, "message": message}
    for name, moment in (("created", job.created), ("started", job.started), ("finished", job.finished), ("updated", job.alive)):
        if moment is not None:
            document[name] = rfc3339(moment)
    if status in ("accepted", "successful"):
        document["progress"] = 100 if status == "successful" else 0
    links = own_links(url, call)
    if status in ("accepted", "running"):
        title = "Stand" if german else "State"
        links.append({"rel": "monitor", "type": MEDIA["json"], "title": title, "href": url})
    if status == "successful":
        title = "Ergebnis" if german else "Result"
        links.append({"rel": f"{_OGC}/results", "type": job.media_type or MEDIA["json"], "title": title, "href": f"{url}/results"})
    if status == "failed":
        title = "Fehler" if german else "Error"
        links.append({"rel": f"{_OGC}/exceptions", "type": "application/problem+json", "title": title, "href": f"{url}/results"})
    return {**document, "links": [] if dismissed else links}


def _merged(call: Call) -> Call:
    """Return the call with each list that is given by repeating its parameter, as the standard has it, as one text with commas."""
    pairs = parse_qsl(call.scope["query_string"].decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    lists = {name: ",".join(value for given, value in pairs if given == name) for name in _LISTS}
    rest = [(name, value) for name, value in pairs if name not in _LISTS]
    query = urlencode(
        [*rest, *((name, lists[name]) for name in dict.fromkeys(name for name, _ in pairs) if name in lists)], encoding="latin-1"
    )
    return Call({**call.scope, "query_string": query.encode()}, call.profile, call.snapshot)


def _filters(call: Call, processes: tuple[str, ...]) -> Filters:
    query = call.query
    interval = Interval.parse(query["datetime"]) if "datetime" in query else Interval(None, None)
    _chosen(call, "type", ("process",))
    return Filters(
        processes=_chosen(call, "processID", processes),
        statuses=_chosen(call, "status", STATUSES),
        since=interval.start,
        until=interval.end,
        min_duration=_seconds(call, "minDuration"),
        max_duration=_seconds(call, "maxDuration"),
    )


def _chosen(call: Call, name: str, known: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the values of a list, None = it is not given."""
    if name not in call.query:
        return None
    values = tuple(call.query[name].split(","))
    for value in values:
        if value not in known:
            raise refused(name, value, " or ".join(known))
    return values


def _seconds(call: Call, name: str) -> int | None:
    if name not in call.query:
        return None
    text = call.query[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise refused(name, text, "seconds, a whole number from 0")
    return int(text)
