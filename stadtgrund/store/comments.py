"""COMMENTs of tables and views. Every role can read every COMMENT, so each says only what `open` may know."""

from __future__ import annotations

__all__ = ["comment", "public_texts"]

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import Collection

_CLOSED = "Stadtgrund"
_OF_TABLE = ""


def public_texts(collection: Collection | None) -> Mapping[str, str]:
    """Return column → text, and '' → text of the table; of a dataset that `open` does not see (None) only a name without meaning."""
    if collection is None:
        return {_OF_TABLE: _CLOSED}
    texts = {_OF_TABLE: f"{collection.title.de}: {collection.description.de}"}
    for field in collection.fields:
        parts = [field.title.de, f"[{field.unit}]" if field.unit else "", field.description.de if field.description else ""]
        texts[field.name] = " ".join(filter(None, parts))
    return texts


def comment(connection: psycopg.Connection[Any], relations: Iterable[tuple[str, str]], texts: Mapping[str, str]) -> None:
    """Have the relations (schema, name) and their columns say `texts` and nothing else; touches only what differs."""
    wanted = [list(part) for part in zip(*relations, strict=True)] or [[], []]
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.relkind, a.attname, d.description"
        " FROM unnest(%s::text[], %s::text[]) AS w (schema, name)"
        " JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name"
        " CROSS JOIN LATERAL (SELECT 0 AS attnum, '' AS attname UNION ALL SELECT attnum, attname FROM pg_attribute"
        "  WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a"
        " LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum",
        wanted,
    ).fetchall()
    statements: list[sql.Composable] = []
    for schema, name, kind, column, present in rows:
        text = texts.get(column)
        if text == present:
            continue
        if column:
            target = sql.SQL("COLUMN {}").format(sql.Identifier(schema, name, column))
        else:
            target = sql.SQL("VIEW {}" if kind == "v" else "TABLE {}").format(sql.Identifier(schema, name))
        statements.append(sql.SQL("COMMENT ON {} IS {}").format(target, sql.Literal(text)))
    if statements:
        connection.execute(sql.SQL("; ").join(statements))
