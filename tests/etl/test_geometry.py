from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from pyproj import Transformer

from etl import placement
from etl.geometry import Shaper
from stadtgrund.catalog.contract import Geometry

BOX84 = (7.0, 51.3, 7.4, 51.6)
BOX = (360000.0, 5680000.0, 400000.0, 5720000.0)
X, Y = 380000.0, 5700000.0


def shaper(kind: str = "Polygon", crs: str = "EPSG:25832", *, repair: bool = True, dimensions: int = 2) -> Shaper:
    return Shaper(Geometry(type=kind, dimensions=dimensions), crs, BOX, repair=repair)  # type: ignore[arg-type]


def test_a_bow_tie_is_repaired_in_its_declared_type_and_counted() -> None:
    bow = shapely.Polygon([(X, Y), (X + 10, Y + 10), (X + 10, Y), (X, Y + 10)])
    multi = shaper("MultiPolygon")
    (made,), errors, _ = multi.shape(np.array([shapely.multipolygons([bow])]))
    assert made.geom_type == "MultiPolygon" and made.is_valid and made.area == pytest.approx(50)
    assert (errors, multi.counts.repaired, multi.counts.reasons) == ([], 1, {"Self-intersection": 1})
    single = shaper("Polygon")
    _, errors, _ = single.shape(np.array([bow]))
    assert [error.rule for error in errors] == ["valid_geometry"], "two triangles are no single polygon"


def test_types_are_promoted_reduced_or_refused() -> None:
    line = shapely.LineString([(X, Y), (X + 1, Y + 1)])
    promoted = shaper("MultiLineString")
    (made,), _, _ = promoted.shape(np.array([line]))
    assert made.geom_type == "MultiLineString" and promoted.counts.promoted == 1
    reduced = shaper("LineString")
    (made, gone), errors, _ = reduced.shape(np.array([shapely.multilinestrings([line]), shapely.Point(X, Y)]))
    assert made == line and gone is None and reduced.counts.reduced == 1
    assert [(error.index, error.reason) for error in errors] == [(1, "die Geometrie ist ein Punkt; der Vertrag verlangt LineString")]


def test_heights_are_dropped_or_kept() -> None:
    high = shapely.Point(X, Y, 55)
    flat = shaper("Point")
    (made,), _, _ = flat.shape(np.array([high]))
    assert not made.has_z and flat.counts.flattened == 1
    (kept,), _, _ = shaper("Point", dimensions=3).shape(np.array([high]))
    assert kept.z == 55


SHAPES = {
    "POINT": "(380000 5700000{})",
    "LINESTRING": "(380000 5700000{}, 380009 5700001{})",
    "POLYGON": "((380000 5700000{0}, 380009 5700000{0}, 380009 5700009{0}, 380000 5700000{0}),"
    " (380005 5700001{0}, 380006 5700001{0}, 380006 5700002{0}, 380005 5700001{0}))",
    "MULTIPOINT": "((380000 5700000{}), (380009 5700001{}))",
    "MULTILINESTRING": "((380000 5700000{}, 380009 5700001{}), (380001 5700000{}, 380008 5700003{}))",
    "MULTIPOLYGON": "(((380000 5700000{0}, 380009 5700000{0}, 380009 5700009{0}, 380000 5700000{0})))",
    "GEOMETRYCOLLECTION": "(POINT {1} (380000 5700000{0}), LINESTRING {1} (380000 5700000{0}, 380009 5700001{0}))",
}


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:25833"])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("axes", ["ZM", "M", "Z", ""])
@pytest.mark.parametrize("kind", SHAPES)
def test_measures_are_left_out_and_heights_stay(kind: str, axes: str, dimensions: int, crs: str) -> None:
    numbers = {"ZM": " 55 7", "M": " 7", "Z": " 55", "": ""}[axes]
    text = SHAPES[kind].replace("{}", "{0}").format(numbers, axes)
    one = Shaper(Geometry(type="Geometry", dimensions=dimensions, within="anywhere"), crs, BOX, repair=True)  # type: ignore[arg-type]
    read, _ = one.read(pa.array([shapely.to_wkb(shapely.from_wkt(f"{kind} {axes} {text}"), flavor="iso"), None]))
    (made, none), errors, _ = one.shape(read)
    assert none is None and errors == [] and not shapely.has_m(made) and shapely.has_z(made) == (dimensions == 3)
    if dimensions == 3:
        assert shapely.get_coordinates(made, include_z=True)[:, 2] == pytest.approx(55 if "Z" in axes else 0)
    flat = shapely.from_wkt(f"{kind} " + SHAPES[kind].replace("{}", "{0}").format("", ""))
    assert len(shapely.get_coordinates(made)) == len(shapely.get_coordinates(flat))
    if crs == "EPSG:25832":
        assert shapely.equals_exact(shapely.force_2d(made), flat)
    assert (one.counts.measured, one.counts.flattened) == ("M" in axes, dimensions == 2 and "Z" in axes)
    (stored,) = shapely.from_wkb([one.ewkb(np.array([made]))[0].as_py()])
    assert shapely.has_z(stored) == (dimensions == 3) and not shapely.has_m(stored)


