"""What a profile sees: its collections and files, through a connection of its own role."""

from __future__ import annotations

__all__ = ["View", "column", "day", "read"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import Collection, CollectionField


@dataclass(frozen=True)
class View:
    """The collections of a profile in one snapshot; `rasters` are the newest GeoTIFFs by dataset."""

    conn: psycopg.Connection[Any]
    profile: str
    collections: dict[str, Collection]
    rasters: dict[str, Path]

    def relation(self, collection: str) -> sql.Identifier:
        """Return the collection's view as an identifier."""
        return sql.Identifier("p_" + self.profile, collection)


def column(field: CollectionField) -> sql.Composable:
    """Return the expression of a column's value; of a date or moment its day, NULL where it is infinite or beyond what Python knows."""
    if field.type not in ("date", "datetime"):
        return sql.Identifier(field.name)
    return sql.SQL("CASE WHEN {day} BETWEEN '0001-01-01' AND '9999-12-31' THEN {day} END").format(day=day(field))


def day(field: CollectionField) -> sql.Composable:
    """Return the expression of the day of a date or moment: a day in Europe/Berlin, whatever zone the session has."""
    name = sql.Identifier(field.name)
    return sql.SQL("({} AT TIME ZONE 'Europe/Berlin')::date").format(name) if field.type == "datetime" else name


def read(conn: psycopg.Connection[Any], profile: str, files: Path) -> View:
    """Read the state of `profile`; files are opened only after this look-up in `sg_files`."""
    schema = "p_" + profile
    rows = conn.execute(sql.SQL("SELECT collection FROM {}").format(sql.Identifier(schema, "sg_state"))).fetchall()
    collections = {c.id: c for c in (Collection.model_validate(row[0]) for row in rows)}
    found = conn.execute(
        sql.SQL("SELECT dataset, version, path FROM {} WHERE media_type LIKE 'image/tiff%'").format(sql.Identifier(schema, "sg_files"))
    ).fetchall()
    rasters = {
        dataset: files / path
        for dataset, version, path in found
        if dataset in collections and collections[dataset].facts.version == version
    }
    return View(conn, profile, collections, rasters)
