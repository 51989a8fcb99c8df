"""The profiles' views onto forms, and what `meta.state` says of them: made aside by `prepare`, shown by `settle`.

A profile's view names its columns one by one, without condition or security barrier: indexes are used through it.
"""

from __future__ import annotations

__all__ = ["FormState", "VersionFacts", "hide", "prepare", "reconcile", "refuse_outdated", "require", "settle"]

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from stadtgrund.catalog import access, recipe, resources
from stadtgrund.catalog.access import FormSpec
from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.collection import PREPARED, Collection, Extent, Facts, JoinFacts
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import LoadStopped, NotFound, by_locale
from stadtgrund.identity import OPEN
from stadtgrund.store import comments, leftovers, releases, search_tables, text_tables, tile_tables
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.form_tables import FormTable, FormTables, replaced_name
from stadtgrund.store.loaded import Loaded, Shown, shown
from stadtgrund.store.locks import hold_publish_lock, patiently
from stadtgrund.store.roles import PROFILES
from stadtgrund.store.search_tables import SearchTable
from stadtgrund.store.text_tables import CompileText, TextTable
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

    Returns
    -------
    list of FormState
        One a profile; empty when the dataset was never loaded.

    Raises
    ------
    Busy
        When another command publishes the dataset, or a long query holds its view.
    """
    compilers = (compile_where, compile_text, compile_tiles)
    with db.connect("owner", application=f"stadtgrund apply {contract.id}") as connection, named(contract.id):
        hold_publish_lock(connection, contract.id)
        with leftovers.dropped_on_failure(connection, contract.id):
            with connection.transaction():
                leftovers.drop(connection, contract.id)
                version = _serving(connection, contract.id)
                made = prepare(connection, db, deployment, contract, version, *compilers) if version else {}
            with connection.transaction():
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
    """Do what `reconcile` does in the caller's transaction; views are switched at the end. The caller holds the publish lock.

    `made`: the forms as `prepare` returned them; None: they are prepared here. Tables that nobody reads any more are left over.
    """
    connection.execute(
        "INSERT INTO meta.contract (dataset, contract, recipe) VALUES (%s, %s, %s)"
        " ON CONFLICT (dataset) DO UPDATE SET contract = excluded.contract, recipe = excluded.recipe, applied_at = now()",
        (contract.id, Jsonb(contract.canonical()), recipe.recipe_of(contract, deployment)),
    )
    version = _serving(connection, contract.id)
    if version is None:
        return []
    releases.note_contract(connection, contract)
    views = _views(connection, contract, version)
    if made is None or not made.keys() >= {view.form.name for view in views.values() if view.form}:  # released meanwhile
        made = prepare(connection, db, deployment, contract, version, compile_where, compile_text, compile_tiles)
    work = _Settlement(connection, db, deployment, version, made)
    tables = FormTables(connection, contract.id, version.version, version.table, compile_where)
    for form in made.values():
        tables.note(form)
    collections = {profile: _collection(work, view) for profile, view in views.items()}
    states = {profile: _record(work, contract.id, profile, collection) for profile, collection in collections.items()}
    _keep_files(work, contract.id)
    texts = comments.public_texts(collections[OPEN])
    # What waits for another session, an autovacuum for one, comes before the views are locked.
    comments.comment(connection, _relations(connection, contract.id), texts)
    _lock_new(work)
    patiently(connection, contract.id, lambda: _switch(work, contract.id, views))
    comments.comment(connection, _relations(connection, contract.id), texts)
    # No payload: a listener of any role would learn the name of a closed dataset.
    connection.execute("SELECT pg_notify('sg_state', '')")
    return [
        FormState(profile, view.form.name, view.reason, work.forms[view.form.name].count, states[profile])
        if view.form
        else FormState(profile, None, view.reason, None, states[profile])
        for profile, view in views.items()
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

    In the caller's transaction; its session holds the publish lock.
    """
    forms: dict[str, FormTable] = {}
    work = _Settlement(connection, db, deployment, version, forms)
    tables = FormTables(connection, contract.id, version.version, version.table, compile_where)
    for view in _views(connection, contract, version).values():
        if view.form and view.form.name not in forms:
            form = tables.get(view.contract, view.form, _text_of(work, view, compile_text))
            forms[form.name] = _with_tiles(work, view, form, compile_tiles)
    return forms


