"""A report as one printable German HTML page with a map; no script, no outside host, every value escaped."""

from __future__ import annotations

__all__ = ["render"]

from datetime import date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from processes.report import CLASSES, Hit, Outcome, Report

BERLIN = ZoneInfo("Europe/Berlin")
COLOURS = {"Konflikt": "#b3261e", "Synergie": "#1b7a3d", "Auflage": "#a15c00", "Hinweis": "#0b5c8a", "Datenlücke": "#5d6b78"}
MEANING = {
    "Konflikt": "braucht eine Entscheidung",
    "Synergie": "gemeinsam bauen prüfen",
    "Auflage": "ist einzuhalten",
    "Hinweis": "zur Kenntnis",
    "Datenlücke": "nicht prüfbar",
}
STATES = {
    "empty": "geprüft, nichts gefunden",
    "missing": "Daten liegen nicht vor: keine Aussage",
    "not_permitted": "mit dieser Berechtigung nicht einsehbar; Auskunft gibt",
}
STYLE = """
:root{font:14px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#1d2733}
body{max-width:190mm;margin:0 auto;padding:8mm}
h1{font-size:21px;margin:0 0 2px}h2{font-size:16px;margin:18px 0 6px;border-bottom:2px solid #1d2733}h3{font-size:14px;margin:10px 0 2px}
.lead{color:#44515e;margin:0 0 10px}
.lamps{display:flex;gap:8px;margin:8px 0}
.lamp{flex:1;border:1px solid #c9d2dc;border-top:6px solid;padding:5px 8px}
.lamp b{font-size:20px;display:block}.lamp small{color:#44515e}
svg{width:100%;border:1px solid #c9d2dc;background:#fbfaf6}
table{border-collapse:collapse;width:100%;margin:4px 0 10px;font-size:12.5px}
th,td{border:1px solid #c9d2dc;padding:3px 6px;text-align:left;vertical-align:top}
th{background:#f3f6f9}
.rule{border-left:5px solid;padding:2px 10px;margin:8px 0;break-inside:avoid}
.rule p{margin:2px 0}
.advice{font-style:italic}
footer{margin-top:14px;font-size:12px;color:#44515e;border-top:1px solid #c9d2dc;padding-top:6px}
@page{size:A4;margin:14mm}
@media print{body{padding:0}}
"""


def render(report: Report, attribution: str = "") -> str:
    """Return the page."""
    summary = report.summary()
    lamps = "".join(
        f'<div class="lamp" style="border-top-color:{COLOURS[name]}"><b>{summary[name]}</b>{name}<br><small>{MEANING[name]}</small></div>'
        for name in CLASSES
    )
    hits = sorted((o for o in report.outcomes if o.state == "hit"), key=lambda o: CLASSES.index(o.rule_class))
    rest = [o for o in report.outcomes if o.state != "hit"]
    numbers = {id(hit): str(number) for number, hit in enumerate((hit for o in hits for hit in o.hits[:25]), start=1)}
    found = "".join(_rule(outcome, numbers) for outcome in hits) or "<p>Kein Treffer.</p>"
    return f"""<!doctype html>
<html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Prüfung: {escape(report.title)}</title><style>{STYLE}</style></head><body>
<h1>Prüfung eines Vorhabens</h1>
<p class="lead">{escape(report.title)} · {_span(report.begin, report.end)} · {_size(report)} · Puffer {report.buffer_m:g} m<br>
Erstellt am {_time(report.created)} in der Sicht „{escape(report.profile)}“ mit Regelwerk {escape(report.ruleset)}</p>
<div class="lamps">{lamps}</div>
{_map(report, hits, numbers)}
<h2>Treffer</h2>{found}
<h2>Ohne Treffer oder nicht prüfbar</h2>{_rest(rest)}
<h2>Grundlagen</h2>{_basis(report.outcomes)}
<footer>Die Prüfung ersetzt keine Leitungsauskunft und keine Anordnung. „Nichts gefunden“ gilt für die genannten Daten und Stände.
{escape(attribution)}</footer>
</body></html>
"""


