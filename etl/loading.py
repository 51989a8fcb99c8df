"""A load that is going on: what it knows, what it reports, and the ends it can come to."""

from __future__ import annotations

__all__ = ["Loading", "Progress"]

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from psycopg import sql

from etl import quality, stage
from etl.findings import Finding, english_count, format_count, outcome_of
from etl.report import Access, LoadReport
from stadtgrund.catalog import access, release
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.recipe import recipe_of
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import by_locale
from stadtgrund.identity import OPEN
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.settings import Secret
from stadtgrund.store import forms, versions
from stadtgrund.store.database import Database
from stadtgrund.store.id_key import id_key
from stadtgrund.store.versions import LoadFacts, Run, StoredFile, Version


class Progress(Protocol):
    """Is told how far a load is: `done` of `total` rows (None = not known) in a phase (extract, quality, publish)."""

    def __call__(self, dataset: str, phase: str, done: int, total: int | None) -> None:
        """Take note."""


class Loading:
    """One load: what its kind of source (rows, join, raster) works with.

    Attributes
    ----------
    report : LoadReport
        Filled as the load goes on.
    serving : Version or None
        The version that serves; it stays until the load publishes.
    scratch : Path
        A folder for temporary copies, removed at the end and, after a kill, by the next load.
    """

    def __init__(self, db: Database, deployment: Deployment, contract: Contract, *, force: bool, progress: Progress) -> None:
        self.db, self.deployment, self.contract, self.force, self.progress = db, deployment, contract, force, progress
        self.report = LoadReport(contract.id, contract.title, recipe=recipe_of(contract, deployment))
        self.on_fail = outcome_of(contract)
        self.serving: Version | None = None
        self.source_time: datetime | None = None
        self.scratch: Path = db.paths.var / "tmp" / f"{db.name}-{contract.id}"

    @cached_property
    def id_key(self) -> Secret | None:
        """The secret in ids of content; None for a dataset that has ids of its own."""
        return id_key(self.db) if self.contract.has_content_ids else None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of the block for a phase of the report."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = self.report.seconds_by_phase
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - started

    def last_source(self, run: Run) -> dict[str, Any] | None:
        """Return what the serving version, or a load since that found it unchanged, was made of."""
        if self.serving is None:
            return None
        row = run.connection.execute(
            "SELECT report -> 'source' FROM meta.run WHERE dataset = %s AND recipe = %s AND status IN ('published', 'unchanged')"
            " AND (run = %s OR finished_at > %s) AND report -> 'source' ->> 'digest' IS NOT NULL ORDER BY run DESC LIMIT 1",
            (self.contract.id, self.report.recipe, self.serving.run, self.serving.published_at),
        ).fetchone()
        return row[0] if row else None

    def is_unchanged(self, run: Run, digest: str, known: dict[str, Any] | None) -> bool:
        """Whether source and recipe are those of the serving version, and its files are there."""
        serving = self.serving
        if self.force or serving is None or serving.recipe != self.report.recipe:
            return False
        return digest in (serving.source_hash, (known or {}).get("digest")) and self._has_files(run, serving)

    def _has_files(self, run: Run, version: Version) -> bool:
        """Whether the files of the version lie where the database says: `var/` may have been deleted while the database was not."""
        rows = run.connection.execute(
            "SELECT DISTINCT path, bytes FROM meta.file WHERE dataset = %s AND version = %s", (self.contract.id, version.version)
        )
        paths = [(self.db.paths.files / path, size) for path, size in rows]
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)

    def settle_unchanged(self) -> None:
        """End without a new version; forms and views are brought to what the contract says, where the rows do not depend on it."""
        assert self.serving is not None  # only a serving version can be unchanged
        report = self.report
        states = forms.reconcile(
            self.db,
            self.deployment,
            self.contract,
            compile_where=compile_where,
            compile_text=compile_text,
            compile_tiles=compile_tiles,
        )
        report.status, report.version = "unchanged", self.serving.version
        report.rows_published = self.serving.rows
        self._tell_access(states)

    def check_staged(self, run: Run, table: sql.Identifier) -> None:
        """Apply the rules over all rows; a row that they reject is counted.

        Raises
        ------
        LoadStopped
            Where a rule with `on_fail: stop` fails, this one or one over single rows before.
        """
        contract, report, connection = self.contract, self.report, run.connection
        self.progress(contract.id, "quality", 0, None)
        connection.execute(sql.SQL("ANALYZE {}").format(table))
        for finding in quality.unique(connection, contract, run.id, table, self.on_fail):
            report.findings.append(finding)
            report.rows_rejected += finding.count if finding.on_fail == "reject" else 0
        if self.id_key and (twins := quality.content_ordinals(connection, table, self.id_key)):
            message = by_locale(
                f"{format_count(twins, 'Zeile gleicht', 'Zeilen gleichen')} einer früheren in allen Werten; jede hat eine eigene Kennung.",
                f"{english_count(twins, 'row equals', 'rows equal')} an earlier one in all values; each has an id of its own.",
            )
            report.findings.append(Finding("content_id", "report", twins, message))
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        assert row is not None  # an aggregate has one row
        report.findings += quality.row_count(contract, row[0], self.serving.rows if self.serving else None)
        quality.stop_on(contract, report.findings)

    def finish(self, run: Run, table: sql.Identifier) -> None:
        """Publish what is staged, unless it is what is served already."""
        serving, report = self.serving, self.report
        if serving and serving.table_name and serving.dropped_at is None and not self.force:
            with self.phase("quality"):
                same = stage.same_rows(run.connection, table, sql.Identifier("data", serving.table_name))
            if same:
                self.settle_unchanged()
                return
        operation = report.operation
        facts = LoadFacts(
            recipe=report.recipe,
            source_hash=report.source_hash,
            source_time=self.source_time,
            operation=operation.name if operation else None,
            accuracy_m=operation.accuracy_m if operation else None,
            rows_in=report.rows_in,
            rows_rejected=report.rows_rejected,
            join_facts=report.join,
        )
        self.publish(run, facts)

    def publish(self, run: Run, facts: LoadFacts, stored: Callable[[int], list[StoredFile]] | None = None) -> None:
        """Make what is staged (or, for a grid, `stored`) the version that serves."""
        contract, report = self.contract, self.report

        def told(_: str) -> None:
            self.progress(contract.id, "publish", 0, None)

        with self.phase("publish"):
            version = versions.publish(
                self.db,
                self.deployment,
                contract,
                run,
                facts,
                compile_where=compile_where,
                compile_text=compile_text,
                compile_tiles=compile_tiles,
                files=stored,
                progress=told,
            )
        report.status, report.version, report.rows_published = "published", version.version, version.rows
        self._tell_access(version.states)

    def _tell_access(self, states: Iterable[forms.FormState]) -> None:
        contract, report, profiles = self.contract, self.report, self.deployment.profiles
        report.access = [Access(state.profile, profiles[state.profile].title, state.form is not None, state.reason) for state in states]
        decision = access.decide(contract, OPEN)
        if decision.form:
            left_out = Text(de="Im Vertrag weggelassen.", en="Left out by the contract.")
            report.not_open = {
                item.name: decision.withheld.get(item.name, left_out) for item in contract.fields if item.name not in decision.form.fields
            }
        steps = []
        if report.rows_rejected:
            what = by_locale("Abgelehnte Zeilen ansehen", "Look at the rejected rows")
            steps.append(f"{what}: stadtgrund report {contract.id} --rows")
        unchecked = release.unchecked(contract)
        if release.state(contract).name == "entwurf":
            steps.append(by_locale("Schutzprüfung", "Protection check") + f": stadtgrund release {contract.id}")
        elif unchecked:
            what = by_locale(f"{', '.join(unchecked)} prüfen und freigeben", f"Check and release {', '.join(unchecked)}")
            steps.append(f"{what}: stadtgrund release {contract.id}")
        report.next_step = "\n".join(steps)
