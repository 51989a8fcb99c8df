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
from cli.console import data, data_json, tell
from stadtgrund.errors import SetupError, UsageError, by_locale, unknown
from stadtgrund.store import embedded, overview, setup
from stadtgrund.store.database import Database, rebind
from stadtgrund.store.roles import PROFILES, Secrets, prefix_of, role_name

app = typer.Typer(
    help="Die Datenbank starten, anhalten, einrichten, öffnen.\n\n\b\nBeispiel: stadtgrund db status",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Json = Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")]
_Role = Annotated[str, typer.Option("--role", metavar="ROLLE", help="owner, ingest oder ein Profil.")]


@app.command()
def start(dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Die Datenbank starten und einrichten, was fehlt.

    \b
    Beispiel: stadtgrund db start
    """
    if dry_run:
        found = overview.look(context.settings(), context.settings().deployment.name)
        if as_json:
            data_json({"database": found.database, "would_start": found.private and not found.running, "ready": found.ready})
            return
        for line in found.lines():
            data(line)
        if found.ready:
            tell(by_locale("Probe: es gäbe nichts zu tun.", "Dry run: there would be nothing to do."))
        else:
            tell(by_locale("Probe: sie würde gestartet und eingerichtet.", "Dry run: it would be started and set up."))
        return
    db = context.database()
    if as_json:
        data_json({"database": db.name, "started": db.started})
    elif db.started:
        tell(by_locale(f"Die private Datenbank läuft; {db.name} ist eingerichtet.", f"The private database runs; {db.name} is set up."))
    else:
        tell(by_locale(f"Die Datenbank lief schon; {db.name} ist eingerichtet.", f"The database ran already; {db.name} is set up."))


@app.command()
def bind(dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Die private Datenbank einem umgezogenen Ordner zuordnen.

    Sie heißt wie der Ordner und gehört dem, der sie zuerst geöffnet hat; ein anderer Ordner desselben Namens wird sonst abgewiesen.

    \b
    Beispiel: stadtgrund db bind --config /srv/neu/meinestadt
    """
    settings = context.settings()
    if settings.database.url:
        raise UsageError(
            by_locale("Eine fremde Datenbank gehört zu keinem Ordner.", "A foreign database belongs to no folder."),
            remedy=by_locale("DATABASE_URL nennt sie; zuzuordnen ist nichts.", "DATABASE_URL names it; there is nothing to bind."),
        )
    context.deployment()  # what cannot be read as a deployment gets no database
    folder = settings.deployment.config
    name, before = rebind(settings, dry_run=dry_run)
    if as_json:
        data_json({"database": name, "folder": folder, "before": before, "dry_run": dry_run})
    elif before is None:
        tell(by_locale(f"{name} gehört schon zu {folder}.", f"{name} belongs to {folder} already."))
    elif dry_run:
        tell(by_locale(f"Probe: {name} käme von {before} zu {folder}.", f"Dry run: {name} would go from {before} to {folder}."))
    else:
        tell(by_locale(f"{name} gehört jetzt zu {folder}, bisher zu {before}.", f"{name} now belongs to {folder}, so far to {before}."))


@app.command()
def stop(dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Die private Datenbank anhalten.

    Offene Sitzungen enden. Eine fremde bleibt, wie sie ist.

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
    if not dry_run:
        embedded.stop(cluster)
    if as_json:
        data_json({"stopped": running, "dry_run": dry_run})
    elif dry_run and running:
        tell(by_locale("Probe: die private Datenbank würde angehalten.", "Dry run: the private database would be stopped."))
    else:
        tell(by_locale("Die private Datenbank steht.", "The private database is down."))


@app.command()
def status(as_json: _Json = False) -> None:
    """Zeigen, ob die Datenbank läuft und was ihr fehlt.

    Der Befehl startet nichts.

    Ohne --dry-run: der Befehl schreibt nichts.

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

    Ohne --dry-run: der Befehl schreibt nichts.

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
def script(dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Das SQL für eine fremde Datenbank ausgeben.

    Ihre Administration führt es einmal aus.

    Es legt Rollen (Passwörter nur als SCRAM-Prüfwert), PostGIS, Schemata und Rechte an und darf wiederholt werden.
    Die Passwörter selbst liegen danach in var/secrets/; die Probe legt keine an und gibt kein SQL aus.

    \b
    Beispiel: stadtgrund db script > stadtgrund.sql
              psql --set ON_ERROR_STOP=1 --single-transaction --dbname geo --file stadtgrund.sql
    """
    settings = context.settings()
    prefix = prefix_of(settings.deployment.name)
    given = conninfo_to_dict(settings.database.url.reveal()) if settings.database.url else {}
    database = str(given.get("dbname") or f"stadtgrund_{prefix}")
    secrets = Secrets(settings.paths.secrets)
    if dry_run:
        missing = [name for role in ("owner", "ingest", *PROFILES) if secrets.get(name := role_name(prefix, role)) is None]
        if as_json:
            data_json({"database": database, "passwords": secrets.folder, "new_passwords": missing, "dry_run": True})
        else:
            shown = ", ".join(missing) or by_locale("keine", "none")
            tell(
                by_locale(f"Probe: neue Passwörter in {secrets.folder}: {shown}.", f"Dry run: new passwords in {secrets.folder}: {shown}.")
            )
        return
    with secrets.locked():
        text = setup.script(prefix, database, secrets, settings.database.statement_timeout_ms)
    if as_json:
        data_json({"database": database, "passwords": secrets.folder, "sql": text})
        return
    data(text)
    tell(by_locale(f"Für {database}; Passwörter in {secrets.folder}.", f"For {database}; passwords in {secrets.folder}."))


@app.command()
def psql(role: _Role = "owner") -> None:
    """Die Datenbank mit psql öffnen.

    Ohne --json und ohne --dry-run: was ausgegeben und geschrieben wird, bestimmt psql.

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
