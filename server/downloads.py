"""Whole collections as files, and excerpts of them.

`/collections/{dataset}/files/{name}`: the whole collection, written once a version and CRS, at the latest when it is first asked for.
`/collections/{dataset}/download`: what fulfils the conditions of the query, in one snapshot; without any it leads to the file.
"""

from __future__ import annotations

__all__ = ["Downloads"]

import asyncio
import base64
import json
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from etl.deliver.order import Excerpt, Order
from server import params
from server.answer import Answer
from server.call import Call
from server.exporting import Exports, Outdated
from server.files import Stored
from server.host import Published
from server.renewing import Renewing
from stadtgrund.catalog.file_formats import FORMATS, FileFormat, FileName, crs_of, default_srid, offered, srids
from stadtgrund.catalog.notice import NOTICE_SUFFIX, as_text, notice
from stadtgrund.crs import CRS84, Crs
from stadtgrund.errors import Busy, InvalidParameter, NotFound
from stadtgrund.query.where import conditions
from stadtgrund.settings import Settings
from stadtgrund.store.shelf import EXCERPT_S, Shelf, Shelved, Target

MAX_EXCERPT = 1 << 30
"""Bytes; the whole file has no limit but the disk's."""
_CHECKSUM = ".sha256"
_TEXT = "text/plain; charset=utf-8"
_TRIES = 3
_RETRY_S = 2
_SHAPES = ("f", "crs", "properties", "skipGeometry")
_NOT_HERE = ("lang", "limit", "offset", "cursor", "sortby")
_CONDITIONS = tuple(name for name in params.PAGE_PARAMETERS if name not in (*_SHAPES, *_NOT_HERE))
"""Of a page's parameters those that choose features."""

Link = dict[str, Any]


