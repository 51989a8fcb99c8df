"""Which encoding a text is in: looked at as a whole, stated when it is clear, refused when it is not."""

from __future__ import annotations

__all__ = ["Detected", "Utf8Stream", "detect", "is_known"]

import codecs
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stadtgrund.errors import SourceError
from stadtgrund.language import say

_GERMAN = "äöüßÄÖÜ"
_TYPOGRAPHY = "„“”‚‘’–—€…°²³§é´·µ½¼¾×®«»"
_CANDIDATES = ("cp1252", "cp850", "mac_roman")
_DOUBLE = tuple(letter.encode().decode("latin-1").encode() for letter in "äöüÄÖ")


@dataclass(frozen=True)
class Detected:
    """An encoding by Python's name, and what is odd about the text: `doubly_encoded` is UTF-8 that was taken for CP1252 once ("Ã¤")."""

    name: str
    doubly_encoded: bool = False


def is_known(name: str) -> bool:
    """Whether Python knows the encoding `name`."""
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def detect(chunks: Iterable[bytes], what: str) -> Detected:
    """Return the encoding of a text.

    A byte order mark decides; then whether all of it is UTF-8; then which of the old German encodings (Windows, DOS, Macintosh) turns
    the bytes above 127 into German letters. The text is read once; memory stays that of a chunk.

    Raises
    ------
    SourceError
        When no encoding, or more than one, fits. `what` names the text in the message.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, doubled, first, tail = True, False, True, b""
    histogram = np.zeros(256, dtype=np.int64)
    for chunk in chunks:
        if first:
            first = False
            for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
                if chunk.startswith(mark):
                    return Detected(name)
        histogram += np.bincount(np.frombuffer(chunk, dtype=np.uint8), minlength=256)
        if is_utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
            joined = tail + chunk
            doubled = doubled or any(sign in joined for sign in _DOUBLE)
            tail = chunk[-4:]
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    if is_utf8:
        return Detected("utf-8", doubled)
    return Detected(_by_letters(histogram, what))


def _by_letters(histogram: np.ndarray, what: str) -> str:
    high = {byte: int(histogram[byte]) for byte in range(128, 256) if histogram[byte]}
    total = sum(high.values())
    fit: dict[str, float] = {}
    for name in _CANDIDATES:
        score = 0.0
        for byte, count in high.items():
            letter = bytes([byte]).decode(name, errors="replace")
            # Umlauts tell; signs such as ³ and – exist in each encoding at another place, and tell less.
            score += count * (1.0 if letter in _GERMAN else 0.3 if letter in _TYPOGRAPHY else -1.0 if letter == "\ufffd" else 0.0)
        fit[name] = score / total
    ranked = sorted(fit, key=lambda name: -fit[name])
    best, second = ranked[0], ranked[1]
    if fit[best] >= 0.7 and fit[best] - fit[second] >= 0.3:
        return best
    raise SourceError(
        say(f"Die Zeichenkodierung von {what} ist nicht eindeutig.", f"The encoding of {what} is not clear."),
        remedy=say(
            "Schreiben Sie source.encoding in den Vertrag, z. B. utf-8, cp1252 (Windows), cp850 (DOS) oder mac_roman.",
            "Write source.encoding into the contract, e.g. utf-8, cp1252 (Windows), cp850 (DOS) or mac_roman.",
        ),
    )


class Utf8Stream(io.RawIOBase):
    """A binary stream in UTF-8 (without byte order mark) over one in another encoding.

    Raises
    ------
    SourceError
        When reading meets bytes that the encoding does not have.
    """

    def __init__(self, raw: io.BufferedIOBase, encoding: str, what: str) -> None:
        super().__init__()
        self._raw, self._encoding, self._what = raw, encoding, what
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding in ("utf-8", "utf8", "UTF-8") else encoding)()
        self._ready = b""
        self._done = False
        self._line = 1

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` with UTF-8 and return how many bytes; 0 at the end."""
        while not self._ready and not self._done:
            chunk = self._raw.read(1 << 18)
            self._done = not chunk
            try:
                text = self._decoder.decode(chunk, final=self._done)
            except UnicodeDecodeError as error:
                line = self._line + error.object[: error.start].count(b"\n")
                byte = error.object[error.start]
                raise SourceError(
                    say(
                        f"{self._what} ist nicht in {self._encoding} kodiert: Zeile {line} hat das Byte 0x{byte:02X}.",
                        f"{self._what} is not encoded in {self._encoding}: line {line} has the byte 0x{byte:02X}.",
                    ),
                    remedy=say(
                        "Schreiben Sie die richtige Kodierung in source.encoding (Windows: cp1252) oder lassen Sie den Schlüssel weg.",
                        "Write the right encoding into source.encoding (Windows: cp1252) or leave the key out.",
                    ),
                ) from error
            self._line += text.count("\n")
            self._ready = text.encode()
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        """Close the stream below too."""
        self._raw.close()
        super().close()
