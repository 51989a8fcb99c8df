"""CQL2 1.0 (OGC 21-065r2), Annex A, the tests `test-data` of each class: predicates and what they find.

The standard's predicates, asked of rows of our own; what must be found is computed in Python.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import shapely
from conformance.asking import evaluate, status
from conformance.data import ROWS, Row, place
from support.client import Client

Test = Callable[[Row], bool | None]


def known(test: Test, *names: str) -> Test:
    """NULL fulfils nothing."""
    return lambda row: all(row[name] is not None for name in names) and test(row)


def folded(text: str) -> str:
    return text.casefold()


def plain(text: str) -> str:
    return text.translate(str.maketrans("äöüéáíșăÄÖÜ", "aoueaisaAOU"))


def name_is(test: Callable[[str], bool]) -> Test:
    return known(lambda row: test(row["name"]), "name")


MOMENT = datetime(2022, 4, 14, 14, 48, 46, tzinfo=UTC)

SCALARS: dict[str, list[tuple[str, Test]]] = {
    # A.3.5 /conf/basic-cql2/test-data
    "basic-cql2": [
        ("name='København'", name_is(lambda v: v == "København")),
        ("name>='København'", name_is(lambda v: v >= "København")),
        ("name <> 'Kiev'", name_is(lambda v: v != "Kiev")),
        ("name='O''Brien'", name_is(lambda v: v == "O'Brien")),
        (r"name='O\'Brien'", name_is(lambda v: v == "O'Brien")),  # A.1.2 /conf/cql2-text/escaping
        ("name IS NULL", lambda row: row["name"] is None),
        ("einwohner=1038288", known(lambda row: row["einwohner"] == 1038288, "einwohner")),
        ("einwohner>=1038288", known(lambda row: row["einwohner"] >= 1038288, "einwohner")),
        ("einwohner<1038288", known(lambda row: row["einwohner"] < 1038288, "einwohner")),
        ("dichte = 3.14", known(lambda row: row["dichte"] == 3.14, "dichte")),
        ("dichte > -2.25", known(lambda row: row["dichte"] > -2.25, "dichte")),
        ("\"beginn\"=DATE('2022-04-14')", known(lambda row: row["beginn"] == date(2022, 4, 14), "beginn")),
        ("beginn>=DATE('2021-06-01')", known(lambda row: row["beginn"] >= date(2021, 6, 1), "beginn")),
        ("von=TIMESTAMP('2022-04-14T14:48:46Z')", known(lambda row: row["von"] == MOMENT, "von")),
        ("von<=TIMESTAMP('2022-04-14T14:48:46Z')", known(lambda row: row["von"] <= MOMENT, "von")),
        ("hauptort=true", known(lambda row: row["hauptort"], "hauptort")),
        ("hauptort=FALSE", known(lambda row: not row["hauptort"], "hauptort")),
        ("hauptort=true AND einwohner>1", known(lambda row: row["hauptort"] and row["einwohner"] > 1, "hauptort", "einwohner")),
        ("NOT (name='Kiev' OR name='Bern')", name_is(lambda v: v not in ("Kiev", "Bern"))),
    ],
    # A.4.4 /conf/advanced-comparison-operators/test-data
    "advanced-comparison-operators": [
        ("name LIKE 'B_r%'", name_is(lambda v: v[0] == "B" and v[2:3] == "r")),
        ("name NOT LIKE 'B_r%'", name_is(lambda v: not (v[0] == "B" and v[2:3] == "r"))),
        (r"name LIKE 'foo\%%'", name_is(lambda v: v.startswith("foo%"))),
        ("name LIKE '%''%'", name_is(lambda v: "'" in v)),
        ("einwohner BETWEEN 1000000 AND 3000000", known(lambda row: 1e6 <= row["einwohner"] <= 3e6, "einwohner")),
        ("einwohner NOT BETWEEN 1000000 AND 3000000", known(lambda row: not 1e6 <= row["einwohner"] <= 3e6, "einwohner")),
        ("name IN ('Kiev','kobenhavn','Berlin','athens','foo')", name_is(lambda v: v in ("Kiev", "Berlin", "foo"))),
        ("name NOT IN ('Kiev','Berlin')", name_is(lambda v: v not in ("Kiev", "Berlin"))),
        ("einwohner IN (1038288,1038289)", known(lambda row: row["einwohner"] == 1038288, "einwohner")),
        ("hauptort IN (true)", known(lambda row: row["hauptort"], "hauptort")),
        ("beginn IN (DATE('2022-04-14'),DATE('2023-04-14'))", known(lambda row: row["beginn"] == date(2022, 4, 14), "beginn")),
    ],
    # A.5.3 /conf/case-insensitive-comparison/test-data
    "case-insensitive-comparison": [
        ("CASEI(name)=casei('KIEV')", name_is(lambda v: folded(v) == "kiev")),
        ("CASEI(name)=casei('KØBENHAVN')", name_is(lambda v: folded(v) == "københavn")),
        ("CASEI(name)=casei('straße')", name_is(lambda v: folded(v) == "strasse")),
        ("CASEI(name) LIKE casei('b_r%')", name_is(lambda v: folded(v)[0] == "b" and folded(v)[2:3] == "r")),
        ("CASEI(name) IN (casei('Kiev'),casei('BERLIN'))", name_is(lambda v: folded(v) in ("kiev", "berlin"))),
        ("CASEI(name)>=casei('KØBENHAVN')", name_is(lambda v: folded(v) >= "københavn")),
    ],
    # A.6.3 /conf/accent-insensitive-comparison/test-data
    "accent-insensitive-comparison": [
        ("ACCENTI(name)=accenti('Chișinău')", name_is(lambda v: plain(v) == "Chisinau")),
        ("ACCENTI(name)=accenti('Chisinau')", name_is(lambda v: plain(v) == "Chisinau")),
        ("ACCENTI(name) LIKE accenti('Chi%')", name_is(lambda v: v.startswith("Chi"))),
        ("ACCENTI(name) IN (accenti('apfel'),accenti('Äpfel'))", name_is(lambda v: plain(v) == "Apfel")),
        ("CASEI(ACCENTI(name)) = accenti(casei('CHIȘINĂU'))", name_is(lambda v: plain(folded(v)) == "chisinau")),
    ],
    # A.12.4 /conf/property-property/test-data
    "property-property": [
        ("einwohner=haushalte", known(lambda row: row["einwohner"] == row["haushalte"], "einwohner", "haushalte")),
        ("einwohner<>haushalte", known(lambda row: row["einwohner"] != row["haushalte"], "einwohner", "haushalte")),
        ("1038288=einwohner", known(lambda row: row["einwohner"] == 1038288, "einwohner")),
        ("ende > beginn", known(lambda row: row["ende"] > row["beginn"], "beginn")),
        ("3.14 < 3.15 AND name='Kiev'", name_is(lambda v: v == "Kiev")),
        ("haushalte BETWEEN 2 AND einwohner", known(lambda r: 2 <= r["haushalte"] <= r["einwohner"], "einwohner", "haushalte")),
        ("haushalte IN (einwohner, 50)", known(lambda r: r["haushalte"] in (r["einwohner"], 50), "haushalte")),
        ("CASEI(name) = name", name_is(lambda v: folded(v) == v)),
        ("S_EQUALS(geometry, geometry)", lambda row: row["geom"] is not None),
        ("T_INTERSECTS(INTERVAL(beginn, ende), INTERVAL(beginn, ende))", known(lambda row: True, "beginn")),
    ],
    # A.14.2 /conf/arithmetic/test-data
    "arithmetic": [
        ("einwohner=1038280+8", known(lambda row: row["einwohner"] == 1038288, "einwohner")),
        ("einwohner>=1038290-2^1", known(lambda row: row["einwohner"] >= 1038288, "einwohner")),
        ("einwohner>1038290-20/10", known(lambda row: row["einwohner"] > 1038288, "einwohner")),
        ("einwohner>1038290-21 div 10", known(lambda row: row["einwohner"] > 1038288, "einwohner")),
        ("einwohner>1038290-5%2", known(lambda row: row["einwohner"] > 1038289, "einwohner")),
        ("einwohner<=1038200+8*11", known(lambda row: row["einwohner"] <= 1038288, "einwohner")),
        ("einwohner BETWEEN 4000000/4 AND (3*(900000+100000))", known(lambda row: 1e6 <= row["einwohner"] <= 3e6, "einwohner")),
        ("einwohner IN (1038280+8, 2)", known(lambda row: row["einwohner"] in (1038288, 2), "einwohner")),
        ("haushalte * 2 = einwohner + 1", known(lambda r: r["haushalte"] * 2 == r["einwohner"] + 1, "haushalte", "einwohner")),
        ("-einwohner < -3", known(lambda row: -row["einwohner"] < -3, "einwohner")),
    ],
}
CASES = [(name, text, test) for name, cases in SCALARS.items() for text, test in cases]


@pytest.mark.parametrize("language", ["cql2-text", pytest.param("cql2-json", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "text", "test"), CASES, ids=[f"{name}: {text}" for name, text, _ in CASES])
def test_predicate(client: Client, name: str, text: str, test: Test, language: str) -> None:
    if "\\'" in text and language == "cql2-json":
        text = json.dumps({"op": "=", "args": [{"property": "name"}, "O'Brien"]})
    assert evaluate(client, "orte", text, language) == {row["nr"] for row in ROWS["orte"] if test(row)}


def test_predicates_find_something_and_not_all() -> None:
    sizes = [sum(bool(test(row)) for row in ROWS["orte"]) for _, _, test in CASES]
    assert sum(0 < size < 66 for size in sizes) > len(CASES) * 0.9


# A.9.9 /conf/spatial-functions/test-data, with A.7.2 and A.8.2: in the storage CRS the answer of a second engine is exact.
SHAPES = {
    "point": "POINT(360300 5700200)",
    "point in an area": "POINT(360350 5700250)",
    "points": "MULTIPOINT(360300 5700200, 360400 5700300)",
    "line": "LINESTRING(360100 5700100, 360200 5700100)",
    "line across": "LINESTRING(360050 5700050, 360450 5700450)",
    "lines": "MULTILINESTRING((360100 5700100, 360200 5700100), (360050 5700000, 360050 5700900))",
    "cell": "POLYGON((360200 5700200, 360300 5700200, 360300 5700300, 360200 5700300, 360200 5700200))",
    "area": "POLYGON((360150 5700150, 360450 5700150, 360450 5700450, 360150 5700450, 360150 5700150))",
    "areas": "MULTIPOLYGON(((360000 5700000, 360100 5700000, 360100 5700100, 360000 5700000)),"
    " ((360500 5700500, 360700 5700500, 360700 5700700, 360500 5700700, 360500 5700500)))",
    "collection": "GEOMETRYCOLLECTION(POINT(360300 5700200), LINESTRING(360500 5700500, 360600 5700500))",
}
FUNCTIONS = ("INTERSECTS", "DISJOINT", "EQUALS", "TOUCHES", "CROSSES", "WITHIN", "CONTAINS", "OVERLAPS")
NATIVE = "http://www.opengis.net/def/crs/EPSG/0/25832"


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("collection", ["orte", "wege", "flaechen"])
def test_spatial_function(client: Client, collection: str, function: str) -> None:
    for label, wkt in SHAPES.items():
        if label == "collection" and function != "INTERSECTS":
            continue  # GEOS has no relate of a collection but whether it intersects
        other = shapely.from_wkt(wkt)
        expected = {
            row["nr"] for row in ROWS[collection] if (own := place(row)) is not None and getattr(shapely, function.lower())(own, other)
        }
        text = f"S_{function}(geometry, {wkt})"
        for language in ("cql2-text", "cql2-json"):
            found = evaluate(client, collection, text, language, **{"filter-crs": NATIVE})
            assert found == expected, (label, found ^ expected)


def test_spatial_functions_find_something() -> None:
    """Each function holds of some row and shape, or the test above proves nothing."""
    for function in FUNCTIONS:
        shapes = [shapely.from_wkt(wkt) for label, wkt in SHAPES.items() if label != "collection"]
        own = [shape for rows in ROWS.values() for row in rows if (shape := place(row)) is not None]
        assert any(getattr(shapely, function.lower())(one, other) for one in own for other in shapes), function


def test_coordinates_in_the_order_of_filter_crs(client: Client) -> None:
    """OGC 19-079r2, /conf/filter/filter-crs: CRS84 without the parameter, else the axes as the CRS has them."""
    box = "S_INTERSECTS(geometry, BBOX({}))"
    plain_ = evaluate(client, "orte", box.format("6.985,51.43,6.99,51.435"))
    assert 0 < len(plain_) < 65
    for code in (4326, 4258):
        crs = f"http://www.opengis.net/def/crs/EPSG/0/{code}"
        assert evaluate(client, "orte", box.format("51.43,6.985,51.435,6.99"), **{"filter-crs": crs}) == plain_
    response = client.get("/collections/orte/items", params={"filter": box.format("1,2,3,4"), "filter-crs": "urn:x"})
    assert response.status_code == 400


YEAR = (datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC))
Span = tuple[Any, Any]
# OGC 21-065r2, table of temporal functions: a = first, b = last; of the left and of the right.
ALLEN: dict[str, Callable[[Span, Span], bool]] = {
    "AFTER": lambda a, b: a[0] > b[1],
    "BEFORE": lambda a, b: a[1] < b[0],
    "CONTAINS": lambda a, b: a[0] < b[0] and a[1] > b[1],
    "DISJOINT": lambda a, b: a[1] < b[0] or a[0] > b[1],
    "DURING": lambda a, b: a[0] > b[0] and a[1] < b[1],
    "EQUALS": lambda a, b: a == b,
    "FINISHEDBY": lambda a, b: a[0] < b[0] and a[1] == b[1],
    "FINISHES": lambda a, b: a[0] > b[0] and a[1] == b[1],
    "INTERSECTS": lambda a, b: a[0] <= b[1] and a[1] >= b[0],
    "MEETS": lambda a, b: a[1] == b[0],
    "METBY": lambda a, b: a[0] == b[1],
    "OVERLAPPEDBY": lambda a, b: b[0] < a[0] < b[1] < a[1],
    "OVERLAPS": lambda a, b: a[0] < b[0] < a[1] < b[1],
    "STARTEDBY": lambda a, b: a[0] == b[0] and a[1] > b[1],
    "STARTS": lambda a, b: a[0] == b[0] and a[1] < b[1],
}


@pytest.mark.parametrize("function", ALLEN)
@pytest.mark.parametrize("language", ["cql2-text", pytest.param("cql2-json", marks=pytest.mark.slow)])
def test_temporal_function(client: Client, function: str, language: str) -> None:
    """A.10.3 /conf/temporal-functions/test-data."""
    holds = ALLEN[function]
    for bounds in (YEAR, (MOMENT, MOMENT + timedelta(seconds=60)), (MOMENT + timedelta(seconds=60), MOMENT + timedelta(days=9))):
        stated = ",".join(f"'{bound:%Y-%m-%dT%H:%M:%SZ}'" for bound in bounds)
        expected = {row["nr"] for row in ROWS["orte"] if row["von"] and holds((row["von"], row["bis"]), bounds)}
        assert evaluate(client, "orte", f"T_{function}(INTERVAL(von,bis),INTERVAL({stated}))", language) == expected
    days = (date(2021, 1, 1), date(2021, 12, 31))
    expected = {row["nr"] for row in ROWS["orte"] if row["beginn"] and holds((row["beginn"], row["ende"]), days)}
    assert evaluate(client, "orte", f"T_{function}(INTERVAL(beginn,ende),INTERVAL('2021-01-01','2021-12-31'))", language) == expected


@pytest.mark.parametrize(
    "text",
    ["gibtesnicht = 1", "foo(name) = 1", "name = 1", "einwohner = 'x'", "name =", "einwohner LIKE 'a%'", "S_INTERSECTS(name, POINT(7 51))"],
)
def test_what_is_no_filter_is_a_400(client: Client, text: str) -> None:
    """OGC 19-079r2, /conf/filter/filter-param: an invalid expression is a 400."""
    assert status(client, "orte", text) == 400
