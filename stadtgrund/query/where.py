"""The conditions of a request: box, time, filter and words, as one fragment over the columns of the view."""

from __future__ import annotations

__all__ = ["GEOM", "conditions"]

from stadtgrund.crs import BBox
from stadtgrund.query.box import box_condition
from stadtgrund.query.compile import compile_expression
from stadtgrund.query.expression import Expression
from stadtgrund.query.interval import Interval
from stadtgrund.query.relation import Relation
from stadtgrund.query.search import Search
from stadtgrund.query.search_condition import search_condition
from stadtgrund.query.statement import TRUE, Fragment, conjunction
from stadtgrund.query.time_condition import time_condition

GEOM = "geom"
"""The geometry column of each view."""


def conditions(
    relation: Relation, bbox: BBox | None, datetime: Interval | None, filter: Expression | None, search: Search | None = None
) -> Fragment:
    """Return what a row must fulfil; TRUE when nothing is asked."""
    return conjunction(
        (
            box_condition(relation, bbox) if bbox else TRUE,
            time_condition(relation, datetime) if datetime else TRUE,
            compile_expression(filter) if filter else TRUE,
            search_condition(relation, search) if search else TRUE,
        )
    )
