"""Forms of release as relations: the data table itself where a form only drops columns, else a table in `rel`.

A `security_barrier` view instead of the table would lose the spatial index (170 ms against 0.4 ms, measured).
"""

from __future__ import annotations

__all__ = ["FormTable", "FormTables", "index", "relation_name", "replaced_name", "stems"]

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from stadtgrund.catalog.access import FormSpec
from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.collection import Extent
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.search import searched
from stadtgrund.errors import SetupError, by_locale
from stadtgrund.store.measure import measure
from stadtgrund.store.prepared import is_read, stem
from stadtgrund.store.search_tables import SearchTable
from stadtgrund.store.text_tables import TextTable
from stadtgrund.store.tile_tables import TileTable

_NAME_LENGTH = 63
_ASIDE, _REPLACED = "sg_new_", "sg_old_"


def stems(dataset: str) -> tuple[str, str]:
    """Return how the names of its tables begin while they are made aside, and when they are replaced."""
    return stem(_ASIDE, dataset), stem(_REPLACED, dataset)


def relation_name(dataset: str, form: str, version: int) -> str:
    """Return the name of a form's table in `rel`: `<id>__<form>__v<n>`, with a hash where that would be too long."""
    tail = f"__{form}__v{version}"
    if len(dataset) + len(tail) <= _NAME_LENGTH:
        return dataset + tail
    short = hashlib.sha256(dataset.encode()).hexdigest()[:6]
    return f"{dataset[: _NAME_LENGTH - len(tail) - 7]}_{short}{tail}"


