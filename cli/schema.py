"""`stadtgrund schema`: the JSON Schema of contracts, for editors."""

from __future__ import annotations

__all__ = ["command"]

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.console import data, data_json
from cli.output import as_current, as_file
from stadtgrund.catalog import schema
from stadtgrund.settings import ROOT

COMMITTED = ROOT / "docs" / "schema" / "contract.json"


def command(
    output: Annotated[Path | None, typer.Option("--output", metavar="DATEI", help="In eine Datei schreiben statt auszugeben.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Nur prüfen, ob docs/schema/contract.json dem entspricht; Ende mit 1, wenn nicht.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="In einer Zeile; mit --output und --check das Ergebnis.")] = False,
) -> None:
    """Das JSON-Schema der Verträge ausgeben, mit deutschen Beschreibungen.

    Im Editor (mit YAML-Sprachserver) genügt als erste Zeile eines Vertrags:
    # yaml-language-server: $schema=../../../docs/schema/contract.json

    \b
    Beispiel: stadtgrund schema --output docs/schema/contract.json
              stadtgrund schema --check
    """
    text = schema.text()
    if check:
        as_current(COMMITTED, text, as_json=as_json, remedy="stadtgrund schema --output docs/schema/contract.json")
    elif output is not None:
        as_file(output, text, dry_run=dry_run, as_json=as_json)
    elif as_json:
        data_json(json.loads(text))
    else:
        data(text.rstrip("\n"))
