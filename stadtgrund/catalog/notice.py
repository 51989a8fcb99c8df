"""What stands in or beside a file of a collection: what it is, whose, under which licence, of which version and when."""

from __future__ import annotations

__all__ = ["NOTICE_SUFFIX", "as_text", "notice"]

from collections.abc import Mapping
from datetime import UTC, datetime

from stadtgrund.catalog.collection import Collection

NOTICE_SUFFIX = "_lizenz.txt"
"""Behind the collection's id: the name of the notice as a file of its own."""

_GERMAN = {
    "TITLE": "Titel",
    "DESCRIPTION": "Beschreibung",
    "SOURCE": "Quelle",
    "LICENCE": "Lizenz",
    "LICENCE_URL": "Lizenztext",
    "ATTRIBUTION": "Quellenvermerk",
    "ACCESS": "Zugang",
    "COLLECTION": "Sammlung",
    "VERSION": "Version",
    "PUBLISHED": "Veröffentlicht",
    "DATA_AS_OF": "Stand der Daten",
    "EXCERPT": "Auszug",
}


def _instant(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def notice(collection: Collection, *, excerpt: str | None = None) -> dict[str, str]:
    """Return the notice by key, in its order; what is not known is left out.

    `excerpt`: by what the features of the file were chosen, as it was asked; None = they are all there.
    """
    owner = collection.owner
    facts = collection.facts
    found = {
        "TITLE": collection.title.de,
        "DESCRIPTION": collection.description.de,
        "SOURCE": ", ".join(filter(None, (owner.organisation, owner.unit))) if owner else None,
        "LICENCE": collection.licence_title,
        "LICENCE_URL": collection.licence_url,
        "ATTRIBUTION": collection.attribution,
        "ACCESS": collection.access.de,
        "COLLECTION": collection.id,
        "VERSION": str(facts.version),
        "PUBLISHED": _instant(facts.published),
        "DATA_AS_OF": _instant(facts.source_time),
        "EXCERPT": excerpt,
    }
    return {key: value for key, value in found.items() if value}


def as_text(found: Mapping[str, str]) -> str:
    """Return a notice as lines for people."""
    return "".join(f"{_GERMAN[key]}: {' '.join(value.split())}\n" for key, value in found.items())
