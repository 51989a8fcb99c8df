"""The Makefile: its help is complete, its variables become settings, and CI calls its targets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Makefile").read_text()


def make(*words: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STADTGRUND_", "MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory", *words], env={**clean, **env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_is_the_default_and_lists_every_target() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) ", make(), re.MULTILINE))
    defined = set(re.findall(r"^([a-z-]+):", TEXT, re.MULTILINE)) - {"setup-test"}
    assert listed == defined
    assert {"help", "setup", "run", "test", "test-all", "check", "bench"} <= listed


def test_all_abstract_tests_run_in_test_all() -> None:
    """Those that are fast run in both targets, and each other test in one."""
    chosen = {}
    for target in ("test", "test-all"):
        (command,) = re.findall(r"\.venv/bin/pytest .*", make("-n", target))
        done = subprocess.run(
            [ROOT / ".venv/bin/pytest", "--collect-only", "-q", "-m", command.split('"')[1], "tests/conformance", "tests/ops"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        chosen[target] = {line for line in done.stdout.splitlines() if "::" in line}
    folder = "tests/conformance/"
    assert {each for each in chosen["test"] if each.startswith(folder)} < {each for each in chosen["test-all"] if each.startswith(folder)}
    assert all(each.startswith(folder) for each in chosen["test"] & chosen["test-all"])


def test_every_target_is_phony() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)[1].split())  # type: ignore[index]
    assert phony == set(re.findall(r"^([a-z-]+):", TEXT, re.MULTILINE))


SHOW = "--eval=show: ; @env | grep ^STADTGRUND_ | sort || true"


def test_variables_of_the_command_line_become_settings() -> None:
    shown = make(SHOW, "show", "PORT=8080", "HOST=0.0.0.0", "CONFIG=my folder", "DATA=/data", "WORKERS=4")
    assert shown.splitlines() == [
        "STADTGRUND_CONFIG=my folder",
        "STADTGRUND_DATA=/data",
        "STADTGRUND_HOST=0.0.0.0",
        "STADTGRUND_PORT=8080",
        "STADTGRUND_WORKERS=4",
    ]


def test_names_that_others_export_are_not_taken() -> None:
    # Some shells and conda export HOST; only the prefixed names count in the environment.
    assert make(SHOW, "show", HOST="x86_64-conda-linux-gnu", PORT="1", STADTGRUND_PORT="5001") == "STADTGRUND_PORT=5001\n"


@pytest.mark.parametrize("name", ["PORT", "HOST", "CONFIG", "DATA", "WORKERS"])
def test_help_names_the_variables(name: str) -> None:
    assert f" {name} " in make("help")


def test_ci_calls_the_targets_and_needs_the_data(tmp_path: Path) -> None:
    text = (ROOT / ".ci/run").read_text()
    assert "for target in check test test-all;" in text
    (tmp_path / "checkout/.ci").mkdir(parents=True)
    (tmp_path / "checkout/.ci/run").write_text(text)
    done = subprocess.run(["bash", "checkout/.ci/run"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "../shared/data are absent" in done.stderr


def test_ci_waits_for_another_apt_where_it_installs_make(tmp_path: Path) -> None:
    for folder in ("checkout/.ci", "shared/data", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "checkout/.ci/run").write_text((ROOT / ".ci/run").read_text())
    for name in ("bash", "dirname", "cp"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    made = tmp_path / "make"
    made.write_text("#!/bin/bash\n")
    made.chmod(0o755)
    apt = tmp_path / "bin/apt-get"
    apt.write_text(f'#!/bin/bash\necho "$*" >>{tmp_path}/calls\n[[ "$*" != *" install make" ]] || cp {made} {tmp_path}/bin/make\n')
    apt.chmod(0o755)
    done = subprocess.run(
        ["bash", "checkout/.ci/run"], cwd=tmp_path, env={"PATH": f"{tmp_path}/bin"}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 2 and all(" -o DPkg::Lock::Timeout=300 " in call for call in calls)
