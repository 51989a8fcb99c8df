"""The files behind a source: which they are, and whether they changed since the last load."""

from __future__ import annotations

__all__ = ["FileState", "Fingerprint", "fingerprint", "resolve"]

import glob
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SourceError
from stadtgrund.language import say

_SHAPEFILE = (".shp", ".dbf", ".shx", ".prj", ".cpg")


@dataclass(frozen=True)
class FileState:
    """A file as it was read: name, size, time of change in ns and SHA-256."""

    name: str
    bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Fingerprint:
    """What a source was: its files, one hash over their contents, and the time of the newest."""

    digest: str
    files: tuple[FileState, ...]
    time: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that a run's report keeps."""
        return {"digest": self.digest, "time": self.time.isoformat() if self.time else None, "files": [asdict(item) for item in self.files]}


def resolve(contract: Contract, location: str) -> tuple[Path, ...]:
    """Return the files of a location (a path or a glob), sorted by name.

    Raises
    ------
    SourceError
        When there is none, naming what lies beside.
    """
    if not location:
        raise SourceError(
            say(f"Datensatz {contract.id}: source.location fehlt.", f"Dataset {contract.id}: source.location is missing."),
            remedy=say(
                "Nennen Sie eine Datei oder ein Muster, z. B. ${DATA}/schulen/*.geojson.",
                "Name a file or a pattern, e.g. ${DATA}/schools/*.geojson.",
            ),
        )
    exact = Path(location)
    names = [location] if exact.exists() else sorted(glob.glob(location, recursive=True))
    found = tuple(Path(name) for name in names if Path(name).is_file() or Path(name).suffix.lower() == ".gdb")
    if not found:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: die Quelle {location} gibt es nicht.",
                f"Dataset {contract.id}: the source {location} does not exist.",
            ),
            remedy=_beside(exact),
        )
    for path in found:
        if not os.access(path, os.R_OK):
            raise SourceError(
                say(f"Datensatz {contract.id}: {path} darf nicht gelesen werden.", f"Dataset {contract.id}: {path} may not be read."),
                remedy=say("Geben Sie dem Benutzer, der lädt, das Leserecht.", "Give the user who loads the right to read it."),
            )
    return found


def _beside(path: Path) -> str:
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    names = sorted(item.name for item in folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) else []
    shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    return say(
        f"In {folder} liegen: {shown or '(nichts)'}. Berichtigen Sie source.location oder STADTGRUND_DATA.",
        f"In {folder} there are: {shown or '(nothing)'}. Correct source.location or STADTGRUND_DATA.",
    )


def fingerprint(paths: Iterable[Path], known: Mapping[str, Any] | None = None, base: Path | None = None) -> Fingerprint:
    """Return what the files are now.

    Parameters
    ----------
    known : mapping, optional
        `Fingerprint.as_json()` of the last load: a file of the same name, size and time of change is not read again.
    base : Path, optional
        Names are relative to it where they can be: the data folder.
    """
    before = {(item["name"], item["bytes"], item["mtime_ns"]): item["sha256"] for item in (known or {}).get("files", [])}
    states = []
    for path in _parts(paths):
        facts = path.stat()
        name = path.relative_to(base).as_posix() if base and path.is_relative_to(base) else str(path)
        digest = before.get((name, facts.st_size, facts.st_mtime_ns))
        if digest is None:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        states.append(FileState(name, facts.st_size, facts.st_mtime_ns, digest))
    whole = hashlib.sha256("".join(state.sha256 for state in states).encode()).hexdigest()
    newest = max((state.mtime_ns for state in states), default=None)
    return Fingerprint(whole, tuple(states), None if newest is None else datetime.fromtimestamp(newest // 10**9, UTC))


def _parts(paths: Iterable[Path]) -> list[Path]:
    """Add what belongs to a file: the parts of a Shapefile, the files of a .gdb folder."""
    parts: list[Path] = []
    for path in paths:
        if path.is_dir():
            parts += sorted(item for item in path.rglob("*") if item.is_file())
        elif path.suffix.lower() == ".shp":
            parts += sorted(item for item in path.parent.glob(f"{glob.escape(path.stem)}.*") if item.suffix.lower() in _SHAPEFILE)
        else:
            parts.append(path)
    return parts
