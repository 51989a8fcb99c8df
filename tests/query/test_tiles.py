"""Tiles, decoded by a second reader, against what PostGIS says lies in them."""

from __future__ import annotations

from typing import Any, Literal

import mapbox_vector_tile
import morecantile
import pytest
from query.city import ROWS, Published

from stadtgrund.catalog.contract import Tiles
from stadtgrund.errors import NotFound
from stadtgrund.query import Interval, Tile, cql2, tiles
from stadtgrund.query.relation import Column
from stadtgrund.query.tile_source import attribute
from stadtgrund.query.value import SQL_TYPE

ZOOMS = Tiles(zoom=(0, 20))
X, Y = 7.1, 51.42


def read(city: Published, dataset: str, matrix_set: str, z: int, x: int, y: int, wanted: Tiles = ZOOMS, **options: Any) -> Tile:
    relation = city.relation(dataset)
    tile = tiles.read_tile(relation, city.row(tiles.tile(relation, wanted, matrix_set, z, x, y, **options)))
    assert tile.current and tile.version == relation.version
    return tile


def layer(tile: Tile, name: str) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = mapbox_vector_tile.decode(tile.body)[name]["features"] if tile.body else []
    return features


@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
def test_bounds_are_the_standards(matrix_set: str) -> None:
    ours, theirs = tiles.MATRIX_SETS[matrix_set], morecantile.tms.get(matrix_set)
    for z, x, y in ((0, 0, 0), (1, 1, 0), (9, 300, 170), (14, 8515, 5480)):
        expected = theirs.xy_bounds(morecantile.Tile(x, y, z))
        scale = 1e-6 if ours.crs.geographic else 1e-2
        assert ours.bounds(z, x, y) == pytest.approx(tuple(expected), abs=scale)
        assert ours.has(z, theirs.matrix(z).matrixWidth - 1, theirs.matrix(z).matrixHeight - 1)
        assert not ours.has(z, theirs.matrix(z).matrixWidth, 0) and not ours.has(z, 0, theirs.matrix(z).matrixHeight)


@pytest.mark.parametrize("z", [0, 5, 9, 12, 13, 14, 16])
@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
def test_features_are_those_of_the_tile(city: Published, matrix_set: str, z: int) -> None:
    """Those that reach into the tile with more than half a unit; those that only its margin holds may be there, too."""
    where = morecantile.tms.get(matrix_set).tile(X, Y, z)
    bounds = tiles.MATRIX_SETS[matrix_set].bounds(z, where.x, where.y)
    srid = tiles.MATRIX_SETS[matrix_set].crs.srid
    found = {feature["properties"]["id"] for feature in layer(read(city, "flaechen", matrix_set, z, where.x, where.y), "flaechen")}
    unit = (bounds[2] - bounds[0]) / 4096
    visible = (
        f"ST_Intersects(ST_Transform(geom, {srid}), ST_MakeEnvelope(%s, %s, %s, %s, {srid})) "
        f"AND greatest(ST_XMax(e) - ST_XMin(e), ST_YMax(e) - ST_YMin(e)) > %s"
    )
    query = f"SELECT sg_id FROM (SELECT sg_id, geom, ST_Envelope(ST_Transform(geom, {srid})) AS e FROM p_open.flaechen) f WHERE {visible}"
    inside = set(city.column(query, (*bounds, 4 * unit)))
    reach = 65 * unit
    around = set(city.column(query, (bounds[0] - reach, bounds[1] - reach, bounds[2] + reach, bounds[3] + reach, 0)))
    assert inside <= found <= around
    assert len(found) > 1 or z not in (9, 12, 13)


def test_attributes_and_ids(city: Published) -> None:
    where = morecantile.tms.get("WebMercatorQuad").tile(7.14, 51.42, 11)
    rows = {row["nummer"]: row for row in ROWS["proben"]}
    features = layer(read(city, "proben", "WebMercatorQuad", 11, where.x, where.y), "proben")
    assert len(features) > 20
    for feature in features:
        row, properties = rows[feature["id"]], feature["properties"]
        assert properties["id"] == properties["nummer"] == feature["id"]
        assert properties.get("art") == row["art"]
        assert properties.get("aktiv") == row["aktiv"]
        wert = row["wert"]
        assert properties.get("wert") == (wert if wert is not None and abs(wert) < float("inf") else None)
        assert properties.get("zeit") == (row["zeit"] and row["zeit"].isoformat().replace("+00:00", "Z"))
        assert properties.get("tag") == (row["tag"] and row["tag"].isoformat())
        assert set(properties) <= {*row, "id"} - {"geom"}


