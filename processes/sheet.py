"""A report as one printable German HTML page with a map; no script, no outside host, every value escaped."""

from __future__ import annotations

__all__ = ["STYLE", "render"]

from datetime import date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from processes.background import frame
from processes.report import CLASSES, Background, Outcome, Report, comma, points
from stadtgrund.identity import OPEN, VERWALTUNG

BERLIN = ZoneInfo("Europe/Berlin")
COLOURS = {"Konflikt": "#b3261e", "Synergie": "#1b7a3d", "Auflage": "#a15c00", "Hinweis": "#0b5c8a", "Datenlücke": "#5d6b78"}
MEANING = {
    "Konflikt": (("Konflikt", "braucht eine Entscheidung"), ("Konflikte", "brauchen eine Entscheidung")),
    "Synergie": (("Synergie", "gemeinsam bauen prüfen"), ("Synergien", "gemeinsam bauen prüfen")),
    "Auflage": (("Auflage", "ist einzuhalten"), ("Auflagen", "sind einzuhalten")),
    "Hinweis": (("Hinweis", "zur Kenntnis"), ("Hinweise", "zur Kenntnis")),
    "Datenlücke": (("Datenlücke", "nicht prüfbar"), ("Datenlücken", "nicht prüfbar")),
}
"""What is said beside a number of each class: of one, and of another number."""
STATES = {
    "empty": "geprüft, nichts gefunden",
    "missing": "Daten liegen nicht vor: keine Aussage",
    "not_permitted": "mit dieser Berechtigung nicht einsehbar; Auskunft gibt",
}
_NOWHERE: dict[str, Any] = {"type": "GeometryCollection", "geometries": []}
VIEWS = {OPEN: "aus den öffentlichen Daten", VERWALTUNG: "aus den Daten der Verwaltung"}
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
""" + "".join(
    f".{name}{{border-color:{colour}}}.lamp.{name}{{border-color:#c9d2dc;border-top-color:{colour}}}\n" for name, colour in COLOURS.items()
)
"""The only style sheet of the page. No element has a style of its own: a content security policy can name this one by its hash."""


def render(report: Report) -> str:
    """Return the page."""
    summary = report.summary()
    lamps = "".join(_lamp(name, summary[name]) for name in CLASSES)
    hits = sorted((o for o in report.outcomes if o.state == "hit"), key=lambda o: CLASSES.index(o.rule_class))
    rest = [o for o in report.outcomes if o.state != "hit"]
    numbers = {id(hit): str(number) for number, hit in enumerate((hit for o in hits for hit in o.hits[:25]), start=1)}
    found = "".join(_rule(outcome, numbers) for outcome in hits) or "<p>Kein Treffer.</p>"
    return f"""<!doctype html>
