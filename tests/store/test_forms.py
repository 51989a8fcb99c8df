"""Forms of release: omitted columns, filtered rows, suppressed counts, generalised geometry; and what `apply` changes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, read_now, write_deployment
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SetupError
from stadtgrund.query.form_filter import compile_where
from stadtgrund.store.database import Database
from stadtgrund.store.form_tables import relation_name
from stadtgrund.store.forms import reconcile

COUNTS = [
    {"schluessel": "01", "jahr": 2020, "einwohner": 0},
    {"schluessel": "02", "jahr": 2020, "einwohner": 1},
    {"schluessel": "03", "jahr": 2020, "einwohner": 4},
    {"schluessel": "04", "jahr": 2020, "einwohner": 5},
    {"schluessel": "05", "jahr": 2020, "einwohner": None},
]
AREAS = [
    {"schluessel": "1", "name": "West", "geom": "MULTIPOLYGON(((360000 5700000, 361000 5700000, 361000 5701000, 360000 5700000)))"},
    {"schluessel": "2", "name": "Ost", "geom": "MULTIPOLYGON(((370000 5700000, 371000 5700000, 371000 5701000, 370000 5700000)))"},
    {"schluessel": "3", "name": "O'Neill", "geom": None},
]


def one(folder: Path, contract: Contract) -> Deployment:
    return registry.read(write_deployment(folder / "teststadt", contract))


def select(db: Database, profile: str, query: str) -> list[Any]:
    with db.connect(profile) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def collection(db: Database, profile: str, dataset: str) -> Collection | None:
    with db.connect(profile) as connection:
        query = sql.SQL("SELECT collection FROM {} WHERE dataset = %s").format(sql.Identifier(f"p_{profile}", "sg_state"))
        row = connection.execute(query, (dataset,)).fetchone()
    return Collection.model_validate(row[0]) if row else None


def test_a_minimum_count_suppresses_small_numbers_and_says_so(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "zahlen", COUNTS)

    assert select(db, "open", "SELECT sg_id, einwohner, einwohner_status FROM p_open.zahlen ORDER BY sg_id") == [
        ("01-2020", 0, "ok"),
        ("02-2020", None, "suppressed"),
        ("03-2020", None, "suppressed"),
        ("04-2020", 5, "ok"),
        ("05-2020", None, "missing"),
    ]
    assert [row[0] for row in select(db, "verwaltung", "SELECT einwohner FROM p_verwaltung.zahlen ORDER BY sg_id")] == [0, 1, 4, 5, None]
    shown = collection(db, "open", "zahlen")
    assert shown is not None
    assert [field.name for field in shown.fields] == ["schluessel", "jahr", "einwohner", "einwohner_status"]
    with db.connect("open") as connection:
        names = [column.name for column in connection.execute("SELECT * FROM p_open.zahlen").description or ()]
    assert names == ["sg_id", *(field.name for field in shown.fields)]


def test_the_table_of_a_form_holds_no_hash_of_what_it_hides(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "zahlen", COUNTS)

    rows = select(
        db, "owner", "SELECT attname FROM pg_attribute WHERE attrelid = 'rel.zahlen__open__v1'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [name for (name,) in rows] == ["sg_id", "schluessel", "jahr", "einwohner", "einwohner_status"]


def test_a_row_filter_makes_a_table_with_its_own_count_and_extent(db: Database, tmp_path: Path) -> None:
    contract = checked(contract_of(GEBIETE, forms={"open": {"where": "name = 'West' OR name = 'O''Neill'"}}))
    publish_rows(db, one(tmp_path, contract), "gebiete", AREAS, compile_where=compile_where)

    assert select(db, "open", "SELECT sg_id FROM p_open.gebiete ORDER BY 1") == [("1",), ("3",)]
    shown, all_ = collection(db, "open", "gebiete"), collection(db, "verwaltung", "gebiete")
    assert shown is not None and all_ is not None
    assert (shown.facts.count, all_.facts.count) == (2, 3)
    assert shown.facts.extent.storage == (360000, 5700000, 361000, 5701000)
    assert all_.facts.extent.storage == (360000, 5700000, 371000, 5701000)
    reports = select(db, "open", "SELECT rows_in, rows_published, rows_rejected FROM p_open.sg_reports")
    assert reports == [(None, 2, None)]
    assert select(db, "verwaltung", "SELECT rows_in, rows_published, rows_rejected FROM p_verwaltung.sg_reports") == [(3, 3, 0)]


def test_a_row_filter_without_its_compiler_publishes_nothing(db: Database, tmp_path: Path) -> None:
    contract = checked(contract_of(GEBIETE, forms={"open": {"where": "name = 'West'"}}))

    with pytest.raises(SetupError, match="gebiete"):
        publish_rows(db, one(tmp_path, contract), "gebiete", AREAS)
    assert select(db, "owner", "SELECT count(*) FROM meta.version") == [(0,)]


def test_centroids_are_points_and_nothing_else(db: Database, tmp_path: Path) -> None:
    contract = checked(contract_of(GEBIETE, forms={"open": {"geometry": "centroid"}}))
    publish_rows(db, one(tmp_path, contract), "gebiete", AREAS)

    assert select(db, "open", "SELECT ST_AsText(geom, 0) FROM p_open.gebiete ORDER BY sg_id") == [
        ("POINT(360667 5700333)",),
        ("POINT(370667 5700333)",),
        (None,),
    ]
    shown = collection(db, "open", "gebiete")
    assert shown is not None and shown.geometry is not None and shown.facts.extent.storage is not None
    assert shown.geometry.type == "Point"
    assert [round(value) for value in shown.facts.extent.storage] == [360667, 5700333, 370667, 5700333]


def test_no_geometry_is_no_column_and_no_extent(db: Database, tmp_path: Path) -> None:
    contract = checked(contract_of(GEBIETE, forms={"open": {"geometry": "none"}}))
    publish_rows(db, one(tmp_path, contract), "gebiete", AREAS)

    with pytest.raises(psycopg.errors.UndefinedColumn):
        select(db, "open", "SELECT geom FROM p_open.gebiete")
    shown = collection(db, "open", "gebiete")
    assert shown is not None
    assert (shown.geometry, shown.facts.extent.crs84, shown.facts.extent.storage) == (None, None, None)


def test_reconcile_without_a_change_changes_nothing(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "zahlen", COUNTS)
    before = select(db, "owner", "SELECT profile, digest FROM meta.state ORDER BY 1")
    table = select(db, "owner", "SELECT 'rel.zahlen__open__v1'::regclass::oid")

    states = reconcile(db, deployment, deployment.contract("zahlen"))

    assert [(state.profile, state.form, state.count, state.changed) for state in states] == [
        ("open", "open", 5, False),
        ("verwaltung", "full", 5, False),
    ]
    assert select(db, "owner", "SELECT profile, digest FROM meta.state ORDER BY 1") == before
    assert select(db, "owner", "SELECT 'rel.zahlen__open__v1'::regclass::oid") == table


def test_reconcile_of_what_was_never_loaded_keeps_the_contract_only(db: Database, deployment: Deployment) -> None:
    assert reconcile(db, deployment, deployment.contract("zahlen")) == []
    assert select(db, "owner", "SELECT dataset FROM meta.contract") == [("zahlen",)]
    assert select(db, "owner", "SELECT count(*) FROM meta.release") == [(0,)]


def test_a_title_changes_the_digest_and_not_the_version(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "zahlen", COUNTS)
    before = select(db, "open", "SELECT version, digest FROM p_open.sg_state")
    contract = deployment.contract("zahlen")
    renamed = contract.model_copy(update={"title": contract.title.model_copy(update={"de": "Neue Zahlen"})})

    states = reconcile(db, deployment, renamed)

    assert all(state.changed for state in states)
    after = select(db, "open", "SELECT version, digest FROM p_open.sg_state")
    assert after[0][0] == before[0][0] and after[0][1] != before[0][1]
    assert select(db, "open", "SELECT obj_description('p_open.zahlen'::regclass)") == [("Neue Zahlen: Einwohner je Gebiet und Jahr.",)]


def test_a_stricter_minimum_replaces_the_table_of_the_form(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "zahlen", COUNTS)
    strict = checked(contract_of(ZAHLEN, forms={"open": {"min_count": {"minimum": 6, "fields": ["einwohner"]}}}))

    for contract in (strict, deployment.contract("zahlen"), strict):
        reconcile(db, read_now(deployment), contract)

    assert select(db, "open", "SELECT einwohner FROM p_open.zahlen WHERE einwohner IS NOT NULL") == [(0,)]
    assert select(db, "owner", "SELECT tablename FROM pg_tables WHERE schemaname = 'rel'") == [("zahlen__open__v1",)]


def test_a_form_may_change_its_columns_and_close(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "gebiete", AREAS)
    contract = deployment.contract("gebiete")
    thinner = contract.model_copy(update={"forms": contract_of(GEBIETE, forms={"open": {"omit": ["name", "beginn"]}}).forms})

    reconcile(db, deployment, thinner)
    with db.connect("open") as connection:
        names = [column.name for column in connection.execute("SELECT * FROM p_open.gebiete").description or ()]
    assert names == ["sg_id", "schluessel", "ende", "geom"]
    shown = collection(db, "open", "gebiete")
    assert shown is not None and shown.temporal is None

    closed = checked(contract, "security_critical")
    states = reconcile(db, deployment, closed)
    assert [state.form for state in states] == [None, "full"]
    assert select(db, "open", "SELECT dataset FROM p_open.sg_state") == []
    assert select(db, "open", "SELECT to_regclass('p_open.gebiete')") == [(None,)]
    comments = select(db, "owner", "SELECT DISTINCT description FROM pg_description WHERE objoid = 'data.gebiete__v1'::regclass")
    assert comments == [("Stadtgrund",)]


def test_a_source_that_was_checked_after_the_load_opens_nothing_of_the_old_one(db: Database, tmp_path: Path) -> None:
    personal = checked(contract_of(GEBIETE), "personal_data")
    deployment = one(tmp_path, personal)
    publish_rows(db, deployment, "gebiete", AREAS)
    cleaned = checked(contract_of(GEBIETE, source={**GEBIETE["source"], "location": "${DATA}/anonym.geojson"}))

    states = reconcile(db, read_now(deployment), cleaned)

    assert states[0].form is None
    assert "nach dem nächsten Laden" in states[0].reason.de
    assert states[1].form == "full"


def test_a_field_that_is_declared_otherwise_waits_for_the_next_load(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "gebiete", AREAS)
    fields = [{**field, "from": "anderer_name"} if field["name"] == "name" else field for field in GEBIETE["fields"]]
    renamed = checked(contract_of({**GEBIETE, "fields": [*fields, {"name": "neu", "type": "integer"}]}))

    reconcile(db, read_now(deployment), renamed)

    for profile in ("open", "verwaltung"):
        shown = collection(db, profile, "gebiete")
        assert shown is not None
        assert [field.name for field in shown.fields] == ["schluessel", "beginn", "ende"]
        assert shown.sortables == ("schluessel",)


def test_an_id_that_is_made_otherwise_closes_the_open_form_until_the_next_load(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "gebiete", AREAS)
    other = checked(contract_of(GEBIETE, id_field={"kind": "column", "column": "name"}))

    states = reconcile(db, deployment, other)

    assert [(state.profile, state.form) for state in states] == [("open", None), ("verwaltung", "full")]
    shown = collection(db, "verwaltung", "gebiete")
    assert shown is not None and shown.id_field == "schluessel"


def test_the_open_role_reads_by_index(db: Database, deployment: Deployment) -> None:
    rows = [{"nummer": n, "name": f"n{n}", "geom": f"POINT({360000 + n} {5700000 + (n * 37) % 5000})"} for n in range(3000)]
    publish_rows(db, deployment, "masten", rows)

    with db.connect("open") as connection:
        connection.execute("SET enable_seqscan = on")

        def plan(query: str) -> str:
            return "\n".join(line for (line,) in connection.execute("EXPLAIN " + query))  # type: ignore[call-overload]

        box = "geom && ST_MakeEnvelope(360100, 5700000, 360105, 5705000, 25832)"
        assert "masten__v1_geom_idx" in plan(f"SELECT sg_id FROM p_open.masten WHERE {box} ORDER BY sg_id LIMIT 10")
        assert "masten__v1_pkey" in plan("SELECT sg_id FROM p_open.masten WHERE sg_id > 100 ORDER BY sg_id LIMIT 10")
        assert "masten__v1_name_sg_id_idx" in plan("SELECT sg_id FROM p_open.masten WHERE name > 'n1' ORDER BY name, sg_id LIMIT 10")
        assert "Seq Scan" not in plan("SELECT sg_id FROM p_open.masten WHERE gebaut = '2020-01-01'")


def test_the_name_of_a_form_table_fits_and_differs() -> None:
    assert relation_name("zahlen", "open", 12) == "zahlen__open__v12"
    first, second = ("a" * 47 + end for end in "xy")
    names = {relation_name(dataset, "verwaltung", version) for dataset in (first, second) for version in (1, 2, 12345)}
    assert len(names) == 6
    assert max(map(len, names)) == 63


def test_masten_has_an_index_for_every_column_that_is_asked(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", [])

    rows = select(db, "owner", "SELECT indexdef FROM pg_indexes WHERE tablename = 'masten__v1' ORDER BY 1")
    columns = sorted(definition.partition(" USING ")[2] for (definition,) in rows)
    assert columns == [
        "btree (gebaut, sg_id)",
        "btree (hoehe, sg_id)",
        "btree (name, sg_id)",
        "btree (nummer)",
        "btree (sg_id)",
        "gist (geom)",
    ]
    assert {field["name"] for field in MASTEN["fields"]} > {"gebaut", "hoehe", "name", "nummer"}
