"""The links of pages and items, in the document and in the `Link` header."""

from __future__ import annotations

__all__ = ["Link", "header_of", "item_links", "page_links"]

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from server.call import Call
from server.host import Published
from server.negotiation import MEDIA
from stadtgrund.catalog.collection import Collection

Link = dict[str, str]

_FORMATS = (("json", "geojson", "GeoJSON"), ("html", "html", "HTML"), ("csv", "csv", "CSV"))


def _link(rel: str, media_type: str, title: str, href: str) -> Link:
    return {"rel": rel, "type": media_type, "title": title, "href": href}


def _url(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe=',:/@')}" if query else url


def _forms(call: Call, url: str, form: str) -> Iterable[Link]:
    rest = {name: value for name, value in call.query.items() if name != "f"}
    for name, media, title in _FORMATS:
        mine = name == form or (name == "json" and form == "geojson")
        said = {"f": call.query["f"]} if mine and "f" in call.query else {} if mine else {"f": name}
        words = ("Dieses Dokument als", "This document as")
        yield _link("self" if mine else "alternate", MEDIA[media], f"{words[call.language == 'en']} {title}", _url(url, {**rest, **said}))


def _about(call: Call, collection: Collection) -> Iterable[Link]:
    yield _link("collection", MEDIA["json"], collection.title.get(call.language), f"{call.base_url}/collections/{collection.id}")
    if collection.licence_url:
        yield _link("license", MEDIA["html"], collection.licence_title or "", collection.licence_url)


def page_links(call: Call, published: Published, form: str, cursor: str | None, limit: int) -> list[Link]:
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


def item_links(call: Call, published: Published, form: str, ident: str) -> list[Link]:
    """Return the links of a feature."""
    url = f"{call.base_url}/collections/{published.collection.id}/items/{quote(ident, safe='')}"
    return [*_forms(call, url, form), *_about(call, published.collection)]


def header_of(links: Iterable[Link]) -> tuple[tuple[str, str], ...]:
    """Return the `Link` header with what a client follows without reading the document: next, prev, licence."""
    shown = [
        f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in links if link["rel"] in ("next", "prev", "license")
    ]
    return (("link", ", ".join(shown)),) if shown else ()
