"""A city that a user made with `new`, and whose contracts `init` writes."""

from __future__ import annotations

__all__ = ["OwnCity", "own_city"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl import pipeline
from etl.describe.describe import describe
from etl.describe.draft import Draft
from etl.report import LoadReport
from stadtgrund.catalog import checks, registry
from stadtgrund.catalog.skeleton import Skeleton
from stadtgrund.errors import Problem
from stadtgrund.store.database import Database


@dataclass
class OwnCity:
    """A deployment folder over a database of its own; `data` is a folder for its sources."""

    db: Database | None
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def deployment(self) -> registry.Deployment:
        return registry.read(self.folder)

    def init(self, source: Path | str, **options: Any) -> Draft:
        """Describe a source and write its contract where `load` finds it."""
        draft = describe(str(source), self.deployment, **options)
        (self.folder / "datasets" / f"{draft.id}.yaml").write_text(draft.text(), encoding="utf-8")
        return draft

    def problems(self) -> list[Problem]:
        """Return what `check` says."""
        return checks.check(self.folder)

    def load(self, dataset: str) -> LoadReport:
        assert self.db is not None
        return pipeline.load(self.db, self.deployment, dataset)

    def published(self, dataset: str) -> LoadReport:
        """Load, and fail with the report's own words when nothing is published."""
        report = self.load(dataset)
        assert report.status == "published", report.text()
        return report

    def rows(self, dataset: str, columns: str, order: str = "sg_id") -> list[tuple[Any, ...]]:
        """Return rows of the serving version's table."""
        assert self.db is not None
        with self.db.connect("owner") as connection:
            found = connection.execute(
                "SELECT table_name FROM meta.version WHERE dataset = %s ORDER BY version DESC LIMIT 1", (dataset,)
            ).fetchone()
            assert found is not None
            return connection.execute(f'SELECT {columns} FROM data."{found[0]}" ORDER BY {order}'.encode()).fetchall()


def own_city(
    db: Database | None,
    folder: Path,
    *,
    ags: str = "05515000",
    crs: str = "EPSG:25832",
    box: tuple[float, float, float, float] | None = None,
) -> OwnCity:
    """Make the folder as `stadtgrund new` does."""
    for name in ("datasets", "keys", "styles", "data"):
        (folder / name).mkdir(parents=True)
    for name, text in Skeleton(folder, ags, "Teststadt", crs, box).files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return OwnCity(db, folder)
