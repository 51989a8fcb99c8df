"""How the geometry of a form's tiles is prepared, as SQL: full detail in Web Mercator, and levels generalised from it.

A level is made from the one above it, in units of its own zoom. Coordinates are rounded to a quarter of a pixel (half a pixel or one
where a tile would be too large), each for itself, so that what areas share stays shared. What is smaller than so many pixels goes:
areas of one cell of that size become a square as large as they are together, where their mass lies, with the id and the attributes of
the largest; of points one a cell stays; lines are dropped. tippecanoe does much the same (its reduction of tiny polygons,
`--drop-smallest-as-needed`, `--cluster-distance`).
"""

from __future__ import annotations

__all__ = ["Tally", "TilePlan"]

import hashlib
from dataclasses import dataclass
from functools import cached_property

from stadtgrund.catalog.contract import Tiles
from stadtgrund.query.feature import linear
from stadtgrund.query.matrix_set import HALF_M, MATRIX_SETS, UNITS, MatrixSet
from stadtgrund.query.projection import Rectangle
from stadtgrund.query.relation import Column, Relation
from stadtgrund.query.statement import Statement
from stadtgrund.query.tile_source import FULL, LEVELS_UP_TO, attribute, columns_at, prepared_rows, units
from stadtgrund.query.tiles import MAX_FEATURES, encoded, fields_at

PIXEL = 8
"""Units of a pixel: a tile has 512."""
_MOST_SPANNED = 4096
"""What spans more tiles is not weighed: its share of each is small."""
_HEAVIEST = 40
_DIMENSION = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
_MERCATOR = MATRIX_SETS["WebMercatorQuad"]


@dataclass(frozen=True, slots=True)
class Tally:
    """The query of the heaviest tiles of a level in one matrix set (`x, y, weight`, the heaviest first), and how to make one."""

    matrices: MatrixSet
    zoom: int
    query: str

    def box(self, level: int, x: int, y: int) -> Rectangle:
        """Return a tile with its buffer in units of the level."""
        return units(self.matrices.reach(self.zoom, x, y), self.matrices, level)


