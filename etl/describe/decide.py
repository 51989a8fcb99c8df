"""What the columns of a source become: type, key, gaps, null symbols, total rows, id; from what reading them showed."""

from __future__ import annotations

__all__ = ["Decided", "decide"]

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etl.describe import identity
from etl.describe.columns import Column, Columns, TotalRow
from etl.describe.fields import FieldDraft
from etl.describe.keytypes import KeyTests, looks_like_key
from etl.describe.kinds import PLACES, SURE_SYMBOLS, TextKinds
from etl.describe.names import field_names, snake, title_of
from etl.describe.sources import Probe
from stadtgrund.catalog.contract import FieldType

_TEXT_BY_NAME = (
    r"(schluessel|kennziffer|kennzeichen|plz|postleit|(^|_)(ags|ars|tel|telefon|fax|mobil|hausnr|hnr|blz|iban|gkz)(_|$)|haus_?nummer)"
)
_DATE_BY_NAME = r"(datum|date|stand|(^|_)(am|von|bis|tag|beginn|ende)(_|$))"
_FEW = 12


@dataclass
class Decided:
    """The columns as fields, and what follows for the source and the id."""

    fields: list[FieldDraft]
    rows: int
    """Rows of data: without total rows."""
    decimal: str | None = None
    null_values: tuple[str, ...] = ()
    skip_rows: dict[str, str] = field(default_factory=dict)
    id_field: dict[str, Any] = field(default_factory=dict)
    id_reason: str = ""
    remarks: dict[str, list[str]] = field(default_factory=dict)
    """Key of the contract's `source` (decimal, null_values, skip_rows) → reasons."""
    notes: list[str] = field(default_factory=list)


def decide(probe: Probe, columns: Columns, keys: KeyTests, *, left_out: tuple[str, ...] = (), decimal: str | None = None) -> Decided:
    """Return the fields of all columns but those `left_out` (coordinates); `decimal` is the coordinates' decimal sign, if known."""
    names = [name for name in columns.names if name not in left_out]
    named = field_names(names)
    totals = _total_rows(columns) if probe.kind == "table" else []
    made = Decided([], columns.rows - len(totals))
    _decide_decimal(made, columns, decimal)
    if totals:
        made.skip_rows = {row.column: row.word for row in totals}
        shown = ", ".join(f"Zeile {row.row} („{row.word}“)" for row in totals)
        made.remarks["skip_rows"] = [f"Summen sind keine Daten: {shown} wird übergangen und gezählt."]
    used: Counter[str] = Counter()
    for name in names:
        column = columns.by_name[name]
        draft = FieldDraft(name, named[name].name, "string", probe.labels.get(name) or title_of(name))
        if named[name].reason:
            draft.comments.append(f"Heißt an der Quelle „{name}“: {named[name].reason}.")
        _type(draft, column, keys, made, skipped={row.row for row in totals if row.column == name})
        if draft.key or draft.type not in ("string", "json"):
            used.update(column.symbols)
        made.fields.append(draft)
    for name in names:
        used.update({word: count for word, count in columns.by_name[name].symbols.items() if word in SURE_SYMBOLS})
    _decide_nulls(made, used)
    by_source = {draft.source: draft for draft in made.fields}
    for name in names:
        column, draft = columns.by_name[name], by_source[name]
        gaps = column.nulls + sum(count for word, count in column.symbols.items() if word in made.null_values)
        gaps -= sum(name in row.empty for row in totals)
        draft.required = gaps <= 0 and made.rows > 0
        column.unique = column.unique and name not in keys.changed
        draft.unique = draft.required and column.unique and draft.type in ("string", "integer", "uuid") and looks_like_key(name)
        _tell_values(draft, column, made.rows)
    made.id_field, made.id_reason = identity.choose(by_source, columns, made.rows)
    return made


