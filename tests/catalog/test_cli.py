from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.catalog_folder import SCHULEN, Folder

from cli.main import run
from stadtgrund import language
from stadtgrund.catalog import schema
from stadtgrund.settings import ROOT


def test_check_says_that_all_is_well(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--config", str(folder(schulen=SCHULEN))]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith("/teststadt: alles in Ordnung.\n")


def test_check_lists_what_it_finds_and_ends_with_1(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder(schulen=SCHULEN.replace("sortables: [bsn]", "sortables: [x]"))
    assert run(["check", "--config", str(root)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ("datasets/schulen.yaml:14: sortables[1]: Das Feld „x“ gibt es nicht. Felder: bsn, name, schueler, beginn, ende.\n")
    assert shown.err.startswith("Ein Fehler in ")


def test_check_as_json(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder(schulen=SCHULEN.replace("id: schulen", "id: schule"), kaputt="[")
    assert run(["check", "--json", "--config", str(root)]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line["line"], line["field"]) for line in lines] == [
        ("datasets/kaputt.yaml", 1, ""),
        ("datasets/schulen.yaml", 2, "id"),
    ]


def test_a_folder_that_is_no_deployment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--config", str(tmp_path)]) == 1
    assert "ein Deployment-Ordner hat deployment.yml und datasets/" in capsys.readouterr().out
    assert run(["check", "--config", str(tmp_path / "fehlt")]) == 2


@pytest.mark.parametrize("verb", ["check", "schema"])
def test_help_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"Beispiel: stadtgrund {verb}" in capsys.readouterr().out


def test_schema_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == schema.text()
    target = tmp_path / "contract.json"
    assert run(["schema", "--output", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert target.read_text(encoding="utf-8") == schema.text()
    assert run(["schema", "--output", str(tmp_path / "fehlt" / "x.json")]) == 1
    assert "kann nicht geschrieben werden" in capsys.readouterr().err


def test_schema_check_notices_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["schema", "--check"]) == 0
    monkeypatch.setattr("cli.schema.COMMITTED", tmp_path / "contract.json")
    (tmp_path / "contract.json").write_text("{}", encoding="utf-8")
    assert run(["schema", "--check"]) == 1
    assert "ist veraltet.\nSchreiben: stadtgrund schema --output docs/schema/contract.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "de"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "de_AT.UTF-8"}, "de"),
        ({"LANG": "C.UTF-8"}, "de"),
        ({"LC_ALL": "C"}, "de"),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "cs_CZ.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "de_DE"}, "de"),
    ],
)
def test_language(env: dict[str, str], expected: str) -> None:
    assert language.language(env) == expected
    shell = subprocess.run(
        ["sh", "-euc", ". bin/say.sh; say de en"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stderr.splitlines()[-1:] == [expected] and shell.stdout == ""
