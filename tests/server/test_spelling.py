from __future__ import annotations

from typing import Any

import pytest

from server.spelling import crs_code, spell_crs, spell_day, spell_number, spell_value
from server.tables import exact
from stadtgrund.catalog.collection import CollectionField
from stadtgrund.catalog.contract import FieldType, Text
from stadtgrund.crs import CRS84, supported


@pytest.mark.parametrize(
    ("value", "de", "en"),
    [
        (37406, "37.406", "37,406"),
        (999, "999", "999"),
        (-1234567, "-1.234.567", "-1,234,567"),
        (0.9, "0,9", "0.9"),
        (1.0, "1", "1"),
        (1413.5, "1.413,5", "1,413.5"),
        (exact(b"1234567.10"), "1.234.567,10", "1,234,567.10"),
        (exact(b"-1e-30"), "-1e-30", "-1e-30"),
        (True, "True", "True"),
        ("x", "x", "x"),
    ],
)
def test_numbers(value: Any, de: str, en: str) -> None:
    assert (spell_number(value, "de"), spell_number(value, "en")) == (de, en)


@pytest.mark.parametrize(
    ("text", "de", "en"),
    [
        ("2026-11-22", "22.11.2026", "2026-11-22"),
        ("2026-11-22T23:30:00Z", "23.11.2026", "2026-11-23"),  # the day in Berlin
        ("0890-02-28", "28.02.0890", "0890-02-28"),
        (None, "…", "…"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("infinity", "infinity", "infinity"),
    ],
)
def test_days(text: str | None, de: str, en: str) -> None:
    assert (spell_day(text, "de"), spell_day(text, "en")) == (de, en)


@pytest.mark.parametrize(
    ("kind", "unit", "value", "de", "en"),
    [
        ("integer", None, 1984, "1984", "1984"),
        ("integer", None, 77000001, "77000001", "77000001"),
        ("integer", "1", 1413, "1.413", "1,413"),
        ("integer", "m²", 1413, "1.413", "1,413"),
        ("number", None, 1413.25, "1.413,25", "1,413.25"),
        ("number", None, 44135, "44135", "44135"),
        ("number", None, 44135.0, "44135", "44135"),
        ("number", "m", 44135, "44.135", "44,135"),
        ("decimal", None, 44135, "44135", "44135"),
        ("decimal", None, exact(b"44135.10"), "44.135,10", "44,135.10"),
        ("decimal", "EUR", exact(b"2.10"), "2,10", "2.10"),
        ("date", None, "2024-05-01", "01.05.2024", "2024-05-01"),
        ("datetime", None, "2024-01-02T09:00:00Z", "02.01.2024 10:00 MEZ", "2024-01-02 10:00 CET"),
        ("datetime", None, "2024-10-27T00:30:00.000001Z", "27.10.2024 02:30:00.000001 MESZ", "2024-10-27 02:30:00.000001 CEST"),
        ("datetime", None, "2024-07-01T10:00:00.500000Z", "01.07.2024 12:00:00.5 MESZ", "2024-07-01 12:00:00.5 CEST"),
        ("datetime", None, "2024-07-01T10:00:10Z", "01.07.2024 12:00:10 MESZ", "2024-07-01 12:00:10 CEST"),
        ("datetime", None, "0001-01-01T00:00:00Z", "01.01.0001 00:00 UTC", "0001-01-01 00:00 UTC"),  # Berlin had no zone yet
        ("datetime", None, "1893-03-31T23:30:00Z", "01.04.1893 00:30 MEZ", "1893-04-01 00:30 CET"),
        ("datetime", None, "infinity", "infinity", "infinity"),
        ("string", None, "1413.5", "1413.5", "1413.5"),
        ("json", None, 1413.5, "1413.5", "1413.5"),
    ],
)
def test_values_by_the_contract(kind: FieldType, unit: str | None, value: Any, de: str, en: str) -> None:
    field = CollectionField(name="feld", type=kind, title=Text(de="Feld"), unit=unit)
    assert (spell_value(value, field, "de"), spell_value(value, field, "en")) == (de, en)


def test_crss() -> None:
    told = {crs_code(crs.uri): spell_crs(crs, "de") for crs in supported(25832, dimensions=3)}
    assert told == {
        "CRS84h": "WGS 84 (Länge, Breite, Höhe)",
        "CRS84": "WGS 84 (Länge, Breite)",
        "EPSG:4326": "WGS 84 (Breite, Länge)",
        "EPSG:3857": "WGS 84 / Pseudo-Mercator",
        "EPSG:4258": "ETRS89 (Breite, Länge)",
        "EPSG:25832": "ETRS89 / UTM zone 32N",
        "EPSG:25833": "ETRS89 / UTM zone 33N",
    }
    assert spell_crs(CRS84, "en") == "WGS 84 (longitude, latitude)"
