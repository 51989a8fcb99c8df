"""What a profile knows of a published dataset: the contract reduced to one form, with the facts of its version.

A `Collection` is written to `meta.state` when a dataset is published, released or applied, and read by the server from its
profile's `sg_state`. It holds nothing that the form does not show, so that the server cannot leak what it does not know.
"""

from __future__ import annotations

__all__ = ["Collection", "CollectionField", "CollectionGeometry", "Extent", "Facts", "JoinFacts"]

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from stadtgrund.catalog.contract import FieldType, GeometryType, Role, Temporal, Text, Tiles
from stadtgrund.catalog.styles import Style


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CollectionField(_Frozen):
    """An attribute as the form shows it. `status_of`: this is the status column of that field (ok, suppressed, missing)."""

    name: str
    type: FieldType
    title: Text
    description: Text | None = None
    unit: str | None = None
    values: dict[str, Text] | None = None
    nullable: bool = True
    status_of: str | None = None


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


class Facts(_Frozen):
    """What is known of the version that serves. `count` is exact: rows of this form. `prepared`: its feature text lies ready."""

    version: int
    published: datetime
    count: int
    extent: Extent = Extent()
    source_time: datetime | None = None
    operation: str | None = None
    accuracy_m: float | None = None
    join: JoinFacts | None = None
    prepared: bool = False


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
