"""Data goes to stdout, everything else to stderr."""

from __future__ import annotations

__all__ = ["data", "data_json", "has_terminal", "tell"]

import json
import sys
from datetime import date
from typing import Any


def data(text: str) -> None:
    """Write one line of data to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def data_json(value: Any) -> None:
    """Write `value` as one line of JSON to stdout; dates as RFC 3339, whatever else JSON does not know (paths) as its text."""
    data(json.dumps(value, ensure_ascii=False, default=lambda other: other.isoformat() if isinstance(other, date) else str(other)))


def tell(text: str) -> None:
    """Write one line for a person (progress, remarks) to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def has_terminal() -> bool:
    """Whether a question can be asked: stdin and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()
