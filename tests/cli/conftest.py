"""A city's folder that the commands of this process work on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.city import write_city
from support.closing import JOIN
from support.postgis import Server, environment

from cli.main import run
from stadtgrund.store.database import Database


@pytest.fixture
def folder(server: Server, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city's folder; the commands of this process work on it and on the test's own database."""
    made = write_city(tmp_path / "stadt")
    for name, value in environment(server, db, made).items():
        if name.startswith("STADTGRUND_") or name == "DATABASE_URL":
            monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def loaded(folder: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """`folder`, with one dataset by itself and a join of two in the database."""
    assert run(["load", "baeume", "ortsteile", "einwohner", JOIN]) == 0
    capfd.readouterr()
    return folder
