"""Answers to requests for tiles that were answered a moment ago, kept as they were sent, in the memory of one process.

The layer is the outermost. What it keeps is what the whole chain below it answered with, so that nothing is said twice: a request
that differs in anything that the chain looks at is another one, and goes through the chain. Who asks is found out for each request.
"""

from __future__ import annotations

__all__ = ["HOT", "HotLayer", "Source"]

import time
from collections import OrderedDict
from dataclasses import dataclass

from server.answer import Message, Receive, Scope, Send
from server.auth import ANONYMOUS, KeyRing, credential
from server.host import Profile, Published, Snapshot
from server.layers import MAX_HEADERS, LogLayer, request_id_of
from stadtgrund.errors import Unauthorized

HOT = "stadtgrund.hot"
"""Where in the scope a handler puts the `Source` of an answer that may be kept."""
_MOST_BYTES = 16 * 2**20
_MOST_BODY = 512 * 1024
_MOST_HEADER = 300
"""Bytes of a header that is part of what an answer is kept under: what is longer is nobody's browser."""
_OVERHEAD = 1500
"""Bytes that an entry takes beside its body, about."""

_Asked = tuple[str, str, bytes, bytes, bytes, bytes]
"""Profile, path, query, Accept, Accept-Encoding, If-None-Match."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer was made from: a collection of a profile, or all that the profile sees (`published` None)."""

    profile: Profile
    snapshot: Snapshot
    published: Published | None

    @property
    def is_current(self) -> bool:
        """Whether the profile's state, read a moment ago, still says so."""
        now = self.profile.recent
        if now is None:
            return False
        if self.published is None:
            return now is self.snapshot
        return now.published.get(self.published.collection.id) is self.published


@dataclass(frozen=True, slots=True)
class _Kept:
    source: Source
    path: str
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class HotLayer:
    """Keeps answers to GETs of tiles, the last used ones, up to some megabytes."""

    def __init__(self, app: LogLayer, keys: KeyRing, most_bytes: int = _MOST_BYTES) -> None:
        self.app, self.keys, self.most_bytes = app, keys, most_bytes
        self._kept: OrderedDict[_Asked, _Kept] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or "/tiles/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        asked, given_id = self._asked(scope)
        if asked is None:
            await self.app(scope, receive, send)
            return
        kept = self._kept.get(asked)
        if kept is None or not kept.source.is_current:
            await self._keep(asked, scope, receive, send)
            return
        self._kept.move_to_end(asked)
        request_id = request_id_of(given_id)
        scope["stadtgrund.profile"] = asked[0]
        scope["path"] = kept.path
        headers = [*kept.headers, (b"x-request-id", request_id.encode())]
        try:
            await send({"type": "http.response.start", "status": kept.status, "headers": headers})
            await send({"type": "http.response.body", "body": kept.body})
        finally:
            self.app.note(scope, kept.status, len(kept.body), started, request_id)

    def _asked(self, scope: Scope) -> tuple[_Asked | None, str | None]:
        """Return what a request asks for, None when the chain must look at it; and the id that it gives itself."""
        accept = coding = known = given_id = None
        size, keyed = 0, False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"accept":
                accept = value if accept is None else accept + b", " + value  # as the chain reads a list
            elif name == b"accept-encoding":
                coding = value if coding is None else coding + b", " + value
            elif name == b"if-none-match":
                known = value if known is None else known + b", " + value
            elif name == b"x-request-id":
                given_id = value.decode("latin-1") if given_id is None else given_id  # no list: the first
            elif name in (b"authorization", b"x-api-key"):
                keyed = True
            elif name in (b"content-length", b"transfer-encoding"):
                return None, None
        path = scope["path"]
        if size > MAX_HEADERS or not path[-1:].isdigit() or b"%" in (scope.get("raw_path") or b"%"):
            return None, None
        profile: str | None = ANONYMOUS.profile
        if keyed:
            try:
                key = credential(scope)
            except Unauthorized:
                return None, None
            profile = key and self.keys.remembered(key)
        accept, coding, known = accept or b"", coding or b"", known or b""
        if not profile or max(len(accept), len(coding), len(known), len(scope["query_string"])) > _MOST_HEADER:
            return None, None
        return (profile, path, scope["query_string"], accept, coding, known), given_id

    async def _keep(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the chain answer, and keep what it says when its handler allows it."""
        start: Message = {}
        body: bytes | None = None

        async def heard(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            elif not message.get("more_body", False):
                body = message.get("body", b"") if body is None else None
            await send(message)

        await self.app(scope, receive, heard)
        source: Source | None = scope.get(HOT)
        # With If-None-Match only the 304 is kept: each tag that is not current would bring another copy of the tile.
        status = start.get("status", 0)
        if source is None or body is None or status not in ((304,) if asked[5] else (200, 204)) or len(body) > _MOST_BODY:
            return
        headers = [(name, value) for name, value in start["headers"] if name != b"x-request-id"]
        self._forget(asked)
        self._kept[asked] = _Kept(source, scope["path"], status, headers, body)
        self._bytes += len(body) + _OVERHEAD
        while self._bytes > self.most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, asked: _Asked) -> None:
        if kept := self._kept.pop(asked, None):
            self._bytes -= len(kept.body) + _OVERHEAD
