"""What each profile gets of a dataset: its form, made aside by `prepare`, and its state in `meta.state`, shown by `settle`."""

from __future__ import annotations

__all__ = [
    "FormState",
    "Release",
    "VersionFacts",
    "prepare",
    "reconcile",
    "require",
    "settle",
]

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from stadtgrund.catalog import access, recipe, resources
from stadtgrund.catalog.access import FormSpec
from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.collection import PREPARED, Collection, Extent, Facts, JoinFacts
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import NotFound, by_locale
from stadtgrund.identity import OPEN
from stadtgrund.store import closings, comments, leftovers, releases, views
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.form_tables import FormTable, FormTables
from stadtgrund.store.loaded import Loaded, Shown, shown
from stadtgrund.store.locks import busy, hold_lock, patiently, take_lock, try_lock
from stadtgrund.store.roles import PROFILES
from stadtgrund.store.text_tables import CompileText
from stadtgrund.store.tile_tables import CompileTiles, TileTable


@dataclass(frozen=True)
class FormState:
    """What a profile has of a dataset now: the form (None = it does not see it), the reason, and the form's exact count."""

    profile: str
    form: str | None
    reason: Text
    count: int | None = None
    changed: bool = True


@dataclass(frozen=True)
class Release:
    """Who answered the protection check, and what."""

    by: str
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class VersionFacts:
    """The facts of a version that forms and states are made of; `published` does not bear on forms."""

    version: int
    published: datetime
    table: str | None
    rows: int
    source_time: datetime | None
    operation: str | None
    accuracy_m: float | None
    join: JoinFacts | None
    loaded: Loaded


@dataclass
class _Settlement:
    connection: psycopg.Connection[Any]
    db: Database
    deployment: Deployment
    version: VersionFacts
    forms: Mapping[str, FormTable]


def reconcile(
    db: Database,
    deployment: Deployment,
    contract: Contract,
    *,
    compile_where: CompileWhere | None = None,
    compile_text: CompileText | None = None,
    compile_tiles: CompileTiles | None = None,
    release: Release | None = None,
    wait: bool = True,
) -> list[FormState]:
    """Bring forms, views and states of the serving version to what the contract says now, without new data.

    What there is to make is made aside first, in a transaction of its own; a second, short one changes what is seen.

    Parameters
    ----------
    compile_where : CompileWhere, optional
        Needed when a form has a `where`.
    compile_text : CompileText, optional
        Makes prepared feature text; without it there is none, and pages are formatted when they are asked.
    compile_tiles : CompileTiles, optional
        Prepares the geometry of tiles, alike.
    release : Release, optional
        The answers that the contract's protection check is of: logged when they take effect, neither earlier nor without.
    wait : bool
        Whether to wait for another command that publishes the dataset (at most two minutes).

    Returns
    -------
    list of FormState
        One a profile; empty when the dataset was never loaded.

    Raises
    ------
    Busy
        When another command publishes the dataset, or a long query holds its view.
    LoadStopped
        When a contract that closes more was read later than `deployment`, and applied.
    """
    compilers = (compile_where, compile_text, compile_tiles)
    with db.connect("owner", application=f"stadtgrund apply {contract.id}") as connection, named(contract.id):
        if wait:
            hold_lock(connection, "publish", contract.id)
        elif not try_lock(connection, "publish", contract.id):
            raise busy(contract.id)
        leftovers.drop(connection, contract.id)
        with leftovers.dropped_on_failure(connection, contract.id):
            with connection.transaction():
                version = _serving(connection, contract.id)
                made = prepare(connection, db, deployment, contract, version, *compilers) if version else {}
            with connection.transaction():
                views.lock_new(connection, made)
                take_lock(connection, "show", contract.id)
                closings.refuse_outdated(connection, contract, deployment, anew=release is not None)
                if release:
                    releases.record(connection, contract, "release", release.by, release.answers)
                states = settle(connection, db, deployment, contract, *compilers, made)
        leftovers.tidy(connection, contract.id)
        return states


