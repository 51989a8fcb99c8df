"""What a database needs before the platform can use it: roles, extension, schemas, rights, and the numbered migrations.

The files in `sql/` are of two kinds. Those below 100 need rights that only a DBA has; `script()` is their text for a foreign
database. Those from 100 on are run by the owner, in order and once; `meta.setting` knows the last one.
"""

from __future__ import annotations

__all__ = ["SCHEMA_VERSION", "digest", "migrate", "missing_rights", "provision", "refuse", "script", "settings_of"]

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.errors import SetupError, by_locale
from stadtgrund.store.roles import PROFILES, Secrets, role_name, verifier

_FOLDER = files("stadtgrund.store") / "sql"
_MIGRATIONS = (
    "100_meta",
    "110_functions",
    "120_profile",
    "130_search",
    "140_tile",
    "150_state",
    "160_contract",
    "170_job",
    "180_job_profile",
)
SCHEMA_VERSION = int(_MIGRATIONS[-1].split("_")[0])
"""Number of the last migration that this code knows."""

_SCHEMAS = ("data", "rel", "staging", "history", "meta", "sg", *(f"p_{profile}" for profile in PROFILES))


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


def _compose(name: str, prefix: str, **values: sql.Composable) -> sql.Composed:
    roles = {role: sql.Identifier(role_name(prefix, role)) for role in ("owner", "ingest")}
    names = {f"{role}_name": sql.Literal(role_name(prefix, role)) for role in ("owner", "ingest")}
    return sql.SQL(_text(name)).format(**{**roles, **names, **values})


def _profile_values(prefix: str, profile: str) -> dict[str, sql.Composable]:
    return {
        "role": sql.Identifier(role_name(prefix, profile)),
        "role_name": sql.Literal(role_name(prefix, profile)),
        "schema": sql.Identifier(f"p_{profile}"),
        "profile": sql.Literal(profile),
        "full": sql.Literal(profile == "verwaltung"),
    }


def _parts(prefix: str, database: str, passwords: Secrets, timeout_ms: int) -> list[sql.Composed]:
    parts = []
    for role in ("owner", "ingest", *PROFILES):
        name = role_name(prefix, role)
        parts.append(_compose("010_role", prefix, role=sql.Identifier(name), verifier=sql.Literal(verifier(passwords.make(name)))))
        if role in PROFILES:
            parts.append(_compose("011_role_read", prefix, role=sql.Identifier(name), timeout=sql.Literal(f"{timeout_ms}ms")))
    place = {"database": sql.Identifier(database)}
    parts.append(_compose("020_database", prefix, **place))
    parts += [_compose("021_profile", prefix, **place, **_profile_values(prefix, profile)) for profile in PROFILES]
    parts.append(_compose("029_leave", prefix))
    return parts


def digest(prefix: str, timeout_ms: int) -> str:
    """Return a hash of what `provision` would do, but for the passwords: it is repeated when that changed."""
    texts = [_text(name) for name in ("010_role", "011_role_read", "020_database", "021_profile", "029_leave")]
    return hashlib.sha256("\0".join([*texts, prefix, str(timeout_ms), *PROFILES]).encode()).hexdigest()[:12]


def script(prefix: str, database: str, passwords: Secrets, timeout_ms: int) -> str:
    """Return the SQL that a DBA runs once in a foreign database; missing passwords are made and kept.

    It holds SCRAM verifiers, no clear password, and may be run again at any time.
    """
    head = (
        "-- Stadtgrund: Rollen, Erweiterung, Schemata und Rechte. Mehrmals ausführbar.\n"
        f"-- psql --set ON_ERROR_STOP=1 --single-transaction --dbname {database} --file <diese Datei>\n"
        "-- Nötig: CREATEROLE und Eigentümer der Datenbank; Superuser nur, wenn PostGIS noch nicht installiert ist.\n"
    )
    return head + "\n".join(part.as_string(None) for part in _parts(prefix, database, passwords, timeout_ms))


def provision(connection: psycopg.Connection[Any], prefix: str, passwords: Secrets, timeout_ms: int) -> None:
    """Run the DBA's part on `connection` (autocommit, in the database itself) in one transaction.

    Raises
    ------
    SetupError
        When the role of the connection lacks a right; nothing has been changed then.
    """
    database = connection.info.dbname
    try:
        with connection.transaction():
            # A second process that sets up the same database, or another one in the same cluster, waits: roles are shared.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('stadtgrund.setup', 0))")
            for part in _parts(prefix, database, passwords, timeout_ms):
                connection.execute(part)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported) as error:
        raise SetupError(
            by_locale(
                f"Die Datenbank {database} lässt sich nicht einrichten: {error.diag.message_primary}.",
                f"The database {database} cannot be set up: {error.diag.message_primary}.",
            ),
            kept=by_locale("Es wurde nichts geändert.", "Nothing was changed."),
            remedy=_ask_dba(database),
        ) from error


