"""A bounded pool of child processes that run checks, so that the server imports no rasterio and a crash costs one request."""

from __future__ import annotations

__all__ = ["Answer", "CheckEnded", "CheckTooLong", "Workers"]

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from processes.project import InvalidInput
from stadtgrund import errors
from stadtgrund.children import ChildEnded, Children
from stadtgrund.errors import Busy, StadtgrundError, TooLarge

LOGGER = logging.getLogger(__name__)
MAX_ANSWER_BYTES = 64 << 20


class CheckEnded(Busy):
    """The child ended before it answered."""


class CheckTooLong(StadtgrundError):
    """The check takes longer than it may."""


@dataclass(frozen=True)
class Answer:
    """A finished check: its media type and body (text or JSON-able)."""

    media_type: str
    body: Any


class Workers:
    """Children that check, `size` at most per profile; further requests wait.

    Parameters
    ----------
    size : int
        Children per profile.
    timeout_s : float
        A check that takes longer is ended with its child.
    environment : mapping, optional
        Environment of the children; by default ours.
    """

    def __init__(self, size: int = 2, timeout_s: float = 60, environment: Mapping[str, str] | None = None) -> None:
        self._size, self._timeout_s = size, timeout_s
        self._children = Children("processes", os.environ if environment is None else environment, most_bytes=MAX_ANSWER_BYTES)
        self._places: dict[str, asyncio.Semaphore] = {}

    async def run(self, profile: str, inputs: Any) -> Answer:
        """Check a project as `profile`.

        Raises
        ------
        StadtgrundError
            As the check says; Busy when no child becomes free, CheckEnded, CheckTooLong.
        """
        async with self._place(profile):
            try:
                line = await self._children.ask(profile, json.dumps(inputs), self._timeout_s)
            except TimeoutError as error:
                raise CheckTooLong(
                    f"Die Prüfung dauerte länger als {self._timeout_s:g} s.", remedy="Bitte ein kleineres Vorhaben prüfen."
                ) from error
            except ValueError:
                raise TooLarge("Der Prüfbericht ist zu groß.", remedy="Bitte ein kleineres Vorhaben prüfen.") from None
            except ChildEnded as error:
                LOGGER.error("a process child %s", error)
                raise CheckEnded("Die Prüfung wurde abgebrochen.", remedy="Bitte erneut versuchen.") from error
        return _read(json.loads(line))

    async def close(self) -> None:
        """End all children, those at work too."""
        await self._children.close()

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


def _read(data: dict[str, Any]) -> Answer:
    if "error" not in data:
        return Answer(data["media_type"], data["body"])
    if data["error"] == "InvalidInput":
        raise InvalidInput(*data["parameter"])
    kind = getattr(errors, data["error"], StadtgrundError)
    raise kind(data["what"], remedy=data["remedy"])
