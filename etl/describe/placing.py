"""In which CRS a source is: what it says itself, whether its coordinates bear that out, and else what their size suggests."""

from __future__ import annotations

__all__ = ["Place", "coordinate_pairs", "find", "overlaps"]

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from etl.describe.names import snake
from etl.placement import NAMES, fits, likely
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.skeleton import GERMANY
from stadtgrund.crs import best_operation
from stadtgrund.errors import SourceError
from stadtgrund.language import say

_DEGREES = ("EPSG:4326", "OGC:CRS84", "EPSG:4979", "OGC:CRS84h")
_PAIRS = (
    ("x", "y"), ("rechtswert", "hochwert"), ("rw", "hw"), ("ostwert", "nordwert"), ("easting", "northing"), ("east", "north"), ("e", "n"),
    ("ost", "nord"), ("lon", "lat"), ("long", "lat"), ("lng", "lat"), ("longitude", "latitude"), ("laengengrad", "breitengrad"),
    ("laenge", "breite"), ("geolaenge", "geobreite"),
)  # fmt: skip
"""What columns of coordinates are called, east first; their size decides whether they are, and which is which."""


@dataclass(frozen=True)
class Place:
    """Where a source lies.

    `crs` is what a load needs (EPSG code, or WKT where there is none); `code` what the contract states, None for such a WKT.
    `evidence` are German sentences for the contract, `doubts` those of them that a person must look at.
    """

    crs: str
    code: str | None
    swapped: bool
    evidence: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def find(sample: np.ndarray, stated: str | None, deployment: Deployment, what: str, *, asked: str | None = None) -> Place:
    """Return where coordinates lie.

    Parameters
    ----------
    sample : array of shape (n, 2)
        Some coordinates as the source has them, x first as it was read.
    stated : str, optional
        What the source says of its CRS.
    deployment : Deployment
        Its box decides between what is possible.
    what : str
        Name of the source for messages.
    asked : str, optional
        The CRS that the person at the command line states; it goes before all else.

    Raises
    ------
    SourceError
        No usual CRS brings the coordinates to Germany.
    """
    if asked or stated:
        crs = asked or str(stated)
        code = _code(crs)
        by = "--crs" if asked else "aus der Datei"
        name = f"{code or _name(crs)}{_called(code)}"
        if not len(sample):
            return _with_operation(Place(crs, code, False, (f"Bezugssystem {name}, {by}.",)), deployment)
        if _share(sample, crs, deployment.box84) > 0:
            return _with_operation(
                Place(crs, code, False, (f"Bezugssystem {name}, {by}; die Koordinaten liegen in der Stadt.",)), deployment
            )
        other = None if asked else _by_size(sample, deployment)
        if other is not None and _in_box(sample, other, deployment):
            doubt = f"Die Datei nennt {name}, aber die Koordinaten ({_shown(sample)}) passen nicht dazu; {other.evidence[0]}"
            return _with_operation(replace(other, evidence=(doubt, *other.evidence[1:]), doubts=(doubt, *other.doubts)), deployment)
        if _share(sample, crs, GERMANY) > 0:
            doubt = (
                f"Bezugssystem {name}, {by}. Die ersten Objekte liegen nicht in der box aus deployment.yml ({_shown(sample)}): "
                "Ist die box zu eng, oder ist es die falsche Datei?"
            )
            return _with_operation(Place(crs, code, False, (doubt,), (doubt,)), deployment)
        if other is None:
            raise _nowhere(sample, what, name)
        doubt = f"Die Datei nennt {name}, aber die Koordinaten ({_shown(sample)}) passen nicht dazu; {other.evidence[0]}"
        return _with_operation(replace(other, evidence=(doubt,), doubts=(doubt,)), deployment)
    found = _by_size(sample, deployment)
    if found is None:
        raise _nowhere(sample, what, None)
    doubt = f"{what} nennt kein Bezugssystem; {found.evidence[0]}"
    return _with_operation(replace(found, evidence=(doubt, *found.evidence[1:]), doubts=(doubt, *found.doubts)), deployment)


def _by_size(sample: np.ndarray, deployment: Deployment) -> Place | None:
    """Return the CRS that brings most coordinates into the city, else to Germany."""
    if not len(sample):
        return None
    x, y = (float(value) for value in np.median(sample, axis=0))
    for box in (deployment.box84, GERMANY):
        for swapped in (False, True):
            across, up = (y, x) if swapped else (x, y)
            fitting = [f"EPSG:{code}" for code in likely(across) if fits(across, up, f"EPSG:{code}", box)]
            if not fitting:
                continue
            chosen = deployment.crs if deployment.crs in fitting else fitting[0]
            text = f"nach der Größe der Koordinaten ({_shown(sample)}) ist es {chosen}{_called(chosen)}"
            text += ", Hochwert vor Rechtswert." if swapped else "."
            doubts: tuple[str, ...] = ()
            if len(fitting) > 1:
                others = " und ".join(code for code in fitting if code != chosen)
                doubts = (f"Auch {others} wäre möglich: In der Karte prüfen, oder die box in deployment.yml enger fassen.",)
            if box is GERMANY and deployment.box84 != GERMANY:
                doubts += ("Die Koordinaten liegen dann in Deutschland, aber nicht in der box aus deployment.yml.",)
            return Place(chosen, chosen, swapped, (text, *doubts), doubts)
    return None


