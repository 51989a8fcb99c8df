"""The files of a new deployment folder: a city that can be served before it has its first dataset."""

from __future__ import annotations

__all__ = ["GERMANY", "LAENDER", "Skeleton", "ags_of", "crs_of"]

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from stadtgrund.catalog import keys
from stadtgrund.errors import UsageError
from stadtgrund.language import say

LAENDER = {
    "01": "Schleswig-Holstein", "02": "Hamburg", "03": "Niedersachsen", "04": "Bremen", "05": "Nordrhein-Westfalen", "06": "Hessen",
    "07": "Rheinland-Pfalz", "08": "Baden-Württemberg", "09": "Bayern", "10": "Saarland", "11": "Berlin", "12": "Brandenburg",
    "13": "Mecklenburg-Vorpommern", "14": "Sachsen", "15": "Sachsen-Anhalt", "16": "Thüringen",
}  # fmt: skip
"""The first two digits of an AGS."""

GERMANY = (5.5, 47.2, 15.6, 55.3)
"""West, south, east, north in CRS84, with some sea: the box of a city that has not stated its own."""

_ZONE_33 = ("11", "12", "13", "14")


def ags_of(text: str) -> str:
    """Return an Amtlicher Gemeindeschlüssel in its right form; a lost leading zero is put back.

    Raises
    ------
    UsageError
        With what is wrong and what is right.
    """
    try:
        key = keys.normalise("ags", text)
    except ValueError as error:
        raise UsageError(f"--ags: {error}", remedy=_remedy_of_ags()) from error
    if key is None:
        raise UsageError(say("--ags ist leer.", "--ags is empty."), remedy=_remedy_of_ags())
    return key


def _remedy_of_ags() -> str:
    return say(
        "Der AGS hat 8 Ziffern, die ersten beiden nennen das Land: 07312000 ist Kaiserslautern. Er steht im Gemeindeverzeichnis.",
        "An AGS has 8 digits, the first two name the Land: 07312000 is Kaiserslautern.",
    )


def crs_of(ags: str) -> str:
    """Return the CRS in which the Land of an AGS keeps its geodata: UTM 33 in Berlin, Brandenburg, Mecklenburg and Saxony, else UTM 32."""
    return "EPSG:25833" if ags[:2] in _ZONE_33 else "EPSG:25832"


