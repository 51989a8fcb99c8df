"""The links of pages and items, in the document and in the `Link` header."""

from __future__ import annotations

__all__ = ["Link", "Written", "header_of", "item_links", "page_links", "written_item_links", "written_page_links"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from urllib.parse import quote, urlencode

from server.answer import as_json
from server.call import Call
from server.host import Published
from server.negotiation import MEDIA
from stadtgrund.catalog.collection import Collection

Link = dict[str, str]

_FORMATS = (("json", "geojson", "GeoJSON"), ("html", "html", "HTML"), ("csv", "csv", "CSV"))


_SAFE = ",:/@"
_HERE, _NEXT, _ITEM = (f"sg{token_hex(12)}" for _ in range(3))
"""Stand in prepared links for the cursor of the request, the cursor of the next page, the id. No text of a contract holds them."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of a call its links are made of."""

    base_url: str
    language: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """Links ready to be sent: the JSON array of the document, and the value of the `Link` header ("" = none)."""

    document: bytes
    header: str

    def __call__(self, **values: str) -> Written:
        """Return the links with values, percent-encoded, in their places: `here`, `next`, `item`."""
        document, header = self.document, self.header
        for name, value in values.items():
            place = _PLACES[name]
            document, header = document.replace(place.encode(), value.encode()), header.replace(place, value)
        return Written(document, header)


_PLACES = {"here": _HERE, "next": _NEXT, "item": _ITEM}


def _link(rel: str, media_type: str, title: str, href: str) -> Link:
    return {"rel": rel, "type": media_type, "title": title, "href": href}


def _url(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe=_SAFE)}" if query else url


def _forms(call: Call | _Asked, url: str, form: str) -> Iterable[Link]:
    rest = {name: value for name, value in call.query.items() if name != "f"}
    for name, media, title in _FORMATS:
        mine = name == form or (name == "json" and form == "geojson")
        said = {"f": call.query["f"]} if mine and "f" in call.query else {} if mine else {"f": name}
        words = ("Dieses Dokument als", "This document as")
        yield _link("self" if mine else "alternate", MEDIA[media], f"{words[call.language == 'en']} {title}", _url(url, {**rest, **said}))


def _about(call: Call | _Asked, collection: Collection) -> Iterable[Link]:
    yield _link("collection", MEDIA["json"], collection.title.get(call.language), f"{call.base_url}/collections/{collection.id}")
    if collection.licence_url:
        yield _link("license", MEDIA["html"], collection.licence_title or "", collection.licence_url)


def page_links(call: Call | _Asked, published: Published, form: str, cursor: str | None, limit: int) -> list[Link]:
    """Return the links of a page; `cursor` is that of the next one, None on the last."""
    url = f"{call.base_url}/collections/{published.collection.id}/items"
    links = list(_forms(call, url, form))
    media = MEDIA["geojson" if form in ("json", "geojson") else form]
    rest = {name: value for name, value in call.query.items() if name not in ("cursor", "offset")}
    german = call.language == "de"
    offset = int(call.query.get("offset", "0"))
    if offset:
        before = {**rest, "offset": str(max(0, offset - limit))} if offset > limit else rest
        links.append(_link("prev", media, "Vorige Seite" if german else "Previous page", _url(url, before)))
    if cursor:
        links.append(_link("next", media, "Nächste Seite" if german else "Next page", _url(url, {**rest, "cursor": cursor})))
    return [*links, *_about(call, published.collection)]


def item_links(call: Call | _Asked, published: Published, form: str, ident: str) -> list[Link]:
    """Return the links of a feature."""
    url = f"{call.base_url}/collections/{published.collection.id}/items/{quote(ident, safe='')}"
    return [*_forms(call, url, form), *_about(call, published.collection)]


def written_page_links(call: Call, published: Published, form: str, cursor: str | None, limit: int) -> Written:
    """Return `page_links` and `header_of` in one, from what was made for an earlier page that differs in its cursors only."""
    query, values = tuple(call.query.items()), dict[str, str]()
    if "cursor" in call.query:
        values["here"] = quote(call.query["cursor"], safe=_SAFE)
        query = tuple((name, _HERE if name == "cursor" else value) for name, value in query)
    if cursor:
        values["next"] = quote(cursor, safe=_SAFE)
    return _page(published, call.base_url, call.language, form, query, limit, cursor is not None)(**values)


def written_item_links(call: Call, published: Published, form: str, ident: str) -> Written:
    """Return `item_links` and `header_of` in one, from what was made for an earlier item."""
    made = _item(published, call.base_url, call.language, form, tuple(call.query.items()))
    return made(item=quote(ident, safe=""))


@lru_cache(maxsize=1024)
def _page(
    published: Published, base_url: str, language: str, form: str, query: tuple[tuple[str, str], ...], limit: int, more: bool
) -> Written:
    found = page_links(_Asked(base_url, language, dict(query)), published, form, _NEXT if more else None, limit)
    return _written(found)


@lru_cache(maxsize=1024)
def _item(published: Published, base_url: str, language: str, form: str, query: tuple[tuple[str, str], ...]) -> Written:
    return _written(item_links(_Asked(base_url, language, dict(query)), published, form, _ITEM))


def _written(found: list[Link]) -> Written:
    return Written(as_json(found), dict(header_of(found)).get("link", ""))


def header_of(links: Iterable[Link]) -> tuple[tuple[str, str], ...]:
    """Return the `Link` header with what a client follows without reading the document: next, prev, licence."""
    shown = [
        f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in links if link["rel"] in ("next", "prev", "license")
    ]
    return (("link", ", ".join(shown)),) if shown else ()
