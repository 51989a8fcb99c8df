"""How collections are drawn: a MapLibre style each, and a QGIS project of all that the profile sees."""

from __future__ import annotations

__all__ = ["QGIS_PROJECT", "QML", "STYLE", "Styling"]

import asyncio
from html import escape
from typing import Any

from server.answer import Answer
from server.call import Call
from server.city import City
from server.documents import Documents
from server.negotiation import MEDIA
from server.params import MAX_LIMIT
from server.qgis_project import aliases, project
from server.tile_grid import TILEJSON_SET
from server.viewer_file import ViewerFile
from stadtgrund.catalog import styles
from stadtgrund.errors import NotFound

STYLE = "application/vnd.mapbox.style+json"
QML = "application/x-qgis-layer-settings"
QGIS_PROJECT = "application/zip"
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"


class Styling:
    """The handlers of styles and of the project."""

    def __init__(self, city: City, documents: Documents, viewer: ViewerFile) -> None:
        self.city, self.documents, self.viewer = city, documents, viewer

    def links(self, call: Call) -> list[dict[str, str]]:
        """Return what the landing page links."""
        title = "Darstellungen" if call.language == "de" else "Styles"
        return [{"rel": f"{_OGC}/styles", "type": MEDIA["json"], "title": title, "href": f"{call.base_url}/styles"}]

    async def styles(self, call: Call) -> Answer:
        """`/styles`: the styles of all that the profile sees and that can be drawn."""

        async def make() -> Any:
            url = f"{call.base_url}/styles"
            german = call.language == "de"
            words = ("Dieses Dokument als JSON", "Diese Seite als HTML") if german else ("This document as JSON", "This page as HTML")
            links = [
                {"rel": "self", "type": MEDIA["json"], "title": words[0], "href": f"{url}?f=json"},
                {"rel": "alternate", "type": MEDIA["html"], "title": words[1], "href": f"{url}?f=html"},
            ]
            listed = [
                {
                    "id": item.collection.id,
                    "title": item.collection.title.get(call.language),
                    "links": [
                        {"rel": "stylesheet", "type": STYLE, "title": "MapLibre", "href": f"{url}/{item.collection.id}?f=mbs"},
                        {"rel": "stylesheet", "type": QML, "title": "QGIS", "href": f"{url}/{item.collection.id}?f=qml"},
                    ],
                }
                for item in call.snapshot.published.values()
                if item.collection.geometry and not item.collection.raster
            ]
            return {"styles": listed, "links": links}

        return await self.documents.answer(call, "styles", "styles/index.html", make, digest=call.snapshot.digest)

    async def style(self, call: Call) -> Answer:
        """`/styles/{dataset}`: a style that MapLibre and QGIS take, with the collection's tiles or features as its source."""
        published = call.collection()
        collection = published.collection
        call.only("f", "lang")
        media_type = {"mbs": STYLE, "json": MEDIA["json"], "qml": QML}[call.format(("mbs", STYLE), ("json", MEDIA["json"]), ("qml", QML))]
        if collection.geometry is None or collection.raster:
            raise NotFound(f"Collection {collection.id!r} has no geometry and so no style.")
        tag = call.tag(published.digest, media_type)
        if unchanged := call.unchanged(tag):
            return unchanged
        url = f"{call.base_url}/collections/{collection.id}"
        drawn = collection.style or styles.plain(collection.title, collection.geometry.type)
        if media_type == QML:
            text = styles.qml(drawn, collection.geometry.type, aliases(collection))
            named = ("content-disposition", f'attachment; filename="{collection.id}.qml"')
            return Answer(200, text.encode(), QML, (("etag", tag), named))
        layers = styles.maplibre_layers(drawn, collection.id, collection.geometry.type, collection.id)
        source: dict[str, Any] = {"type": "vector", "url": f"{url}/tiles/{TILEJSON_SET}/metadata?f=tilejson"}
        if collection.tiles:
            # Beside the address of the TileJSON what it says, for clients that would rather not ask for it.
            low, high = collection.tiles.zoom
            source |= {"tiles": [f"{url}/tiles/{TILEJSON_SET}/{{z}}/{{y}}/{{x}}"], "minzoom": low, "maxzoom": high}
            if collection.facts.extent.crs84:
                source["bounds"] = list(collection.facts.extent.crs84)
        else:
            source = {"type": "geojson", "data": f"{url}/items?limit={MAX_LIMIT}"}
            layers = [{key: value for key, value in layer.items() if key != "source-layer"} for layer in layers]
        if collection.attribution:
            source["attribution"] = escape(collection.attribution, quote=False)  # maps show it as HTML
        document = {"version": 8, "name": collection.title.get(call.language), "sources": {collection.id: source}, "layers": layers}
        return Answer.of_json(document, media_type, (("etag", tag),))

    async def project(self, call: Call) -> Answer:
        """`/qgis.qgz`: a QGIS project of the profile's collections; no key is written into it."""
        call.only()
        call.format(("qgz", QGIS_PROJECT), ("any", "application/octet-stream"))
        tag = call.tag(call.snapshot.digest, QGIS_PROJECT)
        if unchanged := call.unchanged(tag):
            return unchanged
        snapshot, key = call.snapshot, ("qgis.qgz", call.language)
        kept = snapshot.documents.get(key)
        if kept is None:
            collections = [item.collection for item in snapshot.published.values()]
            title = self.city.title.get(call.language)
            srid = int(self.city.crs.removeprefix("EPSG:"))
            packed = await asyncio.to_thread(
                project, title, collections, call.base_url, srid=srid, order=self.viewer.order, shown=self.viewer.shown
            )
            kept = Answer(200, packed, QGIS_PROJECT, (("content-disposition", 'attachment; filename="stadtgrund.qgz"'),))
            snapshot.documents.put(key, kept)
        return kept.with_headers(("etag", tag))
