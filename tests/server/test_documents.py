from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.deployment import MASTEN, checked, contract_of, write_deployment
from support.jobs import ended
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from server.conformance import CLASSES
from stadtgrund.catalog import registry
from stadtgrund.query.interval import BERLIN
from stadtgrund.store.database import Database

from .conftest import KEY, POLES, Client

PAGES = [
    "/", "/conformance", "/api", "/collections", "/collections/masten", "/collections/masten/schema", "/collections/masten/queryables",
    "/collections/masten/sortables", "/collections/masten/items", "/collections/masten/items/1", "/collections/masten/tiles",
    "/collections/masten/tiles/WebMercatorQuad", "/collections/masten/tiles/WorldCRS84Quad", "/tileMatrixSets",
    "/tileMatrixSets/WebMercatorQuad",
    "/tileMatrixSets/WorldCRS84Quad", "/collections/masten/api", "/collections/zahlen", "/collections/gebiete",
]  # fmt: skip
DOORS = ["/start/qgis", "/start/planung", "/start/entwicklung"]
BASE = "http://localhost:5000"
TILE = {"WebMercatorQuad": ("14", "5453", "8509"), "WorldCRS84Quad": ("14", "3510", "17019")}
"""A tile (zoom, row, column) of each tile matrix set that the data meet."""


def tile_of(href: str) -> tuple[str, str, str]:
    """Return a tile with data of the tile matrix set that an address names."""
    return next(tile for name, tile in TILE.items() if name in href)


def links(document: Any) -> list[dict[str, Any]]:
    """Return all links of a document, at any depth."""
    if isinstance(document, dict):
        own = [document] if isinstance(document.get("href"), str) and "rel" in document else []
        return own + [link for part in document.values() for link in links(part)]
    return [link for part in document for link in links(part)] if isinstance(document, list) else []


@pytest.mark.parametrize("url", PAGES)
def test_each_link_leads_somewhere_of_the_type_it_says(client: Client, url: str) -> None:
    found = links(client.json(url, headers={"accept": "application/json"} if "items" not in url else {}))
    assert found or url.startswith("/tileMatrixSets/") or url.rsplit("/")[-1] in ("api", "schema", "queryables", "sortables")
    for link in found:
        assert link["title"] and link["type"], link
        href = link["href"]
        if link.get("templated"):
            for names, value in zip((("z", "tileMatrix"), ("y", "tileRow"), ("x", "tileCol")), tile_of(href), strict=True):
                for name in names:
                    href = href.replace(f"{{{name}}}", value)
        if not href.startswith(BASE):
            assert link["rel"] == "license" and href.startswith("https://www.govdata.de/"), href
            continue
        response = client.get(href, headers={"accept": link["type"].split(";")[0]})
        assert response.status_code in (200, 204), (link, response.text[:200])
        if response.status_code == 200 and "tilejson" not in link["type"]:
            assert response.headers["content-type"].split(";")[0] == link["type"].split(";")[0], link


@pytest.mark.parametrize("url", [*PAGES, *DOORS])
@pytest.mark.parametrize("language", ["de", "en"])
def test_each_page_is_whole_without_outside_hosts(client: Client, url: str, language: str) -> None:
    response = client.get(f"{url}?f=html&lang={language}")
    assert response.status_code == 200, response.text[:300]
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    text = response.text
    assert f'<html lang="{language}">' in text
    # One script, which is a file of ours; the policy lets none run that stands in the page.
    assert re.findall("<script[^>]*>[^<]*", text) == re.findall(r'<script src="/static/pages\.js\?v=\w+" defer>', text) != []
    assert "script-src 'self';" in response.headers["content-security-policy"]
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text)
    loaded = re.findall(r"<(?:link[^>]+rel=\"(?:stylesheet|icon)\"[^>]+href|(?:img|iframe|script)[^>]+src)=\"([^\"]+)\"", text)
    assert loaded and all(address.startswith("/static/") for address in loaded)
    assert not re.search(r"@import|url\(", text)
    for address in loaded:
        assert client.get(address).status_code == 200
    assert len(re.findall("<h1", text)) == 1
    assert "None" not in re.sub(r"<[^>]*>", "", text).split()
    if language == "de":
        assert "Datensätze" in text and "Skip to content" not in text


