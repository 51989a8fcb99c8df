"""API keys: 256 random bits with the prefix `sg_`, kept as SHA-256 only; a label has at most one valid key."""

from __future__ import annotations

__all__ = ["FIRST", "ApiKey", "check", "create", "ensure_first", "is_first_lost", "key_file", "known", "revoke"]

import hashlib
import os
import secrets
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from stadtgrund.errors import UnknownName, UsageError, by_locale, unknown
from stadtgrund.identity import OPEN, VERWALTUNG
from stadtgrund.settings import Secret
from stadtgrund.store.database import Database
from stadtgrund.store.roles import PROFILES, Secrets

FIRST = "verwaltung"
"""Label of the key that a new database gets; it lies in `key_file()`."""

_SHARED = "verwaltung.key"
"""The one file that all deployments of a `var/` wrote before each had its own."""


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: who has it, what it opens, since when and until when."""

    label: str
    profile: str
    created: datetime
    revoked: datetime | None
    sha256: str


def check(label: str, profile: str) -> None:
    """Refuse a label or a profile that no key can have.

    Raises
    ------
    UsageError
        Saying what is allowed.
    """
    allowed = [each for each in PROFILES if each != OPEN]
    if profile not in allowed:
        raise UsageError(unknown("profile", profile, allowed, german="Profil"))
    if label != label.strip() or not label.isprintable() or not 0 < len(label) <= 100:
        raise UsageError(
            by_locale(f"Die Bezeichnung {label!r} ist nicht möglich.", f"The label {label!r} is not possible."),
            remedy=by_locale("Erlaubt sind 1 bis 100 druckbare Zeichen.", "Allowed are 1 to 100 printable characters."),
        )


def create(db: Database, label: str, profile: str) -> Secret:
    """Make a key and return it: it is shown this once.

    Raises
    ------
    UsageError
        When the label has a valid key already, or the profile is not one that needs a key.
    """
    check(label, profile)
    key = "sg_" + secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode("ascii")).hexdigest()
    try:
        with db.connect("owner") as connection:
            connection.execute("INSERT INTO meta.api_key (sha256, label, profile) VALUES (%s, %s, %s)", (digest, label, profile))
    except psycopg.errors.UniqueViolation as error:
        raise UsageError(
            by_locale(f"„{label}“ hat schon einen gültigen Schlüssel.", f"{label!r} has a valid key already."),
            kept=by_locale("Er gilt weiter.", "It stays valid."),
            remedy=by_locale(
                f'Sperren Sie ihn erst: stadtgrund keys revoke "{label}"', f'Revoke it first: stadtgrund keys revoke "{label}"'
            ),
        ) from error
    return Secret(key)


def ensure_first(db: Database) -> Secret | None:
    """Give a database without keys its first one, for the administration; return it only then.

    It is written to `key_file()` (0600). A key of this database that lies in the file of earlier versions moves there, and the old
    name becomes a link to it: what reads it goes on.
    """
    if keys := known(db):
        _take_over(db, {key.sha256 for key in keys if key.revoked is None})
        return None
    key = create(db, FIRST, VERWALTUNG)
    Secrets(db.paths.secrets).write(key_file(db).name, key.reveal())
    return key


def key_file(db: Database) -> Path:
    """Say where the first key of a deployment lies: a file of its own in `var/secrets`, which several deployments share."""
    return db.paths.secrets / f"{FIRST}.{db.prefix}.key"


def is_first_lost(db: Database) -> bool:
    """Whether the first key is the only one of the administration and its file is gone: `var/` can be deleted while the database stays."""
    if key_file(db).exists():
        return False
    return [key.label for key in known(db) if key.profile == VERWALTUNG and key.revoked is None] == [FIRST]


def _take_over(db: Database, valid: Set[str]) -> None:
    shared, own = db.paths.secrets / _SHARED, key_file(db)
    if own.exists() or shared.is_symlink():
        return
    text = Secrets(db.paths.secrets).get(_SHARED)
    if text is None or hashlib.sha256(text.reveal().encode()).hexdigest() not in valid:
        return  # another deployment's: that one takes it over
    Secrets(db.paths.secrets).write(own.name, text.reveal())
    link = shared.with_name(f".{_SHARED}.{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(own.name)
    link.replace(shared)


def known(db: Database) -> list[ApiKey]:
    """Return all keys, also revoked ones, oldest first."""
    with db.connect("owner") as connection:
        rows = connection.execute("SELECT label, profile, created, revoked, sha256 FROM meta.api_key ORDER BY created, label").fetchall()
    return [ApiKey(*row) for row in rows]


def revoke(db: Database, label: str, *, dry_run: bool = False) -> None:
    """Make the valid key of a label invalid; a running server knows after some seconds (`KeyRing.TTL_S`).

    Raises
    ------
    UnknownName
        When no valid key has that label; those that do are listed.
    """
    with db.connect("owner") as connection:
        done = connection.execute("UPDATE meta.api_key SET revoked = now() WHERE label = %s AND revoked IS NULL", (label,))
        if dry_run:
            connection.rollback()
    if done.rowcount == 0:
        raise UnknownName("Schlüssel", "key", label, (key.label for key in known(db) if key.revoked is None))
