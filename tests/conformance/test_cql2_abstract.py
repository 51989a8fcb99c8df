"""CQL2 1.0 (OGC 21-065r2), Annex A: the abstract tests over every queryable, in text (A.1) and JSON (A.2).

Each collection is a data source. What A.x.y calls "stored predicates" are those of `_predicates`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from conformance.asking import evaluate, status
from support.client import Client

from server.conformance import CLASSES

COLLECTIONS = ("orte", "wege", "flaechen")
LANGUAGES = ("cql2-text", pytest.param("cql2-json", marks=pytest.mark.slow))
CONF = "http://www.opengis.net/spec/cql2/1.0/conf/"
OPERATORS = ("=", "<>", ">", "<", ">=", "<=")
VALUES = {
    "string": "'foo'",
    "boolean": "true",
    "number": "3.14",
    "integer": "1",
    "date-time": "TIMESTAMP('2022-04-14T14:48:46Z')",
    "date": "DATE('2022-04-14')",
}
GEOMETRY = "geometry"
YEAR = {"date-time": "'2021-01-01T00:00:00Z','2021-12-31T23:59:59Z'", "date": "'2021-01-01','2021-12-31'"}
INSTANT = {"date-time": "TIMESTAMP('2022-04-24T07:59:57Z')", "date": "DATE('2022-04-24')"}
WORLD = "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))"
LINE = "LINESTRING(7 50,10 51)"
TWO_ENDS = (
    "AFTER", "BEFORE", "DISJOINT", "EQUALS", "INTERSECTS", "CONTAINS", "DURING", "FINISHEDBY", "FINISHES", "MEETS", "METBY",
    "OVERLAPPEDBY", "OVERLAPS", "STARTEDBY", "STARTS",
)  # fmt: skip


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """A.1.1 cql2-text/validate, A.2.1 cql2-json/validate: all tests in each language."""
    assert CONF + request.param in CLASSES
    return str(request.param)


@pytest.fixture(params=COLLECTIONS)
def collection(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def queryables(client: Client, collection: str) -> dict[str, str]:
    """Return name → data type, as /queryables states it: the JSON type, or the format where it has one."""
    found = {}
    for name, schema in client.json(f"/collections/{collection}/queryables")["properties"].items():
        kind = schema.get("format") or schema["type"]
        found[name] = GEOMETRY if kind.startswith("geometry-") else kind
    return found


def of_type(client: Client, collection: str, *kinds: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in queryables(client, collection).items() if kind in kinds]


def test_basic_test(client: Client, collection: str) -> None:
    """A.3.1 /conf/basic-cql2/basic-test: each queryable has a data type, and all six scalar ones are there."""
    kinds = queryables(client, collection)
    assert set(kinds.values()) == {*VALUES, GEOMETRY}


def opposite(client: Client, collection: str, language: str, left: str, right: str) -> None:
    results = {operator: evaluate(client, collection, f"{left} {operator} {right}", language) for operator in OPERATORS}
    for one, other in (("=", "<>"), (">", "<="), ("<", ">=")):
        assert not results[one] & results[other]
        assert results["="] | results["<>"] == results[one] | results[other], "what is known is on one of two sides"


def test_comparison(client: Client, collection: str, language: str) -> None:
    """A.3.2 /conf/basic-cql2/comparison."""
    for name, kind in of_type(client, collection, *VALUES):
        opposite(client, collection, language, name, VALUES[kind])


def test_is_null(client: Client, collection: str, language: str) -> None:
    """A.3.3 /conf/basic-cql2/is-null, of geometries too."""
    for name in queryables(client, collection):
        absent, present = (evaluate(client, collection, f"{name} {test}", language) for test in ("IS NULL", "is not null"))
        assert not absent & present and len(absent | present) == 66, name


def test_boolean(client: Client, collection: str, language: str) -> None:
    """A.3.4 /conf/basic-cql2/boolean."""
    assert len(evaluate(client, collection, "true", language)) == 66
    assert evaluate(client, collection, "false", language) == set()


def test_like(client: Client, collection: str, language: str) -> None:
    """A.4.1 /conf/advanced-comparison-operators/like."""
    for name, _ in of_type(client, collection, "string"):
        found = {
            pattern: evaluate(client, collection, f"{name} {word} '{pattern}'", language)
            for word, pattern in (("LIKE", "%"), ("like", "_%"), ("like", ""), ("like", "%%"), ("like", r"\%\_"))
        }
        assert not found["_%"] & found[""]
        assert found["%"] == found["%%"]
        assert len(found[r"\%\_"]) == 3


def test_between(client: Client, collection: str, language: str) -> None:
    """A.4.2 /conf/advanced-comparison-operators/between: a range without a value is no error."""
    for name, _ in of_type(client, collection, "number", "integer"):
        assert evaluate(client, collection, f"{name} BETWEEN 0 AND 100", language)
        assert evaluate(client, collection, f"{name} between 100.0 and 1.0", language) == set()


IN = {
    "integer": "(1, 2, 3)",
    "number": "(1, 2, 3)",
    "string": "('foo', 'bar')",
    "boolean": "(true)",
    "date-time": "('2022-04-14T14:48:46Z', '2022-04-14T15:52:56Z')",
    "date": "('2022-04-14', '2022-04-15')",
}


def test_in(client: Client, collection: str, language: str) -> None:
    """A.4.3 /conf/advanced-comparison-operators/in, of each type."""
    for name, kind in of_type(client, collection, *IN):
        assert evaluate(client, collection, f"{name} IN {IN[kind]}", language) or kind == "number", name


def test_casei(client: Client, collection: str, language: str) -> None:
    """A.5.1 /conf/case-insensitive-comparison/casei and A.5.2 casei-like."""
    for name, _ in of_type(client, collection, "string"):
        same = evaluate(client, collection, f"CASEI({name}) = casei('foo')", language)
        other = evaluate(client, collection, f"CASEI({name}) <> casei('FOO')", language)
        assert same and not same & other
        like = [evaluate(client, collection, f"CASEI({name}) LIKE casei('{text}')", language) for text in ("foo%", "FOO%")]
        assert like[0] == like[1] > same


def test_accenti(client: Client, collection: str, language: str) -> None:
    """A.6.1 /conf/accent-insensitive-comparison/accenti and A.6.2 accenti-like."""
    for name, _ in of_type(client, collection, "string"):
        same = evaluate(client, collection, f"ACCENTI({name}) = accenti('äöüéáí')", language)
        other = evaluate(client, collection, f"ACCENTI({name}) <> accenti('aoueai')", language)
        assert len(same) == 6 and not same & other
        like = [evaluate(client, collection, f"ACCENTI({name}) LIKE accenti('{text}')", language) for text in ("äöü%", "aou%")]
        assert like[0] == like[1] == same


def test_s_intersects_of_points_and_boxes(client: Client, collection: str, language: str) -> None:
    """A.7.1 /conf/basic-spatial-functions/s_intersects: a coordinate outside of its CRS is refused."""
    present = evaluate(client, collection, "geometry IS NOT NULL", language)
    assert evaluate(client, collection, "S_INTERSECTS(geometry,BBOX(-180,-90,180,90))", language) == present
    assert evaluate(client, collection, "S_INTERSECTS(geometry,POINT(7.02 49.92))", language) == set()
    assert status(client, collection, "S_INTERSECTS(geometry,POINT(90 180))", language) == 400
    apart = "S_INTERSECTS(geometry,BBOX(-180,-90,-90,90)) AND S_INTERSECTS(geometry,BBOX(90,-90,180,90))"
    assert evaluate(client, collection, apart, language) == set()


LITERALS = (
    "MULTIPOINT(7.02 49.92, 90 18)",
    "LINESTRING(-180 -45, 0 -45)",
    "MULTILINESTRING((-180 -45, 0 -45), (0 45, 180 45))",
    "POLYGON((-180 -90, -90 -90, -90 90, -180 90, -180 -90), (-120 -50, -100 -50, -100 -40, -120 -40, -120 -50))",
    "MULTIPOLYGON(((-180 -90, -90 -90, -90 90, -180 90, -180 -90), (-120 -50, -100 -50, -100 -40, -120 -40, -120 -50)),"
    "((0 0, 10 0, 10 10, 0 10, 0 0)))",
    "GEOMETRYCOLLECTION(POINT(7.02 49.92), POLYGON((0 0, 10 0, 10 10, 0 10, 0 0)))",
)


def test_s_intersects_of_all_literals(client: Client, collection: str, language: str) -> None:
    """A.8.1 /conf/basic-spatial-functions-plus/s_intersects."""
    assert status(client, collection, "S_INTERSECTS(geometry,MULTIPOINT(7.02 49.92, 90 180))", language) == 400
    for literal in LITERALS:
        assert evaluate(client, collection, f"S_INTERSECTS(geometry,{literal})", language) == set()
    around = "GEOMETRYCOLLECTION(POINT(7.02 49.92), POLYGON((0 0, 60 0, 60 60, 0 60, 0 0)))"
    assert evaluate(client, collection, f"S_INTERSECTS(geometry,{around})", language)


def test_spatial_functions(client: Client, collection: str, language: str) -> None:
    """A.9.1 to A.9.8 /conf/spatial-functions/s_*."""

    def found(name: str, literal: str) -> set[int]:
        return evaluate(client, collection, f"S_{name}(geometry,{literal})", language)

    box = "BBOX(-180,-90,180,90)"
    assert len(found("INTERSECTS", box)) == 65 and found("INTERSECTS", box) == found("INTERSECTS", WORLD)
    assert found("DISJOINT", box) == found("DISJOINT", WORLD) == set()
    for literal in (LINE, "POINT(7.02 49.92)"):
        assert not found("DISJOINT", literal) & found("INTERSECTS", literal)
        assert len(found("DISJOINT", literal) | found("INTERSECTS", literal)) == 65
    for name in ("INTERSECTS", "DISJOINT"):
        assert status(client, collection, f"S_{name}(geometry,POINT(90 180))", language) == 400
    assert found("EQUALS", WORLD) == found("EQUALS", LINE) == found("EQUALS", "POINT(7.02 49.92)") == set()
    for literal in (box, WORLD, LINE):
        assert found("TOUCHES", literal) == set()
        if collection != "flaechen":
            assert found("CROSSES", literal) == set()
    assert len(found("WITHIN", box)) == 65 and found("WITHIN", box) == found("WITHIN", WORLD)
    assert found("CONTAINS", box) == found("CONTAINS", WORLD)
    for literal in (box, LINE, "MULTIPOINT(7 50,10 51)"):
        assert not found("CONTAINS", literal) & found("WITHIN", literal)
    overlapping = {"orte": "MULTIPOINT(7 50,10 51)", "wege": LINE, "flaechen": WORLD}[collection]
    assert found("OVERLAPS", overlapping) == set()


def test_temporal_functions_of_instants(client: Client, collection: str, language: str) -> None:
    """A.10.1 /conf/temporal-functions/temporal-functions-1."""
    for name, kind in of_type(client, collection, *INSTANT):
        for other in (INSTANT[kind], f"INTERVAL({YEAR[kind]})"):
            found = {
                function: evaluate(client, collection, f"T_{function}({name},{other})", language)
                for function in ("AFTER", "BEFORE", "DISJOINT", "EQUALS", "INTERSECTS")
            }
            assert found["AFTER"] | found["BEFORE"] == found["DISJOINT"]
            assert not found["AFTER"] & found["BEFORE"] and not found["DISJOINT"] & found["INTERSECTS"]
            assert found["DISJOINT"] | found["INTERSECTS"] == evaluate(client, collection, f"{name} IS NOT NULL", language)
            assert found["EQUALS"] <= found["INTERSECTS"]


def test_temporal_functions_of_intervals(client: Client, collection: str, language: str) -> None:
    """A.10.2 /conf/temporal-functions/temporal-functions-2: an interval has one of Allen's thirteen relations to another."""
    for first, last, kind in (("beginn", "ende", "date"), ("von", "bis", "date-time")):
        found = {
            function: evaluate(client, collection, f"T_{function}(INTERVAL({first},{last}),INTERVAL({YEAR[kind]}))", language)
            for function in TWO_ENDS
        }
        assert found["DISJOINT"] == found["AFTER"] | found["BEFORE"]
        assert not found["DISJOINT"] & found["INTERSECTS"]
        assert found["INTERSECTS"] | found["DISJOINT"] == evaluate(client, collection, f"{first} IS NOT NULL", language)
        # Of an interval of no length that lies on an end of the year more than one holds; all others have exactly one.
        exact = [found[name] for name in TWO_ENDS if name not in ("DISJOINT", "INTERSECTS")]
        lengths = evaluate(client, collection, f"{first} < {last}", language)
        for nr in lengths:
            assert sum(nr in each for each in exact) == 1, nr


