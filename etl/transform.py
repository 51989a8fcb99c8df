"""Batches of a source to batches for staging: rename, trim, null symbols, cast, keys, geometry, hash.

Pure on Arrow batches: nothing here touches disk, network or database. Counts what it changes; a value that does not fit makes
its row a refused one, with field, value and reason.
"""

from __future__ import annotations

__all__ = ["BLANKS", "FieldCounts", "Transformed", "Transformer", "fingerprint"]

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.cast import cast, storage_type, to_text
from etl.extract.layer import GEOMETRY, ROW, Refused
from etl.geometry import Shaper, points
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.contract import Field as ContractField
from stadtgrund.errors import SourceError, by_locale
from stadtgrund.settings import Secret

type Refuse = Callable[[int, str, str | None, str], bool]
"""(position in the batch, rule, field, reason) → whether the row was not refused before: a row has one reason."""

_SEPARATOR = b"\x1f"
_NULL = b"\x00"
BLANKS = " \t\r\n\f\v\u00a0\u2007\u202f\ufeff\u200b"
"""What is taken off both ends of a text."""


@dataclass
class FieldCounts:
    """What was changed in one field."""

    trimmed: int = 0
    nulled: int = 0
    """Symbols such as "k. A." that became null."""
    normalised: int = 0
    """Keys that were brought to their right form, e.g. a lost leading zero."""
    examples: dict[str, str] = field(default_factory=dict)
    """Some of these: as delivered → as published."""
    odd_keys: dict[str, str] = field(default_factory=dict)
    """Values that are no key of the type, kept as they are, with the reason (the first ones)."""
    odd: int = 0
    unlisted: dict[str, int] = field(default_factory=dict)
    """Values outside the code list (at most 50 different ones are told apart)."""
    unlisted_rows: int = 0
    empty: int = 0
    """Nulls in a required field."""
    no_id: int = 0
    """Rows without a value in a field that makes the id."""


@dataclass(frozen=True)
class Transformed:
    """A batch for staging (`sg_row`, `sg_id`, `sg_hash`, the fields, `geom`) and the rows that are not in it."""

    batch: pa.RecordBatch
    refused: list[Refused]


