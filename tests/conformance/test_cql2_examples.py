"""CQL2 1.0 (OGC 21-065r2): the expressions that the standard itself gives, by their clause.

They stand here as the standard has them; its property names become those of the test city. What they must find is computed in Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
import shapely
from conformance.asking import converted, evaluate
from conformance.data import ROWS, Row, place
from pyproj import Transformer
from support.client import Client

Test = Callable[[Row], bool]

NAMES = {
    "pop_other": "einwohner",
    '"date"': "beginn",
    "start": "von",
    "end": "bis",
    "boolean": "hauptort",
    "geom": "geometry",
    "city": "name",
    "cityName": "name",
    "owner": "name",
    "material": "name",
    "road_class": "name",
    "etat_vol": "name",
    "floors": "einwohner",
    "taxes": "einwohner",
    "category": "haushalte",
    "swimming_pool": "hauptort",
    "depth": "dichte",
    "balance": "dichte",
    "vehicle_height": "einwohner",
    "bridge_clearance": "haushalte",
    "built": "beginn",
    "updated": "von",
    "location": "geometry",
}
"""The standard's name of a property → a field of the test city that has its type."""
_NAME = re.compile("|".join([r"'(?:''|[^'])*'", *(rf'(?<![\w"]){name}(?![\w"(])' for name in sorted(NAMES, key=len, reverse=True))]))


def adapted(text: str) -> str:
    """Return an expression of the standard over the test city's fields; literals stay as they are."""
    return _NAME.sub(lambda found: found[0] if found[0].startswith("'") else NAMES[found[0]], text)


def has(test: Callable[[Any], bool], name: str) -> Test:
    """The condition on a value, which NULL does not fulfil."""
    return lambda row: row[name] is not None and test(row[name])


def names(test: Callable[[str], bool]) -> Test:
    return has(test, "name")


def people(test: Callable[[int], bool]) -> Test:
    return has(test, "einwohner")


def either(*tests: Test) -> Test:
    return lambda row: any(test(row) for test in tests)


def both(*tests: Test) -> Test:
    return lambda row: all(test(row) for test in tests)


def meets(west: float, south: float, east: float, north: float) -> Test:
    """The place lies in a box of degrees."""
    to_84 = Transformer.from_crs("EPSG:25832", "OGC:CRS84", always_xy=True)

    def test(row: Row) -> bool:
        own = place(row)
        return own is not None and shapely.box(west, south, east, north).intersects(
            shapely.transform(own, to_84.transform, interleaved=False)
        )

    return test


POOL: Test = lambda row: row["hauptort"] is True  # noqa: E731
KOPENHAGEN = "København"
DAY = date(2022, 4, 14)
MOMENT = datetime(2022, 4, 14, 14, 48, 46, tzinfo=UTC)
FOUND = {"Kiev", "kobenhavn", "Berlin", "athens", "foo"}

