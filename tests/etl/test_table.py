"""Tables as offices export them: CSV and XLSX, made here, published in PostGIS."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from .conftest import City

FIELDS = [
    {"name": "schluessel", "from": "Schlüssel", "type": "string"},
    {"name": "einwohner", "from": "Einwohner", "type": "integer"},
    {"name": "anteil", "from": "Anteil", "type": "number"},
]


def declare(city: City, name: str, fields: list[dict[str, Any]] = FIELDS, rest: dict[str, Any] | None = None, **source: Any) -> None:
    city.declare("zahlen", {"kind": "table", "location": "${DATA}/" + name, **source}, fields, **(rest or {}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_csv_with_decimal_comma_in_any_encoding(city: City, encoding: str) -> None:
    (city.data / "z.csv").write_bytes('Schlüssel;Einwohner;Anteil\n0101;1.234;12,5\n0102;"2345";0,25\n'.encode(encoding))
    declare(city, "z.csv", decimal=",")
    report = city.published("zahlen")
    assert report.rows_in == 2
    assert city.rows("zahlen", "schluessel, einwohner, anteil", "schluessel") == [("0101", 1234, 12.5), ("0102", 2345, 0.25)]


def test_gzip_crlf_quoted_line_breaks_and_null_symbols(city: City) -> None:
    text = 'Schlüssel,Einwohner,Anteil\r\n"01\n02",k. A., 1.5 \r\n,-,\r\n'
    (city.data / "z.csv.gz").write_bytes(gzip.compress(text.encode()))
    declare(city, "z.csv.gz", null_values=["k. A.", "-"])
    report = city.published("zahlen")
    assert city.rows("zahlen", "schluessel, einwohner, anteil", "schluessel NULLS LAST") == [("01\n02", None, 1.5), (None, None, None)]
    assert {(finding.rule, finding.field, finding.count) for finding in report.findings} == {
        ("null_values", "einwohner", 2),
        ("trim", "anteil", 1),
    }


def test_what_cannot_be_cast_is_rejected_with_its_reason(city: City) -> None:
    (city.data / "z.csv").write_text("Schlüssel;Einwohner;Anteil\na;1;1\nb;viele;2\nc;3;n/a\n")
    declare(city, "z.csv")
    report = city.published("zahlen")
    assert (report.rows_in, report.rows_published, report.rows_rejected) == (3, 1, 2)
    assert city.rejected(report) == [
        (2, "cast", "einwohner", "„viele“ ist keine Zahl"),
        (3, "cast", "anteil", "„n/a“ ist keine Zahl"),
    ]
    ((kept,),) = city.ask('SELECT "row" FROM meta.rejected_row WHERE sg_row = 2')
    assert kept == {"Schlüssel": "b", "Einwohner": "viele", "Anteil": "2"}
    assert report.next_step.splitlines()[0] == "Abgelehnte Zeilen ansehen: stadtgrund report zahlen --rows"


def test_rows_with_too_many_cells_are_rejected_and_the_numbers_stay_right(city: City) -> None:
    (city.data / "z.csv").write_text("Schlüssel;Einwohner;Anteil\na;1;1\nb;2;2;2\nc;3;3\nd;4\ne;acht;5\n")
    declare(city, "z.csv")
    report = city.published("zahlen")
    assert (report.rows_in, report.rows_published, report.rows_rejected) == (5, 2, 3)
    assert [row[:2] for row in city.rejected(report)] == [(2, "shape"), (4, "shape"), (5, "cast")]


def test_xlsx_with_header_junk_and_a_total_row(city: City) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Daten"
    for row in (
        ["Bericht der Stadt"],
        [],
        [None, "Schlüssel ", "Einwohner", "Anteil", "Stand"],
        [None, "0101", 1200, 12.5, datetime(2026, 1, 31)],
        [None, 7, "2.300", "1,25", "31.01.2026"],
        [None, "Summe", 3500, None, None],
    ):
        sheet.append(row)
    book.create_sheet("Legende")
    book.save(city.data / "z.xlsx")
    declare(
        city,
        "z.xlsx",
        [*FIELDS, {"name": "stand", "from": "Stand", "type": "date", "format": "%d.%m.%Y"}],
        header_row=3,
        decimal=",",
        skip_rows={"Schlüssel": "Summe"},
    )
    report = city.published("zahlen")
    assert (report.rows_in, report.rows_skipped) == (2, 1)
    day = date(2026, 1, 31)
    assert city.rows("zahlen", "schluessel, einwohner, anteil, stand", "schluessel") == [("0101", 1200, 12.5, day), ("7", 2300, 1.25, day)]
    assert "Übersprungen" in report.text() and any("„Daten“" in note for note in report.notes)
    declare(city, "z.xlsx", sheet="Gibtsnicht")
    report = city.load("zahlen")
    assert report.next_step == "Vorhanden sind: Daten, Legende."


def test_coordinates_in_two_columns(city: City) -> None:
    (city.data / "z.csv").write_text("name;Rechtswert;Hochwert\nA;380000,5;5.700.000,25\nB;;\nC;abc;1\n")
    city.declare(
        "orte",
        {"kind": "table", "location": "${DATA}/z.csv", "decimal": ",", "x": "Rechtswert", "y": "Hochwert", "crs": "EPSG:25832"},
        [{"name": "name", "type": "string"}],
        geometry={"type": "Point", "crs": "EPSG:25832"},
    )
    report = city.published("orte")
    assert city.rows("orte", "name, ST_AsText(geom)", "name") == [("A", "POINT(380000.5 5700000.25)"), ("B", None)]
    assert [row[1:3] for row in city.rejected(report)] == [("cast", "Rechtswert")]


def test_keys_are_brought_to_their_form_and_odd_ones_told(city: City) -> None:
    (city.data / "z.csv").write_text("Schlüssel;plz\na;1067\nb;44137.0\nc;Dortmund\nd;44137\n")
    city.declare(
        "orte",
        {"kind": "table", "location": "${DATA}/z.csv"},
        [{"name": "name", "from": "Schlüssel", "type": "string"}, {"name": "plz", "type": "string", "key": "plz"}],
    )
    report = city.published("orte")
    assert city.rows("orte", "plz", "name") == [("01067",), ("44137",), ("Dortmund",), ("44137",)]
    assert [(finding.on_fail, finding.count) for finding in report.findings if finding.rule == "key"] == [("repair", 2), ("report", 1)]
    assert "„1067“ → „01067“" in report.text()


def test_wrong_and_unknown_encodings(city: City) -> None:
    (city.data / "z.csv").write_bytes("Schlüssel;Einwohner;Anteil\nä;1;1\n".encode("cp1252"))
    declare(city, "z.csv", encoding="utf-8")
    report = city.load("zahlen")
    assert report.status == "failed" and "nicht in utf-8 kodiert: Zeile 1 hat das Byte 0xFC" in report.error
    declare(city, "z.csv", encoding="klingonisch")
    assert "klingonisch" in city.load("zahlen").error


def test_a_missing_column_and_twins(city: City) -> None:
    (city.data / "z.csv").write_text("Schluessel;Einwohner;Anteil;Anteil\na;1;1;1\n")
    declare(city, "z.csv")
    report = city.load("zahlen")
    assert "z.csv hat keine Spalte 'Schlüssel' (gemeint 'Schluessel'?)" in report.error
    (city.data / "z.csv").write_text("Schlüssel;Einwohner;Anteil;Anteil\na;1;1;1\n")
    assert "mehrfach" in city.load("zahlen").error


@pytest.mark.parametrize(("content", "told"), [("", "keine Zeile 1"), ("Schlüssel;Einwohner;Anteil\n", "Keine Zeile bleibt übrig")])
def test_empty_files(city: City, content: str, told: str) -> None:
    (city.data / "z.csv").write_text(content)
    declare(city, "z.csv")
    assert told in city.load("zahlen").error


def test_broken_files(city: City) -> None:
    (city.data / "z.csv.gz").write_bytes(gzip.compress(b"a;b\n" * 10000)[:40])
    declare(city, "z.csv.gz")
    assert "kein vollständiges gzip" in city.load("zahlen").error
    (city.data / "z.xlsx").write_bytes(b"kein xlsx")
    declare(city, "z.xlsx")
    assert "keine lesbare XLSX-Datei" in city.load("zahlen").error


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "row"), [("Berlin_LOR_Versorgungsdaten_Stand_2402.xlsx", 4), ("Berlin_LOR_Versorgungsdaten_Stand_2402.csv", 3)]
)
def test_a_real_sheet_with_merged_headers_and_a_total_row(city: City, shared_data: Path, name: str, row: int) -> None:
    (city.data / name).write_bytes((shared_data / "berlin" / "gigabit-xlsx" / name).read_bytes())
    fields = [
        {"name": "plr_id", "from": "LOR Planungsräume Nummer", "type": "string"},
        {"name": "bezirk", "from": "Bezirk Nummer", "type": "string"},
    ]
    declare(city, name, fields, header_row=row, skip_rows={"Bezirk Nummer": "00"})
    report = city.published("zahlen")
    assert (report.rows_in, report.rows_skipped) == (542, 1)
    assert city.rows("zahlen", "plr_id", "plr_id")[0] == ("01100101",)
