"""An `Expression` as SQL over the columns of a view, all values bound."""

from __future__ import annotations

__all__ = ["compile_expression"]

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from stadtgrund.query.expression import (
    Arithmetic,
    Between,
    Comparison,
    Constant,
    Expression,
    Fold,
    GeometryLiteral,
    GeometryProperty,
    In,
    IsNull,
    Like,
    Literal,
    Logical,
    Not,
    Period,
    Property,
    Spatial,
    Temporal,
)
from stadtgrund.query.statement import FALSE, TRUE, Fragment, conjunction, disjunction, identifier
from stadtgrund.query.value import SQL_TYPE


def _fill(template: str, *parts: Fragment) -> Fragment:
    """Put fragments into the `{}` of a template, in order."""
    return Fragment(template.format(*(part.sql for part in parts)), tuple(p for part in parts for p in part.params))


def _property(node: Property) -> Fragment:
    return Fragment(identifier(node.name))


def _literal(node: Literal) -> Fragment:
    return Fragment(f"%s::{SQL_TYPE[node.type]}", (node.text,))


# Numeric does not overflow; a power does, in either type, so that it is left to double precision, which is quick to say so.
_ARITHMETIC: Mapping[str, str] = MappingProxyType(
    {
        "+": "({}::numeric + {}::numeric)",
        "-": "({}::numeric - {}::numeric)",
        "*": "({}::numeric * {}::numeric)",
        "/": "({}::numeric / NULLIF({}::numeric, 0))",
        "div": "div({}::numeric, NULLIF({}::numeric, 0))",
        "mod": "mod({}::numeric, NULLIF({}::numeric, 0))",
        "^": "power({}::double precision, {}::double precision)::numeric",
    }
)


def _arithmetic(node: Arithmetic) -> Fragment:
    return _fill(_ARITHMETIC[node.operator], compile_expression(node.left), compile_expression(node.right))


# Unicode's full case folding, as far as it differs from lower() for letters in use: ß is ss, final sigma is sigma.
# ICU's collation knows all letters; that of the database may know ASCII only.
_FOLDS: Mapping[str, str] = MappingProxyType(
    {
        "casei": "(translate(replace(lower({} COLLATE \"und-x-icu\"), 'ß', 'ss'), 'ς', 'σ') COLLATE \"C\")",
        "accenti": "(regexp_replace(normalize({}, NFD), '[\\u0300-\\u036f]', '', 'g') COLLATE \"C\")",
    }
)


def _fold(node: Fold) -> Fragment:
    return _fill(_FOLDS[node.kind], compile_expression(node.operand))


def _comparison(node: Comparison) -> Fragment:
    return _fill(f"({{}} {node.operator} {{}})", compile_expression(node.left), compile_expression(node.right))


def _like(node: Like) -> Fragment:
    return _fill("({} LIKE {})", compile_expression(node.value), compile_expression(node.pattern))


def _between(node: Between) -> Fragment:
    return _fill("({} BETWEEN {} AND {})", *map(compile_expression, (node.value, node.low, node.high)))


def _array(texts: list[str]) -> str:
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def _in(node: In) -> Fragment:
    value = compile_expression(node.value)
    literals = [item for item in node.items if isinstance(item, Literal) and item.type == node.items[0].type]
    if len(literals) == len(node.items):  # one parameter however long the list is: equal text, one plan
        bound = Fragment(f"%s::{SQL_TYPE[literals[0].type]}[]", (_array([item.text for item in literals]),))
        return _fill("({} = ANY ({}))", value, bound)
    places = ", ".join(["{}"] * len(node.items))
    return _fill(f"({{}} IN ({places}))", value, *map(compile_expression, node.items))


def _is_null(node: IsNull) -> Fragment:
    return _fill("({} IS NULL)", compile_expression(node.value))


def _logical(node: Logical) -> Fragment:
    word = " AND " if node.operator == "and" else " OR "
    return _fill("(" + word.join(["{}"] * len(node.operands)) + ")", *map(compile_expression, node.operands))


def _not(node: Not) -> Fragment:
    return _fill("(NOT {})", compile_expression(node.operand))


def _constant(node: Constant) -> Fragment:
    return TRUE if node.value else FALSE


def _geometry_property(node: GeometryProperty) -> Fragment:
    return Fragment("geom")


def _geometry_literal(node: GeometryLiteral) -> Fragment:
    assert node.ewkb is not None  # `_spatial` knows what becomes of one that lies nowhere
    return Fragment("%s::geometry", (node.ewkb,))