def _span(begin: date | None, end: date | None) -> str:
    if begin is None and end is None:
        return "ohne Zeitraum"
    return f"{f'{begin:%d.%m.%Y}' if begin else 'offen'} bis {f'{end:%d.%m.%Y}' if end else 'offen'}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(BERLIN):%d.%m.%Y, %H:%M Uhr}"


def _size(report: Report) -> str:
    if report.area_m2:
        return f"{report.area_m2 / 10_000:.2f} ha".replace(".", ",")
    return f"{report.length_m:.0f} m" if report.length_m else "Punkt"


def _rule(outcome: Outcome, numbers: dict[int, str]) -> str:
    rows = "".join(
        f"<tr><td>{numbers.get(id(hit), '')}</td><td>{escape(hit.text)}</td><td>{escape(hit.id)}</td></tr>" for hit in outcome.hits
    )
    more = f"<p>… und {outcome.count - len(outcome.hits)} weitere.</p>" if outcome.hits and outcome.count > len(outcome.hits) else ""
    table = f"<table><tr><th>Nr.</th><th>Fund</th><th>Kennung</th></tr>{rows}</table>{more}" if rows else f"<p>{escape(outcome.text)}</p>"
    advice = f'<p class="advice">{escape(outcome.advice)}</p>' if outcome.advice else ""
    source = f" · Maß: {escape(outcome.source)}" if outcome.source else ""
    return (
        f'<div class="rule" style="border-color:{COLOURS[outcome.rule_class]}"><h3>{escape(outcome.rule_class)}: {escape(outcome.title)}'
        f" ({outcome.count})</h3>{advice}{table}<p>Zuständig: {escape(outcome.office)}{source}</p></div>"
    )


def _rest(outcomes: list[Outcome]) -> str:
    rows = "".join(
        f"<tr><td>{escape(o.title)}</td><td>{escape(STATES[o.state])}"
        + (f" {escape(o.office)}" if o.state == "not_permitted" else "")
        + (f" ({escape(o.text)})" if o.text else "")
        + "</td></tr>"
        for o in outcomes
    )
    return f"<table><tr><th>Regel</th><th>Ergebnis</th></tr>{rows}</table>" if rows else "<p>Alle Regeln hatten Treffer.</p>"


def _basis(outcomes: tuple[Outcome, ...]) -> str:
    used = {o.collection: o for o in outcomes if o.collection}
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{o.version}</td><td>{_time(o.published) if o.published else ''}</td>"
        f"<td>{_time(o.source_time) if o.source_time else 'nicht angegeben'}</td></tr>"
        for name, o in sorted(used.items())
    )
    return f"<table><tr><th>Datensatz</th><th>Version</th><th>Veröffentlicht</th><th>Stand der Quelle</th></tr>{rows}</table>"


