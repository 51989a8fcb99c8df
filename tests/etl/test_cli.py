"""`stadtgrund load`, `status`, `report`, `apply` as a person and a machine meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.postgis import Server, environment

from cli.main import run
from stadtgrund.catalog import release
from stadtgrund.store import versions

from .conftest import City

FIELDS = [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}]


@pytest.fixture
def things(city: City, server: Server, monkeypatch: pytest.MonkeyPatch) -> City:
    for name, value in environment(server, city.db, city.folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PUBLIC_URL", "https://geo.example.org")
    (city.data / "t.csv").write_text("nr;name\n1;a\n2;b\n2;c\n")
    declare(city)
    return city


def declare(city: City) -> None:
    city.declare(
        "dinge", {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";"}, FIELDS, id_field={"kind": "column", "column": "nr"}
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_load_json(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", "dinge", "--json"]) == 0
    captured = capsys.readouterr()
    (line,) = [json.loads(text) for text in captured.out.splitlines()]
    assert (line["dataset"], line["status"], line["version"], line["rows_in"], line["rows_published"], line["rows_rejected"]) == (
        "dinge",
        "published",
        1,
        3,
        2,
        1,
    )
    assert "dinge: lesen und ablegen …" in captured.err
    assert run(["load", "--all", "--json"]) == 0
    assert [line["status"] for line in lines(capsys)] == ["unchanged"]


def test_load_text_ends_with_the_address(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", "dinge"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Dinge (dinge): Version 1 veröffentlicht\n  Zeilen: 3 gelesen = 2 veröffentlicht + 1 abgelehnt\n")
    assert text.endswith("  https://geo.example.org/collections/dinge\n")


def test_dry_run_writes_nothing(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", "--all", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"dinge: table, {things.data}/t.csv\n"
    assert versions.history(things.db, "dinge") == []


@pytest.mark.parametrize("arguments", [["load"], ["load", "dinge", "--all"]])
def test_load_misused(things: City, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "--all" in capsys.readouterr().err


def test_load_of_an_unknown_id_names_the_known(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", "dingee"]) == 1
    assert "Bekannt sind: dinge." in capsys.readouterr().err


def test_a_failed_load_is_exit_code_1_and_one_sentence(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    Path(things.data / "t.csv").unlink()
    assert run(["load", "dinge", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["status"] == "failed"
    assert "t.csv gibt es nicht" in captured.err and "Traceback" not in captured.err


def test_report_and_its_rejected_rows(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "dinge"]) == 1
    assert "Laden Sie den Datensatz: stadtgrund load dinge" in capsys.readouterr().err
    run(["load", "dinge"])
    loaded = capsys.readouterr().out
    assert run(["report", "dinge", "--rows"]) == 0
    assert capsys.readouterr().out == loaded + "  Zeile 3, nr: „2“ kommt in nr mehrfach vor, zuerst in Zeile 2 | nr=2, name=c\n"
    assert run(["report", "dinge", "--version", "1", "--json", "--rows"]) == 0
    report, row = lines(capsys)
    assert (report["status"], report["rows_rejected"], row["sg_row"]) == ("published", 1, 3)
    assert run(["report", "dinge", "--version", "9"]) == 1


def test_report_after_an_unchanged_load_is_that_of_the_one_that_read(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    run(["load", "dinge"])
    loaded = capsys.readouterr().out
    run(["load", "dinge"])
    assert "unverändert" in capsys.readouterr().out
    assert run(["report", "dinge"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(loaded)
    assert "Quelle zuletzt geprüft am" in told[len(loaded) :]


def test_report_of_a_killed_run(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    held = versions.begin_run(things.db, things.deployment.contract("dinge"))
    try:
        assert run(["report", "dinge"]) == 0
        assert "Läuft seit" in capsys.readouterr().out
    finally:
        versions.end_run(things.db, held, "failed")


def test_status(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["dinge", "–", "–", "–", "–", "–", "–"]
    run(["load", "dinge"])
    capsys.readouterr()
    assert run(["status", "--json"]) == 0
    (line,) = lines(capsys)
    assert {name: line[name] for name in ("dataset", "version", "rows", "age_days", "overdue", "release", "last_status")} == {
        "dataset": "dinge", "version": 1, "rows": 2, "age_days": 0, "overdue": False, "release": "draft", "last_status": "published",
    }  # fmt: skip


def test_apply_opens_what_was_checked_without_loading(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    run(["load", "dinge"])
    from datetime import date

    from support.deployment import write_contract

    contract = release.record(things.contracts["dinge"], checked=date(2026, 1, 15), by="Prüfstelle", grounds=())
    write_contract(things.folder, contract)
    capsys.readouterr()
    assert run(["apply", "--dry-run", "dinge"]) == 0
    assert "Sichtbar für Öffentlich" in capsys.readouterr().out
    assert things.ask("SELECT profile FROM meta.state") == [("verwaltung",)]
    assert run(["apply", "dinge", "--json"]) == 0
    (line,) = lines(capsys)
    assert (line["version"], line["needs_load"]) == (1, False)
    assert things.ask("SELECT profile FROM meta.state ORDER BY 1") == [("open",), ("verwaltung",)]


def test_apply_says_what_only_a_load_changes(things: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["apply"]) == 0
    assert "dinge: noch nicht geladen" in capsys.readouterr().out
    run(["load", "dinge"])
    things.declare(
        "dinge", {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";"}, FIELDS[:1], id_field={"kind": "column", "column": "nr"}
    )
    capsys.readouterr()
    assert run(["apply"]) == 0
    assert "sie gelten nach: stadtgrund load dinge" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["load", "status", "report", "apply"])
def test_help_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"Beispiel: stadtgrund {verb}" in capsys.readouterr().out
