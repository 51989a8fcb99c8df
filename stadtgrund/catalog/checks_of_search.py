"""Rules about full-text search."""

from __future__ import annotations

__all__ = ["RULES"]

from collections.abc import Iterator

from stadtgrund.catalog.checks_of_fields import unknown_field
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.document import Finding
from stadtgrund.catalog.registry import Deployment
from stadtgrund.language import say


def search(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """What is searched exists, is text, and is given once."""
    types = {field.name: field.type for field in contract.fields}
    names = contract.search or ()
    for number, name in enumerate(names):
        if name not in types:
            yield ("search", number), unknown_field(name, contract)
        elif types[name] != "string":
            yield (
                ("search", number),
                say(f"{name} ist {types[name]}; durchsucht wird Text (string).", f"{name} is {types[name]}; text (string) is searched."),
            )
        if name in names[:number]:
            yield ("search", number), say(f"{name} steht zweimal.", f"{name} is given twice.")


RULES = (search,)
"""All rules of this module."""