class Transformer:
    """Turns a source's batches into batches for staging.

    Parameters
    ----------
    contract : Contract
        What to make.
    recipe : str
        Goes into each row's hash: another recipe makes other rows.
    shaper : Shaper, optional
        For datasets with a geometry.
    normalisers : dict
        Field name → function that normalises one key (raises ValueError with a German reason).
    on_fail : callable
        (rule, field name) → what happens where that rule fails: report, reject or stop.
    id_key : Secret, optional
        For datasets whose ids are made of the content (`store/id_key.py`).
    """

    def __init__(
        self,
        contract: Contract,
        recipe: str,
        shaper: Shaper | None,
        normalisers: dict[str, Callable[[object], str | None]],
        on_fail: Callable[[str, str | None], str],
        id_key: Secret | None = None,
    ) -> None:
        self.contract, self.shaper, self.normalisers, self.on_fail = contract, shaper, normalisers, on_fail
        self.fields = {item.name: FieldCounts() for item in contract.fields}
        self._key = hashlib.blake2b(recipe.encode(), digest_size=32).digest()
        self._id_key = bytes.fromhex(id_key.reveal()) if id_key else None
        self._nulls = pa.array([value for value in contract.source.null_values if value], pa.string())
        id_field = contract.id_field
        self._id_columns = (id_field.column,) if id_field and id_field.column else id_field.columns if id_field else ()
        self._id_is_integer = bool(id_field and id_field.column) and contract.field(self._id_columns[0]).type == "integer"
        for name in self._id_columns:
            if contract.field(name).type in ("decimal", "json"):
                kind = contract.field(name).type
                raise SourceError(
                    by_locale(
                        f"Datensatz {contract.id}: {name} ist {kind} und kann keine Kennung bilden.",
                        f"Dataset {contract.id}: {name} is {kind} and cannot make an id.",
                    ),
                    remedy=by_locale("Wählen Sie in id_field ein anderes Feld.", "Choose another field in id_field."),
                )
        self.schema = pa.schema(
            [
                ("sg_row", pa.int64()),
                ("sg_id", pa.int64() if self._id_is_integer else pa.string()),
                ("sg_hash", pa.string()),
                *((item.name, storage_type(item.type)) for item in contract.fields),
                *([("geom", pa.binary())] if contract.geometry else []),
            ]
        )

    def transform(self, batch: pa.RecordBatch) -> Transformed:
        """Return the batch in the form of the staging table, without the rows that cannot be published."""
        numbers = batch.column(ROW).to_numpy()
        refusals: dict[int, Refused] = {}

        def refuse(index: int, rule: str, name: str | None, reason: str) -> bool:
            if index in refusals:
                return False
            refusals[index] = Refused(int(numbers[index]), rule, name, reason, _source_row(batch, index))
            return True

        columns = {item.name: self._column(item, batch, refuse) for item in self.contract.fields}
        arrays: dict[str, pa.Array] = dict(columns)
        geometry: pa.Array | None = None
        if self.shaper is not None:
            geometry, arrays["geom"] = self._geometry(self.shaper, batch, refuse)
        keep = np.ones(batch.num_rows, dtype=bool)
        ids = self._ids(columns, refuse)
        keep[list(refusals)] = False
        hashes, contents = fingerprint([*columns.values()], geometry, self._key, self._id_key if ids is None else None)
        arrays |= {"sg_row": batch.column(ROW), "sg_hash": hashes, "sg_id": contents if ids is None else ids}
        made = pa.RecordBatch.from_arrays([arrays[name] for name in self.schema.names], schema=self.schema)
        return Transformed(made if keep.all() else made.filter(pa.array(keep)), [refusals[index] for index in sorted(refusals)])

    def _column(self, item: ContractField, batch: pa.RecordBatch, refuse: Refuse) -> pa.Array:
        counts = self.fields[item.name]
        column = batch.column(item.source_name)
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        if item.name in self.normalisers or (item.type == "string" and not pa.types.is_string(column.type)):
            column = to_text(column)
        if pa.types.is_string(column.type):
            column = self._clean(column, counts)
        if item.name in self.normalisers:
            column = self._normalise(column, self.normalisers[item.name], counts)
        source = self.contract.source
        result, errors = cast(column, item.type, decimal=source.decimal, pattern=item.format)
        for error in errors:
            refuse(error.index, "cast", item.name, error.reason)
        if item.required and result.null_count:
            failed = {error.index for error in errors}
            empty = [int(index) for index in np.flatnonzero(result.is_null().to_numpy(zero_copy_only=False)) if int(index) not in failed]
            if self.on_fail("required", item.name) == "reject":
                empty = [
                    index for index in empty if refuse(index, "required", item.name, by_locale("der Wert fehlt", "the value is missing"))
                ]
            counts.empty += len(empty)
        if item.values is not None:
            self._codelist(item, result, counts, refuse)
        return result

    def _clean(self, text: pa.Array, counts: FieldCounts) -> pa.Array:
        trimmed = pc.utf8_trim(text, characters=BLANKS)
        counts.trimmed += pc.sum(pc.not_equal(trimmed, text)).as_py() or 0
        if len(self._nulls):
            symbols = pc.is_in(trimmed, value_set=self._nulls)
            counts.nulled += pc.sum(symbols).as_py() or 0
            trimmed = pc.if_else(symbols, None, trimmed)
        return pc.if_else(pc.equal(trimmed, ""), None, trimmed)

    def _normalise(self, text: pa.Array, normalise: Callable[[object], str | None], counts: FieldCounts) -> pa.Array:
        coded = text.dictionary_encode()
        words = coded.dictionary.to_pylist()
        occurrences = np.bincount(coded.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(words))
        made: list[str | None] = []
        for word, count in zip(words, occurrences, strict=True):
            try:
                key = normalise(word)
            except ValueError as error:
                key = word
                counts.odd += int(count)
                if len(counts.odd_keys) < 20:
                    counts.odd_keys[word] = str(error)
            if key != word:
                counts.normalised += int(count)
                if len(counts.examples) < 5:
                    counts.examples[word] = str(key)
            made.append(key)
        return pa.array(made, pa.string()).take(coded.indices)

    def _codelist(self, item: ContractField, column: pa.Array, counts: FieldCounts, refuse: Refuse) -> None:
        allowed = pa.array(list(item.values or {}), pa.string())
        text = to_text(column)
        odd = pc.and_(pc.is_valid(text), pc.invert(pc.is_in(text, value_set=allowed)))
        places = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
        rejects = self.on_fail("codelist", item.name) == "reject"
        for index in places:
            word = text[int(index)].as_py()
            if rejects and not refuse(
                int(index), "codelist", item.name, by_locale(f"„{word}“ steht nicht in der Codeliste", f"“{word}” is not in the code list")
            ):
                continue
            counts.unlisted_rows += 1
            if word in counts.unlisted or len(counts.unlisted) < 50:
                counts.unlisted[word] = counts.unlisted.get(word, 0) + 1

    def _geometry(self, shaper: Shaper, batch: pa.RecordBatch, refuse: Refuse) -> tuple[pa.Array, pa.Array]:
        """Return the geometry as it came (for the hash) and as EWKB in the storage CRS."""
        source = self.contract.source
        if source.x and source.y:
            parts = []
            for name in (source.x, source.y):
                text = self._clean(to_text(batch.column(name)), FieldCounts())
                values, errors = cast(text, "number", decimal=source.decimal)
                for error in errors:
                    refuse(error.index, "cast", name, error.reason)
                parts.append(values)
            raw = pc.binary_join_element_wise(*(to_text(part) for part in parts), " ", null_handling="replace", null_replacement="").cast(
                pa.binary()
            )
            shapes = points(*(part.to_numpy(zero_copy_only=False) for part in parts))
        else:
            raw = batch.column(GEOMETRY)
            raw = raw.storage if isinstance(raw, pa.ExtensionArray) else raw
            shapes, unreadable = shaper.read(raw)
            for problem in unreadable:
                refuse(problem.index, problem.rule, "geom", problem.reason)
        shapes, errors_, invalid = shaper.shape(shapes)
        for wrong in errors_:
            refuse(wrong.index, wrong.rule, "geom", wrong.reason)
        if invalid.any() and self.on_fail("valid_geometry", None) == "reject":
            for index in np.flatnonzero(invalid):
                refuse(int(index), "valid_geometry", "geom", by_locale("die Geometrie ist ungültig", "the geometry is invalid"))
        return raw, shaper.ewkb(shapes)

    def _ids(self, columns: dict[str, pa.Array], refuse: Refuse) -> pa.Array | None:
        """Return the feature ids; None where they are the content's hash."""
        if not self._id_columns:
            return None
        parts = [columns[name] for name in self._id_columns]
        for name, part in zip(self._id_columns, parts, strict=True):
            if part.null_count:
                for index in np.flatnonzero(part.is_null().to_numpy(zero_copy_only=False)):
                    refused = refuse(
                        int(index),
                        "required",
                        name,
                        by_locale(
                            "der Wert fehlt, aber er ist die Kennung des Objekts", "the value is missing, but it is the feature's id"
                        ),
                    )
                    self.fields[name].no_id += int(refused)
        if self._id_is_integer:
            return parts[0]
        texts = [_id_text(part, self.contract.field(name).type) for name, part in zip(self._id_columns, parts, strict=True)]
        return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "-", null_handling="emit_null")


