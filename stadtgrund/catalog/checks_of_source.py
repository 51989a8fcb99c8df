"""Rules about where the rows come from, their geometry and their quality."""

from __future__ import annotations

__all__ = ["KINDS_OF_KEY", "RULES"]

import re
from collections.abc import Iterator
from functools import cache

from stadtgrund.catalog.checks_of_fields import unknown_field
from stadtgrund.catalog.contract import Contract, Source
from stadtgrund.catalog.document import Finding, Path
from stadtgrund.catalog.registry import Deployment
from stadtgrund.language import say

LOADED = ("ogr", "table", "raster", "join")
"""Kinds of sources that this version loads."""

KINDS_OF_KEY = {
    "location": ("ogr", "wfs", "ogcapi", "table", "sql", "postgis", "raster"),
    "crs": ("ogr", "wfs", "ogcapi", "table", "sql", "postgis", "raster"),
    "layer": ("ogr", "wfs", "ogcapi", "postgis"),
    "where": ("ogr", "wfs", "ogcapi", "postgis"),
    "encoding": ("ogr", "table"),
    "null_values": ("ogr", "table"),
    "sheet": ("table",),
    "header_row": ("table",),
    "delimiter": ("table",),
    "decimal": ("table",),
    "skip_rows": ("table",),
    "x": ("table",),
    "y": ("table",),
    "nodata": ("raster",),
    "unit": ("raster",),
    "scenario": ("raster",),
    "left": ("join",),
    "right": ("join",),
    "on": ("join",),
    "join": ("join",),
    "unmatched_left": ("join",),
    "live": ("join",),
}
"""Key of `source` → the kinds whose reader looks at it; a key that is not here is for all."""

_SPREADSHEETS = (".xlsx", ".xlsm")
_FOR_SHEETS = {"sheet": True, "delimiter": False, "encoding": False}
"""Key of a table's source → whether it is for spreadsheets; else it is for CSV."""


