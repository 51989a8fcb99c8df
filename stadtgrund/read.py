"""A collection as a GeoDataFrame, for notebooks: all pages, in the CRS that was asked for."""

from __future__ import annotations

__all__ = ["read"]

from typing import TYPE_CHECKING, Any

import requests

from stadtgrund.crs import CRS84_URI
from stadtgrund.errors import NotFound, StadtgrundError, TransientError, Unauthorized, UsageError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PAGE = 10_000


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
        Query parameters of the API: `bbox` (tuple in CRS84), `datetime`, `filter` (CQL2 text), `sortby`, `properties`, or
        any queryable by its name.

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

    parameters = {name: ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value) for name, value in query.items()}
    parameters["limit"] = str(min(limit or PAGE, PAGE))
    if crs:
        parameters["crs"] = CRS84_URI if crs == "OGC:CRS84" else f"http://www.opengis.net/def/crs/EPSG/0/{crs.removeprefix('EPSG:')}"
    headers = {"Accept": "application/geo+json", **({"Authorization": f"Bearer {key}"} if key else {})}
    features: list[dict[str, Any]] = []
    address: str | None = f"{url.rstrip('/')}/collections/{collection}/items"
    with requests.Session() as session:
        while address and (limit is None or len(features) < limit):
            page = _get(session, address, parameters, headers, timeout_s)
            features += page["features"]
            address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
            parameters = {}  # a next link carries them all
    features = features[:limit]
    frame_crs = crs or "OGC:CRS84"
    if not features:
        return geopandas.GeoDataFrame({"geometry": []}, crs=frame_crs)
    frame = geopandas.GeoDataFrame.from_features(features, crs=frame_crs)
    frame.index = pandas.Index([feature["id"] for feature in features], name="id")
    return frame


def _get(session: requests.Session, address: str, parameters: dict[str, str], headers: dict[str, str], timeout_s: float) -> dict[str, Any]:
    try:
        response = session.get(address, params=parameters, headers=headers, timeout=timeout_s)
    except requests.RequestException as error:
        raise TransientError(f"{address} does not answer.", remedy="Is the server running, and the address right?") from error
    if response.ok:
        return dict(response.json())
    try:
        said = str(response.json().get("detail", ""))
    except requests.JSONDecodeError:
        said = ""
    said = said or f"{address} answered {response.status_code}."
    kinds: dict[int, type[StadtgrundError]] = {400: UsageError, 401: Unauthorized, 404: NotFound}
    raise kinds.get(response.status_code, TransientError if response.status_code >= 500 else StadtgrundError)(said)
