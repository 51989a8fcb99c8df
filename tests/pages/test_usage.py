"""Each piece of code under „So benutzen“ is taken from its page and run by its program."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import geopandas
import httpx
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, environment
from support.served import free_port, running

from etl import pipeline
from server.usage import KEY, Example, example, usage
from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection, CollectionGeometry
from stadtgrund.store import api_keys

REMOTE = """\
layer = QgsVectorLayer("/vsicurl/{}", "Datei", "ogr")
QgsProject.instance().addMapLayer(layer)
"""
"""What „Protokoll: HTTP(S)“ of QGIS makes of an address."""
QGIS = """\
import sys
from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
exec(sys.argv[1])
print(layer.isValid(), len(list(layer.getFeatures())))
QgsProject.instance().clear()
application.exitQgis()
"""
QGIS_RASTER = """\
import sys
from qgis.core import QgsApplication, QgsRasterLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsRasterLayer("/vsicurl/" + sys.argv[1], "Raster")
print(layer.isValid(), layer.width(), layer.height())
del layer
application.exitQgis()
"""
COUNTS = {"masten": 12, "gebiete": 8, "zahlen": 20, "leitungen": 8}
OPEN = ["masten", "gebiete", "zahlen"]
FILTERED = {"masten": 6}
"""How many features the condition of the page holds for, unless one: half of the poles are of the kind that it names."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def snippets(api: str, dataset: str, key: str | None = None, language: str = "de") -> dict[str, list[str]]:
    """Return tool → pieces of code of a collection's page."""
    headers = {"X-API-Key": key} if key else {}
    page = httpx.get(f"{api}/collections/{dataset}?f=html&lang={language}", headers=headers, trust_env=False, timeout=60)
    assert page.status_code == 200
    found: dict[str, list[str]] = {}
    for tool, code in re.findall(r'<pre[^>]*data-tool="([^"]+)"><code>(.*?)</code>', page.text, re.DOTALL):
        found.setdefault(tool, []).append(html.unescape(code))
    return found


