"""Read a source from end to end, once, with the reader of a load, and keep what a contract needs to know."""

from __future__ import annotations

__all__ = ["Reading", "read"]

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl.cast import cast, to_text
from etl.describe import placing
from etl.describe.columns import Columns
from etl.describe.keytypes import KeyTests
from etl.describe.kinds import SYMBOLS
from etl.describe.placing import Place
from etl.describe.shapes import Shapes
from etl.describe.sources import Probe, minimal
from etl.extract import open_layer
from etl.extract.layer import GEOMETRY, Layer
from etl.geometry import points
from etl.transform import BLANKS
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SourceError
from stadtgrund.language import say

_BATCH_ROWS = 20_000
_SAMPLE = 2_000


@dataclass(frozen=True)
class _Pair:
    """Columns of a table that hold coordinates, x first, and their decimal sign."""

    x: str
    y: str
    decimal: str | None


@dataclass
class Reading:
    """What the rows of a source showed."""

    columns: Columns
    keys: KeyTests
    place: Place | None = None
    shapes: Shapes | None = None
    pair: _Pair | None = None
    broken: list[str] = field(default_factory=list)
    """Reasons of rows that cannot be read at all (the first ones)."""
    broken_rows: int = 0
    curves: int = 0
    encoding: str | None = None
    binary: tuple[str, ...] = ()
    """Columns of bytes, which are left out."""

    @property
    def rows(self) -> int:
        """Rows that could be read."""
        return self.columns.rows


def read(probe: Probe, deployment: Deployment, scratch: Path, *, crs: str | None) -> Reading:
    """Read all rows.

    Parameters
    ----------
    crs : str, optional
        The source's CRS, where the person at the command line states it.

    Raises
    ------
    SourceError
        The source cannot be read, or not be placed.
    """
    fields = [{"name": f"c{number}", "from": name, "type": "string"} for number, name in enumerate(probe.columns)]
    geometry = {"type": "Geometry"} if probe.kind == "ogr" else None
    contract = minimal(probe.id, probe.source, fields, geometry)
    with open_layer(contract, probe.paths, scratch, _BATCH_ROWS) as layer:
        batches = iter(layer.batches)
        first = next(batches, None)
        if first is None or not first.num_rows:
            raise SourceError(
                say(f"{probe.name} hat keine Zeilen.", f"{probe.name} has no rows."),
                remedy=say("Prüfen Sie Datei und Ebene; aus nichts entsteht kein Vertrag.", "Check file and layer."),
            )
        binary = tuple(name for name in probe.columns if _is_binary(first.column(name).type))
        names = tuple(name for name in probe.columns if name not in binary)
        tests = KeyTests(names, deployment.keys)
        made = Reading(Columns(names, numbers=probe.kind == "table", watch=tests.add), tests, binary=binary, encoding=layer.encoding)
        if probe.kind == "ogr":
            _place_vector(made, probe, deployment, first, layer, crs)
        else:
            _place_table(made, probe, deployment, first, crs)
        for batch in _chain(first, batches):
            made.columns.add(batch)
            if made.shapes is not None:
                _add_shapes(made, batch)
        made.columns.settle()
        made.curves, made.broken_rows = layer.curves, len(layer.refused)
        made.broken = [f"Zeile {item.row}: {item.reason}" for item in layer.refused[:3]]
        return made


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _place_vector(made: Reading, probe: Probe, deployment: Deployment, first: pa.RecordBatch, layer: Layer, crs: str | None) -> None:
    column = first.column(GEOMETRY)
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    if column.null_count == len(column) and layer.crs is None:
        return
    shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False), on_invalid="ignore")
    sample = shapely.get_coordinates(shapes)
    made.place = placing.find(sample[:: max(1, len(sample) // _SAMPLE)], layer.crs, deployment, probe.name, asked=crs)
    if made.place.swapped:
        raise SourceError(
            say(
                f"{probe.name}: Die Achsen sind vertauscht (Hochwert vor Rechtswert): {made.place.evidence[0]}",
                f"{probe.name}: The axes are swapped (northing first): {made.place.evidence[0]}",
            ),
            remedy=say(
                "Tauschen Sie sie vorher, in QGIS mit „X- und Y-Koordinaten vertauschen“ (Verarbeitung), und nennen Sie das Ergebnis.",
                'Swap them first: in QGIS "Swap X and Y coordinates" (processing toolbox), and name the result.',
            ),
        )
    made.shapes = Shapes(made.place.crs, deployment)


def _place_table(made: Reading, probe: Probe, deployment: Deployment, first: pa.RecordBatch, crs: str | None) -> None:
    """Find two columns of coordinates: names and sizes must both say so."""
    for x, y in placing.coordinate_pairs(made.columns.names):
        for decimal in (None, ","):
            across, up = (_numbers(first.column(name), decimal) for name in (x, y))
            if across is None or up is None:
                continue
            sample = np.column_stack((across, up))
            sample = sample[np.isfinite(sample).all(axis=1)]
            if not len(sample):
                continue
            try:
                place = placing.find(sample, None, deployment, probe.name, asked=crs)
            except SourceError:
                continue
            made.place, made.pair = place, _Pair(*((y, x) if place.swapped else (x, y)), decimal)
            made.shapes = Shapes(place.crs, deployment)
            return


def _numbers(column: pa.Array, decimal: str | None) -> np.ndarray | None:
    """Return a text column as numbers (NaN for none), None when it has anything else."""
    text = pc.utf8_trim(to_text(column), characters=BLANKS)
    text = pc.if_else(pc.is_in(text, value_set=pa.array(["", *SYMBOLS])), None, text)
    values, errors = cast(text, "number", decimal=decimal)
    made: np.ndarray = values.to_numpy(zero_copy_only=False)
    return None if errors else made


def _add_shapes(made: Reading, batch: pa.RecordBatch) -> None:
    assert made.shapes is not None  # the caller asked
    if made.pair is None:
        made.shapes.add_wkb(batch.column(GEOMETRY))
        return
    across, up = (_numbers(batch.column(name), made.pair.decimal) for name in (made.pair.x, made.pair.y))
    if across is None or up is None:  # further down there is something else than coordinates
        made.shapes, made.place, made.pair = None, None, None
        return
    made.shapes.add(points(across, up))
