"""The files have the habits that they should have, the faults that `fehler.json` lists, and no others."""

from __future__ import annotations

import hashlib
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas
import pyogrio
import pytest
import rasterio
import shapely

from demo.city import City, build
from demo.write import write_city

FILES = {
    "LIESMICH.txt",
    "adressen.csv",
    "bauantraege.csv",
    "baumkataster.csv",
    "baustellen.geojson",
    "denkmale.zip",
    "dgm.tif",
    "einwohner.xlsx",
    "fehler.json",
    "gewaesser.geojson",
    "gruenflaechen.geojson",
    "haltestellen.geojson",
    "kennzahlen.json",
    "leitungen.gpkg",
    "liegenschaften.gpkg",
    "schueler.csv",
    "schulen.geojson",
    "schutzgebiete.gpkg",
    "starkregen_aussergewoehnlich.tif",
    "starkregen_extrem.tif",
    "starkregen_selten.tif",
    "strassen.zip",
    "verwaltungsgrenzen.gpkg",
}


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def listed(folder: Path, dataset: str, kind: str) -> list[str]:
    (entry,) = [item for item in json.loads((folder / "fehler.json").read_text()) if (item["dataset"], item["kind"]) == (dataset, kind)]
    assert entry["count"] == len(entry["ids"]) > 0
    return sorted(entry["ids"])


def table(path: Path, encoding: str) -> pandas.DataFrame:
    return pandas.read_csv(path, sep=";", encoding=encoding, dtype=str, keep_default_na=False)


@pytest.mark.slow
def test_equal_seed_gives_equal_bytes(town: City, delivered: Path, tmp_path: Path) -> None:
    write_city(build(1, 0.05), tmp_path, 1)
    assert hashes(tmp_path) == hashes(delivered)
    assert set(hashes(delivered)) == FILES


@pytest.mark.slow
def test_other_seed_gives_another_town(delivered: Path, tmp_path: Path) -> None:
    write_city(build(2, 0.05), tmp_path, 2)
    other, own = hashes(tmp_path), hashes(delivered)
    assert {name for name in own if own[name] == other[name]} == {"LIESMICH.txt"}


@pytest.mark.slow
def test_writing_over_an_older_city_gives_the_same(town: City, tmp_path: Path) -> None:
    write_city(town, tmp_path, 1)
    first = hashes(tmp_path)
    write_city(town, tmp_path, 1)
    assert hashes(tmp_path) == first


@pytest.mark.parametrize("name", ["strassen", "denkmale"])
def test_shapefiles_are_cp1252_and_do_not_say_so(delivered: Path, name: str) -> None:
    with zipfile.ZipFile(delivered / f"{name}.zip") as archive:
        assert {Path(item).suffix for item in archive.namelist()} == {".dbf", ".prj", ".shp", ".shx"}
        dbf = archive.read(f"{name}.dbf")
    assert dbf[29] == 0  # no code page
    assert "ß".encode("cp1252") in dbf
    with pytest.raises(UnicodeDecodeError):
        dbf[32:].decode("utf-8")