def ran(command: list[str], folder: Path, key: str | None) -> str:
    """Run a program in a folder of its own and return what it printed."""
    env = {**os.environ, "no_proxy": "127.0.0.1", "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C.UTF-8"}
    env.pop(KEY, None)
    done = subprocess.run(
        command, cwd=folder, env=env | ({KEY: key} if key else {}), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(params=[*OPEN, "leitungen"])
def dataset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_key(dataset: str, key: str) -> str | None:
    """The key where the dataset needs one."""
    return None if dataset in OPEN else key


@pytest.fixture
def codes(good_api: str, dataset: str, own_key: str | None) -> dict[str, list[str]]:
    found = snippets(good_api, dataset, own_key)
    assert list(found) == ["QGIS", "curl", "Python", "R", "JavaScript", "GDAL"]
    if own_key:
        for tool in ("curl", "Python", "R", "JavaScript", "GDAL"):
            assert found[tool].pop(0) == f"read -rs {KEY} && export {KEY}"
    assert not [code for each in found.values() for code in each if "sg_" in code]
    return found


def test_curl(codes: dict[str, list[str]], dataset: str, own_key: str | None, tmp_path: Path) -> None:
    first, filtered, one, table = codes["curl"]
    assert f"/collections/{dataset}/files/{dataset}.csv" in table  # all rows, not a page of them
    assert len(json.loads(ran(["sh", "-c", first], tmp_path, own_key))["features"]) == min(10, COUNTS[dataset])
    assert json.loads(ran(["sh", "-c", filtered], tmp_path, own_key))["numberMatched"] == FILTERED.get(dataset, 1)
    assert json.loads(ran(["sh", "-c", one], tmp_path, own_key))["type"] == "Feature"
    ran(["sh", "-c", table], tmp_path, own_key)
    assert len((tmp_path / f"{dataset}.csv").read_text("utf-8").splitlines()) == COUNTS[dataset] + 1


def test_python(codes: dict[str, list[str]], dataset: str, own_key: str | None, tmp_path: Path) -> None:
    for code in codes["Python"]:
        assert ran([sys.executable, "-c", code], tmp_path, own_key).split()[-1] == str(FILTERED.get(dataset, 1))


def test_javascript(codes: dict[str, list[str]], dataset: str, own_key: str | None, tmp_path: Path) -> None:
    (code,) = codes["JavaScript"]
    assert ran(["node", "--input-type=module", "--eval", code], tmp_path, own_key).startswith(f"{FILTERED.get(dataset, 1)} {{")


def test_gdal(codes: dict[str, list[str]], dataset: str, own_key: str | None, tmp_path: Path) -> None:
    told, whole, chosen = codes["GDAL"]
    assert f"Layer name: {dataset}" in ran(["sh", "-c", told], tmp_path, own_key)
    assert whole.startswith("curl ") and whole.endswith(f'/collections/{dataset}/files/{dataset}.gpkg"')  # one request: one version
    ran(["sh", "-c", whole], tmp_path, own_key)
    ran(["sh", "-c", chosen], tmp_path, own_key)
    assert len(geopandas.read_file(tmp_path / f"{dataset}.gpkg")) == COUNTS[dataset]
    assert len(geopandas.read_file(tmp_path / f"{dataset}_auswahl.gpkg")) == FILTERED.get(dataset, 1)


def test_r(codes: dict[str, list[str]], dataset: str, own_key: str | None, tmp_path: Path) -> None:
    assert f"/collections/{dataset}/download?f=geojson&filter=" in codes["R"][1]
    counts = [ran(["Rscript", "-e", code + "\ncat(nrow(daten))"], tmp_path, own_key).split()[-1] for code in codes["R"]]
    assert counts == [str(COUNTS[dataset]), str(FILTERED.get(dataset, 1))]


@pytest.mark.qgis
@pytest.mark.parametrize("dataset", OPEN, indirect=True)
def test_qgis(codes: dict[str, list[str]], dataset: str, good_api: str, tmp_path: Path) -> None:
    address, code, *more = codes["QGIS"]
    files = [each for each in more if "/files/" in each]
    tiles = [each for each in more if "/tiles/" in each]
    assert address == good_api and files + tiles == more and len(files) == (0 if dataset == "zahlen" else 1)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    command = ["env", "-u", "PYTHONPATH", "QT_QPA_PLATFORM=offscreen", f"XDG_RUNTIME_DIR={runtime}", "/usr/bin/python3", "-c", QGIS]
    for loaded in (code, *(REMOTE.format(file) for file in files)):
        assert f"True {COUNTS[dataset]}" in ran([*command, loaded], tmp_path, None)
    for tile in tiles:
        place = tile.replace("{z}", "14").replace("{y}", "5453").replace("{x}", "8509")
        assert httpx.get(place, trust_env=False).headers["content-type"].startswith("application/vnd.mapbox-vector-tile")


def test_with_a_key_qgis_is_told_where_it_goes(good_api: str, key: str) -> None:
    page = httpx.get(f"{good_api}/collections/leitungen?f=html", headers={"X-API-Key": key}, trust_env=False).text
    assert "eine Konfiguration „Basic“ anlegen" in page and key not in page


@pytest.mark.parametrize("keyed", [True, False])
def test_at_the_file_qgis_is_told_of_the_key_and_of_new_versions(keyed: bool) -> None:
    qgis = usage(drawn(("name", "string")), "http://x", "de", Example(), key=keyed, files={})[0]
    ((place, told),) = [(place, step) for place, step in enumerate(qgis.steps) if "Protokoll: HTTP(S)" in step]
    assert told.endswith("Nach einer neuen Version den Layer neu laden.")
    assert ["„Basic“ anlegen" in step for step in qgis.steps[place + 1 : place + 2]] == ([True] if keyed else [])


@pytest.mark.parametrize(("condition", "told"), [("name = 'x'", 1), (None, 0)])
def test_gdal_is_told_of_the_page_size_where_a_snippet_has_it(condition: str | None, told: int) -> None:
    gdal = usage(collection(("name", "string")), "http://x", "de", Example("1", condition), key=False, files={})[-1]
    assert (gdal.name, len(gdal.steps)) == ("GDAL", told)
    assert told == sum("PAGE_SIZE" in snippet.code for snippet in gdal.snippets)


GRIDS = ["tiefe", "bunker"]
"""Rasters, the second of which only a key opens."""
DEPTHS = np.arange(300 * 200, dtype="float32").reshape(300, 200) / 1000


@pytest.fixture(scope="module")
def grids(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a server of the rasters, and a key of the administration."""
    contracts = []
    for name in GRIDS:
        source = {"kind": "raster", "location": f"${{DATA}}/{name}.tif", "crs": "EPSG:25832", "unit": "m", "nodata": -9999}
        values = {"id": name, "title": {"de": name.capitalize()}, "description": {"de": "Überflutungstiefe."}, "source": source}
        contracts.append(checked(contract_of(values), *(["security_critical"] if name == "bunker" else [])))
    folder = write_deployment(tmp_path_factory.mktemp("grids") / "teststadt", *contracts)
    place = {"crs": "EPSG:25832", "transform": from_origin(374000, 5703000, 2, 2), "nodata": -9999}
    for name in GRIDS:
        with rasterio.open(
            folder / "data" / f"{name}.tif", "w", driver="GTiff", width=200, height=300, count=1, dtype="float32", **place
        ) as grid:
            grid.write(DEPTHS, 1)
    db = server.clone()
    for report in pipeline.load_all(db, registry.read(folder, folder / "data")):
        assert report.status == "published", report.text()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**environment(server, db, folder), "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path_factory.mktemp("serve") / "log") as address:
        yield address, api_keys.create(db, "Raster", "verwaltung").reveal()
    server.drop(db.name)


@pytest.fixture(params=GRIDS)
def grid_key(request: pytest.FixtureRequest, grids: tuple[str, str]) -> tuple[str, str | None]:
    """A raster, and the key where it needs one."""
    return request.param, grids[1] if request.param == "bunker" else None


@pytest.fixture
def grid_codes(grids: tuple[str, str], grid_key: tuple[str, str | None]) -> dict[str, list[str]]:
    name, key = grid_key
    found = snippets(grids[0], name, key)
    assert list(found) == ["QGIS", "curl", "Python", "GDAL"]
    if key:
        for tool in ("curl", "Python", "GDAL"):
            assert found[tool].pop(0) == f"read -rs {KEY} && export {KEY}"
    return found


def is_whole(path: Path) -> None:
    with rasterio.open(path) as grid:
        assert grid.crs.to_epsg() == 25832 and np.array_equal(grid.read(1), DEPTHS)


def test_curl_of_a_raster(grid_codes: dict[str, list[str]], grid_key: tuple[str, str | None], tmp_path: Path) -> None:
    (code,) = grid_codes["curl"]
    ran(["sh", "-c", code], tmp_path, grid_key[1])
    is_whole(tmp_path / f"{grid_key[0]}.tif")


def test_python_of_a_raster(grid_codes: dict[str, list[str]], grid_key: tuple[str, str | None], tmp_path: Path) -> None:
    (code,) = grid_codes["Python"]
    told = ran([sys.executable, "-c", code], tmp_path, grid_key[1])
    assert "'width': 200, 'height': 300" in told and "'nodata': -9999.0" in told


def test_gdal_of_a_raster(grid_codes: dict[str, list[str]], grid_key: tuple[str, str | None], tmp_path: Path) -> None:
    told, whole = grid_codes["GDAL"]
    assert "Size is 200, 300" in ran(["sh", "-c", told], tmp_path, grid_key[1])
    ran(["sh", "-c", whole], tmp_path, grid_key[1])
    is_whole(tmp_path / f"{grid_key[0]}.tif")


@pytest.mark.qgis
def test_qgis_of_a_raster(grids: tuple[str, str], tmp_path: Path) -> None:
    (address,) = snippets(grids[0], "tiefe")["QGIS"]
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    command = ["env", "-u", "PYTHONPATH", "QT_QPA_PLATFORM=offscreen", f"XDG_RUNTIME_DIR={runtime}", "/usr/bin/python3", "-c", QGIS_RASTER]
    assert "True 200 300" in ran([*command, address], tmp_path, None)


def drawn(*fields: tuple[str, str]) -> Collection:
    """Return a layer of points with these fields."""
    return collection(*fields).model_copy(update={"geometry": CollectionGeometry(type="Point", srid=25832)})


def collection(*fields: tuple[str, str]) -> Collection:
    """Return a table with these fields."""
    text = {"de": "x"}
    told = [{"name": name, "type": kind, "title": text} for name, kind in fields]
    facts = {"version": 1, "published": "2026-01-01T00:00:00Z", "count": 1}
    return Collection.model_validate(
        {"id": "x", "form": "full", "title": text, "description": text, "access": text, "fields": told, "facts": facts}
    )


@pytest.mark.parametrize(
    ("fields", "values", "condition"),
    [
        ([("zahl", "integer"), ("name", "string")], {"zahl": 3, "name": "O'Neill"}, "name = 'O''Neill'"),
        ([("zahl", "integer"), ("name", "string")], {"zahl": 3, "name": None}, "zahl >= 3"),
        ([("name", "string")], {"name": "zwei\nZeilen"}, None),
        ([("like", "string"), ("wert", "number")], {"like": "x", "wert": 0.5}, "wert >= 0.5"),
        ([("tag", "date")], {"tag": "2026-01-01"}, None),
        ([("ja", "boolean")], {"ja": True}, None),
    ],
)
def test_the_condition_is_one_that_both_languages_take(
    fields: list[tuple[str, str]], values: dict[str, object], condition: str | None
) -> None:
    assert example(collection(*fields), {"id": 7, "properties": values}).condition == condition


def test_without_a_feature_nothing_is_named() -> None:
    assert example(collection(("name", "string")), None) == example(collection(), None)
