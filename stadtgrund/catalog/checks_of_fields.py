"""Rules about a dataset's id, fields and what refers to them."""

from __future__ import annotations

__all__ = ["GEOMETRY", "RULES", "unknown_dataset", "unknown_field", "unknown_key"]

import re
from collections.abc import Iterable, Iterator

from stadtgrund.catalog import keys
from stadtgrund.catalog.contract import API_PARAMETERS, RESERVED_COLUMNS, Contract
from stadtgrund.catalog.document import Finding, Path
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import nearest
from stadtgrund.language import say

GEOMETRY = "geometry"
"""What a filter calls the geometry."""

_NUMBERS = ("integer", "number", "decimal")
_ZOOM = re.compile(r"(<=|>=|<|>|=)?\s*\d{1,2}")


def unknown_field(name: str, contract: Contract, *, geometry: bool = False) -> str:
    """Say that the dataset has no such field, which was probably meant, and which there are; `geometry` where it may be named too."""
    names = [field.name for field in contract.fields]
    if geometry and contract.geometry:
        names.insert(0, GEOMETRY)  # first: the list is cut
    guess = nearest(name, names)
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "") or "–"
    return say(f"Das Feld „{name}“ gibt es nicht.{meant} Felder: {shown}.", f"There is no field “{name}”.{meant} Fields: {shown}.")


def unknown_dataset(name: str, known: Iterable[str]) -> str:
    """Say that there is no such dataset, which was probably meant, and which there are."""
    names = list(known)
    guess = nearest(name, names)
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    shown = ", ".join(names[:30]) + (", …" if len(names) > 30 else "") or "–"
    return say(
        f"Den Datensatz „{name}“ gibt es nicht.{meant} Bekannt sind: {shown}.", f"There is no dataset “{name}”.{meant} Known are: {shown}."
    )


def _exist(contract: Contract, path: Path, names: Iterable[str]) -> Iterator[Finding]:
    known = {field.name for field in contract.fields}
    for number, name in enumerate(names):
        if name not in known:
            yield (*path, number), unknown_field(name, contract)


