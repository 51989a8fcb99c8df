"""Runs: one at a time a dataset, and what a run that died leaves for the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.postgis import Server, environment
from support.rows import publish_rows

from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Busy
from stadtgrund.store.database import Database
from stadtgrund.store.versions import begin_run, current, end_run

# A process that publishes and, at a step of publish(), says so and waits for its death.
LOADER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.rows import stage_rows
from stadtgrund.catalog import registry
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database
from stadtgrund.store.versions import LoadFacts, begin_run, publish

settings = Settings.from_environment()
deployment = registry.read(settings.deployment.config)
db = Database.open(settings, deployment.name)
contract = deployment.contract("masten")

def wait(step):
    if step == sys.argv[2]:
        print("here", flush=True)
        time.sleep(60)

run = begin_run(db, contract)
stage_rows(run, contract, [{"nummer": 7, "geom": "POINT(360000 5700000)"}])
wait("staged")
if sys.argv[2] == "busy":
    print("here", flush=True)
    run.connection.execute("SELECT pg_sleep(60)")
publish(db, deployment, contract, run, LoadFacts("r", "s"), progress=wait)
wait("published")
"""
POLE = {"nummer": 1, "name": "Ahorn", "geom": "POINT(360000 5700000)"}


def one(db: Database, query: str) -> object:
    with db.connect("owner") as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def start_loader(server: Server, db: Database, folder: Path, step: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LOADER, str(Path(__file__).parents[1]), step]
    process = subprocess.Popen(command, env=environment(server, db, folder), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds its dataset being loaded says so at once."""
    monkeypatch.setattr("stadtgrund.store.runs._OTHERS_S", 0.0)


@pytest.mark.usefixtures("without_patience")
def test_a_second_run_is_refused_and_names_the_process(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("masten")
    run = begin_run(db, contract)

    with pytest.raises(Busy, match=str(os.getpid())):
        begin_run(db, contract)
    other = begin_run(db, deployment.contract("gebiete"))
    end_run(db, other, "unchanged")
    end_run(db, run, "failed", {"reason": "test"})
    again = begin_run(db, contract)
    end_run(db, again, "unchanged")

    assert one(db, "SELECT string_agg(status, ' ' ORDER BY run) FROM meta.run WHERE dataset = 'masten'") == "failed unchanged"
    assert one(db, "SELECT report ->> 'reason' FROM meta.run WHERE run = 1") == "test"
    assert one(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_a_second_run_waits_for_one_that_ends_soon(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    with ThreadPoolExecutor(1) as other:
        second = other.submit(begin_run, db, contract)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        end_run(db, run, "unchanged")
        end_run(db, second.result(10), "unchanged")

    assert one(db, "SELECT array_agg(status ORDER BY run) FROM meta.run") == ["unchanged", "unchanged"]


@pytest.mark.parametrize("step", ["staged", "busy", "lock", "table", "indexes", "version", "forms", "published"])
def test_what_a_killed_run_leaves_is_cleared_by_the_next(
    server: Server, db: Database, deployment: Deployment, deployment_folder: Path, step: str
) -> None:
    publish_rows(db, deployment, "masten", [POLE])
    process = start_loader(server, db, deployment_folder, step)
    kill(process)

    served = 2 if step == "published" else 1
    version = current(db, "masten")
    assert version is not None and version.version == served
    with db.connect("open") as connection:
        assert connection.execute("SELECT sg_id FROM p_open.masten").fetchall() == [(7 if step == "published" else 1,)]

    publish_rows(db, deployment, "masten", [POLE, {**POLE, "nummer": 2}])

    assert one(db, "SELECT array_agg(status ORDER BY run) FROM meta.run") == [
        "published",
        "published" if step == "published" else "failed",
        "published",
    ]
    assert one(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'") == 0
    assert one(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'data'") == served + 1
    backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(100):
        if one(db, backends) == 0:
            break
        time.sleep(0.05)
    assert one(db, backends) == 0
    assert (
        one(
            db,
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE locktype = 'advisory' AND datname = current_database()",
        )
        == 0
    )


@pytest.mark.usefixtures("without_patience")
def test_a_living_process_is_not_touched(server: Server, db: Database, deployment: Deployment, deployment_folder: Path) -> None:
    process = start_loader(server, db, deployment_folder, "staged")
    try:
        with pytest.raises(Busy, match=str(process.pid)):
            begin_run(db, deployment.contract("masten"))
        assert process.poll() is None
        assert one(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'") == 1
    finally:
        kill(process)


@pytest.mark.usefixtures("without_patience")
def test_a_process_on_another_host_does_not_count_as_dead(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    with db.connect("owner", autocommit=True) as owner:
        owner.execute("UPDATE meta.run SET host = 'anderswo', pid = 999999")  # no process of this host has that pid
    with pytest.raises(Busy, match="999999 auf anderswo"):
        begin_run(db, contract)
    assert run.connection.execute("SELECT 1").fetchone() == (1,)
    end_run(db, run, "unchanged")


def test_a_backend_that_got_the_pid_of_a_dead_one_is_not_ended(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    end_run(db, run, "failed")
    with db.connect("ingest", autocommit=True) as bystander, db.connect("owner", autocommit=True) as owner:
        owner.execute(
            "UPDATE meta.run SET finished_at = NULL, status = 'running', pid = 999999, backend_pid = %s,"
            " backend_start = now() - interval '1 h'",
            (bystander.info.backend_pid,),
        )
        end_run(db, begin_run(db, contract), "unchanged")
        assert bystander.execute("SELECT 1").fetchone() == (1,)
    assert one(db, "SELECT string_agg(status, ' ' ORDER BY run) FROM meta.run") == "failed unchanged"


def test_a_table_that_no_version_knows_is_dropped_and_others_stay(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", [POLE])
    with db.connect("owner", autocommit=True) as owner:
        owner.execute("CREATE TABLE data.masten__v9 (); CREATE TABLE data.masten__v1x (); CREATE TABLE staging.masten__99 ()")
        owner.execute("CREATE TABLE staging.masten_neu__99 (); CREATE TABLE data.masten_neu__v1 ()")
    end_run(db, begin_run(db, deployment.contract("masten")), "unchanged")

    tables = "SELECT array_agg(schemaname || '.' || tablename ORDER BY 1) FROM pg_tables WHERE schemaname IN ('data', 'staging')"
    assert set(one(db, tables)) == {"data.masten__v1", "data.masten__v1x", "data.masten_neu__v1", "staging.masten_neu__99"}  # type: ignore[call-overload]


def test_end_run_after_a_copy_that_failed_half_way(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("zahlen")
    run = begin_run(db, contract)
    run.connection.execute("CREATE TABLE staging.zahlen__1 (sg_row bigint)")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation), run.connection.cursor().copy("COPY staging.zahlen__1 FROM STDIN") as copy:
        copy.write("x\n")
    end_run(db, run, "failed")

    assert run.connection.closed
    assert one(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'") == 0
