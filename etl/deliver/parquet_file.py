"""GeoParquet 1.1: WKB with the metadata `geo` and the box of each row; a table without geometry is plain Parquet.

Source: OGC GeoParquet specification 1.1.0.
"""

from __future__ import annotations

__all__ = ["write"]

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from etl.deliver.columns import GEOM, Columns
from stadtgrund.crs import CRS84

_BOX = "geom_bbox"
_GROUP_ROWS = 50_000
_GROUP_BYTES = 32 << 20
"""A row group is written when it has so many rows or bytes: readers skip groups by their boxes, and we hold one at a time."""
_TYPES = ("Point", "LineString", "", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection")
"""By shapely's number; a ring alone (2) is no type of WKB."""


class _Geometries:
    """What the metadata say of all geometries: their types and their box."""

    def __init__(self) -> None:
        self.types = set[str]()
        self.box: Any = None

    def boxes(self, wkb: Any) -> Any:
        """Take note of a batch, and return the box of each of its rows, null where there is none."""
        shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        present = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        for kind, is_3d in set(zip(shapely.get_type_id(shapes[present]).tolist(), shapely.has_z(shapes[present]).tolist(), strict=True)):
            self.types.add(_TYPES[kind] + (" Z" if is_3d else ""))
        bounds = shapely.bounds(shapes)
        if present.any():
            low, high = bounds[present, :2].min(axis=0), bounds[present, 2:].max(axis=0)
            if self.box is not None:
                low, high = np.minimum(low, self.box[:2]), np.maximum(high, self.box[2:])
            self.box = np.concatenate([low, high])
        corners = [pa.array(bounds[:, n]) for n in range(4)]
        return pa.StructArray.from_arrays(corners, names=["xmin", "ymin", "xmax", "ymax"], mask=pa.array(~present))

    def metadata(self, srid: int, *, covered: bool) -> str:
        """Return the value of `geo`. Without `crs` it is CRS84."""
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(self.types)}
        if srid != CRS84.srid:
            column["crs"] = pyproj.CRS.from_epsg(srid).to_json_dict()
        if self.box is not None:
            column["bbox"] = self.box.tolist()
        if covered:
            column["covering"] = {"bbox": {name: [_BOX, name] for name in ("xmin", "ymin", "xmax", "ymax")}}
        return json.dumps({"version": "1.1.0", "primary_column": GEOM, "columns": {GEOM: column}})


def write(path: Path, batches: Iterable[Any], columns: Columns, notice: Mapping[str, str]) -> None:
    """Write the file; the notice becomes metadata of the file, title and description of each column those of the column."""
    schema = _own(columns.schema())
    found = _Geometries()
    covered = columns.srid is not None and _BOX not in schema.names
    written = schema.append(pa.field(_BOX, pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])))
    with pq.ParquetWriter(path, written if covered else schema, compression="zstd", version="2.6") as writer:
        for table in _grouped(batches):
            if columns.srid:
                boxes = found.boxes(table.column(GEOM).combine_chunks())
                if covered:
                    table = table.append_column(_BOX, boxes)
            writer.write_table(pa.table(table.columns, schema=writer.schema), row_group_size=len(table))
        writer.add_key_value_metadata({f"stadtgrund:{key.lower()}": text for key, text in notice.items()})
        if columns.srid:
            writer.add_key_value_metadata({"geo": found.metadata(columns.srid, covered=covered)})


def _own(schema: Any) -> Any:
    """Return the schema with metadata that are not GDAL's."""
    renamed = {b"GDAL:OGR:alternative_name": "title", b"GDAL:OGR:comment": "description"}
    fields = [
        field.with_metadata({renamed[key]: value for key, value in (field.metadata or {}).items() if key in renamed}) for field in schema
    ]
    return pa.schema(fields)


def _grouped(batches: Iterable[Any]) -> Iterable[Any]:
    """Yield tables of about the size of a row group."""
    waiting: list[Any] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows, size = rows + len(batch), size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting)
