"""CQL2 text and JSON: what it matches, against the rows in Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import shapely
from query.city import ROWS, ZEIT, Published, matched

from stadtgrund.crs import CRS84, supported
from stadtgrund.query import FeatureQuery, all_of, cql2, items
from stadtgrund.query.compile import compile_expression

Row = dict[str, Any]


def ask(city: Published, text: str, dataset: str = "proben", language: str = "cql2-text", crs: Any = CRS84) -> list[Any]:
    relation = city.relation(dataset)
    return matched(city, relation, cql2.parse(text, language, relation, crs))


def has(name: str, test: Callable[[Any], bool]) -> Callable[[Row], bool]:
    """SQL's logic: NULL fulfils nothing."""
    return lambda row: row[name] is not None and test(row[name])


def fold(text: str) -> str:
    return text.casefold()


def plain(text: str) -> str:
    return text.translate(str.maketrans("äöüÄÖÜ", "aouAOU"))


FILTERS: list[tuple[str, Callable[[Row], bool]]] = [
    ("art = 'apfel'", has("art", lambda v: v == "apfel")),
    ("'apfel' = art", has("art", lambda v: v == "apfel")),
    ("art <> 'apfel'", has("art", lambda v: v != "apfel")),
    ("NOT art = 'apfel'", has("art", lambda v: v != "apfel")),
    ("art = 'a<b>&c'", has("art", lambda v: v == "a<b>&c")),
    ("\"order\" = 'eins'", has("order", lambda v: v == "eins")),
    ("art = 'back\\slash'", has("art", lambda v: v == "back\\slash")),
    ("art LIKE 'a%'", has("art", lambda v: v.startswith("a"))),
    ("art NOT LIKE 'a%'", has("art", lambda v: not v.startswith("a"))),
    ("art LIKE 'a_b'", has("art", lambda v: len(v) == 3 and v[0] == "a" and v[2] == "b")),
    (r"art LIKE 'a\_b'", has("art", lambda v: v == "a_b")),
    (r"art LIKE 'a\%b'", has("art", lambda v: v == "a%b")),
    ("art IN ('apfel', 'Straße', 'sag \"ja\"', 'back\\slash')", has("art", lambda v: v in ("apfel", "Straße", 'sag "ja"', "back\\slash"))),
    ("art NOT IN ('apfel')", has("art", lambda v: v != "apfel")),
    ("CASEI(art) = CASEI('straße')", has("art", lambda v: fold(v) == "strasse")),
    ("CASEI(art) IN (CASEI('ÄPFEL'), CASEI('STRAßE'))", has("art", lambda v: fold(v) in ("äpfel", "strasse"))),
    ("casei(art) LIKE casei('ÄP%')", has("art", lambda v: fold(v).startswith("äp"))),
    ("ACCENTI(art) = ACCENTI('Apfel')", has("art", lambda v: plain(v) == "Apfel")),
    ("ACCENTI(CASEI(art)) LIKE ACCENTI(CASEI('umla%'))", has("art", lambda v: plain(fold(v)).startswith("umla"))),
    ("art IS NULL", lambda row: row["art"] is None),
    ("art IS NOT NULL", lambda row: row["art"] is not None),
    ("technik IS NULL", lambda row: row["technik"] is None),
    ("geometry IS NULL", lambda row: row["geom"] is None),
    ("stufe = 9007199254740993", has("stufe", lambda v: v == 2**53 + 1)),
    ("stufe <> 9007199254740992", has("stufe", lambda v: True)),
    ("stufe = -9223372036854775808", has("stufe", lambda v: v == -(2**63))),
    ("stufe < 99999999999999999999999", has("stufe", lambda v: True)),
    ("stufe > 1.5", has("stufe", lambda v: v > 1.5)),
    ("stufe IN (1, 2.5, 3)", has("stufe", lambda v: v in (1, 3))),
    ("stufe BETWEEN 1 AND 2", has("stufe", lambda v: 1 <= v <= 2)),
    ("stufe NOT BETWEEN 1 AND 2.5", has("stufe", lambda v: not 1 <= v <= 2.5)),
    ("wert = 0.1", has("wert", lambda v: v == 0.1)),
    ("wert = 1e300", has("wert", lambda v: v == 1e300)),
    ("wert < .5", has("wert", lambda v: v < 0.5)),
    ("preis = 12345678901234567890.123456789", has("preis", lambda v: v == Decimal("12345678901234567890.123456789"))),
    ("preis = 0.1", has("preis", lambda v: v == Decimal("0.1"))),
    ("preis < -2.99999999999999999999", has("preis", lambda v: v == -3)),
    ("aktiv = true", has("aktiv", lambda v: v)),
    ("aktiv", has("aktiv", lambda v: v)),
    ("NOT aktiv", has("aktiv", lambda v: not v)),
    ("(stufe = 1) = aktiv", lambda row: None not in (row["stufe"], row["aktiv"]) and (row["stufe"] == 1) == row["aktiv"]),
    ("TRUE", lambda row: True),
    ("FALSE OR stufe = 1", has("stufe", lambda v: v == 1)),
    ("kennung = '00000000-0000-0000-0000-000000000001'", has("kennung", lambda v: v.int == 1)),
    ("tag = DATE('2024-05-01')", has("tag", lambda v: v == date(2024, 5, 1))),
    ("tag > '2024-04-30'", has("tag", lambda v: v > date(2024, 4, 30))),
    ("tag BETWEEN DATE('1890-01-01') AND DATE('2024-04-30')", has("tag", lambda v: v <= date(2024, 4, 30))),
    ("tag IN (DATE('1890-01-01'))", has("tag", lambda v: v == date(1890, 1, 1))),
    ("zeit = TIMESTAMP('2024-05-01T12:00:00Z')", has("zeit", lambda v: v == ZEIT)),
    ("zeit >= TIMESTAMP('2024-05-01T14:00:00+02:00')", has("zeit", lambda v: v >= ZEIT)),
    ("zeit = DATE('2024-05-01')", has("zeit", lambda v: v == ZEIT)),
    ("zeit <> DATE('2024-05-01')", has("zeit", lambda v: v != ZEIT)),
    ("zeit <= DATE('2024-05-01')", has("zeit", lambda v: v <= ZEIT)),
    ("zeit > DATE('2024-05-01')", has("zeit", lambda v: v > ZEIT)),
    ("zeit BETWEEN DATE('2024-05-01') AND DATE('2024-05-02')", has("zeit", lambda v: v >= ZEIT)),
    ("zeit IN (DATE('2024-05-01'), TIMESTAMP('2024-04-30T21:59:59Z'))", has("zeit", lambda v: v <= ZEIT)),
    ("T_AFTER(tag, DATE('2024-04-30'))", has("tag", lambda v: v > date(2024, 4, 30))),
    ("T_BEFORE(zeit, DATE('2024-05-01'))", has("zeit", lambda v: v < datetime(2024, 4, 30, 22, tzinfo=UTC))),
    ("T_DURING(zeit, INTERVAL('2024-05-01', '..'))", has("zeit", lambda v: v >= ZEIT)),
    ("T_DURING(tag, INTERVAL('2024-04-30', '2024-05-02'))", has("tag", lambda v: v == date(2024, 5, 1))),
    ("T_INTERSECTS(tag, INTERVAL('2024-04-30', '2024-05-02'))", has("tag", lambda v: v >= date(2024, 4, 30))),
    ("T_DISJOINT(tag, INTERVAL('2024-04-30', '2024-05-02'))", has("tag", lambda v: v < date(2024, 4, 30))),
    ("T_EQUALS(tag, DATE('2024-05-01'))", has("tag", lambda v: v == date(2024, 5, 1))),
    ("stufe + 1 = 3", has("stufe", lambda v: v == 2)),
    ("stufe * 2 - 1 >= 3 AND stufe < 10", has("stufe", lambda v: 2 <= v < 10)),
    ("stufe / 2 = 1.5", has("stufe", lambda v: v == 3)),
    ("stufe div 2 = 1 OR stufe % 2 = 2", has("stufe", lambda v: v in (2, 3))),
    ("1 / (stufe - 1) > 0", has("stufe", lambda v: v > 1)),
    ("stufe ^ 2 = 9", has("stufe", lambda v: v == 3)),
    ("9223372036854775807 + stufe > 0", has("stufe", lambda v: v > -(2**63))),
    ("stufe = wert", lambda row: None not in (row["stufe"], row["wert"]) and row["stufe"] == row["wert"]),
    ("preis < stufe", lambda row: None not in (row["stufe"], row["preis"]) and row["preis"] < row["stufe"]),
    (
        "stufe = 1 AND (art = 'apfel' OR art IS NULL) AND NOT aktiv",
        lambda row: row["stufe"] == 1 and row["art"] in ("apfel", None) and row["aktiv"] is False,
    ),
]


