"""What holds for every load: idempotence, rules, a failure keeps the version before."""

from __future__ import annotations

import hashlib
import math
import os
import re
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from support.deployment import MASTEN, contract_of

from etl import pipeline
from stadtgrund.catalog import recipe
from stadtgrund.errors import NotFound, UsageError
from stadtgrund.store import versions
from stadtgrund.store.id_key import id_key

from .conftest import City

FIELDS = [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}]
BY_NR = {"kind": "column", "column": "nr"}


def write(city: City, *rows: str) -> None:
    (city.data / "t.csv").write_text("nr;name\n" + "".join(f"{row}\n" for row in rows))


def declare(city: City, fields: list[dict[str, Any]] = FIELDS, id_field: dict[str, Any] | None = None, **rest: Any) -> None:
    city.declare("dinge", {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";"}, fields, id_field=id_field or BY_NR, **rest)


def test_equal_source_and_recipe_read_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    write(city, "1;a", "2;b")
    declare(city)
    first = city.published("dinge")
    path = city.data / "t.csv"
    facts = path.stat()
    path.write_text("kaputt, aber so lang wie vorher".ljust(facts.st_size)[: facts.st_size])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    again = city.load("dinge")
    assert (again.status, again.version, again.rows_in, again.rows_published) == ("unchanged", first.version, 0, 2)
    assert "es wurde nichts gelesen" in again.text()


def test_the_same_rows_in_another_file_make_no_version(city: City) -> None:
    write(city, "1;a", "2;b")
    declare(city)
    city.published("dinge")
    write(city, "2;b", "1; a ")
    again = city.load("dinge")
    assert (again.status, again.version, again.rows_in) == ("unchanged", 1, 2)
    assert city.load("dinge").rows_in == 0, "that file is known now"
    assert city.leftovers() == []


def test_zero_is_the_same_with_either_sign(city: City) -> None:
    fields = [FIELDS[0], {"name": "name", "type": "number"}]
    write(city, "1;0.0")
    declare(city, fields)
    city.published("dinge")
    write(city, "1;-0.0")
    assert (city.load("dinge").status, city.load("dinge", force=True).version) == ("unchanged", 2)
    assert [math.copysign(1, value) for (value,) in city.rows("dinge", "name")] == [-1], "the sign did come as far as the table"


def test_another_recipe_or_force_makes_a_version(city: City) -> None:
    write(city, "1;a")
    declare(city)
    city.published("dinge")
    declare(city, [FIELDS[0]])
    assert city.published("dinge").version == 2
    assert city.load("dinge", force=True).version == 3


def test_after_a_rollback_the_source_is_new_again(city: City) -> None:
    write(city, "1;a")
    declare(city)
    city.published("dinge")
    write(city, "1;b")
    city.published("dinge")
    versions.rollback(city.db, city.deployment, city.deployment.contract("dinge"), 1)
    assert city.rows("dinge", "name") == [("a",)]
    assert city.published("dinge").version == 4
    assert city.rows("dinge", "name") == [("b",)]


def test_duplicate_ids_are_rejected_the_first_stays(city: City) -> None:
    write(city, "1;erste", "2;b", "1;zweite", "1;dritte")
    declare(city)
    report = city.published("dinge")
    assert (report.rows_in, report.rows_published, report.rows_rejected) == (4, 2, 2)
    assert city.rows("dinge", "name") == [("erste",), ("b",)]
    assert city.rejected(report) == [(n, "unique", "nr", "„1“ kommt in nr mehrfach vor, zuerst in Zeile 1") for n in (3, 4)]


def test_composite_ids_and_missing_parts(city: City) -> None:
    write(city, "1;a", "1;b", ";c", "1;a")
    declare(city, id_field={"kind": "composite", "columns": ["nr", "name"]})
    report = city.published("dinge")
    assert city.rows("dinge", "sg_id") == [("1-a",), ("1-b",)]
    assert [(row[0], row[1]) for row in city.rejected(report)] == [(3, "required"), (4, "unique")]
    assert {(finding.rule, finding.count) for finding in report.findings} == {("required", 1), ("unique", 1)}


def test_a_row_with_several_faults_is_rejected_once(city: City) -> None:
    write(city, "viele;", "2;b")
    declare(city, [FIELDS[0], {**FIELDS[1], "required": True}])
    report = city.published("dinge")
    assert report.rows_rejected == 1 and [(finding.rule, finding.count) for finding in report.findings] == [("cast", 1)]


