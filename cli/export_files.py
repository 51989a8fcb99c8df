"""`stadtgrund export files`: whole collections as files, written ahead of whoever asks for them, or into a folder."""

from __future__ import annotations

__all__ = ["files"]

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import sql

from cli import context
from cli.console import data, data_json, tell
from cli.progress import LoadProgress
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.file_formats import FORMATS, FileFormat, default_srid, offered, srids
from stadtgrund.errors import StadtgrundError, UnknownName, UsageError, by_locale, unknown
from stadtgrund.identity import OPEN
from stadtgrund.store.shelf import Shelf, Target


def files(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Die Datensätze.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Alle Datensätze, die das Profil sieht.")] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}; mehrmals möglich; sonst alle.", show_default=False),
    ] = None,
    crs: Annotated[
        list[str] | None,
        typer.Option("--crs", metavar="EPSG:N", help="Bezugssystem; mehrmals möglich; sonst das übliche.", show_default=False),
    ] = None,
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Für wen: open oder verwaltung.")] = OPEN,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="ORDNER", help="Die Dateien auch dorthin kopieren.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschrieben würde.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Datei.")] = False,
) -> None:
    """Ganze Datensätze als Dateien schreiben.

    So sind sie beim ersten Abruf schon da. Der Server schreibt jede Datei spätestens dann, wenn sie zum ersten Mal abgerufen
    wird. Was schon da ist, wird nicht neu geschrieben. Eine neue Version, ein geänderter Titel oder eine andere Lizenz ergeben
    neue Dateien.

    \b
    Beispiel: stadtgrund export files --all
              stadtgrund export files schulen --format gpkg --crs EPSG:4326 --output /srv/abgabe
    """
    if bool(ids) == all_:
        raise UsageError(
            by_locale("Welche Datensätze? Entweder IDs oder --all.", "Which datasets? Either ids or --all."),
            remedy=by_locale("Beispiel: stadtgrund export files schulen", "Example: stadtgrund export files schulen"),
        )
    deployment = context.readable()
    if profile not in deployment.profiles:
        raise UsageError(unknown("profile", profile, deployment.profiles, german="Profil"))
    chosen = [_format(name) for name in formats or FORMATS]
    wanted = [_srid(text) for text in crs or ()]
    database = context.database()
    with database.connect(profile, autocommit=True, application="stadtgrund export") as connection, LoadProgress() as progress:
        rows = connection.execute(
            sql.SQL("SELECT collection FROM {} ORDER BY dataset").format(sql.Identifier(f"p_{profile}", "sg_state"))
        ).fetchall()
        collections = {row[0]["id"]: Collection.model_validate(row[0]) for row in rows}
        for name in ids or ():
            if name not in collections:
                raise UnknownName("Datensatz", "dataset", name, collections)
        exported = [collection for collection in collections.values() if not ids or collection.id in ids]
        _check_offered(exported, chosen if formats else [], chosen, wanted)
        shelf = Shelf.of(database, context.settings().downloads.max_bytes)
        failed = False
        for collection in exported:
            for format_, srid in _each(collection, chosen, wanted):
                target = Target.of(collection, format_, srid)
                if dry_run:
                    _tell(collection, target.name, srid, as_json=as_json, written=False, ready=shelf.find(target) is not None)
                    continue
                # GDAL and Arrow: not before the command line is known to be right.
                from etl.deliver.deliver import deliver
                from etl.deliver.order import Order

                started = time.perf_counter()

                def shown(done: int, total: int | None, name: str = target.name) -> None:
                    progress(name, "write", done, total)

                try:
                    order = Order(dataset=collection.id, format=format_.name, srid=srid)
                    found, made = deliver(connection, profile, order, shelf, shown)
                    place = _copied(found.path, output, found.name) if output else found.path
                except StadtgrundError as error:
                    failed = True
                    tell(f"{target.name}: {error}")
                    continue
                progress.pause()
                facts = {"bytes": found.bytes, "sha256": found.sha256, "path": str(place), "seconds": time.perf_counter() - started}
                _tell(collection, found.name, srid, as_json=as_json, written=made, ready=True, **facts)
        if not dry_run:
            shelf.sweep()
    if failed:
        raise typer.Exit(1)


