"""Waiting for what another process does."""

from __future__ import annotations

__all__ = ["until"]

import time
from collections.abc import Callable


def until[T](told: Callable[[], T | None], within_s: float = 30.0) -> T:
    """Return what `told` returns as soon as it is true; fail with what it said last when that takes too long."""
    end = time.monotonic() + within_s
    while not (found := told()):
        assert time.monotonic() < end, f"after {within_s:g} s: {found!r}"
        time.sleep(0.05)
    return found
