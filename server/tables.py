"""Features as rows for people and spreadsheets. CSV: one row a feature, geometry as WKT, no cell that is run as a formula."""

from __future__ import annotations

__all__ = ["csv_of", "exact"]

import csv
import io
import json
from typing import Any

from shapely import to_wkt
from shapely.geometry import shape

from stadtgrund.query.feature_query import FeatureQuery

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Number(str):
    """A number as PostGIS wrote it: every digit stays, and its minus is no formula."""

    __slots__ = ()


class _Exact(float):
    """A number that prints as PostGIS wrote it: `1.10` stays `1.10`."""

    text: str

    def __new__(cls, text: str) -> _Exact:
        """Take the digits."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def exact(document: bytes) -> Any:
    """Return a JSON document for a page, whose numbers print with the digits that they came with."""
    return json.loads(document, parse_float=_Exact)


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
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a JSON value with numbers for numbers."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return float(value) if isinstance(value, _Number) else value


def csv_of(features: bytes, query: FeatureQuery) -> bytes:
    """Return the JSON array of features as CSV (RFC 4180, UTF-8): `id`, the attributes, `geometry` in the query's CRS."""
    names = [name for name in query.relation.by_name if query.properties is None or name in query.properties]
    with_geometry = query.relation.geometry is not None and not query.skip_geometry
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["id", *names, *(["geometry"] if with_geometry else [])])
    for feature in json.loads(features, parse_int=_Number, parse_float=_Number):
        row = [_cell(feature["id"]), *(_cell(feature["properties"][name]) for name in names)]
        if with_geometry:
            geometry = feature["geometry"]
            row.append(to_wkt(shape(_plain(geometry)), rounding_precision=query.crs.digits, trim=True) if geometry else "")
        writer.writerow(row)
    return text.getvalue().encode()
