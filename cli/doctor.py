"""`stadtgrund doctor`: does this machine have what Stadtgrund needs, and what helps where it does not."""

from __future__ import annotations

__all__ = ["CHECKS", "Finding", "command", "examine"]

import os
import platform
import pwd
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli import context, ports
from cli.console import data, data_json
from stadtgrund.errors import SetupError, by_locale
from stadtgrund.settings import Settings

State = Literal["ok", "warn", "fail"]

_VECTOR_DRIVERS = ("GPKG", "ESRI Shapefile", "GeoJSON", "CSV", "XLSX")
_RASTER_DRIVERS = ("GTiff", "COG")
_GRID_PROBES = (
    ("EPSG:31466", "EPSG:25832"),
    ("EPSG:31467", "EPSG:25832"),
    ("EPSG:31468", "EPSG:25832"),
    ("EPSG:31469", "EPSG:25833"),
    ("EPSG:3068", "EPSG:25833"),
    ("EPSG:2398", "EPSG:25833"),
    ("EPSG:4314", "EPSG:4258"),
)
"""What German offices still deliver in: Gauß-Krüger 2 to 5, Soldner Berlin, the GDR's 42/83, DHDN in degrees."""
_GRID_ACCURACY_M = 1.0
_DISK_WARN_GB, _DISK_FAIL_GB = 5, 1


@dataclass(frozen=True)
class Finding:
    """One line of the report; `remedy` is empty when the state is ok."""

    check: str
    state: State
    text: str
    remedy: str = ""


def _python(_: Settings) -> Iterator[Finding]:
    """Python itself, as the running interpreter says."""
    text = f"{platform.python_version()} ({sys.executable})"
    if tuple(map(int, platform.python_version_tuple()[:2])) >= (3, 12):
        yield Finding("Python", "ok", text)
    else:
        yield Finding(
            "Python", "fail", text, by_locale("Nötig ist Python 3.12 oder neuer: make setup", "Python 3.12 or newer is needed: make setup")
        )


def _drivers(_: Settings) -> Iterator[Finding]:
    """GDAL's drivers in the two wheels, which bring a GDAL each."""
    import pyogrio
    import rasterio

    vectors = pyogrio.list_drivers()
    with rasterio.Env() as env:
        rasters = env.drivers()
    for library, version, wanted, have in (
        ("pyogrio", ".".join(map(str, pyogrio.__gdal_version__)), _VECTOR_DRIVERS, vectors),
        ("rasterio", rasterio.__gdal_version__, _RASTER_DRIVERS, rasters),
    ):
        missing = [driver for driver in wanted if driver not in have]
        if missing:
            yield Finding(
                f"GDAL ({library})",
                "fail",
                by_locale(f"GDAL {version} ohne {', '.join(missing)}", f"GDAL {version} lacks {', '.join(missing)}"),
                by_locale(f"Die festgelegte Fassung von {library} einrichten: make setup", f"Install the pinned {library}: make setup"),
            )
        else:
            yield Finding(f"GDAL ({library})", "ok", f"GDAL {version}: {', '.join(wanted)}")


def _postgis(settings: Settings) -> Iterator[Finding]:
    """The server's programs, or the foreign database behind DATABASE_URL."""
    if settings.database.url is not None:
        yield _foreign_database(settings.database.url.reveal())
        return
    from stadtgrund.store.binaries import binaries, installations

    try:
        folder = binaries()
    except SetupError as error:
        yield Finding("PostGIS", "fail", error.what, error.remedy)
        return
    major = next(item.major for item in installations() if item.bin == folder)
    if major >= 15:
        yield Finding("PostGIS", "ok", f"PostgreSQL {major} ({folder})")
    else:
        yield Finding(
            "PostGIS",
            "warn",
            by_locale(f"PostgreSQL {major}; erprobt ist ab 15", f"PostgreSQL {major}; tested from 15 on"),
            by_locale("Installieren Sie eine neuere Fassung: postgresql-postgis", "Install a newer one: postgresql-postgis"),
        )


def _foreign_database(url: str) -> Finding:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5, application_name="stadtgrund doctor") as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'postgis'), "
                "has_database_privilege(current_database(), 'CREATE') OR to_regclass('meta.setting') IS NOT NULL"
            ).fetchone()
    except psycopg.Error as error:
        # libpq's text names host and cause; the URL, which holds the password, is not repeated.
        return Finding(
            "PostGIS",
            "fail",
            f"DATABASE_URL: {' '.join(str(error).split())}",
            by_locale("Adresse, Kennwort und Erreichbarkeit prüfen", "Check address, password and whether the host can be reached"),
        )
    version, postgis, ready = row or ("?", None, False)
    text = f"PostgreSQL {version}, PostGIS {postgis or '–'} (DATABASE_URL)"
    if postgis is None or not ready:
        return Finding(
            "PostGIS",
            "fail",
            text,
            by_locale(
                "Lassen Sie die Datenbank einrichten: stadtgrund db script gibt aus, was ihr Administrator ausführt",
                "Have the database prepared: stadtgrund db script prints what its DBA runs",
            ),
        )
    return Finding("PostGIS", "ok", text)


