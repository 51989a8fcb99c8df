"""What the columns of a source hold, taken in batch by batch; memory grows with the keys among them only."""

from __future__ import annotations

__all__ = ["Column", "Columns", "TotalRow"]

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.cast import to_text
from etl.describe.kinds import SYMBOLS, TOTALS, TextKinds
from etl.extract.layer import ROW
from etl.transform import BLANKS

_KEPT_VALUES = 40
_KEPT_TOTALS = 4
_WHOLE = 2.0**53
_JOINT_COLUMNS = 12
_JOINT_ROWS = 3_000_000


@dataclass(frozen=True)
class TotalRow:
    """A row that has a word such as "Summe" in a column; `empty` are the columns without a value in it."""

    row: int
    column: str
    word: str
    empty: frozenset[str]


@dataclass
class Column:
    """One column of the source: its type there, its gaps, its values as far as they tell something."""

    source: str
    arrow: pa.DataType
    kinds: TextKinds | None
    nulls: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    values: dict[str, int] | None = field(default_factory=dict)
    """The different values and how often each occurs; None when there are more than a few."""
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = True
    """All numbers are whole."""
    midnight: bool = True
    """All instants are midnights."""
    longest: int = 0
    example: str = ""
    unique: bool = True
    """No value occurs twice (a null is no value)."""
    totals: Counter[str] = field(default_factory=Counter)
    _hashes: list[np.ndarray] = field(default_factory=list, repr=False)

    def settle(self) -> None:
        """Find repeated values across batches."""
        if self.unique and len(self._hashes) > 1:
            joined = np.concatenate(self._hashes)
            self.unique = len(np.unique(joined)) == len(joined)
            self._hashes = [joined]
        if not self.unique:
            self._hashes = []