@pytest.mark.parametrize(("text", "test"), FILTERS, ids=[text for text, _ in FILTERS])
def test_filter(city: Published, text: str, test: Callable[[Row], bool]) -> None:
    expected = [row["nummer"] for row in ROWS["proben"] if test(row)]
    assert ask(city, text) == expected


def test_filters_match_something() -> None:
    """The table above would prove little if most of it matched nothing or all."""
    sizes = [sum(test(row) for row in ROWS["proben"]) for _, test in FILTERS]
    assert sum(0 < size < 80 for size in sizes) > len(FILTERS) - 5


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("stufe = 9007199254740993", '{"op": "=", "args": [{"property": "stufe"}, 9007199254740993]}'),
        ("preis = 12345678901234567890.123456789", '{"op": "=", "args": [{"property": "preis"}, 12345678901234567890.123456789]}'),
        ("art NOT IN ('a', 'b')", '{"op": "not", "args": [{"op": "in", "args": [{"property": "art"}, ["a", "b"]]}]}'),
        (
            "T_DURING(zeit, INTERVAL('..', '2024-05-01'))",
            '{"op": "t_during", "args": [{"property": "zeit"}, {"interval": ["..", "2024-05-01"]}]}',
        ),
        (
            "S_INTERSECTS(geometry, BBOX(7,51,7.2,51.5))",
            '{"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [7, 51, 7.2, 51.5]}]}',
        ),
        ("zeit > TIMESTAMP('2024-05-01T00:00:00Z')", '{"op": ">", "args": [{"property": "zeit"}, {"timestamp": "2024-05-01T00:00:00Z"}]}'),
        (
            "CASEI(art) = CASEI('x')",
            '{"op": "=", "args": [{"op": "casei", "args": [{"property": "art"}]}, {"op": "casei", "args": ["x"]}]}',
        ),
    ],
)
def test_json_says_the_same(city: Published, text: str, tree: str) -> None:
    relation = city.relation("proben")
    assert cql2.parse(text, "cql2-text", relation) == cql2.parse(tree, "cql2-json", relation)


