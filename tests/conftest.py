"""Fixtures of all tests: a PostGIS per run, a database per test, a small deployment."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Not `tests.support`: pygeoapi's wheel installs a package `tests` of its own.
sys.path.insert(0, str(Path(__file__).parent))

from support.deployment import write_deployment
from support.postgis import Server, running_server, settings_for

from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT, Settings
from stadtgrund.store.database import Database

SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_configure() -> None:
    """Let the programs that tests start end with Ctrl-C: they would inherit that a job in a shell's background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """List the tests that need the open datasets as not run where those are absent."""
    if SHARED_DATA.is_dir():
        return
    reason = pytest.mark.skip(reason=f"{SHARED_DATA} is absent")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(reason)


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a German steward reads, whatever the locale of the machine; a test of the English texts says so itself."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of open datasets; a test that uses it carries the marker `shared`."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The run's PostGIS."""
    with running_server() as running:
        yield running


@pytest.fixture
def db(server: Server) -> Iterator[Database]:
    """An empty database of this test's own, with all migrations."""
    database = server.clone()
    yield database
    server.drop(database.name)


@pytest.fixture(scope="module")
def module_db(server: Server) -> Iterator[Database]:
    """An empty database for all tests of a module, which do not change it after their own set-up."""
    database = server.clone()
    yield database
    server.drop(database.name)


@pytest.fixture
def deployment_folder(tmp_path: Path) -> Path:
    """A deployment with three contracts, `teststadt`: `masten` (points, many types), `gebiete` (polygons), `zahlen` (no geometry)."""
    return write_deployment(tmp_path / "teststadt")


@pytest.fixture
def deployment(deployment_folder: Path) -> registry.Deployment:
    """`deployment_folder`, read."""
    return registry.read(deployment_folder, deployment_folder / "data")


@pytest.fixture(scope="module")
def module_deployment_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`deployment_folder` for all tests of a module."""
    return write_deployment(tmp_path_factory.mktemp("deployment") / "teststadt")


@pytest.fixture(scope="module")
def module_deployment(module_deployment_folder: Path) -> registry.Deployment:
    """`module_deployment_folder`, read."""
    return registry.read(module_deployment_folder, module_deployment_folder / "data")


@pytest.fixture
def settings(server: Server, db: Database, deployment_folder: Path) -> Settings:
    """Settings of a process that serves `deployment_folder` out of `db`."""
    return settings_for(server, db, deployment_folder)