def test_links_of_pages_lead_somewhere(client: Client) -> None:
    seen: set[str] = set()
    waiting = [f"{BASE}/?f=html"]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        response = client.get(address)
        assert response.status_code == 200, address
        if response.headers["content-type"].startswith("text/html"):
            found = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"#]+)"', response.text)]
            waiting += [link for link in found if link.startswith(BASE) and "/items/" not in link]
    assert len(seen) > 40


def test_the_start_page_has_three_doors(client: Client) -> None:
    text = client.get("/?f=html").text
    for words in ("Ich arbeite mit QGIS", "Ich plane ein Vorhaben", "Ich entwickle", "Masten", "Gebiete"):
        assert words in text
    qgis = client.get("/start/qgis?lang=de").text
    assert f"<code>{BASE}</code>" in qgis
    assert f"{BASE}/collections/gebiete/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}" in qgis
    developer = client.get("/start/entwicklung").text
    for address in re.findall(r'curl "([^"]+)"', developer):
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address
    for language in ("de", "en"):
        assert "CRS84h" in client.get(f"/start/entwicklung?lang={language}").text


@contextmanager
def served(server: Server, db: Database, folder: Path) -> Iterator[Client]:
    """Serve what a test has published."""
    made = Client(create_app(settings_for(server, db, folder)))
    try:
        yield made
    finally:
        made.close()


