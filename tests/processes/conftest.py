"""The planted city in a database, and served."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from support.planted import publish_planted, write_planted
from support.postgis import Server, environment
from support.served import City, free_port, running


@pytest.fixture(scope="session")
def planted(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The planted city; tests read it and do not change it."""
    db = server.clone()
    folder = write_planted(tmp_path_factory.mktemp("planted") / "pruefstadt")
    publish_planted(db, folder)
    yield City(db, folder, environment(server, db, folder))
    server.drop(db.name)


@pytest.fixture(scope="session")
def api(planted: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `stadtgrund serve` over it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path_factory.mktemp("serve") / "log") as address:
        yield address
