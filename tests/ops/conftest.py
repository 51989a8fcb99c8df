"""A home for a private PostGIS of its own, and the functions of bin/ in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stadtgrund.settings import Paths
from stadtgrund.store import embedded
from stadtgrund.store.embedded import Cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A short folder that the account postgres can enter, which pytest's own (0700) is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cluster(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that is not made yet; whatever runs in it at the end is stopped."""
    monkeypatch.setenv("STADTGRUND_PG_HOME", str(open_folder / "pg"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    found = embedded.locate(Paths(open_folder, open_folder / "var"))
    yield found
    embedded.stop(found)


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run shell text with the functions of bin/: `ROOT` is an empty folder, `PATH` starts with `tmp_path/bin`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "root").mkdir()

    def run(text: str, *, path: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        sources = "".join(f". {ROOT}/bin/{name}.sh; " for name in ("say", "packages", "python"))
        search = path if path is not None else os.environ["PATH"]
        return subprocess.run(
            [
                *("/usr/bin/env", "--default-signal=HUP,INT,TERM"),  # a shell cannot trap what was ignored when it began (nohup)
                *("/bin/sh", "-euc", f"ROOT={tmp_path}/root LOG={tmp_path}/log; {sources}{text}"),
            ],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}/bin:{search}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "LANG": "en_US.UTF-8", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Put a program of one's own where `shell` looks first (or at a path below `tmp_path`)."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / (name if "/" in name else f"bin/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make
