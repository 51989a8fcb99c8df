"""From what a source showed to a contract: values, the comments that explain them, and notes for whoever called."""

from __future__ import annotations

__all__ = ["Draft", "describe"]

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.describe import grids, reading, sources
from etl.describe.decide import Decided, FieldDraft, decide
from etl.describe.grids import Grid
from etl.describe.names import dataset_name, dataset_title
from etl.describe.reading import Reading
from etl.describe.shapes import Shapes
from etl.describe.sources import Probe
from etl.findings import format_count
from stadtgrund.catalog import checks_of_fields, checks_of_source, contract_text
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment

_START = r"^(beginn|von|start|anfang|ab|from|begin|gueltig_von|datum_von|baubeginn|gueltig_ab|beginn_datum|startdatum|.*_(von|beginn|anfang|start)(_.*)?)$"
_END = r"^(ende|bis|end|to|gueltig_bis|datum_bis|bauende|enddatum|ende_datum|.*_(bis|ende|end)(_.*)?)$"
_INSTANT = r"(^|_)(datum|stichtag|stand|zeitpunkt|zeit|date|am|tag)(_|$)|datum$"
_NAME = r"^(name|bezeichnung|titel|title)$|(^|_)(name|bezeichnung|titel)$|name$"
_ENCODINGS = {"CP1252": "Windows", "CP850": "DOS", "MACINTOSH": "Macintosh"}