_SPATIAL: Mapping[str, str] = MappingProxyType(
    {
        "intersects": "ST_Intersects({}, {})",
        "equals": "ST_Equals({}, {})",
        "disjoint": "ST_Disjoint({}, {})",
        "touches": "ST_Touches({}, {})",
        "within": "ST_Within({}, {})",
        "overlaps": "ST_Overlaps({}, {})",
        "crosses": "ST_Crosses({}, {})",
        "contains": "ST_Contains({}, {})",
    }
)
# What a literal of which parts were cut away cannot be to a feature, by the side on which it stands.
_NEVER_RIGHT = frozenset({"equals", "contains"})
_NEVER_LEFT = frozenset({"equals", "within"})


def _spatial(node: Spatial) -> Fragment:
    sides = node.left, node.right
    never = (_NEVER_LEFT, _NEVER_RIGHT)
    for side, operators in zip(sides, never, strict=True):
        if isinstance(side, GeometryLiteral) and (side.ewkb is None or (side.cut and node.operator in operators)):
            # NULL where there is no geometry, as the predicate itself would be.
            return Fragment("(geom IS NULL AND NULL)" if node.operator != "disjoint" else "(geom IS NOT NULL OR NULL)")
    return _fill(_SPATIAL[node.operator], compile_expression(node.left), compile_expression(node.right))


# 0 and 1: start and end of the left; 2 and 3: of the right. As in the standard's table of temporal functions.
_TEMPORAL: Mapping[str, str] = MappingProxyType(
    {
        "after": "{0} > {3}",
        "before": "{1} < {2}",
        "contains": "{0} < {2} AND {1} > {3}",
        "disjoint": "({1} < {2} OR {0} > {3})",
        "during": "{0} > {2} AND {1} < {3}",
        "equals": "{0} = {2} AND {1} = {3}",
        "finishedby": "{0} < {2} AND {1} = {3}",
        "finishes": "{0} > {2} AND {1} = {3}",
        "intersects": "{0} <= {3} AND {1} >= {2}",
        "meets": "{1} = {2}",
        "metby": "{0} = {3}",
        "overlappedby": "{0} > {2} AND {0} < {3} AND {1} > {3}",
        "overlaps": "{0} < {2} AND {1} > {2} AND {1} < {3}",
        "startedby": "{0} = {2} AND {1} > {3}",
        "starts": "{0} = {2} AND {1} < {3}",
    }
)


def _ends(period: Period, days: bool) -> tuple[Fragment, Fragment]:
    kind = "date" if days else "timestamptz"
    found = list[Fragment]()
    for value, open_end, last in ((period.start, "-infinity", False), (period.end, "infinity", True)):
        if value is None:
            found.append(Fragment(f"'{open_end}'::{kind}"))
            continue
        moment = compile_expression(value)
        if value.type == "date" and not days:
            # A day beside moments is the time from its first to its last microsecond in Berlin.
            inner = "{}::timestamp + interval '1 day' - interval '1 microsecond'" if last else "{}::timestamp"
            moment = _fill(f"(({inner}) AT TIME ZONE 'Europe/Berlin')", moment)
        if isinstance(value, Property) and period.start != period.end:
            moment = _fill(f"coalesce({{}}, '{open_end}')", moment)
        found.append(moment)
    return found[0], found[1]


def _stated(period: Period) -> Fragment:
    """Return that a period of attributes is stated at all: with all of them NULL it is not "for ever", but not known."""
    ends = [end for end in (period.start, period.end) if end is not None]
    if period.start == period.end or not all(isinstance(end, Property) for end in ends):
        return TRUE
    return disjunction(_fill("{} IS NOT NULL", compile_expression(end)) for end in ends) if ends else TRUE


def _temporal(node: Temporal) -> Fragment:
    values = [value for period in (node.left, node.right) for value in (period.start, period.end) if value is not None]
    days = all(value.type == "date" for value in values)
    ends = (*_ends(node.left, days), *_ends(node.right, days))
    template = _TEMPORAL[node.operator]
    params = tuple(p for place in re.findall(r"\{(\d)\}", template) for p in ends[int(place)].params)
    related = Fragment("(" + template.format(*(end.sql for end in ends)) + ")", params)
    return conjunction((_stated(node.left), _stated(node.right), related))


_COMPILERS: Mapping[type[Expression], Callable[..., Fragment]] = MappingProxyType(
    {
        Property: _property,
        Literal: _literal,
        Arithmetic: _arithmetic,
        Fold: _fold,
        Comparison: _comparison,
        Like: _like,
        Between: _between,
        In: _in,
        IsNull: _is_null,
        Logical: _logical,
        Not: _not,
        Constant: _constant,
        GeometryProperty: _geometry_property,
        GeometryLiteral: _geometry_literal,
        Spatial: _spatial,
        Temporal: _temporal,
    }
)


def compile_expression(expression: Expression) -> Fragment:
    """Return the SQL of an expression; columns are not qualified, the geometry is `geom`."""
    return _COMPILERS[type(expression)](expression)
