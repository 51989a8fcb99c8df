"""Runs pygeoapi's API functions on a request made by us: in an executor of our own, with the identity in the context.

pygeoapi is always asked for JSON, as a document: format, language, links and pages are then ours to write.
"""

from __future__ import annotations

__all__ = ["Dispatcher"]

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from babel import Locale
from pygeoapi.api import APIRequest

from server.host import Snapshot
from stadtgrund.errors import NotFound, StadtgrundError

ApiFunction = Callable[..., tuple[dict[str, Any], int, Any]]

_THREADS = 4


class _Request(APIRequest):  # type: ignore[misc]
    """pygeoapi's request, without its own reading of headers (a q of 0 ends in a ZeroDivisionError there)."""

    def __init__(self, path: str, language: str) -> None:
        self._data = b""
        self._args: dict[str, str] = {}
        self._path_info = path.strip("/")
        self._raw_locale = language
        self._locale = Locale(language)
        self._format = "json"
        self._headers: dict[str, str] = {}


class Dispatcher:
    """The bridge from the event loop to pygeoapi's synchronous functions."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="pygeoapi")

    async def document(self, function: ApiFunction, snapshot: Snapshot, path: str, language: str, *arguments: Any) -> Any:
        """Return the JSON document that an API function of pygeoapi answers with.

        Raises
        ------
        NotFound
            It says so.
        StadtgrundError
            It answers with any other status than 200: a fault, as what we pass on is valid.
        """
        context = copy_context()
        call = asyncio.get_running_loop().run_in_executor(
            self._executor, context.run, _answer, function, snapshot, _Request(path, language), arguments
        )
        return await call

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _answer(function: ApiFunction, snapshot: Snapshot, request: APIRequest, arguments: tuple[Any, ...]) -> Any:
    _, status, content = function(snapshot.api, request, *arguments)
    if status == 404:
        raise NotFound(f"There is no {request.path_info!r}.")
    if status != 200:
        raise StadtgrundError(f"pygeoapi answered {status}: {content!r}")
    return json.loads(content)
