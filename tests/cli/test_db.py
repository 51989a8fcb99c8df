"""`stadtgrund db`, `keys`, `rollback`, `withdraw` as a person calls them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.postgis import Server, environment
from support.rows import publish_rows
from support.served import free_port

from cli import context
from cli.main import run
from server.auth import KeyRing
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SetupError
from stadtgrund.store import embedded, releases, removal
from stadtgrund.store.database import Database
from stadtgrund.store.versions import current

Command = Callable[..., tuple[int, str, str]]
POLE = {"nummer": 1, "name": "Ahorn", "geom": "POINT(360000 5700000)"}


@pytest.fixture
def call(
    server: Server, db: Database, deployment_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command line on this test's database, in German; return exit code, stdout and stderr."""
    env = environment(server, db, deployment_folder)
    for name in ("DATABASE_URL", "STADTGRUND_VAR", "STADTGRUND_CONFIG"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    context.configure(None, debug=False)

    def command(*words: str) -> tuple[int, str, str]:
        code = run(words)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return command


def test_start_and_status_of_a_foreign_database(call: Command, db: Database) -> None:
    code, _, err = call("db", "start")
    assert (code, f"{db.name} ist eingerichtet" in err) == (0, True)
    assert call("db", "start", "--json")[:2] == (0, json.dumps({"database": db.name, "started": False}) + "\n")


def test_stop_leaves_a_foreign_database_alone(call: Command, db: Database) -> None:
    code, _, err = call("db", "stop")
    assert (code, "DATABASE_URL" in err) == (2, True)
    with db.connect("open") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_url_logs_in(call: Command, db: Database) -> None:
    code, out, _ = call("db", "url", "--role", "open")
    assert code == 0
    assert conninfo_to_dict(out.strip())["user"] == db.role("open")
    assert call("db", "url", "--role", "chef")[0] == 2


def test_script_is_sql_on_stdout(call: Command) -> None:
    code, out, err = call("db", "script")
    assert code == 0
    assert out.startswith("-- Stadtgrund")
    assert "CREATE EXTENSION IF NOT EXISTS postgis" in out
    assert "SCRAM-SHA-256$4096" in out
    assert "secrets" in err and "SCRAM" not in err


def test_psql_opens_the_database_without_a_password_in_its_arguments(server: Server, db: Database, deployment_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "db", "psql", "--role", "open"],
        env=environment(server, db, deployment_folder),
        input="SELECT current_user, current_setting('transaction_read_only');\n\\! tr '\\0' ' ' </proc/$PPID/cmdline\n",
        text=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"{db.role('open')} +\| on", done.stdout), done.stdout
    assert "psql" in done.stdout.splitlines()[-1] and "password" not in done.stdout


def test_keys_are_made_listed_and_revoked(call: Command) -> None:
    code, out, _ = call("keys", "create", "Amt 62", "--dry-run")
    assert (code, out) == (0, "")
    code, key, err = call("keys", "create", "Amt 62", "--profile", "verwaltung")
    assert code == 0 and re.fullmatch(r"sg_\S{43}\n", key) and "nur jetzt" in err
    assert call("keys", "create", "Amt 62")[0] == 2
    assert call("keys", "create", "Amt 63", "--profile", "open")[0] == 2
    assert "key" in json.loads(call("keys", "create", "Amt 63", "--json")[1])

    code, out, _ = call("keys", "list")
    assert re.fullmatch(r"Amt 62\tverwaltung\t\d{4}-\d\d-\d\d\tgültig\nAmt 63\t.*\tgültig\n", out)
    assert key.strip() not in out
    assert call("keys", "revoke", "Amt 62", "--dry-run")[0] == 0
    assert call("keys", "revoke", "Amt 62")[0] == 0
    code, _, err = call("keys", "revoke", "Amt 62")
    assert code == 2 and "Amt 63" in err
    assert json.loads(call("keys", "create", "Amt 64", "--dry-run", "--json")[1]) == {
        "label": "Amt 64",
        "profile": "verwaltung",
        "dry_run": True,
    }
    listed = [json.loads(line) for line in call("keys", "list", "--json")[1].splitlines()]
    assert [(entry["label"], entry["revoked"] is None) for entry in listed] == [("Amt 62", False), ("Amt 63", True)]
    assert "sha256" not in listed[0]


def test_the_help_says_when_a_revoked_key_ends(call: Command) -> None:
    _, out, _ = call("keys", "revoke", "--help")
    assert f"nach höchstens {KeyRing.TTL_S:.0f} Sekunden" in " ".join(out.split())


