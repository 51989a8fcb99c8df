"""A served deployment: the three test layers, a closed one, both profiles, over real PostGIS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.client import Client
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

KEY = "sg_" + "k" * 43
CLOSED: dict[str, Any] = {
    "id": "geheimleitungen",
    "title": {"de": "Geheimleitungen", "en": "Secret lines"},
    "description": {"de": "Verborgene Leitungen der Stadt."},
    "keywords": ["Verborgenes"],
    "source": {"kind": "ogr", "location": "${DATA}/geheim.gpkg", "crs": "EPSG:25832"},
    "geometry": {"type": "LineString", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "leitungsnr"},
    "fields": [
        {"name": "leitungsnr", "type": "integer", "required": True, "unique": True},
        {"name": "verbaumaterial", "type": "string"},
    ],
    "sortables": ["verbaumaterial"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18]}},
}
HIDDEN_FIELD = {"name": "betreiberkonto", "type": "string", "title": {"de": "Betreiberkonto"}, "grounds": ["personal_data"]}

POLES: list[dict[str, Any]] = [
    {
        "nummer": n,
        "name": ["Ahorn", "Birke", "a<b>&c", "O'Brien", "=SUMME(A1)", "Straße", None][n % 7],
        "art": "holz" if n % 2 else "stahl",
        "hoehe": None if n % 5 == 0 else n / 4,
        "kosten": f"{n}.10",
        "leuchtet": bool(n % 3),
        "gebaut": f"20{10 + n % 10:02d}-0{1 + n % 9}-15",
        "gewartet": f"2024-01-{1 + n % 28:02d}T10:00:00+01:00",
        "kennung": f"00000000-0000-4000-8000-{n:012d}",
        "technik": {"lampe": n, "<x>": [1, None]},
        "gross_nr": 2**53 + n,
        "betreiberkonto": f"DE-KONTO-{n}",
        "geom": None if n == 24 else f"POINT({360000 + 10 * n} {5700000 + 10 * (n % 5)})",
    }
    for n in range(1, 61)
]
AREAS: list[dict[str, Any]] = [
    {
        "schluessel": f"0{n}/x",
        "name": f"Gebiet {n}",
        "beginn": f"20{10 + n}-01-01",
        "ende": None if n == 3 else f"20{10 + n}-12-31",
        "geom": f"MULTIPOLYGON((({x} 5700000, {x + 400} 5700000, {x + 400} 5700400, {x} 5700400, {x} 5700000)))",
    }
    for n, x in ((1, 360000), (2, 360400), (3, 360800))
]
FIGURES: list[dict[str, Any]] = [{"schluessel": f"0{n}", "jahr": year, "einwohner": n * 2} for n in (1, 2, 3) for year in (2020, 2021)]
LINES: list[dict[str, Any]] = [
    {
        "leitungsnr": 77_000_000 + n,
        "verbaumaterial": f"Asbestzement-{n}",
        "geom": f"LINESTRING(360000 {5700000 + n / 10}, 361000 {5700000 + n / 10})",
    }
    for n in range(1, 1778)
]


def add_key(db: Database, key: str = KEY, label: str = "Test", profile: str = "verwaltung") -> None:
    """Store an API key."""
    with db.connect("owner", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta.api_key (sha256, label, profile) VALUES (%s, %s, %s)",
            (hashlib.sha256(key.encode()).hexdigest(), label, profile),
        )


def write_served(folder: Path) -> Path:
    """Write the deployment: `masten` with a field that is not open, `gebiete`, `zahlen`, and a closed layer."""
    masten = contract_of({**MASTEN, "fields": [*MASTEN["fields"], HIDDEN_FIELD]})
    contracts = [
        checked(masten),
        checked(contract_of(GEBIETE)),
        checked(contract_of(ZAHLEN)),
        checked(contract_of(CLOSED), "security_critical"),
    ]
    return write_deployment(folder, *contracts)


def fill(db: Database, deployment: registry.Deployment) -> None:
    """Publish all rows and store the key."""
    for dataset, rows in (("masten", POLES), ("gebiete", AREAS), ("zahlen", FIGURES), ("geheimleitungen", LINES)):
        publish_rows(db, deployment, dataset, rows)
    add_key(db)


@pytest.fixture(scope="session")
def served_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_served(tmp_path_factory.mktemp("served") / "teststadt")


@pytest.fixture(scope="session")
def served_db(server: Server, served_folder: Path) -> Iterator[Database]:
    """The database behind `client`: tests read it and do not change it."""
    database = server.clone()
    fill(database, registry.read(served_folder, served_folder / "data"))
    yield database
    server.drop(database.name)


@pytest.fixture(scope="session")
def client(server: Server, served_db: Database, served_folder: Path) -> Iterator[Client]:
    """The application, asked without a socket."""
    made = Client(create_app(settings_for(server, served_db, served_folder)))
    yield made
    made.close()


@pytest.fixture
def own_client(server: Server, db: Database, served_folder: Path) -> Iterator[Client]:
    """An application over a database of the test's own, with `masten` and `zahlen`."""
    deployment = registry.read(served_folder, served_folder / "data")
    for dataset, rows in (("masten", POLES), ("zahlen", FIGURES)):
        publish_rows(db, deployment, dataset, rows)
    made = Client(create_app(settings_for(server, db, served_folder)))
    yield made
    made.close()
