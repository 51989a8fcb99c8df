"""The query parameters of `/items`: parsed, validated, and said what is allowed. Nothing of a request reaches SQL before this."""

from __future__ import annotations

__all__ = [
    "DEFAULT_LIMIT",
    "ITEM_PARAMETERS",
    "MAX_LIMIT",
    "MAX_OFFSET",
    "PAGE_PARAMETERS",
    "TILE_PARAMETERS",
    "feature_query",
    "item_options",
    "known_crs",
    "page_offset",
    "page_size",
    "parse_bbox",
    "queryable_names",
    "tile_conditions",
]

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from server.host import Published
from server.problems import refused
from stadtgrund.crs import CRS84, BBox, Crs, from_uri, supported
from stadtgrund.errors import InvalidFilter, InvalidParameter
from stadtgrund.query import cql2
from stadtgrund.query.cursor import Cursor
from stadtgrund.query.expression import Expression, all_of
from stadtgrund.query.feature_query import MAX_OFFSET, FeatureQuery, parse_sortby
from stadtgrund.query.interval import Interval
from stadtgrund.query.relation import Relation
from stadtgrund.query.search import Search

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
"""More counts as this much: QGIS takes it as the size of its pages."""

ITEM_PARAMETERS = ("f", "lang", "crs", "properties", "skipGeometry")
PAGE_PARAMETERS = (
    *ITEM_PARAMETERS,
    "limit",
    "offset",
    "cursor",
    "bbox",
    "bbox-crs",
    "datetime",
    "q",
    "sortby",
    "filter",
    "filter-lang",
    "filter-crs",
)
TILE_PARAMETERS = ("f", "datetime", "filter", "filter-lang", "filter-crs")
_LANGUAGES = ("cql2-text", "cql2-json")
_DIGITS = re.compile(r"\d{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_BBOX = "four numbers (xmin,ymin,xmax,ymax) or six with heights, in the axis order of bbox-crs, each lower value first"


def page_size(query: Mapping[str, str], default: int = DEFAULT_LIMIT) -> int:
    """Return the parameter `limit`.

    Raises
    ------
    InvalidParameter
        It is no whole number from 1.
    """
    return min(_whole(query, "limit", default, 1, 10**40, f"a whole number from 1; more than {MAX_LIMIT} counts as {MAX_LIMIT}"), MAX_LIMIT)


def page_offset(query: Mapping[str, str]) -> int:
    """Return the parameter `offset`.

    Raises
    ------
    InvalidParameter
        It is no whole number from 0.
    """
    return _whole(query, "offset", 0, 0, MAX_OFFSET, "a whole number from 0")


def known_crs(relation: Relation) -> tuple[Crs, ...]:
    """Return the CRSs that a collection speaks, the default of its answers first."""
    return supported(relation.geometry.srid, relation.geometry.dimensions) if relation.geometry else (CRS84,)


def _output_crs(query: Mapping[str, str], relation: Relation) -> Crs:
    """Return the CRS of the parameter `crs`, else the collection's first."""
    known = known_crs(relation)
    return from_uri(query["crs"], known, parameter="crs") if "crs" in query else known[0]


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int, allowed: str) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        raise InvalidParameter(name, text, allowed)
    return int(text)


