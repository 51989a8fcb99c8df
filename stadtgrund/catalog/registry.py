"""Read a deployment folder: deployment.yml, server.yml, profiles.yml, keys/, datasets/; immutable afterwards.

The shape is checked here, for all files at once; what the values mean is checked in `checks.py`.
"""

from __future__ import annotations

__all__ = ["Deployment", "DeploymentFile", "Documents", "Profile", "read", "read_documents"]

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from stadtgrund.catalog import styles
from stadtgrund.catalog.contract import Contract, Geometry, Model, Responsibility, Role, Text
from stadtgrund.catalog.document import Document, parse
from stadtgrund.catalog.keys import Entry, KeyRegister, Registers
from stadtgrund.catalog.sentences import problems_of
from stadtgrund.catalog.styles import Style
from stadtgrund.errors import ContractError, Problem, UnknownName
from stadtgrund.language import say
from stadtgrund.settings import ROOT

Box = tuple[float, float, float, float]


class Profile(Model):
    """An access profile as people see it."""

    title: Text
    description: Text


class ProfilesFile(Model):
    """`profiles.yml`: the two profiles; what is missing has the texts below."""

    open: Profile = Profile(
        title=Text(de="Öffentlich", en="Public"),
        description=Text(de="Was ohne Anmeldung zu sehen ist.", en="What can be seen without signing in."),
    )
    verwaltung: Profile = Profile(
        title=Text(de="Verwaltung", en="Administration"),
        description=Text(de="Was die Verwaltung mit ihrem Schlüssel sieht.", en="What the administration sees with its key."),
    )


class DeploymentFile(Model):
    """`deployment.yml`: the city, and what holds for all its datasets unless they say otherwise."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")] | None = None
    """Default: the folder's name."""
    title: Text
    description: Text | None = None
    ags: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-6])\d{6}$")] | None = None
    crs: Annotated[str, StringConstraints(pattern=r"^EPSG:\d{4,6}$")] = "EPSG:25832"
    """Storage CRS of datasets that state none."""
    box: tuple[float, float, float, float]
    """The city's extent in CRS84: west, south, east, north."""
    language: Literal["de", "en"] = "de"
    data: str | None = None
    """Folder of the sources (`${DATA}`), relative to this one; `STADTGRUND_DATA` goes before it."""
    licence: str | None = None
    attribution: str | None = None
    contact: Role | None = None
    """Who answers for the platform; also the default for responsibility.contact."""
    responsibility: Responsibility = Responsibility()


class ServerFile(Model):
    """`server.yml`: pygeoapi's own sections, taken over as they are."""

    server: dict[str, Any] = Field(default_factory=dict)
    logging: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """A city's folder, read. Contracts have the deployment's defaults filled in."""

    name: str
    title: Text
    folder: Path
    data: Path
    ags: str | None
    crs: str
    box84: Box
    language: Literal["de", "en"]
    defaults: DeploymentFile
    contracts: Mapping[str, Contract]
    profiles: Mapping[str, Profile]
    server: Mapping[str, Any]
    keys: Registers
    styles: Mapping[str, Style]
    paths: Mapping[str, Path] = field(repr=False)
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False, repr=False)
    """Before the first file was read."""

    @property
    def srid(self) -> int:
        """SRID of the deployment's storage CRS."""
        return int(self.crs.removeprefix("EPSG:"))

    def contract(self, dataset: str) -> Contract:
        """Return the contract of a dataset.

        Raises
        ------
        UnknownName
            Naming the known ones.
        """
        try:
            return self.contracts[dataset]
        except KeyError:
            raise UnknownName("Datensatz", "dataset", dataset, self.contracts) from None

    def path_of(self, dataset: str) -> Path:
        """Return the YAML file of a dataset."""
        self.contract(dataset)
        return self.paths[dataset]

    def location(self, contract: Contract) -> str:
        """Return the source's location with `${DATA}` resolved; a relative path is one in the deployment folder ('' without location)."""
        location = contract.source.location or ""
        if "://" in location or not location:
            return location
        resolved = location.replace("${DATA}", str(self.data))
        return resolved if Path(resolved).is_absolute() else str(self.folder / resolved)

    def box(self, srid: int) -> Box:
        """Return the city's extent in the CRS `srid` (x first), densified so that curved edges are inside."""
        if srid == 4326:
            return self.box84
        from pyproj import Transformer

        west, south, east, north = Transformer.from_crs("OGC:CRS84", f"EPSG:{srid}", always_xy=True).transform_bounds(
            *self.box84, densify_pts=21
        )
        return float(west), float(south), float(east), float(north)


