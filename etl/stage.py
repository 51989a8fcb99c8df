"""Arrow batches into the staging table, by PostgreSQL's binary COPY."""

from __future__ import annotations

__all__ = ["create", "fill", "same_rows"]

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql

from stadtgrund.catalog.contract import Contract
from stadtgrund.store import tables

_QUEUED = 2


def create(connection: psycopg.Connection[Any], contract: Contract, run: int) -> sql.Identifier:
    """Make the staging table of a run, owned by the role of `connection`, and return its name."""
    table = tables.staging_table(contract, run)
    connection.execute(tables.create_sql(table).encode())
    return sql.Identifier("staging", tables.staging_name(contract, run))


class _Writer:
    """Encodes and sends batches on a thread of its own: the next batch is read and transformed meanwhile."""

    def __init__(self, copy: psycopg.Copy, encoder: ArrowToPostgresBinaryEncoder) -> None:
        self._copy, self._encoder = copy, encoder
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(_QUEUED)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="stadtgrund-copy", daemon=True)
        self._copy.write(encoder.write_header())
        self._thread.start()

    def write(self, batch: pa.RecordBatch) -> None:
        """Hand over a batch; waits while two are under way.

        Raises
        ------
        psycopg.Error
            What the thread met with an earlier batch.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(batch)

    def finish(self) -> None:
        """Wait until all is sent."""
        self.stop()
        if self._error is not None:
            raise self._error
        self._copy.write(self._encoder.finish())

    def stop(self) -> None:
        """End the thread; what is queued is still sent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._copy.write(self._encoder.write_batch(batch))
                except (psycopg.Error, RuntimeError, ValueError) as error:
                    self._error = error  # the queue is emptied, so that nobody waits for it


@contextmanager
def fill(connection: psycopg.Connection[Any], table: sql.Identifier, schema: pa.Schema) -> Iterator[_Writer]:
    """Open a COPY into `table`; its batches have the columns of `schema`. The caller ends with `finish()`.

    Binary columns go as they are: EWKB is what PostGIS' geometry takes in binary COPY, and numeric, uuid and jsonb have their own
    binary forms (`cast.py`).
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, schema.names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        writer = _Writer(copy, ArrowToPostgresBinaryEncoder(schema))
        try:
            yield writer
        finally:
            writer.stop()


def same_rows(connection: psycopg.Connection[Any], staged: sql.Identifier, published: sql.Identifier) -> bool:
    """Whether both tables have the same ids with the same hashes.

    Compares count and two independent 64-bit sums over id and hash: one pass over each table, no sort.
    """
    digest = sql.SQL(
        "SELECT count(*), sum(hashtextextended(sg_id::text || ':' || sg_hash, 1)::numeric),"
        " sum(hashtextextended(sg_id::text || ':' || sg_hash, 2)::numeric) FROM {}"
    )
    first = connection.execute(digest.format(staged)).fetchone()
    second = connection.execute(digest.format(published)).fetchone()
    return first == second
