"""Rules about who answers for a dataset, its licence, its protection check and its forms."""

from __future__ import annotations

__all__ = ["RULES", "CompileWhere", "filters", "properties_of"]

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import cql2

from stadtgrund.catalog import access, release
from stadtgrund.catalog.checks_of_fields import GEOMETRY, unknown_field
from stadtgrund.catalog.contract import Contract, Form
from stadtgrund.catalog.document import Finding, Path
from stadtgrund.catalog.licences import LICENCES
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import InvalidFilter, nearest
from stadtgrund.identity import OPEN
from stadtgrund.language import say

CompileWhere = Callable[[str, Contract], tuple[str, tuple[Any, ...]]]
"""Form.where (CQL2 text) → SQL condition over the data table's columns with %s placeholders, and its values.

Raises InvalidFilter. The compiler lies in `query`, above this layer: whoever checks, publishes, rolls back or reconciles hands it
in.
"""

_ROLES = {
    "owner": ("datenverantwortliche Stelle", "who answers for the data"),
    "steward": ("Datenpflege", "who keeps the data"),
    "operator": ("technischer Betrieb", "who runs the platform"),
    "contact": ("Kontakt", "whom to ask"),
}


def responsibility(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """All four roles are given, and the contact can be reached."""
    for name, (de, en) in _ROLES.items():
        if getattr(contract.responsibility, name) is None:
            yield (
                ("responsibility", name),
                say(
                    f"Die Rolle {name} ({de}) fehlt: hier oder in deployment.yml angeben.",
                    f"The role {name} ({en}) is missing: state it here or in deployment.yml.",
                ),
            )
    contact = contract.responsibility.contact
    if contact and not (contact.email or contact.url):
        yield ("responsibility", "contact"), say("Der Kontakt braucht email oder url.", "The contact needs email or url.")


def licence(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The licence is one of the list, and names its source where it must."""
    if contract.licence is None:
        yield (
            ("licence",),
            say(
                "fehlt: hier oder in deployment.yml angeben, etwa dl-de/by-2-0.",
                "is missing: state it here or in deployment.yml, such as dl-de/by-2-0.",
            ),
        )
    elif contract.licence not in LICENCES:
        yield ("licence",), unknown_licence(contract.licence)
    elif LICENCES[contract.licence].attribution and not contract.attribution:
        yield (
            ("attribution",),
            say(
                f"fehlt: {contract.licence} verlangt den Namen der Quelle.",
                f"is missing: {contract.licence} asks for the name of the source.",
            ),
        )
    elif release.state(contract).is_open and not LICENCES[contract.licence].is_open:
        yield (
            ("licence",),
            say(
                f"{contract.licence} ist keine offene Lizenz, der Datensatz ist aber öffentlich: Schutzgrund third_party_rights angeben.",
                f"{contract.licence} is not an open licence, but the dataset is public: state the ground third_party_rights.",
            ),
        )


def unknown_licence(name: str) -> str:
    """Say that the licence is not in the list, and what is."""
    guess = nearest(name, LICENCES)
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    return say(
        f"„{name}“ steht nicht in der Liste.{meant} Erlaubt: {', '.join(LICENCES)}.",
        f"“{name}” is not in the list.{meant} Allowed: {', '.join(LICENCES)}.",
    )


def protection(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """A recorded protection check is complete and speaks of fields that exist."""
    check, path = contract.protection, ("protection",)
    if check.checked is None:
        for name in ("by", "grounds", "weighing", "source", "fields"):
            if getattr(check, name):
                yield (
                    (*path, name),
                    say(
                        "checked fehlt: die Schutzprüfung trägt `stadtgrund release` ein.",
                        "checked is missing: `stadtgrund release` records the check.",
                    ),
                )
                break
        return
    if not check.by:
        yield (*path, "by"), say("fehlt: wer hat geprüft?", "is missing: who checked?")
    if check.checked > date.today():
        yield (*path, "checked"), say("liegt in der Zukunft.", "is in the future.")
    text = check.weighing or ""
    is_path = "\n" not in text and text.endswith((".md", ".txt", ".pdf", ".odt", ".docx"))
    if is_path and not (deployment.folder / text).is_file():
        yield (
            (*path, "weighing"),
            say(f"Die Datei {text} fehlt im Deployment-Ordner.", f"The file {text} is not in the deployment folder."),
        )
    known = {field.name for field in contract.fields}
    for name in check.fields:
        if name not in known:
            yield (*path, "fields", name), unknown_field(name, contract)


def forms(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """A form speaks of fields that exist, and its filter can be read."""
    for profile, form in contract.forms.items():
        path: Path = ("forms", profile)
        known = {field.name: field for field in contract.fields}
        for number, name in enumerate(form.omit):
            if name not in known:
                yield (*path, "omit", number), unknown_field(name, contract)
        if form.geometry != "full" and contract.geometry is None:
            yield (*path, "geometry"), say("Der Datensatz hat keine Geometrie.", "The dataset has no geometry.")
        if contract.is_raster and form != Form():
            yield path, say("Ein Raster hat keine Zeilen und Spalten: forms entfällt.", "A grid has no rows and columns: leave forms out.")
        if form.where is not None:
            yield from _where(contract, path, form.where)
        if form.min_count:
            yield from _min_count(contract, path, form)


def _where(contract: Contract, path: Path, text: str) -> Iterator[Finding]:
    names = {field.name for field in contract.fields} | ({GEOMETRY} if contract.geometry else set())
    try:
        expression = cql2.parse_text(text).to_json()
    except cql2.ParseError as error:
        where = next((line.strip() for line in str(error).splitlines() if "-->" in line), "").removeprefix("--> ")
        yield (
            (*path, "where"),
            say(
                f"kein gültiger Filter (CQL2, Zeile:Spalte {where}); erlaubt ist etwa: status = 'offen' AND jahr >= 2020.",
                f"not a valid filter (CQL2, line:column {where}); such as: status = 'open' AND year >= 2020 is.",
            ),
        )
        return
    for name in sorted(set(properties_of(expression))):
        if name not in names:
            yield (*path, "where"), unknown_field(name, contract, geometry=True)


def filters(contract: Contract, compile_where: CompileWhere) -> Iterator[Finding]:
    """The row filter of each form can be compiled; asked of a contract in which the other rules found nothing."""
    for profile, form in contract.forms.items():
        if form.where is None:
            continue
        try:
            compile_where(form.where, contract)
        except InvalidFilter as error:
            yield (
                ("forms", profile, "where"),
                say(
                    f"Danach lassen sich die Zeilen nicht auswählen: Funktion, Feld und Wert passen nicht zusammen ({error.what})",
                    f"The rows cannot be chosen by it: function, field and value do not fit ({error})",
                ),
            )


def properties_of(expression: Any) -> Iterator[str]:
    """Yield the properties that a CQL2 expression (as JSON) names."""
    if isinstance(expression, dict):
        if isinstance(expression.get("property"), str):
            yield expression["property"]
        for value in expression.values():
            yield from properties_of(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from properties_of(value)


def _min_count(contract: Contract, path: Path, form: Form) -> Iterator[Finding]:
    known = {field.name: field for field in contract.fields}
    path = (*path, "min_count", "fields")
    names = form.min_count.fields if form.min_count else ()
    if not names:
        yield path, say("Mindestens ein Feld angeben.", "State at least one field.")
    for number, name in enumerate(names):
        if name not in known:
            yield (*path, number), unknown_field(name, contract)
        elif known[name].type not in ("integer", "number", "decimal"):
            yield (*path, number), say(f"{name} ist {known[name].type}, keine Fallzahl.", f"{name} is {known[name].type}, not a count.")
        elif name in form.omit:
            yield (*path, number), say(f"{name} steht schon in omit.", f"{name} is already in omit.")
        if f"{name}_status" in known or len(name) > 52:
            yield (
                (*path, number),
                say(
                    f"Neben {name} entsteht die Spalte {name}_status: der Name muss frei und höchstens 59 Zeichen lang sein.",
                    f"Beside {name} there will be a column {name}_status: that name must be free and at most 59 characters.",
                ),
            )


def open_id(contract: Contract, deployment: Deployment) -> Iterator[Finding]:
    """The id of public features is not made of a field that is not public."""
    if not release.state(contract).is_open:
        return
    decision = access.decide(contract, OPEN)
    if decision.form is None:
        yield (
            ("id_field",),
            say(
                f"{decision.reason.de} Feld freigeben oder id_field: {{kind: content}}.",
                f"{decision.reason.get('en')} Release the field, or id_field: {{kind: content}}.",
            ),
        )


RULES = (responsibility, licence, protection, forms, open_id)
"""All rules of this module."""
