"""The condition of the `datetime` parameter."""

from __future__ import annotations

__all__ = ["time_condition"]

from datetime import date, datetime

from stadtgrund.query.compile import compile_expression
from stadtgrund.query.expression import Literal, Period, Property, Temporal
from stadtgrund.query.interval import Interval
from stadtgrund.query.relation import Relation
from stadtgrund.query.statement import TRUE, Fragment


def time_condition(relation: Relation, interval: Interval) -> Fragment:
    """Return that the time of a row, an instant or a period whose ends may be open, has a moment in common with the interval.

    TRUE for a collection without time. Rows whose time is not known never match.
    """
    temporal = relation.temporal
    columns = (temporal.instant or temporal.start, temporal.instant or temporal.end) if temporal else (None, None)
    start, end = (Property(relation.by_name[name].type, name) if name else None for name in columns)
    if start is None and end is None:
        return TRUE
    if all(bound.type == "date" for bound in (start, end) if bound):
        # Days beside days: a plain comparison, which an index on the column serves.
        asked = Period(_day(interval.first_day), _day(interval.last_day))
    else:
        asked = Period(_moment(interval.start), _moment(interval.end))
    return compile_expression(Temporal("intersects", Period(start, end), asked))


def _day(day: date | None) -> Literal | None:
    return Literal("date", day.isoformat()) if day else None


def _moment(moment: datetime | None) -> Literal | None:
    return Literal("datetime", moment.isoformat()) if moment else None
