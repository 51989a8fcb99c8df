"""The row filter of a form (`forms.<profile>.where`) as SQL over the data table, for `publish` and `reconcile`."""

from __future__ import annotations

__all__ = ["compile_where"]

from typing import Any

from stadtgrund.catalog.collection import CollectionGeometry, Extent
from stadtgrund.catalog.contract import Contract
from stadtgrund.crs import CRS84
from stadtgrund.query.compile import compile_expression
from stadtgrund.query.relation import Column, Relation
from stadtgrund.store import tables


def compile_where(text: str, contract: Contract) -> tuple[str, tuple[Any, ...]]:
    """Return a CQL2 text over the declared fields as SQL with placeholders, and its values.

    Raises
    ------
    InvalidFilter
        When it cannot be parsed or names a field that the contract does not have.
    """
    from stadtgrund.query import cql2

    geometry = contract.geometry
    relation = Relation(
        dataset=contract.id,
        schema="data",
        form="full",
        columns=tuple(Column(item.name, item.type, not item.required) for item in contract.fields),
        id_type="integer" if tables.id_is_integer(contract) else "string",
        id_field=contract.id_field.column if contract.id_field else None,
        geometry=CollectionGeometry(type=geometry.type, srid=geometry.srid, dimensions=geometry.dimensions) if geometry else None,
        extent=Extent(),
        temporal=contract.temporal,
        sortables=contract.sortables,
        count=0,
        version=0,
    )
    condition = compile_expression(cql2.parse(text, "cql2-text", relation, CRS84))
    return condition.sql, condition.params
