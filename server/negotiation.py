"""Which representation and which language a client gets: `f` and `lang` before the Accept headers."""

from __future__ import annotations

__all__ = ["LANGUAGES", "MEDIA", "choose_format", "choose_language"]

from collections.abc import Iterable

from stadtgrund.errors import InvalidParameter, NotAcceptable

LANGUAGES = ("de", "en")
MEDIA = {
    "json": "application/json",
    "geojson": "application/geo+json",
    "html": "text/html",
    "csv": "text/csv",
    "mvt": "application/vnd.mapbox-vector-tile",
    "schema": "application/schema+json",
    "openapi": "application/vnd.oai.openapi+json;version=3.0",
    "tilejson": "application/vnd.mapbox.tile+json",
}


def _ranges(text: str) -> list[tuple[str, float]]:
    """Return the entries of an Accept header with their q (0 when it is malformed), the best first; equal ones in their order."""
    entries: list[tuple[str, float]] = []
    for part in text.split(",")[:50]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        q = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    q = float(value)
                except ValueError:
                    q = 0.0
        if name:
            entries.append((name.lower(), q))
    return sorted(entries, key=lambda entry: -entry[1])


def choose_format(wanted: str | None, accept: str | None, offered: Iterable[tuple[str, str]]) -> str:
    """Return the format to answer in.

    Parameters
    ----------
    wanted : str, optional
        The parameter `f`.
    accept : str, optional
        The header.
    offered : pairs of format name and media type
        The default first; a media type may stand twice (`json` and `geojson` as names of one).

    Raises
    ------
    InvalidParameter
        `f` is none of the names.
    NotAcceptable
        The header accepts none of the media types.
    """
    offered = tuple(offered)
    names = [name for name, _ in offered]
    if wanted is not None:
        if wanted in names:
            return wanted
        raise InvalidParameter("f", wanted, "one of " + ", ".join(names))
    if not accept:
        return names[0]
    ranges = _ranges(accept)
    refused = {name for name, q in ranges if q <= 0}
    for name, q in ranges:
        if q <= 0:
            break
        for offer, media_type in offered:
            bare = media_type.partition(";")[0]
            if bare in refused:
                continue
            if name in ("*/*", bare) or name == bare.partition("/")[0] + "/*":
                return offer
    # A client that knows JSON but not the special type of it is served: it is JSON.
    if any(name == "application/json" and q > 0 for name, q in ranges):
        for offer, media_type in offered:
            if media_type.partition(";")[0].endswith("+json"):
                return offer
    known = ", ".join(dict.fromkeys(media_type for _, media_type in offered))
    raise NotAcceptable("None of the media types in Accept is offered here.", remedy=f"Offered: {known}.")


def choose_language(wanted: str | None, accept_language: str | None) -> str:
    """Return "de" or "en": `lang`, else the best of Accept-Language that we have, else German.

    Raises
    ------
    InvalidParameter
        `lang` is neither.
    """
    if wanted is not None:
        code = wanted.lower().split("-")[0]
        if code in LANGUAGES:
            return code
        raise InvalidParameter("lang", wanted, "one of " + ", ".join(LANGUAGES))
    for name, q in _ranges(accept_language or ""):
        code = name.split("-")[0]
        if q > 0 and code in LANGUAGES:
            return code
    return LANGUAGES[0]
