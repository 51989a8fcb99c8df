"""How long old versions keep their tables and files: the last three (`meta.setting`, key `keep_versions`)."""

from __future__ import annotations

__all__ = ["KEEP", "drop_old"]

import logging
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.errors import StadtgrundError
from stadtgrund.store.database import Database
from stadtgrund.store.locks import patiently, take_publish_lock
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
        take_publish_lock(connection, dataset)
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