def refuse_outdated(connection: psycopg.Connection[Any], contract: Contract, read_at: datetime) -> None:
    """Refuse a contract that was read before one was applied that shows the public less: it would open again what that one closed.

    The caller holds the publish lock.

    Raises
    ------
    LoadStopped
    """
    newer = "SELECT contract FROM meta.contract WHERE dataset = %s AND applied_at > %s"
    row = connection.execute(newer, (contract.id, read_at)).fetchone()
    if row is None or releases.withdrawn_since(connection, contract.id) is not None:
        return
    if access.narrows(Contract.model_validate(row[0]), contract):
        raise LoadStopped(
            by_locale(
                f"{contract.id} wurde während der Ladung weiter geschlossen, als der Vertrag sagt, mit dem sie begann.",
                f"{contract.id} was closed further, during the load, than the contract says that it began with.",
            ),
            remedy=by_locale("Laden Sie noch einmal.", "Load it again."),
        )


def hide(connection: psycopg.Connection[Any], dataset: str, reason: Text) -> None:
    """Take a dataset from `open`, in the caller's transaction, which holds the publish lock; the administration reads `reason`.

    No contract is asked, so that none can be in the way; the one that was applied last loses its protection check, so that nobody opens
    by it again. What a contract says holds again when the dataset is settled by it.
    """

    def drop() -> None:
        names = (dataset, search_tables.view_name(dataset), text_tables.view_name(dataset), tile_tables.view_name(dataset))
        for name in names:
            connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(f"p_{OPEN}", name)))

    connection.execute("DELETE FROM meta.state WHERE profile = %s AND dataset = %s", (OPEN, dataset))
    connection.execute("UPDATE meta.contract SET contract = contract - 'protection', applied_at = now() WHERE dataset = %s", (dataset,))
    connection.execute(
        "UPDATE meta.state SET collection = jsonb_set(collection, '{access}', %(reason)s), digest = left(md5(digest || %(reason)s), 16)"
        " WHERE dataset = %(dataset)s",
        {"dataset": dataset, "reason": json.dumps(reason.model_dump(mode="json", exclude_none=True), ensure_ascii=False)},
    )
    patiently(connection, dataset, drop)
    comments.comment(connection, _relations(connection, dataset), comments.public_texts(None))
    connection.execute("SELECT pg_notify('sg_state', '')")


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


def _views(connection: psycopg.Connection[Any], contract: Contract, version: VersionFacts) -> dict[str, Shown]:
    return {profile: _shown(connection, contract, version.loaded, profile) for profile in PROFILES}


def _shown(connection: psycopg.Connection[Any], contract: Contract, loaded: Loaded, profile: str) -> Shown:
    result = shown(contract, loaded, access.decide(contract, profile), profile)
    since = releases.withdrawn_since(connection, contract.id) if access.decide(contract, OPEN).form else None
    if result.form is None or since is None:
        return result
    reason = Text(de=f"Nur Verwaltung: am {since:%d.%m.%Y} zurückgezogen.", en=f"Administration only: withdrawn on {since:%Y-%m-%d}.")
    return Shown(result.contract, None if profile == OPEN else result.form, reason)


# States and views


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