def _boolean(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text.lower() not in ("true", "false"):
        raise InvalidParameter(name, text, "true or false")
    return text.lower() == "true"


def parse_bbox(text: str, crs: Crs) -> BBox:
    """Read a box in the axis order of its CRS; a geographic one may cross the antimeridian (west > east).

    Raises
    ------
    InvalidParameter
        Not four or six finite numbers, or the lower value of an axis is not the first. Heights are checked also where they select nothing.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (4, 6) or not all(_NUMBER.fullmatch(part) for part in parts):
        raise InvalidParameter("bbox", text, _BBOX)
    numbers = [float(part) for part in parts]
    if not all(map(math.isfinite, numbers)):
        raise InvalidParameter("bbox", text, _BBOX)
    heights = None
    if len(numbers) == 6:
        heights = bottom, top = numbers[2], numbers[5]
        if bottom > top:
            raise InvalidParameter("bbox", text, f"a bottom (third number, here {parts[2]}) not above the top (sixth, here {parts[5]})")
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    xmin, ymin, xmax, ymax = numbers
    if crs.northing_first:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    if ymin > ymax or (xmin > xmax and not crs.geographic):
        raise InvalidParameter("bbox", text, _BBOX)
    if crs.geographic and (abs(xmin) > 180 or abs(xmax) > 180 or abs(ymin) > 90 or abs(ymax) > 90):
        raise InvalidParameter("bbox", text, _BBOX + "; longitudes from -180 to 180, latitudes from -90 to 90")
    return BBox(xmin, ymin, xmax, ymax, crs, heights)


def _properties(query: Mapping[str, str], relation: Relation) -> tuple[str, ...] | None:
    if "properties" not in query:
        return None
    names = [name.strip() for name in query["properties"].split(",")]
    for name in names:
        if name not in relation.by_name:
            raise InvalidParameter("properties", name, "some of " + ", ".join(relation.by_name))
    return tuple(name for name in relation.by_name if name in names)


def queryable_names(relation: Relation) -> tuple[str, ...]:
    """Return the attributes that are query parameters of their own: all but JSON, which equals nothing."""
    return tuple(column.name for column in relation.columns if column.type != "json" and column.name not in PAGE_PARAMETERS)


def item_options(query: Mapping[str, str], relation: Relation) -> tuple[Crs, tuple[str, ...] | None, bool]:
    """Return CRS, attributes and whether the geometry is left out."""
    return _output_crs(query, relation), _properties(query, relation), _boolean(query, "skipGeometry")


def _filter(query: Mapping[str, str], relation: Relation) -> Expression | None:
    language = query.get("filter-lang", _LANGUAGES[0])
    if language not in _LANGUAGES:
        raise InvalidParameter("filter-lang", language, "one of " + ", ".join(_LANGUAGES))
    crs = from_uri(query["filter-crs"], known_crs(relation), parameter="filter-crs") if "filter-crs" in query else CRS84
    text = query.get("filter")
    if text is None:
        return None
    if not text.strip():
        raise InvalidFilter("The filter is empty.", remedy="Leave the parameter out, or write a CQL2 expression.")
    return cql2.parse(text, language, relation, crs)


def tile_conditions(query: Mapping[str, str], relation: Relation) -> tuple[Expression | None, Interval | None]:
    """Return filter and time of a request for a tile."""
    return _filter(query, relation), Interval.parse(query["datetime"]) if "datetime" in query else None


def feature_query(query: Mapping[str, str], published: Published, default_limit: int = DEFAULT_LIMIT) -> FeatureQuery:
    """Return what a request for a page asks; all parameters are checked, unknown ones refused.

    Raises
    ------
    InvalidParameter, InvalidFilter, InvalidCursor
        Naming what is wrong and what is allowed.
    """
    relation = published.relation
    by_name = queryable_names(relation)
    for name, value in query.items():
        if name not in PAGE_PARAMETERS and name not in by_name:
            raise refused(name, value, "no such parameter; known are " + ", ".join((*PAGE_PARAMETERS, *by_name)))
    crs, properties, skip_geometry = item_options(query, relation)
    box_crs = from_uri(query["bbox-crs"], known_crs(relation), parameter="bbox-crs") if "bbox-crs" in query else CRS84
    conditions = [_filter(query, relation), *(cql2.equal(relation, name, query[name]) for name in query if name in by_name)]
    limit = page_size(query, default_limit)
    offset = page_offset(query)
    if "cursor" in query and "offset" in query:
        raise InvalidParameter("offset", query["offset"], "no offset beside a cursor: the cursor says where the page begins")
    asked = FeatureQuery(
        relation=relation,
        limit=limit,
        offset=offset,
        bbox=parse_bbox(query["bbox"], box_crs) if "bbox" in query else None,
        datetime=Interval.parse(query["datetime"]) if "datetime" in query else None,
        properties=properties,
        sortby=parse_sortby(query["sortby"], relation) if "sortby" in query else (),
        search=Search.parse(query["q"]) if "q" in query else None,
        filter=all_of(conditions),
        crs=crs,
        skip_geometry=skip_geometry,
    )
    return replace(asked, cursor=Cursor.decode(query["cursor"], asked)) if "cursor" in query else asked
