"""Files of whole collections on disk: written aside, put in one step, found by what they hold, swept when they are old.

A file's name is a digest of the collection document that it was made of, its format and its CRS, so that it belongs to one
(dataset, form, version), and a changed form, title or licence makes another file. Who may see the collection can compute the name; nobody
else can. Beside it lies `<name>.json` with size and checksum, written last: a file without it is not there.
"""

from __future__ import annotations

__all__ = ["WHOLE", "Shelf", "Shelved", "Target"]

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import stadtgrund
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.file_formats import FileFormat, FileName
from stadtgrund.errors import Busy, by_locale
from stadtgrund.settings import DownloadSettings
from stadtgrund.store.database import Database

REVISION = 2
"""Rises when the same rows would give another file."""

WHOLE, _EXCERPTS = "whole", "excerpts"

EXCERPT_S = 900
"""How long an excerpt stays after it was last asked for: enough to go on with a download that broke off."""
EXCERPTS_BYTES = 2 << 30
RESERVE_BYTES = 256 << 20
"""Left free on the disk, as the database may lie on it too."""


@dataclass(frozen=True)
class Target:
    """A file that may be on the shelf. `folder`, `stem` and `extension` say where; `name` is what a reader calls it."""

    folder: str
    stem: str
    extension: str
    name: str
    media_type: str
    excerpt: bool = False

    @classmethod
    def of(cls, collection: Collection, format_: FileFormat, srid: int | None, excerpt: str | None = None) -> Target:
        """Return the target of a collection in a format and CRS; `excerpt` = what all the conditions say."""
        parts = [stadtgrund.__version__, REVISION, collection.as_json(), format_.name, srid, excerpt]
        digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:20]
        folder = f"{WHOLE}/{collection.id}" if excerpt is None else f"{_EXCERPTS}/{collection.id}"
        name = FileName(format_, srid).text(collection, excerpt=excerpt is not None)
        return cls(folder, f"v{collection.facts.version}-{digest}", format_.name, name, format_.media_type, excerpt is not None)

    @property
    def path(self) -> str:
        """Where the file lies, below the shelf's root."""
        return f"{self.folder}/{self.stem}.{self.extension}"


@dataclass(frozen=True)
class Shelved:
    """A file on the shelf: where it lies, its public name, its size, its checksum (hexadecimal)."""

    path: Path
    name: str
    media_type: str
    bytes: int
    sha256: str


