"""A project to check: taken from the request, validated, brought into the storage CRS.

Inputs come in CRS84. Each fault is an `InvalidInput` in German that says what to do.
"""

from __future__ import annotations

__all__ = ["Inputs", "InvalidInput", "Project", "check_text", "parse", "resolve"]

import json
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import sql
from shapely import get_num_coordinates, transform
from shapely.errors import GEOSException
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from processes.rules import Lookup, Ruleset
from processes.view import View, column
from stadtgrund.catalog import keys
from stadtgrund.errors import InvalidParameter, NotFound, StadtgrundError
from stadtgrund.language import BadValue

ALLOWED = ("geometry", "baustelle", "flurstueck", "buffer_m", "from", "to", "format")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TYPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
_PLAIN = "eine Fläche, deren Rand sich nicht selbst schneidet"
_HOLES = "eine Fläche, deren Löcher in ihr liegen und einander nicht überdecken"
_INVALID = {
    "Self-intersection": ("Der Rand schneidet sich selbst", _PLAIN),
    "Ring Self-intersection": ("Der Rand berührt sich selbst", _PLAIN),
    "Too few points in geometry component": ("Zu wenige verschiedene Punkte", "eine Fläche mit mindestens drei verschiedenen Ecken"),
    "Hole lies outside shell": ("Ein Loch liegt außerhalb der Fläche", _HOLES),
    "Holes are nested": ("Ein Loch liegt in einem anderen", _HOLES),
    "Interior is disconnected": ("Löcher zerteilen die Fläche", _HOLES),
    "Nested shells": ("Eine Teilfläche liegt in einer anderen", "Teilflächen, die einander nicht überdecken"),
    "Duplicate Rings": ("Zwei Ränder sind gleich", "Ränder, die es nur einmal gibt"),
}
"""What GEOS says of invalid geometries: in German, and what is wanted instead."""


class InvalidInput(InvalidParameter):
    """An input of a check is wrong; it is told in German, as it is shown to planners. `fault`: a sentence that says why, if one does."""

    def __init__(self, name: str, value: str, allowed: str, fault: str = "") -> None:
        self.name, self.value, self.allowed, self.fault = name, value, allowed, fault
        shown = value if len(value) <= 100 else value[:100] + "…"
        StadtgrundError.__init__(self, f"Eingabe {name}: {fault or f'„{shown}“ geht nicht.'}", remedy=f"Erwartet: {allowed}.")


@dataclass(frozen=True)
class Inputs:
    """The inputs of a check; exactly one of the first three is set."""

    geometry: BaseGeometry | None
    baustelle: str | None
    flurstueck: str | None
    buffer_m: float
    begin: date | None
    end: date | None
    format: str


@dataclass(frozen=True)
class Project:
    """A project in the storage CRS (`ewkb`, hex) with what is known of it. `own` = (collection, id) that is the project itself."""

    title: str
    kind: str
    id: str | None
    begin: date | None
    end: date | None
    ewkb: str
    srid: int
    own: tuple[str, str] | None = None


def check_text(value: Any, name: str) -> None:
    """Refuse NUL and halves of surrogate pairs in any text of a JSON value called `name`: JSON can say them, PostgreSQL and UTF-8 cannot.

    Raises
    ------
    InvalidInput
        Naming the text's place, and it with such characters as JSON writes them.
    """
    match value:
        case str():
            shown = value.encode(errors="backslashreplace").decode().replace("\0", "\\u0000")
            if shown != value:
                raise InvalidInput(name or "JSON", shown, "Text aus ganzen Zeichen, ohne U+0000 und ohne halbe Surrogatpaare")
        case dict():
            for key, part in value.items():
                check_text(key, name)
                check_text(part, f"{name}.{key}" if name else key)
        case list():
            for part in value:
                check_text(part, name)


def parse(data: dict[str, Any], ruleset: Ruleset) -> Inputs:
    """Validate the inputs' shape and values.

    Raises
    ------
    InvalidInput
        Naming the input, its value and what is allowed.
    """
    for name in data:
        if name not in ALLOWED:
            raise InvalidInput(name, str(data[name]), "Eingaben " + ", ".join(ALLOWED))
    given = [name for name in ("geometry", "baustelle", "flurstueck") if data.get(name) not in (None, "")]
    if len(given) != 1:
        raise InvalidInput("inputs", ", ".join(given) or "nichts", "genau eines von geometry, baustelle, flurstueck")
    begin, end = _day(data, "from"), _day(data, "to")
    if begin and end and end < begin:
        raise InvalidInput("to", end.isoformat(), f"ein Tag ab dem Beginn {begin.isoformat()}; Beginn und Ende sind vertauscht")
    output = data.get("format", "json")
    if output not in ("json", "html"):
        raise InvalidInput("format", str(output), "json oder html")
    return Inputs(
        geometry=_geometry(data["geometry"], ruleset) if given == ["geometry"] else None,
        baustelle=_text(data, "baustelle"),
        flurstueck=_text(data, "flurstueck"),
        buffer_m=_buffer(data.get("buffer_m", 10)),
        begin=begin,
        end=end,
        format=output,
    )


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str | int) or isinstance(value, bool) or len(str(value)) > 100:
        raise InvalidInput(name, str(value), "eine Kennung mit höchstens 100 Zeichen")
    return str(value)


