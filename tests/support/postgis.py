"""One PostGIS server per test run, one template database with all migrations, clones of it."""

from __future__ import annotations

__all__ = ["Server", "environment", "running_server", "settings_for"]

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stadtgrund.settings import ROOT, DatabaseSettings, DeploymentSettings, Paths, Secret, ServerSettings, Settings
from stadtgrund.store import embedded
from stadtgrund.store.database import Database
from stadtgrund.store.roles import PROFILES
from support.served import free_port

TIMEOUT_MS = 20_000
_numbers = itertools.count(1)

# Ends when nobody holds the other end of its stdin: at the end of the test run, or because the run was killed. Then it ends what
# still works in $1, the home of the run's PostgreSQL, at once (SIGQUIT), and removes $2, the folder around it.
_WATCH = """
cat >/dev/null
pid() { head -n 1 "$1/data/postmaster.pid" 2>/dev/null; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "$1/data/postmaster.pid" ] || [ -e "$1/data.new" ] || break
    found=$(pid "$1") && [ -n "$found" ] && kill -QUIT "$found" 2>/dev/null
    sleep 0.5
done
rm -rf "$2"
"""


@dataclass(frozen=True)
class Server:
    """A running server, its superuser and the template database.

    `dsn` is the superuser's connection text without a database, `template` a Database with all migrations; `paths.secrets`
    holds the passwords of the roles (one set for all clones).
    """

    dsn: str
    paths: Paths
    template: Database
    home: Path | None

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Connect as superuser, autocommit."""
        return psycopg.connect(make_conninfo(self.dsn, dbname=database), autocommit=True)

    def url(self, database: str) -> str:
        """Return the DATABASE_URL of a database, as superuser."""
        parts = conninfo_to_dict(make_conninfo(self.dsn, dbname=database))
        host, port = parts.get("host", ""), parts.get("port", 5432)
        return f"postgresql://{parts['user']}:{parts.get('password', '')}@/{parts['dbname']}?host={host}&port={port}"

    def clone(self) -> Database:
        """Return a new database with all migrations and no data."""
        name = f"{self.template.name}_{os.getpid()}_{next(_numbers)}"
        with self.superuser() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(self.template.name)
                )
            )
            # Rights on a database are not cloned with it.
            roles = sql.SQL(", ").join(sql.Identifier(self.template.role(role)) for role in ("owner", "ingest", *PROFILES))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), roles))
            writers = sql.SQL(", ").join(sql.Identifier(self.template.role(role)) for role in ("owner", "ingest"))
            connection.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(name), writers))
        return replace(self.template, name=name, _place={**self.template._place, "dbname": name})

    def drop(self, name: str) -> None:
        """Drop a database and end its connections."""
        with self.superuser() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def running_server() -> Iterator[Server]:
    """Have a server for the test run: a private one in a temporary folder, fsync off; or that of STADTGRUND_TEST_PG.

    STADTGRUND_TEST_PG is the connection text of a superuser; databases and roles made there are dropped at the end.
    """
    home = Path(tempfile.mkdtemp(prefix="stadtgrund-test-"))
    home.chmod(0o755)  # the server's account passes through when root runs the tests
    paths = Paths(ROOT, home / "var")
    name = f"test_{os.getpid()}"
    reused = os.environ.get("STADTGRUND_TEST_PG")
    try:
        if reused:
            with psycopg.connect(reused, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(f"stadtgrund_{name}")))
            dsn = make_conninfo(reused)
            url = Server(dsn, paths, None, None).url(f"stadtgrund_{name}")  # type: ignore[arg-type]
            template = Database.open(_settings(paths, url, ROOT / "pygeoapi-config" / name), name)
            yield Server(dsn, paths, template, None)
            _clean(dsn, template)
            return
        with patch.dict(os.environ, {"STADTGRUND_PG_HOME": str(home / "postgres")}):
            cluster = embedded.locate(paths)
        with _gone_with_us(home):
            embedded.start(cluster, fsync=False)
            try:
                with patch.dict(os.environ, {"STADTGRUND_PG_HOME": str(home / "postgres")}):
                    template = Database.open(_settings(paths, None, ROOT / "pygeoapi-config" / name), name)
                yield Server(embedded.superuser_dsn(cluster, "postgres"), paths, template, home / "postgres")
            finally:
                embedded.stop(cluster)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _gone_with_us(home: Path) -> Iterator[None]:
    """See to it that neither the server in `home` nor the folder stays behind when this process is killed."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = ["/bin/sh", "-c", _WATCH, "watch", home / "postgres", home]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd="/", **quiet)
    assert watch.stdin
    try:
        yield
    finally:
        watch.stdin.close()
        watch.wait()


def _clean(dsn: str, template: Database) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (template.name,)).fetchall()
        for (name,) in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (*PROFILES, "owner", "ingest"):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(template.role(role))))


def _settings(paths: Paths, url: str | None, config: Path) -> Settings:
    return Settings(
        paths=paths,
        deployment=DeploymentSettings(config, None),
        database=DatabaseSettings(Secret(url) if url else None, TIMEOUT_MS, 4),
        server=ServerSettings("127.0.0.1", 5000, 1, "http://localhost:5000"),
    )


def settings_for(server: Server, database: Database, config: Path) -> Settings:
    """Return the settings of a process that serves `config` out of `database`."""
    return _settings(database.paths, server.url(database.name), config)


def environment(server: Server, database: Database, config: Path) -> dict[str, str]:
    """Return the environment of a subprocess that works on `database`: what this process has, and our settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STADTGRUND_") and name != "DATABASE_URL"}
    return kept | {
        "DATABASE_URL": server.url(database.name),
        "STADTGRUND_VAR": str(database.paths.var),
        "STADTGRUND_CONFIG": str(config),
        "STADTGRUND_PORT": str(free_port()),  # a server of the developer's own may have the usual one
    }
