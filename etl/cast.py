"""A source column to the type of its field, in whole columns; what does not fit is told per row.

Fast paths handle the regular part of a column in Arrow; the rest goes, each distinct value once, through `scalars.py`.
"""

from __future__ import annotations

__all__ = ["CastError", "cast", "numeric_bytes", "storage_type", "to_text"]

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl import scalars
from stadtgrund.catalog.contract import FieldType
from stadtgrund.language import BadValue, say

_INTEGER = r"^-?\d{1,18}$"  # Arrow takes no plus sign: that goes the slow way
_NUMBER = r"^-?(\d{1,300}\.?\d*|\.\d+)$"
_ISO_DATE = r"^\d{4}-\d{2}-\d{2}$"
_WHOLE_FLOAT = 2.0**63

_STORAGE: dict[FieldType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.binary(),  # numeric in PostgreSQL's own binary form: exact, with the digits as written
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
    "uuid": pa.binary(),
    "json": pa.binary(),
}


@dataclass(frozen=True)
class CastError:
    """A value that does not fit: position in the batch and the reason."""

    index: int
    reason: str


def storage_type(kind: FieldType) -> pa.DataType:
    """Return the Arrow type that a field of `kind` has in a batch for staging."""
    return _STORAGE[kind]


def to_text(column: pa.Array) -> pa.Array:
    """Return the column as text: what a person would type for its values (7319000, not 7319000.0; dates in ISO; lists as JSON)."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        column, kind = column.storage, column.storage.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_floating(kind):
        return pa.array([_float_text(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return pa.array([None if value is None else _instant(value).isoformat() for value in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        return pa.array(
            [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()], pa.string()
        )
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def cast(column: pa.Array, kind: FieldType, *, decimal: str | None = None, pattern: str | None = None) -> tuple[pa.Array, list[CastError]]:
    """Return the column in the storage type of `kind`, null where a value does not fit, and those values.

    Parameters
    ----------
    column : Array
        Of any type a reader gives; text must be trimmed, with its null symbols already null.
    decimal : str, optional
        The decimal sign of numbers in text.
    pattern : str, optional
        How dates are written in text, as strptime.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), storage_type(kind)), []
    typed = _from_typed(column, kind)
    if typed is not None:
        return typed
    return _from_text(to_text(column), kind, decimal if pa.types.is_string(column.type) else ".", pattern)


def _from_typed(column: pa.Array, kind: FieldType) -> tuple[pa.Array, list[CastError]] | None:
    """Cast between types of the same meaning; None where the way through text is right."""
    have = column.type
    if kind == "integer" and pa.types.is_integer(have) and have != pa.uint64():
        return column.cast(pa.int64()), []
    if kind in ("integer", "number") and pa.types.is_floating(have):
        return _from_floats(column.cast(pa.float64()), kind)
    if kind == "number" and pa.types.is_integer(have):
        return column.cast(pa.float64(), safe=False), []
    if kind == "boolean" and pa.types.is_boolean(have):
        return column, []
    if kind == "date" and (pa.types.is_date(have) or pa.types.is_timestamp(have)):
        return column.cast(pa.date32(), safe=False), []
    if kind == "datetime" and pa.types.is_timestamp(have):
        local = have.tz is None
        aware = pc.assume_timezone(column, scalars.GERMANY.key, ambiguous="earliest", nonexistent="latest") if local else column
        return aware.cast(storage_type(kind), safe=False), []
    return None


def _from_floats(column: pa.Array, kind: FieldType) -> tuple[pa.Array, list[CastError]]:
    values = column.to_numpy(zero_copy_only=False)
    missing = np.isnan(values)
    if kind == "number":
        bad = np.isinf(values)
        return pa.array(values, pa.float64(), mask=missing | bad), [
            CastError(int(i), say("unendlich ist keine Zahl", "infinity is no number")) for i in np.flatnonzero(bad)
        ]
    with np.errstate(invalid="ignore"):
        bad = ~missing & ((values != np.floor(values)) | (np.abs(values) >= _WHOLE_FLOAT))
    whole = np.where(missing | bad, 0, values).astype(np.int64)
    return pa.array(whole, pa.int64(), mask=missing | bad), [
        CastError(
            int(i), say(f"„{_float_text(float(values[i]))}“ ist keine ganze Zahl", f"“{_float_text(float(values[i]))}” is no whole number")
        )
        for i in np.flatnonzero(bad)
    ]


