"""Landing page, conformance, collections, schemas: pygeoapi's documents, completed, and the pages made of them."""

from __future__ import annotations

__all__ = ["Documents"]

from collections.abc import Awaitable, Callable
from datetime import datetime
from math import ceil, floor
from typing import Any
from urllib.parse import quote

from pygeoapi.api import describe_collections, landing_page

from server import conformance, schemas
from server.answer import Answer, rfc3339
from server.call import Call
from server.dispatch import Dispatcher
from server.host import Published
from server.negotiation import MEDIA
from server.pages import Pages
from server.texts import GERMAN

MOST_DOCUMENTS = 2000
"""Kept per profile: of a few kilobytes each."""
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_JSON_HTML = (("json", MEDIA["json"]), ("html", MEDIA["html"]))

Make = Callable[[], Awaitable[Any]]


class Documents:
    """The handlers of all that is metadata. What was made once is kept in the snapshot that it was made of."""

    def __init__(self, dispatcher: Dispatcher, pages: Pages) -> None:
        self.dispatcher, self.pages = dispatcher, pages
        self.more_links: list[Callable[[Call], list[dict[str, str]]]] = []
        """What else the landing page links: each returns its links for a call."""

    async def answer(
        self, call: Call, name: str, template: str, make: Make, *, digest: str | None, json_type: str = "json", only_html: bool = False
    ) -> Answer:
        """Return the document that `make` makes, as JSON or as the page of `template`; kept until the snapshot changes.

        Parameters
        ----------
        name : str
            Of the document, with the collection's id where it is about one.
        digest : str
            Of the state that it depends on.
        json_type : str
            Key of `MEDIA` for its JSON form.
        only_html : bool
            Whether it is a page and nothing else.
        """
        call.only("f", "lang")
        page, document_ = ("html", MEDIA["html"]), ("json", MEDIA[json_type])
        form = call.format(*((page,) if only_html else (document_, page)))
        media_type = MEDIA["html"] if form == "html" else MEDIA[json_type]
        tag = call.tag(digest, media_type)
        if unchanged := call.unchanged(tag):
            return unchanged
        key = (name, form, call.language)
        kept = call.snapshot.documents.get(key)
        if kept is None:
            document = await make()
            if form == "html":
                body = self.pages.render(template, call.snapshot, call.language, document)
                kept = Answer(200, body, "text/html; charset=utf-8", (("content-language", call.language),))
            else:
                kept = Answer.of_json(document, media_type, (("content-language", call.language),))
            if len(call.snapshot.documents) >= MOST_DOCUMENTS:
                call.snapshot.documents.clear()
            call.snapshot.documents[key] = kept
        return kept.with_headers(("etag", tag))

    async def landing(self, call: Call) -> Answer:
        """`/`: JSON by pygeoapi; the page is the start page with its three doors."""

        async def make() -> Any:
            document = await self.dispatcher.document(landing_page, call.snapshot, "/", call.language)
            document["links"] = _landing_links(document["links"], call)
            document["links"] += [link for links in self.more_links for link in links(call)]
            if call.format(*_JSON_HTML) == "html":
                document["collections"] = (await self.collections_document(call))["collections"]
            return document

        return await self.answer(call, "landing", "landing_page.html", make, digest=call.snapshot.digest)

    async def conformance(self, call: Call) -> Answer:
        """`/conformance`: our own list."""

        async def make() -> Any:
            links = _own_links(f"{call.base_url}/conformance", call.language)
            return {"links": links, "conformsTo": list(conformance.CLASSES)}

        return await self.answer(call, "conformance", "conformance.html", make, digest=call.snapshot.digest)

    async def collections_document(self, call: Call) -> Any:
        """Return what `/collections` says."""
        document = await self.dispatcher.document(describe_collections, call.snapshot, "/collections", call.language)
        for collection in document["collections"]:
            _complete(collection, call.snapshot.published[collection["id"]], call)
        document["links"] = _own_links(f"{call.base_url}/collections", call.language)
        return document

    async def collections(self, call: Call) -> Answer:
        """`/collections`."""
        return await self.answer(
            call, "collections", "collections/index.html", lambda: self.collections_document(call), digest=call.snapshot.digest
        )

    async def collection(self, call: Call) -> Answer:
        """`/collections/{dataset}`."""
        published = call.collection()
        dataset = published.collection.id

        async def make() -> Any:
            path = f"/collections/{dataset}"
            return _complete(
                await self.dispatcher.document(describe_collections, call.snapshot, path, call.language, dataset), published, call
            )

        return await self.answer(call, f"collection {dataset}", "collections/collection.html", make, digest=published.digest)

    async def schema(self, call: Call) -> Answer:
        """`/collections/{dataset}/schema`: what a feature has."""
        return await self._schema(call, "schema", lambda p: schemas.schema(p.collection, call.base_url, call.language))

    async def queryables(self, call: Call) -> Answer:
        """`/collections/{dataset}/queryables`: what can be asked by."""
        return await self._schema(call, "queryables", lambda p: schemas.queryables(p.collection, call.base_url, call.language))

    async def sortables(self, call: Call) -> Answer:
        """`/collections/{dataset}/sortables`: what can be sorted by."""
        return await self._schema(call, "sortables", lambda p: schemas.sortables(p.collection, p.relation, call.base_url, call.language))

    async def _schema(self, call: Call, name: str, of: Callable[[Published], Any]) -> Answer:
        published = call.with_items()

        async def make() -> Any:
            return of(published)

        key = f"{name} {published.collection.id}"
        return await self.answer(call, key, f"collections/{name}.html", make, digest=published.digest, json_type="schema")


