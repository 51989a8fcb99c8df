"""The rows behind the abstract tests, what the tests know of them without PostGIS, and what the fuzzed city has beside them."""

from __future__ import annotations

__all__ = ["CLOSED", "CONTRACTS", "GRID", "JOIN", "KEY", "ROWS", "RULES", "TABLE", "TABLE_ROWS", "Row", "place"]

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

Row = dict[str, Any]
KEY = "sg_" + "p" * 43
"""Of the administration."""

_FIELDS = [
    {"name": "nr", "type": "integer", "required": True, "unique": True},
    {"name": "name", "type": "string"},
    {"name": "einwohner", "type": "integer"},
    {"name": "haushalte", "type": "integer"},
    {"name": "dichte", "type": "number"},
    {"name": "abgabe", "type": "decimal"},
    {"name": "hauptort", "type": "boolean"},
    {"name": "beginn", "type": "date"},
    {"name": "ende", "type": "date"},
    {"name": "von", "type": "datetime"},
    {"name": "bis", "type": "datetime"},
]


def _contract(name: str, geometry: str) -> dict[str, Any]:
    return {
        "id": name,
        "title": {"de": name.capitalize(), "en": name.capitalize()},
        "description": {"de": "Für die Prüfung an den Standards."},
        "source": {"kind": "ogr", "location": f"${{DATA}}/{name}.gpkg", "crs": "EPSG:25832", "rhythm": "yearly"},
        "geometry": {"type": geometry, "crs": "EPSG:25832"},
        "id_field": {"kind": "column", "column": "nr"},
        "fields": _FIELDS,
        "temporal": {"start": "von", "end": "bis"} if name == "orte" else {"instant": "beginn"},
        "sortables": ["name", "einwohner"],
        "publish": {"items": True, "tiles": {"zoom": [8, 16]}},
    }


CONTRACTS = (_contract("orte", "Point"), _contract("wege", "LineString"), _contract("flaechen", "Polygon"))

