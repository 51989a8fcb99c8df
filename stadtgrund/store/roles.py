"""The roles of a deployment: their names, and their passwords in `var/secrets/<role>` (0600)."""

from __future__ import annotations

__all__ = ["PROFILES", "Secrets", "prefix_of", "role_name", "verifier"]

import base64
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stadtgrund.errors import SetupError, by_locale
from stadtgrund.identity import OPEN, VERWALTUNG
from stadtgrund.settings import Secret

PROFILES = (OPEN, VERWALTUNG)
"""The access profiles, each a schema `p_<profile>` and a role."""

_ITERATIONS = 4096
_PREFIX_LENGTH = 40


def prefix_of(deployment: str) -> str:
    """Return the prefix of a deployment's roles and of its database: its name, as far as an identifier can say it.

    A name that had to be changed gets a short hash, so that two such names do not share their roles.
    """
    plain = re.sub(r"[^a-z0-9_]", "_", deployment.lower())[:_PREFIX_LENGTH]
    if plain == deployment:
        return plain
    return f"{plain[: _PREFIX_LENGTH - 7]}_{hashlib.sha256(deployment.encode()).hexdigest()[:6]}"


def role_name(prefix: str, role: str) -> str:
    """Return the database's name of a role: `sg_<prefix>_<role>`."""
    return f"sg_{prefix}_{role}"


def verifier(password: Secret, salt: bytes | None = None) -> str:
    """Return the SCRAM-SHA-256 verifier that PostgreSQL stores for a password.

    Source: RFC 5803; RFC 5802, section 3.
    """
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = (base64.b64encode(part).decode("ascii") for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *encoded)


class Secrets:
    """The passwords of the roles, one file each.

    Parameters
    ----------
    folder : Path
        `var/secrets`; made (0700) with the first password.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, role: str) -> Secret | None:
        """Return the password of a role (its full name), None when there is none.

        Raises
        ------
        SetupError
            When the file is there and may not be read.
        """
        try:
            return Secret((self.folder / role).read_text("ascii").strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SetupError(
                by_locale(
                    f"Das Passwort {error.filename} ist nicht lesbar: {error.strerror}.",
                    f"The password {error.filename} cannot be read: {error.strerror}.",
                ),
                remedy=by_locale(
                    "Rufen Sie den Befehl mit dem Konto auf, dem der Ordner gehört.",
                    "Call the command from the account that owns the folder.",
                ),
            ) from error

    def make(self, role: str) -> Secret:
        """Return the password of a role; a new one is written when there is none."""
        known = self.get(role)
        if known:
            return known
        password = secrets.token_urlsafe(32)
        self.write(role, password)
        return Secret(password)

    def write(self, name: str, text: str) -> None:
        """Write a secret, readable by its owner only from the first byte on, in one step."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self.folder / f".{name}.{os.getpid()}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
        aside.replace(self.folder / name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time make roles and passwords."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
