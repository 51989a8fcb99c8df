"""`/collections/{dataset}/items` and `/items/{fid}`: validated, asked in one statement, answered in PostGIS's bytes."""

from __future__ import annotations

__all__ = ["Items"]

import asyncio
from dataclasses import dataclass, replace

from server import links, params, tables
from server.answer import Answer, as_json, rfc3339
from server.asked import Asked, Lately
from server.call import Call
from server.coordinates import coordinates
from server.costs import Cost, cost_of
from server.counts import Counts
from server.host import Published
from server.negotiation import MEDIA
from server.pages import Pages
from server.reading import Connection, execute, read
from stadtgrund.errors import TooLarge
from stadtgrund.query import items
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.items import Item, Page

MAX_BYTES = 32 * 1024 * 1024
HTML_LIMIT = 100
"""Rows of a page for people, who asked for no other number."""
_FORMATS = (("json", MEDIA["geojson"]), ("geojson", MEDIA["geojson"]), ("html", MEDIA["html"]), ("csv", MEDIA["csv"]))
_TYPES = {
    "json": MEDIA["geojson"],
    "geojson": MEDIA["geojson"],
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
}


@dataclass(frozen=True)
class _Read:
    """A page, what was asked, and how many match where that was known before; `current` as in `Page`."""

    query: FeatureQuery
    page: Page
    known: int | None

    @property
    def current(self) -> bool:
        return self.page.current


