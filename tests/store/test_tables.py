"""Contract → table, and a table's difference to the contract."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql
from support.deployment import GEBIETE, MASTEN, ZAHLEN, contract_of
from support.rows import publish_rows

from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.store import tables
from stadtgrund.store.database import Database

TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "decimal": "numeric",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp with time zone",
    "uuid": "uuid",
    "json": "jsonb",
}


def columns_of(db: Database, table: str) -> list[tuple[str, str, str | None]]:
    with db.connect("owner") as connection:
        return connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), c.collname FROM pg_attribute a"
            " LEFT JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (table,),
        ).fetchall()


def create(db: Database, contract: Contract) -> None:
    with db.connect("ingest", autocommit=True) as connection:
        connection.execute(tables.create_sql(tables.staging_table(contract, 7)))  # type: ignore[call-overload]


def test_staging_has_the_declared_columns_in_order(db: Database) -> None:
    contract = contract_of(MASTEN)
    create(db, contract)

    found = columns_of(db, "staging.masten__7")
    assert [name for name, _, _ in found] == ["sg_row", "sg_id", "sg_hash", *(field.name for field in contract.fields), "geom"]
    kinds = {name: kind for name, kind, _ in found}
    assert kinds["sg_id"] == "bigint"
    assert kinds["geom"] == "geometry(Point,25832)"
    assert {field.name: kinds[field.name] for field in contract.fields} == {field.name: TYPES[field.type] for field in contract.fields}


def test_text_that_orders_has_one_collation(db: Database) -> None:
    contract = contract_of(GEBIETE, sortables=["schluessel"])
    create(db, contract)

    collations = {name: collation for name, _, collation in columns_of(db, "staging.gebiete__7")}
    assert (collations["sg_id"], collations["schluessel"], collations["name"]) == ("C", "C", "default")


@pytest.mark.parametrize(
    ("geometry", "type_"),
    [
        ({"type": "Geometry"}, "geometry(Geometry,25832)"),
        ({"type": "MultiPolygon", "dimensions": 3, "crs": "EPSG:25833"}, "geometry(MultiPolygonZ,25833)"),
        ({"type": "LineString", "crs": "OGC:CRS84"}, "geometry(LineString,4326)"),
    ],
)
def test_geometry_types(db: Database, geometry: dict[str, Any], type_: str) -> None:
    contract = contract_of(GEBIETE, geometry=geometry)
    create(db, contract)

    assert columns_of(db, "staging.gebiete__7")[-1][:2] == ("geom", type_)
    with db.connect("owner") as connection:
        assert tables.difference(contract, ("staging", "gebiete__7"), connection) == []


def test_a_table_without_geometry(db: Database) -> None:
    create(db, contract_of(ZAHLEN))
    assert [name for name, _, _ in columns_of(db, "staging.zahlen__7")] == ["sg_row", "sg_id", "sg_hash", "schluessel", "jahr", "einwohner"]


@pytest.mark.parametrize("word", ["user", "select", "table", "end", "order", "offset"])
def test_a_field_may_have_the_name_of_a_keyword(db: Database, word: str) -> None:
    contract = contract_of(ZAHLEN, fields=[*ZAHLEN["fields"], {"name": word, "type": "string"}], sortables=[word])
    create(db, contract)
    assert columns_of(db, "staging.zahlen__7")[-1][0] == word


def test_a_published_table_is_what_its_contract_declares(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("gebiete")
    published = publish_rows(db, deployment, "gebiete", [{"schluessel": "01", "geom": "MULTIPOLYGON(((0 0, 9 0, 9 9, 0 0)))"}])
    assert published.table_name == tables.data_name(contract, 1)
    own = [name for name, _, _ in columns_of(db, f"data.{published.table_name}")]
    assert own == ["sg_id", "sg_hash", "sg_revision", *(field.name for field in contract.fields), "geom"]
    with db.connect("owner") as connection:
        assert tables.difference(contract, ("data", "gebiete__v1"), connection) == []


def test_differences_are_sentences(db: Database) -> None:
    create(db, contract_of(GEBIETE))
    fields = [
        {"name": "schluessel", "type": "integer", "required": True},
        {"name": "beginn", "type": "date"},
        {"name": "ende", "type": "date"},
        {"name": "flaeche", "type": "number"},
    ]
    other = contract_of(GEBIETE, fields=fields, geometry={"type": "Point"}, sortables=[])

    with db.connect("owner") as connection:
        told = tables.difference(other, ("staging", "gebiete__7"), connection)
        assert tables.difference(other, ("data", "gebiete__v1"), connection) == ["Die Tabelle data.gebiete__v1 gibt es nicht"]
    assert told == [
        "Spalte flaeche fehlt (double precision)",
        'Spalte sg_id: text COLLATE "C" statt bigint',
        'Spalte schluessel: text COLLATE "C" statt bigint',
        "Spalte geom: geometry(multipolygon,25832) statt geometry(point,25832)",
        "Spalte name steht nicht im Vertrag",
    ]


def test_the_order_is_by_code_point_in_any_database(db: Database) -> None:
    create(db, contract_of(GEBIETE))
    words = ["Zoo", "Äpfel", "apfel", "Apfel", "z10", "z9"]
    with db.connect("ingest", autocommit=True) as connection:
        for number, word in enumerate(words):
            connection.execute(
                "INSERT INTO staging.gebiete__7 (sg_row, sg_id, sg_hash, name) VALUES (%s, %s, '', %s)", (number, str(number), word)
            )
        found = connection.execute(sql.SQL("SELECT name FROM staging.gebiete__7 ORDER BY name")).fetchall()
    assert [name for (name,) in found] == sorted(words)
