"""CQL2 text and JSON that is refused, with its message; and nothing that is neither refused nor runs."""

from __future__ import annotations

import json

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query.city import Published, matched

from stadtgrund.errors import InvalidFilter, InvalidParameter
from stadtgrund.query import cql2

UNUSABLE = (
    "POINT EMPTY",
    "POINT Z EMPTY",
    "POINT Z(1 2)",
    "LINESTRING(1 2,3 4 5)",
    "LINESTRING M(1 2,3 4)",
    "MULTIPOINT(1 2,3 4 5)",
    "POLYGON((0 0,1 1 1,1 0,0 0))",
    "GEOMETRYCOLLECTION(POINT EMPTY)",
)
"""WKT that the parser reads and cannot use."""

REFUSED = [
    ("gemeinde = 'x'", "Unknown property 'gemeinde'; known: aktiv, art, geometry, kennung"),
    ("sg_hash = 'x'", "Unknown property 'sg_hash'"),
    ("sqrt(wert) = 2", "Unknown function 'sqrt'; known: ACCENTI, CASEI, DATE"),
    ("pg_sleep(5) = 1", "Unknown function 'pg_sleep'"),
    ("A_CONTAINS(art, ('a','b'))", "Unknown function 'a_contains'"),
    ("stufe = 'abc'", "compares property 'stufe' (integer) with the string 'abc'"),
    ("art = 5", "compares property 'art' (string) with the value 5"),
    ("aktiv = 'ja'", "compares property 'aktiv' (boolean) with the string 'ja'"),
    ("art = stufe", "compares property 'art' (string) with property 'stufe' (integer)"),
    ("technik = 'x'", "compares property 'technik' (json)"),
    ("tag = 'gestern'", "'gestern' is not a date or timestamp"),
    ("tag = DATE('2024-13-01')", "'2024-13-01' is not a date"),
    ("tag = DATE('2024-01-01T00:00:00Z')", "is not a date"),
    ("zeit = TIMESTAMP('2024-01-01')", "is not a timestamp"),
    ("tag = 5", "compares property 'tag' (date) with the value 5"),
    ("kennung = 'x'", "the string 'x' is not a UUID"),
    ("stufe LIKE 'a%'", "LIKE asks for a string on its left side, not for property 'stufe' (integer)"),
    ("art LIKE art", "The pattern of LIKE must be a string in quotes"),
    ("art LIKE 'a\\'", "a quote is not closed"),
    ("CASEI(stufe) = 'x'", "CASEI asks for a string, not for property 'stufe'"),
    ("art + 1 = 2", "The operator + asks for numbers, not for property 'art'"),
    ("art BETWEEN 'a' AND 'b'", "BETWEEN asks for numbers, dates or timestamps"),
    ("art = NULL", "The filter compares with NULL"),
    ("art", "In the filter, property 'art' (string) is not a condition"),
    ("5", "In the filter, the value 5 is not a condition"),
    ("art =", "is not valid CQL2 text: line 1, column"),
    ("art = 'x", "a quote is not closed"),
    ("art = 'x')", "a bracket is closed that was not opened"),
    ("stufe = 1; DROP TABLE x", "is not valid CQL2 text"),
    ("T_AFTER(stufe, DATE('2024-01-01'))", "A temporal function asks for dates and timestamps, not for property 'stufe'"),
    ("T_DURING(tag, INTERVAL('2024-02-01','2024-01-01'))", "An interval of the filter ends before it begins"),
    ("S_INTERSECTS(art, POINT(1 2))", "S_INTERSECTS asks for a geometry, not for property 'art' (string). The geometry is geometry."),
    ("S_INTERSECTS(geometry, 'x')", "S_INTERSECTS asks for a geometry, not for x"),
    ("S_INTERSECTS(POINT(1 2), POINT(1 2))", "compares two geometries of the filter"),
    ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0,0 1,0 0)))", "Self-intersection"),
    ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0)))", "A geometry of the filter is not valid"),
    ("S_INTERSECTS(geometry, LINESTRING(1 2))", "A geometry of the filter is not valid"),
    *((f"S_INTERSECTS(geometry, {shape})", "A geometry of the filter is not valid: it is empty, has a measure, or") for shape in UNUSABLE),
    ("zeit = TIMESTAMP('2024-01-01T10:00:00')", "'2024-01-01T10:00:00' is not a date or timestamp"),
    ("zeit > TIMESTAMP ('2024-01-01T10Z')", "'2024-01-01T10Z' is not a date or timestamp"),
    ("zeit < TIMESTAMP('2024-01-01 10:00:00Z')", "is not a date or timestamp"),
    ("T_DURING(zeit, INTERVAL('2024-01-01T10:00:00', '..'))", "is not a date or timestamp"),
    ("S_INTERSECTS(geometry, BBOX(3,2,1,1))", "each lower corner below its upper corner"),
    ("S_DWITHIN(geometry, POINT(1 2), 5, meters)", "Unknown function 'S_DWITHIN'"),
    ("art = '\ue000'", "private use"),
    ("stufe = 1" + "0" * 400, "out of range"),
    ("x" * 40000, "32768 are allowed"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_refused(city: Published, text: str, message: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        cql2.parse(text, "cql2-text", city.relation("proben"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid CQL2 JSON"),
        ("[]", "a part that is not CQL2"),
        ("null", "compares with NULL"),
        ('{"op": "="}', "= takes 2 arguments, not 0"),
        ('{"op": "=", "args": "ab"}', "not a list"),
        ('{"op": "=", "args": [{"property": "stufe"}, NaN]}', "NaN is not JSON"),
        ('{"op": "=", "args": [{"property": "art"}, "a\\u0000"]}', "NUL character"),
        ('{"op": "=", "args": [{"property": "art"}, "a\\ud800"]}', "surrogate"),
        ('{"op": "like", "args": [{"property": "art"}, "a\\\\"]}', "lone backslash"),
        ('{"op": "in", "args": [{"property": "art"}, []]}', "list of IN is empty"),
        ('{"op": "in", "args": [{"property": "art"}, "ab"]}', "IN takes a property and a list"),
        ('{"op": "and", "args": []}', "AND has no operands"),
        ('{"op": "t_after", "args": [{"property": "tag"}, {"interval": ["2024-01-01"]}]}', "two ends"),
        ('{"op": "s_within", "args": [{"property": "geometry"}, {"type": "Polygon", "coordinates": 5}]}', "not valid"),
        ('{"op": "s_within", "args": [{"property": "geometry"}, {"type": "Kreis"}]}', "type 'Kreis' is none of"),
        ('{"op": "s_within", "args": [{"property": "geometry"}, {"bbox": [1, "x", 2, 3]}]}', "BBOX has numbers only"),
        ('{"op": "=", "args": [{"property": "stufe"}, ' + "9" * 5000 + "]}", "out of range"),
        ('{"op":"not","args":[' * 500 + "true" + "]}" * 500, "60 levels"),
        ("[" * 10000, "nested too deep"),
    ],
)
def test_json_refused(city: Published, text: str, message: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        cql2.parse(text, "cql2-json", city.relation("proben"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 9000 + "stufe = 1" + ")" * 9000,
        "NOT " * 8000 + "aktiv",
        "stufe" + " = stufe" * 4000,
        "stufe" + "+stufe" * 5000 + " = 1",
        "-" * 9000 + "stufe = 1",
        "CASEI(" * 4000 + "art" + ")" * 4000 + " = 'x'",
        "stufe" + " BETWEEN 1 AND 1" * 2000,
        "stufe" + " BETWEEN (1 AND 1) AND 2" * 1300,
        "art = 'x\\' AND (((" + "(" * 5000 + "' AND art = ' ",
        "art = '\\' AND " + "(" * 9000 + "stufe = 1" + ")" * 9000 + " AND art = ''",
        "S_INTERSECTS(geometry, POINT(1 2)) AND " + "(" * 9000 + "aktiv" + ")" * 9000,
    ],
    ids=lambda text: text[:24],
)
def test_nesting_never_ends_the_process(city: Published, text: str) -> None:
    """The parser's stack would overflow: the process would be gone."""
    with pytest.raises(InvalidFilter):
        cql2.parse(text, "cql2-text", city.relation("proben"))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("stufe", "abc", "a whole number"),
        ("stufe", "", "a whole number"),
        ("wert", "nan", "a number"),
        ("wert", "1e999", "a number"),
        ("aktiv", "ja", "true or false"),
        ("tag", "gestern", "a date (2024-05-01)"),
        ("kennung", "x", "a UUID"),
        ("art", "a\0", "a text without NUL"),
        ("technik", "x", "nothing, as it is a structure"),
    ],
)
def test_parameter_is_refused(city: Published, name: str, value: str, allowed: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cql2.equal(city.relation("proben"), name, value)
    assert (caught.value.name, caught.value.allowed[: len(allowed)]) == (name, allowed)


TOKENS = [
    *("art", "stufe", "wert", "aktiv", "tag", "zeit", "geometry", "technik", "kennung", "fehlt", '"order"', '"'),
    *("=", "<>", "<", ">=", "+", "-", "*", "/", "^", "%", "div", "(", ")", ",", "AND", "OR", "NOT", "IS NULL", "IN", "LIKE", "BETWEEN"),
    *("'a'", "'%'", "''''", "'\\''", "'\\'", "'", "5", "-1", "0", "1e308", "9007199254740993", ".5", "TRUE", "NULL"),
    *(
        "DATE('2024-05-01')",
        "TIMESTAMP('2024-05-01T00:00:00Z')",
        "INTERVAL('..','2024-05-01')",
        "CASEI(",
        "ACCENTI(",
        "S_WITHIN(",
        "T_AFTER(",
    ),
    *("POINT(7 51)", "POLYGON((7 51,8 51,8 52,7 51))", "BBOX(7,51,8,52)", "GEOMETRYCOLLECTION(POINT(7 51))", "\n", ";", "--", "%s", "{}"),
]


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=9).map(" ".join))
def test_any_text_is_refused_or_runs(city: Published, text: str) -> None:
    relation = city.relation("proben")
    try:
        expression = cql2.parse(text, "cql2-text", relation)
    except InvalidFilter:
        return
    try:
        matched(city, relation, expression)
    except psycopg.DataError:
        assert "^" in text, "only a power can be out of range for a row"


trees = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from(["art", "stufe", "tag", "geometry", "x"]).map(lambda name: {"property": name}),
        st.sampled_from(
            [{"date": "2024-05-01"}, {"bbox": [7, 51, 8, 52]}, {"interval": ["..", ".."]}, {"type": "Point", "coordinates": [7, 51]}]
        ),
    ),
    lambda inner: st.fixed_dictionaries(
        {
            "op": st.sampled_from(
                ["=", "<", "and", "or", "not", "in", "like", "between", "isNull", "casei", "+", "/", "s_equals", "t_meets", "f"]
            ),
            "args": st.one_of(inner, st.lists(inner, max_size=3)),
        }
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_any_json_is_refused_or_runs(city: Published, tree: object) -> None:
    relation = city.relation("proben")
    try:
        expression = cql2.parse(json.dumps(tree), "cql2-json", relation)
    except InvalidFilter:
        return
    matched(city, relation, expression)
