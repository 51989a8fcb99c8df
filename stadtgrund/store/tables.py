"""Tables from contracts. The only module that imports SQLAlchemy and GeoAlchemy2."""

from __future__ import annotations

__all__ = ["create_sql", "data_name", "difference", "id_is_integer", "staging_name", "staging_table"]

from collections.abc import Mapping
from typing import Any

import psycopg
from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from stadtgrund.catalog.contract import Contract, FieldType
from stadtgrund.catalog.contract import Geometry as GeometryOf

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_TYPES: Mapping[FieldType, TypeEngine[Any]] = {
    "string": Text(),
    "integer": BigInteger(),
    "number": Double(),
    "decimal": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(timezone=True),
    "uuid": Uuid(),
    "json": postgresql.JSONB(),
}
# Order and cursor are the same in every database, whatever its locale: by code point.
_ORDERED_TEXT = Text(collation="C")


def staging_name(contract: Contract, run: int) -> str:
    """Return the name of the staging table of a run (at most 63 characters, as an id has at most 48)."""
    return f"{contract.id}__{run}"


def data_name(contract: Contract, version: int) -> str:
    """Return the name of the table of a version in the schema `data`."""
    return f"{contract.id}__v{version}"


def id_is_integer(contract: Contract) -> bool:
    """Whether `sg_id` is a bigint: the id is one declared integer column."""
    source = contract.id_field
    return bool(source and source.kind == "column" and source.column and contract.field(source.column).type == "integer")


def staging_table(contract: Contract, run: int) -> Table:
    """Return the table that a run fills: `sg_row, sg_id, sg_hash`, the declared columns in order, `geom`; unlogged."""
    own = [Column("sg_row", BigInteger(), nullable=False), _id(contract), Column("sg_hash", Text(), nullable=False)]
    return Table(staging_name(contract, run), MetaData(), *own, *_declared(contract), schema="staging", prefixes=["UNLOGGED"])


def create_sql(table: Table) -> str:
    """Return the CREATE TABLE statement. Indexes are made after the rows, by `versions`."""
    return str(CreateTable(table).compile(dialect=_DIALECT)).strip()


def difference(contract: Contract, existing: tuple[str, str], connection: psycopg.Connection[Any]) -> list[str]:
    """Compare the columns that a contract declares with a table's; empty = they agree.

    Parameters
    ----------
    existing : (schema, table)
        A table or view in the database.

    Returns
    -------
    list of str
        German sentences, a difference each ("Spalte hoehe: bigint statt text").
    """
    wanted = {str(column.name): _type_text(column) for column in (_id(contract), *_declared(contract))}
    rows = connection.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), co.collname FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default'"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        existing,
    ).fetchall()
    found = {name: _plain(kind) + (f' COLLATE "{collation}"' if collation else "") for name, kind, collation in rows}
    if not found:
        return [f"Die Tabelle {'.'.join(existing)} gibt es nicht"]
    told = [f"Spalte {name} fehlt ({kind})" for name, kind in wanted.items() if name not in found]
    told += [f"Spalte {name}: {found[name]} statt {kind}" for name, kind in wanted.items() if name in found and found[name] != kind]
    own = {"sg_row", "sg_hash", "sg_revision"}
    return told + [f"Spalte {name} steht nicht im Vertrag" for name in found if name not in wanted and name not in own]


def _id(contract: Contract) -> Column[Any]:
    return Column("sg_id", BigInteger() if id_is_integer(contract) else _ORDERED_TEXT, nullable=False)


def _declared(contract: Contract) -> list[Column[Any]]:
    columns: list[Column[Any]] = []
    for field in contract.fields:
        kind = _ORDERED_TEXT if field.type == "string" and field.name in contract.sortables else _TYPES[field.type]
        columns.append(Column(field.name, kind))
    if contract.geometry:
        columns.append(Column("geom", _geometry(contract.geometry)))
    return columns


def _geometry(geometry: GeometryOf) -> TypeEngine[Any]:
    kind = geometry.type.upper() + ("Z" if geometry.dimensions == 3 else "")
    return Geometry(kind, srid=geometry.srid, dimension=geometry.dimensions, spatial_index=False)


def _type_text(column: Column[Any]) -> str:
    return _plain(column.type.compile(dialect=_DIALECT))


def _plain(kind: str) -> str:
    """Bring a type's name to one spelling: PostgreSQL's own."""
    text = kind.lower().replace("timestamp with time zone", "timestamptz").replace(" ", "")
    return text.removeprefix("public.").replace('collate"c"', ' COLLATE "C"').replace("doubleprecision", "double precision")
