"""Tables of a dataset that no view reads: what was shown before, and what a publish made that was broken off."""

from __future__ import annotations

__all__ = ["drop", "dropped_on_failure", "found", "tidy"]

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.errors import Busy
from stadtgrund.store import form_tables, search_tables, text_tables, tile_tables
from stadtgrund.store.locks import give_lock, take_lock, try_lock

_log = logging.getLogger(__name__)

_WAIT = "1500ms"  # longer than PostgreSQL waits (1 s) before it ends an autovacuum that is in the way
_LARGE_BYTES, _PAUSE_S = 64 * 2**20, 5.0
"""A disk that frees hundreds of megabytes does nothing else for 0.3 s: not while readers fetch what has just been shown [measured]."""
# By ranges of names, which the catalogue's index has: thousands of datasets have tens of thousands of tables.
_FOUND = """
WITH named AS (
    SELECT c.oid, c.relname
    FROM unnest(%(stems)s::text[]) AS s (stem)
    JOIN pg_class c ON c.relname >= s.stem::name AND c.relname < (s.stem || '~')::name
    WHERE c.relnamespace = 'rel'::regnamespace AND c.relkind = 'r'
    UNION
    SELECT c.oid, c.relname
    FROM unnest(%(names)s::text[]) AS n (name)
    JOIN pg_class c ON c.relname = n.name::name AND c.relnamespace = 'rel'::regnamespace
)
SELECT 'rel', relname FROM named
WHERE NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = named.oid AND d.classid = 'pg_rewrite'::regclass
)
UNION ALL
SELECT 'data', c.relname
FROM pg_class c
WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r' AND c.relname ~ %(data)s AND NOT EXISTS (
    SELECT FROM meta.version v WHERE v.dataset = %(dataset)s AND v.table_name = c.relname AND v.dropped_at IS NULL
)
"""


def found(connection: psycopg.Connection[Any], dataset: str) -> Sequence[tuple[str, str]]:
    """Return (schema, table) of each; some may be of a publish that goes on."""
    stems = [*form_tables.stems(dataset), text_tables.stem_of(dataset), search_tables.stem_of(dataset), tile_tables.stem_of(dataset)]
    values = {"dataset": dataset, "data": f"^{dataset}__v[0-9]+$", "stems": stems, "names": text_tables.names(connection, dataset)}
    return connection.execute(_FOUND, values).fetchall()


def drop(connection: psycopg.Connection[Any], dataset: str) -> None:
    """Drop them, each in a transaction (or savepoint) of its own; the caller holds the lock `publish`, so that nobody is making one.

    One that somebody else holds stays, and is logged: whoever makes a table of that name drops it, or fails.
    """
    with connection.transaction():
        names = found(connection, dataset)
    for schema, name in names:
        try:
            with connection.transaction():
                take_lock(connection, "show", dataset)  # who shows or hides comments on tables
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_WAIT,))
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, name)))
                if schema == "rel":
                    connection.execute("DELETE FROM meta.tile WHERE relation = %s", (name,))
        except (psycopg.errors.LockNotAvailable, Busy):
            _log.warning("%s: %s.%s, which no collection reads, is in use and stays until the next load or apply", dataset, schema, name)


def tidy(connection: psycopg.Connection[Any], dataset: str, *, pause: bool = False) -> None:
    """Drop them behind what shows others; the session holds the lock `publish`, and may not have it any more afterwards.

    `pause`: large ones some seconds later, without the lock, unless somebody else has taken it: then that one drops them.
    A failure is logged, not raised, as what is shown is shown.
    """
    try:
        if pause and _bytes(connection, dataset) > _LARGE_BYTES:
            give_lock(connection, "publish", dataset)
            sleep(_PAUSE_S)
            if not try_lock(connection, "publish", dataset):
                return
        drop(connection, dataset)
    except (psycopg.Error, Busy) as error:
        _log.warning("%s: tables that no collection reads stay until the next load or apply: %s", dataset, error)


@contextmanager
def dropped_on_failure(connection: psycopg.Connection[Any], dataset: str) -> Iterator[None]:
    """Drop them should the block fail; the session holds the lock `publish`."""
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):
            drop(connection, dataset)
        raise


def _bytes(connection: psycopg.Connection[Any], dataset: str) -> int:
    sizes = (
        "SELECT coalesce(sum(pg_total_relation_size(format('%%I.%%I', s, n)::regclass)), 0) FROM unnest(%s::text[], %s::text[]) AS t (s, n)"
    )
    with connection.transaction():
        names = found(connection, dataset)
        row = connection.execute(sizes, ([schema for schema, _ in names], [name for _, name in names])).fetchone()
    return int(row[0]) if row else 0
