"""JSON Schemas of a collection (Features Part 5): what it returns, what can be asked by, what it can be sorted by."""

from __future__ import annotations

__all__ = ["property_schema", "queryables", "schema", "sortables"]

from typing import Any

from stadtgrund.catalog.collection import Collection, CollectionField
from stadtgrund.catalog.contract import Text
from stadtgrund.catalog.units import keywords
from stadtgrund.query.feature import ARC_TOLERANCE_M
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
    "json": {"type": ["object", "array", "string", "number", "boolean"]},
}
_GEOMETRY = Text(de="Geometrie", en="Geometry")
_IDENT = Text(de="Kennung", en="Id")
_NO_VALUE = Text(de="kein Wert", en="no value")
_OTHER_VALUE = Text(de="anderer Wert", en="another value")
_WITH_HEIGHT = Text(de="Mit Höhe als dritter Koordinate.", en="With the height as third coordinate.")
_ARCS = Text(
    de=f"Bögen kommen als Sehnen, die höchstens {ARC_TOLERANCE_M * 100:.0f} cm vom Bogen abweichen.",
    en=f"Arcs come as chords, at most {ARC_TOLERANCE_M * 100:.0f} cm from the arc.",
)


def property_schema(field: CollectionField, language: str) -> dict[str, Any]:
    """Return the schema of one attribute: type, title, unit, code list (Part 5, profile codelist-inline, with `enum` beside it).

    An open code list has no `enum`, and one alternative more: any value that is not in it.
    """
    made: dict[str, Any] = {"title": field.title.get(language), **_TYPES[field.type]}
    if remarks := [text.get(language) for text in (field.description, _renamed(field)) if text]:
        made["description"] = " ".join(remarks)
    made |= keywords(field.unit)
    if field.values:
        codes: dict[str | int, Text] = {int(code) if field.type == "integer" else code: text for code, text in field.values.items()}
        made["oneOf"] = [{"const": code, "title": text.get(language)} for code, text in codes.items()]
        if field.open_values:
            made["oneOf"].append({"not": {"enum": list(codes)}, "title": _OTHER_VALUE.get(language)})
        else:
            made["enum"] = list(codes)
    if field.status_of:
        made["readOnly"] = True
    return made


def _renamed(field: CollectionField) -> Text | None:
    if field.source is None:
        return None
    return Text(
        de=f"An der Quelle heißt das Feld „{field.source}“; als Name ist das der API vorbehalten.",
        en=f"At the source the field is called “{field.source}”, a name that is reserved for the API.",
    )


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


def _geometry(collection: Collection, language: str) -> dict[str, Any]:
    geometry = collection.geometry
    if geometry is None:
        return {}
    kind = {"Geometry": "any"}.get(geometry.type, geometry.type.lower())
    made = {"title": _GEOMETRY.get(language), "format": f"geometry-{kind}", "x-ogc-role": "primary-geometry"}
    remarks = [text.get(language) for text, holds in ((_WITH_HEIGHT, geometry.dimensions == 3), (_ARCS, kind == "any")) if holds]
    return {"geometry": {**made, **({"description": " ".join(remarks)} if remarks else {})}}


def _ident(collection: Collection, language: str) -> dict[str, Any]:
    """Return the id of a feature where no attribute says it: a member of the feature, not one of its properties."""
    if collection.id_field or any(field.name == "id" for field in collection.fields):
        return {}
    return {"id": {"title": _IDENT.get(language), "type": collection.id_type, "readOnly": True, "x-ogc-role": "id"}}


def schema(collection: Collection, base_url: str, language: str) -> dict[str, Any]:
    """Return what a feature of the collection has: `/schema`."""
    properties = {**_ident(collection, language), **_geometry(collection, language), **_attributes(collection, language)}
    for position, name in enumerate(properties):
        properties[name]["x-ogc-propertySeq"] = position + 1
    for field in collection.fields:
        if field.nullable:
            _or_null(properties[field.name], language)
    document = _document(collection, base_url, "schema", language, properties)
    required = [field.name for field in collection.fields if not field.nullable]
    return {**document, **({"required": required} if required else {})}


def _or_null(made: dict[str, Any], language: str) -> None:
    """Let a property be null too: what is not known is null in a feature, not absent."""
    kinds = made["type"]
    made["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
    if "oneOf" in made:
        listed = made["enum"] if "enum" in made else made["oneOf"][-1]["not"]["enum"]
        listed.append(None)
        made["oneOf"].append({"const": None, "title": _NO_VALUE.get(language)})


def queryables(collection: Collection, base_url: str, language: str) -> dict[str, Any]:
    """Return what a filter may name: `/queryables`."""
    properties = {**_geometry(collection, language), **_attributes(collection, language)}
    return _document(collection, base_url, "queryables", language, properties)


def sortables(collection: Collection, relation: Relation, base_url: str, language: str) -> dict[str, Any]:
    """Return what `sortby` may name: `/sortables`."""
    attributes = _attributes(collection, language)
    properties = {name: attributes[name] for name in sortable_columns(relation)}
    return _document(collection, base_url, "sortables", language, properties)
