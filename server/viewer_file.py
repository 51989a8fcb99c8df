"""`viewer.yml` of a deployment: what the planner's page, the styles and the QGIS project take from it, and whether it is right."""

from __future__ import annotations

__all__ = ["SearchPlace", "ViewerFile", "WorksLayer", "check"]

from collections.abc import Iterator
from pathlib import Path

from stadtgrund.catalog.checks_of_fields import unknown_dataset, unknown_field
from stadtgrund.catalog.contract import Model
from stadtgrund.catalog.document import Document, Finding
from stadtgrund.catalog.document import Path as Place
from stadtgrund.catalog.registry import Deployment, Documents
from stadtgrund.errors import ContractError, Problem
from stadtgrund.language import say

_NAME = "viewer.yml"


class SearchPlace(Model):
    """A collection that is searched, and the attributes in which."""

    collection: str
    title: str
    fields: tuple[str, ...]


class WorksLayer(Model):
    """The collection of construction sites, and the attribute that names one."""

    collection: str
    title: str


class ViewerFile(Model):
    """The file: order of the layers, which are on, what is searched. A deployment without one gets all layers, none of them on."""

    order: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    search: tuple[SearchPlace, ...] = ()
    works: WorksLayer | None = None
    parcels: str | None = None

    @classmethod
    def read(cls, folder: Path) -> ViewerFile:
        """Read it out of a deployment folder.

        Raises
        ------
        ContractError
            Naming file, line and what is allowed.
        """
        documents = Documents(folder)
        _, read = _opened(documents)
        if documents.problems:
            raise ContractError(documents.problems)
        return read or cls()


def check(folder: Path, deployment: Deployment | None) -> Iterator[Problem]:
    """Yield what is wrong with the file: its shape, and names that `deployment` (None where it cannot be read) does not have."""
    documents = Documents(folder)
    document, read = _opened(documents)
    yield from documents.problems
    if document and read and deployment:
        yield from (document.problem(place, message) for place, message in _findings(read, deployment))


def _opened(documents: Documents) -> tuple[Document | None, ViewerFile | None]:
    path = documents.folder / _NAME
    document = documents.open(path) if path.is_file() else None
    return document, documents.model(document, ViewerFile) if document else None


def _findings(file: ViewerFile, deployment: Deployment) -> Iterator[Finding]:
    named: list[tuple[Place, str]] = [(("order", number), name) for number, name in enumerate(file.order)]
    named += [(("shown", number), name) for number, name in enumerate(file.shown)]
    named += [(("parcels",), file.parcels)] if file.parcels else []
    for place, name in named:
        if name not in deployment.contracts:
            yield place, unknown_dataset(name, deployment.contracts)
        elif deployment.contracts[name].is_raster and place[0] != "order":
            yield place, say(f"{name} ist ein Raster; die Karte zeichnet keines.", f"{name} is a grid, which the map does not draw.")
    fields: list[tuple[Place, str, dict[Place, str]]] = [
        (("search", number), one.collection, {("search", number, "fields", index): field for index, field in enumerate(one.fields)})
        for number, one in enumerate(file.search)
    ]
    if file.works:
        fields.append((("works",), file.works.collection, {("works", "title"): file.works.title}))
    for place, name, attributes in fields:
        contract = deployment.contracts.get(name)
        if contract is None:
            yield (*place, "collection"), unknown_dataset(name, deployment.contracts)
            continue
        known = {field.name for field in contract.fields}
        yield from ((at, unknown_field(field, contract)) for at, field in attributes.items() if field not in known)
