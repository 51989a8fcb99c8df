"""Pages that were asked for a moment ago, read and put into SQL once: maps and dashboards ask for the same ones again and again."""

from __future__ import annotations

__all__ = ["Asked", "Lately"]

from collections import OrderedDict
from collections.abc import Callable

from server.host import Published
from server.kept import keep
from stadtgrund.query import items
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.statement import Statement

_MOST = 256
_LONGEST = 300
"""Bytes of a query string that is kept: a longer one, with a polygon in it, is seldom asked twice."""


class Asked:
    """What a request asks for, with its statement."""

    def __init__(self, query: FeatureQuery) -> None:
        self.query = query
        self._statement: tuple[int | None, Statement] | None = None

    def statement(self, matched: int | None) -> Statement:
        """Return `items.page(query, matched)`."""
        if self._statement is None or self._statement[0] != matched:
            self._statement = matched, items.page(self.query, matched)
        return self._statement[1]


class Lately:
    """The last ones, by collection as it was published, query string and default limit. Used on the event loop only."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[Published, bytes, int], Asked] = OrderedDict()

    def get(self, published: Published, text: bytes, limit: int, read: Callable[[], FeatureQuery]) -> Asked:
        """Return what was asked for, `read` now when it is new; what `read` raises is not kept."""
        key = published, text, limit
        found = self._asked.get(key)
        if found is None:
            found = Asked(read())
        if len(text) <= _LONGEST:
            keep(self._asked, key, found, _MOST)
        return found
