"""Whether the rules of a deployment are right: their shape, and what they name in its contracts.

A rule whose layer the city does not have is no mistake: the process then tells a gap in the data. It is remarked, unless a name much
like it is there.
"""

from __future__ import annotations

__all__ = ["check", "remarks"]

from collections.abc import Iterator
from pathlib import Path

from processes.rules import FOLDER, NAME, BackgroundLayer, Lookup, RainRule, RootsRule, Rule, Ruleset, WorksRule, open_rules
from stadtgrund.catalog import keys
from stadtgrund.catalog.checks_of_fields import unknown_dataset, unknown_field, unknown_key
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.document import Document, Finding
from stadtgrund.catalog.document import Path as Place
from stadtgrund.catalog.registry import Deployment, Documents
from stadtgrund.errors import Problem, nearest
from stadtgrund.language import say

_DAYS = ("date", "datetime")
_NUMBERS = ("integer", "number", "decimal")


def check(folder: Path, deployment: Deployment | None) -> Iterator[Problem]:
    """Yield what is wrong in `rules/`; `deployment` is None where its own file cannot be read, and names are then not looked up."""
    for path in sorted((folder / FOLDER).glob("*.y*ml")):
        if path.name != NAME:
            message = say(f"wird nicht gelesen; erlaubt: {NAME}.", f"is not read; allowed: {NAME}.")
            yield Problem(path.relative_to(folder).as_posix(), None, "", message)
    documents = Documents(folder)
    document, ruleset = open_rules(documents)
    yield from documents.problems
    if document and ruleset and deployment:
        yield from (document.problem(place, message) for place, message in _findings(ruleset, deployment))


def remarks(folder: Path, deployment: Deployment) -> Iterator[Problem]:
    """Yield the rules whose layer the deployment does not have."""
    document, ruleset = open_rules(Documents(folder))
    if document and ruleset:
        for number, rule in enumerate(ruleset.rules):
            if rule.collection not in deployment.contracts and nearest(rule.collection, deployment.contracts) is None:
                yield _absent(document, number, rule)


def _absent(document: Document, number: int, rule: Rule) -> Problem:
    return document.problem(
        ("rules", number, "collection"),
        say(
            f"„{rule.collection}“ gibt es hier nicht; das Ergebnis ist immer „Daten liegen nicht vor“.",
            f"There is no “{rule.collection}” here; the result is always “no data”.",
        ),
    )


def _findings(ruleset: Ruleset, deployment: Deployment) -> Iterator[Finding]:
    known = deployment.contracts
    seen: set[str] = set()
    for number, rule in enumerate(ruleset.rules):
        place: Place = ("rules", number)
        if rule.id in seen:
            yield (*place, "id"), say(f"„{rule.id}“ steht zweimal.", f"“{rule.id}” is given twice.")
        seen.add(rule.id)
        if rule.collection in known:
            yield from _of_rule(place, rule, known[rule.collection])
        elif nearest(rule.collection, known):
            yield (*place, "collection"), unknown_dataset(rule.collection, known)
    for name, lookup in (("baustelle", ruleset.baustelle), ("flurstueck", ruleset.flurstueck)):
        if lookup is not None:
            yield from _of_lookup((name,), lookup, deployment)
    for number, layer in enumerate(ruleset.background):
        yield from _of_background(("background", number), layer, deployment)


def _of_rule(place: Place, rule: Rule, contract: Contract) -> Iterator[Finding]:
    if isinstance(rule, RainRule) != contract.is_raster:
        yield (
            (*place, "collection"),
            say(f"{contract.id} ist kein Raster; kind: rain braucht eines.", f"{contract.id} is no grid, which kind: rain needs.")
            if isinstance(rule, RainRule)
            else say(f"{contract.id} ist ein Raster; dafür gibt es kind: rain.", f"{contract.id} is a grid; for that there is kind: rain."),
        )
        return
    if not contract.is_raster and contract.geometry is None:
        yield (*place, "collection"), say(f"{contract.id} hat keine Geometrie.", f"{contract.id} has no geometry.")
        return
    yield from _attributes(contract, {(*place, "show", index): name for index, name in enumerate(rule.show)})
    yield from _attributes(contract, {(*place, "exclude", name): name for name in rule.exclude})
    if isinstance(rule, WorksRule):
        yield from _attributes(contract, {(*place, "begin"): rule.begin, (*place, "end"): rule.end}, _DAYS)
    if isinstance(rule, RootsRule):
        girth = {(*place, "girth_cm"): rule.girth_cm} if rule.girth_cm else {}
        yield from _attributes(contract, {(*place, "crown_diameter_m"): rule.crown_diameter_m, **girth}, _NUMBERS)
    for field in contract.fields:
        for index, value in enumerate(rule.exclude.get(field.name, ()) if field.values is not None else ()):
            if value not in (field.values or {}):
                shown = ", ".join(field.values or {})
                yield (
                    (*place, "exclude", field.name, index),
                    say(f"„{value}“ steht nicht in der Codeliste: {shown}.", f"“{value}” is not in the code list: {shown}."),
                )


def _attributes(contract: Contract, named: dict[Place, str], types: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Each attribute is a field of the dataset, and of one of `types` where it is calculated with."""
    known = {field.name: field.type for field in contract.fields}
    for place, name in named.items():
        if name not in known:
            yield place, unknown_field(name, contract)
        elif types and known[name] not in types:
            allowed = ", ".join(types)
            yield place, say(f"{name} ist {known[name]}; erlaubt: {allowed}.", f"{name} is {known[name]}; allowed: {allowed}.")


def _of_lookup(place: Place, lookup: Lookup, deployment: Deployment) -> Iterator[Finding]:
    contract = deployment.contracts.get(lookup.collection)
    if contract is None:
        yield (*place, "collection"), unknown_dataset(lookup.collection, deployment.contracts)
        return
    if contract.geometry is None:
        yield (*place, "collection"), say(f"{contract.id} hat keine Geometrie.", f"{contract.id} has no geometry.")
    yield from _attributes(contract, {(*place, name): value for name in ("key", "title") if (value := getattr(lookup, name))})
    yield from _attributes(contract, {(*place, name): value for name in ("begin", "end") if (value := getattr(lookup, name))}, _DAYS)
    if lookup.key_type is not None and lookup.key_type not in (types := keys.known(deployment.keys)):
        yield (*place, "key_type"), unknown_key(lookup.key_type, types)


def _of_background(place: Place, layer: BackgroundLayer, deployment: Deployment) -> Iterator[Finding]:
    contract = deployment.contracts.get(layer.collection)
    if contract is None:
        yield (*place, "collection"), unknown_dataset(layer.collection, deployment.contracts)
    elif layer.label is not None:
        yield from _attributes(contract, {(*place, "label"): layer.label})