def replaced_name(connection: psycopg.Connection[Any], dataset: str, name: str) -> str:
    """Return the name in `rel` that a table gets when this transaction puts another in its place: no table has it yet."""
    row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None  # a SELECT without FROM has one row
    return stem(_REPLACED, dataset) + hashlib.sha256(f"{name} {row[0]}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class FormTable:
    """A form as it lies in the database.

    `relation` is (schema, table), None of a grid. `aside`: made under this name; takes `relation`'s when the views are switched.
    `text`: its prepared features, `search`: the words that it is searched by, `tiles`: the geometry of its tiles, where it has them.
    """

    name: str
    relation: tuple[str, str] | None
    count: int
    extent: Extent
    aside: tuple[str, str] | None = None
    text: TextTable | None = None
    search: SearchTable | None = None
    definition: str = ""
    tiles: TileTable | None = None


class FormTables:
    """The forms of one version of a dataset, made where they are missing or defined otherwise than before.

    Parameters
    ----------
    connection : psycopg.Connection
        Of the owner; its session holds the lock `publish`.
    table : str or None
        The version's table in `data`; None of a grid.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], dataset: str, version: int, table: str | None, compile_where: CompileWhere | None
    ) -> None:
        self._connection, self._dataset, self._version, self._table = connection, dataset, version, table
        self._compile_where = compile_where
        self._measured: dict[tuple[Any, ...], tuple[int, Extent]] = {}

    def get(self, contract: Contract, spec: FormSpec, text: Callable[[str], str | None]) -> FormTable:
        """Return the form as it is when its definition has not changed, else made anew; `note` it when it is to be shown.

        `text`: the quoted name of its rows → the query of its prepared features, or None.
        """
        definition = _definition(contract, spec, text(""))
        row = self._connection.execute(
            "SELECT relation, count, extent FROM meta.form WHERE dataset = %s AND version = %s AND form = %s AND definition = %s",
            (self._dataset, self._version, spec.name, definition),
        ).fetchone()
        if row:
            schema, _, table = (row[0] or "").partition(".")
            form = FormTable(spec.name, (schema, table) if table else None, row[1], Extent.model_validate(row[2]))
            return replace(self._with_search(self._with_text(form, text, anew=False), contract, spec, definition), definition=definition)
        form = self._grid(spec) if self._table is None else self._rows(contract, spec, self._table)
        form = self._with_search(self._with_text(form, text, anew=True), contract, spec, definition)
        return replace(form, definition=definition)

    def note(self, form: FormTable) -> None:
        """Write the form's row of `meta.form`."""
        self._connection.execute(
            "INSERT INTO meta.form (dataset, version, form, relation, definition, count, extent) VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (dataset, version, form) DO UPDATE SET relation = excluded.relation, definition = excluded.definition,"
            " count = excluded.count, extent = excluded.extent WHERE meta.form.definition <> excluded.definition",
            (
                self._dataset,
                self._version,
                form.name,
                ".".join(form.relation) if form.relation else None,
                form.definition,
                form.count,
                Jsonb(form.extent.model_dump(mode="json", exclude_none=True)),
            ),
        )

    def _with_text(self, form: FormTable, text: Callable[[str], str | None], *, anew: bool) -> FormTable:
        """Return the form with its prepared features; unless `anew`, those that are there, as a form that rests has none."""
        rows = form.aside or form.relation
        query = text(sql.Identifier(*rows).as_string(self._connection)) if rows else None
        if query is None:
            return form
        known = TextTable.of(self._dataset, form.name, self._version, fresh=False)
        if not anew and known.exists(self._connection):
            return replace(form, text=known)
        made = TextTable.of(self._dataset, form.name, self._version, fresh=True)
        made.fill(self._connection, query)
        return replace(form, text=made)

    def _with_search(self, form: FormTable, contract: Contract, spec: FormSpec, definition: str) -> FormTable:
        """Return the form with the words that it is searched by."""
        rows, fields = form.aside or form.relation, searched(contract, spec.fields)
        if rows is None or not fields:
            return form
        server = self._connection.info.server_version // 10_000
        words = SearchTable.of(self._dataset, form.name, self._version, definition, fields, server)
        if not is_read(self._connection, words.relation):
            words.fill(self._connection, rows)
        return replace(form, search=words)

    def _grid(self, spec: FormSpec) -> FormTable:
        """A grid has files, no rows: each of its forms has the count and the extent that came with them."""
        row = self._connection.execute(
            "SELECT count, extent FROM meta.form WHERE dataset = %s AND version = %s LIMIT 1", (self._dataset, self._version)
        ).fetchone()
        assert row is not None  # written with the version
        return FormTable(spec.name, None, row[0], Extent.model_validate(row[1]))

    def _rows(self, contract: Contract, spec: FormSpec, table: str) -> FormTable:
        srid = contract.geometry.srid if contract.geometry and spec.geometry != "none" else None
        columns = frozenset(spec.fields)
        if spec.is_view:
            count, extent = self._measure(contract, ("data", table), srid, columns)
            return FormTable(spec.name, ("data", table), count, extent)
        relation = ("rel", relation_name(self._dataset, spec.name, self._version))
        aside = ("rel", stems(self._dataset)[0] + hashlib.sha256(relation[1].encode()).hexdigest()[:12])
        self._make(contract, spec, ("data", table), aside)
        count, extent = self._measure(contract, aside, srid, columns)
        return FormTable(spec.name, relation, count, extent, aside)

    def _measure(self, contract: Contract, relation: tuple[str, str], srid: int | None, columns: frozenset[str]) -> tuple[int, Extent]:
        """Measure a relation; once, when two forms are views on the same table and show the same of its extent."""
        temporal = contract.temporal
        dated = bool(temporal and columns.issuperset(temporal.columns))
        key = (relation, srid, dated)
        if key not in self._measured:
            self._measured[key] = measure(self._connection, relation, srid, contract, temporal if dated else None)
        return self._measured[key]

    def _make(self, contract: Contract, spec: FormSpec, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Make a form's table with its rows, indexes and statistics."""
        columns: list[sql.Composable] = [sql.Identifier("sg_id")]
        for name in spec.fields:
            if spec.min_count and name in spec.min_count.fields:
                columns += _suppressed(name, spec.min_count.minimum)
            else:
                columns.append(sql.Identifier(name))
        has_geometry = contract.geometry is not None and spec.geometry != "none"
        if contract.geometry and has_geometry:
            place = sql.SQL("ST_Centroid(geom)::geometry(Point, {}) AS geom").format(sql.Literal(contract.geometry.srid))
            columns.append(place if spec.geometry == "centroid" else sql.Identifier("geom"))
        condition, values = self._condition(contract, spec)
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*target)))  # of one that was broken off
        query = sql.SQL("CREATE TABLE {} AS SELECT {} FROM {} WHERE {} ORDER BY {}").format(
            sql.Identifier(*target),
            sql.SQL(", ").join(columns),
            sql.Identifier(*source),
            condition,
            sql.SQL("geom, sg_id") if has_geometry else sql.SQL("sg_id"),
        )
        # The values of `where` are bound by the client: PostgreSQL takes no parameters in CREATE TABLE AS.
        with psycopg.ClientCursor(self._connection) as cursor:
            cursor.execute(query, values)
        index(self._connection, target, contract, frozenset(spec.fields), geometry=has_geometry)

    def _condition(self, contract: Contract, spec: FormSpec) -> tuple[sql.Composable, tuple[Any, ...]]:
        if spec.where is None:
            return sql.SQL("true"), ()
        if self._compile_where is None:
            raise SetupError(
                by_locale(
                    f"{contract.id}: Die Form {spec.name} filtert Zeilen; dieser Aufruf hat keinen Übersetzer für CQL2.",
                    f"{contract.id}: form {spec.name} filters rows; this call has no compiler for CQL2.",
                )
            )
        text, values = self._compile_where(spec.where, contract)
        return sql.SQL("({})").format(sql.SQL(text)), values


