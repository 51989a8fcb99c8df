"""The contracts of Musterstadt arrive checked, and fit the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pandas
import pyogrio
import pytest
import rasterio

from stadtgrund.catalog import registry
from stadtgrund.catalog.access import decide
from stadtgrund.catalog.checks import check
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.release import state
from stadtgrund.settings import ROOT

FOLDER = ROOT / "pygeoapi-config" / "musterstadt"
PLANTED = {("baeume", "zustand"): {"9"}, ("baustellen", "status"): {"abgeschlossen"}}


@pytest.fixture(scope="module")
def deployment(delivered: Path) -> registry.Deployment:
    return registry.read(FOLDER, delivered)


def rows_of(deployment: registry.Deployment, contract: Contract) -> pandas.DataFrame:
    source, path = contract.source, Path(deployment.location(contract))
    if source.kind == "ogr":
        return pyogrio.read_dataframe(path, layer=source.layer, encoding=source.encoding, read_geometry=False)
    if path.suffix == ".xlsx":
        rows = list(openpyxl.load_workbook(path)[str(source.sheet)].iter_rows(values_only=True))
        return pandas.DataFrame(rows[source.header_row :], columns=rows[source.header_row - 1])
    return pandas.read_csv(path, sep=source.delimiter, encoding=source.encoding, encoding_errors="strict", dtype=str)


def tables(deployment: registry.Deployment) -> Iterator[Contract]:
    yield from (contract for contract in deployment.contracts.values() if contract.source.kind in ("ogr", "table"))


def test_folder_is_without_problems() -> None:
    assert check(FOLDER) == []


def test_every_protection_check_is_of_the_present_contract(deployment: registry.Deployment) -> None:
    for contract in deployment.contracts.values():
        assert state(contract).name == ("geschlossen" if contract.id == "leitungen" else "geprueft_offen"), contract.id
        assert set(contract.protection.fields) == {field.name for field in contract.fields}, contract.id


def test_files_have_the_columns_that_contracts_name(deployment: registry.Deployment) -> None:
    for contract in tables(deployment):
        columns = {str(name).lstrip("\ufeff") for name in rows_of(deployment, contract).columns}
        named = {field.source_name for field in contract.fields} | {name for name in (contract.source.x, contract.source.y) if name}
        assert named <= columns, contract.id
        assert columns == named, f"{contract.id}: not in the contract: {columns - named}"


def test_code_lists_are_complete_but_for_the_planted_values(deployment: registry.Deployment) -> None:
    for contract in tables(deployment):
        rows = rows_of(deployment, contract)
        for field in contract.fields:
            if field.values is not None:
                strange = set(rows[field.source_name].dropna()) - set(field.values)
                assert strange == PLANTED.get((contract.id, field.name), set()), (contract.id, field.name)


def test_grids_are_as_contracts_say(deployment: registry.Deployment) -> None:
    grids = [contract for contract in deployment.contracts.values() if contract.is_raster]
    assert len(grids) == 4
    for contract in grids:
        with rasterio.open(deployment.location(contract)) as grid:
            assert grid.nodata == contract.source.nodata
            assert f"EPSG:{grid.crs.to_epsg()}" == contract.source.crs


def test_city_lies_in_its_box(deployment: registry.Deployment) -> None:
    west, south, east, north = deployment.box(25832)
    xmin, ymin, xmax, ymax = pyogrio.read_info(deployment.data / "verwaltungsgrenzen.gpkg", layer="stadtbezirke")["total_bounds"]
    assert west < xmin < xmax < east
    assert south < ymin < ymax < north


def test_open_profile_gets_neither_utilities_nor_ideas_nor_persons(deployment: registry.Deployment) -> None:
    assert decide(deployment.contract("leitungen"), "open").form is None
    sites = decide(deployment.contract("baustellen"), "open").form
    assert sites is not None
    assert sites.where == "status <> 'Idee'"
    assert not {"ansprechperson", "kosten_eur"} & set(sites.fields)
    permits = decide(deployment.contract("bauantraege_flurstuecke"), "open").form
    assert permits is not None
    assert permits.where == "status = 'genehmigt'"
    assert not {"antragsteller", "baukosten_eur"} & set(permits.fields)


@pytest.mark.parametrize("dataset", ["einwohner", "einwohner_ortsteile"])
def test_small_counts_of_inhabitants_are_suppressed(deployment: registry.Deployment, dataset: str) -> None:
    contract = deployment.contract(dataset)
    form = decide(contract, "open").form
    assert form is not None
    assert form.min_count is not None
    assert form.min_count.minimum == 5
    counts = {field.name for field in contract.fields if field.unit == "1"} & set(form.fields)
    assert counts == set(form.min_count.fields)  # no count beside the suppressed ones, from which they could be computed
