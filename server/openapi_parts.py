"""The building blocks of the OpenAPI document: parameters, schemas, operations. No `$ref` leaves the document."""

from __future__ import annotations

__all__ = [
    "RESPONSES",
    "SCHEMAS",
    "api",
    "common_paths",
    "crs_of",
    "dataset",
    "dataset_tile_paths",
    "file",
    "file_name",
    "get",
    "item",
    "items",
    "named",
    "parameters",
    "queryable_parameters",
    "tile_paths",
]

from collections.abc import Iterable, Sequence
from typing import Any

from server.host import Published
from server.negotiation import LANGUAGES, MEDIA
from server.openapi_texts import GERMAN
from server.params import DEFAULT_LIMIT, MAX_LIMIT, PAGE_PARAMETERS, TILE_PARAMETERS, known_crs, queryable_names
from server.schemas import property_schema
from stadtgrund.crs import CRS84_URI
from stadtgrund.query.tiles import MATRIX_SETS

Json = dict[str, Any]


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _query(name: str, description: str, schema: Json, **more: Any) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "style": "form",
        "explode": False,
        **more,
    }


def _path(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def parameters() -> Json:
    """Return `components.parameters`. QGIS reads the page size that it may ask for from `limit`."""
    text = {"type": "string"}
    uri = {"type": "string", "format": "uri"}
    index = {"type": "integer", "minimum": 0}
    lengths = [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}]
    number_list = {"type": "array", "minItems": 4, "maxItems": 6, "oneOf": lengths, "items": {"type": "number"}}
    return {
        "f": _query(
            "f", "Representation of the answer; without it the Accept header decides.", {"type": "string", "enum": ["json", "html"]}
        ),
        "f_items": _query("f", "Representation of the answer.", {"type": "string", "enum": ["json", "geojson", "html", "csv"]}),
        "f_tile": _query("f", "Representation of the tile.", {"type": "string", "enum": ["mvt", "pbf"]}),
        "f_tileset": _query("f", "Representation of the answer.", {"type": "string", "enum": ["json", "html", "tilejson"]}),
        "f_tilejson": _query("f", "Representation of the answer.", {"type": "string", "enum": ["tilejson", "json"]}),
        "lang": _query("lang", "Language of titles and texts.", {"type": "string", "enum": list(LANGUAGES)}),
        "limit": _query(
            "limit",
            f"Features a page; more than {MAX_LIMIT} counts as {MAX_LIMIT}.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        ),
        "offset": _query(
            "offset", "Features to skip. For long walks follow the link rel=next instead.", {"type": "integer", "minimum": 0, "default": 0}
        ),
        "cursor": _query("cursor", "Where the page begins, as the link rel=next says it.", text),
        "bbox": _query(
            "bbox",
            "Features that meet this box: four numbers, or six with heights, in the axis order of bbox-crs. In collections whose features "
            "have heights, those between bottom and top are selected; in the others heights select nothing.",
            number_list,
        ),
        "bbox-crs": _query("bbox-crs", "CRS of bbox; CRS84 unless told.", uri),
        "crs": _query("crs", "CRS of the answer's coordinates; CRS84 unless told, with heights CRS84h.", uri),
        "datetime": _query(
            "datetime",
            "A date, an RFC 3339 instant or an interval of two of them; .. is an open end. One of the two may be a duration (P7D).",
            text,
        ),
        "q": _query("q", _SEARCH, {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        "properties": _query(
            "properties", "Attributes to return; all unless told.", {"type": "array", "items": {"type": "string"}, "minItems": 1}
        ),
        "sortby": _query(
            "sortby", "Sortables, each with an optional + or - before it.", {"type": "array", "items": {"type": "string"}, "minItems": 1}
        ),
        "filter": _query("filter", "A CQL2 expression over the queryables.", text),
        "filter-lang": _query(
            "filter-lang", "Language of filter.", {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"}
        ),
        "filter-crs": _query("filter-crs", "CRS of geometries in filter; CRS84 unless told.", uri),
        "skipGeometry": _query("skipGeometry", "Whether geometries are left out.", {"type": "boolean", "default": False}),
        "featureId": _path("featureId", "Id of a feature.", text),
        "tileMatrixSetId": _path("tileMatrixSetId", "Tile matrix set.", {"type": "string", "enum": list(MATRIX_SETS)}),
        # Text, as Tiles Part 1 (`tc-tilematrix-definition`) has it: a matrix is named, not counted.
        "tileMatrix": _path("tileMatrix", "Zoom level.", {"type": "string", "pattern": "^(1?[0-9]|2[0-4])$"}),
        "collections": _query(
            "collections",
            "Collections to have as layers, the lowest first: ids or addresses; all unless told.",
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ),
        "tileRow": _path("tileRow", "Row, counted from the north.", index),
        "tileCol": _path("tileCol", "Column, counted from the west.", index),
    }


_SEARCH = (
    "Full text: features that have one of these terms, parted by commas. The words of a term follow each other; the last may be the "
    "beginning of a word. Case, accents, umlauts (ü = ue) and endings make no difference."
)
_WORDS = "Collections that have all words of one of these terms, parted by commas, in title, description, keywords or id."
_LINKS = {"type": "array", "items": _ref("schemas", "link")}

SCHEMAS: Json = {
    "problem": {
        "type": "object",
        "required": ["title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "parameter": {"type": "string"},
            "allowed": {"type": "string"},
        },
    },
    "link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {
            "href": {"type": "string"},
            "rel": {"type": "string"},
            "type": {"type": "string"},
            "title": {"type": "string"},
            "hreflang": {"type": "string"},
            "templated": {"type": "boolean"},
        },
    },
    "landingPage": {
        "type": "object",
        "required": ["links"],
        "properties": {"title": {"type": "string"}, "description": {"type": "string"}, "links": _LINKS},
    },
    "confClasses": {
        "type": "object",
        "required": ["conformsTo"],
        "properties": {"conformsTo": {"type": "array", "items": {"type": "string"}}, "links": _LINKS},
    },
    "collections": {
        "type": "object",
        "required": ["links", "collections"],
        "properties": {"links": _LINKS, "collections": {"type": "array", "items": _ref("schemas", "collection")}},
    },
    "collection": {
        "type": "object",
        "required": ["id", "links"],
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "description": {"type": "string"},
            "keywords": {"type": "array", "items": {"type": "string"}},
            "attribution": {"type": "string"},
            "links": _LINKS,
            "extent": {"type": "object"},
            "itemType": {"type": "string"},
            "crs": {"type": "array", "items": {"type": "string"}},
            "storageCrs": {"type": "string"},
        },
    },
    "geometry": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}, "nullable": True},
    "feature": {
        "type": "object",
        "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            "geometry": _ref("schemas", "geometry"),
            "properties": {"type": "object"},
            "links": _LINKS,
        },
    },
    "featureCollection": {
        "type": "object",
        "required": ["type", "features", "links", "timeStamp", "numberReturned"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "items": _ref("schemas", "feature")},
            "links": _LINKS,
            "timeStamp": {"type": "string", "format": "date-time"},
            "numberMatched": {"type": "integer", "minimum": 0},
            "numberReturned": {"type": "integer", "minimum": 0},
        },
    },
    "schema": {
        "type": "object",
        "required": ["type", "properties"],
        "properties": {"type": {"type": "string"}, "properties": {"type": "object"}},
    },
    "document": {"type": "object"},
}


