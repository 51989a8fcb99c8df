"""`stadtgrund tiles`: make tiles before they are asked for; remove stored ones."""

from __future__ import annotations

__all__ = ["app"]

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import context
from cli.console import data, data_json, tell
from stadtgrund.errors import UnknownName, UsageError, by_locale

if TYPE_CHECKING:
    from server.tile_cache import TileCache, TileKey
    from stadtgrund.catalog.collection import Collection
    from stadtgrund.store.database import Database

_DEEPEST = 14
"""Zoom up to which tiles are made unless told: deeper ones are many, and quick to make when they are asked for."""

app = typer.Typer(
    help="Kacheln vorab erzeugen oder gespeicherte löschen.\n\n\b\nBeispiel: stadtgrund tiles seed --zoom 10-14",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Kennungen der Datensätze; sonst alle.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")]
_Json = Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Datensatz.")]


@app.command()
def seed(
    ids: _Ids = None,
    zoom: Annotated[str, typer.Option("--zoom", metavar="A-B", help="Zoomstufen, soweit ein Datensatz sie hat.")] = f"0-{_DEEPEST}",
    profile: Annotated[str, typer.Option("--profile", metavar="PROFIL", help="Wessen Sicht: open oder verwaltung.")] = "open",
    tms: Annotated[str, typer.Option("--tms", metavar="NAME", help="WebMercatorQuad oder WorldCRS84Quad.")] = "WebMercatorQuad",
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=16, help="Kacheln zugleich; jede braucht eine Verbindung zur Datenbank.")] = 2,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Kacheln vorab erzeugen.

    So bekommt auch die erste Anfrage sie aus dem Speicher.

    Was schon gespeichert ist, bleibt; abgebrochen und wiederholt, geht es weiter, wo es war. Grenze ist STADTGRUND_TILES_MB.

    \b
    Beispiel: stadtgrund tiles seed
              stadtgrund tiles seed gebaeude strassen --zoom 12-16
    """
    from server.tile_seed import Seeding, collections, places
    from server.tile_sweep import size_of
    from stadtgrund.query.tiles import MATRIX_SETS
    from stadtgrund.store.roles import PROFILES

    zooms = _zooms(zoom)
    if tms not in MATRIX_SETS:
        raise UnknownName("Kachelschema", "tile matrix set", tms, MATRIX_SETS)
    if profile not in PROFILES:
        raise UnknownName("Profil", "profile", profile, PROFILES)
    db = context.database()
    cache = _cache(db)
    if not cache.limit:
        raise UsageError(
            by_locale("STADTGRUND_TILES_MB=0: Kacheln werden nicht gespeichert.", "STADTGRUND_TILES_MB=0: tiles are not stored."),
            remedy=by_locale("Eine Größe in MB setzen, etwa 2048.", "Set a size in MB, such as 2048."),
        )
    with db.connect(profile, autocommit=True, application="stadtgrund tiles") as connection:
        seen = collections(connection, profile)
    chosen = _chosen(seen, ids)
    seeding = Seeding(db, profile, cache, jobs, cache.limit - size_of(cache.root)[1])
    with _progress() as progress:
        for name in chosen:
            collection, digest = seen[name]
            started, total = time.monotonic(), sum(1 for _ in places(collection, tms, zooms))
            told: dict[str, Any] = {
                "dataset": name, "profile": profile, "form": collection.form, "version": collection.facts.version,
                "matrix_set": tms, "tiles": total,
            }  # fmt: skip
            if dry_run:
                kept = sum(1 for place in places(collection, tms, zooms) if cache.has(_key(collection), place))
                told |= {"kept": kept, "missing": total - kept}
            else:
                done = seeding.seed(collection, digest, places(collection, tms, zooms), total, progress.of(name))
                told |= {**asdict(done), "seconds": round(time.monotonic() - started, 2)}
            progress.pause()
            _tell({**told, "dry_run": dry_run}, as_json=as_json)


@app.command()
def clear(
    ids: _Ids = None,
    old: Annotated[bool, typer.Option("--old", help="Nur, was kein Stand mehr braucht.")] = False,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Gespeicherte Kacheln löschen.

    Was gebraucht wird, entsteht bei der nächsten Anfrage neu.

    \b
    Beispiel: stadtgrund tiles clear --old
              stadtgrund tiles clear gebaeude
    """
    from server.tile_cache import COMPOSITE
    from server.tile_sweep import size_of

    db = context.database()
    cache = _cache(db)
    current = _current(db) if old else set[Any]()
    stored = list(cache.outdated(current))
    names = sorted({key.dataset for key in stored} | set(context.readable().contracts))
    for name in ids or ():
        if name not in names:
            raise UnknownName("Datensatz", "dataset", name, names)
    for key in stored:
        # Tiles with all collections have a layer of each.
        if ids and key.dataset not in (*ids, COMPOSITE):
            continue
        count, size = size_of(cache.root.joinpath(*key))
        if not dry_run:
            cache.drop(key)
        if as_json:
            data_json({"dataset": key.dataset, "made_of": key.made_of, "tiles": count, "bytes": size, "dry_run": dry_run})
            continue
        head = by_locale("Probe: ", "Dry run: ") if dry_run else ""
        verb = by_locale("würden gelöscht", "would be removed") if dry_run else by_locale("gelöscht", "removed")
        noun = by_locale("Dateien", "files")
        data(f"{head}{key.dataset} ({key.made_of}): {count} {noun}, {size / 2**20:.1f} MiB {verb}.")


