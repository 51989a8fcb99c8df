"""Makes the nodes of an `Expression`: each function checks what it is given and says what would be allowed."""

from __future__ import annotations

__all__ = [
    "arithmetic",
    "between",
    "comparison",
    "contained",
    "fold",
    "is_null",
    "like",
    "moment",
    "number",
    "period",
    "predicate",
    "string",
]

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from stadtgrund.errors import InvalidFilter
from stadtgrund.query.expression import (
    Arithmetic,
    Between,
    Comparison,
    Constant,
    Expression,
    Fold,
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
    Value,
)
from stadtgrund.query.interval import parse_bound
from stadtgrund.query.value import integer_text, number_text

_NUMBERS = frozenset({"integer", "number", "decimal"})
_TIMES = frozenset({"date", "datetime"})
_BOOLEANS = (Comparison, Like, Between, In, IsNull, Logical, Not, Constant, Spatial, Temporal)


def describe(node: Expression) -> str:
    """Return how a message names a node."""
    match node:
        case Property(type=kind, name=name):
            return f"property {name!r} ({kind})"
        case Literal(type="string", text=text):
            return f"the string {text[:60]!r}"
        case Literal(text=text):
            return f"the value {text[:60]}"
        case GeometryProperty():
            return "the geometry"
        case Value(type=kind):
            return f"a value of type {kind}"
    return "a " + type(node).__name__.lower()


def string(text: str) -> Literal:
    """Return the literal of a string."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidFilter("A string of the filter has a half of a surrogate pair.", remedy="Write whole characters.") from error
    if "\0" in text:
        raise InvalidFilter("A string of the filter has a NUL character.", remedy="Leave it out; no stored text has one.")
    return Literal("string", text)


def number(value: int | float | Decimal) -> Literal:
    """Return the literal of a number, exact."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    try:
        if not exact.is_finite():
            raise ValueError("not finite")
        text = number_text(str(exact))
    except ValueError as error:
        raise InvalidFilter(f"The number {value} of the filter is out of range.", remedy="Allowed: up to 1.7e308.") from error
    return Literal("decimal", str(int(exact)) if exact == exact.to_integral_value() and abs(exact) < 2**63 else text)


def moment(text: str, kind: str | None = None) -> Literal:
    """Return the literal of a date or an RFC 3339 instant; `kind` says which of the two it must be, None = either."""
    try:
        start, end = parse_bound(text)
        found = Literal("datetime", _utc(start).isoformat()) if start == end else Literal("date", text)
        if kind not in (None, found.type):
            raise ValueError(f"not a {kind}")
    except ValueError as error:
        raise InvalidFilter(
            f"{text[:60]!r} is not a {'date' if kind == 'date' else 'timestamp' if kind else 'date or timestamp'}.",
            remedy="Write DATE('2024-05-01') or TIMESTAMP('2024-05-01T12:00:00Z').",
        ) from error
    return found


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of year 1 or 9999
        return moment


def _mismatch(left: Expression, right: Expression) -> InvalidFilter:
    return InvalidFilter(
        f"The filter compares {describe(left)} with {describe(right)}.",
        remedy="Both sides must be numbers, strings, booleans, or dates and timestamps.",
    )


def _fit(literal: Literal, other: Value) -> Value:
    """Return a literal as the type of what it is compared with."""
    kind = other.type
    if kind in _NUMBERS and literal.type in _NUMBERS:
        if kind == "number":
            return Literal("number", literal.text)
        try:
            return Literal("integer", integer_text(literal.text)) if kind == "integer" else Literal("decimal", literal.text)
        except ValueError:
            return Literal("decimal", literal.text)  # 1.5 beside an integer: a fair question, and the answer is no
    if literal.type == "string" and kind in _TIMES:
        return moment(literal.text)
    if literal.type == "string" and kind == "uuid":
        try:
            return Literal("uuid", str(UUID(literal.text)))
        except ValueError as error:
            raise InvalidFilter(f"{describe(literal)} is not a UUID, as {describe(other)} needs.") from error
    return literal


def _align(values: Sequence[Expression]) -> list[Value]:
    """Return values of types that compare with each other."""
    scalars = list[Value]()
    for value in values:
        if not isinstance(value, Value) or value.type == "json":
            raise _mismatch(value, next(other for other in values if other is not value))
        scalars.append(value)
    anchor = next((value for value in scalars if not isinstance(value, Literal)), scalars[0])
    fitted = [_fit(value, anchor) if isinstance(value, Literal) else value for value in scalars]
    for value in fitted:
        if _family(value) != _family(anchor):
            raise _mismatch(anchor, value)
    return fitted


def _family(value: Value) -> str:
    return "number" if value.type in _NUMBERS else "time" if value.type in _TIMES else value.type


def comparison(operator: str, left: Expression, right: Expression) -> Expression:
    """Return `left operator right`.

    A day compared with a moment is the whole of the day: equal to it is what lies in it.
    """
    if isinstance(left, _BOOLEANS) or isinstance(right, _BOOLEANS):
        if operator not in ("=", "<>") or not all(isinstance(side, _BOOLEANS) or _is_boolean(side) for side in (left, right)):
            raise _mismatch(left, right)
        return Comparison(cast(Any, operator), left, right)
    first, second = _align((left, right))
    if {first.type, second.type} == _TIMES:
        return _days_and_moments(operator, Period(first, first), Period(second, second))
    return Comparison(cast(Any, operator), first, second)


