"""`stadtgrund load`, `status`, `report`, `apply` as a person and a machine meet them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from support.deployment import write_contract
from support.postgis import Server, environment

from cli.main import run
from etl.report import as_text
from stadtgrund.catalog import release
from stadtgrund.catalog.contract import Field
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
    assert run(["load", "dingee"]) == 2
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
    assert run(["report", "dinge", "--version", "9"]) == 2


def test_all_of_a_report_follows_the_locale(things: City, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    (things.data / "t.csv").write_text("nr;name\n1; a\n2;b\n2;c\nx;d\n")
    assert run(["load", "dinge"]) == 0
    told, err = capsys.readouterr()
    assert err == "dinge: read and stage …\n"
    lines = [re.sub(r"\d+(\.\d+)?(?= s|[ )]|$)", "#", line) for line in told.splitlines() if "Duration" in line]
    assert lines == ["  Duration: # s (read # · transform # · stage # · check # · publish #)"]
    rest = [line for line in told.splitlines() if "Duration" not in line]
    assert rest == [
        "Dinge (dinge): Version 1 published",
        "  Rows: 4 read = 2 published + 2 rejected",
        "  Findings:",
        "  - 1 row in nr rejected; row 4: “x” is no number. [rejected]",
        "  - 1 value in name taken over without blanks at the ends. [repaired]",
        "  - 1 row repeats a value of nr (“2”); rejected, the first one stays. [rejected]",
        "  Not visible for Public. Draft: no protection check yet.",
        "  Visible for Administration. Draft: no protection check yet.",
        "  Next step: Look at the rejected rows: stadtgrund report dinge --rows",
        "  Next step: Protection check: stadtgrund release dinge",
        "  https://geo.example.org/collections/dinge",
    ]
    assert run(["report", "dinge", "--rows"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(told)
    assert shown[len(told) :].splitlines() == [
        "  Row 3, nr: “2” is in nr more than once, first in row 2 | nr=2, name=c",
        "  Row 4, nr: “x” is no number | nr=x, name=d",
    ]
    assert run(["load", "dinge"]) == 0
    assert "  Source and recipe are those of the last load; nothing was read.\n" in capsys.readouterr().out
    assert run(["report", "dinge"]) == 0
    assert re.search(r"^  Source last checked on \d{4}-\d\d-\d\d \d\d:\d\d UTC: unchanged\.$", capsys.readouterr().out, re.MULTILINE)
    assert run(["status"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", head) == ["Dataset", "Version", "Rows", "Age", "Rhythm", "Release", "Last load"]
    assert re.fullmatch(r"dinge +1 +2 +0 d  – +draft +unchanged \d{4}-\d\d-\d\d \d\d:\d\d", line)
    assert run(["apply", "dinge"]) == 0
    assert "  Visible for Administration. Draft: no protection check yet.\n" in capsys.readouterr().out

    # What the load found stays as it was told; the frame is the reader's.
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["report", "dinge", "--version", "1"]) == 0
    german = capsys.readouterr().out
    assert german.startswith("Dinge (dinge): Version 1 veröffentlicht\n  Zeilen: 4 gelesen = 2 veröffentlicht + 2 abgelehnt\n  Befunde:\n")
    assert "  Nicht sichtbar für Öffentlich. Entwurf: noch keine Schutzprüfung.\n" in german


def test_a_report_of_an_earlier_version_can_be_read_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {
        "dataset": "dinge",
        "title": "Dinge",
        "status": "published",
        "version": 1,
        "access": [{"profile": "open", "title": "Öffentlich", "visible": True, "reason": "Ohne Grund."}],
    }
    monkeypatch.setenv("LC_ALL", "en")
    assert as_text(stored) == "Dinge (dinge): Version 1 published\n  Visible for Öffentlich. Ohne Grund."


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_field_that_waits_for_its_check_is_named_with_the_command(
    language: str, things: City, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    (things.data / "t.csv").write_text("nr;name;neu;art\n1;a;b;c\n")
    source = {"kind": "table", "location": "${DATA}/t.csv", "delimiter": ";"}
    closed = {"name": "art", "type": "string", "grounds": ["personal_data"]}
    ident = {"kind": "column", "column": "nr"}
    things.declare("dinge", source, [*FIELDS, closed], id_field=ident, forms={"open": {"omit": ["name"]}})
    checked = release.record(things.contracts["dinge"], checked=date(2026, 1, 15), by="Prüfstelle", grounds=())
    write_contract(things.folder, checked)
    assert run(["load", "dinge"]) == 0
    before = capsys.readouterr().out
    assert "release dinge" not in before

    grown = checked.model_copy(update={"fields": (*checked.fields, Field(name="neu", type="string"))})
    write_contract(things.folder, grown)
    assert run(["load", "dinge"]) == 0
    shown = capsys.readouterr().out
    assert {
        "de": "  Felder, die nicht öffentlich sind: name (Im Vertrag weggelassen), art (Schutzgrund Personenbezug), "
        "neu (Das Feld ist seit der Schutzprüfung neu)\n  Nächster Schritt: neu prüfen und freigeben: stadtgrund release dinge\n",
        "en": "  Fields that are not public: name (Left out by the contract), art (Ground: personal data), "
        "neu (The field is new since the protection check)\n  Next step: Check and release neu: stadtgrund release dinge\n",
    }[language] in shown
    assert run(["report", "dinge"]) == 0
    assert capsys.readouterr().out == shown
    assert run(["release", "dinge", "--by", "Prüfstelle", "--ground", "NONE"]) == 0
    capsys.readouterr()
    assert run(["load", "dinge"]) == 0
    assert "release dinge" not in capsys.readouterr().out


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
