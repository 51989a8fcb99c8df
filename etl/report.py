"""The report of a load: what came in, what went out, what was found on the way. German text for people, JSON for machines."""

from __future__ import annotations

__all__ = ["Access", "LoadReport", "Status", "access_lines", "as_text"]

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from etl.findings import Finding, format_count
from stadtgrund.catalog.collection import JoinFacts
from stadtgrund.crs import Operation

Status = Literal["published", "unchanged", "stopped", "failed"]

_STATUS = {
    "published": "veröffentlicht",
    "unchanged": "unverändert",
    "stopped": "angehalten",
    "failed": "fehlgeschlagen",
    "running": "läuft",
}
_PHASES = {"extract": "lesen", "transform": "umformen", "stage": "ablegen", "quality": "prüfen", "publish": "veröffentlichen"}
_DONE = {"report": "gemeldet", "repair": "behoben", "reject": "abgelehnt", "stop": "angehalten"}


@dataclass(frozen=True)
class Access:
    """Whether a profile sees the dataset, and why."""

    profile: str
    title: str
    visible: bool
    reason: str


@dataclass
class LoadReport:
    """What a load did. `rows_in` = `rows_published` + `rows_rejected` when it was published.

    `rows_skipped` counts rows of the source that the contract declares not to be data (a total row); they are not in `rows_in`.
    """

    dataset: str
    title: str
    status: Status = "failed"
    version: int | None = None
    run: int | None = None
    rows_in: int = 0
    rows_published: int = 0
    rows_rejected: int = 0
    rows_skipped: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    seconds_by_phase: dict[str, float] = field(default_factory=dict)
    operation: Operation | None = None
    join: JoinFacts | None = None
    raster: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    access: list[Access] = field(default_factory=list)
    address: str = ""
    error: str = ""
    kept: str = ""
    next_step: str = ""
    recipe: str = ""
    source_hash: str = ""
    source: dict[str, Any] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """Return the object that `load --json` writes."""
        return {
            "dataset": self.dataset,
            "status": self.status,
            "version": self.version,
            "rows_in": self.rows_in,
            "rows_published": self.rows_published,
            "rows_rejected": self.rows_rejected,
            "findings": [finding.as_json() for finding in self.findings],
            "seconds": round(self.seconds, 3),
            "seconds_by_phase": {name: round(value, 3) for name, value in self.seconds_by_phase.items()},
        }

    def as_json(self) -> dict[str, Any]:
        """Return all of it, as `meta.run.report` keeps it."""
        return self.line() | {
            "title": self.title,
            "run": self.run,
            "rows_skipped": self.rows_skipped,
            "operation": asdict(self.operation) if self.operation else None,
            "join": self.join.model_dump(mode="json") if self.join else None,
            "raster": self.raster,
            "notes": self.notes,
            "access": [asdict(item) for item in self.access],
            "address": self.address,
            "error": self.error,
            "kept": self.kept,
            "next_step": self.next_step,
            "recipe": self.recipe,
            "source_hash": self.source_hash,
            "source": self.source,
        }

    def text(self) -> str:
        """Return the report as German text."""
        return as_text(self.as_json())