def _day(data: dict[str, Any], name: str) -> date | None:
    value = data.get(name)
    if value in (None, ""):
        return None
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(name, str(value), "ein Tag als JJJJ-MM-TT, z. B. 2027-03-01") from error


def _buffer(value: Any) -> float:
    # Compared before anything else is done with it: an integer may be too large to become a float, and NaN fails both.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 500:
        raise InvalidInput("buffer_m", str(value), "eine Zahl von 0 bis 500 (Meter)")
    return float(value)


def _geometry(value: Any, ruleset: Ruleset) -> BaseGeometry:
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    if not isinstance(value, dict) or value.get("type") not in TYPES:
        found = value.get("type") if isinstance(value, dict) else type(value).__name__
        raise InvalidInput("geometry", str(found), "eine GeoJSON-Geometrie in CRS84 vom Typ " + ", ".join(TYPES))
    try:
        geometry = shape(value)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, GEOSException) as error:
        raise InvalidInput(
            "geometry", json.dumps(value)[:80], "eine vollständige GeoJSON-Geometrie; ein Ring hat mindestens vier Ecken"
        ) from error
    if geometry.is_empty:
        raise InvalidInput("geometry", value["type"] + " ohne Koordinaten", "eine Geometrie mit Koordinaten; bitte neu zeichnen")
    bounds = geometry.bounds
    if not all(map(math.isfinite, bounds)):
        raise InvalidInput("geometry", "nan", "endliche Koordinaten")
    if max(map(abs, bounds)) > 180:
        raise InvalidInput(
            "geometry",
            f"{bounds[0]:.0f} {bounds[1]:.0f}",
            "Länge und Breite in Grad (CRS84); diese Zahlen sehen nach Metern aus, bitte vorher aus EPSG:25832/25833 umrechnen",
        )
    vertices = int(get_num_coordinates(geometry))
    if vertices > ruleset.max_vertices:
        raise InvalidInput("geometry", f"{vertices} Stützpunkte", f"höchstens {ruleset.max_vertices} Stützpunkte; bitte vereinfachen")
    if not geometry.is_valid:
        raise InvalidInput("geometry", *_invalidity(geometry))
    return geometry


def _invalidity(geometry: BaseGeometry) -> tuple[str, str]:
    """Return why a geometry is invalid, with the place that GEOS names, and what is to be drawn instead."""
    reason, _, place = explain_validity(geometry).partition("[")
    told, wanted = _INVALID.get(reason, (reason, _PLAIN))
    where = f" bei {place.removesuffix(']')}" if place else ""
    if "Polygon" not in geometry.geom_type:
        wanted = "eine Linie aus mindestens zwei verschiedenen Punkten"
    return told + where, f"{wanted}; bitte an der genannten Stelle neu zeichnen"


def resolve(
    view: View, inputs: Inputs, ruleset: Ruleset, srid: int, city: BaseGeometry, registers: keys.Registers | None = None
) -> Project:
    """Find the project's geometry in the storage CRS `srid`; `city` is the city's box in CRS84, `registers` what its key types need.

    Raises
    ------
    InvalidInput
        Outside the city or too large.
    NotFound
        An id or Kennzeichen that no visible row has.
    """
    if inputs.geometry is not None:
        if not inputs.geometry.intersects(city):
            west, south, east, north = inputs.geometry.bounds
            hint = "; Länge und Breite sind wohl vertauscht" if city.intersects(_swapped(inputs.geometry)) else ""
            raise InvalidInput(
                "geometry",
                f"{west:.4f} {south:.4f} … {east:.4f} {north:.4f}",
                "ein Vorhaben im Stadtgebiet " + " ".join(f"{v:.4f}" for v in city.bounds) + " (Länge Breite, CRS84)" + hint,
            )
        row = view.conn.execute(
            "SELECT encode(ST_AsEWKB(g), 'hex'), ST_Area(g), greatest(ST_XMax(g) - ST_XMin(g), ST_YMax(g) - ST_YMin(g))"
            " FROM (SELECT ST_Transform(ST_GeomFromWKB(%s, 4326), %s::integer) AS g) q",
            (inputs.geometry.wkb, srid),
        ).fetchone()
        assert row is not None
        _limit(row[1], row[2], ruleset)
        return Project("Gezeichnetes Vorhaben", "geometry", None, inputs.begin, inputs.end, row[0], srid)
    if inputs.baustelle is not None:
        return _looked_up(view, "baustelle", inputs.baustelle, ruleset.baustelle, inputs, ruleset, srid, registers)
    assert inputs.flurstueck is not None
    return _looked_up(view, "flurstueck", inputs.flurstueck, ruleset.flurstueck, inputs, ruleset, srid, registers)


