"""The layers around the router, as pure ASGI middleware; their order stands in `app.create_app`."""

from __future__ import annotations

__all__ = [
    "MAX_HEADERS",
    "CorsLayer",
    "HeadLayer",
    "LimitsLayer",
    "LogLayer",
    "PathLayer",
    "ProblemLayer",
    "ProblemPage",
    "header",
    "request_id_of",
]

import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from server.answer import Answer, ASGIApp, Message, Receive, Scope, Send
from server.forwarded import Forwarding, shortened
from server.loglines import LineHandler, one_line
from server.problems import KNOWN, Unsupported, problem
from stadtgrund.errors import StadtgrundError, UsageError

log = logging.getLogger(__name__)

MAX_URL = 16 * 1024
MAX_HEADERS = 32 * 1024
MAX_BODY = 1024 * 1024
VARY = "Accept, Accept-Encoding, Accept-Language, Authorization, X-API-Key"

ProblemPage = Callable[[Scope, dict[str, Any]], tuple[bytes, str]]
"""A request and a problem document → body and media type."""

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_REQUEST_ID = re.compile(r"[\w.:-]{8,80}", re.ASCII)


_LISTS = frozenset((b"accept", b"accept-encoding", b"accept-language", b"if-none-match"))


def header(scope: Scope, name: bytes) -> str | None:
    """Return the header called `name` (lower case), or None: of a list all its lines as one (RFC 9110, 5.3), else the first."""
    found = [value for key, value in scope["headers"] if key == name]
    if not found:
        return None
    value: bytes = b", ".join(found) if name in _LISTS else found[0]
    return value.decode("latin-1")


def request_id_of(given: str | None) -> str:
    """Return the id of a request: the one that it brings when it looks like one, else a new one, which need not be unguessable."""
    return given if given and _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


_LINE = "%s %s%s %d %d B %.1f ms %s %s [%s]"


def _names(query: bytes) -> Iterable[str]:
    """Return the names of the first query parameters, each once."""
    return dict.fromkeys(name[:40] for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)[:20])


class LogLayer:
    """Outermost: gives each request an id, catches what nobody foresaw, writes one line.

    The line has the names of the query parameters, never their values: they may hold an address or a name. Of who asked it has the
    network and the profile.
    """

    def __init__(self, app: ASGIApp, forwarding: Forwarding) -> None:
        self.app, self.forwarding = app, forwarding
        # Where ours is the only one, nobody else waits for records.
        handlers = logging.getLogger().handlers
        self._lines = handlers[0] if len(handlers) == 1 and isinstance(handlers[0], LineHandler) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(header(scope, b"x-request-id"))
        scope["stadtgrund.request_id"] = request_id
        started = time.perf_counter()
        status, size = 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif message["type"] == "http.response.pathsend":  # the host reads the file itself
                size += os.path.getsize(message["path"])
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, counted)
        except Exception:  # the last resort: whatever it is, the client gets an answer and the log the traceback
            log.exception("%s %s failed [%s]", scope["method"], one_line(scope["path"]), request_id)
            if status == 0:
                await self._fault(scope, receive, counted)
        finally:
            self.note(scope, status, size, started, request_id)

    def note(self, scope: Scope, status: int, size: int, started: float, request_id: str) -> None:
        """Write the line of a request that was answered; `started` is what `time.perf_counter()` said at its beginning."""
        # Made by hand: `log.info` would walk the stack for its caller, 0.02 ms a request [measured].
        if log.isEnabledFor(logging.INFO):
            ms = (time.perf_counter() - started) * 1000
            names = one_line(",".join(_names(scope["query_string"]))) if scope["query_string"] else ""
            profile = scope.get("stadtgrund.profile", "-")
            network = shortened(self.forwarding.client(scope))
            path = one_line(scope["path"])
            said = (scope["method"], path, f"?{names}" if names else "", status, size, ms, profile, network, request_id)
            if self._lines:
                self._lines.take(log.name, _LINE % said)
            else:
                log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, _LINE, said, None))

    async def _fault(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, document, headers = problem(_Fault("unforeseen"), scope["path"], scope["stadtgrund.request_id"])
        cors = (("access-control-allow-origin", "*"), ("vary", VARY))  # a web map must be able to read the error
        answer = Answer.of_json(document, "application/problem+json", (*headers, *cors))
        await Answer(status, answer.body, answer.media_type, answer.headers)(scope, receive, send)


class _Fault(StadtgrundError):
    """Stands for an exception that nobody foresaw; its traceback is in the log already."""


class CorsLayer:
    """Lets pages of any origin read every answer, errors too, with credentials in headers (never cookies)."""

    _ALWAYS = (
        (b"access-control-allow-origin", b"*"),
        (
            b"access-control-expose-headers",
            b"Accept-Ranges, Content-Crs, Content-Disposition, Content-Range, Link, Location, ETag, Preference-Applied, Repr-Digest, "
            b"X-Request-Id, Retry-After",
        ),
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
                    ("access-control-allow-methods", "GET, HEAD, POST, DELETE, OPTIONS"),
                    (
                        "access-control-allow-headers",
                        "Authorization, X-API-Key, Content-Type, Accept, Accept-Language, If-None-Match, If-Range, Prefer, Range, "
                        "X-Request-Id",
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
            status, document, headers = problem(error, scope["path"], scope.get("stadtgrund.request_id"))
            body, media_type = self.page(scope, document)
            await Answer(status, body, media_type, headers)(scope, receive, send)


class HeadLayer:
    """Keeps bodies from who asked for headers only; it lies around compression, so that their length is that of GET's body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def emptied(message: Message) -> None:
            await send(message if message["type"] == "http.response.start" else {**message, "body": b""})

        await self.app(scope, receive, emptied)


class LimitsLayer:
    """Refuses what is too long, or not encoded as URLs are, before anything is made of it."""

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
            _refuse_bad_encoding(scope.get("raw_path") or b"", "path")
            _refuse_bad_encoding(scope["query_string"], "query")
        await self.app(scope, receive, send)


def _refuse_bad_encoding(text: bytes, name: str) -> None:
    if b"%" not in text:
        return
    if _BAD_ESCAPE.search(text):
        raise UsageError(f"In the {name}, a % is not followed by two hexadecimal digits.", remedy="Write the character % itself as %25.")
    try:
        unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"The {name} is not UTF-8.", remedy="Percent-encode the UTF-8 bytes.") from error


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
