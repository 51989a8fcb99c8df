"""The files of whole collections as other people's programs fetch them: GDAL by ranges, curl, checksums, over a real socket."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import geopandas
import httpx
import pytest
import shapely
from support.city import SPATIAL
from support.served import City

from .test_gdal import assert_attributes_equal, run


@pytest.mark.parametrize(("format_", "driver"), [("fgb", "FlatGeobuf"), ("gpkg", "GPKG"), ("geojson", "GeoJSON")])
def test_gdal_reads_a_served_file_in_place(api: str, city: City, format_: str, driver: str) -> None:
    """GDAL asks by HEAD and ranges; the first of them finds no file yet."""
    told = run("ogrinfo", "-so", "-al", f"/vsicurl/{api}/collections/strassen/files/strassen.{format_}")
    assert f"using driver `{driver}'" in told and f"Feature Count: {len(city.rows('strassen'))}" in told
    assert ("EPSG" in told and "25832" in told) == (format_ != "geojson")


def test_gdal_reads_a_box_of_a_served_flatgeobuf(api: str, city: City) -> None:
    west, south, east, north = city.rows("baeume").total_bounds
    box = [west, south, (west + east) / 2, (south + north) / 2]
    target = f"/vsicurl/{api}/collections/baeume/files/baeume.fgb"
    told = run("ogrinfo", "-so", "-al", "-spat", *map(str, box), target)
    places = city.rows("baeume").geometry
    assert f"Feature Count: {int(places.intersects(shapely.box(*box)).sum())}" in told


@pytest.mark.parametrize("collection", SPATIAL)
def test_a_geopackage_has_what_the_database_has(api: str, city: City, collection: str, tmp_path: Path) -> None:
    path = tmp_path / f"{collection}.gpkg"
    path.write_bytes(httpx.get(f"{api}/collections/{collection}/files/{collection}.gpkg", trust_env=False, timeout=60).content)
    found, truth = geopandas.read_file(path), city.rows(collection)
    key = "sg_id" if "sg_id" in found else city_key(collection)
    found, truth = (
        found.sort_values(key).reset_index(drop=True),
        truth.sort_values("sg_id" if key == "sg_id" else key).reset_index(drop=True),
    )
    assert found.crs == truth.crs and len(found) == len(truth)
    assert_attributes_equal(found, truth)
    both = found.geometry.notna()
    assert (both == truth.geometry.notna()).all() and found.geometry[both].geom_equals_exact(truth.geometry[both], 0.001).all()


def city_key(collection: str) -> str:
    return {"baeume": "nummer", "strassen": "schluessel", "gebaeude": "gebaeude_id", "pegel": "nr", "ortsteile": "ortsteil"}[collection]


def test_curl_and_its_checksum(api: str, tmp_path: Path) -> None:
    """As the documentation says it."""
    url = f"{api}/collections/gebaeude/files/gebaeude.parquet"
    for address in (url, f"{url}.sha256"):
        subprocess.run(["curl", "--noproxy", "*", "-sSfLO", "--retry", "5", address], cwd=tmp_path, check=True, timeout=120)
    told = subprocess.run(["sha256sum", "-c", "gebaeude.parquet.sha256"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert told == "gebaeude.parquet: OK\n"
    links = httpx.get(f"{api}/collections/gebaeude?f=json", trust_env=False).json()["links"]
    (link,) = [each for each in links if each["rel"] == "enclosure" and each["href"] == url]
    body = (tmp_path / "gebaeude.parquet").read_bytes()
    assert link["length"] == len(body) and link["sha256"] == hashlib.sha256(body).hexdigest()
    # A download that broke off goes on.
    (tmp_path / "gebaeude.parquet").write_bytes(body[:1000])
    subprocess.run(["curl", "--noproxy", "*", "-sSfO", "-C", "-", url], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "gebaeude.parquet").read_bytes() == body


def test_curl_follows_an_excerpt_to_its_name(api: str, tmp_path: Path) -> None:
    query = f"{api}/collections/baeume/download?f=geojson&filter=hoehe_m%20%3E%2020"
    subprocess.run(["curl", "--noproxy", "*", "-sSfLOJ", query], cwd=tmp_path, check=True, timeout=120)
    document = json.loads((tmp_path / "baeume_auszug.geojson").read_text())
    assert document["features"] and all(each["properties"]["hoehe_m"] > 20 for each in document["features"])
