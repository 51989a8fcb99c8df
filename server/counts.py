"""How many features match a condition: known from before, or counted for at most `COUNT_S` of the asker's time.

Exact or absent, never an estimate. A count that takes longer goes on for a while, so that who asks again finds it.
"""

from __future__ import annotations

__all__ = ["COUNT_S", "Counts"]

import asyncio
import logging
import time
from collections import OrderedDict
from hashlib import blake2b

import psycopg

from server.costs import Cost
from server.host import Profile
from server.kept import keep
from server.reading import execute
from stadtgrund.errors import StadtgrundError
from stadtgrund.query import items
from stadtgrund.query.feature_query import FeatureQuery

log = logging.getLogger(__name__)

COUNT_S = 0.1
_LONGEST_S = 3.0
_AGAIN_S = 60.0
"""After this time what took too long is tried again."""
_KEPT = 5000
"""Counts that a worker knows; the one that was not asked for longest goes."""


class Counts:
    """The counts that a worker knows, by what was asked of which state of a collection."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._given_up: OrderedDict[bytes, float] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[int | None]] = {}

    def known(self, query: FeatureQuery) -> int | None:
        """Return how many match, None when that is not known."""
        if not query.is_conditional:
            return query.relation.count
        key = _key(query)
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key]

    def note(self, query: FeatureQuery, matched: int) -> None:
        """Remember how many match in the state that the relation of the query was made from."""
        if query.is_conditional:
            keep(self._known, _key(query), matched, _KEPT)

    async def matched(self, profile: Profile, query: FeatureQuery) -> int | None:
        """Return how many match; None when that is not known within `COUNT_S`, however busy the database is."""
        known = self.known(query)
        if known is not None:
            return known
        key = _key(query)
        task = self._running.get(key)
        if task is None:
            if time.monotonic() - self._given_up.get(key, -_AGAIN_S) < _AGAIN_S:
                return None
            task = self._running[key] = asyncio.create_task(self._count(profile, query, key), name="count")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        done, _ = await asyncio.wait({task}, timeout=COUNT_S)
        return task.result() if done else None

    async def _count(self, profile: Profile, query: FeatureQuery, key: bytes) -> int | None:
        try:
            async with profile.connection(Cost.COUNT) as connection, asyncio.timeout(_LONGEST_S):
                counted = items.read_count(query, await execute(connection, items.count(query)))
        except (TimeoutError, StadtgrundError, psycopg.Error) as error:  # the page is there and goes without it
            if isinstance(error, TimeoutError):
                keep(self._given_up, key, time.monotonic(), _KEPT)
            log.info("%s: not counted: %s %s", query.relation.dataset, type(error).__name__, error)
            return None
        if not counted.current:
            return None
        keep(self._known, key, counted.matched, _KEPT)
        return counted.matched

    async def close(self) -> None:
        """End the counts that run."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _key(query: FeatureQuery) -> bytes:
    relation = query.relation
    asked = (relation.schema, relation.dataset, relation.version, relation.digest, query.bbox, query.datetime, query.filter, query.search)
    return blake2b(repr(asked).encode(), digest_size=16).digest()
