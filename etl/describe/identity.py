"""By what the rows of a source can be told apart."""

from __future__ import annotations

__all__ = ["choose"]

import re
from itertools import combinations
from typing import Any

from etl.describe.columns import Column, Columns
from etl.describe.fields import FieldDraft
from etl.describe.keytypes import looks_like_key
from etl.describe.names import snake

_TIME_BY_NAME = r"(^|_)(jahr|year|monat|woche|quartal|datum|stichtag|zeit|tag|stunde)(_|$)"
_NAME_BY_NAME = r"(^|_)(name|bezeichnung|titel|title|bez)(_|$)|name$|bezeichnung$"
_FIRST_BY_NAME = r"(^|_)(id|uuid|gml_id|schluessel|kennung|bsn|nr|nummer)(_|$)|schluessel$|nummer$"
_RUNNING = r"^(objectid|fid|oid|gid|ogc_fid|id_0|rowid)(_\d)?$"
_LONGEST = 80


def choose(by_source: dict[str, FieldDraft], columns: Columns, rows: int) -> tuple[dict[str, Any], str]:
    """Return id_field and why (German): the best unique column, else two that are unique together, else the content.

    Parameters
    ----------
    by_source : dict
        The fields by their name at the source; the chosen one is marked unique.
    rows : int
        Rows of data; what `columns` counted beyond are total rows.
    """
    ranked = sorted(
        (rank, place, name) for place, name in enumerate(by_source) if (rank := _rank(by_source[name], columns.by_name[name])) is not None
    )
    for rank, _, name in ranked:
        draft = by_source[name]
        if draft.required and columns.by_name[name].unique and draft.type in ("string", "integer", "uuid"):
            draft.unique = True
            reason = f"{draft.name} ist in jeder der {rows} Zeilen da und nie doppelt."
            if rank == 4:
                reason += (
                    " Es ist die laufende Nummer der Datei: Wird sie bei einem neuen Export anders vergeben, ändern sich die Kennungen."
                )
            return {"kind": "column", "column": draft.name}, reason
    whole = [
        (rank, name)
        for rank, _, name in ranked
        if by_source[name].required and by_source[name].type in ("string", "integer", "date", "uuid")
    ]
    for (_, first), (_, second) in sorted(combinations(whole, 2), key=lambda pair: pair[0][0] + pair[1][0]):
        if columns.jointly_unique(first, second, columns.rows - rows):
            names = [by_source[name].name for name in sorted((first, second), key=list(by_source).index)]
            return {"kind": "composite", "columns": names}, f"Kein Feld ist für sich eindeutig; {' und '.join(names)} zusammen sind es."
    return {"kind": "content"}, "Kein Feld ist eindeutig: Die Kennung entsteht aus dem Inhalt, eine geänderte Zeile bekommt eine neue."


def _rank(draft: FieldDraft, column: Column) -> int | None:
    """Return how well a column identifies (0 best), None for one that does not."""
    name = snake(column.source)
    if draft.type == "json" or column.longest > _LONGEST or "://" in column.example or "@" in column.example:
        return None
    if re.search(_RUNNING, name):
        return 4
    if draft.key and draft.key not in ("plz", "hausnummer", "strassenschluessel"):
        return 0
    if looks_like_key(column.source):
        return 0 if re.search(_FIRST_BY_NAME, name) else 1
    if re.search(_TIME_BY_NAME, name) or draft.type == "date":
        return 3
    if draft.type in ("string", "uuid"):
        return 2 if re.search(_NAME_BY_NAME, name) else 3
    return None
