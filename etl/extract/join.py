"""A joined dataset out of the published tables of two others, computed in the database.

Nothing is multiplied or lost unseen: rows, matched and unmatched are counted per side, with the keys that found no partner.
"""

from __future__ import annotations

__all__ = ["Joined", "Side", "check", "join"]

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from etl.findings import Finding, english_count, format_count
from stadtgrund.catalog.collection import JoinFacts
from stadtgrund.catalog.contract import Contract, Field
from stadtgrund.errors import SourceError
from stadtgrund.language import say
from stadtgrund.settings import Secret
from stadtgrund.store import tables

_SAMPLE = 50
_CASTS = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "decimal": "numeric",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamptz",
    "uuid": "uuid",
    "json": "jsonb",
}
_LOSSLESS = {
    "string": set(_CASTS),
    "number": {"number", "integer", "decimal"},
    "decimal": {"decimal", "integer", "number"},
    "datetime": {"datetime", "date"},
}


@dataclass(frozen=True)
class Side:
    """One part of a join: its contract and the version whose table is read."""

    contract: Contract
    version: int

    @property
    def table(self) -> sql.Identifier:
        """The published table."""
        return sql.Identifier("data", tables.data_name(self.contract, self.version))


@dataclass(frozen=True)
class Joined:
    """What a join did: rows that it made, or left out for want of a partner, counts per side, findings."""

    rows_in: int
    dropped: int
    facts: JoinFacts
    findings: tuple[Finding, ...]


def check(contract: Contract, left: Contract, right: Contract) -> dict[str, tuple[str, Field]]:
    """Return, for each field of the join, its side ("left" or "right") and the field there.

    Raises
    ------
    SourceError
        A field or a key column does not exist on its side, or its type cannot become the declared one.
    """
    sides = {"left": left, "right": right}
    for pair in contract.source.on:
        for side, name in (("left", pair.left), ("right", pair.right)):
            _field(contract, sides[side], side, name)
    if not contract.source.on:
        raise SourceError(
            say(f"Datensatz {contract.id}: source.on nennt keine Spalten.", f"Dataset {contract.id}: source.on names no columns."),
            remedy="on: [{left: …, right: …}]",
        )
    found: dict[str, tuple[str, Field]] = {}
    for item in contract.fields:
        side, dot, name = item.source_name.partition(".")
        if not dot:
            name = side
            side = "left" if any(other.name == name for other in left.fields) else "right"
        if side not in sides:
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: from: {item.source_name} nennt keine Seite.",
                    f"Dataset {contract.id}: from: {item.source_name} names no side.",
                ),
                remedy=say("Erlaubt sind left.<feld> und right.<feld>.", "Allowed are left.<field> and right.<field>."),
            )
        have = _field(contract, sides[side], side, name)
        if have.type != item.type and have.type not in _LOSSLESS.get(item.type, set()):
            raise SourceError(
                say(
                    f"Datensatz {contract.id}: {item.name} ist als {item.type} erklärt, {side}.{name} ist {have.type}.",
                    f"Dataset {contract.id}: {item.name} is declared {item.type}, {side}.{name} is {have.type}.",
                ),
                remedy=say(f"Schreiben Sie type: {have.type}.", f"Write type: {have.type}."),
            )
        found[item.name] = (side, have)
    return found


def _field(contract: Contract, part: Contract, side: str, name: str) -> Field:
    try:
        return part.field(name)
    except KeyError:
        known = ", ".join(item.name for item in part.fields)
        raise SourceError(
            say(
                f"Datensatz {contract.id}: {part.id} ({side}) hat kein Feld {name!r}.",
                f"Dataset {contract.id}: {part.id} ({side}) has no field {name!r}.",
            ),
            remedy=say(f"Vorhanden sind: {known}.", f"There are: {known}."),
        ) from None


