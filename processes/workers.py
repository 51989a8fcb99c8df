"""A bounded pool of child processes that run checks, so that the server imports no rasterio and a crash costs one request."""

from __future__ import annotations

__all__ = ["Answer", "Workers"]

import asyncio
import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from stadtgrund import errors
from stadtgrund.errors import Busy, InvalidParameter, StadtgrundError

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
    """

    def __init__(self, size: int = 2, timeout_s: float = 60) -> None:
        self._size, self._timeout_s = size, timeout_s
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
                child.kill()
                await child.wait()
                raise Busy(
                    f"Die Prüfung dauerte länger als {self._timeout_s:g} s.", remedy="Bitte ein kleineres Vorhaben prüfen."
                ) from error
            except (BrokenPipeError, ConnectionResetError):
                line = b""
            except asyncio.CancelledError:
                child.kill()  # its answer would be read by the next request
                raise
        if not line:
            LOGGER.error("a process child ended with %s", await child.wait())
            raise Busy("Die Prüfung wurde abgebrochen.", remedy="Bitte erneut versuchen.")
        self._idle.setdefault(profile, []).append(child)
        return _read(json.loads(line))

    async def close(self) -> None:
        """End all children."""
        for children in self._idle.values():
            for child in children:
                if child.returncode is None:
                    child.terminate()
                    await child.wait()
        self._idle.clear()

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
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "processes",
            profile,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_ANSWER_BYTES,
            env={**os.environ},
        )


def _read(data: dict[str, Any]) -> Answer:
    if "error" not in data:
        return Answer(data["media_type"], data["body"])
    if data["error"] == "InvalidParameter":
        raise InvalidParameter(*data["parameter"])
    kind = getattr(errors, data["error"], StadtgrundError)
    raise kind(data["what"], remedy=data["remedy"])