def _problem(description: str) -> Json:
    html = {MEDIA["html"]: {"schema": {"type": "string"}}}  # for browsers
    return {"description": description, "content": {"application/problem+json": {"schema": _ref("schemas", "problem")}, **html}}


RESPONSES: Json = {
    "BadRequest": _problem("A parameter is unknown or its value is not valid; the answer names what is allowed."),
    "Unauthorized": _problem("A key was sent and is not valid."),
    "NotFound": _problem("There is no such thing, or not for this caller."),
    "NotAcceptable": _problem("No representation in a media type that was asked for."),
    "TooSlow": _problem("The body did not arrive in time."),
    "UnsupportedMediaType": _problem("The body is of a media type that is not read here."),
    "TooLarge": _problem("The answer is over the limit; ask for less."),
    "ServerError": _problem("The server could not answer."),
    "Unavailable": _problem("The database is not reachable or took too long; the same request may succeed later."),
    "NotModified": {"description": "The client has the current answer."},
}
# In OGC API - Processes errors may also be asked for as application/json.
RESPONSES |= {
    f"{name}OfProcesses": {**fault, "content": {**fault["content"], MEDIA["json"]: {"schema": _ref("schemas", "problem")}}}
    for name, fault in RESPONSES.items()
    if "content" in fault
}