class Shelf:
    """The files of one deployment's collections.

    Parameters
    ----------
    root : Path
        Folder of the deployment's files.
    max_bytes : int
        What files of whole collections may take together; the one asked for longest ago goes first.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root, self.max_bytes = root, max_bytes

    @classmethod
    def of(cls, db: Database, max_bytes: int = DownloadSettings.max_bytes) -> Shelf:
        """Return the shelf of a deployment."""
        return cls(db.paths.downloads / db.name, max_bytes)

    def changed(self, dataset: str) -> int:
        """Return a number that is another one when a file of the dataset was put there or taken away (0 = there is none)."""
        try:
            return (self.root / WHOLE / dataset).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def find(self, target: Target) -> Shelved | None:
        """Return a file that is whole, else None."""
        path = self.root / target.path
        try:
            facts = json.loads(_facts(path).read_bytes())
            if path.stat().st_size != facts["bytes"]:
                return None  # a power cut may lose the bytes of a file that has its name
        except (FileNotFoundError, ValueError):
            return None
        return Shelved(path, target.name, target.media_type, facts["bytes"], facts["sha256"])

    def touch(self, shelved: Shelved) -> None:
        """Note that a file was asked for: its facts get the time, as its own is when it was made (`Last-Modified`)."""
        now = time.time_ns()  # finer than what the kernel would write: later than the file's own in any case
        with contextlib.suppress(FileNotFoundError):
            os.utime(_facts(shelved.path), ns=(now, now))

    def was_asked_for(self, target: Target) -> bool:
        """Whether a file is there, and not only because it was written ahead."""
        path = self.root / target.path
        try:
            return _facts(path).stat().st_mtime_ns > path.stat().st_mtime_ns
        except FileNotFoundError:
            return False

    def is_written(self, target: Target) -> bool:
        """Whether a file is being written, by any process."""
        with contextlib.suppress(FileNotFoundError), _lock(self.root / target.path).open("r+") as file:
            return not _locked_now(file.fileno())
        return False

    @contextmanager
    def ahead(self) -> Iterator[bool]:
        """Be the only one who writes ahead; yields whether one is, without waiting."""
        self.root.mkdir(parents=True, exist_ok=True)
        with _free(self.root / "ahead.lock") as free:
            yield free

    @contextmanager
    def writing(self, target: Target) -> Iterator[Path | None]:
        """Have the only writer's place for a file: yields where to write it, under its public name, or None when it is there by now.

        At the end of the block the file gets its place, in one step; after an error or a kill there is none. Waits for another writer.

        Raises
        ------
        Busy
            When the disk is as good as full.
        """
        path = self.root / target.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(_lock(path)):
            if self.find(target):
                yield None
                return
            self.require_space()
            part = _part(path)
            shutil.rmtree(part, ignore_errors=True)  # of a writer that was killed
            part.mkdir()
            try:
                made = part / target.name
                yield made
                _put(made, path)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def require_space(self) -> None:
        """Refuse to write on while the disk is as good as full.

        Raises
        ------
        Busy
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.root).free < RESERVE_BYTES:
            raise Busy(
                by_locale("Auf der Platte ist kein Platz für Dateien mehr.", "There is no room for files left on the disk."),
                remedy=by_locale(f"Schaffen Sie Platz bei {self.root}.", f"Make room at {self.root}."),
            )

    def drop(self, dataset: str, version: int) -> None:
        """Remove the files of a version; who reads one keeps what is open."""
        for place in (WHOLE, _EXCERPTS):
            for path in _files(self.root / place / dataset):
                if path.name.startswith(f"v{version}-"):
                    _remove(path)

    def sweep(self) -> None:
        """Remove what killed writers left, excerpts that had their time, and what is over the limits."""
        for place in (WHOLE, _EXCERPTS):
            for part in (self.root / place).glob("*/*.part"):
                with _free(part.with_suffix(".lock")) as free:
                    if free:
                        shutil.rmtree(part, ignore_errors=True)
        excerpts = list(_aged(self.root / _EXCERPTS))
        late = time.time() - EXCERPT_S
        for moment, _, path in excerpts:
            if moment < late:
                _remove(path)
        _limit([each for each in excerpts if each[0] >= late], EXCERPTS_BYTES)
        _limit(list(_aged(self.root / WHOLE)), self.max_bytes)


def _facts(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _lock(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _files(folder: Path) -> Iterable[Path]:
    return [path for path in folder.glob("v*-*.*") if path.suffix not in (".json", ".part", ".lock") and path.is_file()]


def _aged(place: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield when each file was last asked for, its size, where it is."""
    for path in (path for folder in place.glob("*") for path in _files(folder)):
        with contextlib.suppress(FileNotFoundError):
            found, facts = path.stat(), _facts(path)
            yield (facts.stat() if facts.exists() else found).st_mtime, found.st_size, path


def _limit(files: list[tuple[float, int, Path]], most: int) -> None:
    """Remove the files that were asked for longest ago until the rest takes `most` bytes at most; the newest one stays."""
    taken = 0
    for number, (_, size, path) in enumerate(sorted(files, reverse=True)):
        taken += size
        if number and taken > most:
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file: its facts first, so that nobody finds it half gone."""
    _facts(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _put(made: Path, path: Path) -> None:
    """Give a finished file its place, and say last of all that it is there."""
    with made.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    facts = made.with_name("facts.json")
    facts.write_text(json.dumps({"bytes": made.stat().st_size, "sha256": digest}))
    made.replace(path)
    moment = path.stat().st_mtime_ns
    os.utime(facts, ns=(moment, moment))  # nobody has asked for it yet
    facts.replace(_facts(path))


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold a lock that ends with the process; its file is removed by who holds it last."""
    while True:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file.fileno(), lock):
                continue  # its last holder removed the file while we waited
            try:
                yield
            finally:
                lock.unlink()
            return


@contextmanager
def _free(lock: Path) -> Iterator[bool]:
    """Hold a lock if nobody does; yields whether."""
    with lock.open("w") as file:
        if not _locked_now(file.fileno()) or not _is_at(file.fileno(), lock):
            yield False
            return
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)


def _locked_now(descriptor: int) -> bool:
    """Hold a lock until the file is closed, if nobody does; return whether."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
