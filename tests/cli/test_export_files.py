"""`stadtgrund export files`: what is written, what is told, and what is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.deployment import GEBIETE, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, environment
from support.rows import publish_rows

from cli.main import run
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

Run = Callable[..., int]


@pytest.fixture
def city(server: Server, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command over a city with an open layer and table, and a closed layer."""
    closed = contract_of({**GEBIETE, "id": "geheim"})
    contracts = [checked(contract_of(GEBIETE)), checked(contract_of(ZAHLEN)), checked(closed, "security_critical")]
    folder = write_deployment(tmp_path / "teststadt", *contracts)
    for name, value in environment(server, db, folder).items():
        monkeypatch.setenv(name, value)
    deployment = registry.read(folder, folder / "data")
    area = {"schluessel": "01", "name": "Süd", "geom": "MULTIPOLYGON(((360000 5700000, 360400 5700000, 360400 5700400, 360000 5700000)))"}
    publish_rows(db, deployment, "gebiete", [area])
    publish_rows(db, deployment, "geheim", [area])
    publish_rows(db, deployment, "zahlen", [{"schluessel": "01", "jahr": 2024, "einwohner": 12}])
    yield lambda *words: run(["export", "files", *words])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_files_of_a_profile(city: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert city("--all", "--json") == 0
    found = {str(line["file"]): line for line in lines(capsys)}
    names = {f"gebiete.{end}" for end in ("gpkg", "fgb", "parquet", "csv", "geojson")}
    assert set(found) == names | {f"zahlen.{end}" for end in ("gpkg", "parquet", "csv", "geojson")}
    for line in found.values():
        body = Path(str(line["path"])).read_bytes()
        assert line["written"] is True and line["bytes"] == len(body) and line["sha256"] == hashlib.sha256(body).hexdigest()
    assert (
        found["gebiete.gpkg"]["crs"] == "EPSG:25832" and found["gebiete.csv"]["crs"] == "EPSG:4326" and found["zahlen.csv"]["crs"] is None
    )
    assert city("--all") == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("MB, war schon da")
    assert city("geheim") == 2
    assert "„geheim“ ist unbekannt" in capsys.readouterr().err


def test_chosen_files_in_a_folder(city: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "abgabe"
    words = ["geheim", "--profile", "verwaltung", "--format", "csv", "--format", "gpkg", "--crs", "EPSG:4326", "--output", str(target)]
    assert city(*words) == 0
    assert "geheim_epsg4326.gpkg: 0.1 MB, geschrieben in" in capsys.readouterr().out
    assert sorted(path.name for path in target.iterdir()) == ["geheim.csv", "geheim_epsg4326.gpkg"]
    assert "Süd" in (target / "geheim.csv").read_text(encoding="utf-8")


def test_a_dry_run_writes_nothing(city: Run, db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert city("gebiete", "--format", "csv", "--dry-run") == 0
    assert capsys.readouterr().out == "gebiete.csv: würde geschrieben\n"
    assert not (db.paths.downloads / db.name).exists()
    assert city("gebiete", "--format", "csv") == 0
    capsys.readouterr()
    assert city("gebiete", "--format", "csv", "--dry-run", "--json") == 0
    (line,) = lines(capsys)
    assert line["ready"] is True and line["written"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Entweder IDs oder --all"),
        (["gebiete", "--all"], "Entweder IDs oder --all"),
        (["gebite"], "Gemeint: gebiete?"),
        (["--all", "--format", "shp"], "Format „shp“ ist unbekannt"),
        (["--all", "--crs", "Gauß"], "ist kein Bezugssystem"),
        (
            ["gebiete", "--crs", "EPSG:31467"],
            "--crs EPSG:31467 wird hier nicht angeboten.\nBekannt sind: EPSG:3857, EPSG:4258, EPSG:4326, EPSG:25832, EPSG:25833.",
        ),
        (["--all", "--crs", "EPSG:4326", "--crs", "EPSG:99"], "--crs EPSG:99 wird hier nicht angeboten.\nBekannt sind: EPSG:3857"),
        (
            ["gebiete", "--format", "geojson", "--crs", "EPSG:25832"],
            "--crs EPSG:25832 wird hier nicht angeboten.\nBekannt sind: EPSG:4326.",
        ),
        (["zahlen", "--crs", "EPSG:25832"], "--crs EPSG:25832 wird hier nicht angeboten.\nBekannt sind: –."),
        (["zahlen", "--format", "fgb"], "--format fgb wird hier nicht angeboten.\nBekannt sind: gpkg, "),
        (["--all", "--profile", "alle"], "Profil „alle“ ist unbekannt"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(city: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert city(*words) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and "Traceback" not in told.err


def test_a_folder_that_cannot_be_written(city: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "datei").write_text("")
    assert city("gebiete", "--format", "csv", "--output", str(tmp_path / "datei")) == 1
    assert "kann nicht geschrieben werden" in capsys.readouterr().err
