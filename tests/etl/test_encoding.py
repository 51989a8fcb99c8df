from __future__ import annotations

import io

import pytest

from etl.extract.encoding import Detected, Utf8Stream, detect
from stadtgrund.errors import SourceError

_TEXT = "Straße;Größe\nKöln;Düsseldorf\nÄußere Übersicht;schön\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "cp850", "mac_roman", "utf-16"])
def test_german_text_is_recognised(encoding: str) -> None:
    found = detect([_TEXT.encode(encoding)], "t.csv")
    assert _TEXT.encode(encoding).decode(found.name) == _TEXT


def test_a_letter_across_two_chunks_is_still_utf8() -> None:
    data = _TEXT.encode()
    assert detect([data[:5], data[5:]], "t.csv") == Detected("utf-8")
    assert [data[4:5], data[5:6]] == [b"\xc3", b"\x9f"]


def test_double_encoding_is_told() -> None:
    assert detect([_TEXT.encode().decode("latin-1").encode()], "t.csv").doubly_encoded


def test_what_is_not_clear_is_refused_with_what_to_write() -> None:
    with pytest.raises(SourceError, match=r"kodierung von t\.csv ist nicht eindeutig.*source\.encoding"):
        detect([bytes(range(128, 256)) * 3], "t.csv")


def test_a_wrong_encoding_names_line_and_byte() -> None:
    stream = io.BufferedReader(Utf8Stream(io.BytesIO(b"a\nb\nStra\xdfe\n"), "utf-8", "t.csv"))
    with pytest.raises(SourceError, match=r"t\.csv ist nicht in utf-8 kodiert: Zeile 3 hat das Byte 0xDF"):
        stream.read()
