"""The profiles' views onto forms and onto what is prepared of them.

A profile's view names its columns one by one, without condition or security barrier: indexes are used through it.
"""

from __future__ import annotations

__all__ = ["drop", "lock_new", "relations", "switch"]

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.catalog.access import FormSpec
from stadtgrund.catalog.contract import Contract
from stadtgrund.store import search_tables, text_tables, tile_tables
from stadtgrund.store.database import Database
from stadtgrund.store.form_tables import FormTable, replaced_name
from stadtgrund.store.loaded import Shown
from stadtgrund.store.roles import PROFILES
from stadtgrund.store.search_tables import SearchTable
from stadtgrund.store.text_tables import TextTable
from stadtgrund.store.tile_tables import TileTable


def switch(
    connection: psycopg.Connection[Any], db: Database, dataset: str, shown: Mapping[str, Shown], forms: Mapping[str, FormTable]
) -> None:
    """Let the profiles' views read the forms; runs under a short lock timeout, so it only changes the catalogue.

    The views of rows are locked first, as each statement does that reads more than one of a dataset's views or tables: who waits for
    them holds nothing that is waited for here. Pages and items that are read from prepared text alone go on meanwhile.
    """
    for profile in shown:
        name = sql.Identifier(f"p_{profile}", dataset)
        connection.execute(sql.SQL("ALTER VIEW IF EXISTS {} OWNER TO CURRENT_USER").format(name))  # locks it, and nothing else
    for table in _new(forms):
        _rename(connection, dataset, table)
    for profile, view in shown.items():
        name = sql.Identifier(f"p_{profile}", dataset)
        form = forms[view.form.name] if view.form else None
        if view.form is None or form is None or form.relation is None:
            connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))
        else:
            _replace(connection, name, _columns(view.contract, view.form), form.relation)
            connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(db.role(profile))))
        _switch_prepared(connection, db, profile, search_tables.view_name(dataset), form.search if form else None)
        _switch_prepared(connection, db, profile, text_tables.view_name(dataset), form.text if form else None)
        _switch_prepared(connection, db, profile, tile_tables.view_name(dataset), form.tiles if form else None)


def lock_new(connection: psycopg.Connection[Any], forms: Mapping[str, FormTable]) -> None:
    """Lock the tables that were made aside: they are renamed when the views are switched."""
    for table in _new(forms):
        assert table.aside  # of `_new`
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table.aside)))


def drop(connection: psycopg.Connection[Any], dataset: str, profile: str) -> None:
    """Drop a profile's views; that of the rows first, as `switch` locks them."""
    for name in (dataset, search_tables.view_name(dataset), text_tables.view_name(dataset), tile_tables.view_name(dataset)):
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(f"p_{profile}", name)))


def relations(connection: psycopg.Connection[Any], dataset: str) -> list[tuple[str, str]]:
    """Return every relation of the dataset that may carry a comment: kept versions, their forms, the views."""
    rows = connection.execute(
        "SELECT 'data', table_name FROM meta.version WHERE dataset = %(d)s AND dropped_at IS NULL AND table_name IS NOT NULL"
        " UNION SELECT split_part(relation, '.', 1), split_part(relation, '.', 2) FROM meta.form f"
        " JOIN meta.version v USING (dataset, version) WHERE dataset = %(d)s AND v.dropped_at IS NULL AND relation IS NOT NULL"
        " UNION SELECT p, %(d)s FROM unnest(%(p)s::text[]) AS p",
        {"d": dataset, "p": [f"p_{profile}" for profile in PROFILES]},
    )
    return [(schema, name) for schema, name in rows]


def _new(forms: Mapping[str, FormTable]) -> list[FormTable | TextTable]:
    """Return the tables that were made aside."""
    made = [table for form in forms.values() for table in (form, form.text)]
    return [table for table in made if table and table.aside and table.relation]


def _rename(connection: psycopg.Connection[Any], dataset: str, table: FormTable | TextTable) -> None:
    """Give a table that was made aside its name."""
    assert table.aside and table.relation  # of `_new`
    # The table that this one replaces is still read by views: it gives its name away, and is dropped when all is shown.
    relation, old = sql.Identifier(*table.relation), sql.Identifier(replaced_name(connection, dataset, table.relation[1]))
    connection.execute(sql.SQL("ALTER TABLE IF EXISTS {} RENAME TO {}").format(relation, old))
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(*table.aside), sql.Identifier(table.relation[1])))


def _switch_prepared(
    connection: psycopg.Connection[Any], db: Database, profile: str, name: str, table: SearchTable | TextTable | TileTable | None
) -> None:
    """Let a profile's view show what was prepared of its form, or be gone."""
    view = sql.Identifier(f"p_{profile}", name)
    if table is None:
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        return
    _replace(connection, view, table.columns, table.relation)
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(db.role(profile))))


def _columns(contract: Contract, spec: FormSpec) -> list[str]:
    """Return the columns of a form's rows."""
    counted = spec.min_count.fields if spec.min_count else ()
    names = ["sg_id"]
    for field_name in spec.fields:
        names += [field_name, f"{field_name}_status"] if field_name in counted else [field_name]
    if contract.geometry and spec.geometry != "none":
        names.append("geom")
    return names


def _replace(connection: psycopg.Connection[Any], name: sql.Identifier, columns: Sequence[str], relation: tuple[str, str]) -> None:
    body = sql.SQL("VIEW {} AS SELECT {} FROM {}").format(name, sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(*relation))
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE OR REPLACE {}").format(body))
    except psycopg.errors.InvalidTableDefinition:  # other columns than before: a view can only gain some at its end
        connection.execute(sql.SQL("DROP VIEW {}").format(name))
        connection.execute(sql.SQL("CREATE {}").format(body))
