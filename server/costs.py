"""What a request costs the database, in classes: each has connections and a queue of its own, so that light ones never wait behind heavy.

A worker that has all connections of a class lent lets the next request wait, up to a number and a time; then it is refused with 503.
"""

from __future__ import annotations

__all__ = ["BOUNDS", "Bounds", "Cost", "connections", "cost_of"]

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from stadtgrund.query.feature_query import FeatureQuery

_SMALL, _LARGE = 100, 1000
"""Features of a page that is light, and of one that is not yet heavy."""
_NEAR = 1000
"""Rows that a light page may skip."""


class Cost(Enum):
    """A class of cost."""

    LIGHT = "light"
    """Less than a millisecond: an item, a short page, the state."""
    MEDIUM = "medium"
    """Tens of milliseconds: what has conditions, a tile."""
    HEAVY = "heavy"
    """Megabytes. One at a time, as much for their memory: a connection keeps a buffer as large as the largest row it read."""
    COUNT = "count"
    """How many match; whoever asks goes on without the answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many may wait in a worker, how long (seconds), and whether a connection is kept while nobody needs one."""

    waiting: int
    patience_s: float
    kept: bool


BOUNDS: Mapping[Cost, Bounds] = MappingProxyType(
    {
        Cost.LIGHT: Bounds(1000, 5.0, kept=True),
        Cost.MEDIUM: Bounds(500, 10.0, kept=True),
        Cost.HEAVY: Bounds(100, 30.0, kept=False),
        Cost.COUNT: Bounds(1, 1.0, kept=False),
    }
)


def connections(most: int) -> Mapping[Cost, int]:
    """Return how many connections a worker has for each class, out of `most` for a profile; at least one each."""
    few, some = max(1, most // 8), max(1, most // 4)
    return {Cost.LIGHT: max(1, most - some - 2 * few), Cost.MEDIUM: some, Cost.HEAVY: few, Cost.COUNT: few}


def cost_of(query: FeatureQuery) -> Cost:
    """Return the class of a page."""
    if query.limit > _LARGE:
        return Cost.HEAVY
    skips = query.offset > _NEAR and query.cursor is None
    # Equal values of the first key are ordered by the second one for each page.
    if query.is_conditional or query.limit > _SMALL or skips or len(query.sortby) > 1:
        return Cost.MEDIUM
    return Cost.LIGHT
