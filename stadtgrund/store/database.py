"""The deployment's database: connections and pools per role, on the private PostGIS or on any other by `DATABASE_URL`."""

from __future__ import annotations

__all__ = ["Database", "connect", "rebind"]

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from stadtgrund.errors import DatabaseUnavailable, SetupError, by_locale, unknown
from stadtgrund.settings import Paths, Secret, Settings
from stadtgrund.store import binding, embedded, setup
from stadtgrund.store.cluster import PORT
from stadtgrund.store.roles import PROFILES, Secrets, prefix_of, role_name

_CONNECT_TIMEOUT_S = 10
# Answers must not depend on how a foreign server is set. A statement whose plan depends on its values says so itself
# (`Statement.prepare`), so that an item keeps its prepared plan: 0.17 against 0.36 ms with force_custom_plan [measured].
_SESSION = (
    "-c jit=off",
    "-c TimeZone=UTC",
    "-c DateStyle=ISO",
    "-c IntervalStyle=iso_8601",
    "-c max_parallel_workers_per_gather=0",  # a page with a box took 2 to 10 times as long with them [measured]
)


@dataclass(frozen=True)
class Database:
    """A database that is set up: every role can log in, every migration has run.

    Attributes
    ----------
    prefix : str
        The roles are `sg_<prefix>_<role>`.
    name : str
        The database's name.
    started : bool
        True when `open` started the private PostGIS: whoever asked for it may stop it at its end.
    paths : Paths
        Where secrets and files lie.
    """

    prefix: str
    name: str
    paths: Paths
    statement_timeout_ms: int
    started: bool
    _place: dict[str, Any] = field(repr=False)
    """libpq parameters without user and password; several hosts pass through."""

    @classmethod
    def open(cls, settings: Settings, deployment_name: str, *, start: bool = True) -> Database:
        """Return the deployment's database, set up and migrated.

        Parameters
        ----------
        settings : Settings
            `database.url` None = the private PostGIS.
        deployment_name : str
            Names the database and the roles when they are made.
        start : bool
            Whether a private PostGIS that is down is started.

        Raises
        ------
        SetupError
            When the machine or the foreign database lacks something: named, with the command that helps. When the private database
            belongs to another deployment folder of this name.
        DatabaseUnavailable
            When nothing answers, or the private PostGIS is down and may not be started.
        """
        if settings.database.url:
            return _open_foreign(settings, settings.database.url, deployment_name)
        return _open_private(settings, deployment_name, start=start)

    @classmethod
    def at(cls, settings: Settings, deployment_name: str) -> Database:
        """Say where the deployment's database is, without connecting: nothing is started, made or checked.

        Raises
        ------
        SetupError
            When DATABASE_URL names no database.
        """
        prefix, timeout = prefix_of(deployment_name), settings.database.statement_timeout_ms
        if settings.database.url is None:
            cluster = embedded.locate(settings.paths)
            place: dict[str, Any] = {"host": str(cluster.socket), "port": PORT, "dbname": f"stadtgrund_{prefix}"}
        else:
            place = _without_user(settings.database.url)
        return cls(prefix, place["dbname"], settings.paths, timeout, False, place)

    def role(self, role: str) -> str:
        """Return the database's name of a role: "owner", "ingest" or a profile."""
        known = ("owner", "ingest", *PROFILES)
        if role not in known:
            raise SetupError(unknown("role", role, known, german="Rolle"))
        return role_name(self.prefix, role)

    def conninfo(self, role: str, *, application: str = "stadtgrund", writes: bool = False) -> str:
        """Return libpq's connection text for a role, password included; `writes`: a profile's role is to write, where it may.

        Raises
        ------
        SetupError
            When its password is not in the secrets.
        """
        name = self.role(role)
        password = Secrets(self.paths.secrets).get(name)
        if password is None:
            raise SetupError(
                by_locale(f"Das Passwort {self.paths.secrets / name} fehlt.", f"The password {self.paths.secrets / name} is missing."),
                remedy=by_locale(
                    "Richten Sie die Datenbank ein: stadtgrund db start (eigene) oder stadtgrund db script (fremde).",
                    "Set the database up: stadtgrund db start (private) or stadtgrund db script (foreign).",
                ),
            )
        options = [str(self._place.get("options", "")), *_SESSION]
        place = dict(self._place)
        if role in PROFILES:
            options += [
                f"-c default_transaction_read_only={'off' if writes else 'on'}",
                f"-c statement_timeout={self.statement_timeout_ms}",
            ]
        if (writes or role not in PROFILES) and "," in str(place.get("host", "")):
            place["target_session_attrs"] = "read-write"  # replicas may serve readers, never a load
        place.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)
        return make_conninfo(
            **{
                **place,
                "user": name,
                "password": password.reveal(),
                "application_name": application,
                "options": " ".join(filter(None, options)),
            }
        )

    def connect(self, role: str, *, autocommit: bool = False, application: str = "stadtgrund") -> psycopg.Connection[Any]:
        """Return a new connection of a role ("owner", "ingest" or a profile).

        Raises
        ------
        SetupError
            When the server refuses the role.
        DatabaseUnavailable
            When it does not answer.
        """
        return connect(self.conninfo(role, application=application), autocommit=autocommit)

    def pool(
        self, profile: str, size: int, *, kept: bool = True, writes: bool = False
    ) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
        """Return a pool of at most `size` connections of a profile: autocommit, not opened yet.

        `kept`: one stays open while nobody needs it. `writes`: they are not read-only; what may be written is the profile's jobs.
        """
        return AsyncConnectionPool(
            self.conninfo(profile, application=f"stadtgrund {profile}", writes=writes),
            min_size=1 if kept else 0,
            max_idle=600.0 if kept else 20.0,
            max_size=size,
            open=False,
            name=profile,
            # Given up soon, and tried anew by whoever asks next: the pool itself would double its pauses, up to minutes after a restart.
            reconnect_timeout=0.5,
            kwargs={"autocommit": True, "prepare_threshold": 3},
        )


