"""Load a dataset: source → batches → transform → staging → quality → publish → version.

A load that fails, is stopped or killed leaves the version before it online. Equal source and recipe: nothing is read.
"""

from __future__ import annotations

__all__ = ["Progress", "load", "load_all", "order_of"]

import graphlib
import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from pyproj import CRS
from pyproj.exceptions import CRSError

from etl import placement, quality, stage
from etl.extract import check_kind, files, open_layer, raster
from etl.extract import join as joins
from etl.extract.layer import Layer
from etl.findings import Finding, format_count, outcome_of
from etl.form_filter import compile_where
from etl.geometry import Shaper
from etl.report import Access, LoadReport
from etl.transform import Transformer
from stadtgrund.catalog import keys
from stadtgrund.catalog.collection import Extent
from stadtgrund.catalog.contract import Contract, Geometry
from stadtgrund.catalog.recipe import recipe_of
from stadtgrund.catalog.registry import Deployment
from stadtgrund.crs import best_operation
from stadtgrund.errors import LoadStopped, SourceError, StadtgrundError, UsageError, by_locale
from stadtgrund.store import forms, tables, versions
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.versions import LoadFacts, StoredFile, Version

_log = logging.getLogger(__name__)

_BATCH_ROWS = 20_000


class Progress(Protocol):
    """Is told how far a load is: `done` of `total` rows (None = not known) in a phase (extract, quality, publish)."""

    def __call__(self, dataset: str, phase: str, done: int, total: int | None) -> None:
        """Take note."""


def load(
    db: Database,
    deployment: Deployment,
    dataset_id: str,
    *,
    force: bool = False,
    progress: Progress | None = None,
    public_url: str = "",
) -> LoadReport:
    """Load one dataset and return what happened; what a source or a rule refuses is in the report, not raised.

    Parameters
    ----------
    force : bool
        Read and publish even when source and recipe are those of the serving version.
    public_url : str
        Root of the collection's address in the report.

    Raises
    ------
    NotFound
        When there is no such dataset.
    """
    contract = deployment.contract(dataset_id)
    work = _Load(db, deployment, contract, force, progress or _silent)
    work.report.address = f"{public_url}/collections/{contract.id}"
    report = work.run()
    _log.info(
        "%s: %s, version %s, rows in %s, published %s, rejected %s, %.2f s",
        report.dataset, report.status, report.version, report.rows_in, report.rows_published, report.rows_rejected, report.seconds,
    )
    return report


def load_all(
    db: Database,
    deployment: Deployment,
    ids: Iterable[str] | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
    public_url: str = "",
) -> Iterator[LoadReport]:
    """Load datasets (all, or `ids`) in order of dependency, and anew each join of which a part was published.

    Raises
    ------
    NotFound
        When an id is not known; nothing is loaded then.
    """
    wanted = set(deployment.contracts if ids is None else ids)
    for dataset in wanted:
        deployment.contract(dataset)
    published: set[str] = set()
    for dataset in order_of(deployment):
        parts = _parts(deployment.contracts[dataset])
        if dataset not in wanted and not published.intersection(parts):
            continue
        report = load(db, deployment, dataset, force=force and dataset in wanted, progress=progress, public_url=public_url)
        if report.status == "published":
            published.add(dataset)
        yield report


def order_of(deployment: Deployment) -> list[str]:
    """Return all datasets so that the parts of a join come before it.

    Raises
    ------
    UsageError
        When joins depend on each other in a circle.
    """
    graph = {dataset: _parts(contract) for dataset, contract in deployment.contracts.items()}
    try:
        return [dataset for dataset in graphlib.TopologicalSorter(graph).static_order() if dataset in deployment.contracts]
    except graphlib.CycleError as error:
        circle = " → ".join(error.args[1])
        raise UsageError(by_locale(f"Verbindungen im Kreis: {circle}.", f"Joins in a circle: {circle}.")) from error


