"""Geometries of a batch to the form of the contract: declared type, dimensions, storage CRS, valid; counts what it changed.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

__all__ = ["GeometryCounts", "GeometryError", "Shaper", "points"]

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from pyproj import CRS, Transformer
from shapely import GeometryType as Kind

from stadtgrund.catalog.contract import Geometry
from stadtgrund.catalog.contract import GeometryType as Declared
from stadtgrund.language import say

_SINGLE: dict[Declared, Kind] = {
    "Point": Kind.POINT,
    "LineString": Kind.LINESTRING,
    "Polygon": Kind.POLYGON,
    "MultiPoint": Kind.POINT,
    "MultiLineString": Kind.LINESTRING,
    "MultiPolygon": Kind.POLYGON,
}
_MULTI: dict[Kind, Kind] = {Kind.POINT: Kind.MULTIPOINT, Kind.LINESTRING: Kind.MULTILINESTRING, Kind.POLYGON: Kind.MULTIPOLYGON}
_MAKE = {
    Kind.MULTIPOINT: shapely.multipoints,
    Kind.MULTILINESTRING: shapely.multilinestrings,
    Kind.MULTIPOLYGON: shapely.multipolygons,
}
_NAMES = {
    Kind.POINT: ("ein Punkt", "a point"),
    Kind.LINESTRING: ("eine Linie", "a line"),
    Kind.LINEARRING: ("ein Ring", "a ring"),
    Kind.POLYGON: ("eine Fläche", "an area"),
    Kind.MULTIPOINT: ("mehrere Punkte", "several points"),
    Kind.MULTILINESTRING: ("mehrere Linien", "several lines"),
    Kind.MULTIPOLYGON: ("mehrere Flächen", "several areas"),
    Kind.GEOMETRYCOLLECTION: ("eine Sammlung verschiedener Geometrien", "a collection of several geometries"),
}


@dataclass(frozen=True)
class GeometryError:
    """A geometry that cannot be published: position in the batch, rule and reason."""

    index: int
    rule: str
    reason: str


@dataclass
class GeometryCounts:
    """What was seen and changed over all batches. Areas and lengths are in the storage CRS (m², m)."""

    rows: int = 0
    missing: int = 0
    promoted: int = 0
    reduced: int = 0
    """Multi geometries of one part that became single ones."""
    flattened: int = 0
    measured: int = 0
    """Geometries whose measures (M) were left out."""
    closed: int = 0
    invalid: int = 0
    repaired: int = 0
    area_change_m2: float = 0.0
    area_change_max_m2: float = 0.0
    """Largest change of one geometry, against the area that its invalid ring states."""
    outside: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def points(x: np.ndarray, y: np.ndarray) -> Any:
    """Return points of two float arrays; None where one of the two is NaN."""
    made = shapely.points(np.nan_to_num(x), np.nan_to_num(y))
    made[np.isnan(x) | np.isnan(y)] = None
    return made


class Shaper:
    """Brings geometries from the source's CRS to the contract's form.

    Parameters
    ----------
    geometry : Geometry
        What the contract declares.
    source_crs : str
        Of the source, as PROJ takes it.
    box : tuple of float
        The deployment's extent in the storage CRS (xmin, ymin, xmax, ymax); geometries that do not touch it are outside.
    repair : bool
        Whether invalid geometries are repaired; otherwise they are only counted.
    """

    def __init__(self, geometry: Geometry, source_crs: str, box: tuple[float, float, float, float], *, repair: bool) -> None:
        self.geometry, self.box, self.repair = geometry, box, repair
        source, target = CRS.from_user_input(source_crs), CRS.from_user_input(geometry.crs)
        if geometry.dimensions == 2:
            source = source.to_2d()
        self._transformer = None if source.equals(target, ignore_axis_order=True) else Transformer.from_crs(source, target, always_xy=True)
        self.counts = GeometryCounts()
        self.raw_sample: np.ndarray = np.empty((0, 2))
        """Coordinates of the first batch as they came, to tell what is wrong with a misplaced source."""

    def read(self, wkb: pa.Array) -> tuple[np.ndarray, list[GeometryError]]:
        """Return geometries from WKB; rings that are not closed are closed and counted."""
        raw = wkb.to_numpy(zero_copy_only=False)
        shapes = shapely.from_wkb(raw, on_invalid="ignore")
        errors = []
        for index in np.flatnonzero(shapely.is_missing(shapes) & wkb.is_valid().to_numpy(zero_copy_only=False)):
            shapes[index] = shapely.from_wkb(raw[index], on_invalid="fix")
            if shapes[index] is None:
                errors.append(
                    GeometryError(int(index), "valid_geometry", say("die Geometrie ist nicht lesbar", "the geometry cannot be read"))
                )
            else:
                self.counts.closed += 1
        return shapes, errors

    def shape(self, shapes: np.ndarray) -> tuple[np.ndarray, list[GeometryError], np.ndarray]:
        """Return the geometries in the storage CRS with the declared type, those that cannot be, and which ones are invalid still."""
        counts, errors = self.counts, []
        shapes = shapes.copy()
        shapes[shapely.is_empty(shapes)] = None
        present = ~shapely.is_missing(shapes)
        counts.rows += len(shapes)
        counts.missing += int((~present).sum())
        has_m = shapely.has_m(shapes)
        if has_m.any():
            counts.measured += int(has_m.sum())
            shapes[has_m] = _without_measures(shapes[has_m])
        has_z = shapely.has_z(shapes)
        if self.geometry.dimensions == 2 and has_z.any():
            counts.flattened += int(has_z.sum())
            shapes = shapely.force_2d(shapes)
        elif self.geometry.dimensions == 3:
            shapes = shapely.force_3d(shapes)
        if not len(self.raw_sample):
            self.raw_sample = shapely.get_coordinates(shapes)[:1000]
        shapes, lost = self._reproject(shapes)
        errors += [
            GeometryError(
                int(i),
                "crs",
                say(
                    "die Koordinaten lassen sich nicht in das Lagebezugssystem umrechnen",
                    "the coordinates cannot be transformed into the CRS",
                ),
            )
            for i in lost
        ]
        shapes, wrong = self._typed(shapes)
        errors += wrong
        invalid = ~shapely.is_missing(shapes) & ~shapely.is_valid(shapes)
        counts.invalid += int(invalid.sum())
        if invalid.any():
            self._explain(shapes, invalid)
            if self.repair:
                shapes, unrepaired = self._repaired(shapes, invalid)
                errors += unrepaired
                invalid = np.zeros(len(shapes), dtype=bool)
        errors += self._outside(shapes)
        return shapes, errors, invalid

    def ewkb(self, shapes: np.ndarray) -> pa.Array:
        """Return EWKB with the storage SRID: the form that PostGIS' binary input takes."""
        with_srid = shapely.set_srid(shapes, self.geometry.srid)
        return pa.array(
            shapely.to_wkb(with_srid, output_dimension=self.geometry.dimensions, include_srid=True, flavor="extended"), pa.binary()
        )

    def _reproject(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        transformer = self._transformer
        with_z = self.geometry.dimensions == 3
        coordinates, owner = shapely.get_coordinates(shapes, include_z=with_z, return_index=True)
        if transformer is not None and len(coordinates):
            changed = transformer.transform(*coordinates.T)
            coordinates = np.column_stack(changed)
        lost = np.unique(owner[~np.isfinite(coordinates[:, :2]).all(axis=1)])
        if len(lost):
            shapes = shapes.copy()
            keep = ~np.isin(owner, lost)
            shapes[lost] = None
            coordinates = coordinates[keep]
        if transformer is not None and len(coordinates):
            shapes = shapely.set_coordinates(shapes.copy(), coordinates)
        return shapes, lost

    def _typed(self, shapes: np.ndarray) -> tuple[np.ndarray, list[GeometryError]]:
        declared = self.geometry.type
        if declared == "Geometry":
            return shapes, []
        single = _SINGLE[declared]
        multi = _MULTI[single]
        have = shapely.get_type_id(shapes)
        errors = []
        if declared.startswith("Multi"):
            alone = np.flatnonzero(have == single)
            if len(alone):
                shapes[alone] = _MAKE[multi](shapes[alone], indices=np.arange(len(alone)))
                self.counts.promoted += len(alone)
        else:
            alone = np.flatnonzero((have == multi) & (shapely.get_num_geometries(shapes) == 1))
            if len(alone):
                shapes[alone] = shapely.get_geometry(shapes[alone], 0)
                self.counts.reduced += len(alone)
        right = multi if declared.startswith("Multi") else single
        have = shapely.get_type_id(shapes)
        for index in np.flatnonzero((have != right) & (have != -1)):
            kind = Kind(int(have[index]))
            errors.append(
                GeometryError(
                    int(index),
                    "geometry_type",
                    say(
                        f"die Geometrie ist {_NAMES[kind][0]}; der Vertrag verlangt {declared}",
                        f"the geometry is {_NAMES[kind][1]}; the contract asks for {declared}",
                    ),
                )
            )
            shapes[index] = None
        return shapes, errors

    def _explain(self, shapes: np.ndarray, invalid: np.ndarray) -> None:
        for index in np.flatnonzero(invalid):
            reason = str(shapely.is_valid_reason(shapes[index])).split("[")[0].strip()
            self.counts.reasons[reason] = self.counts.reasons.get(reason, 0) + 1

    def _repaired(self, shapes: np.ndarray, invalid: np.ndarray) -> tuple[np.ndarray, list[GeometryError]]:
        errors = []
        for index in np.flatnonzero(invalid):
            before = shapes[index]
            fixed = self._of_declared_type(shapely.make_valid(before, method="structure", keep_collapsed=False))
            if fixed is None:
                shapes[index] = None
                errors.append(
                    GeometryError(
                        int(index),
                        "valid_geometry",
                        say(
                            "die Geometrie ist ungültig und lässt sich nicht im verlangten Typ reparieren",
                            "the geometry is invalid and cannot be repaired in the declared type",
                        ),
                    )
                )
                continue
            shapes[index] = fixed
            change = abs(float(shapely.area(fixed)) - float(shapely.area(before)))
            self.counts.repaired += 1
            self.counts.area_change_m2 += change
            self.counts.area_change_max_m2 = max(self.counts.area_change_max_m2, change)
        return shapes, errors

    def _of_declared_type(self, shape: Any) -> Any:
        """Return the parts of the declared type as one geometry; None when there are none, or more than a single type can hold."""
        declared = self.geometry.type
        if declared == "Geometry":
            return None if shape.is_empty else shape
        single = _SINGLE[declared]
        parts = [part for part in _flat(shape) if shapely.get_type_id(part) == single and not part.is_empty]
        if declared.startswith("Multi"):
            return _MAKE[_MULTI[single]](parts) if parts else None
        return parts[0] if len(parts) == 1 else None

    def _outside(self, shapes: np.ndarray) -> list[GeometryError]:
        if self.geometry.within == "anywhere":
            return []
        bounds = shapely.bounds(shapes)
        xmin, ymin, xmax, ymax = self.box
        with np.errstate(invalid="ignore"):
            away = (bounds[:, 0] > xmax) | (bounds[:, 2] < xmin) | (bounds[:, 1] > ymax) | (bounds[:, 3] < ymin)
        self.counts.outside += int(away.sum())
        return [
            GeometryError(
                int(i),
                "within",
                say(
                    f"die Geometrie liegt außerhalb der Stadt (bei {bounds[i, 0]:.2f} / {bounds[i, 1]:.2f})",
                    f"the geometry lies outside the city (at {bounds[i, 0]:.2f} / {bounds[i, 1]:.2f})",
                ),
            )
            for i in np.flatnonzero(away)
        ]


def _without_measures(shapes: np.ndarray) -> np.ndarray:
    """Return the geometries without M, those with heights as XYZ: `force_3d` makes their heights 0 where there are measures (GEOS 3.14)."""
    made: np.ndarray = shapely.force_2d(shapes)
    has_z = shapely.has_z(shapes)
    made[has_z] = shapely.from_wkb(shapely.to_wkb(shapes[has_z], output_dimension=3))
    return made


def _flat(shape: Any) -> list[Any]:
    parts = list(shapely.get_parts(shape))
    if (len(parts) == 1 and parts[0] is shape) or not len(parts):
        return [shape]
    return [inner for part in parts for inner in (_flat(part) if shapely.get_type_id(part) >= Kind.MULTIPOINT else [part])]
