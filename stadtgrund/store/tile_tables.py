"""Prepared geometry of tiles: a table beside each form of the serving version, in Web Mercator, full and generalised for each zoom.

Its name holds all that it depends on: a table that a view reads is the right one. What its levels hold and left out stands in `meta.tile`.
"""

from __future__ import annotations

__all__ = ["CompileTiles", "TileTable", "stem_of", "view_name"]

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from stadtgrund.catalog.collection import Collection, Extent, TileLevel
from stadtgrund.store.prepared import is_read, stem
from stadtgrund.store.tile_levels import Levels, Plan

log = logging.getLogger(__name__)

CompileTiles = Callable[[Collection], Plan | None]
"""A collection → how the geometry of its tiles is prepared; None where it has none.

The SQL of tiles lies in `query`, above this layer: whoever calls `publish`, `rollback` or `reconcile` hands it in.
"""

_PREFIX = "_tile__"
"""No dataset id begins with an underscore."""
_POLE = 85.0
"""Latitude beyond which Web Mercator has no place for what WorldCRS84Quad could still show."""


def view_name(dataset: str) -> str:
    """Return the name of the view of a profile onto the geometry of its form's tiles."""
    return _PREFIX + dataset


def stem_of(dataset: str) -> str:
    """Return how the names of its tables begin."""
    return stem(_PREFIX, dataset)


@dataclass(frozen=True)
class TileTable:
    """The geometry of one form's tiles; `levels` are those beside full detail."""

    relation: tuple[str, str]
    columns: tuple[str, ...]
    levels: tuple[TileLevel, ...]

    @classmethod
    def get(
        cls,
        connection: psycopg.Connection[Any],
        plan: Plan,
        rows: tuple[str, str],
        of: tuple[str, str, int, str],
        extent: Extent,
    ) -> TileTable | None:
        """Return the table of a form, made if it is not there; None where the geometry cannot be prepared.

        Parameters
        ----------
        rows : (schema, table)
            The form's rows.
        of : tuple
            Dataset, form, version and definition of the form.
        """
        digest = hashlib.sha256("\0".join((*map(str, of), plan.definition)).encode()).hexdigest()[:12]
        relation = ("rel", stem_of(of[0]) + digest)
        row = connection.execute("SELECT levels FROM meta.tile WHERE relation = %s", (relation[1],)).fetchone()
        if row and is_read(connection, relation):
            return cls(relation, plan.columns, tuple(map(TileLevel.model_validate, row[0])))
        # What lies there is of a publish that was broken off: of other rows.
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*relation)))
        connection.execute("DELETE FROM meta.tile WHERE relation = %s", (relation[1],))
        levels = _made(connection, plan, rows, relation, of[0], extent)
        return None if levels is None else cls(relation, plan.columns, levels)


def _made(
    connection: psycopg.Connection[Any], plan: Plan, rows: tuple[str, str], relation: tuple[str, str], dataset: str, extent: Extent
) -> tuple[TileLevel, ...] | None:
    box = extent.crs84
    if box is None or box[1] < -_POLE or box[3] > _POLE:
        return None
    try:
        with connection.transaction():
            levels = Levels(connection, plan, relation).make(rows)
    except psycopg.errors.InternalError_ as error:
        # What PROJ or GEOS cannot do with a geometry: tiles are made when asked, as far as they can.
        log.warning("%s: no tile geometry is prepared: %s", dataset, error.diag.message_primary)
        return None
    told = [level.model_dump(mode="json", exclude_defaults=True) for level in levels]
    connection.execute("INSERT INTO meta.tile (relation, dataset, levels) VALUES (%s, %s, %s)", (relation[1], dataset, Jsonb(told)))
    return levels
