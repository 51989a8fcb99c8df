"""Words to search by: a table beside each form of the serving version, with the words of each row's searched fields and a GIN index.

It is made of the form's own rows and columns, so that no search finds by what the form does not show.
"""

from __future__ import annotations

__all__ = ["SearchTable", "stem_of", "view_name"]

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from stadtgrund.store.prepared import stem

_PREFIX = "_words__"
"""No dataset id begins with an underscore."""
_MOST = 50_000
"""Letters of a feature's texts that count: a tsvector has at most 1 MB."""
# Texts recur, and making words costs 0.1 ms [measured]: they are made once a text. Each OFFSET keeps a value from being made twice.
_FILL = """
CREATE TABLE {name} AS
WITH texts AS MATERIALIZED (
    SELECT sg_id, left(concat_ws(U&'\\E000', {columns}), {most}) COLLATE "C" AS value FROM {rows} WHERE num_nonnulls({columns}) > 0
)
SELECT sg_id, words
FROM texts
JOIN (
    SELECT value, sg.words(folded, respelled) AS words
    FROM (
        SELECT value, folded, sg.respelled(folded) AS respelled
        FROM (SELECT value, left(sg.fold(value), {most}) AS folded FROM (SELECT DISTINCT value FROM texts) AS d OFFSET 0) AS f
        OFFSET 0
    ) AS r
) AS w USING (value)
ORDER BY sg_id
"""
_RECIPE = 1
"""Rises when `sg.words` makes other words of the same text; tables are then made anew by the next `apply` or `load`."""


def view_name(dataset: str) -> str:
    """Return the name of the view of a profile onto the words of its form."""
    return _PREFIX + dataset


def stem_of(dataset: str) -> str:
    """Return how the names of its tables begin."""
    return stem(_PREFIX, dataset)


@dataclass(frozen=True)
class SearchTable:
    """The words of one form. Its name holds all that it depends on: a table that a view reads is the right one."""

    columns: ClassVar = ("sg_id", "words")
    relation: tuple[str, str]
    fields: tuple[str, ...]

    @classmethod
    def of(cls, dataset: str, form: str, version: int, definition: str, fields: tuple[str, ...], server: int) -> SearchTable:
        """Return the table of a form with this definition (`meta.form`), of these fields; `server` = its major version, which stems."""
        parts = (dataset, form, str(version), definition, str(_RECIPE), str(server), *fields)
        return cls(("rel", stem_of(dataset) + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]), fields)

    def fill(self, connection: psycopg.Connection[Any], rows: tuple[str, str]) -> None:
        """Make the table from the form's rows."""
        name, columns = sql.Identifier(*self.relation), sql.SQL(", ").join(map(sql.Identifier, self.fields))
        values = {"name": name, "columns": columns, "rows": sql.Identifier(*rows), "most": sql.Literal(_MOST)}
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))  # of a publish that was broken off: of other rows
        connection.execute(sql.SQL(_FILL).format(**values))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (sg_id)").format(name))
        connection.execute(sql.SQL("CREATE INDEX ON {} USING gin (words) WITH (fastupdate = off)").format(name))
        connection.execute(sql.SQL("ANALYZE {}").format(name))
