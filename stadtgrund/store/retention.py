"""How long old versions keep their tables and files: the last three (`meta.setting`, key `keep_versions`)."""

from __future__ import annotations

__all__ = ["KEEP", "drop_old", "drop_unnamed"]

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.errors import StadtgrundError
from stadtgrund.store.database import Database
from stadtgrund.store.locks import patiently, take_lock
from stadtgrund.store.shelf import Shelf

_log = logging.getLogger(__name__)

KEEP = 3
"""Number of versions that keep their tables, the serving one counted."""

_ATTEMPTS = 3


def drop_old(db: Database, dataset: str) -> list[int]:
    """Drop the tables and files of versions beyond the last ones kept; return the numbers.

    Each version in a transaction of its own, after the publish. A failure is logged, not raised, as what was published is
    published: what a reader holds, for one, is left for the next time.
    """
    dropped: list[int] = []
    try:
        _drop_each(db, dataset, dropped)
    except (StadtgrundError, psycopg.Error, OSError) as error:
        _log.warning("%s: an old version stays until the next publish: %s", dataset, error)
    return dropped


def drop_unnamed(db: Database, dataset: str, paths: Iterable[Path]) -> None:
    """Delete files of a publish that ended with an error, but for those that a version refers to: it may have ended after its commit.

    Where the database cannot say, they stay, and it is logged.
    """
    try:
        with db.connect("owner", application=f"stadtgrund retention {dataset}") as connection:
            take_lock(connection, "publish", dataset)  # a commit whose answer was lost may be under way
            named = {path for (path,) in connection.execute("SELECT path FROM meta.file WHERE dataset = %s", (dataset,))}
            for path in paths:
                if path.relative_to(db.paths.files).as_posix() not in named:
                    path.unlink(missing_ok=True)
    except (StadtgrundError, psycopg.Error, OSError) as error:
        _log.warning("%s: files of a load that was not finished stay: %s", dataset, error)


def _drop_each(db: Database, dataset: str, dropped: list[int]) -> None:
    with db.connect("owner", autocommit=True, application=f"stadtgrund retention {dataset}") as connection:
        setting = connection.execute("SELECT value::integer FROM meta.setting WHERE key = 'keep_versions'").fetchone()
        keep = setting[0] if setting else KEEP
        old = connection.execute(
            "SELECT version, table_name FROM meta.version WHERE dataset = %s AND dropped_at IS NULL ORDER BY version DESC OFFSET %s",
            (dataset, max(1, keep)),
        ).fetchall()
        for version, table in old:
            for path in _drop(connection, dataset, version, table):
                (db.paths.files / path).unlink(missing_ok=True)
            Shelf.of(db).drop(dataset, version)
            dropped.append(version)


def _drop(connection: psycopg.Connection[Any], dataset: str, version: int, table: str | None) -> list[str]:
    """Drop one version; return the paths of files that no version refers to any more."""
    with connection.transaction():
        take_lock(connection, "publish", dataset)
        take_lock(connection, "show", dataset)  # who shows or hides comments on these tables
        relations = connection.execute(
            "SELECT relation FROM meta.form WHERE dataset = %s AND version = %s AND starts_with(relation, 'rel.')", (dataset, version)
        ).fetchall()
        names = [("rel", relation.removeprefix("rel.")) for (relation,) in relations] + ([("data", table)] if table else [])

        def drop() -> None:
            for name in names:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*name)))

        patiently(connection, dataset, drop, attempts=_ATTEMPTS)
        connection.execute("UPDATE meta.version SET dropped_at = now() WHERE dataset = %s AND version = %s", (dataset, version))
        gone = connection.execute("DELETE FROM meta.file WHERE dataset = %s AND version = %s RETURNING path", (dataset, version)).fetchall()
        kept = connection.execute("SELECT path FROM meta.file WHERE dataset = %s", (dataset,)).fetchall()
    return sorted({path for (path,) in gone} - {path for (path,) in kept})