def _from_text(text: pa.Array, kind: FieldType, decimal: str | None, pattern: str | None) -> tuple[pa.Array, list[CastError]]:
    match kind:
        case "string":
            return _rejecting_nul(text)
        case "integer":
            return _split(text, _INTEGER, lambda part: part.cast(pa.int64()), lambda word: scalars.integer(word, decimal), kind)
        case "number":
            ready = text
            if decimal == ",":
                # A comma alone is the decimal sign; points beside it, or in its place, group thousands and take the slow way.
                ready = pc.if_else(pc.match_substring_regex(text, r"^[+-]?\d*,?\d+$"), pc.replace_substring(text, ",", "."), "?")
            return _split(ready, _NUMBER, lambda part: part.cast(pa.float64()), lambda word: scalars.number(word, decimal), kind, text)
        case "decimal":
            return _split(text, None, None, lambda word: numeric_bytes(scalars.decimal_value(word, decimal)), kind)
        case "boolean":
            return _split(text, None, None, scalars.boolean, kind)
        case "date":
            return _dates(text, pattern)
        case "datetime":
            return _split(text, None, None, lambda word: scalars.datetime_value(word, pattern), kind)
        case "uuid":
            return _split(text, None, None, scalars.uuid_value, kind)
        case "json":
            return _split(text, None, None, lambda word: b"\x01" + scalars.json_text(word).encode(), kind)


def _dates(text: pa.Array, pattern: str | None) -> tuple[pa.Array, list[CastError]]:
    if pattern in (None, "%Y-%m-%d"):
        try:
            return _split(text, _ISO_DATE, lambda part: part.cast(pa.date32()), lambda word: scalars.date_value(word, pattern), "date")
        except pa.ArrowInvalid:  # a 31 February somewhere: find it value by value
            pass
    return _split(text, None, None, lambda word: scalars.date_value(word, pattern), "date")


def _split(
    text: pa.Array,
    regular: str | None,
    fast: Callable[[pa.Array], pa.Array] | None,
    slow: Callable[[str], Any],
    kind: FieldType,
    original: pa.Array | None = None,
) -> tuple[pa.Array, list[CastError]]:
    """Cast what matches `regular` with `fast` at once, and each other distinct value with `slow`."""
    wanted = storage_type(kind)
    original = text if original is None else original
    if regular is not None and fast is not None:
        matches = pc.fill_null(pc.match_substring_regex(text, regular), True)
        result = fast(pc.if_else(matches, text, None))
        rest = np.flatnonzero(~matches.to_numpy(zero_copy_only=False))
        if not len(rest):
            return result, []
    else:
        result = pa.nulls(len(text), wanted)
        rest = np.arange(len(text))
    coded = original.take(pa.array(rest)).dictionary_encode()
    made: list[Any] = []
    reasons: list[str | None] = []
    for word in coded.dictionary.to_pylist():
        try:
            made.append(slow(word))
            reasons.append(None)
        except ValueError as error:
            made.append(None)
            reasons.append(str(error))
    values = pa.array(made, wanted).take(coded.indices)
    mask = np.zeros(len(text), dtype=bool)
    mask[rest] = True
    result = values if len(rest) == len(text) else pc.replace_with_mask(result, pa.array(mask), values)
    errors = []
    if any(reasons):
        for place, code in zip(rest, coded.indices.to_pylist(), strict=True):
            reason = None if code is None else reasons[code]
            if reason is not None:
                errors.append(CastError(int(place), reason))
    return result, errors


def _rejecting_nul(text: pa.Array) -> tuple[pa.Array, list[CastError]]:
    """PostgreSQL's text has no U+0000."""
    bad = pc.fill_null(pc.match_substring(text, "\x00"), False)
    if not pc.any(bad).as_py():
        return text, []
    places = np.flatnonzero(bad.to_numpy(zero_copy_only=False))
    return pc.if_else(bad, None, text), [
        CastError(int(place), say("der Text enthält das Zeichen U+0000", "the text has the character U+0000")) for place in places
    ]


def _float_text(value: float | None) -> str | None:
    if value is None or value != value:
        return None
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)


def _instant(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=scalars.GERMANY)


def numeric_bytes(value: Decimal) -> bytes:
    """Return `value` in the binary form of PostgreSQL's numeric (src/backend/utils/adt/numeric.c, numeric_recv)."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise BadValue(f"„{value}“ ist keine Zahl", f"“{value}” is no number")
    if exponent > 0:
        digits, exponent = (*digits, *([0] * exponent)), 0
    scale = -exponent
    whole, fraction = digits[: max(len(digits) - scale, 0)], digits[max(len(digits) - scale, 0) :]
    fraction = (*([0] * (scale - len(fraction))), *fraction)
    whole = (*([0] * (-len(whole) % 4)), *whole)
    fraction = (*fraction, *([0] * (-len(fraction) % 4)))
    groups = [int("".join(map(str, part[i : i + 4]))) for part in (whole, fraction) for i in range(0, len(part), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[-1] == 0:
        groups.pop()
    if scale > 16383 or weight > 32766:
        raise BadValue(f"„{value}“ hat zu viele Stellen", f"“{value}” has too many digits")
    return struct.pack(f"!hhHH{len(groups)}h", len(groups), weight if groups else 0, 0x4000 if sign and groups else 0, scale, *groups)
