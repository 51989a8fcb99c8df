"""The CQL2 tree (the structure of CQL2 JSON) of a filter as `Expression`: all parsers end here, so that all check alike."""

from __future__ import annotations

__all__ = ["expression_of"]

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast, get_args

from stadtgrund.crs import Crs
from stadtgrund.errors import InvalidFilter, unknown
from stadtgrund.query import build
from stadtgrund.query.expression import (
    Expression,
    GeometryLiteral,
    GeometryProperty,
    Literal,
    Logical,
    Not,
    Period,
    Property,
    Spatial,
    SpatialOperator,
    Temporal,
    TemporalOperator,
)
from stadtgrund.query.geometry_literal import geometry_literal
from stadtgrund.query.lexing import MAX_DEPTH
from stadtgrund.query.relation import Relation

_GEOMETRY = "geometry"
"""The queryable that is the geometry, whatever its column is called."""
_SPATIAL: tuple[str, ...] = get_args(SpatialOperator)
_REACHING = ("s_overlaps", "s_crosses")
"""What holds only where a part of the one geometry is not in the other."""
_TEMPORAL: tuple[str, ...] = get_args(TemporalOperator)
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_ARITHMETIC: Mapping[str, str] = MappingProxyType({"+": "+", "-": "-", "*": "*", "/": "/", "^": "^", "%": "mod", "div": "div"})
_FUNCTIONS = (
    "CASEI",
    "ACCENTI",
    "DATE",
    "TIMESTAMP",
    "INTERVAL",
    *(f"S_{name.upper()}" for name in _SPATIAL),
    *(f"T_{name.upper()}" for name in _TEMPORAL),
)


def expression_of(tree: object, relation: Relation, crs: Crs) -> Expression:
    """Return the condition that a tree states; geometries in it are in `crs`.

    Raises
    ------
    InvalidFilter
        For an unknown property or function, and for types that do not fit.
    """
    return build.predicate(_Reader(relation, crs).node(tree))


