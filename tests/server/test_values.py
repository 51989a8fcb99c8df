"""Values from end to end: each type's extremes in GeoJSON, CSV and HTML, and as literals of a filter and of parameters."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from support.client import Client
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry

WERTE: dict[str, Any] = {
    "id": "werte",
    "title": {"de": "Werte"},
    "description": {"de": "Was schwer zu übertragen ist."},
    "source": {"kind": "ogr", "location": "${DATA}/x.gpkg", "crs": "EPSG:25832"},
    "geometry": {"type": "Geometry", "crs": "EPSG:25832", "dimensions": 3},
    "id_field": {"kind": "column", "column": "name"},
    "fields": [
        {"name": "name", "type": "string", "required": True, "unique": True},
        {"name": "ganz", "type": "integer"},
        {"name": "zahl", "type": "number"},
        {"name": "genau", "type": "decimal"},
        {"name": "tag", "type": "date"},
        {"name": "zeit", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
        {"name": "struktur", "type": "json"},
    ],
    "sortables": ["ganz", "genau"],
    "publish": {"items": True},
}
DIGITS = "123456789012345678901.234567890"
UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
ARC = "CIRCULARSTRING Z (360000 5700000 1, 360100 5700100 2, 360200 5700000 3)"
ROWS: list[dict[str, Any]] = [
    {
        "name": "gross",
        "ganz": 2**53 + 1,
        "zahl": 0.1,
        "genau": DIGITS,
        "tag": "1890-02-28",
        "zeit": "2024-10-27T02:30:00.000001+02:00",
        "kennung": UUID,
        "struktur": {"zz": 1, "a": [1, 2.50, None, {"x": 'ä"<&'}], "gross": 9007199254740993},
        "geom": "POINT Z (360000 5700000 12.5)",
    },
    {"name": "rand", "ganz": 2**63 - 1, "zahl": 1.7976931348623157e308, "genau": "-0.000000000000000000000000000001", "struktur": [1, "a"]},
    {"name": "tief", "ganz": -(2**63), "zahl": 5e-324, "genau": "0", "struktur": "text"},
    {"name": "nan", "zahl": float("nan"), "genau": "NaN", "tag": "infinity", "zeit": "-infinity"},
    {"name": "mehr", "zahl": float("inf"), "genau": "Infinity", "geom": ARC},
    {"name": "weniger", "zahl": float("-inf"), "genau": "-Infinity"},
]
ITEMS = "/collections/werte/items"
STUFEN: dict[str, Any] = {
    **WERTE,
    "id": "stufen",
    "geometry": {"type": "LineString", "crs": "EPSG:25832", "dimensions": 3},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [{"name": "nr", "type": "integer", "required": True, "unique": True}],
    "sortables": ["nr"],
}
STEPS: list[dict[str, Any]] = [
    {"nr": n, "geom": f"LINESTRING Z (360000 {5700000 + n} {n}.123456789, 360001 {5700000 + n} {n}.623456789)"} for n in range(10)
]
CRS84H = "http://www.opengis.net/def/crs/OGC/0/CRS84h"


@pytest.fixture(scope="module")
def werte(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    database = server.clone()
    folder: Path = write_deployment(
        tmp_path_factory.mktemp("werte") / "teststadt", checked(contract_of(WERTE)), checked(contract_of(STUFEN))
    )
    deployment = registry.read(folder, folder / "data")
    publish_rows(database, deployment, "werte", ROWS)
    publish_rows(database, deployment, "stufen", STEPS)
    client = Client(create_app(settings_for(server, database, folder)))
    yield client
    client.close()
    server.drop(database.name)


def told(client: Client, **query: str) -> dict[str, dict[str, Any]]:
    page = json.loads(client.get(ITEMS, params=query).text, parse_float=Decimal)
    return {feature["id"]: feature["properties"] for feature in page["features"]}


def test_geojson(werte: Client) -> None:
    for options in (
        {},
        {"crs": "http://www.opengis.net/def/crs/EPSG/0/25832"},
        {"properties": "ganz,zahl,genau,tag,zeit,kennung,struktur"},
    ):
        values = told(werte, **options)
        assert [values[name]["ganz"] for name in ("gross", "rand", "tief")] == [2**53 + 1, 2**63 - 1, -(2**63)]
        assert str(values["gross"]["genau"]) == DIGITS and values["rand"]["genau"] == Decimal("-1e-30")
        assert [float(values[name]["zahl"]) for name in ("gross", "rand", "tief")] == [0.1, 1.7976931348623157e308, 5e-324]
        for name in ("nan", "mehr", "weniger"):
            assert {values[name][field] for field in ("ganz", "zahl", "genau", "tag", "zeit", "kennung", "struktur")} == {None}
        assert (values["gross"]["tag"], values["gross"]["zeit"]) == ("1890-02-28", "2024-10-27T00:30:00.000001Z")
        assert values["gross"]["kennung"] == UUID
        assert values["gross"]["struktur"] == ROWS[0]["struktur"] and values["rand"]["struktur"] == [1, "a"]
        # JSONB orders the keys by their length, then by their letters: an order of keys means nothing in JSON (RFC 8259, 4).
        assert list(values["gross"]["struktur"]) == ["a", "zz", "gross"]


def test_heights_and_arcs(werte: Client) -> None:
    shapes = {each["id"]: each["geometry"] for each in werte.json(ITEMS)["features"]}
    assert shapes["gross"]["coordinates"][2] == 12.5
    assert shapes["mehr"]["type"] == "LineString" and len(shapes["mehr"]["coordinates"]) > 20
    heights = [position[2] for position in shapes["mehr"]["coordinates"]]
    assert heights[0] == 1 and heights[-1] == 3 and heights == sorted(heights)
    told = werte.json("/collections/werte/schema?lang=de")["properties"]["geometry"]
    assert told["format"] == "geometry-any" and "höchstens 1 cm" in told["description"] and "Höhe" in told["description"]
    assert "at most 1 cm" in werte.json("/collections/werte/queryables?lang=en")["properties"]["geometry"]["description"]


def test_crs84h_where_there_are_heights(werte: Client) -> None:
    """Features Part 2 (18-058r1), 6.2: the CRS of longitude, latitude and height."""
    crs84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    assert werte.json("/collections/werte")["crs"][:2] == [CRS84H, crs84]
    plain = werte.json(ITEMS)["features"]
    for name, uri in ((CRS84H, CRS84H), ("[OGC:CRS84h]", CRS84H), (crs84, crs84)):
        response = werte.get(ITEMS, params={"crs": name, "bbox": "6,51,8,52", "bbox-crs": name})
        assert response.headers["content-crs"] == f"<{uri}>"
        assert response.json()["features"] == [each for each in plain if each["geometry"]]


def test_crs84h_is_the_default_where_there_are_heights(werte: Client) -> None:
    """Features Part 1 (17-069r4), requirement `crs84`."""
    pages = (ITEMS, f"{ITEMS}?f=csv", f"{ITEMS}?f=html", f"{ITEMS}/gross", f"{ITEMS}/gross?f=csv")
    for url in (*pages, "/collections/werte/files/werte.geojson", "/collections/werte/download?f=csv&ganz=0"):
        assert werte.get(url).headers["content-crs"] == f"<{CRS84H}>", url
    assert werte.request("HEAD", ITEMS).headers["content-crs"] == f"<{CRS84H}>"
    asked = {each["name"]: each for each in werte.json("/collections/werte/api")["paths"][ITEMS]["get"]["parameters"] if "name" in each}
    assert asked["crs"]["schema"]["default"] == asked["crs"]["schema"]["enum"][0] == CRS84H
    assert asked["bbox-crs"]["schema"]["default"] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


WHERE = {"OGC:CRS84": (6, 51, 8, 52), CRS84H: (6, 51, 8, 52), "EPSG:4326": (51, 6, 52, 8), "EPSG:25832": (359000, 5699000, 361000, 5701000)}


@pytest.mark.parametrize("crs", WHERE)
@pytest.mark.parametrize(
    ("bottom", "top", "expected"),
    [
        ("2.623456789", "2.623456789", [2]),
        ("2.623456789", "5.123456789", [2, 3, 4, 5]),
        ("2.625", "5.122", [3, 4]),
        ("4.2", "4.3", [4]),
        ("4.625", "5.122", []),
        ("-9", "0", []),
        ("-1e3", "1e3", list(range(10))),
    ],
)
def test_a_box_with_heights(werte: Client, crs: str, bottom: str, top: str, expected: list[int]) -> None:
    """Features Part 1 (17-069r4), 7.15.3: a feature is in it when its heights, from lowest to highest, meet those of the box."""
    one, two, three, four = WHERE[crs]
    box = {"bbox": f"{one},{two},{bottom},{three},{four},{top}", "bbox-crs": crs}
    page = werte.json("/collections/stufen/items", params=box)
    assert [each["id"] for each in page["features"]] == expected and page["numberMatched"] == len(expected)
    walked = []
    following = "/collections/stufen/items"
    asked: dict[str, str] = {**box, "limit": "2", "sortby": "-nr"}
    while following:
        page = werte.json(following, params=asked or None)
        assert page["numberMatched"] == len(expected)
        walked += [each["id"] for each in page["features"]]
        following, asked = next((link["href"] for link in page["links"] if link["rel"] == "next"), ""), {}
    assert walked == expected[::-1]


def test_a_feature_lies_between_the_heights_that_it_is_written_with(werte: Client) -> None:
    """In metres coordinates have three digits: 2.123456789 is written as 2.123, and is in a box that ends there."""
    for top, expected in (("2.123", [2]), ("2.122", [])):
        box = {"bbox": f"359000,5699000,1.9,361000,5701000,{top}", "bbox-crs": "EPSG:25832"}
        assert [each["id"] for each in werte.json("/collections/stufen/items", params=box)["features"]] == expected


def test_a_box_with_heights_selects_in_downloads_and_cursors_know_it(werte: Client) -> None:
    box = {"bbox": "6,51,3,8,52,5"}
    page = werte.json("/collections/stufen/items", params={**box, "limit": "2"})
    found = werte.json("/collections/stufen/download", params={**box, "f": "geojson"})
    assert [each["id"] for each in found["features"]] == [3, 4] and page["numberMatched"] == 2
    page = werte.json("/collections/stufen/items", params={"bbox": "6,51,3,8,52,7", "limit": "2"})
    cursor = next(link["href"] for link in page["links"] if link["rel"] == "next").partition("cursor=")[2].partition("&")[0]
    for heights in ("6,51,3,8,52,6", "6,51,8,52"):
        assert werte.get("/collections/stufen/items", params={"bbox": heights, "limit": "2", "cursor": cursor}).status_code == 400


@pytest.mark.parametrize("path", [ITEMS, "/collections/stufen/items", "/collections/stufen/download"])
def test_a_bottom_above_the_top_is_refused(werte: Client, path: str) -> None:
    response = werte.get(path, params={"bbox": "6,51,5.5,8,52,5"})
    assert response.status_code == 400
    assert "a bottom (third number, here 5.5) not above the top (sixth, here 5)" in response.json()["detail"]


def test_the_description_tells_what_heights_select(werte: Client) -> None:
    for language, words in (("de", "in den anderen wählen Höhen nichts aus"), ("en", "in the others heights select nothing")):
        told = werte.json("/api", params={"lang": language})["components"]["parameters"]["bbox"]["description"]
        assert words in told


def test_csv(werte: Client) -> None:
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(werte.get(f"{ITEMS}?f=csv").text))}
    assert rows["gross"]["ganz"] == str(2**53 + 1) and rows["gross"]["genau"] == DIGITS
    assert Decimal(rows["rand"]["genau"]) == Decimal("-1e-30")
    assert rows["gross"]["zeit"] == "2024-10-27T00:30:00.000001Z"
    assert json.loads(rows["gross"]["struktur"]) == ROWS[0]["struktur"]
    assert {rows[name][field] for name in ("nan", "mehr", "weniger") for field in ("zahl", "genau", "tag", "zeit")} == {""}


def test_html(werte: Client) -> None:
    for url in (f"{ITEMS}?f=html&lang=en", f"{ITEMS}/gross?f=html&lang=en"):
        text = unescape(werte.get(url).text)
        assert str(2**53 + 1) in text and DIGITS in text.replace(",", "") and UUID in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ganz = {2**53 + 1}", ["gross"]),
        (f"ganz = {2**53}", []),
        (f"ganz IN ({2**63 - 1}, {-(2**63)})", ["rand", "tief"]),
        (f"ganz > {2**63 - 2}", ["rand"]),
        (f"ganz < {2**63}", ["gross", "rand", "tief"]),
        (f"genau = {DIGITS}", ["gross"]),
        (f"genau = {DIGITS[:-2]}1", []),
        ("genau = -0.000000000000000000000000000001", ["rand"]),
        (f"genau BETWEEN {DIGITS} AND {DIGITS}", ["gross"]),
        ("zahl = 0.1", ["gross"]),
        ("zahl = 1.7976931348623157e308", ["rand"]),
        (f"kennung = '{UUID.upper()}'", ["gross"]),
        ("zeit = TIMESTAMP('2024-10-27T00:30:00.000001Z')", ["gross"]),
        ("zeit = TIMESTAMP('2024-10-27T02:30:00.000001+02:00')", ["gross"]),
        ("zeit = DATE('2024-10-27')", ["gross"]),
        ("tag = DATE('1890-02-28')", ["gross"]),
        ("struktur IS NULL", ["mehr", "nan", "weniger"]),
    ],
)
def test_literals(werte: Client, text: str, expected: list[str]) -> None:
    found = sorted(told(werte, filter=text))
    assert found == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ganz", str(2**53 + 1), ["gross"]),
        ("ganz", str(2**53), []),
        ("genau", DIGITS, ["gross"]),
        ("genau", DIGITS[:-1] + "1", []),
        ("zahl", "0.1", ["gross"]),
        ("kennung", UUID.upper(), ["gross"]),
        ("zeit", "2024-10-27T00:30:00.000001Z", ["gross"]),
        ("zeit", "2024-10-27", ["gross"]),
        ("tag", "1890-02-28", ["gross"]),
    ],
)
def test_parameters(werte: Client, name: str, value: str, expected: list[str]) -> None:
    assert sorted(told(werte, **{name: value})) == expected


@pytest.mark.parametrize(
    "query", ["ganz=1e400", "ganz=99999999999999999999", "zahl=NaN", "genau=Infinity", "kennung=x", "struktur=1", "tag=infinity"]
)
def test_what_is_no_value(werte: Client, query: str) -> None:
    assert werte.get(f"{ITEMS}?{query}").status_code == 400


def test_a_walk_in_exact_order(werte: Client) -> None:
    """NaN sorts above all numbers, as PostgreSQL has it, and NULL behind; the cursor keeps each digit."""
    for key in ("genau", "-genau", "ganz", "-ganz"):
        page = werte.json(ITEMS, params={"sortby": key, "limit": "1"})
        found = [each["id"] for each in page["features"]]
        while following := next((link["href"] for link in page["links"] if link["rel"] == "next"), None):
            page = werte.json(following)
            found += [each["id"] for each in page["features"]]
        assert found == list(told(werte, sortby=key)) and len(found) == len(ROWS)
