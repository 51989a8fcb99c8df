"""What `/collections/{dataset}` says of a collection: one JSON text a language, made once a version.

pygeoapi would say it too, in 1.1 ms a collection: seconds for thousands of them. tests/server/test_description.py compares the two.
"""

from __future__ import annotations

__all__ = ["described"]

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import ceil, floor
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from server.answer import as_json, rfc3339
from server.host import Published
from server.negotiation import MEDIA
from server.params import known_crs
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.contract import Role
from stadtgrund.crs import CRS84_URI

_WEB = ("https://", "http://")
_OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"

_ID = f"sg{token_hex(12)}".encode()
"""Stands for the id in prepared links. No text of a contract holds it."""

Link = dict[str, Any]


def described(published: Published, base_url: str, language: str) -> bytes:
    """Return the document of a collection."""
    found = published.described.get(language)
    if found is None:
        collection = published.collection
        contact = (
            collection.contact.organisation if collection.contact else "",
            (collection.contact.url or "") if collection.contact else "",
        )
        kind = _Kind(
            collection.items,
            collection.geometry is not None,
            bool(collection.tiles and collection.geometry),
            (collection.licence_title or "", collection.licence_url or ""),
            contact,
        )
        links = [
            _links(kind, base_url, language == "de").replace(_ID, collection.id.encode()),
            *_files(published, base_url, language == "de"),
        ]
        document = as_json(_document(published, language))
        found = published.described[language] = b'%b,"links":[%b]}' % (document[:-1], b",".join(links))
    return found


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the links of a collection depend on beside its id: thousands of collections are of a few kinds."""

    items: bool
    drawn: bool
    tiled: bool
    licence: tuple[str, str]
    contact: tuple[str, str]


def _document(published: Published, language: str) -> dict[str, Any]:
    collection = published.collection
    document: dict[str, Any] = {
        "id": collection.id,
        "title": collection.title.get(language),
        "description": collection.description.get(language),
        "keywords": list(collection.keywords),
    }
    if extent := _extent(published):
        document["extent"] = extent
    if collection.items:
        document |= {"itemType": "feature", "crs": [crs.uri for crs in known_crs(published.relation)]}
        if storage := published.relation.crs:
            document["storageCrs"] = storage.uri
    if collection.attribution:
        document["attribution"] = collection.attribution
    if collection.facts.source_time:
        document["updated"] = rfc3339(collection.facts.source_time)
    if contacts := _contacts(collection):
        document["contacts"] = contacts
    document["stadtgrund"] = _own(collection, language)
    return document


@lru_cache(maxsize=512)
def _links(kind: _Kind, base_url: str, german: bool) -> bytes:
    """Return the links of a kind of collection as JSON, without brackets, with `_ID` where the id goes."""
    return as_json(list(_each_link(kind, base_url, german)))[1:-1]


def _each_link(kind: _Kind, base_url: str, german: bool) -> Iterator[Link]:
    url = f"{base_url}/collections/{_ID.decode()}"

    def link(rel: str, media: str, de: str, en: str, href: str) -> Link:
        return {"rel": rel, "type": MEDIA[media], "title": de if german else en, "href": href}

    title, address = kind.licence
    if address:
        yield link("license", "html", title, title, address)
    name, address = kind.contact
    if address.startswith(_WEB):
        yield link("author", "html", name, name, address)
    if kind.drawn:
        style = {"type": "application/vnd.mapbox.style+json", "title": "MapLibre", "href": f"{base_url}/styles/{_ID.decode()}"}
        yield {"rel": "style", **style}
    yield link("root", "json", "Startseite als JSON", "The landing page of this server as JSON", f"{base_url}/?f=json")
    yield link("root", "html", "Startseite als HTML", "The landing page of this server as HTML", f"{base_url}/?f=html")
    yield link("self", "json", "Dieses Dokument als JSON", "This document as JSON", f"{url}?f=json")
    yield link("alternate", "html", "Dieses Dokument als HTML", "This document as HTML", f"{url}?f=html")
    if kind.items:
        # Without a query: GDAL appends "/<id>" to the link of this type.
        yield link("items", "geojson", "Objekte als GeoJSON", "Items as GeoJSON", f"{url}/items")
        yield link("items", "html", "Objekte als HTML", "Items as HTML", f"{url}/items?f=html")
        yield link("items", "csv", "Objekte als CSV", "Items as CSV", f"{url}/items?f=csv")
        for name, de, en in (("schema", "Schema", "Schema"), ("queryables", "Abfragbare Attribute", "Queryables")):
            yield link(f"{_OGC}/{name}", "schema", f"{de} als JSON", f"{en} as JSON", f"{url}/{name}")
            yield link(f"{_OGC}/{name}", "html", f"{de} als HTML", f"{en} as HTML", f"{url}/{name}?f=html")
        yield link(f"{_OGC}/sortables", "schema", "Sortierbare Attribute", "Sortables", f"{url}/sortables")
    if kind.tiled:
        yield link(f"{_OGC}/tilesets-vector", "json", "Kacheln als JSON", "Tiles as JSON", f"{url}/tiles?f=json")
        yield link(f"{_OGC}/tilesets-vector", "html", "Kacheln als HTML", "Tiles as HTML", f"{url}/tiles?f=html")
    # What the document of many collections says in general only.
    yield link("service-desc", "openapi", "API dieses Datensatzes (OpenAPI)", "API of this dataset (OpenAPI)", f"{url}/api")
    yield link("service-doc", "html", "API dieses Datensatzes (HTML)", "API of this dataset (HTML)", f"{url}/api?f=html")


def _files(published: Published, base_url: str, german: bool) -> Iterator[bytes]:
    for file in published.files:
        title = f"Herunterladen: {file.name}" if german else f"Download: {file.name}"
        href = f"{base_url}/collections/{published.collection.id}/files/{quote(file.name)}"
        yield as_json({"rel": "enclosure", "type": file.media_type, "title": title, "href": href, "length": file.bytes})


def _extent(published: Published) -> dict[str, Any]:
    """Return the extent in space and time; a table lies nowhere, and data without an extent of their own lie in the city."""
    collection, extent = published.collection, published.collection.facts.extent
    found: dict[str, Any] = {}
    if published.relation.geometry is not None or collection.raster:
        if extent.crs84:
            # Rounded outward: a client that asks for this box gets all features.
            low, high = (floor(x * 1e7) / 1e7 for x in extent.crs84[:2]), (ceil(x * 1e7) / 1e7 for x in extent.crs84[2:])
            box = [*low, *high]
        else:
            box = [round(x, 7) for x in collection.city84 or (-180.0, -90.0, 180.0, 90.0)]
        found["spatial"] = {"bbox": [box], "crs": CRS84_URI}
    if extent.begin or extent.end:
        found["temporal"] = {"interval": [[_instant(extent.begin), _instant(extent.end)]], "trs": _GREGORIAN}
    return found


def _contacts(collection: Collection) -> list[dict[str, Any]]:
    """Return the offices that answer, as OGC API Records has contacts, with roles of ISO 19115; a contract names no person.

    Telephones are left out: one may be a person's own.
    """
    roles: dict[Role, list[str]] = {}
    for role, name in ((collection.owner, "owner"), (collection.contact, "pointOfContact")):
        if role:
            roles.setdefault(role, []).append(name)
    return [
        {
            "organization": ", ".join(filter(None, (role.organisation, role.unit))),
            **({"emails": [{"value": role.email}]} if role.email else {}),
            **({"links": [{"rel": "about", "type": MEDIA["html"], "href": role.url}]} if (role.url or "").startswith(_WEB) else {}),
            "roles": names,
        }
        for role, names in roles.items()
    ]


def _instant(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _own(collection: Collection, language: str) -> dict[str, Any]:
    """Return what no standard has a word for."""
    facts = collection.facts
    return {
        "version": facts.version,
        "published": _instant(facts.published),
        "numberOfItems": facts.count if collection.items else None,
        "raster": collection.raster,
        "access": collection.access.get(language),
        "identifiers": list(collection.identifiers),
        "owner": collection.owner.organisation if collection.owner else None,
        "rhythm": collection.rhythm,
        "operation": facts.operation,
        "accuracy_m": facts.accuracy_m,
        "join": facts.join.model_dump(mode="json") if facts.join else None,
    }
