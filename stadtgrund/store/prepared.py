"""Names of the tables of forms and of what is prepared beside them."""

from __future__ import annotations

__all__ = ["is_read", "stem"]

import hashlib
from typing import Any

import psycopg


def stem(prefix: str, dataset: str) -> str:
    """Return how the names of a dataset's tables of one kind begin: as no other dataset's do, and short enough for a digest behind."""
    return f"{prefix}{dataset[:24]}_{hashlib.sha256(dataset.encode()).hexdigest()[:8]}_"


def is_read(connection: psycopg.Connection[Any], relation: tuple[str, str]) -> bool:
    """Whether the table is there, and a view reads it."""
    reads = (
        "SELECT FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = to_regclass(%s) AND classid = 'pg_rewrite'::regclass"
    )
    return connection.execute(f"{reads} LIMIT 1", (".".join(relation),)).rowcount > 0
