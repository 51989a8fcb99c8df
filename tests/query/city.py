"""Three collections with all that is difficult: `proben` (every type, ties, NULLs), `flaechen` (many areas), `punkte` (EPSG:25833)."""

from __future__ import annotations

__all__ = ["FLAECHEN", "PROBEN", "PUNKTE", "ROWS", "ZEIT", "Published", "matched"]

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import cos, inf, nan, pi, sin
from typing import Any
from uuid import UUID

import psycopg

from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection
from stadtgrund.query import FeatureQuery, Relation, items
from stadtgrund.query.expression import Expression
from stadtgrund.query.statement import Statement
from stadtgrund.store.database import Database

_COMMON: dict[str, Any] = {
    "title": {"de": "Titel"},
    "description": {"de": "Beschreibung."},
    "source": {"kind": "ogr", "location": "${DATA}/x.gpkg", "crs": "EPSG:25832", "rhythm": "monthly"},
    "publish": {"items": True, "tiles": {"zoom": [8, 18], "fields": {"<12": ["art"]}}},
}
PROBEN: dict[str, Any] = {
    **_COMMON,
    "id": "proben",
    "geometry": {"type": "Geometry", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "nummer"},
    "fields": [
        {"name": "nummer", "type": "integer", "required": True, "unique": True},
        {"name": "art", "type": "string"},
        {"name": "stufe", "type": "integer"},
        {"name": "wert", "type": "number"},
        {"name": "preis", "type": "decimal"},
        {"name": "aktiv", "type": "boolean"},
        {"name": "tag", "type": "date"},
        {"name": "zeit", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
        {"name": "technik", "type": "json"},
        {"name": "order", "type": "string"},
    ],
    "temporal": {"instant": "zeit"},
    "sortables": ["art", "stufe", "wert", "preis", "tag", "zeit", "aktiv"],
}
FLAECHEN: dict[str, Any] = {
    **_COMMON,
    "id": "flaechen",
    "geometry": {"type": "Polygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "schluessel"},
    "fields": [
        {"name": "schluessel", "type": "string", "required": True, "unique": True},
        {"name": "art", "type": "string"},
        {"name": "beginn", "type": "date"},
        {"name": "ende", "type": "date"},
    ],
    "temporal": {"start": "beginn", "end": "ende"},
    "sortables": ["art", "schluessel"],
}
PUNKTE: dict[str, Any] = {
    **_COMMON,
    "id": "punkte",
    "geometry": {"type": "Point", "crs": "EPSG:25833", "within": "anywhere", "dimensions": 3},
    "id_field": {"kind": "column", "column": "nummer"},
    "fields": [{"name": "nummer", "type": "integer", "required": True, "unique": True}, {"name": "art", "type": "string"}],
    "sortables": ["art"],
}

ZEIT = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def proben() -> list[dict[str, Any]]:
    """80 rows: values from short lists, so that ties abound, and a NULL in each column."""
    rng = random.Random(4)
    arts = ["Äpfel", "apfel", "Straße", "STRASSE", "a%b", "a_b", 'sag "ja"', "a<b>&c", "Zeile\neins,\n{", "Ümläut", "back\\slash", None]
    rows = []
    for number in range(1, 81):
        x, y = 370_000 + rng.uniform(-5000, 5000), 5_700_000 + rng.uniform(-5000, 5000)
        rows.append(
            {
                "nummer": number,
                "art": rng.choice(arts),
                "stufe": rng.choice([1, 2, 3, 2**53 + 1, -(2**63), None]),
                "wert": rng.choice([0.1, -1.5, nan, inf, -inf, 1e300, 2.0, None]),
                "preis": rng.choice([Decimal("0.10"), Decimal("12345678901234567890.123456789"), Decimal("-3"), None]),
                "aktiv": rng.choice([True, False, None]),
                "tag": rng.choice([date(2024, 5, 1), date(2024, 4, 30), date(1890, 1, 1), None]),
                "zeit": rng.choice([ZEIT, ZEIT + timedelta(hours=10, microseconds=5), ZEIT - timedelta(hours=14, seconds=1), None]),
                "kennung": rng.choice([UUID(int=1), UUID(int=2), None]),
                "technik": rng.choice([{"a": [1, {"type": "Feature", "id": 5}], "b<": "x"}, ["l"], None]),
                "order": rng.choice(["eins", "zwei", None]),
                "geom": rng.choice([f"POINT({x} {y})", f"LINESTRING({x} {y}, {x + 90} {y + 40})", None]),
            }
        )
    rows[6]["geom"] = "CURVEPOLYGON(CIRCULARSTRING(370000 5700000, 370100 5700100, 370200 5700000, 370100 5699900, 370000 5700000))"
    return rows


def flaechen() -> list[dict[str, Any]]:
    """600 areas of 4 to 8 corners, 5 to 300 m wide, every third clockwise, some without geometry or with open times."""
    rng = random.Random(8)
    rows = []
    for number in range(600):
        x, y = 360_000 + rng.uniform(0, 20_000), 5_690_000 + rng.uniform(0, 20_000)
        corners = rng.randint(4, 8)
        radius = rng.choice([5, 30, 300])
        angles = [2 * pi * k / corners for k in range(corners)]
        ring = [(x + radius * cos(angle), y + radius * sin(angle)) for angle in (angles if number % 3 else reversed(angles))]
        beginn = rng.choice([date(2024, 1, 1) + timedelta(rng.randrange(700)), None])
        rows.append(
            {
                "schluessel": f"F{number * 7919 % 10007:05d}",
                "art": rng.choice(["Wald", "Wiese", "Weg", None]),
                "beginn": beginn,
                "ende": rng.choice([None, (beginn or date(2024, 6, 1)) + timedelta(rng.randrange(90))]),
                "geom": None if number % 50 == 0 else "POLYGON((" + ", ".join(f"{a:.3f} {b:.3f}" for a, b in [*ring, ring[0]]) + "))",
            }
        )
    return rows


def punkte() -> list[dict[str, Any]]:
    """300 points around Berlin."""
    rng = random.Random(15)
    return [
        {"nummer": n, "art": "p", "geom": f"POINT Z ({370_000 + rng.uniform(0, 40_000):.3f} {5_800_000 + rng.uniform(0, 35_000):.3f} 34.5)"}
        for n in range(1, 301)
    ]


ROWS = {"proben": proben(), "flaechen": flaechen(), "punkte": punkte()}


@dataclass
class Published:
    """The three collections as the profile `open` sees them, and a connection of its role as the server uses one."""

    db: Database
    deployment: registry.Deployment
    connection: psycopg.Connection[Any]

    def relation(self, dataset: str) -> Relation:
        """Return the relation of the state that serves now."""
        row = self.connection.execute("SELECT collection, digest FROM p_open.sg_state WHERE dataset = %s", (dataset,)).fetchone()
        assert row is not None
        return Relation.of(Collection.model_validate(row[0]), "p_open", row[1])

    def row(self, statement: Statement) -> tuple[Any, ...] | None:
        """Run a statement as the server does."""
        cursor = self.connection.cursor(binary=True)
        return cursor.execute(statement.sql, statement.params, prepare=statement.prepare).fetchone()  # type: ignore[arg-type]

    def column(self, sql: str, params: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[Any]:
        """Return the first column of a reference query."""
        return [row[0] for row in self.connection.execute(sql, params)]  # type: ignore[arg-type]


def matched(city: Published, relation: Relation, expression: Expression | None) -> list[Any]:
    """Return the ids of the features for which a condition holds."""
    query = FeatureQuery(relation=relation, limit=1000, filter=expression, properties=(), skip_geometry=True)
    page = items.read_page(query, city.row(items.page(query)))
    return [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]
