"""Values between text and SQL, by the type of a field."""

from __future__ import annotations

__all__ = ["SQL_TYPE", "check_text", "integer_text", "number_text"]

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from uuid import UUID

SQL_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "string": "text",
        "integer": "bigint",
        "number": "double precision",
        "decimal": "numeric",
        "boolean": "boolean",
        "date": "date",
        "datetime": "timestamptz",
        "uuid": "uuid",
        "json": "jsonb",
    }
)
"""The SQL type that a bound value of a field type is cast to."""

_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:?\d\d){0,2}|\d{4}-\d\d-\d\d[ T].*Z", re.ASCII)
_BIGINT = 2**63
_FLOAT_MAX = Decimal("1.7976931348623157e308")


def integer_text(text: str) -> str:
    """Return `text` as PostgreSQL reads a bigint (ValueError when it is none)."""
    if not _INTEGER.fullmatch(text) or not -_BIGINT <= int(text) < _BIGINT:
        raise ValueError(f"not an integer of 64 bits: {text!r}")
    return str(int(text))


def number_text(text: str) -> str:
    """Return `text` as PostgreSQL reads a finite double precision or numeric (ValueError when it is none)."""
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not a number: {text!r}") from error
    if abs(value) > _FLOAT_MAX or (value and abs(value) < Decimal("1e-300")):
        raise ValueError(f"number out of range: {text!r}")
    return text


def check_text(text: object, kind: str) -> None:
    """Refuse (ValueError) what PostgreSQL would not read as `kind`; `text` is its own text form, as it printed it."""
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("not a text")
    match kind:
        case "integer":
            integer_text(text)
        case "number" | "decimal":
            if text not in ("NaN", "Infinity", "-Infinity"):
                number_text(text)
        case "boolean":
            if text not in ("t", "f", "true", "false"):
                raise ValueError("not a boolean")
        case "date" | "datetime" if text in ("infinity", "-infinity"):
            pass
        case "date":
            date.fromisoformat(text)
        case "datetime":
            if not _MOMENT.fullmatch(text):
                raise ValueError("not a moment")
            datetime.fromisoformat(text)
        case "uuid":
            UUID(text)