@dataclass(frozen=True, eq=False)
class TilePlan:
    """The statements that prepare the tiles of one form; names of tables are given quoted. They have no placeholders but in `tile`."""

    relation: Relation
    tiles: Tiles

    @cached_property
    def definition(self) -> str:
        """Hash of all that the prepared geometry depends on beside the rows."""
        levels = [text for zoom in self.zooms for text in self.level("", FULL, zoom, 1)]
        parts = (self.tiles.model_dump_json(), self.full(""), *levels)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    @property
    def zooms(self) -> tuple[int, ...]:
        """The zooms that may need a level, the finest first."""
        low, high = self.tiles.zoom
        return tuple(range(min(high, LEVELS_UP_TO), low - 1, -1))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return ("sg_level", "sg_id", "sg_count", *(column.name for column in self._stored(None)), "geom")

    @property
    def full_level(self) -> int:
        """Number of the level with full detail."""
        return FULL

    @property
    def areal(self) -> bool:
        """Whether the geometries are areas, which may share edges."""
        return self._dimension == 2

    def may_be_full(self, zoom: int) -> bool:
        """Whether full detail serves a zoom as long as its tiles stay small: of points, and at the last zoom, which clients enlarge."""
        return self._dimension == 0 or zoom == self.tiles.zoom[1]

    @property
    def _dimension(self) -> int | None:
        assert self.relation.geometry
        return _DIMENSION.get(self.relation.geometry.type)

    def _stored(self, zoom: int | None) -> tuple[Column, ...]:
        """Return the columns that the tiles of a zoom, or of one that is made from it, carry; None = of any zoom."""
        low, high = self.tiles.zoom
        named = [fields_at(self.tiles, each) for each in range(low, (high if zoom is None else zoom) + 1)]
        return tuple(column for column in self.relation.columns if any(names is None or column.name in names for names in named))

    def full(self, rows: str) -> str:
        """Return the query of full detail, from the form's rows: in their order, which is a Hilbert curve's."""
        assert self.relation.geometry
        geom = f"ST_Force2D({linear('f.geom', self.relation)})"
        if self.relation.geometry.srid != _MERCATOR.crs.srid:
            geom = f"ST_Transform({geom}, {_MERCATOR.crs.srid:d})"
        values = "".join(f", {attribute(column)} AS {column.sql}" for column in self._stored(None))
        return _plain(
            f"SELECT {FULL:d}::smallint AS sg_level, f.sg_id, NULL::bigint AS sg_count{values}, {geom} AS geom"
            f" FROM {rows} f WHERE NOT ST_IsEmpty(f.geom)"
        )

    def with_geometry(self, table: str, other: str) -> str:
        """Return what to read full detail from, with the geometry that another table has for it."""
        names = "".join(f", f.{column.sql}" for column in self._stored(None))
        return _plain(f"(SELECT f.sg_level, f.sg_id, f.sg_count{names}, o.geom FROM {table} f JOIN {other} o USING (sg_id)) f")

    def level(self, source: str, above: int, zoom: int, pixels: float) -> tuple[str, str]:
        """Return the queries of a level: of what stays as it is, and of what stands for others.

        Parameters
        ----------
        source : str
            Where the level `above` is, `FULL` or of a finer zoom.
        pixels : float
            What is smaller goes; 0 = nothing goes.
        """
        names = "".join(f", {column.sql}" for column in self._stored(zoom))
        grid = 1 if pixels == 0 else PIXEL // 4 if pixels <= 1 else PIXEL // 2 if pixels < PIXEL else PIXEL
        size, goes = repr(float(pixels * PIXEL)), _goes(pixels)
        measured = f"m AS ({self._measured(source, above, zoom, names)})"
        rounded = self._rounded(zoom, above, grid)
        head = f"SELECT {zoom:d}::smallint AS sg_level, sg_id, nullif(n, 1) AS sg_count{names}, "
        stays = (
            f"WITH {measured}, r AS (SELECT sg_id, n, d{names}, {rounded} AS geom FROM m WHERE NOT {goes} OFFSET 0),"
            f" v AS (SELECT sg_id, n{names}, {_VALID} AS geom FROM r OFFSET 0)"
            f" {head}geom FROM v WHERE NOT ST_IsEmpty(geom)"
        )
        scale = self._scale(above, zoom)[0]
        # One number for a cell sorts in half the time of three; 27 bits hold a row of the finest level.
        merged = (
            f"WITH {measured}, a AS (SELECT sg_id, n, d{names}, geom, (x0 + x1) / 2 AS x, (y0 + y1) / 2 AS y,"
            f" (floor((x0 + x1) / 2 / {size})::bigint << 32) + (floor((y0 + y1) / 2 / {size})::bigint << 2) + d AS cell,"
            f" greatest(ST_Area(geom) * {scale * scale!r}, 1e-9) AS a FROM m WHERE d <> 1 AND {goes} OFFSET 0),"
            f" m2 AS (SELECT sg_id, d{names}, geom, sum(n) OVER c AS n, count(*) OVER c AS held, sum(a) OVER c AS a,"
            " sum(a * x) OVER c / sum(a) OVER c AS x, sum(a * y) OVER c / sum(a) OVER c AS y, row_number() OVER o AS rank FROM a"
            " WINDOW c AS (PARTITION BY cell), o AS (c ORDER BY a DESC, sg_id)),"
            f" r AS (SELECT sg_id, n::bigint, d, a, x, y{names}, CASE WHEN d = 0 OR held = 1 THEN {rounded} END AS geom"
            " FROM m2 m WHERE rank = 1 OFFSET 0),"
            f" v AS (SELECT sg_id, n, a, x, y{names}, CASE WHEN geom IS NOT NULL THEN {_VALID} END AS geom FROM r OFFSET 0)"
            f" {head}CASE WHEN geom IS NULL OR ST_IsEmpty(geom) THEN {_SQUARE} ELSE geom END AS geom FROM v"
        )
        return _plain(stays), _plain(merged)

    def part(self, source: str, level: int, zoom: int, box: Rectangle) -> str:
        """Return the query of a level's rows in a box, which is in units of another."""
        scale, shift = self._scale(level, zoom)
        corners = ", ".join(repr((side - shift) / scale) for side in box)
        return f"SELECT * FROM {source} WHERE sg_level = {level:d} AND geom && ST_MakeEnvelope({corners})"

    def weights(self, source: str, above: int, zoom: int) -> str:
        """Return the query of a source's rows: middle of the box, longer side (in units), dimension, about how many bytes of a tile."""
        return _plain(
            "SELECT (x0 + x1) / 2, (y0 + y1) / 2, greatest(x1 - x0, y1 - y0), d::double precision,"
            f" {self._each(zoom):d} + 2.5 * ST_NPoints(geom)::double precision FROM ({self._measured(source, above, zoom, '')}) m"
        )

    def _measured(self, source: str, above: int, zoom: int, names: str) -> str:
        """Return the query of a source's rows with their boxes in units of the level, and their dimension `d`."""
        scale, shift = self._scale(above, zoom)
        sides = ", ".join(
            f"ST_{side}Min(b) * {scale!r} + {shift!r} AS {side}0, ST_{side}Max(b) * {scale!r} + {shift!r} AS {side}1" for side in "XY"
        )
        dimension = "ST_Dimension(geom)" if self._dimension is None else f"{self._dimension:d}"
        # The box of a geometry is measured once; what is cached with it is rounded to seven digits.
        return (
            f"SELECT sg_id, n, d{names}, geom, {sides} FROM (SELECT sg_id, coalesce(sg_count, 1) AS n, {dimension} AS d{names}, geom,"
            f" geom::box3d AS b FROM {source} WHERE sg_level = {above:d} OFFSET 0) b OFFSET 0"
        )

    def _scale(self, above: int, zoom: int) -> tuple[float, float]:
        """Return factor and summand that turn the coordinates of a source into units of a level."""
        if above != FULL:
            return 2.0 ** (zoom - above), 0.0
        size = float(UNITS * 2**zoom)
        return size / (2 * HALF_M), size / 2

    def _rounded(self, zoom: int, above: int, grid: int) -> str:
        """Return the expression (over `m`) of a geometry in units of the level, rounded; NULL or empty when nothing is left."""
        scale, shift = self._scale(above, zoom)
        moved = f"ST_SetSRID(ST_Affine(m.geom, {scale!r}, 0, 0, {scale!r}, {shift!r}, {shift!r}), 0)"
        forms = [
            f"ST_SnapToGrid({moved}, 1)",
            f"ST_Simplify(ST_SnapToGrid({moved}, {grid:d}), {grid:d})",
            f"ST_ForcePolygonCW(ST_SnapToGrid({moved}, {grid:d}))",
        ]
        if self._dimension is not None:
            return forms[self._dimension]
        pure = [form.replace("m.geom", f"ST_CollectionExtract(m.geom, {number + 1:d})") for number, form in enumerate(forms)]
        return f"CASE d WHEN 0 THEN {pure[0]} WHEN 1 THEN {pure[1]} ELSE {pure[2]} END"

    def tallies(self, source: str, level: int, zoom: int, share: float = 1) -> tuple[Tally, ...]:
        """Return the queries of the heaviest tiles that a level makes at a zoom, one a matrix set.

        Parameters
        ----------
        share : float
            Of the rows, so many are weighed; a table is sampled, where it is less than 1.
        """
        return tuple(Tally(matrices, zoom, self._tally(source, level, zoom, matrices, share)) for matrices in MATRIX_SETS.values())

    def _tally(self, source: str, level: int, zoom: int, matrices: MatrixSet, share: float) -> str:
        size = UNITS * 2**zoom

        def row(y: str) -> str:
            if not matrices.crs.geographic:
                return f"floor(({size:d} - {y}) / {UNITS:d})::integer"
            return f"floor((90 - degrees(atan(sinh(pi() * (2 * {y} / {size:d} - 1))))) / 180 * {2**zoom:d})::integer"

        width = UNITS // matrices.columns
        columns = f"floor(x0 / {width:d})::integer AS c0, floor(x1 / {width:d})::integer AS c1, {row('y1')} AS r0, {row('y0')} AS r1"
        each = self._each(zoom)
        sample = f"{source} TABLESAMPLE BERNOULLI ({100 * share!r}) REPEATABLE (1)" if share < 1 else source
        return _plain(
            f"WITH m AS ({self._measured(sample, level, zoom, '')}),"
            f" t AS (SELECT {columns}, {each:d} + 2.5 * ST_NPoints(geom) AS w FROM m OFFSET 0),"
            " p AS (SELECT c0 AS x, r0 AS y, w FROM t WHERE c0 = c1 AND r0 = r1 UNION ALL"
            f" SELECT x, y, {each:d} + w / ((c1 - c0 + 1) * (r1 - r0 + 1)) FROM t, generate_series(c0, c1) x, generate_series(r0, r1) y"
            f" WHERE (c0 < c1 OR r0 < r1) AND (c1 - c0 + 1)::bigint * (r1 - r0 + 1) <= {_MOST_SPANNED:d})"
            f" SELECT x, y, sum(w)::double precision / {share!r} FROM p GROUP BY x, y ORDER BY 3 DESC LIMIT {_HEAVIEST:d}"
        )

    def _each(self, zoom: int) -> int:
        """Return about how many bytes of a tile a feature takes beside its coordinates."""
        return 16 + 4 * len(columns_at(self.relation.columns, fields_at(self.tiles, zoom)))

    def tile(self, source: str, level: int, tally: Tally, x: int, y: int) -> Statement:
        """Return the statement of a tile's size in bytes."""
        columns = columns_at(self.relation.columns, fields_at(self.tiles, tally.zoom))
        rows = prepared_rows(source, columns, self.relation.id_type, tally.matrices, (tally.zoom, x, y), level, MAX_FEATURES)
        return Statement(f"SELECT octet_length(coalesce({encoded(self.relation)}, '')) FROM ({rows.sql}) m", rows.params)


