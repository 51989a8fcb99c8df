"""Where the data of a table begin: encoding, delimiter, sheet, the row of the names and what stands above it."""

from __future__ import annotations

__all__ = ["Head", "read"]

import csv
import gzip
import io
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from etl.describe.kinds import SYMBOLS
from etl.extract.encoding import Utf8Stream, detect, is_known
from etl.extract.table import numbered
from stadtgrund.errors import SourceError, UsageError
from stadtgrund.language import say

_LOOKED_AT = 80
_BLOCK = 1 << 20
_DELIMITERS = {";": "Semikolon", ",": "Komma", "\t": "Tabulator", "|": "senkrechter Strich"}
_NUMBER_OR_DATE = r"[+-]?[\d .,'’]*\d%?|\d{1,2}\.\d{1,2}\.\d{2,4}( .*)?|\d{4}-\d\d-\d\d([T ].*)?"
_YEAR = r"(19|20)\d\d"
_ENCODINGS = {"cp1252": "Windows", "cp850": "DOS", "mac_roman": "Macintosh", "utf-16": "Unicode"}


@dataclass
class Head:
    """The names of a table's columns, and how to get to them: keys for the contract's `source`, with the reason for each."""

    columns: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: Path, sheet: str | None, encoding: str | None = None) -> Head:
    """Return the head of a CSV (also gzipped) or of a sheet of an XLSX.

    Raises
    ------
    SourceError, UsageError
        No row of names can be told, several sheets have data and none is chosen.
    """
    head = Head()
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        rows = _sheet(path, sheet, head)
    else:
        if sheet is not None:
            raise UsageError(say(f"{path.name} hat keine Blätter: --layer entfällt.", f"{path.name} has no sheets: leave --layer out."))
        rows = _csv(path, head, encoding)
    row = _header_row(rows)
    if row is None:
        raise SourceError(
            say(
                f"{path.name}: Eine Zeile mit Spaltennamen ist nicht zu erkennen.",
                f"{path.name}: There seems to be no row of column names.",
            ),
            remedy=say(
                "Setzen Sie eine Zeile mit den Namen vor die Daten (bei Verfahren ohne Kopfzeile aus deren Beschreibung).",
                "Put a row with the names before the data.",
            ),
        )
    raw = [" ".join(cell.split()) for cell in rows[row]]
    if row:
        head.source["header_row"] = row + 1
        head.remarks["header_row"] = f"Die Spaltennamen stehen in Zeile {row + 1}; darüber stehen Titel oder Gruppen."
    names = numbered(raw)
    head.columns = tuple(name for name in names if name)
    _label(rows, row, raw, names, head)
    unnamed = [place + 1 for place, name in enumerate(names) if not name and any(_cell(other, place) for other in rows[row + 1 :])]
    if unnamed:
        shown = ", ".join(map(str, unnamed[:10]))
        head.notes.append(f"Ohne Namen und deshalb nicht gelesen: Spalte {shown}. Mit einem Namen an der Quelle käme sie mit.")
    return head


def _csv(path: Path, head: Head, stated: str | None) -> list[list[str]]:
    if stated is not None and not is_known(stated):
        raise UsageError(
            say(f"Die Kodierung {stated!r} ist unbekannt.", f"Unknown encoding {stated!r}."),
            remedy=say("Üblich sind: utf-8, cp1252, cp850, latin-1, utf-16.", "Usual are: utf-8, cp1252, cp850, latin-1, utf-16."),
        )
    try:
        encoding = stated or _detected(path, head)
        if stated:
            head.source["encoding"] = stated
        with (
            _raw(path) as raw,
            io.TextIOWrapper(io.BufferedReader(Utf8Stream(raw, encoding, path.name), _BLOCK), "utf-8", newline="") as text,
        ):
            lines = list(islice(text, 4 * _LOOKED_AT))
    except (gzip.BadGzipFile, EOFError) as error:
        raise SourceError(
            say(f"{path.name} ist kein vollständiges gzip.", f"{path.name} is not a complete gzip."),
            remedy=say("Lassen Sie sich die Datei neu geben.", "Ask for the file again."),
        ) from error
    if not any(line.strip() for line in lines):
        raise SourceError(
            say(f"{path.name} ist leer.", f"{path.name} is empty."), remedy=say("Lassen Sie sie sich neu geben.", "Ask for it again.")
        )
    parsed = {sign: _parsed(lines, sign) for sign in _DELIMITERS}
    chosen = max(parsed, key=lambda sign: _evenness(parsed[sign]))
    if _evenness(parsed[chosen])[0] > 0:
        head.source["delimiter"] = chosen
        head.remarks["delimiter"] = f"Trennzeichen {_DELIMITERS[chosen]}: so haben die Zeilen gleich viele Zellen."
    return parsed[chosen]


