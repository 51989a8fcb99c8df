"""Tables as offices export them: CSV (also gzipped) and XLSX, all cells as text, in Arrow batches.

Nothing is guessed from values: a key with leading zeros stays text until its field says what it is.
"""

from __future__ import annotations

__all__ = ["numbered", "opened"]

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from etl.extract.encoding import Utf8Stream, detect, is_known
from etl.extract.layer import ROW, Layer, Refused, require_columns, wanted_columns
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import SourceError
from stadtgrund.language import say

_BLOCK = 1 << 20
_CELL_LIMIT = 4000
_SPREADSHEETS = (".xlsx", ".xlsm")


@contextmanager
def opened(contract: Contract, paths: tuple[Path, ...], batch_rows: int) -> Iterator[Layer]:
    """Open all files as one table; the rows are numbered through in the order of the files.

    Raises
    ------
    SourceError
        A file is unreadable, of unclear encoding, or lacks a column.
    """
    layer = Layer((), contract.source.crs, None, iter(()))
    with ExitStack() as stack:
        parts = [
            stack.enter_context((_sheet if path.suffix.lower() in _SPREADSHEETS else _csv)(contract, path, batch_rows, layer))
            for path in paths
        ]
        layer.columns = parts[0][0]
        layer.batches = _numbered(contract, [batches for _, batches in parts], layer)
        yield layer


def _numbered(contract: Contract, parts: list[Iterator[pa.RecordBatch]], layer: Layer) -> Iterator[pa.RecordBatch]:
    """Number the rows through all files, and take out those that the contract declares not to be data."""
    shift = 0
    for part in parts:
        last = 0
        for batch in part:
            last = max(last, batch.column(ROW)[-1].as_py() if batch.num_rows else 0)
            if shift:
                place = batch.schema.get_field_index(ROW)
                batch = batch.set_column(place, ROW, pc.add(batch.column(ROW), shift))
            yield _without_skipped(contract, batch, layer)
        shift += last


def _without_skipped(contract: Contract, batch: pa.RecordBatch, layer: Layer) -> pa.RecordBatch:
    for name, value in contract.source.skip_rows.items():
        hit = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(batch.column(name)), value), False)
        count = pc.sum(hit).as_py() or 0
        if count:
            layer.skipped_rows += count
            batch = batch.filter(pc.invert(hit))
    return batch


@contextmanager
def _csv(contract: Contract, path: Path, batch_rows: int, layer: Layer) -> Iterator[tuple[tuple[str, ...], Iterator[pa.RecordBatch]]]:
    source = contract.source
    encoding = source.encoding or _detected(path, layer)
    if not is_known(encoding):
        raise SourceError(
            say(
                f"Datensatz {contract.id}: die Kodierung {encoding!r} ist unbekannt.",
                f"Dataset {contract.id}: unknown encoding {encoding!r}.",
            ),
            remedy=say("Üblich sind: utf-8, cp1252, cp850, latin-1, utf-16.", "Usual are: utf-8, cp1252, cp850, latin-1, utf-16."),
        )
    with _raw(path) as raw, _utf8(raw, encoding, path.name) as stream:
        layer.encoding = encoding
        head, delimiter = _header(contract, path, stream)
        wanted = wanted_columns(contract)
        require_columns(contract, wanted, dict.fromkeys((*head, *numbered(head))), path.name)
        _refuse_twins(contract, wanted, head, path.name)
        head = numbered(head)
        yield tuple(head), _csv_batches(contract, path, stream, head, delimiter, wanted, batch_rows, layer)


def _utf8(raw: io.BufferedIOBase, encoding: str, name: str) -> io.BufferedReader:
    return io.BufferedReader(Utf8Stream(raw, encoding, name), _BLOCK)


def _detected(path: Path, layer: Layer) -> str:
    with _raw(path) as raw:
        found = detect(iter(lambda: raw.read(_BLOCK), b""), path.name)
    if found.doubly_encoded:
        layer.notes.append(
            say(
                f"{path.name} ist vermutlich doppelt kodiert („Ã¤“ statt „ä“); bitten Sie die Quelle um einen neuen Export.",
                f"{path.name} is probably encoded twice (“Ã¤” for “ä”); ask the source for a new export.",
            )
        )
    if found.name not in ("utf-8", "utf-8-sig"):
        layer.notes.append(
            say(
                f"{path.name} nennt seine Zeichenkodierung nicht; nach den Buchstaben ist es {found.name}.",
                f"{path.name} does not state its encoding; by its letters it is {found.name}.",
            )
        )
    return found.name


