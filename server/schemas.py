"""JSON Schemas of a collection (Features Part 5): what it returns, what can be asked by, what it can be sorted by."""

from __future__ import annotations

__all__ = ["property_schema", "queryables", "schema", "sortables"]

from typing import Any

from stadtgrund.catalog.collection import Collection, CollectionField
from stadtgrund.query.feature_query import sortables as sortable_columns
from stadtgrund.query.relation import Relation

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
}


def property_schema(field: CollectionField, language: str) -> dict[str, Any]:
    """Return the schema of one attribute: type, title, unit, code list."""
    made: dict[str, Any] = {"title": field.title.get(language), **_TYPES[field.type]}
    if field.description:
        made["description"] = field.description.get(language)
    if field.unit and field.unit != "1":
        made["x-ogc-unit"] = field.unit
    if field.values and field.type == "string":
        made["enum"] = list(field.values)
        # What each code means, in the same order; JSON Schema itself has no word for it.
        made["x-enumTitles"] = [text.get(language) for text in field.values.values()]
    return made


def _document(collection: Collection, base_url: str, name: str, language: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": _DRAFT,
        "$id": f"{base_url}/collections/{collection.id}/{name}",
        "type": "object",
        "title": collection.title.get(language),
        "description": collection.description.get(language),
        "properties": properties,
        "additionalProperties": False,
    }


def _attributes(collection: Collection, language: str) -> dict[str, Any]:
    properties = {field.name: property_schema(field, language) for field in collection.fields}
    if collection.id_field in properties:
        properties[collection.id_field]["x-ogc-role"] = "id"
    if collection.temporal:
        roles = {
            collection.temporal.instant: "primary-instant",
            collection.temporal.start: "primary-interval-start",
            collection.temporal.end: "primary-interval-end",
        }
        for column, role in roles.items():
            # An attribute that is the id has its one role already.
            if column in properties:
                properties[column].setdefault("x-ogc-role", role)
    return properties


def _geometry(collection: Collection) -> dict[str, Any]:
    if collection.geometry is None:
        return {}
    kind = {"Geometry": "any"}.get(collection.geometry.type, collection.geometry.type.lower())
    return {"geometry": {"title": "Geometrie", "format": f"geometry-{kind}", "x-ogc-role": "primary-geometry"}}


def schema(collection: Collection, base_url: str, language: str) -> dict[str, Any]:
    """Return what a feature of the collection has: `/schema`."""
    properties = {**_geometry(collection), **_attributes(collection, language)}
    for position, name in enumerate(properties):
        properties[name]["x-ogc-propertySeq"] = position + 1
    for field in collection.fields:
        if field.nullable and "type" in properties[field.name]:
            properties[field.name]["type"] = [properties[field.name]["type"], "null"]
            if "enum" in properties[field.name]:
                properties[field.name]["enum"].append(None)
                properties[field.name]["x-enumTitles"].append("")
    document = _document(collection, base_url, "schema", language, properties)
    required = [field.name for field in collection.fields if not field.nullable]
    return {**document, **({"required": required} if required else {})}


def queryables(collection: Collection, base_url: str, language: str) -> dict[str, Any]:
    """Return what a filter may name: `/queryables`."""
    properties = {**_geometry(collection), **_attributes(collection, language)}
    return _document(collection, base_url, "queryables", language, properties)


def sortables(collection: Collection, relation: Relation, base_url: str, language: str) -> dict[str, Any]:
    """Return what `sortby` may name: `/sortables`."""
    attributes = _attributes(collection, language)
    properties = {name: attributes[name] for name in sortable_columns(relation)}
    return _document(collection, base_url, "sortables", language, properties)