def _detected(path: Path, head: Head) -> str:
    with _raw(path) as raw:
        found = detect(iter(lambda: raw.read(_BLOCK), b""), path.name)
    if found.name not in ("utf-8", "utf-8-sig"):
        head.source["encoding"] = found.name
        head.remarks["encoding"] = (
            f"Die Datei nennt ihre Zeichenkodierung nicht; nach den Umlauten ist es {found.name} ({_ENCODINGS.get(found.name, '?')})."
        )
    if found.doubly_encoded:
        head.notes.append(f"{path.name} ist vermutlich doppelt kodiert („Ã¤“ statt „ä“); bitten Sie die Quelle um einen neuen Export.")
    return found.name


def _raw(path: Path) -> io.BufferedIOBase:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            rows.append([cell.strip() for cell in row])
            if len(rows) == _LOOKED_AT:
                break
    except csv.Error:  # a field larger than the limit: quotes that this delimiter takes for something else
        return []
    return rows


def _evenness(rows: list[list[str]]) -> tuple[float, int]:
    """Return the share of rows with the usual number of cells (0 when that is one), and that number."""
    widths = Counter(len(row) for row in rows if any(row))
    if not widths:
        return 0.0, 0
    width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    return (count / widths.total() if width > 1 else 0.0), width


def _sheet(path: Path, wanted: str | None, head: Head) -> list[list[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError) as error:
        raise SourceError(
            say(f"{path.name} ist keine lesbare XLSX-Datei.", f"{path.name} is not a readable XLSX file."),
            remedy=say("Speichern Sie sie in der Tabellenkalkulation neu als .xlsx.", "Save it again as .xlsx."),
        ) from error
    try:
        contents = {
            name: [
                ["" if cell is None else str(cell).strip() for cell in row]
                for row in islice(book[name].iter_rows(values_only=True), _LOOKED_AT)
            ]
            for name in book.sheetnames
        }
    finally:
        book.close()
    filled = [name for name, rows in contents.items() if any(any(row) for row in rows)]
    if wanted is not None and wanted not in contents:
        raise UsageError(
            say(f"{path.name} hat kein Blatt {wanted!r}.", f"{path.name} has no sheet {wanted!r}."),
            remedy=say(f"Vorhanden sind: {', '.join(contents)}.", f"There are: {', '.join(contents)}."),
        )
    if wanted is None and len(filled) > 1:
        raise UsageError(
            say(
                f"{path.name} hat {len(filled)} Blätter: {', '.join(filled)}.",
                f"{path.name} has {len(filled)} sheets: {', '.join(filled)}.",
            ),
            remedy=say(
                "Wählen Sie eines mit --layer NAME; je Blatt entsteht ein Datensatz.", "Choose one with --layer NAME; each is a dataset."
            ),
        )
    if not filled:
        raise SourceError(
            say(f"{path.name} ist leer.", f"{path.name} is empty."), remedy=say("Lassen Sie sie sich neu geben.", "Ask for it again.")
        )
    chosen = wanted or filled[0]
    if len(contents) > 1:
        head.source["sheet"] = chosen
    return contents[chosen]


def _header_row(rows: list[list[str]]) -> int | None:
    """Return the row with the names: words only, above the data, one for nearly each column in use."""
    above = next((place for place, row in enumerate(rows) if _has_values(row)), len(rows))
    candidates = [place for place in range(above) if any(rows[place])]
    if not candidates:
        return None
    shares = {place: _share_named(rows, place) for place in candidates}
    chosen = next((place for place in candidates if shares[place] >= 0.8), max(candidates, key=lambda place: shares[place]))
    below = chosen + 1
    if shares[chosen] < 1 and shares.get(below) == 1 and len(set(rows[below])) < len(rows[below]):
        return below  # groups that name most columns, over names that repeat in each group
    return chosen


def _has_values(row: list[str]) -> bool:
    """Whether more than a quarter of the cells are numbers or dates; years may be names."""
    filled = [cell for cell in row if cell]
    values = [cell for cell in filled if re.fullmatch(_NUMBER_OR_DATE, cell) and not re.fullmatch(_YEAR, cell)]
    return 4 * len(values) > len(filled)


def _share_named(rows: list[list[str]], place: int) -> float:
    """Return how many of the columns that are in use below a row it has a name for."""
    below = rows[place + 1 : place + 31]
    used = [column for column in range(max(map(len, below), default=0)) if any(_cell(row, column) for row in below)]
    named = sum(bool(_cell(rows[place], column)) for column in used)
    return named / len(used) if used else float(any(rows[place]))


def _label(rows: list[list[str]], row: int, raw: list[str], names: list[str], head: Head) -> None:
    """Give columns whose name occurs more than once the groups that stand above it (merged cells count to the right)."""
    groups: list[list[str]] = []
    for above in reversed(rows[:row]):
        if sum(map(bool, above)) < 2:
            break
        filled, last = [], ""
        for place in range(len(raw)):
            last = " ".join(_cell(above, place).split()) or last
            filled.append(last)
        groups.insert(0, filled)
    for place, name in enumerate(names):
        if name and raw.count(raw[place]) > 1:
            parts = dict.fromkeys(group[place] for group in groups if group[place])
            head.labels[name] = " – ".join([*parts, raw[place]]) if parts else name


def _cell(row: list[str], place: int) -> str:
    value = row[place] if place < len(row) else ""
    return "" if value in SYMBOLS - {"x", "X"} else value
