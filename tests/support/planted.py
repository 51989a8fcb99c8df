"""A small city around one project, with each object planted at a known distance and time, for the check of projects and its page.

The project `P` is 100 m by 40 m with its south-west corner at `ORIGIN`, from 2027-03-01 to 2027-04-30.
"""

from __future__ import annotations

__all__ = ["BAUSTELLEN", "CELL_M", "KEY", "MEASURES", "ORIGIN", "PROJECT", "RULES", "depth_values", "publish_planted", "write_planted"]

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import yaml
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

from etl import pipeline
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database
from support.deployment import checked, contract_of, write_deployment
from support.rows import publish_rows

KEY = "sg_" + "p" * 43
ORIGIN = (374_000.0, 5_703_000.0)
PROJECT = shapely.box(ORIGIN[0], ORIGIN[1], ORIGIN[0] + 100, ORIGIN[1] + 40)
CELL_M = 5.0
GRID = (ORIGIN[0] - 200, ORIGIN[1] + 300, 120, 120)
"""West, north, columns and rows of the depth raster; its east half of the project has no data."""


def _dataset(name: str, geometry: str, key: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    srid = more.pop("crs", "EPSG:25832")
    return {
        "id": name,
        "title": {"de": name.capitalize()},
        "description": {"de": f"Gepflanzt: {name}."},
        "keywords": ["Planung"],
        "source": {"kind": "ogr", "location": f"${{DATA}}/{name}.gpkg", "crs": srid},
        "geometry": {"type": geometry, "crs": srid},
        "id_field": {"kind": "column", "column": key},
        "fields": [{"name": key, "type": "string", "title": {"de": "Nummer"}, "required": True, "unique": True}, *fields],
        "sortables": [key],
        "publish": {"items": True, "tiles": {"zoom": [8, 17]}},
        **more,
    }


_NAME = {"name": "name", "type": "string", "title": {"de": "Name"}}
_STATES = {"geplant": {"de": "in Planung"}, "in Bau": {"de": "in Bau"}, "storniert": {"de": "storniert"}}
BAUSTELLEN = _dataset(
    "baustellen",
    "Polygon",
    "nummer",
    [
        {"name": "titel", "type": "string", "title": {"de": "Titel"}},
        {"name": "status", "type": "string", "title": {"de": "Stand"}, "values": _STATES},
        {"name": "beginn", "type": "date", "title": {"de": "Beginn"}},
        {"name": "ende", "type": "date", "title": {"de": "Ende"}},
    ],
    temporal={"start": "beginn", "end": "ende"},
)
BAEUME = _dataset(
    "baeume",
    "Point",
    "nummer",
    [
        {"name": "krone_m", "type": "number", "unit": "m", "title": {"de": "Krone"}},
        {"name": "umfang_cm", "type": "integer", "unit": "cm", "title": {"de": "Umfang"}},
    ],
)
LEITUNGEN = _dataset("leitungen", "LineString", "haltung", [{"name": "sparte", "type": "string", "title": {"de": "Sparte"}}])
DENKMALE = _dataset("denkmale", "MultiPolygon", "nummer", [_NAME])
SCHUTZGEBIETE = _dataset("schutzgebiete", "MultiPolygon", "nummer", [_NAME])
MESSSTELLEN = _dataset("messstellen", "Point", "nummer", [_NAME], crs="EPSG:25833")
FLURSTUECKE = _dataset("flurstuecke", "MultiPolygon", "kennzeichen", [])
STRASSEN = _dataset("strassen", "LineString", "nummer", [_NAME])
ADRESSEN = _dataset(
    "adressen",
    "Point",
    "nummer",
    [{"name": "strasse", "type": "string", "title": {"de": "Straße"}}, {"name": "hausnummer", "type": "integer"}],
)
ORTSTEILE = _dataset("ortsteile", "MultiPolygon", "nummer", [_NAME])
TIEFE: dict[str, Any] = {
    "id": "tiefe",
    "title": {"de": "Überflutungstiefe"},
    "description": {"de": "Gepflanzte Tiefen."},
    "source": {"kind": "raster", "location": "${DATA}/tiefe.tif", "crs": "EPSG:25832", "nodata": -9999, "unit": "m", "scenario": "selten"},
}

PARCEL = "05911100100012000300"[:18] + "__"


def _box(x: float, y: float, width: float, height: float) -> shapely.Polygon:
    return shapely.box(ORIGIN[0] + x, ORIGIN[1] + y, ORIGIN[0] + x + width, ORIGIN[1] + y + height)


def _point(x: float, y: float) -> shapely.Point:
    return shapely.Point(ORIGIN[0] + x, ORIGIN[1] + y)


MEASURES: dict[str, tuple[shapely.Polygon, str, str | None, str | None]] = {
    # number: place, state, begin, end
    "P": (PROJECT, "geplant", "2027-03-01", "2027-04-30"),
    "innen-zeitgleich": (_box(10, 10, 20, 10), "in Bau", "2027-04-01", "2027-06-30"),
    "letzter-tag": (_box(50, 10, 10, 10), "geplant", "2027-04-30", "2027-05-30"),
    "tag-danach": (_box(60, 10, 10, 10), "geplant", "2027-05-01", "2027-05-30"),
    "vor-730-tagen": (_box(30, -5, 10, 10), "geplant", "2025-01-01", "2025-03-01"),
    "vor-731-tagen": (_box(30, -5, 10, 10), "geplant", "2025-01-01", "2025-02-28"),
    "nach-730-tagen": (_box(70, 10, 10, 10), "geplant", "2029-04-29", "2029-05-30"),
    "nach-731-tagen": (_box(70, 10, 10, 10), "geplant", "2029-04-30", "2029-05-30"),
    "offenes-ende": (_box(0, 45, 10, 10), "in Bau", "2026-01-01", None),
    "9,99-m": (_box(100 + 9.99, 0, 10, 10), "geplant", "2027-03-05", "2027-03-06"),
    "10,01-m": (_box(100 + 10.01, 20, 10, 10), "geplant", "2027-03-05", "2027-03-06"),
    "storniert": (_box(10, 20, 10, 10), "storniert", "2027-03-05", "2027-03-06"),
}

RULES: dict[str, Any] = {
    "version": "Prüfstand 1",
    "baustelle": {"collection": "baustellen", "key": "nummer", "title": "titel", "begin": "beginn", "end": "ende"},
    "flurstueck": {"collection": "flurstuecke", "key": "kennzeichen", "key_type": "flurstueck", "title": "kennzeichen"},
    "background": [{"collection": "strassen", "line": "#b8bcc2", "label": "name"}, {"collection": "gibtsnicht", "line": "#b8bcc2"}],
    "max_area_ha": 20,
    "max_extent_km": 2,
    "max_vertices": 200,
    "rules": [
        {
            "id": "zeitgleich",
            "kind": "works",
            "title": {"de": "Andere Baustelle zur selben Zeit"},
            "class": "Konflikt",
            "office": "Koordinierung",
            "collection": "baustellen",
            "begin": "beginn",
            "end": "ende",
            "show": ["nummer", "titel", "status"],
            "exclude": {"status": ["storniert"]},
        },
        {
            "id": "synergie",
            "kind": "works",
            "title": {"de": "Andere Baustelle in zwei Jahren"},
            "class": "Synergie",
            "office": "Koordinierung",
            "collection": "baustellen",
            "begin": "beginn",
            "end": "ende",
            "gap_days": 730,
            "exclude": {"status": ["storniert"]},
        },
        {
            "id": "leitungen",
            "kind": "near",
            "title": {"de": "Leitungen"},
            "class": "Auflage",
            "office": "Stadtwerke, Leitungsauskunft",
            "collection": "leitungen",
            "restricted": True,
            "distance_m": 3,
            "show": ["haltung", "sparte"],
        },
        {
            "id": "wurzeln",
            "kind": "roots",
            "title": {"de": "Wurzeln"},
            "class": "Auflage",
            "office": "Grünflächenamt",
            "collection": "baeume",
            "crown_diameter_m": "krone_m",
            "girth_cm": "umfang_cm",
            "show": ["nummer", "krone_m", "umfang_cm"],
        },
        {
            "id": "denkmale",
            "kind": "near",
            "title": {"de": "Denkmale"},
            "class": "Auflage",
            "office": "Denkmalbehörde",
            "collection": "denkmale",
            "distance_m": 20,
            "show": ["name"],
        },
        {
            "id": "schutzgebiete",
            "kind": "near",
            "title": {"de": "Schutzgebiete"},
            "class": "Auflage",
            "office": "Naturschutz",
            "collection": "schutzgebiete",
            "show": ["name"],
        },
        {
            "id": "messstellen",
            "kind": "near",
            "title": {"de": "Messstellen"},
            "class": "Hinweis",
            "office": "Umweltamt",
            "collection": "messstellen",
            "distance_m": 30,
            "show": ["name"],
        },
        {"id": "regen", "kind": "rain", "title": {"de": "Starkregen"}, "class": "Hinweis", "office": "Entwässerung", "collection": "tiefe"},
        {
            "id": "fehlt",
            "kind": "near",
            "title": {"de": "Altlasten"},
            "class": "Auflage",
            "office": "Bodenschutz",
            "collection": "altlasten",
        },
        {
            "id": "feld_fehlt",
            "kind": "near",
            "title": {"de": "Denkmale nach Rang"},
            "class": "Hinweis",
            "office": "Denkmalbehörde",
            "collection": "denkmale",
            "show": ["rang"],
        },
    ],
}

VIEWER: dict[str, Any] = {
    "order": ["baustellen", "leitungen", "baeume", "strassen", "denkmale", "flurstuecke", "ortsteile"],
    "shown": ["ortsteile", "baustellen"],
    "search": [
        {"collection": "adressen", "title": "Adresse", "fields": ["strasse", "hausnummer"]},
        {"collection": "strassen", "title": "Straße", "fields": ["name"]},
        {"collection": "flurstuecke", "title": "Flurstück", "fields": ["kennzeichen"]},
        {"collection": "ortsteile", "title": "Ortsteil", "fields": ["name"]},
    ],
    "works": {"collection": "baustellen", "title": "titel"},
    "parcels": "flurstuecke",
}


def depth_values() -> NDArray[np.float32]:
    """Return the depths: 1 cm a row from the north, dry (0) in every third column, no data east of the project's middle."""
    values = np.repeat(np.arange(GRID[3], dtype="float32")[:, None] / 100, GRID[2], axis=1)
    values[:, ::3] = 0
    values[:, 50:] = -9999
    return values


def write_planted(folder: Path) -> Path:
    """Write the deployment with its rules, page and raster; `leitungen` are closed."""
    kinds = (BAUSTELLEN, BAEUME, DENKMALE, SCHUTZGEBIETE, MESSSTELLEN, FLURSTUECKE, STRASSEN, ADRESSEN, ORTSTEILE, TIEFE)
    contracts = [checked(contract_of(values)) for values in kinds]
    write_deployment(folder, *contracts, checked(contract_of(LEITUNGEN), "security_critical"))
    (folder / "rules").mkdir()
    (folder / "rules" / "construction_overlay.yaml").write_text(yaml.safe_dump(RULES, allow_unicode=True), encoding="utf-8")
    (folder / "viewer.yml").write_text(yaml.safe_dump(VIEWER, allow_unicode=True), encoding="utf-8")
    west, north, columns, rows = GRID
    with rasterio.open(
        folder / "data" / "tiefe.tif",
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=1,
        dtype="float32",
        crs="EPSG:25832",
        transform=from_origin(west, north, CELL_M, CELL_M),
        nodata=-9999,
    ) as grid:
        grid.write(depth_values(), 1)
    return folder


def _rows() -> dict[str, list[dict[str, Any]]]:
    chance = random.Random(4711)
    trees: list[tuple[str, float | None, int | None, shapely.Point]] = [
        # radius 8 / 2 + 1.5 = 5.5 m; at least 2.5 m; 4 times a girth of 2 m
        ("krone-5,4", 8.0, 50, _point(-5.4, 20)),
        ("krone-5,6", 8.0, 50, _point(-5.6, 25)),
        ("klein-2,4", 1.0, 10, _point(20, -2.4)),
        ("klein-2,6", 1.0, 10, _point(25, -2.6)),
        ("umfang-7,9", 3.0, 200, _point(107.9, 20)),
        ("umfang-8,1", 3.0, 200, _point(108.1, 25)),
        ("ohne-masse-2,4", None, None, _point(40, -2.4)),
        ("rand-2,5", None, None, _point(60, -2.5)),
    ]
    for number in range(300):
        place = _point(chance.uniform(-30, 130), chance.uniform(-30, 70))
        trees.append(
            (
                f"z{number:03d}",
                chance.choice((None, round(chance.uniform(0.5, 18), 1))),
                chance.choice((None, chance.randrange(300))),
                place,
            )
        )
    centre = shapely.Point(*ORIGIN)
    return {
        "baustellen": [
            {"nummer": name, "titel": f"Maßnahme {name}", "status": state, "beginn": begin, "ende": end, "geom": place.wkt}
            for name, (place, state, begin, end) in MEASURES.items()
        ],
        "baeume": [{"nummer": n, "krone_m": crown, "umfang_cm": girth, "geom": place.wkt} for n, crown, girth, place in trees],
        "leitungen": [
            {"haltung": "H-geheim-1", "sparte": "Strom", "geom": _line((-10, 5), (60, 5))},
            {"haltung": "H-geheim-2", "sparte": "Kanal", "geom": _line((0, -2.9), (60, -2.9))},
            {"haltung": "H-geheim-3", "sparte": "Kanal", "geom": _line((0, -3.1), (60, -3.1))},
        ],
        "denkmale": [
            {"nummer": "D1", "name": "Tor <b>& Turm", "geom": shapely.MultiPolygon([_box(20, 40 + 19.9, 10, 10)]).wkt},
            {"nummer": "D2", "name": "Mühle", "geom": shapely.MultiPolygon([_box(40, 40 + 20.1, 10, 10)]).wkt},
            {"nummer": "D3", "name": "Brunnen", "geom": shapely.MultiPolygon([_box(80, 30, 40, 40)]).wkt},
        ],
        "schutzgebiete": [
            {"nummer": "S1", "name": "Aue", "geom": shapely.MultiPolygon([_box(-50, -50, 75.5, 60)]).wkt},
            {"nummer": "S2", "name": "Rain", "geom": shapely.MultiPolygon([_box(0, 40.01, 50, 5)]).wkt},
        ],
        # In EPSG:25833, some 6 degrees west of its zone: what a box is there is askew here.
        "messstellen": [
            {"nummer": f"M{number}", "name": f"Stelle {number}", "geom": shapely.to_wkt(_in_25833(x, y), rounding_precision=6)}
            for number, (x, y) in enumerate(
                (ORIGIN[0] + chance.uniform(-60, 160), ORIGIN[1] + chance.uniform(-60, 100)) for _ in range(80)
            )
        ],
        "flurstuecke": [{"kennzeichen": PARCEL, "geom": shapely.MultiPolygon([_box(300, 300, 50, 50)]).wkt}],
        "strassen": [{"nummer": "1", "name": "Lange Straße", "geom": _line((-300, 20), (400, 20))}],
        "adressen": [
            {"nummer": f"A{number}", "strasse": "Lange Straße", "hausnummer": number, "geom": _point(number * 8, 45).wkt}
            for number in range(1, 60)
        ],
        "ortsteile": [{"nummer": "1", "name": "Südstadt", "geom": shapely.MultiPolygon([centre.buffer(900).simplify(5)]).wkt}],
    }  # fmt: skip


def _line(*places: tuple[float, float]) -> str:
    return shapely.LineString([(ORIGIN[0] + x, ORIGIN[1] + y) for x, y in places]).wkt


def _in_25833(x: float, y: float) -> shapely.Point:
    return shapely.Point(Transformer.from_crs("EPSG:25832", "EPSG:25833", always_xy=True).transform(x, y))


def publish_planted(db: Database, folder: Path) -> None:
    """Publish all rows and the raster, and store `KEY` for the administration."""
    deployment = registry.read(folder, folder / "data")
    for dataset, rows in _rows().items():
        publish_rows(db, deployment, dataset, rows)
    report = pipeline.load(db, deployment, "tiefe")
    assert report.status == "published", report.text()
    with db.connect("owner", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta.api_key (sha256, label, profile) VALUES (%s, 'Planung', 'verwaltung')",
            (hashlib.sha256(KEY.encode()).hexdigest(),),
        )
