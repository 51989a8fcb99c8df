"""A published collection as SQL sees it: view, columns with types, id, geometry, extent, order, version."""

from __future__ import annotations

__all__ = ["Column", "Relation"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, cast

from stadtgrund.catalog.collection import PREPARED, Collection, CollectionGeometry, Extent
from stadtgrund.catalog.contract import FieldType, Temporal, Tiles
from stadtgrund.crs import Crs, storage
from stadtgrund.query.statement import identifier


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the view that is an attribute: not `sg_id`, not `geom`."""

    name: str
    type: FieldType
    nullable: bool = True

    @property
    def sql(self) -> str:
        """The quoted name."""
        return identifier(self.name)


@dataclass(frozen=True, eq=False)
class Relation:
    """What the query layer knows of a collection in one form. Make one a version and keep it: parts of its SQL are cached in it.

    Equality is identity. `version` and `digest` are those of the state that the relation was made from; each statement returns
    what `sg_state` says in the same snapshot, and an answer that differs was made with a relation that is out of date.
    `prepared`: its geometries and properties lie ready as text. `search`: the attributes that `q` searches.
    `tiles`, `tile_levels`: what tiles there are, and the levels of geometry that lie ready for them; None = none does.
    """

    dataset: str
    schema: str
    form: str
    columns: tuple[Column, ...]
    id_type: Literal["string", "integer"]
    id_field: str | None
    geometry: CollectionGeometry | None
    extent: Extent
    temporal: Temporal | None
    sortables: tuple[str, ...]
    count: int
    version: int
    digest: str | None = None
    prepared: bool = False
    search: tuple[str, ...] = ()
    tiles: Tiles | None = None
    tile_levels: tuple[int, ...] | None = None

    @classmethod
    def of(cls, collection: Collection, schema: str, digest: str | None = None) -> Self:
        """Return the relation of a collection whose view lies in `schema` (`p_open`); `digest` as in its row of `sg_state`."""
        names = {field.name for field in collection.fields}
        temporal = collection.temporal
        if temporal and not names.issuperset(filter(None, (temporal.instant, temporal.start, temporal.end))):
            temporal = None  # the form omits the column, so nobody may ask by it
        levels = collection.facts.tiles
        return cls(
            dataset=collection.id,
            schema=schema,
            form=collection.form,
            columns=tuple(Column(field.name, field.type, field.nullable) for field in collection.fields),
            id_type=cast(Literal["string", "integer"], collection.id_type),
            id_field=collection.id_field,
            geometry=collection.geometry,
            extent=collection.facts.extent,
            temporal=temporal,
            sortables=tuple(name for name in collection.sortables if name in names),
            count=collection.facts.count,
            version=collection.facts.version,
            digest=digest,
            prepared=collection.facts.prepared == PREPARED,
            search=collection.search,
            tiles=collection.tiles,
            tile_levels=None if levels is None else tuple(level.zoom for level in levels),
        )

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def view(self) -> str:
        """The qualified, quoted view."""
        return identifier(self.schema) + "." + identifier(self.dataset)

    @cached_property
    def text(self) -> str:
        """The qualified, quoted view of the prepared pieces of features, which is there when `prepared`."""
        return identifier(self.schema) + "." + identifier(f"_text__{self.dataset}")

    @cached_property
    def words(self) -> str:
        """The qualified, quoted view of the words (`sg_id`, `words`), which is there when `search` names any."""
        return identifier(self.schema) + "." + identifier(f"_words__{self.dataset}")

    @cached_property
    def tile_geometry(self) -> str:
        """The qualified, quoted view of the geometry that tiles are made of, which is there with `tile_levels`."""
        return identifier(self.schema) + "." + identifier(f"_tile__{self.dataset}")

    @cached_property
    def state(self) -> str:
        """The qualified, quoted `sg_state` of the profile."""
        return identifier(self.schema) + ".sg_state"

    @property
    def crs(self) -> Crs | None:
        """The storage CRS, None for a table without geometry."""
        return storage(self.geometry.srid) if self.geometry else None

    @property
    def id_cast(self) -> str:
        """SQL type of `sg_id`."""
        return "bigint" if self.id_type == "integer" else "text"
