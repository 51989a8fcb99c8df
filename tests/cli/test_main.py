from __future__ import annotations

import errno
import importlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import main as cli_main
from cli.main import VERBS, run

FOLDER = Path(cli_main.__file__).parent


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


def subcommands(verb: str) -> list[str]:
    group: typer.Typer | None = getattr(importlib.import_module(f"cli.{verb}"), "app", None)
    if group is None:
        return []
    return sorted(typer.main.get_command(group).commands)  # type: ignore[attr-defined]


def test_every_verb_is_in_the_table() -> None:
    exposes = re.compile(r"^(def command\(|app = typer\.Typer\()", re.MULTILINE)
    found = {path.stem for path in FOLDER.glob("*.py") if path.stem != "main" and exposes.search(path.read_text(encoding="utf-8"))}
    assert found == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, verb)
    assert f"Aufruf: stadtgrund {verb}" in text
    names = subcommands(verb)
    if names:
        for name in names:
            own = help_of(capsys, verb, name)
            assert re.search(rf"(Beispiel|Example).*\n?.*stadtgrund {verb} {name}", own), own
    else:
        assert re.search(rf"(Beispiel|Example).*\n?.*stadtgrund {verb}", text), text


LEAVES = [(verb, name) for verb in VERBS for name in subcommands(verb) or [""]]
"""Each command that does something: a verb, or a group's own command."""


def command_of(verb: str, name: str) -> Any:
    module = importlib.import_module(f"cli.{verb}")
    if name:
        return typer.main.get_command(module.app).commands[name]  # type: ignore[attr-defined]
    single = typer.Typer()
    single.command(verb)(module.command)
    return typer.main.get_command(single)


def metavars(verb: str, name: str) -> list[str]:
    return [part.metavar or "" for part in command_of(verb, name).params if part.param_type_name == "argument"]


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
@pytest.mark.parametrize("option", ["--json", "--dry-run"])
def test_every_command_has_json_and_a_dry_run_or_says_why_not(option: str, leaf: tuple[str, str]) -> None:
    """Design, section 8. A command that writes nothing, or whose output is another program's, says so: "Ohne --dry-run: …"."""
    command = command_of(*leaf)
    has = any(option in parameter.opts for parameter in command.params)
    excused = re.search(rf"\bOhne [^:.]*{option}\b[^:.]*: \w", command.help or "")
    assert has != bool(excused), command.help


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_a_test(verb: str) -> None:
    tests = Path(__file__).parents[1]
    words = re.compile(rf"[\"']{verb}[\"']|cli\.{verb}\b|cli import .*\b{verb}\b")
    users = [path for path in tests.rglob("*.py") if path != Path(__file__) and words.search(path.read_text(encoding="utf-8"))]
    assert users, f"no test runs `stadtgrund {verb}`"