def test_geojson_in_utm_has_the_old_crs_member_and_crs84_has_none(delivered: Path) -> None:
    for name in ("gewaesser", "gruenflaechen", "baustellen"):
        document = json.loads((delivered / f"{name}.geojson").read_text())
        assert document["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::25832"
    for name in ("schulen", "haltestellen"):
        document = json.loads((delivered / f"{name}.geojson").read_text())
        assert "crs" not in document
        lon, lat = document["features"][0]["geometry"]["coordinates"]
        assert 7.8 < lon < 8.1
        assert 49.4 < lat < 49.6


def test_tables_have_semicolons_decimal_commas_and_their_encoding(delivered: Path) -> None:
    assert (delivered / "adressen.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert table(delivered / "adressen.csv", "utf-8-sig")["Ostwert"].str.fullmatch(r"\d{6},\d{1,3}").all()
    with pytest.raises(UnicodeDecodeError):
        (delivered / "baumkataster.csv").read_bytes().decode("utf-8")
    assert table(delivered / "baumkataster.csv", "cp1252")["standort"].eq("Straße").any()
    assert table(delivered / "bauantraege.csv", "utf-8-sig")["Baukosten EUR"].str.fullmatch(r"\d{1,3}(\.\d{3})*,\d\d").all()


def test_spreadsheet_has_junk_above_and_below_the_table(delivered: Path) -> None:
    book = openpyxl.load_workbook(delivered / "einwohner.xlsx")
    sheet = book["Bevölkerung"]
    assert {str(area) for area in sheet.merged_cells.ranges} == {"A1:L1", "A2:L2", "F4:L4"}
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[4][:5] == ("Stichtag", "Jahr", "OT-Schlüssel", "Ortsteil", "Insgesamt")
    assert rows[-2][0] == "Summe"
    assert rows[-2][4] == sum(row[4] for row in rows[5:-2])
    assert rows[-1][0].startswith("Quelle")
    numbers = [f"{row[2]:03d}-{row[1]}" for row in rows[5:-2] if isinstance(row[2], int)]
    assert sorted(numbers) == listed(delivered, "einwohner", "lost_leading_zero")
    assert sorted(f"{row[2]}-{row[1]}" for row in rows[5:-2] if row[2] == "999") == listed(delivered, "einwohner", "unmatched_key")


@pytest.mark.parametrize(
    ("dataset", "file", "ident"),
    [("gebaeude", "liegenschaften.gpkg", "gebaeude_id"), ("flurstuecke", "liegenschaften.gpkg", "kennzeichen"),
     ("gruenflaechen", "gruenflaechen.geojson", "gruen_id")],
)  # fmt: skip
def test_invalid_rings_are_those_listed(delivered: Path, dataset: str, file: str, ident: str) -> None:
    frame = pyogrio.read_dataframe(delivered / file, layer=dataset)
    assert sorted(frame.loc[~frame.is_valid, ident]) == listed(delivered, dataset, "invalid_ring")


@pytest.mark.parametrize(("dataset", "ident"), [("gebaeude", "gebaeude_id"), ("flurstuecke", "kennzeichen")])
def test_repeated_keys_are_those_listed(delivered: Path, dataset: str, ident: str) -> None:
    frame = pyogrio.read_dataframe(delivered / "liegenschaften.gpkg", layer=dataset, read_geometry=False)
    assert sorted(frame.loc[frame[ident].duplicated(), ident]) == listed(delivered, dataset, "duplicate_key")


def test_cut_parcel_keys_are_those_listed(delivered: Path) -> None:
    keys = pyogrio.read_dataframe(delivered / "liegenschaften.gpkg", layer="flurstuecke", read_geometry=False)["kennzeichen"]
    assert sorted(keys[keys.str.len() < 20].str.ljust(20, "_")) == listed(delivered, "flurstuecke", "cut_key")


def test_faults_of_the_addresses_are_those_listed(delivered: Path) -> None:
    frame = table(delivered / "adressen.csv", "utf-8-sig")
    assert sorted(frame.loc[frame["adresse_id"].duplicated(), "adresse_id"]) == listed(delivered, "adressen", "duplicate_key")
    once = frame.drop_duplicates("adresse_id")
    assert sorted(once.loc[once["strassenschluessel"].str.len() < 5, "adresse_id"]) == listed(delivered, "adressen", "lost_leading_zero")
    assert sorted(once.loc[once["strasse"] == "", "adresse_id"]) == listed(delivered, "adressen", "missing_value")


def test_faults_of_the_trees_are_those_listed(delivered: Path) -> None:
    frame = table(delivered / "baumkataster.csv", "cp1252")
    key = frame["strassenschluessel"]
    assert sorted(frame.loc[(key != "") & (key.str.len() < 5), "baum_nr"]) == listed(delivered, "baeume", "lost_leading_zero")
    assert sorted(frame.loc[~frame["zustand"].isin(list("1234")), "baum_nr"]) == listed(delivered, "baeume", "unknown_code")
    assert sorted(frame.loc[frame["art"] == "", "baum_nr"]) == listed(delivered, "baeume", "missing_value")


def test_faults_of_the_joined_tables_are_those_listed(delivered: Path) -> None:
    parcels = pyogrio.read_dataframe(delivered / "liegenschaften.gpkg", layer="flurstuecke", read_geometry=False)["kennzeichen"]
    permits = table(delivered / "bauantraege.csv", "utf-8-sig")
    lost = ~permits["Flurstück"].str.ljust(20, "_").isin(set(parcels.str.ljust(20, "_")))
    assert sorted(permits.loc[lost, "Aktenzeichen"]) == listed(delivered, "bauantraege", "unmatched_key")
    assert sorted(permits.loc[permits["Flurstück"].str.len() < 20, "Aktenzeichen"]) == listed(delivered, "bauantraege", "cut_key")
    schools = pyogrio.read_dataframe(delivered / "schulen.geojson")
    places = set(schools["strasse"] + " " + schools["hausnummer"])
    pupils = table(delivered / "schueler.csv", "cp1252")
    strange = sorted(pupils.loc[~(pupils["Straße"] + " " + pupils["Hausnummer"]).isin(places), "Schule"])
    noted = [item["ids"] for item in json.loads((delivered / "fehler.json").read_text()) if item["dataset"] == "schueler"]
    assert strange == sorted(itertools.chain(*noted))


def test_counts_beside_the_data_are_those_of_the_files(delivered: Path) -> None:
    figures: dict[str, Any] = json.loads((delivered / "kennzahlen.json").read_text())["zeilen"]
    layers = {
        "verwaltungsgrenzen.gpkg": "stadtbezirke ortsteile",
        "liegenschaften.gpkg": "flurstuecke gebaeude",
        **{f"{name}.gpkg": name for name in ("leitungen", "schutzgebiete")},
        **{f"{name}.zip": name for name in ("strassen", "denkmale")},
        **{f"{name}.geojson": name for name in ("gewaesser", "gruenflaechen", "baustellen", "schulen", "haltestellen")},
    }
    for file, names in layers.items():
        for name in names.split():
            encoding = "CP1252" if file.endswith(".zip") else None
            assert pyogrio.read_info(delivered / file, layer=name, encoding=encoding)["features"] == figures[name]
    for file, name in (("adressen", "adressen"), ("baumkataster", "baeume"), ("schueler", "schueler"), ("bauantraege", "bauantraege")):
        assert (delivered / f"{file}.csv").read_bytes().count(b"\r\n") - 1 == figures[name]


def test_grids_agree_and_lie_under_the_city(town: City, delivered: Path) -> None:
    with rasterio.open(delivered / "dgm.tif") as grid:
        height, frame = grid.read(1), (grid.crs.to_epsg(), grid.transform, grid.shape, grid.nodata)
        bounds = shapely.box(*grid.bounds)
    assert frame[0] == 25832
    assert bounds.contains(town.plan.boundary)
    for name in town.depth:
        with rasterio.open(delivered / f"starkregen_{name}.tif") as grid:
            assert (grid.crs.to_epsg(), grid.transform, grid.shape, grid.nodata) == frame
            assert np.array_equal(grid.read(1) == grid.nodata, height == grid.nodata)