class Downloads:
    """The handlers of files that are made of rows."""

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        self.shelf = shelf
        self.exports = Exports(settings, shelf)
        self.renewing = Renewing(shelf, self.exports)
        self._sweep_at = 0.0
        self._sweeping: asyncio.TimerHandle | None = None
        self._links: WeakKeyDictionary[Published, dict[str, tuple[int, list[Link]]]] = WeakKeyDictionary()

    async def file(self, call: Call) -> Answer:
        """`/collections/{dataset}/files/{name}` of a collection that has rows."""
        call.only()
        await _confirm(call)
        collection, name = call.collection().collection, call.places["name"]
        if name == collection.id + NOTICE_SUFFIX:
            return _text(call, as_text(notice(collection)), name)
        asked = FileName.parse(collection, name.removesuffix(_CHECKSUM))
        if asked is None:
            known = [FileName(each, default_srid(collection, each)).text(collection) for each in offered(collection)]
            raise NotFound(f"Collection {collection.id!r} has no file {name!r}.", remedy=f"Known: {', '.join(known)}.")
        for _ in range(_TRIES):
            published = call.collection()
            target = Target.of(published.collection, asked.format, asked.srid)
            order = Order(dataset=collection.id, format=asked.format.name, srid=asked.srid)
            found = self.shelf.find(target)
            if found is None and call.head:
                return Answer(200, None, _TEXT if name.endswith(_CHECKSUM) else target.media_type)  # nothing is written for it
            found = found or await self.exports.obtain(call.profile.name, target, order)
            if found and name.endswith(_CHECKSUM):
                return _text(call, f"{found.sha256}  {found.name}\n", name)
            if found:
                return self._found(call, published, found, _crs_of_file(published, asked.format, asked.srid) if asked.srid else None)
            if self.exports.going_on(target):
                return _later(call)
            call.snapshot = await call.profile.refresh()
        raise Busy(f"Collection {collection.id!r} is being published.", remedy="Try again in a few seconds.")

    async def excerpt(self, call: Call) -> Answer:
        """`/collections/{dataset}/download`."""
        await _confirm(call)
        for _ in range(_TRIES):
            published = call.with_items()
            relation, collection = published.relation, published.collection
            call.only(*_SHAPES, *_CONDITIONS, *params.queryable_names(relation))
            format_ = FORMATS[call.format(*((each.name, each.media_type) for each in offered(collection)))]
            crs = _crs(call, published, format_)
            srid = crs.srid if crs else None
            asked = {key: value for key, value in sorted(call.query.items()) if key not in ("f", "crs")}
            northing_first = format_.geographic and crs is not None and crs.srid == CRS84.srid and crs.northing_first
            if crs and northing_first:
                asked["crs"] = crs.uri  # the whole file with this SRID is in CRS84
            query = params.feature_query({key: value for key, value in call.query.items() if key != "f"}, published, 1)
            if query.skip_geometry and not format_.tables:
                raise InvalidParameter("skipGeometry", "true", f"false: a {format_.title} consists of geometries")
            if not asked:
                name = FileName(format_, srid).text(collection)
                location = f"{call.base_url}/collections/{collection.id}/files/{quote(name)}"
                return Answer(303, b"", _TEXT, (("location", location),))
            where = conditions(relation, query.bbox, query.datetime, query.filter, query.search)
            said = json.dumps(asked, ensure_ascii=False)
            target = Target.of(collection, format_, srid, said)
            if call.head and not self.shelf.find(target):
                return Answer(200, None, target.media_type, _content_crs(crs))
            wanted = Excerpt(
                asked=said,
                where=where.sql,
                params=where.params,
                digest=published.digest,
                properties=query.properties,
                skip_geometry=query.skip_geometry,
                northing_first=northing_first,
                max_bytes=MAX_EXCERPT,
            )
            order = Order(dataset=collection.id, format=format_.name, srid=srid, excerpt=wanted)
            try:
                found = await self.exports.obtain(call.profile.name, target, order)
            except Outdated:
                found = None
            if found:
                self._sweep_later()
                return self._found(call, published, found, crs)
            if self.exports.going_on(target):
                return _later(call)
            call.snapshot = await call.profile.refresh()
        raise Busy(f"Collection {call.places['dataset']!r} is being published.", remedy="Try again in a few seconds.")

    def _found(self, call: Call, published: Published, found: Shelved, crs: Crs | None) -> Answer:
        if not call.head:
            self.shelf.touch(found)
        tag = f'"{found.sha256[:24]}"'
        if unchanged := call.unchanged(tag):
            return unchanged
        collection = published.collection
        url = f"{call.base_url}/collections/{collection.id}"
        links = [f'<{url}/files/{collection.id}{NOTICE_SUFFIX}>; rel="describedby"; type="text/plain"', f'<{url}>; rel="collection"']
        if collection.licence_url:
            links.append(f'<{collection.licence_url}>; rel="license"')
        headers = (
            ("etag", tag),
            ("content-disposition", f'attachment; filename="{found.name}"'),
            # RFC 9530: of the whole file, also where a range of it is sent.
            ("repr-digest", f"sha-256=:{base64.b64encode(bytes.fromhex(found.sha256)).decode()}:"),
            ("link", ", ".join(links)),
            *_content_crs(crs),
        )
        return Stored(200, None, found.media_type, headers, found.path)

    def links(self, call: Call, published: Published) -> list[Link]:
        """Return the links of a collection to its files, with size and checksum of those that are written."""
        collection = published.collection
        changed = self.shelf.changed(collection.id)
        known = self._links.setdefault(published, {})
        if (kept := known.get(call.language)) and kept[0] == changed:
            return kept[1]
        german = call.language == "de"
        url = f"{call.base_url}/collections/{collection.id}/files/"
        made: list[Link] = []
        for format_ in offered(collection):
            for srid in _linked(published, format_):
                target = Target.of(collection, format_, srid)
                found = self.shelf.find(target)
                # Named so, as a file's coordinates are east, north whatever the authority says of EPSG:4326.
                crs = f" ({'CRS84' if srid == CRS84.srid else f'EPSG:{srid}'})" if srid else ""
                link = {
                    "rel": "enclosure",
                    "type": format_.media_type.partition(";")[0],
                    "title": f"{'Herunterladen' if german else 'Download'}: {format_.title_for(collection)}{crs}",
                    "href": url + quote(target.name),
                }
                made.append(link | ({"length": found.bytes, "sha256": found.sha256} if found else {}))
        if made:
            title = "Lizenz und Quellenvermerk zu den Dateien" if german else "Licence and attribution of the files (in German)"
            made.append({"rel": "describedby", "type": "text/plain", "title": title, "href": f"{url}{collection.id}{NOTICE_SUFFIX}"})
        known[call.language] = (changed, made)
        return made

    def _sweep_later(self) -> None:
        """Sweep when the excerpt asked for last has had its time, and on the way there; one timer for all of them."""
        loop = asyncio.get_running_loop()
        self._sweep_at = loop.time() + EXCERPT_S + 1
        if self._sweeping is None:
            self._sweeping = loop.call_at(self._sweep_at, self._sweep_again)

    def _sweep_again(self) -> None:
        self._sweep()
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_at(self._sweep_at, self._sweep_again) if self._sweep_at > loop.time() else None

    def _sweep(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, self.shelf.sweep)

    def startup(self) -> None:
        """Remove what a server that was killed left behind."""
        self._sweep()

    async def close(self) -> None:
        """End what is being written."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self.renewing.close()
        await self.exports.close()


async def _confirm(call: Call) -> None:
    """See to it that the database has confirmed the snapshot lately: what lies on the shelf is sent without asking it."""
    if call.profile.recent is None:
        call.snapshot = await call.profile.refresh()


def _linked(published: Published, format_: FileFormat) -> tuple[int | None, ...]:
    """Return the SRIDs whose files are linked: the default one, and degrees."""
    collection = published.collection
    if collection.geometry is None:
        return (None,)
    known = srids(collection, format_)
    return tuple(srid for srid in known if srid == known[0] or (srid == CRS84.srid and not format_.geographic))


def _crs(call: Call, published: Published, format_: FileFormat) -> Crs | None:
    """Return the CRS of the parameter `crs`, else the format's own; None without geometry."""
    collection = published.collection
    crs, _, _ = params.item_options(call.query, published.relation)
    default = default_srid(collection, format_)
    if "crs" not in call.query or default is None:
        return None if default is None else _crs_of_file(published, format_, default)
    if crs.srid not in srids(collection, format_):
        raise InvalidParameter("crs", call.query["crs"], f"{CRS84.uri}: {format_.title} knows no other (RFC 7946, section 4)")
    return CRS84 if format_.only_geographic and crs.northing_first else crs


