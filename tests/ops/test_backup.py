"""What docs/operations.md says about a backup, word for word, with a private PostGIS of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from support.deployment import write_deployment
from support.rows import publish_rows

from cli import context
from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT
from stadtgrund.store import embedded
from stadtgrund.store.binaries import binaries
from stadtgrund.store.database import Database
from stadtgrund.store.embedded import Cluster

POLE = {"nummer": 1, "name": "Ahorn", "geom": "POINT(360000 5700000)"}


def documented() -> tuple[str, str]:
    """Return the commands that back up, and those that restore."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("\n## Sichern und wiederherstellen\n")[2].partition("\n## ")[0]
    backup, restore = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return backup, restore


def in_shell(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{binaries()}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["/bin/sh", "-uc", commands], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )


def rows_by_table(cluster: Cluster, database: str) -> dict[str, int]:
    """Return how many rows each table of ours has."""
    with psycopg.connect(embedded.superuser_dsn(cluster, database), autocommit=True) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('data', 'rel', 'history', 'meta', 'staging') ORDER BY 1, 2"
        ).fetchall()
        counts = {}
        for schema, table in tables:
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))).fetchone()
            assert row
            counts[f"{schema}.{table}"] = int(row[0])
        return counts


@pytest.fixture
def city(cluster: Cluster, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A checkout's `var` and a `musterstadt` with one dataset, version 1."""
    embedded.start(cluster, fsync=False)
    var = open_folder / "var"
    (var / "files").mkdir(parents=True)
    (var / "postgres").symlink_to(cluster.home)
    (var / "secrets").symlink_to(cluster.secrets)
    folder = write_deployment(open_folder / "musterstadt")
    for name in ("DATABASE_URL", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STADTGRUND_VAR", str(var))
    monkeypatch.setenv("STADTGRUND_CONFIG", str(folder))
    context.configure(None, debug=False)
    db = context.database()
    publish_rows(db, registry.read(folder, folder / "data"), "masten", [POLE])
    return db


@pytest.mark.slow
def test_the_documented_restore_replaces_all_or_changes_nothing(city: Database, cluster: Cluster, open_folder: Path) -> None:
    backup, restore = documented()
    done = in_shell(backup, open_folder)
    assert done.returncode == 0, done.stderr
    saved = rows_by_table(cluster, city.name)
    folder = open_folder / "musterstadt"
    publish_rows(city, registry.read(folder, folder / "data"), "masten", [POLE, {**POLE, "nummer": 2}])
    changed = rows_by_table(cluster, city.name)
    assert changed != saved

    with city.connect("verwaltung") as reader:
        reader.execute("SELECT 1")
        done = in_shell(restore, open_folder)
        assert done.returncode != 0 and "is being accessed by other users" in done.stderr
    assert rows_by_table(cluster, city.name) == changed

    dump = open_folder / "sicherung.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) * 9 // 10])
    assert in_shell(restore, open_folder).returncode != 0
    assert rows_by_table(cluster, city.name) == changed

    dump.write_bytes(whole)
    done = in_shell(restore, open_folder)
    assert done.returncode == 0, done.stderr
    restored = rows_by_table(cluster, city.name)
    assert restored["meta.contract"] == 3  # the last step, `apply`, notes those of datasets that were never loaded too
    assert {**restored, "meta.contract": saved["meta.contract"]} == saved
    with city.connect("verwaltung") as reader:
        assert reader.execute("SELECT nummer, name FROM p_verwaltung.masten").fetchall() == [(1, "Ahorn")]
