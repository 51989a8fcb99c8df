"""Advisory locks of a dataset, and statements that wait for a table lock only so long.

Three locks a dataset, in this order: `load` is held by the session of a run from its first to its last moment; `publish` by whoever
makes tables or drops them, as long as that takes; `show` by each transaction that changes what profiles see, and those are short: who
takes a dataset from the public needs that one alone, and waits for nobody's tables.
"""

from __future__ import annotations

__all__ = ["Kind", "busy", "give_lock", "hold_lock", "lock_key", "patiently", "take_lock", "try_lock"]

import time
from collections.abc import Callable
from typing import Any, Literal, LiteralString

import psycopg

from stadtgrund.errors import Busy, by_locale

Kind = Literal["load", "publish", "show"]

_WAIT_S = 120
_LOCK_TIMEOUT_MS, _LAST_LOCK_TIMEOUT_MS = 100, 200
ATTEMPTS = 50
_PAUSE_S = 0.25


def lock_key(connection: psycopg.Connection[Any], kind: Kind, dataset: str) -> int:
    """Return the 64-bit key of a dataset's advisory lock."""
    row = connection.execute("SELECT hashtextextended(%s, 0)", (f"stadtgrund.{kind}:{dataset}",)).fetchone()
    assert row is not None  # a SELECT without FROM has one row
    return int(row[0])


def take_lock(connection: psycopg.Connection[Any], kind: Kind, dataset: str) -> None:
    """Wait (at most two minutes) until nobody else has this lock of the dataset; held to the end of the transaction.

    Raises
    ------
    Busy
        When the other one takes longer.
    """
    _take(connection, kind, dataset, "pg_advisory_xact_lock", local=True)


def hold_lock(connection: psycopg.Connection[Any], kind: Kind, dataset: str) -> None:
    """Do the same; held to the end of the session, for what takes more than one transaction.

    Raises
    ------
    Busy
        When the other one takes longer.
    """
    with connection.transaction():
        _take(connection, kind, dataset, "pg_advisory_lock", local=False)


def give_lock(connection: psycopg.Connection[Any], kind: Kind, dataset: str) -> None:
    """Give back what `hold_lock` took."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_unlock(%s)", (lock_key(connection, kind, dataset),))


def try_lock(connection: psycopg.Connection[Any], kind: Kind, dataset: str) -> bool:
    """Do as `hold_lock` if nobody else has the lock; return whether it is held."""
    with connection.transaction():
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(connection, kind, dataset),)).fetchone()
    return bool(row and row[0])


def _take(connection: psycopg.Connection[Any], kind: Kind, dataset: str, function: LiteralString, *, local: bool) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, %s)", (f"{_WAIT_S}s", local))
    try:
        connection.execute(f"SELECT {function}(%s)", (lock_key(connection, kind, dataset),))
    except psycopg.errors.LockNotAvailable as error:
        raise busy(dataset) from error


def busy(dataset: str) -> Busy:
    """Return what is told when another command has the lock."""
    return Busy(
        by_locale(
            f"{dataset} wird von einem anderen Befehl veröffentlicht, und das dauert an.",
            f"{dataset} is being published by another command, which takes long.",
        ),
        remedy=by_locale("Wiederholen Sie es, wenn jener fertig ist.", "Repeat it when that one is done."),
    )


def patiently(connection: psycopg.Connection[Any], dataset: str, work: Callable[[], None], *, attempts: int | None = None) -> None:
    """Do `work` in a savepoint under a short `lock_timeout`, again and again for about 20 seconds.

    `attempts` other than 50 is more or less patient than that.

    A waiting exclusive lock makes all later readers wait too: so it waits briefly, gives way, and tries again; where readers never
    leave so small a gap, the second half of the attempts wait longer.

    Raises
    ------
    Busy
        When a reader holds on; nothing of `work` is done then.
    """
    attempts = attempts or ATTEMPTS
    (before,) = connection.execute("SELECT current_setting('lock_timeout')").fetchone() or ("0",)
    for attempt in range(attempts):
        try:
            with connection.transaction():
                wait_ms = _LOCK_TIMEOUT_MS if attempt < attempts // 2 else _LAST_LOCK_TIMEOUT_MS
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{wait_ms}ms",))
                work()
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (before,))  # who comes behind may wait as before
                return
        except psycopg.errors.LockNotAvailable as error:
            if attempt == attempts - 1:
                raise Busy(
                    by_locale(f"{dataset}: Eine lange Abfrage hält die Tabelle fest.", f"{dataset}: a long query holds on to the table."),
                    kept=by_locale("Die bisherige Version wird weiter ausgeliefert.", "The version so far is still served."),
                    remedy=by_locale("Wiederholen Sie den Befehl.", "Repeat the command."),
                ) from error
            time.sleep(_PAUSE_S)
