"""`stadtgrund schema`: the JSON Schema of contracts, for editors."""

from __future__ import annotations

__all__ = ["command"]

from pathlib import Path
from typing import Annotated

import typer

from cli.console import data, say
from stadtgrund.catalog import schema
from stadtgrund.errors import StadtgrundError, by_locale
from stadtgrund.settings import ROOT

COMMITTED = ROOT / "docs" / "schema" / "contract.json"


def command(
    output: Annotated[Path | None, typer.Option("--output", metavar="DATEI", help="In eine Datei schreiben statt auszugeben.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Nur prüfen, ob docs/schema/contract.json dem entspricht; Ende mit 1, wenn nicht.")
    ] = False,
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
        if not COMMITTED.is_file() or COMMITTED.read_text(encoding="utf-8") != text:
            raise StadtgrundError(
                by_locale(f"{COMMITTED} ist veraltet.", f"{COMMITTED} is out of date."),
                remedy=by_locale(
                    "Schreiben: stadtgrund schema --output docs/schema/contract.json",
                    "Write: stadtgrund schema --output docs/schema/contract.json",
                ),
            )
        say(by_locale(f"{COMMITTED} ist aktuell.", f"{COMMITTED} is up to date."))
    elif output is None:
        data(text.rstrip("\n"))
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StadtgrundError(
                by_locale(f"{output} kann nicht geschrieben werden: {error.strerror}.", f"{output} cannot be written: {error.strerror}."),
                remedy=by_locale("Einen anderen Ort angeben: --output.", "Give another place: --output."),
            ) from error
        data(str(output))
