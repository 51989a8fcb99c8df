"""What kind of source a path is, which layers it has, and which columns: all that must be known before its rows are read."""

from __future__ import annotations

__all__ = ["Probe", "Wanted", "location_of", "minimal", "probe", "stem"]

import glob
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyogrio
from pyogrio.errors import DataSourceError, GeometryError

from etl.describe import heads
from etl.describe.names import dataset_name
from etl.extract import drivers
from etl.extract.ogr import opened
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SourceError, UsageError, nearest
from stadtgrund.language import say

Kind = Literal["ogr", "table", "raster"]

_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".xlsx", ".xlsm")
_VECTORS = (".shp", ".gpkg", ".geojson", ".json", ".gml", ".xml", ".kml", ".fgb", ".tab", ".sqlite")
_OTHERS = {
    ".xls": ("ein altes Excel-Format", "in der Tabellenkalkulation als .xlsx speichern"),
    ".ods": ("eine OpenDocument-Tabelle", "in der Tabellenkalkulation als .xlsx oder .csv speichern"),
    ".dwg": ("eine AutoCAD-Zeichnung", "im CAD-Programm als DXF oder GeoPackage ausgeben"),
    ".tar.gz": ("ein Archiv", "vorher auspacken"),
    ".tgz": ("ein Archiv", "vorher auspacken"),
    ".tar": ("ein Archiv", "vorher auspacken"),
    ".7z": ("ein Archiv", "vorher auspacken"),
    ".rar": ("ein Archiv", "vorher auspacken"),
    ".pdf": ("ein PDF", "die Daten dahinter als Tabelle oder Geodaten-Datei besorgen"),
    ".lyr": ("ein Stil ohne Daten", "die Datei nennen, die er zeichnet"),
    ".qgz": ("ein QGIS-Projekt ohne Daten", "die Datei der Ebene nennen"),
    ".qgs": ("ein QGIS-Projekt ohne Daten", "die Datei der Ebene nennen"),
    ".vrt": ("ein Verweis auf andere Dateien", "die Daten selbst ausgeben: Vektoren als GeoPackage, Raster als GeoTIFF"),
    ".parquet": ("GeoParquet", "mit ogr2ogr oder QGIS als GeoPackage ausgeben"),
}
_BESIDE = (".shp.xml", ".tif.xml", ".aux.xml", ".gdb.xml")
_PARTS = (".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qpj")


@dataclass
class Probe:
    """A source that can be opened: its kind, its files, the keys of the contract's `source` that reading needs, and its columns."""

    kind: Kind
    paths: tuple[Path, ...]
    name: str
    """What people call it: the file, and the layer where there are several."""
    source: dict[str, Any]
    columns: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    """Longer titles of columns, from header rows above the names."""
    remarks: dict[str, str] = field(default_factory=dict)
    """Key of `source` → why it is so (German)."""
    notes: list[str] = field(default_factory=list)
    layer: str | None = None
    id: str = "quelle"
    """What the dataset will be called, for messages of the readers."""


@dataclass(frozen=True)
class Wanted:
    """What the person at the command line said beside the path."""

    dataset: str | None = None
    layer: str | None = None
    crs: str | None = None
    encoding: str | None = None


def probe(text: str, deployment: Deployment, wanted: Wanted, scratch: Path) -> Probe:
    """Return what a path (or glob, or folder with one dataset) is.

    Raises
    ------
    SourceError, UsageError
        It is nothing that can be read, or has several layers and none is chosen; with what to do.
    """
    paths = _paths(text)
    first, layer = paths[0], wanted.layer
    location = location_of(text if len(paths) > 1 else str(first), deployment)
    suffix = "".join(first.suffixes[-2:]).lower() if first.suffix.lower() == ".gz" else first.suffix.lower()
    if suffix in _OTHERS:
        what, remedy = _OTHERS[suffix]
        raise SourceError(
            say(f"{first.name} ist {what}; das liest diese Version nicht.", f"{first.name}: this version does not read {suffix}."),
            remedy=say(f"Abhilfe: {remedy}.", "Export it as GeoPackage, CSV or XLSX first."),
        )
    if suffix in _TABLES:
        made = _table(paths, location, wanted)
    elif suffix in drivers.RASTERS:
        made = Probe("raster", paths, first.name, {"kind": "raster", "location": location})
    else:
        if suffix == ".zip":
            _check_zip(first, layer)
        made = _vector(paths, location, wanted, scratch)
    made.id = wanted.dataset or dataset_name(made.layer or stem(first))
    return made


