"""`stadtgrund withdraw`: take a dataset out of the public at once."""

from __future__ import annotations

__all__ = ["command"]

import getpass
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json, tell
from stadtgrund.errors import ContractError, by_locale
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import applied, versions


def command(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Kennung des Datensatzes.")],
    by: Annotated[str | None, typer.Option("--by", metavar="TEXT", help="Wer zurückzieht; sonst der Kontoname.")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Warum.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Profil.")] = False,
) -> None:
    """Einen Datensatz sofort aus der Öffentlichkeit nehmen; die Verwaltung sieht ihn weiter.

    Das bleibt so, auch nach einer neuen Ladung, bis stadtgrund release die Schutzprüfung neu festhält.
    Es geht auch, wenn der Vertrag fehlerhaft oder gelöscht ist.

    \b
    Beispiel: stadtgrund withdraw schulen --by Schulamt --reason "Standorte falsch"
    """
    account = by or getpass.getuser()
    try:
        contract = context.right_contract(dataset)
    except ContractError as error:
        tell(str(error))
        contract = None
    if contract:
        states = versions.withdraw(
            context.database(),
            context.readable(told=False),
            contract,
            by=account,
            reason=reason,
            compile_where=compile_where,
            compile_text=compile_text,
            compile_tiles=compile_tiles,
            dry_run=dry_run,
        )
    else:
        context.require_known(dataset)
        states = applied.withdraw(context.database(), dataset, by=account, reason=reason, dry_run=dry_run)
    for state in states:
        if as_json:
            data_json({"dataset": dataset, "profile": state.profile, "form": state.form, "count": state.count, "dry_run": dry_run})
            continue
        word = by_locale("sieht ihn", "sees it") if state.form else by_locale("sieht ihn nicht", "does not see it")
        head = by_locale("Probe: ", "Dry run: ") if dry_run else ""
        data(f"{head}{dataset}: {state.profile} {word}. {by_locale(state.reason.de, state.reason.get('en'))}")
