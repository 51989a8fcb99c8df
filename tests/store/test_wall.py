"""The wall: what the role `open` can read in SQL, whatever it tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.deployment import GEBIETE, MASTEN, checked, contract_of, read_now, write_deployment
from support.postgis import Server
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.registry import Deployment
from stadtgrund.store import api_keys
from stadtgrund.store.database import Database
from stadtgrund.store.forms import reconcile

SECRET = "Geheimleitung"
LEITUNGEN = {
    **GEBIETE,
    "id": "leitungen",
    "title": {"de": f"{SECRET} Titel"},
    "description": {"de": f"{SECRET} Beschreibung"},
    "fields": [
        {"name": "schluessel", "type": "string", "title": {"de": f"{SECRET} Feld"}, "required": True},
        {"name": "name", "type": "string"},
        {"name": "beginn", "type": "date"},
        {"name": "ende", "type": "date"},
    ],
}
POLE = {"nummer": 1, "name": "Ahorn", "hoehe": 4.5, "kosten": "815.5", "geom": "POINT(360000 5700000)"}
LINE = {"schluessel": SECRET, "name": SECRET, "geom": "MULTIPOLYGON(((360000 5700000, 360009 5700000, 360009 5700009, 360000 5700000)))"}


@pytest.fixture(scope="module")
def city(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Deployment]]:
    """`masten` open without `kosten`, `leitungen` closed: checked, with a ground."""
    masten = checked(contract_of(MASTEN, forms={"open": {"omit": ["kosten"]}}))
    leitungen = checked(contract_of(LEITUNGEN), "security_critical")
    folder = write_deployment(tmp_path_factory.mktemp("wall") / "teststadt", masten, leitungen)
    deployment, db = registry.read(folder), server.clone()
    publish_rows(db, deployment, "masten", [POLE])
    publish_rows(db, deployment, "leitungen", [LINE])
    publish_rows(db, deployment, "leitungen", [LINE])
    api_keys.create(db, "Leitstelle", "verwaltung")
    yield db, deployment
    server.drop(db.name)


def denied(db: Database, statement: str) -> str:
    """Run a statement as open; return why it is refused."""
    with db.connect("open", autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")  # what a session may lift must not be what holds
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)) as caught:
            connection.execute(statement)  # type: ignore[call-overload]
    return str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM data.masten__v1",
        "SELECT * FROM data.leitungen__v1",
        "SELECT * FROM meta.state",
        "SELECT * FROM meta.version",
        "SELECT * FROM meta.api_key",
        "SELECT * FROM meta.setting",
        "SELECT * FROM p_verwaltung.masten",
        "SELECT * FROM p_verwaltung.leitungen",
        "SELECT * FROM p_verwaltung.sg_state",
        "TABLE p_verwaltung.sg_reports",
        "TABLE p_verwaltung.sg_job",
        "TABLE meta.job",
        "INSERT INTO meta.job (profile, process) VALUES ('open', 'echo')",
        "DROP VIEW p_open.sg_job",
        "SELECT * FROM p_open.leitungen",
        "CREATE TABLE staging.x ()",
        "CREATE TABLE p_open.x ()",
        "CREATE TABLE public.x ()",
        "CREATE TEMPORARY TABLE x ()",
        "CREATE FUNCTION p_open.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM p_open.masten",
        "UPDATE p_open.masten SET name = 'x'",
        "INSERT INTO p_open.sg_state (dataset) VALUES ('x')",
        "SELECT sg.refuse_change()",
        "SELECT nextval('meta.run_run_seq')",
        "COPY p_open.masten TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_open_is_refused(city: tuple[Database, Deployment], statement: str) -> None:
    assert denied(city[0], statement)


def test_open_cannot_become_another_role(city: tuple[Database, Deployment]) -> None:
    db = city[0]
    for role in ("owner", "ingest", "verwaltung"):
        assert "permission denied" in denied(db, f"SET ROLE {db.role(role)}")


def test_open_sees_exactly_its_schema(city: tuple[Database, Deployment]) -> None:
    with city[0].connect("open") as connection:
        rows = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND has_table_privilege(c.oid, 'SELECT')"
            " AND has_schema_privilege(n.oid, 'USAGE')"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
    assert rows == [
        ("p_open", "_text__masten"),
        ("p_open", "_tile__masten"),
        ("p_open", "_words__masten"),
        ("p_open", "masten"),
        ("p_open", "sg_files"),
        ("p_open", "sg_job"),
        ("p_open", "sg_reports"),
        ("p_open", "sg_state"),
        ("public", "geography_columns"),
        ("public", "geometry_columns"),
        ("public", "spatial_ref_sys"),
    ]


def test_open_executes_none_of_our_functions_but_the_listed(city: tuple[Database, Deployment]) -> None:
    with city[0].connect("open") as connection:
        rows = connection.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'sg'::regnamespace"
            " AND has_function_privilege(p.oid, 'EXECUTE')"
        ).fetchall()
    assert sorted(rows) == [("sg.jobs_due(interval,interval)",), ("sg.principal(text)",)]


def test_nothing_that_open_can_select_holds_a_word_of_the_closed_layer(city: tuple[Database, Deployment]) -> None:
    with city[0].connect("open", autocommit=True) as connection:
        names = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')"
            " AND n.nspname IN ('pg_catalog', 'p_open', 'information_schema', 'public')"
        ).fetchall()
        found = []
        for schema, name in names:
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(sql.Identifier(schema, name))
            count: Any = connection.execute(query, (f"%{SECRET}%",)).fetchone()
            if count[0] and name != "pg_stat_activity":  # that one holds this very query
                found.append((schema, name))
    assert len(names) > 100
    assert found == []


def test_a_condition_cannot_look_behind_the_state_view(city: tuple[Database, Deployment]) -> None:
    """Without security_barrier the cast would run on the other profile's rows and name a value in its error."""
    with city[0].connect("open") as connection:
        rows = connection.execute("SELECT dataset FROM p_open.sg_state WHERE CASE WHEN dataset <> 'masten' THEN dataset::int END IS NULL")
        assert rows.fetchall() == [("masten",)]


