"""A small city of our own for the abstract tests: `orte` (points), `wege` (lines), `flaechen` (areas), a queryable of each type."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.data import CONTRACTS, ROWS
from support.client import Client
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

KEY = "sg_" + "p" * 43


@pytest.fixture(scope="session")
def tested_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deployment(tmp_path_factory.mktemp("conformance") / "teststadt", *(checked(contract_of(values)) for values in CONTRACTS))


@pytest.fixture(scope="session")
def tested_db(server: Server, tested_folder: Path) -> Iterator[Database]:
    database = server.clone()
    deployment = registry.read(tested_folder, tested_folder / "data")
    for dataset, rows in ROWS.items():
        publish_rows(database, deployment, dataset, rows)
    with database.connect("owner", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta.api_key (sha256, label, profile) VALUES (%s, 'Test', 'verwaltung')",
            (hashlib.sha256(KEY.encode()).hexdigest(),),
        )
    yield database
    server.drop(database.name)


@pytest.fixture(scope="session")
def client(server: Server, tested_db: Database, tested_folder: Path) -> Iterator[Client]:
    """The application over the city, asked without a socket."""
    made = Client(create_app(settings_for(server, tested_db, tested_folder)))
    yield made
    made.close()