def _grids(_: Settings) -> Iterator[Finding]:
    """German coordinate operations: is the best one there, or does a missing grid cost decimetres to metres."""
    from stadtgrund.crs import best_operation

    coarse = []
    for source, target in _GRID_PROBES:
        operation = best_operation(source, target)
        accuracy = operation.accuracy_m
        if not operation.best_available or accuracy is None or accuracy > _GRID_ACCURACY_M:
            shown = f"{accuracy:g} m" if accuracy is not None else "? m"
            coarse.append(f"{source} → {target}: {shown}{f', {operation.missing}' if operation.missing else ''}")
    if coarse:
        yield Finding(
            by_locale("CRS-Gitter", "CRS grids"),
            "warn",
            by_locale("Lagegenauigkeit unsicher: ", "position uncertain: ") + "; ".join(coarse),
            by_locale("Installieren Sie die Gitter: apt install proj-data", "Install the grids: apt install proj-data"),
        )
    else:
        yield Finding(
            by_locale("CRS-Gitter", "CRS grids"),
            "ok",
            ", ".join(source for source, _target in _GRID_PROBES) + f" (≤ {_GRID_ACCURACY_M:g} m)",
        )


def _existing(path: Path) -> Path:
    """Return `path` or the nearest folder above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def _rights(settings: Settings) -> Iterator[Finding]:
    """May we write where we keep things, do the secrets stay secret, and can PostgreSQL run as somebody but root."""
    name = by_locale("Rechte", "Rights")
    folder = _existing(settings.paths.var)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            name,
            "fail",
            by_locale(f"{folder} ist nicht beschreibbar", f"{folder} cannot be written to"),
            by_locale(
                f"chown {_user()} {folder}, oder STADTGRUND_VAR auf einen anderen Ordner setzen",
                f"chown {_user()} {folder}, or name another folder by STADTGRUND_VAR",
            ),
        )
        return
    readable = [path.name for path in _secret_files(settings) if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if readable:
        yield Finding(
            name,
            "fail",
            by_locale(f"Andere können lesen: {', '.join(readable)}", f"Others can read: {', '.join(readable)}"),
            f"chmod 600 {settings.paths.secrets}/*",
        )
    elif os.geteuid() == 0 and settings.database.url is None and not _has_account("postgres"):
        yield Finding(
            name,
            "fail",
            by_locale(
                "PostgreSQL verweigert root, und ein Benutzer postgres fehlt", "PostgreSQL refuses root, and there is no user postgres"
            ),
            by_locale(
                "Installieren Sie postgresql-postgis, oder arbeiten Sie nicht als root",
                "Install postgresql-postgis, or do not work as root",
            ),
        )
    else:
        yield Finding(name, "ok", by_locale(f"{folder} beschreibbar für {_user()}", f"{folder} writable for {_user()}"))


def _secret_files(settings: Settings) -> list[Path]:
    folder = settings.paths.secrets
    return sorted(path for path in folder.iterdir() if path.is_file()) if os.access(folder, os.R_OK | os.X_OK) else []


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _has_account(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _disk(settings: Settings) -> Iterator[Finding]:
    """Free space where database and files lie."""
    folder = _existing(settings.paths.var)
    free_gb = shutil.disk_usage(folder).free / 1e9
    state: State = "fail" if free_gb < _DISK_FAIL_GB else "warn" if free_gb < _DISK_WARN_GB else "ok"
    yield Finding(
        by_locale("Speicherplatz", "Disk"),
        state,
        by_locale(f"{free_gb:.0f} GB frei in {folder}", f"{free_gb:.0f} GB free in {folder}"),
        "" if state == "ok" else by_locale(f"Schaffen Sie Platz: mindestens {_DISK_WARN_GB} GB", f"Make room: at least {_DISK_WARN_GB} GB"),
    )


def _port(settings: Settings) -> Iterator[Finding]:
    """Is the port free, or does our own server hold it."""
    server = settings.server
    if ports.is_free(server.host, server.port):
        yield Finding("Port", "ok", f"{server.host}:{server.port}")
    else:
        yield Finding(
            "Port",
            "warn",
            by_locale(
                f"{server.host}:{server.port} ist belegt: Prozess {ports.holder(server.port) or '?'}",
                f"{server.host}:{server.port} is taken: process {ports.holder(server.port) or '?'}",
            ),
            by_locale(
                "Läuft Stadtgrund schon? Sonst einen anderen nennen: make run PORT=5001",
                "Is Stadtgrund running? Else name another: make run PORT=5001",
            ),
        )


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (_python, _drivers, _postgis, _grids, _rights, _disk, _port)


def examine(settings: Settings) -> list[Finding]:
    """Run all checks; changes nothing."""
    return [finding for check in CHECKS for finding in check(settings)]


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Prüfung.")] = False,
) -> None:
    """Prüfen, ob diese Maschine alles hat: Python, GDAL, PostGIS, CRS-Gitter, Rechte, Speicherplatz, Port.

    Ende mit 1, wenn etwas fehlt, ohne das es nicht geht. Ohne --dry-run: der Befehl schreibt nichts.

    \b
    Beispiel: stadtgrund doctor
    """
    findings = examine(context.settings())
    marks = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
    for finding in findings:
        if as_json:
            data_json(asdict(finding))
        else:
            data(f"{marks[finding.state]}  {finding.check}: {finding.text}")
            if finding.remedy:
                data(f"      → {finding.remedy}")
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)
