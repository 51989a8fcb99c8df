"""GeoJSON and CSV: the features of all pages, by the same expressions that make pages."""

from __future__ import annotations

__all__ = ["csv", "geojson", "write_csv", "write_geojson"]

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import shapely

from etl.deliver.columns import GEOM, Columns
from etl.deliver.snapshot import Batch
from stadtgrund.crs import CRS84, storage
from stadtgrund.query import csv_text
from stadtgrund.query.feature import FeatureText, feature_text, ready_text
from stadtgrund.query.statement import TRUE, Fragment


def geojson(columns: Columns, where: Fragment) -> Fragment:
    """Return the statement of the features' texts, in order of the id."""
    asked = (columns.relation, _properties(columns), CRS84, columns.srid is None)
    ready = ready_text(*asked) if where == TRUE else None
    return _ordered(columns, where, ready or feature_text(*asked))


def csv(columns: Columns, where: Fragment, *, northing_first: bool = False) -> Fragment:
    """Return the statement of the features' texts without geometry, and of the geometries: GeoJSON where it lies ready, else WKB.

    `northing_first`: the geometries have the northing, or the latitude, as first coordinate.
    """
    properties = _properties(columns)
    ready = ready_text(columns.relation, properties, CRS84, True) if where == TRUE else None
    as_ready = where == TRUE and columns.srid == CRS84.srid and not northing_first
    whole = ready_text(columns.relation, properties, CRS84, False) if as_ready else None
    if ready and whole:
        return _ordered(columns, where, replace(ready, columns=whole.columns), f"q.{whole.columns[0]}")
    if ready and columns.srid is None:
        return _ordered(columns, where, ready)
    # Pieces that lie ready would have to be looked up row by row.
    bare = replace(columns.relation, prepared=False)
    feature = feature_text(bare, properties, CRS84, True)
    if columns.srid is None:
        return _ordered(columns, where, feature)
    geometry = f"ST_FlipCoordinates({columns.geometry()})" if northing_first else columns.geometry()
    return _ordered(columns, where, replace(feature, columns=(*feature.columns, GEOM)), f"ST_AsBinary({geometry})")


def _properties(columns: Columns) -> tuple[str, ...] | None:
    names = tuple(column.name for column in columns.attributes)
    return None if len(names) == len(columns.relation.columns) else names


def _ordered(columns: Columns, where: Fragment, feature: FeatureText, *more: str) -> Fragment:
    names = dict.fromkeys(("sg_id", *feature.columns))
    clause = "" if where == TRUE else f" WHERE {where.sql}"
    source = columns.relation.text if feature.ready else columns.relation.view
    rows = f"(SELECT {', '.join(names)} FROM {source}{clause}) q{feature.row}"
    return Fragment(f"SELECT {', '.join((feature.text, *more))} FROM {rows} ORDER BY q.sg_id", where.params)


def write_geojson(path: Path, batches: Iterable[Batch], columns: Columns, notice: Mapping[str, str]) -> None:
    """Write a FeatureCollection (RFC 7946); `name` is what GDAL calls the layer, the notice are foreign members before the features."""
    head = {"type": "FeatureCollection", "name": columns.collection.id, **{key.lower(): text for key, text in notice.items()}}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ',"features":[\n')
        separator = ""
        for batch in batches:
            file.write(separator + ",\n".join(row[0] for row in batch))
            separator = ",\n"
        file.write("\n]}\n")


def write_csv(path: Path, batches: Iterable[Batch], columns: Columns) -> None:
    """Write the lines of all pages; the notice has no place in it."""
    names = csv_text.attributes(columns.relation, {column.name for column in columns.attributes})
    digits = CRS84.digits if columns.srid in (None, CRS84.srid) else storage(columns.srid).digits
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text.head(names, geometry=columns.srid is not None))
        for batch in batches:
            features = csv_text.parse("[" + ",".join(row[0] for row in batch) + "]")
            file.write(csv_text.lines(features, names, _wkt([row[1] for row in batch], digits) if columns.srid else None))


def _wkt(geometries: list[str] | list[bytes | None], digits: int) -> list[str]:
    as_text = [None if text == "null" else text for text in geometries]
    is_json = any(isinstance(text, str) for text in as_text)
    shapes = shapely.from_geojson(as_text) if is_json else shapely.from_wkb(as_text)
    return csv_text.wkt(shapes, digits)
