"""What PostgreSQL may refuse while we write, as our errors: the dataset named, what is kept said."""

from __future__ import annotations

__all__ = ["named"]

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from stadtgrund.errors import Busy, DatabaseUnavailable, LoadStopped, SetupError, StadtgrundError, by_locale


@contextmanager
def named(dataset: str) -> Iterator[None]:
    """Turn an error of the database into one of ours.

    Raises
    ------
    SetupError
        No space, missing rights.
    Busy
        A lock that does not become free, a deadlock.
    DatabaseUnavailable
        The connection is lost.
    LoadStopped
        Rows that the table cannot take.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _ours(dataset, error) from error


def _ours(dataset: str, error: psycopg.Error) -> StadtgrundError:
    text = error.diag.message_primary or str(error).strip()
    kept = by_locale("Die bisherige Version wird weiter ausgeliefert.", "The version so far is still served.")
    match error:
        case psycopg.errors.DiskFull():
            return SetupError(
                by_locale(f"{dataset}: Auf dem Datenträger der Datenbank ist kein Platz mehr.", f"{dataset}: the database's disk is full."),
                kept=kept,
                remedy=by_locale("Schaffen Sie Platz und wiederholen Sie den Befehl.", "Make room and repeat the command."),
            )
        case psycopg.errors.InsufficientPrivilege():
            return SetupError(
                by_locale(f"{dataset}: Der Datenbankrolle fehlt ein Recht: {text}.", f"{dataset}: the role lacks a right: {text}."),
                kept=kept,
                remedy=by_locale("Fehlende Rechte nennt: stadtgrund db status", "Missing rights are named by: stadtgrund db status"),
            )
        case psycopg.errors.LockNotAvailable() | psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return Busy(
                by_locale(f"{dataset}: Eine Sperre wurde nicht frei: {text}.", f"{dataset}: a lock did not become free: {text}."),
                kept=kept,
                remedy=by_locale("Wiederholen Sie den Befehl.", "Repeat the command."),
            )
        case psycopg.errors.UniqueViolation():
            return LoadStopped(
                by_locale(
                    f"{dataset}: Eine Kennung kommt mehrfach vor: {error.diag.message_detail or text}",
                    f"{dataset}: an id occurs more than once: {error.diag.message_detail or text}",
                ),
                kept=kept,
                remedy=by_locale("Wählen Sie in id_field eine eindeutige Kennung.", "Choose a unique id in id_field."),
            )
        case psycopg.errors.ProgramLimitExceeded():
            return LoadStopped(
                by_locale(
                    f"{dataset}: Ein Wert ist zu lang für einen Index: {text}.", f"{dataset}: a value is too long for an index: {text}."
                ),
                kept=kept,
                remedy=by_locale(
                    "Nehmen Sie das Feld aus sortables, und lassen Sie dort key und unique weg.",
                    "Take the field out of sortables, and leave out its key and unique.",
                ),
            )
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return DatabaseUnavailable(
                by_locale(f"{dataset}: Die Verbindung zur Datenbank ist abgebrochen: {text}.", f"{dataset}: connection lost: {text}."),
                kept=kept,
                remedy=by_locale("Wiederholen Sie den Befehl.", "Repeat the command."),
            )
        case _:
            return LoadStopped(by_locale(f"{dataset}: Die Datenbank meldet: {text}.", f"{dataset}: the database says: {text}."), kept=kept)
