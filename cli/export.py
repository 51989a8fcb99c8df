"""`stadtgrund export`: what a profile sees, as a file for another program."""

from __future__ import annotations

__all__ = ["app"]

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from psycopg import sql

from cli import context
from cli.export_files import files
from cli.output import as_file
from stadtgrund.errors import UsageError, by_locale, unknown
from stadtgrund.identity import OPEN

app = typer.Typer(
    help=(
        "Was ein Profil sieht, als Datei für ein anderes Programm.\n\n\b\n"
        "Beispiel: stadtgrund export qgis --output musterstadt.qgz\n          stadtgrund export files --all"
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.command()(files)


@app.command()
def qgis(
    output: Annotated[Path, typer.Option("--output", metavar="DATEI", help="Wohin die Projektdatei (.qgz) geschrieben wird.")],
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Für wen: open oder verwaltung.")] = OPEN,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Adresse der API; sonst PUBLIC_URL.")] = None,
    authcfg: Annotated[
        str | None,
        typer.Option("--authcfg", metavar="ID", help="Kennung der Anmeldung in QGIS (7 Zeichen); die Datei hält nie einen Schlüssel."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")] = False,
) -> None:
    """Ein QGIS-Projekt mit allen Layern eines Profils schreiben.

    Es enthält Gruppen, deutsche Feldnamen und Stile. Die Layer holt QGIS von der API. Daten der Verwaltung brauchen in QGIS
    eine Anmeldung (Basic: beliebiger Name, als Passwort der Schlüssel); ihre Kennung steht in der Anmeldungsverwaltung von QGIS.

    \b
    Beispiel: stadtgrund export qgis --url https://geodaten.example.org --output musterstadt.qgz
              stadtgrund export qgis --profile verwaltung --authcfg sg12345 --output intern.qgz
    """
    from server.qgis_project import project
    from server.viewer_file import ViewerFile
    from stadtgrund.catalog.collection import Collection

    deployment = context.readable()
    if profile not in deployment.profiles:
        raise UsageError(unknown("profile", profile, deployment.profiles, german="Profil"))
    address = (url or context.settings().server.public_url).rstrip("/")
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc or "'" in address:
        raise UsageError(
            by_locale(f"--url {address!r} ist keine Adresse.", f"--url {address!r} is not an address."),
            remedy=by_locale("Erlaubt: http(s)://rechner[:port][/pfad]", "Allowed: http(s)://host[:port][/path]"),
        )
    if authcfg is not None and not (len(authcfg) == 7 and authcfg.isascii() and authcfg.isalnum()):
        raise UsageError(
            by_locale("--authcfg ist die Kennung einer Anmeldung in QGIS.", "--authcfg is the id of an authentication in QGIS."),
            remedy=by_locale("Erlaubt: 7 Buchstaben und Ziffern, nie ein Schlüssel.", "Allowed: 7 letters and digits, never a key."),
        )
    with context.database().connect(profile, autocommit=True, application="stadtgrund export") as connection:
        rows = connection.execute(
            sql.SQL("SELECT collection FROM {} ORDER BY dataset").format(sql.Identifier(f"p_{profile}", "sg_state"))
        ).fetchall()
    viewer = ViewerFile.read(deployment.folder)
    collections = [Collection.model_validate(row[0]) for row in rows]
    made = project(deployment.title.de, collections, address, srid=deployment.srid, authcfg=authcfg, order=viewer.order, shown=viewer.shown)
    layers = sum(1 for each in collections if each.items and not each.raster)
    as_file(output, made, dry_run=dry_run, as_json=as_json, layers=layers, profile=profile, url=address)
