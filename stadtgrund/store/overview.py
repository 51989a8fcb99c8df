"""What state the database is in, looked at without starting or changing anything."""

from __future__ import annotations

__all__ = ["Overview", "look"]

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from stadtgrund.errors import SetupError, TransientError, by_locale
from stadtgrund.settings import Settings
from stadtgrund.store import binding, embedded, setup
from stadtgrund.store.database import Database, connect
from stadtgrund.store.roles import PROFILES


@dataclass(frozen=True)
class Overview:
    """`missing` names roles, rights, passwords and logins that lack; `migration` is the last that has run, 0 = none."""

    private: bool
    running: bool
    database: str
    server: str = ""
    prefix: str = ""
    migration: int = 0
    missing: tuple[str, ...] = ()
    problem: str = ""
    folder: str = ""
    """The deployment folder that the private database belongs to."""

    @property
    def ready(self) -> bool:
        """Whether the platform can work with it as it is."""
        return self.running and not self.missing and not self.problem and self.migration == setup.SCHEMA_VERSION

    def lines(self) -> Iterator[str]:
        """Yield it as lines for a person."""
        kind = by_locale("private Datenbank", "private database") if self.private else by_locale("fremde Datenbank", "foreign database")
        state = by_locale("läuft", "runs") if self.running else by_locale("läuft nicht", "is not running")
        yield f"{self.database} ({kind}): {state}{f', PostgreSQL {self.server}' if self.server else ''}"
        if self.problem:
            yield self.problem
        yield from (by_locale(f"fehlt: {name}", f"missing: {name}") for name in self.missing)
        if self.running and not self.missing and not self.problem:
            yield by_locale(
                f"Rollen sg_{self.prefix}_*, Schemaversion {self.migration} von {setup.SCHEMA_VERSION}",
                f"roles sg_{self.prefix}_*, schema version {self.migration} of {setup.SCHEMA_VERSION}",
            )
        if self.folder:
            yield by_locale(f"gehört zu {self.folder}", f"belongs to {self.folder}")


def look(settings: Settings, deployment_name: str) -> Overview:
    """Return the state of the deployment's database; every role's login is tried."""
    db = Database.at(settings, deployment_name)
    found = Overview(settings.database.url is None, False, db.name, prefix=db.prefix)
    if found.private:
        status = embedded.status(embedded.locate(settings.paths))
        if not status.running:
            return found
        found = replace(found, running=True, server=status.version)
        if db.name not in status.databases:
            return replace(found, missing=(by_locale(f"Datenbank {db.name}", f"database {db.name}"),))
    failed = []
    for role in ("owner", "ingest", *PROFILES):
        try:
            with connect(db.conninfo(role), autocommit=True) as connection:
                found = replace(found, running=True, server=connection.info.parameter_status("server_version") or "")
                if role == "owner":
                    found = _owned(found, connection, settings.deployment.config)
        except SetupError as error:
            failed.append(f"{db.role(role)}: {error.what}")
        except TransientError as error:
            return replace(found, problem=error.what)
    return replace(found, missing=(*found.missing, *failed))


def _owned(found: Overview, connection: psycopg.Connection[object], folder: Path) -> Overview:
    missing = tuple(setup.missing_rights(connection, found.prefix))
    if missing:
        return replace(found, missing=missing)
    known = setup.settings_of(connection)
    found = replace(found, migration=int(known.get("schema_version", "0")))
    bound = binding.bound_folder(known) if found.private else None
    problem = binding.refusal(found.database, bound, folder)
    return replace(found, folder=str(bound or ""), problem=str(problem or ""))
