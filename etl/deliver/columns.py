"""The columns of a file: which, read by which expression, as which Arrow type, with which German title."""

from __future__ import annotations

__all__ = ["GEOM", "Columns"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.deliver.snapshot import Batch
from stadtgrund.catalog.collection import Collection, CollectionField
from stadtgrund.query.feature import linear
from stadtgrund.query.relation import Column, Relation
from stadtgrund.query.statement import TRUE, Fragment

GEOM = "geom"
"""No attribute may have this name."""

_EPOCH = "DATE '1970-01-01'"
_MOST_DIGITS = 38
"""Of a decimal that every reader of Parquet knows."""
_TYPES: Mapping[str, Any] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),
    "json": pa.string(),
}
_SUBTYPES = {"json": "JSON"}
_FINITE = "FILTER (WHERE {0} < 'Infinity' AND {0} > '-Infinity')"
_MEASURES = (
    f"max(scale({{0}})) {_FINITE}",
    f"max(abs({{0}})) {_FINITE}",
    # float8 to numeric gives the 15 digits that a double always holds.
    "bool_and(CASE WHEN {0} = 0 OR abs({0}) BETWEEN 1e-300 AND 1e300 THEN {0}::float8::numeric = {0} ELSE false END) " + _FINITE,
)


def _value(column: Column) -> str:
    """Return the expression (over alias `q`): NaN, the infinities and years that no format can write are null."""
    sql = "q." + column.sql
    match column.type:
        case "number":
            return f"CASE WHEN {sql} < 'Infinity' AND {sql} > '-Infinity' THEN {sql} END"
        case "decimal":
            return f"CASE WHEN {sql} < 'Infinity' AND {sql} > '-Infinity' THEN {sql}::text END"
        case "date":
            return f"CASE WHEN {sql} BETWEEN '0001-01-01' AND '9999-12-31' THEN {sql} - {_EPOCH} END"
        case "datetime":
            within = f"{sql} >= '0001-01-01 00:00:00+00' AND {sql} < '10000-01-01 00:00:00+00'"
            return f"CASE WHEN {within} THEN (extract(epoch FROM {sql}) * 1000000)::bigint END"
        case "uuid":
            return f"{sql}::text"
        case "json":
            return f"{sql}::jsonb::text"
    return sql


def _described(field: CollectionField) -> str:
    parts = [field.description.de if field.description else ""]
    if field.unit and field.unit != "1":
        parts.append(f"Einheit: {field.unit}")
    if field.values:
        parts.append("; ".join(f"{code} = {text.de}" for code, text in field.values.items()))
    return ". ".join(part.rstrip(".") for part in parts if part)


@dataclass(frozen=True)
class Columns:
    """The columns of a file, in order: `sg_id` where no attribute is the id, the attributes, `geom` as WKB.

    `decimals`: Arrow types of exact decimals that have one in which no value loses a digit; the others are written as text.
    """

    collection: Collection
    relation: Relation
    attributes: tuple[Column, ...]
    srid: int | None
    decimals: Mapping[str, Any]

    @classmethod
    def of(cls, collection: Collection, relation: Relation, srid: int | None, properties: Sequence[str] | None) -> Columns:
        """Return the columns of a collection, or some of them; `srid` None = without geometry."""
        chosen = tuple(column for column in relation.columns if properties is None or column.name in properties)
        return cls(collection, relation, chosen, srid, {})

    @property
    def with_id(self) -> bool:
        """Whether the id is a column of its own."""
        return self.relation.id_field not in {column.name for column in self.attributes}

    def rows(self, where: Fragment) -> Fragment:
        """Return the FROM item `q`: the columns of the view that are needed, of the rows that fulfil a condition."""
        names = ["sg_id", *(column.sql for column in self.attributes), *([GEOM] if self.srid else [])]
        clause = "" if where == TRUE else f" WHERE {where.sql}"
        return Fragment(f"(SELECT {', '.join(names)} FROM {self.relation.view}{clause}) q", where.params)

    def select(self, where: Fragment) -> Fragment:
        """Return the statement whose rows `batch` takes."""
        wanted = ["q.sg_id"] if self.with_id else []
        wanted += [f"({_value(column)}){'::float8' if self._is_double(column) else ''}" for column in self.attributes]
        if self.srid:
            wanted.append(f"ST_AsBinary({self.geometry()})")
        rows = self.rows(where)
        return Fragment(f"SELECT {', '.join(wanted)} FROM {rows.sql}", rows.params)

    def geometry(self) -> str:
        """Return the expression of the geometry in the file's CRS, east before north, without arcs."""
        assert self.relation.geometry and self.srid
        geom = linear("q.geom", self.relation)
        return geom if self.srid == self.relation.geometry.srid else f"ST_Transform({geom}, {self.srid:d})"

    def measured(self, where: Fragment) -> Fragment | None:
        """Return the statement that measures the decimals, for `with_decimals`; None without any.

        Of each: the most digits behind the point, the greatest value, whether a double says them all to the last digit.
        """
        names = [f"q.{column.sql}" for column in self.attributes if column.type == "decimal"]
        if not names:
            return None
        parts = ", ".join(part.format(name) for name in names for part in _MEASURES)
        rows = self.rows(where)
        return Fragment(f"SELECT {parts} FROM {rows.sql}", rows.params)

    def with_decimals(self, found: Sequence[Any], *, exact: bool) -> Columns:
        """Return the columns with a type for each decimal that has one: `exact` = decimals, else doubles where they lose nothing."""
        decimals: dict[str, Any] = {}
        names = [column.name for column in self.attributes if column.type == "decimal"]
        for name, scale, greatest, double in zip(names, found[::3], found[1::3], found[2::3], strict=True):
            if exact and scale is not None and scale + len(str(int(greatest))) <= _MOST_DIGITS:
                decimals[name] = pa.decimal128(_MOST_DIGITS, scale)
            elif not exact and double is not False:
                decimals[name] = pa.float64()
        return Columns(self.collection, self.relation, self.attributes, self.srid, decimals)

    def _is_double(self, column: Column) -> bool:
        return column.name in self.decimals and self.decimals[column.name] == pa.float64()

    def schema(self) -> Any:
        """Return the Arrow schema; metadata of its fields are what GDAL takes as alternative name, comment and subtype."""
        fields = [pa.field("sg_id", pa.int64() if self.relation.id_type == "integer" else pa.string())] if self.with_id else []
        titles = set[str]()
        for column in self.attributes:
            field = self.collection.field(column.name)
            # Titles must differ in a GeoPackage (gpkg_data_columns).
            title = field.title.de if field.title.de not in titles else f"{field.title.de} ({column.name})"
            titles.add(title)
            told = {"alternative_name": title, "comment": _described(field), "subtype": _SUBTYPES.get(column.type, "")}
            metadata = {f"GDAL:OGR:{key}": text for key, text in told.items() if text}
            fields.append(pa.field(column.name, self._type(column), metadata=metadata))
        if self.srid:
            fields.append(pa.field(GEOM, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}))
        return pa.schema(fields)

    def _type(self, column: Column) -> Any:
        return self.decimals.get(column.name, _TYPES[column.type])

    def batch(self, rows: Batch, schema: Any) -> Any:
        """Return rows of `select` as a record batch."""
        arrays = []
        for field, values in zip(schema, zip(*rows, strict=True), strict=True):
            if pa.types.is_decimal(field.type):  # given as text: PostgreSQL's own digits
                arrays.append(pa.array(values, pa.string()).cast(field.type))
            else:
                arrays.append(pa.array(values, field.type))
        return pa.record_batch(arrays, schema=schema)