def settle(
    connection: psycopg.Connection[Any],
    db: Database,
    deployment: Deployment,
    contract: Contract,
    compile_where: CompileWhere | None,
    compile_text: CompileText | None,
    compile_tiles: CompileTiles | None,
    made: Mapping[str, FormTable] | None = None,
) -> list[FormState]:
    """Do what `reconcile` does in the caller's transaction, which holds both locks; views are switched at the end.

    The caller has locked what is made (`views.lock_new`) before it took the lock `show`.

    `made`: the forms as `prepare` returned them; None: they are prepared here. Tables that nobody reads any more are left over.
    """
    connection.execute(
        "INSERT INTO meta.contract (dataset, contract, recipe, read_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (dataset) DO UPDATE SET contract = excluded.contract, recipe = excluded.recipe, read_at = excluded.read_at,"
        " applied_at = now()",
        (contract.id, Jsonb(contract.canonical()), recipe.recipe_of(contract, deployment), deployment.read_at),
    )
    version = _serving(connection, contract.id)
    if version is None:
        return []
    releases.note_contract(connection, contract)
    shown = _shown_to_each(connection, contract, version)
    if made is None or not made.keys() >= {view.form.name for view in shown.values() if view.form}:  # released meanwhile
        made = prepare(connection, db, deployment, contract, version, compile_where, compile_text, compile_tiles)
        views.lock_new(connection, made)
    work = _Settlement(connection, db, deployment, version, made)
    tables = FormTables(connection, contract.id, version.version, version.table, compile_where)
    for form in made.values():
        tables.note(form)
    collections = {profile: _collection(work, view) for profile, view in shown.items()}
    states = {profile: _record(work, contract.id, profile, collection) for profile, collection in collections.items()}
    _keep_files(work, contract.id)
    texts = comments.public_texts(collections[OPEN])
    # What waits for another session, an autovacuum for one, comes before the views are locked.
    comments.comment(connection, views.relations(connection, contract.id), texts)
    patiently(connection, contract.id, lambda: views.switch(connection, db, contract.id, shown, made))
    comments.comment(connection, views.relations(connection, contract.id), texts)
    # No payload: a listener of any role would learn the name of a closed dataset.
    connection.execute("SELECT pg_notify('sg_state', '')")
    return [
        FormState(profile, view.form.name, view.reason, work.forms[view.form.name].count, states[profile])
        if view.form
        else FormState(profile, None, view.reason, None, states[profile])
        for profile, view in shown.items()
    ]


def prepare(
    connection: psycopg.Connection[Any],
    db: Database,
    deployment: Deployment,
    contract: Contract,
    version: VersionFacts,
    compile_where: CompileWhere | None,
    compile_text: CompileText | None,
    compile_tiles: CompileTiles | None,
) -> dict[str, FormTable]:
    """Return the forms of a version by name, made aside as far as they are not there; nobody sees them before `settle`.

    In the caller's transaction; its session holds the lock `publish`.
    """
    forms: dict[str, FormTable] = {}
    work = _Settlement(connection, db, deployment, version, forms)
    tables = FormTables(connection, contract.id, version.version, version.table, compile_where)
    for view in _shown_to_each(connection, contract, version).values():
        if view.form and view.form.name not in forms:
            form = tables.get(view.contract, view.form, _text_of(work, view, compile_text))
            forms[form.name] = _with_tiles(work, view, form, compile_tiles)
    return forms


def _serving(connection: psycopg.Connection[Any], dataset: str) -> VersionFacts | None:
    row = connection.execute(
        "SELECT version, published_at, table_name, rows, source_time, operation, accuracy_m, join_facts, loaded"
        " FROM meta.version WHERE dataset = %s ORDER BY version DESC LIMIT 1",
        (dataset,),
    ).fetchone()
    if row is None:
        return None
    version, published, table, rows, source_time, operation, accuracy_m, join, loaded = row
    facts = JoinFacts.model_validate(join) if join else None
    return VersionFacts(version, published, table, rows, source_time, operation, accuracy_m, facts, Loaded.model_validate(loaded))


def _shown_to_each(connection: psycopg.Connection[Any], contract: Contract, version: VersionFacts) -> dict[str, Shown]:
    return {profile: _shown(connection, contract, version.loaded, profile) for profile in PROFILES}


