"""From a question to SQL: `FeatureQuery` and `Expression` in, one `Statement` out.

Values are bound, geometries of a request are transformed to the storage CRS (never the column), and each statement returns the
version of the data in the same snapshot. `server` and `providers` ask by it; nobody else writes SQL over published data.
"""

from __future__ import annotations

__all__ = [
    "Column",
    "Count",
    "Cursor",
    "Expression",
    "FeatureQuery",
    "Interval",
    "Item",
    "Page",
    "Relation",
    "SortKey",
    "Statement",
    "Tile",
    "all_of",
    "compile_text",
    "compile_tiles",
    "compile_where",
    "cql2",
    "from_pygeofilter",
    "items",
    "parse_sortby",
    "sortables",
    "tiles",
]

from stadtgrund.query import cql2, items, tiles
from stadtgrund.query.cursor import Cursor
from stadtgrund.query.expression import Expression, all_of
from stadtgrund.query.feature_query import FeatureQuery, SortKey, parse_sortby, sortables
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.query.interval import Interval
from stadtgrund.query.items import Count, Item, Page
from stadtgrund.query.pygeofilter import from_pygeofilter
from stadtgrund.query.relation import Column, Relation
from stadtgrund.query.statement import Statement
from stadtgrund.query.tiles import Tile