def _zooms(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text, re.ASCII)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not low <= high <= 24:
        raise UsageError(
            by_locale(f"--zoom {text}: keine Zoomstufen.", f"--zoom {text}: no zooms."),
            remedy=by_locale(
                "Erlaubt: eine Zahl oder zwei, von 0 bis 24, etwa 10-14.", "Allowed: one number or two, 0 to 24, such as 10-14."
            ),
        )
    return low, high


def _cache(db: Database) -> TileCache:
    from server.tile_cache import TileCache

    return TileCache(db.paths.tiles / db.name, context.settings().tiles.max_bytes)


def _key(collection: Collection) -> TileKey:
    from server.tile_cache import key_of

    return key_of(collection)


def _current(db: Database) -> set[TileKey]:
    """Return the keys that the states of all profiles name."""
    from server.tile_cache import composite_key
    from server.tile_dataset import MOST_LAYERS
    from server.tile_seed import collections
    from stadtgrund.store.roles import PROFILES

    found: set[TileKey] = set()
    for profile in PROFILES:
        with db.connect(profile, autocommit=True, application="stadtgrund tiles") as connection:
            seen = [collection for collection, _ in collections(connection, profile).values()]
        keys = [_key(collection) for collection in seen if collection.tiles and collection.geometry]
        found |= {*keys, composite_key(keys[:MOST_LAYERS])}
    return found


def _chosen(seen: dict[str, tuple[Collection, str]], ids: list[str] | None) -> list[str]:
    tiled = [name for name, (collection, _) in seen.items() if collection.tiles and collection.geometry]
    for name in ids or ():
        if name not in tiled:
            raise UnknownName("Datensatz mit Kacheln", "dataset with tiles", name, tiled)
    return ids or tiled


class _Told:
    """Progress of one dataset after the other."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self.pause = bar.pause

    def of(self, dataset: str) -> Any:
        return lambda done, total: self._bar(dataset, "seed", done, total)


@contextmanager
def _progress() -> Iterator[_Told]:
    from cli.progress import LoadProgress

    with LoadProgress(by_locale("Kacheln", "tiles")) as bar:
        yield _Told(bar)


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        data_json(told)
        return
    name = f"{told['dataset']} ({told['profile']}, v{told['version']})"
    if told["dry_run"]:
        data(
            by_locale(
                f"Probe: {name}: {told['tiles']} Kacheln, davon {told['kept']} schon da.",
                f"Dry run: {name}: {told['tiles']} tiles, {told['kept']} of them are there.",
            )
        )
        return
    size, seconds = f"{told['bytes'] / 2**20:.1f} MiB", f"{told['seconds']:.1f} s"
    data(
        by_locale(
            f"{name}: {told['made']} Kacheln erzeugt ({told['empty']} leer, {size}), {told['kept']} waren da; {seconds}",
            f"{name}: {told['made']} tiles made ({told['empty']} empty, {size}), {told['kept']} were there; {seconds}",
        )
    )
    if not told["tiles"]:
        tell(by_locale(f"{name} hat in diesen Zoomstufen keine Kacheln.", f"{name} has no tiles at these zooms."))
