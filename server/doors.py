"""The three doors of the start page, and the files that pages load."""

from __future__ import annotations

__all__ = ["DOORS", "Doors", "static"]

from pathlib import Path
from typing import Any

from server.answer import Answer
from server.caching import build
from server.call import Call
from server.documents import Documents
from stadtgrund.errors import NotFound

DOORS = ("qgis", "planung", "entwicklung")

_STATIC = Path(__file__).with_name("static")
_FILES = {"stadtgrund.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}


class Doors:
    """The handlers of the doors."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    async def door(self, call: Call) -> Answer:
        """`/start/{door}`: a page with the real addresses."""
        door = call.places["door"]
        if door not in DOORS:
            raise NotFound(f"There is no page {door!r}.")

        async def make() -> Any:
            published = [item.collection for item in call.snapshot.published.values()]
            tiled = next((collection for collection in published if collection.tiles), None)
            return {
                "listing": self.documents.listing(call),
                "first": next((collection for collection in published if collection.items), None),
                "drawn": next((collection for collection in published if collection.items and collection.geometry), None),
                "tiled": {"id": tiled.id, "title": tiled.title.get(call.language), "zoom": tiled.tiles.zoom}
                if tiled and tiled.tiles
                else None,
                "sample": _sample(call),
                "links": [],
            }

        return await self.documents.answer(call, f"door {door}", f"doors/{door}.html", make, digest=call.snapshot.digest, only_html=True)


def _sample(call: Call) -> str:
    """Return a box in the middle of the first collection that lies somewhere, about a kilometre wide."""
    for item in call.snapshot.published.values():
        box = item.collection.facts.extent.crs84
        if box and item.collection.items and item.collection.geometry:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            return f"{x - 0.007:.4f},{y - 0.0045:.4f},{x + 0.007:.4f},{y + 0.0045:.4f}"
    return "7.0000,51.4000,7.0140,51.4090"


async def static(call: Call) -> Answer:
    """`/static/{name}`: named files only. With the build in the URL they may be kept for long."""
    name = call.places.get("name", "icon.svg")  # browsers ask for /favicon.ico by themselves
    if name not in _FILES:
        raise NotFound(f"There is no file {name!r}.")
    tag = f'"{build()}-{name}"'
    age = "public, max-age=31536000, immutable" if call.query.get("v") == build() else "public, max-age=300"
    headers = (("etag", tag), ("cache-control", age))
    if unchanged := call.unchanged(tag):
        return unchanged.with_headers(headers[1])
    return Answer(200, (_STATIC / name).read_bytes(), _FILES[name], headers)