def fingerprint(columns: list[pa.Array], geometry: pa.Array | None, key: bytes, id_key: bytes | None) -> tuple[pa.Array, pa.Array | None]:
    """Return the hash of each row over its values and `key` (32 hex digits), and with `id_key` its id (20) over the values and that.

    The geometry is taken as it came, before any reprojection: a new PROJ grid must not make all rows look changed.
    """
    parts = [_hashable(column) for column in columns]
    if geometry is not None:
        parts.append(geometry.cast(pa.binary()))
    if not parts:
        parts = [pa.nulls(0, pa.binary())]
    joined = pc.binary_join_element_wise(*parts, _SEPARATOR, null_handling="replace", null_replacement=_NULL)
    rows = joined.to_pylist()
    make = hashlib.blake2b
    hashes = pa.array([make(row, digest_size=16, key=key).hexdigest() for row in rows], pa.string())
    contents = pa.array([make(row, digest_size=10, key=id_key).hexdigest() for row in rows], pa.string()) if id_key else None
    return hashes, contents


def _hashable(column: pa.Array) -> pa.Array:
    """Return each value as bytes that are equal for equal values: text, or the digits of its machine form."""
    kind = column.type
    if pa.types.is_floating(kind):
        column = pc.add(column, 0.0).view(pa.int64())  # 0.0 and -0.0 are one value
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.int32())
    return column if pa.types.is_binary(kind) else column.cast(pa.string()).cast(pa.binary())


def _id_text(column: pa.Array, kind: str) -> pa.Array:
    if kind == "uuid":
        import uuid

        return pa.array([None if value is None else str(uuid.UUID(bytes=value)) for value in column.to_pylist()], pa.string())
    return to_text(column)


def _source_row(batch: pa.RecordBatch, index: int) -> dict[str, Any]:
    """Return one source row as a mapping of JSON-able values; geometries as WKT, cut at 1000 characters."""
    import shapely

    row: dict[str, Any] = {}
    for name in batch.schema.names:
        if name == ROW:
            continue
        value = batch.column(name)[index].as_py()
        if name == GEOMETRY and value is not None:
            shape = shapely.from_wkb(value, on_invalid="ignore")
            value = shapely.to_wkt(shape, rounding_precision=3)[:1000] if shape is not None else value.hex()[:1000]
        row[name] = value.hex() if isinstance(value, bytes) else value
    return row
