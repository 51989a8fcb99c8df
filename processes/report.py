"""What a check of a project returns: one result a rule, in one of four states, each with the version it rests on."""

from __future__ import annotations

__all__ = ["Background", "Hit", "Outcome", "Report", "State", "as_json", "comma", "points"]

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal

State = Literal["hit", "empty", "missing", "not_permitted"]
CLASSES = ("Konflikt", "Synergie", "Auflage", "Hinweis", "Datenlücke")


@dataclass(frozen=True)
class Hit:
    """One object that a rule found. Distances in m, areas in m², lengths in m, all in the storage CRS.

    `geometry` is GeoJSON in CRS84, `storage` the same as GeoJSON in the storage CRS, for drawing.
    """

    id: str
    text: str
    distance_m: float | None = None
    overlap_m2: float | None = None
    overlap_m: float | None = None
    days: tuple[date, date] | None = None
    gap_days: int | None = None
    geometry: dict[str, Any] | None = None
    storage: dict[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of one rule. `measure` holds a raster's figures; `count` all hits, also those beyond the listed ones."""

    id: str
    title: str
    rule_class: str
    state: State
    office: str
    source: str = ""
    advice: str = ""
    collection: str | None = None
    version: int | None = None
    published: datetime | None = None
    source_time: datetime | None = None
    text: str = ""
    count: int = 0
    hits: tuple[Hit, ...] = ()
    measure: dict[str, float | int | None] | None = None


@dataclass(frozen=True)
class Background:
    """What lies around the project, drawn pale under it: GeoJSON in the storage CRS; `name` is written once."""

    geometry: dict[str, Any]
    fill: str | None
    line: str
    name: str | None = None


@dataclass(frozen=True)
class Report:
    """A check: the project, the rules' outcomes and what they rest on."""

    title: str
    kind: str
    id: str | None
    begin: date | None
    end: date | None
    buffer_m: float
    area_m2: float
    length_m: float
    geometry: dict[str, Any]
    storage: dict[str, Any]
    buffered: dict[str, Any]
    srid: int
    profile: str
    created: datetime
    ruleset: str
    outcomes: tuple[Outcome, ...] = field(default=())
    background: tuple[Background, ...] = field(default=())
    attributions: tuple[str, ...] = field(default=())

    def summary(self) -> dict[str, int]:
        """Hits by class; rules without data or without permission count as Datenlücke."""
        counts = dict.fromkeys(CLASSES, 0)
        for outcome in self.outcomes:
            if outcome.state == "hit":
                counts[outcome.rule_class] += outcome.count
            elif outcome.state != "empty":
                counts["Datenlücke"] += 1
        return counts


def comma(value: float, digits: int) -> str:
    """Return a number as German text."""
    return f"{value:.{digits}f}".replace(".", ",")


def points(geometry: dict[str, Any]) -> list[tuple[float, float]]:
    """Return all positions of a GeoJSON geometry as x, y."""
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


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def as_json(report: Report) -> dict[str, Any]:
    """Return the JSON form; what is None is left out, geometries are CRS84 only."""
    data = asdict(report)
    for name in ("storage", "buffered", "outcomes", "background"):
        del data[name]
    project = {name: data.pop(name) for name in ("title", "kind", "id", "begin", "end", "buffer_m", "area_m2", "length_m", "geometry")}
    rules = []
    for outcome in report.outcomes:
        entry = asdict(outcome)
        entry["class"] = entry.pop("rule_class")
        for hit in entry["hits"]:
            del hit["storage"]
        rules.append(entry)
    return dict(_plain({"project": project, "summary": report.summary(), **data, "rules": rules}))
