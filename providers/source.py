"""What a provider reads from: the pool of its profile's role, and the collections of that profile.

pygeoapi makes a new provider for each request, so that all state that costs something is kept here, per (dsn, profile).
"""

from __future__ import annotations

__all__ = ["Published", "Source", "of"]

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from stadtgrund import identity
from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import NotFound, SetupError, Unauthorized
from stadtgrund.query.relation import Relation
from stadtgrund.query.statement import Statement

LOGGER = logging.getLogger(__name__)

_EXPIRY_S = 1.0
"""A published version is seen after this time, without a restart."""
_POOL_TIMEOUT_S = 10.0


# Answers must not depend on how the DSN or the server is set; the generic plan of a box misses its index.
_SESSION = "-c jit=off -c TimeZone=UTC -c DateStyle=ISO -c plan_cache_mode=force_custom_plan -c default_transaction_read_only=on"


@dataclass(frozen=True)
class Published:
    """A collection as the profile sees it, and as SQL does; `digest` changes when anything in it does."""

    digest: str
    collection: Collection
    relation: Relation


class Source:
    """A profile of one database; connections are autocommit, one statement a request."""

    def __init__(self, dsn: str, profile: str) -> None:
        self.profile = profile
        self.schema = f"p_{profile}"
        self._known: dict[str, tuple[float, Published]] = {}
        self._state = sql.SQL("SELECT digest, collection FROM {} WHERE dataset = %s").format(sql.Identifier(self.schema, "sg_state"))
        self._pool = ConnectionPool(
            make_conninfo(dsn, options=f"{conninfo_to_dict(dsn).get('options', '')} {_SESSION}".strip()),
            min_size=0,
            max_size=int(os.environ.get("STADTGRUND_POOL_MAX") or 8),
            timeout=_POOL_TIMEOUT_S,
            max_idle=60.0,
            open=True,
            check=ConnectionPool.check_connection,
            kwargs={"autocommit": True, "application_name": f"stadtgrund provider {profile}"},
            name=f"stadtgrund-{profile}",
        )

    def close(self) -> None:
        """Give all connections back; the source cannot be used afterwards."""
        self._pool.close()

    @contextmanager
    def cursor(self) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
        """Lend a cursor; the connection goes back to the pool at the end of the block."""
        with self._pool.connection() as connection, connection.cursor() as cursor:
            yield cursor

    def row(self, statement: Statement) -> tuple[Any, ...] | None:
        """Return the first row of one statement, values in PostgreSQL's binary form."""
        with self.cursor() as cursor:
            return cursor.execute(statement.sql.encode(), statement.params, prepare=statement.prepare, binary=True).fetchone()

    def published(self, dataset: str, *, anew: bool = False) -> Published:
        """Return the collection as this profile sees it, at most a second old, or read `anew`.

        Raises
        ------
        NotFound
            It does not exist, or not for this profile: the two look the same.
        """
        until, known = self._known.get(dataset, (0.0, None))
        now = time.monotonic()
        if known and now < until and not anew:
            return known
        with self.cursor() as cursor:
            row = cursor.execute(self._state, (dataset,)).fetchone()
        if row is None:
            self._known.pop(dataset, None)
            raise NotFound(f"Collection {dataset!r} not found.")
        digest, content = row
        if known is None or known.digest != digest:
            collection = Collection.model_validate(content)
            known = Published(digest, collection, Relation.of(collection, self.schema, digest))
        self._known[dataset] = (now + _EXPIRY_S, known)
        return known


_making = threading.Lock()


@cache
def _made(dsn: str, profile: str, _pid: int) -> Source:
    return Source(dsn, profile)


def of(data: Mapping[str, Any]) -> Source:
    """Return the source that a provider's `data` names; made once per process.

    A provider's authority is its role: in stock pygeoapi whoever reaches the API sees what the role sees. Our host sets
    `identity`, and then a caller of another profile, or none, is refused.

    Raises
    ------
    SetupError
        `data` lacks the profile.
    Unauthorized
        `identity` is set and the context's principal is not of this profile.
    """
    profile = data.get("profile")
    if not isinstance(profile, str) or not profile:
        raise SetupError("Provider data without a profile.", remedy="Write the configuration with: stadtgrund render")
    if data.get("identity") and identity.current().profile != profile:
        raise Unauthorized("This identity does not belong to the profile of this API.")
    with _making:  # threads of one process share a pool; a forked child must not take its parent's sockets
        return _made(str(data.get("dsn") or ""), profile, os.getpid())
