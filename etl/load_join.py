"""A load of a joined dataset, out of the serving versions of its parts."""

from __future__ import annotations

__all__ = ["load_join"]

import hashlib

from etl import quality, stage
from etl.extract import join as joins
from etl.loading import Loading
from stadtgrund.catalog import keys
from stadtgrund.errors import SourceError, by_locale
from stadtgrund.store import versions
from stadtgrund.store.versions import Run


def load_join(load: Loading, run: Run) -> None:
    """Join the serving versions of both parts, check the result, publish it.

    Raises
    ------
    SourceError, LoadStopped
        A part is not loaded, the contract does not fit the parts, or a rule stopped it.
    """
    contract, report = load.contract, load.report
    sides = []
    for part in (contract.source.left, contract.source.right):
        serving = versions.current(load.db, part) if part and part in load.deployment.contracts else None
        if serving is None or serving.table_name is None:
            raise SourceError(
                by_locale(f"Datensatz {contract.id}: {part} ist noch nicht geladen.", f"Dataset {contract.id}: {part} is not loaded yet."),
                remedy=by_locale(f"Laden Sie zuerst: stadtgrund load {part}", f"Load it first: stadtgrund load {part}"),
            )
        sides.append((joins.Side(load.deployment.contract(str(part)), serving.version), serving))
    (left, first), (right, second) = sides
    stated = "|".join(f"{side.contract.id}:{side.version}" for side in (left, right))
    report.source_hash = hashlib.sha256(stated.encode()).hexdigest()
    report.source = {"digest": report.source_hash, "parts": {side.contract.id: side.version for side in (left, right)}}
    load.source_time = min((item.source_time for item in (first, second) if item.source_time), default=None)
    if load.is_unchanged(run, report.source_hash, load.last_source(run)):
        load.settle_unchanged()
        return
    connection = run.connection
    table = stage.create(connection, contract, run.id)
    used = {pair.key for pair in contract.source.on if pair.key}
    normalisers = {key: keys.normaliser(key, load.deployment.keys) for key in used}
    with load.phase("stage"), connection.transaction():
        load.progress(contract.id, "extract", 0, None)
        joined = joins.join(connection, contract, left, right, table, run.id, report.recipe, normalisers, load.id_key)
    report.rows_in, report.rows_rejected, report.join = joined.rows_in, joined.dropped, joined.facts
    report.findings += joined.findings
    with load.phase("quality"):
        for finding in quality.of_joined(connection, contract, run.id, table, load.on_fail):
            report.findings.append(finding)
            report.rows_rejected += finding.count if finding.on_fail == "reject" else 0
        load.check_staged(run, table)
    load.finish(run, table)
