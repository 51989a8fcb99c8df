"""`stadtgrund rollback`: serve an earlier version again."""

from __future__ import annotations

__all__ = ["command"]

from typing import Annotated

import typer

from cli import closing, context
from cli.console import data, data_json, tell
from stadtgrund.errors import NotFound, UnknownName, by_locale
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import versions
from stadtgrund.store.versions import Version


def command(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Kennung des Datensatzes.")],
    to: Annotated[int | None, typer.Option("--to", metavar="N", min=1, help="Version; sonst die vor der jetzigen.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Nur die Versionen zeigen.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was geschähe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Eine Zeile JSON je Version.")] = False,
) -> None:
    """Eine frühere Version wieder ausliefern: als neue Version mit deren Zeilen.

    Die nächste Ladung mit geänderter Quelle macht wieder eine neue Version.

    \b
    Beispiel: stadtgrund rollback schulen --to 5
              stadtgrund rollback schulen --list
    """
    contract = context.served(dataset)
    db = context.database()
    known = versions.history(db, dataset)
    if listed:
        for version in known:
            _tell(version, as_json=as_json)
        return
    if to is not None and known and to not in (numbers := [version.version for version in known]):
        raise UnknownName(f"Version von {dataset}", f"version of {dataset}", str(to), map(str, numbers))
    chosen = to or next((version.version for version in known[1:] if version.dropped_at is None), None)
    if chosen is None:
        raise NotFound(
            by_locale(f"Von {dataset} ist keine frühere Version aufbewahrt.", f"No earlier version of {dataset} is kept."),
            remedy=by_locale(f"Alle Versionen zeigt: stadtgrund rollback {dataset} --list", f"All: stadtgrund rollback {dataset} --list"),
        )
    if dry_run:
        versions.check_rollback(db, contract, chosen)
        if as_json:
            data_json({"dataset": dataset, "origin": f"rollback:{chosen}", "dry_run": True})
        tell(by_locale(f"Probe: {dataset} bekäme die Zeilen von Version {chosen}.", f"Dry run: {dataset} would get the rows of {chosen}."))
        return
    made = versions.rollback(
        db,
        context.readable(told=False),
        contract,
        chosen,
        compile_where=compile_where,
        compile_text=compile_text,
        compile_tiles=compile_tiles,
    )
    context.check_again()  # what was put right meanwhile counts
    closed = closing.close(db, [dataset])
    _tell(made, as_json=as_json)
    for state in made.states:
        tell(f"  {state.profile}: {by_locale(state.reason.de, state.reason.get('en'))}")
    if not closed:
        raise typer.Exit(1)


def _tell(version: Version, *, as_json: bool) -> None:
    if as_json:
        data_json(
            {
                "dataset": version.dataset,
                "version": version.version,
                "origin": version.origin,
                "rows": version.rows,
                "published_at": version.published_at,
                "kept": version.dropped_at is None,
            }
        )
        return
    gone = "" if version.dropped_at is None else by_locale("\tnicht mehr aufbewahrt", "\tno longer kept")
    data(f"{version.dataset}\t{version.version}\t{version.origin}\t{version.rows}\t{version.published_at:%Y-%m-%d %H:%M} UTC{gone}")
