"""Write a collection, or an excerpt of it, as a file onto the shelf."""

from __future__ import annotations

__all__ = ["Progress", "deliver"]

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pyogrio.errors import DataLayerError, DataSourceError

from etl.deliver import gdal_file, parquet_file, text_file
from etl.deliver.columns import GEOM, Columns
from etl.deliver.order import Order
from etl.deliver.snapshot import Batch, Snapshot, Stale, batches, state_of
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.file_formats import FORMATS, crs_of, default_srid, offered, srids
from stadtgrund.catalog.notice import notice
from stadtgrund.errors import Busy, NotFound, StadtgrundError, TooLarge, by_locale
from stadtgrund.query.statement import TRUE, Fragment
from stadtgrund.store.shelf import Shelf, Shelved, Target

Progress = Callable[[int, int | None], None]
"""Is told how many rows are written, of how many (None = not known)."""

_TRIES = 5


class _Changed(StadtgrundError):
    """A publish came between the choice of the target and the snapshot."""


def deliver(
    connection: psycopg.Connection[Any], profile: str, order: Order, shelf: Shelf, progress: Progress | None = None
) -> tuple[Shelved, bool]:
    """Return the file, and whether it was made now: what lies on the shelf already is not written again.

    Parameters
    ----------
    connection : psycopg.Connection
        Of the profile's role, autocommit.

    Raises
    ------
    NotFound
        There is no such collection for this profile, or it is not offered so.
    Stale
        The conditions of the excerpt were made of another state.
    TooLarge
        The excerpt is over its limit.
    StatementTimeout, Busy
        Reading takes too long; the disk is full; the collection changes all the time.
    """
    for _ in range(_TRIES):
        collection, _digest = state_of(connection, profile, order.dataset)
        target = _target(collection, order)
        made = False
        with suppress(_Changed), shelf.writing(target) as path:
            if path is not None:
                _Delivery(connection, profile, order, target, path, shelf, progress).write()
                made = True
        if found := shelf.find(target):
            return found, made
    raise Busy(
        by_locale(f"{order.dataset} wird gerade veröffentlicht.", f"{order.dataset} is being published."),
        remedy=by_locale("Wiederholen Sie es in einigen Sekunden.", "Try again in a few seconds."),
    )


def _target(collection: Collection, order: Order) -> Target:
    format_ = FORMATS.get(order.format)
    if format_ not in offered(collection) or format_ is None:
        raise NotFound(
            by_locale(f"{collection.id} gibt es nicht als {order.format}.", f"{collection.id} is not offered as {order.format}."),
            remedy=", ".join(each.name for each in offered(collection)) or "–",
        )
    srid = default_srid(collection, format_) if order.srid is None else order.srid
    if srid is not None and srid not in srids(collection, format_):
        raise NotFound(
            by_locale(
                f"{collection.id} gibt es als {format_.title} nicht in EPSG:{srid}.",
                f"{collection.id} is not offered as {format_.title} in EPSG:{srid}.",
            ),
            remedy=", ".join(f"EPSG:{each}" for each in srids(collection, format_)) or "–",
        )
    return Target.of(collection, format_, srid, order.excerpt.asked if order.excerpt else None)


@dataclass(frozen=True)
class _Plan:
    """The columns of a file, the statement of its rows, and whether a FlatGeobuf can have an index."""

    columns: Columns
    statement: Fragment
    indexed: bool = True


class _Delivery:
    """One file that is being written."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        profile: str,
        order: Order,
        target: Target,
        path: Path,
        shelf: Shelf,
        progress: Progress | None,
    ) -> None:
        self.connection, self.profile, self.order, self.target, self.path = connection, profile, order, target, path
        self.shelf, self.progress = shelf, progress
        self._fault: StadtgrundError | psycopg.Error | OSError | None = None

    def write(self) -> None:
        """Write it.

        Raises
        ------
        _Changed
            The collection is another one than the target's.
        """
        with Snapshot.open(self.connection, self.profile, self.order.dataset) as snapshot:
            plan = self._planned(snapshot)
            snapshot.set_aside(plan.statement)
        with closing(batches(self.connection)) as rows:
            self._fill(plan, self._watched(rows, None if self.order.excerpt else snapshot.collection.facts.count))
        self._check_size()

    def _planned(self, snapshot: Snapshot) -> _Plan:
        """Say what the snapshot's collection is written as."""
        order, excerpt = self.order, self.order.excerpt
        collection, relation = snapshot.collection, snapshot.relation
        if excerpt and excerpt.digest != relation.digest:
            raise Stale(f"{order.dataset} has changed.")
        if _target(collection, order) != self.target:
            raise _Changed(order.dataset)
        format_ = self.target.extension
        where = Fragment(excerpt.where, excerpt.params) if excerpt else TRUE
        srid = default_srid(collection, FORMATS[format_]) if order.srid is None else order.srid
        without_geometry = excerpt is not None and excerpt.skip_geometry
        columns = Columns.of(collection, relation, None if without_geometry else srid, excerpt.properties if excerpt else None)
        indexed = True
        match format_:
            case "geojson":
                return _Plan(columns, text_file.geojson(columns, where))
            case "csv":
                northing_first = excerpt.northing_first if excerpt else False
                if srid is not None:
                    northing_first |= crs_of(FORMATS[format_], srid).northing_first
                return _Plan(columns, text_file.csv(columns, where, northing_first=northing_first))
            case "fgb":
                rows = columns.rows(where)
                gaps = f"SELECT EXISTS (SELECT FROM {rows.sql} WHERE q.{GEOM} IS NULL OR ST_IsEmpty(q.{GEOM}))"
                indexed = not snapshot.one(Fragment(gaps, rows.params))[0]
        if measured := columns.measured(where):
            columns = columns.with_decimals(snapshot.one(measured), exact=format_ == "parquet")
        return _Plan(columns, columns.select(where), indexed)

    def _fill(self, plan: _Plan, rows: Iterator[Batch]) -> None:
        columns = plan.columns
        found = notice(columns.collection, excerpt=self.order.excerpt.asked if self.order.excerpt else None)
        match self.target.extension:
            case "csv":
                return text_file.write_csv(self.path, rows, columns)
            case "geojson":
                return text_file.write_geojson(self.path, rows, columns, found)
        schema = columns.schema()
        arrow = (columns.batch(each, schema) for each in rows)
        if self.target.extension == "parquet":
            return parquet_file.write(self.path, arrow, columns, found)
        try:
            return gdal_file.write(self.path, arrow, columns, found, indexed=plan.indexed)
        except (DataLayerError, DataSourceError, RuntimeError) as error:
            # What ends the rows passes through GDAL, of which only a text is left behind it.
            raise self._fault or StadtgrundError(f"{self.target.name}: GDAL: {error}") from error

    def _watched(self, rows: Iterator[Batch], total: int | None) -> Iterator[Batch]:
        """Hand batches on, under the limits of size and disk."""
        done = 0
        try:
            for batch in rows:
                yield batch
                done += len(batch)
                self._check()
                if self.progress:
                    self.progress(done, total)
        except (StadtgrundError, psycopg.Error, OSError) as error:
            self._fault = error
            raise

    def _check(self) -> None:
        self.shelf.require_space()
        self._check_size()

    def _check_size(self) -> None:
        excerpt = self.order.excerpt
        size = sum(path.stat().st_size for path in self.path.parent.iterdir())
        if excerpt and size > excerpt.max_bytes:
            raise TooLarge(
                f"The excerpt has more than {excerpt.max_bytes >> 20} MiB.",
                remedy="Ask for less: a smaller bbox, a narrower filter, fewer properties; or take the whole file.",
            )