def test_value_and_property(client: Client, collection: str, language: str) -> None:
    """A.12.1 /conf/property-property/comparison-value-property."""
    for name, kind in of_type(client, collection, *VALUES):
        opposite(client, collection, language, VALUES[kind], name)


def test_property_and_property(client: Client, collection: str, language: str) -> None:
    """A.12.2 /conf/property-property/comparison-property-property."""
    for name, _ in of_type(client, collection, *VALUES):
        for operator in ("<>", "<", ">"):
            assert evaluate(client, collection, f"{name} {operator} {name}", language) == set()
        present = evaluate(client, collection, f"{name} IS NOT NULL", language)
        for operator in ("=", ">=", "<="):
            assert evaluate(client, collection, f"{name} {operator} {name}", language) == present


def test_value_and_value(client: Client, language: str) -> None:
    """A.12.3 /conf/property-property/comparison-value-value."""
    for value in VALUES.values():
        for operator, size in (("<>", 0), ("<", 0), (">", 0), ("=", 66), (">=", 66), ("<=", 66)):
            assert len(evaluate(client, "orte", f"{value} {operator} {value}", language)) == size, (value, operator)


def test_arithmetic(client: Client, collection: str, language: str) -> None:
    """A.14.1 /conf/arithmetic/arithmetic: on either side, of values and properties; NULL where the property is."""
    for name, _ in of_type(client, collection, "number", "integer"):
        present = evaluate(client, collection, f"{name} IS NOT NULL", language)
        for same in (f"{name}+0", f"{name}*1", f"{name}-1+1", f"({name}+2)*3-{name}*2-6", f"0+{name}^1"):
            assert evaluate(client, collection, f"{name} = {same}", language) == present, same
            assert evaluate(client, collection, f"{same} <> {name}", language) == set(), same
        for text in (f"{name} > 3*2^2", f"12 < {name}", f"{name}/2 > 6", f"{name}-12 > 12%4", f"{name} > 25 div 2", f"NOT {name} <= 24/2"):
            assert evaluate(client, collection, text, language) == evaluate(client, collection, f"{name} > 12", language), text
        both = evaluate(client, collection, f"{name} BETWEEN 5-4 AND 10*10", language)
        assert both == evaluate(client, collection, f"{name} BETWEEN 1 AND 100", language)
        listed = evaluate(client, collection, f"{name} IN (1+0, 4/2)", language)
        assert listed == evaluate(client, collection, f"{name} IN (1, 2)", language)


