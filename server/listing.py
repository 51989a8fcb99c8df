"""The list of collections for people: searched by words, grouped by theme, light enough for thousands."""

from __future__ import annotations

__all__ = ["GROUPED_ABOVE", "Listing", "Row", "Theme", "listing", "matches"]

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from server.answer import rfc3339
from stadtgrund.catalog.collection import Collection

GROUPED_ABOVE = 50
"""Collections above which a list has themes, and pages that are about something else link to it."""
_BROAD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True, slots=True)
class Row:
    """A collection as one line. `count` None: it has no items. `date` is an RFC 3339 instant."""

    id: str
    title: str
    description: str
    count: int | None
    raster: bool
    date: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Collections of one theme: their first keyword ("" = they have none)."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What of `total` collections is shown; `words` is what was searched."""

    themes: tuple[Theme, ...]
    total: int
    words: str = ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All lines, theme after theme."""
        return tuple(row for theme in self.themes for row in theme.rows)

    @property
    def grouped(self) -> bool:
        """Whether the themes are shown."""
        return len(self.rows) > GROUPED_ABOVE and len(self.themes) > 1


def listing(collections: Iterable[Collection], language: str, words: str = "") -> Listing:
    """Return the lines of the collections that `words` find in id, title, description, keywords or former names; "" = all."""
    every = list(collections)
    shown = [collection for collection in every if matches(collection, words)] if words else every
    themes: dict[str, list[Row]] = {}
    if len(shown) <= GROUPED_ABOVE:
        themes[""] = [_row(collection, language) for collection in shown]
    else:
        for collection in shown:
            themes.setdefault(collection.keywords[0] if collection.keywords else "", []).append(_row(collection, language))
    # What has no theme stands last.
    order = sorted(themes, key=lambda name: (not name, _folded(name)))
    return Listing(tuple(Theme(name, tuple(themes[name])) for name in order), len(every), words)


def matches(collection: Collection, words: str) -> bool:
    """Return whether a collection has all words of one of the terms, which commas part.

    "strasse" finds "Straße", "baume" and "baeume" find "Bäume".
    """
    text = _text(collection)
    terms = [term.split() for term in _folded(words).split(",")]
    return any(term and all(word in text for word in term) for term in terms)


def _text(collection: Collection) -> str:
    parts = [collection.id, *collection.keywords, *collection.identifiers]
    for each in (collection.title, collection.description):
        parts += [each.de, each.en or ""]
    told = " ".join(parts)
    return f"{_folded(told)} {told.casefold().translate(_BROAD)}"


def _folded(text: str) -> str:
    """Return the text in small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _row(collection: Collection, language: str) -> Row:
    facts = collection.facts
    return Row(
        id=collection.id,
        title=collection.title.get(language),
        description=collection.description.get(language),
        count=facts.count if collection.items else None,
        raster=collection.raster,
        date=rfc3339(facts.source_time or facts.published),
    )
