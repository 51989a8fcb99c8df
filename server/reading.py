"""Asks the database for what the snapshot promises, and again when the snapshot turns out to be old."""

from __future__ import annotations

__all__ = ["Read", "execute", "read"]

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import psycopg
from psycopg import errors as pg

from server.call import Call
from server.costs import Cost
from server.host import Published
from server.statements import Prepared
from stadtgrund.errors import Busy
from stadtgrund.query.statement import Statement

Connection = psycopg.AsyncConnection[Any]

_TRIES = 3
# What a statement of an old relation ends in when columns or the view have changed meanwhile.
_OLD = (pg.UndefinedColumn, pg.UndefinedTable, pg.InsufficientPrivilege, pg.DatatypeMismatch, pg.UndefinedFunction)


class Read(Protocol):
    """What a statement returned; `current` is false when the state has changed since the snapshot."""

    @property
    def current(self) -> bool:
        """Whether the state in the database is that of the relation."""


async def execute(connection: Connection, statement: Statement) -> Sequence[Any] | None:
    """Run a statement and return its row."""
    if connection.autocommit:
        return await Prepared.of(connection).row(connection, statement)
    async with connection.cursor() as cursor:
        await cursor.execute(statement.sql, statement.params, prepare=statement.prepare, binary=True)
        row: Sequence[Any] | None = await cursor.fetchone()
        return row


async def read[R: Read](call: Call, ask: Callable[[Connection, Published], Awaitable[R]], cost: Cost = Cost.MEDIUM) -> tuple[Published, R]:
    """Return what `ask` read and the collection that it is of, both of one version; `cost` says whose queue it waits in.

    `call.snapshot` is a newer one afterwards when that of the request was old.

    Raises
    ------
    Busy
        The collection changed with each of a few tries.
    """
    for attempt in range(_TRIES):
        published = call.collection()
        try:
            async with call.profile.connection(cost) as connection:
                result = await ask(connection, published)
        except _OLD:
            if attempt == _TRIES - 1:
                raise
        else:
            if result.current:
                return published, result
        call.snapshot = await call.profile.refresh()
    raise Busy(f"Collection {call.places['dataset']!r} is being published.", remedy="Try again in a few seconds.")
