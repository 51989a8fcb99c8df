"""A whole answer: status, headers and body in memory; it is an ASGI application that sends itself.

Pages are buffered before the first byte is sent, so that no slow reader holds a database connection.
"""

from __future__ import annotations

__all__ = ["ASGIApp", "Answer", "Message", "Receive", "Scope", "Send", "as_json", "rfc3339"]

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def as_json(value: Any) -> bytes:
    r"""Return `value` as compact UTF-8 JSON; `<` stays `<`, half a surrogate pair is written as `\ud800`, NaN is refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="backslashreplace")


_PAGE = b"text/html"
_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'self'",
)
"""What a page may load and run unless it says so itself: files of this server, nothing that stands in it."""


@lru_cache(maxsize=256)
def rfc3339(moment: datetime) -> str:
    """Return a moment with its zone as RFC 3339, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=512)
def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: `body` None = only the headers are known (HEAD, 204, 304), no Content-Length is stated."""

    status: int
    body: bytes | None
    media_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_json(cls, value: Any, media_type: str = "application/json", headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        """Return a 200 with `value` as JSON."""
        return cls(200, as_json(value), media_type, headers)

    def with_headers(self, *headers: tuple[str, str]) -> Answer:
        """Return the answer with more headers."""
        return Answer(self.status, self.body, self.media_type, (*self.headers, *headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [_header(name, value) for name, value in self.headers]
        if self.media_type is not None:
            media_type = self.media_type.encode("latin-1")
            headers.append((b"content-type", media_type))
            if media_type.startswith(_PAGE) and not any(name == _POLICY[0] for name, _ in headers):
                headers.append(_POLICY)
        if self.body is not None:
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body or b""})
