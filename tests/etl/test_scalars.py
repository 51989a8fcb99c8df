from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from etl import scalars
from etl.cast import numeric_bytes


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("1.234,5", ",", Decimal("1234.5")),
        ("1.234", ",", Decimal(1234)),
        ("-0,25", ",", Decimal("-0.25")),
        ("12 345", None, Decimal(12345)),
        ("12\u202f345,50", ",", Decimal("12345.50")),
        ("1,234.5", ".", Decimal("1234.5")),
        ("1.5", None, Decimal("1.5")),
        ("7.319E6", None, Decimal("7.319E6")),
        ("−3", None, Decimal(-3)),
    ],
)
def test_numbers_as_offices_write_them(text: str, sign: str | None, value: Decimal) -> None:
    assert scalars.decimal_value(text, sign) == value


@pytest.mark.parametrize(
    ("text", "sign"),
    [("k. A.", None), ("1,5", None), ("1.2.3", ","), ("1.5,2,1", ","), ("", None), ("1.5", ","), ("1,5", "."), ("0x10", None)],
)
def test_what_is_no_number_is_refused(text: str, sign: str | None) -> None:
    with pytest.raises(ValueError, match=r"keine Zahl|Komma"):
        scalars.decimal_value(text, sign)


def test_a_comma_without_a_stated_decimal_sign_says_what_to_write() -> None:
    with pytest.raises(ValueError, match='decimal: ","'):
        scalars.number("1,5", None)


@pytest.mark.parametrize(
    ("text", "value"), [("7319000.0", 7319000), ("7.319E6", 7319000), ("-5", -5), ("0012", 12), ("9223372036854775807", 2**63 - 1)]
)
def test_integers(text: str, value: int) -> None:
    assert scalars.integer(text, None) == value


@pytest.mark.parametrize(("text", "reason"), [("1.5", "keine ganze Zahl"), ("9223372036854775808", "zu groß"), ("acht", "keine Zahl")])
def test_integers_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        scalars.integer(text, None)


def test_dates() -> None:
    assert scalars.date_value("31.12.2026", None) == date(2026, 12, 31)
    assert scalars.date_value("2026-12-31", "%d.%m.%Y") == date(2026, 12, 31)
    assert scalars.date_value("12/2026", "%m/%Y") == date(2026, 12, 1)
    with pytest.raises(ValueError, match=r"„31\.02\.2026“ ist kein Datum \(erwartet: TT\.MM\.JJJJ\)"):
        scalars.date_value("31.02.2026", "%d.%m.%Y")


def test_a_time_without_offset_is_german() -> None:
    assert scalars.datetime_value("01.07.2026 12:00", None) == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    assert scalars.datetime_value("2026-01-01T12:00:00", None) == datetime(2026, 1, 1, 11, 0, tzinfo=UTC)
    assert scalars.datetime_value("2026-01-01T12:00:00Z", None) == datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def test_booleans() -> None:
    assert [scalars.boolean(word) for word in ("ja", "Nein", "WAHR", "0", "x")] == [True, False, True, False, True]
    with pytest.raises(ValueError, match="weder ja noch nein"):
        scalars.boolean("vielleicht")


def test_json_and_uuid() -> None:
    assert scalars.json_text('{"ä": [1, null]}') == '{"ä": [1, null]}'
    with pytest.raises(ValueError, match="kein JSON"):
        scalars.json_text("{offen")
    with pytest.raises(ValueError, match="kein JSON"):
        scalars.json_text("NaN")
    with pytest.raises(ValueError, match="keine UUID"):
        scalars.uuid_value("123")


def test_numeric_of_zero_has_no_groups() -> None:
    assert numeric_bytes(Decimal("0.00")) == struct.pack("!hhHH", 0, 0, 0, 2)
