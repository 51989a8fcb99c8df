"""A published city with a shelf for the files of its collections, and readers of such files."""

from __future__ import annotations

__all__ = ["HOEHEN", "Office", "gdal", "office_of", "rows_of"]

import csv
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyogrio
import shapely
from psycopg import sql

from etl.deliver.deliver import deliver
from etl.deliver.order import Order
from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf, Shelved
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server

HOEHEN: dict[str, Any] = {
    "id": "hoehen",
    "title": {"de": "Höhen"},
    "description": {"de": "Linien mit Höhe."},
    "source": {"kind": "ogr", "location": "${DATA}/hoehen.gpkg", "crs": "EPSG:25833"},
    "geometry": {"type": "LineString", "crs": "EPSG:25833", "dimensions": 3, "within": "anywhere"},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [{"name": "nr", "type": "string", "required": True, "unique": True}],
}


@dataclass(frozen=True)
class Office:
    """A published city and a shelf for its files."""

    db: Database
    folder: Path
    shelf: Shelf

    @property
    def deployment(self) -> registry.Deployment:
        return registry.read(self.folder, self.folder / "data")

    def make(self, dataset: str, format_: str, srid: int | None = None, *, profile: str = "open", **more: Any) -> Shelved:
        with self.db.connect(profile, autocommit=True) as connection:
            found, _ = deliver(connection, profile, Order(dataset=dataset, format=format_, srid=srid, **more), self.shelf)
        return found

    def named(self, folder: Path, *what: Any, **more: Any) -> Path:
        """Make a file and return a copy under its public name, as a reader gets it."""
        found = self.make(*what, **more)
        copy = folder / found.name
        copy.write_bytes(found.path.read_bytes())
        return copy

    def truth(self, dataset: str, profile: str = "open") -> dict[str, dict[str, Any]]:
        """Return the rows that a profile sees, by id, as the formats promise them; `geom` as shapely's, in the storage CRS."""
        with self.db.connect(profile) as connection:
            state = sql.Identifier(f"p_{profile}", "sg_state")
            (document,) = connection.execute(
                sql.SQL("SELECT collection FROM {} WHERE dataset = %s").format(state), (dataset,)
            ).fetchone() or (None,)
            collection = Collection.model_validate(document)
            columns = [sql.SQL("{}::text").format(sql.Identifier(field.name)) for field in collection.fields]
            if collection.geometry:
                columns.append(sql.SQL("ST_AsBinary(ST_CurveToLine(geom, 0.01, 1, 1))"))
            rows = connection.execute(
                sql.SQL("SELECT sg_id::text, {} FROM {}").format(sql.SQL(", ").join(columns), sql.Identifier(f"p_{profile}", dataset))
            ).fetchall()
        found: dict[str, dict[str, Any]] = {}
        for ident, *values in rows:
            found[ident] = {field.name: promised(field.type, text) for field, text in zip(collection.fields, values, strict=False)}
            if collection.geometry:
                found[ident]["geom"] = shapely.from_wkb(values[-1])
        return found


def promised(kind: str, text: str | None) -> Any:
    """Return a value as it must arrive, from PostgreSQL's own text."""
    if text is None or text in ("NaN", "Infinity", "-Infinity", "infinity", "-infinity"):
        return None
    reading: dict[str, Callable[[str], Any]] = {
        "integer": int,
        "number": float,
        "decimal": Decimal,
        "boolean": lambda word: word == "true",
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
        "json": json.loads,
    }
    return reading.get(kind, str)(text)


def office_of(server: Server, folder: Path, *contracts: Mapping[str, Any]) -> Office:
    made = [checked(contract_of(each), *(["security_critical"] if each["id"] == "geheim" else [])) for each in contracts]
    write_deployment(folder, *made)
    db = server.clone()
    return Office(db, folder, Shelf.of(db, 1 << 30))


def gdal(*command: str | Path) -> Path:
    """Run one of GDAL's programs; return the last path but one, which it writes."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
    return Path(command[-2])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, each value as its format has it, read by GDAL, Arrow or the standard library; `geom` as WKB."""
    match path.suffix:
        case ".parquet":
            found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
            return found
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        case ".geojson":
            document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
            return [{"sg_id": str(each["id"]), **each["properties"], "geom": each["geometry"]} for each in document["features"]]
    if path.suffix == ".fgb":
        # The system's GDAL: its Arrow reader stumbles over a FlatGeobuf's feature without geometry, and without Arrow a null makes floats.
        path = gdal("ogr2ogr", "-f", "GPKG", "-unsetFid", "-lco", "FID=row_", path.with_suffix(".fgb.gpkg"), path)
    with pyogrio.open_arrow(path, use_pyarrow=True) as (_, reader):
        return [row for batch in reader for row in batch.to_pylist()]
