"""Keeps the tiles on disk below their limit: what no state names goes first, then what was not used for longest."""

from __future__ import annotations

__all__ = ["Sweep", "folders", "on_disk", "size_of"]

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_LOWER = 0.9
"""Share of the limit that is left behind, so that the next tile does not bring the next sweep."""
_SHARE = 32
"""A sweep is due when a process has written the limit's part by this number."""
_EVERY_S = 3600.0
_ABANDONED_S = 600.0
"""Age at which a file that was never renamed is one that its writer left behind."""
_BLOCK = 4096
"""What the smallest file takes."""


def on_disk(size: int) -> int:
    """Return the bytes that a file of this size takes, about."""
    return max(1, -(-size // _BLOCK)) * _BLOCK


def folders(place: Path) -> list[Path]:
    """Return the folders in a folder; none when it is not there or not ours to read."""
    try:
        with os.scandir(place) as found:
            return sorted(Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _files(place: Path) -> Iterator[tuple[str, int, float]]:
    """Yield path, bytes on disk and time of last use of each file below a folder."""
    with contextlib.suppress(OSError), os.scandir(place) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # another process removed it: the others are still there
                    continue
                yield entry.path, on_disk(seen.st_size), seen.st_mtime


def size_of(place: Path) -> tuple[int, int]:
    """Return the number of tiles below a folder and the bytes that they take on disk."""
    sizes = [size for _, size, _ in _files(place)]
    return len(sizes), sum(sizes)


class Sweep:
    """Looks after one folder of tiles; of several processes one at a time does."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit
        self._written = 0
        self._next = 0.0

    def wrote(self, size: int) -> None:
        """Count what this process has written."""
        self._written += on_disk(size)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look: at the start, then by what was written, and by the clock."""
        return self._written * _SHARE > self.limit or time.monotonic() >= self._next

    def run(self, current: set[Path]) -> None:
        """Remove what is over the limit; `current` are the folders that a state names.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        self._written, self._next = 0, time.monotonic() + _EVERY_S
        if not self.root.is_dir():
            return
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process looks
            self._bring_below(current)
        finally:
            os.close(descriptor)

    def _bring_below(self, current: set[Path]) -> None:
        found: list[tuple[bool, float, int, str]] = []
        total, now = 0, time.time()
        for dataset in folders(self.root):
            for made_of in folders(dataset):
                for path, size, used in _files(made_of):
                    if path.endswith(".tmp"):
                        if now - used > _ABANDONED_S:
                            with contextlib.suppress(OSError):
                                os.unlink(path)
                        continue
                    total += size
                    found.append((made_of in current, used, size, path))
        if total <= self.limit:
            return
        found.sort()
        gone = 0
        for _, _, size, path in found:
            if total <= self.limit * _LOWER:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
                gone += 1
            total -= size
        self._remove_empty()
        log.info("%d tiles removed, as all of them took more than %d MiB", gone, self.limit // 2**20)

    def _remove_empty(self) -> None:
        for dataset in folders(self.root):
            for made_of in folders(dataset):
                _prune(made_of)
            with contextlib.suppress(OSError):
                dataset.rmdir()

    def remove(self, folder: Path) -> int:
        """Remove a folder of tiles, and that of its dataset when it was the last one; return the bytes that they took."""
        size = 0
        for path, taken, _ in list(_files(folder)):
            with contextlib.suppress(OSError):
                os.unlink(path)
                size += taken
        _prune(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
        return size


def _prune(folder: Path) -> None:
    """Remove a folder's empty folders, and itself when it is empty then; one that another process writes to stays."""
    for inner in folders(folder):
        _prune(inner)
    with contextlib.suppress(OSError):
        folder.rmdir()
