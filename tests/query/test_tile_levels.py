"""Generalised tiles, decoded by a second reader: small, valid, with shared edges shared, and every feature accounted for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from math import pi, sin
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from query.city import Published
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from support.deployment import checked, contract_of, write_deployment
from support.rows import publish_rows

from server.tile_grid import limits
from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection, TileLevel
from stadtgrund.query import Interval, cql2, tiles
from stadtgrund.query.tile_source import FULL, level_of
from stadtgrund.store.database import Database
from stadtgrund.store.tile_levels import MOST_BYTES

LEFT, BOTTOM = 365_000, 5_695_000
NUMBER = {"name": "nummer", "type": "integer", "required": True, "unique": True}


def dataset(ident: str, kind: str, tiles: dict[str, Any], *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ident,
        "title": {"de": ident},
        "description": {"de": "Beschreibung."},
        "source": {"kind": "ogr", "location": "${DATA}/x.gpkg", "crs": "EPSG:25832", "rhythm": "monthly"},
        "geometry": {"type": kind, "crs": "EPSG:25832"},
        "id_field": {"kind": "column", "column": "nummer"},
        "fields": [NUMBER, *fields],
        "publish": {"items": True, "tiles": tiles},
    }


TEXT = {"name": "text", "type": "string"}
DATASETS = {
    # 300 bytes of text a feature: some thousands are more than a tile may have.
    "haeuser": dataset("haeuser", "Polygon", {"zoom": [8, 16]}, TEXT, {"name": "tag", "type": "date"}) | {"temporal": {"instant": "tag"}},
    "baeume": dataset("baeume", "Point", {"zoom": [8, 13]}, TEXT),
    "wege": dataset("wege", "LineString", {"zoom": [8, 16]}, TEXT),
    "bezirke": dataset("bezirke", "Polygon", {"zoom": [8, 16], "fields": {"<12": []}}),
    "bezirke_unsauber": dataset("bezirke_unsauber", "Polygon", {"zoom": [8, 16], "fields": {"<12": []}}),
    "gemischt": dataset("gemischt", "Geometry", {"zoom": [8, 16]}),
}


def text(rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghijklmnop", k=300))


def scattered(kind: str) -> Iterator[dict[str, Any]]:
    """3,000 features of 8 to 30 m within 3 km."""
    rng = random.Random(kind)
    for number in range(3000):
        x, y, side = LEFT + rng.uniform(0, 3000), BOTTOM + rng.uniform(0, 3000), rng.choice([8, 12, 30])
        shapes = {
            "Polygon": shapely.box(x, y, x + side, y + side / 2),
            "Point": shapely.Point(x, y),
            "LineString": shapely.LineString([(x, y), (x + side, y + 3), (x + 2 * side, y)]),
        }
        yield {"nummer": number, "text": text(rng), "tag": f"2024-01-{number % 28 + 1:02d}", "geom": shapes[kind].wkt}


def edge(first: tuple[float, float], last: tuple[float, float], wave: float) -> list[tuple[float, float]]:
    """A wavy line of 60 parts, the same to the last digit in either direction."""
    if first > last:
        return edge(last, first, wave)[::-1]
    steps = np.linspace(0, 1, 61)
    (x0, y0), (x1, y1) = first, last
    return [
        (x0 + t * (x1 - x0) + wave * sin(6 * pi * t) * (y1 - y0) / 2000, y0 + t * (y1 - y0) + wave * sin(6 * pi * t) * (x1 - x0) / 2000)
        for t in steps
    ]


def districts() -> list[dict[str, Any]]:
    """6 × 6 areas that tile the plane, with wavy edges."""
    rows = []
    for i in range(6):
        for j in range(6):
            a, b = (LEFT + 2000.0 * i, BOTTOM + 2000.0 * j), (LEFT + 2000.0 * (i + 1), BOTTOM + 2000.0 * (j + 1))
            corners = [a, (b[0], a[1]), b, (a[0], b[1]), a]
            ring = [point for p, q in pairwise(corners) for point in edge(p, q, 90.0)[:-1]]
            rows.append({"nummer": i * 10 + j, "geom": shapely.Polygon(ring).wkt})
    return rows


def mixed() -> list[dict[str, Any]]:
    wkts = [
        "POINT(366000 5696000)",
        "MULTIPOINT(366000 5696100, 366300 5696100)",
        "LINESTRING(366000 5696000, 367000 5697000)",
        "GEOMETRYCOLLECTION(POINT(366000 5696000), POLYGON((366000 5696000, 367000 5696000, 367000 5697000, 366000 5696000)))",
        "CURVEPOLYGON(CIRCULARSTRING(370000 5700000, 370100 5700100, 370200 5700000, 370100 5699900, 370000 5700000))",
        # Rounding makes its sides cross.
        "POLYGON((368000 5698000, 368900 5698001, 368900 5698300, 368899 5698003, 368000 5698002, 368000 5698000))",
        "POLYGON EMPTY",
    ]
    return [{"nummer": number, "geom": wkt} for number, wkt in enumerate(wkts)] + [{"nummer": 99, "geom": None}]


ROWS = {
    "haeuser": list(scattered("Polygon")),
    "baeume": list(scattered("Point")),
    "wege": list(scattered("LineString")),
    "bezirke": districts(),
    # One that overlaps: the layer is no coverage, and only rounding keeps edges together.
    "bezirke_unsauber": [*districts(), {"nummer": 500, "geom": shapely.box(LEFT - 900, BOTTOM + 300, LEFT + 100, BOTTOM + 900).wkt}],
    "gemischt": mixed(),
}


@pytest.fixture(scope="module")
def city(module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    contracts = [checked(contract_of(values)) for values in DATASETS.values()]
    folder = write_deployment(tmp_path_factory.mktemp("levels") / "teststadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    for name, rows in ROWS.items():
        publish_rows(module_db, deployment, name, rows)
    with module_db.connect("open", autocommit=True) as connection:
        connection.execute("SET jit = off")
        yield Published(module_db, deployment, connection)


def collection(city: Published, name: str) -> Collection:
    row = city.connection.execute("SELECT collection FROM p_open.sg_state WHERE dataset = %s", (name,)).fetchone()
    assert row is not None
    return Collection.model_validate(row[0])


def levels(city: Published, name: str) -> dict[int, TileLevel]:
    return {level.zoom: level for level in collection(city, name).facts.tiles or ()}


def body(city: Published, name: str, matrix_set: str, z: int, x: int, y: int, **conditions: Any) -> bytes:
    relation = city.relation(name)
    assert relation.tiles
    return tiles.read_tile(relation, city.row(tiles.tile(relation, relation.tiles, matrix_set, z, x, y, **conditions))).body


def bodies(city: Published, name: str, matrix_set: str, zoom: int, **conditions: Any) -> Iterator[bytes]:
    """Every tile of a zoom."""
    box = collection(city, name).facts.extent.crs84
    assert box
    held = limits(matrix_set, box, zoom)
    for y in range(held.min_row, held.max_row + 1):
        for x in range(held.min_column, held.max_column + 1):
            yield body(city, name, matrix_set, zoom, x, y, **conditions)


def features(tile: bytes, name: str) -> list[dict[str, Any]]:
    decoded = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True}) if tile else {}
    found: list[dict[str, Any]] = decoded[name]["features"] if decoded else []
    return found


def in_zoom(city: Published, name: str, matrix_set: str, zoom: int, **conditions: Any) -> dict[int, dict[str, Any]]:
    """The features of all tiles of a zoom by their number; a feature that lies in several comes once."""
    return {each["id"]: each for tile in bodies(city, name, matrix_set, zoom, **conditions) for each in features(tile, name)}


@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
@pytest.mark.parametrize("name", ["haeuser", "baeume", "wege"])
def test_no_overview_tile_is_large(city: Published, name: str, matrix_set: str) -> None:
    largest = {}
    for zoom in range(8, 15 if name != "baeume" else 14):
        largest[zoom] = max(len(tile) for tile in bodies(city, name, matrix_set, zoom))
    assert 0 < max(largest.values()) <= MOST_BYTES, largest
    assert max(largest.values()) > MOST_BYTES / 3  # the limit is what made them small


@pytest.mark.parametrize("name", list(DATASETS))
def test_kept_merged_and_dropped_are_all(city: Published, name: str) -> None:
    total = sum(row["geom"] not in (None, "POLYGON EMPTY") for row in ROWS[name])
    found = levels(city, name)
    assert found or name == "gemischt"
    for level in found.values():
        assert level.features + level.merged + level.dropped == total
        if name != "gemischt":
            shown = in_zoom(city, name, "WebMercatorQuad", level.zoom)
            assert len(shown) == level.features
            assert sum(each["properties"].get("sg_count", 1) for each in shown.values()) == level.features + level.merged
            assert all(each["properties"].get("sg_count", 2) > 1 for each in shown.values())
    if name in ("haeuser", "baeume"):
        assert found[8].merged > 1500 and found[8].dropped == 0
    if name == "wege":
        assert found[8].dropped > 1500 and found[8].merged == 0
    if name == "bezirke":
        assert {level.merged + level.dropped for level in found.values()} == {0}


def test_a_square_stands_for_areas_as_large_as_they(city: Published) -> None:
    metres = 2 * 20037508.342789244 / 2**8 / 4096 * 0.6246  # a unit on the ground, at this latitude
    shown = in_zoom(city, "haeuser", "WebMercatorQuad", 8).values()
    area = sum(shape(each["geometry"]).area for each in shown) * metres**2
    true = sum(shapely.from_wkt(row["geom"]).area for row in ROWS["haeuser"])
    assert 0.5 * true < area < 2 * true  # whole units, of which most have one or two


@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
@pytest.mark.parametrize("name", ["haeuser", "bezirke", "bezirke_unsauber", "gemischt"])
def test_areas_are_valid_and_wound_as_the_specification_says(city: Published, name: str, matrix_set: str) -> None:
    seen = 0
    for zoom in (8, 10, 12, 14):
        for tile in bodies(city, name, matrix_set, zoom):
            for each in features(tile, name):
                area: BaseGeometry = shape(each["geometry"])
                if area.geom_type not in ("Polygon", "MultiPolygon"):
                    continue
                assert area.is_valid and area.area > 0, (zoom, each)
                for part in shapely.get_parts(area):
                    # Vector Tile 2.1, 4.3.4.4: the outer ring has a positive area where y points down.
                    assert part.exterior.is_ccw and not any(ring.is_ccw for ring in part.interiors)
                    seen += 1
    assert seen > 3


@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
@pytest.mark.parametrize("name", ["bezirke", "bezirke_unsauber"])
def test_shared_edges_stay_shared(city: Published, name: str, matrix_set: str) -> None:
    """Neither gaps nor overlaps wider than a unit, an eighth of a pixel."""
    looked = 0
    for zoom in (8, 9, 11, 13):
        for tile in bodies(city, name, matrix_set, zoom):
            areas = [shape(each["geometry"]) for each in features(tile, name) if each["id"] != 500]
            if len(areas) < 2:
                continue
            looked += 1
            tree = shapely.STRtree(areas)
            for i, j in tree.query(areas, predicate="intersects").T:
                if i < j:
                    assert areas[i].intersection(areas[j]).buffer(-0.5).is_empty, (zoom, i, j)
            whole = shapely.union_all(areas).buffer(0.5, join_style="mitre")
            assert not any(len(part.interiors) for part in shapely.get_parts(whole)), zoom
    assert looked > 10


def test_fewer_vertices_the_smaller_the_scale(city: Published) -> None:
    counts = [
        sum(shapely.get_num_coordinates(shape(each["geometry"])) for each in in_zoom(city, "bezirke", "WebMercatorQuad", zoom).values())
        for zoom in (8, 9, 10)
    ]
    assert counts[0] < counts[1] < counts[2] < 36 * 240
    assert counts[0] < 36 * 60


@pytest.mark.parametrize("matrix_set", tiles.MATRIX_SETS)
@pytest.mark.parametrize("name", ["haeuser", "baeume", "wege", "bezirke"])
def test_high_zooms_show_every_feature(city: Published, name: str, matrix_set: str) -> None:
    """The last zoom of a tileset is enlarged by clients; from zoom 15 on none is generalised."""
    zoom = {"baeume": 13}.get(name, 15)
    assert level_of(tuple(levels(city, name)), tiles.MATRIX_SETS[matrix_set], zoom) in (FULL, None)
    shown = in_zoom(city, name, matrix_set, zoom)
    assert set(shown) == {row["nummer"] for row in ROWS[name]}
    assert not any("sg_count" in each["properties"] for each in shown.values())


def test_a_prepared_tile_is_the_tile_that_its_rows_make(city: Published) -> None:
    relation = city.relation("haeuser")
    assert relation.tiles
    for tile, made in zip(
        bodies(city, "haeuser", "WebMercatorQuad", 16),
        bodies(city, "haeuser", "WebMercatorQuad", 16, filter=cql2.parse("nummer >= 0", "cql2-text", relation)),
        strict=True,
    ):
        ours, theirs = ({each["id"]: each for each in features(body, "haeuser")} for body in (tile, made))
        assert ours.keys() == theirs.keys()
        for ident, each in ours.items():
            assert each["properties"] == theirs[ident]["properties"]
            assert shape(each["geometry"]).equals_exact(shape(theirs[ident]["geometry"]), 1.01)


def test_a_filter_and_a_time_see_every_feature(city: Published) -> None:
    relation = city.relation("baeume")
    wanted = {row["nummer"] for row in ROWS["baeume"] if row["nummer"] < 50}
    chosen = in_zoom(city, "baeume", "WebMercatorQuad", 8, filter=cql2.parse("nummer < 50", "cql2-text", relation))
    assert set(chosen) == wanted and not any("sg_count" in each["properties"] for each in chosen.values())
    assert not wanted <= set(in_zoom(city, "baeume", "WebMercatorQuad", 8))


def test_a_time_sees_every_feature(city: Published) -> None:
    wanted = {row["nummer"] for row in ROWS["haeuser"] if row["tag"] == "2024-01-03"}
    chosen = in_zoom(city, "haeuser", "WebMercatorQuad", 12, datetime=Interval.parse("2024-01-03"))
    assert set(chosen) == wanted and {each["properties"]["tag"] for each in chosen.values()} == {"2024-01-03"}
