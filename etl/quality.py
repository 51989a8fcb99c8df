"""Quality rules: small named functions that yield findings.

Rules over one row (required, codelist, geometry) were counted by `transform.py` while it passed; they are told here. Rules over all
rows (unique, row_count) ask the staging table. Rows that a rule rejects go to `meta.rejected_row`, never to nowhere.
"""

from __future__ import annotations

__all__ = ["content_ordinals", "of_joined", "of_rows", "reject", "row_count", "stop_on", "unique", "unique_fields"]

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from etl.extract.layer import Refused
from etl.findings import Finding, english_count, format_count
from etl.geometry import GeometryCounts
from etl.transform import FieldCounts
from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import LoadStopped, by_locale
from stadtgrund.language import language
from stadtgrund.settings import Secret

OnFail = Callable[[str, str | None], str]
_DONE = {
    "report": ("unverändert übernommen", "taken over unchanged"),
    "reject": ("abgelehnt", "rejected"),
    "stop": ("die Ladung wird angehalten", "the load is stopped"),
}
"""What is done with invalid geometries that are not repaired, in German and in English."""


def of_rows(contract: Contract, fields: dict[str, FieldCounts], geometry: GeometryCounts | None, on_fail: OnFail) -> Iterator[Finding]:
    """Yield what the rows showed while they were transformed."""
    for item in contract.fields:
        counts = fields[item.name]
        yield from _required(item.name, counts, on_fail)
        yield from _codelist(item.name, counts, on_fail)
        yield from _keys(item.name, item.key or "", counts)
        yield from _cleaned(item.name, counts)
    if geometry is not None:
        yield from _geometry(geometry, on_fail)


def _required(name: str, counts: FieldCounts, on_fail: OnFail) -> Iterator[Finding]:
    if counts.empty:
        message = by_locale(
            f"{format_count(counts.empty, 'Zeile hat', 'Zeilen haben')} keinen Wert in {name}.",
            f"{english_count(counts.empty, 'row has', 'rows have')} no value in {name}.",
        )
        yield Finding("required", on_fail("required", name), counts.empty, message, name)
    if counts.no_id:
        message = by_locale(
            f"{format_count(counts.no_id, 'Zeile hat', 'Zeilen haben')} keinen Wert in {name}, das die Kennung bildet.",
            f"{english_count(counts.no_id, 'row has', 'rows have')} no value in {name}, which makes the id.",
        )
        yield Finding("required", "reject", counts.no_id, message, name)


def _codelist(name: str, counts: FieldCounts, on_fail: OnFail) -> Iterator[Finding]:
    if counts.unlisted_rows:
        shown = sorted(counts.unlisted.items(), key=lambda pair: -pair[1])
        message = by_locale(
            f"{format_count(counts.unlisted_rows, 'Zeile hat', 'Zeilen haben')} in {name} einen Wert außerhalb der Codeliste: ",
            f"{english_count(counts.unlisted_rows, 'row has', 'rows have')} a value in {name} that is not in the code list: ",
        )
        message += ", ".join(by_locale(f"„{value}“ ({count})", f"“{value}” ({count})") for value, count in shown[:5]) + "."
        yield Finding("codelist", on_fail("codelist", name), counts.unlisted_rows, message, name, tuple(value for value, _ in shown[:20]))


def _keys(name: str, key: str, counts: FieldCounts) -> Iterator[Finding]:
    if counts.normalised:
        examples = list(counts.examples.items())[:3]
        message = by_locale(
            f"{format_count(counts.normalised, 'Schlüssel', 'Schlüssel')} in {name} in die Form von {key} gebracht: ",
            f"{english_count(counts.normalised, 'key', 'keys')} in {name} brought to the form of {key}: ",
        )
        message += ", ".join(by_locale(f"„{old}“ → „{new}“", f"“{old}” → “{new}”") for old, new in examples) + "."
        yield Finding("key", "repair", counts.normalised, message, name, tuple(counts.examples))
    if counts.odd:
        reason = next(iter(counts.odd_keys.values()))
        message = by_locale(
            f"{format_count(counts.odd, 'Wert', 'Werte')} in {name} {'ist' if counts.odd == 1 else 'sind'} kein gültiger Schlüssel "
            f"und unverändert übernommen: {reason}",
            f"{english_count(counts.odd, 'value', 'values')} in {name} {'is' if counts.odd == 1 else 'are'} no valid key "
            f"and taken over unchanged: {reason}",
        )
        yield Finding("key", "report", counts.odd, message, name, tuple(counts.odd_keys))


