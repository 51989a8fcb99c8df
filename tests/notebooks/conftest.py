"""Musterstadt, generated, loaded and served by the real commands, for the notebooks to work with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgis import Server, environment
from support.served import free_port, running

from stadtgrund.settings import ROOT, Paths
from stadtgrund.store import embedded


@pytest.fixture(scope="session")
def musterstadt(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the whole demo city."""
    folder = tmp_path_factory.mktemp("musterstadt")
    db = server.clone()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(server, db, ROOT / "pygeoapi-config" / "musterstadt") | {
        "STADTGRUND_DATA": str(folder),
        "STADTGRUND_PORT": str(port),
        "STADTGRUND_WORKERS": "1",
        "PUBLIC_URL": url,
    }
    for command in (["-m", "demo", str(folder)], ["-m", "cli", "load", "--all"]):
        done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path_factory.mktemp("serve") / "log") as address:
        yield address
    server.drop(db.name)


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a checkout of one's own: var/ and private PostGIS in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # the account postgres passes through
    monkeypatch.setenv("STADTGRUND_PG_HOME", str(folder / "pg"))
    cluster = embedded.locate(Paths(ROOT, folder / "var"))
    others = ("STADTGRUND_", "DATABASE_URL", "LANG", "LC_")  # without a locale all texts are German
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    yield kept | {"STADTGRUND_VAR": str(folder / "var"), "STADTGRUND_PG_HOME": str(folder / "pg")}
    embedded.stop(cluster)
    shutil.rmtree(folder)
