"""Sources of a load, one file per kind: each opens as a `Layer` of Arrow batches whose memory does not grow with the source."""

from __future__ import annotations

__all__ = ["KINDS", "check_kind", "open_layer"]

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.extract import ogr, table
from etl.extract.layer import Layer
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SourceError
from stadtgrund.language import say

KINDS = ("ogr", "table", "raster", "join")
"""Kinds of source that this version reads."""


def check_kind(contract: Contract) -> None:
    """Refuse what this version cannot read, before anything is touched.

    Raises
    ------
    SourceError
        Naming the kind and what is allowed.
    """
    source = contract.source
    allowed = ", ".join(KINDS)
    if source.kind not in KINDS:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: Quellen der Art {source.kind} kann diese Version noch nicht lesen.",
                f"Dataset {contract.id}: sources of kind {source.kind} are not in this version.",
            ),
            remedy=say(f"Erlaubt sind: {allowed}.", f"Allowed are: {allowed}."),
        )
    if source.kind == "join" and (source.join != "key" or source.live):
        wanted = "live: true" if source.live else f"join: {source.join}"
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {wanted} gibt es in dieser Version noch nicht.",
                f"Dataset {contract.id}: {wanted} is not in this version.",
            ),
            remedy=say("Erlaubt ist: join: key, ohne live.", "Allowed is: join: key, without live."),
        )


@contextmanager
def open_layer(contract: Contract, paths: tuple[Path, ...], scratch: Path, batch_rows: int = 20_000) -> Iterator[Layer]:
    """Open the files of an `ogr` or `table` source as one layer, closed at the end of the block.

    Parameters
    ----------
    contract : Contract
        Says how to read and which columns are wanted.
    paths : tuple of Path
        The files, in the order in which their rows are numbered.
    scratch : Path
        Folder for copies of files that must not be opened in place; the caller removes it.
    batch_rows : int
        Rows in a batch; peak memory is a small multiple of one batch.

    Raises
    ------
    SourceError
        A file cannot be read, or lacks a column that the contract wants.
    """
    if contract.source.kind == "table":
        with table.opened(contract, paths, batch_rows) as layer:
            yield layer
    else:
        with ogr.opened(contract, paths, scratch, batch_rows) as layer:
            yield layer
