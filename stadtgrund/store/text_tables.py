"""Prepared feature text: a table beside each form of the serving version, the pieces of each row's feature as text, in order of the id.

It is made once, by the expression that makes pages, so that a page only reads it; only the serving version has any.
"""

from __future__ import annotations

__all__ = ["CompileText", "TextTable", "names", "stem_of", "view_name"]

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import Collection
from stadtgrund.store.prepared import stem

CompileText = Callable[[Collection, str], str | None]
"""A collection and the quoted name of its rows → the query of `TextTable.columns`; None where nothing is to be prepared.

The formatter lies in `query`, above this layer: whoever calls `publish`, `rollback` or `reconcile` hands it in.
"""

_PREFIX = "_text__"
"""No dataset id begins with an underscore."""
_ASIDE = "sg_new_text_"


def view_name(dataset: str) -> str:
    """Return the name of the view of a profile onto the text of its form."""
    return _PREFIX + dataset


def stem_of(dataset: str) -> str:
    """Return how the names of its tables begin while they are made aside."""
    return stem(_ASIDE, dataset)


def names(connection: psycopg.Connection[Any], dataset: str) -> list[str]:
    """Return the names that tables of the dataset's versions and forms have, or had."""
    forms = "SELECT form, version FROM meta.form WHERE dataset = %s"
    return [TextTable.of(dataset, *row, fresh=False).relation[1] for row in connection.execute(forms, (dataset,)).fetchall()]


@dataclass(frozen=True)
class TextTable:
    """The text of one form: geometry in CRS84, geometry in the storage CRS, attributes, each as JSON text.

    `aside`: made under this name; takes `relation`'s when the views are switched.
    """

    columns: ClassVar = ("sg_id", "sg_geom84", "sg_geom", "sg_properties")
    relation: tuple[str, str]
    aside: tuple[str, str] | None = None

    @classmethod
    def of(cls, dataset: str, form: str, version: int, *, fresh: bool) -> TextTable:
        """Return the table of a form; `fresh` = it is still to be made."""
        digest = hashlib.sha256(f"{dataset}__{form}__v{version}".encode()).hexdigest()[:12]
        name = f"{_PREFIX}{dataset[:30]}_{digest}"
        return cls(("rel", name), ("rel", stem_of(dataset) + digest) if fresh else None)

    def exists(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether the table is there."""
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (".".join(self.relation),)).fetchone()
        return bool(row and row[0])

    def fill(self, connection: psycopg.Connection[Any], query: str) -> None:
        """Make the table from a query of `TextTable.columns`."""
        assert self.aside
        name = sql.Identifier(*self.aside)
        # Rows of more than 2 kB are compressed, largest piece first; lz4, where the server has it, is read several times as fast.
        connection.execute(
            "SELECT set_config(name, 'lz4', true) FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)"
        )
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))  # of one that was broken off
        # In order of the id a page without conditions lies in one piece.
        connection.execute(sql.SQL("CREATE TABLE {} AS {} ORDER BY sg_id").format(name, sql.SQL(query)))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (sg_id)").format(name))
        connection.execute(sql.SQL("ANALYZE {}").format(name))
