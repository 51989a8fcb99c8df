"""What the check finds on the planted city, against shapely and numpy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import psycopg
import pytest
import shapely
from pyproj import Transformer
from support.deployment import checked, contract_of, write_deployment
from support.planted import BAUSTELLEN, CELL_M, GRID, MEASURES, ORIGIN, PARCEL, PROJECT, RULES, depth_values
from support.rows import publish_rows
from support.served import City

from processes import overlay, project, report, rules, sheet, view
from processes.report import Outcome, Report
from processes.rules import Ruleset
from stadtgrund.catalog import registry
from stadtgrund.store.database import Database

TO_84 = Transformer.from_crs("EPSG:25832", "OGC:CRS84", always_xy=True)
CITY = shapely.box(7.0, 51.3, 7.4, 51.6)
BUFFERED = PROJECT.buffer(10)


def in_84(geometry: Any) -> dict[str, Any]:
    return dict(shapely.geometry.mapping(shapely.transform(geometry, lambda xy: np.column_stack(TO_84.transform(xy[:, 0], xy[:, 1])))))


@pytest.fixture(scope="module")
def connections(planted: City) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    made = {profile: planted.db.connect(profile, autocommit=True) for profile in ("open", "verwaltung")}
    yield made
    for connection in made.values():
        connection.close()


@pytest.fixture
def check(planted: City, connections: dict[str, psycopg.Connection[Any]]) -> Any:
    def run(
        inputs: dict[str, Any], profile: str = "open", ruleset: Ruleset | None = None, rasters: dict[str, Path] | None = None
    ) -> Report:
        chosen = ruleset or Ruleset.model_validate(RULES)
        seen = view.read(connections[profile], profile, planted.db.paths.files)
        if rasters is not None:
            seen = replace(seen, rasters=rasters)
        return overlay.check(seen, project.parse(inputs, chosen), chosen, srid=25832, city=CITY, now=datetime(2027, 1, 1, tzinfo=UTC))

    return run


def of(found: Report, rule: str) -> Outcome:
    return next(outcome for outcome in found.outcomes if outcome.id == rule)


def ids(found: Report, rule: str) -> set[str]:
    outcome = of(found, rule)
    assert outcome.count == len(outcome.hits)
    return {hit.id for hit in outcome.hits}


def test_works_of_the_same_time_and_of_two_years(check: Any) -> None:
    found = check({"baustelle": "P"})
    assert ids(found, "zeitgleich") == {"innen-zeitgleich", "letzter-tag", "offenes-ende", "9,99-m"}
    assert ids(found, "synergie") == {"tag-danach", "vor-730-tagen", "nach-730-tagen"}
    gaps = {hit.id: hit.gap_days for hit in of(found, "synergie").hits}
    assert gaps == {"tag-danach": 1, "vor-730-tagen": 730, "nach-730-tagen": 730}
    days = {hit.id: hit.days for hit in of(found, "zeitgleich").hits}
    assert days["innen-zeitgleich"] == (date(2027, 4, 1), date(2027, 4, 30))
    assert days["letzter-tag"] == (date(2027, 4, 30), date(2027, 4, 30))
    assert days["offenes-ende"] == (date(2027, 3, 1), date(2027, 4, 30))
    for hit in (*of(found, "zeitgleich").hits, *of(found, "synergie").hits):
        place = MEASURES[hit.id][0]
        assert hit.distance_m == pytest.approx(place.distance(PROJECT), abs=0.006)
        assert (hit.overlap_m2 or 0) == pytest.approx(place.intersection(PROJECT).area, abs=0.006)


def test_infinite_days_end_no_check(planted: City) -> None:
    """They are open ends, and no gap away from any day."""
    infinite = {
        "innen-zeitgleich": ("-infinity", "infinity"),
        "tag-danach": ("infinity", None),
        "vor-730-tagen": ("-infinity", "-infinity"),
        "nach-730-tagen": ("2029-04-29", "infinity"),
        "letzter-tag": ("2027-04-30", "12000-01-01"),
    }
    changed = json.loads(json.dumps(RULES))
    changed["rules"][0]["show"] = ["nummer", "beginn", "ende"]
    ruleset = Ruleset.model_validate(changed)
    with planted.db.connect("owner") as owner:
        for name, (begin, end) in infinite.items():
            owner.execute("UPDATE data.baustellen__v1 SET beginn = %s, ende = %s WHERE nummer = %s", (begin, end, name))
        seen = view.read(owner, "open", planted.db.paths.files)
        found = overlay.check(seen, project.parse({"baustelle": "P"}, ruleset), ruleset, srid=25832, city=CITY)
        endless = overlay.check(seen, project.parse({"baustelle": "innen-zeitgleich"}, ruleset), ruleset, srid=25832, city=CITY)
        owner.rollback()
    assert ids(found, "zeitgleich") == {"innen-zeitgleich", "letzter-tag", "offenes-ende", "9,99-m"}
    assert {hit.id: hit.gap_days for hit in of(found, "synergie").hits} == {"nach-730-tagen": 730}
    assert (endless.begin, endless.end) == (None, None)


def test_the_days_of_moments_are_days_in_berlin(db: Database, tmp_path: Path) -> None:
    fields = [{**field, "type": "datetime"} if field["type"] == "date" else field for field in BAUSTELLEN["fields"]]
    folder = write_deployment(tmp_path / "stadt", checked(contract_of(BAUSTELLEN, fields=fields)))
    rows = [
        {"nummer": name, "status": state, "beginn": at_midnight(begin), "ende": at_midnight(end), "geom": place.wkt}
        for name, (place, state, begin, end) in MEASURES.items()
    ]
    publish_rows(db, registry.read(folder, folder / "data"), "baustellen", rows)
    changed = json.loads(json.dumps(RULES))
    changed["rules"][0]["show"] = ["nummer", "beginn"]
    ruleset = Ruleset.model_validate(changed)
    drawn = {"geometry": in_84(PROJECT), "from": "2027-03-01", "to": "2027-04-30"}
    with db.connect("open") as connection:
        seen = view.read(connection, "open", db.paths.files)
        for inputs in ({"baustelle": "P"}, drawn):
            found = overlay.check(seen, project.parse(inputs, ruleset), ruleset, srid=25832, city=CITY)
            assert (found.begin, found.end) == (date(2027, 3, 1), date(2027, 4, 30))
            assert ids(found, "zeitgleich") - {"P"} == {"innen-zeitgleich", "letzter-tag", "offenes-ende", "9,99-m"}
            gaps = {hit.id: hit.gap_days for hit in of(found, "synergie").hits}
            assert gaps == {"tag-danach": 1, "vor-730-tagen": 730, "nach-730-tagen": 730}
            inside = next(hit for hit in of(found, "zeitgleich").hits if hit.id == "innen-zeitgleich")
            assert inside.days == (date(2027, 4, 1), date(2027, 4, 30)) and inside.text.startswith("innen-zeitgleich · 01.04.2027,")


def at_midnight(day: str | None) -> str | None:
    return day and f"{day} 00:00 Europe/Berlin"


def test_no_synergy_with_works_that_are_over() -> None:
    for path in Path("pygeoapi-config").glob("*/rules/construction_overlay.yaml"):
        ruleset = rules.read(path.parent.parent)
        assert ruleset is not None
        works = [rule for rule in ruleset.rules if isinstance(rule, rules.WorksRule)]
        assert works and all({"storniert", "beendet"} <= set(rule.exclude["status"]) for rule in works), path


@pytest.mark.parametrize(("count", "told"), [(1, "Konflikt<br><small>braucht"), (4, "Konflikte<br><small>brauchen"), (0, "Konflikte<br>")])
def test_the_page_counts_in_the_plural(check: Any, count: int, told: str) -> None:
    found = check({"baustelle": "P"})
    outcomes = tuple(replace(each, count=count) if each.id == "zeitgleich" else each for each in found.outcomes)
    assert f"<b>{count}</b>{told}" in sheet.render(replace(found, outcomes=outcomes))


def test_a_measure_does_not_conflict_with_itself(check: Any) -> None:
    for inputs in ({"baustelle": "P"}, {"baustelle": "P", "from": "2027-01-01", "to": "2027-12-31"}):
        found = check(inputs)
        assert "P" not in ids(found, "zeitgleich") | ids(found, "synergie")
    drawn = check({"geometry": in_84(PROJECT), "from": "2027-03-01", "to": "2027-04-30"})
    assert "P" in ids(drawn, "zeitgleich")  # drawn by hand it is another project


def test_a_project_without_days_is_at_any_time(check: Any) -> None:
    found = check({"geometry": in_84(PROJECT)})
    near = {name for name, (place, state, _, _) in MEASURES.items() if state != "storniert" and place.distance(PROJECT) <= 10}
    assert ids(found, "zeitgleich") == near
    assert ids(found, "synergie") == set() and all(hit.days is None for hit in of(found, "zeitgleich").hits)


def test_roots_by_crown_least_radius_and_girth(check: Any, planted: City) -> None:
    trees = planted.rows("baeume")
    radius = np.maximum.reduce(
        [trees.krone_m.astype(float).fillna(0) / 2 + 1.5, np.full(len(trees), 2.5), 4 * trees.umfang_cm.astype(float).fillna(0) / 100]
    )
    wanted = set(trees.nummer[trees.distance(PROJECT) < radius])
    found = check({"baustelle": "P"})
    assert ids(found, "wurzeln") == wanted
    assert {"krone-5,4", "klein-2,4", "umfang-7,9", "ohne-masse-2,4"} <= wanted
    assert not {"krone-5,6", "klein-2,6", "umfang-8,1", "rand-2,5"} & wanted  # who touches a root zone does not enter it
    distances = dict(zip(trees.nummer, trees.distance(PROJECT), strict=True))
    assert all(hit.distance_m == pytest.approx(distances[hit.id], abs=0.006) for hit in of(found, "wurzeln").hits)
    listed = [hit.distance_m for hit in of(found, "wurzeln").hits]
    assert listed == sorted(listed)
    assert "Krone 8 m · Umfang 50 cm" in next(hit.text for hit in of(found, "wurzeln").hits if hit.id == "krone-5,4")


def test_distances_and_shared_areas(check: Any, planted: City) -> None:
    found = check({"baustelle": "P"})
    for rule, distance in (("denkmale", 20.0), ("schutzgebiete", 0.0)):
        rows = planted.rows(rule)
        assert ids(found, rule) == set(rows.nummer[rows.distance(PROJECT) <= distance])
        shared = dict(zip(rows.nummer, rows.intersection(PROJECT).area, strict=True))
        for hit in of(found, rule).hits:
            assert (hit.overlap_m2 or 0) == pytest.approx(shared[hit.id], abs=0.006)
    assert ids(found, "denkmale") == {"D1", "D3"} and ids(found, "schutzgebiete") == {"S1"}


def test_a_layer_in_another_crs(check: Any, planted: City) -> None:
    rows = planted.rows("messstellen")
    assert rows.crs.to_epsg() == 25833
    here = rows.to_crs("EPSG:25832")
    found = check({"baustelle": "P"})
    wanted = set(here.nummer[here.distance(PROJECT) <= 30])
    assert ids(found, "messstellen") == wanted and 5 < len(wanted) < len(rows)
    distances = dict(zip(here.nummer, here.distance(PROJECT), strict=True))
    for hit in of(found, "messstellen").hits:
        assert hit.distance_m == pytest.approx(distances[hit.id], abs=0.01)
        assert shapely.geometry.shape(hit.storage).distance(here.geometry[here.nummer == hit.id].iloc[0]) < 0.02


def cells(area: Any) -> np.ndarray:
    """Return which cells' centres lie in an area, by shapely."""
    west, north, columns, rows = GRID
    x, y = np.meshgrid(west + (np.arange(columns) + 0.5) * CELL_M, north - (np.arange(rows) + 0.5) * CELL_M)
    inside: np.ndarray = shapely.contains_xy(area, x, y)
    return inside


