"""Time as a request states it: RFC 3339 instants, dates and intervals, also by a duration. A date is a day in Europe/Berlin."""

from __future__ import annotations

__all__ = ["BERLIN", "Interval", "parse_bound"]

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from stadtgrund.errors import InvalidParameter

BERLIN = ZoneInfo("Europe/Berlin")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,7})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,10})S)?)?",
    re.ASCII,
)
_ALLOWED = (
    "a date (2024-05-01), an RFC 3339 instant (2024-05-01T12:00:00Z) or an interval of two of them (start/end, .. for an open end; "
    "a year is 2024-01-01/2024-12-31), start not after end; one of the two may be a duration (2024-05-01/P7D)"
)


def parse_bound(text: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of a date or an instant, to the microsecond, both with a zone.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if _DATE.fullmatch(text):
        day = date.fromisoformat(text)
        return datetime.combine(day, time.min, BERLIN), datetime.combine(day, time.max, BERLIN)
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"neither a date nor an RFC 3339 instant: {text!r}")
    moment = _leap_second(text.upper()) if text[17:19] == "60" else datetime.fromisoformat(text.upper())
    return moment, moment


def _moved(text: str, duration: str, sign: int) -> tuple[datetime, datetime]:
    """Return the first and the last moment of an interval that begins (`sign` 1) or ends (-1) with a date or an instant and lasts so long.

    The duration is one of ISO 8601, 4.4.3: years to days are those of the calendar, in Berlin where `text` is a date. A date is a whole
    day: from 1 May, seven days end with 7 May, as those that end with 7 May begin on 1 May.
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"no duration: {duration!r}")
    parts = {name: sign * int(value or 0) for name, value in found.groupdict().items()}
    clock = timedelta(**{name: parts.pop(name) for name in ("hours", "minutes", "seconds")})
    first, last = parse_bound(text)
    moment = first
    if sign < 0 and first != last:  # the end of a day: midnight
        moment = datetime.combine(first.date() + timedelta(days=1), time.min, BERLIN)
    moved = moment + relativedelta(**parts)
    other = (moved.astimezone(UTC) + clock).astimezone(moment.tzinfo) if clock else moved
    if sign < 0:
        return other, last
    return first, other - timedelta(microseconds=1) if first != last and other != first else other


def _leap_second(text: str) -> datetime:
    """Return the second behind a leap second (RFC 3339, 5.7), as PostgreSQL does; only the last minute of a day in UTC has one."""
    before = datetime.fromisoformat(text[:17] + "59" + text[19:])
    try:
        of_day = before.astimezone(UTC).time()
        behind = before + timedelta(seconds=1)
    except OverflowError as error:  # at the end of the year 9999
        raise ValueError(f"no leap second: {text!r}") from error
    if (of_day.hour, of_day.minute) != (23, 59):
        raise ValueError(f"no leap second: {text!r}")
    return behind


def _day(moment: datetime) -> date:
    try:
        return moment.astimezone(BERLIN).date()
    except OverflowError:  # within a day of year 1 or 9999
        return moment.date()


@dataclass(frozen=True)
class Interval:
    """From the first to the last moment, both inclusive, with a zone; None = open. An instant is an interval of no length."""

    start: datetime | None
    end: datetime | None

    @classmethod
    def parse(cls, text: str, parameter: str = "datetime") -> Self:
        """Read the value of a `datetime` parameter.

        Raises
        ------
        InvalidParameter
            For anything but dates and RFC 3339 instants, and where the start lies after the end.
        """
        parts = text.strip().split("/")
        try:
            if len(parts) == 1:
                return cls(*parse_bound(parts[0]))
            if len(parts) == 2 and parts[1].startswith("P"):
                return cls(*_moved(parts[0], parts[1], 1))
            if len(parts) == 2 and parts[0].startswith("P"):
                return cls(*_moved(parts[1], parts[0], -1))
            start, end = (None if part in ("", "..") else parse_bound(part) for part in parts)
        except (ValueError, OverflowError) as error:  # also three or more parts
            raise InvalidParameter(parameter, text, _ALLOWED) from error
        first, last = start and start[0], end and end[1]
        if first and last and first > last:
            raise InvalidParameter(parameter, text, _ALLOWED)
        return cls(first, last)

    @property
    def first_day(self) -> date | None:
        """The day in Berlin that the interval begins on."""
        return self.start and _day(self.start)

    @property
    def last_day(self) -> date | None:
        """The day in Berlin that the interval ends on."""
        return self.end and _day(self.end)