class Columns:
    """All columns of a source, and the rows that look like totals.

    Parameters
    ----------
    numbers : bool
        Whether texts may turn out to be numbers (tables).
    watch : callable, optional
        Is given each column's name and its distinct values as text, batch by batch.
    """

    def __init__(self, names: Iterable[str], *, numbers: bool, watch: Callable[[str, pa.Array], None] | None = None) -> None:
        self._numbers, self._watch = numbers, watch
        self.by_name: dict[str, Column] = {}
        self.names = tuple(names)
        self.rows = 0
        self.totals: list[TotalRow] = []
        self.last_row = 0
        self._joint: dict[str, list[np.ndarray]] | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch of the source (with its `ROW`)."""
        texts: dict[str, pa.Array] = {}
        hashes: dict[str, np.ndarray] = {}
        for name in self.names:
            array = batch.column(name)
            array = array.storage if isinstance(array, pa.ExtensionArray) else array
            column = self.by_name.get(name)
            if column is None:
                textual = pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_nested(array.type)
                column = self.by_name[name] = Column(name, array.type, TextKinds(numbers=self._numbers) if textual else None)
            if column.kinds is not None:
                texts[name] = _trimmed(to_text(array))
                self._add_text(column, texts[name])
                array = texts[name]
            else:
                _add_typed(column, array)
                if self._watch and pa.types.is_integer(array.type):
                    self._watch(name, to_text(array.unique().drop_null()))
            hashes[name] = self._add_hashes(column, array)
        self._add_joint(hashes, batch.num_rows)
        self._find_totals(batch, texts)
        self.rows += batch.num_rows
        if batch.num_rows:
            self.last_row = int(batch.column(ROW)[-1].as_py())

    def _add_text(self, column: Column, text: pa.Array) -> None:
        coded = text.dictionary_encode()
        words: list[str] = coded.dictionary.to_pylist()
        counts = np.bincount(coded.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(words))
        column.nulls += text.null_count
        total = pc.match_substring_regex(coded.dictionary, TOTALS)
        real = np.ones(len(words), dtype=bool)
        for index in np.flatnonzero(total.to_numpy(zero_copy_only=False)):
            column.totals[words[index]] += int(counts[index])
            real[index] = False
        for place, word in enumerate(words):
            if word in SYMBOLS:
                column.symbols[word] += int(counts[place])
                real[place] = False
        assert column.kinds is not None  # a column without is no text
        words_of_data = coded.dictionary.filter(pa.array(real))
        column.kinds.add(words_of_data)
        if self._watch:
            self._watch(column.source, words_of_data)
        _count_values(column, words, counts)
        if words:
            column.longest = max(column.longest, int(pc.max(pc.utf8_length(coded.dictionary)).as_py()))
            column.example = column.example or words[0]

    def _add_hashes(self, column: Column, array: pa.Array) -> np.ndarray:
        """Return one hash a value (0 for null), and keep those of columns without a repeated value."""
        if pa.types.is_floating(array.type) or pa.types.is_binary(array.type) or pa.types.is_boolean(array.type):
            column.unique = False
            return np.zeros(0, dtype=np.uint64)
        values = array if pa.types.is_integer(array.type) else to_text(array)
        filled = values.to_numpy(zero_copy_only=False)
        made: np.ndarray = pd.util.hash_array(filled if filled.dtype != object else np.where(pd.isna(filled), "", filled).astype(object))
        if column.unique:
            present = made[values.is_valid().to_numpy(zero_copy_only=False)]
            if len(np.unique(present)) < len(present):
                column.unique, column._hashes = False, []
            else:
                column._hashes.append(present)
                if len(column._hashes) % 16 == 0:
                    column.settle()
        return made

    def _add_joint(self, hashes: dict[str, np.ndarray], rows: int) -> None:
        """Keep the hashes of columns without gaps, the first ones, for ids out of two columns."""
        if self._joint is None:
            self._joint = {name: [] for name, made in hashes.items() if len(made) == rows and not self.by_name[name].nulls}
            self._joint = dict(list(self._joint.items())[:_JOINT_COLUMNS])
        if self.rows + rows > _JOINT_ROWS:
            self._joint = {}
        for name in list(self._joint):
            if self.by_name[name].nulls:
                del self._joint[name]
            else:
                self._joint[name].append(hashes[name])

    def _find_totals(self, batch: pa.RecordBatch, texts: dict[str, pa.Array]) -> None:
        for name, text in texts.items():
            if not 0 < sum(self.by_name[name].totals.values()) <= _KEPT_TOTALS:
                continue
            for index in np.flatnonzero(pc.fill_null(pc.match_substring_regex(text, TOTALS), False).to_numpy(zero_copy_only=False)):
                empty = frozenset(other for other in self.names if _is_empty(texts.get(other), batch.column(other), int(index)))
                self.totals.append(TotalRow(int(batch.column(ROW)[int(index)].as_py()), name, str(text[int(index)].as_py()), empty))

    def settle(self) -> None:
        """Finish after the last batch."""
        for column in self.by_name.values():
            column.settle()

    def jointly_unique(self, first: str, second: str, ignored: int = 0) -> bool:
        """Whether no two rows agree in both columns; False where that was not followed. `ignored` rows are no data."""
        joint = self._joint or {}
        if first not in joint or second not in joint:
            return False
        one, two = np.concatenate(joint[first]), np.concatenate(joint[second])
        pairs = one * np.uint64(0x9E3779B97F4A7C15) ^ two
        return len(np.unique(pairs)) >= len(pairs) - ignored


def _trimmed(text: pa.Array) -> pa.Array:
    text = text.cast(pa.string()) if pa.types.is_large_string(text.type) else text
    trimmed = pc.utf8_trim(text, characters=BLANKS)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _add_typed(column: Column, array: pa.Array) -> None:
    kind = array.type
    column.nulls += array.null_count
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = array.drop_null().to_numpy(zero_copy_only=False).astype(float)
        column.nulls += int(np.isnan(values).sum())
        values = values[~np.isnan(values)]
        if len(values):
            low, high = float(values.min()), float(values.max())
            column.minimum = low if column.minimum is None else min(low, column.minimum)
            column.maximum = high if column.maximum is None else max(high, column.maximum)
            column.whole = column.whole and bool((values == np.floor(values)).all()) and max(abs(low), abs(high)) < _WHOLE
    elif pa.types.is_timestamp(kind):
        column.midnight = column.midnight and bool(pc.all(pc.equal(array, pc.floor_temporal(array, unit="day"))).as_py() is not False)
    if pa.types.is_integer(kind):
        coded = array.dictionary_encode()
        counts = np.bincount(coded.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(coded.dictionary))
        _count_values(column, [str(value) for value in coded.dictionary.to_pylist()], counts)


def _count_values(column: Column, words: list[str], counts: Any) -> None:
    if column.values is None or len(words) > _KEPT_VALUES:
        column.values = None
        return
    for word, count in zip(words, counts, strict=True):
        column.values[word] = column.values.get(word, 0) + int(count)
    if len(column.values) > _KEPT_VALUES:
        column.values = None


def _is_empty(text: pa.Array | None, array: pa.Array, index: int) -> bool:
    value = (array if text is None else text)[index].as_py()
    return value is None or value != value or (isinstance(value, str) and value in SYMBOLS)