def source_kind(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The kind can be loaded, and the keys beside it belong to it."""
    source = contract.source
    if source.kind not in LOADED:
        yield (
            ("source", "kind"),
            say(
                f"{source.kind} lädt diese Version nicht; erlaubt: {', '.join(LOADED)}. Bis dahin als Datei ausgeben und mit ogr laden.",
                f"{source.kind} is not loaded by this version; allowed: {', '.join(LOADED)}. Export a file and load it with ogr.",
            ),
        )
    allowed = [key for key in Source.model_fields if key != "kind" and source.kind in KINDS_OF_KEY.get(key, (source.kind,))]
    for key in Source.model_fields:
        if key == "location" or key not in source.model_fields_set or key in (*allowed, "kind"):
            continue
        kinds = [kind for kind in KINDS_OF_KEY[key] if kind in LOADED]
        yield (
            ("source", key),
            say(
                f"gilt nur für kind: {' oder '.join(kinds)}. Bei {source.kind} erlaubt: {', '.join(allowed)}.",
                f"is for kind: {' or '.join(kinds)} only. Allowed for {source.kind}: {', '.join(allowed)}.",
            ),
        )


def table_format(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The keys of a table belong to its format, as far as the name says which it is."""
    source = contract.source
    name = (source.location or "").lower().removesuffix(".gz")
    if source.kind != "table" or not re.search(r"\.[a-z0-9]+$", name):
        return
    is_sheet = name.endswith(_SPREADSHEETS)
    for key, for_sheets in _FOR_SHEETS.items():
        if key in source.model_fields_set and for_sheets != is_sheet:
            yield (
                ("source", key),
                say(
                    "gilt nur für XLSX; in einer CSV stattdessen: delimiter, encoding.", "is for XLSX only; a CSV has: delimiter, encoding."
                )
                if for_sheets
                else say("gilt nur für CSV; in einer XLSX stattdessen: sheet.", "is for CSV only; an XLSX has: sheet."),
            )


def source_location(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Every source but a join has a location, without variables that nobody sets."""
    location = contract.source.location
    if contract.source.kind == "join":
        if location is not None:
            yield (
                ("source", "location"),
                say("Eine Verknüpfung hat left und right statt location.", "A join has left and right instead of location."),
            )
        return
    if not location:
        yield (
            ("source", "location"),
            say(
                "fehlt: Pfad oder Muster, etwa ${DATA}/schulen/*.geojson.",
                "is missing: path or pattern, such as ${DATA}/schulen/*.geojson.",
            ),
        )
        return
    for name in re.findall(r"\$\{([^}]*)\}", location):
        if name != "DATA":
            yield (
                ("source", "location"),
                say(f"${{{name}}} ist unbekannt; erlaubt ist ${{DATA}}.", f"${{{name}}} is unknown; ${{DATA}} is allowed."),
            )


def source_coordinates(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Columns of coordinates come in pairs, with a CRS, and make points."""
    source, path = contract.source, ("source",)
    if (source.x is None) != (source.y is None):
        yield path, say("x und y gehören zusammen.", "x and y belong together.")
    if source.x and source.y:
        if source.crs is None:
            yield path, say("crs fehlt: in welchem Koordinatensystem sind x und y?", "crs is missing: in which system are x and y?")
        if contract.geometry is None or contract.geometry.type != "Point":
            yield ("geometry",), say("x und y ergeben Punkte: geometry: {type: Point}.", "x and y make points: geometry: {type: Point}.")
    elif source.kind == "table" and source.crs is not None and source.x is None and source.y is None:
        yield (
            (*path, "crs"),
            say("gilt in einer Tabelle nur mit x und y (Spalten der Koordinaten).", "is for a table with x and y (columns) only."),
        )
    if source.kind == "table" and contract.geometry is not None and not (source.x and source.y):
        yield (
            ("geometry",),
            say(
                "Eine Tabelle hat nur mit source.x und source.y eine Geometrie.", "A table has a geometry with source.x and source.y only."
            ),
        )


def crs_known(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Each CRS is one that PROJ knows; the storage CRS is metric or CRS84, so that distances mean something."""
    for path, code in ((("source", "crs"), contract.source.crs), (("geometry", "crs"), contract.geometry and contract.geometry.crs)):
        if code is not None and not is_known(code):
            yield path, say(f"PROJ kennt {code} nicht.", f"PROJ does not know {code}.")


@cache
def is_known(code: str) -> bool:
    """Whether PROJ knows the CRS."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(code)
    except CRSError:
        return False
    return True


def editing(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """What is edited here is not overwritten by a load."""
    if not contract.publish.edit:
        return
    path: Path = ("publish", "edit")
    if contract.source.rhythm not in (None, "once"):
        yield (
            path,
            say(
                f"edit: true verträgt sich nicht mit source.rhythm: {contract.source.rhythm}; eine Ladung überschriebe die Änderungen. "
                "Eines von beiden entfernen (oder rhythm: once).",
                f"edit: true does not go with source.rhythm: {contract.source.rhythm}; the next load would overwrite the edits. "
                "Remove one of them (or rhythm: once).",
            ),
        )
    if contract.source.kind in ("join", "raster"):
        yield (
            path,
            say(
                f"Ein Datensatz der Art {contract.source.kind} lässt sich nicht bearbeiten.",
                f"A dataset of kind {contract.source.kind} cannot be edited.",
            ),
        )


def style(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The style exists, in the deployment's folder or among the house styles."""
    name = contract.publish.style
    known = sorted(deployment.styles)
    if name is not None and name not in known:
        yield (
            ("publish", "style"),
            say(
                f"Den Stil „{name}“ gibt es nicht. Bekannt sind: {', '.join(known) or '–'}; eigene in styles/{name}.yaml.",
                f"There is no style “{name}”. Known are: {', '.join(known) or '–'}; your own in styles/{name}.yaml.",
            ),
        )


def quality(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Each quality rule has what it needs, and nothing that it cannot use."""
    by_name = {field.name: field for field in contract.fields}
    seen: set[tuple[str, str | None]] = set()
    for number, rule in enumerate(contract.quality):
        path: Path = ("quality", number)
        if (rule.rule, rule.field) in seen:
            yield path, say(f"Die Regel {rule.rule} steht zweimal.", f"The rule {rule.rule} is given twice.")
        seen.add((rule.rule, rule.field))
        needs_field = rule.rule in ("required", "unique", "codelist")
        if needs_field and rule.field is None:
            yield (*path, "field"), say(f"fehlt: {rule.rule} prüft ein Feld.", f"is missing: {rule.rule} checks a field.")
        elif not needs_field and rule.field is not None:
            yield (*path, "field"), say(f"{rule.rule} prüft kein einzelnes Feld.", f"{rule.rule} does not check a single field.")
        elif rule.field is not None and rule.field not in by_name:
            yield (*path, "field"), unknown_field(rule.field, contract)
        elif rule.rule == "codelist" and rule.field is not None and by_name[rule.field].values is None:
            yield (*path, "field"), say(f"{rule.field} hat keine Codeliste (values).", f"{rule.field} has no code list (values).")
        if rule.rule == "valid_geometry" and contract.source.kind == "join":
            yield (
                path,
                say(
                    "gilt nicht für eine Verknüpfung: die Geometrie ist an der Seite geprüft, von der sie kommt.",
                    "is not for a join: the geometry is checked on the side that it comes from.",
                ),
            )
        elif rule.rule == "valid_geometry" and contract.geometry is None:
            yield path, say("valid_geometry braucht eine Geometrie (geometry).", "valid_geometry needs a geometry.")
        if rule.on_fail == "repair" and rule.rule != "valid_geometry":
            yield (
                (*path, "on_fail"),
                say(
                    f"repair gibt es nur für valid_geometry; für {rule.rule}: report, reject oder stop.",
                    f"repair is for valid_geometry only; for {rule.rule}: report, reject or stop.",
                ),
            )
        if rule.rule == "row_count":
            if rule.minimum is None and rule.drop_max is None:
                yield path, say("row_count braucht minimum oder drop_max.", "row_count needs minimum or drop_max.")
            if rule.on_fail == "reject":
                yield (
                    (*path, "on_fail"),
                    say("row_count lehnt keine Zeilen ab: report oder stop.", "row_count rejects no rows: report or stop."),
                )
        else:
            for key in ("minimum", "drop_max"):
                if getattr(rule, key) is not None:
                    yield (*path, key), say("gilt nur für row_count.", "is for row_count only.")


RULES = (source_kind, table_format, source_location, source_coordinates, crs_known, editing, style, quality)
"""All rules of this module."""
