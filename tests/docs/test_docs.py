"""The documentation names what there is: each command, setting, quality rule, make target and dataset; and its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer

from cli import docs
from cli.main import VERBS, run
from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Ground, OnFail, Rule
from stadtgrund.settings import ROOT

PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
ALL = "\n".join(TEXTS.values())
PACKAGES = ("stadtgrund", "etl", "providers", "processes", "server", "demo", "cli")
DEPLOYMENTS = sorted(path.parent for path in ROOT.glob("pygeoapi-config/*/deployment.yml"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_documented(verb: str) -> None:
    assert re.search(rf"\bstadtgrund (--config \S+ )?{verb}\b", ALL)
    group: typer.Typer | None = getattr(importlib.import_module(f"cli.{verb}"), "app", None)
    operations = TEXTS[ROOT / "docs" / "operations.md"]
    for name in sorted(typer.main.get_command(group).commands) if group else ():  # type: ignore[attr-defined]
        line = next(line for line in operations.splitlines() if f"`stadtgrund {verb}`" in line)
        assert f"`{name}`" in line or f"`{verb} {name}`" in line, f"{verb} {name}"


def test_no_command_is_documented_that_is_not_there() -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?stadtgrund ([a-z]+)", ALL))
    assert named <= set(VERBS)


def settings() -> set[str]:
    """Return the environment variables that the code names in its strings."""
    name = re.compile(r"\b(?:STADTGRUND_[A-Z_]*[A-Z]|DATABASE_URL|PUBLIC_URL)\b")
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.update(name.findall(node.value))
    return found


def test_every_setting_has_its_row() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXTS[ROOT / "docs" / "operations.md"], re.MULTILINE))
    assert rows == settings()


def test_every_quality_rule_and_ground_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", TEXTS[ROOT / "docs" / "contracts.md"], re.MULTILINE)
    for kind in (Rule.model_fields["rule"].annotation, OnFail, Ground):
        assert set(get_args(kind)) <= set(rows)


def test_every_make_target_is_documented() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)) - {"setup-test"}
    for target in targets:
        assert re.search(rf"`make {target}\b|^make {target}\b|`make`-Ziele:(?:[^\n]|\n(?!\n))*`{target}`", ALL, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_both_readmes_say_the_same_commands() -> None:
    commands = [
        re.findall(r"^(make run|make test|make run CONFIG|\S*stadtgrund new|\S*stadtgrund --config)", text, re.MULTILINE)
        for text in readmes()
    ]
    assert set(commands[0]) == set(commands[1]) >= {"make run", "make test"}


def readmes() -> tuple[str, str]:
    return TEXTS[ROOT / "README.md"], TEXTS[ROOT / "README.de.md"]


def test_every_dataset_has_its_row() -> None:
    text = TEXTS[ROOT / "docs" / "datasets.md"]
    assert len(DEPLOYMENTS) == 2
    for folder in DEPLOYMENTS:
        deployment = registry.read(folder)
        section = text.split(f"## {deployment.title.de}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE) == list(deployment.contracts)


def test_the_page_of_datasets_is_what_the_contracts_give(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["docs", *map(str, DEPLOYMENTS), "--output", str(ROOT / "docs" / "datasets.md"), "--check"]
    assert run(words) == 0, capsys.readouterr().err


def test_an_outdated_page_is_told_and_written_anew(deployment_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "datasets.md"
    page.write_text("alt")
    words = ["docs", str(deployment_folder), "--output", str(page)]
    assert run([*words, "--check"]) == 1
    assert "datasets.md" in capsys.readouterr().err and page.read_text() == "alt"
    assert run(words) == 0
    assert run([*words, "--check"]) == 0
    assert "| `masten` | Masten | Point (EPSG:25832) | Geodatei | monatlich | Amt 62 |" in page.read_text(encoding="utf-8")
    assert run(["docs", "--check"]) == 2
    capsys.readouterr()
    assert run(["docs", str(deployment_folder)]) == 0
    assert capsys.readouterr().out == page.read_text(encoding="utf-8")
    assert docs.__all__ == ["command"]


def test_the_first_own_layer_takes_the_commands_of_the_readme(tmp_path: Path) -> None:
    """`make run` itself is tested elsewhere: here the folder that it gets is checked and its layer listed."""
    import geopandas
    import shapely

    geopandas.GeoDataFrame({"NR": [1, 2]}, geometry=shapely.points([[410000, 5477000], [410100, 5477000]]), crs="EPSG:25832").to_file(
        tmp_path / "brunnen.gpkg"
    )
    own = re.search(r"eigene Ebene\n\n```\n(.*?)```", readmes()[1], re.DOTALL)
    assert own
    commands = own[1].splitlines()
    assert len(commands) == 3 and commands[2].startswith("make run CONFIG=../meinestadt")
    (tmp_path / "klon").mkdir()
    for command in commands[:2]:
        words = [*command.replace("brunnen.gpkg", "../brunnen.gpkg").split()]
        assert words.pop(0) == ".venv/bin/stadtgrund"
        done = subprocess.run([sys.executable, "-m", "cli", *words], cwd=tmp_path / "klon", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert list(registry.read(tmp_path / "meinestadt").contracts) == ["brunnen"]
