"""`stadtgrund withdraw`: take a dataset out of the public at once."""

from __future__ import annotations

__all__ = ["command"]

import getpass
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json
from stadtgrund.errors import by_locale
from stadtgrund.store import applied


def command(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Kennung des Datensatzes.")],
    by: Annotated[str | None, typer.Option("--by", metavar="TEXT", help="Wer zurückzieht; sonst der Kontoname.")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Warum.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Profil.")] = False,
) -> None:
    """Einen Datensatz sofort aus der Öffentlichkeit nehmen; die Verwaltung sieht ihn weiter.

    Das bleibt so, auch nach einer neuen Ladung, bis stadtgrund release die Schutzprüfung neu festhält.
    Es geht auch, wenn der Vertrag fehlerhaft oder gelöscht ist, und während der Datensatz geladen wird.

    \b
    Beispiel: stadtgrund withdraw schulen --by Schulamt --reason "Standorte falsch"
    """
    context.require_known(dataset)
    states = applied.withdraw(context.database(), dataset, by=by or getpass.getuser(), reason=reason, dry_run=dry_run)
    for state in states:
        if as_json:
            data_json({"dataset": dataset, "profile": state.profile, "form": state.form, "count": state.count, "dry_run": dry_run})
            continue
        word = by_locale("sieht ihn", "sees it") if state.form else by_locale("sieht ihn nicht", "does not see it")
        head = by_locale("Probe: ", "Dry run: ") if dry_run else ""
        data(f"{head}{dataset}: {state.profile} {word}. {by_locale(state.reason.de, state.reason.get('en'))}")