@dataclass(frozen=True)
class Skeleton:
    """A deployment to be: `box` is (west, south, east, north) in CRS84, None where it is not known yet."""

    folder: Path
    ags: str
    title: str
    crs: str
    box: tuple[float, float, float, float] | None

    @property
    def id(self) -> str:
        """The folder's name as an id."""
        plain = self.folder.name.lower()
        for letter, plain_letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
            plain = plain.replace(letter, plain_letters)
        name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:31].strip("_")
        return name if name[:1].isalpha() else f"stadt_{name}".strip("_")[:31]

    def files(self) -> dict[str, str]:
        """Return the text of each file by its path in the folder."""
        return {
            "deployment.yml": self._deployment(),
            "server.yml": self._server(),
            "profiles.yml": _PROFILES,
            "README.md": self._readme(),
        }

    def _deployment(self) -> str:
        title = _quoted(self.title)
        box = "[" + ", ".join(f"{value:g}" for value in self.box or GERMANY) + "]"
        remark = (
            ""
            if self.box
            else (
                "# Ganz Deutschland. Enger fassen, sobald klar ist, wo die Stadt liegt: West, Süd, Ost, Nord in Grad.\n"
                "# Erst dann fällt auf, wenn eine Datei in der falschen Zone oder mit vertauschten Achsen kommt.\n"
            )
        )
        return f"""\
# {" ".join(self.title.split())} ({LAENDER[self.ags[:2]]}): die Stadt, und was für alle ihre Datensätze gilt, die nichts anderes sagen.
id: {self.id}
title: {{de: {title}}}
description:
  de: {_quoted(f"Offene Geodaten: {self.title}.")}
ags: "{self.ags}"
# Speicher-Koordinatensystem: EPSG:25832 (UTM 32) oder EPSG:25833 (UTM 33).
crs: {self.crs}
{remark}box: {box}
language: de
# Wo die Quellen liegen (${{DATA}} in den Verträgen); ohne Angabe dieser Ordner. STADTGRUND_DATA geht vor.
# data: ../daten
# Lizenz und Quellenangabe der Datensätze: bitte prüfen.
licence: dl-de/by-2-0
attribution: {title}
# Wer gefragt werden kann; die Adressen sind Platzhalter und bitte zu ersetzen.
contact: {{organisation: {title}, unit: Geodatenstelle, email: geodaten@example.org}}
responsibility:
  owner: {{organisation: {title}, email: geodaten@example.org}}
  steward: {{organisation: {title}, unit: Geodatenstelle, email: geodaten@example.org}}
  operator: {{organisation: {title}, email: geodaten@example.org}}
"""

    def _server(self) -> str:
        title = _quoted(f"Stadtgrund {self.title}")
        return f"""\
# Die Abschnitte, die pygeoapi selbst liest; Adresse und Port setzt die Plattform (PUBLIC_URL, PORT).
server:
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  gzip: false
  languages: [de-DE, en-US]
  pretty_print: false
  admin: false
  limits: {{default_items: 1000, max_items: 10000, on_exceed: throttle}}
  map:
    url: https://tile.openstreetmap.org/{{z}}/{{x}}/{{y}}.png
    attribution: '&copy; <a href="https://openstreetmap.org/copyright">OpenStreetMap-Mitwirkende</a>'
logging: {{level: ERROR}}
metadata:
  identification:
    title: {{de: {title}, en: {title}}}
    description:
      de: {_quoted(f"Offene Geodaten als OGC-API: {self.title}.")}
      en: {_quoted(f"Open geodata as OGC API: {self.title}.")}
    keywords: {{de: [Geodaten, offene Daten], en: [geodata, open data]}}
    keywords_type: theme
    terms_of_service: https://www.govdata.de/dl-de/by-2-0
    url: https://example.org/
  license: {{name: Datenlizenz Deutschland – Namensnennung – Version 2.0, url: "https://www.govdata.de/dl-de/by-2-0"}}
  provider: {{name: {_quoted(self.title)}, url: "https://example.org/"}}
  contact:
    name: Geodatenstelle
    email: geodaten@example.org
    url: https://example.org/
    role: pointOfContact
"""

    def _readme(self) -> str:
        folder = shlex.quote(str(self.folder))
        return f"""\
# {" ".join(self.title.split())}

Ein Deployment von Stadtgrund: `deployment.yml` nennt die Stadt, `datasets/` hat je Datensatz einen Vertrag, `keys/` eigene Schlüsseltypen,
`styles/` eigene Stile. Der Ordner gehört in die Versionsverwaltung der Stadt; Daten und Kennwörter liegen nicht darin.

Die erste eigene Ebene, im Ordner von Stadtgrund aufgerufen:

```sh
.venv/bin/stadtgrund --config {folder} init /pfad/zu/stadtteile.shp --output stadtteile.yaml
make run CONFIG={folder}
```

Der erste Befehl liest die Datei und schreibt `datasets/stadtteile.yaml`, der zweite lädt sie und liefert sie aus.
Zu sehen ist sie zunächst nur für die Verwaltung (mit dem Schlüssel, den `make run` beim ersten Mal zeigt);
`stadtgrund --config {folder} release stadtteile` stellt die Fragen der Schutzprüfung und öffnet sie.

Bitte ersetzen: die Adressen und die Lizenz in `deployment.yml` und `server.yml`, und dort die `box`, solange sie ganz Deutschland ist.
"""


_PROFILES = """\
open:
  title: {de: Öffentlich, en: Public}
  description: {de: Was ohne Anmeldung zu sehen ist., en: What can be seen without signing in.}
verwaltung:
  title: {de: Verwaltung, en: Administration}
  description: {de: Was die Verwaltung mit ihrem Schlüssel sieht., en: What the administration sees with its key.}
"""


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
