from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import run
from cli.release import Answers, ask
from stadtgrund.catalog import registry, release
from stadtgrund.catalog.contract import Contract
from stadtgrund.store import releases
from stadtgrund.store.database import Database


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")


@pytest.fixture
def loaded(folder: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    assert run(["load", "leitungen", "baeume"]) == 0
    capfd.readouterr()
    return folder


def contract_in(folder: Path, dataset: str) -> Contract:
    return registry.read(folder, None).contract(dataset)


def sees(db: Database, profile: str) -> dict[str, set[str]]:
    with db.connect(profile) as connection:  # type: ignore[arg-type]
        rows = connection.execute(f"SELECT dataset, collection -> 'fields' FROM p_{profile}.sg_state").fetchall()
    return {dataset: {field["name"] for field in fields} for dataset, fields in rows}


def test_no_ground_opens_and_a_ground_closes(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    assert set(sees(db, "open")) == {"baeume"}
    assert run(["release", "leitungen", "--by", "Tiefbauamt: Leitung", "--ground", "NONE"]) == 0
    told = capfd.readouterr().out
    assert "Öffentlich (open) sieht ihn." in told
    assert set(sees(db, "open")) == {"baeume", "leitungen"}
    contract = contract_in(loaded, "leitungen")
    assert contract.protection.by == "Tiefbauamt: Leitung"
    assert release.state(contract).name == "geprueft_offen"

    assert run(["release", "leitungen", "--by", "Tiefbauamt", "--ground", "security_critical"]) == 0
    assert "Öffentlich (open) sieht ihn nicht." in capfd.readouterr().out
    assert set(sees(db, "open")) == {"baeume"}
    assert set(sees(db, "verwaltung")) == {"baeume", "leitungen"}
    log = releases.history(db, "leitungen")
    assert [(row.origin, row.by, row.grounds) for row in log][-2:] == [
        ("release", "Tiefbauamt: Leitung", ()),
        ("release", "Tiefbauamt", ("security_critical",)),
    ]


def test_a_weighing_opens_in_spite_of_a_ground(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    (loaded / "abwaegung.md").write_text("Die Lage ist ohnehin bekannt.", encoding="utf-8")
    words = ["release", "leitungen", "--by", "Tiefbauamt", "--ground", "security_critical", "--weighing", "abwaegung.md", "--json"]
    assert run(words) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["state"] == "abgewogen_offen"
    assert [one["form"] for one in answer["profiles"]] == ["full", "full"]
    assert contract_in(loaded, "leitungen").protection.weighing == "abwaegung.md"
    assert "leitungen" in sees(db, "open")


def test_a_ground_of_a_field_keeps_that_field_closed(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    assert "bemerkung" in sees(db, "open")["baeume"]
    assert run(["release", "baeume", "--by", "Grünamt", "--ground", "NONE", "--field", "bemerkung=personal_data"]) == 0
    assert "ohne: bemerkung" in capfd.readouterr().out
    assert "bemerkung" not in sees(db, "open")["baeume"]
    assert "bemerkung" in sees(db, "verwaltung")["baeume"]
    assert run(["release", "baeume", "--by", "Grünamt", "--ground", "NONE", "--field", "bemerkung=NONE"]) == 0
    assert "bemerkung" in sees(db, "open")["baeume"]


def test_a_dry_run_writes_nothing(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    path = loaded / "datasets" / "leitungen.yaml"
    before, log = path.read_bytes(), releases.history(db, "leitungen")
    assert run(["release", "leitungen", "--by", "Amt", "--ground", "NONE", "--dry-run"]) == 0
    assert "Öffentlich (open) sieht ihn." in capfd.readouterr().out
    assert path.read_bytes() == before
    assert releases.history(db, "leitungen") == log
    assert "leitungen" not in sees(db, "open")


def test_it_is_recorded_before_the_first_load(folder: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "leitungen", "--by", "Amt", "--ground", "NONE"]) == 0
    assert [row.origin for row in releases.history(db, "leitungen")] == ["release"]
    assert run(["load", "leitungen"]) == 0
    assert "leitungen" in sees(db, "open")


def test_without_a_database_the_contract_is_written_and_the_rest_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run(["release", "leitungen", "--by", "Amt", "--ground", "NONE"]) == 1
    assert "stadtgrund apply leitungen" in capfd.readouterr().err
    assert release.state(contract_in(folder, "leitungen")).name == "geprueft_offen"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["--by", "--ground", "stadtgrund release baeume"]),
        (["--by", "Amt"], ["--ground fehlt"]),
        (["--ground", "NONE"], ["--by fehlt"]),
        (["--by", "Amt", "--ground", "geheim"], ["--ground=geheim", "personal_data", "NONE"]),
        (["--by", "Amt", "--ground", "NONE", "--ground", "personal_data"], ["NONE"]),
        (["--by", "Amt", "--ground", "NONE", "--field", "farbe=personal_data"], ["farbe", "bemerkung"]),
        (["--by", "Amt", "--ground", "NONE", "--field", "bemerkung"], ["--field bemerkung", "personal_data"]),
        (["--by", "Amt", "--ground", "NONE", "--field", "bemerkung=geheim"], ["--field bemerkung=geheim"]),
        (["--by", "Amt", "--ground", "personal_data", "--weighing", "fehlt.md"], ["fehlt.md"]),
        (["--by", "Amt", "--ground", "personal_data", "--weighing", "/etc/hostname"], ["nicht im Deployment-Ordner"]),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_ends_with_2(
    words: list[str], told: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "datasets" / "baeume.yaml").read_bytes()
    assert run(["release", "baeume", *words]) == 2
    shown = capfd.readouterr().err
    assert all(part in shown for part in told), shown
    assert (folder / "datasets" / "baeume.yaml").read_bytes() == before


def asked(contract: Contract, folder: Path, *lines: str, by: str | None = None) -> tuple[Answers, list[str]]:
    typed, prompts = iter(lines), list[str]()

    def prompt(text: str) -> str:
        prompts.append(text)
        return next(typed)

    answers = ask(contract, folder, by=by, prompt=prompt)
    assert next(typed, None) is None, "not every answer was asked for"
    return answers, prompts


def test_questions_all_answered_with_no(folder: Path) -> None:
    answers, prompts = asked(contract_in(folder, "baeume"), folder, "Grünamt", "n", "n", "nein", "N", "n")
    assert answers == Answers("Grünamt", ())
    assert len(prompts) == 6


def test_questions_with_a_ground_for_all_and_one_for_fields(folder: Path) -> None:
    (folder / "abwaegung.md").write_text("…", encoding="utf-8")
    lines = ("j", "n", "gibtesnicht", "bemerkung, nummer", "n", "n", "ja", "j", "vielleicht", "n", "gibtesnicht.md", "abwaegung.md")
    answers, _ = asked(contract_in(folder, "baeume"), folder, *lines, by="Grünamt")
    assert answers == Answers(
        "Grünamt", ("security_critical",), "abwaegung.md", {"bemerkung": ("personal_data",), "nummer": ("personal_data",)}
    )


def test_questions_at_a_real_terminal(loaded: Path, db: Database) -> None:
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "release", "leitungen"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=dict(os.environ),
        text=True,
    )
    os.close(theirs)
    shown, answers, end = "", ["Tiefbauamt", "n", "n", "n", "n", "n"], time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        if not select.select([mine], [], [], 0.1)[0]:
            continue
        try:
            shown += os.read(mine, 4096).decode(errors="replace")
        except OSError:  # the terminal is gone with the process
            break
        if answers and shown.rstrip(" ").endswith(("?", "[j/n]")):
            os.write(mine, f"{answers.pop(0)}\n".encode())
    output, _ = process.communicate(timeout=30)
    os.close(mine)
    assert process.returncode == 0, shown
    assert "Kritis" in shown or "Sicherheitskritische" in shown
    assert "Öffentlich (open) sieht ihn." in output
    assert "leitungen" in sees(db, "open")
