"""The report of a load: what came in, what went out, what was found on the way. Text for people, JSON for machines.

The text follows the locale of who reads it. What a load found (findings, notes, errors, reasons of rejected rows) is kept in the language
of the locale that it ran in.
"""

from __future__ import annotations

__all__ = ["Access", "LoadReport", "Status", "access_lines", "as_text"]

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from etl.findings import Finding, english_count, format_count
from stadtgrund.catalog.collection import JoinFacts
from stadtgrund.catalog.contract import Text
from stadtgrund.crs import Operation
from stadtgrund.language import language, say

Status = Literal["published", "unchanged", "stopped", "failed"]

_STATUS = {
    "published": ("veröffentlicht", "published"),
    "unchanged": ("unverändert", "unchanged"),
    "stopped": ("angehalten", "stopped"),
    "failed": ("fehlgeschlagen", "failed"),
    "running": ("läuft", "running"),
}
_PHASES = {
    "extract": ("lesen", "read"),
    "transform": ("umformen", "transform"),
    "stage": ("ablegen", "stage"),
    "quality": ("prüfen", "check"),
    "publish": ("veröffentlichen", "publish"),
}
_DONE = {
    "report": ("gemeldet", "reported"),
    "repair": ("behoben", "repaired"),
    "reject": ("abgelehnt", "rejected"),
    "stop": ("angehalten", "stopped"),
}


