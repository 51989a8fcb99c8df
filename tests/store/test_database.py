"""A database is set up: the private one, a foreign one by its DBA's script, and what is said where something lacks."""

from __future__ import annotations

import asyncio
import base64
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.deployment import write_deployment
from support.postgis import Server
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.errors import DatabaseUnavailable, SetupError
from stadtgrund.settings import ROOT, DatabaseSettings, DeploymentSettings, Paths, Secret, ServerSettings, Settings
from stadtgrund.store import overview, setup
from stadtgrund.store.database import Database
from stadtgrund.store.roles import PROFILES, Secrets, prefix_of, role_name, verifier

PASSWORD = "dba-password"


def settings_at(url: str, var: Path) -> Settings:
    return Settings(
        Paths(ROOT, var),
        DeploymentSettings(var / "fremd", None),
        DatabaseSettings(Secret(url), 4000, 4),
        ServerSettings("127.0.0.1", 5000, 1, "http://localhost:5000"),
    )


@dataclass(frozen=True)
class Foreign:
    """A database that is not ours: PostGIS is in it, its DBA may make roles and owns it, and is no superuser."""

    name: str
    server: Server
    var: Path

    def url(self, user: str = "", password: str = PASSWORD) -> str:
        parts = conninfo_to_dict(self.server.dsn)
        who = f"{user}:{password}@" if user else ""
        return f"postgresql://{who}/{self.name}?host={parts['host']}&port={parts.get('port', 5432)}"

    def settings(self, user: str = "", password: str = PASSWORD) -> Settings:
        return settings_at(self.url(user, password), self.var)

    def run_script(self) -> None:
        script = setup.script("fremd", self.name, Secrets(self.var / "secrets"), 4000)
        for name in ("owner", "ingest", *PROFILES):
            secret = Secrets(self.var / "secrets").get(role_name("fremd", name))
            assert secret is not None and secret.reveal() not in script
        psql = shutil.which("psql")
        assert psql is not None
        done = subprocess.run(
            [psql, "--set", "ON_ERROR_STOP=1", "--single-transaction", "--quiet", self.url("dba"), "--file", "-"],
            input=script,
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def foreign(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Foreign]:
    """Made with PostGIS in the schema that the test asks for (`public` unless it does)."""
    schema = getattr(request, "param", "public")
    name = f"{server.template.name}_fremd"
    with server.superuser() as connection:
        connection.execute(f"CREATE ROLE dba LOGIN CREATEROLE PASSWORD '{PASSWORD}'")  # type: ignore[call-overload]
        connection.execute(f"CREATE ROLE nobody_much LOGIN PASSWORD '{PASSWORD}'")  # type: ignore[call-overload]
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER dba TEMPLATE template0").format(sql.Identifier(name)))
    with server.superuser(name) as connection:
        if schema != "public":
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION dba").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("CREATE EXTENSION postgis SCHEMA {}").format(sql.Identifier(schema)))
    yield Foreign(name, server, tmp_path)
    server.drop(name)
    with server.superuser() as connection:
        for role in (*(role_name("fremd", each) for each in (*PROFILES, "owner", "ingest")), "dba", "nobody_much"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def works(db: Database, folder: Path) -> None:
    """Publish and read as both profiles."""
    deployment = registry.read(write_deployment(folder / "fremd"))
    publish_rows(db, deployment, "masten", [{"nummer": 1, "name": "ä", "geom": "POINT(360000 5700000)"}])
    publish_rows(db, deployment, "masten", [{"nummer": 2, "name": "Z", "geom": "POINT(360000 5700000)"}])
    for profile in PROFILES:
        with db.connect(profile) as connection:
            query = sql.SQL("SELECT sg_id, ST_X(geom) FROM {}").format(sql.Identifier(f"p_{profile}", "masten"))
            assert connection.execute(query).fetchall() == [(2, 360000)]


@pytest.mark.parametrize("foreign", ["public", "gis"], indirect=True)
def test_a_foreign_database_works_after_its_dba_ran_the_script(foreign: Foreign) -> None:
    foreign.run_script()
    db = Database.open(foreign.settings(), "fremd")
    works(db, foreign.var)
    foreign.run_script()  # twice is harmless, and the passwords stay
    assert Database.open(foreign.settings(), "fremd") == db

    with foreign.server.superuser(foreign.name) as connection:
        rows = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'sg\\_fremd%' AND (rolsuper OR rolcreaterole OR rolcreatedb)"
        )
        assert rows.fetchall() == []
        members = connection.execute("SELECT pg_has_role('dba', 'sg_fremd_owner', 'USAGE')").fetchone()
        assert members == (False,)
    found = overview.look(foreign.settings(), "fremd")
    assert found.ready, found


def test_a_role_of_the_city_may_stand_in_the_url(foreign: Foreign) -> None:
    foreign.run_script()
    db = Database.open(foreign.settings("nobody_much"), "fremd")
    with db.connect("owner") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("sg_fremd_owner",)


def test_without_the_script_the_missing_roles_and_the_command_are_named(foreign: Foreign) -> None:
    with pytest.raises(SetupError) as caught:
        Database.open(foreign.settings("nobody_much"), "fremd")
    assert "Rolle sg_fremd_owner" in caught.value.what
    assert "stadtgrund db script" in caught.value.remedy

    with pytest.raises(SetupError) as caught:
        Database.open(foreign.settings(), "fremd")
    assert "stadtgrund db script" in caught.value.remedy
    assert not (foreign.var / "secrets").exists()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("REVOKE CREATE ON SCHEMA staging FROM sg_fremd_owner; REVOKE CREATE ON SCHEMA data FROM sg_fremd_owner", "CREATE: Schema data"),
        ("REVOKE sg_fremd_ingest FROM sg_fremd_owner", "Mitgliedschaft: sg_fremd_owner in sg_fremd_ingest"),
        ("REVOKE USAGE ON SCHEMA p_open FROM sg_fremd_open", "USAGE: Schema p_open, Rolle sg_fremd_open"),
        ("DROP SCHEMA history", "Schema history"),
    ],
)
def test_a_missing_right_is_named(foreign: Foreign, statement: str, named: str) -> None:
    foreign.run_script()
    with foreign.server.superuser(foreign.name) as connection:
        connection.execute(statement)  # type: ignore[call-overload]

    with pytest.raises(SetupError) as caught:
        Database.open(foreign.settings(), "fremd")
    assert named in caught.value.what
    assert "stadtgrund db script" in caught.value.remedy
    found = overview.look(foreign.settings(), "fremd")
    assert not found.ready and any(named in missing for missing in found.missing)

    foreign.run_script()
    Database.open(foreign.settings(), "fremd")


