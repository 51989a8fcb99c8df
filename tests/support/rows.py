"""Rows published without the ETL: staged by INSERT."""

from __future__ import annotations

__all__ = ["publish_rows", "stage_rows"]

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.recipe import recipe_of
from stadtgrund.catalog.registry import Deployment
from stadtgrund.query.form_filter import compile_text, compile_tiles
from stadtgrund.store import tables
from stadtgrund.store.database import Database
from stadtgrund.store.versions import CompileWhere, LoadFacts, Run, Version, begin_run, end_run, publish

Row = Mapping[str, Any]


def stage_rows(run: Run, contract: Contract, rows: Iterable[Row]) -> int:
    """Make the staging table of a run and fill it; return the number of rows."""
    run.connection.execute(tables.create_sql(tables.staging_table(contract, run.id)))
    names = [field.name for field in contract.fields]
    values = [sql.Placeholder() for _ in range(3 + len(names))]
    columns = ["sg_row", "sg_id", "sg_hash", *names]
    if contract.geometry:
        columns.append("geom")
        values.append(sql.SQL("ST_GeomFromText(%s, {})").format(contract.geometry.srid))  # type: ignore[arg-type]
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("staging", tables.staging_name(contract, run.id)),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(values),
    )
    prepared = []
    for number, row in enumerate(rows, 1):
        told = json.dumps({name: row.get(name) for name in names}, sort_keys=True, default=str) + str(row.get("geom"))
        attributes = [Jsonb(row[f.name]) if f.type == "json" and row.get(f.name) is not None else row.get(f.name) for f in contract.fields]
        place = [row.get("geom")] if contract.geometry else []
        prepared.append([number, _id(contract, row, number), hashlib.sha256(told.encode()).hexdigest()[:16], *attributes, *place])
    with run.connection.cursor() as cursor:
        cursor.executemany(insert, prepared)
    return len(prepared)


def publish_rows(
    db: Database,
    deployment: Deployment,
    dataset: str,
    rows: Iterable[Row],
    *,
    compile_where: CompileWhere | None = None,
    operation: str | None = None,
    accuracy_m: float | None = None,
) -> Version:
    """Publish rows as a new version of a dataset.

    Parameters
    ----------
    rows : iterable of mappings
        Field name → value; what is missing is null. `geom`: WKT in the storage CRS.
    operation, accuracy_m
        How the geometries are said to have come into the storage CRS.
    """
    contract = deployment.contract(dataset)
    run = begin_run(db, contract)
    try:
        count = stage_rows(run, contract, rows)
        source = f"rows-{run.id}"
        facts = LoadFacts(recipe_of(contract, deployment), source, rows_in=count, operation=operation, accuracy_m=accuracy_m)
        version = publish(
            db,
            deployment,
            contract,
            run,
            facts,
            compile_where=compile_where,
            compile_text=compile_text,
            compile_tiles=compile_tiles,
        )
    except BaseException:
        end_run(db, run, "failed")
        raise
    end_run(db, run, "published", {"rows_in": count, "rows_published": version.rows, "rows_rejected": 0})
    return version


def _id(contract: Contract, row: Row, number: int) -> Any:
    source = contract.id_field
    if source is None or source.kind not in ("column", "composite"):
        return str(number)
    names = (source.column,) if source.column else source.columns
    values = [row[name] for name in names if name]
    return values[0] if source.kind == "column" else "-".join(map(str, values))
