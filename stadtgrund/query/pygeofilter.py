"""pygeofilter's tree, which stock pygeoapi hands to a provider, as `Expression`: first as CQL2 tree, so that both check alike."""

from __future__ import annotations

__all__ = ["from_pygeofilter"]

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from pygeofilter import ast, values

from stadtgrund.crs import CRS84, Crs
from stadtgrund.errors import InvalidFilter
from stadtgrund.query.expression import Expression
from stadtgrund.query.interval import BERLIN
from stadtgrund.query.relation import Relation
from stadtgrund.query.tree import expression_of

type Tree = Any
"""What `json.loads` returns of CQL2 JSON."""

_OPERATORS: Mapping[type[ast.Node], str] = MappingProxyType(
    {
        ast.And: "and",
        ast.Or: "or",
        ast.Equal: "=",
        ast.NotEqual: "<>",
        ast.LessThan: "<",
        ast.LessEqual: "<=",
        ast.GreaterThan: ">",
        ast.GreaterEqual: ">=",
        ast.Add: "+",
        ast.Sub: "-",
        ast.Mul: "*",
        ast.Div: "/",
        ast.GeometryIntersects: "s_intersects",
        ast.GeometryDisjoint: "s_disjoint",
        ast.GeometryContains: "s_contains",
        ast.GeometryWithin: "s_within",
        ast.GeometryTouches: "s_touches",
        ast.GeometryCrosses: "s_crosses",
        ast.GeometryOverlaps: "s_overlaps",
        ast.GeometryEquals: "s_equals",
        ast.TimeDisjoint: "t_disjoint",
        ast.TimeAfter: "t_after",
        ast.TimeBefore: "t_before",
        ast.TimeBegins: "t_starts",
        ast.TimeBegunBy: "t_startedby",
        ast.TimeContains: "t_contains",
        ast.TimeDuring: "t_during",
        ast.TimeEndedBy: "t_finishedby",
        ast.TimeEnds: "t_finishes",
        ast.TimeEquals: "t_equals",
        ast.TimeMeets: "t_meets",
        ast.TimeMetBy: "t_metby",
        ast.TimeOverlaps: "t_overlaps",
        ast.TimeOverlappedBy: "t_overlappedby",
    }
)


def from_pygeofilter(node: ast.Node, relation: Relation, filter_crs: Crs = CRS84) -> Expression:
    """Return the filter that a pygeofilter tree states; geometries in it are in `filter_crs`.

    Raises
    ------
    InvalidFilter
        For an unknown property or function, and for types that do not fit.
    """
    try:
        return expression_of(_tree(node), relation, filter_crs)
    except RecursionError as error:
        raise InvalidFilter("The filter is nested too deep.") from error


def _op(name: str, *args: Tree) -> Tree:
    return {"op": name, "args": list(args)}


def _maybe_not(is_not: bool, tree: Tree) -> Tree:
    return _op("not", tree) if is_not else tree


def _like(node: ast.Like) -> Tree:
    """Return LIKE with the standard's wildcards, whatever the parser wrote into the node beside a `%`."""
    pattern = node.pattern if node.wildcard == "%" else str(node.pattern).replace(node.wildcard, "%")
    sides = _tree(node.lhs), _tree(pattern)
    return _maybe_not(node.not_, _op("like", *(_op("casei", side) for side in sides) if node.nocase else sides))


def _box(node: ast.BBox) -> Tree:
    return _op("s_intersects", _tree(node.lhs), {"bbox": [node.minx, node.miny, node.maxx, node.maxy]})


def _interval(node: values.Interval) -> Tree:
    return {"interval": [".." if bound is None else _tree(bound) for bound in (node.start, node.end)]}


def _moment(moment: datetime) -> Tree:
    return {"timestamp": (moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)).isoformat()}


_MAKERS: Mapping[type, Callable[[Any], Tree]] = MappingProxyType(
    {
        ast.Not: lambda node: _op("not", _tree(node.sub_node)),
        ast.Between: lambda node: _maybe_not(node.not_, _op("between", *map(_tree, (node.lhs, node.low, node.high)))),
        ast.Like: _like,
        ast.In: lambda node: _maybe_not(node.not_, _op("in", _tree(node.lhs), [_tree(item) for item in node.sub_nodes])),
        ast.IsNull: lambda node: _maybe_not(node.not_, _op("isNull", _tree(node.lhs))),
        ast.BBox: _box,
        ast.Attribute: lambda node: {"property": node.name},
        ast.Function: lambda node: _op(node.name, *map(_tree, node.arguments)),
        values.Geometry: lambda node: dict(node.geometry),
        values.Envelope: lambda node: dict(node.geometry),
        values.Interval: _interval,
        datetime: _moment,
        date: lambda day: {"date": day.isoformat()},
    }
)


def _tree(node: object) -> Tree:
    kind = type(node)
    if kind in _OPERATORS:
        return _op(_OPERATORS[kind], _tree(node.lhs), _tree(node.rhs))  # type: ignore[attr-defined]
    if kind in _MAKERS:
        return _MAKERS[kind](node)
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise InvalidFilter(f"The filter uses {kind.__name__}, which is not known here.", remedy="Known are the operators of CQL2.")
