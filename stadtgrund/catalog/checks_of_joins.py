"""Rules about joined datasets: their parts, keys, and what protection and licence of the parts mean for the result."""

from __future__ import annotations

__all__ = ["RULES"]

import json
from collections.abc import Callable, Iterator
from typing import Any

import cql2

from stadtgrund.catalog import access, keys, release
from stadtgrund.catalog.checks_of_fields import GEOMETRY, unknown_dataset, unknown_field, unknown_key
from stadtgrund.catalog.contract import Contract, Field
from stadtgrund.catalog.document import Finding, Path
from stadtgrund.catalog.licences import LICENCES
from stadtgrund.catalog.registry import Deployment
from stadtgrund.identity import OPEN
from stadtgrund.language import say

_SIDES = ("left", "right")
_SHOWN = ("none", "centroid", "full")
"""Rules for geometry, by how much they show."""


def _parts(contract: Contract, deployment: Deployment) -> dict[str, Contract]:
    """Return the parts that exist, by side."""
    named = {"left": contract.source.left, "right": contract.source.right}
    return {side: deployment.contracts[name] for side, name in named.items() if name and name in deployment.contracts}


def parts(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Both sides exist, are tables, and the join does not lead back to itself."""
    if contract.source.kind != "join":
        return
    for side in _SIDES:
        name = getattr(contract.source, side)
        if name is None:
            yield ("source", side), say("fehlt: der Datensatz dieser Seite.", "is missing: the dataset of this side.")
        elif name not in deployment.contracts:
            yield ("source", side), unknown_dataset(name, deployment.contracts)
        elif deployment.contracts[name].is_raster:
            yield ("source", side), say(f"{name} ist ein Raster und hat keine Zeilen.", f"{name} is a grid and has no rows.")
    if cycle := _cycle(contract, deployment, ()):
        yield ("source",), say(f"Die Verknüpfung führt im Kreis: {' → '.join(cycle)}.", f"The join leads in a circle: {' → '.join(cycle)}.")


def _cycle(contract: Contract, deployment: Deployment, above: tuple[str, ...]) -> tuple[str, ...]:
    if contract.id in above:
        return (*above, contract.id) if contract.id == above[0] else ()
    for part in _parts(contract, deployment).values():
        if found := _cycle(part, deployment, (*above, contract.id)):
            return found
    return ()


def kind_of_join(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The kind of join can be made, and has what it needs."""
    source = contract.source
    if source.kind != "join":
        return
    if source.join != "key" or source.live:
        yield (
            ("source", "live" if source.live else "join"),
            say(
                "lädt diese Version nicht; erlaubt: join: key, ohne live.",
                "is not loaded by this version; allowed: join: key, without live.",
            ),
        )
    elif not source.on:
        yield (
            ("source", "on"),
            say(
                "fehlt: [{left: <Feld>, right: <Feld>, key: <Schlüsseltyp>}].",
                "is missing: [{left: <field>, right: <field>, key: <key type>}].",
            ),
        )
    sides = _parts(contract, deployment)
    if contract.geometry and len(sides) == 2 and all(part.geometry is None for part in sides.values()):
        left, right = sides["left"].id, sides["right"].id
        yield ("geometry",), say(f"Weder {left} noch {right} hat eine Geometrie.", f"Neither {left} nor {right} has a geometry.")


def join_keys(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The key columns exist on both sides, and their key type is known."""
    sides = _parts(contract, deployment) if contract.source.kind == "join" else {}
    known = keys.known(deployment.keys)
    for number, pair in enumerate(contract.source.on):
        for side, part in sides.items():
            name = getattr(pair, side)
            if name not in {field.name for field in part.fields}:
                yield ("source", "on", number, side), f"{part.id}: {unknown_field(name, part)}"
        if pair.key is not None and pair.key not in known:
            yield ("source", "on", number, "key"), unknown_key(pair.key, known)


def _origin(contract: Contract, deployment: Deployment, field: Field) -> tuple[Contract, Field] | None:
    """Return the part and field that a field of a join comes from; None when it cannot be found."""
    side, _, name = field.source_name.partition(".")
    part = _parts(contract, deployment).get(side)
    found = next((item for item in part.fields if item.name == name), None) if part else None
    return (part, found) if part and found else None


def join_fields(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """Each field of a join names the field of a side that it is, with its type."""
    if contract.source.kind != "join":
        return
    sides = _parts(contract, deployment)
    for number, field in enumerate(contract.fields):
        if field.format is not None:
            yield (
                ("fields", number, "format"),
                say("gilt nicht für eine Verknüpfung: die Werte sind gelesen.", "is not for a join: the values have been read."),
            )
        path: Path = ("fields", number, "from" if field.from_ else "name")
        side, dot, name = field.source_name.partition(".")
        if not dot or side not in _SIDES:
            yield (
                path,
                say(
                    f"from fehlt: left.{field.name} oder right.{field.name}.", f"from is missing: left.{field.name} or right.{field.name}."
                ),
            )
            continue
        origin = _origin(contract, deployment, field)
        if origin is None and side in sides:
            yield path, f"{sides[side].id}: {unknown_field(name, sides[side])}"
        elif origin and origin[1].type != field.type:
            yield (
                ("fields", number, "type"),
                say(
                    f"{origin[0].id}.{name} ist {origin[1].type}; eine Verknüpfung ändert den Typ nicht.",
                    f"{origin[0].id}.{name} is {origin[1].type}; a join does not change the type.",
                ),
            )


def join_protection(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """What is closed in a part does not become public by a join, unless a weighing of the join says so."""
    if contract.source.kind != "join" or contract.protection.weighing:
        return
    decision = access.decide(contract, OPEN)
    if decision.form is None:
        return
    for side, part in _parts(contract, deployment).items():
        form = access.decide(part, OPEN).form
        if form is None:
            yield (
                ("source", side),
                say(
                    f"{part.id} ist nicht öffentlich ({release.state(part).reason.de}), die Verknüpfung wäre es: "
                    "Schutzgrund angeben oder Abwägung dokumentieren.",
                    f"{part.id} is not public ({release.state(part).reason.get('en')}), but the join would be: "
                    "state the ground or record a weighing.",
                ),
            )
            continue
        if not _covers(contract, side, form, takes_geometry=part is _with_geometry(contract, deployment)):
            yield (
                ("forms",),
                say(
                    f"{part.id} ist öffentlich nur eingeschränkt (where, geometry oder min_count); "
                    "die Verknüpfung braucht in forms.open dieselbe Einschränkung.",
                    f"{part.id} is public only in part (where, geometry or min_count); the join needs the same restriction in forms.open.",
                ),
            )
        for number, field in enumerate(contract.fields):
            origin = _origin(contract, deployment, field)
            if origin and origin[0] is part and field.name in decision.form.fields and origin[1].name not in form.fields:
                yield (
                    ("fields", number),
                    say(
                        f"{part.id}.{origin[1].name} ist nicht öffentlich, hier wäre es das: "
                        "in forms.open.omit aufnehmen oder grounds angeben.",
                        f"{part.id}.{origin[1].name} is not public, but would be here: put it into forms.open.omit or state its grounds.",
                    ),
                )


def _with_geometry(contract: Contract, deployment: Deployment) -> Contract | None:
    """Return the part whose geometry the join takes: the left one's, else the right one's."""
    return next((part for part in _parts(contract, deployment).values() if part.geometry is not None), None)


def _covers(contract: Contract, side: str, form: access.FormSpec, *, takes_geometry: bool) -> bool:
    """Return whether the join's open form hides at least what `form`, the open form of one side, hides."""
    own = access.decide(contract, OPEN).form
    if own is None:
        return True
    if form.where is not None and not _keeps_rows(contract, side, form.where, own.where, takes_geometry=takes_geometry):
        return False
    if takes_geometry and contract.geometry is not None and _SHOWN.index(own.geometry) > _SHOWN.index(form.geometry):
        return False
    if form.min_count is None:
        return True
    names = {item.source_name: item.name for item in contract.fields if item.name in own.fields}
    shown = [names[f"{side}.{name}"] for name in form.min_count.fields if f"{side}.{name}" in names]
    counted = own.min_count
    return not shown or (counted is not None and counted.minimum >= form.min_count.minimum and set(shown) <= set(counted.fields))


def _keeps_rows(contract: Contract, side: str, where: str, own: str | None, *, takes_geometry: bool) -> bool:
    """Return whether the join's filter `own` demands what `where`, that of one side, does: each of its conditions as it stands."""
    of_side = {field.name: field.source_name for field in contract.fields} | ({GEOMETRY: f"{side}.{GEOMETRY}"} if takes_geometry else {})
    try:
        asked = _conditions(cql2.parse_text(where).to_json(), lambda name: f"{side}.{name}")
        kept = _conditions(cql2.parse_text(own).to_json(), lambda name: of_side.get(name, name)) if own is not None else set()
    except cql2.ParseError:
        return True  # told of the form itself
    return asked <= kept


def _conditions(expression: Any, renamed: Callable[[str], str]) -> set[str]:
    """Return what a CQL2 expression (as JSON) joins by AND, each as text, with its properties renamed."""
    if isinstance(expression, dict) and expression.get("op") == "and":
        return {text for part in expression["args"] for text in _conditions(part, renamed)}
    return {json.dumps(_renamed(expression, renamed), sort_keys=True)}


def _renamed(expression: Any, renamed: Callable[[str], str]) -> Any:
    if isinstance(expression, dict):
        return {
            key: renamed(value) if key == "property" and isinstance(value, str) else _renamed(value, renamed)
            for key, value in expression.items()
        }
    return [_renamed(part, renamed) for part in expression] if isinstance(expression, list) else expression


def join_licence(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The result's licence and attribution keep what those of the parts ask for."""
    own = LICENCES.get(contract.licence or "")
    if contract.source.kind != "join" or own is None:
        return
    for part in _parts(contract, deployment).values():
        given = LICENCES.get(part.licence or "")
        if given is None:
            continue
        if given.share_alike and own.id != given.id:
            yield (
                ("licence",),
                say(f"{part.id} steht unter {given.id}: das Ergebnis auch.", f"{part.id} is under {given.id}: so must the result be."),
            )
        elif given.attribution and not own.attribution:
            yield (
                ("licence",),
                say(
                    f"{part.id} steht unter {given.id} und verlangt den Namen der Quelle; {own.id} tut das nicht.",
                    f"{part.id} is under {given.id} and asks for the name of the source; {own.id} does not.",
                ),
            )
        elif not given.is_open and own.is_open:
            yield ("licence",), say(f"{part.id} steht nicht unter einer offenen Lizenz.", f"{part.id} is not under an open licence.")
        if given.attribution and part.attribution and part.attribution not in (contract.attribution or ""):
            yield (
                ("attribution",),
                say(
                    f"Die Quelle von {part.id} fehlt darin: „{part.attribution}“.",
                    f"The source of {part.id} is missing in it: “{part.attribution}”.",
                ),
            )


RULES = (parts, kind_of_join, join_keys, join_fields, join_protection, join_licence)
"""All rules of this module."""
