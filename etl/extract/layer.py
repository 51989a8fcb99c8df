"""What every source looks like once it is open."""

from __future__ import annotations

__all__ = ["GEOMETRY", "ROW", "Layer", "Refused", "require_columns", "wanted_columns"]

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SourceError
from stadtgrund.language import say

if TYPE_CHECKING:
    import pyarrow as pa

GEOMETRY = "__geometry__"
"""Column of a batch that holds the geometry as ISO WKB, in the source's CRS."""
ROW = "__row__"
"""Column of a batch that holds the number of the source row, from 1."""


@dataclass(frozen=True)
class Refused:
    """A source row that does not become a feature, and why (German)."""

    row: int
    rule: str
    field: str | None
    reason: str
    values: dict[str, Any]


@dataclass
class Layer:
    """An open source: its columns, what it says of its CRS, and its rows in batches.

    `batches` yields record batches with the wanted columns under their source names, `ROW` and, for vector files, `GEOMETRY`.
    `refused` and `skipped_rows` are filled while the batches are read: rows that are broken in the file itself (too many cells), and rows
    that the contract declares not to be data (a total row).
    """

    columns: tuple[str, ...]
    crs: str | None
    rows: int | None
    batches: Iterator[pa.RecordBatch]
    notes: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    skipped_rows: int = 0
    curves: int = 0
    """Features whose arcs the reader turned into line segments, at most `ARC_TOLERANCE_M` from them."""
    encoding: str | None = None
    """Of the text, where the reader had to find it out itself."""


def wanted_columns(contract: Contract) -> tuple[str, ...]:
    """Return the names of the source's columns that the contract reads, each once, in its order."""
    source = contract.source
    names = [field.source_name for field in contract.fields]
    names += [name for name in (source.x, source.y) if name]
    names += list(source.skip_rows)
    return tuple(dict.fromkeys(names))


def require_columns(contract: Contract, wanted: Iterable[str], present: Iterable[str], where: str) -> None:
    """Check that the source has the columns that the contract names.

    Raises
    ------
    SourceError
        Naming the missing ones, the nearest spelling and all that the source has.
    """
    have = list(present)
    missing = [name for name in wanted if name not in have]
    if not missing:
        return
    lower = {name.strip().lower(): name for name in have}
    hints = []
    for name in missing:
        near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
        hints.append(f"{name!r}" + (say(f" (gemeint {lower[near[0]]!r}?)", f" (did you mean {lower[near[0]]!r}?)") if near else ""))
    known = ", ".join(map(repr, have[:60])) + (" …" if len(have) > 60 else "")
    raise SourceError(
        say(
            f"Datensatz {contract.id}: {where} hat keine Spalte {', '.join(hints)}.",
            f"Dataset {contract.id}: {where} has no column {', '.join(hints)}.",
        ),
        remedy=say(
            f"Vorhanden sind: {known or '(keine)'}. Berichtigen Sie `from` im Vertrag.",
            f"There are: {known or '(none)'}. Correct `from` in the contract.",
        ),
    )
