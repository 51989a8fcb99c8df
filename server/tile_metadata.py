"""What tilesets say of themselves: OGC tileset metadata (2D Tile Matrix Set 2.0, clause 8) and TileJSON 3.0."""

from __future__ import annotations

__all__ = ["Tiled", "brief", "definition", "matrix_set_entry", "tilejson", "tileset"]

import json
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pygeoapi

from server import schemas
from server.call import Call
from server.host import Published
from server.negotiation import MEDIA
from server.tile_grid import SOUTHERNMOST, TILEJSON_SET, limits, union
from stadtgrund.catalog.collection import Collection, TileLevel
from stadtgrund.crs import CRS84_URI
from stadtgrund.query.tiles import MATRIX_SETS, fields_at

_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_DIMENSION = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
_TILEJSON_TYPES = {"integer": "Number", "number": "Number", "decimal": "Number", "boolean": "Boolean"}
_CENTRE_ZOOM = 12
"""Zoom that a map begins with, where the tiles have it."""


@dataclass(frozen=True)
class Tiled:
    """What tilesets are of.

    `path` is that of the resource that has `/tiles` ("" = the dataset as a whole), `query` what its addresses carry on
    ("?collections=a,b"), `links` what they lead to beside.
    """

    path: str
    title: str
    description: str
    layers: tuple[Published, ...]
    query: str = ""
    whole: bool = False

    @property
    def zoom(self) -> tuple[int, int]:
        """First and last zoom that some layer has."""
        zooms = [item.collection.tiles.zoom for item in self.layers if item.collection.tiles]
        return min(low for low, _ in zooms), max(high for _, high in zooms)

    def box(self, zoom: int | None = None) -> tuple[float, float, float, float] | None:
        """Return the box around the layers in CRS84, or around those that a zoom has; None when nothing lies in it."""
        shown = [item.collection for item in self.layers if zoom is None or _in(item.collection, zoom)]
        return union(collection.facts.extent.crs84 for collection in shown)

    @property
    def attribution(self) -> str | None:
        """Whom to name."""
        return " · ".join(dict.fromkeys(item.collection.attribution for item in self.layers if item.collection.attribution)) or None

    @property
    def licence(self) -> str | None:
        """The licence, when it is one for all layers."""
        found = {item.collection.licence_url for item in self.layers}
        return found.pop() if len(found) == 1 else None


def _in(collection: Collection, zoom: int) -> bool:
    return collection.tiles is not None and collection.tiles.zoom[0] <= zoom <= collection.tiles.zoom[1]


def _link(rel: str, media_type: str, title: str, href: str, *, templated: bool = False) -> dict[str, Any]:
    return {"rel": rel, "type": media_type, "title": title, "href": href, **({"templated": True} if templated else {})}


@cache
def definition(name: str) -> dict[str, Any]:
    """Return the registered definition of a tile matrix set (it comes with pygeoapi)."""
    path = Path(pygeoapi.__file__).with_name("resources") / "definitions" / "tiles" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def matrix_set_entry(name: str, call: Call) -> dict[str, Any]:
    """Return a tile matrix set as the list of them has it."""
    said = definition(name)
    url = f"{call.base_url}/tileMatrixSets/{name}"
    links = [_link("self", MEDIA["json"], name, f"{url}?f=json"), _link("alternate", MEDIA["html"], name, f"{url}?f=html")]
    return {"id": name, "title": said["title"], "uri": said["uri"], "crs": said["crs"], "links": links}


def _url(of: Tiled, call: Call, tms: str) -> str:
    return f"{call.base_url}{of.path}/tiles/{tms}"


def _template(of: Tiled, call: Call, tms: str, matrix: str, row: str, column: str) -> str:
    # Without `f`: there is one format, and each address is another one to a cache.
    return f"{_url(of, call, tms)}/{{{matrix}}}/{{{row}}}/{{{column}}}{of.query}"


def _with(url: str, of: Tiled, form: str) -> str:
    return f"{url}{of.query}{'&' if of.query else '?'}f={form}"