def _cleaned(name: str, counts: FieldCounts) -> Iterator[Finding]:
    if counts.trimmed:
        message = by_locale(
            f"{format_count(counts.trimmed, 'Wert', 'Werte')} in {name} ohne Leerzeichen am Rand übernommen.",
            f"{english_count(counts.trimmed, 'value', 'values')} in {name} taken over without blanks at the ends.",
        )
        yield Finding("trim", "repair", counts.trimmed, message, name)
    if counts.nulled:
        message = by_locale(
            f"{format_count(counts.nulled, 'Zeichen', 'Zeichen')} für „kein Wert“ in {name} als leer übernommen.",
            f"{english_count(counts.nulled, 'symbol', 'symbols')} for “no value” in {name} taken over as empty.",
        )
        yield Finding("null_values", "repair", counts.nulled, message, name)


def _geometry(counts: GeometryCounts, on_fail: OnFail) -> Iterator[Finding]:
    if counts.invalid:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(counts.reasons.items(), key=lambda pair: -pair[1])[:5])
        outcome = on_fail("valid_geometry", None)
        if outcome == "repair":
            unrepaired = counts.invalid - counts.repaired
            parts = [by_locale(f"repariert {counts.repaired}", f"{counts.repaired} repaired")] if counts.repaired else []
            rest = by_locale(f"{unrepaired} nicht reparierbar und abgelehnt", f"{unrepaired} cannot be repaired and rejected")
            parts += [rest] if unrepaired else []
            done = "; ".join(parts)
            outcome = "repair" if counts.repaired else "reject"
            if counts.area_change_m2 >= 0.05:
                total, most = _area(counts.area_change_m2), _area(counts.area_change_max_m2)
                done += by_locale(
                    f", Fläche um {total} geändert (höchstens {most} an einer Geometrie)",
                    f", area changed by {total} (by {most} at most in one geometry)",
                )
        else:
            done = _DONE[outcome][language() == "en"]
        message = by_locale(
            f"{format_count(counts.invalid, 'Geometrie ist', 'Geometrien sind')} ungültig: {reasons}; {done}.",
            f"{english_count(counts.invalid, 'geometry is', 'geometries are')} invalid: {reasons}; {done}.",
        )
        yield Finding("valid_geometry", outcome, counts.invalid, message, "geom", tuple(counts.reasons))
    for count, rule, outcome, german, english in (
        (counts.closed, "closed_ring", "repair", ("Ring", "Ringe", "geschlossen"), ("ring", "rings", "closed")),
        (
            counts.outside,
            "within",
            "reject",
            ("Geometrie", "Geometrien", "außerhalb der Stadt abgelehnt"),
            ("geometry", "geometries", "outside the city rejected"),
        ),
        (
            counts.promoted,
            "geometry_type",
            "repair",
            ("einfache Geometrie", "einfache Geometrien", "in den Multi-Typ des Vertrags gebracht"),
            ("single geometry", "single geometries", "brought to the contract's multi type"),
        ),
        (
            counts.reduced,
            "geometry_type",
            "repair",
            ("Multi-Geometrie", "Multi-Geometrien", "mit nur einem Teil als einfache übernommen"),
            ("multi geometry", "multi geometries", "of one part taken over as single"),
        ),
        (
            counts.flattened,
            "dimensions",
            "repair",
            ("Höhe (z)", "Höhen (z)", "weggelassen, der Vertrag ist zweidimensional"),
            ("height (z)", "heights (z)", "left out, the contract is two-dimensional"),
        ),
        (
            counts.measured,
            "dimensions",
            "repair",
            ("Geometrie hat", "Geometrien haben", "Messwerte an Stützpunkten (M), die nicht übernommen werden"),
            ("geometry has", "geometries have", "measures at their vertices (M), which are not kept"),
        ),
        (counts.missing, "empty_geometry", "report", ("Zeile", "Zeilen", "ohne Geometrie"), ("row", "rows", "without a geometry")),
    ):
        if count:
            message = by_locale(f"{format_count(count, *german[:2])} {german[2]}.", f"{english_count(count, *english[:2])} {english[2]}.")
            yield Finding(rule, outcome, count, message, "geom")


