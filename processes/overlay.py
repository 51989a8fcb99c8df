"""Lay a project over every layer that the rules name, and say of each what was found, or why nothing can be said."""

from __future__ import annotations

__all__ = ["MAX_LISTED", "check"]

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from psycopg import sql
from shapely.geometry.base import BaseGeometry

from processes import background, rain
from processes.project import Inputs, Project, resolve
from processes.report import Hit, Outcome, Report, comma
from processes.rules import NearRule, RainRule, RootsRule, Ruleset, WorksRule
from processes.view import View, column, day
from stadtgrund.catalog.collection import Collection, CollectionField
from stadtgrund.catalog.keys import Registers
from stadtgrund.identity import OPEN

MAX_LISTED = 200
"""Hits that are listed per rule, nearest first; `count` is always exact."""


def check(
    view: View,
    inputs: Inputs,
    ruleset: Ruleset,
    *,
    srid: int,
    city: BaseGeometry,
    registers: Registers | None = None,
    now: datetime | None = None,
) -> Report:
    """Check a project against all rules.

    Parameters
    ----------
    srid : int
        Storage CRS of the deployment, metric.
    city : shapely geometry
        The city's box in CRS84.
    registers : Registers, optional
        Of the deployment, for keys that leave out the Land.
    now : datetime, optional
        When the report is made; the present by default.

    Raises
    ------
    InvalidInput, NotFound
        As `processes.project` says.
    """
    project = resolve(view, inputs, ruleset, srid, city, registers)
    row = view.conn.execute(
        """SELECT ST_AsGeoJSON(ST_Transform(p, 4326), 7), ST_AsGeoJSON(p, 2), ST_AsGeoJSON(ST_Buffer(p, %(buffer)s, 16), 2),
                  ST_Area(p), CASE WHEN ST_Dimension(p) = 1 THEN ST_Length(p) ELSE 0 END
           FROM (SELECT decode(%(project)s, 'hex')::geometry AS p) q""",
        {"project": project.ewkb, "buffer": inputs.buffer_m},
    ).fetchone()
    assert row is not None
    report = Report(
        title=project.title,
        kind=project.kind,
        id=project.id,
        begin=project.begin,
        end=project.end,
        buffer_m=inputs.buffer_m,
        area_m2=round(row[3], 2),
        length_m=round(row[4], 2),
        geometry=json.loads(row[0]),
        storage=json.loads(row[1]),
        buffered=json.loads(row[2]),
        srid=srid,
        profile=view.profile,
        created=now or datetime.now(UTC),
        ruleset=ruleset.version,
    )
    outcomes = tuple(_apply(view, rule, project, inputs.buffer_m) for rule in ruleset.rules)
    used = [view.collections[o.collection] for o in outcomes if o.collection]
    return replace(
        report,
        outcomes=outcomes,
        background=background.read(view, ruleset, report) if inputs.format == "html" else (),
        attributions=tuple(sorted({c.attribution for c in used if c.attribution})),
    )


def _apply(view: View, rule: NearRule | RootsRule | WorksRule | RainRule, project: Project, buffer_m: float) -> Outcome:
    base = Outcome(
        id=rule.id,
        title=rule.title.de,
        rule_class=rule.rule_class,
        state="missing",
        office=rule.office,
        source=rule.source,
        advice=rule.advice,
    )
    # Asked before anything is looked up: the answer is the same whether or not the data exist.
    if rule.restricted and view.profile == OPEN:
        return replace(base, state="not_permitted")
    collection = view.collections.get(rule.collection)
    if collection is None:
        return base
    facts = collection.facts
    base = replace(
        base, collection=collection.id, version=facts.version, published=facts.published, source_time=facts.source_time, state="empty"
    )
    if isinstance(rule, RainRule):
        return rain.apply(view, rule, project, buffer_m, base)
    if collection.geometry is None:
        return replace(base, state="missing", text="Die Ebene hat keine Geometrie.")
    if fault := _misfit(rule, collection):
        return replace(base, state="missing", text=fault)
    return _vector(view, rule, collection, project, buffer_m, base)


_DAYS = ("date", "datetime")
_NUMBERS = ("integer", "number", "decimal")


def _misfit(rule: NearRule | RootsRule | WorksRule, collection: Collection) -> str:
    """Return why the rule cannot be asked of what this profile sees of the layer, or nothing."""
    types = {field.name: field.type for field in collection.fields}
    unknown = [name for name in _attributes(rule) if name not in types]
    if unknown:
        return f"Der Ebene fehlt das Feld {', '.join(unknown)}."
    if isinstance(rule, WorksRule):
        for name in (rule.begin, rule.end):
            if types[name] not in _DAYS:
                return f"Das Feld {name} der Ebene ist kein Datum."
    if isinstance(rule, RootsRule):
        for measure in filter(None, (rule.crown_diameter_m, rule.girth_cm)):
            if types[measure] not in _NUMBERS:
                return f"Das Feld {measure} der Ebene ist keine Zahl."
    return ""