@dataclass
class Documents:
    """The files of a folder while they are read: the text with its lines, the problems so far, and what came of it."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    deployment_file: Document = field(default_factory=lambda: Document("deployment.yml", ""))
    datasets: dict[str, Document] = field(default_factory=dict)
    """By dataset id; a broken file is not in it."""
    deployment: Deployment | None = None
    """None when deployment.yml cannot be used; contracts that cannot be used are left out."""

    def open(self, path: Path) -> Document | None:
        """Read one YAML file; None, and a problem, when that fails."""
        name = path.relative_to(self.folder).as_posix()
        try:
            document = parse(name, path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            message = say("Die Datei ist nicht in UTF-8; im Editor als UTF-8 speichern.", "The file is not in UTF-8; save it as UTF-8.")
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            self.problems.append(Problem(name, line, "", message))
            return None
        except OSError as error:
            self.problems.append(Problem(name, None, "", say(f"nicht lesbar: {error.strerror}.", f"cannot be read: {error.strerror}.")))
            return None
        self.problems.extend(document.problems)
        return None if document.problems else document

    def model[M: Model](self, document: Document, model: type[M]) -> M | None:
        """Return the document as `model`; None, and its problems, when it has not the shape."""
        data = {} if document.data is None else document.data
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.problems.extend(problems_of(document, model, error))
            return None


def read(config: Path, data: Path | None = None) -> Deployment:
    """Read the deployment folder `config`; `data` replaces the `data:` of its deployment.yml.

    Raises
    ------
    ContractError
        With the problems of all files, each with file, line and field.
    """
    documents = read_documents(config, data)
    if documents.problems or documents.deployment is None:
        raise ContractError(documents.problems)
    return documents.deployment


def read_documents(config: Path, data: Path | None = None) -> Documents:
    """Read the folder as far as it can be read; the problems of shape are in the result."""
    documents, read_at = Documents(config.resolve()), datetime.now(UTC)
    folder = documents.folder
    if not (folder / "deployment.yml").is_file():
        message = say(
            f"fehlt in {config}; ein Deployment-Ordner hat deployment.yml und datasets/. Anderer Ordner: --config.",
            f"is missing in {config}; a deployment folder has deployment.yml and datasets/. Another folder: --config.",
        )
        documents.problems.append(Problem("deployment.yml", None, "", message))
        return documents
    main = documents.open(folder / "deployment.yml")
    if main:
        documents.deployment_file = main
    city = documents.model(main, DeploymentFile) if main else None
    profiles = _optional(documents, "profiles.yml", ProfilesFile)
    server = _optional(documents, "server.yml", ServerFile)
    registers = dict(_key_registers(documents))
    contracts, paths = _contracts(documents, city)
    found_styles: dict[str, Style] = {}
    try:
        found_styles = styles.read([ROOT / "styles", folder / "styles"])
    except ContractError as error:
        documents.problems.extend(error.problems)
    if city is None:
        return documents
    default_data = (folder / city.data).resolve() if city.data else folder
    documents.deployment = Deployment(
        name=city.id or folder.name,
        title=city.title,
        folder=folder,
        data=data.resolve() if data else default_data,
        ags=city.ags,
        crs=city.crs,
        box84=city.box,
        language=city.language,
        defaults=city,
        contracts=MappingProxyType(contracts),
        profiles=MappingProxyType({"open": profiles.open, "verwaltung": profiles.verwaltung}),
        server=MappingProxyType(server.model_dump(exclude_defaults=True)),
        keys=Registers(ags=city.ags, registers=registers),
        styles=MappingProxyType(found_styles),
        paths=MappingProxyType(paths),
        read_at=read_at,
    )
    return documents


def _optional[M: Model](documents: Documents, name: str, model: type[M]) -> M:
    path = documents.folder / name
    document = documents.open(path) if path.is_file() else None
    return (documents.model(document, model) if document else None) or model()


def _contracts(documents: Documents, city: DeploymentFile | None) -> tuple[dict[str, Contract], dict[str, Path]]:
    contracts: dict[str, Contract] = {}
    paths: dict[str, Path] = {}
    folder = documents.folder / "datasets"
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        document = documents.open(path)
        contract = documents.model(document, Contract) if document else None
        if document is None or contract is None:
            continue
        if contract.id in contracts:
            message = say(
                f"„{contract.id}“ steht schon in {paths[contract.id].name}.", f"“{contract.id}” is already in {paths[contract.id].name}."
            )
            documents.problems.append(document.problem(("id",), message))
            continue
        contracts[contract.id] = _filled(contract, city) if city else contract
        paths[contract.id] = path
        documents.datasets[contract.id] = document
    return contracts, paths


def _filled(contract: Contract, city: DeploymentFile) -> Contract:
    """Return the contract with the deployment's defaults where it says nothing itself."""
    own, given = contract.responsibility, city.responsibility
    roles = Responsibility(
        owner=own.owner or given.owner,
        steward=own.steward or given.steward,
        operator=own.operator or given.operator,
        contact=own.contact or given.contact or city.contact,
    )
    update: dict[str, Any] = {"responsibility": roles, "licence": contract.licence or city.licence}
    if contract.attribution is None and contract.licence in (None, city.licence):
        update["attribution"] = city.attribution
    if contract.geometry and "crs" not in contract.geometry.model_fields_set:
        update["geometry"] = Geometry(**{**contract.geometry.model_dump(), "crs": city.crs})
    return contract.model_copy(update=update)


