"""The state of a collection, read by each statement in the snapshot of its data."""

from __future__ import annotations

__all__ = ["is_current", "published", "state_of"]

from collections.abc import Sequence
from typing import Any

from stadtgrund.errors import NotFound
from stadtgrund.query.relation import Relation


def state_of(relation: Relation) -> str:
    """Return the end of a FROM clause and the WHERE that add the row of the state, alias `s`."""
    # The id is a literal, so that a page without conditions has no parameters and its plan is made once; its alphabet is a-z 0-9 _.
    if not relation.dataset.isidentifier() or not relation.dataset.isascii():
        raise ValueError(f"not a dataset id: {relation.dataset!r}")
    return f"{relation.state} s WHERE s.dataset = '{relation.dataset}'"


def is_current(relation: Relation, row: Sequence[Any]) -> bool:
    """Whether version and digest, the first two of a row, are those that the relation was made from."""
    return bool(row[0] == relation.version and relation.digest in (None, row[1]))


def published(relation: Relation, row: Sequence[Any] | None) -> Sequence[Any]:
    """Return the row (NotFound without one: the state has no such collection)."""
    if row is None:
        raise NotFound(f"Collection {relation.dataset!r} does not exist.")
    return row
