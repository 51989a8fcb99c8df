"""`stadtgrund load`: read sources, check them, publish them as new versions."""

from __future__ import annotations

__all__ = ["command"]

from typing import Annotated

import typer

from cli import closing, context
from cli.console import data, data_json, tell
from cli.progress import LoadProgress
from stadtgrund.errors import UsageError, by_locale


def command(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]…", help="Die Datensätze; Verbindungen, die sie brauchen, folgen.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Alle Datensätze, in der Reihenfolge ihrer Abhängigkeit.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Auch laden, wenn Quelle und Rezept gleich geblieben sind.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was in welcher Reihenfolge geladen würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Ein JSON-Objekt je Datensatz und Zeile.")] = False,
) -> None:
    """Datensätze laden, prüfen und als neue Version veröffentlichen.

    Ist die Quelle unverändert, wird nichts gelesen. Scheitert eine Ladung, bleibt die bisherige Version online.

    \b
    Beispiel: stadtgrund load schulen kitas
              stadtgrund load --all --json
    """
    if bool(ids) == all_:
        raise UsageError(
            by_locale("Welche Datensätze? Entweder IDs oder --all.", "Which datasets? Either ids or --all."),
            remedy=by_locale("Beispiel: stadtgrund load schulen", "Example: stadtgrund load schulen"),
        )
    from etl import pipeline  # loads GDAL and Arrow: not before the command line is known to be right

    deployment, wrong = context.usable(ids)
    chosen = None if all_ else list(ids or [])
    for dataset in chosen or ():
        deployment.contract(dataset)
    if dry_run:
        for dataset in pipeline.order_of(deployment):
            if chosen is None or dataset in chosen:
                contract = deployment.contract(dataset)
                place = deployment.location(contract) or f"{contract.source.left} + {contract.source.right}"
                if as_json:
                    data_json({"dataset": dataset, "kind": contract.source.kind, "location": place})
                else:
                    data(f"{dataset}: {contract.source.kind}, {place}")
        if wrong and all_:
            tell(by_locale(f"Nicht geladen würden: {', '.join(wrong)}.", f"Not loaded would be: {', '.join(wrong)}."))
            raise typer.Exit(1)
        return
    failed = bool(wrong and all_)
    with LoadProgress() as progress:
        for report in pipeline.load_all(
            context.database(), deployment, chosen, force=force, progress=progress, public_url=context.settings().server.public_url
        ):
            failed = failed or report.status in ("stopped", "failed")
            if as_json:
                data_json(report.line())
                if report.error:
                    tell(" ".join(part for part in (report.error, report.kept, report.next_step) if part))
            else:
                progress.pause()
                data(report.text())
    context.check_again()  # what was closed meanwhile counts
    failed = not closing.close(context.database(), chosen) or failed
    if wrong and all_:
        tell(by_locale(f"Nicht geladen: {', '.join(wrong)}.", f"Not loaded: {', '.join(wrong)}."))
    if failed:
        raise typer.Exit(1)
