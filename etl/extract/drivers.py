"""Which formats GDAL may open: data in files. Nothing that stands for other files or for a service, and no network.

A delivery is a text of somebody else: what is called `orte.geojson` may be a VRT that names a file of this computer, or a service to ask.
GDAL goes by the content, so each driver that is not listed here is taken away; what is left can still ask a network (the `crs` of a
GeoJSON by link) or another file (a virtual table of SQLite, a view of MapInfo): that is closed one by one.
"""

from __future__ import annotations

__all__ = ["FORMATS", "OFFLINE", "RASTERS", "files_only", "head", "raster_driver", "refuse_reference"]

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyogrio
from pyogrio._ogr import _register_drivers

from stadtgrund.errors import SourceError
from stadtgrund.language import say

_VECTORS = frozenset(
    {"CSV", "DXF", "ESRI Shapefile", "ESRIJSON", "FlatGeobuf", "GML", "GPKG", "GPX", "GeoJSON", "GeoJSONSeq", "JSONFG", "KML", "LIBKML"}
    | {"MapInfo File", "NAS", "ODS", "OSM", "OpenFileGDB", "SQLite", "TopoJSON", "XLSX"}
)
RASTERS = {".tif": "GTiff", ".tiff": "GTiff", ".asc": "AAIGrid", ".xyz": "XYZ", ".img": "HFA", ".jp2": "JP2OpenJPEG"}
"""Ending of a grid's name → the driver that opens it."""

FORMATS = (
    "Gelesen werden GeoPackage, SQLite, Shapefile, GeoJSON, TopoJSON, FlatGeobuf, GML, KML, GPX, MapInfo, File Geodatabase, DXF, OSM, CSV,"
    " XLSX und als Raster GeoTIFF, ASC, XYZ, IMG und JP2.",
    "Readable are GeoPackage, SQLite, Shapefile, GeoJSON, TopoJSON, FlatGeobuf, GML, KML, GPX, MapInfo, File Geodatabase, DXF, OSM, CSV,"
    " XLSX, and as grids GeoTIFF, ASC, XYZ, IMG and JP2.",
)
OFFLINE = {"GDAL_HTTP_PROXY": "http://0.0.0.0:0", "GDAL_HTTPS_PROXY": "http://0.0.0.0:0", "CPL_VSIL_CURL_ALLOWED_FILENAME": "-"}
"""Options of GDAL under which each request fails before it is sent: it goes to a proxy that cannot be.

GDAL prefers them to curl's own variables (`https_proxy`, `ALL_PROXY` …), but not to `no_proxy`.
"""

_READING = {**OFFLINE, "GML_DOWNLOAD_SCHEMA": "NO", "OGR_GEOJSON_MAX_OBJ_SIZE": "0"}
_HEAD_BYTES = 1 << 20
_REFERENCES = {
    b"<OGRVRTDataSource": "VRT",
    b"<VRTDataset": "VRT",
    b"<OGRWFSDataSource": "WFS",
    b"<OGRCSWDataSource": "CSW",
    b"<GDAL_WMS": "WMS",
    b"<GDAL_WMTS": "WMTS",
    b"<WCS_GDAL": "WCS",
    b"gdal_streamed_alg": "GDALG",
}
_MAPINFO_REFERENCE = re.compile(rb'create\s+view|"\\isseamless"\s*=\s*"true"')


@contextmanager
def files_only() -> Iterator[None]:
    """Open files by the drivers of files only, and without a network, for the length of the block.

    The drivers of vectors stay away for the life of the process; a grid needs `raster_driver` and `OFFLINE`, as rasterio has a GDAL of its
    own. `no_proxy` is set aside meanwhile: it would lead past the proxy of `OFFLINE`.
    """
    unwanted = set(pyogrio.list_drivers()) - _VECTORS
    if unwanted:
        # SQLite's tables that are other files (VirtualOGR) come with the first database that is opened, and stay.
        pyogrio.set_gdal_config_options({"OGR_SKIP": ",".join(sorted(unwanted)), "OGR_SQLITE_STATIC_VIRTUAL_OGR": "NO"})
        _register_drivers()
    before = {name: pyogrio.get_gdal_config_option(name) for name in _READING}
    exceptions = {name: os.environ.pop(name) for name in ("no_proxy", "NO_PROXY") if name in os.environ}
    pyogrio.set_gdal_config_options(_READING)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)
        os.environ.update(exceptions)


def head(path: Path | zipfile.Path) -> bytes:
    """Return the beginning of a file, b"" of a folder (.gdb)."""
    if path.is_dir():
        return b""
    with path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def refuse_reference(name: str, beginning: bytes) -> None:
    """Refuse a file that has no data but says where some are.

    Raises
    ------
    SourceError
        Naming what it is and which formats are read.
    """
    found = next((kind for sign, kind in _REFERENCES.items() if sign in beginning), None)
    if found is None and name.lower().endswith(".tab") and _MAPINFO_REFERENCE.search(beginning.lower()):
        found = "MapInfo"
    if found:
        raise SourceError(
            say(
                f"{name} enthält keine Daten, sondern einen Verweis auf andere Dateien oder einen Dienst ({found}).",
                f"{name} has no data but a reference to other files or a service ({found}).",
            ),
            remedy=say(f"{FORMATS[0]} Lassen Sie sich die Daten selbst geben.", f"{FORMATS[1]} Ask for the data themselves."),
        )


def raster_driver(path: Path) -> str:
    """Return the one driver that may open a grid, by the ending of its name.

    Raises
    ------
    SourceError
        The ending is of no format of grids that is read, or the file is a reference to others.
    """
    refuse_reference(path.name, head(path))
    driver = RASTERS.get(path.suffix.lower())
    if driver is None:
        raise SourceError(
            say(
                f"{path.name} ist kein lesbares Raster: die Endung {path.suffix or '(keine)'} wird nicht gelesen.",
                f"{path.name} is no readable raster: the ending {path.suffix or '(none)'} is not read.",
            ),
            remedy=say(*FORMATS),
        )
    return driver
