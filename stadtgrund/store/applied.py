"""What the database knows of contracts: those that were applied last, and what the public sees by them.

A file may be wrong, gone, or stricter than what was applied; the public sees what was applied.
"""

from __future__ import annotations

__all__ = ["contract", "datasets", "exposed", "exposing_joins", "hide", "public", "withdraw"]

from dataclasses import replace
from types import MappingProxyType

import psycopg
from pydantic import ValidationError

from stadtgrund.catalog import access, checks_of_joins
from stadtgrund.catalog.contract import Contract, Protection, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.identity import OPEN
from stadtgrund.store import forms, releases
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.locks import take_publish_lock

_WITHDRAWN = Text(de="Nur Verwaltung: zurückgezogen.", en="Administration only: withdrawn.")


def contract(db: Database, dataset: str) -> Contract | None:
    """Return the contract that was applied last; None when there is none, or an earlier Stadtgrund wrote one that this cannot read."""
    with db.connect("owner") as connection:
        row = connection.execute("SELECT contract FROM meta.contract WHERE dataset = %s", (dataset,)).fetchone()
    return _read(row[0]) if row else None


def datasets(db: Database) -> list[str]:
    """Return the datasets that any profile sees."""
    with db.connect("owner") as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT dataset FROM meta.state ORDER BY dataset")]


def public(db: Database) -> list[str]:
    """Return the datasets that the public sees."""
    return list(_public(db))


def exposed(db: Database, deployment: Deployment) -> list[str]:
    """Return the datasets of which the public sees more than their contracts allow now, and joins that show what a part closes."""
    public_ones, stricter = _public(db), []
    for dataset, served in public_ones.items():
        now = deployment.contracts.get(dataset)
        if now is not None and (served is None or access.narrows(now, served)):
            stricter.append(dataset)
    return sorted({*stricter, *_exposing_joins(public_ones, deployment)})


def exposing_joins(db: Database, deployment: Deployment) -> list[str]:
    """Return the public joins that show what the contract of a part does not, each before the joins that are made of it."""
    return _exposing_joins(_public(db), deployment)


def _exposing_joins(public_ones: dict[str, Contract | None], deployment: Deployment) -> list[str]:
    shown = {name: served for name, served in public_ones.items() if served is not None}
    joins = {name: served for name, served in shown.items() if served.source.kind == "join"}
    parts = {**shown, **deployment.contracts}
    found: list[str] = []
    while True:
        known = replace(deployment, contracts=MappingProxyType(parts))
        fresh = [name for name, served in joins.items() if name not in found and any(checks_of_joins.join_protection(served, known))]
        if not fresh:
            return found
        found += fresh
        for name in fresh:  # what is made of it shows it too
            parts[name] = parts[name].model_copy(update={"protection": Protection()})


def hide(db: Database, dataset: str, reason: Text) -> None:
    """Take a dataset from the public until its contract is applied; the administration keeps it and reads `reason`.

    Raises
    ------
    Busy
        When another command publishes the dataset, or a long query holds its view.
    """
    with db.connect("owner", application=f"stadtgrund apply {dataset}") as connection, named(dataset), connection.transaction():
        take_publish_lock(connection, dataset)
        forms.hide(connection, dataset, reason)


def withdraw(db: Database, dataset: str, *, by: str, reason: str, dry_run: bool = False) -> list[forms.FormState]:
    """Do what `versions.withdraw` does, for a dataset whose contract is wrong or gone: nothing is asked but the database.

    Raises
    ------
    NotFound
        When it was never loaded.
    Busy
        As `hide`.
    """
    with db.connect("owner", application=f"stadtgrund withdraw {dataset}") as connection, named(dataset), connection.transaction():
        take_publish_lock(connection, dataset)
        forms.require(connection, dataset)
        releases.record_withdrawal(connection, dataset, by, reason)
        forms.hide(connection, dataset, _WITHDRAWN)
        rows = connection.execute(
            "SELECT profile, form, (collection -> 'facts' ->> 'count')::bigint FROM meta.state WHERE dataset = %s ORDER BY profile",
            (dataset,),
        ).fetchall()
        if dry_run:
            raise psycopg.Rollback
    return [forms.FormState(OPEN, None, _WITHDRAWN), *(forms.FormState(profile, form, _WITHDRAWN, count) for profile, form, count in rows)]


def _public(db: Database) -> dict[str, Contract | None]:
    """Return the contract that each public dataset was applied with; None where it cannot be read."""
    with db.connect("owner") as connection:
        rows = connection.execute(
            "SELECT dataset, c.contract FROM meta.state s LEFT JOIN meta.contract c USING (dataset) WHERE profile = %s ORDER BY dataset",
            (OPEN,),
        ).fetchall()
    return {name: _read(stored) if stored else None for name, stored in rows}


def _read(stored: object) -> Contract | None:
    try:
        return Contract.model_validate(stored)
    except ValidationError:
        return None
