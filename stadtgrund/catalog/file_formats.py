"""The formats in which a whole collection is a file, and the names of such files."""

from __future__ import annotations

__all__ = ["FORMATS", "FileFormat", "FileName", "crs_of", "default_srid", "offered", "srids"]

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stadtgrund.catalog.collection import Collection
from stadtgrund.crs import CRS84, Crs, storage, supported

_NAME = re.compile(r"(?:_epsg(?P<srid>[1-9]\d{3,5}))?\.(?P<extension>[a-z]+)", re.ASCII)
EXCERPT = "_auszug"
"""In the name of a file that does not hold all features."""


@dataclass(frozen=True)
class FileFormat:
    """A format: its name (parameter `f` and extension), title and media type.

    `geographic`: its coordinates are CRS84 unless another CRS is asked for, else those of the storage CRS. `only_geographic`:
    it knows no other CRS. `tables`: it can be of a collection without geometry.
    """

    name: str
    title: str
    media_type: str
    geographic: bool = False
    only_geographic: bool = False
    tables: bool = True

    def title_for(self, collection: Collection) -> str:
        """Return the title of a collection's file: without geometry it is plain Parquet."""
        return "Parquet" if self.name == "parquet" and collection.geometry is None else self.title


FORMATS: dict[str, FileFormat] = {
    each.name: each
    for each in (
        FileFormat("gpkg", "GeoPackage", "application/geopackage+sqlite3"),
        FileFormat("fgb", "FlatGeobuf", "application/vnd.flatgeobuf", tables=False),
        FileFormat("parquet", "GeoParquet", "application/vnd.apache.parquet"),
        FileFormat("csv", "CSV", "text/csv; charset=utf-8; header=present", geographic=True),
        # RFC 7946, section 4: the coordinate reference system is WGS 84 in degrees, longitude first.
        FileFormat("geojson", "GeoJSON", "application/geo+json", geographic=True, only_geographic=True),
    )
}
"""By name, in the order in which they are offered."""


def offered(collection: Collection) -> tuple[FileFormat, ...]:
    """Return the formats that a collection is offered in; none for a grid, which is a file already."""
    if not collection.items or collection.raster:
        return ()
    return tuple(each for each in FORMATS.values() if each.tables or collection.geometry)


def default_srid(collection: Collection, format_: FileFormat) -> int | None:
    """Return the SRID of a file when no other is asked for; None without geometry."""
    if collection.geometry is None:
        return None
    return CRS84.srid if format_.geographic else collection.geometry.srid


def srids(collection: Collection, format_: FileFormat) -> tuple[int, ...]:
    """Return the SRIDs that a file may have, the default first. Its coordinates are east, north; a CSV has the order of `crs_of`."""
    default = default_srid(collection, format_)
    if collection.geometry is None or default is None:
        return ()
    known: Iterable[int] = () if format_.only_geographic else (crs.srid for crs in supported(collection.geometry.srid))
    return tuple(dict.fromkeys((default, *known)))


def crs_of(format_: FileFormat, srid: int) -> Crs:
    """Return the CRS of a file with this SRID: of a format that has degrees by itself, 4326 is CRS84."""
    return CRS84 if format_.geographic and srid == CRS84.srid else storage(srid)


@dataclass(frozen=True)
class FileName:
    """What a file's name says: `baeume.gpkg`, `baeume_epsg4326.gpkg`, `baeume_auszug.csv`."""

    format: FileFormat
    srid: int | None

    @classmethod
    def parse(cls, collection: Collection, text: str) -> FileName | None:
        """Read the name of a whole collection's file; None when there is no such file."""
        match = _NAME.fullmatch(text.removeprefix(collection.id)) if text.startswith(collection.id) else None
        if match is None:
            return None
        for format_ in offered(collection):
            if format_.name == match["extension"]:
                srid = int(match["srid"]) if match["srid"] else default_srid(collection, format_)
                # The default CRS has one name only: without it.
                if match["srid"] and srid not in srids(collection, format_)[1:]:
                    return None
                return cls(format_, srid)
        return None

    def text(self, collection: Collection, *, excerpt: bool = False) -> str:
        """Return the name."""
        crs = "" if self.srid in (None, default_srid(collection, self.format)) else f"_epsg{self.srid}"
        return f"{collection.id}{EXCERPT if excerpt else ''}{crs}.{self.format.name}"