def migrate(connection: psycopg.Connection[Any], prefix: str, marker: str | None = None) -> list[int]:
    """Run the migrations that are missing, as owner, in one transaction; return their numbers.

    Parameters
    ----------
    connection : psycopg.Connection
        Of the owner.
    marker : str, optional
        `digest()` of the set-up that was just made, to be remembered.

    Raises
    ------
    SetupError
        When the database was made by a newer Stadtgrund, or with another prefix.
    """
    done = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('stadtgrund.migrate', 0))")
        known = settings_of(connection)
        last = int(known.get("schema_version", 0))
        if last > SCHEMA_VERSION:
            raise SetupError(
                by_locale(
                    f"Die Datenbank hat Schemaversion {last}, dieses Programm kennt {SCHEMA_VERSION}.",
                    f"The database has schema version {last}, this program knows {SCHEMA_VERSION}.",
                ),
                kept=by_locale("Es wurde nichts geändert.", "Nothing was changed."),
                remedy=by_locale("Aktualisieren Sie Stadtgrund.", "Update Stadtgrund."),
            )
        if known.get("prefix", prefix) != prefix:
            raise SetupError(
                by_locale(
                    f"Die Datenbank gehört zu {known['prefix']!r}, nicht zu {prefix!r}.",
                    f"The database belongs to {known['prefix']!r}, not to {prefix!r}.",
                ),
                remedy=by_locale("Nehmen Sie für jedes Deployment eine eigene Datenbank.", "Use one database per deployment."),
            )
        for name in _MIGRATIONS:
            number = int(name.split("_")[0])
            if number <= last:
                continue
            each: list[dict[str, sql.Composable]] = [{}]
            if name.endswith("profile"):
                each = [_profile_values(prefix, profile) for profile in PROFILES]
            for values in each:
                connection.execute(_compose(name, prefix, **values))
            done.append(number)
        noted = {"prefix": prefix, "schema_version": str(SCHEMA_VERSION), **({"setup": marker} if marker else {})}
        for key, value in noted.items():
            if known.get(key) != value:
                connection.execute(
                    "INSERT INTO meta.setting (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (key, value),
                )
    return done


def settings_of(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return `meta.setting`; empty before the first migration."""
    found = connection.execute("SELECT to_regclass('meta.setting')").fetchone()
    if found is None or found[0] is None:
        return {}
    return dict(connection.execute("SELECT key, value FROM meta.setting").fetchall())


_RIGHTS = """
SELECT 'Schema ' || wanted.name FROM unnest(%(schemas)s::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = wanted.name)
UNION ALL
SELECT 'CREATE: Schema ' || n.nspname || ', Rolle ' || %(owner)s FROM pg_namespace n
WHERE n.nspname = ANY (%(schemas)s) AND NOT has_schema_privilege(%(owner)s, n.oid, 'CREATE')
UNION ALL
SELECT 'USAGE: Schema ' || n.nspname || ', Rolle ' || pair.role FROM unnest(%(granted)s::text[], %(roles)s::text[]) AS pair (schema, role)
JOIN pg_namespace n ON n.nspname = pair.schema WHERE NOT has_schema_privilege(pair.role, n.oid, 'USAGE')
UNION ALL
SELECT 'Erweiterung postgis' WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'postgis')
UNION ALL
SELECT 'USAGE: Schema ' || e.extnamespace::regnamespace || ', Rolle ' || r.name FROM pg_extension e, unnest(%(all)s::text[]) AS r (name)
WHERE e.extname = 'postgis' AND NOT has_schema_privilege(r.name, e.extnamespace, 'USAGE')
UNION ALL
SELECT 'Mitgliedschaft: ' || %(owner)s || ' in ' || %(ingest)s WHERE NOT pg_has_role(%(owner)s, %(ingest)s, 'USAGE')
UNION ALL
SELECT 'CONNECT: Datenbank ' || current_database() || ', Rolle ' || r.name FROM unnest(%(all)s::text[]) AS r (name)
WHERE NOT has_database_privilege(r.name, current_database(), 'CONNECT')
"""


def missing_rights(connection: psycopg.Connection[Any], prefix: str) -> list[str]:
    """Name the roles, schemas, rights and extensions that the database lacks; empty = all is there."""
    roles = [role_name(prefix, role) for role in ("owner", "ingest", *PROFILES)]
    found = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (roles,))}
    absent = [_spoken(f"Rolle {name}") for name in roles if name not in found]
    if absent:
        return absent
    granted = [("staging", roles[1]), ("meta", roles[1]), *((f"p_{profile}", role_name(prefix, profile)) for profile in PROFILES)]
    values = {
        "schemas": list(_SCHEMAS),
        "owner": roles[0],
        "ingest": roles[1],
        "granted": [schema for schema, _ in granted],
        "roles": [role for _, role in granted],
        "all": roles,
    }
    return [_spoken(name) for (name,) in connection.execute(_RIGHTS, values)]


def _spoken(missing: str) -> str:
    """Return what is missing in the language of the terminal."""
    english = missing
    for german, word in (("Rolle ", "role "), ("Schema ", "schema "), ("Mitgliedschaft: ", "membership: "), ("Datenbank ", "database ")):
        english = english.replace(german, word)
    return by_locale(missing, english)


def _ask_dba(database: str) -> str:
    return by_locale(
        f"Schreiben Sie das Skript mit „stadtgrund db script > stadtgrund.sql“ und lassen Sie es von der Datenbankadministration "
        f"in {database} ausführen.",
        f"Write the script with `stadtgrund db script > stadtgrund.sql` and have the DBA run it in {database}.",
    )


def refuse(database: str, missing: Sequence[str]) -> SetupError:
    """Return the error that names what a foreign database lacks, and the command."""
    return SetupError(
        by_locale(f"In der Datenbank {database} fehlt: ", f"The database {database} lacks: ") + "; ".join(missing) + ".",
        remedy=_ask_dba(database),
    )