@pytest.mark.parametrize("operator", ["INTERSECTS", "DISJOINT", "WITHIN", "TOUCHES", "OVERLAPS", "CROSSES", "CONTAINS", "EQUALS"])
@pytest.mark.parametrize(
    "shape",
    [
        "POLYGON((7.02 51.38,7.15 51.36,7.2 51.5,7.05 51.49,7.02 51.38))",
        "MULTIPOLYGON(((7.02 51.38,7.1 51.36,7.12 51.4,7.02 51.38)),((7.2 51.4,7.25 51.4,7.25 51.5,7.2 51.4)))",
        "LINESTRING(6.9 51.35,7.3 51.55)",
        "POINT(7.1 51.4)",
        "MULTIPOINT((7.1 51.4),(7.2 51.45))",
    ],
    ids=lambda shape: shape.partition("(")[0],
)
def test_spatial(city: Published, operator: str, shape: str) -> None:
    reference = f"ST_{operator}(ST_Transform(geom, 4326), ST_GeomFromText(%s, 4326))"
    expected = city.column(f"SELECT sg_id FROM p_open.flaechen WHERE {reference} ORDER BY sg_id", (shape,))
    assert ask(city, f"S_{operator}(geometry, {shape})", "flaechen") == expected
    converse = {"WITHIN": "CONTAINS", "CONTAINS": "WITHIN"}.get(operator, operator)
    assert ask(city, f"S_{converse}({shape}, geometry)", "flaechen") == expected


