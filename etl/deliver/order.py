"""What is to be written: a collection in a format, whole or by conditions."""

from __future__ import annotations

__all__ = ["Excerpt", "Order"]

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Excerpt(_Frozen):
    """Which features and attributes of a collection.

    `asked`: the conditions as they were asked, for the notice. `where`: them as SQL over the columns of the profile's view, compiled
    from a state with this `digest`; `params`: its values. `properties`: the attributes, None = all. `northing_first`: of a CSV in
    EPSG:4326, which shares its SRID with CRS84.
    """

    asked: str
    where: str
    params: tuple[Any, ...]
    digest: str
    properties: tuple[str, ...] | None = None
    skip_geometry: bool = False
    northing_first: bool = False
    max_bytes: int


class Order(_Frozen):
    """A file to be written; `srid` None = of the default CRS. Without an `excerpt` it holds the whole collection."""

    dataset: str
    format: str
    srid: int | None = None
    excerpt: Excerpt | None = None
