"""Tile matrix sets, tilesets and TileJSON: what tiles there are, as OGC API Tiles and as MapLibre want to be told."""

from __future__ import annotations

__all__ = ["TILEJSON_SET", "Tilesets", "limits"]

import json
from functools import cache
from math import asinh, floor, pi, radians, tan
from pathlib import Path
from typing import Any

import pygeoapi

from server import schemas
from server.answer import Answer
from server.call import Call
from server.documents import Documents
from server.host import Published
from server.negotiation import MEDIA
from stadtgrund.catalog.collection import Collection
from stadtgrund.crs import CRS84_URI
from stadtgrund.errors import NotFound
from stadtgrund.query.tiles import MATRIX_SETS, fields_at

TILEJSON_SET = "WebMercatorQuad"
"""The tile matrix set that TileJSON knows."""
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_DIMENSION = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
_TILEJSON_TYPES = {"integer": "Number", "number": "Number", "decimal": "Number", "boolean": "Boolean"}
_SOUTHERNMOST = 85.0511287798066
"""Latitude at the edge of the square world."""


@cache
def _definition(name: str) -> dict[str, Any]:
    """Return the registered definition of a tile matrix set (it comes with pygeoapi)."""
    path = Path(pygeoapi.__file__).with_name("resources") / "definitions" / "tiles" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def limits(name: str, box84: tuple[float, float, float, float], zoom: int) -> tuple[int, int, int, int]:
    """Return the first and last row, the first and last column (row 0 is north) of the tiles of a zoom that meet a box in CRS84."""
    west, south, east, north = box84
    rows, columns = 2**zoom, MATRIX_SETS[name].columns * 2**zoom

    def held(share: float, number: int) -> int:
        return max(0, min(number - 1, floor(share * number)))

    def down(latitude: float) -> float:
        if name != TILEJSON_SET:
            return (90 - latitude) / 180
        inside = radians(max(-_SOUTHERNMOST, min(_SOUTHERNMOST, latitude)))
        return (1 - asinh(tan(inside)) / pi) / 2

    return held(down(north), rows), held(down(south), rows), held((west + 180) / 360, columns), held((east + 180) / 360, columns)


def _fields(collection: Collection) -> tuple[str, ...]:
    """Return the attributes that tiles of some zoom carry, beside `id`."""
    assert collection.tiles
    low, high = collection.tiles.zoom
    carried = [fields_at(collection.tiles, zoom) for zoom in range(low, high + 1)]
    return tuple(field.name for field in collection.fields if any(names is None or field.name in names for names in carried))


def _link(rel: str, media_type: str, title: str, href: str, *, templated: bool = False) -> dict[str, Any]:
    return {"rel": rel, "type": media_type, "title": title, "href": href, **({"templated": True} if templated else {})}


