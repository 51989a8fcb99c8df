"""Children that write files: one for whole collections and one for excerpts at a time, kept a minute for the next order.

The server's process imports no GDAL and no Arrow, and a crash costs one file. Who asks for a file that is being written waits for the
same child.
"""

from __future__ import annotations

__all__ = ["Exports", "Outdated"]

import asyncio
import json
import logging
from typing import Any

from etl.deliver.order import Order
from stadtgrund import errors
from stadtgrund.children import ChildEnded, Children
from stadtgrund.errors import Busy, StadtgrundError, TransientError
from stadtgrund.settings import Settings
from stadtgrund.store.shelf import WHOLE, Shelf, Shelved, Target

log = logging.getLogger(__name__)

WAIT_S = 45.0
"""How long a request waits for its file: less than the 60 seconds after which proxies give up."""
_JOB_S = 3600.0
_IDLE_S = 60.0
_MOST_WAITING = 20
"""Files that wait for a child, of a kind."""


class Outdated(TransientError):
    """The order was made of another state of the collection than the one that serves."""


class Exports:
    """Writes what is ordered onto the shelf; `close` ends what is going on."""

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        self.shelf = shelf
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._places = {True: asyncio.Semaphore(1), False: asyncio.Semaphore(1)}
        self.children = Children("etl.deliver", settings.environment(), idle_s=_IDLE_S)

    @property
    def busy(self) -> bool:
        """Whether files of whole collections are being written, or wait for it."""
        return any(job.startswith(f"{WHOLE}/") for job in self._jobs)

    async def obtain(self, profile: str, target: Target, order: Order, *, to_the_end: bool = False) -> Shelved | None:
        """Return a file, made now when there is none yet; None when it takes longer than `WAIT_S`, and goes on being made.

        None too when the child found the collection changed, and so made another file. `to_the_end`: wait however long it takes.

        Raises
        ------
        StadtgrundError
            As the child says: NotFound, TooLarge, Outdated …; Busy when too many wait.
        """
        if found := self.shelf.find(target):
            return found
        job = self._jobs.get(target.path)
        if job is None:
            if sum(1 for other in self._jobs if other.startswith(target.folder.partition("/")[0])) > _MOST_WAITING:
                raise Busy("Too many files are being written.", remedy="Try again in a minute.")
            job = self._jobs[target.path] = asyncio.create_task(self._write(profile, order), name=f"write {target.path}")
            job.add_done_callback(lambda done: self._ended(target.path, done))
        await asyncio.wait({job}, timeout=None if to_the_end else WAIT_S)
        if job.done():
            job.result()
        return self.shelf.find(target)

    def going_on(self, target: Target) -> bool:
        """Whether a file is being written by this process."""
        return target.path in self._jobs

    def _ended(self, path: str, job: asyncio.Task[None]) -> None:
        self._jobs.pop(path, None)
        if not job.cancelled() and (error := job.exception()):
            log.warning("%s was not written: %s", path, error)

    async def _write(self, profile: str, order: Order) -> None:
        async with self._places[order.excerpt is not None]:
            try:
                line = await self.children.ask(profile, order.model_dump_json(), _JOB_S)
            except TimeoutError as error:
                raise Busy(f"Writing {order.dataset} took longer than {_JOB_S:g} s.") from error
            except ChildEnded as error:
                log.error("a child that writes files %s", error)
                raise Busy("Writing the file was interrupted.", remedy="Try again.") from error
        _check(json.loads(line))

    async def close(self) -> None:
        """End all children, those at work too."""
        for job in tuple(self._jobs.values()):
            job.cancel()
        await self.children.close()


def _check(answer: dict[str, Any]) -> None:
    if "error" in answer:
        kind = Outdated if answer["error"] == "Stale" else getattr(errors, answer["error"], StadtgrundError)
        raise kind(answer["what"], remedy=answer["remedy"])