def _goes(pixels: float) -> str:
    """Return the condition that a feature is smaller than a size."""
    if pixels == 0:
        return "FALSE"
    small = f"greatest(x1 - x0, y1 - y0) < {float(pixels * PIXEL)!r}"
    # A short line may be a link of a road: it goes when rounding leaves nothing of it, and where room is short.
    return f"(d = 0 OR d = 2 AND {small})" if pixels == 1 else f"(d = 0 OR {small})"


_SQUARE = (
    "(SELECT ST_ForcePolygonCW(ST_MakeEnvelope(l, b, l + side, b + side)) FROM"
    " (SELECT side, round(x - side / 2) AS l, round(y - side / 2) AS b FROM (SELECT greatest(1, round(sqrt(a))) AS side) q) q)"
)
_VALID = (
    "CASE WHEN d < 2 OR ST_IsEmpty(geom) OR ST_IsValid(geom) THEN geom"
    " ELSE ST_ForcePolygonCW(ST_CollectionExtract(ST_ReducePrecision(ST_CollectionExtract(ST_MakeValid(geom), 3), 1), 3)) END"
)
"""A geometry of units whose rings may cross since they were rounded, as one whose rings do not, in units again."""


def _plain(sql: str) -> str:
    return sql.replace("%%", "%")  # runs without placeholders
