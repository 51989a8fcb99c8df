"""`stadtgrund docs`: a page about the datasets of one deployment or of several."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path
from typing import Annotated

import typer

from cli import context
from cli.console import data, say
from stadtgrund.catalog import checks
from stadtgrund.catalog.page import page
from stadtgrund.errors import StadtgrundError, UsageError, by_locale


def command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="ORDNER…", help="Deployment-Ordner; sonst der eingestellte.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="DATEI", help="Wohin; sonst die Standardausgabe.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Nur prüfen, ob die Datei dem entspricht; Ende mit 1, wenn nicht.")] = False,
) -> None:
    """Eine Seite über die Datensätze schreiben (Markdown): Titel, Quelle, Rhythmus, Verantwortung, Freigabe.

    \b
    Beispiel: stadtgrund docs
              stadtgrund docs pygeoapi-config/* --output docs/datasets.md
    """
    if check and output is None:
        raise UsageError(by_locale("--check braucht --output.", "--check needs --output."), remedy="--check --output docs/datasets.md")
    text = page([checks.checked(folder) for folder in folders] if folders else [context.deployment()])
    if output is None:
        data(text.rstrip("\n"))
    elif check:
        if not output.is_file() or output.read_text(encoding="utf-8") != text:
            shown = " ".join(map(str, folders or ()))
            raise StadtgrundError(
                by_locale(f"{output} ist veraltet.", f"{output} is out of date."),
                remedy=by_locale(
                    f"Schreiben: stadtgrund docs {shown} --output {output}", f"Write it: stadtgrund docs {shown} --output {output}"
                ),
            )
        say(by_locale(f"{output} ist aktuell.", f"{output} is up to date."))
    else:
        output.write_text(text, encoding="utf-8")
        data(str(output))