<html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Prüfung: {escape(report.title)}</title><style>{STYLE}</style></head><body><main>
<h1>Prüfung eines Vorhabens</h1>
<p class="lead">{escape(report.title)} · {_span(report.begin, report.end)} · {_size(report)} · Puffer {report.buffer_m:g} m<br>
Erstellt am {_time(report.created)} {escape(VIEWS.get(report.profile, report.profile))} mit Regelwerk {escape(report.ruleset)}</p>
<div class="lamps">{lamps}</div>
{_map(report, hits, numbers)}
<h2>Treffer</h2>{found}
<h2>Ohne Treffer oder nicht prüfbar</h2>{_rest(rest)}
<h2>Grundlagen</h2>{_basis(report.outcomes)}
<footer>Die Prüfung ersetzt keine Leitungsauskunft und keine Anordnung. „Nichts gefunden“ gilt für die genannten Daten und Stände.
{escape("Quellen: " + "; ".join(report.attributions) if report.attributions else "")}</footer>
</main></body></html>
"""


def _lamp(name: str, count: int) -> str:
    noun, meaning = MEANING[name][count != 1]
    return f'<div class="lamp {name}"><b>{count}</b>{noun}<br><small>{meaning}</small></div>'


def _span(begin: date | None, end: date | None) -> str:
    if begin is None and end is None:
        return "ohne Zeitraum"
    return f"{f'{begin:%d.%m.%Y}' if begin else 'offen'} bis {f'{end:%d.%m.%Y}' if end else 'offen'}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(BERLIN):%d.%m.%Y, %H:%M Uhr}"


def _size(report: Report) -> str:
    if report.area_m2:
        return f"{comma(report.area_m2 / 10_000, 2)} ha"
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
        f'<div class="rule {outcome.rule_class}"><h3>{escape(outcome.rule_class)}: {escape(outcome.title)}'
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
    left, bottom, right, top = frame(report)
    width, height = right - left, top - bottom
    unit = width / 760
    parts = [_around(b, left, top, unit) for b in report.background]
    for outcome in sorted(outcomes, key=lambda o: -CLASSES.index(o.rule_class)):
        for hit in outcome.hits:
            if hit.storage:
                parts.append(_shape(hit.storage, left, top, COLOURS[outcome.rule_class], 0.25, 1.6 * unit, 4 * unit))
    parts.append(_names(report, left, right, bottom, top, unit))
    parts.append(_shape(report.buffered, left, top, "#b35c00", 0.0, 1.2 * unit, 4 * unit, dash=5 * unit))
    parts.append(_shape(report.storage, left, top, "#f0a500", 0.3, 2.5 * unit, 6 * unit))
    taken: list[tuple[float, float]] = []
    for outcome in outcomes:
        for hit in outcome.hits:
            inside = [p for p in points(hit.storage or _NOWHERE) if left <= p[0] <= right and bottom <= p[1] <= top]
            if id(hit) not in numbers or not inside:
                continue
            x, y = inside[len(inside) // 2]
            while any(abs(x - other[0]) < 14 * unit and abs(y - other[1]) < 11 * unit for other in taken):
                x += 15 * unit  # two at one place are written side by side
            taken.append((x, y))
            parts.append(_number(numbers[id(hit)], x - left, top - y, unit, COLOURS[outcome.rule_class]))
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


def _around(background: Background, left: float, top: float, unit: float) -> str:
    return _shape(background.geometry, left, top, background.line, 1.0, unit, 2 * unit, inside=background.fill or "none")


def _names(report: Report, left: float, right: float, bottom: float, top: float, unit: float) -> str:
    """Write each name of the surroundings once, at the middle of the longest part that bears it, where no other name stands."""
    longest: dict[str, list[tuple[float, float]]] = {}
    for background in report.background:
        place = points(background.geometry)
        if background.name and _span_of(place) > _span_of(longest.get(background.name, [])):
            longest[background.name] = place
    texts: list[str] = []
    taken: list[tuple[float, float]] = []
    for name, place in sorted(longest.items(), key=lambda entry: (-_span_of(entry[1]), entry[0])):
        xs, ys = zip(*place, strict=True)
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        half = len(name) * 2.8 * unit
        if not (left + half < x < right - half and bottom + 40 * unit < y < top - 12 * unit):
            continue
        if any(abs(x - other[0]) < 90 * unit and abs(y - other[1]) < 16 * unit for other in taken):
            continue
        taken.append((x, y))
        texts.append(
            f'<text x="{x - left:.2f}" y="{top - y:.2f}" font-size="{10 * unit:.2f}" text-anchor="middle" fill="#5d6b78" '
            f'stroke="#fff" stroke-width="{2.5 * unit:.2f}" paint-order="stroke">{escape(name)}</text>'
        )
    return "".join(texts)


def _span_of(place: list[tuple[float, float]]) -> float:
    if not place:
        return 0.0
    xs, ys = zip(*place, strict=True)
    return float(max(xs) - min(xs) + max(ys) - min(ys))


def _bar_m(width: float) -> float:
    for length in (1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0):
        if length <= width / 4:
            return length
    return 2.0


def _shape(
    geometry: dict[str, Any],
    left: float,
    top: float,
    colour: str,
    fill: float,
    line: float,
    radius: float,
    dash: float = 0,
    inside: str | None = None,
) -> str:
    kind, coordinates = geometry["type"], geometry.get("coordinates", [])
    if kind == "GeometryCollection":
        return "".join(_shape(part, left, top, colour, fill, line, radius, dash, inside) for part in geometry["geometries"])
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
    filled = f'fill="{inside or colour}" fill-opacity="{fill}" fill-rule="evenodd"' if closed else 'fill="none"'
    return f'<path d="{path}" {filled} stroke="{colour}" stroke-width="{line:.2f}"{dashed}/>'


def _number(number: str, x: float, y: float, unit: float, colour: str) -> str:
    return (
        f'<text x="{x + 5 * unit:.2f}" y="{y - 4 * unit:.2f}" font-size="{12 * unit:.2f}" font-weight="bold" fill="{colour}" '
        f'stroke="#fff" stroke-width="{3 * unit:.2f}" paint-order="stroke">{number}</text>'
    )
