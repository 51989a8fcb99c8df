"""A collection as a GeoDataFrame, for notebooks: all pages, in the CRS that was asked for."""

from __future__ import annotations

__all__ = ["read"]

from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from stadtgrund.crs import CRS84_URI
from stadtgrund.errors import NotFound, StadtgrundError, TransientError, Unauthorized, UsageError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PAGE = 10_000
"""Features of one request: the most that the API gives."""

_DASHED = {name.replace("-", "_"): name for name in ("bbox-crs", "filter-crs", "filter-lang")}


def read(
    url: str,
    collection: str,
    *,
    key: str | None = None,
    crs: str | None = None,
    limit: int | None = None,
    timeout_s: float = 60,
    **query: Any,
) -> GeoDataFrame:
    """Return a collection's features, index = feature id, all pages.

    Parameters
    ----------
    url : str
        Landing page of the API.
    collection : str
        Id of the collection.
    key : str, optional
        A key of the administration; without it, what is open.
    crs : str, optional
        "EPSG:25832" and the like; default CRS84 (longitude, latitude).
    limit : int, optional
        At most so many features.
    **query
        Query parameters of the API: `bbox` (tuple in CRS84), `datetime` (text, a day, or a pair of which None is open), `filter`
        (CQL2 text), `sortby`, `properties` (list), or any queryable by its name. `filter_crs` and the like stand for `filter-crs`.

    Returns
    -------
    GeoDataFrame
        One row a feature, days as ISO text. Without features it has the columns all the same.

    Raises
    ------
    UsageError
        What the API says of a wrong parameter.
    NotFound, Unauthorized
        An unknown collection, a key that is not valid.
    TransientError
        No answer, or one that a later call may better.

    Examples
    --------
    >>> trees = read("http://localhost:5000", "baeume", bbox=(7.9, 49.5, 7.95, 49.55))  # doctest: +SKIP
    """
    import geopandas
    import pandas

    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} is not valid.", remedy="Allowed: a whole number from 1, or None for all.")
    given = {_DASHED.get(name, name): _text(name, value) for name, value in query.items()}
    parameters = {**given, "limit": str(min(limit or PAGE, PAGE))}
    frame_crs = "OGC:CRS84"
    if crs and crs not in ("OGC:CRS84", "CRS84"):
        frame_crs = f"EPSG:{crs.upper().removeprefix('EPSG:')}"
        parameters["crs"] = f"http://www.opengis.net/def/crs/EPSG/0/{frame_crs.removeprefix('EPSG:')}"
    elif crs:
        parameters["crs"] = CRS84_URI
    home = f"{url.rstrip('/')}/collections/{quote(collection, safe='')}"
    features: list[dict[str, Any]] = []
    with requests.Session() as session:
        session.headers.update({"Accept": "application/geo+json, application/json;q=0.9"})
        if key:
            session.headers["Authorization"] = f"Bearer {key}"
        address: str | None = f"{home}/items"
        while address and (limit is None or len(features) < limit):
            page = _get(session, address, parameters, timeout_s)
            features += page["features"]
            address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
            parameters = {}  # a next link carries them all
        if not features:
            columns = _columns(_get(session, f"{home}/schema", {"f": "json"}, timeout_s), given.get("properties"))
            return geopandas.GeoDataFrame(columns=[*columns, "geometry"], geometry="geometry", crs=frame_crs)
    features = features[:limit]
    frame = geopandas.GeoDataFrame.from_features(features, crs=frame_crs)
    frame.index = pandas.Index([feature["id"] for feature in features], name="id")
    return frame


def _text(name: str, value: Any) -> str:
    """Return a parameter's value as the API reads it."""
    if name == "datetime" and isinstance(value, list | tuple):
        return "/".join(".." if end is None else _text("", end) for end in value)
    if isinstance(value, list | tuple):
        return ",".join(_text("", part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)  # a datetime is a date too


def _columns(schema: dict[str, Any], properties: str | None) -> list[str]:
    """Return the attributes' names in the order of the schema, as far as `properties` asks for them."""
    # An id that is read only is the feature's, not one of its properties.
    apart = {name for name, each in schema["properties"].items() if each.get("x-ogc-role") == "id" and each.get("readOnly")}
    names = [name for name, each in schema["properties"].items() if each.get("x-ogc-role") != "primary-geometry" and name not in apart]
    return [name for name in names if name in properties.split(",")] if properties is not None else names


def _get(session: requests.Session, address: str, parameters: dict[str, str], timeout_s: float) -> dict[str, Any]:
    try:
        response = session.get(address, params=parameters, timeout=timeout_s)
    except requests.RequestException:  # its own chain of causes fills a notebook's page and says no more
        raise TransientError(f"{address} does not answer.", remedy="Is the server running, and the address right?") from None
    try:
        body = response.json()
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        body = {}
        if response.ok:
            raise StadtgrundError(f"{address} answers, but not as OGC API Features does.", remedy="Is it the landing page's address?")
    if response.ok:
        return body
    said = str(body.get("detail") or f"{address} answered {response.status_code}.")
    kinds: dict[int, type[StadtgrundError]] = {400: UsageError, 401: Unauthorized, 404: NotFound}
    raise kinds.get(response.status_code, TransientError if response.status_code >= 500 else StadtgrundError)(said)