def test_rollback_goes_to_the_version_before(call: Command, db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", [POLE])
    code, _, err = call("rollback", "masten")
    assert code == 1 and "keine frühere Version" in err
    publish_rows(db, deployment, "masten", [])

    assert call("rollback", "masten", "--dry-run")[0] == 0
    assert json.loads(call("rollback", "masten", "--dry-run", "--json")[1])["origin"] == "rollback:1"
    assert current(db, "masten").version == 2  # type: ignore[union-attr]
    code, out, err = call("rollback", "masten")
    assert code == 0
    assert out.startswith("masten\t3\trollback:1\t1\t")
    assert "Öffentlich" in err
    code, out, _ = call("rollback", "masten", "--list", "--json")
    assert [json.loads(line)["version"] for line in out.splitlines()] == [3, 2, 1]
    code, _, err = call("rollback", "masten", "--to", "9")
    assert (code, err) == (2, "Version von masten „9“ ist unbekannt.\nBekannt sind: 3, 2, 1.\n")
    code, _, err = call("rollback", "nichts")
    assert code == 2 and "masten" in err


def test_withdraw_names_who_sees_it_still(call: Command, db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", [POLE])

    code, out, _ = call("withdraw", "masten", "--by", "Amt 62", "--dry-run")
    assert (code, out.startswith("Probe: ")) == (0, True)
    code, out, _ = call("withdraw", "masten", "--by", "Amt 62", "--reason", "falsch", "--json")
    assert code == 0
    assert [(line["profile"], line["form"]) for line in map(json.loads, out.splitlines())] == [("open", None), ("verwaltung", "full")]
    assert [entry.origin for entry in releases.history(db, "masten")] == ["contract", "withdraw"]
    code, _, err = call("withdraw", "gebiete")
    assert code == 1 and "noch nie geladen" in err


def test_the_private_database_by_its_verbs(
    tmp_path_factory: pytest.TempPathFactory, deployment_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Start makes and sets up a cluster of its own; status says so; stop ends it."""
    import shutil
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="stadtgrund-test-"))
    home.chmod(0o755)
    for name in ("DATABASE_URL", "STADTGRUND_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STADTGRUND_PG_HOME", str(home / "pg"))
    monkeypatch.setenv("STADTGRUND_VAR", str(home / "var"))
    monkeypatch.setenv("STADTGRUND_CONFIG", str(deployment_folder))
    monkeypatch.setenv("STADTGRUND_PORT", str(free_port()))
    context.configure(None, debug=False)
    settings = context.settings()
    try:
        assert run(["db", "status"]) == 1
        assert run(["db", "start", "--dry-run", "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["would_start"] is True
        assert run(["db", "start", "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"database": "stadtgrund_teststadt", "started": True}
        assert run(["db", "status", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["private"], found["running"], found["missing"], found["problem"]) == (True, True, [], "")
        _another_folder_of_the_same_name(deployment_folder, home / "umgezogen", capsys)
        assert run(["db", "stop", "--dry-run"]) == 0
        assert embedded.status(embedded.locate(settings.paths)).running
        assert run(["db", "stop"]) == 0
        assert not embedded.status(embedded.locate(settings.paths)).running
        assert run(["db", "status"]) == 1
    finally:
        embedded.stop(embedded.locate(settings.paths))
        context.configure(None, debug=False)
        shutil.rmtree(home)
    assert os.environ["STADTGRUND_VAR"] == str(home / "var")


def _another_folder_of_the_same_name(first: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused until it is said to be the same deployment, moved; then the first one is."""
    import shutil

    second = Path(shutil.copytree(first, place / first.name))
    capsys.readouterr()
    for words in (["status"], ["load", "masten"], ["apply"], ["serve"], ["keys", "list"]):
        assert run(["--config", str(second), *words]) == 1
        shown = capsys.readouterr()
        assert not shown.out
        assert f"Die Datenbank stadtgrund_teststadt gehört zum Deployment {first}, nicht zu {second}." in shown.err
        assert f"stadtgrund --config {second} db bind" in shown.err and "umbenennen" in shown.err
    assert run(["--config", str(second), "db", "status"]) == 1
    assert f"gehört zu {first}\n" in capsys.readouterr().out
    with pytest.raises(SetupError, match="gehört zum Deployment"):
        removal.remove(context.settings(), second)

    assert run(["--config", str(second), "db", "bind", "--dry-run"]) == 0
    assert run(["--config", str(second), "status"]) == 1
    capsys.readouterr()
    assert run(["--config", str(second), "db", "bind", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["before"], told["folder"]) == (str(first), str(second))
    assert run(["--config", str(second), "status"]) == 0
    assert run(["--config", str(first), "status"]) == 1
    assert run(["--config", str(first), "db", "bind"]) == 0
    assert run(["--config", str(first), "status"]) == 0

    link = place / "verweis"
    link.mkdir()
    (link / first.name).symlink_to(first)  # another way to the same folder
    assert run(["--config", str(link / first.name), "status"]) == 0
    context.configure(None, debug=False)


def test_a_foreign_database_is_bound_to_no_folder(call: Command) -> None:
    code, _, err = call("db", "bind")
    assert code == 2 and "DATABASE_URL" in err


def test_script_as_a_dry_run_makes_no_password(call: Command, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STADTGRUND_VAR", str(tmp_path / "leer"))
    code, out, _ = call("db", "script", "--dry-run", "--json")
    assert code == 0 and len(json.loads(out)["new_passwords"]) == 4
    assert not (tmp_path / "leer").exists()
    code, out, _ = call("db", "script", "--json")
    assert code == 0 and "SCRAM-SHA-256" in json.loads(out)["sql"]
