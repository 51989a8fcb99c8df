"""The append-only log of decisions on openness: `meta.release`."""

from __future__ import annotations

__all__ = ["Decision", "history", "note_contract", "record", "record_withdrawal", "withdrawn_since"]

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from stadtgrund.catalog.contract import Contract
from stadtgrund.store.database import Database

Origin = Literal["release", "contract", "withdraw"]


@dataclass(frozen=True)
class Decision:
    """A row of the log."""

    dataset: str
    at: datetime
    by: str
    origin: Origin
    grounds: tuple[str, ...]
    answers: Mapping[str, Any]


def record(
    connection: psycopg.Connection[Any], contract: Contract, origin: Origin, by: str, answers: Mapping[str, Any] | None = None
) -> None:
    """Add a row: `answers` as they were given; grounds and digest are those of the contract."""
    connection.execute(
        "INSERT INTO meta.release (dataset, by, origin, grounds, answers, digest) VALUES (%s, %s, %s, %s, %s, %s)",
        (contract.id, by, origin, Jsonb(list(contract.protection.grounds)), Jsonb(dict(answers or {})), _digest(contract)),
    )


def record_withdrawal(connection: psycopg.Connection[Any], dataset: str, by: str, reason: str) -> datetime:
    """Add a row of origin `withdraw`: no contract is asked, so it has neither grounds nor a digest. Return when."""
    row = connection.execute(
        "INSERT INTO meta.release (dataset, by, origin, grounds, answers, digest) VALUES (%s, %s, 'withdraw', '[]', %s, '') RETURNING at",
        (dataset, by, Jsonb({"reason": reason} if reason else {})),
    ).fetchone()
    assert row is not None  # one row was written
    at: datetime = row[0]
    return at


def note_contract(connection: psycopg.Connection[Any], contract: Contract) -> None:
    """Add a row of origin `contract` for a protection check that arrived in the contract and is not in the log yet."""
    check = contract.protection
    if check.checked is None:
        return
    seen = connection.execute("SELECT FROM meta.release WHERE dataset = %s AND digest = %s", (contract.id, _digest(contract)))
    if not seen.rowcount:
        answers = {"checked": check.checked.isoformat(), **({"weighing": check.weighing} if check.weighing else {})}
        record(connection, contract, "contract", check.by or "", answers)


def withdrawn_since(connection: psycopg.Connection[Any], dataset: str) -> datetime | None:
    """Return when the dataset was withdrawn; None when it was not, or was released by `stadtgrund release` afterwards.

    A contract that arrives with other values does not end a withdrawal: only a person who answers the questions does.
    """
    row = connection.execute(
        "SELECT at, origin FROM meta.release WHERE dataset = %s AND origin IN ('release', 'withdraw') ORDER BY id DESC LIMIT 1", (dataset,)
    ).fetchone()
    return row[0] if row and row[1] == "withdraw" else None


def history(db: Database, dataset: str) -> Sequence[Decision]:
    """Return all decisions on a dataset, oldest first."""
    with db.connect("owner") as connection:
        rows = connection.execute(
            "SELECT dataset, at, by, origin, grounds, answers FROM meta.release WHERE dataset = %s ORDER BY id", (dataset,)
        ).fetchall()
    return [Decision(name, at, by, origin, tuple(grounds), answers) for name, at, by, origin, grounds, answers in rows]


def _digest(contract: Contract) -> str:
    check = contract.protection.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(check, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:12]
