"""The planner's page `/viewer/`: our files, the map library that set-up fetched, and what the deployment says of it."""

from __future__ import annotations

__all__ = ["Planner"]

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from processes.construction_overlay import METADATA
from server.answer import Answer
from server.caching import NO_STORE
from server.call import Call
from server.city import City
from server.outputs import sheet_policy
from server.processes import Processes
from server.viewer_file import ViewerFile
from stadtgrund.errors import NotFound, StadtgrundError

_FOLDER = Path(__file__).with_name("viewer")
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css; charset=utf-8"}
_OWN = ("index.html", "viewer.css", "viewer.js", "api.js", "check.js", "dom.js", "draw.js", "layers.js", "search.js")
_VENDOR = ("maplibre-gl.mjs", "maplibre-gl-shared.mjs", "maplibre-gl-worker.mjs", "maplibre-gl.css")

_UNPREPARED = b"""<!doctype html>
<html lang="de"><meta charset="utf-8"><title>Planungskarte</title>
<p>Die Planungskarte ist noch nicht eingerichtet: Der Betrieb holt die Kartenbibliothek mit <code>make setup</code>.</p>
</html>
"""


@dataclass(frozen=True)
class _File:
    body: bytes
    tag: str


@lru_cache(maxsize=64)
def _read(path: Path, changed_ns: int) -> _File:
    """Return a file with its tag; `changed_ns` makes another file of it when it is written anew."""
    body = path.read_bytes()
    return _File(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


class Planner:
    """The handlers of the page."""

    # The page loads from here only. A printed report is a blob that inherits this policy, hence its style sheet's hash.
    _POLICY: ClassVar[str] = (
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; connect-src 'self'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'; style-src 'self' "
    )

    def __init__(self, city: City, folder: Path, processes: Processes) -> None:
        self.city, self.processes = city, processes
        self.file = ViewerFile.read(folder)
        self._policy = self._POLICY + next(part for part in sheet_policy().split() if part.startswith("'sha256-")).rstrip(";")
        self._vendor = _FOLDER / "node_modules" / "maplibre-gl" / "dist"

    async def page(self, call: Call) -> Answer:
        """`/viewer/`: the page itself. Without the slash its relative addresses would lead elsewhere."""
        call.only("lang")
        raw: bytes = call.scope.get("raw_path") or b""
        if not raw.split(b"?", 1)[0].endswith(b"/"):
            return Answer(308, b"", None, (("location", "viewer/"),))
        if not (self._vendor / _VENDOR[0]).is_file():
            return Answer(503, _UNPREPARED, _TYPES[".html"], (NO_STORE, ("content-security-policy", "default-src 'none'")))
        return self._file(call, _FOLDER / "static" / "index.html")

    async def asset(self, call: Call) -> Answer:
        """`/viewer/{name}`: one of our files."""
        call.only("lang")
        name = call.places["name"]
        if name not in _OWN:
            raise NotFound(f"There is no file {name!r}.")
        return self._file(call, _FOLDER / "static" / name)

    async def vendor(self, call: Call) -> Answer:
        """`/viewer/vendor/{name}`: one of the map library's."""
        call.only("lang")
        name = call.places["name"]
        if name not in _VENDOR or not (self._vendor / name).is_file():
            raise NotFound(f"There is no file {name!r}.")
        return self._file(call, self._vendor / name)

    async def config(self, call: Call) -> Answer:
        """`/viewer/config.json`: what the page needs to know, without a word of what the profile does not see."""
        call.only("f", "lang")
        tag = call.tag(call.snapshot.digest, "application/json")
        if unchanged := call.unchanged(tag):
            return unchanged
        seen = call.snapshot.published
        west, south, east, north = self.city.box84
        attributions = sorted({item.collection.attribution for item in seen.values() if item.collection.attribution})
        document: dict[str, Any] = {
            "title": self.city.title.get(call.language),
            "profile": call.snapshot.profile,
            "bounds": _bounds(call) or [west, south, east, north],
            "order": [name for name in self.file.order if name in seen],
            "shown": [name for name in self.file.shown if name in seen],
            "search": [place.model_dump() for place in self.file.search if place.collection in seen],
            "works": self.file.works.model_dump() if self.file.works and self.file.works.collection in seen else None,
            "parcels": self.file.parcels if self.file.parcels in seen else None,
            "process": METADATA["id"] if METADATA["id"] in self.processes.offered else None,
            "attribution": "; ".join(attributions),
        }
        return Answer.of_json(document, headers=(("etag", tag),))

    def _file(self, call: Call, path: Path) -> Answer:
        try:
            file = _read(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise StadtgrundError(f"{path} cannot be read: {error}") from error
        # Asked again each time: one module of another build than the rest would break the page.
        headers = (("etag", file.tag), ("cache-control", "no-cache"), ("content-security-policy", self._policy))
        if unchanged := call.unchanged(file.tag):
            return unchanged.with_headers(*headers[1:])
        return Answer(200, file.body, _TYPES[path.suffix], headers)


def _bounds(call: Call) -> list[float] | None:
    """Return the box of all that is drawn, so that the map opens on the data and not on a wider frame."""
    boxes = [item.collection.facts.extent.crs84 for item in call.snapshot.published.values() if item.collection.geometry]
    drawn = [box for box in boxes if box]
    if not drawn:
        return None
    return [min(b[0] for b in drawn), min(b[1] for b in drawn), max(b[2] for b in drawn), max(b[3] for b in drawn)]
