"""API keys: made, found by their SHA-256, revoked."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from stadtgrund.errors import UnknownName, UsageError
from stadtgrund.settings import Paths
from stadtgrund.store import api_keys
from stadtgrund.store.database import Database


def principal(db: Database, key: str, profile: str = "open") -> list[tuple[str, str]]:
    with db.connect(profile) as connection:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return connection.execute("SELECT label, profile FROM sg.principal(%s)", (digest,)).fetchall()


def test_a_key_opens_its_profile_until_it_is_revoked(db: Database) -> None:
    key = api_keys.create(db, "Amt 62", "verwaltung").reveal()

    assert re.fullmatch(r"sg_[A-Za-z0-9_-]{43}", key)
    assert principal(db, key) == principal(db, key, "verwaltung") == [("Amt 62", "verwaltung")]
    assert principal(db, key + "x") == principal(db, "") == []
    with db.connect("owner") as connection:
        assert key not in str(connection.execute("SELECT * FROM meta.api_key").fetchall())

    api_keys.revoke(db, "Amt 62", dry_run=True)
    assert principal(db, key) != []
    api_keys.revoke(db, "Amt 62")
    assert principal(db, key) == []
    assert [(entry.label, entry.revoked is None) for entry in api_keys.known(db)] == [("Amt 62", False)]
    assert api_keys.create(db, "Amt 62", "verwaltung").reveal() != key


def test_a_label_has_one_valid_key(db: Database) -> None:
    api_keys.create(db, "Amt 62", "verwaltung")
    with pytest.raises(UsageError, match='stadtgrund keys revoke "Amt 62"'):
        api_keys.create(db, "Amt 62", "verwaltung")


@pytest.mark.parametrize(
    ("label", "profile", "told"),
    [("x", "open", "verwaltung"), ("x", "amt", "verwaltung"), ("", "verwaltung", "100"), ("a\nb", "verwaltung", "100")],
)
def test_what_no_key_can_have_is_refused(db: Database, label: str, profile: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        api_keys.create(db, label, profile)


def test_to_revoke_an_unknown_key_lists_the_valid_ones(db: Database) -> None:
    api_keys.create(db, "Amt 62", "verwaltung")
    with pytest.raises(UnknownName, match="Gemeint: Amt 62"):
        api_keys.revoke(db, "Amt 63")


def test_the_first_key_lies_in_the_secrets(db: Database) -> None:
    key = api_keys.ensure_first(db)

    assert key is not None
    path = db.paths.secrets / f"verwaltung.{db.prefix}.key"
    assert api_keys.key_file(db) == path
    assert path.read_text() == key.reveal() + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert principal(db, key.reveal()) == [("verwaltung", "verwaltung")]
    assert api_keys.ensure_first(db) is None


def test_the_one_key_file_of_earlier_versions_goes_to_the_deployment_that_it_opens(db: Database, tmp_path: Path) -> None:
    shutil.copytree(db.paths.secrets, tmp_path / "secrets")
    db = replace(db, paths=Paths(tmp_path, tmp_path))
    own, shared = api_keys.key_file(db), tmp_path / "secrets" / "verwaltung.key"
    own.unlink(missing_ok=True)
    shared.write_text("sg_einer-anderen-stadt\n")
    key = api_keys.create(db, "verwaltung", "verwaltung")

    assert api_keys.ensure_first(db) is None
    assert shared.read_text() == "sg_einer-anderen-stadt\n" and not own.exists()

    shared.write_text(key.reveal() + "\n")
    assert api_keys.ensure_first(db) is None
    assert own.read_text() == shared.read_text() == key.reveal() + "\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert shared.readlink() == Path(own.name)

    assert api_keys.ensure_first(db) is None  # a second time changes nothing
    assert shared.readlink() == Path(own.name) and not own.is_symlink()


def test_the_first_key_is_lost_when_its_file_is_gone_and_no_other_opens_the_administration(db: Database, tmp_path: Path) -> None:
    shutil.copytree(db.paths.secrets, tmp_path / "secrets")
    db = replace(db, paths=Paths(tmp_path, tmp_path))
    api_keys.key_file(db).unlink(missing_ok=True)
    assert not api_keys.is_first_lost(db), "there is none yet"
    api_keys.ensure_first(db)
    assert not api_keys.is_first_lost(db)
    api_keys.key_file(db).unlink()
    assert api_keys.ensure_first(db) is None and api_keys.is_first_lost(db)
    api_keys.create(db, "verwaltung-2", "verwaltung")
    assert not api_keys.is_first_lost(db)
    api_keys.revoke(db, "verwaltung-2")
    assert api_keys.is_first_lost(db)
    api_keys.revoke(db, "verwaltung")
    assert not api_keys.is_first_lost(db)
