"""A small city for other people's programs: every geometry and field type, awkward texts, two storage CRSs, a join with suppression.

It is written as files and loaded by the `stadtgrund` command, so that nothing between a file and a client is left out.
"""

from __future__ import annotations

__all__ = ["CLOSED", "CONTRACTS", "SPATIAL", "TABLES", "write_city"]

import random
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import pandas
import shapely

from support.deployment import checked, contract_of, write_deployment

SEED = 20260301
CENTRE = 374_000.0, 5_703_000.0
"""In EPSG:25832; the box of the test deployment lies around it."""

_TITLE = {"type": "string", "title": {"de": "Bezeichnung"}}

BAEUME: dict[str, Any] = {
    "id": "baeume",
    "title": {"de": "Bäume", "en": "Trees"},
    "description": {"de": "Straßenbäume mit allen Feldarten."},
    "source": {"kind": "ogr", "location": "${DATA}/baeume.gpkg", "crs": "EPSG:25832", "rhythm": "yearly"},
    "geometry": {"type": "Point", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "nummer"},
    "fields": [
        {"name": "nummer", "type": "integer", "title": {"de": "Baumnummer"}, "required": True, "unique": True},
        {"name": "art", "type": "string", "title": {"de": "Baumart"}},
        {"name": "bemerkung", "type": "string"},
        {"name": "hoehe_m", "type": "number", "unit": "m"},
        {"name": "umfang_cm", "type": "integer", "unit": "cm"},
        {"name": "geschuetzt", "type": "boolean"},
        {"name": "gepflanzt", "type": "date"},
        {"name": "besichtigt", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
    ],
    "temporal": {"instant": "gepflanzt"},
    "sortables": ["nummer", "art", "gepflanzt"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
STRASSEN: dict[str, Any] = {
    "id": "strassen",
    "title": {"de": "Straßen"},
    "description": {"de": "Straßenachsen."},
    "source": {"kind": "ogr", "location": "${DATA}/strassen.geojson", "crs": "EPSG:25832", "rhythm": "yearly"},
    "geometry": {"type": "MultiLineString", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "schluessel"},
    "fields": [
        {"name": "schluessel", "type": "string", "title": {"de": "Schlüssel"}, "required": True, "unique": True},
        {"name": "name", "type": "string"},
        {"name": "laenge_m", "type": "number", "unit": "m"},
    ],
    "sortables": ["schluessel", "name"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
GEBAEUDE: dict[str, Any] = {
    "id": "gebaeude",
    "title": {"de": "Gebäude"},
    "description": {"de": "Gebäude, manche mit Innenhof."},
    "source": {"kind": "ogr", "location": "${DATA}/gebaeude.gpkg", "crs": "EPSG:25832", "rhythm": "yearly"},
    "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "gebaeude_id"},
    "fields": [
        {"name": "gebaeude_id", "type": "string", "required": True, "unique": True},
        {"name": "geschosse", "type": "integer"},
        {"name": "baujahr", "type": "integer"},
        {
            "name": "nutzung",
            "type": "string",
            "values": {"wohnen": {"de": "Wohnen"}, "gewerbe": {"de": "Gewerbe"}, "schule": {"de": "Schule"}},
        },
    ],
    "sortables": ["gebaeude_id", "baujahr"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
PEGEL: dict[str, Any] = {
    "id": "pegel",
    "title": {"de": "Pegel"},
    "description": {"de": "Messstellen in EPSG:25833, einige ohne Ort."},
    "source": {"kind": "ogr", "location": "${DATA}/pegel.gpkg", "crs": "EPSG:25833", "rhythm": "daily"},
    "geometry": {"type": "Point", "crs": "EPSG:25833"},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [
        {"name": "nr", "type": "string", "required": True, "unique": True},
        {"name": "wasserstand_cm", "type": "decimal", "unit": "cm"},
    ],
    "sortables": ["nr"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
ORTSTEILE: dict[str, Any] = {
    "id": "ortsteile",
    "title": {"de": "Ortsteile"},
    "description": {"de": "Ortsteile."},
    "source": {"kind": "ogr", "location": "${DATA}/ortsteile.gpkg", "crs": "EPSG:25832", "rhythm": "yearly"},
    "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "ortsteil"},
    "fields": [{"name": "ortsteil", "type": "string", "required": True, "unique": True}, {"name": "name", "type": "string"}],
    "sortables": ["ortsteil"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
EINWOHNER: dict[str, Any] = {
    "id": "einwohner",
    "title": {"de": "Einwohner"},
    "description": {"de": "Einwohner je Ortsteil, Tabelle ohne Geometrie."},
    "source": {"kind": "table", "location": "${DATA}/einwohner.csv", "delimiter": ";", "decimal": ",", "rhythm": "yearly"},
    "id_field": {"kind": "composite", "columns": ["ortsteil", "jahr"]},
    "fields": [
        {"name": "ortsteil", "type": "string", "required": True},
        {"name": "jahr", "type": "integer", "required": True},
        {"name": "einwohner", "type": "integer", "unit": "1"},
    ],
    "sortables": ["ortsteil", "jahr"],
    "publish": {"items": True},
}
EINWOHNER_ORTSTEILE: dict[str, Any] = {
    "id": "einwohner_ortsteile",
    "title": {"de": "Einwohner je Ortsteil"},
    "description": {"de": "Ortsteile mit ihren Einwohnern; kleine Zahlen sind geheim."},
    "source": {
        "kind": "join",
        "left": "ortsteile",
        "right": "einwohner",
        "on": [{"left": "ortsteil", "right": "ortsteil"}],
        "join": "key",
        "unmatched_left": "keep",
    },
    "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "content"},
    "fields": [
        {"name": "ortsteil", "from": "left.ortsteil", "type": "string", "required": True},
        {"name": "name", "from": "left.name", "type": "string"},
        {"name": "jahr", "from": "right.jahr", "type": "integer"},
        {"name": "einwohner", "from": "right.einwohner", "type": "integer", "unit": "1"},
    ],
    "forms": {"open": {"min_count": {"minimum": 5, "fields": ["einwohner"]}}},
    "sortables": ["ortsteil"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
LEITUNGEN: dict[str, Any] = {
    "id": "leitungen",
    "title": {"de": "Leitungen"},
    "description": {"de": "Kanäle; bleiben bei der Verwaltung."},
    "source": {"kind": "ogr", "location": "${DATA}/leitungen.gpkg", "crs": "EPSG:25832", "rhythm": "yearly"},
    "geometry": {"type": "MultiLineString", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "haltung"},
    "fields": [{"name": "haltung", "type": "string", "required": True, "unique": True}],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}

CONTRACTS = (BAEUME, STRASSEN, GEBAEUDE, PEGEL, ORTSTEILE, EINWOHNER, EINWOHNER_ORTSTEILE, LEITUNGEN)
SPATIAL = ("baeume", "strassen", "gebaeude", "pegel", "ortsteile", "einwohner_ortsteile")
"""Open collections with a geometry."""
TABLES = ("einwohner",)
CLOSED = ("leitungen",)


def write_city(folder: Path) -> Path:
    """Write deployment folder and files; equal for every run."""
    made = []
    for values in CONTRACTS:
        contract = contract_of(values)
        made.append(checked(contract, "security_critical") if contract.id in CLOSED else checked(contract))
    write_deployment(folder, *made)
    _write_files(folder / "data", random.Random(SEED))
    return folder


def _write_files(data: Path, chance: random.Random) -> None:
    _trees(chance).to_file(data / "baeume.gpkg", layer="baeume")
    _streets(chance).to_file(data / "strassen.geojson", driver="GeoJSON")
    _buildings(chance).to_file(data / "gebaeude.gpkg", layer="gebaeude")
    _gauges(chance).to_crs("EPSG:25833").to_file(data / "pegel.gpkg", layer="pegel")
    _districts().to_file(data / "ortsteile.gpkg", layer="ortsteile")
    _pipes(chance).to_file(data / "leitungen.gpkg", layer="leitungen")
    rows = ["ortsteil;jahr;einwohner"]
    # Ortsteil 09 has no row, and the row of 99 no Ortsteil.
    rows += [
        f"{number:02d};{year};{number * 400 + year - 2000 if number > 1 else 3}" for number in (*range(1, 9), 99) for year in (2023, 2024)
    ]
    (data / "einwohner.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _place(chance: random.Random, spread: float = 1500.0) -> tuple[float, float]:
    return round(CENTRE[0] + chance.uniform(-spread, spread), 3), round(CENTRE[1] + chance.uniform(-spread, spread), 3)


def _trees(chance: random.Random) -> geopandas.GeoDataFrame:
    texts = ("steht <schief> & „allein“", 'sagt "ja"', "Größe 5 % + 3", "O'Brien", "Zeile\numgebrochen", None)
    rows = []
    for number in range(1, 401):
        planted = date(1950, 1, 1) + timedelta(days=chance.randrange(27_000))
        rows.append(
            {
                "nummer": number,
                "art": chance.choice(("Linde", "Eiche", "Ahorn", "Roßkastanie")),
                "bemerkung": texts[number % len(texts)],
                "hoehe_m": None if number % 17 == 0 else round(chance.uniform(2, 35), 2),
                "umfang_cm": None if number % 13 == 0 else chance.randrange(20, 400),
                "geschuetzt": number % 3 == 0,
                "gepflanzt": None if number % 11 == 0 else planted,
                "besichtigt": datetime(2024, 3, 31, 1, 30, tzinfo=UTC) + timedelta(minutes=number),
                "kennung": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "geometry": shapely.Point(_place(chance)),
            }
        )
    frame = geopandas.GeoDataFrame(rows, crs="EPSG:25832")
    for column in ("umfang_cm",):
        frame[column] = frame[column].astype("Int64")
    frame["gepflanzt"] = pandas.to_datetime(frame["gepflanzt"]).astype("datetime64[ms]")
    return frame


def _streets(chance: random.Random) -> geopandas.GeoDataFrame:
    rows = []
    for number in range(60):
        x, y = _place(chance)
        points = [(x + step * 40, y + chance.uniform(-20, 20)) for step in range(5)]
        parts = [points] if number % 7 else [points, [(px, py + 60) for px, py in points]]
        line = shapely.MultiLineString(parts)
        # Ids as offices have them: blanks, umlauts, a slash.
        rows.append(
            {
                "schluessel": f"{number:05d}" if number % 10 else f"Ö {number}/a",
                "name": f"Straße {number}",
                "laenge_m": round(line.length, 2),
                "geometry": line,
            }
        )
    return geopandas.GeoDataFrame(rows, crs="EPSG:25832")


def _buildings(chance: random.Random) -> geopandas.GeoDataFrame:
    rows = []
    for number in range(500):
        x, y = (
            CENTRE[0] - 1400 + (number % 25) * 110 + chance.uniform(0, 40),
            CENTRE[1] - 1100 + (number // 25) * 110 + chance.uniform(0, 40),
        )
        outer = shapely.box(x, y, x + chance.uniform(10, 40), y + chance.uniform(10, 40))
        shape: Any = outer.difference(outer.buffer(-4, join_style="mitre")) if number % 9 == 0 else outer
        rows.append(
            {
                "gebaeude_id": f"DENW{number:06d}",
                "geschosse": chance.randrange(1, 9),
                "baujahr": None if number % 19 == 0 else chance.randrange(1850, 2025),
                "nutzung": chance.choice(("wohnen", "gewerbe", "schule")),
                "geometry": shapely.multipolygons([shape]),
            }
        )
    frame = geopandas.GeoDataFrame(rows, crs="EPSG:25832")
    frame["baujahr"] = frame["baujahr"].astype("Int64")
    return frame


def _gauges(chance: random.Random) -> geopandas.GeoDataFrame:
    rows = []
    for number in range(40):
        place = None if number % 8 == 0 else shapely.Point(_place(chance))
        rows.append({"nr": f"P{number:03d}", "wasserstand_cm": round(chance.uniform(10, 700), 1), "geometry": place})
    return geopandas.GeoDataFrame(rows, crs="EPSG:25832")


def _districts() -> geopandas.GeoDataFrame:
    rows = []
    for number in range(1, 10):
        x, y = CENTRE[0] - 1500 + ((number - 1) % 3) * 1000, CENTRE[1] - 1500 + ((number - 1) // 3) * 1000
        rows.append(
            {
                "ortsteil": f"{number:02d}",
                "name": f"Ortsteil {number}",
                "geometry": shapely.multipolygons([shapely.box(x, y, x + 1000, y + 1000)]),
            }
        )
    return geopandas.GeoDataFrame(rows, crs="EPSG:25832")


def _pipes(chance: random.Random) -> geopandas.GeoDataFrame:
    rows = []
    for number in range(30):
        x, y = _place(chance)
        rows.append({"haltung": f"H{number:04d}", "geometry": shapely.MultiLineString([[(x, y), (x + 50, y + 10)]])})
    return geopandas.GeoDataFrame(rows, crs="EPSG:25832")
