"""Vector files through GDAL, as Arrow batches: GeoPackage, Shapefile (also zipped), GeoJSON, GML and the others of `drivers`.

User files are never opened in place with a driver that writes beside them: GML leaves a .gfs, a GeoPackage in WAL mode its journal;
both are read from a temporary copy. Arcs become line segments.
"""

from __future__ import annotations

__all__ = ["opened"]

import errno
import fnmatch
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj import CRS

from etl.extract import arcs, drivers, encoding
from etl.extract.layer import GEOMETRY, ROW, Layer, require_columns, wanted_columns
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SourceError
from stadtgrund.language import say
from stadtgrund.query.feature import ARC_TOLERANCE_M

_WRITES_BESIDE = {".gml", ".xml", ".nas", ".gz"}
_MEMBERS = (".shp", ".gpkg", ".geojson", ".json", ".gml", ".xml", ".kml", ".fgb", ".tab", ".sqlite")
_UNPACKED_BY_GDAL = (".geojson", ".json", ".kml", ".fgb")
_ARC_GAP_M = 0.95 * ARC_TOLERANCE_M  # the rest is for the scale between the CRS of the source and that of storage
_EARTH_M = 6_400_000  # largest radius of curvature of the ellipsoid


@dataclass(frozen=True)
class _Dataset:
    """One thing to open: GDAL's name, the layer in it, a name for people and how its text is encoded (None = GDAL knows)."""

    gdal: str
    layer: str | None
    name: str
    encoding: str | None


@contextmanager
def opened(contract: Contract, paths: tuple[Path, ...], scratch: Path, batch_rows: int) -> Iterator[Layer]:
    """Open all files as one layer; the rows are numbered through in the order of the files.

    Raises
    ------
    SourceError
        A file is unreadable or refers to others, has several layers and none is named, lacks a column, or the files disagree on their CRS.
    """
    with drivers.files_only():
        notes: list[str] = []
        datasets = [item for path in paths for item in _datasets(contract, path, scratch, notes)]
        infos = [_info(contract, item) for item in datasets]
        columns = tuple(dict.fromkeys(name for info in infos for name in info["fields"]))
        crs = _one_crs(contract, datasets, infos)
        rows = [int(info["features"]) for info in infos]
        layer = Layer(columns, crs, sum(rows) if min(rows) >= 0 and not contract.source.where else None, iter(()), notes)
        layer.encoding = datasets[0].encoding
        wanted = wanted_columns(contract)
        present = [*columns, *dict.fromkeys(["fid", *(str(info["fid_column"]) for info in infos if info["fid_column"])])]
        require_columns(
            contract, wanted, present, datasets[0].name if len(datasets) == 1 else say(f"{len(datasets)} Dateien", f"{len(datasets)} files")
        )
        layer.batches = _batches(contract, datasets, infos, wanted, batch_rows, layer)
        yield layer


def _datasets(contract: Contract, path: Path, scratch: Path, notes: list[str]) -> Iterator[_Dataset]:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _zipped(contract, path, scratch, notes)
        return
    drivers.refuse_reference(path.name, drivers.head(path))
    if suffix in _WRITES_BESIDE or (suffix == ".gpkg" and _has_journal(path)):
        path = _copied(path, scratch)
    text = _shapefile_encoding(contract, path.name, _beside_bytes(path), notes) if suffix == ".shp" else contract.source.encoding
    yield _Dataset(str(path), _layer_of(contract, str(path), path.name), path.name, text)


