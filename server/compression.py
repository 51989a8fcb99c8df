"""zstd or gzip at their fastest levels, for whole answers that gain from it; big ones off the event loop."""

from __future__ import annotations

__all__ = ["CompressionLayer", "coding_of"]

import asyncio
import zlib
from functools import lru_cache

import zstandard

from server.answer import ASGIApp, Message, Receive, Scope, Send
from server.layers import header
from server.negotiation import weighted

_MINIMUM = 1000
"""Below this a packet is a packet."""
_MINIMUM_TILE = 8 * 1024
"""A tile this small gains nothing that its reader would notice."""
_OFF_LOOP = 64 * 1024
"""From this size on, compressing takes longer (about 0.5 ms) than changing to a thread."""
_TYPES = (
    "application/json",
    "application/geo+json",
    "application/schema+json",
    "application/problem+json",
    "application/vnd.oai.openapi+json",
    "text/",
    "image/svg+xml",
)
_AS_IT_IS = {b"content-encoding", b"content-range"}
"""Headers of what is encoded already, or counted in bytes of the form that is not (RFC 9110, 14.2)."""
_LONGEST = 500
"""Characters of Accept-Encoding that are looked at."""
_TILE = "application/vnd.mapbox-vector-tile"


def coding_of(accept_encoding: str | None) -> str | None:
    """Return the content coding that a client wants of those that we speak: zstd before gzip, by its q values.

    A name that is not listed is taken as not accepted unless `*` is; a malformed q counts as 0. None = no coding: it is all that is
    accepted, or wanted more than ours.
    """
    return _coding_of(accept_encoding[:_LONGEST]) if accept_encoding else None


@lru_cache(maxsize=512)
def _coding_of(accept_encoding: str) -> str | None:
    # The older name of gzip counts as it (RFC 9110, 8.4.1.3).
    weights = {name.removeprefix("x-"): q for name, q in weighted(accept_encoding)}
    rest = weights.get("*", 0.0)
    best = max(("zstd", "gzip"), key=lambda name: weights.get(name, rest))
    q = weights.get(best, rest)
    return best if q > 0 and q >= weights.get("identity", 0.0) else None


def _compressible(media_type: str, size: int) -> bool:
    if media_type.startswith(_TILE):
        return size >= _MINIMUM_TILE
    return size >= _MINIMUM and media_type.startswith(_TYPES)


def _compress(body: bytes, coding: str) -> bytes:
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(body)
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return squeezer.compress(body) + squeezer.flush()


class CompressionLayer:
    """Compresses a whole body; an answer in pieces, a range, or one that is encoded already, passes through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        coding = coding_of(header(scope, b"accept-encoding")) if scope["type"] == "http" else None
        if coding is None:
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def squeezed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                opening, start = start, None
                names = dict(opening["headers"])
                body = message.get("body", b"")
                media_type = names.get(b"content-type", b"").decode("latin-1")
                whole = opening["status"] != 206 and not message.get("more_body", False) and not _AS_IT_IS & names.keys()
                if whole and _compressible(media_type, len(body)):
                    if len(body) >= _OFF_LOOP:
                        body = await asyncio.to_thread(_compress, body, coding)
                    else:
                        body = _compress(body, coding)
                    opening["headers"] = _encoded(opening["headers"], coding, len(body))
                    message = {"type": "http.response.body", "body": body}
                await send(opening)
            await send(message)

        await self.app(scope, receive, squeezed)


def _encoded(headers: list[tuple[bytes, bytes]], coding: str, size: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of the compressed form: an own length, and an own ETag (RFC 9110, 8.8.3.3)."""
    changed = [(b"content-encoding", coding.encode()), (b"content-length", str(size).encode())]
    for name, value in headers:
        if name == b"etag":
            changed.append((name, value[:-1] + f'-{coding}"'.encode()))
        elif name != b"content-length":
            changed.append((name, value))
    return changed
