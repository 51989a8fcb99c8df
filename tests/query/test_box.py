"""Boxes against brute force: PostGIS transforming each geometry into the CRS of the box."""

from __future__ import annotations

import json
import random
from math import inf, nan

import pytest
from query.city import Published

from stadtgrund.crs import CRS84, BBox, supported
from stadtgrund.errors import InvalidParameter
from stadtgrund.query import FeatureQuery, items

CRSS = {str(crs.srid): crs for crs in supported(25832)[1:]} | {"CRS84": CRS84}


def found(city: Published, dataset: str, box: BBox) -> list[object]:
    query = FeatureQuery(relation=city.relation(dataset), limit=1000, bbox=box, properties=())
    page = items.read_page(query, city.row(items.page(query)))
    count = items.read_count(query, city.row(items.count(query)))
    assert count.matched == page.returned
    return [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]


def brute(city: Published, dataset: str, box: BBox) -> list[object]:
    return city.column(
        f"SELECT sg_id FROM p_open.{dataset} WHERE ST_Intersects(ST_Transform(geom, {box.crs.srid}), "
        f"ST_MakeEnvelope(%s, %s, %s, %s, {box.crs.srid})) ORDER BY sg_id",
        box.as_tuple(),
    )


@pytest.mark.parametrize("code", CRSS)
@pytest.mark.parametrize("dataset", ["flaechen", "punkte", "proben"])
def test_random_boxes(city: Published, dataset: str, code: str) -> None:
    crs, rng = CRSS[code], random.Random(len(dataset))
    west, south, east, north = city.column(
        f"SELECT unnest(array[ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)]) "
        f"FROM (SELECT ST_Extent(ST_Transform(geom, {crs.srid})) AS e FROM p_open.{dataset}) x"
    )
    width, height = east - west, north - south
    sizes = set()
    for _ in range(60):
        x, y = west + width * rng.uniform(-0.3, 1.2), south + height * rng.uniform(-0.3, 1.2)
        box = BBox(x, y, x + width * rng.random() ** 2, y + height * rng.random() ** 2, crs)
        ids = found(city, dataset, box)
        assert ids == brute(city, dataset, box), box
        sizes.add(len(ids))
    assert len(sizes) > 5


def test_the_whole_world(city: Published) -> None:
    """Transformed to UTM it would be a line. Rows without geometry are not in it."""
    everything = city.column("SELECT sg_id FROM p_open.flaechen WHERE geom IS NOT NULL ORDER BY sg_id")
    assert len(everything) == 588
    assert found(city, "flaechen", BBox(-180, -90, 180, 90)) == everything
    assert found(city, "flaechen", BBox(-180, -90, 180, 51.4)) == brute(city, "flaechen", BBox(0, 50, 20, 51.4))
    assert found(city, "flaechen", BBox(-20037508, -20037508, 20037508, 20037508, CRSS["3857"])) == everything


def test_across_the_antimeridian(city: Published) -> None:
    """170 E to 7.1 E the long way round holds what lies west of 7.1."""
    assert found(city, "flaechen", BBox(170, 50, 7.1, 52)) == brute(city, "flaechen", BBox(-180, 50, 7.1, 52))
    assert found(city, "flaechen", BBox(7.1, 50, -170, 52)) == brute(city, "flaechen", BBox(7.1, 50, 180, 52))
    assert found(city, "flaechen", BBox(170, 50, -170, 52)) == []


@pytest.mark.parametrize("code", CRSS)
def test_a_feature_lies_in_the_box_of_its_own_coordinates(city: Published, code: str) -> None:
    """They are rounded, the rows are not: each corner of a box, and a box that is a point."""
    crs = CRSS[code]
    query = FeatureQuery(relation=city.relation("punkte"), limit=50, crs=crs, properties=())
    page = items.read_page(query, city.row(items.page(query)))
    told = [feature for feature in json.loads(b"[" + page.body + b"]") if feature["geometry"]]
    assert len(told) > 20
    for feature in told:
        x, y = feature["geometry"]["coordinates"][:2]
        if crs.northing_first:
            x, y = y, x
        for box in ((x, y, x, y), (x, y, x + 1, y + 1), (x - 1, y - 1, x, y), (x, y - 1, x + 1, y)):
            assert feature["id"] in found(city, "punkte", BBox(*box, crs)), box


