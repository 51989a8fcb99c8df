"""Where the next page begins, as an opaque token: the keys of its first row, what led there, and of which query.

The token names the *first* row of the next page, not the last of this one: the statement reads one row more than it returns, so
that row is known without a further look-up, and no page is promised that is empty.
"""

from __future__ import annotations

__all__ = ["Cursor", "fingerprint"]

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Self

from stadtgrund.errors import InvalidCursor
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.order import order_of
from stadtgrund.query.value import check_text

_SUM = 6
"""Bytes of the check sum at the head of a token."""


@lru_cache(maxsize=256)
def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def fingerprint(query: FeatureQuery) -> bytes:
    """Return what a cursor must share with its query: collection, form, filter, words, box, time and order.

    Page size, attributes and output CRS may change from page to page.
    """
    relation = query.relation
    return _digest(repr((relation.dataset, relation.form, query.bbox, query.datetime, query.sortby, query.filter, query.search)))


@dataclass(frozen=True, slots=True)
class Cursor:
    """The first row of the next page.

    Parameters
    ----------
    version : int
        Of the data that the page before came from; a walk goes on over a publish.
    id : str
        Its feature id, as PostgreSQL's text.
    values : tuple
        Its values of the sort keys, as PostgreSQL's text; None = NULL.
    before : int
        Rows on all pages before.
    count : int, optional
        `numberMatched`, where it was known.
    """

    version: int
    id: str
    values: tuple[str | None, ...] = ()
    before: int = 0
    count: int | None = None

    def encode(self, query: FeatureQuery) -> str:
        """Return the token (URL-safe) for the next page of `query`."""
        parts = [self.version, self.before, self.count, self.id, *self.values]
        body = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
        return urlsafe_b64encode(_checksum(body, query) + body).rstrip(b"=").decode()

    @classmethod
    def decode(cls, token: str, query: FeatureQuery) -> Self:
        """Read a token that `query` (without its cursor) came with.

        Raises
        ------
        InvalidCursor
            When it is damaged or belongs to another query.
        """
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            head, body = raw[:_SUM], raw[_SUM:]
            # What is none of its characters, base64 leaves out.
            if head != _checksum(body, query) or urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
                raise ValueError("check sum")
            version, before, count, ident, *values = json.loads(body)
            cursor = cls(_natural(version), ident, tuple(values), _natural(before), None if count is None else _natural(count))
            cursor.check(query)
        except (ValueError, TypeError, RecursionError) as error:  # base64, UTF-8 and JSON errors are ValueErrors
            raise InvalidCursor(
                "The cursor is damaged or belongs to another query.",
                remedy="Follow the link rel=next as it stands, or start again without cursor.",
            ) from error
        return cursor

    def check(self, query: FeatureQuery) -> None:
        """Refuse (ValueError) values that do not fit the sort keys: they are cast in SQL."""
        relation = query.relation
        check_text(self.id, relation.id_type)
        for key, value in zip(order_of(query).keys, self.values, strict=True):
            if value is not None:
                check_text(value, key.type)


def _checksum(body: bytes, query: FeatureQuery) -> bytes:
    return blake2b(body, digest_size=_SUM, key=fingerprint(query)).digest()


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value
