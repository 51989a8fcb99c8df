from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgis import Server

from cli import doctor, ports
from cli.main import run
from stadtgrund.crs import Operation
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STADTGRUND_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path / "var"


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    run(["doctor", "--json"])
    return {line["check"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}


def test_this_machine_is_fit(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STADTGRUND_PORT", str(_free_port()))
    assert run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(doctor.CHECKS)
    assert all(line.startswith(("ok", "warn", "      →")) for line in lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_taken_port_is_named_with_its_process(
    home: Path, taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STADTGRUND_PORT", str(taken))
    port = findings(capsys)["Port"]
    assert port["state"] == "warn"
    assert str(taken) in port["text"]
    assert str(os.getpid()) in port["text"]
    assert "PORT=" in port["remedy"]
    assert ports.holder(taken).startswith(f"{os.getpid()} (")
    assert ports.holder(_free_port()) == ""


def test_secrets_that_others_can_read_fail(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "secrets").mkdir(parents=True)
    secret = home / "secrets" / "verwaltung.key"
    secret.write_text("sg_x")
    secret.chmod(0o644)
    assert run(["doctor"]) == 1
    assert "verwaltung.key" in capsys.readouterr().out
    secret.chmod(0o600)
    assert all(one["state"] != "fail" for one in findings(capsys).values())


def test_a_foreign_database_is_asked(
    server: Server, db: Database, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", server.url(db.name))
    good = findings(capsys)["PostGIS"]
    assert good["state"] == "ok"
    assert "PostGIS 3" in good["text"]
    monkeypatch.setenv("DATABASE_URL", server.url(db.name).replace(db.name, "gibt_es_nicht"))
    bad = findings(capsys)["PostGIS"]
    assert bad["state"] == "fail"
    assert "gibt_es_nicht" in bad["text"]
    password = server.url(db.name).split(":")[2].split("@")[0]
    assert password and password not in json.dumps(bad)


def test_a_database_without_postgis_fails_with_the_remedy(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", server.url("postgres"))
    found = findings(capsys)["PostGIS"]
    assert found["state"] == "fail"
    assert "stadtgrund db script" in found["remedy"]


def test_missing_grids_are_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "stadtgrund.crs.best_operation", lambda source, target: Operation(source, target, "coarse", 3.0, False, "de_adv_BETA2007.tif")
    )
    (found,) = doctor._grids(settings)
    assert found.state == "warn"
    assert "de_adv_BETA2007.tif" in found.text
    assert "proj-data" in found.remedy


def test_missing_drivers_fail(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyogrio.list_drivers", lambda: {"GPKG": "rw", "CSV": "rw"})
    vector, raster = doctor._drivers(settings)
    assert vector.state == "fail"
    assert "ESRI Shapefile, GeoJSON, XLSX" in vector.text
    assert raster.state == "ok"


@pytest.mark.parametrize(("free_gb", "state"), [(100, "ok"), (3, "warn"), (0.5, "fail")])
def test_little_space(free_gb: float, state: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = int(free_gb * 1e9)

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    (found,) = doctor._disk(settings)
    assert found.state == state
    assert bool(found.remedy) == (state != "ok")
