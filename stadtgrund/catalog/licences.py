"""The licences that a dataset may have: a closed list, those of DCAT-AP.de."""

from __future__ import annotations

__all__ = ["LICENCES", "Licence"]

from dataclasses import dataclass

_BASE = "http://dcat-ap.de/def/licenses/"


@dataclass(frozen=True)
class Licence:
    """A licence: its title, the URI of its text, and whether the source must be named."""

    id: str
    title: str
    url: str
    attribution: bool
    share_alike: bool = False
    is_open: bool = True


LICENCES: dict[str, Licence] = {
    licence.id: licence
    for licence in (
        Licence(
            "dl-de/by-2-0",
            "Datenlizenz Deutschland – Namensnennung – Version 2.0",
            "https://www.govdata.de/dl-de/by-2-0",
            attribution=True,
        ),
        Licence(
            "dl-de/zero-2-0",
            "Datenlizenz Deutschland – Zero – Version 2.0",
            "https://www.govdata.de/dl-de/zero-2-0",
            attribution=False,
        ),
        Licence(
            "cc-by-4.0",
            "Creative Commons Namensnennung – 4.0 International",
            "https://creativecommons.org/licenses/by/4.0/",
            attribution=True,
        ),
        Licence("cc-by", "Creative Commons Namensnennung", _BASE + "cc-by", attribution=True),
        Licence(
            "cc-by-3.0-de",
            "Creative Commons Namensnennung 3.0 Deutschland",
            "https://creativecommons.org/licenses/by/3.0/de/",
            attribution=True,
        ),
        Licence(
            "cc-by-sa-4.0",
            "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 4.0 International",
            "https://creativecommons.org/licenses/by-sa/4.0/",
            attribution=True,
            share_alike=True,
        ),
        Licence(
            "cc-by-sa-3.0-de",
            "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 3.0 Deutschland",
            "https://creativecommons.org/licenses/by-sa/3.0/de/",
            attribution=True,
            share_alike=True,
        ),
        Licence(
            "cc-zero",
            "Creative Commons CC0 1.0 Universell",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            attribution=False,
        ),
        Licence(
            "odbl",
            "Open Data Commons Open Database License 1.0",
            "https://opendatacommons.org/licenses/odbl/1-0/",
            attribution=True,
            share_alike=True,
        ),
        Licence("odc-by", "Open Data Commons Attribution License 1.0", "https://opendatacommons.org/licenses/by/1-0/", attribution=True),
        Licence(
            "geonutzv",
            "Nutzungsbestimmungen für die Bereitstellung von Geodaten des Bundes (GeoNutzV)",
            "https://www.gesetze-im-internet.de/geonutzv/",
            attribution=True,
        ),
        Licence(
            "geonutzv-berlin",
            "Nutzungsbestimmungen für die Bereitstellung von Geodaten des Landes Berlin",
            "https://www.stadtentwicklung.berlin.de/geoinformation/download/nutzIII.pdf",
            attribution=True,
        ),
        Licence("andere-offene", "Andere offene Lizenz mit Namensnennung", _BASE + "other-open", attribution=True),
        Licence("andere-geschlossene", "Andere geschlossene Lizenz", _BASE + "other-closed", attribution=False, is_open=False),
    )
}
"""By the id that a contract writes."""