def brief(of: Tiled, call: Call, tms: str) -> dict[str, Any]:
    """Return a tileset as the list of them has it: each of its links leads to JSON (Tiles Part 1, 9.3, `tileset-links`)."""
    said = tileset(of, call, tms)
    kept = ("self", "describedby", f"{_OGC}/tiling-scheme")
    links = [link for link in said["links"] if link["rel"] in kept]
    return {**{name: said[name] for name in ("title", "dataType", "crs", "tileMatrixSetURI", "tileMatrixSetId")}, "links": links}


def tileset(of: Tiled, call: Call, tms: str) -> dict[str, Any]:
    """Return the metadata of a tileset."""
    said = definition(tms)
    low, high = of.zoom
    german = call.language == "de"
    url = _url(of, call, tms)
    made: dict[str, Any] = {
        "title": of.title,
        "description": of.description,
        "dataType": "vector",
        "crs": said["crs"],
        "tileMatrixSetURI": said["uri"],
        "tileMatrixSetId": tms,
        "mediaTypes": [MEDIA["mvt"]],
        "links": [
            _link("self", MEDIA["json"], "Kachelsatz als JSON" if german else "Tileset as JSON", _with(url, of, "json")),
            _link("alternate", MEDIA["html"], "Kachelsatz als HTML" if german else "Tileset as HTML", _with(url, of, "html")),
            *(
                [_link("describedby", MEDIA["tilejson"], "TileJSON", _with(f"{url}/metadata", of, "tilejson"))]
                if tms == TILEJSON_SET
                else []
            ),
            _link(f"{_OGC}/tiling-scheme", MEDIA["json"], tms, f"{call.base_url}/tileMatrixSets/{tms}?f=json"),
            _link(
                "item",
                MEDIA["mvt"],
                "Kacheln" if german else "Tiles",
                _template(of, call, tms, "tileMatrix", "tileRow", "tileCol"),
                templated=True,
            ),
            *(
                _link(f"{_OGC}/geodata", MEDIA["json"], item.collection.title.get(call.language), _address(call, item.collection))
                for item in of.layers
            ),
        ],
    }
    if of.attribution:
        made["attribution"] = of.attribution
    if of.licence:
        made["license"] = of.licence
    if box := of.box():
        made["boundingBox"] = _bounding_box(box)
        zoom = _centre_zoom(of)
        made["centerPoint"] = {"coordinates": _centre(box), "crs": CRS84_URI, "tileMatrix": str(zoom)}
        made["tileMatrixSetLimits"] = [
            {
                "tileMatrix": str(zoom),
                "minTileRow": held.min_row,
                "maxTileRow": held.max_row,
                "minTileCol": held.min_column,
                "maxTileCol": held.max_column,
            }
            for zoom in range(low, high + 1)
            if (there := of.box(zoom))
            for held in (limits(tms, there, zoom),)
        ]
    made["layers"] = [_layer(item.collection, call, tms) for item in of.layers]
    return made


def _address(call: Call, collection: Collection) -> str:
    return f"{call.base_url}/collections/{quote(collection.id)}"


def _bounding_box(box: tuple[float, float, float, float]) -> dict[str, Any]:
    return {"lowerLeft": list(box[:2]), "upperRight": list(box[2:]), "crs": CRS84_URI}


def _centre(box: tuple[float, float, float, float]) -> list[float]:
    return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]


def _centre_zoom(of: Tiled) -> int:
    low, high = of.zoom
    return max(low, min(high, _CENTRE_ZOOM))


def _fields(collection: Collection) -> tuple[str, ...]:
    """Return the attributes that tiles of some zoom carry, beside `id`."""
    assert collection.tiles
    low, high = collection.tiles.zoom
    carried = [fields_at(collection.tiles, zoom) for zoom in range(low, high + 1)]
    return tuple(field.name for field in collection.fields if any(names is None or field.name in names for names in carried))


