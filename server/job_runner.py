"""Runs the jobs of a profile in this server process, one at a time; what another one left behind when it ended is taken over."""

from __future__ import annotations

__all__ = ["Runner"]

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors as pg

from processes.workers import Answer
from server.answer import as_json
from server.job_store import MOST_TRIES, Candidate, JobStore, Taken
from server.problems import JobLost, problem
from stadtgrund import identity
from stadtgrund.errors import Busy, DatabaseUnavailable, TransientError
from stadtgrund.identity import Principal

log = logging.getLogger(__name__)

_SIGN_S = 1.0
_KEEPING_S = 60
"""How long the end of a job is tried to be written while the database is not there."""
_PAUSE_S = 5.0
"""How long a job waits that could not be run for now: no place was free, the database was not there."""
_REMEMBERED_S = 3600
"""How long it is remembered whose turn it was."""

Run = Callable[[str, dict[str, Any]], Awaitable[Answer]]
"""Runs a process with the request of a job, as the current principal."""


class Runner:
    """Takes jobs of a profile and runs them until it is closed; it looks for them when it is woken."""

    def __init__(self, profile: str, store: JobStore, run: Run) -> None:
        self.profile, self.store, self._run = profile, store, run
        self._woken = asyncio.Event()
        self._served: dict[tuple[str | None, str | None], float] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def wake(self) -> None:
        """Look at once: there may be a job."""
        if self._closed:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._forever(), name=f"jobs {self.profile}")
        self._woken.set()

    async def close(self) -> None:
        """End; a job that is being run is given back."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.store.close()

    async def _forever(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while await self._next():
                    pass
                await self.store.expire()
            except (psycopg.Error, TransientError) as error:
                log.warning("%s: jobs could not be looked for: %s", self.profile, error)
            except Exception:  # nobody waits for this task: whatever ended it, no job would be run any more
                log.exception("%s: jobs could not be looked for", self.profile)

    async def _next(self) -> bool:
        """Run the next job; the askers have their turns, so that nobody waits behind a hundred jobs of another. False: there is none."""
        waiting = await self.store.candidates()
        lately = time.monotonic() - _REMEMBERED_S
        self._served = {asker: when for asker, when in self._served.items() if when > lately}
        for each in sorted(waiting, key=lambda each: self._served.get((each.owner, each.origin), 0.0)):
            if taken := await self._take(each):
                self._served[each.owner, each.origin] = time.monotonic()
                await self._work(taken)
                return True
        return False

    async def _take(self, candidate: Candidate) -> Taken | None:
        taking = asyncio.create_task(self.store.take(candidate.job))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(psycopg.Error, TransientError):
                if taken := await taking:
                    await self.store.give_back(taken)
            raise

    async def _work(self, taken: Taken) -> None:
        """Run a job and keep what comes of it, unless it is dismissed meanwhile."""
        running = asyncio.create_task(self._answer(taken))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=_SIGN_S)
                if not running.done() and not await self._wanted(taken):
                    log.info("job %s is not wanted any more, or of what is closed by now", taken.job)
                    await self.store.give_back(taken)
                    return
            await self._keep(taken, running)
        except asyncio.CancelledError:
            with suppress(psycopg.Error, TransientError):  # else it is taken over when its lease has lapsed
                await self.store.give_back(taken)
            raise
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def _answer(self, taken: Taken) -> tuple[str, bytes]:
        if taken.tries > MOST_TRIES:
            raise JobLost("Dieser Auftrag ist zweimal abgebrochen worden.", remedy="Bitte der Geodatenstelle melden.")
        with identity.use(Principal(taken.owner or "anonymous", self.profile)):
            answer = await self._run(taken.process, taken.request)
        body = answer.body.encode() if isinstance(answer.body, str) else as_json(answer.body)
        return answer.media_type, body

    async def _wanted(self, taken: Taken) -> bool:
        try:
            return await self.store.sign(taken)
        except (psycopg.Error, TransientError) as error:
            log.warning("job %s: no sign of life could be given: %s", taken.job, error)
            return True

    async def _keep(self, taken: Taken, done: asyncio.Task[tuple[str, bytes]]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        again = done.cancelled() or _passes(error)
        for _ in range(_KEEPING_S):
            try:
                if again:  # nothing is wrong with the job, unless it is what ended the child, or the connection
                    await self.store.give_back(taken, forgiven=type(error) is Busy, pause_s=_PAUSE_S)
                    return
                kept = (
                    self.store.fail(taken, problem(error, f"/jobs/{taken.job}/results")[1])
                    if error
                    else self.store.succeed(taken, *done.result())
                )
                if not await kept:  # dismissed; or the profile sees less by now than when it was begun
                    await self.store.give_back(taken)
                return
            except (psycopg.Error, TransientError) as lost:
                log.warning("job %s: its end could not be written: %s", taken.job, lost)
                await asyncio.sleep(1)


def _passes(error: Exception | None) -> bool:
    """Whether the same job may succeed later: no place was free, the child or the connection was lost. What took too long will again."""
    lost = isinstance(error, psycopg.OperationalError) and not isinstance(error, pg.QueryCanceled)
    return lost or isinstance(error, Busy | DatabaseUnavailable)