@pytest.mark.parametrize("operator", ["INTERSECTS", "DISJOINT", "WITHIN", "CONTAINS", "EQUALS", "TOUCHES", "OVERLAPS"])
@pytest.mark.parametrize("box", ["-180,-90,180,90", "7.1,-90,180,90", "100,10,101,11", "170,50,7.1,52"])
def test_spatial_far_beyond_the_data(city: Published, operator: str, box: str) -> None:
    """The world is no line, and what is cut away does not change the answer."""
    west, south, east, north = map(float, box.split(","))
    if west > east:
        west, east = -180, east
    bounds = max(west, 5), max(south, 45), max(min(east, 20), 5.1), max(min(north, 60), 45.1)
    reference = f"ST_{operator}(ST_Transform(geom, 4326), ST_MakeEnvelope(%s, %s, %s, %s, 4326))"
    expected = city.column(f"SELECT sg_id FROM p_open.flaechen WHERE {reference} ORDER BY sg_id", bounds)
    assert ask(city, f"S_{operator}(geometry, BBOX({box}))", "flaechen") == expected


@pytest.mark.parametrize("operator", ["INTERSECTS", "DISJOINT", "WITHIN", "TOUCHES", "OVERLAPS", "CROSSES", "CONTAINS", "EQUALS"])
@pytest.mark.parametrize("kind", ["POLYGON", "LINESTRING", "POINT"])
def test_spatial_with_a_part_far_away(city: Published, operator: str, kind: str) -> None:
    """A feature that holds the near part does not hold the whole: it overlaps or crosses it."""
    point = "SELECT ST_Transform(ST_PointOnSurface(geom), 4326) AS p FROM p_open.flaechen WHERE sg_id = 'F07919'"
    x, y = city.column(f"SELECT unnest(array[ST_X(p), ST_Y(p)]) FROM ({point}) s")
    parts = [(x, y, x + 1e-5, y + 1e-5), (2.0, 48.0, 2.1, 48.1)]
    shape = {
        "POLYGON": shapely.union_all([shapely.box(*part) for part in parts]),
        "LINESTRING": shapely.MultiLineString([[part[:2], part[2:]] for part in parts]),
        "POINT": shapely.MultiPoint([part[:2] for part in parts]),
    }[kind].wkt
    reference = f"ST_{operator}(ST_Transform(geom, 4326), ST_GeomFromText(%s, 4326))"
    expected = city.column(f"SELECT sg_id FROM p_open.flaechen WHERE {reference} ORDER BY sg_id", (shape,))
    if operator == ("OVERLAPS" if kind == "POLYGON" else "CROSSES"):
        assert "F07919" in expected
    assert ask(city, f"S_{operator}(geometry, {shape})", "flaechen") == expected
    converse = {"WITHIN": "CONTAINS", "CONTAINS": "WITHIN"}.get(operator, operator)
    assert ask(city, f"S_{converse}({shape}, geometry)", "flaechen") == expected


def test_a_geometry_is_not_its_bbox(city: Published) -> None:
    """GeoJSON may state one beside the coordinates (RFC 7946, 5)."""
    shape = '{"type": "Polygon", "bbox": [-180, -90, 180, 90], "coordinates": [[[0, 0], [1, 0], [0, 1], [0, 0]]]}'
    asked = f'{{"op": "s_intersects", "args": [{{"property": "geometry"}}, {shape}]}}'
    assert ask(city, asked, "flaechen", "cql2-json") == []


def test_filter_crs_and_its_axis_order(city: Published) -> None:
    crs = {str(crs.srid): crs for crs in supported(25832)[1:]}
    expected = ask(city, "S_INTERSECTS(geometry, BBOX(7.05,51.38,7.15,51.45))", "flaechen")
    assert 20 < len(expected) < 500
    assert ask(city, "S_INTERSECTS(geometry, BBOX(51.38,7.05,51.45,7.15))", "flaechen", crs=crs["4326"]) == expected
    ring = "51.38 7.05,51.38 7.15,51.45 7.15,51.45 7.05,51.38 7.05"
    assert ask(city, f"S_INTERSECTS(geometry, POLYGON(({ring})))", "flaechen", crs=crs["4258"]) == expected
    box = "ST_MakeEnvelope(365000, 5695000, 370000, 5700000, 25832)"
    native = city.column(f"SELECT sg_id FROM p_open.flaechen WHERE ST_Intersects(geom, {box}) ORDER BY sg_id")
    assert ask(city, "S_INTERSECTS(geometry, BBOX(365000,5695000,370000,5700000))", "flaechen", crs=crs["25832"]) == native