def _map(report: Report, outcomes: list[Outcome], numbers: dict[int, str]) -> str:
    """Draw buffer, project and numbered hits in the storage CRS; y points up, so it is flipped."""
    xs, ys = zip(*_points(report.buffered), strict=True)
    margin = max(max(xs) - min(xs), max(ys) - min(ys), 40) * 0.15
    left, right, bottom, top = min(xs) - margin, max(xs) + margin, min(ys) - margin, max(ys) + margin
    width, height = right - left, top - bottom
    if height < width * 0.45:
        bottom, top = bottom - (width * 0.45 - height) / 2, top + (width * 0.45 - height) / 2
        height = top - bottom
    if height > width * 0.8:
        left, right = left - (height / 0.8 - width) / 2, right + (height / 0.8 - width) / 2
        width = right - left
    unit = width / 760
    parts = []
    for outcome in sorted(outcomes, key=lambda o: -CLASSES.index(o.rule_class)):
        for hit in outcome.hits:
            if hit.storage:
                parts.append(_shape(hit.storage, left, top, COLOURS[outcome.rule_class], 0.25, 1.6 * unit, 4 * unit))
    parts.append(_shape(report.buffered, left, top, "#b35c00", 0.0, 1.2 * unit, 4 * unit, dash=5 * unit))
    parts.append(_shape(report.storage, left, top, "#f0a500", 0.3, 2.5 * unit, 6 * unit))
    for outcome in outcomes:
        for hit in outcome.hits:
            if number := numbers.get(id(hit)):
                parts.append(_number(hit, number, left, right, bottom, top, unit, COLOURS[outcome.rule_class]))
    bar = _bar_m(width)
    y = height - 14 * unit
    scale = (
        f'<path d="M{12 * unit:.2f} {y:.2f}h{bar:.2f}" stroke="#1d2733" stroke-width="{3 * unit:.2f}"/>'
        f'<text x="{12 * unit:.2f}" y="{y - 6 * unit:.2f}" font-size="{12 * unit:.2f}">{bar:g} m · Norden oben · EPSG:{report.srid}</text>'
    )
    return (
        f'<svg viewBox="0 0 {width:.2f} {height:.2f}" role="img" aria-label="Karte des Vorhabens mit nummerierten Treffern; '
        f'die Nummern stehen in den Tabellen">{"".join(parts)}{scale}</svg>'
    )


def _bar_m(width: float) -> float:
    for length in (1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0):
        if length <= width / 4:
            return length
    return 2.0


def _points(geometry: dict[str, Any]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []

    def walk(coordinates: Any) -> None:
        if coordinates and isinstance(coordinates[0], int | float):
            found.append((float(coordinates[0]), float(coordinates[1])))
        else:
            for part in coordinates:
                walk(part)

    for part in geometry.get("geometries", [geometry]):
        walk(part["coordinates"])
    return found


def _shape(geometry: dict[str, Any], left: float, top: float, colour: str, fill: float, line: float, radius: float, dash: float = 0) -> str:
    kind, coordinates = geometry["type"], geometry.get("coordinates", [])
    if kind == "GeometryCollection":
        return "".join(_shape(part, left, top, colour, fill, line, radius, dash) for part in geometry["geometries"])
    if kind in ("Point", "MultiPoint"):
        points = [coordinates] if kind == "Point" else coordinates
        return "".join(
            f'<circle cx="{p[0] - left:.2f}" cy="{top - p[1]:.2f}" r="{radius:.2f}" fill="{colour}" fill-opacity=".8"/>' for p in points
        )
    rings = {"LineString": [coordinates], "MultiLineString": coordinates, "Polygon": coordinates}.get(kind)
    if rings is None:
        rings = [ring for polygon in coordinates for ring in polygon]
    closed = "Z" if "Polygon" in kind else ""
    path = "".join("M" + "L".join(f"{p[0] - left:.2f} {top - p[1]:.2f}" for p in ring) + closed for ring in rings)
    dashed = f' stroke-dasharray="{dash:.2f}"' if dash else ""
    inside = f'fill="{colour}" fill-opacity="{fill}" fill-rule="evenodd"' if closed else 'fill="none"'
    return f'<path d="{path}" {inside} stroke="{colour}" stroke-width="{line:.2f}"{dashed}/>'


def _number(hit: Hit, number: str, left: float, right: float, bottom: float, top: float, unit: float, colour: str) -> str:
    if hit.storage is None:
        return ""
    inside = [p for p in _points(hit.storage) if left <= p[0] <= right and bottom <= p[1] <= top]
    if not inside:
        return ""
    x, y = inside[len(inside) // 2]
    return (
        f'<text x="{x - left + 5 * unit:.2f}" y="{top - y - 4 * unit:.2f}" font-size="{12 * unit:.2f}" font-weight="bold" fill="{colour}" '
        f'stroke="#fff" stroke-width="{3 * unit:.2f}" paint-order="stroke">{number}</text>'
    )
