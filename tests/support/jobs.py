"""Waiting for the end of a job."""

from __future__ import annotations

__all__ = ["ended"]

import time
from collections.abc import Callable
from typing import Any

import httpx


def ended(get: Callable[[str], httpx.Response], address: str, within_s: float = 60) -> dict[str, Any]:
    """Return the status document of a job at its end."""
    end = time.monotonic() + within_s
    while True:
        answer = get(address)
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        if "finished" in status:
            return status
        assert time.monotonic() < end, status
        time.sleep(0.05)