def _decide_decimal(made: Decided, columns: Columns, known: str | None) -> None:
    comma, point, grouped = [], [], []
    for column in columns.by_name.values():
        if column.kinds is None:
            continue
        with_comma, with_point = column.kinds.holds("number", ","), column.kinds.holds("number")
        if with_comma and not with_point:
            comma.append(column.source)
        elif with_point and not with_comma:
            point.append(column.source)
        elif with_comma and _thousands(column.kinds):
            grouped.append(column.source)
    if known == "," or len(comma) > len(point):
        made.decimal = ","
        made.remarks["decimal"] = [f"Dezimalkomma: so sind {_listed(comma)} Zahlen."] if comma else ["Dezimalkomma in den Koordinaten."]
        others = point
    else:
        others = comma if point else []
        if grouped and not point and not comma:
            made.decimal = ","
            made.remarks["decimal"] = [
                f"Der Punkt trennt Tausender, kein Wert über 999 ist ohne: {_listed(grouped)}. Sonst decimal entfernen."
            ]
    if others:
        made.notes.append(f"Dezimalkomma und Dezimalpunkt kommen beide vor; {_listed(others)} bleibt deshalb Text.")


def _thousands(kinds: TextKinds) -> bool:
    return kinds.dotted and kinds.grouped and not kinds.plain_thousands


def _listed(names: list[str]) -> str:
    return ", ".join(f"„{name}“" for name in names[:4]) + (f" und {len(names) - 4} weitere" if len(names) > 4 else "")


def _type(draft: FieldDraft, column: Column, keys: KeyTests, made: Decided, *, skipped: set[int]) -> None:
    draft.key = keys.found(column.source)
    if draft.key:
        if column.kinds is None:
            draft.comments.append("An der Quelle eine Zahl; als Schlüssel Text, damit führende Nullen wieder da sind.")
        return
    if column.kinds is None:
        _typed(draft, column)
        return
    kinds = column.kinds
    if not kinds.seen:
        draft.comments.append("Ohne Wert in dieser Datei; der Typ ist nicht zu erkennen.")
        return
    if sum(column.totals.values()) > len(skipped):  # a word such as "Gesamt" is a value of this column
        return
    draft.type, draft.format = _kind_of(kinds, column.source, made.decimal)
    if draft.type == "string":
        if kinds.is_key and kinds.only_digits:
            draft.comments.append("Text, denn führende Nullen oder ein Pluszeichen gehören zum Wert.")
        elif (near := kinds.nearly()) and near.decimal in (None, made.decimal) and 10 * near.misses <= kinds.seen:
            shown = ", ".join(f"„{value[:40]}“" for value in near.examples[:3])
            draft.comments.append(f"Fast immer {near.type}, aber nicht {shown}; deshalb Text.")
    elif draft.type == "json" and re.search(r'"coordinates"\s*:', column.example):
        draft.comments.append("Enthält eigene Geometrien (GeoJSON); geladen werden sie als Werte, nicht als Lage.")
        made.notes.append(
            f"Die Spalte „{column.source}“ enthält Geometrien (GeoJSON). Diese Version zeichnet nur die Geometrie der Datei selbst; "
            "sollen jene die Lage sein, wandeln Sie sie vorher um (QGIS: „Geometrie nach Ausdruck“ mit geom_from_geojson)."
        )
    if draft.type == "string" and re.match(r"(?i)\s*(srid=\d+;)?(multi)?(point|linestring|polygon)\s*z?\s*\(", column.example):
        made.notes.append(
            f"Die Spalte „{column.source}“ enthält Geometrien (WKT). Tabellen liest diese Version nur mit Spalten für x und y; "
            "für Linien und Flächen vorher in QGIS als Textdatei mit WKT öffnen und als GeoPackage speichern."
        )


