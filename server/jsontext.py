"""JSON from outside: what our own parser would take and others not is refused, as is what would overflow its stack."""

from __future__ import annotations

__all__ = ["parse"]

import json
import math
import re
from typing import Any

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|([\[{])|[\]}]', re.DOTALL)
"""Whole texts too, as the brackets in them are none."""
_DEEPEST = 40
"""Levels; a geometry has five."""


def parse(content: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises
    ------
    ValueError
        It is none, holds NaN, Infinity or a number that no double can be, or is nested too deeply.
    """
    # Depth first: the parser recurses, and a stack that overflows in C takes the process with it.
    if _depth(content) > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels")
    return json.loads(content.decode(), parse_constant=_no_number, parse_float=_finite)


def _depth(content: bytes) -> int:
    deepest = depth = 0
    for found in _BRACKETS.finditer(content):
        if found[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in b"]}":
            depth -= 1
    return deepest


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is out of range")
    return value
