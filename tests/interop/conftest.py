"""A city loaded and served by the real commands, for the programs of others to work with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.city import write_city
from support.postgis import Server, environment
from support.served import City, free_port, running


@pytest.fixture(scope="session")
def city(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The city, loaded by `stadtgrund load --all`."""
    db = server.clone()
    folder = write_city(tmp_path_factory.mktemp("interop") / "interopstadt")
    env = environment(server, db, folder)
    done = subprocess.run([sys.executable, "-m", "cli", "load", "--all"], env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    yield City(db, folder, env)
    server.drop(db.name)


@pytest.fixture(scope="session")
def api(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `stadtgrund serve` over the city."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**city.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path_factory.mktemp("serve") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def stock(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of stock `pygeoapi serve` with what `stadtgrund render` wrote."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("stock")
    pygeoapi = Path(sys.executable).with_name("pygeoapi")
    config, openapi = folder / "pygeoapi.yml", folder / "openapi.yml"
    subprocess.run([sys.executable, "-m", "cli", "render", "--output", config], env=dict(city.environment), check=True, timeout=60)
    env = {
        **city.environment,
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(openapi),
        "PUBLIC_URL": url,
        "STADTGRUND_PORT": str(port),
        "STADTGRUND_DSN": city.db.conninfo("open"),
        "PYTHONWARNINGS": "ignore",
    }
    made = subprocess.run(
        [pygeoapi, "openapi", "generate", config, "--output-file", openapi],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with running([pygeoapi, "serve"], env, url, folder / "log") as address:
        yield address