def _area(square_metres: float) -> str:
    text = f"{square_metres:.1f} m²" if square_metres < 10_000 else f"{square_metres / 10_000:.1f} ha"
    return by_locale(text.replace(".", ","), text)


def of_joined(
    connection: psycopg.Connection[Any], contract: Contract, run: int, table: sql.Identifier, on_fail: OnFail
) -> Iterator[Finding]:
    """Check ids, required fields and code lists of a joined dataset, whose rows came to staging without passing through us."""
    missing = _reject_where(
        connection,
        contract,
        run,
        table,
        sql.SQL("sg_id IS NULL"),
        "required",
        None,
        by_locale("ein Teil der Kennung des Objekts fehlt", "a part of the feature's id is missing"),
    )
    connection.execute(sql.SQL("ALTER TABLE {} ALTER sg_id SET NOT NULL").format(table))
    if missing:
        message = by_locale(
            f"{format_count(missing, 'Zeile hat', 'Zeilen haben')} keine vollständige Kennung; abgelehnt.",
            f"{english_count(missing, 'row has', 'rows have')} no complete id; rejected.",
        )
        yield Finding("required", "reject", missing, message)
    for item in contract.fields:
        column = sql.Identifier(item.name)
        if item.required:
            counts = FieldCounts(
                empty=_failing(connection, contract, run, table, sql.SQL("{} IS NULL").format(column), "required", item.name, on_fail)
            )
            yield from _required(item.name, counts, on_fail)
        if item.values is not None:
            odd = sql.SQL("{}::text <> ALL ({})").format(column, sql.Literal(list(item.values)))
            values = connection.execute(
                sql.SQL("SELECT {0}::text, count(*) FROM {1} WHERE {2} GROUP BY 1 LIMIT 50").format(column, table, odd)
            ).fetchall()
            count = _failing(connection, contract, run, table, odd, "codelist", item.name, on_fail)
            yield from _codelist(item.name, FieldCounts(unlisted=dict(values), unlisted_rows=count), on_fail)


def _failing(
    connection: psycopg.Connection[Any],
    contract: Contract,
    run: int,
    table: sql.Identifier,
    condition: sql.Composable,
    rule: str,
    name: str,
    on_fail: OnFail,
) -> int:
    if on_fail(rule, name) == "reject":
        absent = by_locale("der Wert fehlt", "the value is missing")
        reason = absent if rule == "required" else by_locale("der Wert steht nicht in der Codeliste", "the value is not in the code list")
        return _reject_where(connection, contract, run, table, condition, rule, name, reason)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table, condition)).fetchone()
    assert row is not None  # an aggregate has one row
    return int(row[0])


def _reject_where(
    connection: psycopg.Connection[Any],
    contract: Contract,
    run: int,
    table: sql.Identifier,
    condition: sql.Composable,
    rule: str,
    name: str | None,
    reason: str,
) -> int:
    statement = sql.SQL(
        "WITH gone AS (DELETE FROM {} s WHERE {} RETURNING s.sg_row, to_jsonb(s) - 'geom' - 'sg_row' - 'sg_hash' AS values)"
        ' INSERT INTO meta.rejected_row (run, dataset, sg_row, rule, field, reason, "row")'
        " SELECT {}, {}, sg_row, {}, {}, {}, values FROM gone"
    ).format(table, condition, *map(sql.Literal, (run, contract.id, rule, name, reason)))
    return connection.execute(statement).rowcount


