"""GeoPackage and FlatGeobuf, written by GDAL from Arrow batches."""

from __future__ import annotations

__all__ = ["write"]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.raw import write_arrow

from etl.deliver.columns import GEOM, Columns
from stadtgrund.catalog.notice import as_text

_DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}


def write(path: Path, batches: Iterable[Any], columns: Columns, notice: Mapping[str, str], *, indexed: bool) -> None:
    """Write the file; its layer is called as the collection.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
    notice : mapping
        Becomes the layer's metadata.
    indexed : bool
        Whether a FlatGeobuf gets a spatial index: it cannot have one when a feature has no geometry.
    """
    collection, schema = columns.collection, columns.schema()
    driver = _DRIVERS[path.suffix[1:]]
    title, description = collection.title.de, collection.description.de
    options: dict[str, str]
    if driver == "GPKG":
        # The number that GDAL gives each row must not be called as an attribute is.
        names = ("fid", "ogc_fid", *(f"sg_fid{'_' * n}" for n in range(len(schema) + 1)))
        fid = next(name for name in names if name not in schema.names)
        options = {"FID": fid, "IDENTIFIER": title, "DESCRIPTION": description, "GEOMETRY_NAME": GEOM}
    else:
        # Other readers than GDAL know title and description of the header only.
        options = {
            "TITLE": title,
            "DESCRIPTION": f"{description}\n\n{as_text(notice)}",
            "SPATIAL_INDEX": "YES" if indexed else "NO",
            "TEMPORARY_DIR": str(path.parent),
        }
    geometry = columns.relation.geometry if columns.srid else None
    kind = {"Geometry": "Unknown"}.get(geometry.type, geometry.type) if geometry else None
    if geometry and geometry.dimensions == 3 and kind != "Unknown":
        kind = f"{kind} Z"
    # Equal rows make equal files: the time in a GeoPackage is that of the version.
    moment = collection.facts.published.strftime("%Y-%m-%dT%H:%M:%SZ")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": moment, "OGR_SQLITE_SYNCHRONOUS": "OFF"})
    write_arrow(
        pa.RecordBatchReader.from_batches(schema, batches),
        path,
        layer=collection.id,
        driver=driver,
        geometry_name=GEOM if geometry else None,
        geometry_type=kind,
        crs=f"EPSG:{columns.srid}" if geometry else None,
        layer_metadata=dict(notice),
        # GDAL 3.4 and QGIS 3.22 know this version.
        dataset_options={"VERSION": "1.3"} if driver == "GPKG" else None,
        layer_options=options,
    )
