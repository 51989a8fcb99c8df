"""Which PostgreSQL is taken, on made-up file systems, and the settings it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from stadtgrund.errors import SetupError
from stadtgrund.store.binaries import binaries, installations
from stadtgrund.store.tuning import configuration, memory_mb


def install(root: Path, major: int, *, postgis: bool) -> Path:
    folder = root / f"usr/lib/postgresql/{major}/bin"
    folder.mkdir(parents=True)
    (folder / "initdb").touch(mode=0o755)
    if postgis:
        control = root / f"usr/share/postgresql/{major}/extension/postgis.control"
        control.parent.mkdir(parents=True)
        control.touch()
    return folder


def test_the_newest_with_postgis_is_taken(tmp_path: Path) -> None:
    install(tmp_path, 9, postgis=True)
    fifteen = install(tmp_path, 15, postgis=True)
    install(tmp_path, 17, postgis=False)
    assert [item.major for item in installations(tmp_path, path="")] == [15, 9, 17]
    assert binaries(root=tmp_path, path="") == fifteen
    assert binaries(9, root=tmp_path, path="").parent.name == "9"


def test_a_client_alone_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/postgresql/16/bin").mkdir(parents=True)
    (tmp_path / "usr/lib/postgresql/16/bin/psql").touch(mode=0o755)
    assert installations(tmp_path, path="") == []


def test_pg_config_on_the_path_knows_one_elsewhere(tmp_path: Path) -> None:
    folder = install(tmp_path / "opt", 16, postgis=True)
    (tmp_path / "pg_config").write_text(
        f"#!/bin/sh\necho 'PostgreSQL 16.2 (Ubuntu)'\necho {folder}\necho {tmp_path}/opt/usr/share/postgresql/16\n"
    )
    (tmp_path / "pg_config").chmod(0o755)
    assert binaries(root=tmp_path, path=str(tmp_path)) == folder


@pytest.mark.parametrize(
    ("have", "wanted", "message"),
    [
        (None, None, r"PostgreSQL with PostGIS is not installed\. Install the package postgresql-postgis \(or: make setup\)"),
        (16, None, r"PostgreSQL 16 \(.*16/bin\) lacks PostGIS\. Install the package postgresql-postgis "),
        (16, 15, r"The private database is of PostgreSQL 15, which is not installed here .*postgresql-15-postgis-3 "),
        (15, 15, r"PostgreSQL 15 \(.*15/bin\) lacks PostGIS\. Install the package postgresql-15-postgis-3 "),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, have: int, wanted: int, message: str) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    if have:
        install(tmp_path, have, postgis=False)
    with pytest.raises(SetupError, match=message):
        binaries(wanted, root=tmp_path, path="")


def setting(text: str, name: str) -> str | None:
    values = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return values.get(name)


@pytest.mark.parametrize(("memory", "buffers", "work"), [(100, "64MB", "8MB"), (2048, "512MB", "8MB"), (24_000, "1024MB", "64MB")])
def test_memory_follows_the_machine_within_bounds(memory: int, buffers: str, work: str) -> None:
    text = configuration(Path("/run/x"), fsync=True, memory=memory, shared_memory_mb=1000)
    assert (setting(text, "shared_buffers"), setting(text, "work_mem")) == (buffers, work)


def test_fsync_is_off_only_when_asked_and_small_shared_memory_is_avoided() -> None:
    usual = configuration(Path("/run/x"), fsync=True, memory=4000, shared_memory_mb=1000)
    assert setting(usual, "fsync") is None and setting(usual, "dynamic_shared_memory_type") is None
    other = configuration(Path("/run/x"), fsync=False, memory=4000, shared_memory_mb=64)
    assert setting(other, "fsync") == "off" and setting(other, "dynamic_shared_memory_type") == "mmap"


def test_a_socket_folder_with_a_quote_stays_one_value() -> None:
    text = configuration(Path("/run/d'or, x"), fsync=True, memory=4000, shared_memory_mb=1000)
    assert setting(text, "unix_socket_directories") == "'\"/run/d''or, x\"'"


def test_a_container_limit_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{512 * 2**20}\n")
    assert memory_mb(limit) == 512
    limit.write_text("max\n")
    assert memory_mb(limit) == memory_mb(tmp_path / "absent") > 512
