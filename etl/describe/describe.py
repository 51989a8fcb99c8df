"""From a source to the contract that loads it."""

from __future__ import annotations

__all__ = ["describe"]

import shutil
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.describe import grids, offers, reading, sources
from etl.describe.decide import Decided, decide
from etl.describe.draft import Draft
from etl.describe.grids import Grid
from etl.describe.names import dataset_title
from etl.describe.reading import Reading
from etl.describe.shapes import Shapes
from etl.describe.sources import Probe, Wanted, stem
from etl.findings import format_count
from stadtgrund.catalog import checks_of_fields, checks_of_source
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SourceError
from stadtgrund.language import say

_ENCODINGS = {"CP1252": "Windows", "CP850": "DOS", "MACINTOSH": "Macintosh"}


def describe(
    source: str,
    deployment: Deployment,
    *,
    dataset: str | None = None,
    layer: str | None = None,
    crs: str | None = None,
    encoding: str | None = None,
) -> Draft:
    """Look at a source and return its contract as a draft (*entwurf*: nobody checked it for protection).

    Parameters
    ----------
    source : str
        Path of a file, a glob, or a folder with one dataset in it.
    dataset : str, optional
        The id; default: from the file's or layer's name.
    layer : str, optional
        Layer or sheet, where there are several.
    crs, encoding : str, optional
        Of the source, where they are known better than the file says.

    Raises
    ------
    SourceError, UsageError
        What is wrong with the source, and what to do.
    """
    scratch = Path(tempfile.mkdtemp(prefix="stadtgrund-init-"))
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", RuntimeWarning)
            probe = sources.probe(source, deployment, Wanted(dataset, layer, crs, encoding), scratch)
            if probe.kind == "raster":
                draft = _raster(probe, grids.read(probe, deployment, crs=crs), deployment)
            else:
                draft = _rows(probe, reading.read(probe, deployment, scratch, crs=crs), deployment)
        draft.notes += dict.fromkeys(f"GDAL meldet: {warning.message}." for warning in told if issubclass(warning.category, RuntimeWarning))
        return draft
    except SourceError as error:
        raise _by_option(error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _by_option(error: SourceError) -> SourceError:
    """Return an error of a reader with what helps here: there is no contract yet that one could write into."""
    for key, remedy in (
        ("encoding", ("Nennen Sie sie mit --encoding, etwa utf-8, cp1252 (Windows) oder cp850 (DOS).", "State it with --encoding.")),
        ("layer", ("Nennen Sie die Ebene mit --layer. ", "State the layer with --layer. ")),
    ):
        if f"source.{key}" in error.remedy or f"source.{key}" in error.what:
            there = error.remedy.replace(f"Nennen Sie source.{key}; v", "V") if key == "layer" else ""
            return SourceError(error.what.replace(f"source.{key}", f"--{key}"), kept=error.kept, remedy=say(*remedy) + there)
    return error


def _head(probe: Probe, what: str) -> Draft:
    name = probe.id
    newest = max(path.stat().st_mtime for path in probe.paths)
    day = f"{datetime.fromtimestamp(newest).astimezone():%d.%m.%Y}"
    title = dataset_title(probe.layer or stem(probe.paths[0]))
    draft = Draft({"id": name, "title": {"de": title}, "description": {"de": f"{what} aus {probe.name}, Stand der Datei {day}."}})
    draft.comments[()] = [
        f"Entwurf von `stadtgrund init`: {probe.name}. Titel und Beschreibung bitte mit eigenen Worten schreiben; was sonst "
        "hier steht, galt beim Lesen für jede Zeile.",
        f"Laden: stadtgrund load {name}. Zu sehen ist es nur für die Verwaltung, bis `stadtgrund release {name}` die Schutzprüfung "
        "festhält.",
        "Zuständigkeit und Lizenz kommen aus deployment.yml; hier gehen responsibility, licence und attribution vor.",
    ]
    return draft


def _raster(probe: Probe, grid: Grid, deployment: Deployment) -> Draft:
    bands = f", {grid.bands} Kanäle" if grid.bands > 1 else ""
    draft = _head(probe, f"Raster mit {grid.width} × {grid.height} Zellen{bands}")
    place = grid.place
    made = {**probe.source, **({"crs": place.code} if place.code else {})}
    draft.comments["source", "crs" if place.code else "location"] = list(place.evidence)
    if grid.nodata is not None and grid.nodata == grid.nodata:
        made["nodata"] = int(grid.nodata) if float(grid.nodata).is_integer() else grid.nodata
        remarks = ["Zellen ohne Wert, aus der Datei."]
        if grid.nodata == 0:
            remarks.append(
                "0 heißt hier „kein Wert“: trocken (oder eben) und unbekannt sind nicht zu unterscheiden. Mit der Quelle klären."
            )
            draft.notes.append(remarks[-1])
        draft.comments["source", "nodata"] = remarks
    elif grid.nodata is None:
        draft.notes.append("Die Datei nennt keinen Wert für „keine Daten“ (nodata); jede Zelle zählt.")
    if grid.unit:
        made["unit"] = grid.unit
    else:
        draft.notes.append("Tragen Sie source.unit ein (etwa m): Ohne Einheit weiß niemand, was eine Zahl bedeutet.")
    draft.values["source"] = made
    draft.notes += place.doubts
    return _verified(draft, deployment)


def _rows(probe: Probe, read: Reading, deployment: Deployment) -> Draft:
    pair = read.pair
    decided = decide(probe, read.columns, read.keys, left_out=(pair.x, pair.y) if pair else (), decimal=pair.decimal if pair else None)
    shapes = read.shapes
    one, many = ("Objekt", "Objekte") if shapes is not None and shapes.kinds else ("Zeile", "Zeilen")
    draft = _head(probe, f"{format_count(decided.rows, one, many)} mit {format_count(len(decided.fields), 'Feld', 'Feldern')}")
    draft.notes += [*probe.notes, *decided.notes]
    draft.values["source"] = _source(draft, probe, read, decided)
    if shapes is not None:
        _geometry(draft, probe, shapes, deployment)
    draft.values["id_field"] = decided.id_field
    draft.comments["id_field",] = [decided.id_reason]
    draft.values["fields"] = [item.as_yaml() for item in decided.fields]
    draft.comments["fields",] = ["required: heute hat jede Zeile einen Wert; eine ohne ihn würde abgelehnt. Titel bitte prüfen."]
    for place, item in enumerate(decided.fields):
        if item.comments:
            draft.comments["fields", place] = item.comments
    offers.add(draft, decided, shapes)
    _tell_reading(draft, read)
    return _verified(draft, deployment)


def _source(draft: Draft, probe: Probe, read: Reading, decided: Decided) -> dict[str, Any]:
    made = dict(probe.source)
    remarks = {key: [text] for key, text in probe.remarks.items()} | decided.remarks
    if probe.kind == "ogr" and read.encoding:
        made["encoding"] = read.encoding
        called = _ENCODINGS.get(read.encoding)
        remarks["encoding"] = [
            "Ohne .cpg nennt das Shapefile seine Zeichenkodierung nicht; nach den Umlauten ist es "
            f"{read.encoding}{f' ({called})' if called else ''}."
        ]
        draft.notes.append(remarks["encoding"][0])
    if decided.decimal and probe.kind == "table":
        made["decimal"] = decided.decimal
    if decided.null_values:
        made["null_values"] = list(decided.null_values)
    if decided.skip_rows:
        made["skip_rows"] = decided.skip_rows
    if read.place is not None and read.shapes is not None:
        if read.pair is not None:
            made |= {"x": read.pair.x, "y": read.pair.y}
            if read.place.swapped:
                remarks["x"] = ["Die Namen sagen es anders herum, aber der Größe nach ist dies der Rechtswert (x, Länge)."]
        if read.place.code:
            made["crs"] = read.place.code
        remarks["crs" if read.place.code else "location"] = list(read.place.evidence)
        draft.notes += read.place.doubts
    for key, texts in remarks.items():
        if key in made:
            draft.comments["source", key] = texts
    return made


def _geometry(draft: Draft, probe: Probe, shapes: Shapes, deployment: Deployment) -> None:
    multiple = any(path.suffix.lower() in (".shp", ".zip") for path in probe.paths)
    declared = shapes.declared(multiple=multiple)
    if declared is None:
        draft.notes.append("Keine Zeile hat eine Geometrie; der Datensatz wird eine Tabelle ohne Ort.")
        for key in ("crs", "x", "y"):
            draft.values["source"].pop(key, None)
            draft.comments.pop(("source", key), None)
        return
    made: dict[str, Any] = {"type": declared, "crs": deployment.crs}
    remarks = ["Gefunden: " + ", ".join(f"{kind.name.title()} ({count})" for kind, count in shapes.kinds.most_common()) + "."]
    present = shapes.rows - shapes.missing
    inside = present - shapes.outside
    if shapes.outside and (shapes.outside > shapes.abroad or not inside):
        made["within"] = "anywhere"
        outside = format_count(shapes.outside, "Objekt liegt", "Objekte liegen")
        remark = f"{outside} außerhalb der box aus deployment.yml; within: deployment würde sie ablehnen."
        remarks.append(remark)
        draft.notes.append(remark + " Ist die box richtig?")
    elif shapes.outside:
        remark = (
            f"{format_count(shapes.outside, 'Objekt liegt', 'Objekte liegen')} nicht in Deutschland; die Ladung lehnt sie ab und zählt sie."
        )
        remarks.append(remark)
        draft.notes.append(remark)
    if shapes.missing:
        draft.notes.append(
            f"{format_count(shapes.missing, 'Zeile hat', 'Zeilen haben')} keine Geometrie; sie sind abrufbar, aber nicht in der Karte."
        )
    if shapes.highest is not None:
        remarks.append(f"Die Quelle hat Höhen (z von {shapes.lowest:g} bis {shapes.highest:g}); dimensions: 3 behielte sie.")
    if shapes.unreadable:
        draft.notes.append(
            f"{format_count(shapes.unreadable, 'Geometrie ist', 'Geometrien sind')} nicht lesbar; "
            "die Ladung schließt offene Ringe oder lehnt ab."
        )
    draft.values["geometry"] = made
    draft.comments["geometry",] = remarks


def _tell_reading(draft: Draft, read: Reading) -> None:
    if read.broken_rows:
        what = format_count(read.broken_rows, "Zeile ist", "Zeilen sind")
        draft.notes.append(f"{what} kaputt und wird nicht geladen: {'; '.join(read.broken)}.")
    if read.curves:
        draft.notes.append(f"{format_count(read.curves, 'Geometrie hat', 'Geometrien haben')} Bögen; sie werden zu Linienzügen.")
    if read.binary:
        draft.notes.append(f"Spalten mit Bytes statt Werten sind ausgelassen: {', '.join(read.binary)}.")


def _verified(draft: Draft, deployment: Deployment) -> Draft:
    """Say what the rules of `check` still find, which a person must settle."""
    contract = Contract.model_validate(draft.values)
    for rule in (*checks_of_fields.RULES, *checks_of_source.RULES):
        if rule is not checks_of_fields.dataset_id and rule is not checks_of_fields.identifiers:
            draft.notes += [f"{'.'.join(map(str, path))}: {message}" for path, message in rule(contract, deployment)]
    return draft