def _shown(connection: psycopg.Connection[Any], contract: Contract, loaded: Loaded, profile: str) -> Shown:
    result = shown(contract, loaded, access.decide(contract, profile), profile)
    since = releases.withdrawn_since(connection, contract.id) if access.decide(contract, OPEN).form else None
    if result.form is None or since is None:
        return result
    return Shown(result.contract, None if profile == OPEN else result.form, closings.withdrawn(since))


# States


def _text_of(work: _Settlement, view: Shown, compile_text: CompileText | None) -> Callable[[str], str | None]:
    """Return what makes the query of a form's feature text."""
    assert view.form is not None  # the caller's condition
    unmade = FormTable(view.form.name, None, 0, Extent())
    collection = _described(work, view, view.form, unmade)
    return lambda rows: compile_text(collection, rows) if compile_text else None


def _with_tiles(work: _Settlement, view: Shown, form: FormTable, compile_tiles: CompileTiles | None) -> FormTable:
    """Return the form with the geometry of its tiles."""
    assert view.form is not None  # the caller's condition
    collection, rows = _described(work, view, view.form, form), form.aside or form.relation
    plan = compile_tiles(collection) if compile_tiles and rows else None
    if plan is None or rows is None:
        return form
    of = (collection.id, form.name, work.version.version, form.definition)
    return replace(form, tiles=TileTable.get(work.connection, plan, rows, of, form.extent))


def _collection(work: _Settlement, view: Shown) -> Collection | None:
    return _described(work, view, view.form, work.forms[view.form.name]) if view.form else None


def _described(work: _Settlement, view: Shown, spec: FormSpec, form: FormTable) -> Collection:
    version = work.version
    facts = Facts(
        version=version.version,
        published=version.published,
        count=form.count,
        extent=form.extent,
        source_time=version.source_time,
        operation=version.operation,
        accuracy_m=version.accuracy_m,
        join=version.join,
        prepared=PREPARED if form.text else 0,
        tiles=form.tiles.levels if form.tiles else None,
        definition=form.definition,
    )
    return resources.collection(view.contract, work.deployment, spec, view.reason, facts)


def _record(work: _Settlement, dataset: str, profile: str, collection: Collection | None) -> bool:
    """Write the profile's row of meta.state; return whether it changed."""
    if collection is None:
        gone = work.connection.execute("DELETE FROM meta.state WHERE profile = %s AND dataset = %s", (profile, dataset))
        return gone.rowcount > 0
    document = collection.as_json()
    version = work.version
    parts = [profile, dataset, version.version, collection.form, version.published.isoformat(), document]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]
    done = work.connection.execute(
        "INSERT INTO meta.state (profile, dataset, version, form, published, collection, digest) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (profile, dataset) DO UPDATE SET version = excluded.version, form = excluded.form, published = excluded.published,"
        " collection = excluded.collection, digest = excluded.digest WHERE meta.state.digest <> excluded.digest",
        (profile, dataset, version.version, collection.form, version.published, Jsonb(document), digest),
    )
    return done.rowcount > 0


def _keep_files(work: _Settlement, dataset: str) -> None:
    """Let each form of a grid have the version's files: they are the same for all of them."""
    if work.version.table is None:
        work.connection.execute(
            "INSERT INTO meta.file (dataset, version, form, name, path, bytes, sha256, media_type)"
            " SELECT DISTINCT ON (f.name, w.form) f.dataset, f.version, w.form, f.name, f.path, f.bytes, f.sha256, f.media_type"
            " FROM meta.file f, unnest(%s::text[]) AS w (form) WHERE f.dataset = %s AND f.version = %s"
            " ON CONFLICT DO NOTHING",
            (list(work.forms), dataset, work.version.version),
        )


def require(connection: psycopg.Connection[Any], dataset: str) -> None:
    """Refuse a dataset that was never loaded.

    Raises
    ------
    NotFound
    """
    if _serving(connection, dataset) is None:
        raise NotFound(
            by_locale(f"{dataset} wurde noch nie geladen.", f"{dataset} was never loaded."),
            remedy=by_locale(f"Laden Sie es mit: stadtgrund load {dataset}", f"Load it with: stadtgrund load {dataset}"),
        )