@pytest.mark.parametrize("foreign", ["public", "gis"], indirect=True)
def test_a_schema_of_postgis_that_is_closed_to_the_dba_is_named(foreign: Foreign) -> None:
    with foreign.server.superuser(foreign.name) as connection:
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS gis; ALTER SCHEMA gis OWNER TO CURRENT_USER; ALTER SCHEMA public OWNER TO CURRENT_USER"
        )
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    foreign.run_script()

    with pytest.raises(SetupError, match=r"USAGE: Schema (gis|public), Rolle sg_fremd_verwaltung"):
        Database.open(foreign.settings(), "fremd")


def test_a_dba_in_the_url_needs_no_script(foreign: Foreign) -> None:
    db = Database.open(foreign.settings("dba"), "fremd")
    works(db, foreign.var)
    assert Database.open(foreign.settings("dba"), "fremd") == db


def test_a_lost_password_is_named_and_the_script_brings_a_new_one(foreign: Foreign) -> None:
    foreign.run_script()
    Database.open(foreign.settings(), "fremd")
    (foreign.var / "secrets" / "sg_fremd_open").unlink()

    with pytest.raises(SetupError) as caught:
        Database.open(foreign.settings(), "fremd")
    assert "sg_fremd_open" in caught.value.what
    foreign.run_script()
    with Database.open(foreign.settings(), "fremd").connect("open") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_wrong_password_is_a_set_up_error(db: Database, tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    secrets.write(db.role("open"), "wrong")
    with pytest.raises(SetupError, match="sg_"):
        replace(db, paths=Paths(ROOT, tmp_path)).connect("open")


def test_nobody_answers(tmp_path: Path) -> None:
    settings = settings_at(f"postgresql://a:b@/x?host={tmp_path}", tmp_path)
    with pytest.raises(DatabaseUnavailable) as caught:
        Database.open(settings, "fremd")
    assert "stadtgrund db status" in caught.value.remedy
    found = overview.look(replace(settings, paths=Paths(ROOT, tmp_path)), "fremd")
    assert not found.ready


@pytest.mark.parametrize("url", ["postgresql://host/", "postgresql://user:secret@host:port/db"])
def test_a_bad_url_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SetupError) as caught:
        Database.open(settings_at(url, tmp_path), "fremd")
    assert "DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_private_database_is_set_up_once_and_again_harmless(server: Server) -> None:
    db = server.template
    with server.superuser(db.name) as connection:
        before = connection.execute("SELECT key, value FROM meta.setting ORDER BY key").fetchall()
        with db.connect("owner", autocommit=True) as owner:
            assert setup.migrate(owner, db.prefix) == []
        setup.provision(connection, db.prefix, Secrets(db.paths.secrets), db.statement_timeout_ms)
        assert connection.execute("SELECT key, value FROM meta.setting ORDER BY key").fetchall() == before
    assert dict(before).keys() >= {"prefix", "schema_version"}


