"""Features of a collection from PostGIS, as a pygeoapi provider."""

from __future__ import annotations

__all__ = ["PostGISFeatures"]

import json
import math
from collections.abc import Sequence
from typing import Any

from pygeoapi.crs import CrsTransformSpec
from pygeoapi.provider.base import BaseProvider

from providers import source
from providers.bridge import bridged
from stadtgrund.catalog.collection import CollectionField
from stadtgrund.catalog.contract import FieldType
from stadtgrund.catalog.units import keywords
from stadtgrund.crs import CRS84, BBox, Crs, from_uri, storage, supported
from stadtgrund.errors import Busy, InvalidParameter
from stadtgrund.query import cql2, items
from stadtgrund.query.expression import Expression, all_of
from stadtgrund.query.feature_query import FeatureQuery, SortKey
from stadtgrund.query.interval import Interval
from stadtgrund.query.pygeofilter import from_pygeofilter
from stadtgrund.query.search import Search

# A JSON Schema type and format per field type; a decimal travels as a number.
_SCHEMA: dict[FieldType, dict[str, str]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {"type": "object"},
}
_TRIES = 3
"""How often a page is asked for anew when a publish came between what we knew of the collection and its rows."""


class PostGISFeatures(BaseProvider):  # type: ignore[misc]
    """Pages and single features by the same SQL as our host's.

    Parameters
    ----------
    provider_def : dict
        pygeoapi's definition; `data` as in `providers`. Without `storage_crs` pygeoapi hands a CRS84 box over as it came, and the
        box is transformed in PostGIS, densified; with it, pygeoapi has transformed two of its corners.

    Raises
    ------
    ProviderGenericError
        With the status that fits: no such collection for this profile (404), no database (503).
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._id = str(provider_def["data"]["collection"])
        self._states_storage_crs = "storage_crs" in provider_def
        with bridged():
            self._source = source.of(provider_def["data"])
            self._published = self._source.published(self._id)
        self.get_fields()

    def __repr__(self) -> str:
        return f"<PostGISFeatures> {self._id}"

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """Return name → JSON Schema of the attributes that the profile's form has, in their order."""
        fields = {field.name: _schema(field) for field in self._published.collection.fields}
        self._fields = fields  # pygeoapi reads this
        return fields

    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: Sequence[float] = (),
        datetime_: str | None = None,
        properties: Sequence[tuple[str, str]] = (),
        sortby: Sequence[dict[str, str]] = (),
        select_properties: Sequence[str] = (),
        skip_geometry: bool = False,
        q: str | None = None,
        language: Any = None,
        filterq: Any = None,
        crs_transform_spec: CrsTransformSpec | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return a page as a GeoJSON feature collection, with `numberMatched`.

        Parameters
        ----------
        resulttype : str
            `hits` counts and returns no feature.
        bbox : sequence of float
            In CRS84, or in the storage CRS where the definition states it.
        properties : sequence of (name, value)
            Attributes and what they must equal, as text.
        q : str, optional
            Words that a feature must have, as `stadtgrund.query.search` reads them.
        filterq : pygeofilter.ast.Node, optional
            CQL2, parsed by pygeoapi.

        Raises
        ------
        ProviderGenericError
            400 for anything that the collection does not have or that has no meaning for it.
        """
        with bridged():
            for _ in range(_TRIES):
                asked = FeatureQuery(
                    relation=self._published.relation,
                    limit=limit,
                    offset=offset,
                    bbox=self._box(bbox),
                    datetime=Interval.parse(datetime_) if datetime_ else None,
                    properties=tuple(select_properties) or None,
                    sortby=tuple(SortKey(key["property"], key["order"] == "-") for key in sortby),
                    search=Search.parse(q) if q is not None else None,
                    filter=self._filter(properties, filterq),
                    crs=self._crs(crs_transform_spec),
                    skip_geometry=skip_geometry,
                )
                if resulttype == "hits":
                    matched = items.read_count(asked, self._source.row(items.count(asked)))
                    if matched.current:
                        return _collection([], matched.matched)
                else:
                    page = items.read_page(asked, self._source.row(items.page(asked)))
                    if page.current:
                        return _collection(json.loads(b"[" + page.body + b"]"), self._matched(asked, page))
                self._published = self._source.published(self._id, anew=True)
            raise Busy("The collection is being published again and again.", remedy="Try again in a few seconds.")

    def get(
        self, identifier: Any, language: Any = None, crs_transform_spec: CrsTransformSpec | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return one feature.

        Raises
        ------
        ProviderItemNotFoundError
            There is none with this id (404).
        """
        with bridged():
            relation, crs = self._published.relation, self._crs(crs_transform_spec)
            found = items.read_item(relation, str(identifier), self._source.row(items.item(relation, str(identifier), crs)))
            feature: dict[str, Any] = json.loads(found.body)
            return feature

    def _matched(self, asked: FeatureQuery, page: items.Page) -> int:
        if page.next is None and (page.returned or not asked.offset):
            return asked.offset + page.returned
        if not (asked.bbox or asked.datetime or asked.filter or asked.search):
            return self._published.collection.facts.count
        return items.read_count(asked, self._source.row(items.count(asked))).matched

    def _box(self, bbox: Sequence[float]) -> BBox | None:
        if not bbox:
            return None
        heights = (bbox[2], bbox[5]) if len(bbox) == 6 else None
        if heights:
            bbox = (bbox[0], bbox[1], bbox[3], bbox[4])
        if not all(math.isfinite(value) for value in bbox):
            raise InvalidParameter("bbox", ",".join(map(str, bbox)), "four (or six) finite numbers")
        xmin, ymin, xmax, ymax = bbox
        return BBox(xmin, ymin, xmax, ymax, self._stated_crs(), heights)

    def _stated_crs(self) -> Crs:
        """Return the CRS in which pygeoapi speaks to us when it names none."""
        geometry = self._published.collection.geometry
        return storage(geometry.srid) if self._states_storage_crs and geometry else CRS84

    def _crs(self, spec: CrsTransformSpec | None) -> Crs:
        geometry = self._published.collection.geometry
        if spec is None or geometry is None:
            return self._stated_crs()
        return from_uri(spec.target_crs_uri, supported(geometry.srid), parameter="crs")

    def _filter(self, properties: Sequence[tuple[str, str]], filterq: Any) -> Expression | None:
        relation = self._published.relation
        conditions = [cql2.equal(relation, name, value) for name, value in properties]
        return all_of((*conditions, from_pygeofilter(filterq, relation) if filterq is not None else None))


def _schema(field: CollectionField) -> dict[str, Any]:
    """Return the JSON Schema of an attribute; `values` is what pygeoapi's queryables look for, `enum` what a schema says."""
    schema: dict[str, Any] = {**_SCHEMA[field.type], "title": field.title.de}
    if field.description:
        schema["description"] = field.description.de
    schema |= keywords(field.unit)
    if field.values and not field.open_values:
        schema["enum"] = schema["values"] = list(field.values)
    return schema


def _collection(features: list[dict[str, Any]], matched: int | None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "FeatureCollection", "features": features, "numberReturned": len(features)}
    if matched is not None:
        made["numberMatched"] = matched
    return made
