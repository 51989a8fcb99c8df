"""A small city whose contracts and files are written by the test itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.deployment import write_deployment

from etl import pipeline
from etl.report import LoadReport
from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract
from stadtgrund.store.database import Database


@dataclass
class City:
    """A deployment folder (EPSG:25832, box 7.0–7.4 E, 51.3–51.6 N) over a database of its own."""

    db: Database
    folder: Path
    contracts: dict[str, Contract]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def deployment(self) -> registry.Deployment:
        return registry.read(self.folder, self.data)

    def declare(self, dataset: str, source: dict[str, Any], fields: list[dict[str, Any]], **rest: Any) -> None:
        """Write a contract; strings in `fields` are untyped names."""
        values = {
            "id": dataset,
            "title": {"de": dataset.capitalize()},
            "description": {"de": f"{dataset} für Tests."},
            "source": source,
            "id_field": {"kind": "content"},
            "fields": fields,
            **rest,
        }
        import yaml

        contract = Contract.model_validate(values)
        self.contracts[dataset] = contract
        (self.folder / "datasets" / f"{dataset}.yaml").write_text(
            yaml.safe_dump(contract.canonical(), allow_unicode=True, sort_keys=False), encoding="utf-8"
        )

    def load(self, dataset: str, **options: Any) -> LoadReport:
        return pipeline.load(self.db, self.deployment, dataset, **options)

    def published(self, dataset: str) -> LoadReport:
        """Load, and fail with the report's own words when nothing is published."""
        report = self.load(dataset)
        assert report.status == "published", report.text()
        return report

    def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the owner's connection answers."""
        with self.db.connect("owner") as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    def rows(self, dataset: str, columns: str = "*", order: str = "sg_id") -> list[tuple[Any, ...]]:
        """Return rows of the serving version's table."""
        ((table,),) = self.ask("SELECT table_name FROM meta.version WHERE dataset = %s ORDER BY version DESC LIMIT 1", dataset)
        return self.ask(f'SELECT {columns} FROM data."{table}" ORDER BY {order}')

    def rejected(self, report: LoadReport) -> list[tuple[Any, ...]]:
        """Return (row number, rule, field, reason) of a run's rejected rows."""
        return self.ask("SELECT sg_row, rule, field, reason FROM meta.rejected_row WHERE run = %s ORDER BY sg_row, rule", report.run)

    def leftovers(self) -> list[str]:
        """Return staging tables, load locks, load backends and temporary files: nothing of them may be there after a load."""
        found = [
            name for (name,) in self.ask("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'")
        ]
        database = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        found += [
            f"lock {row}" for row in self.ask(f"SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory' AND database = {database}")
        ]
        found += [
            application
            for (application,) in self.ask(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND starts_with(application_name, 'stadtgrund ')"
            )
        ]
        found += [str(path) for path in (self.db.paths.var / "tmp").glob(f"{self.db.name}-*")]
        found += [str(path) for path in (self.db.paths.files / self.db.name).rglob(".*.tif")]
        return found


@pytest.fixture
def city(db: Database, tmp_path: Path) -> City:
    """An empty small city."""
    folder = write_deployment(tmp_path / "teststadt")
    for path in (folder / "datasets").glob("*.yaml"):
        path.unlink()
    return City(db, folder, {})


@pytest.fixture
def field() -> Callable[..., dict[str, Any]]:
    """Make a field from name and type."""

    def make(name: str, kind: str = "string", **rest: Any) -> dict[str, Any]:
        return {"name": name, "type": kind, **rest}

    return make


__all__ = ["City", "city", "field"]