def connect(conninfo: str, *, autocommit: bool) -> psycopg.Connection[Any]:
    """Return a connection, or the error that says whether the server refused it or is not there.

    Raises
    ------
    SetupError, DatabaseUnavailable
    """
    try:
        return psycopg.connect(conninfo, autocommit=autocommit)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        # libpq gives no SQLSTATE for a failed login; a server that answers a ping refused us.
        if psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.OK:
            if "could not write init file" in reason:  # PostgreSQL's words for a session that begins on a full disk, in every language
                raise SetupError(
                    by_locale("Auf dem Datenträger der Datenbank ist kein Platz mehr.", "The database's disk is full."),
                    remedy=by_locale("Schaffen Sie Platz und wiederholen Sie den Befehl.", "Make room and repeat the command."),
                ) from error
            raise SetupError(
                by_locale(f"Die Datenbank lehnt die Anmeldung ab: {reason}.", f"The database refuses the login: {reason}."),
                remedy=by_locale("Rollen und Passwörter prüft: stadtgrund db status", "Check the roles: stadtgrund db status"),
            ) from error
        raise DatabaseUnavailable(
            by_locale(f"Die Datenbank antwortet nicht: {reason}.", f"The database does not answer: {reason}."),
            remedy=by_locale("Prüfen Sie DATABASE_URL und: stadtgrund db status", "Check DATABASE_URL and: stadtgrund db status"),
        ) from error


def _open_private(settings: Settings, deployment_name: str, *, start: bool) -> Database:
    cluster = embedded.locate(settings.paths)
    if start:
        started = embedded.start(cluster)
    elif embedded.status(cluster).running:
        started = False
    else:
        raise DatabaseUnavailable(
            by_locale("Die private Datenbank läuft nicht.", "The private database is not running."),
            remedy=by_locale("Starten Sie sie mit: stadtgrund db start", "Start it with: stadtgrund db start"),
        )
    database = replace(Database.at(settings, deployment_name), started=started)
    _create_database(embedded.superuser_dsn(cluster, "postgres"), database.name)
    with connect(embedded.superuser_dsn(cluster, database.name), autocommit=True) as connection:
        database = replace(database, prefix=setup.settings_of(connection).get("prefix", database.prefix))
        _set_up(database, connection)
        binding.bind(connection, settings.deployment.config)
    return database


