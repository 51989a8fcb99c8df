"""The paths of files in the OpenAPI document: whole collections and excerpts."""

from __future__ import annotations

__all__ = ["own_paths", "templated_paths"]

from collections.abc import Iterable, Sequence
from typing import Any

from server import openapi_parts as parts
from server.host import Published
from server.negotiation import MEDIA
from stadtgrund.catalog.file_formats import FORMATS, FileFormat, FileName, offered, srids

Json = dict[str, Any]

_NOT_HERE = ("limit", "offset", "cursor", "sortby", "lang", "f_items")
_LATER = {
    "307": {
        "description": "The file is still being written; after Retry-After seconds the same address has it.",
        "headers": {
            "Location": {"schema": {"type": "string", "format": "uri"}},
            "Retry-After": {"schema": {"type": "integer", "minimum": 0}},
        },
    }
}


def own_paths(published: Published, language: str) -> Json:
    """Return the paths of one collection; none of a grid."""
    collection = published.collection
    formats = offered(collection)
    if not formats:
        return {}
    base, tag, title = f"/collections/{collection.id}", collection.id, collection.title.get(language)
    names = [FileName(each, srid).text(collection) for each in formats for srid in srids(collection, each) or (None,)]
    name = parts.file_name()
    name["schema"] = {**name["schema"], "enum": names}
    own = parts.queryable_parameters(published, language)
    return {
        f"{base}/files/{{name}}": _file(tag, f"get_{tag}_file", title, formats, [name]),
        f"{base}/download": _excerpt(parts.items(tag, f"download_{tag}", title, own, parts.crs_of(published)), formats),
    }


def templated_paths(tag: str, dataset: Sequence[Json], rasters: Iterable[str]) -> Json:
    """Return the paths of all collections, `dataset` being the parameter that names one; `rasters`: media types of grids' files."""
    base, formats = "/collections/{dataset}", tuple(FORMATS.values())
    return {
        f"{base}/files/{{name}}": _file(tag, "getFile", "File", formats, [*dataset, parts.file_name()], rasters),
        f"{base}/download": _excerpt(parts.items(tag, "download", "Excerpt", dataset, None), formats),
    }


def _media(formats: Iterable[FileFormat]) -> list[str]:
    return [each.media_type.partition(";")[0] for each in formats]


def _file(
    tag: str, operation_id: str, summary: str, formats: Iterable[FileFormat], own: Sequence[Json], rasters: Iterable[str] = ()
) -> Json:
    # Plain text: the checksum of a file (its name with .sha256) and the notice beside it.
    made = parts.file(tag, operation_id, summary, [*_media(formats), *rasters, "text/plain"], own)
    responses = made["get"]["responses"]
    for status in ("200", "206"):
        responses[status]["content"] = _content([*_media(formats), *rasters, "text/plain"])
    responses |= _LATER
    return made


def _content(media_types: Iterable[str]) -> Json:
    """Return what the files are: bytes, of which a validator knows JSON."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {name: {"schema": {"$ref": "#/components/schemas/document"}} if name == MEDIA["geojson"] else binary for name in media_types}


def _excerpt(page: Json, formats: Iterable[FileFormat]) -> Json:
    """Return the operation of an excerpt: that of a page, but for what parts a page from the others."""
    get, formats = page["get"], tuple(formats)
    apart = {f"#/components/parameters/{name}" for name in _NOT_HERE}
    chosen = {
        "name": "f",
        "in": "query",
        "required": False,
        "description": "Format of the file.",
        "schema": {"type": "string", "enum": [each.name for each in formats]},
    }
    get["parameters"] = [chosen, *(each for each in get["parameters"] if each.get("$ref") not in apart)]
    content = _content(_media(formats))
    whole = {"303": {"description": "Nothing is asked for in particular: the file of the whole collection."}}
    ranges = {"206": {"description": "The range of bytes that was asked for.", "content": content}}
    get["responses"] |= {"200": {"description": "OK", "content": content}, **ranges, **whole, **_LATER}
    return page