def _level(level: TileLevel, tms: str) -> dict[str, Any]:
    """Return the counts of a zoom; a tile of WorldCRS84Quad is half as wide as one of WebMercatorQuad, and its pixels too."""
    pixels = level.pixels * MATRIX_SETS[tms].columns
    return {"tileMatrix": str(level.zoom), **level.model_dump(mode="json", exclude={"zoom", "pixels"}), "pixels": pixels}


def _merges(collection: Collection) -> bool:
    return any(level.merged for level in collection.facts.tiles or ())


def _layer(collection: Collection, call: Call, tms: str) -> dict[str, Any]:
    assert collection.tiles and collection.geometry
    low, high = collection.tiles.zoom
    schema = schemas.schema(collection, call.base_url, call.language)
    ident = {"title": "Kennung" if call.language == "de" else "Id", "type": collection.id_type, "x-ogc-role": "id"}
    attributes = {name: schema["properties"][name] for name in _fields(collection)}
    if _merges(collection):
        counted = "Anzahl der Objekte, für die dieses steht" if call.language == "de" else "Number of features that this one stands for"
        attributes["sg_count"] = {"title": counted, "type": "integer", "minimum": 2}
    made: dict[str, Any] = {
        "id": collection.id,
        "title": collection.title.get(call.language),
        "description": collection.description.get(call.language),
        "dataType": "vector",
        "minTileMatrix": str(low),
        "maxTileMatrix": str(high),
        # The attribute `id` is in each tile, unless a field has its name.
        "propertiesSchema": {"type": "object", "properties": {**({} if "id" in attributes else {"id": ident}), **attributes}},
        "links": [_link(f"{_OGC}/geodata", MEDIA["json"], collection.title.get(call.language), _address(call, collection))],
    }
    if collection.geometry.type in _DIMENSION:
        made["geometryDimension"] = _DIMENSION[collection.geometry.type]
    if collection.attribution:
        made["attribution"] = collection.attribution
    if collection.licence_url:
        made["license"] = collection.licence_url
    if collection.facts.tiles:
        # What generalising did to the tiles of these zooms; the others have full detail.
        made["stadtgrund"] = {"generalised": [_level(level, tms) for level in collection.facts.tiles]}
    if collection.facts.extent.crs84:
        made["boundingBox"] = _bounding_box(collection.facts.extent.crs84)
    return made


def tilejson(of: Tiled, call: Call) -> dict[str, Any]:
    """Return the TileJSON of a tileset in WebMercatorQuad, as MapLibre takes it."""
    low, high = of.zoom
    made: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": of.title,
        "description": of.description,
        # A version of its own has each collection, all of them together none.
        "version": f"{max(item.collection.facts.version for item in of.layers)}.0.0",
        "scheme": "xyz",
        "tiles": [_template(of, call, TILEJSON_SET, "z", "y", "x")],
        "minzoom": low,
        "maxzoom": high,
        "vector_layers": [_vector_layer(item.collection, call) for item in of.layers],
    }
    if of.whole:
        del made["version"]
    if of.attribution:
        made["attribution"] = escape(of.attribution, quote=False)  # maps show it as HTML
    if box := of.box():
        made["bounds"] = [max(box[0], -180), max(box[1], -SOUTHERNMOST), min(box[2], 180), min(box[3], SOUTHERNMOST)]
        made["center"] = [*_centre(box), _centre_zoom(of)]
    return made


def _vector_layer(collection: Collection, call: Call) -> dict[str, Any]:
    assert collection.tiles
    low, high = collection.tiles.zoom
    types = {field.name: _TILEJSON_TYPES.get(field.type, "String") for field in collection.fields}
    return {
        "id": collection.id,
        "description": collection.title.get(call.language),
        "minzoom": low,
        "maxzoom": high,
        "fields": {
            "id": "Number" if collection.id_type == "integer" else "String",
            **{name: types[name] for name in _fields(collection)},
            **({"sg_count": "Number"} if _merges(collection) else {}),
        },
    }
