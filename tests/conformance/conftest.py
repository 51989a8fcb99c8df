"""A small city of our own for the abstract tests: `orte` (points), `wege` (lines), `flaechen` (areas), a queryable of each type.

The fuzzed city has those, and each other kind of collection: a table, a join, a grid, one that is closed, and a process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from conformance.data import CLOSED, CONTRACTS, GRID, JOIN, KEY, ROWS, RULES, TABLE, TABLE_ROWS
from conformance.process_requests import INPUTS, OUTPUTS, WRONG, end, made, remove_all
from rasterio.transform import from_origin
from support.client import Client
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from etl import pipeline
from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder: `make test-all` runs those that are fast, too."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker("conformance")


def _add_key(database: Database) -> None:
    with database.connect("owner", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta.api_key (sha256, label, profile) VALUES (%s, 'Test', 'verwaltung')",
            (hashlib.sha256(KEY.encode()).hexdigest(),),
        )


@pytest.fixture(scope="session")
def tested_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deployment(tmp_path_factory.mktemp("conformance") / "teststadt", *(checked(contract_of(values)) for values in CONTRACTS))


@pytest.fixture(scope="session")
def tested_db(server: Server, tested_folder: Path) -> Iterator[Database]:
    database = server.clone()
    deployment = registry.read(tested_folder, tested_folder / "data")
    for dataset, rows in ROWS.items():
        publish_rows(database, deployment, dataset, rows)
    _add_key(database)
    yield database
    server.drop(database.name)


@pytest.fixture(scope="session")
def client(server: Server, tested_db: Database, tested_folder: Path) -> Iterator[Client]:
    """The application over the city, asked without a socket."""
    made = Client(create_app(settings_for(server, tested_db, tested_folder)))
    yield made
    made.close()


@pytest.fixture(scope="session")
def fuzzed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    open_ones = [checked(contract_of(values)) for values in (*CONTRACTS, TABLE, JOIN, GRID)]
    folder = tmp_path_factory.mktemp("fuzz") / "teststadt"
    write_deployment(folder, *open_ones, checked(contract_of(CLOSED), "security_critical"))
    (folder / "rules").mkdir()
    (folder / "rules" / "construction_overlay.yaml").write_text(yaml.safe_dump(RULES, allow_unicode=True), "utf-8")
    place = {"crs": "EPSG:25832", "transform": from_origin(359_900, 5_701_500, 10, 10), "nodata": -9999}
    with rasterio.open(
        folder / "data" / "tiefe.tif", "w", driver="GTiff", width=240, height=240, count=1, dtype="float32", **place
    ) as grid:
        grid.write(np.linspace(0, 2, 240 * 240, dtype="float32").reshape(240, 240), 1)
    return folder


@pytest.fixture(scope="session")
def fuzzed_db(server: Server, fuzzed_folder: Path) -> Iterator[Database]:
    database = server.clone()
    deployment = registry.read(fuzzed_folder, fuzzed_folder / "data")
    for dataset, rows in {**ROWS, "leitungen": ROWS["wege"], "zahlen": TABLE_ROWS}.items():
        publish_rows(database, deployment, dataset, rows)
    for dataset in ("zahlen_flaechen", "tiefe"):
        report = pipeline.load(database, deployment, dataset)
        assert report.status == "published", report.text()
    _add_key(database)
    yield database
    server.drop(database.name)


@pytest.fixture(scope="session")
def fuzzed(server: Server, fuzzed_db: Database, fuzzed_folder: Path) -> Iterator[Client]:
    """The application over the fuzzed city."""
    made = Client(create_app(settings_for(server, fuzzed_db, fuzzed_folder)))
    yield made
    made.close()


@pytest.fixture(params=OUTPUTS)
def process(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def own_jobs(fuzzed: Client) -> Iterator[None]:
    """The key has no jobs but those of this file: others leave some that wait for a long time."""
    remove_all(fuzzed)
    yield
    remove_all(fuzzed)


@pytest.fixture(scope="module")
def jobs(fuzzed: Client) -> list[dict[str, Any]]:
    """Jobs of the key, of both processes, of different ends and durations, the newest first."""
    inputs = ({"message": "a"}, {"pause": 1.2}, {"message": "b"}, WRONG["echo"], {"pause": 0.3})
    addresses = [made(fuzzed, "echo", each) for each in inputs]
    addresses += [made(fuzzed, "construction_overlay", each["construction_overlay"]) for each in (INPUTS, WRONG)]
    return [end(fuzzed, address) for address in reversed(addresses)]
