"""`stadtgrund apply`: take over changed contracts without new data."""

from __future__ import annotations

__all__ = ["command"]

from typing import Annotated

import typer

from cli import closing, context
from cli.console import data, data_json, tell
from etl.report import access_lines
from stadtgrund.catalog import access
from stadtgrund.catalog.recipe import recipe_of
from stadtgrund.errors import ContractError, StadtgrundError, by_locale
from stadtgrund.language import language
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import forms, versions


def command(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Die Datensätze; ohne Angabe alle.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, wer was sehen würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Ein JSON-Objekt je Datensatz und Zeile.")] = False,
) -> None:
    """Geänderte Verträge übernehmen: Texte, Freigabe, Formen, Ansichten. Daten werden nicht neu gelesen.

    Was nur eine Ladung ändern kann (Quelle, Felder, Typen), nennt der Befehl. Fehlerhafte Verträge werden genannt und
    ausgelassen; was sie schließen, wird geschlossen.

    \b
    Beispiel: stadtgrund apply schulen
              stadtgrund apply --dry-run
    """
    try:
        deployment, wrong = context.usable(ids)
    except ContractError:
        if ids and not dry_run:
            closing.close(context.database(), ids)
        raise
    failed = bool(wrong and not ids)
    contracts = [deployment.contract(dataset) for dataset in ids] if ids else list(deployment.contracts.values())
    database = context.database()
    for contract in contracts:
        serving = versions.current(database, contract.id)
        stale = serving is not None and serving.recipe != recipe_of(contract, deployment)
        try:
            if dry_run and serving is None:
                states = []
            elif dry_run:
                decisions = {profile: access.decide(contract, profile) for profile in deployment.profiles}
                states = [
                    forms.FormState(profile, decision.form.name if decision.form else None, decision.reason)
                    for profile, decision in decisions.items()
                ]
            else:
                states = forms.reconcile(
                    database, deployment, contract, compile_where=compile_where, compile_text=compile_text, compile_tiles=compile_tiles
                )
        except StadtgrundError as error:
            failed = True
            tell(f"{contract.id}: {error}")
            continue
        if as_json:
            profiles = {state.profile: {"form": state.form, "count": state.count, "reason": state.reason.de} for state in states}
            data_json(
                {
                    "dataset": contract.id,
                    "version": serving.version if serving else None,
                    "needs_load": serving is None or stale,
                    "profiles": profiles,
                }
            )
            continue
        data(f"{contract.id}: " + (f"Version {serving.version}" if serving else by_locale("noch nicht geladen", "not loaded yet")))
        seen = [(deployment.profiles[state.profile].title, bool(state.form), state.reason) for state in states]
        for line in access_lines((title.get(language()), visible, reason.get(language())) for title, visible, reason in seen):
            data(line)
        if stale:
            data(
                by_locale(
                    f"  Quelle, Felder oder Regeln sind neu; sie gelten nach: stadtgrund load {contract.id}",
                    f"  Source, fields or rules are new; they hold after: stadtgrund load {contract.id}",
                )
            )
    if not dry_run:
        context.check_again()  # what was put right meanwhile counts
        failed = not closing.close(database, ids or None) or failed
    if not ids:
        closing.tell_unowned(database)
        if wrong:
            tell(by_locale(f"Nicht übernommen: {', '.join(wrong)}.", f"Not applied: {', '.join(wrong)}."))
    if failed:
        raise typer.Exit(1)
