"""A filter as a tree of frozen nodes, typed and checked: what reaches SQL from here on cannot be wrong.

Nodes are made by `stadtgrund.query.build` only, which knows the relation and refuses what does not fit; `compile` turns them
into SQL. Their `repr` is part of a cursor's fingerprint, so it holds all that distinguishes two filters.
"""

from __future__ import annotations

__all__ = [
    "Arithmetic",
    "Between",
    "Comparison",
    "Constant",
    "Expression",
    "Fold",
    "GeometryLiteral",
    "GeometryProperty",
    "In",
    "IsNull",
    "Like",
    "Literal",
    "Logical",
    "Not",
    "Period",
    "Property",
    "Spatial",
    "SpatialOperator",
    "Temporal",
    "TemporalOperator",
    "Value",
    "all_of",
]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal as Choice

SpatialOperator = Choice["intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains"]
TemporalOperator = Choice[
    "after",
    "before",
    "contains",
    "disjoint",
    "during",
    "equals",
    "finishedby",
    "finishes",
    "intersects",
    "meets",
    "metby",
    "overlappedby",
    "overlaps",
    "startedby",
    "starts",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """Base of all nodes. As a filter it is one whose value is a boolean."""


@dataclass(frozen=True, slots=True)
class Value(Expression):
    """A scalar; `type` is that of a field (`stadtgrund.query.value.SQL_TYPE`)."""

    type: str


@dataclass(frozen=True, slots=True)
class Property(Value):
    """An attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal(Value):
    """A value as PostgreSQL reads it, bound and cast to `type`."""

    text: str


@dataclass(frozen=True, slots=True)
class Arithmetic(Value):
    """Two numbers and an operator; decimal, so that nothing overflows; NULL for what is divided by zero."""

    operator: Choice["+", "-", "*", "/", "^", "mod", "div"]
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Fold(Value):
    """A string without case (`casei`) or without accents (`accenti`)."""

    kind: Choice["casei", "accenti"]
    operand: Value


@dataclass(frozen=True, slots=True)
class Period(Expression):
    """From `start` to `end`, both inclusive and of type date or datetime; None = open. An instant has the same at both ends."""

    start: Value | None
    end: Value | None


@dataclass(frozen=True, slots=True)
class GeometryProperty(Expression):
    """The geometry of a feature."""


@dataclass(frozen=True, slots=True)
class GeometryLiteral(Expression):
    """A geometry in the storage CRS, as EWKB in hexadecimal; None = it lies where no feature can be.

    `cut` says that parts of it far from the data were left out, so that no feature can hold or equal it.
    """

    ewkb: str | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """Two values of types that compare, or two booleans that are expressions."""

    operator: Choice["=", "<>", "<", "<=", ">", ">="]
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Like(Expression):
    """A string and a pattern with % and _, escaped by a backslash."""

    value: Value
    pattern: Value


@dataclass(frozen=True, slots=True)
class Between(Expression):
    """A value between two others, inclusive."""

    value: Value
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class In(Expression):
    """A value that equals one of a list."""

    value: Value
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull(Expression):
    """Whether an attribute or the geometry is absent."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Logical(Expression):
    """Several booleans, all of which or one of which must hold."""

    operator: Choice["and", "or"]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """The opposite; NULL stays NULL, as in SQL."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Spatial(Expression):
    """A spatial predicate of two geometries."""

    operator: SpatialOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Temporal(Expression):
    """A relation of two periods, by Allen's names."""

    operator: TemporalOperator
    left: Period
    right: Period


def all_of(expressions: Iterable[Expression | None]) -> Expression | None:
    """Return the expressions joined by AND, None when there is none."""
    found = tuple(expression for expression in expressions if expression is not None)
    if len(found) < 2:
        return found[0] if found else None
    return Logical("and", found)