def test_content_ids_tell_equal_rows_apart_and_stay(city: City) -> None:
    write(city, "1;a", "1;a", "2;b", "1;a")
    declare(city, id_field={"kind": "content"})
    city.published("dinge")
    ids = [row[0] for row in city.rows("dinge", "sg_id")]
    write(city, "3;neu", "1;a", "2;b", "1;a", "1;a")
    report = city.published("dinge")
    assert set(ids) < {row[0] for row in city.rows("dinge", "sg_id")}
    assert all(re.fullmatch("[0-9a-f]{20}", name) for name in ids)  # nothing tells that a row is another's twin
    assert any(finding.rule == "content_id" and finding.count == 2 for finding in report.findings)


def test_content_ids_cannot_be_tried_out(city: City) -> None:
    """Whoever knows the public columns and tries the few values of a hidden one does not find the id."""
    write(city, "1;ja", "2;nein")
    declare(city, id_field={"kind": "content"})
    city.published("dinge")
    ids = {name for (name,) in city.rows("dinge", "sg_id")}
    tried = {
        make(f"{number}\x1f{word}".encode())
        for number in (1, 2)
        for word in ("ja", "nein")
        for make in (
            lambda row: hashlib.blake2b(row, digest_size=10).hexdigest(),  # how it was
            lambda row: hashlib.blake2b(row, digest_size=10, key=b"").hexdigest(),
            lambda row: hashlib.sha256(row).hexdigest()[:20],
        )
    }
    assert not ids & tried
    assert city.load("dinge", force=True).status == "published"
    assert {name for (name,) in city.rows("dinge", "sg_id")} == ids

    ((key,),) = city.ask("SELECT value FROM meta.setting WHERE key = 'id_key'")
    assert re.fullmatch("[0-9a-f]{64}", key) and id_key(city.db).reveal() == key
    for profile in ("open", "verwaltung"):
        with city.db.connect(profile) as reader, pytest.raises(InsufficientPrivilege):
            reader.execute("SELECT FROM meta.setting")
    city.ask("UPDATE meta.setting SET value = %s WHERE key = 'id_key' RETURNING key", "0" * 64)
    city.load("dinge", force=True)
    assert not {name for (name,) in city.rows("dinge", "sg_id")} & ids


