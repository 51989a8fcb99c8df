"""Taking a dataset from the public, and refusing who would open again by what was read before."""

from __future__ import annotations

__all__ = ["drop_views", "hide", "refuse_outdated", "withdrawn"]

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from stadtgrund.catalog import access, checks_of_joins
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Busy, LoadStopped, by_locale
from stadtgrund.identity import OPEN
from stadtgrund.store import comments, releases, views
from stadtgrund.store.locks import patiently


def refuse_outdated(connection: psycopg.Connection[Any], contract: Contract, deployment: Deployment, *, anew: bool = False) -> None:
    """Refuse a contract where one that shows the public less was read later, and applied: it would open again what that one closed.

    So, too, that of a join where a part's shows less. The caller holds the lock `show`, or looks again when it does. A dataset that was
    withdrawn stays so whatever its contract says; `anew`: the contract is to end that.

    Raises
    ------
    LoadStopped
    """
    newer = "SELECT contract FROM meta.contract WHERE dataset = %s AND read_at > %s"
    row = connection.execute(newer, (contract.id, deployment.read_at)).fetchone()
    if releases.withdrawn_since(connection, contract.id) is not None and not anew:
        return
    if (row and access.narrows(Contract.model_validate(row[0]), contract)) or _shows_what_a_part_closes(connection, contract, deployment):
        raise LoadStopped(
            by_locale(
                f"{contract.id} wurde inzwischen weiter geschlossen, als der Vertrag sagt, mit dem dieser Befehl begann.",
                f"{contract.id} has meanwhile been closed further than the contract says that this command began with.",
            ),
            remedy=by_locale("Wiederholen Sie den Befehl.", "Repeat the command."),
        )


def _shows_what_a_part_closes(connection: psycopg.Connection[Any], contract: Contract, deployment: Deployment) -> bool:
    """Whether a join would show the public what the contract of a part closes that was read later than `deployment`, and applied."""
    if contract.source.kind != "join":
        return False
    query = "SELECT dataset, contract FROM meta.contract WHERE dataset = ANY(%s) AND read_at > %s"
    newer = connection.execute(query, ([contract.source.left, contract.source.right], deployment.read_at))
    parts = {dataset: Contract.model_validate(stored) for dataset, stored in newer}
    known = replace(deployment, contracts=MappingProxyType({**deployment.contracts, **parts}))
    return bool(parts) and any(checks_of_joins.join_protection(contract, known))


def hide(connection: psycopg.Connection[Any], dataset: str, reason: Text, contract: Contract | None = None) -> None:
    """Take a dataset from what `open` sees, in the caller's transaction, which holds the lock `show`; the administration reads `reason`.

    This waits for no reader; `drop_views` follows, in a transaction of its own. No contract is asked, so that none can be in the way; the
    one that was applied last (else `contract`) loses its protection check, so that nobody opens by it again, nor by one that was read
    earlier. What a contract says holds again when the dataset is settled by it.
    """
    closed, now = (contract.canonical() if contract else {}), datetime.now(UTC)
    closed.pop("protection", None)
    connection.execute("DELETE FROM meta.state WHERE profile = %s AND dataset = %s", (OPEN, dataset))
    connection.execute(
        "UPDATE meta.contract SET contract = contract - 'protection', applied_at = now(), read_at = %s WHERE dataset = %s", (now, dataset)
    )
    if contract:
        connection.execute(
            "INSERT INTO meta.contract (dataset, contract, recipe, read_at) VALUES (%s, %s, '', %s) ON CONFLICT (dataset) DO NOTHING",
            (dataset, Jsonb(closed), now),
        )
    connection.execute(
        "UPDATE meta.state SET collection = jsonb_set(collection, '{access}', %(reason)s), digest = left(md5(digest || %(reason)s), 16)"
        " WHERE dataset = %(dataset)s",
        {"dataset": dataset, "reason": json.dumps(reason.model_dump(mode="json", exclude_none=True), ensure_ascii=False)},
    )
    connection.execute("SELECT pg_notify('sg_state', '')")


def drop_views(connection: psycopg.Connection[Any], dataset: str) -> None:
    """Drop the views that `open` had of a dataset that was hidden, unless it was opened again meanwhile; else as `hide`.

    Raises
    ------
    Busy
        When a long query holds one of them. Nothing is served from them any more.
    """
    if connection.execute("SELECT FROM meta.state WHERE profile = %s AND dataset = %s", (OPEN, dataset)).rowcount:
        return
    comments.comment(connection, views.relations(connection, dataset), comments.public_texts(None))
    try:
        patiently(connection, dataset, lambda: views.drop(connection, dataset, OPEN))
    except Busy as error:
        raise Busy(
            by_locale(
                f"{dataset} ist nicht mehr öffentlich. Eine lange Abfrage hält noch die Ansicht, aus der niemand mehr bedient wird.",
                f"{dataset} is public no more. A long query still holds the view, from which nobody is served any more.",
            ),
            remedy=by_locale("Wiederholen Sie den Befehl später.", "Repeat the command later."),
        ) from error


def withdrawn(since: datetime) -> Text:
    """Return the reason why only the administration sees a dataset that was withdrawn."""
    return Text(de=f"Nur Verwaltung: am {since:%d.%m.%Y} zurückgezogen.", en=f"Administration only: withdrawn on {since:%Y-%m-%d}.")