def unique_fields(contract: Contract) -> tuple[str, ...]:
    """Return the fields that must be unique, the id first where it is one field."""
    names = [contract.id_field.column] if contract.id_field and contract.id_field.column else []
    names += [item.name for item in contract.fields if item.unique]
    names += [rule.field for rule in contract.quality if rule.rule == "unique" and rule.field]
    return tuple(dict.fromkeys(names))


def unique(connection: psycopg.Connection[Any], contract: Contract, run: int, table: sql.Identifier, on_fail: OnFail) -> Iterator[Finding]:
    """Reject rows whose id, or value of a unique field, came before; the first in the order of the source stays.

    A duplicate id is always rejected: a collection cannot have two features of one id. Elsewhere the rule's `on_fail` holds.
    """
    id_field = contract.id_field
    if id_field and id_field.kind == "composite":
        yield from _duplicates(connection, contract, run, table, "sg_id", "-".join(id_field.columns), "reject")
    for name in unique_fields(contract):
        is_id = bool(id_field and id_field.column == name)
        outcome = on_fail("unique", name)
        yield from _duplicates(connection, contract, run, table, name, name, "reject" if is_id and outcome != "stop" else outcome)


def _duplicates(
    connection: psycopg.Connection[Any], contract: Contract, run: int, table: sql.Identifier, column: str, name: str, outcome: str
) -> Iterator[Finding]:
    later = sql.SQL(
        "SELECT sg_row, value, first"
        " FROM (SELECT sg_row, {column}::text AS value, min(sg_row) OVER (PARTITION BY {column}) AS first FROM {table}"
        " WHERE {column} IN (SELECT {column} FROM {table} GROUP BY {column} HAVING count(*) > 1)) AS d WHERE sg_row > first"
    ).format(column=sql.Identifier(column), table=table)
    if outcome == "reject":
        moved = sql.SQL(
            "WITH later AS ({later}), gone AS (DELETE FROM {table} s USING later l WHERE s.sg_row = l.sg_row"
            " RETURNING s.sg_row, l.value, l.first, to_jsonb(s) - 'geom' - 'sg_row' - 'sg_id' - 'sg_hash' AS values),"
            ' kept AS (INSERT INTO meta.rejected_row (run, dataset, sg_row, rule, field, reason, "row")'
            " SELECT %(run)s, %(dataset)s, sg_row, 'unique', %(field)s,"
            " format(%(reason)s, value, %(field)s::text, first), values FROM gone)"
            " SELECT count(*), (array_agg(DISTINCT value))[1:20] FROM gone"
        ).format(later=later, table=table)
        reason = by_locale("„%s“ kommt in %s mehrfach vor, zuerst in Zeile %s", "“%s” is in %s more than once, first in row %s")
        row = connection.execute(moved, {"run": run, "dataset": contract.id, "field": name, "reason": reason}).fetchone()
    else:
        row = connection.execute(sql.SQL("SELECT count(*), (array_agg(DISTINCT value))[1:20] FROM ({}) AS later").format(later)).fetchone()
    assert row is not None  # an aggregate has one row
    count, sample = row
    if count:
        done = {
            "reject": by_locale("abgelehnt, die jeweils erste bleibt", "rejected, the first one stays"),
            "stop": by_locale("die Ladung wird angehalten", "the load is stopped"),
        }.get(outcome, by_locale("übernommen", "taken over"))
        values = ", ".join(by_locale(f"„{value}“", f"“{value}”") for value in sample[:5]) + (" …" if len(sample) > 5 else "")
        message = by_locale(
            f"{format_count(count, 'Zeile wiederholt', 'Zeilen wiederholen')} einen Wert von {name} ({values}); {done}.",
            f"{english_count(count, 'row repeats', 'rows repeat')} a value of {name} ({values}); {done}.",
        )
        yield Finding("unique", outcome, count, message, name, tuple(sample))


