"""Which fields a full-text search (`q`) reads."""

from __future__ import annotations

__all__ = ["searched"]

from collections.abc import Collection

from stadtgrund.catalog.contract import Contract


def searched(contract: Contract, shown: Collection[str]) -> tuple[str, ...]:
    """Return the fields that a search reads in a form that has the fields `shown`; () = there is nothing to search by.

    Without `search` in the contract: all text but keys and what the id is made of, which are asked for whole.
    """
    if contract.search is not None:
        return tuple(name for name in contract.search if name in shown)
    made = contract.id_field
    ids = {made.column, *made.columns} if made else set[str | None]()
    texts = (field.name for field in contract.fields if field.type == "string" and field.key is None and field.name not in ids)
    return tuple(name for name in texts if name in shown)
