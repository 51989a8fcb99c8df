"""The layers around the router, as pure ASGI middleware; their order stands in `app.create_app`."""

from __future__ import annotations

__all__ = ["CorsLayer", "LimitsLayer", "LogLayer", "PathLayer", "ProblemLayer", "ProblemPage", "header"]

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from server.answer import Answer, ASGIApp, Message, Receive, Scope, Send
from server.problems import KNOWN, Unsupported, problem
from stadtgrund.errors import StadtgrundError

log = logging.getLogger(__name__)

MAX_URL = 16 * 1024
MAX_HEADERS = 32 * 1024
MAX_BODY = 1024 * 1024
VARY = "Accept, Accept-Encoding, Accept-Language, Authorization, X-API-Key"

ProblemPage = Callable[[Scope, dict[str, Any]], tuple[bytes, str]]
"""A request and a problem document → body and media type."""

_REQUEST_ID = re.compile(r"[\w.:-]{8,80}", re.ASCII)


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header called `name` (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


_LINE = "%s %s%s %d %d B %.1f ms %s [%s]"


def _names(query: bytes) -> Iterable[str]:
    """Return the names of the first query parameters, each once."""
    return dict.fromkeys(name[:40] for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)[:20])


class LogLayer:
    """Outermost: gives each request an id, catches what nobody foresaw, writes one line.

    The line has the names of the query parameters, never their values: they may hold an address or a name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = header(scope, b"x-request-id")
        request_id = given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["stadtgrund.request_id"] = request_id
        started = time.perf_counter()
        status, size = 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, counted)
        except Exception:  # the last resort: whatever it is, the client gets an answer and the log the traceback
            log.exception("%s %s failed [%s]", scope["method"], scope["path"], request_id)
            if status == 0:
                await self._fault(scope, receive, counted)
        finally:
            ms = (time.perf_counter() - started) * 1000
            # Made by hand: `log.info` would walk the stack for its caller, 0.02 ms a request [measured].
            if log.isEnabledFor(logging.INFO):
                names = ",".join(_names(scope["query_string"])) if scope["query_string"] else ""
                profile = scope.get("stadtgrund.profile", "-")
                said = (scope["method"], scope["path"], f"?{names}" if names else "", status, size, ms, profile, request_id)
                log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, _LINE, said, None))

    async def _fault(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, document, headers = problem(_Fault("unforeseen"), scope["path"])
        cors = (("access-control-allow-origin", "*"), ("vary", VARY))  # a web map must be able to read the error
        answer = Answer.of_json(document, "application/problem+json", (*headers, *cors))
        await Answer(status, answer.body, answer.media_type, answer.headers)(scope, receive, send)


class _Fault(StadtgrundError):
    """Stands for an exception that nobody foresaw; its traceback is in the log already."""


class CorsLayer:
    """Lets pages of any origin read every answer, errors too, with credentials in headers (never cookies)."""

    _ALWAYS = (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"Accept-Ranges, Content-Crs, Content-Range, Link, ETag, X-Request-Id, Retry-After"),
        (b"vary", VARY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"strict-origin-when-cross-origin"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a preflight ends here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            answer = Answer(
                204,
                None,
                None,
                (
                    ("access-control-allow-origin", "*"),
                    ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
                    (
                        "access-control-allow-headers",
                        "Authorization, X-API-Key, Content-Type, Accept, Accept-Language, If-None-Match, If-Range, Range, X-Request-Id",
                    ),
                    ("access-control-max-age", "86400"),
                    ("vary", VARY),
                ),
            )
            await answer(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._ALWAYS]
            await send(message)

        await self.app(scope, receive, opened)


class ProblemLayer:
    """Turns an error of the table into problem JSON, or into a page for a browser (`page` makes it)."""

    def __init__(self, app: ASGIApp, page: ProblemPage) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except KNOWN as error:
            status, document, headers = problem(error, scope["path"])
            body, media_type = self.page(scope, document)
            answer = Answer(status, body, media_type, headers)
            await (answer.without_body() if scope["method"] == "HEAD" else answer)(scope, receive, send)


class LimitsLayer:
    """Refuses what is too long before anything is made of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            url = len(scope["path"]) + len(scope["query_string"])
            if url > MAX_URL:
                raise Unsupported(HTTPStatus.REQUEST_URI_TOO_LONG, f"The URL has {url} characters.", remedy=f"Allowed: {MAX_URL}.")
            size = sum(len(name) + len(value) for name, value in scope["headers"])
            if size > MAX_HEADERS:
                raise Unsupported(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers have {size} bytes.", remedy=f"Allowed: {MAX_HEADERS}."
                )
            length = header(scope, b"content-length") or "0"
            if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
                raise Unsupported(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has {length[:20]} bytes.", remedy=f"Allowed: {MAX_BODY}.")
        await self.app(scope, receive, send)


class PathLayer:
    """Takes the path prefix of the public URL off, and a slash at the end, so that both forms of a path are one.

    A proxy may hand the path on with or without the prefix.
    """

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self.app, self.base_path = app, base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if self.base_path and (path == self.base_path or path.startswith(self.base_path + "/")):
                path = path[len(self.base_path) :]
            raw: bytes = scope.get("raw_path") or b"/"
            if path.endswith("/") and raw.split(b"?", 1)[0].endswith(b"/"):  # an id may end in an encoded slash
                path = path.rstrip("/")
            scope["path"] = path or "/"
            scope["root_path"] = ""
        await self.app(scope, receive, send)
