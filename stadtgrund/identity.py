"""Who is asking: the principal, its profile and the context that carries it.

Unset means refused: code that needs an identity calls `current()` and fails closed.
"""

from __future__ import annotations

__all__ = ["OPEN", "VERWALTUNG", "Principal", "current", "use"]

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from stadtgrund.errors import Unauthorized

OPEN = "open"
VERWALTUNG = "verwaltung"


@dataclass(frozen=True)
class Principal:
    """A caller: `name` is the key's label (or `anonymous`), `profile` decides what it can see."""

    name: str
    profile: str


_principal: ContextVar[Principal | None] = ContextVar("stadtgrund_principal", default=None)


def current() -> Principal:
    """Return the principal of this context.

    Raises
    ------
    Unauthorized
        When none is set: a code path that was reached without passing the dispatcher.
    """
    principal = _principal.get()
    if principal is None:
        raise Unauthorized("No identity in this context.")
    return principal


@contextmanager
def use(principal: Principal) -> Iterator[None]:
    """Carry `principal` in the context for the length of the block."""
    token = _principal.set(principal)
    try:
        yield
    finally:
        _principal.reset(token)