def _definition(contract: Contract, spec: FormSpec, text: str | None) -> str:
    parts = {
        "fields": spec.fields,
        "where": spec.where,
        "geometry": spec.geometry if contract.geometry else None,
        "min_count": spec.min_count.model_dump(mode="json") if spec.min_count else None,
        "temporal": contract.temporal.model_dump(mode="json") if contract.temporal else None,
        "sortables": contract.sortables,
        "text": text,
    }
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:12]


def _suppressed(name: str, minimum: int) -> list[sql.Composable]:
    """Return the value and the status of a field under a minimum count; zero says nothing about a person and stays."""
    column = sql.Identifier(name)
    small = sql.SQL("{0} > 0 AND {0} < {1}").format(column, sql.Literal(minimum))
    return [
        sql.SQL("CASE WHEN {} THEN NULL ELSE {} END AS {}").format(small, column, column),
        sql.SQL("CASE WHEN {} IS NULL THEN 'missing' WHEN {} THEN 'suppressed' ELSE 'ok' END AS {}").format(
            column, small, sql.Identifier(f"{name}_status")
        ),
    ]


def index(
    connection: psycopg.Connection[Any], table: tuple[str, str], contract: Contract, columns: frozenset[str], *, geometry: bool
) -> None:
    """Give a new table its primary key, its indexes (geometry, sortables, keys, time) and its statistics."""
    name = sql.Identifier(*table)
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (sg_id)").format(name))
    if geometry:
        connection.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(name))
    sortables = [column for column in dict.fromkeys(contract.sortables) if column in columns]
    for column in sortables:
        connection.execute(sql.SQL("CREATE INDEX ON {} ({}, sg_id)").format(name, sql.Identifier(column)))
    asked = [each.name for each in contract.fields if each.key or each.unique] + [*(contract.temporal.columns if contract.temporal else ())]
    for column in dict.fromkeys(asked):
        if column in columns and column not in sortables:
            connection.execute(sql.SQL("CREATE INDEX ON {} ({})").format(name, sql.Identifier(column)))
    connection.execute(sql.SQL("ANALYZE {}").format(name))
