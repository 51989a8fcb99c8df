"""What `store` needs to make a form of release and cannot compile itself, as SQL: row filter, feature text, geometry of tiles."""

from __future__ import annotations

__all__ = ["compile_text", "compile_tiles", "compile_where"]

from typing import Literal

from stadtgrund.catalog.collection import Collection, CollectionGeometry, Extent
from stadtgrund.catalog.contract import Contract
from stadtgrund.query import cql2
from stadtgrund.query.compile import compile_expression
from stadtgrund.query.feature import prepared_text
from stadtgrund.query.relation import Column, Relation
from stadtgrund.query.tile_plan import TilePlan


def compile_where(text: str, contract: Contract) -> tuple[str, tuple[str, ...]]:
    """Return a CQL2 text over the declared fields as a condition on the data table, with %s placeholders, and its values.

    Raises
    ------
    InvalidFilter
        When it cannot be parsed or names something unknown.
    """
    geometry, source = contract.geometry, contract.id_field
    id_type: Literal["string", "integer"] = "string"
    id_field = source.column if source and source.kind == "column" else None
    if id_field and contract.field(id_field).type == "integer":
        id_type = "integer"
    relation = Relation(
        dataset=contract.id,
        schema="data",
        form="full",
        columns=tuple(Column(field.name, field.type, not field.required) for field in contract.fields),
        id_type=id_type,
        id_field=id_field,
        geometry=CollectionGeometry(type=geometry.type, srid=geometry.srid, dimensions=geometry.dimensions) if geometry else None,
        extent=Extent(),
        temporal=contract.temporal,
        sortables=contract.sortables,
        count=0,
        version=0,
    )
    fragment = compile_expression(cql2.parse(text, "cql2-text", relation))
    return fragment.sql, fragment.params


def compile_text(collection: Collection, rows: str) -> str | None:
    """Return the query of the prepared features of a form whose rows are at `rows` (quoted); None for one without geometry.

    Attributes alone are formatted as fast as they are read, so that only a form with geometry gains from it.
    """
    return prepared_text(Relation.of(collection, "rel"), rows) if collection.geometry else None


def compile_tiles(collection: Collection) -> TilePlan | None:
    """Return how the geometry of a form's tiles is prepared, None for a form without geometry or tiles."""
    if collection.geometry is None or collection.tiles is None:
        return None
    return TilePlan(Relation.of(collection, "rel"), collection.tiles)
