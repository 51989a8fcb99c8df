"""Landing page, conformance, collections, schemas: pygeoapi's documents, completed, and the pages made of them."""

from __future__ import annotations

__all__ = ["Documents", "own_links"]

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

import psycopg
from pygeoapi.api import landing_page

from server import conformance, schemas
from server.answer import Answer, as_json
from server.call import Call
from server.description import described
from server.dispatch import Dispatcher
from server.host import Published
from server.listing import Listing, listing, matches
from server.negotiation import MEDIA
from server.pages import HTML, Pages
from server.params import known_crs
from server.reading import execute
from server.texts import GERMAN
from server.usage import example, usage
from stadtgrund import identity
from stadtgrund.errors import NotFound, TransientError
from stadtgrund.query import items
from stadtgrund.query.feature_query import FeatureQuery

log = logging.getLogger(__name__)

_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_JSON_HTML = (("json", MEDIA["json"]), ("html", MEDIA["html"]))
_AT_ONCE = 50
"""Collections that are described on the event loop; more of them in a thread."""

PASSING = "passing"
"""Key of a document that was made while something was missing, and is not kept."""

Make = Callable[[], Awaitable[Any]]
"""Makes a document; what is bytes already is its JSON form."""


class Documents:
    """The handlers of all that is metadata. What was made once is kept in the snapshot that it was made of."""

    def __init__(self, dispatcher: Dispatcher, pages: Pages) -> None:
        self.dispatcher, self.pages = dispatcher, pages
        self.more_links: list[Callable[[Call], list[dict[str, str]]]] = []
        """What else the landing page links: each returns its links for a call."""
        self.enclosures: Callable[[Call, Published], list[dict[str, Any]]] = lambda _call, _published: []
        """The links of a collection to its files, which tell what lies ready at the moment."""

    async def answer(
        self,
        call: Call,
        name: str,
        template: str,
        make: Make,
        *,
        digest: str | None,
        json_type: str = "json",
        only_html: bool = False,
        more: Iterable[str] = (),
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
        more : iterable of str
            Query parameters that it takes beside `f` and `lang`; what is asked with one of them is not kept.
        """
        call.only("f", "lang", *more)
        page, document_ = ("html", MEDIA["html"]), ("json", MEDIA[json_type])
        form = call.format(*((page,) if only_html else (document_, page)))
        media_type = MEDIA["html"] if form == "html" else MEDIA[json_type]
        tag = call.tag(digest, media_type)
        if unchanged := call.unchanged(tag):
            return unchanged
        key = (name, form, call.language)
        special = not call.query.keys().isdisjoint(more)
        kept = None if special else call.snapshot.documents.get(key)
        if kept is None:
            document = await make()
            if form == "html":
                body = await asyncio.to_thread(self.pages.render, template, call.snapshot, call.language, document, call.query)
            else:
                body = document if isinstance(document, bytes) else as_json(document)
            kept = Answer(200, body, HTML if form == "html" else media_type, (("content-language", call.language),))
            if not special and not (isinstance(document, dict) and PASSING in document):
                call.snapshot.documents.put(key, kept)
        return kept.with_headers(("etag", tag))

    async def landing(self, call: Call) -> Answer:
        """`/`: JSON by pygeoapi; the page is the start page with its three doors."""

        async def make() -> Any:
            document = await self.dispatcher.document(landing_page, call.snapshot, "/", call.language)
            document["links"] = _landing_links(document["links"], call)
            document["links"] += [link for links in self.more_links for link in links(call)]
            # pygeoapi writes "<" as "&lt;".
            said = call.snapshot.api.config["metadata"]["identification"]
            document |= {name: said[name].get(call.language) or said[name]["de"] for name in ("title", "description")}
            if call.format(*_JSON_HTML) == "html":
                document["listing"] = self.listing(call)
            return document

        return await self.answer(call, "landing", "landing_page.html", make, digest=call.snapshot.digest)

    async def conformance(self, call: Call) -> Answer:
        """`/conformance`: our own list."""

        async def make() -> Any:
            links = own_links(f"{call.base_url}/conformance", call)
            return {"links": links, "conformsTo": list(conformance.CLASSES)}

        return await self.answer(call, "conformance", "conformance.html", make, digest=call.snapshot.digest)

    def listing(self, call: Call, words: str = "") -> Listing:
        """Return the list of collections for a page."""
        return listing((item.collection for item in call.snapshot.published.values()), call.language, words)

    async def collections(self, call: Call) -> Answer:
        """`/collections`: all, or those that `q` finds in their texts."""
        words = " ".join(call.query.get("q", "").split())

        def page() -> Any:
            return {"listing": self.listing(call, words), "links": own_links(f"{call.base_url}/collections", call, "q")}

        def document() -> bytes:
            every = call.snapshot.published.values()
            chosen = [item for item in every if matches(item.collection, words)] if words else every
            each = b",".join([described(item, call.base_url, call.language) for item in chosen])
            return b'{"collections":[%b],"links":%b}' % (each, as_json(own_links(f"{call.base_url}/collections", call, "q")))

        async def make() -> Any:
            ask = page if call.format(*_JSON_HTML) == "html" else document
            return await asyncio.to_thread(ask) if len(call.snapshot.published) > _AT_ONCE else ask()

        return await self.answer(call, "collections", "collections/index.html", make, digest=call.snapshot.digest, more=("q",))

    async def collection(self, call: Call) -> Answer:
        """`/collections/{dataset}`."""
        published = call.collection()
        dataset = published.collection.id

        # Of its own document only: thousands of collections would list ten thousands of files.
        files = self.enclosures(call, published)

        async def make() -> Any:
            told = described(published, call.base_url, call.language)
            if call.format(*_JSON_HTML) == "json" and not files:
                return told
            document = json.loads(told)
            document["links"] += files
            return document if call.format(*_JSON_HTML) == "json" else await self._page(call, published, document)

        name, digest = f"collection {dataset}", published.digest + hashlib.sha256(as_json(files)).hexdigest()
        return await self.answer(call, f"{name} {digest}", "collections/collection.html", make, digest=digest)

    async def _page(self, call: Call, published: Published, document: dict[str, Any]) -> dict[str, Any]:
        """Complete the description for its page: its CRSs, and how to use the collection, by the example of its first feature."""
        collection, feature = published.collection, None
        document["known"] = known_crs(published.relation) if "storageCrs" in document else ()
        if collection.items and collection.facts.count:
            query = FeatureQuery(relation=published.relation, limit=1, skip_geometry=True)
            try:
                async with call.profile.connection() as connection:
                    page = items.read_page(query, await execute(connection, items.page(query)))
                feature = next(iter(json.loads(b"[" + page.body + b"]")), None)
            except (psycopg.Error, TransientError, NotFound) as error:
                # The page says what it can; the next one is made anew.
                log.warning("%s: no example for its page: %s", collection.id, error)
                document[PASSING] = True
        document["usage"] = usage(
            collection,
            call.base_url,
            call.language,
            example(collection, feature),
            key=call.snapshot.profile != identity.OPEN,
            files={link["title"]: link["href"] for link in document["links"] if link["rel"] == "enclosure"} if collection.raster else {},
        )
        return document

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


def own_links(url: str, call: Call, *parameters: str) -> list[dict[str, str]]:
    """Return a document's links to its two forms, with these parameters as they were asked for."""
    german = call.language == "de"
    asked = "".join(f"&{name}={quote(call.query[name])}" for name in parameters if name in call.query)
    return [
        _link("self", MEDIA["json"], "Dieses Dokument als JSON" if german else "This document as JSON", f"{url}?f=json{asked}"),
        _link("alternate", MEDIA["html"], "Diese Seite als HTML" if german else "This page as HTML", f"{url}?f=html{asked}"),
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
    # A path without a slash at its end is another one; processes have a link of their own.
    kept = [link for link in kept if link["rel"] != f"{_OGC}/processes"]
    for link in kept:
        link["href"] = link["href"].replace(f"{base}?", f"{base}/?", 1)
        if german:
            link["title"] = GERMAN.get(link["title"], link["title"])
    kept.append(
        _link(f"{_OGC}/tiling-schemes", MEDIA["json"], "Kachelschemata" if german else "Tile matrix sets", f"{base}/tileMatrixSets")
    )
    # Processes has a relation of its own for what Features calls rel=conformance.
    kept += [{**link, "rel": f"{_OGC}/conformance"} for link in kept if link["rel"] == "conformance"]
    kept.append(_link(f"{_OGC}/data", MEDIA["json"], "Sammlungen" if german else "Collections", f"{base}/collections"))
    return kept
