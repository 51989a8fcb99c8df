"""Joined datasets over the published tables of their parts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from etl import pipeline

from .conftest import City
from .test_ogr import write_points

JOIN = {"kind": "join", "left": "orte", "right": "zahlen", "on": [{"left": "name", "right": "ort"}]}
FIELDS = [
    {"name": "name", "from": "left.name", "type": "string"},
    {"name": "jahr", "from": "right.jahr", "type": "integer"},
    {"name": "wert", "from": "right.wert", "type": "number"},
]
POINT = {"type": "Point", "crs": "EPSG:25832"}


@pytest.fixture
def parts(city: City) -> City:
    write_points(city.data / "orte.gpkg", names=["A", "B", "C"])
    city.declare(
        "orte",
        {"kind": "ogr", "location": "${DATA}/orte.gpkg"},
        [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}],
        geometry=POINT,
        id_field={"kind": "column", "column": "nr"},
    )
    write_figures(city, "A;2024;1\nA;2025;2\nB;2025;3\nX;2025;4\n")
    fields = [{"name": "ort", "type": "string"}, {"name": "jahr", "type": "integer"}, {"name": "wert", "type": "integer"}]
    city.declare(
        "zahlen", {"kind": "table", "location": "${DATA}/zahlen.csv"}, fields, id_field={"kind": "composite", "columns": ["ort", "jahr"]}
    )
    return city


def write_figures(city: City, rows: str) -> None:
    (city.data / "zahlen.csv").write_text("ort;jahr;wert\n" + rows)


def declare(city: City, *, fields: list[dict[str, Any]] = FIELDS, id_field: dict[str, Any] | None = None, **source: Any) -> None:
    city.declare("verbunden", {**JOIN, **source}, fields, geometry=POINT, id_field=id_field or {"kind": "content"})


def load_all(city: City, *ids: str) -> dict[str, str]:
    return {report.dataset: report.status for report in pipeline.load_all(city.db, city.deployment, ids or None)}


def test_counts_per_side_and_nothing_lost(parts: City) -> None:
    declare(parts)
    assert load_all(parts) == {"orte": "published", "zahlen": "published", "verbunden": "published"}
    ((facts, rows_in),) = parts.ask("SELECT join_facts, rows_in FROM meta.version WHERE dataset = 'verbunden'")
    assert facts == {
        "left_rows": 3, "left_matched": 2, "left_unmatched": 1, "left_unmatched_keys": ["C"],
        "right_rows": 4, "right_matched": 3, "right_unmatched": 1, "right_unmatched_keys": ["X"],
    }  # fmt: skip
    assert rows_in == 4
    assert parts.rows("verbunden", "name, jahr, wert, ST_X(geom)", "name, jahr") == [
        ("A", 2024, 1.0, 380000.0), ("A", 2025, 2.0, 380000.0), ("B", 2025, 3.0, 380001.0), ("C", None, None, 380002.0),
    ]  # fmt: skip
    ((report,),) = parts.ask("SELECT report FROM meta.run WHERE dataset = 'verbunden'")
    assert "1 Zeile von orte ohne Partner (C); ohne Werte der anderen Seite übernommen." in [f["message"] for f in report["findings"]]
    assert "1 Zeile von orte hat in zahlen mehrere Partner und steht je Partner einmal da." in [f["message"] for f in report["findings"]]


def test_unmatched_left_rows_can_be_dropped_and_are_then_rejected_rows(parts: City) -> None:
    declare(parts, unmatched_left="drop")
    load_all(parts)
    ((run, rows_in, published, rejected),) = parts.ask(
        "SELECT run, rows_in, rows_published, rows_rejected FROM meta.run WHERE dataset = 'verbunden'"
    )
    assert (rows_in, published, rejected) == (4, 3, 1)
    ((rule, row),) = parts.ask('SELECT rule, "row" FROM meta.rejected_row WHERE run = %s', run)
    assert rule == "join" and row["name"] == "C"


def test_a_row_without_a_full_id_is_rejected(parts: City) -> None:
    declare(parts, id_field={"kind": "composite", "columns": ["name", "jahr"]})
    load_all(parts)
    assert parts.rows("verbunden", "sg_id") == [("A-2024",), ("A-2025",), ("B-2025",)]
    ((rows_in, rejected),) = parts.ask("SELECT rows_in, rows_rejected FROM meta.run WHERE dataset = 'verbunden'")
    assert (rows_in, rejected) == (4, 1)


def test_it_is_recomputed_when_a_part_publishes_and_only_then(parts: City) -> None:
    declare(parts)
    load_all(parts)
    assert load_all(parts) == {"orte": "unchanged", "zahlen": "unchanged", "verbunden": "unchanged"}
    write_figures(parts, "A;2024;1\nB;2025;7\n")
    assert load_all(parts, "zahlen") == {"zahlen": "published", "verbunden": "published"}
    assert parts.rows("verbunden", "name, wert", "name") == [("A", 1.0), ("B", 7.0), ("C", None)]


def test_keys_are_normalised_on_both_sides(parts: City) -> None:
    write_points(parts.data / "orte.gpkg", names=["1067", "44137"])
    write_figures(parts, "01067;2025;1\n44137.0;2025;2\nfalsch;2025;3\n")
    declare(parts, on=[{"left": "name", "right": "ort", "key": "plz"}])
    load_all(parts)
    assert parts.rows("verbunden", "name, wert", "name") == [("1067", 1.0), ("44137", 2.0)]
    ((keys,),) = parts.ask("SELECT join_facts -> 'right_unmatched_keys' FROM meta.version WHERE dataset = 'verbunden'")
    assert keys == ["falsch"]


def test_ids_of_content_are_keyed_and_stay(parts: City) -> None:
    declare(parts)
    load_all(parts)
    ids = parts.rows("verbunden", "sg_id")
    assert all(re.fullmatch("[0-9a-f]{20}", name) for (name,) in ids) and len(set(ids)) == len(ids)
    assert parts.load("verbunden", force=True).status == "published"
    assert parts.rows("verbunden", "sg_id") == ids
    parts.ask("UPDATE meta.setting SET value = %s WHERE key = 'id_key' RETURNING key", "0" * 64)
    parts.load("verbunden", force=True)
    assert not set(parts.rows("verbunden", "sg_id")) & set(ids)


def test_rules_hold_for_joined_rows_too(parts: City) -> None:
    fields = [FIELDS[0], {**FIELDS[1], "required": True}, FIELDS[2]]
    declare(parts, fields=fields)
    load_all(parts)
    ((rejected, findings),) = parts.ask("SELECT rows_rejected, report -> 'findings' FROM meta.run WHERE dataset = 'verbunden'")
    assert rejected == 1 and any(item["rule"] == "required" and item["field"] == "jahr" for item in findings)


def test_what_does_not_fit_is_refused_by_name(parts: City) -> None:
    declare(parts)
    report = parts.load("verbunden")
    assert (
        report.error == "Datensatz verbunden: orte ist noch nicht geladen." and report.next_step == "Laden Sie zuerst: stadtgrund load orte"
    )
    load_all(parts, "orte", "zahlen")
    declare(parts, fields=[{"name": "x", "from": "right.gibtsnicht", "type": "string"}])
    assert parts.load("verbunden").next_step == "Vorhanden sind: ort, jahr, wert."
    declare(parts, fields=[{"name": "x", "from": "left.name", "type": "integer"}])
    assert "als integer erklärt, left.name ist string" in parts.load("verbunden").error
    declare(parts, join="within")
    assert "join: within gibt es in dieser Version noch nicht" in parts.load("verbunden").error
