"""`datetime`: what is read, and what it matches on instants, days and periods."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from query.city import ROWS, Published

from stadtgrund.catalog.collection import Collection
from stadtgrund.errors import InvalidParameter
from stadtgrund.query import FeatureQuery, Interval, Relation, items
from stadtgrund.query.interval import BERLIN
from stadtgrund.query.relation import Column

VALUES = [
    "2024-05-01",
    "2024-05-01T12:00:00Z",
    "2024-05-01t14:00:00+02:00",
    "2024-04-30/2024-05-01",
    "../2024-04-30",
    "/2024-04-30",
    "2024-05-01/..",
    "2024-05-01T12:00:00.000001Z/",
    "2024-05-01T22:00:00.000005Z/2024-05-01T22:00:00.000005Z",
    "2024-04-30T00:00:00+02:00/2024-05-01",
    "../..",
    "0001-01-01/9999-12-31",
]


def test_a_date_is_a_day_in_berlin() -> None:
    assert Interval.parse("2024-05-01") == Interval(
        datetime(2024, 4, 30, 22, 0, tzinfo=UTC), datetime(2024, 5, 1, 21, 59, 59, 999999, tzinfo=UTC)
    )
    assert Interval.parse("2024-12-31/..").start == datetime(2024, 12, 30, 23, 0, tzinfo=UTC)
    late = Interval.parse("2024-05-01T23:30:00Z")
    assert late.start == late.end == datetime(2024, 5, 1, 23, 30, tzinfo=UTC)
    assert late.first_day == late.last_day == date(2024, 5, 2)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),  # a leap second
        ("2017-01-01t00:59:60.25+01:00", "2017-01-01T00:00:00.250000"),
        ("2024-05-01t12:00:00z", "2024-05-01T12:00:00"),
        ("2024-05-01T12:00:00.1Z", "2024-05-01T12:00:00.100000"),
        ("2024-05-01T12:00:00.123456789Z", "2024-05-01T12:00:00.123456"),  # to the microsecond, as it is stored
        ("2024-05-01T12:00:00-00:00", "2024-05-01T12:00:00"),
        ("2024-10-27T02:30:00+02:00", "2024-10-27T00:30:00"),
    ],
)
def test_instants_of_rfc_3339(text: str, utc: str) -> None:
    found = Interval.parse(text)
    assert found.start == found.end and found.start is not None
    assert found.start.astimezone(UTC).isoformat() == utc + "+00:00"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-05-01/P1D", "2024-05-01"),
        ("2024-05-01/P7D", "2024-05-01/2024-05-07"),
        ("P7D/2024-05-07", "2024-05-01/2024-05-07"),
        ("2024-05-01/P1W", "2024-05-01/2024-05-07"),
        ("2024-01-01/P1Y", "2024-01-01/2024-12-31"),
        ("P1Y/2024-12-31", "2024-01-01/2024-12-31"),
        ("2024-01-01/P1M", "2024-01-01/2024-01-31"),
        ("2024-03-30/P2D", "2024-03-30/2024-03-31"),  # the second one has 23 hours
        ("2024-05-01/P1Y2M3D", "2024-05-01/2025-07-03"),
        ("2024-05-01T12:00:00Z/PT1H30M", "2024-05-01T12:00:00Z/2024-05-01T13:30:00Z"),
        ("PT90S/2024-05-01T12:00:00Z", "2024-05-01T11:58:30Z/2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00:00+02:00/P1DT1H", "2024-05-01T12:00:00+02:00/2024-05-02T13:00:00+02:00"),
        ("2024-01-31T00:00:00Z/P1M", "2024-01-31T00:00:00Z/2024-02-29T00:00:00Z"),
        ("2024-05-01T12:00:00Z/P0D", "2024-05-01T12:00:00Z"),
    ],
)
def test_intervals_by_a_duration(text: str, same: str) -> None:
    """ISO 8601, 4.4.4.3: a start and a duration, or a duration and an end."""
    found, expected = Interval.parse(text), Interval.parse(same)
    assert (found.start, found.end) == (expected.start, expected.end)
    assert (found.first_day, found.last_day) == (expected.first_day, expected.last_day)


def test_days_when_the_clocks_change() -> None:
    """A day in Berlin has 23 hours in March and 25 in October."""
    for day, hours in (("2024-03-31", 23), ("2024-10-27", 25), ("2024-05-01", 24)):
        found = Interval.parse(day)
        assert found.start is not None and found.end is not None
        length = found.end.astimezone(UTC) - found.start.astimezone(UTC)
        assert round(length.total_seconds() / 3600) == hours


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-05-01/P",
        "2024-05-01/PT",
        "2024-05-01/P1DT",
        "2024-05-01/P-1D",
        "2024-05-01/1D",
        "2024-05-01/P1H",
        "2024-05-01/p1d",
        "2024-05-01/P8000Y",
        "P8000Y/2024-05-01",
        "2024-05-01/PT99999999H9999999999S",
        "P1D",
        "P1D/P1D",
        "../P1D",
        "P1D/..",
        "2024-05-01/P1D/2024-05-02",
        "2024-05",
        "2024-5-1",
        "2024-02-30",
        "2024-05-01T12:00:00",
        "2024-05-01 12:00:00Z",
        "2024-05-01T12:00Z",
        "2024-05-01T25:00:00Z",
        "2024-05-01T12:00:60Z",
        "2024-05-01T12:59:60Z",
        "2016-12-31T23:59:61Z",
        "9999-12-31T23:59:60Z",
        "0001-01-01T00:59:60+02:00",
        "2024-05-01T12:00:00+24:00",
        "2024-05-01T12:00:00.Z",
        "2024-05-01T12:00:00,5Z",
        "2024-05-01T12:00:00 02:00",
        "20240501T120000Z",
        "2024-W18-3",
        "2024-05-01/2024-04-30T21:59:59Z",
        "2024-05-02/2024-05-01",
        "2024-05-01/2024-05-02/2024-05-03",
        "now",
        "2024-05-01T12:00:00Z/2024-05-01T11:59:59Z",
        "0000-01-01",
        "٢٠٢٤-05-01",
        "infinity",
        "2024-05-01'",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"a date \(2024-05-01\), an RFC 3339 instant"):
        Interval.parse(text)


def matched(city: Published, relation: Relation, text: str) -> list[Any]:
    query = FeatureQuery(relation=relation, limit=1000, datetime=Interval.parse(text), skip_geometry=True)
    page = items.read_page(query, city.row(items.page(query)))
    return [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]


def moments(value: date | datetime) -> tuple[datetime, datetime]:
    if isinstance(value, datetime):
        return value, value
    return datetime(value.year, value.month, value.day, tzinfo=BERLIN), datetime(
        value.year, value.month, value.day, 23, 59, 59, 999999, BERLIN
    )


def meets(start: date | datetime | None, end: date | datetime | None, text: str) -> bool:
    asked = Interval.parse(text)
    if start is None and end is None:
        return False
    if start is not None and asked.end is not None and moments(start)[0] > asked.end:
        return False
    return not (end is not None and asked.start is not None and moments(end)[1] < asked.start)


@pytest.mark.parametrize("text", VALUES)
@pytest.mark.parametrize("column", ["zeit", "tag"])
def test_instants_and_days(city: Published, column: str, text: str) -> None:
    relation = city.relation("proben")
    assert relation.temporal is not None
    relation = _with(relation, temporal=relation.temporal.model_copy(update={"instant": column}))
    expected = [row["nummer"] for row in ROWS["proben"] if meets(row[column], row[column], text)]
    assert matched(city, relation, text) == expected


@pytest.mark.parametrize("text", [*VALUES, "2024-08-15", "2025-01-01/2025-02-01"])
def test_periods(city: Published, text: str) -> None:
    expected = sorted(row["schluessel"] for row in ROWS["flaechen"] if meets(row["beginn"], row["ende"], text))
    assert matched(city, city.relation("flaechen"), text) == expected


def test_a_period_of_a_day_and_a_moment(city: Published) -> None:
    relation = city.relation("proben")
    assert relation.temporal is not None
    both = relation.temporal.model_copy(update={"instant": None, "start": "tag", "end": "zeit"})
    for text in VALUES:
        expected = [row["nummer"] for row in ROWS["proben"] if meets(row["tag"], row["zeit"], text)]
        assert matched(city, _with(relation, temporal=both), text) == expected
    begin = both.model_copy(update={"end": None})
    expected = [row["nummer"] for row in ROWS["proben"] if row["tag"] is not None and row["tag"] <= date(2024, 4, 30)]
    assert matched(city, _with(relation, temporal=begin), "2024-04-30") == expected


def test_no_effect_without_time(city: Published) -> None:
    relation = city.relation("punkte")
    assert relation.temporal is None
    assert len(matched(city, relation, "1900-01-01")) == relation.count


def test_a_form_that_omits_the_column_cannot_be_asked_by_it(city: Published) -> None:
    relation = city.relation("flaechen")
    assert relation.temporal is not None
    (collection,) = city.column("SELECT collection FROM p_open.sg_state WHERE dataset = 'flaechen'")
    full = Collection.model_validate(collection)
    fewer = full.model_copy(update={"fields": tuple(field for field in full.fields if field.name not in ("ende", "art"))})
    reduced = Relation.of(fewer, "p_open")
    assert reduced.temporal is None and reduced.sortables == ("schluessel",)
    assert Column("ende", "date") not in reduced.columns


def _with(relation: Relation, **changes: Any) -> Relation:
    fields = {name: getattr(relation, name) for name in relation.__dataclass_fields__}
    return Relation(**{**fields, **changes})
