"""`stadtgrund init`: look at a source and print the contract that loads it."""

from __future__ import annotations

__all__ = ["command"]

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json, tell
from cli.output import as_file
from stadtgrund.catalog.registry import Deployment, read_documents
from stadtgrund.errors import ContractError, UsageError, by_locale


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="QUELLE", help="Datei (Geodaten, CSV, XLSX, Raster), Muster oder Ordner mit einer Datei.", show_default=False
        ),
    ],
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="Name des Datensatzes; sonst nach Datei oder Ebene.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="Ebene oder Tabellenblatt, wenn es mehrere gibt.")] = None,
    crs: Annotated[
        str | None, typer.Option("--crs", metavar="EPSG:NUMMER", help="Bezugssystem der Quelle, wenn sie es nicht oder falsch nennt.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Zeichenkodierung, wenn sie nicht zu erkennen ist, etwa cp1252.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="DATEI", help="In eine Datei schreiben; ein bloßer Name liegt in datasets/.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON: Vertrag, Hinweise, Datei.")] = False,
) -> None:
    """Eine Quelle einmal ganz lesen und den Vertrag ausgeben, mit dem `load` sie lädt.

    Er ist ein Entwurf: Titel und Beschreibung sind Platzhalter, die Schutzprüfung fehlt. Was darin steht, galt für jede gelesene Zeile;
    Kommentare sagen, woran es zu erkennen war. Auf stderr steht, was ein Mensch ansehen sollte.

    \b
    Beispiel: stadtgrund init stadtteile.shp --config ~/kaiserslautern --output stadtteile.yaml
              stadtgrund init plan.gpkg --config ~/kaiserslautern --layer schulen --id schulen
    """
    deployment = _deployment()
    target = _target(output, id_, deployment) if output else None
    if target is not None and id_ is None:
        id_ = target.stem
    if id_ is not None and (not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", id_) or id_.startswith("sg_")):
        raise UsageError(
            by_locale(f"„{id_}“ kann keine id sein.", f"“{id_}” cannot be an id."),
            remedy=by_locale(
                "Erlaubt: a-z, 0-9 und _, höchstens 48 Zeichen, vorn ein Buchstabe, nicht sg_; etwa stadtteile.",
                "Allowed: a-z, 0-9 and _, at most 48 characters, a letter first, not sg_; such as stadtteile.",
            ),
        )
    if crs is not None:
        crs = _crs(crs)
    from etl.describe.describe import describe  # loads GDAL and Arrow: not before the command line is known to be right

    draft = describe(source, deployment, dataset=id_, layer=layer, crs=crs, encoding=encoding)
    text = draft.text()
    facts = {"dataset": draft.id, "contract": draft.values, "notes": draft.notes}
    if target is not None:
        as_file(target, text, dry_run=dry_run, as_json=as_json, make_folder=True, **facts)
    elif as_json:
        data_json({**facts, "yaml": text})
    else:
        data(text.rstrip("\n"))
    if as_json:
        return
    for note in draft.notes:
        tell(f"– {note}")
    _tell_next(deployment, draft.id, target)


def _deployment() -> Deployment:
    """Return the deployment as far as it can be read: a contract that is broken, or just being written, does not matter here."""
    wanted = context.settings().deployment
    documents = read_documents(wanted.config, wanted.data)
    if documents.deployment is None:
        raise ContractError(documents.problems)
    return documents.deployment


def _target(output: str, id_: str | None, deployment: Deployment) -> Path | None:
    if output == "-":
        return None
    path = Path(output)
    if path.suffix.lower() not in (".yaml", ".yml"):
        path = path.with_name(f"{path.name}.yaml")
    if path.parent == Path():
        path = deployment.folder / "datasets" / path
    if id_ is not None and path.stem != id_:
        raise UsageError(
            by_locale(f"--output {path.name} und --id {id_} passen nicht.", f"--output {path.name} and --id {id_} do not match."),
            remedy=by_locale(f"Die Datei heißt wie die id: --output {id_}.yaml", f"The file is named after the id: --output {id_}.yaml"),
        )
    if path.exists():
        raise UsageError(
            by_locale(f"{path} gibt es schon.", f"{path} exists."),
            kept=by_locale("Die Datei ist unverändert.", "The file is unchanged."),
            remedy=by_locale(
                "Anderer Name mit --id und --output, oder die Datei vorher entfernen.", "Choose another name, or remove it first."
            ),
        )
    return path


def _crs(text: str) -> str:
    wanted = text.strip().upper()
    wanted = f"EPSG:{wanted}" if wanted.isdigit() else wanted
    if not re.fullmatch(r"EPSG:\d{4,6}|OGC:CRS84", wanted):
        raise UsageError(
            by_locale(f"--crs {text} ist kein Bezugssystem.", f"--crs {text} is no CRS."),
            remedy=by_locale("Erlaubt: EPSG:<Nummer>, etwa EPSG:25832.", "Allowed: EPSG:<number>, such as EPSG:25832."),
        )
    return wanted


def _tell_next(deployment: Deployment, dataset: str, target: Path | None) -> None:
    config = shlex.quote(str(context.settings().deployment.config))
    if target is None:
        tell(
            by_locale(
                f"Speichern als: {deployment.folder / 'datasets' / dataset}.yaml",
                f"Save it as: {deployment.folder / 'datasets' / dataset}.yaml",
            )
        )
        if dataset in deployment.contracts:
            tell(
                by_locale(
                    f"Achtung: „{dataset}“ gibt es dort schon; --id wählt einen anderen Namen.",
                    f"Note: “{dataset}” is there already; --id names it anew.",
                )
            )
    tell(by_locale(f"Laden und ausliefern: make run CONFIG={config}", f"Load and serve: make run CONFIG={config}"))
    tell(
        by_locale(
            f"Entwurf, nur für die Verwaltung zu sehen; danach: stadtgrund --config {config} release {dataset}",
            f"A draft, seen by the administration only; then: stadtgrund --config {config} release {dataset}",
        )
    )