def test_a_box_without_area(city: Published) -> None:
    """It is the line or the point that it looks like."""
    centre = "SELECT ST_Centroid(geom) AS c FROM p_open.flaechen WHERE sg_id = 'F07919'"
    x, y = city.column(f"SELECT unnest(array[ST_X(c), ST_Y(c)]) FROM ({centre}) x")
    storage = CRSS["25832"]
    assert found(city, "flaechen", BBox(x, y, x, y, storage)) == ["F07919"]
    line = "ST_SetSRID(ST_MakeLine(ST_MakePoint(%s, %s), ST_MakePoint(%s, %s)), {})"
    for box in (BBox(x - 900, y, x + 900, y, storage), BBox(x, y - 900, x, y + 900, storage), BBox(7.1, 51.3, 7.1, 51.6)):
        where = f"ST_Intersects(ST_Transform(geom, {box.crs.srid}), {line.format(box.crs.srid)})"
        expected = city.column(f"SELECT sg_id FROM p_open.flaechen WHERE {where} ORDER BY sg_id", box.as_tuple())
        assert found(city, "flaechen", box) == expected and expected


def test_heights_select_where_geometries_have_some(city: Published) -> None:
    """All points are 34.5 m high; areas have no height."""
    for code, world in (("CRS84", (-180, -90, 180, 90)), ("25833", (0, 0, 1e7, 1e7))):
        for heights, number in (((34.5, 34.5), 300), ((-1.0, 34.5), 300), ((34.5, 99.0), 300), ((34.51, 99.0), 0), ((-1.0, 34.49), 0)):
            assert len(found(city, "punkte", BBox(*world, CRSS[code], heights))) == number, (code, heights)
    assert len(found(city, "flaechen", BBox(-180, -90, 180, 90, heights=(800.0, 900.0)))) == 588


@pytest.mark.parametrize("dataset", ["punkte", "flaechen"])
@pytest.mark.parametrize("heights", [(2.0, 1.0), (nan, 1.0), (0.0, inf)], ids=str)
def test_bad_heights(city: Published, dataset: str, heights: tuple[float, float]) -> None:
    query = FeatureQuery(relation=city.relation(dataset), limit=1, bbox=BBox(7, 51, 8, 52, heights=heights))
    with pytest.raises(InvalidParameter, match="finite heights, the bottom not above the top"):
        items.page(query)


@pytest.mark.parametrize(
    "numbers", [(nan, 0, 1, 1), (0, 0, inf, 1), (0, -inf, 1, 1), (7, 52, 8, 51)], ids=["nan", "inf", "-inf", "upside down"]
)
def test_bad_numbers(city: Published, numbers: tuple[float, float, float, float]) -> None:
    query = FeatureQuery(relation=city.relation("flaechen"), limit=1, bbox=BBox(*numbers))
    with pytest.raises(InvalidParameter, match="finite numbers, each lower corner below its upper corner"):
        items.page(query)


def test_metres_do_not_wrap(city: Published) -> None:
    query = FeatureQuery(relation=city.relation("flaechen"), limit=1, bbox=BBox(370_000, 5_690_000, 360_000, 5_700_000, CRSS["25832"]))
    with pytest.raises(InvalidParameter, match="each lower corner"):
        items.page(query)


def test_a_long_parallel_is_bent(city: Published) -> None:
    """The upper edge of a wide box is a parallel: in UTM the chord between its corners lies metres off."""
    relation = city.relation("flaechen")
    box = BBox(6.9, 51.30, 7.35, 51.45)
    statement = items.count(FeatureQuery(relation=relation, limit=1, bbox=box))
    shape = str(statement.params[0])
    (gap,) = city.column(
        "SELECT ST_HausdorffDistance(ST_Transform(ST_Segmentize(ST_Intersection(ST_MakeEnvelope(6.9, 51.30, 7.35, 51.45, 4326), "
        "ST_Envelope(ST_Transform(%s::geometry, 4326))), 0.0001), 25832), %s::geometry, 0.01)",
        (shape, shape),
    )
    assert gap < 60  # its corners are those of the extent, not of the envelope of the bent shape
    (deviation,) = city.column(
        "SELECT max(ST_Distance(ST_Transform(ST_SetSRID(ST_MakePoint(x, 51.45), 4326), 25832), ST_ExteriorRing(%s::geometry))) "
        "FROM generate_series(7.02, 7.24, 0.0007) x",
        (shape,),
    )
    assert deviation < 0.01
