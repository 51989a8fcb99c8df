"""SIGKILL of the loading process: the old version serves, the next load succeeds, nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.postgis import Server, environment
from support.waiting import until

from stadtgrund.settings import ROOT

from .conftest import City

_LOADER = """
import signal, sys, time
from pathlib import Path
from stadtgrund.settings import Settings
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database
from stadtgrund.store import versions
from etl import pipeline, stage

where, folder, data = sys.argv[1:4]
settings = Settings.from_environment()
deployment = registry.read(Path(folder), Path(data))
database = Database.open(settings, settings.deployment.name)

def hang(*_):
    print("there", flush=True)
    time.sleep(120)

if where == "copy":
    # Between two batches of a COPY that has sent rows already.
    def progress(dataset, phase, done, total):
        if phase == "extract" and done > 20000:
            hang()
    report = pipeline.load(database, deployment, "dinge", progress=progress)
elif where == "publish":
    # Inside the transaction of publish(): the version's table is made, the commit is still to come.
    publish = versions.publish

    def hanging(*arguments, **options):
        return publish(*arguments, **options | {"progress": lambda step: hang() if step == "forms" else None})

    versions.publish = hanging
    report = pipeline.load(database, deployment, sys.argv[4])
"""


def kill_there(city: City, server: Server, where: str, dataset: str = "dinge") -> None:
    """Start a load in a process of its own, wait until it is at the place, and kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LOADER, where, str(city.folder), str(city.data), dataset],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(server, city.db, city.folder) | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line == "there\n", process.stderr.read()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def things(city: City) -> City:
    city.declare(
        "dinge",
        {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";"},
        [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}],
        id_field={"kind": "column", "column": "nr"},
    )
    write(city, "alt", 10)
    city.published("dinge")
    write(city, "neu", 100_000)
    return city


def write(city: City, name: str, rows: int) -> None:
    (city.data / "t.csv").write_text("nr;name\n" + "".join(f"{n};{name}\n" for n in range(rows)))


@pytest.mark.parametrize("where", ["copy", "publish"])
def test_a_killed_load_leaves_the_old_version_and_nothing_else(things: City, server: Server, where: str) -> None:
    kill_there(things, server, where)
    assert things.rows("dinge", "DISTINCT name", "1") == [("alt",)]
    assert things.ask("SELECT version, form FROM meta.state WHERE profile = 'verwaltung'") == [(1, "full")]
    report = things.published("dinge")
    assert (report.version, report.rows_published) == (2, 100_000)
    assert things.rows("dinge", "DISTINCT name", "1") == [("neu",)]
    until(lambda: things.leftovers() == [])
    assert things.ask("SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r' ORDER BY 1") == [
        ("dinge__v1",),
        ("dinge__v2",),
    ]
    assert things.ask("SELECT status FROM meta.run ORDER BY run") == [("published",), ("failed",), ("published",)]


def test_a_killed_load_of_a_grid_leaves_no_file(city: City, server: Server) -> None:
    from .test_raster import declare, write_grid

    write_grid(city.data / "t.tif")
    declare(city)
    city.published("tiefe")
    write_grid(city.data / "t.tif", x=381000)
    kill_there(city, server, "publish", "tiefe")
    assert city.ask("SELECT version FROM meta.state") == [(1,)]
    write_grid(city.data / "t.tif", x=382000)
    assert city.published("tiefe").version == 2
    until(lambda: city.leftovers() == [])
    assert files_of(city) == {"tiefe__v1.tif", "tiefe__v2.tif"}
    ((digest,),) = city.ask("SELECT sha256 FROM meta.file WHERE version = 2 LIMIT 1")
    import hashlib

    assert hashlib.sha256((city.db.paths.files / city.db.name / "tiefe" / "tiefe__v2.tif").read_bytes()).hexdigest() == digest


def files_of(city: City) -> set[str]:
    return {path.name for path in Path(city.db.paths.files / city.db.name).rglob("*") if path.is_file()}
