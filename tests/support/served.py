"""Servers as processes of their own, and the loaded city that they serve."""

from __future__ import annotations

__all__ = ["City", "free_port", "running", "started"]

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import geopandas
import httpx
import shapely
from psycopg import sql

from stadtgrund.store.database import Database


@dataclass(frozen=True)
class City:
    """The loaded city: database, deployment folder and the environment of its commands."""

    db: Database
    folder: Path
    environment: Mapping[str, str]

    def rows(self, collection: str) -> geopandas.GeoDataFrame:
        """Return what `open` has of a collection, in the storage CRS: the truth that a client's view of it is compared with."""
        with self.db.connect("open") as connection:
            cursor = connection.execute(sql.SQL("SELECT * FROM {} ORDER BY sg_id").format(sql.Identifier("p_open", collection)))
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        if "geom" not in names:
            return geopandas.GeoDataFrame(rows)
        shapes = shapely.from_wkb([row.pop("geom") for row in rows])
        srids = {shapely.get_srid(shape) for shape in shapes if shape is not None}
        return geopandas.GeoDataFrame(rows, geometry=shapes, crs=f"EPSG:{srids.pop()}")

    def within(self, collection: str, box84: Sequence[float]) -> set[str]:
        """Return the ids of the features that PostGIS finds in a CRS84 box, whose edges are lines of latitude and longitude."""
        query = sql.SQL(
            "SELECT sg_id::text FROM {} WHERE ST_Intersects(geom, ST_Transform(ST_Segmentize(ST_MakeEnvelope(%s, %s, %s, %s, 4326), 1e-4),"
            " ST_SRID(geom)))"
        ).format(sql.Identifier("p_open", collection))
        with self.db.connect("open") as connection:
            return {row[0] for row in connection.execute(query, tuple(box84)).fetchall()}


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str | Path], env: Mapping[str, str], url: str, log: Path) -> Iterator[str]:
    """Run a server in a process group of its own until the block ends; wait for its first answer."""
    with started(command, env, url, log):
        yield url


@contextmanager
def started(command: Sequence[str | Path], env: Mapping[str, str], url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As `running`, for who needs the process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    httpx.get(f"{url}/?f=json", timeout=5, trust_env=False)
                    break
                except httpx.TransportError:
                    if process.poll() is not None or time.monotonic() > end:
                        raise AssertionError(f"no answer at {url}:\n{log.read_text(errors='replace')[-4000:]}") from None
                    time.sleep(0.2)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