class Items:
    """The handlers of features."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.counts = Counts()
        self.lately = Lately()

    async def page(self, call: Call) -> Answer:
        """`/collections/{dataset}/items`."""
        published = call.with_items()
        form = call.format(*_FORMATS)
        asked = self._asked(call, published, form)
        tag = call.tag(published.digest, MEDIA[form])
        if unchanged := call.unchanged(tag):
            return unchanged
        if call.head:
            return Answer(200, None, _TYPES[form], (("etag", tag), ("content-crs", f"<{asked.query.crs.uri}>")))

        first = published

        async def ask(connection: Connection, published: Published) -> _Read:
            now = asked if published is first else self._asked(call, published, form)
            known = self.counts.known(now.query)
            return _Read(now.query, items.read_page(now.query, await execute(connection, now.statement(known))), known)

        published, found = await read(call, ask, cost_of(asked.query))
        return await self._answer(call, published, form, found, await self._matched(call, found))

    def _asked(self, call: Call, published: Published, form: str) -> Asked:
        limit = HTML_LIMIT if form == "html" else params.DEFAULT_LIMIT
        text = call.scope["query_string"]
        return self.lately.get(published, text, limit, lambda: params.feature_query(call.query, published, limit))

    async def _matched(self, call: Call, found: _Read) -> int | None:
        """Return how many features match, None when that is not known soon."""
        if found.known is not None:
            return found.known
        query, page = found.query, found.page
        cursor, matched = query.cursor, page.matched
        if cursor is None and page.next is None and (page.returned or not query.offset):
            matched = query.offset + page.returned
        if matched is not None:
            self.counts.note(query, matched)
            return matched
        if cursor and cursor.version == page.version:
            # The page before could not say it: a walk does not ask anew with each page.
            return cursor.count
        return await self.counts.matched(call.profile, query)

    async def _answer(self, call: Call, published: Published, form: str, found: _Read, matched: int | None) -> Answer:
        query, page = found.query, found.page
        if len(page.body) > MAX_BYTES:
            raise TooLarge(
                f"The page has {len(page.body) // 2**20} MiB.",
                remedy=f"Allowed: {MAX_BYTES // 2**20} MiB. Ask for a smaller limit, fewer properties or skipGeometry=true.",
            )
        following = replace(page.next, count=matched).encode(query) if page.next else None
        headers: tuple[tuple[str, str], ...] = (
            ("etag", call.tag(published.digest, MEDIA[form])),
            ("content-crs", f"<{query.crs.uri}>"),
            ("content-language", call.language),
        )
        stamp = rfc3339(published.collection.facts.published)
        if form in ("json", "geojson"):
            written = links.written_page_links(call, published, form, following, query.limit)
            number = b'"numberMatched":%d,' % matched if matched is not None else b""
            head = b'{"type":"FeatureCollection",%b"numberReturned":%d,"links":%b,' % (number, page.returned, written.document)
            rest = as_json({"timeStamp": stamp, **_crs(query)})[1:-1]
            body = b"".join((head, rest, b',"features":[', page.body, b"]}"))
            return Answer(200, body, _TYPES[form], (*headers, ("link", written.header)) if written.header else headers)
        shown = links.page_links(call, published, form, following, query.limit)
        headers = (*headers, *links.header_of(shown))
        if form == "csv":
            body = await asyncio.to_thread(tables.csv_of, b"[" + page.body + b"]", query)
            name = f'attachment; filename="{published.collection.id}.csv"'
            return Answer(200, body, _TYPES[form], (*headers, ("content-disposition", name)))
        template = "collections/items/index.html"

        def rendered() -> bytes:
            document = {
                "type": "FeatureCollection",
                **({"numberMatched": matched} if matched is not None else {}),
                "numberReturned": page.returned,
                "links": shown,
                "timeStamp": stamp,
                **_crs(query),
                "features": tables.exact(b"[" + page.body + b"]"),
                "collection": published.collection,
                "limit": query.limit,
                "words": call.query.get("q", ""),
            }
            return self.pages.render(template, call.snapshot, call.language, document, call.query)

        return Answer(200, await asyncio.to_thread(rendered), _TYPES[form], headers)

    async def item(self, call: Call) -> Answer:
        """`/collections/{dataset}/items/{fid}`."""
        published = call.with_items()
        call.only(*params.ITEM_PARAMETERS)
        form = call.format(*_FORMATS)
        params.item_options(call.query, published.relation)
        tag = call.tag(published.digest, MEDIA[form])
        ident = call.places["fid"]

        async def ask(connection: Connection, published: Published) -> Item:
            crs, properties, skip_geometry = params.item_options(call.query, published.relation)
            statement = items.item(published.relation, ident, crs, properties, skip_geometry)
            return items.read_item(published.relation, ident, await execute(connection, statement))

        # A tag that matches was given for this item of this version, so it is there.
        if unchanged := call.unchanged(tag) if call.header("if-none-match") != "*" else None:
            return unchanged
        published, item = await read(call, ask, Cost.LIGHT)
        crs, properties, skip_geometry = params.item_options(call.query, published.relation)
        headers: tuple[tuple[str, str], ...] = (
            ("etag", call.tag(published.digest, MEDIA[form])),
            ("content-crs", f"<{crs.uri}>"),
            ("content-language", call.language),
        )
        stamp = rfc3339(published.collection.facts.published)
        if form in ("json", "geojson"):
            written = links.written_item_links(call, published, form, ident)
            body = b'%b,"links":%b,"timeStamp":"%b"}' % (item.body[:-1], written.document, stamp.encode())
            return Answer(200, body, _TYPES[form], (*headers, ("link", written.header)) if written.header else headers)
        found = links.item_links(call, published, form, ident)
        headers = (*headers, *links.header_of(found))
        if form == "csv":
            query = FeatureQuery(relation=published.relation, limit=1, properties=properties, crs=crs, skip_geometry=skip_geometry)
            return Answer(200, await asyncio.to_thread(tables.csv_of, b"[" + item.body + b"]", query), _TYPES[form], headers)

        def rendered() -> bytes:
            feature = tables.exact(item.body)
            place = None if skip_geometry else coordinates(feature["geometry"], crs)
            document = {**feature, "links": found, "timeStamp": stamp, "collection": published.collection, "place": place}
            return self.pages.render("collections/items/item.html", call.snapshot, call.language, document, call.query)

        return Answer(200, await asyncio.to_thread(rendered), _TYPES[form], headers)


def _crs(query: FeatureQuery) -> dict[str, object]:
    """Return the `crs` member for a projected CRS.

    RFC 7946 has none, but a file without it is read as degrees by all programs; with it, GDAL and QGIS put it in its place.
    """
    if query.crs.geographic:
        return {}
    return {"crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{query.crs.srid}"}}}
