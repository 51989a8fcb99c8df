"""Coordinate reference systems: CRS84 on the wire by default, a storage CRS in the table.

x is always east or longitude inside (`always_xy`); axis order matters at the edge only, and `Crs.northing_first`
says where. Integer SRIDs only: the text form of `ST_Transform` looks up `spatial_ref_sys` for each row.
"""

from __future__ import annotations

__all__ = ["CRS84", "CRS84H", "BBox", "Crs", "Operation", "best_operation", "from_uri", "supported"]

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stadtgrund.errors import InvalidParameter, SourceError, by_locale

CRS84_URI = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


@dataclass(frozen=True)
class Crs:
    """A CRS that we speak: its URI and the SRID that PostGIS uses for it.

    `northing_first` is true where the authority's axis order is north/east or lat/lon, as in EPSG:4326: output is then
    flipped, and a `bbox` in it is (south, west, north, east).
    """

    uri: str
    srid: int
    northing_first: bool = False
    geographic: bool = False

    @property
    def digits(self) -> int:
        """Decimals on the wire: millimetres in metres, about 1 cm or better in degrees."""
        return 8 if self.geographic else 3


CRS84 = Crs(CRS84_URI, 4326, geographic=True)
CRS84H = Crs("http://www.opengis.net/def/crs/OGC/0/CRS84h", 4326, geographic=True)
"""CRS84 with a height as third coordinate, which passes through as it is stored (Features Part 2, 6.2)."""
_NORTHING_FIRST = {4326, 4258}
_GEOGRAPHIC = {4326, 4258}
_EVERYWHERE = (4326, 3857, 4258, 25832, 25833)


def _epsg(srid: int) -> Crs:
    return Crs(f"http://www.opengis.net/def/crs/EPSG/0/{srid}", srid, srid in _NORTHING_FIRST, srid in _GEOGRAPHIC)


def supported(storage_srid: int, dimensions: int = 2) -> tuple[Crs, ...]:
    """Return the CRSs of a collection stored in `storage_srid`: the default, then the others.

    The default is CRS84; of 3 dimensions it is CRS84h, and CRS84 comes next (Features Part 1, requirement `crs84`).
    """
    codes = dict.fromkeys((*_EVERYWHERE, storage_srid))
    return (*((CRS84H,) if dimensions == 3 else ()), CRS84, *(_epsg(code) for code in codes))


def storage(srid: int) -> Crs:
    """Return the `Crs` of a storage SRID."""
    return _epsg(srid)


def from_uri(text: str, known: Iterable[Crs], *, parameter: str) -> Crs:
    """Find the CRS of a request parameter among `known`: URI, `[CURIE]` or `EPSG:n`.

    Raises
    ------
    InvalidParameter
        Listing the known URIs.
    """
    known = tuple(known)
    wanted = text.strip()
    if match := re.fullmatch(r"\[?(EPSG|OGC):(\w+)\]?", wanted):
        ours = {"CRS84": CRS84_URI, "CRS84h": CRS84H.uri} if match[1] == "OGC" else {}
        wanted = ours.get(match[2], f"http://www.opengis.net/def/crs/EPSG/0/{match[2]}")
    for crs in known:
        if crs.uri == wanted:
            return crs
    raise InvalidParameter(parameter, text, "one of " + ", ".join(crs.uri for crs in known))


@dataclass(frozen=True)
class BBox:
    """A box (xmin, ymin, xmax, ymax) with its CRS; in CRS84 xmin > xmax means across the antimeridian.

    `heights` (bottom, top): what a geometry with heights must meet, too; None = any height.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    crs: Crs = CRS84
    heights: tuple[float, float] | None = None

    def __repr__(self) -> str:
        """Name the heights only where there are some: open cursors hold a digest of this text (`query/cursor.py`)."""
        heights = f", heights={self.heights!r}" if self.heights else ""
        return f"BBox(xmin={self.xmin!r}, ymin={self.ymin!r}, xmax={self.xmax!r}, ymax={self.ymax!r}, crs={self.crs!r}{heights})"

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return (xmin, ymin, xmax, ymax)."""
        return self.xmin, self.ymin, self.xmax, self.ymax


@dataclass(frozen=True)
class Operation:
    """A coordinate operation as it is recorded with a version.

    `accuracy_m` is PROJ's stated accuracy in metres (None = not stated); `best_available` false means that a grid is
    missing and a coarser operation is used ("Lagegenauigkeit unsicher").
    """

    source: str
    target: str
    name: str
    accuracy_m: float | None
    best_available: bool
    missing: str = ""


def _add_grid_folder() -> None:
    """Let pyproj see the German grids that Debian's proj-data brings; its own wheel has none."""
    from pyproj import datadir

    folder = Path("/usr/share/proj")
    if folder.is_dir() and str(folder) not in datadir.get_data_dir().split(os.pathsep):
        datadir.append_data_dir(str(folder))


@lru_cache(maxsize=256)
def best_operation(source: str, target: str) -> Operation:
    """Return the operation that PROJ would use from `source` to `target` (e.g. "EPSG:31467", "EPSG:25832").

    Raises
    ------
    SourceError
        When one of the two is not a known CRS.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError
    from pyproj.transformer import TransformerGroup

    _add_grid_folder()
    try:
        src, dst = CRS.from_user_input(source), CRS.from_user_input(target)
    except CRSError as error:
        raise SourceError(
            by_locale(f"PROJ kennt {source} oder {target} nicht.", f"{source} or {target} is not known to PROJ."),
            remedy=by_locale("Schreiben Sie das Bezugssystem als EPSG:<Nummer>.", "Write the CRS as EPSG:<number>."),
        ) from error
    if src == dst:
        return Operation(source, target, "identity", 0.0, True)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "best not available" is what we report ourselves
        group = TransformerGroup(src, dst, always_xy=True)
    if not group.transformers:
        raise SourceError(
            by_locale(f"PROJ kennt keine Umrechnung von {source} nach {target}.", f"PROJ has no operation from {source} to {target}."),
            remedy=by_locale(
                "Installieren Sie proj-data, oder nennen Sie ein anderes source.crs.", "Install proj-data or state another source.crs."
            ),
        )
    best = group.transformers[0]
    missing = ", ".join(grid.short_name for op in group.unavailable_operations[:1] for grid in op.grids if not grid.available)
    accuracy = best.accuracy if best.accuracy >= 0 else None
    return Operation(source, target, best.description or best.name, accuracy, bool(group.best_available), missing)
