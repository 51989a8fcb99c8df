"""The whole town: its size, and load reports that say exactly what was planted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from demo.city import build
from demo.write import write_city
from etl import pipeline
from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# kind in fehler.json → rule and outcome in the load report
RULES = {
    "invalid_ring": ("valid_geometry", "repair"), "duplicate_key": ("unique", "reject"), "lost_leading_zero": ("key", "repair"),
    "cut_key": ("key", "repair"), "missing_value": ("required", "reject"), "unknown_code": ("codelist", "report"),
}  # fmt: skip
COLUMNS = {"Flurstück": "flurstueck", "OT-Schlüssel": "ot_schluessel"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("musterstadt")
    start = time.process_time()
    write_city(build(), folder, 1)
    assert time.process_time() - start < 50  # 13 s on an idle machine; a bound against a loop that is not vectorised any more
    return folder


def test_town_is_as_large_as_promised(whole: Path) -> None:
    rows = json.loads((whole / "kennzahlen.json").read_text())["zeilen"]
    assert rows["gebaeude"] >= 20_000
    assert rows["flurstuecke"] >= 25_000
    assert rows["adressen"] >= 30_000
    assert rows["baeume"] >= 10_000
    assert rows["strassen"] >= 1_000
    assert rows["schulen"] >= 15
    assert rows["baustellen"] >= 300


def test_reports_say_what_was_planted(whole: Path, module_db: Database) -> None:
    deployment = registry.read(ROOT / "pygeoapi-config" / "musterstadt", whole)
    reports = {report.dataset: report for report in pipeline.load_all(module_db, deployment)}
    for report in reports.values():
        assert report.status == "published", report.text()
    rows = json.loads((whole / "kennzahlen.json").read_text())["zeilen"]
    assert {name: reports[name].rows_in for name in rows} == rows
    faults = json.loads((whole / "fehler.json").read_text())
    expected = {
        (fault["dataset"], *RULES[fault["kind"]], COLUMNS.get(fault["field"], fault["field"])): fault["count"]
        for fault in faults
        if fault["kind"] in RULES
    }
    found = {
        (name, finding.rule, finding.on_fail, finding.field): finding.count
        for name, report in reports.items()
        for finding in report.findings
        if (finding.rule, finding.on_fail) in RULES.values() and name != "einwohner"
    }
    strange = ("einwohner", "key", "repair", "ot_schluessel")
    assert expected.pop(strange) == next(item.count for item in reports["einwohner"].findings if (item.rule, item.on_fail) == strange[1:3])
    assert found == expected
    rejected = {name: report.rows_rejected for name, report in reports.items() if report.rows_rejected}
    planted: dict[str, int] = {}
    for fault in faults:
        if fault["effect"] == "rejected":
            planted[fault["dataset"]] = planted.get(fault["dataset"], 0) + fault["count"]
    assert rejected == {**planted, "bauantraege_flurstuecke": 3}

    areas = reports["einwohner_ortsteile"].join
    assert areas is not None
    assert (areas.left_matched, areas.left_unmatched, areas.right_matched, areas.right_unmatched) == (23, 0, 138, 6)
    permits = reports["bauantraege_flurstuecke"].join
    assert permits is not None
    assert permits.left_unmatched == 3
    pupils = reports["schulen_schueler"].join
    assert pupils is not None
    assert pupils.left_unmatched == pupils.right_unmatched == 3
