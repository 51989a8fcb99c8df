"""The rules of a deployment as data: which layers a project is laid over, how, and what a hit means.

One YAML file a process in the deployment's `rules/`. Distances are metres in the storage CRS, spans are days.
"""

from __future__ import annotations

__all__ = [
    "FOLDER",
    "NAME",
    "BackgroundLayer",
    "Lookup",
    "NearRule",
    "RainRule",
    "RootsRule",
    "Rule",
    "RuleClass",
    "Ruleset",
    "WorksRule",
    "open_rules",
    "read",
]

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stadtgrund.catalog.contract import Model, Text
from stadtgrund.catalog.document import Document
from stadtgrund.catalog.registry import Documents
from stadtgrund.errors import ContractError

FOLDER, NAME = "rules", "construction_overlay.yaml"

RuleClass = Literal["Konflikt", "Synergie", "Auflage", "Hinweis"]
Metres = Annotated[float, Field(ge=0, le=5000)]


class _Rule(Model):
    """What all kinds share. `restricted`: the topic is not for everybody; a caller without the data is sent to `office`,
    whether or not such data exist."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: Text
    rule_class: Annotated[RuleClass, Field(alias="class")]
    office: str
    collection: str
    restricted: bool = False
    source: str = ""
    """Where the rule's measure comes from: norm, guide or the city's own practice."""
    advice: str = ""
    show: tuple[str, ...] = ()
    """Attributes that name a hit, in order."""
    exclude: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Attribute → values of objects that do not count, such as cancelled works."""


class NearRule(_Rule):
    """Objects nearer to the project than `distance_m` (0 = touching it)."""

    kind: Literal["near"]
    distance_m: Metres = 0


class RootsRule(_Rule):
    """Trees whose root zone the project enters.

    Radius = crown diameter / 2 + `extra_m`, at least `minimum_m` and at least 4 × trunk girth (DIN 18920, RAS-LP 4).
    """

    kind: Literal["roots"]
    crown_diameter_m: str
    girth_cm: str | None = None
    extra_m: Metres = 1.5
    minimum_m: Metres = 2.5


class WorksRule(_Rule):
    """Other works within the buffer: at the same time (`gap_days` 0), or apart by 1 to `gap_days` days."""

    kind: Literal["works"]
    begin: str
    end: str
    gap_days: Annotated[int, Field(ge=0, le=3660)] = 0


class RainRule(_Rule):
    """Flood depth of a heavy-rain scenario within the buffer; a cell is wet from `wet_m` on."""

    kind: Literal["rain"]
    wet_m: Metres = 0.1


Rule = Annotated[NearRule | RootsRule | WorksRule | RainRule, Field(discriminator="kind")]


class Lookup(Model):
    """A collection from which a project can be taken by its id (and by `key`, an attribute with a key type)."""

    collection: str
    key: str | None = None
    key_type: str | None = None
    title: str | None = None
    begin: str | None = None
    end: str | None = None


class BackgroundLayer(Model):
    """A collection drawn pale under the printed map, in the order of the list; `label`: an attribute written once per value."""

    collection: str
    fill: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] | None = None
    line: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
    label: str | None = None


class Ruleset(Model):
    """All rules of a deployment with their version, and where projects are looked up."""

    version: str
    baustelle: Lookup | None = None
    flurstueck: Lookup | None = None
    background: tuple[BackgroundLayer, ...] = ()
    max_area_ha: Annotated[float, Field(gt=0)] = 500
    max_extent_km: Annotated[float, Field(gt=0)] = 20
    max_vertices: Annotated[int, Field(ge=10)] = 5000
    rules: tuple[Rule, ...]


def read(config: Path) -> Ruleset | None:
    """Read the rules of a deployment folder; None when it has none.

    Raises
    ------
    ContractError
        Naming file, line and what is allowed.
    """
    documents = Documents(config)
    _, ruleset = open_rules(documents)
    if documents.problems:
        raise ContractError(documents.problems)
    return ruleset


def open_rules(documents: Documents) -> tuple[Document | None, Ruleset | None]:
    """Read the file of rules of `documents`' folder; None where it is not there or not right, its problems are then in `documents`."""
    path = documents.folder / FOLDER / NAME
    document = documents.open(path) if path.is_file() else None
    return document, documents.model(document, Ruleset) if document else None