def rebind(settings: Settings, *, dry_run: bool = False) -> tuple[str, Path | None]:
    """Bind the private database to the deployment folder, also where it belongs to another one of this name.

    Returns
    -------
    tuple
        The database's name, and the folder that it belonged to (None: it was this one).
    """
    cluster = embedded.locate(settings.paths)
    embedded.start(cluster)
    database = Database.at(settings, settings.deployment.name)
    _create_database(embedded.superuser_dsn(cluster, "postgres"), database.name)
    with connect(embedded.superuser_dsn(cluster, database.name), autocommit=True) as connection:
        database = replace(database, prefix=setup.settings_of(connection).get("prefix", database.prefix))
        _set_up(database, connection)
        with connection.transaction(force_rollback=dry_run):
            return database.name, binding.bind(connection, settings.deployment.config, moved=True)


def _create_database(dsn: str, name: str) -> None:
    with connect(dsn, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount:
            return
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'").format(
                    sql.Identifier(name)
                )
            )
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # a second process was faster


def _set_up(database: Database, superuser: psycopg.Connection[Any]) -> None:
    """Make or complete roles, schemas and meta tables of the private PostGIS."""
    secrets = Secrets(database.paths.secrets)
    marker = setup.digest(database.prefix, database.statement_timeout_ms)

    def current() -> bool:
        return setup.settings_of(superuser).get("setup") == marker and not _without_password(database, secrets)

    if not current():
        with secrets.locked():
            if not current():
                setup.provision(superuser, database.prefix, secrets, database.statement_timeout_ms)
                # Ours alone: nobody else connects, and readers make no temporary tables or functions.
                superuser.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database.name)))
                _migrate(database, marker)
                return
    if setup.settings_of(superuser).get("schema_version") != str(setup.SCHEMA_VERSION):
        _migrate(database)


def _migrate(database: Database, marker: str | None = None) -> None:
    with database.connect("owner", autocommit=True, application="stadtgrund setup") as owner:
        setup.migrate(owner, database.prefix, marker)


def _open_foreign(settings: Settings, url: Secret, deployment_name: str) -> Database:
    database = Database.at(settings, deployment_name)
    name = database.name
    secrets = Secrets(settings.paths.secrets)
    if conninfo_to_dict(url.reveal()).get("user"):
        with connect(url.reveal(), autocommit=True) as connection:
            superuser, may_set_up = _rights(connection)
            if superuser:
                database = replace(database, prefix=setup.settings_of(connection).get("prefix", database.prefix))
            if may_set_up and (setup.missing_rights(connection, database.prefix) or _without_password(database, secrets)):
                with secrets.locked():
                    setup.provision(connection, database.prefix, secrets, database.statement_timeout_ms)
            missing = setup.missing_rights(connection, database.prefix)
            if missing:
                raise setup.refuse(name, missing)
    absent = _without_password(database, secrets)
    if absent:
        raise setup.refuse(name, [by_locale(f"Passwort {secrets.folder / role}", f"password {secrets.folder / role}") for role in absent])
    with database.connect("owner", autocommit=True, application="stadtgrund setup") as owner:
        missing = setup.missing_rights(owner, database.prefix)
        if missing:
            raise setup.refuse(name, missing)
        setup.migrate(owner, database.prefix)
    return database


def _without_password(database: Database, secrets: Secrets) -> list[str]:
    return [name for role in ("owner", "ingest", *PROFILES) if secrets.get(name := database.role(role)) is None]


def _rights(connection: psycopg.Connection[Any]) -> tuple[bool, bool]:
    """Return whether the URL's own role is a superuser, and whether it can do the DBA's part (also CREATEROLE and database owner)."""
    row = connection.execute(
        "SELECT r.rolsuper, r.rolsuper OR r.rolcreaterole AND pg_has_role(r.oid, d.datdba, 'USAGE')"
        " FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()"
    ).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


def _without_user(url: Secret) -> dict[str, Any]:
    """Return the parameters of DATABASE_URL but for who logs in; several hosts pass through."""
    try:
        place = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:  # its message repeats the address, password included
        place = {}
    ports = str(place.get("port") or "5432").split(",")
    if not place.get("dbname") or not all(port.isdigit() for port in ports if port):
        raise SetupError(
            by_locale("DATABASE_URL nennt keine PostgreSQL-Datenbank.", "DATABASE_URL names no PostgreSQL database."),
            remedy=by_locale("Erwartet: postgresql://rolle:passwort@host/name", "Expected: postgresql://role:password@host/name"),
        ) from None
    return {key: value for key, value in place.items() if key not in ("user", "password", "passfile", "application_name")}