def _kind_of(kinds: TextKinds, name: str, decimal: str | None) -> tuple[FieldType, str | None]:
    if kinds.is_boolean:
        return "boolean", None
    if kinds.only_uuid:
        return "uuid", None
    plain = snake(name)
    compact = kinds.holds("date")
    if compact and compact.pattern == "%Y%m%d" and (kinds.holds("integer") is None or re.search(_DATE_BY_NAME, plain)):
        return "date", compact.pattern
    numbers: tuple[FieldType, ...] = ("integer", "number")
    for kind in numbers:
        if kinds.holds(kind, decimal) and not re.search(_TEXT_BY_NAME, plain):
            return kind, None
    if kinds.holds("integer", decimal):
        return "string", None
    for one in kinds.candidates:
        if one.type in ("date", "datetime", "json") and not one.misses:
            iso = one.pattern in (None, "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
            return one.type, None if iso else one.pattern
    return "string", None


def _typed(draft: FieldDraft, column: Column) -> None:
    kind = column.arrow
    if pa.types.is_boolean(kind):
        draft.type = "boolean"
    elif pa.types.is_integer(kind):
        draft.type = "integer"
        if re.search(_TEXT_BY_NAME, snake(column.source)):
            draft.comments.append("Ein Schlüssel als Zahl: Gehen führende Nullen verloren, an der Quelle als Text ausgeben.")
    elif pa.types.is_floating(kind):
        has_values = column.minimum is not None
        draft.type = "integer" if column.whole and has_values else "number"
        if draft.type == "integer":
            draft.comments.append("An der Quelle eine Kommazahl, aber alle Werte sind ganz.")
    elif pa.types.is_decimal(kind):
        draft.type = "decimal"
    elif pa.types.is_date(kind):
        draft.type = "date"
    elif pa.types.is_timestamp(kind):
        draft.type = "date" if column.midnight and kind.tz is None else "datetime"
        if draft.type == "date":
            draft.comments.append("An der Quelle mit Uhrzeit, aber immer Mitternacht.")


def _total_rows(columns: Columns) -> list[TotalRow]:
    """Return the rows of totals: one word such as "Summe" that stands once in its column; more often it is a category."""
    made: dict[int, TotalRow] = {}
    for row in columns.totals:
        counts = columns.by_name[row.column].totals
        at_an_end = row.row in (1, columns.last_row)
        if counts[row.word] == 1 and sum(counts.values()) <= 2 and (at_an_end or not re.match(PLACES, row.word)):
            made.setdefault(row.row, row)
    kept: dict[str, TotalRow] = {}
    for row in made.values():  # skip_rows has one value a column
        kept.setdefault(row.column, row)
    return list(kept.values())


def _decide_nulls(made: Decided, used: Counter[str]) -> None:
    words = sorted(used, key=lambda word: (-used[word], word))
    if not words:
        return
    made.null_values = ("", *words)
    shown = ", ".join(f"„{word}“ ({used[word]} mal)" for word in words[:6])
    made.remarks["null_values"] = [f"Als leer gelesen: {shown}."]
    if set(words) & {"-", "–", ".", "/", "x", "X", "...", "…"}:
        remark = (
            "In amtlicher Statistik heißt „-“ genau null, „.“ unbekannt oder geheim, „/“ zu unsicher, „x“ sinnlos: Mit der Quelle klären."
        )
        made.remarks["null_values"].append(remark)
        made.notes.append(f"Als leer gelesen: {shown}. {remark}")


def _tell_values(draft: FieldDraft, column: Column, rows: int) -> None:
    values = column.values
    if not values or draft.key or draft.type not in ("string", "integer"):
        return
    if draft.type == "string" and 2 <= len(values) <= _FEW and rows >= 5 * len(values):
        first = sorted(values)
        shown = ", ".join(f"„{value[:30]}“" for value in first[:4]) + (", …" if len(first) > 4 else "")
        example = json.dumps(first[0], ensure_ascii=False)
        draft.comments.append(f"Nur {len(values)} Werte: {shown}. Als Codeliste: values: {{{example}: {{de: …}}, …}}")
    elif draft.type == "integer" and set(values) == {"0", "1"}:
        draft.comments.append("Nur 0 und 1; ist es ja/nein, dann type: boolean.")