_FAULTS = {
    "304": _ref("responses", "NotModified"),
    "400": _ref("responses", "BadRequest"),
    "401": _ref("responses", "Unauthorized"),
    "404": _ref("responses", "NotFound"),
    "406": _ref("responses", "NotAcceptable"),
    "500": _ref("responses", "ServerError"),
    "503": _ref("responses", "Unavailable"),
}


def _operation(tag: str, operation_id: str, summary: str, asked: Sequence[Json], content: Json, more: Json | None = None) -> Json:
    return {
        "get": {
            "tags": [tag],
            "operationId": operation_id,
            "summary": summary,
            "parameters": list(asked),
            "responses": {"200": {"description": "OK", "content": content}, **(more or {}), **_FAULTS},
        }
    }


def get(tag: str, operation_id: str, summary: str, asked: Iterable[Json], schema: str, media: str = MEDIA["json"]) -> Json:
    """Return the operation of a document that is also a page."""
    content = {media: {"schema": _ref("schemas", schema)}, MEDIA["html"]: {"schema": {"type": "string"}}}
    return _operation(tag, operation_id, summary, [*asked, *named("f", "lang")], content)


def _feature_content(schema: str) -> Json:
    text = {"schema": {"type": "string"}}
    return {MEDIA["geojson"]: {"schema": _ref("schemas", schema)}, MEDIA["html"]: text, MEDIA["csv"]: text}


def crs_of(published: Published) -> list[str]:
    """Return the URIs of the CRSs that a collection speaks; none where there is no geometry."""
    return [crs.uri for crs in known_crs(published.relation)] if published.relation.geometry else []


def _crs_parameters(known: Sequence[str] | None, *names: str) -> list[Json]:
    if known is None:
        return named(*names)
    if not known:
        return []
    shared = parameters()
    # What requests state is in CRS84 by itself, whether the collection has heights or not.
    default = {name: known[0] if name == "crs" else CRS84_URI for name in names}
    return [
        {**shared[name], "schema": {"type": "string", "format": "uri", "enum": list(known), "default": default[name]}} for name in names
    ]


def items(tag: str, operation_id: str, summary: str, own: Sequence[Json], known: Sequence[str] | None) -> Json:
    """Return the operation of a page of features; `known` = the collection's CRSs (none = it is a table), None = not of one collection."""
    apart = {"f", "crs", "bbox-crs", "filter-crs"} | ({"q"} if known is not None else set())
    shared = named(*(name for name in PAGE_PARAMETERS if name not in apart), "f_items")
    asked = [*shared, *_crs_parameters(known, "crs", "bbox-crs", "filter-crs"), *own]
    return _operation(tag, operation_id, summary, asked, _feature_content("featureCollection"), {"413": _ref("responses", "TooLarge")})


def item(tag: str, operation_id: str, summary: str, known: Sequence[str] | None, own: Sequence[Json] = ()) -> Json:
    """Return the operation of one feature."""
    asked = [*named("featureId", "f_items", "lang", "properties", "skipGeometry"), *_crs_parameters(known, "crs"), *own]
    return _operation(tag, operation_id, summary, asked, _feature_content("feature"))


def queryable_parameters(published: Published, language: str) -> list[Json]:
    """Return `q` with the attributes that it searches, and each attribute as a parameter of its own type."""
    found: list[Json] = []
    if searched := published.relation.search:
        titles = ", ".join(published.collection.field(name).title.get(language) for name in searched)
        text, words = (_SEARCH, "Searched:") if language == "en" else (GERMAN[_SEARCH], "Durchsucht:")
        found.append({**parameters()["q"], "description": f"{text} {words} {titles}."})
    for name in queryable_names(published.relation):
        schema = property_schema(published.collection.field(name), language)
        kept = {key: value for key, value in schema.items() if key in ("type", "format", "enum")}
        description = schema.get("description") or schema["title"]
        # Any text may be asked for, a code that is not in the list too: it matches nothing.
        kept.pop("enum", None)
        found.append(_query(name, description, kept))
    return found


def dataset(ids: Sequence[str]) -> Json:
    """Return the path parameter of a collection, for `components.parameters`: the ids of thousands are to stand there once."""
    return _path("dataset", "Id of a collection.", {"type": "string", "enum": list(ids)})


