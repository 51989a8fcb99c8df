"""A German page in Markdown about the datasets of deployments: one row each, from the contracts alone."""

from __future__ import annotations

__all__ = ["page"]

from collections.abc import Iterable

from stadtgrund.catalog import access
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.questions import questions
from stadtgrund.catalog.registry import Deployment
from stadtgrund.identity import OPEN

_HEAD = """\
# Datensätze

<!-- Geschrieben von `stadtgrund docs`; Änderungen gehören in die Verträge. -->

Eine Zeile je Vertrag. „Öffentlich“ sagt, was ohne Schlüssel zu sehen ist; die Verwaltung sieht alles.
"""
_COLUMNS = ("Datensatz", "Titel", "Geometrie", "Quelle", "Rhythmus", "Verantwortlich", "Lizenz", "Öffentlich")
_RHYTHMS = {
    "daily": "täglich",
    "weekly": "wöchentlich",
    "monthly": "monatlich",
    "quarterly": "vierteljährlich",
    "yearly": "jährlich",
    "irregular": "unregelmäßig",
    "once": "einmalig",
}
_KINDS = {
    "ogr": "Geodatei",
    "wfs": "WFS",
    "ogcapi": "OGC API",
    "table": "Tabelle",
    "sql": "Datenbank",
    "postgis": "PostGIS",
    "raster": "Raster",
    "join": "Verbindung",
}


def page(deployments: Iterable[Deployment]) -> str:
    """Return the page; equal contracts give an equal page."""
    parts = [_HEAD]
    for deployment in deployments:
        rows = [_row(contract) for contract in deployment.contracts.values()]
        lines = [_line(_COLUMNS), _line(("---",) * len(_COLUMNS)), *(_line(row) for row in rows)]
        parts.append(
            f"## {deployment.title.de}\n\n{len(rows)} Datensätze, Speicher-Lagebezug {deployment.crs}.\n\n" + "\n".join(lines) + "\n"
        )
    return "\n".join(parts)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _row(contract: Contract) -> tuple[str, ...]:
    source = contract.source
    kind = _KINDS[source.kind]
    if source.kind == "join":
        kind += f" {source.left} + {source.right}"
    owner = contract.responsibility.owner
    return (
        f"`{contract.id}`",
        contract.title.de,
        f"{contract.geometry.type} ({contract.geometry.crs})" if contract.geometry else "–",
        kind,
        _RHYTHMS[source.rhythm] if source.rhythm else "–",
        (owner.unit or owner.organisation) if owner else "–",
        contract.licence or "–",
        _public(contract),
    )


def _public(contract: Contract) -> str:
    decision = access.decide(contract, OPEN)
    if decision.form is None:
        if contract.protection.checked is None:
            return "nein: Entwurf"
        names = [question.name.de for question in questions() if question.ground in contract.protection.grounds]
        return "nein" + (f": {', '.join(names)}" if names else "")
    limits = []
    hidden = [item.name for item in contract.fields if item.name not in decision.form.fields]
    if hidden:
        limits.append("ohne " + ", ".join(f"`{name}`" for name in hidden))
    if decision.form.where:
        limits.append(f"nur `{decision.form.where}`")
    if decision.form.geometry != "full":
        limits.append({"centroid": "nur Mittelpunkte", "none": "ohne Geometrie"}[decision.form.geometry])
    if decision.form.min_count:
        limits.append(f"Zahlen ab {decision.form.min_count.minimum}")
    return "ja" + (f", {'; '.join(limits)}" if limits else "")