def _switch(work: _Settlement, dataset: str, views: dict[str, Shown]) -> None:
    """Let the profiles' views read the forms; runs under a short lock timeout, so it only changes the catalogue.

    The views of rows are locked first, as each statement does that reads more than one of a dataset's views or tables: who waits for
    them holds nothing that is waited for here. Pages and items that are read from prepared text alone go on meanwhile.
    """
    for profile in views:
        name = sql.Identifier(f"p_{profile}", dataset)
        work.connection.execute(sql.SQL("ALTER VIEW IF EXISTS {} OWNER TO CURRENT_USER").format(name))  # locks it, and nothing else
    for table in _new(work):
        _rename(work.connection, dataset, table)
    for profile, view in views.items():
        name = sql.Identifier(f"p_{profile}", dataset)
        if view.form is None or work.forms[view.form.name].relation is None:
            work.connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))
        else:
            _make_view(work, name, view.contract, view.form, work.forms[view.form.name])
            reader = sql.Identifier(work.db.role(profile))
            work.connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, reader))
        shown = work.forms[view.form.name] if view.form else None
        _switch_prepared(work, profile, search_tables.view_name(dataset), shown.search if shown else None)
        _switch_prepared(work, profile, text_tables.view_name(dataset), shown.text if shown else None)
        _switch_prepared(work, profile, tile_tables.view_name(dataset), shown.tiles if shown else None)


def _new(work: _Settlement) -> list[FormTable | TextTable]:
    """Return the tables that were made aside."""
    made = [table for form in work.forms.values() for table in (form, form.text)]
    return [table for table in made if table and table.aside and table.relation]


def _lock_new(work: _Settlement) -> None:
    for table in _new(work):
        assert table.aside  # of `_new`
        work.connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table.aside)))


def _rename(connection: psycopg.Connection[Any], dataset: str, table: FormTable | TextTable) -> None:
    """Give a table that was made aside its name."""
    assert table.aside and table.relation  # of `_new`
    # The table that this one replaces is still read by views: it gives its name away, and is dropped when all is shown.
    relation, old = sql.Identifier(*table.relation), sql.Identifier(replaced_name(connection, dataset, table.relation[1]))
    connection.execute(sql.SQL("ALTER TABLE IF EXISTS {} RENAME TO {}").format(relation, old))
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(*table.aside), sql.Identifier(table.relation[1])))


def _switch_prepared(work: _Settlement, profile: str, name: str, table: SearchTable | TextTable | TileTable | None) -> None:
    """Let a profile's view show what was prepared of its form, or be gone."""
    view = sql.Identifier(f"p_{profile}", name)
    if table is None:
        work.connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        return
    _replace_view(work.connection, view, table.columns, table.relation)
    work.connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(work.db.role(profile))))


def _make_view(work: _Settlement, name: sql.Identifier, contract: Contract, spec: FormSpec, form: FormTable) -> None:
    counted = spec.min_count.fields if spec.min_count else ()
    names = ["sg_id"]
    for field_name in spec.fields:
        names += [field_name, f"{field_name}_status"] if field_name in counted else [field_name]
    if contract.geometry and spec.geometry != "none":
        names.append("geom")
    assert form.relation is not None  # a form without relation has no view
    _replace_view(work.connection, name, names, form.relation)


def _replace_view(connection: psycopg.Connection[Any], name: sql.Identifier, columns: Sequence[str], relation: tuple[str, str]) -> None:
    body = sql.SQL("VIEW {} AS SELECT {} FROM {}").format(name, sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(*relation))
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE OR REPLACE {}").format(body))
    except psycopg.errors.InvalidTableDefinition:  # other columns than before: a view can only gain some at its end
        connection.execute(sql.SQL("DROP VIEW {}").format(name))
        connection.execute(sql.SQL("CREATE {}").format(body))


def _relations(connection: psycopg.Connection[Any], dataset: str) -> list[tuple[str, str]]:
    """Return every relation of the dataset that may carry a comment: kept versions, their forms, the views."""
    rows = connection.execute(
        "SELECT 'data', table_name FROM meta.version WHERE dataset = %(d)s AND dropped_at IS NULL AND table_name IS NOT NULL"
        " UNION SELECT split_part(relation, '.', 1), split_part(relation, '.', 2) FROM meta.form f"
        " JOIN meta.version v USING (dataset, version) WHERE dataset = %(d)s AND v.dropped_at IS NULL AND relation IS NOT NULL"
        " UNION SELECT p, %(d)s FROM unnest(%(p)s::text[]) AS p",
        {"d": dataset, "p": [f"p_{profile}" for profile in PROFILES]},
    )
    return [(schema, name) for schema, name in rows]


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
