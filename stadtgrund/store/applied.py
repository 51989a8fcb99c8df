"""What the database knows of contracts: those that were applied last, and what the public sees by them.

A file may be wrong, gone, or stricter than what was applied; the public sees what was applied.
"""

from __future__ import annotations

__all__ = ["contract", "datasets", "exposed", "exposing_joins", "hide", "public", "withdraw"]

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import psycopg
from pydantic import ValidationError

from stadtgrund.catalog import access, checks_of_joins
from stadtgrund.catalog.contract import Contract, Protection, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.identity import OPEN
from stadtgrund.store import closings, forms, leftovers, releases
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.locks import take_lock, try_lock


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


def hide(db: Database, dataset: str, reason: Text, *, contract: Contract | None = None, release: forms.Release | None = None) -> None:
    """Take a dataset from the public until its contract is applied; the administration keeps it and reads `reason`.

    It waits for no publish that is being made. `contract`: what closes it, remembered where none was applied; `release`: the answers
    that close it, to be logged.

    Raises
    ------
    Busy
        When a long query holds a view; the dataset is public no more then.
    """
    with db.connect("owner", application=f"stadtgrund apply {dataset}") as connection, named(dataset):
        with connection.transaction():
            take_lock(connection, "show", dataset)
            if contract and release:
                releases.record(connection, contract, "release", release.by, release.answers)
            closings.hide(connection, dataset, reason, contract)
        _drop_views(connection, dataset)


def withdraw(db: Database, dataset: str, *, by: str = "", reason: str = "", dry_run: bool = False) -> list[forms.FormState]:
    """Take a dataset out of `open` at once, and note who did it and why; the administration keeps it.

    It stays out, whatever is loaded or applied, also by what is being loaded just now for the first time, until `stadtgrund release`
    answers the protection check anew. No contract is asked, so that none can be in the way.

    Raises
    ------
    NotFound
        When it was never loaded, and is not being loaded.
    Busy
        When a long query holds a view; the dataset is withdrawn then.
    """
    with db.connect("owner", application=f"stadtgrund withdraw {dataset}") as connection, named(dataset):
        with connection.transaction(force_rollback=dry_run):
            take_lock(connection, "show", dataset)
            if not connection.execute("SELECT FROM meta.run WHERE dataset = %s AND finished_at IS NULL", (dataset,)).rowcount:
                forms.require(connection, dataset)
            told = closings.withdrawn(releases.record_withdrawal(connection, dataset, by, reason))
            closings.hide(connection, dataset, told)
            rows = connection.execute(
                "SELECT profile, form, (collection -> 'facts' ->> 'count')::bigint FROM meta.state WHERE dataset = %s ORDER BY profile",
                (dataset,),
            ).fetchall()
        if not dry_run:
            _drop_views(connection, dataset)
    return [forms.FormState(OPEN, None, told), *(forms.FormState(profile, form, told, count) for profile, form, count in rows)]


def _drop_views(connection: psycopg.Connection[Any], dataset: str) -> None:
    """Drop the views that only the public read, and what only they read, unless somebody makes or drops tables of the dataset just now."""
    with connection.transaction():
        take_lock(connection, "show", dataset)
        closings.drop_views(connection, dataset)
    if try_lock(connection, "publish", dataset):
        leftovers.tidy(connection, dataset)


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