@pytest.mark.parametrize(
    ("function", "expected"),
    [("INTERSECTS", 4), ("DISJOINT", 2), ("CONTAINS", 1), ("DURING", 1), ("MEETS", 0), ("OVERLAPS", 1), ("STARTS", 0), ("EQUALS", 0)],
)
def test_periods_of_two_attributes(city: Published, function: str, expected: int) -> None:
    """Allen's relations of INTERVAL(beginn, ende), whose ends may be open, with two months; counted over six areas by hand."""
    relation = city.relation("flaechen")
    stated = [
        (date(2024, 5, 1), date(2024, 7, 1)),  # contains June
        (date(2024, 6, 2), date(2024, 6, 29)),  # during June
        (date(2024, 5, 1), date(2024, 6, 15)),  # overlaps June
        (date(2024, 7, 1), None),  # after June, open
        (None, date(2024, 5, 31)),  # before June, open
        (date(2024, 6, 30), None),  # begins on its last day
        (None, None),  # not known: in no relation to anything
    ]
    expression = cql2.parse(f"T_{function}(INTERVAL(beginn, ende), INTERVAL('2024-06-01', '2024-06-30'))", "cql2-text", relation)
    fragment = compile_expression(expression)
    values = ", ".join(["(%s::date, %s::date)"] * len(stated))
    (count,) = city.column(
        f"SELECT count(*) FROM (VALUES {values}) v(beginn, ende) WHERE {fragment.sql}",
        (*(end for pair in stated for end in pair), *fragment.params),
    )
    assert count == expected


def test_long_and_flat_is_fine(city: Published) -> None:
    assert ask(city, " OR ".join(f"nummer = {n}" for n in range(1, 700))) == list(range(1, 81))
    assert ask(city, "nummer IN (" + ", ".join(f"-{n}" for n in range(3000)) + ", 5)") == [5]
    assert ask(city, "(" * 40 + "nummer = 5" + ")" * 40) == [5]


def test_one_text_for_one_shape(city: Published) -> None:
    relation = city.relation("proben")
    first, second = (
        items.page(FeatureQuery(relation=relation, limit=10, filter=cql2.parse(text, "cql2-text", relation)))
        for text in ("art IN ('a','b') AND stufe > 1", "art IN ('x','y','z') AND stufe > 900")
    )
    assert first.sql == second.sql and first.params != second.params
    assert first.prepare is False, "a plan for one value does not serve another"


@pytest.mark.parametrize(
    ("name", "value", "test"),
    [
        ("art", "a%b", has("art", lambda v: v == "a%b")),
        ("stufe", "9007199254740993", has("stufe", lambda v: v == 2**53 + 1)),
        ("stufe", "+1", has("stufe", lambda v: v == 1)),
        ("wert", "0.1", has("wert", lambda v: v == 0.1)),
        ("wert", "1e300", has("wert", lambda v: v == 1e300)),
        ("preis", "12345678901234567890.123456789", has("preis", lambda v: v > 4)),
        ("aktiv", "false", has("aktiv", lambda v: not v)),
        ("tag", "2024-05-01", has("tag", lambda v: v == date(2024, 5, 1))),
        ("zeit", "2024-05-01", has("zeit", lambda v: v == ZEIT)),
        ("zeit", "2024-05-01T14:00:00+02:00", has("zeit", lambda v: v == ZEIT)),
        ("kennung", "00000000000000000000000000000001", has("kennung", lambda v: v.int == 1)),
        ("order", "eins", has("order", lambda v: v == "eins")),
    ],
)
def test_parameter_of_each_type(city: Published, name: str, value: str, test: Callable[[Row], bool]) -> None:
    relation = city.relation("proben")
    expected = [row["nummer"] for row in ROWS["proben"] if test(row)]
    assert matched(city, relation, cql2.equal(relation, name, value)) == expected and expected


def test_all_of(city: Published) -> None:
    relation = city.relation("proben")
    one, two = cql2.equal(relation, "stufe", "1"), cql2.equal(relation, "art", "apfel")
    assert all_of([None]) is None and all_of([None, one]) == one
    expected = [row["nummer"] for row in ROWS["proben"] if (row["stufe"], row["art"]) == (1, "apfel")]
    assert matched(city, relation, all_of([one, None, two])) == expected


def test_no_infinity_in_the_rows_is_lost() -> None:
    """`wert < .5` above counts on it: minus infinity is less, NaN (for PostgreSQL) is not."""
    values = [row["wert"] for row in ROWS["proben"] if row["wert"] is not None]
    assert any(math.isnan(value) for value in values) and -math.inf in values
