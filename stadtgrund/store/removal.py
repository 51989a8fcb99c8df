"""Remove a deployment's database from the private PostGIS, with the files of its versions; roles and passwords stay."""

from __future__ import annotations

__all__ = ["remove"]

import shutil
from pathlib import Path

import psycopg
from psycopg import sql

from stadtgrund.errors import Busy, UsageError, by_locale
from stadtgrund.settings import Settings
from stadtgrund.store import binding, embedded, setup
from stadtgrund.store.database import Database, connect


def remove(settings: Settings, folder: Path) -> bool:
    """Drop the database of a deployment folder, and its files; return whether there was one. A private PostGIS that is down is started.

    Raises
    ------
    UsageError
        When DATABASE_URL is set: a foreign database is never dropped.
    SetupError
        When it belongs to another folder of this name.
    Busy
        When somebody is connected to it: their pids are named, and nothing is removed.
    """
    if settings.database.url is not None:
        raise UsageError(
            by_locale("DATABASE_URL nennt eine fremde Datenbank; die löscht Stadtgrund nicht.", "DATABASE_URL names a foreign database."),
            remedy=by_locale("Ohne DATABASE_URL gilt der Befehl der privaten.", "Without DATABASE_URL the command is for the private one."),
        )
    database = Database.at(settings, folder.name)
    cluster = embedded.locate(settings.paths)
    embedded.start(cluster)
    with connect(embedded.superuser_dsn(cluster, "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (database.name,)).rowcount:
            return False
        with connect(embedded.superuser_dsn(cluster, database.name), autocommit=True) as own:
            bound = binding.bound_folder(setup.settings_of(own))
        if problem := binding.refusal(database.name, bound, folder.resolve()):
            raise problem
        try:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database.name)))
        except psycopg.errors.ObjectInUse as error:
            rows = connection.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = %s ORDER BY 1", (database.name,)
            ).fetchall()
            names = ", ".join(str(name) for (name,) in rows)
            raise Busy(
                by_locale(f"{database.name} ist in Gebrauch ({names}).", f"{database.name} is in use ({names})."),
                kept=by_locale("Nichts wurde gelöscht.", "Nothing was removed."),
                remedy=by_locale(
                    "Beenden Sie erst, was darauf arbeitet (Strg-C bei make run).", "First end what works on it (Ctrl-C at make run)."
                ),
            ) from error
    for folder in (settings.paths.files, settings.paths.tiles, settings.paths.downloads):
        shutil.rmtree(folder / database.name, ignore_errors=True)
    return True
