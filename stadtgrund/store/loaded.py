"""What a version was loaded with, and what of today's contract may be shown of it.

A contract may change after a load. Until the next one the table holds what the earlier contract said: a column that is declared
differently now is not shown, and a source that was checked after the load does not open rows of the source before it.
"""

from __future__ import annotations

__all__ = ["Column", "Loaded", "Shown", "shown"]

from dataclasses import dataclass, replace
from typing import Self

from pydantic import BaseModel, ConfigDict

from stadtgrund.catalog import release
from stadtgrund.catalog.access import Decision, FormSpec
from stadtgrund.catalog.contract import Contract, Field, FieldType, Geometry, IdField, MinCount, Text
from stadtgrund.identity import VERWALTUNG

_AFTER_LOAD = Text(
    de="Nur Verwaltung: Quelle, Kennung oder Koordinatenbezug sind neu; öffentlich nach dem nächsten Laden.",
    en="Administration only: source, id or CRS are new; public after the next load.",
)


class Column(BaseModel):
    """A column as it was declared at the load."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    type: FieldType
    key: str | None = None
    format: str | None = None

    @classmethod
    def of(cls, field: Field) -> Self:
        """Return what of a field decides its values."""
        return cls(name=field.name, source=field.source_name, type=field.type, key=field.key, format=field.format)


class Loaded(BaseModel):
    """What of the contract the rows of a version depend on; stored with the version."""

    model_config = ConfigDict(frozen=True)

    source: str
    geometry: Geometry | None = None
    id_field: IdField | None = None
    columns: tuple[Column, ...] = ()
    sortables: tuple[str, ...] = ()

    @classmethod
    def of(cls, contract: Contract) -> Self:
        """Return it for a contract that is being loaded."""
        return cls(
            source=release.digest_of_source(contract.source, contract.geometry),
            geometry=contract.geometry,
            id_field=contract.id_field,
            columns=tuple(Column.of(field) for field in contract.fields),
            sortables=contract.sortables,
        )


@dataclass(frozen=True)
class Shown:
    """What a profile gets of a version: the contract as far as the table has it, the form (None = nothing) and why."""

    contract: Contract
    form: FormSpec | None
    reason: Text


def shown(contract: Contract, loaded: Loaded, decision: Decision, profile: str) -> Shown:
    """Return what of `decision` holds for rows that were loaded with `loaded`."""
    table = {column.name: column for column in loaded.columns}
    usable = {field.name for field in contract.fields if table.get(field.name) == Column.of(field)}
    id_column = loaded.id_field.column if loaded.id_field else None
    kept = tuple(field for field in contract.fields if field.name in usable)
    if id_column and id_column not in usable:  # the type of sg_id is asked of it; no form shows it
        kept += (Field(name=id_column, type=table[id_column].type),)
    temporal = contract.temporal
    if temporal and not usable.issuperset(temporal.columns):
        temporal = None
    reduced = contract.model_copy(
        update={
            "fields": kept,
            "geometry": loaded.geometry,
            "id_field": loaded.id_field,
            "temporal": temporal,
            "sortables": tuple(name for name in contract.sortables if name in usable and name in loaded.sortables),
        }
    )
    spec = decision.form
    if spec is None:
        return Shown(reduced, None, decision.reason)
    same = loaded.source == release.digest_of_source(contract.source, contract.geometry) and loaded.id_field == contract.id_field
    if profile != VERWALTUNG and not same:
        return Shown(reduced, None, _AFTER_LOAD)
    min_count = spec.min_count
    if min_count:
        names = tuple(name for name in min_count.fields if name in usable)
        min_count = MinCount(minimum=min_count.minimum, fields=names) if names else None
    return Shown(reduced, replace(spec, fields=tuple(name for name in spec.fields if name in usable), min_count=min_count), decision.reason)
