"""What one command closes while another publishes stays closed; what one opens is not refused for another that began before."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from support.closing import JOIN, closed, edit, path, public

from cli import release
from cli.main import run
from etl import pipeline
from etl.report import LoadReport
from stadtgrund.catalog import registry
from stadtgrund.catalog.registry import Deployment
from stadtgrund.settings import ROOT
from stadtgrund.store import forms, locks, publication
from stadtgrund.store.database import Database

CLOSING = ("release", "baeume", "--by", "A", "--ground", "personal_data")


@contextmanager
def another(*words: str, wait_s: int = 100) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process of its own, which waits at most so long for a lock."""
    code = f"import sys, stadtgrund.store.locks as l; l._WAIT_S = {wait_s}\nfrom cli.main import run\nsys.exit(run({list(words)!r}))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def through(*words: str, wait_s: int = 100) -> tuple[int, str]:
    """Run a command in a process of its own; return its status, and what it told."""
    with another(*words, wait_s=wait_s) as process:
        told, _ = process.communicate(timeout=100)
    return process.returncode, told


def until_it_waits(db: Database, process: subprocess.Popen[str]) -> None:
    """Wait until the process waits for an advisory lock of the database, or has ended."""
    query = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with db.connect("owner", autocommit=True) as owner:
        while process.poll() is None and not owner.execute(query).rowcount:
            time.sleep(0.05)


def load_with(monkeypatch: pytest.MonkeyPatch, db: Database, began: Deployment, step: str, do: Callable[[], object]) -> LoadReport:
    """Load the trees by contracts that were read before; `do` something when the publish comes to `step`."""
    with monkeypatch.context() as patch:
        patch.setattr(publication, "_tell", lambda _, at: do() if at == step else None)
        return pipeline.load(db, began, "baeume", force=True)


def draft(city: Path, dataset: str) -> None:
    contract = yaml.safe_load(path(city, dataset).read_text("utf-8"))
    del contract["protection"]
    path(city, dataset).write_text(yaml.safe_dump(contract, allow_unicode=True, sort_keys=False), "utf-8")


@pytest.fixture
def withdrawn(loaded: Path, db: Database) -> Path:
    """Of the trees, which were withdrawn, the contract is still one that opens."""
    assert run(["withdraw", "baeume"]) == run(["apply", "baeume"]) == 0
    assert "baeume" not in public(db)
    return loaded