@pytest.mark.parametrize("kind", SHAPES)
def test_an_empty_geometry_with_measures_is_none(kind: str) -> None:
    one = shaper("Geometry", dimensions=3)
    made, errors, _ = one.shape(shapely.from_wkt([f"{kind} ZM EMPTY"]))
    assert list(made) == [None] and errors == [] and (one.counts.missing, one.counts.measured) == (1, 0)


def test_reprojection_is_that_of_proj() -> None:
    lon, lat = 7.2, 51.45
    (made,), _, _ = shaper("Point", "OGC:CRS84").shape(np.array([shapely.Point(lon, lat)]))
    assert (made.x, made.y) == pytest.approx(Transformer.from_crs("OGC:CRS84", "EPSG:25832", always_xy=True).transform(lon, lat), abs=1e-6)


def test_what_lies_outside_or_cannot_be_transformed_is_refused() -> None:
    made, errors, _ = shaper("Point", "OGC:CRS84").shape(np.array([shapely.Point(0, 0), shapely.Point(7.2, 51.4), shapely.Point(7.2, 95)]))
    assert {error.index: error.rule for error in errors} == {0: "within", 2: "crs"}
    assert made[2] is None


def test_an_open_ring_is_closed() -> None:
    ring = shapely.Polygon([(X, Y), (X + 10, Y), (X + 10, Y + 10)])
    wkb = bytearray(shapely.to_wkb(ring))
    wkb[9:13] = (3).to_bytes(4, "little")
    one = shaper()
    shapes, errors = one.read(pa.array([bytes(wkb[:-16]), None, b"\x01nonsense"], pa.binary()))
    assert shapes[0].equals(ring) and shapes[1] is None and shapes[2] is None
    assert one.counts.closed == 1 and [error.index for error in errors] == [2]


@pytest.mark.parametrize(
    ("source", "swap", "assumed", "told"),
    [
        ("EPSG:4647", False, "EPSG:25832", "EPSG:4647"),
        ("EPSG:25832", True, "EPSG:25832", "Achsen vertauscht"),
        ("EPSG:25833", False, "EPSG:25832", "EPSG:25833"),
        ("EPSG:31466", False, "EPSG:25832", "Gauß-Krüger Zone 2"),
        ("OGC:CRS84", False, "EPSG:25832", "EPSG:4326"),
        ("OGC:CRS84", True, "EPSG:25832", "vertauschten Achsen"),
        ("EPSG:3857", False, "EPSG:25832", "EPSG:3857"),
    ],
)
def test_the_cause_of_a_misplaced_source_is_named(source: str, swap: bool, assumed: str, told: str) -> None:
    x, y = Transformer.from_crs("OGC:CRS84", source, always_xy=True).transform(7.2, 51.45)
    sample = np.array([(y, x) if swap else (x, y)])
    cause, remedy, certain = placement.explain(sample, assumed, BOX84)
    assert told in cause + remedy and certain


def test_a_place_elsewhere_has_no_cause() -> None:
    assert placement.explain(np.array([(1.0, 2.0)]), "EPSG:25832", BOX84)[2] is False
