"""`stadtgrund status`: what is published, how old it is, who sees it, how the last load ended."""

from __future__ import annotations

__all__ = ["command"]

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row

from cli import closing, context
from cli.console import data, data_json
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import by_locale
from stadtgrund.store import applied

_RHYTHM = {
    "daily": ("täglich", timedelta(days=2)),
    "weekly": ("wöchentlich", timedelta(days=9)),
    "monthly": ("monatlich", timedelta(days=38)),
    "quarterly": ("vierteljährlich", timedelta(days=110)),
    "yearly": ("jährlich", timedelta(days=400)),
    "irregular": ("unregelmäßig", None),
    "once": ("einmalig", None),
}
"""Promised rhythm → its German name, and the age from which a dataset is overdue."""
_STATUS = {
    "running": "läuft",
    "published": "veröffentlicht",
    "unchanged": "unverändert",
    "stopped": "angehalten",
    "failed": "fehlgeschlagen",
}
_RELEASE = {
    "open": ("öffentlich", "public"),
    "restricted": ("öffentlich, eingeschränkt", "public, restricted"),
    "draft": ("Entwurf", "draft"),
    "closed": ("nur Verwaltung", "administration only"),
    "not loaded": ("–", "–"),
}
_HEADS = (
    ("Datensatz", "Dataset"),
    ("Version", "Version"),
    ("Zeilen", "Rows"),
    ("Alter", "Age"),
    ("Rhythmus", "Rhythm"),
    ("Freigabe", "Release"),
    ("Letzte Ladung", "Last load"),
)
_QUERY = """
SELECT d.dataset, v.version, v.rows, v.origin, v.source_time, v.published_at, r.status AS last_status, r.started_at AS last_run,
       (SELECT s.form FROM meta.state s WHERE s.dataset = d.dataset AND s.profile = 'open') AS open_form
FROM unnest(%s::text[]) AS d (dataset)
LEFT JOIN LATERAL (SELECT * FROM meta.version WHERE version.dataset = d.dataset ORDER BY version DESC LIMIT 1) AS v ON true
LEFT JOIN LATERAL (SELECT * FROM meta.run WHERE run.dataset = d.dataset ORDER BY run DESC LIMIT 1) AS r ON true
"""


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Ein JSON-Objekt je Datensatz und Zeile.")] = False,
) -> None:
    """Zeigen, was veröffentlicht ist: Version, Zeilen, Alter gegen den Rhythmus, Freigabe, letzte Ladung.

    Ohne --dry-run: der Befehl schreibt nichts.

    \b
    Beispiel: stadtgrund status
              stadtgrund status --json
    """
    deployment, db = context.readable(), context.database()
    contracts: dict[str, Contract | None] = dict(deployment.contracts)
    for name in applied.datasets(db):
        if name not in contracts:
            contracts[name] = applied.contract(db, name)
    names = list(contracts)
    with (
        db.connect("owner", application="stadtgrund status") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        found = {row["dataset"]: row for row in cursor.execute(_QUERY, (names,))}
    now = datetime.now(UTC)
    lines = [_line(contract, found[name], now) for name, contract in contracts.items()]
    closing.tell_unowned(db)
    if as_json:
        for line in lines:
            data_json(line)
        return
    table = [tuple(by_locale(*head) for head in _HEADS), *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADS))]
    for row in table:
        data(
            "  ".join(
                cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )


def _line(contract: Contract | None, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    since = row["source_time"] or row["published_at"]
    rhythm = contract.source.rhythm if contract else None
    limit = _RHYTHM[rhythm][1] if rhythm else None
    age = now - since if since else None
    if row["version"] is None:
        release = "not loaded"
    elif row["open_form"]:
        release = "open" if row["open_form"] == "full" else "restricted"
    else:
        release = "draft" if contract and contract.protection.checked is None else "closed"
    return {
        "dataset": row["dataset"],
        "version": row["version"],
        "rows": None if contract and contract.is_raster else row["rows"],
        "raster": bool(contract and contract.is_raster),
        "origin": row["origin"],
        "source_time": since,
        "age_days": age.days if age else None,
        "rhythm": rhythm,
        "overdue": bool(age and limit and age > limit),
        "release": release,
        "last_run": row["last_run"],
        "last_status": row["last_status"],
    }


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    age = "–" if line["age_days"] is None else f"{line['age_days']} d" + (" !" if line["overdue"] else "")
    status, when, rhythm = line["last_status"], line["last_run"], line["rhythm"]
    last = by_locale(f"{_STATUS[status]} {when:%d.%m.%Y %H:%M}", f"{status} {when:%Y-%m-%d %H:%M}") if status else "–"
    rows = "–" if line["rows"] is None else by_locale(f"{line['rows']:,}".replace(",", "."), f"{line['rows']:,}")
    return (
        line["dataset"],
        str(line["version"] or "–"),
        "Raster" if line["raster"] else rows,
        age,
        by_locale(_RHYTHM[rhythm][0], rhythm) if rhythm else "–",
        by_locale(*_RELEASE[line["release"]]),
        last,
    )