def _crs_of_file(published: Published, format_: FileFormat, srid: int) -> Crs:
    """Return the CRS of a file with this SRID; CRS84 is CRS84h where there are heights, as in pages."""
    crs = crs_of(format_, srid)
    return params.known_crs(published.relation)[0] if crs == CRS84 else crs


def _content_crs(crs: Crs | None) -> tuple[tuple[str, str], ...]:
    return (("content-crs", f"<{crs.uri}>"),) if crs else ()


def _text(call: Call, text: str, name: str) -> Answer:
    tag = call.tag(text, _TEXT)
    return call.unchanged(tag) or Answer(200, text.encode(), _TEXT, (("etag", tag), ("content-disposition", f'inline; filename="{name}"')))


def _later(call: Call) -> Answer:
    """Return what leads to the same address again: the file is still being written (RFC 9110, 10.2.3)."""
    query = call.scope["query_string"].decode("latin-1")
    location = call.base_url + quote(call.path) + (f"?{query}" if query else "")
    german = call.language == "de"
    said = "Die Datei wird geschrieben. Dieselbe Adresse liefert sie." if german else "The file is being written. The same address has it."
    headers = (("location", location), ("retry-after", str(_RETRY_S)), ("cache-control", "no-store"))
    return Answer(307, said.encode(), _TEXT, headers)
