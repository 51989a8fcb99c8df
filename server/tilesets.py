"""The addresses of what describes tiles: tile matrix sets, lists of tilesets, their metadata, TileJSON."""

from __future__ import annotations

__all__ = ["Tilesets"]

from typing import Any
from urllib.parse import quote

from server.answer import Answer
from server.call import Call
from server.documents import Documents
from server.negotiation import MEDIA
from server.tile_dataset import chosen, tiled
from server.tile_grid import TILEJSON_SET
from server.tile_metadata import Tiled, brief, definition, matrix_set_entry, tilejson, tileset
from stadtgrund.errors import NotFound
from stadtgrund.query.tiles import MATRIX_SETS

_OGC = "http://www.opengis.net/def/rel/ogc/1.0"


class Tilesets:
    """The handlers of what describes tiles, of a collection and of all of them."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def links(self, call: Call) -> list[dict[str, str]]:
        """Return the landing page's link to the tiles of the dataset; none when no collection has tiles."""
        if not tiled(call.snapshot):
            return []
        title = "Vektorkacheln aller Sammlungen" if call.language == "de" else "Vector tiles of all collections"
        url = f"{call.base_url}/tiles"
        return [
            {"rel": f"{_OGC}/tilesets-vector", "type": MEDIA["json"], "title": f"{title} (JSON)", "href": f"{url}?f=json"},
            {"rel": f"{_OGC}/tilesets-vector", "type": MEDIA["html"], "title": f"{title} (HTML)", "href": f"{url}?f=html"},
        ]

    async def matrix_sets(self, call: Call) -> Answer:
        """`/tileMatrixSets`."""

        async def make() -> Any:
            return {"tileMatrixSets": [matrix_set_entry(name, call) for name in MATRIX_SETS]}

        return await self.documents.answer(call, "tileMatrixSets", "tilematrixsets/index.html", make, digest=None)

    async def matrix_set(self, call: Call) -> Answer:
        """`/tileMatrixSets/{tms}`."""
        name = call.places["tms"]
        if name not in MATRIX_SETS:
            raise NotFound(f"There is no tile matrix set {name!r}.", remedy=f"Known: {', '.join(MATRIX_SETS)}.")

        async def make() -> Any:
            return definition(name)

        return await self.documents.answer(call, f"tileMatrixSet {name}", "tilematrixsets/tilematrixset.html", make, digest=None)

    async def of_collection(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles`: the list of tilesets."""
        return await self._list(call, _of_collection(call))

    async def of_dataset(self, call: Call) -> Answer:
        """`/tiles`: the list of tilesets with all collections."""
        return await self._list(call, _of_dataset(call))

    async def _list(self, call: Call, of: Tiled) -> Answer:
        async def make() -> Any:
            url = f"{call.base_url}{of.path}/tiles"
            links = [
                {"rel": "self", "type": MEDIA["json"], "title": "JSON", "href": f"{url}?f=json"},
                {"rel": "alternate", "type": MEDIA["html"], "title": "HTML", "href": f"{url}?f=html"},
            ]
            return {"links": links, "tilesets": [brief(of, call, name) for name in MATRIX_SETS], **_for_page(call, of)}

        return await self.documents.answer(call, f"tilesets {of.path}", "collections/tiles/index.html", make, digest=_digest(call, of))

    async def tileset(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles/{tms}`: metadata of the tileset, or its TileJSON by `f=tilejson`."""
        return await self._tileset(call, _of_collection(call), ())

    async def dataset_tileset(self, call: Call) -> Answer:
        """`/tiles/{tms}`: metadata of the tileset with all collections, or with those that `collections` names."""
        return await self._tileset(call, _of_dataset(call), ("collections",))

    async def _tileset(self, call: Call, of: Tiled, more: tuple[str, ...]) -> Answer:
        tms = _matrix_set(call)
        if call.query.get("f") == "tilejson" and tms == TILEJSON_SET:
            return _tilejson(call, of, more)

        async def make() -> Any:
            return {**tileset(of, call, tms), **_for_page(call, of)}

        name = f"tileset {of.path} {tms}"
        return await self.documents.answer(call, name, "collections/tiles/metadata.html", make, digest=_digest(call, of), more=more)

    async def metadata(self, call: Call) -> Answer:
        """`/collections/{dataset}/tiles/{tms}/metadata`: TileJSON, as MapLibre takes it."""
        return _metadata(call, _of_collection(call), ())

    async def dataset_metadata(self, call: Call) -> Answer:
        """`/tiles/{tms}/metadata`: TileJSON with a layer a collection."""
        return _metadata(call, _of_dataset(call), ("collections",))


def _of_collection(call: Call) -> Tiled:
    published = call.collection()
    collection = published.collection
    if collection.tiles is None or collection.geometry is None:
        raise NotFound(f"Collection {collection.id!r} has no tiles.")
    language = call.language
    return Tiled(f"/collections/{collection.id}", collection.title.get(language), collection.description.get(language), (published,))


def _of_dataset(call: Call) -> Tiled:
    layers = chosen(call.snapshot, call.query)
    said = call.snapshot.api.config["metadata"]["identification"]
    title, description = (said[name].get(call.language) or said[name]["de"] for name in ("title", "description"))
    query = "?collections=" + ",".join(quote(item.collection.id) for item in layers) if "collections" in call.query else ""
    return Tiled("", title, description, layers, query, whole=True)


def _digest(call: Call, of: Tiled) -> str | None:
    return call.snapshot.digest if of.whole else of.layers[0].digest


def _for_page(call: Call, of: Tiled) -> dict[str, Any]:
    """Return what a page says beside the document."""
    wants_page = call.format(("json", MEDIA["json"]), ("html", MEDIA["html"])) == "html"
    return {"of": {"title": of.title, "path": of.path, "query": of.query}} if wants_page else {}


def _matrix_set(call: Call) -> str:
    tms = call.places["tms"]
    if tms not in MATRIX_SETS:
        raise NotFound(f"There is no tileset {tms!r}.", remedy=f"Known: {', '.join(MATRIX_SETS)}.")
    return tms


def _metadata(call: Call, of: Tiled, more: tuple[str, ...]) -> Answer:
    tms = _matrix_set(call)
    if tms != TILEJSON_SET:
        raise NotFound(f"There is no TileJSON of {tms}.", remedy=f"TileJSON knows {TILEJSON_SET} only.")
    return _tilejson(call, of, more)


def _tilejson(call: Call, of: Tiled, more: tuple[str, ...]) -> Answer:
    call.only("f", "lang", *more)
    media_type = MEDIA[call.format(("tilejson", MEDIA["tilejson"]), ("json", MEDIA["json"]))]
    tag = call.tag(_digest(call, of), media_type)
    return call.unchanged(tag) or Answer.of_json(tilejson(of, call), media_type, (("etag", tag),))