def join(
    connection: psycopg.Connection[Any],
    contract: Contract,
    left: Side,
    right: Side,
    staging: sql.Identifier,
    run: int,
    recipe: str,
    normalisers: dict[str, Callable[[object], str | None]],
    id_key: Secret | None,
) -> Joined:
    """Fill the staging table and return what was matched.

    Parameters
    ----------
    connection : Connection
        In a transaction; may read both tables and write staging and `meta.rejected_row`.
    normalisers : dict
        Key type → function that normalises one key, for each key type in `source.on`.
    id_key : Secret or None
        For a join whose ids are made of the content (`store/id_key.py`).
    """
    fields = check(contract, left.contract, right.contract)
    pairs = contract.source.on
    for name, side, columns in (("sg_left", left, [p.left for p in pairs]), ("sg_right", right, [p.right for p in pairs])):
        _keys(connection, name, side, list(zip(columns, (p.key for p in pairs), strict=True)), normalisers)
    facts, twins = _count(connection, len(pairs))
    dropped = 0
    if contract.source.unmatched_left == "drop":
        dropped = _reject(connection, contract, run, left, facts.left_unmatched)
    _insert(connection, contract, left, right, staging, fields, recipe, id_key)
    findings = list(_findings(contract, left.contract, right.contract, facts, twins))
    rows = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(staging)).fetchone()
    assert rows is not None  # an aggregate has one row
    return Joined(rows[0] + dropped, dropped, facts, tuple(findings))


def _keys(
    connection: psycopg.Connection[Any],
    name: str,
    side: Side,
    columns: list[tuple[str, str | None]],
    normalisers: dict[str, Callable[[object], str | None]],
) -> None:
    """Make the temporary table `name`: sg_id of each row of a side, and its keys as normalised text, k1, k2, …"""
    selected, joins = [], []
    for number, (column, key) in enumerate(columns, 1):
        own = sql.SQL("t.{}::text").format(sql.Identifier(column))
        if key and side.contract.field(column).key != key:
            mapping = sql.Identifier(f"{name}_k{number}")
            _mapping(connection, mapping, side.table, column, normalisers[key])
            alias = sql.Identifier(f"m{number}")
            joins.append(sql.SQL("LEFT JOIN {} AS {} ON {}.raw = {}").format(mapping, alias, alias, own))
            own = sql.SQL("{}.key").format(alias)
        selected.append(sql.SQL("{} AS {}").format(own, sql.Identifier(f"k{number}")))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT t.sg_id, {} FROM {} AS t {}").format(
            sql.Identifier(name), sql.SQL(", ").join(selected), side.table, sql.SQL(" ").join(joins)
        )
    )
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))


def _mapping(
    connection: psycopg.Connection[Any], name: sql.Identifier, table: sql.Identifier, column: str, normalise: Callable[[object], str | None]
) -> None:
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} (raw text, key text) ON COMMIT DROP").format(name))
    values = connection.execute(
        sql.SQL("SELECT DISTINCT {0}::text FROM {1} WHERE {0} IS NOT NULL").format(sql.Identifier(column), table)
    ).fetchall()
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
        for (raw,) in values:
            try:
                key = normalise(raw)
            except ValueError:
                key = raw  # no key of this kind: it finds no partner, and is told among the unmatched as it is
            copy.write_row((raw, key))


def _condition(count: int) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("l.{0} = r.{0}").format(sql.Identifier(f"k{number}")) for number in range(1, count + 1))


