"""Tiles on disk, as they are sent: one file a tile and content coding, under a folder that names what the tile was made from.

`var/tiles/<database>/<dataset>/<form>.v<version>.<digest>/<matrix set>/<z>/<x>/<y>[.zst|.gz]`; whatever would change a tile is in the
name, so that nothing in here is ever out of date, and removing any of it costs time only. Several processes write at once: a file
comes under its name whole, by rename. What a closed dataset shows lies here too, so nobody but our own account may enter.
"""

from __future__ import annotations

__all__ = ["COMPOSITE", "MINIMUM", "Place", "Stored", "TileCache", "TileKey", "composite_key", "encoded", "key_of", "plain"]

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
import zlib
from collections.abc import Collection as SomeOf
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import zstandard

from server.caching import build
from server.tile_sweep import Sweep, folders
from stadtgrund.catalog.collection import Collection

log = logging.getLogger(__name__)

COMPOSITE = "_dataset"
"""Folder of the tiles with all collections; no collection's id begins so."""
MINIMUM = 1000
"""Bytes from which on a tile is compressed: below, a packet is a packet."""
_SUFFIX = {None: "", "zstd": ".zst", "gzip": ".gz"}
_MAGIC = b"SGT1"
_HEAD = len(_MAGIC) + 4
_LEVEL = {"zstd": 3, "gzip": 6}
_MOST_FOLDERS = 10_000
_USED_S = 3600
"""How exact the time of a tile's last use is known."""
_SHOWN_ONLY = {
    "title", "description", "keywords", "identifiers", "owner", "contact", "licence_title", "licence_url", "attribution", "access",
    "rhythm", "sortables", "search", "style", "city84", "items", "temporal",
}  # fmt: skip
"""What of a collection no tile depends on; whatever else a state says is taken for part of what its tiles are made of."""
_SHOWN_ONLY_FACTS = {"source_time", "operation", "accuracy_m", "join"}


class TileKey(NamedTuple):
    """What a tile is made from: folder names, each safe."""

    dataset: str
    made_of: str
    """Form, version, and a digest of all that the tile depends on."""


class Place(NamedTuple):
    """Where a tile lies."""

    matrix_set: str
    z: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A tile as it is stored; an empty body is a tile without features. `coding` None = as it is."""

    body: bytes
    coding: str | None


def key_of(collection: Collection) -> TileKey:
    """Return the key of a collection's tiles: equal for all profiles that see the same form of the same version."""
    said = collection.model_dump(mode="json", exclude=_SHOWN_ONLY | {"fields", "facts"})
    said["fields"] = [[field.name, field.type] for field in collection.fields]
    said["facts"] = collection.facts.model_dump(mode="json", exclude=_SHOWN_ONLY_FACTS)
    return _key(collection.id, f"{collection.form}.v{collection.facts.version}", json.dumps(said, sort_keys=True))


def composite_key(keys: Iterable[TileKey]) -> TileKey:
    """Return the key of tiles that have a layer of each of these keys."""
    return _key(COMPOSITE, "tiles", *("/".join(key) for key in keys))


def _key(dataset: str, name: str, *parts: str) -> TileKey:
    # Another build of the code may make other tiles.
    digest = hashlib.blake2b("\0".join((build(), dataset, name, *parts)).encode(), digest_size=10).hexdigest()
    return TileKey(dataset, f"{name}.{digest}")


def _compressed(body: bytes, coding: str) -> bytes:
    """Return a body in a content coding; always the same bytes for the same body, as its ETag says."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_LEVEL[coding]).compress(body)
    squeezer = zlib.compressobj(_LEVEL[coding], zlib.DEFLATED, 31)
    return squeezer.compress(body) + squeezer.flush()


def plain(stored: Stored) -> bytes:
    """Return the body without its coding."""
    if stored.coding == "zstd":
        return zstandard.ZstdDecompressor().decompress(stored.body)
    return zlib.decompress(stored.body, 31) if stored.coding == "gzip" else stored.body


def encoded(body: bytes, coding: str | None) -> Stored:
    """Return a tile's body as it is sent to who wants `coding`; a small one stays as it is."""
    return Stored(_compressed(body, coding), coding) if coding and len(body) >= MINIMUM else Stored(body, None)