@dataclass(frozen=True)
class Access:
    """Whether a profile sees the dataset, and why."""

    profile: str
    title: Text
    visible: bool
    reason: Text

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of it; texts in German and in English."""
        return {"profile": self.profile, "visible": self.visible, **_both("title", self.title), **_both("reason", self.reason)}


@dataclass
class LoadReport:
    """What a load did. `rows_in` = `rows_published` + `rows_rejected` when it was published.

    `rows_skipped` counts rows of the source that the contract declares not to be data (a total row); they are not in `rows_in`.
    """

    dataset: str
    title: Text
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
    not_open: dict[str, Text] = field(default_factory=dict)
    """Fields that `open` does not show of a dataset that it sees, each with the reason."""
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
            **_both("title", self.title),
            "run": self.run,
            "rows_skipped": self.rows_skipped,
            "operation": asdict(self.operation) if self.operation else None,
            "join": self.join.model_dump(mode="json") if self.join else None,
            "raster": self.raster,
            "notes": self.notes,
            "access": [item.as_json() for item in self.access],
            "not_open": [{"field": name, **_both("reason", reason)} for name, reason in self.not_open.items()],
            "address": self.address,
            "error": self.error,
            "kept": self.kept,
            "next_step": self.next_step,
            "recipe": self.recipe,
            "source_hash": self.source_hash,
            "source": self.source,
        }

    def text(self) -> str:
        """Return the report as text."""
        return as_text(self.as_json())


def _both(name: str, text: Text) -> dict[str, str]:
    return {name: text.de, f"{name}_en": text.get("en")}


def _chosen(values: Mapping[str, Any], name: str) -> str:
    """Return a text of a stored report; reports of earlier versions have the German one only."""
    return str((language() == "en" and values.get(f"{name}_en")) or values.get(name) or "")


def as_text(report: Mapping[str, Any]) -> str:
    """Return a report, as `as_json` gives it and `meta.run` keeps it, as text."""
    status, version = str(report["status"]), report.get("version")
    head = f"{_chosen(report, 'title') or report['dataset']} ({report['dataset']}): "
    head += f"Version {version} {say(*_STATUS[status])}" if version is not None else say(*_STATUS[status])
    lines = [head]
    lines += [f"  {text}" for text in (report.get("error"), report.get("kept")) if text]
    if status == "unchanged" and not report.get("rows_in"):
        lines.append(
            say(
                "  Quelle und Rezept sind wie beim letzten Laden; es wurde nichts gelesen.",
                "  Source and recipe are those of the last load; nothing was read.",
            )
        )
    elif report.get("raster"):
        lines += _raster(report["raster"])
    elif status == "unchanged":
        lines.append(
            say(
                f"  {format_count(report['rows_in'], 'Zeile', 'Zeilen')} gelesen; sie sind gleich, es gibt keine neue Version.",
                f"  {english_count(report['rows_in'], 'row', 'rows')} read; they are the same, there is no new version.",
            )
        )
    elif report.get("rows_in"):
        lines.append(_rows(report, published=status == "published"))
    if report.get("rows_skipped"):
        count = report["rows_skipped"]
        lines.append(
            say(
                f"  Übersprungen (keine Daten laut Vertrag): {format_count(count, 'Zeile', 'Zeilen')}",
                f"  Skipped (no data by the contract): {english_count(count, 'row', 'rows')}",
            )
        )
    lines += _placement(report.get("operation"))
    lines += _join(report.get("join"))
    if report.get("findings"):
        lines.append(say("  Befunde:", "  Findings:"))
        lines += [f"  - {finding['message']} [{say(*_DONE[finding['on_fail']])}]" for finding in report["findings"]]
    lines += [say(f"  Hinweis: {note}", f"  Note: {note}") for note in report.get("notes", [])]
    if report.get("seconds"):
        phases = " · ".join(
            f"{say(*told)} {_number(report['seconds_by_phase'][name])}"
            for name, told in _PHASES.items()
            if name in report["seconds_by_phase"]
        )
        lines.append(say("  Dauer", "  Duration") + f": {_number(report['seconds'])} s" + (f" ({phases})" if phases else ""))
    lines += access_lines((_chosen(item, "title"), item["visible"], _chosen(item, "reason")) for item in report.get("access", []))
    if report.get("not_open"):
        shown = ", ".join(f"{item['field']} ({_chosen(item, 'reason').rstrip('.')})" for item in report["not_open"])
        lines.append(say(f"  Felder, die nicht öffentlich sind: {shown}", f"  Fields that are not public: {shown}"))
    lines += [say(f"  Nächster Schritt: {step}", f"  Next step: {step}") for step in str(report.get("next_step") or "").splitlines()]
    if report.get("address"):
        lines.append(f"  {report['address']}")
    return "\n".join(lines)


def access_lines(access: Iterable[tuple[str, bool, str]]) -> list[str]:
    """Return who can see it and why, of (profile's title, visible, reason); profiles with the same reason share a line."""
    who: dict[tuple[bool, str], list[str]] = {}
    for title, visible, reason in access:
        who.setdefault((visible, reason), []).append(title)
    return [
        say(
            f"  {'Sichtbar' if visible else 'Nicht sichtbar'} für {' und '.join(titles)}. {reason}",
            f"  {'Visible' if visible else 'Not visible'} for {' and '.join(titles)}. {reason}",
        )
        for (visible, reason), titles in who.items()
    ]


def _rows(report: Mapping[str, Any], *, published: bool) -> str:
    came, rejected = report["rows_in"], report["rows_rejected"]
    text = say(f"  Zeilen: {format_count(came, 'gelesen', 'gelesen')}", f"  Rows: {english_count(came, 'read', 'read')}")
    refused = say(format_count(rejected, "abgelehnt", "abgelehnt"), english_count(rejected, "rejected", "rejected"))
    if published:
        rows = report["rows_published"]
        out = say(format_count(rows, "veröffentlicht", "veröffentlicht"), english_count(rows, "published", "published"))
        return f"{text} = {out} + {refused}"
    return text + (say(f", davon {refused}", f", {refused} of them") if rejected else "")


def _placement(operation: Mapping[str, Any] | None) -> list[str]:
    if not operation:
        return []
    if operation["name"] == "identity":
        return [say(f"  Lagebezug: {operation['target']}, nicht umgerechnet", f"  CRS: {operation['target']}, not transformed")]
    accuracy = operation["accuracy_m"]
    told = say("nicht angegeben", "not stated") if accuracy is None else f"{_number(accuracy)} m"
    way = f"{operation['source']} → {operation['target']}, {operation['name']}"
    lines = [say(f"  Lagebezug: {way}; Lagegenauigkeit {told}", f"  CRS: {way}; accuracy {told}")]
    if not operation["best_available"]:
        grid = say(f" (es fehlt {operation['missing']})", f" ({operation['missing']} is missing)") if operation["missing"] else ""
        lines.append(
            say(
                f"  Lagegenauigkeit unsicher: eine genauere Umrechnung ist auf dieser Maschine nicht vorhanden{grid}.",
                f"  Position uncertain: this machine does not have a more accurate transformation{grid}.",
            )
        )
    return lines


def _join(join: Mapping[str, Any] | None) -> list[str]:
    if not join:
        return []
    lines = []
    for side, german, english in (("left", "Links", "Left"), ("right", "Rechts", "Right")):
        matched, rows = join[f"{side}_matched"], join[f"{side}_rows"]
        lines.append(say(f"  {german}: {matched} von {rows} Zeilen verbunden", f"  {english}: {matched} of {rows} rows joined"))
    return lines


def _raster(raster: Mapping[str, Any]) -> list[str]:
    unit = f" {raster['unit']}" if raster.get("unit") else ""
    lines = [
        f"  Raster: {raster['width']} × {raster['height']} "
        + say("Zellen zu", "cells of")
        + f" {raster['pixel'][0]:g} × {raster['pixel'][1]:g}, {raster['crs']}",
    ]
    if raster["minimum"] is not None:
        least, most, mean = (_number(raster[name]) for name in ("minimum", "maximum", "mean"))
        empty = _number(100 * raster["nodata_share"])
        lines.append(
            say(
                f"  Werte: {least} bis {most}{unit}, Mittel {mean}{unit}; ohne Wert {empty} %",
                f"  Values: {least} to {most}{unit}, mean {mean}{unit}; without a value {empty} %",
            )
        )
    if raster.get("scenario"):
        lines.append(say("  Szenario", "  Scenario") + f": {raster['scenario']}")
    return lines


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return say(text.replace(".", ","), text)