def test_open_gets_the_columns_of_its_form(city: tuple[Database, Deployment]) -> None:
    with city[0].connect("open") as connection:
        cursor = connection.execute("SELECT * FROM p_open.masten")
        names = [column.name for column in cursor.description or ()]
        comments = connection.execute(
            "SELECT a.attname FROM pg_attribute a WHERE a.attname = 'kosten' AND col_description(a.attrelid, a.attnum) IS NOT NULL"
        ).fetchall()
    expected = ["sg_id", *(field["name"] for field in MASTEN["fields"] if field["name"] != "kosten"), "geom"]
    assert names == expected
    assert comments == []


def test_a_new_field_of_a_released_contract_stays_out_until_it_is_checked(db: Database, tmp_path: Path) -> None:
    released = checked(contract_of(MASTEN))
    more = contract_of({**MASTEN, "fields": [*MASTEN["fields"], {"name": "bewohner", "type": "string"}]})
    unchecked = released.model_copy(update={"fields": more.fields})
    deployment = registry.read(write_deployment(tmp_path / "teststadt", unchecked))
    publish_rows(db, deployment, "masten", [{**POLE, "bewohner": "Meier"}])

    assert "bewohner" not in columns(db, "open")
    assert "bewohner" in columns(db, "verwaltung")
    with db.connect("open") as connection:
        assert "bewohner" not in str(connection.execute("SELECT collection FROM p_open.sg_state").fetchone())

    states = reconcile(db, read_now(deployment), checked(unchecked))
    assert [state.form for state in states] == ["full", "full"]
    assert "bewohner" in columns(db, "open")


def test_a_contract_without_a_check_is_for_the_administration_only(db: Database, tmp_path: Path) -> None:
    deployment = registry.read(write_deployment(tmp_path / "teststadt", contract_of(MASTEN)))
    publish_rows(db, deployment, "masten", [POLE])

    assert columns(db, "open") == []
    assert columns(db, "verwaltung")[:2] == ["sg_id", "nummer"]


def columns(db: Database, profile: str) -> list[str]:
    with db.connect(profile) as connection:
        rows = connection.execute(
            "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = 'masten' AND a.attnum > 0 AND has_table_privilege(c.oid, 'SELECT') ORDER BY a.attnum",
            (f"p_{profile}",),
        )
        return [name for (name,) in rows]


def test_jobs_are_written_for_the_own_profile_only(city: tuple[Database, Deployment]) -> None:
    db = city[0]
    with db.connect("verwaltung", autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("INSERT INTO p_verwaltung.sg_job (process, request) VALUES ('echo', '{}')")
    with db.connect("open", autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        assert connection.execute("SELECT * FROM p_open.sg_job").fetchall() == []
        assert (
            connection.execute("UPDATE p_open.sg_job SET owner = 'x'").rowcount
            == connection.execute("DELETE FROM p_open.sg_job").rowcount
            == 0
        )
        with pytest.raises(psycopg.errors.WithCheckOptionViolation):
            connection.execute("INSERT INTO p_open.sg_job (process, profile) VALUES ('echo', 'verwaltung')")
        connection.execute("INSERT INTO p_open.sg_job (process) VALUES ('echo')")
        assert connection.execute("SELECT profile, status FROM p_open.sg_job").fetchall() == [("open", "accepted")]
        with pytest.raises(psycopg.errors.WithCheckOptionViolation):
            connection.execute("UPDATE p_open.sg_job SET profile = 'verwaltung'")