def test_depths_are_those_of_numpy(check: Any) -> None:
    inside = cells(BUFFERED)
    values = depth_values()[inside].astype("float64")
    known = values[values != -9999]
    wet = known[known >= 0.1]
    measure = of(check({"baustelle": "P"}), "regen").measure
    assert measure == {
        "cells": int(inside.sum()),
        "known": known.size,
        "wet": wet.size,
        "share_wet": round(wet.size / known.size, 4),
        "max_m": round(float(wet.max()), 3),
        "p90_m": round(float(np.percentile(wet, 90)), 3),
    }
    assert 0 < known.size < inside.sum() and 0 < wet.size < known.size


def test_depths_by_many_windows_are_the_same(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of(check({"baustelle": "P", "buffer_m": 300}), "regen").measure
    monkeypatch.setattr("processes.rain._SIDE", 7)
    assert of(check({"baustelle": "P", "buffer_m": 300}), "regen").measure == whole
    beyond = PROJECT.buffer(300)
    assert whole["cells"] > cells(beyond).sum()  # cells beyond the raster count as not known


def test_a_place_without_data_gets_no_statement(check: Any) -> None:
    outside = in_84(shapely.box(ORIGIN[0] + 120, ORIGIN[1], ORIGIN[0] + 150, ORIGIN[1] + 20))
    outcome = of(check({"geometry": outside, "buffer_m": 0}), "regen")
    assert outcome.state == "missing" and "keine Aussage" in outcome.text
    far = of(check({"geometry": in_84(shapely.Point(ORIGIN[0] - 5000, ORIGIN[1]))}), "regen")
    assert far.state == "missing" and "keine Aussage" in far.text
    dry = of(
        check({"geometry": in_84(shapely.box(ORIGIN[0] - 50, ORIGIN[1] + 270, ORIGIN[0] - 20, ORIGIN[1] + 290)), "buffer_m": 0}), "regen"
    )
    assert dry.state == "empty" and dry.text.startswith("Keine Zelle ab 0,10 m.")
    point = of(check({"geometry": in_84(shapely.Point(*ORIGIN)), "buffer_m": 0}), "regen")
    assert point.state == "missing" and "buffer_m" in point.text
    small = of(check({"geometry": in_84(shapely.Point(ORIGIN[0] + 1, ORIGIN[1] + 1)), "buffer_m": 0.4}), "regen")
    assert small.state == "hit" and small.measure["cells"] == 1


def test_a_damaged_raster_leaves_the_rest(check: Any, tmp_path: Path, planted: City) -> None:
    (tmp_path / "kaputt.tif").write_bytes(b"II*\0" + b"\0" * 50)
    found = check({"baustelle": "P"}, rasters={"tiefe": tmp_path / "kaputt.tif"})
    assert of(found, "regen").state == "missing" and "nicht lesbar" in of(found, "regen").text
    assert of(check({"baustelle": "P"}, rasters={"tiefe": tmp_path / "fehlt.tif"}), "regen").state == "missing"
    assert of(found, "zeitgleich").count == 4


def test_a_raster_in_another_crs(check: Any, planted: City, tmp_path: Path) -> None:
    import rasterio
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    stored = next((planted.db.paths.files / planted.db.name).rglob("tiefe__v1.tif"))  # other deployments share the folder above
    with rasterio.open(stored) as source:
        transform, width, height = calculate_default_transform(source.crs, "EPSG:25833", source.width, source.height, *source.bounds)
        profile = {**source.profile, "crs": "EPSG:25833", "transform": transform, "width": width, "height": height, "driver": "GTiff"}
        with rasterio.open(tmp_path / "t.tif", "w", **profile) as target:
            reproject(rasterio.band(source, 1), rasterio.band(target, 1), resampling=Resampling.nearest)
    here = of(check({"baustelle": "P"}), "regen").measure
    there = of(check({"baustelle": "P"}, rasters={"tiefe": tmp_path / "t.tif"}), "regen").measure
    assert there["share_wet"] == pytest.approx(here["share_wet"], abs=0.05) and there["max_m"] == pytest.approx(here["max_m"], abs=0.02)


def test_states(check: Any) -> None:
    found = check({"geometry": in_84(shapely.box(ORIGIN[0] + 600, ORIGIN[1] + 600, ORIGIN[0] + 620, ORIGIN[1] + 620))})
    states = {outcome.id: outcome.state for outcome in found.outcomes}
    assert states == {
        "zeitgleich": "empty", "synergie": "empty", "leitungen": "not_permitted", "wurzeln": "empty", "denkmale": "empty",
        "schutzgebiete": "empty", "messstellen": "empty", "regen": "missing", "fehlt": "missing", "feld_fehlt": "missing",
    }  # fmt: skip
    assert of(found, "feld_fehlt").text == "Der Ebene fehlt das Feld rang."
    assert found.summary() == {"Konflikt": 0, "Synergie": 0, "Auflage": 0, "Hinweis": 0, "Datenlücke": 4}


def test_a_rule_whose_field_is_of_another_type_is_not_asked(check: Any) -> None:
    changed = json.loads(json.dumps(RULES))
    changed["rules"][0]["begin"] = "titel"
    changed["rules"][3]["crown_diameter_m"] = "nummer"
    found = check({"baustelle": "P"}, ruleset=Ruleset.model_validate(changed))
    assert of(found, "zeitgleich").text == "Das Feld titel der Ebene ist kein Datum."
    assert of(found, "wurzeln").text == "Das Feld nummer der Ebene ist keine Zahl."
    assert of(found, "denkmale").count == 2


def told(found: Report) -> str:
    return json.dumps(report.as_json(found), ensure_ascii=False) + sheet.render(found)


def test_utilities_are_never_told_to_everybody(check: Any) -> None:
    office = "Stadtwerke, Leitungsauskunft"
    inputs = {"baustelle": "P", "format": "html"}
    everybody = check(inputs)
    assert of(everybody, "leitungen").state == "not_permitted" and office in told(everybody)
    assert "H-geheim" not in told(everybody) and "haltung" not in told(everybody) and '"leitungen", "version"' not in told(everybody)
    # The same words where the city has no such data: the rule's own topic and office, nothing else.
    changed = json.loads(json.dumps(RULES))
    changed["rules"][2]["collection"] = "gibt_es_nicht"
    assert told(check(inputs, ruleset=Ruleset.model_validate(changed))) == told(everybody)
    administration = check(inputs, "verwaltung")
    assert ids(administration, "leitungen") == {"H-geheim-1", "H-geheim-2"}
    shared = {hit.id: hit.overlap_m for hit in of(administration, "leitungen").hits}
    assert shared == {"H-geheim-1": pytest.approx(60.0), "H-geheim-2": None}


def test_a_parcel_by_its_key_in_any_spelling(check: Any) -> None:
    found = check({"flurstueck": PARCEL})
    assert (found.kind, found.id, found.area_m2) == ("flurstueck", PARCEL, 2500.0)


def test_what_is_listed_is_bounded_and_the_count_is_exact(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of(check({"baustelle": "P"}), "wurzeln")
    monkeypatch.setattr(overlay, "MAX_LISTED", 3)
    short = of(check({"baustelle": "P"}), "wurzeln")
    assert short.count == whole.count > 3 and [hit.id for hit in short.hits] == [hit.id for hit in whole.hits[:3]]


@pytest.mark.parametrize(
    "geometry", [shapely.Point(*ORIGIN), shapely.LineString([ORIGIN, (ORIGIN[0] + 100, ORIGIN[1])]), shapely.MultiPoint([ORIGIN])]
)
def test_points_and_lines_are_projects_too(check: Any, geometry: Any) -> None:
    found = check({"geometry": in_84(geometry), "format": "html"})
    assert found.area_m2 == 0 and found.length_m == pytest.approx(geometry.length, abs=0.02)
    assert (of(found, "zeitgleich").hits[0].overlap_m or 0) == pytest.approx(
        geometry.intersection(MEASURES[of(found, "zeitgleich").hits[0].id][0]).length, abs=0.05
    )
    assert "<svg" in sheet.render(found)


def test_the_page_says_all_and_escapes_it(check: Any) -> None:
    found = check({"baustelle": "P", "format": "html"})
    page = sheet.render(found)
    assert "Tor &lt;b&gt;&amp; Turm" in page and "<b>& Turm" not in page
    assert "Lange Straße" in page and "EPSG:25832" in page and "Maßnahme P" in page and "01.03.2027 bis 30.04.2027" in page
    assert "<script" not in page and 'style="' not in page and "http" not in page
    for outcome in found.outcomes:
        assert outcome.title in page
        for hit in outcome.hits:
            assert f"<td>{hit.id}</td>" in page
    # What is not checked is there as well: topic, state, office of what is closed.
    assert "nicht einsehbar; Auskunft gibt Stadtwerke, Leitungsauskunft" in page and page.count("Daten liegen nicht vor") == 2
    assert "<td>tiefe</td><td>1</td>" in page


def test_json_round_trips_and_has_no_storage_coordinates(check: Any) -> None:
    data = json.loads(json.dumps(report.as_json(check({"baustelle": "P"})), allow_nan=False))
    assert data["project"]["area_m2"] == 4000.0 and data["srid"] == 25832 and data["ruleset"] == "Prüfstand 1"
    x, y = data["project"]["geometry"]["coordinates"][0][0]
    assert 7 < x < 7.4 and 51.3 < y < 51.6
    assert "storage" not in json.dumps(data)
    assert shapely.geometry.shape(data["rules"][0]["hits"][0]["geometry"]).is_valid
    assert geopandas.GeoSeries.from_wkt([shapely.geometry.shape(data["project"]["geometry"]).wkt]).area.item() > 0


def test_rules_that_are_wrong_are_named(tmp_path: Path, planted: City) -> None:
    from stadtgrund.errors import ContractError

    assert rules.read(tmp_path) is None
    shutil.copytree(planted.folder / "rules", tmp_path / "rules")
    path = tmp_path / "rules" / "construction_overlay.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("class: Konflikt", "class: Krach"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"construction_overlay\.yaml:\d+: rules\[1\]\.class: .*Erlaubt: Konflikt"):
        rules.read(tmp_path)
    path.write_text("rules: [", encoding="utf-8")
    with pytest.raises(ContractError, match="construction_overlay"):
        rules.read(tmp_path)
