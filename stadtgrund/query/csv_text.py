"""Features as CSV (RFC 4180, UTF-8): `id`, the attributes, `geometry` as WKT. No cell is run as a formula by a spreadsheet.

An attribute that has the name of one of these two is called `id_`, `geometry_`; an attribute `id` that is the feature's id is not repeated.
"""

from __future__ import annotations

__all__ = ["attributes", "geometries", "head", "lines", "parse", "wkt"]

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import shapely

from stadtgrund.query.relation import Relation

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ZEROS = re.compile(r"\.?0+(?=[ ,)])")
"""The end of a number with decimals that says nothing."""
_MINUS_ZERO = re.compile(r"-0(?=[ ,)])")


class _Number(str):
    """A number as PostGIS wrote it: every digit stays, and its minus is no formula."""

    __slots__ = ()


def parse(features: bytes | str) -> Any:
    """Return the JSON of one or several features as `lines` takes it."""
    return json.loads(features, parse_int=_Number, parse_float=_Number)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _Number():
            return str(value)
        case str():
            return "'" + value if value.startswith(_FORMULA) else value
    return _json(value)


def _json(value: Any) -> str:
    """Return a JSON value as text, its numbers with the digits that they came with."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(key)}: {_json(part)}" for key, part in value.items()) + "}"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return coordinates with numbers for numbers."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, _Number):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value


def geometries(features: Iterable[Any], digits: int) -> list[str]:
    """Return the geometries of parsed features as WKT, "" where there is none."""
    found = [shapely.geometry.shape(_plain(feature["geometry"])) if feature["geometry"] else None for feature in features]
    return wkt(found, digits)


def wkt(geometries: Sequence[shapely.Geometry | None], digits: int) -> list[str]:
    """Return geometries as WKT with `digits` decimals (at least one) and no exponents, "" where there is none."""
    texts = shapely.to_wkt(geometries, rounding_precision=digits, trim=True)
    return [
        _written_out(each, digits) if text and ("e" in text or "-0" in text) else text or ""
        for each, text in zip(geometries, texts, strict=True)
    ]


def _written_out(geometry: shapely.Geometry | None, digits: int) -> str:
    """Return WKT without exponents and minus zero, which GEOS trims the smallest numbers to; it takes ten times as long."""
    text = shapely.to_wkt(geometry, rounding_precision=digits, trim=False) or ""
    return _MINUS_ZERO.sub("0", _ZEROS.sub("", text))


def attributes(relation: Relation, wanted: Collection[str] | None) -> list[str]:
    """Return the attributes that are columns of their own, of those that are wanted (None = all)."""
    names = [name for name in relation.by_name if wanted is None or name in wanted]
    return [name for name in names if not name == relation.id_field == "id"]


def head(names: Sequence[str], *, geometry: bool) -> str:
    """Return the line of the columns' names, for these attributes."""
    last = ["geometry"] if geometry else []
    titles = list(names)
    for place, name in enumerate(names):
        while titles[place] in ("id", *last) or (titles[place] != name and titles[place] in names):
            titles[place] += "_"
    return _written([["id", *titles, *last]])


def lines(features: Iterable[Any], names: Sequence[str], wkt: Iterable[str] | None = None) -> str:
    """Return a line a feature: parsed features, the attributes wanted, the geometries (None = no such column)."""
    rows = [[_cell(feature["id"]), *(_cell(feature["properties"][name]) for name in names)] for feature in features]
    if wkt is not None:
        for row, text in zip(rows, wkt, strict=True):
            row.append(text)
    return _written(rows)


def _written(rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
