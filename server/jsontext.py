"""JSON from outside: what our own parser would take and others not is refused, as is what would overflow its stack."""

from __future__ import annotations

__all__ = ["parse"]

import json
import re
from typing import Any

_BRACKETS = re.compile(rb"[][{}]")
_DEEPEST = 40
"""Levels; a geometry has five."""


def parse(content: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises
    ------
    ValueError
        It is none, holds NaN or Infinity, or is nested too deeply.
    """
    # Depth first: the parser recurses, and a stack that overflows in C takes the process with it.
    if _depth(content) > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels")
    return json.loads(content.decode(), parse_constant=_no_number)


def _depth(content: bytes) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.finditer(content):
        depth += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
