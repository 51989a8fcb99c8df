"""Rules about the deployment itself and its key registers."""

from __future__ import annotations

__all__ = ["RULES", "key_registers"]

import re
from collections.abc import Iterator
from datetime import date
from itertools import combinations, groupby

from stadtgrund.catalog.checks_of_release import unknown_licence
from stadtgrund.catalog.checks_of_source import is_known
from stadtgrund.catalog.document import Finding
from stadtgrund.catalog.keys import KINDS, Entry, KeyRegister
from stadtgrund.catalog.licences import LICENCES
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Problem
from stadtgrund.language import say


def box(deployment: Deployment) -> Iterator[Finding]:
    """The city's box is west, south, east, north in degrees."""
    west, south, east, north = deployment.box84
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        yield (
            ("box",),
            say(
                "ist kein Ausschnitt in Grad; erlaubt: [West, Süd, Ost, Nord], etwa [7.6, 49.3, 7.9, 49.5].",
                "is not a box in degrees; allowed: [west, south, east, north], such as [7.6, 49.3, 7.9, 49.5].",
            ),
        )
    elif deployment.ags and not (5 < west < 16 and 47 < south < 56):
        yield (
            ("box",),
            say(
                "liegt nicht in Deutschland; Länge und Breite vertauscht? Erlaubt: [West, Süd, Ost, Nord].",
                "is not in Germany; longitude and latitude swapped? Allowed: [west, south, east, north].",
            ),
        )


def storage_crs(deployment: Deployment) -> Iterator[Finding]:
    """The storage CRS is known."""
    if not is_known(deployment.crs):
        yield ("crs",), say(f"PROJ kennt {deployment.crs} nicht.", f"PROJ does not know {deployment.crs}.")


def licence(deployment: Deployment) -> Iterator[Finding]:
    """The default licence is one of the list."""
    name = deployment.defaults.licence
    if name is not None and name not in LICENCES:
        yield ("licence",), unknown_licence(name)


def key_registers(deployment: Deployment) -> Iterator[Problem]:
    """Yield what is wrong with the key registers: names, patterns, keys that do not fit, keys that are valid twice."""
    for name, register in deployment.keys.registers.items():
        file = f"keys/{name}.yml"
        if name in KINDS:
            yield Problem(
                file, None, "name", say("ist ein Schlüsseltyp der Plattform; anders nennen.", "is a key type of the platform; rename it.")
            )
        try:
            re.compile(register.pattern or "")
        except re.error as error:
            yield Problem(
                file, None, "pattern", say(f"kein gültiger regulärer Ausdruck: {error}.", f"not a valid regular expression: {error}.")
            )
            continue
        form = register.model_copy(update={"values": ()})
        for entry in register.values:
            yield from _entry(file, form, entry)
        for key, entries in groupby(sorted(register.values, key=lambda entry: entry.key), key=lambda entry: entry.key):
            if any(_overlap(first, second) for first, second in combinations(entries, 2)):
                yield Problem(file, None, key, say("gilt an manchen Tagen zweimal.", "is valid twice on some days."))


def _entry(file: str, form: KeyRegister, entry: Entry) -> Iterator[Problem]:
    try:
        right = form.normalise(entry.key)
    except ValueError as error:
        yield Problem(file, None, entry.key, str(error))
        return
    if right != entry.key:
        yield Problem(file, None, entry.key, say(f"muss „{right}“ heißen.", f"must be “{right}”."))
    if entry.valid_from and entry.valid_to and entry.valid_to < entry.valid_from:
        yield Problem(file, None, entry.key, say("endet, bevor es beginnt.", "ends before it begins."))


def _overlap(first: Entry, second: Entry) -> bool:
    return (first.valid_from or date.min) <= (second.valid_to or date.max) and (second.valid_from or date.min) <= (
        first.valid_to or date.max
    )


RULES = (box, storage_crs, licence)
"""All rules of this module."""