# Annex A, table "Predicates and expected results"; its days and moments are those that the rows have.
TEST_DATA: dict[str, list[tuple[str, Test]]] = {
    "A.3.5 /conf/basic-cql2/test-data": [
        ("name='København'", names(lambda v: v == KOPENHAGEN)),
        ("name>='København'", names(lambda v: v >= KOPENHAGEN)),
        ("name>'København'", names(lambda v: v > KOPENHAGEN)),
        ("name<='København'", names(lambda v: v <= KOPENHAGEN)),
        ("name<'København'", names(lambda v: v < KOPENHAGEN)),
        ("name<>'København'", names(lambda v: v != KOPENHAGEN)),
        ("pop_other=1038288", people(lambda v: v == 1038288)),
        ("pop_other>=1038288", people(lambda v: v >= 1038288)),
        ("pop_other>1038288", people(lambda v: v > 1038288)),
        ("pop_other<=1038288", people(lambda v: v <= 1038288)),
        ("pop_other<1038288", people(lambda v: v < 1038288)),
        ("pop_other<>1038288", people(lambda v: v != 1038288)),
        ("\"date\"=DATE('2022-04-14')", has(lambda v: v == DAY, "beginn")),
        ("\"date\">=DATE('2022-04-14')", has(lambda v: v >= DAY, "beginn")),
        ("\"date\"<DATE('2022-04-14')", has(lambda v: v < DAY, "beginn")),
        ("start=TIMESTAMP('2022-04-14T14:48:46Z')", has(lambda v: v == MOMENT, "von")),
        ("start>TIMESTAMP('2022-04-14T14:48:46Z')", has(lambda v: v > MOMENT, "von")),
        ("start<=TIMESTAMP('2022-04-14T14:48:46Z')", has(lambda v: v <= MOMENT, "von")),
        ("boolean=true", POOL),
        ("boolean=false", lambda row: row["hauptort"] is False),
        ("name IS NULL", lambda row: row["name"] is None),
        ("name IS NOT NULL", lambda row: row["name"] is not None),
    ],
    "A.4.4 /conf/advanced-comparison-operators/test-data": [
        ("name LIKE 'B_r%'", names(lambda v: bool(re.match("B.r", v)))),
        ("name NOT LIKE 'B_r%'", names(lambda v: not re.match("B.r", v))),
        ("pop_other between 1000000 and 3000000", people(lambda v: 1_000_000 <= v <= 3_000_000)),
        ("pop_other not between 1000000 and 3000000", people(lambda v: not 1_000_000 <= v <= 3_000_000)),
        ("name IN ('Kiev','kobenhavn','Berlin','athens','foo')", names(lambda v: v in FOUND)),
        ("name NOT IN ('Kiev','kobenhavn','Berlin','athens','foo')", names(lambda v: v not in FOUND)),
        ("pop_other in (1038288,1611692,3013258,3013257,3013259)", people(lambda v: v == 1038288)),
        ("pop_other not in (1038288,1611692,3013258,3013257,3013259)", people(lambda v: v != 1038288)),
        ("\"date\" in (DATE('2021-01-01'),DATE('2022-04-14'),DATE('2022-04-18'))", has(lambda v: v in (DAY, date(2021, 1, 1)), "beginn")),
        ("start in (TIMESTAMP('2022-04-14T14:48:46Z'))", has(lambda v: v == MOMENT, "von")),
        ("boolean in (true)", POOL),
        ("boolean not in (false)", POOL),
    ],
    "A.5.3 /conf/case-insensitive-comparison/test-data": [
        ("CASEI(name)=casei('KIEV')", names(lambda v: v.casefold() == "kiev")),
        ("CASEI(name)=casei('kiev')", names(lambda v: v.casefold() == "kiev")),
        ("CASEI(name) LIKE casei('b_r%')", names(lambda v: bool(re.match("b.r", v.casefold())))),
        ("CASEI(name) IN (casei('Kiev'),casei('kobenhavn'),casei('Berlin'))", names(lambda v: v.casefold() in ("kiev", "berlin"))),
    ],
    "A.6.3 /conf/accent-insensitive-comparison/test-data": [
        ("ACCENTI(name)=accenti('Chișinău')", names(lambda v: v in ("Chișinău", "Chisinau"))),
        ("ACCENTI(name)=accenti('Chisinau')", names(lambda v: v in ("Chișinău", "Chisinau"))),
        ("ACCENTI(name) LIKE accenti('Ch%')", names(lambda v: v.startswith("Ch"))),
        ("ACCENTI(name) IN (accenti('Chișinău'),accenti('Kiev'))", names(lambda v: v in ("Chișinău", "Chisinau", "Kiev"))),
    ],
    "A.7.2, A.8.2 /conf/basic-spatial-functions(-plus)/test-data": [
        ("S_INTERSECTS(geom,BBOX(0,40,10,50))", lambda row: False),
        ("S_INTERSECTS(geom,BBOX(0,40,10,60))", lambda row: row["geom"] is not None),
        ("S_INTERSECTS(geom,BBOX(150,-90,-150,90))", lambda row: False),
        ("S_INTERSECTS(geom,POLYGON((0 40,10 40,10 50,0 50,0 40)))", lambda row: False),
        ("S_INTERSECTS(geom,BBOX(6.985,51.43,6.99,51.435))", meets(6.985, 51.43, 6.99, 51.435)),
        ("S_INTERSECTS(geom,BBOX(0,40,10,60)) and S_INTERSECTS(geom,BBOX(6.985,51,10,60))", meets(6.985, 51, 10, 60)),
        ("S_INTERSECTS(geom,BBOX(0,40,10,50)) or S_INTERSECTS(geom,BBOX(6.985,51,10,60))", meets(6.985, 51, 10, 60)),
    ],
    "A.10.3 /conf/temporal-functions/test-data": [
        ("t_after(\"date\",date('2021-06-01'))", has(lambda v: v > date(2021, 6, 1), "beginn")),
        ("t_before(\"date\",date('2021-06-01'))", has(lambda v: v < date(2021, 6, 1), "beginn")),
        ("t_disjoint(\"date\",date('2021-06-01'))", has(lambda v: v != date(2021, 6, 1), "beginn")),
        ("t_equals(\"date\",date('2021-06-01'))", has(lambda v: v == date(2021, 6, 1), "beginn")),
        ("t_intersects(\"date\",date('2021-06-01'))", has(lambda v: v == date(2021, 6, 1), "beginn")),
        ("t_after(\"date\",interval('2021-01-01','2021-12-31'))", has(lambda v: v > date(2021, 12, 31), "beginn")),
        ("t_before(\"date\",interval('2021-01-01','2021-12-31'))", has(lambda v: v < date(2021, 1, 1), "beginn")),
        ("t_intersects(\"date\",interval('2021-01-01','2021-12-31'))", has(lambda v: v.year == 2021, "beginn")),
        ("t_after(start,timestamp('2022-04-14T14:48:46Z'))", has(lambda v: v > MOMENT, "von")),
        ("t_intersects(interval(start,end),interval('2022-04-14T14:48:46Z','..'))", has(lambda v: v >= MOMENT, "bis")),
        ("t_intersects(interval(start,end),interval('..','2022-04-14T14:48:46Z'))", has(lambda v: v <= MOMENT, "von")),
    ],
    "A.12.4 /conf/property-property/test-data": [
        ("1038288=pop_other", people(lambda v: v == 1038288)),
        ("1038288<=pop_other", people(lambda v: v >= 1038288)),
        ("'København'=name", names(lambda v: v == KOPENHAGEN)),
        ("'København'<>name", names(lambda v: v != KOPENHAGEN)),
        ("DATE('2022-04-14')=\"date\"", has(lambda v: v == DAY, "beginn")),
        ("true=boolean", POOL),
        ("pop_other=pop_other", people(lambda v: True)),
    ],
    "A.14.2 /conf/arithmetic/test-data": [
        ("pop_other=1038280+8", people(lambda v: v == 1038288)),
        ("pop_other>=1038290-2*2^0", people(lambda v: v >= 1038288)),
        ("pop_other>1038290-20/10", people(lambda v: v > 1038288)),
        ("pop_other>1038290-21 div 10", people(lambda v: v > 1038288)),
        ("pop_other>1038290-5%2", people(lambda v: v > 1038289)),
        ("pop_other<=1038200+8*11", people(lambda v: v <= 1038288)),
        ("pop_other<1038280+2^3", people(lambda v: v < 1038288)),
        ("pop_other<>1038290-2^1", people(lambda v: v != 1038288)),
        ("pop_other between 4000000/4 and (3*(900000+100000))", people(lambda v: 1_000_000 <= v <= 3_000_000)),
        ("pop_other not between 4000000/4 and (3*(900000+100000))", people(lambda v: not 1_000_000 <= v <= 3_000_000)),
        ("pop_other in (1000000+38288,1000000+600000+11692,3*1000000+13258)", people(lambda v: v == 1038288)),
        ("1038280+8=pop_other", people(lambda v: v == 1038288)),
    ],
}