def _attributes(rule: NearRule | RootsRule | WorksRule) -> tuple[str, ...]:
    own: tuple[str | None, ...] = ()
    if isinstance(rule, RootsRule):
        own = (rule.crown_diameter_m, rule.girth_cm)
    elif isinstance(rule, WorksRule):
        own = (rule.begin, rule.end)
    return tuple(name for name in (*own, *rule.show, *rule.exclude) if name)


def _vector(
    view: View, rule: NearRule | RootsRule | WorksRule, collection: Collection, project: Project, buffer_m: float, base: Outcome
) -> Outcome:
    reach, widest = _reach(rule, buffer_m)
    assert collection.geometry is not None
    same = collection.geometry.srid == project.srid
    box = sql.SQL("ST_Expand(sg_p, {})").format(widest(view.relation(rule.collection)))
    if not same:  # the column keeps its index; a metre more, as a box in one CRS is none in another
        box = sql.SQL("ST_Transform(ST_Expand({}, 1), {})").format(box, sql.Literal(collection.geometry.srid))
    place = sql.SQL("geom") if same else sql.SQL("ST_Transform(geom, {})").format(sql.Literal(project.srid))
    conditions: list[sql.Composable] = [
        sql.SQL("geom && {} AND ST_Distance({}, sg_p) {} {}").format(
            box, place, sql.SQL("<" if isinstance(rule, RootsRule) else "<="), reach
        )
    ]
    parameters: dict[str, Any] = {"project": project.ewkb}
    for number, (name, values) in enumerate(rule.exclude.items()):
        conditions.append(
            sql.SQL("({name}::text IS NULL OR {name}::text <> ALL({values}))").format(
                name=sql.Identifier(name), values=sql.Placeholder(f"exclude_{number}")
            )
        )
        parameters[f"exclude_{number}"] = list(values)
    if project.own and project.own[0] == rule.collection:
        conditions.append(sql.SQL("sg_id::text <> %(own)s"))
        parameters["own"] = project.own[1]
    days: sql.Composable = sql.SQL("NULL::date AS d1, NULL::date AS d2")
    if isinstance(rule, WorksRule):
        begin, end = (column(collection.field(name)) for name in (rule.begin, rule.end))
        days = sql.SQL("{} AS d1, {} AS d2").format(begin, end)
        conditions.append(_when(rule, collection, project, parameters))
    shown = [(column(collection.field(name)), sql.Identifier(f"s{number}")) for number, name in enumerate(rule.show)]
    # What is listed is chosen first: intersections and GeoJSON of the others would be work for nothing.
    # An invalid geometry that a contract let pass must not end the check of all others.
    statement = sql.SQL(
        """SELECT id, distance, ST_Area(common), ST_Length(common), ST_Dimension(g), ST_Dimension(sg_p), d1, d2, total,
                  ST_AsGeoJSON(ST_Transform(g, 4326), 7), ST_AsGeoJSON(g, 2) {names}
           FROM (SELECT *, ST_Intersection(CASE WHEN ST_IsValid(g) THEN g ELSE ST_MakeValid(g) END, sg_p) AS common
                 FROM (SELECT sg_id::text AS id, {place} AS g, sg_p, ST_Distance({place}, sg_p) AS distance, {days},
                              count(*) OVER () AS total {shown}
                       FROM {relation}, (SELECT decode(%(project)s, 'hex')::geometry AS sg_p) project
                       WHERE {conditions} ORDER BY distance, sg_id::text COLLATE "C" LIMIT {limit}) found
                 OFFSET 0) listed
           ORDER BY distance, id COLLATE "C" """
    ).format(
        names=sql.Composed([sql.SQL(", ") + alias for _, alias in shown]),
        place=place,
        days=days,
        shown=sql.Composed([sql.SQL(", ") + name + sql.SQL(" AS ") + alias for name, alias in shown]),
        relation=view.relation(rule.collection),
        conditions=sql.SQL(" AND ").join(conditions),
        limit=sql.Literal(MAX_LISTED),
    )
    rows = view.conn.execute(statement, parameters).fetchall()
    if not rows:
        return base
    hits = tuple(_hit(row, rule, collection, project) for row in rows)
    return replace(base, state="hit", count=rows[0][8], hits=hits)


