"""Which representation and which language a client gets: `f` and `lang` before the Accept headers."""

from __future__ import annotations

__all__ = ["LANGUAGES", "MEDIA", "choose_format", "choose_language", "weighted"]

from collections.abc import Iterable
from functools import lru_cache

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


_LONGEST = 2000
"""Characters of an Accept header that are looked at: no client's is longer."""


def weighted(text: str) -> list[tuple[str, float]]:
    """Return the entries of an Accept header in their order: in lower case, without parameters, with their q (0 when it is malformed)."""
    entries: list[tuple[str, float]] = []
    for part in text[:_LONGEST].split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        q = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    q = float(value)
                except ValueError:
                    q = 0.0
                q = q if 0 <= q <= 1 else 0.0  # neither 7 nor nan is a weight
        if name:
            entries.append((name.lower(), q))
    return entries


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
    best = _best(accept[:_LONGEST], offered) if accept else names[0]
    if best is None:
        known = ", ".join(dict.fromkeys(media_type for _, media_type in offered))
        raise NotAcceptable("None of the media types in Accept is offered here.", remedy=f"Offered: {known}.")
    return best


@lru_cache(maxsize=512)
def _best(accept: str, offered: tuple[tuple[str, str], ...]) -> str | None:
    """Return the format that Accept weighs most, None when it takes none; of equal ones the first by the header, then by us.

    The weight of a media type is that of the most specific range it is in (RFC 9110, 12.5.1).
    """
    ranges = list(enumerate(weighted(accept)))
    if not ranges:
        return offered[0][0]
    found: list[tuple[float, int, int, str]] = []
    for number, (offer, media_type) in enumerate(offered):
        bare = media_type.partition(";")[0]
        # A client that knows JSON but not the special type of it is served: it is JSON.
        json = ("application/json",) if bare.endswith("+json") else ()
        for name in (bare, *json, bare.partition("/")[0] + "/*", "*/*"):
            listed = [(q, place) for place, (known, q) in ranges if known == name]
            if listed:
                q, place = listed[0]
                found += [(-q, place, number, offer)] if q > 0 else []
                break
    return min(found)[3] if found else None


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
    return _language(accept_language[:_LONGEST]) if accept_language else LANGUAGES[0]


@lru_cache(maxsize=512)
def _language(accept: str) -> str:
    best = max(
        ((q, -place, name.split("-")[0]) for place, (name, q) in enumerate(weighted(accept)) if q > 0 and name.split("-")[0] in LANGUAGES),
        default=(0.0, 0, LANGUAGES[0]),
    )
    return best[2]