class _Reader:
    def __init__(self, relation: Relation, crs: Crs) -> None:
        self.relation, self.crs = relation, crs
        self.depth = 0

    def node(self, tree: object) -> Expression:
        match tree:
            case bool():
                return Literal("boolean", "true" if tree else "false")
            case int() | float() | Decimal():
                return build.number(tree)
            case str():
                return build.string(tree)
            case {"property": str(name)}:
                return self.attribute(name)
            case {"op": str(op), **rest}:
                return self.operation(op.lower(), op, rest.get("args", []))
            case {"date": str(text)}:
                return build.moment(text, "date")
            case {"timestamp": str(text)}:
                return build.moment(text, "datetime")
            case {"interval": _} | {"type": _} | {"bbox": _}:
                raise InvalidFilter(f"{_shown(tree)} stands where the filter needs a number, a string, a date or a property.")
            case None:
                raise InvalidFilter("The filter compares with NULL.", remedy="Write: name IS NULL.")
        raise InvalidFilter(f"The filter has a part that is not CQL2: {_shown(tree)}.")

    def attribute(self, name: str) -> Expression:
        column = self.relation.by_name.get(name)
        if column:
            return Property(column.type, name)
        if name == _GEOMETRY and self.relation.geometry:
            return GeometryProperty()
        raise InvalidFilter(f"{unknown('property', name, self.known)}.")

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.relation.by_name, *((_GEOMETRY,) if self.relation.geometry else ()))

    def operation(self, op: str, stated: str, args: object) -> Expression:
        if not isinstance(args, Sequence) or isinstance(args, str):
            raise InvalidFilter(f"The arguments of {stated} are not a list.")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidFilter(f"The filter is nested more than {MAX_DEPTH} levels deep.", remedy="Write it flatter, as IN or BETWEEN.")
        found = self.operators.get(op)
        if found is None:
            raise InvalidFilter(f"{unknown('function', stated[:60], _FUNCTIONS)}.")
        arity, make = found
        if arity is not None and len(args) != arity:
            raise InvalidFilter(f"{stated.upper()} takes {arity} argument{'s' if arity > 1 else ''}, not {len(args)}.")
        result = make(self, op, args)
        self.depth -= 1
        return result

    def comparison(self, op: str, args: Sequence[object]) -> Expression:
        return build.comparison(op, self.node(args[0]), self.node(args[1]))

    def arithmetic(self, op: str, args: Sequence[object]) -> Expression:
        return build.arithmetic(_ARITHMETIC[op], self.node(args[0]), self.node(args[1]))

    def logical(self, op: str, args: Sequence[object]) -> Expression:
        if not args:
            raise InvalidFilter(f"{op.upper()} has no operands.")
        operands = tuple(build.predicate(self.node(arg)) for arg in args)
        return Logical("and" if op == "and" else "or", operands) if len(operands) > 1 else operands[0]

    def negation(self, op: str, args: Sequence[object]) -> Expression:
        return Not(build.predicate(self.node(args[0])))

    def between(self, op: str, args: Sequence[object]) -> Expression:
        return build.between(self.node(args[0]), self.node(args[1]), self.node(args[2]))

    def contained(self, op: str, args: Sequence[object]) -> Expression:
        items = args[1]
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise InvalidFilter("IN takes a property and a list.")
        return build.contained(self.node(args[0]), [self.node(item) for item in items])

    def like(self, op: str, args: Sequence[object]) -> Expression:
        return build.like(self.node(args[0]), self.node(args[1]))

    def is_null(self, op: str, args: Sequence[object]) -> Expression:
        return build.is_null(self.node(args[0]))

    def fold(self, op: str, args: Sequence[object]) -> Expression:
        return build.fold(op, self.node(args[0]))

    def spatial(self, op: str, args: Sequence[object]) -> Expression:
        left, right = (self.geometry(arg, op) for arg in args)
        if not isinstance(left, GeometryProperty) and not isinstance(right, GeometryProperty):
            raise InvalidFilter(f"{op.upper()} compares two geometries of the filter.", remedy=f"Write {op.upper()}({_GEOMETRY}, …).")
        return Spatial(cast(Any, op.removeprefix("s_")), left, right)

    def geometry(self, tree: object, op: str) -> GeometryProperty | GeometryLiteral:
        if self.relation.geometry is None:
            raise InvalidFilter(f"{op.upper()} asks for a geometry; the collection {self.relation.dataset!r} has none.")
        match tree:
            case {"bbox": _} | {"type": _}:
                return geometry_literal(cast(Mapping[str, Any], tree), self.relation, self.crs, reaches=op in _REACHING)
            case {"property": str(name)}:
                node = self.attribute(name)
                if isinstance(node, GeometryProperty):
                    return node
                raise InvalidFilter(
                    f"{op.upper()} asks for a geometry, not for {build.describe(node)}.", remedy=f"The geometry is {_GEOMETRY}."
                )
        raise InvalidFilter(f"{op.upper()} asks for a geometry, not for {_shown(tree)}.")

    def temporal(self, op: str, args: Sequence[object]) -> Expression:
        left, right = (self.period(arg) for arg in args)
        return Temporal(cast(Any, op.removeprefix("t_")), left, right)

    def period(self, tree: object) -> Period:
        if isinstance(tree, Mapping) and "interval" in tree:
            ends = tree["interval"]
            if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
                raise InvalidFilter("An INTERVAL has two ends.")
            start, end = (None if bound == ".." else self.node(bound) for bound in ends)
            return build.period(start, end)
        node = self.node(tree)
        return build.period(node, node)

    operators: Mapping[str, tuple[int | None, Callable[[_Reader, str, Sequence[object]], Expression]]] = MappingProxyType(
        {
            **dict.fromkeys(_COMPARISONS, (2, comparison)),
            **dict.fromkeys(_ARITHMETIC, (2, arithmetic)),
            "and": (None, logical),
            "or": (None, logical),
            "not": (1, negation),
            "between": (3, between),
            "in": (2, contained),
            "like": (2, like),
            "isnull": (1, is_null),
            "casei": (1, fold),
            "accenti": (1, fold),
            **dict.fromkeys((f"s_{name}" for name in _SPATIAL), (2, spatial)),
            **dict.fromkeys((f"t_{name}" for name in _TEMPORAL), (2, temporal)),
        }
    )


def _shown(tree: object) -> str:
    text = str(tree)
    return text if len(text) <= 80 else text[:80] + "…"
