"""CQL2, text and JSON, and `name=value` parameters as `Expression`.

Text goes through the `cql2` parser. It reads numbers as floats and a filter that is nested too deep ends the process, so that
long numbers are lifted out before and the nesting is measured. JSON needs no parser but Python's, which reads numbers exactly.
"""

from __future__ import annotations

__all__ = ["LANGUAGES", "MAX_DEPTH", "MAX_LENGTH", "equal", "parse"]

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import cql2

from stadtgrund.crs import CRS84, Crs
from stadtgrund.errors import InvalidFilter, InvalidParameter
from stadtgrund.query import build
from stadtgrund.query.expression import Expression, Literal, Period, Property, Temporal
from stadtgrund.query.lexing import MAX_DEPTH, prepare, restore
from stadtgrund.query.relation import Relation
from stadtgrund.query.tree import expression_of
from stadtgrund.query.value import integer_text, number_text

LANGUAGES = ("cql2-text", "cql2-json")
MAX_LENGTH = 32_768
"""Characters of a filter."""


def parse(text: str, language: str, relation: Relation, filter_crs: Crs = CRS84) -> Expression:
    """Return the filter that `text` states in `language` (cql2-text or cql2-json), geometries in `filter_crs`.

    Raises
    ------
    InvalidFilter
        For what cannot be parsed, unknown properties and functions, wrong types, and more than MAX_LENGTH or MAX_DEPTH.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"The filter has {len(text)} characters; {MAX_LENGTH} are allowed.")
    tree = _json(text) if language == "cql2-json" else _text(text)
    return expression_of(tree, relation, filter_crs)


def _json(text: str) -> object:
    def refuse(name: str) -> object:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        message = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidFilter(f"The filter is not valid CQL2 JSON: {message}.") from error


def _text(text: str) -> object:
    prepared, lifted = prepare(text)
    try:
        tree = cql2.parse_text(prepared).to_json()
    except cql2.ParseError as error:
        raise InvalidFilter(f"The filter is not valid CQL2 text: {_where(str(error))}.") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        # So the parser reports WKT that it has read and cannot use, and nothing else.
        raise InvalidFilter(
            "A geometry of the filter is not valid: it is empty, has a measure, or positions with and without a third coordinate.",
            remedy="Write it as WKT: POINT(7.1 51.4).",
        ) from error
    return restore(tree, lifted) if lifted else tree


def _where(message: str) -> str:
    """Return the parser's message in a line: it draws the text and marks the place below it."""
    place = re.search(r"--> (\d+):(\d+)", message)
    expected = re.search(r"= (expected .*)", message)
    found = f"line {place[1]}, column {place[2]}" if place else message.splitlines()[0]
    names = expected[1].replace("EOI", "the end") if expected else ""
    return f"{found}: {names}" if names else found


_ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "decimal": "a number",
        "date": "a date (2024-05-01) or an RFC 3339 instant (2024-05-01T12:00:00Z)",
        "datetime": "a date (2024-05-01) or an RFC 3339 instant (2024-05-01T12:00:00Z)",
        "string": "a text without NUL",
        "uuid": "a UUID",
    }
)


def equal(relation: Relation, name: str, value: str) -> Expression:
    """Return the condition of a parameter `name=value`: the attribute equals the value, read by its type.

    Raises
    ------
    InvalidParameter
        When the value is not of the attribute's type.
    """
    column = relation.by_name[name]
    asked = Property(column.type, name)
    try:
        match column.type:
            case "boolean":
                if value not in ("true", "false"):
                    raise InvalidFilter("not a boolean")
                return build.comparison("=", asked, Literal("boolean", value))
            case "integer":
                return build.comparison("=", asked, build.number(Decimal(integer_text(value))))
            case "number" | "decimal":
                return build.comparison("=", asked, build.number(Decimal(number_text(value))))
            case "date" | "datetime":
                moment = build.moment(value)
                return Temporal("intersects", Period(asked, asked), Period(moment, moment))
            case "string" | "uuid":
                return build.comparison("=", asked, build.string(value))
    except (InvalidFilter, ValueError) as error:
        raise InvalidParameter(name, value, _ALLOWED[column.type]) from error
    raise InvalidParameter(name, value, "nothing, as it is a structure; a filter may ask whether it IS NULL")