def test_a_release_that_closes_does_not_end_a_withdrawal_before_it_closes(
    withdrawn: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, looked, tidy = registry.read(withdrawn), [], publication.leftovers.tidy
    monkeypatch.setattr(publication.leftovers, "tidy", lambda *a, **k: (looked.append("baeume" in public(db)), tidy(*a, **k)))
    with another(*CLOSING) as closing:

        def wait() -> None:
            until_it_waits(db, closing)

        load_with(monkeypatch, db, began, "version", wait)
        assert closing.wait(100) == 0
    assert looked == [False] and "baeume" not in public(db)


def test_nor_does_one_that_gives_up(withdrawn: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    began = registry.read(withdrawn)
    report = load_with(monkeypatch, db, began, "forms", lambda: through(*CLOSING, wait_s=1))
    assert "inzwischen weiter geschlossen" in str(report.error) and "baeume" not in public(db)


@pytest.mark.parametrize("word", ["release", "apply"])
def test_what_opens_during_a_publish_is_not_refused(loaded: Path, db: Database, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """The publish applies its contract, which was read before."""
    right = path(loaded, "baeume").read_text("utf-8")
    draft(loaded, "baeume")
    assert run(["apply", "baeume"]) == 0 and "baeume" not in public(db)
    words = ("release", "baeume", "--by", "A", "--ground", "NONE") if word == "release" else ("apply", "baeume")
    began = registry.read(loaded)
    with ExitStack() as stack:
        opening: list[subprocess.Popen[str]] = []

        def open_it() -> None:
            if word == "apply":
                path(loaded, "baeume").write_text(right, "utf-8")
            opening.append(stack.enter_context(another(*words)))
            until_it_waits(db, opening[0])

        load_with(monkeypatch, db, began, "forms", open_it)
        told, _ = opening[0].communicate(timeout=100)
        assert opening[0].returncode == 0, told
    assert "baeume" in public(db)


@pytest.mark.parametrize("way", ["apply", "release", "release with a wrong contract", "withdraw"])
def test_what_is_closed_before_its_first_version_is_never_open(
    folder: Path, db: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    began = registry.read(folder)
    if way == "apply":
        closed(folder, "baeume")
    if way == "release with a wrong contract":
        edit(folder, "baeume", forms={"open": {"where": "art = 5"}})
    words = {"apply": ["apply", "baeume"], "withdraw": ["withdraw", "baeume"]}.get(way, [*CLOSING])
    if way == "withdraw":  # it must have begun
        load_with(monkeypatch, db, began, "lock", lambda: run(words))
    else:
        assert run(words) == 0
        pipeline.load(db, began, "baeume")
    assert "baeume" not in public(db)


def test_the_first_load_of_a_join_does_not_show_what_a_part_closed_meanwhile(folder: Path, db: Database) -> None:
    """As `load --all` does: each dataset by contracts that were all read at its beginning."""
    began = registry.read(folder)
    for part in ("ortsteile", "einwohner"):
        pipeline.load(db, began, part)
    assert run(["release", "ortsteile", "--by", "A", "--ground", "personal_data"]) == 0
    report = pipeline.load(db, began, JOIN)
    assert "inzwischen weiter geschlossen" in str(report.error) and public(db) == {"einwohner"}


def test_an_apply_does_not_hide_what_another_has_put_right(loaded: Path, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(loaded, "baeume", forms={"open": {"where": "nummer > 1"}})
    assert run(["apply", "baeume"]) == 0
    reconcile, others = forms.reconcile, []

    def meanwhile(*values: Any, **more: Any) -> Any:
        if not others:
            edit(loaded, "baeume", forms={"open": {"where": "nummer > 2"}})
            others.append(through("apply", "baeume"))
        return reconcile(*values, **more)

    monkeypatch.setattr(forms, "reconcile", meanwhile)
    assert run(["apply"]) == 1  # its contract of the trees is out of date, and it says so
    assert others[0][0] == 0 and "baeume" in public(db)


def answered(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> int:
    """Answer the questions of a release at a terminal with no; `meanwhile` something happens. Return its status."""
    done: list[object] = []

    def prompt(*_: object, **__: object) -> str:
        if not done:
            done.append(meanwhile())
        return "n"

    monkeypatch.setattr(release, "has_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    return run(["release", "baeume", "--by", "A"])


def test_answers_do_not_open_what_was_closed_while_they_were_given(
    loaded: Path, db: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def omit() -> None:
        edit(loaded, "baeume", forms={"open": {"omit": ["bemerkung"]}})
        assert through("apply", "baeume")[0] == 0

    assert answered(monkeypatch, omit) == 1
    assert "inzwischen weiter geschlossen" in capfd.readouterr().err
    with db.connect("open") as reader:
        assert "bemerkung" not in {column.name for column in reader.execute("SELECT * FROM p_open.baeume").description or ()}


def test_answers_do_not_end_a_withdrawal_that_came_while_they_were_given(
    loaded: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answered(monkeypatch, lambda: through("withdraw", "baeume")) == 1
    assert "baeume" not in public(db)
    assert run(["apply"]) == 0 and "baeume" not in public(db)
    assert run(["release", "baeume", "--by", "A", "--ground", "NONE"]) == 0 and "baeume" in public(db)


def test_what_is_being_published_and_must_be_closed_is_hidden_until_it_can_be_applied(
    loaded: Path, db: Database, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_WAIT_S", 1)
    edit(loaded, "baeume", forms={"open": {"omit": ["bemerkung"]}})
    with db.connect("owner") as other:
        locks.take_lock(other, "publish", "baeume")
        assert run(["apply", "baeume"]) == 1
        assert "Wenn jener Befehl fertig ist: stadtgrund apply baeume" in capfd.readouterr().err and "baeume" not in public(db)
    assert run(["apply", "baeume"]) == 0 and "baeume" in public(db)