# What only the fuzzed city has: each kind of collection and of operation that there is.
CLOSED = _contract("leitungen", "LineString")
TABLE: Row = {
    "id": "zahlen",
    "title": {"de": "Zahlen"},
    "description": {"de": "Personen je Fläche und Jahr, ohne Geometrie."},
    "source": {"kind": "table", "location": "${DATA}/zahlen.csv", "rhythm": "yearly"},
    "id_field": {"kind": "composite", "columns": ["nr", "jahr"]},
    "fields": [
        {"name": "nr", "type": "integer", "required": True},
        {"name": "jahr", "type": "integer", "required": True},
        {"name": "personen", "type": "integer", "unit": "1"},
    ],
    "forms": {"open": {"min_count": {"minimum": 5, "fields": ["personen"]}}},
    "sortables": ["jahr"],
    "publish": {"items": True},
}
JOIN: Row = {
    "id": "zahlen_flaechen",
    "title": {"de": "Zahlen je Fläche"},
    "description": {"de": "Flächen mit ihren Personen; kleine Zahlen sind geheim."},
    "source": {
        "kind": "join",
        "left": "flaechen",
        "right": "zahlen",
        "on": [{"left": "nr", "right": "nr"}],
        "join": "key",
        "unmatched_left": "keep",
    },
    "geometry": {"type": "Polygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "content"},
    "fields": [
        {"name": "nr", "from": "left.nr", "type": "integer", "required": True},
        {"name": "name", "from": "left.name", "type": "string"},
        {"name": "jahr", "from": "right.jahr", "type": "integer"},
        {"name": "personen", "from": "right.personen", "type": "integer", "unit": "1"},
    ],
    "forms": {"open": {"min_count": {"minimum": 5, "fields": ["personen"]}}},
    "sortables": ["nr"],
    "publish": {"items": True, "tiles": {"zoom": [8, 16]}},
}
GRID: Row = {
    "id": "tiefe",
    "title": {"de": "Tiefe"},
    "description": {"de": "Überflutungstiefe."},
    "source": {"kind": "raster", "location": "${DATA}/tiefe.tif", "crs": "EPSG:25832", "unit": "m", "nodata": -9999},
}
_OFFICE = {"class": "Hinweis", "office": "Amt 62"}
RULES: Row = {
    "version": "1",
    "max_area_ha": 20,
    "max_extent_km": 2,
    "max_vertices": 200,
    "rules": [
        {"id": "nah", "kind": "near", "title": {"de": "Orte"}, "collection": "orte", "distance_m": 20, "show": ["name"], **_OFFICE},
        {"id": "netz", "kind": "near", "title": {"de": "Leitungen"}, "collection": "leitungen", "restricted": True, **_OFFICE},
        {"id": "bau", "kind": "works", "title": {"de": "Flächen"}, "collection": "flaechen", "begin": "beginn", "end": "ende", **_OFFICE},
        {"id": "regen", "kind": "rain", "title": {"de": "Regen"}, "collection": "tiefe", **_OFFICE},
    ],
}

# The names that the standard's own examples ask for, and those that tell its escapes apart.
_NAMES = (
    "København", "KØBENHAVN", "Kiev", "kiev", "Berlin", "Bern", "Bar", "Beirut", "Chișinău", "Chisinau", "Äpfel", "Apfel",
    "O'Brien", "foo", "FOO", "foo%bar", "%_", "Straße", "STRASSE", "äöüéáí", "aoueai", None,
)  # fmt: skip
_MOMENT = datetime(2022, 4, 14, 14, 48, 46, tzinfo=UTC)
_X, _Y = 360_000, 5_700_000


def _rows(kind: str) -> list[Row]:
    chance = random.Random(kind)
    rows = []
    for nr in range(1, 67):
        begin = chance.choice([date(2022, 4, 14), date(2021, 1, 1), date(2020, 12, 31), date(2021, 6, 1), None])
        start = chance.choice([_MOMENT, _MOMENT - timedelta(days=400), datetime(2021, 1, 1, tzinfo=UTC), _MOMENT + timedelta(days=9), None])
        people = chance.choice([1, 2, 3, 100, 1_038_288, 4_000_000, None])
        rows.append(
            {
                "nr": nr,
                "name": _NAMES[nr % len(_NAMES)],
                "einwohner": people,
                "haushalte": chance.choice([people, 2, 50]),
                "dichte": chance.choice([3.14, 0.5, 100.0, -2.25, None]),
                "abgabe": chance.choice(["1.10", "3.14", None]),
                "hauptort": chance.choice([True, False, None]),
                "beginn": begin,
                "ende": begin and begin + timedelta(days=chance.choice([0, 1, 364, 400])),
                "von": start,
                "bis": start and start + timedelta(seconds=chance.choice([0, 60, 31_535_999])),
                "geom": _shape(kind, _X + 100 * (nr % 8), _Y + 100 * (nr // 8), nr),
            }
        )
    return rows


def _shape(kind: str, x: int, y: int, nr: int) -> str | None:
    """Shapes on a grid of 100 m, so that they touch, cross, overlap and equal what the tests state; one row has none."""
    if nr == 13:
        return None
    if kind == "orte":
        return f"POINT({x} {y})"
    if kind == "wege":
        return f"LINESTRING({x} {y}, {x + 100} {y})" if nr % 2 else f"LINESTRING({x} {y}, {x + 60} {y + 80}, {x + 100} {y + 80})"
    return f"POLYGON(({x} {y}, {x + 100} {y}, {x + 100} {y + 100}, {x} {y + 100}, {x} {y}))"


ROWS: dict[str, list[Row]] = {kind: _rows(kind) for kind in ("orte", "wege", "flaechen")}
TABLE_ROWS: list[Row] = [{"nr": nr, "jahr": year, "personen": nr % 9 or None} for nr in range(1, 50) for year in (2023, 2024)]


def place(row: Row) -> BaseGeometry | None:
    """Return the geometry of a row, in EPSG:25832."""
    return shapely.from_wkt(row["geom"]) if row["geom"] else None
