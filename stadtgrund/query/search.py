"""Full text, as OGC API – Features Part 9 states `q`: terms parted by commas, one of which must match; the words of a term in order.

What is asked is folded here as `sg.fold` folds what is searched: letter by letter the two agree. The stems are PostgreSQL's.
"""

from __future__ import annotations

__all__ = ["MAX_LENGTH", "MAX_WORDS", "Search", "fold", "is_beginning", "spellings"]

import re
import unicodedata
from dataclasses import dataclass
from typing import Self

from stadtgrund.errors import InvalidParameter

MAX_LENGTH = 500
"""Characters of `q`."""
MAX_WORDS = 50
_BEGINNING = 3
"""Letters from which the last word of a term finds the words that begin with it."""
_ALLOWED = (
    f"words, of which each has a letter or a digit: terms parted by commas, of which one must match, each of one word or of several in "
    f"order; at most {MAX_LENGTH} characters and {MAX_WORDS} words"
)

_ACCENTS = re.compile("[\u0300-\u036f]")
_APART = re.compile(
    "[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\xd7\xf7\u2000-\u2bff\u3000-\u303f\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff0-\uffff"
    "\U0001f000-\U0001faff]+"
)
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "ς": "σ"})
_UE = re.compile("(?<![aeq])ue")


def fold(text: str) -> str:
    """Return a text in small letters without accents, its words parted by single spaces."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).lower()
    return _APART.sub(" ", plain.translate(_LETTERS))


def spellings(word: str) -> tuple[str, ...]:
    """Return a folded word as it is and with ae, oe, ue as one letter, where that differs: what is searched has both."""
    return tuple(dict.fromkeys((word, _UE.sub("u", word.replace("ae", "a").replace("oe", "o")))))


def is_beginning(word: str) -> bool:
    """Whether the last word of a term also finds the words that begin with it: not a number, and not one or two letters."""
    return len(word) >= _BEGINNING and word.isalpha()


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: one of the terms, each of which is one or more folded words that follow each other."""

    terms: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of `q`.

        Raises
        ------
        InvalidParameter
            Without any word, and where it is too long.
        """
        if len(text) > MAX_LENGTH:
            raise InvalidParameter("q", f"{text[:60]}… ({len(text)} characters)", _ALLOWED)
        terms = tuple(words for term in text.split(",") if (words := tuple(fold(term).split())))
        if not terms or sum(map(len, terms)) > MAX_WORDS:
            raise InvalidParameter("q", text, _ALLOWED)
        return cls(terms)
