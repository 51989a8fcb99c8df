"""Makes the levels of a tile table, each as fine as the limit on a tile's bytes lets it be."""

from __future__ import annotations

__all__ = ["MOST_BYTES", "Levels", "Plan", "Sized", "Tally"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import psycopg
from psycopg import sql

from stadtgrund.catalog.collection import TileLevel
from stadtgrund.store.coverage import Coverage

MOST_BYTES = 500_000
"""Of a tile that is made of a level, before it is compressed."""
_SURE = 0.85
"""A tile that seems to reach this share of the limit is made, to know its size."""
_FEW_ROWS = 1000
"""A table with fewer is read whole as fast as through an index."""
_SAMPLE = 50_000
"""Rows that show well enough which tiles are the heaviest."""
_SIZES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 256.0, 512.0)
"""Pixels below which features go, tried in this order."""
_PIXEL = 8
"""Units of a pixel."""
_PIXEL_M = 40_075_016.686 / 512
"""Width of a pixel at zoom 0, in metres of Web Mercator."""

type Box = tuple[float, float, float, float]


class Sized(Protocol):
    """The statement of a tile's bytes."""

    @property
    def sql(self) -> str:
        """Text with %s placeholders."""

    @property
    def params(self) -> Sequence[Any]:
        """Their values."""


class Tally(Protocol):
    """The heaviest tiles that features make in one matrix set."""

    @property
    def query(self) -> str:
        """Query of `x, y, weight`, the heaviest first."""

    def box(self, level: int, x: int, y: int) -> Box:
        """Return a tile with its buffer in units of a level."""


class Plan(Protocol):
    """What the statements are; `query.tile_plan.TilePlan` is one. Names of tables are given and returned quoted."""

    @property
    def definition(self) -> str:
        """Hash of all that the table depends on beside the rows."""

    @property
    def zooms(self) -> Sequence[int]:
        """Zooms that may need a level, the finest first."""

    @property
    def full_level(self) -> int:
        """Number of the level with full detail."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table."""

    @property
    def areal(self) -> bool:
        """Whether the geometries are areas."""

    def may_be_full(self, zoom: int) -> bool:
        """Whether full detail serves a zoom as long as its tiles stay small."""

    def full(self, rows: str) -> str:
        """Return the query of full detail."""

    def with_geometry(self, table: str, other: str) -> str:
        """Return what to read full detail from, with the geometry that another table has for it."""

    def level(self, source: str, above: int, zoom: int, pixels: float) -> tuple[str, str]:
        """Return the queries of what stays in a level, and of what stands for others."""

    def part(self, source: str, level: int, zoom: int, box: Box) -> str:
        """Return the query of a level's rows in a box, which is in units of another."""

    def weights(self, source: str, above: int, zoom: int) -> str:
        """Return the query of a source's rows: middle (x, y), longer side in units, dimension, about how many bytes of a tile."""

    def tallies(self, source: str, level: int, zoom: int, share: float = 1) -> Sequence[Any]:
        """Return a `Tally` for each matrix set, of a share of a level's rows."""

    def tile(self, source: str, level: int, tally: Any, x: int, y: int) -> Sized:
        """Return the statement of a tile's bytes."""