def _link(rel: str, media_type: str, title: str, href: str) -> dict[str, Any]:
    return {"rel": rel, "type": media_type, "title": title, "href": href}


def _own_links(url: str, language: str) -> list[dict[str, str]]:
    german = language == "de"
    return [
        _link("self", MEDIA["json"], "Dieses Dokument als JSON" if german else "This document as JSON", f"{url}?f=json"),
        _link("alternate", MEDIA["html"], "Diese Seite als HTML" if german else "This page as HTML", f"{url}?f=html"),
    ]


def _landing_links(links: list[dict[str, str]], call: Call) -> list[dict[str, str]]:
    """Return pygeoapi's links without JSON-LD, jobs and tiling schemes under their old path, with those of our tiles."""
    base = call.base_url
    german = call.language == "de"
    kept = [
        link
        for link in links
        if not link["href"].endswith("f=jsonld")
        and "TileMatrixSets" not in link["href"]
        and "/jobs" not in link["href"]
        and link["rel"] != "about"
    ]
    for link in _tidied(kept, call):
        if link["rel"] == f"{_OGC}/processes" and not any(
            item.get("type") == "process" for item in call.snapshot.api.config["resources"].values()
        ):
            link["rel"] = ""
    kept = [link for link in kept if link["rel"]]
    kept.append(
        _link(f"{_OGC}/tiling-schemes", MEDIA["json"], "Kachelschemata" if german else "Tile matrix sets", f"{base}/tileMatrixSets")
    )
    kept.append(_link(f"{_OGC}/data", MEDIA["json"], "Sammlungen" if german else "Collections", f"{base}/collections"))
    return kept


def _tidied(links: list[dict[str, str]], call: Call) -> list[dict[str, str]]:
    """Put a slash before the query of links to the landing page, and their titles into German, in place; return them."""
    for link in links:
        link["href"] = link["href"].replace(f"{call.base_url}?", f"{call.base_url}/?", 1)
        if call.language == "de":
            link["title"] = GERMAN.get(link["title"], link["title"])
    return links


def _instant(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _complete(document: dict[str, Any], published: Published, call: Call) -> dict[str, Any]:
    """Complete pygeoapi's description of a collection in place, and return it."""
    collection = published.collection
    german = call.language == "de"
    url = f"{call.base_url}/collections/{collection.id}"
    links = [link for link in document["links"] if not link["href"].endswith("f=jsonld") and not link["href"].startswith(f"{url}/items")]
    if not collection.items:
        links = [link for link in links if f"{url}/schema" not in link["href"] and f"{url}/queryables" not in link["href"]]
        for name in ("itemType", "crs", "storageCrs"):
            document.pop(name, None)
    else:
        # Without a query: GDAL appends "/<id>" to the link of this type.
        links.append(_link("items", MEDIA["geojson"], "Objekte als GeoJSON" if german else "Items as GeoJSON", f"{url}/items"))
        links.append(_link("items", MEDIA["html"], "Objekte als HTML" if german else "Items as HTML", f"{url}/items?f=html"))
        links.append(_link("items", MEDIA["csv"], "Objekte als CSV" if german else "Items as CSV", f"{url}/items?f=csv"))
        links.append(
            _link(f"{_OGC}/sortables", MEDIA["schema"], "Sortierbare Attribute" if german else "Sortables", f"{url}/sortables?f=json")
        )
        if published.relation.geometry is None:
            document.pop("storageCrs", None)
    for file in published.files:
        title = "Herunterladen: " if german else "Download: "
        links.append(_link("enclosure", file.media_type, title + file.name, f"{url}/files/{quote(file.name)}") | {"length": file.bytes})
    document["links"] = _tidied(links, call)
    extent = collection.facts.extent
    if extent.crs84:
        # Rounded outward: a client that asks for this box gets all features.
        low, high = (floor(x * 1e7) / 1e7 for x in extent.crs84[:2]), (ceil(x * 1e7) / 1e7 for x in extent.crs84[2:])
        document["extent"]["spatial"]["bbox"] = [[*low, *high]]
    if extent.begin or extent.end:
        document["extent"]["temporal"] = {
            "interval": [[_instant(extent.begin), _instant(extent.end)]],
            "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
        }
    if published.relation.geometry is None and not collection.raster:
        # A table lies nowhere; the box that pygeoapi's configuration wants is the city's.
        document["extent"].pop("spatial", None)
        if not document["extent"]:
            del document["extent"]
    if collection.attribution:
        document["attribution"] = collection.attribution
    if collection.facts.source_time:
        document["updated"] = _instant(collection.facts.source_time)
    document["stadtgrund"] = {
        "version": collection.facts.version,
        "published": _instant(collection.facts.published),
        "numberOfItems": collection.facts.count if collection.items else None,
        "raster": collection.raster,
        "access": collection.access.get(call.language),
        "identifiers": list(collection.identifiers),
        "owner": collection.owner.organisation if collection.owner else None,
        "rhythm": collection.rhythm,
        "operation": collection.facts.operation,
        "accuracy_m": collection.facts.accuracy_m,
        "join": collection.facts.join.model_dump(mode="json") if collection.facts.join else None,
    }
    return document
