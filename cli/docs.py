"""`stadtgrund docs`: a page about the datasets of one deployment or of several."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json
from cli.output import as_current, as_file
from stadtgrund.catalog import checks
from stadtgrund.catalog.page import page
from stadtgrund.errors import UsageError, by_locale


def command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="ORDNER…", help="Deployment-Ordner; sonst der eingestellte.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="DATEI", help="Wohin; sonst die Standardausgabe.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Nur prüfen, ob die Datei dem entspricht; Ende mit 1, wenn nicht.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Das Ergebnis als eine Zeile JSON; ohne --output die Seite darin.")] = False,
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
        if as_json:
            data_json({"markdown": text})
        else:
            data(text.rstrip("\n"))
    elif check:
        as_current(output, text, as_json=as_json, remedy=f"stadtgrund docs {' '.join(map(str, folders or ()))} --output {output}")
    else:
        as_file(output, text, dry_run=dry_run, as_json=as_json)