def _in_box(sample: np.ndarray, place: Place, deployment: Deployment) -> bool:
    turned = sample[:, ::-1] if place.swapped else sample
    return _share(turned, place.crs, deployment.box84) > 0


def _share(sample: np.ndarray, crs: str, box84: tuple[float, float, float, float]) -> float:
    step = max(1, len(sample) // 50)
    hits = [fits(float(x), float(y), crs, box84) for x, y in sample[::step]]
    return sum(hits) / len(hits)


def overlaps(bounds: tuple[float, float, float, float], crs: str, deployment: Deployment) -> bool:
    """Whether a box (xmin, ymin, xmax, ymax) in `crs` touches the city's."""
    xmin, ymin, xmax, ymax = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform_bounds(*bounds, densify_pts=21)
    west, south, east, north = deployment.box84
    return bool(xmin <= east and xmax >= west and ymin <= north and ymax >= south)


def _with_operation(place: Place, deployment: Deployment) -> Place:
    """Add how exactly the coordinates get into the storage CRS."""
    operation = best_operation(place.crs, deployment.crs)
    if place.code == deployment.crs or operation.name in ("identity", "noop"):
        return place
    accuracy = "unbekannter Genauigkeit" if operation.accuracy_m is None else f"{operation.accuracy_m:g} m Genauigkeit".replace(".", ",")
    evidence = f"Umrechnung nach {deployment.crs} mit {accuracy}"
    if operation.best_available:
        return replace(place, evidence=(*place.evidence, f"{evidence}."))
    missing = f" ({operation.missing} fehlt; Paket proj-data einrichten)" if operation.missing else ""
    doubt = f"{evidence}; Lagegenauigkeit unsicher, denn das bessere Gitter ist nicht da{missing}."
    return replace(place, evidence=(*place.evidence, doubt), doubts=(*place.doubts, doubt))


def _code(crs: str) -> str | None:
    try:
        known = CRS.from_user_input(crs)
    except CRSError as error:
        raise SourceError(
            say(f"Das Bezugssystem {crs[:80]!r} kennt PROJ nicht.", f"PROJ does not know the CRS {crs[:80]!r}."),
            remedy=say("Nennen Sie es mit --crs EPSG:<Nummer>.", "State it with --crs EPSG:<number>."),
        ) from error
    authority = known.to_authority(min_confidence=70)
    code = ":".join(authority) if authority else None
    if code in _DEGREES:
        return "EPSG:4326"
    return code if code and re.fullmatch(r"EPSG:\d{4,6}", code) else None


def _name(crs: str) -> str:
    return str(CRS.from_user_input(crs).name)


def _called(code: str | None) -> str:
    number = int(code.removeprefix("EPSG:")) if code and code.startswith("EPSG:") else 0
    return f" ({NAMES[number]})" if number in NAMES else ""


def _shown(sample: np.ndarray) -> str:
    x, y = np.median(sample, axis=0)
    digits = 4 if abs(x) <= 180 and abs(y) <= 180 else 0
    return f"bei {x:.{digits}f} / {y:.{digits}f}"


def _nowhere(sample: np.ndarray, what: str, stated: str | None) -> SourceError:
    where = _shown(sample) if len(sample) else "ohne Koordinaten"
    said = f"genannt ist {stated}" if stated else "die Datei nennt kein Bezugssystem"
    said_en = f"it states {stated}" if stated else "it states no CRS"
    return SourceError(
        say(
            f"{what}: Die Koordinaten liegen {where}, {said}; kein gebräuchliches Bezugssystem bringt sie nach Deutschland.",
            f"{what}: The coordinates ({where}; {said_en}) are not in Germany in any usual CRS.",
        ),
        remedy=say(
            "Fragen Sie die Quelle nach dem Bezugssystem und nennen Sie es mit --crs EPSG:<Nummer>.",
            "Ask the source for its CRS and state it with --crs EPSG:<number>.",
        ),
    )


def coordinate_pairs(columns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of columns whose names say x and y (Rechtswert/Hochwert, lon/lat, …) and agree in the rest of the name."""
    words = {column: snake(column).split("_") for column in columns}
    for across, up in _PAIRS:
        for column, parts in words.items():
            if across in parts:
                place = parts.index(across)
                wanted = [*parts[:place], up, *parts[place + 1 :]]
                yield from ((column, other) for other, its in words.items() if its == wanted)