def _count(connection: psycopg.Connection[Any], keys: int) -> tuple[JoinFacts, dict[str, int]]:
    condition = _condition(keys)
    counted: dict[str, Any] = {}
    twins: dict[str, int] = {}
    shown = sql.SQL("concat_ws(' / ', {})").format(
        sql.SQL(", ").join(sql.SQL("coalesce(l.{}, '∅')").format(sql.Identifier(f"k{n}")) for n in range(1, keys + 1))
    )
    for side, own, other in (("left", "sg_left", "sg_right"), ("right", "sg_right", "sg_left")):
        row = connection.execute(
            sql.SQL(
                "WITH partners AS (SELECT {groups}, count(*) AS n FROM {other} GROUP BY {groups})"
                " SELECT count(*), count(r.n), count(*) FILTER (WHERE r.n > 1),"
                " (array_agg(DISTINCT {shown} ORDER BY {shown}) FILTER (WHERE r.n IS NULL))[1:{sample}]"
                " FROM {own} AS l LEFT JOIN partners AS r ON {condition}"
            ).format(
                groups=sql.SQL(", ").join(sql.Identifier(f"k{number}") for number in range(1, keys + 1)),
                other=sql.Identifier(other),
                own=sql.Identifier(own),
                shown=shown,
                sample=sql.Literal(_SAMPLE),
                condition=condition,
            )
        ).fetchone()
        assert row is not None  # an aggregate has one row
        total, matched, several, unmatched = row
        counted |= {
            f"{side}_rows": total,
            f"{side}_matched": matched,
            f"{side}_unmatched": total - matched,
            f"{side}_unmatched_keys": tuple(unmatched or ()),
        }
        twins[side] = several
    return JoinFacts(**counted), twins


def _reject(connection: psycopg.Connection[Any], contract: Contract, run: int, left: Side, count: int) -> int:
    if count:
        pairs = range(1, len(contract.source.on) + 1)
        connection.execute(
            sql.SQL(
                'INSERT INTO meta.rejected_row (run, dataset, sg_row, rule, field, reason, "row")'
                " SELECT %s, %s, row_number() OVER (ORDER BY l.sg_id), 'join', NULL, %s, to_jsonb(t) - 'geom' - 'sg_hash' - 'sg_revision'"
                " FROM sg_left AS l JOIN {} AS t USING (sg_id) WHERE NOT EXISTS (SELECT FROM sg_right AS r WHERE {})"
            ).format(left.table, _condition(len(pairs))),
            (
                run,
                contract.id,
                say("kein Partner auf der rechten Seite (unmatched_left: drop)", "no partner on the right side (unmatched_left: drop)"),
            ),
        )
    return count


def _insert(
    connection: psycopg.Connection[Any],
    contract: Contract,
    left: Side,
    right: Side,
    staging: sql.Identifier,
    fields: dict[str, tuple[str, Field]],
    recipe: str,
    id_key: Secret | None,
) -> None:
    values = {
        item.name: sql.SQL("{}.{}::{}").format(
            sql.Identifier("a" if fields[item.name][0] == "left" else "b"),
            sql.Identifier(fields[item.name][1].name),
            sql.SQL(_CASTS[item.type]),
        )
        for item in contract.fields
    }
    names = [sql.Identifier(item.name) for item in contract.fields]
    geometry = _geometry(contract, left.contract, right.contract)
    columns = [*names, *([sql.Identifier("geom")] if geometry else [])]
    content = sql.SQL("ROW({})::text").format(sql.SQL(", ").join(names))
    if geometry:
        content = sql.SQL("{} || coalesce(md5(ST_AsEWKB(geom)), '')").format(content)
    # A row without partner may lack its id; the pipeline rejects it and sets the constraint again.
    connection.execute(sql.SQL("ALTER TABLE {} ALTER sg_id DROP NOT NULL").format(staging))
    connection.execute(
        sql.SQL(
            "INSERT INTO {staging} (sg_row, sg_id, sg_hash, {columns})"
            " SELECT sg_row, {id}, md5(%s || {content}), {columns} FROM ("
            "SELECT row_number() OVER (ORDER BY a.sg_id, b.sg_id) AS sg_row, {values}"
            " FROM sg_left AS l {kind} JOIN sg_right AS r ON {condition}"
            " JOIN {left} AS a ON a.sg_id = l.sg_id LEFT JOIN {right} AS b ON b.sg_id = r.sg_id) AS made"
        ).format(
            staging=staging,
            columns=sql.SQL(", ").join(columns),
            id=_id(contract, content),
            content=content,
            values=sql.SQL(", ").join(
                [
                    *(sql.SQL("{} AS {}").format(values[item.name], sql.Identifier(item.name)) for item in contract.fields),
                    *([sql.SQL("{} AS geom").format(geometry)] if geometry else []),
                ]
            ),
            kind=sql.SQL("LEFT" if contract.source.unmatched_left == "keep" else "INNER"),
            condition=_condition(len(contract.source.on)),
            left=left.table,
            right=right.table,
        ),
        (*([id_key.reveal()] if id_key else []), recipe),
    )


