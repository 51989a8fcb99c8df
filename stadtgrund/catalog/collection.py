"""What a profile knows of a published dataset: the contract reduced to one form, with the facts of its version.

A `Collection` is written to `meta.state` when a dataset is published, released or applied, and read by the server from its
profile's `sg_state`. It holds nothing that the form does not show, so that the server cannot leak what it does not know.
"""

from __future__ import annotations

__all__ = ["PREPARED", "Collection", "CollectionField", "CollectionGeometry", "Extent", "Facts", "JoinFacts", "TileLevel"]

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

from stadtgrund.catalog.contract import FieldType, GeometryType, Role, Temporal, Text, Tiles
from stadtgrund.catalog.styles import Style

PREPARED = 3
"""The layout of prepared feature text that this code makes and reads (`stadtgrund.store.text_tables`)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CollectionField(_Frozen):
    """An attribute as the form shows it.

    `values` is the code list; `open_values`: rows may have other values too, as the contract's rule only reports them.
    `status_of`: this is the status column of that field (ok, suppressed, missing). `source`: its name at the source, where it has
    another only because that one is reserved.
    """

    name: str
    type: FieldType
    title: Text
    description: Text | None = None
    unit: str | None = None
    values: dict[str, Text] | None = None
    open_values: bool = False
    nullable: bool = True
    status_of: str | None = None
    source: str | None = None

    @field_validator("values", mode="before")
    @classmethod
    def _of_pairs(cls, stored: Any) -> Any:
        return dict(stored) if isinstance(stored, list) else stored

    @field_serializer("values")
    def _as_pairs(self, values: dict[str, Text] | None) -> list[tuple[str, Text]] | None:
        """A code list has an order, which the keys of a jsonb do not keep."""
        return list(values.items()) if values is not None else None


class CollectionGeometry(_Frozen):
    """The geometry as the form shows it."""

    type: GeometryType
    srid: int
    dimensions: int = 2


class Extent(_Frozen):
    """Extent of the data of one form: boxes (xmin, ymin, xmax, ymax) in CRS84 and in the storage CRS, and the time they span."""

    crs84: tuple[float, float, float, float] | None = None
    storage: tuple[float, float, float, float] | None = None
    begin: datetime | None = None
    end: datetime | None = None


class JoinFacts(_Frozen):
    """Counts of a join, per side: rows, matched, unmatched and the first unmatched keys."""

    left_rows: int
    left_matched: int
    left_unmatched: int
    right_rows: int
    right_matched: int
    right_unmatched: int
    left_unmatched_keys: tuple[str, ...] = ()
    right_unmatched_keys: tuple[str, ...] = ()


class TileLevel(_Frozen):
    """What generalising left for the tiles of a zoom.

    `features` + `merged` + `dropped` are all features that have a geometry.
    """

    zoom: int
    features: int
    merged: int = 0
    """Features that another one stands for."""
    dropped: int = 0
    """Features of which nothing is left."""
    pixels: float = 0
    """Areas smaller than so many pixels of WebMercatorQuad (a tile has 512), and points that close, were merged, shorter lines dropped."""


class Facts(_Frozen):
    """What is known of the version that serves. `count` is exact: rows of this form.

    `prepared`: the layout in which its feature text lies ready, 0 = it does not; 1 was one text a feature, 2 had rings as the source
    has them, 3 is `PREPARED`.
    `tiles`: the levels of the geometry that lies ready for tiles, None = none does; zooms without a level have full detail.
    `definition`: hash of what the form shows of which rows, so that a version whose form changes is told from before.
    """

    version: int
    published: datetime
    count: int
    extent: Extent = Extent()
    source_time: datetime | None = None
    operation: str | None = None
    accuracy_m: float | None = None
    join: JoinFacts | None = None
    prepared: int = 0
    tiles: tuple[TileLevel, ...] | None = None
    definition: str = ""


class Collection(_Frozen):
    """A published dataset in one form, with its version."""

    id: str
    form: str
    title: Text
    description: Text
    keywords: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    owner: Role | None = None
    contact: Role | None = None
    licence_title: str | None = None
    licence_url: str | None = None
    attribution: str | None = None
    access: Text
    """Who may see it and why, as a sentence."""
    rhythm: str | None = None
    fields: tuple[CollectionField, ...] = ()
    id_type: str = "string"
    """Type of the feature id (column `sg_id`): string (text) or integer (bigint)."""
    id_field: str | None = None
    """The attribute that equals the feature id, where there is one."""
    geometry: CollectionGeometry | None = None
    temporal: Temporal | None = None
    sortables: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """The attributes that `q` searches; empty = it cannot be searched."""
    items: bool = True
    tiles: Tiles | None = None
    style: Style | None = None
    """None: drawn plainly, by geometry type."""
    raster: bool = False
    city84: tuple[float, float, float, float] | None = None
    """The city's extent in CRS84, stated where the data have none of their own."""
    facts: Facts

    def field(self, name: str) -> CollectionField:
        """Return the attribute called `name` (KeyError when the form has none)."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `meta.state` stores."""
        return self.model_dump(mode="json", exclude_defaults=True)
