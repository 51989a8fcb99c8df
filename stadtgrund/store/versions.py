"""Versions of a dataset: publish a load, roll back, and look back."""

from __future__ import annotations

__all__ = [
    "CompileWhere",
    "LoadFacts",
    "Run",
    "StoredFile",
    "Version",
    "begin_run",
    "check_rollback",
    "current",
    "end_run",
    "history",
    "publish",
    "rollback",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.collection import Extent, JoinFacts
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import LoadStopped, NotFound, by_locale
from stadtgrund.store import publication, tables
from stadtgrund.store.database import Database
from stadtgrund.store.forms import FormState
from stadtgrund.store.loaded import Loaded
from stadtgrund.store.publication import LoadFacts, Publication, StoredFile
from stadtgrund.store.retention import drop_old
from stadtgrund.store.runs import Run, begin_run, end_run
from stadtgrund.store.text_tables import CompileText
from stadtgrund.store.tile_tables import CompileTiles


@dataclass(frozen=True)
class Version:
    """A version as `meta.version` has it. `states` (what each profile got) is set by what made it only."""

    dataset: str
    version: int
    origin: str
    rows: int
    published_at: datetime
    recipe: str
    source_hash: str
    source_time: datetime | None = None
    operation: str | None = None
    accuracy_m: float | None = None
    rows_in: int | None = None
    rows_rejected: int | None = None
    run: int | None = None
    table_name: str | None = None
    dropped_at: datetime | None = None
    states: tuple[FormState, ...] = ()


def publish(
    db: Database,
    deployment: Deployment,
    contract: Contract,
    run: Run,
    facts: LoadFacts,
    *,
    compile_where: CompileWhere | None = None,
    compile_text: CompileText | None = None,
    compile_tiles: CompileTiles | None = None,
    files: Callable[[int], Sequence[StoredFile]] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Version:
    """Make what a run staged the version that serves: all of it at once; until then the version before it serves.

    Parameters
    ----------
    compile_where : CompileWhere, optional
        Needed when a form has a `where`.
    compile_text : CompileText, optional
        Makes prepared feature text; without it there is none.
    compile_tiles : CompileTiles, optional
        Prepares the geometry of tiles; without it they are made of the rows.
    files : callable, optional
        Of a grid: is given the version's number, puts the files under their final names, returns them.
    progress : callable, optional
        Is given the name of each step before it runs.

    Raises
    ------
    LoadStopped
        When the rows cannot become a table, or a contract that closes more was applied since `deployment` was read.
    Busy
        When the dataset is being published, or a long query holds its view.
    SetupError
        When the disk is full or a right is missing.
    """
    source = None if contract.is_raster else ("staging", tables.staging_name(contract, run.id))
    return _made(
        Publication(
            db,
            deployment,
            contract,
            facts,
            "load",
            source,
            Loaded.of(contract),
            run.id,
            compile_where,
            files,
            progress,
            compile_text,
            compile_tiles,
        )
    )


def rollback(
    db: Database,
    deployment: Deployment,
    contract: Contract,
    to: int,
    *,
    compile_where: CompileWhere | None = None,
    compile_text: CompileText | None = None,
    compile_tiles: CompileTiles | None = None,
    progress: Callable[[str], None] | None = None,
) -> Version:
    """Make a new version with the rows of version `to`; numbers only rise.

    Raises
    ------
    NotFound
        When there is no such version, or its table is gone; the possible ones are listed.
    LoadStopped
        When the contract has other columns than that version.
    """
    chosen, facts, loaded, kept = _rollback_to(db, contract, to)
    source = ("data", chosen.table_name) if chosen.table_name else None
    files = (lambda _: kept) if contract.is_raster else None
    origin = f"rollback:{to}"
    return _made(
        Publication(
            db,
            deployment,
            contract,
            facts,
            origin,
            source,
            loaded,
            chosen.run,
            compile_where,
            files,
            progress,
            compile_text,
            compile_tiles,
        )
    )


def check_rollback(db: Database, contract: Contract, to: int) -> None:
    """Refuse what `rollback` would refuse; change nothing.

    Raises
    ------
    NotFound, LoadStopped
        As `rollback`.
    """
    _rollback_to(db, contract, to)


def history(db: Database, dataset: str) -> list[Version]:
    """Return all versions, newest first, also those whose table is gone."""
    with db.connect("owner") as connection:
        return _versions(connection, dataset)


def current(db: Database, dataset: str) -> Version | None:
    """Return the version that serves; None when the dataset was never loaded. Compare `recipe` and `source_hash` with it."""
    with db.connect("owner") as connection:
        return next(iter(_versions(connection, dataset)), None)


def _made(plan: Publication) -> Version:
    number, states = publication.make(plan)
    drop_old(plan.db, plan.contract.id)
    with plan.db.connect("owner") as connection:
        (version,) = _versions(connection, plan.contract.id, number)  # by now another one may serve
    return replace(version, states=states)


def _rollback_to(db: Database, contract: Contract, to: int) -> tuple[Version, LoadFacts, Loaded, list[StoredFile]]:
    versions = {version.version: version for version in history(db, contract.id)}
    chosen = versions.get(to)
    if chosen is None or chosen.dropped_at or (chosen.table_name is None and not contract.is_raster):
        possible = ", ".join(str(number) for number, version in versions.items() if version.dropped_at is None)
        raise NotFound(
            by_locale(f"{contract.id} hat keine Version {to} mehr.", f"{contract.id} has no version {to} any more."),
            remedy=by_locale(f"Möglich sind: {possible or 'keine'}.", f"Possible are: {possible or 'none'}."),
        )
    with db.connect("owner") as connection:
        facts, loaded, kept = _kept(connection, chosen)
        differences = tables.difference(contract, ("data", chosen.table_name), connection) if chosen.table_name else []
    if differences or loaded.id_field != contract.id_field:
        told = "; ".join(differences) or by_locale("andere Kennung", "another id")
        raise LoadStopped(
            by_locale(
                f"Version {to} von {contract.id} passt nicht zum Vertrag: {told}.",
                f"Version {to} of {contract.id} does not fit the contract: {told}.",
            ),
            kept=by_locale("Die bisherige Version wird weiter ausgeliefert.", "The version so far is still served."),
            remedy=by_locale("Stellen Sie den Vertrag von damals wieder her, oder laden Sie neu.", "Restore the contract, or load anew."),
        )
    return chosen, facts, loaded, kept


def _versions(connection: psycopg.Connection[Any], dataset: str, version: int | None = None) -> list[Version]:
    """Return the versions of a dataset, newest first; only that one where `version` names it."""
    rows = connection.execute(
        "SELECT dataset, version, origin, rows, published_at, recipe, source_hash, source_time, operation, accuracy_m, rows_in,"
        " rows_rejected, run, table_name, dropped_at FROM meta.version"
        " WHERE dataset = %s AND version = coalesce(%s, version) ORDER BY version DESC",
        (dataset, version),
    )
    return [Version(*row) for row in rows]


def _kept(connection: psycopg.Connection[Any], version: Version) -> tuple[LoadFacts, Loaded, list[StoredFile]]:
    """Return what a version knows of itself, for its copy."""
    key = (version.dataset, version.version)
    row = connection.execute("SELECT join_facts, loaded FROM meta.version WHERE dataset = %s AND version = %s", key).fetchone()
    extent = connection.execute("SELECT extent FROM meta.form WHERE dataset = %s AND version = %s LIMIT 1", key).fetchone()
    files = connection.execute(
        "SELECT DISTINCT ON (name) name, path, bytes, sha256, media_type FROM meta.file WHERE dataset = %s AND version = %s", key
    ).fetchall()
    assert row is not None  # read in the same call that found the version
    facts = LoadFacts(
        version.recipe,
        version.source_hash,
        version.source_time,
        version.operation,
        version.accuracy_m,
        version.rows_in or 0,
        version.rows_rejected or 0,
        JoinFacts.model_validate(row[0]) if row[0] else None,
        Extent.model_validate(extent[0]) if extent else Extent(),
    )
    return facts, Loaded.model_validate(row[1]), [StoredFile(*file) for file in files]