def content_ordinals(connection: psycopg.Connection[Any], table: sql.Identifier, key: Secret) -> int:
    """Tell rows of equal content apart: the second and those after it get an id of their own. Returns how many there were.

    It does not show whose twin a row is: where the public form leaves columns out, that would tell that they are equal there too.
    """
    made = connection.execute(
        sql.SQL(
            "UPDATE {table} s SET sg_id = substr(encode(sha256(convert_to(%s || s.sg_id || '-' || d.nth, 'UTF8')), 'hex'), 1, 20)"
            " FROM (SELECT sg_row, row_number() OVER (PARTITION BY sg_id ORDER BY sg_row) AS nth FROM {table}"
            " WHERE sg_id IN (SELECT sg_id FROM {table} GROUP BY sg_id HAVING count(*) > 1)) AS d"
            " WHERE d.sg_row = s.sg_row AND d.nth > 1"
        ).format(table=table),
        (key.reveal(),),
    )
    return made.rowcount


def row_count(contract: Contract, rows: int, before: int | None) -> Iterator[Finding]:
    """Compare the number of rows with the version before and with the contract's minimum; an empty result stops unless it is allowed."""
    rules = [rule for rule in contract.quality if rule.rule == "row_count"]
    minimum_stated = any(rule.minimum is not None for rule in rules)
    if rows == 0 and not minimum_stated:
        message = by_locale(
            "Keine Zeile bleibt übrig; ist das richtig, erlaubt es die Regel {rule: row_count, minimum: 0}.",
            "No row is left; if that is right, the rule {rule: row_count, minimum: 0} allows it.",
        )
        yield Finding("row_count", "stop", 0, message)
    for rule in rules:
        outcome = rule.on_fail
        if rule.minimum is not None and rows < rule.minimum:
            message = by_locale(
                f"{format_count(rows, 'Zeile', 'Zeilen')}; verlangt sind mindestens {rule.minimum}.",
                f"{english_count(rows, 'row', 'rows')}; at least {rule.minimum} are asked for.",
            )
            yield Finding("row_count", outcome, rows, message)
        if rule.drop_max is not None and before and rows < before * (1 - rule.drop_max):
            lost, allowed = f"{100 * (1 - rows / before):.0f} %", f"{100 * rule.drop_max:.0f} %"
            message = by_locale(
                f"{format_count(rows, 'Zeile', 'Zeilen')} statt bisher {before}: {lost} weniger, erlaubt sind {allowed}.",
                f"{english_count(rows, 'row', 'rows')} instead of {before} so far: {lost} less, allowed are {allowed}.",
            )
            yield Finding("row_count", outcome, before - rows, message)


def stop_on(contract: Contract, findings: Iterable[Finding]) -> None:
    """End the load when a finding says so.

    Raises
    ------
    LoadStopped
        With the sentences of those findings.
    """
    stopping = [finding.message for finding in findings if finding.on_fail == "stop"]
    if stopping:
        raise LoadStopped(
            by_locale(f"Datensatz {contract.id}: die Ladung wurde angehalten. ", f"Dataset {contract.id}: the load was stopped. ")
            + " ".join(stopping),
            remedy=by_locale(
                "Berichtigen Sie die Quelle oder die Regel (quality) im Vertrag.",
                "Correct the source, or the rule (quality) in the contract.",
            ),
        )


def reject(connection: psycopg.Connection[Any], contract: Contract, run: int, rows: Iterable[Refused]) -> None:
    """Keep rejected rows with their values as they came."""
    statement = 'COPY meta.rejected_row (run, dataset, sg_row, rule, field, reason, "row") FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for item in rows:
            values = Jsonb(item.values, dumps=_dumps)
            copy.write_row((run, contract.id, item.row, item.rule, item.field, item.reason.replace("\x00", "�"), values))


def _dumps(value: Any) -> str:
    # jsonb has no U+0000, NaN or infinity.
    return json.dumps(_plain(value), ensure_ascii=False, default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "�")
        case float() if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