def named(*names: str) -> list[Json]:
    """Return references to parameters of the components."""
    return [_ref("parameters", name) for name in names]


def file_name() -> Json:
    """Return the path parameter of a collection's file."""
    return _path("name", "Name of a file, as the collection links it.", {"type": "string"})


def file(tag: str, operation_id: str, summary: str, media_types: Iterable[str], own: Sequence[Json] = ()) -> Json:
    """Return the operation of a file, which can be asked for by ranges of bytes."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    more = {"206": {"description": "The range of bytes that was asked for.", "content": content}}
    return _operation(tag, operation_id, summary, own, content, more)


def tile_paths(base: str, tag: str, prefix: str, own: Sequence[Json]) -> Json:
    """Return the paths of a collection's tiles."""
    asked = named(*(name for name in TILE_PARAMETERS if name != "f"))
    return _tile_paths(base, tag, f"{prefix}collection.vector", own, [], asked)


def dataset_tile_paths() -> Json:
    """Return the paths of tiles with all collections."""
    return _tile_paths(
        "", "server", "dataset.vector", [], named("collections"), named("collections"), {"413": _ref("responses", "TooLarge")}
    )


def _tile_paths(
    base: str, tag: str, prefix: str, own: Sequence[Json], on_tilesets: Sequence[Json], on_tiles: Sequence[Json], more: Json | None = None
) -> Json:
    """Return the paths of tiles; the ends of the operation ids are those of Tiles Part 1, table 11."""
    json_html = {MEDIA["json"]: {"schema": _ref("schemas", "document")}, MEDIA["html"]: {"schema": {"type": "string"}}}
    tilejson = {MEDIA["tilejson"]: {"schema": _ref("schemas", "document")}}
    only_json = {MEDIA["json"]: {"schema": _ref("schemas", "document")}, **tilejson}
    tile = {MEDIA["mvt"]: {"schema": {"type": "string", "format": "binary"}}}
    place = named("tileMatrixSetId", "tileMatrix", "tileRow", "tileCol")
    empty = {"204": {"description": "Nothing lies in this tile."}}
    tileset = f"{base}/tiles/{{tileMatrixSetId}}"
    lists = [*own, *named("f", "lang")]
    return {
        f"{base}/tiles": _operation(tag, f"{prefix}.getTileSetsList", "Tilesets", lists, json_html),
        tileset: _operation(
            tag,
            f"{prefix}.getTileSet",
            "Tileset",
            [*own, *named("tileMatrixSetId", "f_tileset", "lang"), *on_tilesets],
            {**json_html, **tilejson},
        ),
        f"{tileset}/metadata": _operation(
            tag, f"{prefix}.getTileJson", "TileJSON", [*own, *named("tileMatrixSetId", "f_tilejson", "lang"), *on_tilesets], only_json
        ),
        f"{tileset}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": _operation(
            tag,
            f"{prefix}.getTile",
            "Tile",
            [*own, *place, *named("f_tile"), *on_tiles],
            tile,
            {**empty, **(more or {})},
        ),
    }


def api(tag: str, operation_id: str, summary: str, own: Sequence[Json] = ()) -> Json:
    """Return the operation of a description of the API."""
    content = {MEDIA["openapi"]: {"schema": _ref("schemas", "document")}, MEDIA["html"]: {"schema": {"type": "string"}}}
    return _operation(tag, operation_id, summary, [*own, *named("f", "lang")], content)


def common_paths() -> Json:
    """Return the paths that are of no collection."""
    tag = "server"
    matrix_set = named("tileMatrixSetId")
    return {
        "/": get(tag, "getLandingPage", "Landing page", [], "landingPage"),
        "/conformance": get(tag, "getConformance", "Conformance classes", [], "confClasses"),
        "/api": api(tag, "getApi", "This document"),
        "/collections": get(tag, "getCollections", "Collections", [_query("q", _WORDS, {"type": "string"})], "collections"),
        "/styles": get(tag, "getStyles", "Styles", [], "document"),
        "/tileMatrixSets": get(tag, "getTileMatrixSetsList", "Tile matrix sets", [], "document"),
        "/tileMatrixSets/{tileMatrixSetId}": get(tag, "getTileMatrixSet", "Tile matrix set", matrix_set, "document"),
    }
