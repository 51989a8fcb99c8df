"""What a dataset offers and what it is held to: dates, sorting, rules, tiles."""

from __future__ import annotations

__all__ = ["add"]

import re
from typing import Any

from etl.describe.decide import Decided
from etl.describe.draft import Draft
from etl.describe.fields import FieldDraft
from etl.describe.shapes import Shapes
from etl.findings import format_count

_START = r"^(.*_)?(beginn|von|start|anfang|ab|from|begin|baubeginn|startdatum)(_.*)?$"
_END = r"^(.*_)?(ende|bis|end|to|bauende|enddatum)(_.*)?$"
_INSTANT = r"(^|_)(datum|stichtag|stand|zeitpunkt|zeit|date|am|tag)(_|$)|datum$"
_NAME = r"(^|_)(name|bezeichnung|titel|title)(_|$)|name$"


def add(draft: Draft, decided: Decided, shapes: Shapes | None) -> None:
    """Add temporal, sortables, quality and publish to a draft that has its fields and geometry."""
    _temporal(draft, decided.fields)
    _sortables(draft, decided)
    _quality(draft, shapes, decided.rows)
    if "geometry" in draft.values:
        draft.values["publish"] = {"tiles": _tiles(draft.values["geometry"]["type"], decided)}


def _temporal(draft: Draft, fields: list[FieldDraft]) -> None:
    dated = [item for item in fields if item.type in ("date", "datetime")]
    for start in dated:
        for end in dated:
            if start.type == end.type and re.match(_START, start.name) and re.match(_END, end.name):
                draft.values["temporal"] = {"start": start.name, "end": end.name}
                draft.comments["temporal",] = ["Nach den Namen der Beginn und das Ende; beide Tage gehören dazu."]
                return
    moments = [item for item in dated if re.search(_INSTANT, item.name)] or (dated if len(dated) == 1 else [])
    if len(moments) == 1 and not re.match(_END, moments[0].name):
        draft.values["temporal"] = {"instant": moments[0].name}
        draft.comments["temporal",] = ["Das Feld, nach dem der Parameter datetime sucht."]


def _sortables(draft: Draft, decided: Decided) -> None:
    named = [item.name for item in decided.fields if item.type == "string" and re.search(_NAME, item.name)][:1]
    ids = decided.id_field
    chosen = [*([ids["column"]] if "column" in ids else ids.get("columns", [])), *named, *draft.values.get("temporal", {}).values()]
    if chosen:
        draft.values["sortables"] = list(dict.fromkeys(chosen))


def _quality(draft: Draft, shapes: Shapes | None, rows: int) -> None:
    rules: list[dict[str, Any]] = []
    if shapes is not None and shapes.kinds:
        if shapes.invalid:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(shapes.reasons.items(), key=lambda pair: -pair[1])[:4])
            rules.append({"rule": "valid_geometry", "on_fail": "repair"})
            what = format_count(shapes.invalid, "Geometrie ist", "Geometrien sind")
            draft.comments["quality", 0] = [f"{what} ungültig: {reasons}."]
            draft.notes.append(
                f"{what} ungültig und wird bei der Ladung repariert ({reasons})."
                if shapes.invalid == 1
                else f"{what} ungültig und werden bei der Ladung repariert ({reasons})."
            )
        elif any(kind.name not in ("POINT", "MULTIPOINT") for kind in shapes.kinds):
            rules.append({"rule": "valid_geometry", "on_fail": "report"})
    if rows >= 20:
        rules.append({"rule": "row_count", "drop_max": 0.3, "on_fail": "stop"})
        draft.comments["quality", len(rules) - 1] = ["Eine Lieferung mit 30 % weniger Zeilen hält die Ladung an; die alte Version bleibt."]
    if rules:
        draft.values["quality"] = rules


def _tiles(kind: str, decided: Decided) -> dict[str, Any]:
    smallest = next((zoom for limit, zoom in ((500, 6), (5_000, 8), (50_000, 10), (200_000, 12)) if decided.rows <= limit), 13)
    largest = 16 if kind in ("Point", "MultiPoint") or decided.rows > 5_000 else 15
    made: dict[str, Any] = {"zoom": [smallest, max(largest, smallest)]}
    ids = decided.id_field
    few = [*([ids["column"]] if "column" in ids else ids.get("columns", []))]
    few += [item.name for item in decided.fields if item.type == "string" and re.search(_NAME, item.name)][:1]
    if len(decided.fields) > 8 and few:
        made["fields"] = {"<13": list(dict.fromkeys(few))}
    return made
