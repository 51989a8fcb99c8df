"""The OpenAPI 3.0 document of a profile: self-contained, one path a collection up to 50 of them, templated paths above."""

from __future__ import annotations

__all__ = ["MOST_COLLECTIONS", "OpenApi", "openapi_document"]

from collections.abc import Iterable, Mapping
from typing import Any

import stadtgrund
from server import openapi_downloads
from server import openapi_parts as parts
from server.answer import Answer
from server.call import Call
from server.documents import Documents
from server.host import Published, Snapshot
from server.negotiation import MEDIA
from server.openapi_texts import in_german

MOST_COLLECTIONS = 50
"""Collections that have paths of their own; a document of more would be megabytes."""


class OpenApi:
    """The handlers of the API's description."""

    def __init__(self, documents: Documents, more: Mapping[str, Any] | None = None) -> None:
        self.documents, self.more = documents, more or {}

    async def document(self, call: Call) -> Answer:
        """`/api`: of all that the profile sees."""

        async def make() -> Any:
            return openapi_document(call.snapshot, call.language, more=self.more)

        return await self.documents.answer(call, "openapi", "openapi/index.html", make, digest=call.snapshot.digest, json_type="openapi")

    async def collection(self, call: Call) -> Answer:
        """`/collections/{dataset}/api`: of one collection, with each of its attributes as a parameter."""
        published = call.collection()

        async def make() -> Any:
            return openapi_document(call.snapshot, call.language, [published])

        name = f"openapi {published.collection.id}"
        return await self.documents.answer(call, name, "openapi/index.html", make, digest=call.snapshot.digest, json_type="openapi")


def openapi_document(
    snapshot: Snapshot, language: str, only: Iterable[Published] | None = None, *, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the document of a profile, or of some of its collections (with paths of their own, whatever their number).

    `more` are paths that are of no collection and not of every deployment.
    """
    chosen = list(snapshot.published.values() if only is None else only)
    identification = snapshot.api.config["metadata"]["identification"]
    contact = snapshot.api.config["metadata"]["contact"]
    title = identification["title"]
    paths = parts.common_paths() | dict(more or {})
    parameters = parts.parameters()
    if only is None and any(item.collection.tiles and item.collection.geometry for item in chosen):
        paths |= parts.dataset_tile_paths()
    if only is None and len(chosen) > MOST_COLLECTIONS:
        paths |= _templated(chosen)
        with_tiles = [item for item in chosen if item.collection.tiles and item.collection.geometry]
        parameters["dataset"] = parts.dataset(_ids(chosen))
        if with_tiles:
            parameters["datasetWithTiles"] = parts.dataset(_ids(with_tiles))
    else:
        for published in chosen:
            paths |= _own(published, language)
    document = {
        "openapi": "3.0.3",
        "info": {
            "title": title.get(language) or title["de"],
            "description": identification["description"].get(language) or identification["description"]["de"],
            "version": stadtgrund.__version__,
            "contact": {"name": contact["name"], **({"email": contact["email"]} if contact["email"] else {})},
            "x-ogc-serviceidentifier": snapshot.base_url,
        },
        "servers": [{"url": snapshot.base_url}],
        "tags": [{"name": "server", "description": "Service"}]
        + [
            {"name": item.collection.id, "description": item.collection.title.get(language)}
            for item in chosen
            if len(chosen) <= MOST_COLLECTIONS
        ],
        "security": [{}, {"bearer": []}, {"key": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "parameters": parameters,
            "responses": parts.RESPONSES,
            "schemas": parts.SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }
    return in_german(document) if language == "de" else document


def _own(published: Published, language: str) -> dict[str, Any]:
    """Return the paths of one collection, with its queryables as parameters."""
    collection = published.collection
    base, tag, title = f"/collections/{collection.id}", collection.id, collection.title.get(language)
    paths: dict[str, Any] = {
        base: parts.get(tag, f"describe_{tag}", title, [], "collection"),
        f"{base}/api": parts.api(tag, f"api_{tag}", f"{title}: API"),
    }
    if collection.items:
        paths |= {
            f"{base}/items": parts.items(
                tag, f"get_{tag}", title, parts.queryable_parameters(published, language), parts.crs_of(published)
            ),
            f"{base}/items/{{featureId}}": parts.item(tag, f"get_{tag}_item", title, parts.crs_of(published)),
            **{
                f"{base}/{name}": parts.get(tag, f"{name}_{tag}", f"{title}: {name}", [], "schema", MEDIA["schema"])
                for name in ("schema", "queryables", "sortables")
            },
        }
    if collection.tiles and collection.geometry:
        paths |= parts.tile_paths(base, tag, f"{tag}_", [])
    for file in published.files:
        paths[f"{base}/files/{file.name}"] = parts.file(tag, f"get_{tag}_file_{file.name.replace('.', '_')}", file.name, [file.media_type])
    return paths | openapi_downloads.own_paths(published, language)


def _ids(chosen: Iterable[Published]) -> list[str]:
    return [item.collection.id for item in chosen]


def _templated(chosen: list[Published]) -> dict[str, Any]:
    """Return paths with the collection as a parameter, whose values are the ids."""
    base, tag, dataset = "/collections/{dataset}", "server", parts.named("dataset")
    paths: dict[str, Any] = {
        base: parts.get(tag, "describeCollection", "Collection", dataset, "collection"),
        f"{base}/api": parts.api(tag, "getApiOfCollection", "API of a collection, with each of its attributes", dataset),
    }
    if any(item.collection.items for item in chosen):
        paths[f"{base}/items"] = parts.items(tag, "getItems", "Items", dataset, None)
        paths[f"{base}/items/{{featureId}}"] = parts.item(tag, "getItem", "Item", None, dataset)
        for name in ("schema", "queryables", "sortables"):
            paths[f"{base}/{name}"] = parts.get(tag, f"get{name.capitalize()}", name.capitalize(), dataset, "schema", MEDIA["schema"])
    if any(item.collection.tiles and item.collection.geometry for item in chosen):
        paths |= parts.tile_paths(base, tag, "", parts.named("datasetWithTiles"))
    media_types = sorted({file.media_type for item in chosen for file in item.files})
    if any(item.collection.items for item in chosen):
        paths |= openapi_downloads.templated_paths(tag, dataset, media_types)
    elif media_types:
        paths[f"{base}/files/{{name}}"] = parts.file(tag, "getFile", "File", media_types, [*dataset, parts.file_name()])
    return paths
