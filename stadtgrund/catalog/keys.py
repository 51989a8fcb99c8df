"""Key types of municipal data: normalise, validate, format.

Keys are text with a fixed form. What is unambiguous dirt is repaired (blanks, a lost leading zero, `7319000.0`); what could mean two
things is refused with a sentence that ends in the report beside the row.
"""

from __future__ import annotations

__all__ = ["KINDS", "Entry", "KeyRegister", "Registers", "ags_of", "known", "normalise", "normaliser"]

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated

from pydantic import Field, StringConstraints

from stadtgrund.catalog import flurstueck, house_number
from stadtgrund.catalog.contract import Model, Text
from stadtgrund.language import BadValue

KINDS: dict[str, str] = {
    "ags": "Amtlicher Gemeindeschlüssel (8 Ziffern)",
    "ars": "Amtlicher Regionalschlüssel (12 Ziffern)",
    "strassenschluessel": "Straßenschlüssel (5 Zeichen, je Gemeinde)",
    "flurstueck": "Flurstückskennzeichen (20 Zeichen)",
    "plz": "Postleitzahl (5 Ziffern)",
    "hausnummer": "Hausnummer mit Zusatz",
}
"""The key types that every deployment has, and what they are."""


class Entry(Model):
    """One key of a register, with the days between which it holds (both inclusive, either may be open)."""

    key: str
    title: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether the key is valid on that day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on <= self.valid_to)


