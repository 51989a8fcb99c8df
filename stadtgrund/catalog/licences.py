"""The licences that a dataset may have: a closed list, by the URIs of DCAT-AP.de."""

from __future__ import annotations

__all__ = ["LICENCES", "Licence"]

from dataclasses import dataclass

_BASE = "http://dcat-ap.de/def/licenses/"


@dataclass(frozen=True)
class Licence:
    """A licence: its title, the URI of its text, the URI in DCAT-AP.de, and whether the source must be named."""

    id: str
    title: str
    url: str
    dcat_uri: str
    attribution: bool
    share_alike: bool = False
    is_open: bool = True


def _licence(id_: str, title: str, url: str, dcat: str, *, attribution: bool, share_alike: bool = False, is_open: bool = True) -> Licence:
    return Licence(id_, title, url, _BASE + dcat, attribution, share_alike, is_open)


LICENCES: dict[str, Licence] = {
    licence.id: licence
    for licence in (
        _licence(
            "dl-de/by-2-0",
            "Datenlizenz Deutschland – Namensnennung – Version 2.0",
            "https://www.govdata.de/dl-de/by-2-0",
            "dl-by-de/2.0",
            attribution=True,
        ),
        _licence(
            "dl-de/zero-2-0",
            "Datenlizenz Deutschland – Zero – Version 2.0",
            "https://www.govdata.de/dl-de/zero-2-0",
            "dl-zero-de/2.0",
            attribution=False,
        ),
        _licence(
            "cc-by-4.0",
            "Creative Commons Namensnennung – 4.0 International",
            "https://creativecommons.org/licenses/by/4.0/",
            "cc-by/4.0",
            attribution=True,
        ),
        _licence("cc-by", "Creative Commons Namensnennung", _BASE + "cc-by", "cc-by", attribution=True),
        _licence(
            "cc-by-3.0-de",
            "Creative Commons Namensnennung 3.0 Deutschland",
            "https://creativecommons.org/licenses/by/3.0/de/",
            "cc-by-de/3.0",
            attribution=True,
        ),
        _licence(
            "cc-by-sa-4.0",
            "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 4.0 International",
            "https://creativecommons.org/licenses/by-sa/4.0/",
            "cc-by-sa/4.0",
            attribution=True,
            share_alike=True,
        ),
        _licence(
            "cc-by-sa-3.0-de",
            "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 3.0 Deutschland",
            "https://creativecommons.org/licenses/by-sa/3.0/de/",
            "cc-by-sa-de/3.0",
            attribution=True,
            share_alike=True,
        ),
        _licence(
            "cc-zero",
            "Creative Commons CC0 1.0 Universell",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            "cc-zero",
            attribution=False,
        ),
        _licence(
            "odbl",
            "Open Data Commons Open Database License 1.0",
            "https://opendatacommons.org/licenses/odbl/1-0/",
            "odbl",
            attribution=True,
            share_alike=True,
        ),
        _licence(
            "odc-by", "Open Data Commons Attribution License 1.0", "https://opendatacommons.org/licenses/by/1-0/", "odby", attribution=True
        ),
        _licence(
            "geonutzv",
            "Nutzungsbestimmungen für die Bereitstellung von Geodaten des Bundes (GeoNutzV)",
            "https://www.gesetze-im-internet.de/geonutzv/",
            "geonutz/20130319",
            attribution=True,
        ),
        _licence(
            "geonutzv-berlin",
            "Nutzungsbestimmungen für die Bereitstellung von Geodaten des Landes Berlin",
            "https://www.stadtentwicklung.berlin.de/geoinformation/download/nutzIII.pdf",
            "geoNutz/20131001",
            attribution=True,
        ),
        _licence("andere-offene", "Andere offene Lizenz mit Namensnennung", _BASE + "other-open", "other-open", attribution=True),
        _licence(
            "andere-geschlossene", "Andere geschlossene Lizenz", _BASE + "other-closed", "other-closed", attribution=False, is_open=False
        ),
    )
}
"""By the id that a contract writes."""
