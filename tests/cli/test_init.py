"""`stadtgrund init`: a contract on stdout, what a person should look at on stderr; the three commands from nothing to an API."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.served import free_port

from cli.main import run
from stadtgrund.catalog import checks
from stadtgrund.catalog.document import parse

TABLE = "Nr;Straße;Einwohner\n1;Hauptstraße;10\n2;Gärtnerweg;-\n"


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    made = tmp_path / "stadt"
    assert run(["new", str(made), "--ags", "05515000", "--box", "7.4,51.8,7.8,52.1"]) == 0
    (tmp_path / "strassen.csv").write_bytes(TABLE.encode("cp1252"))
    capsys.readouterr()
    return made


def test_the_contract_is_all_of_stdout(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(folder), "init", str(tmp_path / "strassen.csv")]) == 0
    shown = capsys.readouterr()
    document = parse("strassen.yaml", shown.out)
    assert document.problems == ()
    assert document.data["id"] == "strassen" and document.data["source"]["encoding"] == "cp1252"
    assert "release strassen" in shown.err and "amtlicher Statistik" in shown.err and "protection" not in document.data
    (folder / "datasets" / "strassen.yaml").write_text(shown.out, encoding="utf-8")
    assert checks.check(folder) == []


def test_a_contract_that_is_just_being_written_by_the_shell_does_not_matter(folder: Path, tmp_path: Path) -> None:
    target = folder / "datasets" / "strassen.yaml"
    with target.open("w") as out:
        subprocess.run(
            [sys.executable, "-m", "cli", "init", str(tmp_path / "strassen.csv"), "--config", str(folder)],
            stdout=out,
            check=True,
            timeout=60,
        )
    assert checks.check(folder) == []


def test_output_writes_into_datasets_and_names_the_dataset(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(folder), "init", str(tmp_path / "strassen.csv"), "--output", "wege.yaml"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{folder / 'datasets' / 'wege.yaml'}\n" and f"make run CONFIG={folder}" in shown.err
    assert "id: wege\n" in (folder / "datasets" / "wege.yaml").read_text(encoding="utf-8")
    assert checks.check(folder) == []
    assert run(["--config", str(folder), "init", str(tmp_path / "strassen.csv"), "--output", "wege"]) == 2
    assert "gibt es schon" in capsys.readouterr().err
    assert run(["--config", str(folder), "init", str(tmp_path / "strassen.csv"), "--output", str(tmp_path / "x" / "a.yaml")]) == 0
    assert (tmp_path / "x" / "a.yaml").is_file()
    capsys.readouterr()
    assert run(["--config", str(folder), "init", str(tmp_path / "strassen.csv"), "--id", "wege"]) == 0
    assert "„wege“ gibt es dort schon" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["gibtsnicht.shp"], 2, "Die Quelle gibtsnicht.shp gibt es nicht"),
        (["strassen.csv", "--id", "Straßen"], 2, "Erlaubt: a-z"),
        (["strassen.csv", "--id", "sg_x"], 2, "nicht sg_"),
        (["strassen.csv", "--id", "a", "--output", "b.yaml"], 2, "--output a.yaml"),
        (["strassen.csv", "--crs", "Gauß"], 2, "EPSG:<Nummer>"),
        (["strassen.csv", "--layer", "x"], 2, "keine Blätter"),
        ([], 2, "Das Argument"),
    ],
)
def test_misuse(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["--config", str(folder), "init", *options]) == code
    shown = capsys.readouterr()
    assert told in shown.err and "Traceback" not in shown.err and not shown.out
    assert list((folder / "datasets").iterdir()) == []


def test_without_a_deployment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "leer").mkdir()
    assert run(["--config", str(tmp_path / "leer"), "init", "x.csv"]) == 2
    assert "deployment.yml" in capsys.readouterr().err


@pytest.fixture
def home() -> Iterator[Path]:
    """A machine of its own: var/ and private PostGIS in one folder."""
    made = Path(tempfile.mkdtemp(prefix="stadtgrund-own-"))
    made.chmod(0o755)  # the server's account passes through when root runs the tests
    yield made
    shutil.rmtree(made)


@pytest.mark.slow
def test_own_first_layer_in_three_commands(home: Path) -> None:
    """`new`, `init`, `run`: a folder outside the checkout, a source by a relative path, an API that answers."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STADTGRUND_") and name != "DATABASE_URL"}
    environment = kept | {
        "STADTGRUND_VAR": str(home / "var"),
        "STADTGRUND_PG_HOME": str(home / "pg"),
        "STADTGRUND_PORT": str(port),
        "STADTGRUND_WORKERS": "1",
    }
    city = home / "meinestadt"
    places = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"Nr": number, "Name": f"Bänke {number}"},
                "geometry": {"type": "Point", "coordinates": [7.6, 51.9]},
            }
            for number in range(3)
        ],
    }
    command = [sys.executable, "-m", "cli"]
    subprocess.run([*command, "new", str(city), "--ags", "05515000"], env=environment, check=True, timeout=60)
    (city / "baenke.geojson").write_text(json.dumps(places), encoding="utf-8")
    describe = [*command, "--config", str(city), "init", os.path.relpath(city / "baenke.geojson"), "--output", "baenke.yaml"]
    subprocess.run(describe, env=environment, check=True, timeout=60)
    server = subprocess.Popen(
        [*command, "run", "--config", str(city)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout
        for line in server.stdout:
            if "Strg-C" in line or "Ctrl-C" in line:
                break
        key = (home / "var" / "secrets" / "verwaltung.meinestadt.key").read_text().strip()
        with httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as client:
            seen = client.get("/collections/baenke/items", params={"f": "json"}, headers={"X-API-Key": key}).json()
            assert seen["numberMatched"] == 3 and seen["features"][0]["properties"]["name"] == "Bänke 0"
            assert client.get("/collections/baenke").status_code == 404, "a draft is not for everybody"
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=90)
    assert server.returncode == 0