def test_ids_of_content_as_they_were_are_made_anew_by_a_load(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    write(city, "1;a")
    declare(city, id_field={"kind": "content"})
    with monkeypatch.context() as before:
        before.setattr(recipe, "CONTENT_IDS", 1)
        assert city.load("dinge").status == "published"
        own = recipe.recipe_of(contract_of(MASTEN))
    assert city.load("dinge").version == 2
    assert city.load("dinge").status == "unchanged"
    assert recipe.recipe_of(contract_of(MASTEN)) == own, "a dataset with ids of its own is not loaded anew"


@pytest.mark.parametrize(("on_fail", "published", "rejected"), [("report", 3, 0), ("reject", 1, 2)])
def test_rules_over_rows(city: City, on_fail: str, published: int, rejected: int) -> None:
    write(city, "1;holz", "2;", "3;plastik")
    fields = [FIELDS[0], {**FIELDS[1], "required": True, "values": {"holz": {"de": "Holz"}}}]
    quality = [{"rule": "required", "field": "name", "on_fail": on_fail}, {"rule": "codelist", "field": "name", "on_fail": on_fail}]
    declare(city, fields, quality=quality)
    report = city.published("dinge")
    assert (report.rows_in, report.rows_published, report.rows_rejected) == (3, published, rejected)
    assert {(finding.rule, finding.on_fail, finding.count) for finding in report.findings} == {
        ("required", on_fail, 1),
        ("codelist", on_fail, 1),
    }
    assert "„plastik“ (1)" in report.text()
    stored = city.ask("SELECT rule, field, count FROM meta.finding WHERE run = %s ORDER BY rule", report.run)
    assert stored == [("codelist", "name", 1), ("required", "name", 1)]


@pytest.mark.parametrize(
    "rule", [{"rule": "required", "field": "name"}, {"rule": "unique", "field": "nr"}, {"rule": "row_count", "minimum": 10}]
)
def test_a_rule_that_stops_keeps_the_version_before(city: City, rule: dict[str, Any]) -> None:
    write(city, "1;a", "2;b")
    declare(city)
    city.published("dinge")
    write(city, "1;c", "2;", "3;d", "1;e")
    fields = [FIELDS[0], {**FIELDS[1], "required": True}]
    declare(city, fields, quality=[{**rule, "on_fail": "stop"}])
    report = city.load("dinge")
    assert report.status == "stopped" and report.version == 1
    assert report.kept.startswith("Version 1 vom ") and report.kept.endswith("wird weiter ausgeliefert.")
    assert city.rows("dinge", "name") == [("a",), ("b",)] and city.leftovers() == []
    assert city.ask("SELECT status FROM meta.run ORDER BY run") == [("published",), ("stopped",)]


def test_too_few_rows_against_the_version_before(city: City) -> None:
    write(city, *(f"{n};x" for n in range(10)))
    declare(city, quality=[{"rule": "row_count", "drop_max": 0.3, "on_fail": "stop"}])
    city.published("dinge")
    write(city, *(f"{n};y" for n in range(6)))
    report = city.load("dinge")
    assert report.status == "stopped" and "6 Zeilen statt bisher 10: 40 % weniger, erlaubt sind 30 %." in report.error
    write(city, *(f"{n};y" for n in range(7)))
    city.published("dinge")


def test_a_source_that_is_gone_keeps_the_version_before(city: City) -> None:
    write(city, "1;a")
    declare(city)
    city.published("dinge")
    (city.data / "t.csv").unlink()
    report = city.load("dinge")
    assert report.status == "failed" and "wird weiter ausgeliefert" in report.kept
    assert report.line()["findings"] == [{"rule": "load", "on_fail": "stop", "count": 1, "message": report.error}]
    assert city.rows("dinge", "name") == [("a",)]


def test_a_broken_row_far_into_a_copy_leaves_nothing(city: City) -> None:
    (city.data / "t.csv").write_bytes(b"nr;name\n" + b"".join(b"%d;x\n" % n for n in range(60_000)) + b"60001;\xe4\n")
    city.declare("dinge", {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";", "encoding": "utf-8"}, FIELDS, id_field=BY_NR)
    report = city.load("dinge")
    assert report.status == "failed" and "Zeile 60002" in report.error
    assert city.leftovers() == []
    assert city.ask("SELECT count(*) FROM meta.version") == [(0,)]


def test_the_report_says_who_sees_it(city: City) -> None:
    write(city, "1;a")
    declare(city)
    report = city.load("dinge", public_url="https://geo.example.org")
    assert [(item.profile, item.visible) for item in report.access] == [("open", False), ("verwaltung", True)]
    assert report.next_step == "Schutzprüfung: stadtgrund release dinge"
    assert report.text().endswith("https://geo.example.org/collections/dinge")


def test_load_json_has_exactly_the_documented_keys(city: City) -> None:
    write(city, "1;a")
    declare(city)
    line = city.load("dinge").line()
    assert list(line) == [
        "dataset",
        "status",
        "version",
        "rows_in",
        "rows_published",
        "rows_rejected",
        "findings",
        "seconds",
        "seconds_by_phase",
    ]
    assert set(line["seconds_by_phase"]) == {"extract", "transform", "stage", "quality", "publish"}


def test_progress_is_told(city: City) -> None:
    write(city, "1;a", "2;b")
    declare(city)
    told: list[tuple[str, str, int]] = []
    city.load("dinge", progress=lambda dataset, phase, done, total: told.append((dataset, phase, done)))
    assert told[0] == ("dinge", "extract", 0) and ("dinge", "extract", 2) in told
    assert [phase for _, phase, _ in told][-1] == "publish"


def test_an_unknown_id_and_a_circle_of_joins(city: City) -> None:
    write(city, "1;a")
    declare(city)
    with pytest.raises(NotFound, match="dinge"):
        list(pipeline.load_all(city.db, city.deployment, ["gibtsnicht"]))
    for one, other in (("eins", "zwei"), ("zwei", "eins")):
        city.declare(one, {"kind": "join", "left": other, "right": "dinge", "on": [{"left": "nr", "right": "nr"}]}, FIELDS)
    with pytest.raises(UsageError, match="im Kreis"):
        pipeline.order_of(city.deployment)
