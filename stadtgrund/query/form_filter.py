"""The row filter of a form of release as SQL: what `store` needs to make the form, and cannot compile itself."""

from __future__ import annotations

__all__ = ["compile_where"]

from typing import Any, Literal, cast

from stadtgrund.catalog.collection import CollectionGeometry, Extent
from stadtgrund.catalog.contract import Contract
from stadtgrund.query import cql2
from stadtgrund.query.compile import compile_expression
from stadtgrund.query.relation import Column, Relation


def compile_where(text: str, contract: Contract) -> tuple[str, tuple[Any, ...]]:
    """Return a CQL2 text over the declared fields as a condition on the data table, with %s placeholders, and its values.

    Raises
    ------
    InvalidFilter
        When it cannot be parsed or names something unknown.
    """
    geometry, source = contract.geometry, contract.id_field
    id_field = source.column if source and source.kind == "column" else None
    relation = Relation(
        dataset=contract.id,
        schema="data",
        form="full",
        columns=tuple(Column(field.name, field.type, not field.required) for field in contract.fields),
        id_type=cast(Literal["string", "integer"], "integer" if id_field and contract.field(id_field).type == "integer" else "string"),
        id_field=id_field,
        geometry=CollectionGeometry(type=geometry.type, srid=geometry.srid, dimensions=geometry.dimensions) if geometry else None,
        extent=Extent(),
        temporal=contract.temporal,
        sortables=contract.sortables,
        count=0,
        version=0,
        digest=None,
    )
    fragment = compile_expression(cql2.parse(text, "cql2-text", relation, None))
    return fragment.sql, fragment.params