class Tilesets:
    """The handlers of what describes tiles."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def _published(self, call: Call) -> Published:
        published = call.collection()
        if published.collection.tiles is None or published.collection.geometry is None:
            raise NotFound(f"Collection {published.collection.id!r} has no tiles.")
        if call.places.get("tms", TILEJSON_SET) not in MATRIX_SETS:
            raise NotFound(f"There is no tileset {call.places['tms']!r}.", remedy=f"Known: {', '.join(MATRIX_SETS)}.")
        return published

    async def matrix_sets(self, call: Call) -> Answer:
        """`/tileMatrixSets`."""

        async def make() -> Any:
            return {"tileMatrixSets": [_entry(name, call) for name in MATRIX_SETS]}

        return await self.documents.answer(call, "tileMatrixSets", "tilematrixsets/index.html", make, digest=None)

    async def matrix_set(self, call: Call) -> Answer:
        """`/tileMatrixSets/{tms}`."""
        name = call.places["tms"]
        if name not in MATRIX_SETS:
            raise NotFound(f"There is no tile matrix set {name!r}.", remedy=f"Known: {', '.join(MATRIX_SETS)}.")

        async def make() -> Any:
            return _definition(name)

        return await self.documents.answer(call, f"tileMatrixSet {name}", "tilematrixsets/tilematrixset.html", make, digest=None)

    async def of_collection(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles`: the list of tilesets."""
        published = self._published(call)

        async def make() -> Any:
            url = f"{call.base_url}/collections/{published.collection.id}/tiles"
            links = [_link("self", MEDIA["json"], "JSON", f"{url}?f=json"), _link("alternate", MEDIA["html"], "HTML", f"{url}?f=html")]
            tilesets = [_tileset(published, call, name) for name in MATRIX_SETS]
            brief = [{key: tileset[key] for key in ("title", "dataType", "crs", "tileMatrixSetURI", "links")} for tileset in tilesets]
            return {"links": links, "tilesets": brief, "collection": _named(published, call)}

        return await self.documents.answer(
            call, f"tilesets {published.collection.id}", "collections/tiles/index.html", make, digest=published.digest
        )

    async def tileset(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles/{tms}`: metadata of the tileset, or its TileJSON by `f=tilejson`."""
        published = self._published(call)
        tms = call.places["tms"]
        if call.query.get("f") == "tilejson" and tms == TILEJSON_SET:
            return self._tilejson(call, published)

        async def make() -> Any:
            return _tileset(published, call, tms)

        name = f"tileset {published.collection.id} {tms}"
        return await self.documents.answer(call, name, "collections/tiles/metadata.html", make, digest=published.digest)

    async def metadata(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles/{tms}/metadata`: TileJSON, as MapLibre takes it."""
        published = self._published(call)
        if call.places["tms"] != TILEJSON_SET:
            raise NotFound(f"There is no TileJSON of {call.places['tms']}.", remedy=f"TileJSON knows {TILEJSON_SET} only.")
        return self._tilejson(call, published)

    def _tilejson(self, call: Call, published: Published) -> Answer:
        call.only("f", "lang")
        media_type = MEDIA[call.format(("tilejson", MEDIA["tilejson"]), ("json", MEDIA["json"]))]
        tag = call.tag(published.digest, media_type)
        return call.unchanged(tag) or Answer.of_json(_tilejson(published, call), media_type, (("etag", tag),))


def _named(published: Published, call: Call) -> dict[str, str]:
    return {"id": published.collection.id, "title": published.collection.title.get(call.language)}


def _entry(name: str, call: Call) -> dict[str, Any]:
    definition = _definition(name)
    url = f"{call.base_url}/tileMatrixSets/{name}"
    links = [_link("self", MEDIA["json"], name, f"{url}?f=json"), _link("alternate", MEDIA["html"], name, f"{url}?f=html")]
    return {"id": name, "title": definition["title"], "uri": definition["uri"], "crs": definition["crs"], "links": links}


def _template(published: Published, call: Call, tms: str, row: str, column: str, matrix: str) -> str:
    return f"{call.base_url}/collections/{published.collection.id}/tiles/{tms}/{{{matrix}}}/{{{row}}}/{{{column}}}?f=mvt"


def _tileset(published: Published, call: Call, tms: str) -> dict[str, Any]:
    collection = published.collection
    assert collection.tiles and collection.geometry
    url = f"{call.base_url}/collections/{collection.id}/tiles/{tms}"
    definition = _definition(tms)
    low, high = collection.tiles.zoom
    box = collection.facts.extent.crs84
    german = call.language == "de"
    made: dict[str, Any] = {
        "title": collection.title.get(call.language),
        "description": collection.description.get(call.language),
        "dataType": "vector",
        "crs": definition["crs"],
        "tileMatrixSetURI": definition["uri"],
        "tileMatrixSetId": tms,
        "mediaTypes": [MEDIA["mvt"]],
        "links": [
            _link("self", MEDIA["json"], "Kachelsatz als JSON" if german else "Tileset as JSON", f"{url}?f=json"),
            _link("alternate", MEDIA["html"], "Kachelsatz als HTML" if german else "Tileset as HTML", f"{url}?f=html"),
            *([_link("describedby", MEDIA["tilejson"], "TileJSON", f"{url}/metadata?f=tilejson")] if tms == TILEJSON_SET else []),
            _link(f"{_OGC}/tiling-scheme", MEDIA["json"], tms, f"{call.base_url}/tileMatrixSets/{tms}?f=json"),
            _link(
                "item",
                MEDIA["mvt"],
                "Kacheln" if german else "Tiles",
                _template(published, call, tms, "tileRow", "tileCol", "tileMatrix"),
                templated=True,
            ),
            _link(
                "http://www.opengis.net/def/rel/ogc/1.0/geodata",
                MEDIA["json"],
                collection.title.get(call.language),
                f"{call.base_url}/collections/{collection.id}",
            ),
        ],
    }
    if collection.attribution:
        made["attribution"] = collection.attribution
    if collection.licence_url:
        made["license"] = collection.licence_url
    if box:
        made["boundingBox"] = {"lowerLeft": list(box[:2]), "upperRight": list(box[2:]), "crs": CRS84_URI}
        made["tileMatrixSetLimits"] = [
            {"tileMatrix": str(zoom), "minTileRow": rows[0], "maxTileRow": rows[1], "minTileCol": rows[2], "maxTileCol": rows[3]}
            for zoom in range(low, high + 1)
            for rows in (limits(tms, box, zoom),)
        ]
    schema = schemas.schema(collection, call.base_url, call.language)
    attributes = {name: schema["properties"][name] for name in _fields(collection)}
    layer: dict[str, Any] = {
        "id": collection.id,
        "title": collection.title.get(call.language),
        "dataType": "vector",
        "minTileMatrix": str(low),
        "maxTileMatrix": str(high),
        "propertiesSchema": {"type": "object", "properties": attributes},
    }
    if collection.geometry.type in _DIMENSION:
        layer["geometryDimension"] = _DIMENSION[collection.geometry.type]
    made["layers"] = [layer]
    return made


def _tilejson(published: Published, call: Call) -> dict[str, Any]:
    collection = published.collection
    assert collection.tiles
    low, high = collection.tiles.zoom
    box = collection.facts.extent.crs84
    types = {field.name: _TILEJSON_TYPES.get(field.type, "String") for field in collection.fields}
    made: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": collection.title.get(call.language),
        "description": collection.description.get(call.language),
        "version": f"{collection.facts.version}.0.0",
        "scheme": "xyz",
        "tiles": [_template(published, call, TILEJSON_SET, "y", "x", "z")],
        "minzoom": low,
        "maxzoom": high,
        "vector_layers": [
            {
                "id": collection.id,
                "description": collection.title.get(call.language),
                "minzoom": low,
                "maxzoom": high,
                "fields": {
                    "id": "Number" if collection.id_type == "integer" else "String",
                    **{name: types[name] for name in _fields(collection)},
                },
            }
        ],
    }
    if collection.attribution:
        made["attribution"] = collection.attribution
    if box:
        made["bounds"] = [max(box[0], -180), max(box[1], -_SOUTHERNMOST), min(box[2], 180), min(box[3], _SOUTHERNMOST)]
        made["center"] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, max(low, min(high, 12))]
    return made
