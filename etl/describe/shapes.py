"""What the geometries of a source are: types, gaps, heights, faults, and whether they lie in the city."""

from __future__ import annotations

__all__ = ["Shapes"]

from collections import Counter

import numpy as np
import pyarrow as pa
import shapely
from shapely import GeometryType as Kind

from etl.geometry import Shaper
from stadtgrund.catalog.contract import Geometry, GeometryType
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.skeleton import GERMANY

_DECLARED: dict[frozenset[Kind], GeometryType] = {
    frozenset({Kind.POINT}): "Point",
    frozenset({Kind.MULTIPOINT}): "MultiPoint",
    frozenset({Kind.LINESTRING}): "LineString",
    frozenset({Kind.MULTILINESTRING}): "MultiLineString",
    frozenset({Kind.POLYGON}): "Polygon",
    frozenset({Kind.MULTIPOLYGON}): "MultiPolygon",
    frozenset({Kind.POINT, Kind.MULTIPOINT}): "MultiPoint",
    frozenset({Kind.LINESTRING, Kind.MULTILINESTRING}): "MultiLineString",
    frozenset({Kind.POLYGON, Kind.MULTIPOLYGON}): "MultiPolygon",
}


class Shapes:
    """Takes geometries batch by batch through the same steps as a load.

    Parameters
    ----------
    crs : str
        Of the source, as PROJ takes it.
    deployment : Deployment
        Its storage CRS and box.
    """

    def __init__(self, crs: str, deployment: Deployment) -> None:
        whole = deployment.box(deployment.srid)
        self._shaper = Shaper(Geometry(type="Geometry", crs=deployment.crs, within="deployment"), crs, whole, repair=False)
        self._germany = Shaper(Geometry(type="Geometry", crs="OGC:CRS84", within="deployment"), deployment.crs, GERMANY, repair=False)
        self.kinds: Counter[Kind] = Counter()
        self.unreadable = 0
        self.lost = 0
        self.lowest: float | None = None
        self.highest: float | None = None

    def add_wkb(self, column: pa.Array) -> None:
        """Take in geometries as WKB in the source's CRS."""
        column = column.storage if isinstance(column, pa.ExtensionArray) else column
        shapes, errors = self._shaper.read(column)
        self.unreadable += len(errors)
        self.add(shapes)

    def add(self, shapes: np.ndarray) -> None:
        """Take in geometries in the source's CRS."""
        if shapely.has_z(shapes).any():
            heights = shapely.get_coordinates(shapes, include_z=True)[:, 2]
            heights = heights[np.isfinite(heights)]
            if len(heights):
                self.lowest = min(float(heights.min()), self.lowest if self.lowest is not None else np.inf)
                self.highest = max(float(heights.max()), self.highest if self.highest is not None else -np.inf)
        made, errors, _ = self._shaper.shape(shapes)
        self.lost += sum(error.rule == "crs" for error in errors)
        for kind, count in zip(*np.unique(shapely.get_type_id(made), return_counts=True), strict=True):
            if kind != -1:
                self.kinds[Kind(int(kind))] += int(count)
        outside = np.array([error.index for error in errors if error.rule == "within"], dtype=int)
        if len(outside):
            self._germany.shape(made[outside])

    @property
    def rows(self) -> int:
        """Rows with or without a geometry."""
        return self._shaper.counts.rows

    @property
    def missing(self) -> int:
        """Rows without a geometry."""
        return self._shaper.counts.missing

    @property
    def invalid(self) -> int:
        """Geometries that are not valid."""
        return self._shaper.counts.invalid

    @property
    def reasons(self) -> dict[str, int]:
        """Why they are not valid (GEOS' words), and how many each."""
        return self._shaper.counts.reasons

    @property
    def outside(self) -> int:
        """Geometries that do not touch the city's box."""
        return self._shaper.counts.outside

    @property
    def abroad(self) -> int:
        """Those of them that are not in Germany either: probably wrong coordinates."""
        return self._germany.counts.outside

    def declared(self, *, multiple: bool) -> GeometryType | None:
        """Return the type for the contract, None where no row has a geometry.

        Parameters
        ----------
        multiple : bool
            Whether the format makes no difference between one part and several (Shapefile), so that the next delivery may have several.
        """
        kinds = frozenset(self.kinds)
        if not kinds:
            return None
        made = _DECLARED.get(kinds, "Geometry")
        if made == "Polygon" and (multiple or self.invalid):  # a repaired polygon may fall into parts
            return "MultiPolygon"
        if made == "LineString" and multiple:
            return "MultiLineString"
        return made