def _predicates(client: Client, collection: str) -> Iterator[str]:
    for name, kind in queryables(client, collection).items():
        yield f"{name} IS NULL"
        yield f"{name} is not null"
        if kind in VALUES:
            yield from (f"{name} {operator} {VALUES[kind]}" for operator in OPERATORS)
            yield from (f"{VALUES[kind]} {operator} {name}" for operator in OPERATORS)
            yield f"{name} IN {IN[kind]}"
        if kind in INSTANT:
            yield from (f"T_{function}({name},INTERVAL({YEAR[kind]}))" for function in ("AFTER", "BEFORE", "INTERSECTS"))
    yield from ("true", "false", "name LIKE 'B_r%'", "CASEI(name) LIKE casei('FOO%')", "ACCENTI(name) = accenti('aoueai')")
    yield from ("einwohner BETWEEN 0 AND 100", f"S_INTERSECTS(geometry,{WORLD})", "S_WITHIN(geometry,BBOX(6.9,51.4,7,51.435))")
    yield from ("einwohner + 1 = haushalte * 2", "einwohner = haushalte")


@pytest.mark.slow
def test_logical(client: Client, collection: str, language: str) -> None:
    """A.3.6, A.4.5, A.5.4, A.6.4, A.7.3, A.8.3, A.9.10, A.10.4, A.12.5 logical: combinations of four of the stored predicates.

    What a combination must find follows from what each predicate and its NOT find, as SQL's and CQL2's logic have three values.
    """
    chance = random.Random(f"{collection} {language}")
    predicates = list(_predicates(client, collection))
    known: dict[str, set[int]] = {}

    def ask(text: str) -> set[int]:
        if text not in known:
            known[text] = evaluate(client, collection, text, language)
        return known[text]

    for _ in range(60):
        p1, p2, p3, p4 = (f"({each})" for each in chance.sample(predicates, 4))
        combined = f"((NOT {p1} AND {p2}) OR ({p3} and NOT {p4}) or not ({p1} AND {p4}))"
        f1, f4 = ask(f"NOT {p1}"), ask(f"NOT {p4}")
        assert ask(combined) == (f1 & ask(p2)) | (ask(p3) & f4) | f1 | f4, combined