MIKE = names(lambda v: bool(re.match("[mM]ike", v)))
BRICK = names(lambda v: v.startswith("brick") or v.endswith("brick"))
FLOORS = people(lambda v: v > 5)
BRIDGE: Test = lambda r: None not in (r["einwohner"], r["haushalte"]) and r["einwohner"] > r["haushalte"] - 1  # noqa: E731

EXAMPLES: dict[str, list[tuple[str, Test]]] = {
    "7.3 logical expressions, 7.4 comparison": [
        ("city='Toronto'", names(lambda v: v == "Toronto")),
        ("floors>5", FLOORS),
        ("taxes<=500", people(lambda v: v <= 500)),
        ("swimming_pool=true", POOL),
        ("floors>5 AND swimming_pool=true", both(FLOORS, POOL)),
        ("swimming_pool=true AND (floors>5 OR material LIKE 'brick%' OR material LIKE '%brick')", both(POOL, either(FLOORS, BRICK))),
        ("(floors>5 AND material='brick') OR swimming_pool=true", either(both(FLOORS, names(lambda v: v == "brick")), POOL)),
        ("NOT (floors<5) OR swimming_pool=true", either(people(lambda v: v >= 5), POOL)),
        ("(owner LIKE 'mike%' OR owner LIKE 'Mike%') AND floors<4", both(MIKE, people(lambda v: v < 4))),
    ],
    "7.7 advanced comparison operators": [
        ("owner LIKE '%Jones%'", names(lambda v: "Jones" in v)),
        ("owner LIKE 'Mike%'", names(lambda v: v.startswith("Mike"))),
        ("owner NOT LIKE '%Mike%'", names(lambda v: "Mike" not in v)),
        ("depth BETWEEN 100.0 and 150.0", has(lambda v: 100 <= v <= 150, "dichte")),
        ("cityName IN ('Toronto','Frankfurt','Tokyo','New York')", lambda row: False),
        ("category NOT IN (1,2,3,4)", has(lambda v: v not in (1, 2, 3, 4), "haushalte")),
        ("owner IS NOT NULL", lambda row: row["name"] is not None),
    ],
    "7.8 CASEI, 7.9 ACCENTI": [
        ("CASEI(road_class) IN (CASEI('Οδος'),CASEI('Straße'))", names(lambda v: v.casefold() == "strasse")),
        ("ACCENTI(etat_vol) = ACCENTI('débárquér')", lambda row: False),
        ("CASEI(owner) LIKE CASEI('%ERL%')", names(lambda v: "erl" in v.casefold())),
    ],
    "7.10 spatial functions": [
        ("S_INTERSECTS(geom,POLYGON((-10.0 -10.0,10.0 -10.0,10.0 10.0,-10.0 -10.0)))", lambda row: False),
        ("S_WITHIN(location,BBOX(-118,33.8,-117.9,34.0))", lambda row: False),
        ("floors>5 AND S_WITHIN(geom,BBOX(-118,33.8,-117.9,34.0))", lambda row: False),
        ("floors>5 AND NOT S_WITHIN(geom,BBOX(-118,33.8,-117.9,34.0))", both(FLOORS, lambda row: row["geom"] is not None)),
    ],
    "7.11 temporal functions": [
        ("T_BEFORE(built,DATE('2015-01-01'))", lambda row: False),
        ("T_AFTER(built,DATE('2012-06-05'))", has(lambda v: True, "beginn")),
        ("T_DURING(updated,INTERVAL('2017-06-10T07:30:00Z','2017-06-11T10:30:00Z'))", lambda row: False),
        ("updated>=TIMESTAMP('1970-01-01T00:00:00Z')", has(lambda v: True, "von")),
    ],
    "7.15 arithmetic expressions": [
        ("vehicle_height > (bridge_clearance-1)", BRIDGE),
        ("balance-150.0 > 0", has(lambda v: v > 150, "dichte")),
        ("balance-50.0 > 0", has(lambda v: v > 50, "dichte")),
    ],
}  # fmt: skip
ALL = [(clause, text, test) for table in (TEST_DATA, EXAMPLES) for clause, cases in table.items() for text, test in cases]


