"""Features as rows for people and spreadsheets: pages as CSV, and numbers that print with the digits that they came with."""

from __future__ import annotations

__all__ = ["csv_of", "exact"]

import json
from typing import Any

from stadtgrund.query import csv_text
from stadtgrund.query.feature_query import FeatureQuery


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


def csv_of(features: bytes, query: FeatureQuery) -> bytes:
    """Return the JSON array of features as CSV, `geometry` in the query's CRS."""
    names = csv_text.attributes(query.relation, query.properties)
    with_geometry = query.relation.geometry is not None and not query.skip_geometry
    parsed = csv_text.parse(features)
    wkt = csv_text.geometries(parsed, query.crs.digits) if with_geometry else None
    return (csv_text.head(names, geometry=with_geometry) + csv_text.lines(parsed, names, wkt)).encode()
