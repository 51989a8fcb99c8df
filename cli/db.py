"""`stadtgrund db`: start, stop, look at, set up and open the database."""

from __future__ import annotations

__all__ = ["app"]

import os
import shutil
from dataclasses import asdict
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict

from cli import context
from cli.console import data, data_json, say
from stadtgrund.errors import SetupError, UsageError, by_locale, unknown
from stadtgrund.store import embedded, overview, setup
from stadtgrund.store.database import Database
from stadtgrund.store.roles import PROFILES, Secrets, prefix_of

app = typer.Typer(
    help="Die Datenbank starten, anhalten, einrichten, öffnen.\n\n\b\nBeispiel: stadtgrund db status",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Json = Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")]
_Role = Annotated[str, typer.Option("--role", metavar="ROLLE", help="owner, ingest oder ein Profil.")]


@app.command()
def start(as_json: _Json = False) -> None:
    """Die Datenbank starten, wenn sie steht, und einrichten, was an ihr fehlt.

    \b
    Beispiel: stadtgrund db start
    """
    db = context.database()
    if as_json:
        data_json({"database": db.name, "started": db.started})
    elif db.started:
        say(by_locale(f"Die private Datenbank läuft; {db.name} ist eingerichtet.", f"The private database runs; {db.name} is set up."))
    else:
        say(by_locale(f"Die Datenbank lief schon; {db.name} ist eingerichtet.", f"The database ran already; {db.name} is set up."))


@app.command()
def stop(as_json: _Json = False) -> None:
    """Die private Datenbank anhalten; offene Sitzungen enden. Eine fremde bleibt, wie sie ist.

    \b
    Beispiel: stadtgrund db stop
    """
    settings = context.settings()
    if settings.database.url:
        raise UsageError(
            by_locale("DATABASE_URL nennt eine fremde Datenbank; die hält Stadtgrund nicht an.", "DATABASE_URL names a foreign database."),
            remedy=by_locale("Ohne DATABASE_URL gilt der Befehl der privaten.", "Without DATABASE_URL the command is for the private one."),
        )
    cluster = embedded.locate(settings.paths)
    running = embedded.status(cluster).running
    embedded.stop(cluster)
    if as_json:
        data_json({"stopped": running})
    else:
        say(by_locale("Die private Datenbank steht.", "The private database is down."))


@app.command()
def status(as_json: _Json = False) -> None:
    """Zeigen, ob die Datenbank läuft, was eingerichtet ist und was fehlt; startet nichts.

    \b
    Beispiel: stadtgrund db status
    """
    found = overview.look(context.settings(), context.settings().deployment.name)
    if as_json:
        data_json(asdict(found))
    else:
        for line in found.lines():
            data(line)
    if not found.ready:
        raise typer.Exit(1)


@app.command()
def url(role: _Role = "owner", as_json: _Json = False) -> None:
    """Die Adresse der Datenbank für eine Rolle ausgeben, mit Passwort.

    \b
    Beispiel: ogrinfo "PG:$(stadtgrund db url --role open)"
    """
    db = context.database()
    text = db.conninfo(_known(role), application="stadtgrund db")
    if as_json:
        data_json({"role": db.role(role), "url": text})
    else:
        data(text)


@app.command()
def script() -> None:
    """Das SQL ausgeben, das die Administration einer fremden Datenbank einmal ausführt.

    Es legt Rollen (Passwörter nur als SCRAM-Prüfwert), PostGIS, Schemata und Rechte an und darf wiederholt werden.
    Die Passwörter selbst liegen danach in var/secrets/.

    \b
    Beispiel: stadtgrund db script > stadtgrund.sql
              psql --set ON_ERROR_STOP=1 --single-transaction --dbname geo --file stadtgrund.sql
    """
    settings = context.settings()
    prefix = prefix_of(settings.deployment.name)
    given = conninfo_to_dict(settings.database.url.reveal()) if settings.database.url else {}
    database = str(given.get("dbname") or f"stadtgrund_{prefix}")
    secrets = Secrets(settings.paths.secrets)
    with secrets.locked():
        data(setup.script(prefix, database, secrets, settings.database.statement_timeout_ms))
    say(by_locale(f"Für {database}; Passwörter in {secrets.folder}.", f"For {database}; passwords in {secrets.folder}."))


@app.command()
def psql(role: _Role = "owner") -> None:
    """Die Datenbank mit psql öffnen.

    \b
    Beispiel: stadtgrund db psql --role open
    """
    db = context.database()
    program = shutil.which("psql")
    if program is None:
        raise SetupError(
            by_locale("psql ist nicht installiert.", "psql is not installed."),
            remedy=by_locale("Installieren Sie das Paket postgresql-client.", "Install the package postgresql-client."),
        )
    os.execve(program, ["psql"], {**os.environ, **_environment(db, _known(role))})


def _known(role: str) -> str:
    known = ("owner", "ingest", *PROFILES)
    if role not in known:
        raise UsageError(unknown("role", role, known, german="Rolle"))
    return role


def _environment(db: Database, role: str) -> dict[str, str]:
    """Return libpq's variables: a password in the arguments would be seen by everybody on the machine."""
    names = {
        "host": "PGHOST",
        "hostaddr": "PGHOSTADDR",
        "port": "PGPORT",
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "options": "PGOPTIONS",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "target_session_attrs": "PGTARGETSESSIONATTRS",
        "application_name": "PGAPPNAME",
    }
    given = conninfo_to_dict(db.conninfo(role, application="psql"))
    return {variable: str(given[name]) for name, variable in names.items() if given.get(name) is not None}
