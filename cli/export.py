"""`stadtgrund export`: what a profile sees, as a file for another program."""

from __future__ import annotations

__all__ = ["app"]

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from psycopg import sql

from cli import context
from cli.console import data, data_json
from stadtgrund.errors import StadtgrundError, UsageError, by_locale, unknown
from stadtgrund.identity import OPEN

app = typer.Typer(
    help="Was ein Profil sieht, als Datei für ein anderes Programm.\n\n\b\nBeispiel: stadtgrund export qgis --output musterstadt.qgz",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Keep `qgis` a command of its own, though it is the only one."""


@app.command()
def qgis(
    output: Annotated[Path, typer.Option("--output", metavar="DATEI", help="Wohin die Projektdatei (.qgz) geschrieben wird.")],
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Für wen: open oder verwaltung.")] = OPEN,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Adresse der API; sonst PUBLIC_URL.")] = None,
    authcfg: Annotated[
        str | None,
        typer.Option("--authcfg", metavar="ID", help="Kennung der Anmeldung in QGIS (7 Zeichen); die Datei hält nie einen Schlüssel."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")] = False,
) -> None:
    """Ein QGIS-Projekt mit allen Layern eines Profils schreiben: Gruppen, deutsche Feldnamen, Stile.

    Die Layer holt QGIS von der API. Daten der Verwaltung brauchen in QGIS eine Anmeldung (Basic: beliebiger Name, als Passwort
    der Schlüssel); ihre Kennung steht in der Anmeldungsverwaltung von QGIS.

    \b
    Beispiel: stadtgrund export qgis --url https://geodaten.example.org --output musterstadt.qgz
              stadtgrund export qgis --profile verwaltung --authcfg sg12345 --output intern.qgz
    """
    from server.planner import ViewerFile
    from server.qgis_project import project
    from stadtgrund.catalog.collection import Collection

    deployment = context.deployment()
    if profile not in deployment.profiles:
        raise UsageError(unknown("profile", profile, deployment.profiles))
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
    try:
        output.write_bytes(
            project(
                deployment.title.de,
                collections,
                address,
                srid=deployment.srid,
                authcfg=authcfg,
                order=viewer.order,
                shown=viewer.shown,
            )
        )
    except OSError as error:
        raise StadtgrundError(
            by_locale(f"{output} kann nicht geschrieben werden: {error.strerror}.", f"{output} cannot be written: {error.strerror}."),
            remedy=by_locale("Anderer Ort: --output DATEI", "Another place: --output FILE"),
        ) from error
    if as_json:
        data_json(
            {"file": str(output), "layers": sum(1 for c in collections if c.items and not c.raster), "profile": profile, "url": address}
        )
    else:
        data(str(output))
