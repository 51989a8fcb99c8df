"""Key → principal. No credential means `open`; one that is not valid is refused, never taken for none."""

from __future__ import annotations

__all__ = ["ANONYMOUS", "AuthLayer", "KeyRing", "credential"]

import base64
import binascii
import hashlib
import time
from collections.abc import Awaitable, Callable

from server.answer import ASGIApp, Receive, Scope, Send
from stadtgrund import identity
from stadtgrund.errors import Unauthorized
from stadtgrund.identity import Principal

ANONYMOUS = Principal("anonymous", identity.OPEN)

Lookup = Callable[[str], Awaitable[Principal | None]]
"""SHA-256 (hex) of a key → its principal, or None when there is no such key or it is revoked."""


def credential(scope: Scope) -> str | None:
    """Return the key that a request carries: Bearer, Basic (any user, the key as password) or X-API-Key; None without any.

    Raises
    ------
    Unauthorized
        The header is of another scheme or damaged, or two of them carry different keys.
    """
    found: list[str] = []
    for name, raw in scope["headers"]:
        if name == b"x-api-key":
            found.append(raw.decode("latin-1").strip())
        elif name == b"authorization":
            found.append(_of_authorization(raw.decode("latin-1")))
    if not found:
        return None
    if len(set(found)) > 1 or not found[0]:
        raise Unauthorized("More than one key, or an empty one.", remedy="Send one key: Authorization or X-API-Key.")
    return found[0]


def _of_authorization(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    rest = rest.strip()
    match scheme.lower():
        case "bearer":
            return rest
        case "basic":
            try:
                decoded = base64.b64decode(rest, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Unauthorized("The Basic credentials cannot be read.", remedy="Send base64 of <any user>:<key>.") from error
            _, colon, password = decoded.partition(":")
            if colon:
                return password
            raise Unauthorized("The Basic credentials have no password.", remedy="Send base64 of <any user>:<key>.")
        case _:
            raise Unauthorized(f"Unknown authorization scheme {scheme[:20]!r}.", remedy="Known: Bearer, Basic; or the header X-API-Key.")


class KeyRing:
    """Looks keys up and remembers the outcome for a few seconds, so that a revoked key ends soon."""

    TTL_S = 5.0
    _MOST = 1000
    """So that guessing keys does not fill the memory."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._known: dict[str, tuple[float, Principal | None]] = {}

    def remembered(self, key: str) -> str | None:
        """Return the profile of a key that was looked up a moment ago, None when it must be looked up."""
        until, principal = self._known.get(hashlib.sha256(key.encode()).hexdigest(), (0.0, None))
        return principal.profile if principal and time.monotonic() < until else None

    async def principal(self, key: str) -> Principal:
        """Return whose key this is.

        Raises
        ------
        Unauthorized
            Nobody's.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        now = time.monotonic()
        until, principal = self._known.get(digest, (0.0, None))
        if now >= until:
            principal = await self.lookup(digest)
            if len(self._known) >= self._MOST:
                self._known.clear()
            self._known[digest] = (now + self.TTL_S, principal)
        if principal is None:
            raise Unauthorized("This key is not valid.", remedy="Ask the operator for a key, or send none for the open data.")
        return principal


class AuthLayer:
    """Puts the principal into the context for the length of the request."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        key = credential(scope)
        principal = ANONYMOUS if key is None else await self.keys.principal(key)
        scope["stadtgrund.profile"] = principal.profile
        with identity.use(principal):
            await self.app(scope, receive, send)
