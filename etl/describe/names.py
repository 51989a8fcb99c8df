"""Names out of a source's own: fields and datasets in ASCII snake case, titles as people read them."""

from __future__ import annotations

__all__ = ["Named", "dataset_name", "dataset_title", "field_names", "snake", "title_of"]

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stadtgrund.catalog.contract import API_PARAMETERS, RESERVED_COLUMNS

_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ẞ": "SS", "æ": "ae", "ø": "oe", "²": "2", "³": "3"}
)
_SIGNS = (("%", " prozent "), ("€", " eur "), ("&", " und "), ("§", " paragraf "))
_FIELD_LENGTH, _DATASET_LENGTH = 50, 48

_TITLES = {
    "plz": "Postleitzahl", "strasse": "Straße", "str": "Straße", "strname": "Straßenname", "str_name": "Straßenname",
    "hausnr": "Hausnummer", "hnr": "Hausnummer", "haus_nr": "Hausnummer", "ags": "Amtlicher Gemeindeschlüssel",
    "ars": "Amtlicher Regionalschlüssel", "bez": "Bezirk", "flaeche": "Fläche", "laenge": "Länge", "hoehe": "Höhe",
    "objectid": "Objektnummer", "id": "Kennung", "fid": "Objektnummer", "nr": "Nummer", "gml_id": "Kennung (GML)",
    "shape_area": "Fläche der Geometrie", "shape_leng": "Länge der Geometrie", "shape_len": "Länge der Geometrie",
    "shape_length": "Länge der Geometrie", "tel": "Telefon", "traeger": "Träger", "schluessel": "Schlüssel",
    "einw": "Einwohner",
}  # fmt: skip
"""What frequent names mean."""
_SPELLED = (("strasse", "straße"), ("flaeche", "fläche"), ("laenge", "länge"), ("hoehe", "höhe"), ("schluessel", "schlüssel"),
            ("gebaeude", "gebäude"), ("traeger", "träger"), ("buerger", "bürger"), ("gruen", "grün"), ("gueltig", "gültig"),
            ("oeffentlich", "öffentlich"), ("praes", "präs"), ("massnahme", "maßnahme"), ("gewaesser", "gewässer"))  # fmt: skip


_SHORT = {
    word.upper(): word
    for words in (
        ("am", "an", "ab", "bis", "das", "der", "des", "die", "im", "in", "je", "mit", "und", "von", "zu"),
        ("Alt", "Art", "Neu", "Nr", "Ort", "Tag", "Typ", "Zahl"),
    )
    for word in words
}
"""Short words in a name of capitals, which otherwise stays as it is: PLR, LOR."""


@dataclass(frozen=True)
class Named:
    """A field's name, and why it is not simply the source's (German; empty when it is the same but for its letters)."""

    name: str
    reason: str = ""


def snake(text: str) -> str:
    """Return `text` in lower snake case of ASCII letters: "Straßen-Schlüssel" → strassen_schluessel; '' if nothing is left."""
    for sign, word in _SIGNS:
        text = text.replace(sign, word)
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", plain)
    plain = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", "_", plain)
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def field_names(sources: Iterable[str]) -> Mapping[str, Named]:
    """Return a name for each column of the source: none twice, none of the platform's, of the API's or of PostgreSQL's own."""
    made: dict[str, Named] = {}
    taken: set[str] = set()
    for source in sources:
        name, reason = snake(source), ""
        if not name:
            name, reason = "feld", "der Name der Quelle hat keinen Buchstaben"
        if name[0].isdigit():
            name, reason = ("jahr_" if re.fullmatch(r"(19|20)\d\d", name) else "wert_") + name, "ein Name beginnt mit einem Buchstaben"
        name = _shortened(name, _FIELD_LENGTH)
        if name in API_PARAMETERS:
            name, reason = f"{name}_wert", f"„{name}“ ist ein Parameter der API"
        elif name in RESERVED_COLUMNS or name.startswith("sg_"):
            name, reason = f"{name.removeprefix('sg_')}_wert", f"„{name}“ ist der Plattform oder der Datenbank vorbehalten"
        if name in taken:
            number = 2
            while f"{name}_{number}" in taken:
                number += 1
            reason = f"„{name}“ ist schon der Name eines anderen Feldes"
            name = f"{name}_{number}"
        taken.add(name)
        made[source] = Named(name, reason)
    return made


def dataset_name(text: str) -> str:
    """Return an id for a dataset out of a file's or layer's name."""
    name = snake(text) or "datensatz"
    name = f"daten_{name}" if name[0].isdigit() else name
    return _shortened(name.removeprefix("sg_") or "datensatz", _DATASET_LENGTH)


def title_of(source: str) -> str:
    """Return the source's name as a title: "STADTTEIL_NR" → "Stadtteil Nr", "Anteil (%)" as it is."""
    known = _TITLES.get(snake(source))
    if known:
        return known
    text = " ".join(source.replace("_", " ").split()) or source
    if text.isupper() and len(text) > 3:
        text = " ".join(_SHORT.get(word, word if len(word) <= 3 else word.capitalize()) for word in text.split())
    elif not re.search(r"\s", text):
        text = re.sub(r"(?<=[a-zäöüß]{2})(?=[A-ZÄÖÜ][a-zäöüß])", " ", text)
    for ascii_form, german in _SPELLED:
        text = text.replace(ascii_form, german).replace(ascii_form.capitalize(), german.capitalize())
    return text[:1].upper() + text[1:]


def dataset_title(text: str) -> str:
    """Return a file's or layer's name as a title: "wahlbezirke-2024" → "Wahlbezirke 2024"."""
    words = re.sub(r"[-_]+", " ", text).split()
    return title_of(" ".join(word if word.upper() in _SHORT else word[:1].upper() + word[1:] for word in words) or text)


def _shortened(name: str, length: int) -> str:
    if len(name) <= length:
        return name
    words, kept = name.split("_"), ""
    for word in words:
        longer = f"{kept}_{word}" if kept else word
        if len(longer) > length:
            break
        kept = longer
    return (kept if len(kept) >= length // 2 else name[:length]).strip("_")
