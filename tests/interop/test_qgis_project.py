"""QGIS itself opens the project that `stadtgrund export qgis` writes: layers, counts, styles, titles, CRS, picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.city import SPATIAL, TABLES
from support.served import City

PROBE = Path(__file__).with_name("qgis_project_probe.py")

pytestmark = pytest.mark.qgis


def export(city: City, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "export", "qgis", "--output", str(output), *more]
    return subprocess.run(command, env=dict(city.environment), capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def opened(city: City, api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What QGIS says of the exported project."""
    folder = tmp_path_factory.mktemp("project")
    done = export(city, folder / "stadt.qgz", "--url", f"{api}/", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("bytes") == (folder / "stadt.qgz").stat().st_size
    assert told == {"file": str(folder / "stadt.qgz"), "state": "new", "written": True, "layers": 7, "profile": "open", "url": api}
    (folder / "runtime").mkdir(mode=0o700)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_"))}
    env |= {"QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "runtime"), "LC_ALL": "C.UTF-8"}
    env |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    probe = subprocess.run(
        ["/usr/bin/python3", str(PROBE), str(folder / "stadt.qgz"), str(folder / "stadt.png"), "600", "400"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    lines = [line for line in probe.stdout.splitlines() if line.startswith("{")]
    assert lines, probe.stdout + probe.stderr
    found: dict[str, Any] = json.loads(lines[0])
    return found


def test_crs_view_groups(opened: dict[str, Any], city: City) -> None:
    assert (opened["title"], opened["crs"]) == ("Teststadt", "EPSG:25832")
    west, south, east, north = city.rows("ortsteile").total_bounds
    xmin, ymin, xmax, ymax = opened["view"]
    assert xmin <= west + 1 and xmax >= east - 1 and ymin <= south + 1 and ymax >= north - 1
    assert opened["groups"]
    assert opened["render_errors"] == [] and opened["colours"] > 3, "the picture is blank"


def test_every_layer_is_valid_and_whole(opened: dict[str, Any], city: City) -> None:
    by_source = {name: next(layer for layer in opened["layers"] if f"typename='{name}'" in layer["source"]) for name in (*SPATIAL, *TABLES)}
    assert len(opened["layers"]) == len(by_source)
    for name, layer in by_source.items():
        assert layer["valid"], layer["error"]
        assert layer["count"] == len(city.rows(name)), name


def test_styles_and_german_titles(opened: dict[str, Any]) -> None:
    layers = {layer["name"]: layer for layer in opened["layers"]}
    trees = layers["Bäume"]
    assert trees["renderer"] == "RuleRenderer" and trees["faults"] == []
    assert [rule["color"] for rule in trees["rules"]] == ["#c2472d"]  # plain: the contract names no style
    assert trees["aliases"]["nummer"] == "Baumnummer"
    assert layers["Straßen"]["rules"][0]["color"] == "#35506b" and layers["Gebäude"]["rules"][0]["color"] == "#9db7cf"
    assert layers["Einwohner"]["aliases"]["jahr"] == "jahr" and "renderer" not in layers["Einwohner"]


def test_a_key_never_gets_into_the_file(city: City, tmp_path: Path) -> None:
    path = tmp_path / "intern.qgz"
    assert export(city, path, "--profile", "verwaltung", "--authcfg", "sg12345", "--url", "http://127.0.0.1:1").returncode == 0
    with zipfile.ZipFile(path) as archive:
        text = archive.read("stadtgrund.qgs").decode()
    assert "authcfg=sg12345" in text and "leitungen" in text
    assert export(city, tmp_path / "a.qgz", "--url", "http://127.0.0.1:1").returncode == 0
    with zipfile.ZipFile(tmp_path / "a.qgz") as archive:
        assert "leitungen" not in archive.read("stadtgrund.qgs").decode()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--authcfg", "sg_geheim_und_lang"], 2, "7"),
        (["--url", "geodaten.example.org"], 2, "http(s)://"),
        (["--profile", "chef"], 2, "open, verwaltung"),
        (["--output", "/gibt/es/nicht.qgz"], 1, "/gibt/es/nicht.qgz"),
    ],
)
def test_misuse_is_told(city: City, tmp_path: Path, more: list[str], code: int, said: str) -> None:
    done = export(city, tmp_path / "x.qgz", *more)
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr
