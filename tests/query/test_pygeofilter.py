"""pygeofilter's tree gives the same expression as the `cql2` parser's: stock pygeoapi and our host answer alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pygeofilter import ast, values
from pygeofilter.parsers.cql2_json import parse as parse_json
from pygeofilter.parsers.cql2_text import parse as parse_text
from query.city import Published

from stadtgrund.errors import InvalidFilter
from stadtgrund.query import cql2, from_pygeofilter


@pytest.mark.parametrize(
    "text",
    [
        "art = 'apfel'",
        "stufe <> 1",
        "stufe < 5",
        "wert >= 0.1",
        "art LIKE 'a%'",
        "art NOT LIKE 'a%'",
        "art IN ('a', 'b')",
        "stufe NOT IN (1, 2)",
        "stufe BETWEEN 1 AND 2",
        "art IS NULL",
        "art IS NOT NULL",
        "stufe = 1 AND (art = 'a' OR art = 'b')",
        "NOT (stufe = 1)",
        "stufe + 1 = 3",
        "S_INTERSECTS(geometry, POINT(7.1 51.4))",
        "S_WITHIN(geometry, POLYGON((7 51,8 51,8 52,7 51)))",
        "zeit > TIMESTAMP('2024-05-01T00:00:00Z')",
        "tag = DATE('2024-05-01')",
    ],
)
def test_same_expression(city: Published, text: str) -> None:
    relation = city.relation("proben")
    assert from_pygeofilter(parse_text(text), relation) == cql2.parse(text, "cql2-text", relation)


def test_json_tree(city: Published) -> None:
    relation = city.relation("proben")
    tree: dict[str, Any] = {
        "op": "and",
        "args": [{"op": "=", "args": [{"property": "stufe"}, 1]}, {"op": "isNull", "args": {"property": "art"}}],
    }
    assert from_pygeofilter(parse_json(tree), relation) == cql2.parse("stufe = 1 AND art IS NULL", "cql2-text", relation)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (ast.BBox(ast.Attribute("geometry"), 7, 51, 8, 52), "S_INTERSECTS(geometry, BBOX(7,51,8,52))"),
        (ast.Like(ast.Attribute("art"), "a%", True, "%", ".", "\\", False), "CASEI(art) LIKE CASEI('a%')"),
        (ast.Like(ast.Attribute("art"), "a*", False, "*", ".", "\\", True), "art NOT LIKE 'a%'"),
        (
            ast.TimeDuring(ast.Attribute("tag"), values.Interval(date(2024, 1, 1), None)),
            "T_DURING(tag, INTERVAL('2024-01-01', '..'))",
        ),
        (ast.TimeAfter(ast.Attribute("zeit"), datetime(2024, 5, 1, tzinfo=UTC)), "T_AFTER(zeit, TIMESTAMP('2024-05-01T00:00:00Z'))"),
        (
            ast.GreaterThan(ast.Attribute("zeit"), datetime(2024, 5, 1, tzinfo=UTC)),
            "zeit > TIMESTAMP('2024-05-01T00:00:00+00:00')",
        ),
        (ast.GreaterThan(ast.Attribute("zeit"), datetime(2024, 5, 1)), "zeit > TIMESTAMP('2024-05-01T00:00:00+02:00')"),
        (ast.Equal(ast.Function("casei", [ast.Attribute("art")]), "x"), "CASEI(art) = 'x'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nodes_that_other_parsers_make(city: Published, node: ast.Node, text: str) -> None:
    relation = city.relation("proben")
    assert from_pygeofilter(node, relation) == cql2.parse(text, "cql2-text", relation)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (ast.Equal(ast.Attribute("fehlt"), 1), "Unknown property 'fehlt'"),
        (ast.Equal(ast.Function("pg_sleep", [5]), 1), "Unknown function 'pg_sleep'"),
        (ast.Equal(ast.Attribute("stufe"), "x"), "compares property 'stufe'"),
        (ast.Relate(ast.Attribute("geometry"), ast.Attribute("geom"), "T*F**F***"), "uses Relate, which is not known here"),
        (ast.Equal(ast.Attribute("tag"), None), "compares with NULL"),
    ],
    ids=["property", "function", "type", "node", "null"],
)
def test_refused(city: Published, node: ast.Node, message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        from_pygeofilter(node, city.relation("proben"))


def test_nesting_is_bounded(city: Published) -> None:
    node: ast.Node = ast.Equal(ast.Attribute("stufe"), 1)
    for _ in range(5000):
        node = ast.Not(node)
    with pytest.raises(InvalidFilter, match="nested"):
        from_pygeofilter(node, city.relation("proben"))
