"""pyproject.toml, the locks and the package lists say the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-test.lock"]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[=<>~!]", requirement, maxsplit=1)[0]).lower()


def pins(lock: str) -> dict[str, str]:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    return {name_of(line): line.split("==")[1] for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_and_no_addresses(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_the_test_lock_holds_the_runtime_lock() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


def test_every_dependency_is_locked() -> None:
    runtime = {name_of(item) for item in PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]}
    test = {name_of(item) for item in PROJECT["project"]["optional-dependencies"]["test"]}
    assert runtime <= pins("requirements.lock").keys()
    assert test <= pins("requirements-test.lock").keys() - pins("requirements.lock").keys()


def test_every_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]
    assert [item for item in wanted if not re.search(rf'"{re.escape(item)}", +# .{{10}}', text)] == []


def third_party(*folders: str) -> dict[str, str]:
    """Names of the packages that are imported from outside, each with a file that does."""
    own = set(PROJECT["tool"]["importlinter"]["root_packages"]) | {"support"}
    found: dict[str, str] = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules = [node.module]
            for module in modules:
                top = module.split(".")[0]
                if top not in sys.stdlib_module_names | own:
                    found.setdefault(top, str(path.relative_to(ROOT)))
    return found


def test_what_is_imported_is_declared() -> None:
    declared = {name_of(item) for item in PROJECT["project"]["dependencies"]}
    declared |= {"pydantic-core"}  # pydantic's other half, released with it
    declared |= {"psycopg-pool"}  # by psycopg[pool]
    owners = importlib.metadata.packages_distributions()
    used = third_party(*PROJECT["tool"]["importlinter"]["root_packages"])
    unknown = {top: path for top, path in used.items() if not declared & {name_of(owner) for owner in owners.get(top, [])}}
    assert unknown == {}


def test_what_a_run_installs_is_imported() -> None:
    owners = importlib.metadata.packages_distributions()
    used = {name_of(owner) for top in third_party(*PROJECT["tool"]["importlinter"]["root_packages"]) for owner in owners.get(top, [])}
    used |= {"uvloop"}  # by granian, where it is named as the loop
    assert {name_of(item) for item in PROJECT["project"]["dependencies"]} - used == set()


def test_every_top_level_package_is_installed_typed_and_layered() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert folders == set(PROJECT["tool"]["importlinter"]["root_packages"])
    assert folders == set(PROJECT["tool"]["mypy"]["packages"])
    assert folders == {name for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] if "." not in name}


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_package_lists_are_unversioned(name: str) -> None:
    lines = [line.split() for line in (ROOT / "packages" / name).read_text().splitlines() if line and not line.startswith("#")]
    assert lines and all(len(words) == 2 and not re.search(r"\d{2}", words[1]) for words in lines)
