"""Where PostgreSQL's server programs lie, and whether PostGIS lies beside them."""

from __future__ import annotations

__all__ = ["Installation", "binaries", "installations"]

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stadtgrund.errors import SetupError
from stadtgrund.language import say


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL server on this machine; `postgis` tells whether its extension is installed."""

    major: int
    bin: Path
    postgis: bool


def installations(root: Path = Path("/"), path: str | None = None) -> list[Installation]:
    """List the PostgreSQL servers, newest first, those with PostGIS before those without.

    Parameters
    ----------
    root : Path
        The file system to look in (Debian's `usr/lib/postgresql/<major>/bin`).
    path : str, optional
        Search path for `pg_config`, which knows a server installed elsewhere; None = `PATH`.
    """
    found = {item.bin.resolve(): item for item in (*_debian(root), *_configured(path))}
    return sorted(found.values(), key=lambda item: (item.postgis, item.major), reverse=True)


def binaries(major: int | None = None, *, root: Path = Path("/"), path: str | None = None) -> Path:
    """Return the folder with `initdb` and `pg_ctl` of the newest PostgreSQL that has PostGIS.

    Parameters
    ----------
    major : int, optional
        Only this major version: that of an existing data folder.

    Raises
    ------
    SetupError
        Naming the package that is missing.
    """
    known = installations(root, path)
    for item in known:
        if item.postgis and (major is None or item.major == major):
            return item.bin
    package = f"postgresql-{major}-postgis-3" if major else "postgresql-postgis"
    have = ", ".join(f"PostgreSQL {item.major} ({item.bin})" for item in known if major is None or item.major == major)
    if have:
        what = say(f"{have} hat kein PostGIS.", f"{have} lacks PostGIS.")
    elif major:
        what = say(
            f"Die private Datenbank ist von PostgreSQL {major}, das hier nicht (mehr) installiert ist.",
            f"The private database is of PostgreSQL {major}, which is not installed here (any more).",
        )
    else:
        what = say("PostgreSQL mit PostGIS ist nicht installiert.", "PostgreSQL with PostGIS is not installed.")
    raise SetupError(
        what,
        remedy=say(
            f"Installieren Sie das Paket {package} (oder: make setup), oder nennen Sie mit DATABASE_URL ein anderes PostGIS.",
            f"Install the package {package} (or: make setup), or name another PostGIS by DATABASE_URL.",
        ),
    )


def _debian(root: Path) -> Iterator[Installation]:
    for initdb in root.glob("usr/lib/postgresql/*/bin/initdb"):
        major = initdb.parent.parent.name
        if major.isdigit() and os.access(initdb, os.X_OK):
            yield Installation(int(major), initdb.parent, _has_postgis(root / "usr/share/postgresql" / major))


def _configured(path: str | None) -> Iterator[Installation]:
    program = shutil.which("pg_config", path=path)
    if program is None:
        return
    answer = subprocess.run([program, "--version", "--bindir", "--sharedir"], capture_output=True, text=True, check=False, timeout=10)
    lines = answer.stdout.splitlines()
    if answer.returncode or len(lines) != 3:
        return
    version, folder, share = lines
    match = re.search(r"\d+", version)
    if match and os.access(Path(folder) / "initdb", os.X_OK):  # libpq-dev alone brings pg_config, but no server
        yield Installation(int(match[0]), Path(folder), _has_postgis(Path(share)))


def _has_postgis(share: Path) -> bool:
    return (share / "extension" / "postgis.control").is_file()
