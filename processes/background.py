"""The surroundings of a project for the printed map: pale layers that the rules name, as far as the profile sees them."""

from __future__ import annotations

__all__ = ["frame", "read"]

import json

from psycopg import sql

from processes.report import Background, Report, points
from processes.rules import Ruleset
from processes.view import View

_MOST = 3000
"""Objects of a layer: a printed page shows no more."""
_LEAST_M = 60.0


def frame(report: Report) -> tuple[float, float, float, float]:
    """Return the map's box (xmin, ymin, xmax, ymax) in the storage CRS: the buffered project with a margin, at most 0.8 : 1 high."""
    xs, ys = zip(*points(report.buffered if points(report.buffered) else report.storage), strict=True)
    margin = max(max(xs) - min(xs), max(ys) - min(ys), _LEAST_M) * 0.2
    left, right, bottom, top = min(xs) - margin, max(xs) + margin, min(ys) - margin, max(ys) + margin
    width, height = right - left, top - bottom
    if height < width * 0.45:
        bottom, top = bottom - (width * 0.45 - height) / 2, top + (width * 0.45 - height) / 2
    elif height > width * 0.8:
        left, right = left - (height / 0.8 - width) / 2, right + (height / 0.8 - width) / 2
    return left, bottom, right, top


def read(view: View, ruleset: Ruleset, report: Report) -> tuple[Background, ...]:
    """Return what lies in the map's frame, cut to it; a layer that is not there is left out."""
    found: list[Background] = []
    for layer in ruleset.background:
        collection = view.collections.get(layer.collection)
        if collection is None or collection.geometry is None:
            continue
        labelled = layer.label in {field.name for field in collection.fields}
        place = sql.SQL("ST_MakeEnvelope({}, {})").format(sql.SQL(", ").join(map(sql.Literal, frame(report))), sql.Literal(report.srid))
        statement = sql.SQL(
            """SELECT ST_AsGeoJSON(ST_ClipByBox2D(ST_Transform(geom, {srid}), {place}), 1), {label}
               FROM {relation} WHERE geom && ST_Transform({place}, {own}) LIMIT {most}"""
        ).format(
            srid=sql.Literal(report.srid),
            place=place,
            label=sql.Identifier(layer.label or "") if labelled else sql.SQL("NULL"),
            relation=view.relation(layer.collection),
            own=sql.Literal(collection.geometry.srid),
            most=sql.Literal(_MOST),
        )
        for text, label in view.conn.execute(statement).fetchall():
            geometry = json.loads(text) if text else None
            if geometry and points(geometry):
                found.append(Background(geometry, layer.fill, layer.line, str(label) if label else None))
    return tuple(found)
