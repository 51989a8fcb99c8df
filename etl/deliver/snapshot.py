"""The rows of one version, read as a profile in one snapshot and handed out in batches of bounded size.

The result is set aside by PostgreSQL (`WITH HOLD`), so that the view is locked for as long as PostgreSQL reads, not for as long as
somebody writes a file: a publish that met the lock for longer would give up.
"""

from __future__ import annotations

__all__ = ["Batch", "Snapshot", "Stale", "batches", "state_of"]

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import NotFound, StatementTimeout, TransientError, by_locale
from stadtgrund.query.relation import Relation
from stadtgrund.query.statement import Fragment

Batch = Sequence[Sequence[Any]]

SNAPSHOT_S = 20
"""How long PostgreSQL may read; `locks.patiently`, with which a publish waits for its readers, waits a little longer."""
BATCH_BYTES = 4 << 20
_CURSOR = "deliver"
_FIRST, _MOST = 64, 20_000
"""Rows of the first batch, whose size nobody knows, and of any."""


class Stale(TransientError):
    """The conditions were made of another state of the collection than the one that serves."""


def state_of(connection: psycopg.Connection[Any], profile: str, dataset: str) -> tuple[Collection, str]:
    """Return a collection as the profile sees it now, and the digest of that state.

    Raises
    ------
    NotFound
        It does not exist, or not for this profile.
    """
    row = connection.execute(
        sql.SQL("SELECT collection, digest FROM {} WHERE dataset = %s").format(sql.Identifier(f"p_{profile}", "sg_state")), (dataset,)
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no collection {dataset!r}.")
    return Collection.model_validate(row[0]), row[1]


class Snapshot:
    """A collection at one moment: `collection` and `relation` are those of the rows that are set aside."""

    def __init__(self, connection: psycopg.Connection[Any], collection: Collection, relation: Relation) -> None:
        self.connection, self.collection, self.relation = connection, collection, relation

    @classmethod
    @contextmanager
    def open(cls, connection: psycopg.Connection[Any], profile: str, dataset: str) -> Iterator[Snapshot]:
        """Have a snapshot; statements in the block see it.

        Raises
        ------
        NotFound
            The collection does not exist, or not for this profile.
        StatementTimeout
            PostgreSQL read for too long.
        """
        schema = f"p_{profile}"
        # A statement_timeout does not count what a COMMIT sets aside.
        timer = threading.Timer(SNAPSHOT_S, connection.cancel)
        timer.start()
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                connection.execute(
                    # Rows come as they lie in the table, in Hilbert order, from its beginning: the same rows make the same file.
                    "SET LOCAL synchronize_seqscans = off"
                )
                # Before the snapshot is taken: else the view could be of a newer version than what the snapshot sees of its table.
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.Identifier(schema, dataset)))
                collection, digest = state_of(connection, profile, dataset)
                yield cls(connection, collection, Relation.of(collection, schema, digest))
        except psycopg.errors.QueryCanceled as error:
            raise StatementTimeout(
                by_locale(
                    f"{dataset}: Das Lesen dauert länger als {SNAPSHOT_S} Sekunden.",
                    f"{dataset}: reading takes longer than {SNAPSHOT_S} seconds.",
                ),
                remedy=by_locale("Verlangen Sie weniger Objekte.", "Ask for fewer features."),
            ) from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
            raise NotFound(f"There is no collection {dataset!r}.") from error
        finally:
            timer.cancel()

    def one(self, statement: Fragment) -> Sequence[Any]:
        """Return the one row of a statement."""
        with self.connection.cursor(binary=True) as cursor:
            row: Sequence[Any] | None = cursor.execute(statement.sql, statement.params).fetchone()
        assert row is not None  # an aggregate
        return row

    def set_aside(self, statement: Fragment) -> None:
        """Let the rows of a statement be set aside when the snapshot ends; `batches` hands them out after that."""
        self.connection.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR WITH HOLD FOR {statement.sql}".encode(), statement.params)


def batches(connection: psycopg.Connection[Any]) -> Generator[Batch]:
    """Yield the rows that were set aside in batches of about `BATCH_BYTES`; what is left of them goes with the generator."""
    size = _FIRST
    try:
        with connection.cursor(binary=True) as cursor:
            while rows := cursor.execute(f"FETCH FORWARD {size:d} FROM {_CURSOR}").fetchall():
                yield rows
                taken = sum(len(value) if isinstance(value, bytes | str) else 16 for row in rows for value in row)
                size = max(1, min(_MOST, BATCH_BYTES * len(rows) // max(taken, 1), size * 8))
    finally:
        if not connection.closed:
            connection.execute(f"CLOSE {_CURSOR}")