@pytest.mark.parametrize("language", ["cql2-text", pytest.param("cql2-json", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("text", "test"), [case[1:] for case in ALL], ids=[f"{clause}: {text}" for clause, text, _ in ALL])
def test_example(client: Client, text: str, test: Test, language: str) -> None:
    assert evaluate(client, "orte", adapted(text), language) == {row["nr"] for row in ROWS["orte"] if test(row)}


def test_most_test_data_finds_something_and_not_all() -> None:
    sizes = [sum(map(test, ROWS["orte"])) for cases in TEST_DATA.values() for _, test in cases]
    assert sum(0 < size < 66 for size in sizes) > len(sizes) * 0.9


def test_only_names_of_properties_are_replaced() -> None:
    assert adapted("\"date\"=DATE('start') and start IN (pop_other)") == "beginn=DATE('start') and von IN (einwohner)"


JSON_EXAMPLES: list[tuple[dict[str, Any], str]] = [
    ({"op": "=", "args": [{"property": "city"}, "Toronto"]}, "city='Toronto'"),
    ({"op": "like", "args": [{"property": "owner"}, "Mike%"]}, "owner LIKE 'Mike%'"),
    ({"op": "between", "args": [{"property": "depth"}, 100.0, 150.0]}, "depth BETWEEN 100.0 and 150.0"),
    ({"op": "in", "args": [{"property": "category"}, [1, 2, 3, 4]]}, "category IN (1,2,3,4)"),
    ({"op": "not", "args": [{"op": "isNull", "args": [{"property": "owner"}]}]}, "owner IS NOT NULL"),
    (
        {
            "op": "and",
            "args": [{"op": ">", "args": [{"property": "floors"}, 5]}, {"op": "=", "args": [{"property": "swimming_pool"}, True]}],
        },
        "floors>5 AND swimming_pool=true",
    ),
    (
        {"op": "=", "args": [{"op": "casei", "args": [{"property": "owner"}]}, {"op": "casei", "args": ["KIEV"]}]},
        "CASEI(owner)=CASEI('KIEV')",
    ),
    (
        {"op": "s_intersects", "args": [{"property": "geom"}, {"bbox": [6.985, 51.43, 6.99, 51.435]}]},
        "S_INTERSECTS(geom,BBOX(6.985,51.43,6.99,51.435))",
    ),
    (
        {
            "op": "t_intersects",
            "args": [{"interval": [{"property": "start"}, {"property": "end"}]}, {"interval": ["..", "2022-04-14T14:48:46Z"]}],
        },
        "T_INTERSECTS(INTERVAL(start,end),INTERVAL('..','2022-04-14T14:48:46Z'))",
    ),
    (
        {"op": "t_after", "args": [{"property": "built"}, {"date": "2021-06-01"}]},
        "T_AFTER(built,DATE('2021-06-01'))",
    ),
    (
        {"op": ">", "args": [{"property": "vehicle_height"}, {"op": "-", "args": [{"property": "bridge_clearance"}, 1]}]},
        "vehicle_height > (bridge_clearance-1)",
    ),
]


def renamed(value: Any) -> Any:
    """Return an expression in JSON over the test city's fields."""
    if isinstance(value, dict):
        name = value.get("property")
        return {"property": NAMES.get(name, name)} if name else {key: renamed(each) for key, each in value.items()}
    return [renamed(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("stated", "text"), JSON_EXAMPLES, ids=[text for _, text in JSON_EXAMPLES])
def test_json_is_what_the_text_is(client: Client, stated: dict[str, Any], text: str) -> None:
    """A.2.1 /conf/cql2-json/validate: JSON as the standard writes it finds what its text does, and so does what the text becomes."""
    found = evaluate(client, "orte", json.dumps(renamed(stated)), "cql2-json")
    assert found == evaluate(client, "orte", adapted(text)) == evaluate(client, "orte", converted(adapted(text)), "cql2-json")
