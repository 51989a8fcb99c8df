"""`stadtgrund tiles seed` and `clear`: what they store is what the server sends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.client import Client
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, environment, settings_for
from support.rows import publish_rows

from cli.main import run
from server.app import create_app
from server.tile_sweep import size_of
from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

POLES = [{"nummer": n, "name": f"Mast {n}", "geom": f"POINT({360000 + n * 40} {5700000 + n * 30})"} for n in range(1, 40)]
AREA = [{"schluessel": "1", "geom": "MULTIPOLYGON(((360000 5700000, 362000 5700000, 362000 5701000, 360000 5701000, 360000 5700000)))"}]


@dataclass
class City:
    """A loaded deployment, and the command line on it."""

    db: Database
    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def root(self) -> Path:
        return self.db.paths.tiles / self.db.name

    def run(self, *words: str, code: int = 0) -> str:
        self.capture.readouterr()
        assert run(["tiles", *words]) == code
        shown = self.capture.readouterr()
        assert "Traceback" not in shown.err
        return shown.out if code == 0 else shown.err

    def json(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*words, "--json").splitlines()]


@pytest.fixture(scope="module")
def loaded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Path]]:
    contracts = [checked(contract_of(MASTEN)), checked(contract_of(GEBIETE), "security_critical"), checked(contract_of(ZAHLEN))]
    folder = write_deployment(tmp_path_factory.mktemp("tiles") / "teststadt", *contracts)
    database = server.clone()
    deployment = registry.read(folder, folder / "data")
    for dataset, rows in (("masten", POLES), ("gebiete", AREA), ("zahlen", [{"schluessel": "1", "jahr": 2020, "einwohner": 9}])):
        publish_rows(database, deployment, dataset, rows)
    yield database, folder
    server.drop(database.name)


@pytest.fixture
def city(
    server: Server, loaded: tuple[Database, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[City]:
    for name, value in {**environment(server, *loaded), "LC_ALL": "de_DE.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    made = City(*loaded, capsys)
    yield made
    shutil.rmtree(made.root, ignore_errors=True)


def test_what_is_seeded_is_what_is_served(city: City, server: Server) -> None:
    (told,) = city.json("seed", "--zoom", "10-13")
    assert {told[name] for name in ("dataset", "profile", "form", "matrix_set")} == {"masten", "open", "full", "WebMercatorQuad"}
    assert told["tiles"] == told["made"] == size_of(city.root)[0] > 4 and told["kept"] == 0
    client = Client(create_app(settings_for(server, city.db, city.folder)))
    owner = city.db.connect("owner", autocommit=True)
    try:
        limits = client.json("/collections/masten/tiles/WebMercatorQuad")["tileMatrixSetLimits"]
        sent = []
        owner.execute("ALTER VIEW p_open.masten RENAME TO sg_gone")  # so that nothing can be read but what is stored
        for held in limits:
            if 10 <= int(held["tileMatrix"]) <= 13:
                for row in range(held["minTileRow"], held["maxTileRow"] + 1):
                    for column in range(held["minTileCol"], held["maxTileCol"] + 1):
                        sent.append(
                            client.get(f"/collections/masten/tiles/WebMercatorQuad/{held['tileMatrix']}/{row}/{column}").status_code
                        )
        assert len(sent) == told["tiles"] and sent.count(204) == told["empty"] and set(sent) <= {200, 204}
    finally:
        client.close()
        owner.execute("ALTER VIEW IF EXISTS p_open.sg_gone RENAME TO masten")
        owner.close()


def test_what_is_there_is_not_made_again(city: City) -> None:
    (first,) = city.json("seed", "--zoom", "12")
    next(city.root.rglob("12/*/*")).unlink()
    (second,) = city.json("seed", "--zoom", "12-13", "--jobs", "1")
    assert second["kept"] == first["made"] - 1 and second["made"] == second["tiles"] - second["kept"]
    (dry,) = city.json("seed", "--zoom", "12-14", "--dry-run")
    assert dry["kept"] == second["tiles"] and dry["missing"] == dry["tiles"] - dry["kept"] > 0
    assert size_of(city.root)[0] == second["tiles"], "a dry run writes nothing"


def test_the_sight_of_a_profile(city: City) -> None:
    assert [told["dataset"] for told in city.json("seed", "--zoom", "9")] == ["masten"]
    assert [told["dataset"] for told in city.json("seed", "--zoom", "9", "--profile", "verwaltung")] == ["gebiete", "masten"]
    assert "gebiete" not in city.run("seed", "gebiete", code=2).replace("„gebiete“", "")
    (told,) = city.json("seed", "masten", "--tms", "WorldCRS84Quad", "--zoom", "9")
    assert told["made"] > 0


def test_lines_for_people(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    assert city.run("seed", "--zoom", "9-10", "--dry-run").startswith("Probe: masten (open, v1): ")
    assert " Kacheln erzeugt (" in city.run("seed", "--zoom", "9-10")
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert " tiles made (" in city.run("seed", "--zoom", "9-11")
    assert "0 tiles made" in city.run("seed", "--zoom", "2")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["seed", "mastne"], "masten"),
        (["seed", "zahlen"], "masten"),
        (["seed", "--zoom", "14-10"], "--zoom 14-10"),
        (["seed", "--zoom", "x"], "--zoom x"),
        (["seed", "--zoom", "0-25"], "0-25"),
        (["seed", "--tms", "Quatsch"], "WorldCRS84Quad"),
        (["seed", "--profile", "alle"], "verwaltung"),
        (["seed", "--jobs", "0"], "--jobs"),
        (["clear", "mastne"], "masten"),
    ],
)
def test_misuse_ends_with_2_and_says_what_is_allowed(city: City, words: list[str], told: str) -> None:
    assert told in city.run(*words, code=2)


def test_the_limit_ends_it_with_what_is_stored(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STADTGRUND_TILES_MB", "0")
    assert "STADTGRUND_TILES_MB=0" in city.run("seed", code=2)
    monkeypatch.setenv("STADTGRUND_TILES_MB", "1")
    said = city.run("seed", "--zoom", "10-18", code=1)
    assert "voll" in said and "masten" in said and "STADTGRUND_TILES_MB" in said
    assert 2**20 <= size_of(city.root)[1] < 2**20 + 40 * 4096


def test_clear(city: City, server: Server) -> None:
    city.json("seed", "--zoom", "10-12", "--profile", "verwaltung")
    old = {told["dataset"]: told for told in city.json("clear", "--dry-run")}
    assert set(old) == {"masten", "gebiete"} and size_of(city.root)[0] == sum(told["tiles"] for told in old.values())
    assert city.json("clear", "--old") == []
    deployment = registry.read(city.folder, city.folder / "data")
    publish_rows(city.db, deployment, "masten", POLES[:5])
    (gone,) = city.json("clear", "--old")
    assert gone == {**old["masten"], "dry_run": False}
    city.json("seed", "masten", "--zoom", "10")
    assert [told["dataset"] for told in city.json("clear", "masten")] == ["masten"]
    assert "gebiete" in city.run("clear") and size_of(city.root)[0] == 0


def test_interrupted_it_goes_on_where_it_was(city: City) -> None:
    command = [sys.executable, "-m", "cli", "tiles", "seed", "masten", "--zoom", "8-18", "--jobs", "1", "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while size_of(city.root)[0] < 20:
            assert process.poll() is None
        process.terminate()
        process.wait(20)
    stored = size_of(city.root)[0]
    (told,) = city.json("seed", "masten", "--zoom", "8-14")
    assert told["kept"] > 0 and told["kept"] + told["made"] == told["tiles"] and size_of(city.root)[0] >= stored