def _parts(contract: Contract) -> tuple[str, ...]:
    source = contract.source
    return tuple(part for part in (source.left, source.right) if part) if source.kind == "join" else ()


def _silent(dataset: str, phase: str, done: int, total: int | None) -> None:
    """Tell nobody."""


class _Load:
    """One load from its first to its last moment."""

    def __init__(self, db: Database, deployment: Deployment, contract: Contract, force: bool, progress: Progress) -> None:
        self.db, self.deployment, self.contract, self.force, self.progress = db, deployment, contract, force, progress
        self.report = LoadReport(contract.id, contract.title.de, recipe=recipe_of(contract, deployment))
        self.on_fail = outcome_of(contract)
        self.serving: Version | None = None
        self.source_time: Any = None

    def run(self) -> LoadReport:
        """Do it, and note the end whatever it is."""
        report, started = self.report, time.perf_counter()
        try:
            self.serving = versions.current(self.db, self.contract.id)
            run = versions.begin_run(self.db, self.contract)
        except StadtgrundError as error:
            self._failed(error)
            report.seconds = time.perf_counter() - started
            return report
        report.run = run.id
        self.scratch = self.db.paths.var / "tmp" / self.contract.id
        ended = False
        try:
            self._clear()
            try:
                with named(self.contract.id):
                    self._load(run)
            except StadtgrundError as error:
                self._failed(error)
            report.seconds = time.perf_counter() - started
            self._note_findings(run)
            ended = True
            versions.end_run(self.db, run, report.status, report.as_json())
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
            if not ended:  # interrupted, or an error nobody foresaw
                report.status, report.error = "failed", report.error or "unterbrochen"
                versions.end_run(self.db, run, "failed", report.as_json())
        return report

    def _failed(self, error: StadtgrundError) -> None:
        report = self.report
        report.status = "stopped" if isinstance(error, LoadStopped) else "failed"
        report.error, report.next_step = error.what, error.remedy
        serving = self.serving
        report.version = serving.version if serving else None
        report.kept = error.kept or (
            f"Version {serving.version} vom {serving.published_at:%d.%m.%Y} wird weiter ausgeliefert."
            if serving
            else "Es gab noch keine Version; der Datensatz bleibt unsichtbar."
        )
        if not any(finding.on_fail == "stop" for finding in report.findings):
            report.findings.append(Finding("load", "stop", 1, error.what))

    def _clear(self) -> None:
        """Remove what a killed load left; we hold the dataset's lock."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for leftover in self.db.paths.files.glob(f"{self.contract.id}/.*.tif"):
            leftover.unlink(missing_ok=True)

    def _load(self, run: versions.Run) -> None:
        contract = self.contract
        check_kind(contract)
        if contract.source.kind == "join":
            self._join(run)
            return
        paths = files.resolve(contract, self.deployment.location(contract))
        known = self._last_source(run)
        print_ = files.fingerprint(paths, known, self.deployment.data)
        self.report.source, self.report.source_hash, self.source_time = print_.as_json(), print_.digest, print_.time
        if self._is_unchanged(print_.digest, known):
            self._settle_unchanged()
        elif contract.is_raster:
            self._raster(run, paths)
        else:
            self._rows(run, paths)

    # What was before

    def _last_source(self, run: versions.Run) -> dict[str, Any] | None:
        """Return the files that the serving version, or a load since that found it unchanged, was made of."""
        if self.serving is None:
            return None
        row = run.connection.execute(
            "SELECT report -> 'source' FROM meta.run WHERE dataset = %s AND recipe = %s AND status IN ('published', 'unchanged')"
            " AND (run = %s OR finished_at > %s) AND report ? 'source' ORDER BY run DESC LIMIT 1",
            (self.contract.id, self.report.recipe, self.serving.run, self.serving.published_at),
        ).fetchone()
        return row[0] if row else None

    def _is_unchanged(self, digest: str, known: dict[str, Any] | None) -> bool:
        serving = self.serving
        if self.force or serving is None or serving.recipe != self.report.recipe:
            return False
        return digest in (serving.source_hash, (known or {}).get("digest"))

    def _settle_unchanged(self) -> None:
        """Bring forms and views to what the contract says; it may have changed where the rows do not depend on it."""
        assert self.serving is not None  # only a serving version can be unchanged
        report = self.report
        states = forms.reconcile(self.db, self.deployment, self.contract, compile_where=compile_where)
        report.status, report.version = "unchanged", self.serving.version
        report.rows_published = self.serving.rows
        self._tell_access(states)

    # Rows

    def _rows(self, run: versions.Run, paths: tuple[Path, ...]) -> None:
        contract, report, connection = self.contract, self.report, run.connection
        table = stage.create(connection, contract, run.id)
        self.scratch.mkdir(parents=True, exist_ok=True)
        with open_layer(contract, paths, self.scratch, _BATCH_ROWS) as layer:
            transformer = self._transformer(layer)
            self._stream(run, layer, transformer, table)
            report.notes += layer.notes
            report.rows_skipped = layer.skipped_rows
            if layer.curves:
                what = format_count(layer.curves, "Geometrie mit Bögen", "Geometrien mit Bögen")
                report.findings.append(Finding("curves", "repair", layer.curves, f"{what} in Linienzüge umgewandelt.", "geom"))
        with self._phase("quality"):
            self._check_placement(transformer.shaper, final=True)
            shaper = transformer.shaper
            report.findings += quality.of_rows(contract, transformer.fields, shaper.counts if shaper else None, self.on_fail)
            self._check_staged(run, table)
        self._finish(run, table)

    def _transformer(self, layer: Layer) -> Transformer:
        contract = self.contract
        normalisers = {item.name: keys.normaliser(item.key, self.deployment.keys) for item in contract.fields if item.key}
        shaper = None
        if contract.geometry is not None:
            if contract.source.kind == "table" and not (contract.source.x and contract.source.y):
                raise SourceError(
                    by_locale(
                        f"Datensatz {contract.id}: geometry ist erklärt, aber die Tabelle nennt keine Koordinaten.",
                        f"Dataset {contract.id}: geometry is declared, but the table names no coordinates.",
                    ),
                    remedy=by_locale("Schreiben Sie source.x und source.y, oder entfernen Sie geometry.", "Write source.x and source.y, or remove geometry."),
                )
            crs = self._source_crs(layer)
            operation = best_operation(crs, contract.geometry.crs)
            self.report.operation = replace(operation, source=_crs_name(crs))
            box = self.deployment.box(contract.geometry.srid)
            shaper = Shaper(contract.geometry, crs, box, repair=self.on_fail("valid_geometry", None) == "repair")
        return Transformer(contract, self.report.recipe, shaper, normalisers, self.on_fail)

    def _source_crs(self, layer: Layer) -> str:
        contract = self.contract
        stated = contract.source.crs
        if stated is None and layer.crs is None:
            raise SourceError(
                by_locale(f"Datensatz {contract.id}: die Quelle nennt kein Bezugssystem.", f"Dataset {contract.id}: the source states no CRS."),
                remedy=by_locale(
                    "Schreiben Sie source.crs in den Vertrag, z. B. EPSG:25832 (UTM 32) oder EPSG:31467 (Gauß-Krüger 3).",
                    "Write source.crs into the contract, e.g. EPSG:25832 (UTM 32) or EPSG:31467 (Gauß-Krüger 3).",
                ),
            )
        if stated and layer.crs and not _same_crs(stated, layer.crs):
            message = f"Die Quelle nennt {_crs_name(layer.crs)}, der Vertrag setzt {stated}; es gilt der Vertrag."
            self.report.findings.append(Finding("crs", "report", 1, message, "geom"))
        return stated or str(layer.crs)

    def _stream(self, run: versions.Run, layer: Layer, transformer: Transformer, table: sql.Identifier) -> None:
        """Read, transform and stage batch by batch; rejected rows go to their table as they come."""
        report, connection = self.report, run.connection
        done = 0
        self.progress(self.contract.id, "extract", 0, layer.rows)
        with self.db.connect("ingest", autocommit=True, application=f"stadtgrund rejected {self.contract.id}") as beside, stage.fill(
            connection, table, transformer.schema
        ) as writer:
            batches = iter(layer.batches)
            while True:
                with self._phase("extract"):
                    batch = next(batches, None)
                refused, layer.refused = layer.refused, []
                if batch is not None:
                    with self._phase("transform"):
                        made = transformer.transform(batch)
                    refused = [*refused, *made.refused]
                    with self._phase("stage"):
                        writer.write(made.batch)
                    done += batch.num_rows
                if refused:
                    quality.reject(beside, self.contract, run.id, refused)
                    report.rows_rejected += len(refused)
                    done += sum(item.rule == "shape" for item in refused)
                    self._count_refused(refused)
                self.progress(self.contract.id, "extract", done, layer.rows)
                report.rows_in = done
                if batch is None:
                    break
                self._check_placement(transformer.shaper, final=False)
            with self._phase("stage"):
                writer.finish()

    def _count_refused(self, refused: Iterable[Any]) -> None:
        """Tell casts and broken rows by field; what rules and geometry refuse is counted where it was found."""
        for item in refused:
            if item.rule not in ("cast", "shape", "crs", "geometry_type"):
                continue
            index = next((i for i, f in enumerate(self.report.findings) if (f.rule, f.field, f.on_fail) == (item.rule, item.field, "reject")), None)
            sample = (f"Zeile {item.row}: {item.reason}",)
            count = 1
            if index is not None:
                before = self.report.findings.pop(index)
                count, sample = before.count + 1, (*before.sample, *sample)[:5]
            where = f" in {item.field}" if item.field and item.field != "geom" else ""
            message = f"{format_count(count, 'Zeile', 'Zeilen')}{where} abgelehnt; {sample[0]}."
            self.report.findings.append(Finding(item.rule, "reject", count, message, item.field, sample))

    def _check_placement(self, shaper: Shaper | None, *, final: bool) -> None:
        """Stop when all of the source lies outside the city: at once when the coordinates say why, else at its end."""
        if shaper is None:
            return
        present = shaper.counts.rows - shaper.counts.missing
        if not present or shaper.counts.outside < present:
            return
        crs = self.contract.source.crs or (self.report.operation.source if self.report.operation else "")
        cause, remedy, certain = placement.explain(shaper.raw_sample, crs, self.deployment.box84)
        if certain or final:
            raise LoadStopped(f"Datensatz {self.contract.id}: alle Geometrien liegen außerhalb der Stadt. {cause}", remedy=remedy)

    def _check_staged(self, run: versions.Run, table: sql.Identifier) -> None:
        """Rules over all rows; a row that they reject is counted, and the load stops where a rule says so."""
        contract, report, connection = self.contract, self.report, run.connection
        self.progress(contract.id, "quality", 0, None)
        id_kind = contract.id_field.kind if contract.id_field else "content"
        connection.execute(sql.SQL("ANALYZE {}").format(table))
        for finding in quality.unique(connection, contract, run.id, table, self.on_fail):
            report.findings.append(finding)
            report.rows_rejected += finding.count if finding.on_fail == "reject" else 0
        if id_kind == "content" and (twins := quality.content_ordinals(connection, table)):
            what = format_count(twins, "Zeile gleicht einer früheren", "Zeilen gleichen einer früheren")
            report.findings.append(Finding("content_id", "report", twins, f"{what} in allen Werten; sie unterscheidet eine laufende Nummer."))
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        assert row is not None  # an aggregate has one row
        report.findings += quality.row_count(contract, row[0], self.serving.rows if self.serving else None)
        quality.stop_on(contract, report.findings)

    def _finish(self, run: versions.Run, table: sql.Identifier) -> None:
        """Publish what is staged, unless it is what is served already."""
        serving = self.serving
        if serving and serving.table_name and serving.dropped_at is None and not self.force:
            with self._phase("quality"):
                same = stage.same_rows(run.connection, table, sql.Identifier("data", serving.table_name))
            if same:
                self._settle_unchanged()
                return
        operation = self.report.operation
        self._publish(
            run,
            LoadFacts(
                recipe=self.report.recipe,
                source_hash=self.report.source_hash,
                source_time=self.source_time,
                operation=operation.name if operation else None,
                accuracy_m=operation.accuracy_m if operation else None,
                rows_in=self.report.rows_in,
                rows_rejected=self.report.rows_rejected,
                join_facts=self.report.join,
            ),
        )

    def _publish(self, run: versions.Run, facts: LoadFacts, stored: Callable[[int], list[StoredFile]] | None = None) -> None:
        contract = self.contract

        def told(_: str) -> None:
            self.progress(contract.id, "publish", 0, None)

        with self._phase("publish"):
            version = versions.publish(
                self.db, self.deployment, contract, run, facts, compile_where=compile_where, files=stored, progress=told
            )
        report = self.report
        report.status, report.version, report.rows_published = "published", version.version, version.rows
        self._tell_access(version.states)
        if report.rows_rejected:
            report.next_step = f"Abgelehnte Zeilen ansehen: stadtgrund report {contract.id} --rows"
        elif not any(item.visible for item in report.access if item.profile == "open"):
            report.next_step = f"Schutzprüfung: stadtgrund release {contract.id}" if contract.protection.checked is None else ""

    # Other kinds

    def _join(self, run: versions.Run) -> None:
        contract, report = self.contract, self.report
        sides = []
        for part in (contract.source.left, contract.source.right):
            serving = versions.current(self.db, part) if part and part in self.deployment.contracts else None
            if serving is None or serving.table_name is None:
                raise SourceError(
                    by_locale(f"Datensatz {contract.id}: {part} ist noch nicht geladen.", f"Dataset {contract.id}: {part} is not loaded yet."),
                    remedy=by_locale(f"Laden Sie zuerst: stadtgrund load {part}", f"Load it first: stadtgrund load {part}"),
                )
            sides.append((joins.Side(self.deployment.contract(str(part)), serving.version), serving))
        (left, first), (right, second) = sides
        stated = "|".join(f"{side.contract.id}:{side.version}" for side in (left, right))
        report.source_hash = hashlib.sha256(stated.encode()).hexdigest()
        report.source = {"digest": report.source_hash, "parts": {side.contract.id: side.version for side in (left, right)}}
        self.source_time = min((item.source_time for item in (first, second) if item.source_time), default=None)
        if self._is_unchanged(report.source_hash, self._last_source(run)):
            self._settle_unchanged()
            return
        connection = run.connection
        table = stage.create(connection, contract, run.id)
        used = {pair.key for pair in contract.source.on if pair.key}
        normalisers = {key: keys.normaliser(key, self.deployment.keys) for key in used}
        with self._phase("stage"), connection.transaction():
            self.progress(contract.id, "extract", 0, None)
            joined = joins.join(connection, contract, left, right, table, run.id, report.recipe, normalisers)
        report.rows_in, report.rows_rejected, report.join = joined.rows_in, joined.dropped, joined.facts
        report.findings += joined.findings
        with self._phase("quality"):
            for finding in quality.of_joined(connection, contract, run.id, table, self.on_fail):
                report.findings.append(finding)
                report.rows_rejected += finding.count if finding.on_fail == "reject" else 0
            self._check_staged(run, table)
        self._finish(run, table)

    def _raster(self, run: versions.Run, paths: tuple[Path, ...]) -> None:
        contract, report = self.contract, self.report
        if len(paths) != 1:
            raise SourceError(
                by_locale(
                    f"Datensatz {contract.id}: ein Raster ist eine Datei, gefunden sind {len(paths)}.",
                    f"Dataset {contract.id}: a raster is one file, found are {len(paths)}.",
                ),
                remedy=by_locale("Fügen Sie Kacheln vorher zusammen (gdal raster mosaic).", "Merge tiles before (gdal raster mosaic)."),
            )
        folder = self.db.paths.files / contract.id

        def rows(done: int, total: int) -> None:
            self.progress(contract.id, "extract", done, total)

        with self._phase("transform"):
            grid = raster.convert(contract, paths[0], folder, rows)
        report.raster = grid.facts.as_json()
        final: list[Path] = []

        def stored(version: int) -> list[StoredFile]:
            final.append(folder / f"{contract.id}__v{version}.tif")
            grid.path.replace(final[-1])
            relative = final[-1].relative_to(self.db.paths.files).as_posix()
            return [StoredFile(f"{contract.id}.tif", relative, grid.bytes, grid.sha256, raster.MEDIA_TYPE)]

        try:
            self._check_raster(grid.facts)
            extent = Extent(crs84=grid.facts.extent, storage=grid.facts.bounds)
            self._publish(run, LoadFacts(report.recipe, report.source_hash, self.source_time, extent=extent), stored)
        except BaseException:
            for path in (grid.path, *final):
                path.unlink(missing_ok=True)
            raise

    def _check_raster(self, facts: raster.RasterFacts) -> None:
        west, south, east, north = self.deployment.box84
        xmin, ymin, xmax, ymax = facts.extent
        geometry = self.contract.geometry or Geometry(type="Polygon")
        if geometry.within == "deployment" and (xmin > east or xmax < west or ymin > north or ymax < south):
            raise LoadStopped(
                f"Datensatz {self.contract.id}: das Raster liegt außerhalb der Stadt (bei {xmin:.3f} / {ymin:.3f}).",
                remedy="Prüfen Sie source.crs und die box in deployment.yml.",
            )
        if facts.minimum is None:
            message = "Das Raster hat keine einzige Zelle mit einem Wert."
            self.report.findings.append(Finding("nodata", "report", facts.width * facts.height, message))

    # The report

    def _tell_access(self, states: Iterable[forms.FormState]) -> None:
        profiles = self.deployment.profiles
        self.report.access = [
            Access(state.profile, profiles[state.profile].title.de, state.form is not None, state.reason.de) for state in states
        ]

    def _note_findings(self, run: versions.Run) -> None:
        if run.connection.closed or run.connection.broken:
            return
        with run.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO meta.finding (run, dataset, rule, field, on_fail, count, message, sample) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (run.id, self.contract.id, item.rule, item.field, item.on_fail, item.count, item.message, Jsonb(list(item.sample)))
                    for item in self.report.findings
                ],
            )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = self.report.seconds_by_phase
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - started


def _crs_name(crs: str) -> str:
    """Return "EPSG:25832", or the CRS's own name where it has no code."""
    try:
        known = CRS.from_user_input(crs)
    except CRSError as error:
        raise SourceError(
            by_locale(f"Das Bezugssystem {crs[:80]!r} kennt PROJ nicht.", f"PROJ does not know the CRS {crs[:80]!r}."),
            remedy=by_locale("Schreiben Sie source.crs: EPSG:<Nummer>.", "Write source.crs: EPSG:<number>."),
        ) from error
    authority = known.to_authority(min_confidence=70)
    return ":".join(authority) if authority else str(known.name)


def _same_crs(first: str, second: str) -> bool:
    one, two = CRS.from_user_input(first).to_2d(), CRS.from_user_input(second).to_2d()
    codes = {_crs_name(first), _crs_name(second)}
    return one.equals(two, ignore_axis_order=True) or codes <= {"EPSG:4326", "OGC:CRS84", "EPSG:4979"}