@dataclass
class Draft:
    """A contract that loads: `values` in the order of the file, `comments` by path, `notes` (German) for the terminal."""

    values: dict[str, Any]
    comments: dict[tuple[str | int, ...], list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The dataset's id."""
        return str(self.values["id"])

    def text(self) -> str:
        """Return the YAML."""
        return contract_text.write(self.values, self.comments)


def describe(source: str, deployment: Deployment, *, dataset: str | None = None, layer: str | None = None, crs: str | None = None) -> Draft:
    """Look at a source and return its contract as a draft (*entwurf*: nobody checked it for protection).

    Parameters
    ----------
    source : str
        Path of a file, a glob, or a folder with one dataset in it.
    dataset : str, optional
        The id; default: from the file's or layer's name.
    layer : str, optional
        Layer or sheet, where there are several.
    crs : str, optional
        CRS of the source, where it is known better than the file says.

    Raises
    ------
    SourceError, UsageError
        What is wrong with the source, and what to do.
    """
    scratch = Path(tempfile.mkdtemp(prefix="stadtgrund-init-"))
    try:
        probe = sources.probe(source, deployment, layer, scratch)
        name = dataset or dataset_name(probe.layer or _stem(probe.paths[0]))
        if probe.kind == "raster":
            return _raster(probe, name, grids.read(probe, deployment, crs=crs), deployment)
        return _rows(probe, name, reading.read(probe, deployment, scratch, crs=crs), deployment)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _head(probe: Probe, name: str, what: str) -> Draft:
    newest = max(path.stat().st_mtime for path in probe.paths)
    day = f"{datetime.fromtimestamp(newest).astimezone():%d.%m.%Y}"
    title = dataset_title(probe.layer or _stem(probe.paths[0]))
    draft = Draft({"id": name, "title": {"de": title}, "description": {"de": f"{what} aus {probe.name}, Stand der Datei {day}."}})
    draft.comments[()] = [
        f"Entwurf von `stadtgrund init`: {probe.name}. Titel und Beschreibung bitte mit eigenen Worten schreiben; was sonst "
        "hier steht, galt beim Lesen für jede Zeile.",
        f"Laden: stadtgrund load {name}. Zu sehen ist er nur für die Verwaltung, bis `stadtgrund release {name}` die Schutzprüfung festhält.",
        "Zuständigkeit und Lizenz kommen aus deployment.yml; hier gehen responsibility, licence und attribution vor.",
    ]
    return draft


def _raster(probe: Probe, name: str, grid: Grid, deployment: Deployment) -> Draft:
    bands = f", {grid.bands} Kanäle" if grid.bands > 1 else ""
    draft = _head(probe, name, f"Raster mit {grid.width} × {grid.height} Zellen{bands}")
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


def _rows(probe: Probe, name: str, read: Reading, deployment: Deployment) -> Draft:
    pair = read.pair
    decided = decide(probe, read.columns, read.keys, left_out=(pair.x, pair.y) if pair else (), decimal=pair.decimal if pair else None)
    shapes = read.shapes
    kind = "Objekte" if shapes is not None and shapes.kinds else "Zeilen"
    draft = _head(
        probe,
        name,
        f"{format_count(decided.rows, kind.rstrip('en') if decided.rows == 1 else kind, kind)} mit {len(decided.fields)} Feldern",
    )
    draft.notes += [*probe.notes, *decided.notes]
    draft.values["source"] = _source(draft, probe, read, decided)
    if shapes is not None:
        _geometry(draft, probe, shapes, deployment)
    draft.values["id_field"] = decided.id_field
    draft.comments["id_field",] = decided.remarks["id_field"]
    draft.values["fields"] = [item.as_yaml() for item in decided.fields]
    draft.comments["fields",] = ["required: heute hat jede Zeile einen Wert; eine ohne ihn würde abgelehnt. Titel bitte prüfen."]
    for place, item in enumerate(decided.fields):
        if item.comments:
            draft.comments["fields", place] = item.comments
    _temporal(draft, decided.fields)
    _sortables(draft, decided)
    _quality(draft, shapes, decided.rows)
    if "geometry" in draft.values:
        draft.values["publish"] = {"tiles": _tiles(draft.values["geometry"]["type"], decided)}
    _tell_reading(draft, read)
    return _verified(draft, deployment)


def _source(draft: Draft, probe: Probe, read: Reading, decided: Decided) -> dict[str, Any]:
    made = dict(probe.source)
    remarks = {key: [text] for key, text in probe.remarks.items()} | decided.remarks
    if probe.kind == "ogr" and read.encoding:
        made["encoding"] = read.encoding
        called = _ENCODINGS.get(read.encoding)
        remarks["encoding"] = [
            f"Ohne .cpg nennt das Shapefile seine Zeichenkodierung nicht; nach den Umlauten ist es {read.encoding}{f' ({called})' if called else ''}."
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
        remark = f"{format_count(shapes.outside, 'Objekt liegt', 'Objekte liegen')} außerhalb der box aus deployment.yml; within: deployment würde sie ablehnen."
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
            f"{format_count(shapes.unreadable, 'Geometrie ist', 'Geometrien sind')} nicht lesbar; die Ladung schließt offene Ringe oder lehnt ab."
        )
    draft.values["geometry"] = made
    draft.comments["geometry",] = remarks


def _temporal(draft: Draft, fields: list[FieldDraft]) -> None:
    dated = [item for item in fields if item.type in ("date", "datetime")]
    for start in dated:
        for end in dated:
            if start.type == end.type and re.match(_START, start.name) and re.match(_END, end.name):
                draft.values["temporal"] = {"start": start.name, "end": end.name}
                draft.comments["temporal",] = ["Nach den Namen der Beginn und das Ende; beide Tage gehören dazu."]
                return
    moments = [item for item in dated if re.search(_INSTANT, item.name)] or (dated if len(dated) == 1 else [])
    if len(moments) == 1 and not re.match(_END, moments[0].name):
        draft.values["temporal"] = {"instant": moments[0].name}
        draft.comments["temporal",] = ["Das Feld, nach dem der Parameter datetime sucht."]


def _sortables(draft: Draft, decided: Decided) -> None:
    named = [item.name for item in decided.fields if item.type == "string" and re.search(_NAME, item.name)][:1]
    ids = decided.id_field
    chosen = [*([ids["column"]] if "column" in ids else ids.get("columns", [])), *named, *draft.values.get("temporal", {}).values()]
    if chosen:
        draft.values["sortables"] = list(dict.fromkeys(chosen))


def _quality(draft: Draft, shapes: Shapes | None, rows: int) -> None:
    rules: list[dict[str, Any]] = []
    if shapes is not None and shapes.kinds:
        if shapes.invalid:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(shapes.reasons.items(), key=lambda pair: -pair[1])[:4])
            rules.append({"rule": "valid_geometry", "on_fail": "repair"})
            what = format_count(shapes.invalid, "Geometrie ist", "Geometrien sind")
            draft.comments["quality", 0] = [f"{what} ungültig: {reasons}."]
            draft.notes.append(
                f"{what} ungültig und wird bei der Ladung repariert ({reasons})."
                if shapes.invalid == 1
                else f"{what} ungültig und werden bei der Ladung repariert ({reasons})."
            )
        elif any(kind.name not in ("POINT", "MULTIPOINT") for kind in shapes.kinds):
            rules.append({"rule": "valid_geometry", "on_fail": "report"})
    if rows >= 20:
        rules.append({"rule": "row_count", "drop_max": 0.3, "on_fail": "stop"})
        draft.comments["quality", len(rules) - 1] = ["Eine Lieferung mit 30 % weniger Zeilen hält die Ladung an; die alte Version bleibt."]
    if rules:
        draft.values["quality"] = rules


def _tiles(kind: str, decided: Decided) -> dict[str, Any]:
    smallest = next((zoom for limit, zoom in ((500, 6), (5_000, 8), (50_000, 10), (200_000, 12)) if decided.rows <= limit), 13)
    largest = 16 if kind in ("Point", "MultiPoint") or decided.rows > 5_000 else 15
    made: dict[str, Any] = {"zoom": [smallest, max(largest, smallest)]}
    ids = decided.id_field
    few = [*([ids["column"]] if "column" in ids else ids.get("columns", []))]
    few += [item.name for item in decided.fields if item.type == "string" and re.search(_NAME, item.name)][:1]
    if len(decided.fields) > 8 and few:
        made["fields"] = {"<13": list(dict.fromkeys(few))}
    return made


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
