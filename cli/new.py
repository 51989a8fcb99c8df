"""`stadtgrund new`: a deployment folder for a city, outside this checkout."""

from __future__ import annotations

__all__ = ["command"]

import re
import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli.console import data, data_json, tell
from stadtgrund.catalog import checks
from stadtgrund.catalog.skeleton import LAENDER, Skeleton, ags_of, crs_of
from stadtgrund.errors import ContractError, StadtgrundError, UsageError, by_locale
from stadtgrund.settings import ROOT

_STORAGE = ("EPSG:25832", "EPSG:25833")


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="ORDNER", help="Der neue Ordner; sein Name wird der des Deployments.", show_default=False)
    ],
    ags: Annotated[
        str, typer.Option("--ags", metavar="SCHLÜSSEL", help="Amtlicher Gemeindeschlüssel der Stadt, 8 Ziffern.", show_default=False)
    ],
    title: Annotated[str | None, typer.Option("--title", metavar="NAME", help="Wie die Stadt heißt; sonst der Name des Ordners.")] = None,
    crs: Annotated[
        str | None, typer.Option("--crs", metavar="EPSG:25832|EPSG:25833", help="Speicher-Koordinatensystem; sonst das des Landes.")
    ] = None,
    box: Annotated[
        str | None, typer.Option("--box", metavar="W,S,O,N", help="Ausdehnung der Stadt in Grad; sonst ganz Deutschland.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur prüfen und zeigen, was angelegt würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Als eine Zeile JSON.")] = False,
) -> None:
    """Einen Deployment-Ordner für eine Stadt anlegen: deployment.yml, server.yml, profiles.yml, Ordner für Verträge.

    Er liegt außerhalb dieses Klons und gehört in die Versionsverwaltung der Stadt. Ein Ordner, in dem schon etwas liegt, bleibt unberührt.

    \b
    Beispiel: stadtgrund new ~/kaiserslautern --ags 07312000 --title Kaiserslautern --box 7.6,49.3,7.9,49.5
    """
    place = folder.expanduser().absolute()
    skeleton = Skeleton(place, ags_of(ags), (title or _titled(place.name)).strip(), _storage(crs, ags_of(ags)), _box(box) if box else None)
    _refuse(place)
    if not skeleton.title:
        raise UsageError(by_locale("--title ist leer.", "--title is empty."), remedy="--title Kaiserslautern")
    if dry_run:
        with tempfile.TemporaryDirectory() as aside:
            _write(skeleton, Path(aside) / place.name)
    else:
        _write(skeleton, place)
    if as_json:
        known = {"ags": skeleton.ags, "title": skeleton.title, "crs": skeleton.crs, "box": skeleton.box}
        data_json({"folder": place, **known, "files": sorted(skeleton.files()), "written": not dry_run})
        return
    data(str(place))
    if dry_run:
        files = ", ".join(sorted(skeleton.files()))
        tell(by_locale(f"Probe, nichts angelegt. Angelegt würden: {files}.", f"Dry run, nothing was made. It would have: {files}."))
        return
    shown = shlex.quote(str(place))
    tell(
        by_locale(
            f"{skeleton.title}: {LAENDER[skeleton.ags[:2]]}, AGS {skeleton.ags}, gespeichert wird in {skeleton.crs}.",
            f"{skeleton.title}: {LAENDER[skeleton.ags[:2]]}, AGS {skeleton.ags}, stored in {skeleton.crs}.",
        )
    )
    if skeleton.box is None:
        tell(
            by_locale(
                "Die box ist ganz Deutschland; bitte in deployment.yml enger fassen.",
                "The box is all of Germany; narrow it in deployment.yml.",
            )
        )
    tell(by_locale("Als Nächstes:", "Next:"))
    tell(f"  stadtgrund --config {shown} init /pfad/zu/stadtteile.shp --output stadtteile.yaml")
    tell(f"  make run CONFIG={shown}")


