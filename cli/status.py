"""`stadtgrund status`: what is published, how old it is, who sees it, how the last load ended."""

from __future__ import annotations

__all__ = ["command"]

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row

from cli import context
from cli.console import data, data_json
from stadtgrund.catalog.contract import Contract

_RHYTHM = {
    "daily": ("täglich", timedelta(days=2)),
    "weekly": ("wöchentlich", timedelta(days=9)),
    "monthly": ("monatlich", timedelta(days=38)),
    "quarterly": ("vierteljährlich", timedelta(days=110)),
    "yearly": ("jährlich", timedelta(days=400)),
    "irregular": ("unregelmäßig", None),
    "once": ("einmalig", None),
}
_STATUS = {
    "running": "läuft",
    "published": "veröffentlicht",
    "unchanged": "unverändert",
    "stopped": "angehalten",
    "failed": "fehlgeschlagen",
}
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

    \b
    Beispiel: stadtgrund status
              stadtgrund status --json
    """
    deployment = context.deployment()
    names = list(deployment.contracts)
    with (
        context.database().connect("owner", application="stadtgrund status") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        found = {row["dataset"]: row for row in cursor.execute(_QUERY, (names,))}
    now = datetime.now(UTC)
    lines = [_line(contract, found[name], now) for name, contract in deployment.contracts.items()]
    if as_json:
        for line in lines:
            data_json(line)
        return
    heads = ("Datensatz", "Version", "Zeilen", "Alter", "Rhythmus", "Freigabe", "Letzte Ladung")
    table = [heads, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for row in table:
        data(
            "  ".join(
                cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )


def _line(contract: Contract, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    since = row["source_time"] or row["published_at"]
    limit = _RHYTHM[contract.source.rhythm][1] if contract.source.rhythm else None
    age = now - since if since else None
    if row["version"] is None:
        release = "not loaded"
    elif row["open_form"]:
        release = "open" if row["open_form"] == "full" else "restricted"
    else:
        release = "draft" if contract.protection.checked is None else "closed"
    return {
        "dataset": contract.id,
        "version": row["version"],
        "rows": None if contract.is_raster else row["rows"],
        "raster": contract.is_raster,
        "origin": row["origin"],
        "source_time": since,
        "age_days": age.days if age else None,
        "rhythm": contract.source.rhythm,
        "overdue": bool(age and limit and age > limit),
        "release": release,
        "last_run": row["last_run"],
        "last_status": row["last_status"],
    }


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    releases = {
        "open": "öffentlich",
        "restricted": "öffentlich, eingeschränkt",
        "draft": "Entwurf",
        "closed": "nur Verwaltung",
        "not loaded": "–",
    }
    age = "–" if line["age_days"] is None else f"{line['age_days']} d" + (" !" if line["overdue"] else "")
    last = f"{_STATUS[line['last_status']]} {line['last_run']:%d.%m.%Y %H:%M}" if line["last_status"] else "–"
    rows = "Raster" if line["raster"] else "–" if line["rows"] is None else f"{line['rows']:,}".replace(",", ".")
    return (
        line["dataset"],
        str(line["version"] or "–"),
        rows,
        age,
        _RHYTHM[line["rhythm"]][0] if line["rhythm"] else "–",
        releases[line["release"]],
        last,
    )