def dataset_id(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The id is the file's name, and not one of the platform's own views."""
    stem = deployment.paths[contract.id].stem
    if contract.id.startswith("sg_"):
        yield ("id",), say("Namen mit sg_ sind der Plattform vorbehalten.", "Names that begin with sg_ are the platform's own.")
    if stem != contract.id:
        yield (
            ("id",),
            say(
                f"Die Datei muss heißen wie die id: {contract.id}.yaml (sie heißt {stem}).",
                f"The file must be named after the id: {contract.id}.yaml (it is {stem}).",
            ),
        )


def identifiers(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """A former name belongs to one dataset, and is not the id of another."""
    for number, name in enumerate(contract.identifiers):
        others = [other.id for other in deployment.contracts.values() if other.id != contract.id and name in (other.id, *other.identifiers)]
        if others:
            yield ("identifiers", number), say(f"„{name}“ gehört schon zu {others[0]}.", f"“{name}” already belongs to {others[0]}.")


def field_names(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Names are unique, not the platform's, and not those of API parameters."""
    seen: set[str] = set()
    for number, field in enumerate(contract.fields):
        path: Path = ("fields", number, "name")
        if field.name in seen:
            yield path, say(f"Das Feld „{field.name}“ gibt es zweimal.", f"There are two fields “{field.name}”.")
        seen.add(field.name)
        if field.name in RESERVED_COLUMNS or field.name.startswith("sg_"):
            reserved = ", ".join(sorted(RESERVED_COLUMNS))
            yield (
                path,
                say(
                    f"„{field.name}“ ist der Plattform vorbehalten ({reserved}). "
                    f"Anders nennen: {{name: {field.name}_wert, from: {field.source_name}}}.",
                    f"“{field.name}” is the platform's own ({reserved}). "
                    f"Rename it: {{name: {field.name}_value, from: {field.source_name}}}.",
                ),
            )
        if field.name in API_PARAMETERS:
            yield (
                path,
                say(
                    f"„{field.name}“ ist ein Parameter der API; danach ließe sich nicht suchen. "
                    f"Anders nennen: {{name: {field.name}_wert, from: {field.source_name}}}.",
                    f"“{field.name}” is a parameter of the API, so nobody could search by it. "
                    f"Rename it: {{name: {field.name}_value, from: {field.source_name}}}.",
                ),
            )


def fields_given(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """A dataset of rows has fields and an id; a grid has neither."""
    if contract.is_raster:
        for part in ("fields", "geometry", "id_field", "temporal", "sortables", "quality"):
            if part in contract.model_fields_set and getattr(contract, part):
                yield (part,), say("Ein Raster hat keine Zeilen: hier nichts angeben.", "A grid has no rows: leave this out.")
        return
    if not contract.fields:
        yield ("fields",), say("fehlt: mindestens ein Feld angeben.", "is missing: state at least one field.")
    if contract.id_field is None:
        yield (
            ("id_field",),
            say(
                "fehlt: {kind: column, column: <Feld>}, oder {kind: content}, wenn kein Feld eindeutig ist.",
                "is missing: {kind: column, column: <field>}, or {kind: content} when no field is unique.",
            ),
        )


def field_types(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """What a field states fits its type."""
    for number, field in enumerate(contract.fields):
        path: Path = ("fields", number)
        if field.format is not None and field.type not in ("date", "datetime"):
            yield (*path, "format"), say("gilt nur für date und datetime.", "is for date and datetime only.")
        elif field.format is not None and "%" not in field.format:
            yield (
                (*path, "format"),
                say(
                    f"„{field.format}“ ist kein Format; erlaubt ist etwa %d.%m.%Y.",
                    f"“{field.format}” is not a format; such as %d.%m.%Y is.",
                ),
            )
        if field.unit is not None and field.type not in _NUMBERS:
            yield (*path, "unit"), say("Eine Einheit haben nur Zahlen.", "Only numbers have a unit.")
        if field.values is not None and field.type not in ("string", "integer"):
            yield (*path, "values"), say("Eine Codeliste haben nur string und integer.", "Only string and integer have a code list.")
        if field.values is not None and not field.values:
            yield (*path, "values"), say("Die Codeliste ist leer.", "The code list is empty.")
        if field.values and field.type == "integer":
            for code in field.values:
                if not re.fullmatch(r"-?\d+", code):
                    yield (*path, "values", code), say(f"„{code}“ ist keine ganze Zahl.", f"“{code}” is not a whole number.")


def field_keys(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """A key type is known, and its field is text."""
    known = keys.known(deployment.keys)
    for number, field in enumerate(contract.fields):
        if field.key is None:
            continue
        if field.key not in known:
            yield ("fields", number, "key"), unknown_key(field.key, known)
        if field.type != "string":
            yield (
                ("fields", number, "type"),
                say(
                    "Ein Schlüssel ist Text (string): führende Nullen gehören zu ihm.",
                    "A key is text (string): leading zeros are part of it.",
                ),
            )


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Say that there is no such key type, and which there are."""
    names = list(known)
    guess = nearest(name, names)
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    return say(
        f"Den Schlüsseltyp „{name}“ gibt es nicht.{meant} Bekannt sind: {', '.join(names)}; eigene in keys/{name}.yml.",
        f"There is no key type “{name}”.{meant} Known are: {', '.join(names)}; your own in keys/{name}.yml.",
    )


def id_field(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The id is made of fields that exist and suit."""
    made = contract.id_field
    if made is None:
        return
    if made.kind == "assigned":
        yield (
            ("id_field", "kind"),
            say(
                "assigned lädt diese Version nicht; erlaubt: column, composite, content.",
                "assigned is not loaded by this version; allowed: column, composite, content.",
            ),
        )
    if made.kind == "column" and made.column is None:
        yield ("id_field", "column"), say("fehlt: das Feld, das die Kennung ist.", "is missing: the field that is the id.")
    if made.kind == "composite" and len(made.columns) < 2:
        yield ("id_field", "columns"), say("Mindestens zwei Felder angeben.", "State at least two fields.")
    if made.kind != "column" and made.column is not None:
        yield ("id_field", "column"), say("gilt nur für kind: column.", "is for kind: column only.")
    if made.kind != "composite" and made.columns:
        yield ("id_field", "columns"), say("gilt nur für kind: composite.", "is for kind: composite only.")
    known = {field.name: field for field in contract.fields}
    if made.column is not None:
        if made.column not in known:
            yield ("id_field", "column"), unknown_field(made.column, contract)
        elif known[made.column].type not in ("string", "integer", "uuid"):
            yield (
                ("id_field", "column"),
                say(
                    f"{made.column} ist {known[made.column].type}; eine Kennung ist string, integer oder uuid.",
                    f"{made.column} is {known[made.column].type}; an id is string, integer or uuid.",
                ),
            )
    yield from _exist(contract, ("id_field", "columns"), made.columns)


def sortables(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """What can be sorted by exists and has an order."""
    yield from _exist(contract, ("sortables",), contract.sortables)
    by_name = {field.name: field for field in contract.fields}
    for number, name in enumerate(contract.sortables):
        if name in by_name and by_name[name].type == "json":
            yield ("sortables", number), say(f"{name} ist json und hat keine Ordnung.", f"{name} is json and has no order.")
        if name in contract.sortables[:number]:
            yield ("sortables", number), say(f"{name} steht zweimal.", f"{name} is given twice.")


def temporal(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The fields that say when exist and are dates, and are either an instant or an interval."""
    when = contract.temporal
    if when is None:
        return
    named = {part: name for part in ("instant", "start", "end") if (name := getattr(when, part)) is not None}
    if not named or ("instant" in named and len(named) > 1):
        yield ("temporal",), say("Entweder instant angeben, oder start und/oder end.", "State either instant, or start and/or end.")
    by_name = {field.name: field for field in contract.fields}
    for part, name in named.items():
        if name not in by_name:
            yield ("temporal", part), unknown_field(name, contract)
        elif by_name[name].type not in ("date", "datetime"):
            yield (
                ("temporal", part),
                say(
                    f"{name} ist {by_name[name].type}; nötig ist date oder datetime.",
                    f"{name} is {by_name[name].type}; needed is date or datetime.",
                ),
            )
    types = {by_name[name].type for part, name in named.items() if part != "instant" and name in by_name}
    if types == {"date", "datetime"}:
        yield (
            ("temporal",),
            say("start und end müssen beide date oder beide datetime sein.", "start and end must both be date or both datetime."),
        )


def tiles(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Tiles need a geometry; their fields exist and their zoom conditions can be read."""
    made = contract.publish.tiles
    if made is None:
        return
    path: Path = ("publish", "tiles")
    if contract.geometry is None:
        yield path, say("Kacheln brauchen eine Geometrie (geometry).", "Tiles need a geometry.")
    if made.zoom[0] > made.zoom[1]:
        yield (*path, "zoom"), say("Die kleinere Zoomstufe zuerst: [von, bis].", "The smaller zoom first: [from, to].")
    for condition, names in made.fields.items():
        if not _ZOOM.fullmatch(condition.strip()):
            yield (
                (*path, "fields", condition),
                say(
                    f"„{condition}“ ist keine Zoombedingung; erlaubt sind etwa <14, >=14, 12.",
                    f"“{condition}” is not a zoom condition; such as <14, >=14, 12 are.",
                ),
            )
        yield from _exist(contract, (*path, "fields", condition), names)


RULES = (dataset_id, identifiers, field_names, fields_given, field_types, field_keys, id_field, sortables, temporal, tiles)
"""All rules of this module."""