def _write_aside(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


class TileCache:
    """The tiles of one deployment.

    Parameters
    ----------
    root : Path
        Folder of the database's tiles; made when the first tile is written.
    limit : int
        Bytes on disk that tiles may take; 0 = nothing is stored, and nothing that is there is used.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit
        self.sweep = Sweep(root, limit)
        self._told: set[str] = set()
        self._made: set[str] = set()
        """Folders that are there, as strings: making them anew is most of what a write costs."""

    def get(self, key: TileKey, place: Place, coding: str | None) -> Stored | None:
        """Return a tile as it is sent to who wants `coding`, None when it is not stored; made of another coding if need be."""
        if not self.limit:
            return None
        for stored_as in dict.fromkeys((coding, None, "zstd", "gzip")):
            body = self._read(self._path(key, place, stored_as))
            if body is None:
                continue
            found = Stored(body, stored_as)
            if stored_as == coding or (stored_as is None and len(body) < MINIMUM):
                return found
            made = encoded(plain(found), coding)
            if made.coding is not None:
                self._write(key, place, made)
            return made
        return None

    def has(self, key: TileKey, place: Place) -> bool:
        """Whether a tile is stored in some coding."""
        return any(os.path.exists(self._path(key, place, coding)) for coding in _SUFFIX)

    def put(self, key: TileKey, place: Place, stored: Stored) -> bool:
        """Store a tile; return whether it is. A full disk or a missing right is told once, and nothing is lost but time."""
        return bool(self.limit) and self._write(key, place, stored)

    def drop(self, key: TileKey) -> int:
        """Remove all tiles of a key; return the bytes that they took."""
        self._made.clear()
        return self.sweep.remove(Path(self.root, *key))

    def outdated(self, current: SomeOf[TileKey]) -> Iterator[TileKey]:
        """Yield the keys that have tiles and are not among `current`."""
        known = set(current)
        for folder in folders(self.root):
            for made_of in folders(folder):
                if (key := TileKey(folder.name, made_of.name)) not in known:
                    yield key

    def tidy(self, current: Iterable[TileKey]) -> None:
        """Bring the tiles below the limit when it is time to look: those that no state names first, then those not used for longest."""
        if self.limit and self.sweep.is_due:
            try:
                self.sweep.run({Path(self.root, *key) for key in current})
                self._told.discard("tidied")
            except OSError as error:
                self._tell("tidied", error)
            self._made.clear()

    def _path(self, key: TileKey, place: Place, coding: str | None) -> str:
        return f"{self.root}/{key.dataset}/{key.made_of}/{place.matrix_set}/{place.z}/{place.x}/{place.y}{_SUFFIX[coding]}"

    def _read(self, path: str) -> bytes | None:
        """Return the body of a file, None when there is none; a damaged one counts as none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._tell("read", error)
            return None
        try:
            seen = os.fstat(descriptor)
            content = os.read(descriptor, seen.st_size)
            if time.time() - seen.st_mtime > _USED_S:
                os.utime(descriptor)
        except OSError as error:
            self._tell("read", error)
            return None
        finally:
            os.close(descriptor)
        self._told.discard("read")
        body = content[_HEAD:]
        if content[:_HEAD] != _MAGIC + zlib.crc32(body).to_bytes(4, "big"):
            log.warning("a damaged tile is made anew: %s", path)
            return None
        return body

    def _write(self, key: TileKey, place: Place, stored: Stored) -> bool:
        path = self._path(key, place, stored.coding)
        aside = f"{path}.{secrets.token_hex(6)}.tmp"
        content = _MAGIC + zlib.crc32(stored.body).to_bytes(4, "big") + stored.body
        try:
            self._make_folder(path.rpartition("/")[0])
            try:
                _write_aside(aside, content)
            except FileNotFoundError:  # another process has removed the folder, as it was empty
                self._made.clear()
                self._make_folder(path.rpartition("/")[0])
                _write_aside(aside, content)
            os.replace(aside, path)
        except OSError as error:
            self._made.clear()
            with contextlib.suppress(OSError):
                os.unlink(aside)
            self._tell("stored", error)
            return False
        self._told.discard("stored")
        self.sweep.wrote(len(content))
        return True

    def _make_folder(self, folder: str) -> None:
        if folder in self._made:
            return
        if not self._made:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)  # of all folders below, only this one keeps others out
        os.makedirs(folder, exist_ok=True)
        if len(self._made) > _MOST_FOLDERS:
            self._made.clear()
        self._made.add(folder)

    def _tell(self, what: str, error: OSError) -> None:
        """Tell the log once what does not work, until it does again."""
        if what not in self._told:
            self._told.add(what)
            log.warning("tiles cannot be %s (%s): they are made for each request", what, error.strerror or error)
