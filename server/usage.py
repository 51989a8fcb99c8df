"""„So benutzen“: how each kind of program fetches a collection, with its real address, a real id and a real value.

Texts are written as the page's language wants them; code is ready to be pasted. tests/pages runs each of them.
"""

from __future__ import annotations

__all__ = ["KEY", "Example", "Snippet", "Tool", "example", "usage"]

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stadtgrund.catalog.collection import Collection

KEY = "API_KEY"
"""Environment variable in which snippets expect the key."""
_PAGE = 10_000
_LONGEST = 60
_WORDS = {"and", "or", "not", "like", "in", "between", "is", "null", "case", "true", "false", "div", "date", "timestamp", "interval"}
"""Words of CQL2 and of OGR's SQL that a column may be called by, and that would need quotes then."""


@dataclass(frozen=True, slots=True)
class Example:
    """What of the collection's first feature the snippets name: its id, and a condition that it fulfils (CQL2 and OGR's SQL alike)."""

    feature: str | None = None
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of text to copy: `code` under a title."""

    title: str
    code: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: what to do in it step by step, and what to paste."""

    name: str
    steps: tuple[str, ...]
    snippets: tuple[Snippet, ...]


def example(collection: Collection, feature: Mapping[str, Any] | None) -> Example:
    """Return what to name of a feature (GeoJSON); a text is preferred, since a planner would ask by one."""
    if feature is None:
        return Example()
    values = feature.get("properties") or {}
    fields = [
        field for field in collection.fields if field.name not in _WORDS and not field.status_of and field.name != collection.id_field
    ]
    for field in sorted(fields, key=lambda field: (field.type != "string", not field.values)):
        value = values.get(field.name)
        if field.type == "string" and isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
            text = value.replace("'", "''")
            return Example(str(feature["id"]), f"{field.name} = '{text}'")
        if field.type in ("integer", "number") and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return Example(str(feature["id"]), f"{field.name} >= {value}")
    return Example(str(feature["id"]))


def usage(collection: Collection, base_url: str, language: str, named: Example, *, key: bool, files: Mapping[str, str]) -> list[Tool]:
    """Return the tools of a collection's page.

    Parameters
    ----------
    key : bool
        Whether the snippets say where the key goes: on pages that only a key opens.
    files : mapping
        Of a grid: name → address of its files.
    """
    work = _Work(collection, base_url, language == "de", named, key)
    if collection.raster:
        return [tool for address in files.values() for tool in work.grid(address)]
    if not collection.items:
        return [work.qgis()] if collection.tiles else []
    return [work.qgis(), work.curl(), work.python(), work.r(), work.javascript(), work.gdal()]


def _shell(text: str) -> str:
    """Return a text in double quotes, which shells of all systems know."""
    for sign in ("\\", '"', "$", "`"):
        text = text.replace(sign, f"\\{sign}")
    return f'"{text}"'