@pytest.mark.parametrize("kind", ["date", "datetime"])
def test_an_infinite_day_is_no_attribute(city: Published, kind: Literal["date", "datetime"]) -> None:
    expression = attribute(Column("tag", kind))
    rows = f"(VALUES ('infinity'::{SQL_TYPE[kind]}), ('-infinity'), ('2024-05-01 00:00Z')) f(tag)"
    assert city.column(f"SELECT {expression} FROM {rows}") == [None, None, {"date": "2024-05-01", "datetime": "2024-05-01T00:00:00Z"}[kind]]


def test_text_ids_have_a_stable_number(city: Published) -> None:
    where = morecantile.tms.get("WebMercatorQuad").tile(X, Y, 12)
    first, second = (
        {feature["properties"]["id"]: feature["id"] for feature in layer(read(city, "flaechen", "WebMercatorQuad", *zxy), "flaechen")}
        for zxy in ((12, where.x, where.y), (11, where.x // 2, where.y // 2))
    )
    assert len(first) > 10 and all(0 <= number < 2**53 for number in first.values())
    assert len(set(second.values())) == len(second)
    assert {ident: second[ident] for ident in first if ident in second} == {ident: n for ident, n in first.items() if ident in second}


def test_fields_by_zoom(city: Published) -> None:
    wanted = Tiles(zoom=(0, 20), fields={"<8": (), "<=12": ("art",), "15": ("beginn",), ">=16": ("art", "ende", "geheim")})
    fields = {z: tiles.fields_at(wanted, z) for z in (0, 7, 8, 12, 13, 15, 16)}
    assert fields == {0: (), 7: (), 8: ("art",), 12: ("art",), 13: None, 15: ("beginn",), 16: ("art", "ende", "geheim")}
    for z, allowed in ((7, {"id"}), (12, {"id", "art"}), (16, {"id", "art", "ende"})):
        where = morecantile.tms.get("WebMercatorQuad").tile(X, Y, z)
        found = layer(read(city, "flaechen", "WebMercatorQuad", z, where.x, where.y, wanted), "flaechen")
        assert {name for feature in found for name in feature["properties"]} <= allowed
    with pytest.raises(ValueError, match="not a condition on a zoom: 'groß'"):
        tiles.fields_at(Tiles(fields={"groß": ()}), 1)


def test_empty_tile(city: Published) -> None:
    tile = read(city, "flaechen", "WebMercatorQuad", 10, 0, 0)
    assert (tile.body, tile.features, tile.complete) == (b"", 0, True)


@pytest.mark.parametrize("zxy", [(3, 0, 0), (21, 0, 0), (-1, 0, 0), (10, 1024, 0), (10, 0, 1024), (10, -1, 0), (10, 0, -1), (10**9, 0, 0)])
def test_no_such_tile(city: Published, zxy: tuple[int, int, int]) -> None:
    with pytest.raises(NotFound, match="Zoom is 4 to 20"):
        tiles.tile(city.relation("flaechen"), Tiles(zoom=(4, 20)), "WebMercatorQuad", *zxy)


def test_no_such_matrix_set(city: Published) -> None:
    with pytest.raises(NotFound, match="known: WebMercatorQuad, WorldCRS84Quad"):
        tiles.tile(city.relation("flaechen"), ZOOMS, "GoogleMapsCompatible", 1, 0, 0)


def test_limit_filter_and_time(city: Published) -> None:
    where = morecantile.tms.get("WebMercatorQuad").tile(X, Y, 9)
    zxy = (9, where.x, where.y)
    everything = read(city, "flaechen", "WebMercatorQuad", *zxy)
    assert everything.complete and everything.features > 100
    relation = city.relation("flaechen")
    few = tiles.read_tile(relation, city.row(tiles.tile(relation, ZOOMS, "WebMercatorQuad", *zxy, max_features=50)), max_features=50)
    assert (few.features, few.complete) == (50, False)
    wood = read(city, "flaechen", "WebMercatorQuad", *zxy, filter=cql2.parse("art = 'Wald'", "cql2-text", relation))
    assert {feature["properties"]["art"] for feature in layer(wood, "flaechen")} == {"Wald"}
    dated = read(city, "flaechen", "WebMercatorQuad", *zxy, datetime=Interval.parse("2024-06-15"))
    assert 0 < dated.features < everything.features
