"""Files of whole collections while the collection changes, the writer is killed, reading is slow, or there are many rows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql
from support.office import HOEHEN, Office, office_of, rows_of
from support.postgis import Server, environment

from etl.deliver import snapshot as snapshot_module
from etl.deliver.deliver import deliver
from etl.deliver.order import Excerpt, Order
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.file_formats import FORMATS, default_srid
from stadtgrund.errors import StatementTimeout
from stadtgrund.query.form_filter import compile_text
from stadtgrund.settings import ROOT
from stadtgrund.store import tables, versions
from stadtgrund.store.shelf import Shelf, Target

ROWS = 12_000
SPATIAL = tuple(FORMATS)


@pytest.fixture
def growing(server: Server, tmp_path: Path) -> Iterator[Office]:
    """A city whose `hoehen` have `ROWS` rows of version 1."""
    made = office_of(server, tmp_path / "teststadt", HOEHEN)
    publish_numbers(made, 1)
    yield made
    server.drop(made.db.name)


def publish_numbers(office: Office, number: int, rows: int = ROWS) -> versions.Version:
    """Publish a version of which every value says its number."""
    contract = office.deployment.contract("hoehen")
    run = versions.begin_run(office.db, contract)
    run.connection.execute(tables.create_sql(tables.staging_table(contract, run.id)))
    query = sql.SQL(
        "INSERT INTO {} (sg_row, sg_id, sg_hash, nr, geom) SELECT n, n::text, '', {} || ' ' || repeat('x', 80),"
        " ST_SetSRID(ST_MakeLine(ST_MakePoint(390000 + n, 5820000, 1), ST_MakePoint(390001 + n, 5820001, 2)), 25833)"
        " FROM generate_series(1, {}) n"
    )
    run.connection.execute(query.format(sql.Identifier("staging", tables.staging_name(contract, run.id)), f"v{number}", rows))
    facts = versions.LoadFacts("r", f"rows-{run.id}", rows_in=rows)
    version = versions.publish(office.db, office.deployment, contract, run, facts, compile_text=compile_text)
    versions.end_run(office.db, run, "published", {})
    return version


@pytest.mark.parametrize("format_", SPATIAL)
def test_a_publish_while_a_file_is_written(growing: Office, tmp_path: Path, format_: str) -> None:
    """The file is wholly of the version that was read; the publish does not wait for it."""
    calls: list[int] = []

    def publish(done: int, total: int | None) -> None:
        if not calls:
            assert done < ROWS == total
            started = time.monotonic()
            publish_numbers(growing, 2)
            assert time.monotonic() - started < 20
        calls.append(done)

    order = Order(dataset="hoehen", format=format_)
    with growing.db.connect("open", autocommit=True) as connection:
        first, _ = deliver(connection, "open", order, growing.shelf, publish)
        second, made = deliver(connection, "open", order, growing.shelf)
    assert len(calls) > 2 and made and second.path != first.path
    for number, found in ((1, first), (2, second)):
        copy = tmp_path / f"{number}.{format_}"
        copy.write_bytes(found.path.read_bytes())
        rows = rows_of(copy)
        assert len(rows) == ROWS and {row["nr"].split()[0] for row in rows} == {f"v{number}"}


def test_a_publish_between_the_choice_and_the_snapshot(growing: Office) -> None:
    """The file has the name of what is in it."""

    class Late(Shelf):
        late = True

        @contextmanager
        def writing(self, target: Target) -> Iterator[Path | None]:
            with super().writing(target) as path:
                if self.late:
                    self.late = False
                    publish_numbers(growing, 2, rows=10)
                yield path

    shelf = Late(growing.shelf.root, 1 << 30)
    with growing.db.connect("open", autocommit=True) as connection:
        found, made = deliver(connection, "open", Order(dataset="hoehen", format="csv"), shelf)
    assert (
        made and found.path.name.startswith("v2-") and "v1" not in found.path.read_text() and len(list(found.path.parent.glob("v*"))) == 2
    )


def test_a_killed_writer_leaves_nothing_that_is_served(server: Server, growing: Office) -> None:
    publish_numbers(growing, 2, 40_000)
    target = _target_of(growing, "gpkg")
    part = (growing.shelf.root / target.path).with_name((growing.shelf.root / target.path).name + ".part")
    command = [sys.executable, "-m", "etl.deliver", "open"]
    env = environment(server, growing.db, growing.folder)
    child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdin and child.stdout
    try:
        child.stdin.write(Order(dataset="hoehen", format="gpkg").model_dump_json().encode() + b"\n")
        child.stdin.flush()
        end = time.monotonic() + 60
        while not any(path.stat().st_size > 200_000 for path in part.glob("*.gpkg")):
            assert time.monotonic() < end and child.poll() is None
            time.sleep(0.002)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert part.is_dir() and growing.shelf.find(target) is None
    growing.shelf.sweep()
    assert not part.exists() and not list(part.parent.glob("*.lock"))
    assert growing.shelf.find(target) is None
    assert growing.make("hoehen", "gpkg").bytes > 1_000_000


def test_a_child_ends_with_its_input(server: Server, growing: Office) -> None:
    """At once when it is writing: whoever asked is gone."""
    env = environment(server, growing.db, growing.folder)
    order = Order(dataset="hoehen", format="csv").model_dump_json() + "\n"
    done = subprocess.run(
        [sys.executable, "-m", "etl.deliver", "open"], env=env, cwd=ROOT, input=order, capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1)
    idle = subprocess.run(
        [sys.executable, "-m", "etl.deliver", "open"], env=env, cwd=ROOT, input="", capture_output=True, text=True, timeout=60
    )
    assert idle.returncode == 0 and idle.stdout == ""


def test_files_go_with_the_table_of_their_version(growing: Office) -> None:
    first = growing.make("hoehen", "csv")
    for number in range(2, 5):
        assert growing.shelf.find(_target_of(growing, "csv")) is not None or number > 2
        publish_numbers(growing, number, rows=3)
    assert not first.path.exists() and not first.path.with_name(first.path.name + ".json").exists()


def _target_of(office: Office, format_: str) -> Target:
    with office.db.connect("open") as connection:
        (document,) = connection.execute("SELECT collection FROM p_open.sg_state").fetchone() or (0,)
    collection = Collection.model_validate(document)
    return Target.of(collection, FORMATS[format_], default_srid(collection, FORMATS[format_]))


def test_a_slow_read_ends(growing: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_module, "SNAPSHOT_S", 0.3)
    slow = Excerpt(asked="slow", where="pg_sleep(0.01) IS NOT NULL", params=(), digest=_digest(growing), max_bytes=1 << 20)
    started = time.monotonic()
    with pytest.raises(StatementTimeout):
        growing.make("hoehen", "csv", excerpt=slow)
    assert time.monotonic() - started < 20


def _digest(office: Office) -> str:
    with office.db.connect("open") as connection:
        (digest,) = connection.execute("SELECT digest FROM p_open.sg_state").fetchone() or ("",)
    return str(digest)


@pytest.mark.slow
@pytest.mark.parametrize("format_", SPATIAL)
def test_memory_does_not_grow_with_the_collection(server: Server, growing: Office, format_: str) -> None:
    """Up to 240,000 rows of about 170 bytes (40 MB); FlatGeobuf keeps the box of each for its index."""
    peaks = []
    for number, rows in ((1, ROWS), (2, 20 * ROWS)):
        if number > 1:
            publish_numbers(growing, number, rows)
        env = environment(server, growing.db, growing.folder)
        with subprocess.Popen(
            [sys.executable, "-m", "etl.deliver", "open"], env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdin and child.stdout
            child.stdin.write(Order(dataset="hoehen", format=format_).model_dump_json() + "\n")
            child.stdin.flush()
            assert child.stdout.readline() == "{}\n"
            status = Path(f"/proc/{child.pid}/status").read_text()
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)  # type: ignore[index]
            child.stdin.close()
    assert peaks[1] - peaks[0] < 80, peaks