def _string(text: str) -> str:
    """Return a text as Python, R and JavaScript alike write it."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Work:
    collection: Collection
    base_url: str
    german: bool
    named: Example
    key: bool

    def _say(self, german: str, english: str) -> str:
        return german if self.german else english

    @property
    def _id(self) -> str:
        return self.collection.id

    @property
    def _url(self) -> str:
        return f"{self.base_url}/collections/{self._id}"

    def _file(self, extension: str) -> str:
        """Return the address of a file of all features; its first reader may wait, and is led to the same address again."""
        return f"{self._url}/files/{self._id}.{extension}"

    @property
    def _drawn(self) -> bool:
        return self.collection.geometry is not None

    def qgis(self) -> Tool:
        """Return the steps in QGIS."""
        title = self.collection.title.get("de" if self.german else "en")
        steps, snippets = [], []
        if self.collection.items:
            steps += [
                self._say(
                    "Layer › Layer hinzufügen › WFS / OGC-API-Features-Layer hinzufügen …, dann „Neu“.",
                    "Layer › Add Layer › Add WFS / OGC API - Features Layer…, then “New”.",
                ),
                self._say(
                    "Als URL die Adresse unten eintragen, als Version „OGC API - Features“ wählen; die Seitengröße bleibt leer.",
                    "Enter the address below as URL and choose version “OGC API - Features”; leave the page size empty.",
                ),
                *self._authentication(),
                self._say(
                    f"„OK“, „Verbinden“, dann „{title}“ ({self._id}) wählen und „Hinzufügen“.",
                    f"“OK”, “Connect”, then choose “{title}” ({self._id}) and “Add”.",
                ),
            ]
            source = f"url='{self.base_url}' typename='{self._id}' pagingEnabled='true'"
            load = f'layer = QgsVectorLayer({_string(source)}, {_string(title)}, "OAPIF")\nQgsProject.instance().addMapLayer(layer)'
            snippets.append(Snippet("URL", self.base_url))
            if not self.key:  # the key stands in QGIS' own store, which a snippet cannot know
                snippets.append(Snippet(self._say("Oder in der Python-Konsole von QGIS", "Or in the Python console of QGIS"), load))
        if self.collection.items and self._drawn:
            steps.append(
                self._say(
                    "Große Ebenen ganz: Vektorlayer hinzufügen, Quelltyp „Protokoll: HTTP(S)“, mit der Adresse der Datei unten. "
                    "Auch aus ihr kommt nur über das Netz, was zu sehen ist. Nach einer neuen Version den Layer neu laden.",
                    "Large layers as a whole: Add Vector Layer, source type “Protocol: HTTP(S)”, with the address of the file below. "
                    "From it, too, only what is seen comes over the net. Reload the layer after a new version was published.",
                )
            )
            steps += self._authentication()
            snippets.append(Snippet(self._say("Adresse der Datei (FlatGeobuf)", "Address of the file (FlatGeobuf)"), self._file("fgb")))
        if self.collection.tiles and self._drawn:
            low, high = self.collection.tiles.zoom
            steps.append(
                self._say(
                    "Schnelle Karten: Vektorkachel-Layer hinzufügen › Neue generische Verbindung, "
                    f"mit der Kachel-URL unten, Zoom {low} bis {high}.",
                    f"Fast maps: Add Vector Tile Layer › New Generic Connection, with the tile URL below, zoom {low} to {high}.",
                )
            )
            snippets.append(Snippet(self._say("Kachel-URL", "Tile URL"), f"{self._url}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"))
        return Tool("QGIS", tuple(steps), tuple(snippets))

    def _authentication(self) -> Iterator[str]:
        if self.key:
            yield self._say(
                "Unter „Authentifizierung“ eine Konfiguration „Basic“ anlegen: beliebiger Benutzername, als Passwort Ihr Schlüssel.",
                "Under “Authentication” add a “Basic” configuration: any user name, your key as the password.",
            )

    def _store_key(self) -> Iterator[Snippet]:
        if self.key:
            title = self._say(
                "Vorher: den Schlüssel eingeben, ohne dass er im Verlauf steht", "First: enter the key without leaving it in the history"
            )
            yield Snippet(title, f"read -rs {KEY} && export {KEY}")

    @property
    def _authorised(self) -> str:
        """Return the option by which curl sends the key."""
        return f'--header "Authorization: Bearer ${KEY}" ' if self.key else ""

    def curl(self) -> Tool:
        """Return requests by curl."""
        sent = self._authorised
        snippets = [
            *self._store_key(),
            Snippet(
                self._say("Die ersten zehn Objekte als GeoJSON", "The first ten features as GeoJSON"),
                f'curl {sent}"{self._url}/items?limit=10"',
            ),
        ]
        if self.named.condition:
            asked = f'curl {sent}--get "{self._url}/items" --data "limit=10" --data-urlencode {_shell(f"filter={self.named.condition}")}'
            snippets.append(Snippet(self._say("Gefiltert", "Filtered"), asked))
        if self.named.feature is not None:
            one = f'curl {sent}"{self._url}/items/{quote(self.named.feature, safe="")}"'
            snippets.append(Snippet(self._say("Ein einzelnes Objekt", "A single feature"), one))
        table = f'curl {sent}--location --output {self._id}.csv "{self._file("csv")}"'
        snippets.append(Snippet(self._say("Als Tabelle für die Tabellenkalkulation (CSV)", "As a table for a spreadsheet (CSV)"), table))
        return Tool("curl", (), tuple(snippets))

    def python(self) -> Tool:
        """Return programs in Python."""
        query = f'{{"limit": {_PAGE}' + (f', "filter": {_string(self.named.condition)}' if self.named.condition else "") + "}"
        made = 'geopandas.GeoDataFrame.from_features(features, crs="OGC:CRS84")' if self._drawn else "pandas.json_normalize(features)"
        lines = [
            *(["import os", ""] if self.key else []),
            f"import {'geopandas' if self._drawn else 'pandas'}",
            "import requests",
            "",
            f"url = {_string(f'{self._url}/items')}",
            f"query = {query}",
            *([f'headers = {{"Authorization": f"Bearer {{os.environ[\'{KEY}\']}}"}}'] if self.key else []),
            "features = []",
            "while url:",
            f"    answer = requests.get(url, params=query{', headers=headers' if self.key else ''}, timeout=60)",
            "    answer.raise_for_status()",
            "    page = answer.json()",
            '    features += page["features"]',
            '    url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")',
            f"    query = {{}}  # {self._say('der Verweis auf die nächste Seite trägt alles', 'the link to the next page carries it all')}",
            f"frame = {made}",
            "print(frame.head(), len(frame))",
        ]
        asked = [_string(self.base_url), _string(self._id)]
        if self.named.condition:
            asked.append(f"filter={_string(self.named.condition)}")
        if self.key:
            asked.append(f'key=os.environ["{KEY}"]')
        ours = [
            *(["import os", ""] if self.key else []),
            "from stadtgrund.read import read",
            "",
            f"frame = read({', '.join(asked)})",
            "print(frame.head(), len(frame))",
        ]
        return Tool(
            "Python",
            (),
            (
                *self._store_key(),
                Snippet(self._say("Alle Seiten mit requests", "All pages with requests"), "\n".join(lines)),
                Snippet(self._say("Dasselbe, wo Stadtgrund installiert ist", "The same where Stadtgrund is installed"), "\n".join(ours)),
            ),
        )

    def r(self) -> Tool:
        """Return programs in R. sf reads by GDAL, whose settings are variables of the environment."""
        head = ["library(sf)", ""]
        if self.key:
            head.append(f'Sys.setenv(GDAL_HTTP_HEADERS = paste("Authorization: Bearer", Sys.getenv("{KEY}")))')
        whole = [
            *head,
            f'daten <- st_read({_string(f"OAPIF:{self.base_url}")}, {_string(self._id)}, options = "PAGE_SIZE={_PAGE}")',
            "summary(daten)",
        ]
        snippets = [*self._store_key(), Snippet(self._say("Alle Objekte mit sf", "All features with sf"), "\n".join(whole))]
        if self.named.condition:
            start = _string(f"{self._url}/download?f=geojson&filter=")
            address = f"adresse <- paste0({start}, URLencode({_string(self.named.condition)}, reserved = TRUE))"
            snippets.append(Snippet(self._say("Gefiltert", "Filtered"), "\n".join([*head, address, "daten <- st_read(adresse)"])))
        return Tool("R", (), tuple(snippets))

    def javascript(self) -> Tool:
        """Return a module that runs in browsers and in Node.js."""
        address = _string(f"{self._url}/items?limit={_PAGE}")
        if self.named.condition:
            address = _string(f"{self._url}/items?limit={_PAGE}&filter=") + f" + encodeURIComponent({_string(self.named.condition)})"
        ask = "fetch(url)"
        lines = []
        if self.key:
            lines.append(f"const key = globalThis.process?.env.{KEY} ?? prompt({_string(self._say('Schlüssel', 'Key'))});")
            ask = "fetch(url, { headers: { Authorization: `Bearer ${key}` } })"
        lines += [
            "const features = [];",
            f"let url = {address};",
            "while (url) {",
            f"  const answer = await {ask};",
            "  const page = await answer.json();",
            "  if (!answer.ok) throw new Error(page.detail);",
            "  features.push(...page.features);",
            '  url = page.links.find((link) => link.rel === "next")?.href;',
            "}",
            "console.log(features.length, features[0]?.properties);",
        ]
        title = self._say("Als Modul, im Browser oder in Node.js", "As a module, in a browser or in Node.js")
        return Tool("JavaScript", (), (*(self._store_key()), Snippet(title, "\n".join(lines))))

    def gdal(self) -> Tool:
        """Return commands of GDAL."""
        source = f"{_shell(f'OAPIF:{self.base_url}')} {self._id}"
        sent = f' --config GDAL_HTTP_HEADERS "Authorization: Bearer ${KEY}"' if self.key else ""
        # One request: reading the file piece by piece would mix two versions when one is published meanwhile.
        whole = f'curl {self._authorised}--location --output {self._id}.gpkg "{self._file("gpkg")}"'
        steps = []
        snippets = [
            *self._store_key(),
            Snippet(self._say("Was ist darin?", "What is in it?"), f"ogrinfo -so {source}{sent}"),
            Snippet(self._say("Alles als GeoPackage", "All of it as a GeoPackage"), whole),
        ]
        if self.named.condition:
            name = f"{self._id}_{self._say('auswahl', 'selection')}.gpkg"
            chosen = f"ogr2ogr -f GPKG {name} {source} -oo PAGE_SIZE={_PAGE} -where {_shell(self.named.condition)}{sent}"
            snippets.append(Snippet(self._say("Gefiltert", "Filtered"), chosen))
            steps.append(
                self._say(
                    "PAGE_SIZE gehört dazu: Ohne sie fragt GDAL zehn Objekte je Anfrage.",
                    "PAGE_SIZE belongs to it: without it GDAL asks for ten features a request.",
                )
            )
        return Tool("GDAL", tuple(steps), tuple(snippets))

    def grid(self, address: str) -> Iterator[Tool]:
        """Yield the tools for a file of a grid."""
        remote = f"/vsicurl/{address}"
        sent = f' --config GDAL_HTTP_HEADERS "Authorization: Bearer ${KEY}"' if self.key else ""
        steps = (
            self._say(
                "Layer › Layer hinzufügen › Rasterlayer, Quelltyp „Protokoll: HTTP(S)“, mit dieser Adresse.",
                "Layer › Add Layer › Raster Layer, source type “Protocol: HTTP(S)”, with this address.",
            ),
            *self._authentication(),
        )
        yield Tool("QGIS", steps, (Snippet("URL", address),))
        whole = f'curl {self._authorised}--output {self._id}.tif "{address}"'
        yield Tool("curl", (), (*self._store_key(), Snippet(self._say("Die Datei als Ganzes", "The file as a whole"), whole)))
        opened = f"grid = rasterio.open({_string(remote)})"
        lines = ["import rasterio", "", opened, "print(grid.profile)"]
        if self.key:
            option = f"rasterio.Env(GDAL_HTTP_HEADERS=f\"Authorization: Bearer {{os.environ['{KEY}']}}\")"
            lines = ["import os", "", "import rasterio", "", f"with {option}:", f"    {opened}", "    print(grid.profile)"]
        said = self._say("Nur der Teil, der gebraucht wird, kommt über das Netz", "Only the part that is needed comes over the net")
        yield Tool("Python", (), (*self._store_key(), Snippet(said, "\n".join(lines))))
        yield Tool(
            "GDAL",
            (),
            (
                *self._store_key(),
                Snippet(self._say("Was ist darin?", "What is in it?"), f"gdalinfo {_shell(remote)}{sent}"),
                Snippet(self._say("Herunterladen", "Download"), f"gdal_translate {_shell(remote)} {self._id}.tif{sent}"),
            ),
        )