def _reach(rule: NearRule | RootsRule | WorksRule, buffer_m: float) -> tuple[sql.Composable, Any]:
    """Return the distance within which an object is a hit, and a function giving its greatest value in a relation."""
    if isinstance(rule, RootsRule):
        girth = sql.SQL("4 * coalesce({}, 0) / 100.0").format(sql.Identifier(rule.girth_cm)) if rule.girth_cm else sql.SQL("0")
        radius = sql.SQL("greatest({crown} / 2.0 + {extra}, {minimum}, {girth})").format(
            crown=sql.SQL("coalesce({}, 0)").format(sql.Identifier(rule.crown_diameter_m)),
            extra=sql.Literal(rule.extra_m),
            minimum=sql.Literal(rule.minimum_m),
            girth=girth,
        )
        return radius, lambda relation: sql.SQL("(SELECT coalesce(max({}), 0) FROM {})").format(radius, relation)
    fixed = sql.Literal(buffer_m if isinstance(rule, WorksRule) else rule.distance_m)
    return fixed, lambda relation: fixed


def _when(rule: WorksRule, collection: Collection, project: Project, parameters: dict[str, Any]) -> sql.Composable:
    """Condition on the days: both ends belong to the works, an open end is open; a project without days is at any time.

    The gap is added to the project's days, as an infinite day cannot be subtracted: from one there is no gap.
    """
    parameters |= {"begin": project.begin or date.min, "end": project.end or date.max, "gap": rule.gap_days}
    days = {"b": day(collection.field(rule.begin)), "e": day(collection.field(rule.end))}
    overlap = sql.SQL("coalesce({b}, '-infinity'::date) <= %(end)s::date AND coalesce({e}, 'infinity'::date) >= %(begin)s::date").format(
        **days
    )
    if not rule.gap_days:
        return overlap
    if project.begin is None and project.end is None:
        return sql.SQL("false")
    return sql.SQL(
        "NOT ({overlap}) AND ({b} BETWEEN %(end)s::date + 1 AND %(end)s::date + %(gap)s::integer"
        " OR {e} BETWEEN %(begin)s::date - %(gap)s::integer AND %(begin)s::date - 1)"
    ).format(overlap=overlap, **days)


def _hit(row: tuple[Any, ...], rule: NearRule | RootsRule | WorksRule, collection: Collection, project: Project) -> Hit:
    identifier, distance, area, length, dimension, own_dimension, begin, end = row[:8]
    overlap_m2 = round(area, 2) if min(dimension, own_dimension) == 2 and area > 0 else None
    overlap_m = round(length, 2) if min(dimension, own_dimension) == 1 and length > 0 else None
    days, gap = None, None
    if isinstance(rule, WorksRule):
        if rule.gap_days:
            gap = (
                (begin - project.end).days
                if project.end and begin and begin > project.end
                else (project.begin - end).days
                if project.begin and end
                else None
            )
        else:
            common = (max(begin or date.min, project.begin or date.min), min(end or date.max, project.end or date.max))
            dated = project.begin is not None or project.end is not None
            days = common if dated and date.min not in common and date.max not in common else None
    name = (
        " · ".join(_value(collection, name, value) for name, value in zip(rule.show, row[11:], strict=True) if value is not None)
        or identifier
    )
    return Hit(
        id=identifier,
        text=_sentence(name, "im" if dimension == 0 else "berührt das", distance, overlap_m2, overlap_m, days, gap),
        distance_m=round(distance, 2),
        overlap_m2=overlap_m2,
        overlap_m=overlap_m,
        days=days,
        gap_days=gap,
        geometry=json.loads(row[9]),
        storage=json.loads(row[10]),
    )


def _value(collection: Collection, name: str, value: Any) -> str:
    field = collection.field(name)
    if field.values and str(value) in field.values:
        return field.values[str(value)].de
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    if isinstance(value, float):
        return _measured(field, f"{value:g}".replace(".", ","))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _measured(field, str(value).replace(".", ","))
    return str(value)


def _measured(field: CollectionField, number: str) -> str:
    unit = f" {field.unit}" if field.unit and field.unit != "1" else ""
    return f"{field.title.de} {number}{unit}"


def _sentence(
    name: str,
    where: str,
    distance: float,
    area: float | None,
    length: float | None,
    days: tuple[date, date] | None,
    gap: int | None,
) -> str:
    parts = [name, f"{comma(distance, 1)} m entfernt" if distance >= 0.05 else f"{where} Vorhaben"]
    if area:
        parts.append(f"{comma(area, 1)} m² gemeinsam")
    if length:
        parts.append(f"{comma(length, 1)} m gemeinsam")
    if days:
        parts.append(f"gemeinsame Tage {days[0]:%d.%m.%Y} bis {days[1]:%d.%m.%Y}")
    if gap:
        parts.append(f"{gap} {'Tag' if gap == 1 else 'Tage'} Abstand")
    return ", ".join(parts)
