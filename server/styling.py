"""How collections are drawn: a MapLibre style each, and a QGIS project of all that the profile sees."""

from __future__ import annotations

__all__ = ["QGIS_PROJECT", "STYLE", "Styling"]

import asyncio
from typing import Any

from server.answer import Answer
from server.call import Call
from server.city import City
from server.negotiation import MEDIA
from server.params import MAX_LIMIT
from server.qgis_project import project
from server.tilesets import TILEJSON_SET
from stadtgrund.catalog import styles
from stadtgrund.errors import NotFound

STYLE = "application/vnd.mapbox.style+json"
QGIS_PROJECT = "application/zip"


class Styling:
    """The handlers of styles and of the project."""

    def __init__(self, city: City) -> None:
        self.city = city

    async def style(self, call: Call) -> Answer:
        """`/styles/{dataset}`: a style that MapLibre and QGIS take, with the collection's tiles or features as its source."""
        published = call.collection()
        collection = published.collection
        call.only("f", "lang")
        media_type = {"mbs": STYLE, "json": MEDIA["json"]}[call.format(("mbs", STYLE), ("json", MEDIA["json"]))]
        if collection.geometry is None:
            raise NotFound(f"Collection {collection.id!r} has no geometry and so no style.")
        tag = call.tag(published.digest, media_type)
        if unchanged := call.unchanged(tag):
            return unchanged
        url = f"{call.base_url}/collections/{collection.id}"
        drawn = collection.style or styles.plain(collection.title, collection.geometry.type)
        layers = styles.maplibre_layers(drawn, collection.id, collection.geometry.type, collection.id)
        source: dict[str, Any] = {"type": "vector", "url": f"{url}/tiles/{TILEJSON_SET}/metadata?f=tilejson"}
        if collection.tiles is None:
            source = {"type": "geojson", "data": f"{url}/items?limit={MAX_LIMIT}"}
            layers = [{key: value for key, value in layer.items() if key != "source-layer"} for layer in layers]
        if collection.attribution:
            source["attribution"] = collection.attribution
        document = {"version": 8, "name": collection.title.get(call.language), "sources": {collection.id: source}, "layers": layers}
        return Answer.of_json(document, media_type, (("etag", tag),))

    async def project(self, call: Call) -> Answer:
        """`/qgis.qgz`: a QGIS project of the profile's collections; no key is written into it."""
        call.only()
        call.format(("qgz", QGIS_PROJECT), ("any", "application/octet-stream"))
        tag = call.tag(call.snapshot.digest, QGIS_PROJECT)
        if unchanged := call.unchanged(tag):
            return unchanged
        collections = [item.collection for item in call.snapshot.published.values()]
        title = self.city.title.get(call.language)
        srid = int(self.city.crs.removeprefix("EPSG:"))
        packed = await asyncio.to_thread(project, title, collections, call.base_url, srid=srid)
        return Answer(200, packed, QGIS_PROJECT, (("etag", tag), ("content-disposition", 'attachment; filename="stadtgrund.qgz"')))
