"""A load of rows: vector files and tables."""

from __future__ import annotations

__all__ = ["load_rows"]

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from psycopg import sql
from pyproj import CRS
from pyproj.exceptions import CRSError

from etl import placement, quality, stage
from etl.extract import open_layer
from etl.extract.layer import Layer, Refused
from etl.findings import Finding, english_count, format_count
from etl.geometry import Shaper
from etl.loading import Loading
from etl.transform import Transformer
from stadtgrund.catalog import keys
from stadtgrund.crs import best_operation
from stadtgrund.errors import LoadStopped, SourceError, by_locale
from stadtgrund.query.feature import ARC_TOLERANCE_M
from stadtgrund.store.versions import Run

_BATCH_ROWS = 20_000
_AXES = " (with axis order normalized for visualization)"  # what PROJ adds for always_xy


def load_rows(load: Loading, run: Run, paths: tuple[Path, ...]) -> None:
    """Read the files, stage their rows, check them, publish.

    Raises
    ------
    SourceError, LoadStopped
        What is wrong with the source, or what a rule stopped.
    """
    contract, report, connection = load.contract, load.report, run.connection
    table = stage.create(connection, contract, run.id)
    load.scratch.mkdir(parents=True, exist_ok=True)
    with open_layer(contract, paths, load.scratch, _BATCH_ROWS) as layer:
        transformer = _transformer(load, layer)
        _stream(load, run, layer, transformer, table)
        report.notes += layer.notes
        report.rows_skipped = layer.skipped_rows
        if layer.curves:
            message = by_locale(
                f"{format_count(layer.curves, 'Geometrie', 'Geometrien')} mit Bögen in Linienzüge umgewandelt, "
                f"die höchstens {ARC_TOLERANCE_M * 100:.0f} cm vom Bogen abweichen.",
                f"{english_count(layer.curves, 'geometry', 'geometries')} with arcs turned into line segments, "
                f"at most {ARC_TOLERANCE_M * 100:.0f} cm from the arc.",
            )
            report.findings.append(Finding("curves", "repair", layer.curves, message, "geom"))
    with load.phase("quality"):
        _check_placement(load, transformer.shaper, final=True)
        shaper = transformer.shaper
        report.findings += quality.of_rows(contract, transformer.fields, shaper.counts if shaper else None, load.on_fail)
        load.check_staged(run, table)
    load.finish(run, table)


def _transformer(load: Loading, layer: Layer) -> Transformer:
    contract = load.contract
    normalisers = {item.name: keys.normaliser(item.key, load.deployment.keys) for item in contract.fields if item.key}
    shaper = None
    if contract.geometry is not None:
        if contract.source.kind == "table" and not (contract.source.x and contract.source.y):
            raise SourceError(
                by_locale(
                    f"Datensatz {contract.id}: geometry ist erklärt, aber die Tabelle nennt keine Koordinaten.",
                    f"Dataset {contract.id}: geometry is declared, but the table names no coordinates.",
                ),
                remedy=by_locale(
                    "Schreiben Sie source.x und source.y, oder entfernen Sie geometry.", "Write source.x and source.y, or remove geometry."
                ),
            )
        crs = _source_crs(load, layer)
        operation = best_operation(crs, contract.geometry.crs)
        load.report.operation = replace(operation, source=_crs_name(crs), name=operation.name.replace(_AXES, ""))
        box = load.deployment.box(contract.geometry.srid)
        shaper = Shaper(contract.geometry, crs, box, repair=load.on_fail("valid_geometry", None) == "repair")
    return Transformer(contract, load.report.recipe, shaper, normalisers, load.on_fail, load.id_key)


def _source_crs(load: Loading, layer: Layer) -> str:
    contract = load.contract
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
        message = by_locale(
            f"Die Quelle nennt {_crs_name(layer.crs)}, der Vertrag setzt {stated}; es gilt der Vertrag.",
            f"The source states {_crs_name(layer.crs)}, the contract sets {stated}; the contract holds.",
        )
        load.report.findings.append(Finding("crs", "report", 1, message, "geom"))
    return stated or str(layer.crs)


def _stream(load: Loading, run: Run, layer: Layer, transformer: Transformer, table: sql.Identifier) -> None:
    """Read, transform and stage batch by batch; rejected rows go to their table as they come."""
    report, connection = load.report, run.connection
    done = 0
    load.progress(load.contract.id, "extract", 0, layer.rows)
    with (
        load.db.connect("ingest", autocommit=True, application=f"stadtgrund rejected {load.contract.id}") as beside,
        stage.fill(connection, table, transformer.schema) as writer,
    ):
        batches = iter(layer.batches)
        while True:
            with load.phase("extract"):
                batch = next(batches, None)
            refused, layer.refused = layer.refused, []
            if batch is not None:
                with load.phase("transform"):
                    made = transformer.transform(batch)
                refused = [*refused, *made.refused]
                with load.phase("stage"):
                    writer.write(made.batch)
                done += batch.num_rows
            if refused:
                quality.reject(beside, load.contract, run.id, refused)
                report.rows_rejected += len(refused)
                done += sum(item.rule == "shape" for item in refused)
                _count_refused(load, refused)
            load.progress(load.contract.id, "extract", done, layer.rows)
            report.rows_in = done
            if batch is None:
                break
            _check_placement(load, transformer.shaper, final=False)
        with load.phase("stage"):
            writer.finish()


def _count_refused(load: Loading, refused: Iterable[Refused]) -> None:
    """Tell casts and broken rows by field; what rules and geometry refuse is counted where it was found."""
    for item in refused:
        if item.rule not in ("cast", "shape", "crs", "geometry_type"):
            continue
        index = next(
            (i for i, f in enumerate(load.report.findings) if (f.rule, f.field, f.on_fail) == (item.rule, item.field, "reject")), None
        )
        sample = (by_locale(f"Zeile {item.row}: {item.reason}", f"row {item.row}: {item.reason}"),)
        count = 1
        if index is not None:
            before = load.report.findings.pop(index)
            count, sample = before.count + 1, (*before.sample, *sample)[:5]
        where = f" in {item.field}" if item.field and item.field != "geom" else ""
        message = by_locale(
            f"{format_count(count, 'Zeile', 'Zeilen')}{where} abgelehnt; {sample[0]}.",
            f"{english_count(count, 'row', 'rows')}{where} rejected; {sample[0]}.",
        )
        load.report.findings.append(Finding(item.rule, "reject", count, message, item.field, sample))


def _check_placement(load: Loading, shaper: Shaper | None, *, final: bool) -> None:
    """Stop when all of the source lies outside the city: at once when the coordinates say why, else at its end."""
    if shaper is None:
        return
    present = shaper.counts.rows - shaper.counts.missing
    if not present or shaper.counts.outside < present:
        return
    crs = load.contract.source.crs or (load.report.operation.source if load.report.operation else "")
    cause, remedy, certain = placement.explain(shaper.raw_sample, crs, load.deployment.box84)
    if certain or final:
        name = load.contract.id
        what = by_locale(
            f"Datensatz {name}: alle Geometrien liegen außerhalb der Stadt.", f"Dataset {name}: all geometries lie outside the city."
        )
        raise LoadStopped(f"{what} {cause}", remedy=remedy)


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
