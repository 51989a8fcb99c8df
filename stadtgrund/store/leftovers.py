"""Tables of a dataset that were made for a version or a form which nobody shows: what a publish that was broken off leaves."""

from __future__ import annotations

__all__ = ["drop", "found", "none"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.store import form_tables, search_tables, text_tables, tile_tables

_FOUND = """
SELECT n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (
    n.nspname = 'data' AND c.relname ~ %(data)s AND NOT EXISTS (
        SELECT FROM meta.version v WHERE v.dataset = %(dataset)s AND v.table_name = c.relname AND v.dropped_at IS NULL
    )
    OR n.nspname = 'rel' AND c.relname ^@ ANY (%(stems)s) AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_rewrite'::regclass
    )
)
"""


_WAIT = "5s"


@contextmanager
def none(connection: psycopg.Connection[Any], dataset: str) -> Iterator[None]:
    """Drop them should the block fail; the session holds the publish lock. What cannot be dropped, the next publish or load drops."""
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error), connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (_WAIT,))
            drop(connection, dataset)
        raise


def found(connection: psycopg.Connection[Any], dataset: str) -> Sequence[tuple[str, str]]:
    """Return (schema, table) of each; some may be of a publish that goes on."""
    stems = [module.stem_of(dataset) for module in (form_tables, text_tables, search_tables, tile_tables)]
    return connection.execute(_FOUND, {"dataset": dataset, "data": f"^{dataset}__v[0-9]+$", "stems": stems}).fetchall()


def drop(connection: psycopg.Connection[Any], dataset: str) -> None:
    """Drop them; the caller's session or transaction holds the publish lock, so that nobody is making one."""
    names = found(connection, dataset)
    for schema, name in names:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
    connection.execute("DELETE FROM meta.tile WHERE relation = ANY (%s)", ([name for schema, name in names if schema == "rel"],))