def test_every_migration_may_run_twice(db: Database) -> None:
    with db.connect("owner", autocommit=True) as owner:
        owner.execute("DELETE FROM meta.setting WHERE key = 'schema_version'")
        assert setup.migrate(owner, db.prefix) == [100, 110, 120, 130, 140, 150, 160, 170, 180]


def test_a_database_of_a_newer_program_is_refused(db: Database) -> None:
    with db.connect("owner", autocommit=True) as owner:
        owner.execute("UPDATE meta.setting SET value = '9999' WHERE key = 'schema_version'")
        with pytest.raises(SetupError, match="9999"):
            setup.migrate(owner, db.prefix)


def test_a_database_of_another_deployment_is_refused(db: Database) -> None:
    with db.connect("owner", autocommit=True) as owner, pytest.raises(SetupError, match="andere"):
        setup.migrate(owner, "andere")


def test_passwords_are_for_their_owner_only(server: Server) -> None:
    folder = server.paths.secrets
    roles = [server.template.role(role) for role in ("owner", "ingest", *PROFILES)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / role).stat().st_mode) for role in roles} == {0o600}
    assert len({(folder / role).read_text() for role in roles}) == 4


def test_the_verifier_is_postgresqls_own(server: Server) -> None:
    password = Secret("Ein_langes-Passwort")
    with server.superuser() as connection:
        connection.execute("SET password_encryption = 'scram-sha-256'")
        connection.execute("CREATE ROLE probe PASSWORD 'Ein_langes-Passwort'")
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'probe'").fetchone()
        connection.execute("DROP ROLE probe")
    assert row is not None
    salt = base64.b64decode(str(row[0]).split("$")[1].split(":")[1])
    assert verifier(password, salt) == row[0]


def test_a_reader_is_limited_by_its_role_and_its_connection(db: Database) -> None:
    with psycopg.connect(make_conninfo(db.conninfo("open"), options="")) as connection:
        shown = {
            name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("statement_timeout", "default_transaction_read_only", "jit")
        }
    assert shown == {"statement_timeout": ("20s",), "default_transaction_read_only": ("on",), "jit": ("off",)}
    with replace(db, statement_timeout_ms=50).connect("open") as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(5)")


def test_a_pool_reads_autocommit_and_read_only(db: Database) -> None:
    async def read() -> tuple[object, ...]:
        pool = db.pool("open", 2)
        assert pool.closed
        await pool.open()
        try:
            async with pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT current_user, current_setting('transaction_read_only'), current_setting('plan_cache_mode'),"
                    " current_setting('timezone'), current_setting('application_name')"
                )
                row = await cursor.fetchone()
                assert row is not None
                return (*row, connection.autocommit)
        finally:
            await pool.close()

    assert asyncio.run(read()) == (db.role("open"), "on", "auto", "UTC", "stadtgrund open", True)


def test_several_hosts_pass_through_and_writers_ask_for_the_primary(db: Database) -> None:
    several = replace(db, _place={**db._place, "host": "a.example,b.example", "port": "5432,5433"})
    assert conninfo_to_dict(several.conninfo("open"))["host"] == "a.example,b.example"
    assert "target_session_attrs" not in conninfo_to_dict(several.conninfo("open"))
    assert conninfo_to_dict(several.conninfo("owner"))["target_session_attrs"] == "read-write"


def test_an_unknown_role_is_refused(db: Database) -> None:
    with pytest.raises(SetupError, match="owner"):
        db.conninfo("postgres")


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("musterstadt", "musterstadt"), ("Bad-Münster", "bad_m_nster_9a8a25"), ("x" * 60, "x" * 33 + "_5d4b7c")],
)
def test_the_prefix_is_the_deployments_name_as_an_identifier(name: str, prefix: str) -> None:
    made = prefix_of(name)
    assert made[:-6] == prefix[:-6] and len(role_name(made, "verwaltung")) <= 63
    assert made == name or made != prefix_of(name + "x")