def _write(skeleton: Skeleton, place: Path) -> None:
    """Write the folder, and check it as `stadtgrund check` does."""
    try:
        for name in ("datasets", "keys", "styles"):
            (place / name).mkdir(parents=True, exist_ok=True)
        for name, text in skeleton.files().items():
            (place / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StadtgrundError(
            by_locale(f"{place} lässt sich nicht anlegen: {error.strerror}.", f"{place} cannot be made: {error.strerror}."),
            remedy=by_locale("Nennen Sie einen anderen Ort.", "Name another place."),
        ) from error
    problems = checks.check(place)
    if problems:
        raise ContractError(problems)


def _titled(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[\s_-]+", name) if word)


def _refuse(place: Path) -> None:
    """Refuse a folder that is not empty, and a name that a deployment of this checkout has: the database is named after it."""
    if place.exists() and not place.is_dir():
        raise UsageError(
            by_locale(f"{place} ist eine Datei.", f"{place} is a file."), remedy=by_locale("Nennen Sie einen Ordner.", "Name a folder.")
        )
    if place.is_dir() and any(place.iterdir()):
        raise UsageError(
            by_locale(f"In {place} liegt schon etwas.", f"{place} is not empty."),
            kept=by_locale("Nichts wurde geändert.", "Nothing was changed."),
            remedy=by_locale("Nennen Sie einen neuen oder leeren Ordner.", "Name a new or empty folder."),
        )
    if place == ROOT or place.is_relative_to(ROOT):
        raise UsageError(
            by_locale(f"{place} liegt in diesem Klon.", f"{place} is inside this checkout."),
            remedy=by_locale(
                f"Ein Deployment liegt daneben, etwa {ROOT.parent / place.name}: So bleibt der Klon aktualisierbar.",
                f"A deployment lies beside it, such as {ROOT.parent / place.name}, so that the checkout can be updated.",
            ),
        )
    if (ROOT / "pygeoapi-config" / place.name).is_dir():
        raise UsageError(
            by_locale(
                f"„{place.name}“ heißt schon ein Deployment dieses Klons.", f"A deployment of this checkout is called “{place.name}”."
            ),
            remedy=by_locale(
                "Die Datenbank heißt wie der Ordner: Nennen Sie ihn anders.", "The database has the folder's name: choose another."
            ),
        )


def _storage(crs: str | None, ags: str) -> str:
    if crs is None:
        return crs_of(ags)
    wanted = crs if crs.upper().startswith("EPSG:") else f"EPSG:{crs}"
    if wanted.upper() not in _STORAGE:
        raise UsageError(
            by_locale(f"--crs {crs} ist kein Speicher-Koordinatensystem.", f"--crs {crs} is no storage CRS."),
            remedy=by_locale(
                f"Erlaubt sind {' und '.join(_STORAGE)}; Quellen in anderen Systemen rechnet die Ladung um.",
                f"Allowed are {' and '.join(_STORAGE)}; a load transforms sources in others.",
            ),
        )
    return wanted.upper()


def _box(text: str) -> tuple[float, float, float, float]:
    """Return "W,S,E,N" in degrees as numbers, plausible for Germany."""
    try:
        west, south, east, north = (float(part) for part in text.replace(";", ",").split(","))
    except ValueError:
        raise _wrong_box(text) from None
    if not (5 < west < east < 16 and 47 < south < north < 56):
        raise _wrong_box(text)
    return west, south, east, north


def _wrong_box(text: str) -> UsageError:
    return UsageError(
        by_locale(f"--box {text} ist kein Ausschnitt in Deutschland.", f"--box {text} is no box in Germany."),
        remedy=by_locale(
            "Erlaubt: West,Süd,Ost,Nord in Grad mit Dezimalpunkt, etwa 7.6,49.3,7.9,49.5.",
            "Allowed: west,south,east,north in degrees, such as 7.6,49.3,7.9,49.5.",
        ),
    )
