"""Load a dataset: source → batches → transform → staging → quality → publish → version.

A load that fails, is stopped or killed leaves the version before it online. Equal source and recipe: nothing is read.
"""

from __future__ import annotations

__all__ = ["Progress", "load", "load_all", "order_of"]

import graphlib
import logging
import shutil
import time
from collections.abc import Iterable, Iterator

from etl.extract import check_kind, files
from etl.findings import Finding
from etl.load_join import load_join
from etl.load_raster import load_raster
from etl.load_rows import load_rows
from etl.loading import Loading, Progress
from etl.report import LoadReport
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import LoadStopped, StadtgrundError, UsageError, by_locale
from stadtgrund.store import versions
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.versions import Run

_log = logging.getLogger(__name__)


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
    work = Loading(db, deployment, contract, force=force, progress=progress or _silent)
    work.report.address = f"{public_url}/collections/{contract.id}"
    report = _run(work)
    _log.info(
        "%s: %s, version %s, rows in %s, published %s, rejected %s, %.2f s",
        report.dataset,
        report.status,
        report.version,
        report.rows_in,
        report.rows_published,
        report.rows_rejected,
        report.seconds,
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


def _run(load: Loading) -> LoadReport:
    """Load, and note the end whatever it is."""
    report, started = load.report, time.perf_counter()
    try:
        load.serving = versions.current(load.db, load.contract.id)
        run = versions.begin_run(load.db, load.contract)
    except StadtgrundError as error:
        _failed(load, error)
        report.seconds = time.perf_counter() - started
        return report
    report.run = run.id
    ended = False
    try:
        _clear(load)
        try:
            with named(load.contract.id):
                _load(load, run)
        except StadtgrundError as error:
            _failed(load, error)
        report.seconds = time.perf_counter() - started
        ended = True
        versions.end_run(load.db, run, report.status, report.as_json())
    finally:
        shutil.rmtree(load.scratch, ignore_errors=True)
        if not ended:  # interrupted, or an error nobody foresaw
            report.status, report.error = "failed", report.error or by_locale("unterbrochen", "interrupted")
            versions.end_run(load.db, run, "failed", report.as_json())
    return report


def _failed(load: Loading, error: StadtgrundError) -> None:
    report = load.report
    report.status = "stopped" if isinstance(error, LoadStopped) else "failed"
    report.error, report.next_step = error.what, error.remedy
    serving = load.serving
    report.version = serving.version if serving else None
    report.kept = (
        by_locale(
            f"Version {serving.version} vom {serving.published_at:%d.%m.%Y} wird weiter ausgeliefert.",
            f"Version {serving.version} of {serving.published_at:%Y-%m-%d} is still served.",
        )
        if serving
        else by_locale(
            "Es gab noch keine Version; der Datensatz bleibt unsichtbar.", "There was no version yet; the dataset stays invisible."
        )
    )
    if not any(finding.on_fail == "stop" for finding in report.findings):
        report.findings.append(Finding("load", "stop", 1, error.what))


def _clear(load: Loading) -> None:
    """Remove what a killed load left; we hold the dataset's lock."""
    shutil.rmtree(load.scratch, ignore_errors=True)
    for leftover in (load.db.paths.files / load.db.name).glob(f"{load.contract.id}/.*.tif"):
        leftover.unlink(missing_ok=True)


def _load(load: Loading, run: Run) -> None:
    contract = load.contract
    check_kind(contract)
    if contract.source.kind == "join":
        load_join(load, run)
        return
    paths = files.resolve(contract, load.deployment.location(contract))
    known = load.last_source(run)
    print_ = files.fingerprint(paths, known, load.deployment.data)
    load.report.source, load.report.source_hash, load.source_time = print_.as_json(), print_.digest, print_.time
    if load.is_unchanged(run, print_.digest, known):
        load.settle_unchanged()
    elif contract.is_raster:
        load_raster(load, run, paths)
    else:
        load_rows(load, run, paths)
