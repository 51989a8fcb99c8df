"""`stadtgrund keys`: make, list and revoke API keys."""

from __future__ import annotations

__all__ = ["app"]

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json, tell
from stadtgrund.errors import by_locale
from stadtgrund.store import api_keys

app = typer.Typer(
    help="API-Schlüssel anlegen, auflisten, sperren.\n\n\b\nBeispiel: stadtgrund keys create Vermessungsamt",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Json = Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Schlüssel.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")]
_Label = Annotated[str, typer.Argument(metavar="BEZEICHNUNG", help="Wem der Schlüssel gehört.")]


@app.command()
def create(
    label: _Label,
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Was der Schlüssel öffnet.")] = "verwaltung",
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Einen Schlüssel anlegen und dieses eine Mal zeigen.

    Aufbewahrt wird nur seine Prüfsumme.

    \b
    Beispiel: stadtgrund keys create Vermessungsamt --profile verwaltung
    """
    if dry_run:
        api_keys.check(label, profile)
        if as_json:
            data_json({"label": label, "profile": profile, "dry_run": True})
            return
        tell(by_locale(f"Probe: „{label}“ bekäme einen Schlüssel für {profile}.", f"Dry run: {label!r} would get a key for {profile}."))
        return
    key = api_keys.create(context.database(), label, profile)
    if as_json:
        data_json({"label": label, "profile": profile, "key": key.reveal()})
        return
    tell(by_locale("Der Schlüssel wird nur jetzt gezeigt:", "The key is shown only now:"))
    data(key.reveal())


@app.command("list")
def list_(as_json: _Json = False) -> None:
    """Alle Schlüssel auflisten, auch gesperrte.

    Den Schlüssel selbst kennt niemand mehr.

    Ohne --dry-run: der Befehl schreibt nichts.

    \b
    Beispiel: stadtgrund keys list
    """
    for key in api_keys.known(context.database()):
        if as_json:
            data_json({name: value for name, value in asdict(key).items() if name != "sha256"})
            continue
        end = by_locale("gültig", "valid")
        if key.revoked:
            end = by_locale(f"gesperrt {key.revoked:%d.%m.%Y}", f"revoked {key.revoked:%Y-%m-%d}")
        data(f"{key.label}\t{key.profile}\t{key.created:%Y-%m-%d}\t{end}")


@app.command()
def revoke(label: _Label, dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Einen Schlüssel sperren.

    Er gilt nach höchstens 5 Sekunden nicht mehr.

    \b
    Beispiel: stadtgrund keys revoke Vermessungsamt
    """
    api_keys.revoke(context.database(), label, dry_run=dry_run)
    if as_json:
        data_json({"label": label, "revoked": not dry_run})
        return
    if dry_run:
        tell(by_locale(f"Probe: der Schlüssel von „{label}“ würde gesperrt.", f"Dry run: the key of {label!r} would be revoked."))
    else:
        tell(by_locale(f"Der Schlüssel von „{label}“ ist gesperrt.", f"The key of {label!r} is revoked."))