def stem(path: Path) -> str:
    """Return a file's name without what says its format."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _paths(text: str) -> tuple[Path, ...]:
    if "://" in text:
        raise UsageError(
            say(f"{text} ist eine Adresse; diese Version liest Dateien.", f"{text} is an address; this version reads files."),
            remedy=say(
                "Speichern Sie den Dienst vorher als Datei, etwa in QGIS (Ebene › Speichern als › GeoPackage) oder mit ogr2ogr.",
                "Save it to a file first, e.g. by ogr2ogr.",
            ),
        )
    path = Path(text)
    if path.suffix.lower() in _PARTS and path.with_suffix(".shp").is_file():
        path = path.with_suffix(".shp")
    if path.is_dir() and path.suffix.lower() != ".gdb":
        return (_only_one_in(path),)
    if path.exists():
        return (path.resolve(),)
    found = tuple(Path(name).resolve() for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file())
    if not found:
        folder = path.parent
        while not folder.is_dir():
            folder = folder.parent
        names = sorted(item.name for item in folder.iterdir())
        shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
        guess = nearest(path.name, names)
        meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
        raise UsageError(
            say(f"Die Quelle {text} gibt es nicht.{meant}", f"The source {text} does not exist.{meant}"),
            remedy=say(f"In {folder} liegen: {shown or '(nichts)'}.", f"In {folder} there are: {shown or '(nothing)'}."),
        )
    return found


def _only_one_in(folder: Path) -> Path:
    kinds = (*_TABLES, *drivers.RASTERS, *_VECTORS, ".zip", ".gdb")
    readable = [item for item in sorted(folder.iterdir()) if item.name.lower().endswith(kinds) and not item.name.lower().endswith(_BESIDE)]
    if len(readable) != 1:
        shown = ", ".join(item.name for item in readable[:20]) or say("(keine)", "(none)")
        raise UsageError(
            say(f"{folder} ist ein Ordner.", f"{folder} is a folder."),
            remedy=say(f"Nennen Sie eine Datei darin: {shown}.", f"Name a file in it: {shown}."),
        )
    return readable[0].resolve()


def location_of(text: str, deployment: Deployment) -> str:
    """Return a path as a contract names it: by `${DATA}` or relative to the deployment where it lies there, else in full."""
    path = Path(text).absolute() if any(sign in text for sign in "*?[") else Path(text).resolve()
    if path.is_relative_to(deployment.data):
        return "${DATA}/" + path.relative_to(deployment.data).as_posix()
    if path.is_relative_to(deployment.folder):
        return path.relative_to(deployment.folder).as_posix()
    return str(path)


def _table(paths: tuple[Path, ...], location: str, wanted: Wanted) -> Probe:
    head = heads.read(paths[0], wanted.layer, wanted.encoding)
    if not head.columns:
        raise SourceError(
            say(f"{paths[0].name} hat keine Spalte mit einem Namen.", f"{paths[0].name} has no column with a name."),
            remedy=say("Prüfen Sie, ob es die richtige Datei ist.", "Check that it is the right file."),
        )
    name = f"{paths[0].name}, Blatt {head.source['sheet']}" if "sheet" in head.source else paths[0].name
    made = {"kind": "table", "location": location, **head.source}
    return Probe("table", paths, name, made, head.columns, head.labels, head.remarks, head.notes, head.source.get("sheet"))


def _check_zip(path: Path, layer: str | None) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX") and not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise SourceError(
            say(f"{path.name} ist kein lesbares ZIP.", f"{path.name} is not a readable ZIP."),
            remedy=say("Lassen Sie sich die Datei neu geben.", "Ask for the file again."),
        ) from error
    members = [name for name in names if name.lower().endswith(_VECTORS)]
    if not members:
        shown = ", ".join(names[:12]) or say("(nichts)", "(nothing)")
        raise SourceError(
            say(f"In {path.name} ist keine Geodaten-Datei, sondern: {shown}.", f"{path.name} has no vector file but: {shown}."),
            remedy=say(
                "Packen Sie das ZIP aus und nennen Sie die Datei darin; Tabellen und Raster werden nur ausgepackt gelesen.",
                "Unpack it and name the file in it.",
            ),
        )
    if len(members) > 1 and layer is None:
        raise _several(path.name, [Path(name).stem for name in members])


def _vector(paths: tuple[Path, ...], location: str, wanted: Wanted, scratch: Path) -> Probe:
    first, layer = paths[0], wanted.layer
    source: dict[str, Any] = {"kind": "ogr", "location": location}
    if wanted.encoding:
        source["encoding"] = wanted.encoding
    chosen = layer
    if first.suffix.lower() != ".zip":
        layers = _layers(first, scratch)
        if layer is None and len(layers) > 1:
            raise _several(first.name, [f"{name} ({kind})" if kind else f"{name} (ohne Geometrie)" for name, kind in layers])
        if len(layers) > 1 or layer is not None:
            if layer not in {name for name, _ in layers}:
                raise UsageError(
                    say(f"{first.name} hat keine Ebene {layer!r}.", f"{first.name} has no layer {layer!r}."),
                    remedy=say(
                        f"Vorhanden sind: {', '.join(name for name, _ in layers[:40])}.",
                        f"There are: {', '.join(n for n, _ in layers[:40])}.",
                    ),
                )
            chosen = layer if len(layers) > 1 else None
    if chosen:
        source["layer"] = chosen
    with opened(minimal(wanted.dataset or dataset_name(chosen or stem(first)), source), paths, scratch, 1) as layer_:
        columns = layer_.columns
    name = f"{first.name}, Ebene {chosen}" if chosen else first.name
    if len(paths) > 1:
        name = f"{len(paths)} Dateien ({first.name} …)"
    return Probe("ogr", paths, name, source, columns, layer=chosen)


def minimal(
    dataset: str, source: dict[str, Any], fields: Iterable[dict[str, Any]] = (), geometry: dict[str, Any] | None = None
) -> Contract:
    """Return a contract that is just enough to open a source with the readers of a load."""
    values = {"id": dataset, "title": {"de": "Quelle"}, "description": {"de": "Quelle."}, "source": source, "fields": list(fields)}
    return Contract.model_validate({**values, **({"geometry": geometry} if geometry else {})})


def _layers(path: Path, scratch: Path) -> list[tuple[str, str | None]]:
    """Return the layers with their geometry types; what GDAL writes beside a GML goes to a copy."""
    opened_path = path
    if path.suffix.lower() in (".gml", ".xml", ".nas") and path.is_file():
        opened_path = Path(tempfile.mkdtemp(dir=scratch)) / path.name
        shutil.copyfile(path, opened_path)
    drivers.refuse_reference(path.name, drivers.head(path))
    try:
        with drivers.files_only():
            return [(str(name), None if kind is None else str(kind)) for name, kind in pyogrio.list_layers(opened_path)]
    except GeometryError as error:
        raise SourceError(
            say(f"{path.name} enthält dreidimensionale Körper; das liest diese Version nicht.", f"{path.name} has solids in it."),
            remedy=say(
                "Geben Sie Grundrisse als Flächen aus (QGIS, FME oder das CityGML-Werkzeug des Landes) und nennen Sie diese Datei.",
                "Export the footprints as polygons and name that file.",
            ),
        ) from error
    except DataSourceError as error:
        reason = str(error).split("; It might help")[0].rstrip(".;")
        raise SourceError(
            say(f"{path.name} ist nicht lesbar ({reason}).", f"{path.name} cannot be read ({reason})."),
            remedy=say(*drivers.FORMATS),
        ) from error


def _several(name: str, layers: list[str]) -> UsageError:
    shown = ", ".join(layers[:40]) + (" …" if len(layers) > 40 else "")
    return UsageError(
        say(f"{name} hat {len(layers)} Ebenen: {shown}.", f"{name} has {len(layers)} layers: {shown}."),
        remedy=say(
            "Wählen Sie eine mit --layer NAME; je Ebene entsteht ein Datensatz.",
            "Choose one with --layer NAME; each is a dataset of its own.",
        ),
    )
