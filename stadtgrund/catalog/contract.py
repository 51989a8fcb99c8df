"""The contract of a dataset, as a deployment folder states it: one YAML file per dataset.

Everything else derives from these models: table, indexes, comments, checks, API resource, queryables, schema, access, style.
The models check the shape (`extra="forbid"`, frozen); what a value means is checked in `catalog/checks.py`.
"""

from __future__ import annotations

__all__ = [
    "API_PARAMETERS",
    "RESERVED_COLUMNS",
    "Contract",
    "Field",
    "FieldType",
    "Form",
    "Geometry",
    "GeometryType",
    "Ground",
    "IdField",
    "JoinKey",
    "MinCount",
    "Protection",
    "Publication",
    "Responsibility",
    "Role",
    "Rule",
    "Source",
    "Temporal",
    "Text",
    "Tiles",
]

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Attr

FieldType = Literal["string", "integer", "number", "decimal", "boolean", "date", "datetime", "uuid", "json"]
GeometryType = Literal["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "Geometry"]
Ground = Literal["personal_data", "running_decision", "business_secret", "security_critical", "third_party_rights"]
OnFail = Literal["report", "repair", "reject", "stop"]

DatasetId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,58}$")]
CrsCode = Annotated[str, StringConstraints(pattern=r"^(EPSG:\d{4,6}|OGC:CRS84)$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]

RESERVED_COLUMNS = frozenset({"geom", "sg_id", "sg_hash", "sg_revision", "sg_row", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Column names that the platform adds to each table, and PostgreSQL's own; no field may take them."""

API_PARAMETERS = frozenset(
    {
        "f", "limit", "offset", "cursor", "bbox", "bbox-crs", "crs", "datetime", "properties", "sortby", "filter", "filter-lang",
        "filter-crs", "skipgeometry", "q", "lang", "geometry", "resulttype", "profile",
    }
)  # fmt: skip
"""Names that a query of items gives a meaning of their own, so that no field can be asked by them."""


class Model(BaseModel):
    """Base of all parts: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Text(Model):
    """A text for people: German always, English where it is given."""

    de: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
    en: str | None = None

    def get(self, language: str) -> str:
        """Return the text in `language` ("de" or "en"), German where there is no English one."""
        return (self.en if language.startswith("en") else None) or self.de

    def as_l10n(self) -> dict[str, str]:
        """Return the mapping that pygeoapi's l10n takes."""
        return {"de": self.de, **({"en": self.en} if self.en else {})}


class Role(Model):
    """Who answers: organisation, unit and how to reach them."""

    organisation: str
    unit: str | None = None
    email: str | None = None
    phone: str | None = None
    url: str | None = None


class Responsibility(Model):
    """The four roles of a dataset; what is missing comes from the deployment's defaults and must then be complete."""

    owner: Role | None = None
    steward: Role | None = None
    operator: Role | None = None
    contact: Role | None = None


class Protection(Model):
    """The recorded protection check (Schutzprüfung). `checked` absent = *entwurf*: administration only.

    `source` and `fields` are the digests of what was checked (`catalog/release.py`); a field without an equal digest is not open.
    """

    checked: date | None = None
    by: str | None = None
    grounds: tuple[Ground, ...] = ()
    weighing: str | None = None
    """Path (in the deployment folder) or text of the recorded weighing (Abwägung) that opens the dataset despite `grounds`."""
    source: Digest | None = None
    fields: dict[str, Digest] = {}


class Source(Model):
    """Where the rows come from."""

    kind: Literal["ogr", "wfs", "ogcapi", "table", "sql", "postgis", "raster", "join"]
    location: str | None = None
    """Path or glob; `${DATA}` is the deployment's data folder. `.zip` is read in place, `.gz` tables too."""
    layer: str | None = None
    crs: CrsCode | None = None
    rhythm: Literal["daily", "weekly", "monthly", "quarterly", "yearly", "irregular", "once"] | None = None
    where: str | None = None
    """OGR attribute filter at the source."""
    # table
    sheet: str | None = None
    header_row: Annotated[int, Attr(ge=1)] = 1
    """Row number (from 1) of the column names; rows above it are junk."""
    delimiter: str | None = None
    decimal: Literal[",", "."] | None = None
    encoding: str | None = None
    null_values: tuple[str, ...] = ("",)
    skip_rows: dict[str, str] = {}
    """column → value of rows that are no data, such as a total row; counted in the report."""
    x: str | None = None
    y: str | None = None
    """Columns of a table that hold the coordinates, in `crs`."""
    # raster
    nodata: float | None = None
    unit: str | None = None
    scenario: str | None = None
    # join
    left: DatasetId | None = None
    right: DatasetId | None = None
    on: tuple[JoinKey, ...] = ()
    join: Literal["key", "address", "within", "nearest"] = "key"
    unmatched_left: Literal["keep", "drop"] = "keep"
    """What becomes of a row of the left side without a partner; either way it is counted and named in the report."""
    live: bool = False


class JoinKey(Model):
    """One pair of columns that must be equal, and the key type that normalises both."""

    left: ColumnName
    right: ColumnName
    key: str | None = None


Source.model_rebuild()


class Geometry(Model):
    """The geometry column `geom` in the storage CRS."""

    type: GeometryType
    crs: CrsCode = "EPSG:25832"
    within: Literal["deployment", "anywhere"] = "deployment"
    dimensions: Literal[2, 3] = 2

    @property
    def srid(self) -> int:
        """SRID of the storage CRS (CRS84 is stored as 4326, x = longitude)."""
        return 4326 if self.crs == "OGC:CRS84" else int(self.crs.removeprefix("EPSG:"))


class IdField(Model):
    """Where a feature's id comes from.

    `column`: a declared field. `composite`: `columns` joined with "-". `content`: hash of the row and its ordinal.
    `assigned`: matched by a declared rule.
    """

    kind: Literal["column", "composite", "content", "assigned"]
    column: ColumnName | None = None
    columns: tuple[ColumnName, ...] = ()


class Field(Model):
    """One attribute."""

    name: ColumnName
    from_: Annotated[str | None, Attr(alias="from")] = None
    """Name at the source; default: `name`. In a join: `left.<field>` or `right.<field>`."""
    type: FieldType
    title: Text | None = None
    description: Text | None = None
    unit: str | None = None
    required: bool = False
    unique: bool = False
    key: str | None = None
    """A key type of the deployment's register (`keys/`) or of `catalog/keys.py`; the value is normalised by it."""
    values: dict[str, Text] | None = None
    """Code list: allowed values and what they mean."""
    format: str | None = None
    """How the source writes a date, as strptime: "%d.%m.%Y"."""
    grounds: tuple[Ground, ...] = ()

    @property
    def source_name(self) -> str:
        """Name of the column at the source."""
        return self.from_ or self.name


class Temporal(Model):
    """Which fields say when: one instant, or the begin and end (inclusive, either may be open) of an interval."""

    instant: ColumnName | None = None
    start: ColumnName | None = None
    end: ColumnName | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return tuple(name for name in (self.instant, self.start, self.end) if name)


class MinCount(Model):
    """Primary suppression: a count below `minimum` (and above 0) is null, with `<field>_status` = suppressed."""

    minimum: Annotated[int, Attr(ge=2)]
    fields: tuple[ColumnName, ...]


class Form(Model):
    """A form of release: columns, row filter, geometry rule, value rule."""

    omit: tuple[ColumnName, ...] = ()
    where: str | None = None
    """CQL2 text over the declared fields; rows that do not fulfil it are not in the form."""
    geometry: Literal["full", "centroid", "none"] = "full"
    min_count: MinCount | None = None


class Rule(Model):
    """A quality rule and what happens where it fails."""

    rule: Literal["valid_geometry", "required", "unique", "codelist", "row_count"]
    field: ColumnName | None = None
    on_fail: OnFail = "report"
    drop_max: Annotated[float, Attr(ge=0, le=1)] | None = None
    minimum: Annotated[int, Attr(ge=0)] | None = None


class Tiles(Model):
    """Vector tiles: zoom range and, per zoom condition such as "<14", the fields that they carry."""

    zoom: tuple[Annotated[int, Attr(ge=0, le=24)], Annotated[int, Attr(ge=0, le=24)]] = (0, 22)
    fields: dict[str, tuple[ColumnName, ...]] = {}


class Publication(Model):
    """What is published of the dataset."""

    items: bool = True
    tiles: Tiles | None = None
    edit: bool = False
    style: str | None = None


class Contract(Model):
    """A dataset: id = table = collection."""

    id: DatasetId
    title: Text
    description: Text
    keywords: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    responsibility: Responsibility = Responsibility()
    licence: str | None = None
    attribution: str | None = None
    protection: Protection = Protection()
    forms: dict[Literal["open", "verwaltung"], Form] = {}
    source: Source
    geometry: Geometry | None = None
    id_field: IdField | None = None
    fields: tuple[Field, ...] = ()
    temporal: Temporal | None = None
    sortables: tuple[ColumnName, ...] = ()
    search: tuple[ColumnName, ...] | None = None
    """What `q` searches; None = all text but keys and ids, () = nothing."""
    quality: tuple[Rule, ...] = ()
    publish: Publication = Publication()

    def field(self, name: str) -> Field:
        """Return the field called `name` (KeyError when there is none)."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def is_raster(self) -> bool:
        """Whether the dataset is a grid: files, no rows."""
        return self.source.kind == "raster"

    @property
    def has_content_ids(self) -> bool:
        """Whether a feature's id is made of all values of its row."""
        return not self.is_raster and (self.id_field is None or self.id_field.kind == "content")

    def canonical(self) -> dict[str, Any]:
        """Return the contract as JSON-able mapping with the YAML's own key names, defaults left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