def _swapped(geometry: BaseGeometry) -> BaseGeometry:
    return transform(geometry, lambda xy: xy[:, ::-1])


def _limit(area_m2: float, side_m: float, ruleset: Ruleset) -> None:
    if area_m2 > ruleset.max_area_ha * 10_000:
        raise InvalidInput("geometry", f"{area_m2 / 10_000:.0f} ha", f"höchstens {ruleset.max_area_ha:g} ha; bitte in Abschnitte teilen")
    if side_m > ruleset.max_extent_km * 1000:
        raise InvalidInput(
            "geometry", f"{side_m / 1000:.1f} km", f"höchstens {ruleset.max_extent_km:g} km Ausdehnung; bitte in Abschnitte teilen"
        )


def _looked_up(
    view: View,
    kind: str,
    wanted: str,
    lookup: Lookup | None,
    inputs: Inputs,
    ruleset: Ruleset,
    srid: int,
    registers: keys.Registers | None,
) -> Project:
    if lookup is None or lookup.collection not in view.collections:
        raise NotFound(f"Eine Suche nach {kind} gibt es hier nicht.", remedy="Geben Sie das Vorhaben als geometry an.")
    collection = view.collections[lookup.collection]
    names = {field.name: field for field in collection.fields}
    if collection.geometry is None or (lookup.key and lookup.key not in names):
        raise NotFound(f"Eine Suche nach {kind} gibt es hier nicht.", remedy="Geben Sie das Vorhaben als geometry an.")
    place = sql.SQL("ST_Transform(geom, {})").format(sql.Literal(srid))
    columns: list[sql.Composable] = [
        sql.SQL("sg_id::text"),
        sql.SQL("encode(ST_AsEWKB({}), 'hex')").format(place),
        sql.SQL("ST_Area({})").format(place),
        sql.SQL("greatest(ST_XMax({g}) - ST_XMin({g}), ST_YMax({g}) - ST_YMin({g}))").format(g=place),
    ]
    for name in (lookup.title, lookup.begin, lookup.end):
        # A form may lack a field that the rules know: the project is then without it, not an error.
        columns.append(column(names[name]) if name in names else sql.SQL("NULL"))
    conditions: list[sql.Composable] = [sql.SQL("sg_id::text = %s")]
    values = [wanted]
    if lookup.key:
        conditions.append(sql.SQL("{}::text = %s").format(sql.Identifier(lookup.key)))
        values.append(_normalised(lookup, kind, wanted, registers))
    statement = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
        sql.SQL(", ").join(columns), view.relation(collection.id), sql.SQL(" OR ").join(conditions)
    )
    row = view.conn.execute(statement, values).fetchone()
    if row is None or row[1] is None:
        raise NotFound(
            f"{collection.title.de}: {wanted!r} gibt es nicht.",
            remedy="Prüfen Sie die Kennung in der Sammlung " + collection.id + " oder geben Sie das Vorhaben als geometry an.",
        )
    _limit(row[2], row[3], ruleset)
    begin, end = inputs.begin or _date(row[5]), inputs.end or _date(row[6])
    if begin and end and end < begin:
        raise InvalidInput("to", end.isoformat(), f"ein Tag ab dem Beginn {begin.isoformat()}; bitte beide Tage angeben")
    return Project(str(row[4] or f"{collection.title.de} {wanted}"), kind, row[0], begin, end, row[1], srid, (collection.id, row[0]))


def _date(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _normalised(lookup: Lookup, kind: str, wanted: str, registers: keys.Registers | None) -> str:
    if not lookup.key_type:
        return wanted
    try:
        return keys.normalise(lookup.key_type, wanted, registers) or wanted
    except BadValue as error:
        raise InvalidInput(kind, wanted, keys.known(registers)[lookup.key_type], fault=error.args[0]) from error