def _key_registers(documents: Documents) -> Iterator[tuple[str, KeyRegister]]:
    folder = documents.folder / "keys"
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        document = documents.open(path)
        register = documents.model(document, KeyRegister) if document else None
        if document is None or register is None:
            continue
        if register.name != path.stem:
            message = say(f"muss heißen wie die Datei: {path.stem}.", f"must be the file's name: {path.stem}.")
            documents.problems.append(document.problem(("name",), message))
        if register.register_:
            entries = tuple(_entries(documents, document, folder / register.register_))
            register = register.model_copy(update={"values": (*register.values, *entries)})
        yield register.name, register


def _entries(documents: Documents, document: Document, path: Path) -> Iterator[Entry]:
    """Yield the rows of a register's CSV (`;` or `,`; columns key, title, valid_from, valid_to)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        documents.problems.append(document.problem(("register",), f"{path.name}: {error.strerror}."))
        return
    except UnicodeDecodeError:
        documents.problems.append(document.problem(("register",), say(f"{path.name} ist nicht in UTF-8.", f"{path.name} is not in UTF-8.")))
        return
    header = text.split("\n", 1)[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in header else ",")
    name = path.relative_to(documents.folder).as_posix()
    if "key" not in (rows.fieldnames or ()):
        message = say("In der ersten Zeile fehlt die Spalte key.", "The first line has no column key.")
        documents.problems.append(Problem(name, 1, "key", message))
        return
    for row in rows:
        try:
            yield Entry(
                key=row["key"], title=row.get("title") or None, valid_from=_day(row.get("valid_from")), valid_to=_day(row.get("valid_to"))
            )
        except ValueError as error:
            documents.problems.append(Problem(name, rows.line_num, "valid_from/valid_to", str(error)))


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(say(f"„{text}“ ist kein Datum (JJJJ-MM-TT).", f"“{text}” is not a date (YYYY-MM-DD).")) from None