def plain(page: str) -> str:
    """Return the text of a page, its words parted by single blanks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.mark.parametrize(
    ("operation", "accuracy_m", "de", "en"),
    [
        ("identity", 0.0, "EPSG:25832 (nicht umgerechnet)", "EPSG:25832 (not transformed)"),
        ("Weg 8", 0.9, "EPSG:25832 (umgerechnet: Weg 8; Genauigkeit 0,9 m)", "EPSG:25832 (transformed: Weg 8; accuracy 0.9 m)"),
        ("Weg 9", None, "umgerechnet: Weg 9; Genauigkeit nicht angegeben)", "transformed: Weg 9; accuracy not stated)"),
        (None, None, "Gespeichert in EPSG:25832 Abrufbar", "Stored in EPSG:25832 Served"),
    ],
)
def test_a_collections_page_says_how_it_was_transformed(
    server: Server, db: Database, served_folder: Path, operation: str | None, accuracy_m: float | None, de: str, en: str
) -> None:
    deployment = registry.read(served_folder, served_folder / "data")
    publish_rows(db, deployment, "masten", POLES[:3], operation=operation, accuracy_m=accuracy_m)
    with served(server, db, served_folder) as client:
        for language, words in (("de", de), ("en", en)):
            assert words in plain(client.get(f"/collections/masten?f=html&lang={language}").text)


@pytest.mark.parametrize(
    ("language", "name", "label"),
    [("de", "EPSG:4326 WGS 84 (Breite, Länge)", "Abrufbar in"), ("en", "EPSG:4326 WGS 84 (latitude, longitude)", "Served in")],
)
def test_a_collections_page_names_its_crss(client: Client, language: str, name: str, label: str) -> None:
    page = client.get(f"/collections/masten?f=html&lang={language}").text
    assert name in plain(page) and label in page
    for uri in client.json("/collections/masten")["crs"]:
        assert f'<a href="{uri}">' in page
    assert label not in client.get(f"/collections/zahlen?f=html&lang={language}").text


def test_who_answers_for_a_collection(client: Client) -> None:
    assert client.json("/collections/masten")["contacts"] == [
        {"organization": "Stadt Teststadt, Amt 62", "roles": ["owner"]},
        {"organization": "Stadt Teststadt, Geodaten", "emails": [{"value": "geodaten@example.org"}], "roles": ["pointOfContact"]},
    ]
    page = client.get("/collections/masten?f=html&lang=de").text
    assert "Verantwortlich Stadt Teststadt, Amt 62 Auskunft Stadt Teststadt, Geodaten, geodaten@example.org" in plain(page)
    assert '<a href="mailto:geodaten@example.org">' in page


def test_an_office_is_reached_by_its_address(server: Server, db: Database, tmp_path: Path) -> None:
    """http and https only, and no telephone."""
    roles = {
        "owner": {"organisation": "Amt 62", "url": "ftp://example.org/62"},
        "contact": {"organisation": "Geodaten", "url": "https://example.org/geo", "phone": "0201 88-0"},
    }
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(MASTEN, responsibility=roles)))
    publish_rows(db, registry.read(folder, folder / "data"), "masten", POLES[:1])
    with served(server, db, folder) as client:
        assert client.json("/collections/masten")["contacts"] == [
            {"organization": "Amt 62", "roles": ["owner"]},
            {
                "organization": "Geodaten",
                "links": [{"rel": "about", "type": "text/html", "href": "https://example.org/geo"}],
                "roles": ["pointOfContact"],
            },
        ]
        page = client.get("/collections/masten?f=html").text
    assert 'Geodaten, <a href="https://example.org/geo">https://example.org/geo</a></dd>' in page
    assert "ftp://" not in page and "0201" not in page


def test_days_and_numbers_of_pages(client: Client) -> None:
    published = client.json("/collections/masten")["stadtgrund"]["published"]
    day = datetime.fromisoformat(published).astimezone(BERLIN).date()
    for language, told in (("de", f"veröffentlicht {day:%d.%m.%Y}"), ("en", f"published {day}")):
        assert told in plain(client.get(f"/collections/masten?f=html&lang={language}").text)
        assert told.split()[1] in plain(client.get(f"/collections?f=html&lang={language}").text)
    assert "15.02.2010 – 15.06.2019" in plain(client.get("/collections/masten?f=html&lang=de").text)
    assert "156.543,034" in plain(client.get("/tileMatrixSets/WebMercatorQuad?f=html&lang=de").text)


def test_a_table_is_excerpted_and_asked_by_what_it_has(client: Client) -> None:
    places = {"bbox", "bbox-crs", "filter-crs", "crs"}
    document = client.json("/api?lang=en")

    def names(path: str) -> set[str]:
        given = document["paths"][path]["get"]["parameters"]
        whole = [document["components"]["parameters"][each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each for each in given]
        return {each["name"] for each in whole}

    for path in ("items", "download"):
        assert places <= names(f"/collections/masten/{path}")
        # Each page of features takes a bbox (Part 1, requirement 22), though no row of a table lies in one.
        assert places & names(f"/collections/zahlen/{path}") == {"bbox"} and "filter" in names(f"/collections/zahlen/{path}")
    assert "crs" not in names("/collections/zahlen/items/{featureId}")
    for dataset, asked in (("masten", "bbox"), ("zahlen", "filter")):
        assert f"/collections/{dataset}/download?f=gpkg&amp;{asked}=…" in client.get(f"/collections/{dataset}?f=html").text


def test_styles_are_listed_by_the_titles_of_their_datasets(server: Server, db: Database, tmp_path: Path) -> None:
    styled = {**MASTEN, "publish": {**MASTEN["publish"], "style": "adressen"}}
    contracts = [checked(contract_of(styled, id=name, title={"de": name})) for name in ("eins", "zwei")]
    folder = write_deployment(tmp_path / "teststadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    for name in ("eins", "zwei"):
        publish_rows(db, deployment, name, POLES[:3])
    with served(server, db, folder) as client:
        assert [each["title"] for each in client.json("/styles?f=json")["styles"]] == ["eins", "zwei"]
        assert client.json("/styles/eins")["layers"][0]["metadata"]["title"]["de"] not in ("eins", "zwei")


def test_a_code_that_is_its_own_title_is_said_once(server: Server, db: Database, tmp_path: Path) -> None:
    codes = {"art": {"Holz": {"de": "Holz"}, "st": {"de": "Stahl"}}, "gross_nr": {"1": {"de": "Erste"}}}
    fields = [{**field, "values": codes.get(field["name"])} for field in MASTEN["fields"]]
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of({**MASTEN, "fields": fields})))
    rows = [{"nummer": 1, "art": "Holz", "gross_nr": 1}, {"nummer": 2, "art": "st", "gross_nr": 2}]
    publish_rows(db, registry.read(folder, folder / "data"), "masten", rows)
    with served(server, db, folder) as client:
        first, second = (plain(client.get(f"/collections/masten/items/{number}?f=html").text) for number in (1, 2))
        assert "art Holz hoehe" in first and "gross_nr Erste (1)" in first
        assert "art Stahl (st) hoehe" in second and "gross_nr 2" in second


def test_conformance_says_what_holds(client: Client) -> None:
    told = client.json("/conformance")["conformsTo"]
    assert told == list(CLASSES) and len(set(told)) == len(told)
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in told
    assert not [each for each in told if "features-4" in each or "records" in each]


def test_collection(client: Client) -> None:
    document = client.json("/collections/masten")
    assert document["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/25832"
    assert document["crs"][0] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    items = [link["href"] for link in document["links"] if link["rel"] == "items" and link["type"] == "application/geo+json"]
    assert items == [f"{BASE}/collections/masten/items"]  # GDAL appends "/<id>"
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    positions = [f["geometry"]["coordinates"] for f in client.json("/collections/masten/items")["features"] if f["geometry"]]
    assert west == pytest.approx(min(x for x, _ in positions), abs=1e-6) and north == pytest.approx(max(y for _, y in positions), abs=1e-6)
    inside = client.json(f"/collections/masten/items?bbox={west},{south},{east},{north}")
    assert inside["numberMatched"] == len(positions) == 59
    assert document["extent"]["temporal"]["interval"] == [["2010-02-14T23:00:00Z", "2019-06-15T21:59:59Z"]]
    assert client.json("/collections/gebiete")["extent"]["temporal"]["interval"][0][1] is None
    assert "extent" not in client.json("/collections/zahlen")
    assert document["stadtgrund"]["access"].startswith("Öffentlich")


def test_schema_queryables_sortables(client: Client) -> None:
    schema = client.json("/collections/masten/schema")
    told = schema["properties"]
    assert told["geometry"] == {"title": "Geometrie", "format": "geometry-point", "x-ogc-role": "primary-geometry", "x-ogc-propertySeq": 1}
    assert told["nummer"]["type"] == "integer" and told["nummer"]["x-ogc-role"] == "id" and schema["required"] == ["nummer"]
    assert told["hoehe"]["type"] == ["number", "null"] and told["hoehe"]["x-ogc-unit"] == "m"
    assert told["gebaut"]["format"] == "date" and told["gebaut"]["x-ogc-role"] == "primary-instant"
    assert told["art"]["type"] == ["string", "null"] and told["art"]["oneOf"][1] == {"const": "stahl", "title": "Stahl"}
    assert client.json("/collections/gebiete/schema")["properties"]["geometry"]["format"] == "geometry-multipolygon"
    assert "geometry" not in client.json("/collections/zahlen/schema")["properties"]
    assert client.json("/collections/masten/schema?lang=en")["title"] == "Poles"
    assert "betreiberkonto" in client.json("/collections/masten/schema", key=KEY)["properties"]
    queryables = client.json("/collections/masten/queryables")
    assert [code.get("const") for code in queryables["properties"]["art"]["oneOf"]] == ["holz", "stahl", None]
    assert queryables["additionalProperties"] is False
    assert set(client.json("/collections/masten/sortables")["properties"]) == {"name", "hoehe", "gebaut", "nummer"}
    for name in ("schema", "queryables", "sortables"):
        assert client.get(f"/collections/masten/{name}").headers["content-type"] == "application/schema+json"


def test_each_sortable_sorts_and_each_queryable_filters(client: Client) -> None:
    for dataset in ("masten", "gebiete", "zahlen"):
        for name in client.json(f"/collections/{dataset}/sortables")["properties"]:
            assert client.get(f"/collections/{dataset}/items?sortby=-{name}").status_code == 200, name
        for name, schema in client.json(f"/collections/{dataset}/queryables")["properties"].items():
            if "type" in schema:
                assert client.get(f"/collections/{dataset}/items", params={"filter": f"{name} IS NULL"}).status_code == 200, name


def external(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) and not document["$ref"].startswith("#/components/") else []
        return own + [each for part in document.values() for each in external(part)]
    return [each for part in document for each in external(part)] if isinstance(document, list) else []


@pytest.mark.parametrize("key", [None, KEY])
def test_openapi_is_valid_and_whole(client: Client, key: str | None) -> None:
    document = client.json("/api", key=key)
    OpenAPIV30SpecValidator(document).validate()
    assert external(document) == []
    limit = document["components"]["parameters"]["limit"]
    assert (limit["name"], limit["schema"]["maximum"], limit["schema"]["default"]) == ("limit", 10000, 1000)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key", "basic"}
    assert ("/collections/geheimleitungen/items" in document["paths"]) == (key is not None)
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(operations)) == len(operations)
    assert client.get("/api").headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    OpenAPIV30SpecValidator(client.json("/collections/masten/api", key=key)).validate()


def test_each_path_of_openapi_is_there_and_takes_its_parameters(client: Client) -> None:
    document = client.json("/api")
    made = client.request("POST", "/processes/echo/execution", json={"inputs": {}}, headers={"prefer": "respond-async"})
    values = {
        "jobId": ended(client.get, made.headers["location"])["jobID"],
        "featureId": "1",
        "tileMatrixSetId": "WebMercatorQuad",
        "tileMatrix": "14",
        "tileRow": "5453",
        "tileCol": "8509",
        "f": None,
        "lang": "de",
    }
    samples = {
        "limit": "1", "offset": "0", "bbox": "1,2,3,4", "datetime": "2024-01-01", "skipGeometry": "true", "filter-lang": "cql2-text",
    }  # fmt: skip
    for path, operations in document["paths"].items():
        asked = {}
        if "get" not in operations:
            continue
        for given in operations["get"]["parameters"]:
            parameter = document["components"]["parameters"][given["$ref"].rsplit("/", 1)[1]] if "$ref" in given else given
            if parameter["in"] == "path":
                value = values.get(parameter["name"]) or parameter["schema"]["enum"][0]
                path = path.replace(f"{{{parameter['name']}}}", str(value))
            elif parameter["schema"].get("enum"):
                asked[parameter["name"]] = parameter["schema"]["enum"][0]
            elif parameter["name"] in samples:
                asked[parameter["name"]] = samples[parameter["name"]]
        response = client.get(
            path.replace("/gebiete/items/1", "/gebiete/items/01%2Fx").replace("/zahlen/items/1", "/zahlen/items/01-2020"), params=asked
        )
        assert response.status_code in (200, 204, 307), (path, asked, response.text[:200])  # 307: a file that is being made


def test_styles(client: Client) -> None:
    style = client.json("/styles/masten")
    assert client.get("/styles/masten").headers["content-type"] == "application/vnd.mapbox.style+json"
    source = style["sources"]["masten"]
    assert client.json(source["url"])["tilejson"] == "3.0.0"
    assert (style["version"], style["layers"][0]["source-layer"], style["layers"][0]["type"]) == (8, "masten", "circle")
    assert client.get("/styles/zahlen").status_code == client.get("/styles/gibtesnicht").status_code == 404
    assert client.get("/styles/geheimleitungen").status_code == 404


@pytest.mark.parametrize("key", [None, KEY])
def test_qgis_project(client: Client, key: str | None) -> None:
    response = client.get("/qgis.qgz", key=key)
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    assert "masten" in text and BASE in text and KEY not in text
    assert ("geheimleitungen" in text) == (key is not None)