def _is_boolean(node: Expression) -> bool:
    return isinstance(node, Value) and node.type == "boolean"


def _days_and_moments(operator: str, left: Period, right: Period) -> Expression:
    match operator:
        case "=":
            return Temporal("intersects", left, right)
        case "<>":
            return Temporal("disjoint", left, right)
        case "<":
            return Temporal("before", left, right)
        case ">":
            return Temporal("after", left, right)
        case "<=":
            return Not(Temporal("after", left, right))
    return Not(Temporal("before", left, right))


def between(value: Expression, low: Expression, high: Expression) -> Expression:
    """Return whether a value lies between two others, both inclusive."""
    first, second, third = _align((value, low, high))
    if _family(first) not in ("number", "time"):
        raise InvalidFilter(f"BETWEEN asks for numbers, dates or timestamps, not for {describe(first)}.")
    if first.type in _TIMES and {second.type, third.type} != {first.type}:
        return Logical("and", (comparison(">=", first, second), comparison("<=", first, third)))
    return Between(first, second, third)


def contained(value: Expression, items: Sequence[Expression]) -> Expression:
    """Return whether a value equals one of a list."""
    if not items:
        raise InvalidFilter("The list of IN is empty.")
    first, *rest = _align((value, *items))
    if first.type in _TIMES and any(item.type != first.type for item in rest):
        return Logical("or", tuple(comparison("=", first, item) for item in rest))
    if any(item.type == "decimal" for item in rest):  # one fraction beside integers makes the list one of decimals
        rest = [Literal("decimal", item.text) if isinstance(item, Literal) else item for item in rest]
    return In(first, tuple(rest))


def like(value: Expression, pattern: Expression) -> Like:
    """Return whether a string matches a pattern."""
    if not isinstance(value, Value) or value.type != "string":
        raise InvalidFilter(f"LIKE asks for a string on its left side, not for {describe(value)}.")
    inner = pattern
    while isinstance(inner, Fold):
        inner = inner.operand
    if not isinstance(inner, Literal) or inner.type != "string" or not isinstance(pattern, Value):
        raise InvalidFilter("The pattern of LIKE must be a string in quotes, or CASEI or ACCENTI of one.")
    if (len(inner.text) - len(inner.text.rstrip("\\"))) % 2:
        raise InvalidFilter("The pattern of LIKE ends with a lone backslash.", remedy=r"Write \\ for a backslash itself.")
    return Like(value, pattern)


def is_null(value: Expression) -> IsNull:
    """Return whether an attribute or the geometry is absent."""
    if not isinstance(value, Value | GeometryProperty):
        raise InvalidFilter(f"IS NULL asks for a property, not for {describe(value)}.")
    return IsNull(value)


def fold(kind: str, operand: Expression) -> Fold:
    """Return a string without case (casei) or accents (accenti)."""
    if not isinstance(operand, Value) or operand.type != "string":
        raise InvalidFilter(f"{kind.upper()} asks for a string, not for {describe(operand)}.")
    return Fold("string", cast(Any, kind), operand)


def arithmetic(operator: str, left: Expression, right: Expression) -> Value:
    """Return two numbers and an operator; a minus before a number is part of the number."""
    sides = list[Value]()
    for side in (left, right):
        if not isinstance(side, Value) or side.type not in _NUMBERS:
            raise InvalidFilter(f"The operator {operator} asks for numbers, not for {describe(side)}.")
        sides.append(side)
    if operator == "*" and sides[0] == Literal("decimal", "-1") and isinstance(sides[1], Literal):
        return number(-Decimal(sides[1].text))
    return Arithmetic("decimal", cast(Any, operator), sides[0], sides[1])


def predicate(node: Expression) -> Expression:
    """Return a node that can stand as a condition: a boolean."""
    if isinstance(node, Literal) and node.type == "boolean":
        return Constant(node.text == "true")
    if isinstance(node, _BOOLEANS) or _is_boolean(node):
        return node
    raise InvalidFilter(
        f"In the filter, {describe(node)} is not a condition.", remedy="A filter is a comparison, or several with AND, OR, NOT."
    )


def period(start: Expression | None, end: Expression | None) -> Period:
    """Return a period from its two ends; None = open."""
    bounds = list[Value | None]()
    for bound in (start, end):
        if isinstance(bound, Literal) and bound.type == "string":
            bound = moment(bound.text)
        if bound is not None and not (isinstance(bound, Value) and bound.type in _TIMES):
            raise InvalidFilter(f"A temporal function asks for dates and timestamps, not for {describe(bound)}.")
        bounds.append(bound)
    first, last = bounds
    if isinstance(first, Literal) and isinstance(last, Literal) and _start(first) > _end(last):
        raise InvalidFilter("An interval of the filter ends before it begins.")
    return Period(first, last)


def _start(bound: Literal) -> datetime:
    return parse_bound(bound.text)[0] if bound.type == "date" else datetime.fromisoformat(bound.text)


def _end(bound: Literal) -> datetime:
    return parse_bound(bound.text)[1] if bound.type == "date" else datetime.fromisoformat(bound.text)
