"""Which deployment folder a private database belongs to: it is named after the folder's last part only, which two folders may share.

`meta.setting` remembers the folder of whoever opened the database first: relative to the checkout where it lies in it, so that a
checkout may be moved with its `var/`. A database that DATABASE_URL names is bound to no folder: its name was given on purpose, and
several machines may serve it, each from a copy of the folder at a place of its own.
"""

from __future__ import annotations

__all__ = ["bind", "bound_folder", "refusal"]

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from stadtgrund.errors import SetupError, by_locale
from stadtgrund.settings import ROOT
from stadtgrund.store import setup

_KEY = "folder"


def bind(connection: psycopg.Connection[Any], folder: Path, *, moved: bool = False) -> Path | None:
    """Bind the database of `connection` (autocommit, of its owner or a superuser) to `folder`, unless it is; return the one before.

    Parameters
    ----------
    moved : bool
        Take the database over from another folder (`stadtgrund db bind`).

    Raises
    ------
    SetupError
        When it belongs to another folder; nothing has been changed then.
    """
    stated = str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder)
    before = bound_folder(setup.settings_of(connection))
    if before is None:  # of two processes that come first at once, the second finds what the first wrote
        connection.execute("INSERT INTO meta.setting (key, value) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING", (_KEY, stated))
        before = bound_folder(setup.settings_of(connection))
    if before == folder:
        return None
    if moved:
        connection.execute("UPDATE meta.setting SET value = %s WHERE key = %s", (stated, _KEY))
    elif problem := refusal(connection.info.dbname, before, folder):
        raise problem
    return before


def bound_folder(settings: Mapping[str, str]) -> Path | None:
    """Return the folder that `meta.setting` names; None where the database was never opened for one."""
    return ROOT / settings[_KEY] if _KEY in settings else None


def refusal(database: str, bound: Path | None, folder: Path) -> SetupError | None:
    """Return the error for a database that belongs to another folder than `folder`; None when it does not."""
    if bound is None or bound == folder or (bound.exists() and folder.exists() and os.path.samefile(bound, folder)):
        return None
    gone = "" if bound.exists() else by_locale(" (den es nicht mehr gibt)", " (which is gone)")
    return SetupError(
        by_locale(
            f"Die Datenbank {database} gehört zum Deployment {bound}{gone}, nicht zu {folder}.",
            f"The database {database} belongs to the deployment {bound}{gone}, not to {folder}.",
        ),
        kept=by_locale("Nichts wurde geändert.", "Nothing was changed."),
        remedy=by_locale(
            f"Ist der Ordner umgezogen: stadtgrund --config {shlex.quote(str(folder))} db bind. "
            "Ist es ein zweites Deployment: den Ordner umbenennen, die Datenbank heißt wie er.",
            f"If the folder has moved: stadtgrund --config {shlex.quote(str(folder))} db bind. "
            "If it is a second deployment: rename the folder, the database is named after it.",
        ),
    )
