"""QGIS itself, by the distribution's python3 with python3-qgis, against the running server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.city import SPATIAL, TABLES
from support.served import City

PROBE = Path(__file__).with_name("qgis_probe.py")

pytestmark = pytest.mark.qgis


@pytest.fixture(scope="module")
def probed(api: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, object]], Path]:
    """What QGIS says of every open collection, and the folder with its pictures."""
    folder = tmp_path_factory.mktemp("qgis")
    (folder / "runtime").mkdir(mode=0o700)
    # Nothing of this environment's Python may reach the distribution's.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_"))}
    env |= {"QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "runtime"), "LC_ALL": "C.UTF-8"}
    env |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["/usr/bin/python3", str(PROBE), f"{api}/", str(folder), *SPATIAL, *TABLES],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(SPATIAL) + len(TABLES), done.stdout + done.stderr
    return {answer["collection"]: answer for answer in answers}, folder


@pytest.mark.parametrize("collection", [*SPATIAL, *TABLES])
def test_qgis_opens_it_and_counts_all_features(collection: str, probed: tuple[dict[str, dict[str, object]], Path], city: City) -> None:
    answer = probed[0][collection]
    truth = city.rows(collection)
    assert answer["valid"], answer["error"]
    assert answer["count"] == len(truth)
    assert set(truth.columns) - {"sg_id", "geometry"} <= set(answer["fields"])  # type: ignore[call-overload]


@pytest.mark.parametrize("collection", SPATIAL)
def test_qgis_draws_it_where_it_lies(collection: str, probed: tuple[dict[str, dict[str, object]], Path], city: City) -> None:
    answers, folder = probed
    answer = answers[collection]
    assert answer["crs"] in ("EPSG:4326", "OGC:CRS84")
    assert answer["extent"] == pytest.approx(list(city.rows(collection).to_crs("EPSG:4326").total_bounds), abs=2e-3)
    assert answer["render_errors"] == []
    assert (folder / f"{collection}.png").stat().st_size > 500
    assert answer["colours"] > 1, "the picture is blank"  # type: ignore[operator]