def _zipped(contract: Contract, path: Path, scratch: Path, notes: list[str]) -> Iterator[_Dataset]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(_MEMBERS) and not name.startswith("__MACOSX")]
            chosen = [name for name in names if _is_wanted(name, contract.source.layer)] if len(names) > 1 else names
            if not chosen or (len(chosen) > 1 and contract.source.layer is None):
                stems = ", ".join(Path(name).stem for name in names[:20]) or say("(keine)", "(none)")
                raise SourceError(
                    say(
                        f"Datensatz {contract.id}: in {path.name} ist nicht klar, welche Ebene gemeint ist.",
                        f"Dataset {contract.id}: it is not clear which layer of {path.name} is meant.",
                    ),
                    remedy=say(f"Nennen Sie source.layer; vorhanden sind: {stems}.", f"Name source.layer; there are: {stems}."),
                )
            for name in sorted(chosen):
                label = f"{path.name}/{name}"
                parts = {
                    Path(item.filename).suffix.lower(): item
                    for item in archive.infolist()
                    if Path(item.filename).with_suffix("") == Path(name).with_suffix("")
                }
                _refuse_encrypted(contract, path.name, parts.values())
                drivers.refuse_reference(label, _head_in(archive, name))
                if Path(name).suffix.lower() in (*_WRITES_BESIDE, ".gpkg", ".sqlite"):
                    folder = Path(tempfile.mkdtemp(dir=scratch))
                    target = folder / Path(name).name
                    with archive.open(name) as source, target.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
                    yield _Dataset(str(target), _layer_of(contract, str(target), label, in_zip=True), label, contract.source.encoding)
                    continue
                text = contract.source.encoding
                if name.lower().endswith(".shp"):
                    text = _shapefile_encoding(
                        contract, label, {key: archive.read(item) for key, item in parts.items() if key in (".cpg", ".dbf")}, notes
                    )
                yield _Dataset(f"/vsizip/{{{path}}}/{name}", None, label, text)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            say(f"Datensatz {contract.id}: {path} ist kein lesbares ZIP.", f"Dataset {contract.id}: {path} is not a readable ZIP."),
            remedy=say("Lassen Sie sich die Datei neu geben.", "Ask for the file again."),
        ) from error
    except NotImplementedError as error:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {path.name} ist auf eine Art gepackt, die nicht gelesen wird (meist Deflate64).",
                f"Dataset {contract.id}: {path.name} is compressed by a method that is not read (mostly Deflate64).",
            ),
            remedy=say(
                "Packen Sie das ZIP aus und nennen Sie die Datei darin, oder packen Sie es mit der Methode Deflate neu.",
                "Unpack it and name the file in it, or pack it anew by the method Deflate.",
            ),
        ) from error


def _refuse_encrypted(contract: Contract, name: str, members: Iterable[zipfile.ZipInfo]) -> None:
    if any(item.flag_bits & 1 for item in members):
        raise SourceError(
            say(f"Datensatz {contract.id}: {name} ist mit einem Kennwort verschlüsselt.", f"Dataset {contract.id}: {name} is encrypted."),
            remedy=say(
                "Packen Sie das ZIP mit dem Kennwort aus und nennen Sie die Datei darin, oder packen Sie es ohne Kennwort neu.",
                "Unpack it with the password and name the file in it, or pack it anew without one.",
            ),
        )


def _head_in(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the beginning of a member; b"" of one that only GDAL can unpack (Deflate64) and whose drivers follow no reference."""
    try:
        return drivers.head(zipfile.Path(archive, name))
    except NotImplementedError:
        if not name.lower().endswith(_UNPACKED_BY_GDAL):
            raise
        return b""


def _is_wanted(member: str, layer: str | None) -> bool:
    return layer is None or fnmatch.fnmatch(Path(member).stem, layer)


def _copied(path: Path, scratch: Path) -> Path:
    """Copy a file and what belongs to it (schema, journal) to a folder of its own in `scratch`."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    for item in path.parent.glob(f"{_escape(path.stem)}.*"):
        if item.is_file() and item.suffix.lower() != ".gfs":
            shutil.copyfile(item, folder / item.name)
    return folder / path.name


def _escape(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def _has_journal(path: Path) -> bool:
    """Whether an SQLite file is in WAL mode (file format, bytes 18 and 19): reading it would write beside it."""
    with path.open("rb") as stream:
        return stream.read(20)[18:20] == b"\x02\x02"


def _beside_bytes(path: Path) -> dict[str, bytes]:
    parts = {item.suffix.lower(): item for item in path.parent.glob(f"{_escape(path.stem)}.*")}
    return {key: parts[key].read_bytes() for key in (".cpg", ".dbf") if key in parts}


def _shapefile_encoding(contract: Contract, name: str, parts: dict[str, bytes], notes: list[str]) -> str | None:
    """Return the encoding of a Shapefile's table: the contract's, else the .cpg's (None: GDAL reads it), else what the bytes say."""
    if contract.source.encoding:
        return contract.source.encoding
    if ".cpg" in parts or ".dbf" not in parts:
        return None
    table = parts[".dbf"]
    start = int.from_bytes(table[8:10], "little")
    found = encoding.detect((table[start:],), name).name
    if found != "utf-8" or not table[start:].isascii():
        notes.append(
            say(
                f"{name} nennt seine Zeichenkodierung nicht; nach den Buchstaben ist es {found}.",
                f"{name} does not state its encoding; by its letters it is {found}.",
            )
        )
    return {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp1252": "CP1252", "cp850": "CP850", "mac_roman": "MACINTOSH"}.get(found, found)


def _layer_of(contract: Contract, gdal: str, name: str, *, in_zip: bool = False) -> str | None:
    try:
        layers = [str(row[0]) for row in pyogrio.list_layers(gdal)]
    except (DataSourceError, GeometryError) as error:  # the latter for solids, which have no place in a table
        raise _unreadable(contract, name, error) from error
    wanted = contract.source.layer
    if wanted in layers:
        return wanted
    if len(layers) == 1 and (wanted is None or in_zip or gdal.lower().endswith((".geojson", ".json", ".shp"))):
        return layers[0]
    shown = ", ".join(layers[:20]) or say("(keine)", "(none)")
    what = (
        say(f"eine Ebene {wanted!r} gibt es nicht", f"there is no layer {wanted!r}")
        if wanted
        else say("source.layer fehlt", "source.layer is missing")
    )
    raise SourceError(
        say(f"Datensatz {contract.id}: in {name}: {what}.", f"Dataset {contract.id}: in {name}: {what}."),
        remedy=say(f"Vorhanden sind: {shown}.", f"There are: {shown}."),
    )


def _unreadable(contract: Contract, name: str, error: Exception) -> SourceError:
    reason = str(error).split("; It might help")[0].rstrip(".;")
    return SourceError(
        say(f"Datensatz {contract.id}: {name} ist nicht lesbar ({reason}).", f"Dataset {contract.id}: {name} cannot be read ({reason})."),
        remedy=say(
            f"Prüfen Sie, ob die Datei vollständig ist und von welchem Format. {drivers.FORMATS[0]}",
            f"Check that the file is complete, and its format. {drivers.FORMATS[1]}",
        ),
    )


def _info(contract: Contract, item: _Dataset) -> dict[str, Any]:
    try:
        info = dict(pyogrio.read_info(item.gdal, layer=item.layer, encoding=item.encoding, force_feature_count=False))
    except (DataSourceError, DataLayerError, GeometryError) as error:
        raise _unreadable(contract, item.name, error) from error
    except (UnicodeDecodeError, LookupError) as error:
        raise _encoding_error(contract, item) from error
    return info


def _encoding_error(contract: Contract, item: _Dataset) -> SourceError:
    return SourceError(
        say(
            f"Datensatz {contract.id}: {item.name} ist nicht in {item.encoding or 'UTF-8'} kodiert.",
            f"Dataset {contract.id}: {item.name} is not encoded in {item.encoding or 'UTF-8'}.",
        ),
        remedy=say(
            "Schreiben Sie die richtige Kodierung in source.encoding, z. B. cp1252 (Windows) oder utf-8.",
            "Write the right encoding into source.encoding, e.g. cp1252 (Windows) or utf-8.",
        ),
    )


def _one_crs(contract: Contract, datasets: list[_Dataset], infos: list[dict[str, Any]]) -> str | None:
    stated: dict[str | None, str] = {info["crs"]: item.name for item, info in zip(datasets, infos, strict=True)}
    if len(stated) > 1 and contract.source.crs is None:
        shown = "; ".join(f"{name}: {str(crs)[:60]}" for crs, name in stated.items())
        raise SourceError(
            say(
                f"Datensatz {contract.id}: die Dateien haben verschiedene Bezugssysteme ({shown}).",
                f"Dataset {contract.id}: the files differ in CRS ({shown}).",
            ),
            remedy=say(
                "Laden Sie sie als getrennte Datensätze oder schreiben Sie source.crs.",
                "Load them as separate datasets or write source.crs.",
            ),
        )
    return next(iter(stated))


def _batches(
    contract: Contract, datasets: list[_Dataset], infos: list[dict[str, Any]], wanted: tuple[str, ...], size: int, layer: Layer
) -> Iterator[pa.RecordBatch]:
    row = 1
    with_geometry = contract.geometry is not None
    gap = _arc_gap(contract.source.crs or layer.crs) if with_geometry else 0
    for item, info in zip(datasets, infos, strict=True):
        fields = [str(name) for name in info["fields"]]
        missing = [name for name in wanted if name not in (*fields, "fid", info["fid_column"])]
        if missing:
            layer.notes.append(
                say(
                    f"{item.name} hat keine Spalte {', '.join(missing)}; ihre Werte bleiben leer.",
                    f"{item.name} has no column {', '.join(missing)}; its values stay empty.",
                )
            )
        fid = next((name for name in wanted if name not in fields and name in ("fid", info["fid_column"])), None)
        options: dict[str, Any] = {
            "layer": item.layer,
            "encoding": item.encoding,
            "columns": [name for name in wanted if name in fields],
            "read_geometry": with_geometry,
            "where": contract.source.where,
            "batch_size": size,
            "return_fids": fid is not None,
        }
        try:
            for batch in _stream(item.gdal, options):
                if with_geometry:
                    batch = _linear(batch, gap, layer)
                arrays, names = [], []
                for name in wanted:
                    source = "__fid__" if name == fid else name
                    names.append(name)
                    arrays.append(batch.column(source) if source in batch.schema.names else pa.nulls(batch.num_rows))
                if with_geometry:
                    names.append(GEOMETRY)
                    arrays.append(batch.column(GEOMETRY) if GEOMETRY in batch.schema.names else pa.nulls(batch.num_rows, pa.binary()))
                names.append(ROW)
                arrays.append(pa.array(np.arange(row, row + batch.num_rows)))
                row += batch.num_rows
                yield pa.RecordBatch.from_arrays(arrays, names=names)
        except (DataSourceError, DataLayerError) as error:
            raise _unreadable(contract, item.name, error) from error
        except UnicodeDecodeError as error:
            raise _encoding_error(contract, item) from error
        except (ValueError, OSError, pa.ArrowException) as error:  # what GDAL says through the Arrow stream
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            raise _refused_filter(contract, fields, error) if contract.source.where else _unreadable(contract, item.name, error) from error


def _refused_filter(contract: Contract, fields: list[str], error: Exception) -> SourceError:
    return SourceError(
        say(
            f"Datensatz {contract.id}: der Filter source.where {contract.source.where!r} passt nicht zur Quelle ({error}).",
            f"Dataset {contract.id}: source.where {contract.source.where!r} does not fit the source ({error}).",
        ),
        remedy=say(f"Spalten der Quelle: {', '.join(fields[:40])}.", f"Columns of the source: {', '.join(fields[:40])}."),
    )


def _linear(batch: pa.RecordBatch, gap: float, layer: Layer) -> pa.RecordBatch:
    """Return the batch with arcs as line segments that lie at most `gap` from them; the layer counts the geometries that had arcs."""
    curved = _curved(batch)
    if not len(curved):
        return batch
    column = batch.column(GEOMETRY)
    values = (column.storage if isinstance(column, pa.ExtensionArray) else column).to_numpy(zero_copy_only=False)
    for index in curved:
        values[index], had_arcs = arcs.linear(values[index], gap)
        layer.curves += had_arcs
    return batch.set_column(batch.schema.get_field_index(GEOMETRY), GEOMETRY, pa.array(values, pa.binary()))


def _arc_gap(crs: str | None) -> float:
    """Return the tolerance of arcs in units of the CRS; without one, they count as metres."""
    if crs is None:
        return _ARC_GAP_M
    known = CRS.from_user_input(crs)
    return _ARC_GAP_M / (known.axis_info[0].unit_conversion_factor * (_EARTH_M if known.is_geographic else 1))


def _stream(gdal: str, options: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    with pyogrio.raw.open_arrow(gdal, use_pyarrow=True, **options) as (meta, reader):
        geometry = meta["geometry_name"] or "wkb_geometry"
        fid = meta["fid_column"] or "OGC_FID"
        for batch in reader:
            names = [
                GEOMETRY if name == geometry else "__fid__" if name == fid and options["return_fids"] else name
                for name in batch.schema.names
            ]
            yield batch.rename_columns(names)


def _curved(batch: pa.RecordBatch) -> np.ndarray:
    """Return the positions of the geometries whose WKB type may have arcs."""
    if GEOMETRY not in batch.schema.names:
        return np.empty(0, dtype=int)
    column = batch.column(GEOMETRY)
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64 if pa.types.is_large_binary(column.type) else np.int32)[
        column.offset : column.offset + len(column) + 1
    ]
    if column.buffers()[2] is None:
        return np.empty(0, dtype=int)
    data = np.frombuffer(column.buffers()[2], dtype=np.uint8)
    long = np.flatnonzero(np.diff(offsets) >= 5)
    starts = offsets[long]
    little = data[starts] == 1
    low, high = (
        np.where(little, data[starts + 1], data[starts + 4]).astype(int),
        np.where(little, data[starts + 2], data[starts + 3]).astype(int),
    )
    return long[np.isin((low + 256 * high) % 1000, arcs.CURVES)]