def _id(contract: Contract, content: sql.Composable) -> sql.Composable:
    """Return the feature id as SQL, of which an id of content takes the key as its value; NULL where a part is missing."""
    id_field = contract.id_field
    if id_field and id_field.column:
        column = sql.Identifier(id_field.column)
        return column if tables.id_is_integer(contract) else sql.SQL("{}::text").format(column)
    if id_field and id_field.columns:
        return sql.SQL(" || '-' || ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in id_field.columns)
    # No HMAC without an extension; of 256 bits 80 are told, so that none can be appended to what is hashed.
    return sql.SQL("substr(encode(sha256(convert_to(%s || {}, 'UTF8')), 'hex'), 1, 20)").format(content)


def _geometry(contract: Contract, left: Contract, right: Contract) -> sql.Composable | None:
    if contract.geometry is None:
        return None
    side, part = ("a", left) if left.geometry else ("b", right)
    if part.geometry is None:
        raise SourceError(
            say(
                f"Datensatz {contract.id}: geometry ist erklärt, aber weder {left.id} noch {right.id} hat eine Geometrie.",
                f"Dataset {contract.id}: geometry is declared, but neither {left.id} nor {right.id} has one.",
            ),
            remedy=say("Entfernen Sie geometry.", "Remove geometry."),
        )
    geometry: sql.Composable = sql.SQL("{}.geom").format(sql.Identifier(side))
    if part.geometry.srid != contract.geometry.srid:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(contract.geometry.srid))
    if contract.geometry.type.startswith("Multi") and not part.geometry.type.startswith("Multi"):
        geometry = sql.SQL("ST_Multi({})").format(geometry)
    return geometry


def _findings(contract: Contract, left: Contract, right: Contract, facts: JoinFacts, twins: dict[str, int]) -> Iterable[Finding]:
    kept, left_out = contract.source.unmatched_left == "keep", say("nicht übernommen", "left out")
    sides = (
        (
            left,
            facts.left_unmatched,
            facts.left_unmatched_keys,
            say("ohne Werte der anderen Seite übernommen", "taken over without values of the other side") if kept else left_out,
            kept,
        ),
        (right, facts.right_unmatched, facts.right_unmatched_keys, left_out, True),
    )
    for part, count, keys, told, only_reported in sides:
        if count:
            shown = ", ".join(keys[:10]) + (" …" if len(keys) > 10 else "")
            message = say(
                f"{format_count(count, 'Zeile', 'Zeilen')} von {part.id} ohne Partner ({shown}); {told}.",
                f"{english_count(count, 'row', 'rows')} of {part.id} without a partner ({shown}); {told}.",
            )
            yield Finding("join", "report" if only_reported else "reject", count, message, None, keys)
    if twins["left"] and twins["right"]:
        message = say(
            f"{format_count(twins['left'], 'Zeile', 'Zeilen')} von {left.id} und {twins['right']} von {right.id} haben mehrere Partner: "
            "der Schlüssel ist nicht eindeutig.",
            f"{english_count(twins['left'], 'row', 'rows')} of {left.id} and {twins['right']} of {right.id} have several partners: "
            "the key is not unique.",
        )
        yield Finding("join", "report", twins["left"], message)
    elif twins["left"]:
        one = twins["left"] == 1
        message = say(
            f"{format_count(twins['left'], 'Zeile', 'Zeilen')} von {left.id} {'hat' if one else 'haben'} in {right.id} mehrere Partner "
            f"und {'steht' if one else 'stehen'} je Partner einmal da.",
            f"{english_count(twins['left'], 'row', 'rows')} of {left.id} {'has' if one else 'have'} several partners in {right.id} "
            f"and {'is' if one else 'are'} there once for each.",
        )
        yield Finding("join", "report", twins["left"], message)