def as_text(report: Mapping[str, Any]) -> str:
    """Return a report, as `as_json` gives it and `meta.run` keeps it, as German text."""
    status, version = str(report["status"]), report.get("version")
    head = f"{report.get('title') or report['dataset']} ({report['dataset']}): "
    head += f"Version {version} {_STATUS[status]}" if version is not None else _STATUS[status]
    lines = [head]
    lines += [f"  {text}" for text in (report.get("error"), report.get("kept")) if text]
    if status == "unchanged" and not report.get("rows_in"):
        lines.append("  Quelle und Rezept sind wie beim letzten Laden; es wurde nichts gelesen.")
    elif report.get("raster"):
        lines += _raster(report["raster"])
    elif status == "unchanged":
        lines.append(f"  {format_count(report['rows_in'], 'Zeile', 'Zeilen')} gelesen; sie sind gleich, es gibt keine neue Version.")
    elif report.get("rows_in"):
        lines.append(_rows(report, published=status == "published"))
    if report.get("rows_skipped"):
        count = report["rows_skipped"]
        lines.append(f"  Übersprungen (keine Daten laut Vertrag): {format_count(count, 'Zeile', 'Zeilen')}")
    lines += _placement(report.get("operation"))
    lines += _join(report.get("join"))
    if report.get("findings"):
        lines.append("  Befunde:")
        lines += [f"  - {finding['message']} [{_DONE.get(finding['on_fail'], finding['on_fail'])}]" for finding in report["findings"]]
    lines += [f"  Hinweis: {note}" for note in report.get("notes", [])]
    if report.get("seconds"):
        phases = " · ".join(
            f"{told} {_number(report['seconds_by_phase'][name])}" for name, told in _PHASES.items() if name in report["seconds_by_phase"]
        )
        lines.append(f"  Dauer: {_number(report['seconds'])} s" + (f" ({phases})" if phases else ""))
    if report.get("next_step"):
        lines.append(f"  Nächster Schritt: {report['next_step']}")
    lines += access_lines((item["title"], item["visible"], item["reason"]) for item in report.get("access", []))
    if report.get("address"):
        lines.append(f"  {report['address']}")
    return "\n".join(lines)


def access_lines(access: Iterable[tuple[str, bool, str]]) -> list[str]:
    """Return who can see it and why, of (profile's title, visible, reason); profiles with the same reason share a line."""
    who: dict[tuple[bool, str], list[str]] = {}
    for title, visible, reason in access:
        who.setdefault((visible, reason), []).append(title)
    return [
        f"  {'Sichtbar' if visible else 'Nicht sichtbar'} für {' und '.join(titles)}. {reason}" for (visible, reason), titles in who.items()
    ]


def _rows(report: Mapping[str, Any], *, published: bool) -> str:
    came, rejected = report["rows_in"], report["rows_rejected"]
    text = f"  Zeilen: {format_count(came, 'gelesen', 'gelesen')}"
    if published:
        text += f" = {format_count(report['rows_published'], 'veröffentlicht', 'veröffentlicht')}"
        return text + f" + {format_count(rejected, 'abgelehnt', 'abgelehnt')}"
    return text + (f", davon {format_count(rejected, 'abgelehnt', 'abgelehnt')}" if rejected else "")


def _placement(operation: Mapping[str, Any] | None) -> list[str]:
    if not operation:
        return []
    if operation["name"] == "identity":
        return [f"  Lagebezug: {operation['target']}, nicht umgerechnet"]
    accuracy = operation["accuracy_m"]
    told = "nicht angegeben" if accuracy is None else f"{_number(accuracy)} m"
    lines = [f"  Lagebezug: {operation['source']} → {operation['target']}, {operation['name']}; Lagegenauigkeit {told}"]
    if not operation["best_available"]:
        grid = f" (es fehlt {operation['missing']})" if operation["missing"] else ""
        lines.append(f"  Lagegenauigkeit unsicher: eine genauere Umrechnung ist auf dieser Maschine nicht vorhanden{grid}.")
    return lines


def _join(join: Mapping[str, Any] | None) -> list[str]:
    if not join:
        return []
    lines = []
    for side, name in (("left", "Links"), ("right", "Rechts")):
        lines.append(f"  {name}: {join[f'{side}_matched']} von {join[f'{side}_rows']} Zeilen verbunden")
    return lines


def _raster(raster: Mapping[str, Any]) -> list[str]:
    unit = f" {raster['unit']}" if raster.get("unit") else ""
    lines = [
        f"  Raster: {raster['width']} × {raster['height']} Zellen zu {raster['pixel'][0]:g} × {raster['pixel'][1]:g}, {raster['crs']}",
    ]
    if raster["minimum"] is not None:
        values = f"{_number(raster['minimum'])} bis {_number(raster['maximum'])}{unit}, Mittel {_number(raster['mean'])}{unit}"
        lines.append(f"  Werte: {values}; ohne Wert {_number(100 * raster['nodata_share'])} %")
    if raster.get("scenario"):
        lines.append(f"  Szenario: {raster['scenario']}")
    return lines


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".").replace(".", ",")