@contextmanager
def _raw(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file, or what is in a .gz, as bytes."""
    stream: io.BufferedIOBase = gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115
    with stream:
        try:
            yield stream
        except (gzip.BadGzipFile, EOFError) as error:
            raise SourceError(
                say(f"{path} ist kein vollständiges gzip.", f"{path} is not a complete gzip."),
                remedy=say("Lassen Sie sich die Datei neu geben.", "Ask for the file again."),
            ) from error


def _header(contract: Contract, path: Path, stream: io.BufferedReader) -> tuple[list[str], str]:
    """Read up to the row with the column names, which may hold line breaks in quotes; the stream is then at the first row of data."""
    lines: list[str] = []

    def read() -> Iterator[str]:
        while line := stream.readline():
            lines.append(line.decode())
            yield lines[-1]

    first = contract.source.delimiter
    row = contract.source.header_row
    if first is None:
        rest = iter(list(read_first(read(), row)))
        first = _sniffed("".join(rest))
        feed: Iterator[str] = iter(lines.copy())
    else:
        feed = read()

    def chained() -> Iterator[str]:
        yield from feed
        yield from read()

    records = csv.reader(chained(), delimiter=first)
    head: list[str] = []
    for _ in range(row):
        try:
            head = next(records)
        except StopIteration:
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: {path.name} hat keine Zeile {row} mit Spaltennamen.",
                    f"Dataset {contract.id}: {path.name} has no row {row}.",
                ),
                remedy=say("Prüfen Sie die Datei und source.header_row.", "Check the file and source.header_row."),
            ) from None
        except csv.Error as error:
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: {path.name} ist keine lesbare CSV ({error}).",
                    f"Dataset {contract.id}: {path.name} is no CSV ({error}).",
                ),
                remedy=say("Prüfen Sie die Datei und source.delimiter.", "Check the file and source.delimiter."),
            ) from error
    return [" ".join(name.split()) for name in head], first


def read_first(lines: Iterator[str], count: int) -> Iterator[str]:
    """Yield the first `count` lines."""
    for _, line in zip(range(count), lines, strict=False):
        yield line


def _sniffed(text: str) -> str:
    last = text.rstrip("\r\n").rsplit("\n", 1)[-1]
    return max((";", "\t", "|", ","), key=last.count)


def numbered(names: list[str]) -> list[str]:
    """Return the column names with those that occur more than once numbered: "Anzahl (1)", "Anzahl (2)"."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        twin = bool(name) and names.count(name) > 1
        made.append(f"{name} ({seen[name]})" if twin else name)
    return made


def _refuse_twins(contract: Contract, wanted: tuple[str, ...], head: list[str], name: str) -> None:
    twins = [column for column in wanted if head.count(column) > 1]
    if twins:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {name} hat die Spalte {twins[0]!r} mehrfach.",
                f"Dataset {contract.id}: {name} has column {twins[0]!r} twice.",
            ),
            remedy=say(
                f'Geben Sie den Spalten an der Quelle eigene Namen, oder zählen Sie sie: from: "{twins[0]} (1)", "{twins[0]} (2)".',
                f'Rename them at the source, or number them: from: "{twins[0]} (1)", "{twins[0]} (2)".',
            ),
        )


def _csv_batches(
    contract: Contract,
    path: Path,
    stream: io.BufferedReader,
    head: list[str],
    delimiter: str,
    wanted: tuple[str, ...],
    batch_rows: int,
    layer: Layer,
) -> Iterator[pa.RecordBatch]:
    # Columns by position: names may be empty or double where the contract does not want them.
    places = {name: f"c{head.index(name)}" for name in wanted}
    names = [f"c{index}" for index in range(len(head))]
    lost: list[int] = []
    broken: list[Refused] = []

    def invalid(row: Any) -> str:
        lost.append(row.number)
        reason = say(
            f"die Zeile hat {row.actual_columns} statt {row.expected_columns} Zellen",
            f"the row has {row.actual_columns} cells instead of {row.expected_columns}",
        )
        broken.append(Refused(row.number, "shape", None, reason, {"text": row.text[:_CELL_LIMIT]}))
        return "skip"

    def tell() -> None:
        told = len(broken)  # the reader may be ahead of us and add more meanwhile
        layer.refused += broken[:told]
        del broken[:told]

    try:
        reader = pyarrow.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=invalid),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(places.values()), column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
        done = 0
        for block in reader:
            numbers = _numbers(done, block.num_rows, sorted(lost))
            done += block.num_rows
            tell()
            whole = pa.RecordBatch.from_arrays([*block.columns, pa.array(numbers)], names=[*wanted, ROW])
            for start in range(0, block.num_rows, batch_rows):
                yield whole.slice(start, batch_rows)
        tell()
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {path.name} ist keine lesbare CSV ({error}).",
                f"Dataset {contract.id}: {path.name} is no readable CSV ({error}).",
            ),
            remedy=say("Prüfen Sie Trennzeichen (source.delimiter) und Anführungszeichen.", "Check source.delimiter and quotes."),
        ) from error


