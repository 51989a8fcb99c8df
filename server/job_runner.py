"""Runs the jobs of a profile in this server process, one at a time; what another one left behind when it ended is taken over."""

from __future__ import annotations

__all__ = ["Runner"]

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg

from processes.workers import Answer
from server.answer import as_json
from server.host import Profile
from server.job_store import MOST_TRIES, JobStore, Taken
from server.problems import problem
from stadtgrund import identity
from stadtgrund.errors import DatabaseUnavailable, StadtgrundError, TransientError
from stadtgrund.identity import Principal

log = logging.getLogger(__name__)

_LOOK_S = 2.0
_SIGN_S = 1.0
_KEEPING_S = 60
"""How long the end of a job is tried to be written while the database is not there."""

Run = Callable[[str, dict[str, Any]], Awaitable[Answer]]
"""Runs a process with the request of a job, as the current principal."""


class _LostTwice(StadtgrundError):
    """The server process that ran a job ended, and the next one too."""


class Runner:
    """Takes jobs of a profile and runs them until it is closed."""

    def __init__(self, profile: Profile, store: JobStore, run: Run) -> None:
        self.profile, self.store, self._run = profile, store, run
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for jobs; the second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._forever(), name=f"jobs {self.profile.name}")

    def wake(self) -> None:
        """Look at once: there is a new job."""
        self._woken.set()

    async def close(self) -> None:
        """End; a job that is being run is given back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.store.close()

    async def _forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._woken.wait()
            try:
                if self._woken.is_set() or await self._due():
                    self._woken.clear()
                    while taken := await self.store.take():
                        await self._work(taken)
                    await self.store.expire()
            except (psycopg.Error, TransientError) as error:
                log.warning("%s: jobs could not be looked for: %s", self.profile.name, error)
            except Exception:  # nobody waits for this task: whatever ended it, no job would be run any more
                log.exception("%s: jobs could not be looked for", self.profile.name)

    async def _due(self) -> bool:
        async with self.profile.connection() as connection:
            return await self.store.due(connection)

    async def _work(self, taken: Taken) -> None:
        """Run a job and keep what comes of it, unless it is dismissed meanwhile."""
        running = asyncio.create_task(self._answer(taken))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=_SIGN_S)
                if not running.done() and not await self._wanted(taken):
                    log.info("job %s is not wanted any more", taken.job)
                    return
            await self._keep(taken, running)
        except asyncio.CancelledError:
            if not running.done():
                with suppress(psycopg.Error, TransientError):  # else it is taken over when its lease has lapsed
                    await self.store.give_back(taken)
            raise
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def _answer(self, taken: Taken) -> tuple[str, bytes]:
        if taken.tries > MOST_TRIES:
            raise _LostTwice("The server was ended twice while this job ran.")
        with identity.use(Principal(taken.owner or "anonymous", self.profile.name)):
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
        error = done.exception()
        if isinstance(error, DatabaseUnavailable) and taken.tries < MOST_TRIES:
            return  # taken again when its lease has lapsed: the database was restarted
        if error is not None and not isinstance(error, Exception):
            raise error
        path = f"/jobs/{taken.job}/results"
        for _ in range(_KEEPING_S):
            try:
                if error is None:
                    await self.store.succeed(taken, *done.result())
                else:
                    await self.store.fail(taken, problem(error, path)[1])
                return
            except (psycopg.OperationalError, TransientError) as lost:
                log.warning("job %s: its end could not be written: %s", taken.job, lost)
                await asyncio.sleep(1)