def test_help_lists_all_verbs_and_imports_none_of_them() -> None:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    seconds = time.perf_counter() - started
    assert all(re.search(rf"^  {verb} ", done.stdout, re.MULTILINE) for verb in VERBS)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {*(f"cli.{verb}" for verb in VERBS), "psycopg", "pydantic", "pygeoapi", "rasterio"}
    assert seconds < 2.0  # 0.15 s on an idle machine


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"stadtgrund \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lod"], "Gemeint: load?"),
        (["doctor", "--jsn"], "Gemeint: --json?"),
        (["--config", "/gibt/es/nicht", "check"], "/gibt/es/nicht"),
        (["check", "--config", "/gibt/es/nicht"], "/gibt/es/nicht"),
        (["release"], "Das Argument ID fehlt."),
    ],
)
def test_misuse_ends_with_2_and_says_what(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Traceback" not in shown.err
    assert not shown.out


MISUSED = [
    (["lod"], ["Befehl „lod“ ist unbekannt. Gemeint: load?", f"Bekannt sind: {', '.join(VERBS)}."]),
    (["db", "strt"], ["Befehl „strt“ ist unbekannt. Gemeint: start?", "Bekannt sind: start, bind, stop, status, url, script, psql."]),
    (
        ["serve", "--prt", "1"],
        ["Option „--prt“ ist unbekannt. Gemeint: --port?", "Bekannt sind: --host, --port, --workers, --json, --help."],
    ),
    (["report"], ["Das Argument ID fehlt."]),
    (["report", "a", "b"], ["Zu viele Argumente: b."]),
    (["export", "qgis"], ["Die Option --output fehlt."]),
    (["serve", "--port"], ["Die Option --port braucht einen Wert."]),
    (["serve", "--json=1"], ["Die Option --json nimmt keinen Wert."]),
    (["serve", "--port", "x"], ["--port: Erwartet wird eine ganze Zahl."]),
    (["serve", "--port", "0"], ["--port: Der kleinste erlaubte Wert ist 1."]),
    (["serve", "--port", "70000"], ["--port: Der größte erlaubte Wert ist 65535."]),
    (["--debug"], ["Der Befehl fehlt."]),
]
"""Command line → what is said between the usage and where help is."""


@pytest.mark.parametrize(("words", "lines"), MISUSED, ids=lambda value: " ".join(value))
def test_misuse_is_told_in_german(words: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    usage, *said, helped = capsys.readouterr().err.splitlines()
    assert said == lines
    assert usage.startswith("Aufruf: stadtgrund ") and "OPTIONS" not in usage
    assert helped.startswith("Hilfe: stadtgrund") and helped.endswith(" --help")


@pytest.mark.parametrize("words", [words for words, _ in MISUSED], ids=" ".join)
def test_misuse_is_told_in_english(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert run(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("Usage: stadtgrund ") and "\nHelp: stadtgrund" in told
    assert not re.search(r"fehlt|braucht|nimmt|unbekannt|Erwartet|erlaubte|Argumente", told)


@pytest.mark.parametrize("leaf", [("", ""), *LEAVES, *((verb, "") for verb in VERBS if subcommands(verb))], ids=" ".join)
def test_help_has_no_english_frame_and_no_line_cut_short(leaf: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, *filter(None, leaf))
    assert "Diese Hilfe zeigen." in text
    assert not re.search(
        r"Usage:|Options:|Commands:|Arguments:|OPTIONS|Show this|\brequired\]|\[default|\.\.\.$", text.partition("\n")[2], re.MULTILINE
    )


def test_help_says_what_an_option_is_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "export", "qgis")
    assert "(.qgz) geschrieben wird.  [nötig]" in text and "[Vorgabe: open]" in text
    assert "ganze Datensätze als Dateien" in help_of(capsys)


def test_a_wrong_setting_ends_with_2_and_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STADTGRUND_PORT", "fünftausend")
    assert run(["doctor"]) == 2
    assert "STADTGRUND_PORT='fünftausend'" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if not leaf[1] and "ID" in str(metavars(*leaf))], ids=" ".join)
def test_an_unknown_dataset_is_misuse_and_the_known_are_told(
    leaf: tuple[str, str], language: str, deployment_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nichts")  # a wrong name is told before a database is asked
    assert run(["--config", str(deployment_folder), *filter(None, leaf), "mastne"]) == 2
    shown = capsys.readouterr()
    assert (
        shown.err.splitlines()
        == {
            "de": ["Datensatz „mastne“ ist unbekannt. Gemeint: masten?", "Bekannt sind: gebiete, masten, zahlen."],
            "en": ["Unknown dataset 'mastne'. Did you mean masten?", "Known are: gebiete, masten, zahlen."],
        }[language]
    )
    assert not shown.out


def test_debug_shows_the_traceback_wherever_it_stands(deployment_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "mastne", "--by", "Amt", "--ground", "NONE", "--debug", "--config", str(deployment_folder)]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_contract_ends_with_2_and_names_file_line_and_field(deployment_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = deployment_folder / "datasets" / "masten.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("type: Point", "type: Punkt"), encoding="utf-8")
    assert run(["--config", str(deployment_folder), "render", "--output", "-"]) == 2
    shown = capsys.readouterr().err
    assert re.search(r"masten\.yaml:\d+: geometry\.type: .*Punkt", shown)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "Kein Platz mehr auf dem Datenträger für /data/x"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "Permission denied: /data/x"),
        (ValueError("zwei\nZeilen"), "ValueError: zwei Zeilen"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence(error: Exception, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli_main._unexpected(type(error), error, None)
    shown = capsys.readouterr().err
    assert told in shown
    assert "Traceback" not in shown


def test_an_interrupt_ends_with_130_and_no_word() -> None:
    code = (
        "import sys, cli.main as m, cli.doctor as d\n"
        "def stop(_): raise KeyboardInterrupt\n"
        "d.CHECKS = (stop,)\n"
        "sys.argv = ['stadtgrund', 'doctor']\n"
        "m.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
