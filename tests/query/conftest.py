"""The collections of `city.py`, published by the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from query.city import FLAECHEN, PROBEN, PUNKTE, ROWS, Published
from support.deployment import checked, contract_of, write_deployment
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.store.database import Database


@pytest.fixture(scope="module")
def city(module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """The three collections, published by the store."""
    contracts = [checked(contract_of(values)) for values in (PROBEN, FLAECHEN, PUNKTE)]
    folder = write_deployment(tmp_path_factory.mktemp("query") / "teststadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    for dataset, rows in ROWS.items():
        publish_rows(module_db, deployment, dataset, rows)
    with module_db.connect("open", autocommit=True) as connection:
        connection.execute("SET jit = off")
        # Not UTC: what is returned may not depend on it.
        connection.execute("SET timezone = 'America/New_York'")
        yield Published(module_db, deployment, connection)
