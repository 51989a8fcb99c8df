"""`stadtgrund report`: what a load found, and which rows it rejected."""

from __future__ import annotations

__all__ = ["command"]

from datetime import datetime
from typing import Annotated, Any

import typer
from psycopg import Cursor
from psycopg.rows import dict_row

from cli import context
from cli.console import data, data_json
from stadtgrund.catalog.contract import Text
from stadtgrund.errors import NotFound, UnknownName, by_locale
from stadtgrund.store import versions


def command(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Der Datensatz.")],
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Diese Version; sonst die letzte Ladung, die gelesen hat.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Auch die abgelehnten Zeilen, mit ihren Werten.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Als JSON; mit --rows folgt eine Zeile je abgelehnter Zeile.")] = False,
) -> None:
    """Den Bericht einer Ladung zeigen: Zeilen, Befunde, Lagegenauigkeit, wer den Datensatz sieht.

    Ohne --dry-run: der Befehl schreibt nichts.

    \b
    Beispiel: stadtgrund report schulen
              stadtgrund report schulen --version 3 --rows
    """
    from etl.report import as_text

    contract = context.served(dataset)
    db = context.database()
    with (
        db.connect("owner", application="stadtgrund report") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        run = cursor.execute(
            "SELECT run, status, version, rows_in, rows_published, rows_rejected, seconds, report, started_at FROM meta.run"
            " WHERE dataset = %(dataset)s AND run = CASE WHEN %(version)s::integer IS NULL"
            # A load that found nothing new has nothing to tell: what holds is the report of the one that read the rows.
            " THEN (SELECT run FROM meta.run WHERE dataset = %(dataset)s"
            " ORDER BY status = 'unchanged' AND coalesce(rows_in, 0) = 0, run DESC LIMIT 1)"
            " ELSE (SELECT run FROM meta.version WHERE dataset = %(dataset)s AND version = %(version)s) END",
            {"dataset": dataset, "version": version},
        ).fetchone()
        if run is None:
            numbers = [str(known.version) for known in versions.history(db, dataset)]
            if numbers:
                raise UnknownName(f"Version von {dataset}", f"version of {dataset}", str(version), numbers)
            raise NotFound(
                by_locale(f"{dataset} hat keinen Bericht.", f"{dataset} has no report."),
                remedy=by_locale(f"Laden Sie den Datensatz: stadtgrund load {dataset}", f"Load the dataset: stadtgrund load {dataset}"),
            )
        report = _complete(dict(run), dataset, contract.title)
        if as_json:
            data_json(report)
        else:
            data(as_text(report))
            if version is None and (since := _unchanged_since(cursor, dataset, run["run"])):
                data(
                    by_locale(
                        f"  Quelle zuletzt geprüft am {since:%d.%m.%Y %H:%M} UTC: unverändert.",
                        f"  Source last checked on {since:%Y-%m-%d %H:%M} UTC: unchanged.",
                    )
                )
        if not rows:
            return
        rejected = cursor.execute(
            'SELECT sg_row, rule, field, reason, "row" FROM meta.rejected_row WHERE run = %s ORDER BY sg_row, rule', (run["run"],)
        )
        for row in rejected:
            if as_json:
                data_json(row)
            else:
                values = ", ".join(f"{name}={value}" for name, value in row["row"].items() if value not in (None, ""))
                place = by_locale("Zeile", "Row") + f" {row['sg_row']}" + (f", {row['field']}" if row["field"] else "")
                data(f"  {place}: {row['reason']} | {values}")


def _unchanged_since(cursor: Cursor[dict[str, Any]], dataset: str, run: int) -> datetime | None:
    """Return when a load after `run` last found the source unchanged; None when none did."""
    found = cursor.execute(
        "SELECT max(started_at) AS checked FROM meta.run WHERE dataset = %s AND run > %s AND status = 'unchanged'", (dataset, run)
    ).fetchone()
    return found["checked"] if found else None


def _complete(run: dict[str, Any], dataset: str, title: Text) -> dict[str, Any]:
    """Return the stored report; of a run that was killed, what is known of it."""
    stored = run.pop("report") or {}
    started = run.pop("started_at")
    known = {
        "dataset": dataset,
        "title": title.de,
        "title_en": title.get("en"),
        "findings": [],
        "notes": [],
        "access": [],
        "seconds_by_phase": {},
    }
    if stored.get("ended") or run["status"] == "running":
        stored = (
            {"error": by_locale("Der Prozess wurde beendet, bevor die Ladung fertig war.", "The process ended before the load was done.")}
            if stored
            else {"error": by_locale(f"Läuft seit {started:%d.%m.%Y %H:%M} UTC.", f"Running since {started:%Y-%m-%d %H:%M} UTC.")}
        )
    report = known | {name: value for name, value in run.items() if value is not None} | stored
    return {name: report[name] for name in sorted(report)}