class KeyRegister(Model):
    """A key type of a deployment (`keys/<name>.yml`)."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
    title: Text
    description: Text | None = None
    width: Annotated[int, Field(ge=1, le=40)] | None = None
    """A key of digits that is shorter gets zeros in front."""
    pattern: str | None = None
    """Regular expression that the whole key must match."""
    upper: bool = False
    """Whether letters are made capital."""
    register_: Annotated[str | None, Field(alias="register")] = None
    """A CSV file beside this one: columns key, title, valid_from, valid_to."""
    values: tuple[Entry, ...] = ()
    """The keys there are; none = any key of the right form."""

    @cached_property
    def _by_key(self) -> dict[str, list[Entry]]:
        """The entries of each key: one a period of validity."""
        found: dict[str, list[Entry]] = {}
        for entry in self.values:
            found.setdefault(entry.key, []).append(entry)
        return found

    def normalise(self, value: object, on: date | None = None) -> str | None:
        """Return the key in its right form (None for an empty value); `on` asks for a key that is valid on that day.

        Raises
        ------
        BadValue
            With a sentence that says what is wrong.
        """
        text = clean(value)
        if text is None:
            return None
        text = text.upper() if self.upper else text
        if self.width:
            text = _whole(text)
            if text.isdigit() and text.isascii():
                text = text.zfill(self.width)
            if len(text) != self.width:
                raise BadValue(
                    f"„{text}“ hat {len(text)} Zeichen; {self.title.de} hat {self.width}.",
                    f"“{text}” has {len(text)} characters; {self.title.get('en')} has {self.width}.",
                )
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise BadValue(
                f"„{text}“ hat nicht die Form von {self.title.de} ({self.pattern}).",
                f"“{text}” has not the form of {self.title.get('en')} ({self.pattern}).",
            )
        if self.values:
            entries = self._by_key.get(text)
            if entries is None:
                raise BadValue(
                    f"„{text}“ steht nicht im Register {self.title.de} ({len(self.values)} Schlüssel).",
                    f"“{text}” is not in the register {self.title.get('en')} ({len(self.values)} keys).",
                )
            if on and not any(entry.holds(on) for entry in entries):
                raise BadValue(
                    f"„{text}“ gilt am {on:%d.%m.%Y} nicht ({self.title.de}).",
                    f"“{text}” is not valid on {on.isoformat()} ({self.title.get('en')}).",
                )
        return text


class Registers(Model):
    """What the key types of a deployment need to know: its own registers, and its AGS for the Land of a Flurstück."""

    ags: str | None = None
    registers: dict[str, KeyRegister] = Field(default_factory=dict)


def known(registers: Registers | None = None) -> dict[str, str]:
    """Return the names of the key types, with what they are."""
    own = registers.registers if registers else {}
    return {**KINDS, **{name: register.title.de for name, register in own.items()}}


def normaliser(kind: str, registers: Registers | None = None) -> Callable[[object], str | None]:
    """Return the function that normalises keys of `kind`; for many values, call it once for each distinct one.

    Raises
    ------
    KeyError
        When there is no such key type.
    """
    registers = registers or Registers()
    if kind in registers.registers:
        return registers.registers[kind].normalise
    land = registers.ags[:2] if registers.ags else None
    builtin: Mapping[str, Callable[[str], str | None]] = {
        "ags": _ags,
        "ars": _ars,
        "strassenschluessel": _strassenschluessel,
        "flurstueck": lambda text: str(flurstueck.parse(text, land)),
        "plz": _plz,
        "hausnummer": house_number.normalise,
    }
    function = builtin[kind]

    def normalise_one(value: object) -> str | None:
        text = clean(value)
        return None if text is None else function(text)

    return normalise_one


def normalise(kind: str, value: object, registers: Registers | None = None) -> str | None:
    """Return `value` as a key of `kind` in its right form; None for an empty value.

    Raises
    ------
    BadValue
        With a sentence that says what is wrong and what is right.
    KeyError
        When there is no such key type.
    """
    return normaliser(kind, registers)(value)


def ags_of(ars: str) -> str:
    """Return the AGS within an ARS: without the four digits of the Verband. The way back needs a register."""
    return ars[:5] + ars[9:]


def clean(value: object) -> str | None:
    """Return a value as text: composed Unicode, no invisible or doubled blanks; None when nothing is left.

    A whole number that came as float loses its ".0".
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        raise BadValue(
            f"„{str(value).lower()}“ ist ein Wahrheitswert, kein Schlüssel.", f"“{str(value).lower()}” is a truth value, no key."
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    text = unicodedata.normalize("NFC", str(value))
    text = "".join(" " if character.isspace() else character for character in text if unicodedata.category(character) != "Cf")
    return " ".join(text.split()) or None


def _whole(text: str) -> str:
    """Return the digits of a number that a spreadsheet wrote: 7319000.0 is 7319000; 7.319E6 has lost places."""
    if match := re.fullmatch(r"(\d+)[.,]0+", text):
        return match[1]
    if re.fullmatch(r"\d+(?:[.,]\d+)?[eE][+]?\d+", text):
        raise BadValue(
            f"„{text}“ ist eine gerundete Zahl aus einer Tabelle; Stellen sind verloren. Spalte als Text ausgeben.",
            f"“{text}” is a number that a spreadsheet rounded; digits are lost. Export the column as text.",
        )
    return text


def _digits(text: str, name: str) -> str:
    text = re.sub(r"[ ]", "", _whole(text))
    if not (text.isascii() and text.isdigit()):
        raise BadValue(f"„{text}“ ist kein {name}: nur Ziffern sind erlaubt.", f"“{text}” is no {name}: only digits are allowed.")
    return text


def _land(key: str, name: str) -> str:
    if not "01" <= key[:2] <= "16":
        raise BadValue(
            f"„{key}“ ist kein {name}: {key[:2]} ist kein Land (01 bis 16).", f"“{key}” is no {name}: {key[:2]} is no Land (01 to 16)."
        )
    return key


def _ags(text: str) -> str:
    digits = _digits(text, "AGS")
    if len(digits) == 12:
        raise BadValue(
            f"„{digits}“ ist ein ARS (12 Ziffern), kein AGS (8 Ziffern): ohne Stelle 6 bis 9 ist er {ags_of(digits)}.",
            f"“{digits}” is an ARS (12 digits), no AGS (8 digits): without digits 6 to 9 it is {ags_of(digits)}.",
        )
    if len(digits) == 5:
        raise BadValue(
            f"„{digits}“ ist ein Kreisschlüssel (5 Ziffern), kein AGS (8 Ziffern).",
            f"“{digits}” is the key of a Kreis (5 digits), no AGS (8 digits).",
        )
    if len(digits) not in (7, 8):
        raise BadValue(f"„{digits}“ hat {len(digits)} Ziffern; ein AGS hat 8.", f"“{digits}” has {len(digits)} digits; an AGS has 8.")
    return _land(digits.zfill(8), "AGS")


def _ars(text: str) -> str:
    digits = _digits(text, "ARS")
    if len(digits) == 8:
        raise BadValue(
            f"„{digits}“ ist ein AGS (8 Ziffern), kein ARS (12 Ziffern): der Verband fehlt, nur ein Register ergänzt ihn.",
            f"“{digits}” is an AGS (8 digits), no ARS (12 digits): the Verband is missing, which only a register knows.",
        )
    if len(digits) not in (11, 12):
        raise BadValue(f"„{digits}“ hat {len(digits)} Ziffern; ein ARS hat 12.", f"“{digits}” has {len(digits)} digits; an ARS has 12.")
    return _land(digits.zfill(12), "ARS")


def _strassenschluessel(text: str) -> str:
    key = re.sub(r"[ ]", "", _whole(text))
    if not (key.isascii() and key.isalnum()):
        raise BadValue(
            f"„{text}“ ist kein Straßenschlüssel: nur Ziffern und Buchstaben von A bis Z sind erlaubt.",
            f"“{text}” is no Straßenschlüssel: only digits and letters from A to Z are allowed.",
        )
    key = key.upper()
    if len(key) > 5 or (len(key) < 5 and not key.isdigit()):
        raise BadValue(
            f"„{text}“ hat {len(key)} Zeichen; ein Straßenschlüssel hat 5.",
            f"“{text}” has {len(key)} characters; a Straßenschlüssel has 5.",
        )
    if not key.strip("0"):
        raise BadValue(f"„{text}“ ist kein Straßenschlüssel: nur Nullen.", f"“{text}” is no Straßenschlüssel: zeros only.")
    return key.zfill(5)


def _plz(text: str) -> str:
    digits = (
        _digits(re.sub(r"^DE?[- ]?(?=\d)", "", text), "Postleitzahl") if re.match(r"^DE?[- ]?\d", text) else _digits(text, "Postleitzahl")
    )
    if len(digits) not in (4, 5):
        raise BadValue(
            f"„{digits}“ hat {len(digits)} Ziffern; eine Postleitzahl hat 5.",
            f"“{digits}” has {len(digits)} digits; a Postleitzahl has 5.",
        )
    digits = digits.zfill(5)
    if digits < "01001" or digits > "99998":
        raise BadValue(f"„{digits}“ ist keine Postleitzahl (01001 bis 99998).", f"“{digits}” is no Postleitzahl (01001 to 99998).")
    return digits