def _numbers(done: int, count: int, lost: list[int]) -> np.ndarray:
    """Return the source row numbers of the kept rows `done` … `done + count - 1`, given the numbers of the rows that were left out."""
    kept = np.arange(done, done + count)
    # The k-th kept row has number k + 1 + (broken rows before it); `gaps` is the number of kept rows before each broken one.
    gaps = np.array(lost, dtype=np.int64) - np.arange(len(lost)) - 1
    return kept + 1 + np.searchsorted(gaps, kept, side="right")


@contextmanager
def _sheet(contract: Contract, path: Path, batch_rows: int, layer: Layer) -> Iterator[tuple[tuple[str, ...], Iterator[pa.RecordBatch]]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    source = contract.source
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError) as error:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {path} ist keine lesbare XLSX-Datei.",
                f"Dataset {contract.id}: {path} is not a readable XLSX file.",
            ),
            remedy=say("Speichern Sie sie in der Tabellenkalkulation neu als .xlsx.", "Save it again as .xlsx."),
        ) from error
    try:
        if source.sheet is not None and source.sheet not in book.sheetnames:
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: {path.name} hat kein Blatt {source.sheet!r}.",
                    f"Dataset {contract.id}: {path.name} has no sheet {source.sheet!r}.",
                ),
                remedy=say(f"Vorhanden sind: {', '.join(book.sheetnames)}.", f"There are: {', '.join(book.sheetnames)}."),
            )
        sheet = book[source.sheet] if source.sheet else book[book.sheetnames[0]]
        if source.sheet is None and len(book.sheetnames) > 1:
            layer.notes.append(
                say(
                    f"{path.name} hat mehrere Blätter; gelesen wird „{sheet.title}“ (source.sheet wählt ein anderes).",
                    f"{path.name} has several sheets; “{sheet.title}” is read (source.sheet chooses another).",
                )
            )
        rows = sheet.iter_rows(min_row=source.header_row, values_only=True)
        names = [" ".join(str(cell).split()) if cell is not None else "" for cell in next(rows, ())]
        wanted = wanted_columns(contract)
        known = dict.fromkeys(name for name in (*names, *numbered(names)) if name)
        require_columns(
            contract,
            wanted,
            known,
            say(
                f"{path.name} (Blatt „{sheet.title}“, Zeile {source.header_row})",
                f"{path.name} (sheet “{sheet.title}”, row {source.header_row})",
            ),
        )
        _refuse_twins(contract, wanted, names, path.name)
        names = numbered(names)
        yield tuple(name for name in names if name), _sheet_batches(contract, rows, names, wanted, batch_rows)
    finally:
        book.close()


def _sheet_batches(
    contract: Contract, rows: Iterator[tuple[Any, ...]], names: list[str], wanted: tuple[str, ...], size: int
) -> Iterator[pa.RecordBatch]:
    places = [names.index(name) for name in wanted]
    decimal = contract.source.decimal or "."
    cells: list[list[str]] = [[] for _ in wanted]
    numbers: list[int] = []

    def batch() -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(
            [*(pa.array(part, pa.string()) for part in cells), pa.array(numbers, pa.int64())], names=[*wanted, ROW]
        )

    for number, row in enumerate(rows, start=1):
        if all(cell is None for cell in row):
            continue
        for part, place in zip(cells, places, strict=True):
            part.append(_cell_text(row[place] if place < len(row) else None, decimal))
        numbers.append(number)
        if len(numbers) >= size:
            yield batch()
            cells, numbers = [[] for _ in wanted], []
    if numbers:
        yield batch()


def _cell_text(cell: Any, decimal: str) -> str:
    """Return a cell as a person would type it in this table: its decimal sign, dates in ISO."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float() if cell == int(cell) and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return repr(cell).replace(".", decimal)
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
        case date():
            return cell.isoformat()
    return str(cell)
