"""A bounded pool of child processes that run checks, so that the server imports no rasterio and a crash costs one request."""

from __future__ import annotations

__all__ = ["Answer", "Workers"]

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from processes.project import InvalidInput
from stadtgrund import errors
from stadtgrund.errors import Busy, StadtgrundError, TooLarge

LOGGER = logging.getLogger(__name__)
MAX_ANSWER_BYTES = 64 << 20


@dataclass(frozen=True)
class Answer:
    """A finished check: its media type and body (text or JSON-able)."""

    media_type: str
    body: Any


class Workers:
    """Children by profile, made when needed, `size` at most per profile and kept for the next request.

    Parameters
    ----------
    size : int
        Children per profile; further requests wait.
    timeout_s : float
        A check that takes longer is ended with its child.
    environment : mapping, optional
        Environment of the children, which read their settings from it; by default ours.
    """

    def __init__(self, size: int = 2, timeout_s: float = 60, environment: Mapping[str, str] | None = None) -> None:
        self._size, self._timeout_s, self._environment = size, timeout_s, environment
        self._all: set[asyncio.subprocess.Process] = set()
        self._idle: dict[str, list[asyncio.subprocess.Process]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}

    async def run(self, profile: str, inputs: Any) -> Answer:
        """Check a project as `profile`.

        Raises
        ------
        StadtgrundError
            As the check says; Busy when no child becomes free or the check takes too long.
        """
        async with self._place(profile):
            child = await self._child(profile)
            try:
                async with asyncio.timeout(self._timeout_s):
                    assert child.stdin is not None and child.stdout is not None
                    child.stdin.write(json.dumps(inputs).encode() + b"\n")
                    await child.stdin.drain()
                    line = await child.stdout.readline()
            except TimeoutError as error:
                await self._end(child)
                raise Busy(
                    f"Die Prüfung dauerte länger als {self._timeout_s:g} s.", remedy="Bitte ein kleineres Vorhaben prüfen."
                ) from error
            except (BrokenPipeError, ConnectionResetError):
                line = b""
            except ValueError:  # a line over the limit: what is left of it would be read by the next request
                await self._end(child)
                raise TooLarge("Der Prüfbericht ist zu groß.", remedy="Bitte ein kleineres Vorhaben prüfen.") from None
            except asyncio.CancelledError:
                child.kill()  # its answer would be read by the next request
                self._all.discard(child)
                raise
            if not line:
                LOGGER.error("a process child ended with %s", await self._end(child))
                raise Busy("Die Prüfung wurde abgebrochen.", remedy="Bitte erneut versuchen.")
            self._idle.setdefault(profile, []).append(child)
        return _read(json.loads(line))

    async def close(self) -> None:
        """End all children, those at work too."""
        self._idle.clear()
        await asyncio.gather(*(self._end(child) for child in tuple(self._all)))

    async def _end(self, child: asyncio.subprocess.Process) -> int:
        self._all.discard(child)
        if child.returncode is None:
            child.kill()  # it only reads, so there is nothing that it could leave half done
        return await child.wait()

    @asynccontextmanager
    async def _place(self, profile: str) -> AsyncIterator[None]:
        places = self._places.setdefault(profile, asyncio.Semaphore(self._size))
        try:
            async with asyncio.timeout(self._timeout_s):
                await places.acquire()
        except TimeoutError as error:
            raise Busy("Alle Plätze für Prüfungen sind besetzt.", remedy="Bitte in einer Minute erneut versuchen.") from error
        try:
            yield
        finally:
            places.release()

    async def _child(self, profile: str) -> asyncio.subprocess.Process:
        idle = self._idle.get(profile, [])
        while idle:
            child = idle.pop()
            if child.returncode is None:
                return child
            self._all.discard(child)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "processes",
            profile,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_ANSWER_BYTES,
            env=dict(os.environ if self._environment is None else self._environment),
        )
        self._all.add(child)
        return child


def _read(data: dict[str, Any]) -> Answer:
    if "error" not in data:
        return Answer(data["media_type"], data["body"])
    if data["error"] == "InvalidInput":
        raise InvalidInput(*data["parameter"])
    kind = getattr(errors, data["error"], StadtgrundError)
    raise kind(data["what"], remedy=data["remedy"])