class Levels:
    """The levels of one table, made with it."""

    def __init__(self, connection: psycopg.Connection[Any], plan: Plan, relation: tuple[str, str]) -> None:
        self._connection, self._plan = connection, plan
        self._table = self._source = _quoted(connection, *relation)
        self._above, self._pixels = plan.full_level, 1.0
        self._share, self._rows, self._density = 1.0, 0, 0.0
        self._coverage: Coverage | None = None

    def make(self, rows: tuple[str, str]) -> tuple[TileLevel, ...]:
        """Make the table of the form's rows; return its levels, the coarsest first."""
        # PostGIS reports each geometry that rounding made invalid; it is repaired. Tables are joined whole, and without
        # statistics a nested loop would seem cheap.
        self._run("SELECT set_config('client_min_messages', 'warning', true), set_config('enable_nestloop', 'off', true)")
        self._run(f"CREATE TABLE {self._table} AS {self._plan.full(_quoted(self._connection, *rows))}")
        total = self._row(f"SELECT count(*) FROM {self._table}")[0]
        self._share = _share(total)
        if self._plan.areal and self._plan.zooms:
            self._coverage = Coverage.of(self._connection, self._table, self._plan.full_level)
        made = [level for zoom in self._plan.zooms if (level := self._level(zoom, total))]
        if self._source not in (self._table, ""):
            self._run("DROP TABLE IF EXISTS sg_tile_coverage" if self._coverage else f"DROP TABLE {self._source}")
        self._run("SELECT set_config('enable_nestloop', 'on', true)")
        self._finish(total + sum(level.features for level in made))
        return tuple(reversed(made))

    def _level(self, zoom: int, total: int) -> TileLevel | None:
        """Make the level of a zoom and add it to the table; None where full detail serves."""
        # Of points, full detail is too large for a zoom as soon as it is for the one after it.
        if self._above == self._plan.full_level and self._plan.may_be_full(zoom):
            with self._tried(zoom, 0) as name:
                if not self._excess(name, zoom, self._rows):
                    return None
        if self._coverage:
            self._coverage.simplify(_PIXEL_M / 2**zoom / 2)
            self._source, self._share = self._plan.with_geometry(self._table, self._written(self._coverage)), 1.0
        # What was a pixel at the zoom before is half of one here.
        fitting = self._fitting(zoom, max(1.0, self._pixels / 2))
        for size in _SIZES:
            if size < fitting:
                continue
            with self._tried(zoom, size) as name:
                if not self._excess(name, zoom, self._rows):
                    return self._added(name, zoom, size, total)
        raise AssertionError("with one feature a tile no tile is too large")

    def _fitting(self, zoom: int, pixels: float) -> float:
        """Return the size from which the source's heaviest tile is small enough: it is made alone until it is."""
        tally = self._plan.tallies(self._source, self._above, zoom, self._share)[0]
        heaviest = self._connection.execute(tally.query).fetchone()
        if heaviest is None:
            return pixels
        x, y, _weight = heaviest
        part = "sg_tile_part"
        self._run(f"CREATE TEMPORARY TABLE {part} AS {self._plan.part(self._source, self._above, zoom, tally.box(zoom, x, y))}")
        sizes = [size for size in _SIZES if size >= pixels]
        weights = _weights(self._connection.execute(self._plan.weights(part, self._above, zoom)).fetchall(), sizes)
        # A little less than at the zoom before, so that no size is left out which might do.
        density, fitting = self._density * 0.9, sizes[-1]
        for size, weight in zip(sizes, weights, strict=True):
            if weight * density <= MOST_BYTES:
                with self._tried(zoom, size, part) as name:
                    made = self._bytes(name, zoom, tally, x, y)
                if made <= MOST_BYTES:
                    fitting = size
                    break
                density = made / weight
        self._density = density
        self._run(f"DROP TABLE {part}")
        return fitting

    def _excess(self, name: str, zoom: int, rows: int) -> bool:
        """Whether a tile of a level is larger than the limit."""
        for tally in self._plan.tallies(name, zoom, zoom, _share(rows)):
            density = 0.0
            for x, y, weight in self._connection.execute(tally.query).fetchall():
                if density and weight * density < MOST_BYTES * _SURE:
                    break
                size = self._bytes(name, zoom, tally, x, y)
                if size > MOST_BYTES:
                    return True
                density = max(density, size / weight)
        return False

    def _bytes(self, name: str, zoom: int, tally: Any, x: int, y: int) -> int:
        statement = self._plan.tile(name, zoom, tally, x, y)
        return int(self._row(statement.sql, statement.params)[0])

    @contextmanager
    def _tried(self, zoom: int, pixels: float, source: str = "") -> Iterator[str]:
        """Make a level in a table of its own (`_rows` is then how many it has); it is dropped again unless it became the source."""
        name = f"sg_tile_{zoom}"
        stays, merged = self._plan.level(source or self._source, self._above, zoom, pixels)
        self._rows = self._run(f"CREATE TEMPORARY TABLE {name} AS {stays}")
        if pixels:
            self._rows += self._run(f"INSERT INTO {name} {merged}")
        yield name
        if self._source != name:
            self._run(f"DROP TABLE {name}")

    def _written(self, coverage: Coverage) -> str:
        """Write a coverage into a table and return its name."""
        name = "sg_tile_coverage"
        self._run(f"DROP TABLE IF EXISTS {name}")
        self._run(f"CREATE TEMPORARY TABLE {name} AS SELECT sg_id, geom FROM {self._table} LIMIT 0")
        coverage.write(self._connection, name)
        self._run(f"ANALYZE {name}")
        return name

    def _added(self, name: str, zoom: int, pixels: float, total: int) -> TileLevel:
        """Put a level into the table, and make it the source of the next."""
        described = self._connection.execute(f"SELECT * FROM {name} LIMIT 0").description or ()
        columns = ", ".join(_quoted(self._connection, column.name) for column in described)
        self._run(f"INSERT INTO {self._table} ({columns}) SELECT {columns} FROM {name}")
        features, held = self._row(f"SELECT count(*), coalesce(sum(coalesce(sg_count, 1)), 0)::bigint FROM {name}")
        if self._coverage is None:
            if self._above != self._plan.full_level:
                self._run(f"DROP TABLE {self._source}")
            self._source, self._above, self._share = name, zoom, _share(features)
        self._pixels = pixels
        return TileLevel(zoom=zoom, features=features, merged=held - features, dropped=total - held, pixels=round(pixels, 2))

    def _finish(self, rows: int) -> None:
        """Give the table its indexes and statistics."""
        # Coordinates of several scales say nothing together: without statistics a box is taken for small, and its index is used.
        self._run(f"ALTER TABLE {self._table} ALTER geom SET STATISTICS 0")
        if rows >= _FEW_ROWS:
            # Units double from level to level, so that what lies together in the index hardly meets.
            self._run(f"CREATE INDEX ON {self._table} USING gist (geom) WHERE sg_level = {self._plan.full_level:d}")
            self._run(f"CREATE INDEX ON {self._table} USING gist (geom) WHERE sg_level < {self._plan.full_level:d}")
        self._run(f"ANALYZE {self._table}")

    def _run(self, text: str) -> int:
        return self._connection.execute(text).rowcount

    def _row(self, text: str, params: Sequence[Any] | None = None) -> Sequence[Any]:
        row: Sequence[Any] | None = self._connection.execute(text, params).fetchone()
        assert row is not None  # an aggregate
        return row


def _quoted(connection: psycopg.Connection[Any], *name: str) -> str:
    return sql.Identifier(*name).as_string(connection)


def _share(rows: int) -> float:
    return min(1.0, _SAMPLE / max(1, rows))


def _weights(rows: Sequence[Sequence[float]], sizes: Sequence[float]) -> list[float]:
    """Return about how many bytes a tile has when what is smaller goes, for each of some sizes: each cell of what goes has one feature."""
    x, y, side, dimension, weight = np.asarray(rows, dtype=float).T
    found = []
    for size in sizes:
        unit = size * _PIXEL
        goes = (dimension == 0) | (side < unit) & ((dimension == 2) | (size > 1))
        cells = np.floor(x / unit) + 1j * np.floor(y / unit)
        merged = np.unique(cells[goes & (dimension != 1)]).size
        found.append(float(weight[~goes].sum() + merged * (weight.min() + 3)))
    return found
