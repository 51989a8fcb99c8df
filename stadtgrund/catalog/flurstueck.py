"""Flurstückskennzeichen: the 20 characters of a land parcel.

Land 2, Gemarkung 4, Flur 3, Zähler 5, Nenner 4, Folge 2; what is missing is underscores (ALKIS, AX_Flurstueck).
Offices also write `2450-8-746/284`, cut the trailing underscores, or put blanks between the parts.
"""

from __future__ import annotations

__all__ = ["Flurstueck", "parse"]

import re
from dataclasses import dataclass

from stadtgrund.language import BadValue

_FORM = re.compile(r"(\d{2})(\d{4})(\d{3}|_{3})(\d{5})(\d{4}|_{4})(\d{2}|_{2})")
_WRITTEN = re.compile(
    r"(?:(?P<land>\d{2})[ -]?)?(?P<gemarkung>\d{4})\s*[-,; ]\s*"
    r"(?:(?:Flur\s*)?(?P<flur>\d{1,3}|_{1,3}|)\s*[-,; ]\s*)?"
    r"(?:(?:Flst\.?|Flurstück)\s*)?(?P<zaehler>\d{1,5})(?:\s*/\s*(?P<nenner>\d{1,4}))?(?:\s*[-.]\s*(?P<folge>\d{1,2}))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Flurstueck:
    """A land parcel's key in its parts; 0 = the part is missing. `str()` gives the 20 characters."""

    land: int
    gemarkung: int
    flur: int
    zaehler: int
    nenner: int = 0
    folge: int = 0

    def __str__(self) -> str:
        flur = f"{self.flur:03d}" if self.flur else "___"
        nenner = f"{self.nenner:04d}" if self.nenner else "____"
        folge = f"{self.folge:02d}" if self.folge else "__"
        return f"{self.land:02d}{self.gemarkung:04d}{flur}{self.zaehler:05d}{nenner}{folge}"

    def written(self) -> str:
        """Return the key as people write it: 15 2450-8-746/284."""
        flur = str(self.flur) if self.flur else ""
        nenner = f"/{self.nenner}" if self.nenner else ""
        folge = f"-{self.folge}" if self.folge else ""
        return f"{self.land:02d} {self.gemarkung:04d}-{flur}-{self.zaehler}{nenner}{folge}"


def parse(text: str, land: str | None = None) -> Flurstueck:
    """Read a Kennzeichen in any of its spellings; `land` (2 digits) is that of the city, for a spelling without it.

    Raises
    ------
    BadValue
        With a sentence that says what is wrong.
    """
    packed = text.replace(" ", "")
    if re.fullmatch(r"[\d_]{14,20}", packed):
        match = _FORM.fullmatch(packed.ljust(20, "_")) if len(packed) in (14, 18, 20) else None
        if match is None:
            raise BadValue(
                f"„{text}“ hat {len(packed)} Zeichen in falscher Folge; ein Flurstückskennzeichen hat 20 "
                "(Land 2, Gemarkung 4, Flur 3, Zähler 5, Nenner 4, Folge 2).",
                f"“{text}” has {len(packed)} characters in a wrong order; a Flurstückskennzeichen has 20 "
                "(Land 2, Gemarkung 4, Flur 3, Zähler 5, Nenner 4, Folge 2).",
            )
        parts = [int(part) if part.isdigit() else 0 for part in match.groups()]
        return _checked(text, Flurstueck(*parts))
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        if re.match(r"\d{1,5}(/\d{1,4})?$", packed):
            raise BadValue(
                f"„{text}“ ist nur Zähler und Nenner; Gemarkung und Flur fehlen, etwa 2450-8-746/284.",
                f"“{text}” is Zähler and Nenner only; Gemarkung and Flur are missing, such as 2450-8-746/284.",
            )
        if re.search(r"[A-Za-zÄÖÜäöüß]{3,}", text):
            raise BadValue(
                f"„{text}“ nennt die Gemarkung mit Namen; nötig ist ihr Schlüssel (4 Ziffern), etwa 2450-8-746/284.",
                f"“{text}” names the Gemarkung; needed is its key (4 digits), such as 2450-8-746/284.",
            )
        raise BadValue(
            f"„{text}“ ist kein Flurstückskennzeichen (20 Zeichen oder Gemarkung-Flur-Zähler/Nenner).",
            f"“{text}” is no Flurstückskennzeichen (20 characters, or Gemarkung-Flur-Zähler/Nenner).",
        )
    own_land = match["land"] or land
    if own_land is None:
        raise BadValue(
            f"„{text}“ hat kein Land, und die Stadt hat keinen AGS in deployment.yml.",
            f"“{text}” has no Land, and the city has no AGS in deployment.yml.",
        )
    numbers = [int(match[name]) if match[name] and match[name].isdigit() else 0 for name in ("flur", "zaehler", "nenner", "folge")]
    return _checked(text, Flurstueck(int(own_land), int(match["gemarkung"]), *numbers))


def _checked(text: str, parcel: Flurstueck) -> Flurstueck:
    if not 1 <= parcel.land <= 16:
        raise BadValue(
            f"„{text}“ ist kein Flurstückskennzeichen: {parcel.land:02d} ist kein Land (01 bis 16).",
            f"“{text}” is no Flurstückskennzeichen: {parcel.land:02d} is no Land (01 to 16).",
        )
    if parcel.zaehler == 0:
        raise BadValue(
            f"„{text}“ ist kein Flurstückskennzeichen: der Zähler ist 0.", f"“{text}” is no Flurstückskennzeichen: the Zähler is 0."
        )
    return parcel
