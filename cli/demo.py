"""`stadtgrund demo`: make the state in which a demonstration begins, or make it again."""

from __future__ import annotations

__all__ = ["command", "write_deployment"]

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json, tell
from cli.progress import LoadProgress
from cli.run import demo_is_outdated, stamp_of_demo
from demo import deliveries
from stadtgrund.errors import StadtgrundError, UsageError, by_locale
from stadtgrund.settings import ROOT
from stadtgrund.store import embedded, removal
from stadtgrund.store.database import Database

_SOURCE = ROOT / "pygeoapi-config" / "musterstadt"
_DRAFT = "denkmale"
"""The dataset that nobody has checked yet when the demonstration begins."""


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was ersetzt würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")] = False,
) -> None:
    """Die Vorführung vorbereiten: ein eigener Ordner var/demo und eine eigene Datenbank, frisch geladen.

    Ein zweiter Aufruf stellt den Anfang wieder her. Musterstadt selbst und ihre Verträge bleiben, wie sie sind.
    Das Drehbuch steht in docs/demo.md.

    \b
    Beispiel: stadtgrund demo
    """
    settings = context.settings()
    city, folder = settings.paths.var / "musterstadt", settings.paths.var / "demo"
    if settings.database.url is not None:
        raise UsageError(
            by_locale("Die Vorführung braucht die private Datenbank.", "The demonstration needs the private database."),
            remedy=by_locale("Rufen Sie den Befehl ohne DATABASE_URL auf.", "Call the command without DATABASE_URL."),
        )
    name = Database.at(settings, folder.name).name
    if dry_run:
        if as_json:
            data_json({"folder": folder, "database": name, "replaces": folder.exists(), "dry_run": True})
        else:
            data(
                by_locale(
                    f"Probe: {folder} und die Datenbank {name} würden neu gemacht.", f"Dry run: {folder} and {name} would be made anew."
                )
            )
        return
    cluster = embedded.locate(settings.paths)
    was_running = embedded.status(cluster).running
    try:
        removal.remove(settings, folder)
        _generate(city)
        write_deployment(folder, city)
        _load(folder)
    finally:
        if not was_running:
            embedded.stop(cluster)
    if as_json:
        data_json({"folder": folder, "database": name, "dry_run": False})
    else:
        _tell(folder)


def _generate(city: Path) -> None:
    if not demo_is_outdated(city):
        return
    tell(by_locale("Die Demostadt wird erzeugt …", "Generating the demo city …"))
    city.mkdir(parents=True, exist_ok=True)
    if subprocess.run([sys.executable, "-m", "demo", city], check=False, stdin=subprocess.DEVNULL).returncode:
        raise StadtgrundError(by_locale("Die Demostadt ließ sich nicht erzeugen.", "The demo city could not be generated."))
    (city / ".stand").write_text(stamp_of_demo())


def _load(folder: Path) -> None:
    from etl import pipeline  # loads GDAL and Arrow: not before the files are there

    context.configure(folder, debug=context.debug())
    failed = []
    with LoadProgress() as progress:
        for report in pipeline.load_all(context.database(), context.deployment(), progress=progress):
            if report.status in ("stopped", "failed"):
                failed.append(report.dataset)
                progress.pause()
                tell(report.text())
    if failed:
        raise StadtgrundError(
            by_locale(f"Nicht geladen sind: {', '.join(failed)}.", f"Not loaded are: {', '.join(failed)}."),
            remedy=by_locale("Die Berichte darüber sagen, woran es liegt.", "The reports above say why."),
        )


def write_deployment(folder: Path, city: Path) -> None:
    """Write the demonstration's deployment folder: Musterstadt's contracts, a copy of its files, two faulty deliveries.

    What lay in `folder` is replaced. One dataset, `denkmale`, is without its protection check.
    """
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(_SOURCE, folder, ignore=shutil.ignore_patterns("pygeoapi.yml"))
    shutil.copytree(city, folder / "data", ignore=shutil.ignore_patterns(".stand"))
    deliveries.write(city / "baustellen.geojson", folder / "lieferung")
    _replace(folder / "deployment.yml", r"^data: .*$", "data: data")
    _replace(folder / "datasets" / f"{_DRAFT}.yaml", r"^protection:\n(?: .*\n)+", "")


def _replace(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count == 1, f"{path}: {pattern}"
    path.write_text(changed, encoding="utf-8")


def _tell(folder: Path) -> None:
    shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    data(by_locale(f"Alles steht bereit in {shown}.", f"Everything is ready in {shown}."))
    data(by_locale(f"  Ausliefern  make run CONFIG={shown}", f"  Serve  make run CONFIG={shown}"))
    data(by_locale("  Drehbuch    docs/demo.md", "  Script docs/demo.md"))