def _format(name: str) -> FileFormat:
    if name not in FORMATS:
        raise UsageError(unknown("format", name, FORMATS, german="Format"))
    return FORMATS[name]


def _srid(text: str) -> int:
    number = text.upper().removeprefix("EPSG:")
    if not (number.isascii() and number.isdigit() and len(number) <= 6):
        raise UsageError(
            by_locale(f"--crs {text!r} ist kein Bezugssystem.", f"--crs {text!r} is not a CRS."),
            remedy=by_locale("Erlaubt: EPSG:<Nummer>, etwa EPSG:4326.", "Allowed: EPSG:<number>, such as EPSG:4326."),
        )
    return int(number)


def _check_offered(collections: list[Collection], named: list[FileFormat], formats: list[FileFormat], wanted: list[int]) -> None:
    """Refuse a format that none of the collections is offered in, and a CRS in which none of the files that are meant is."""
    there = [format_.name for format_ in FORMATS.values() if any(format_ in offered(each) for each in collections)]
    for format_ in named:
        if format_.name not in there:
            raise UsageError(
                by_locale(f"--format {format_.name} wird hier nicht angeboten.", f"--format {format_.name} is not offered here."),
                remedy=by_locale(f"Bekannt sind: {', '.join(there) or '–'}.", f"Known are: {', '.join(there) or '–'}."),
            )
    known = {srid for each in collections for format_ in offered(each) if format_ in formats for srid in srids(each, format_)}
    for srid in wanted:
        if srid not in known:
            names = ", ".join(f"EPSG:{other}" for other in sorted(known))
            raise UsageError(
                by_locale(f"--crs EPSG:{srid} wird hier nicht angeboten.", f"--crs EPSG:{srid} is not offered here."),
                remedy=by_locale(f"Bekannt sind: {names or '–'}.", f"Known are: {names or '–'}."),
            )


def _each(collection: Collection, formats: list[FileFormat], wanted: list[int]) -> list[tuple[FileFormat, int | None]]:
    """Return which files of a collection are meant; what it is not offered in is left out."""
    found: list[tuple[FileFormat, int | None]] = []
    for format_ in offered(collection):
        if format_ in formats:
            known = srids(collection, format_)
            found += [(format_, srid) for srid in wanted if srid in known] if wanted else [(format_, default_srid(collection, format_))]
    return found


def _copied(path: Path, folder: Path, name: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(path, folder / name))
    except OSError as error:
        raise StadtgrundError(
            by_locale(f"{folder / name} kann nicht geschrieben werden: {error.strerror}.", f"{folder / name} cannot be written."),
            remedy=by_locale("Anderer Ort: --output ORDNER", "Another place: --output FOLDER"),
        ) from error


def _tell(collection: Collection, name: str, srid: int | None, *, as_json: bool, written: bool, ready: bool, **facts: Any) -> None:
    if as_json:
        crs = f"EPSG:{srid}" if srid else None
        data_json(
            {"dataset": collection.id, "version": collection.facts.version, "file": name, "crs": crs, "written": written, "ready": ready}
            | facts
        )
        return
    if "bytes" not in facts:
        data(f"{name}: {by_locale('ist da', 'is there') if ready else by_locale('würde geschrieben', 'would be written')}")
        return
    size = f"{facts['bytes'] / 2**20:.1f} MB"
    said = (
        by_locale(f"geschrieben in {facts['seconds']:.1f} s", f"written in {facts['seconds']:.1f} s")
        if written
        else by_locale("war schon da", "was there already")
    )
    data(f"{name}: {size}, {said}")
