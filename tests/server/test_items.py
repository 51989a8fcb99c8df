from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.deployment import MASTEN

from server import tables
from server.coordinates import coordinates

from .conftest import AREAS, FIGURES, POLES, Client

ITEMS = "/collections/masten/items"


def ids(page: Any) -> list[Any]:
    return [feature["id"] for feature in page["features"]]


def walk(client: Client, url: str) -> list[Any]:
    found: list[Any] = []
    pages = 0
    while url:
        page = client.json(url)
        assert page["numberReturned"] == len(page["features"])
        found += ids(page)
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
        pages += 1
        assert pages < 100
    return found


def test_a_page_holds_what_was_published(client: Client) -> None:
    page = client.json(f"{ITEMS}?limit=100")
    assert page["type"] == "FeatureCollection"
    assert (page["numberMatched"], page["numberReturned"]) == (60, 60)
    by_id = {feature["id"]: feature for feature in page["features"]}
    assert set(by_id) == set(range(1, 61))
    for row in POLES:
        told = by_id[row["nummer"]]["properties"]
        assert list(told) == [field["name"] for field in MASTEN["fields"]]
        for name in ("nummer", "name", "art", "hoehe", "leuchtet", "gebaut", "kennung", "technik", "gross_nr"):
            assert told[name] == row[name], name


def test_text_numbers_and_moments_keep_their_value(client: Client) -> None:
    text = client.get(f"{ITEMS}?limit=7").text
    assert '"a<b>&c"' in text
    assert '"kosten":2.10,' in text
    assert f'"gross_nr":{2**53 + 1}' in text
    assert '"gewartet":"2024-01-02T09:00:00Z"' in text


def test_media_types_and_headers(client: Client) -> None:
    response = client.get(f"{ITEMS}?limit=1")
    assert response.headers["content-type"] == "application/geo+json"
    assert response.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert response.headers["cache-control"] == "public, max-age=30, must-revalidate"
    assert 'rel="next"' in response.headers["link"] and 'rel="license"' in response.headers["link"]
    for accept in ("application/geo+json", "application/json", "*/*", "application/*", "image/png;q=0.5, application/geo+json;q=0.1"):
        assert client.get(f"{ITEMS}?limit=1", headers={"accept": accept}).headers["content-type"] == "application/geo+json"
    refused = client.get(f"{ITEMS}?limit=1", headers={"accept": "application/xml"})
    assert refused.status_code == 406
    assert refused.headers["content-type"] == "application/problem+json"


def test_limit_is_capped_and_has_a_default(client: Client) -> None:
    assert client.json(f"{ITEMS}?limit=999999999999999999999999")["numberReturned"] == 60
    assert client.json(ITEMS)["numberReturned"] == 60
    links = client.json(f"{ITEMS}?limit=7")["links"]
    assert [link["rel"] for link in links] == ["self", "alternate", "alternate", "next", "collection", "license"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=7",
        "limit=7&sortby=name",
        "limit=7&sortby=-hoehe,name",
        "limit=13&filter=nummer>5",
        "limit=9&bbox=6.9,51.4,7.1,51.5",
        "limit=60",
    ],
)
def test_a_walk_by_next_finds_each_feature_once(client: Client, query: str) -> None:
    whole = ids(client.json(f"{ITEMS}?{re.sub('limit=[0-9]+', 'limit=1000', query)}"))
    found = walk(client, f"{ITEMS}?{query}")
    assert len(found) == len(set(found))
    assert found == whole
    assert len(found) == {"filter": 55, "bbox": 59}.get(next((k for k in ("filter", "bbox") if k in query), ""), 60)


def test_the_count_travels_with_the_cursor(client: Client) -> None:
    page = client.json(f"{ITEMS}?limit=20&filter=nummer>10")
    assert page["numberMatched"] == 50
    second = client.json(next(link["href"] for link in page["links"] if link["rel"] == "next"))
    assert second["numberMatched"] == 50
    last = client.json(next(link["href"] for link in second["links"] if link["rel"] == "next"))
    assert (last["numberMatched"], last["numberReturned"]) == (50, 10)
    assert "next" not in [link["rel"] for link in last["links"]]


def test_offset(client: Client) -> None:
    assert ids(client.json(f"{ITEMS}?offset=58")) == [59, 60]
    page = client.json(f"{ITEMS}?offset=20&limit=10")
    assert ids(page) == list(range(21, 31))
    before = client.json(next(link["href"] for link in page["links"] if link["rel"] == "prev"))
    assert ids(before) == list(range(11, 21))
    beyond = client.json(f"{ITEMS}?offset=100000&filter=nummer>50")
    assert (beyond["numberMatched"], beyond["features"]) == (10, [])


def test_crs_and_axis_order(client: Client) -> None:
    def position(crs: str) -> list[float]:
        response = client.get(f"{ITEMS}/1?crs=http://www.opengis.net/def/crs/EPSG/0/{crs}")
        assert response.headers["content-crs"] == f"<http://www.opengis.net/def/crs/EPSG/0/{crs}>"
        found: list[float] = response.json()["geometry"]["coordinates"]
        return found

    assert position("25832") == [360010.0, 5700010.0]
    lon, lat = client.json(f"{ITEMS}/1")["geometry"]["coordinates"]
    assert position("4326") == [lat, lon] and lon == pytest.approx(6.986, abs=0.001)
    page = client.json(f"{ITEMS}?limit=1&crs=http://www.opengis.net/def/crs/EPSG/0/25832")
    assert page["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::25832"
    assert "crs" not in client.json(f"{ITEMS}?limit=1&crs=http://www.opengis.net/def/crs/EPSG/0/4326")


def test_bbox_in_each_axis_order_finds_the_same(client: Client) -> None:
    native = client.json(f"{ITEMS}?bbox=359995,5699995,360105,5700055&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/25832")
    assert ids(native) == list(range(1, 11))
    lon, lat = client.json(f"{ITEMS}/1")["geometry"]["coordinates"]
    box = f"{lon - 1e-6},{lat - 1e-6},{lon + 1e-6},{lat + 1e-6}"
    swapped = f"{lat - 1e-6},{lon - 1e-6},{lat + 1e-6},{lon + 1e-6}"
    assert ids(client.json(f"{ITEMS}?bbox={box}")) == [1]
    assert ids(client.json(f"{ITEMS}?bbox={swapped}&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326")) == [1]
    assert ids(client.json(f"{ITEMS}?bbox={lon - 1e-6},{lat - 1e-6},0,{lon + 1e-6},{lat + 1e-6},9")) == [1]
    for heights in ((-9, -8), (800, 900)):  # of what has no height they select nothing
        assert ids(client.json(f"{ITEMS}?bbox={lon - 1e-6},{lat - 1e-6},{heights[0]},{lon + 1e-6},{lat + 1e-6},{heights[1]}")) == [1]
    assert client.json(f"{ITEMS}?bbox=-180,-90,180,90")["numberMatched"] == 59  # one has no geometry
    assert client.json(f"{ITEMS}?bbox=170,50,-170,52")["numberMatched"] == 0


def test_datetime(client: Client) -> None:
    assert {f["properties"]["gebaut"] for f in client.json(f"{ITEMS}?datetime=2011-02-15")["features"]} == {"2011-02-15"}
    assert client.json(f"{ITEMS}?datetime=2010-01-01/..")["numberMatched"] == 60
    assert client.json("/collections/gebiete/items?datetime=2050-01-01")["numberMatched"] == 1  # the one without an end
    assert client.json("/collections/zahlen/items?datetime=2024-01-01")["numberMatched"] == 6  # no time: all match


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("nummer=7", [7]),
        ("name=O'Brien&limit=2", [3, 10]),
        ("leuchtet=false&nummer=3", [3]),
        ("hoehe=0.25", [1]),
        ("kosten=1.1", [1]),
        ("gebaut=2011-02-15", [1]),
        ("gewartet=2024-01-02T09:00:00Z&limit=1", [1]),
        ("gewartet=2024-01-02&limit=1", [1]),
        ("kennung=00000000-0000-4000-8000-000000000009", [9]),
        (f"gross_nr={2**53 + 1}", [1]),
        ("art=gold", []),
    ],
)
def test_queryables_as_parameters(client: Client, query: str, found: list[int]) -> None:
    assert ids(client.json(f"{ITEMS}?{query}")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nummer IN (1,2) AND name LIKE 'B%'", [1]),
        ("name IS NULL AND nummer < 20", [6, 13]),
        ("name = 'O''Brien' AND nummer BETWEEN 1 AND 5", [3]),
        ('{"op":"=","args":[{"property":"nummer"},3]}', [3]),
    ],
)
def test_filters(client: Client, text: str, found: list[int]) -> None:
    language = "cql2-json" if text.startswith("{") else "cql2-text"
    page = client.json(ITEMS, params={"filter": text, "filter-lang": language})
    assert ids(page) == found


def test_properties_and_skip_geometry(client: Client) -> None:
    feature = client.json(f"{ITEMS}?limit=1&properties=name,nummer&skipGeometry=true")["features"][0]
    assert feature == {"type": "Feature", "id": 1, "geometry": None, "properties": {"nummer": 1, "name": "Birke"}}


def test_sorting(client: Client) -> None:
    heights = [f["properties"]["hoehe"] for f in client.json(f"{ITEMS}?sortby=-hoehe")["features"]]
    assert heights[:48] == sorted((h for h in heights if h is not None), reverse=True)
    assert heights[48:] == [None] * 12


BAD = [
    "limit=0", "limit=-1", "limit=abc", "limit=", "limit=1.5", "limit=٣", "offset=-1", "offset=99999999999999999999", "offset=x",
    "cursor=abc", "cursor=", "cursor=AAAA&offset=1", "bbox=1,2,3", "bbox=1,2,3,4,5", "bbox=a,b,c,d", "bbox=nan,1,2,3", "bbox=1,2,inf,4",
    "bbox=7,52,8,51", "bbox=-200,0,1,1", "bbox=0,0,1,95", "bbox=1,2,5,3,4,1", "bbox=9,1,1,2&bbox-crs=EPSG:25832",
    "bbox-crs=EPSG:9999", "crs=EPSG:31466", "crs=quatsch", "datetime=2024", "datetime=2024-13-01", "datetime=2021-01-01/2020-01-01",
    "datetime=../..//", "datetime=", "properties=gibtesnicht", "properties=", "sortby=nix", "sortby=art", "sortby=", "sortby=name,name",
    "filter=nix=1", "filter=nummer='abc'", "filter=", "filter=name>5", "filter=pg_sleep(5)=1", "filter=((", "filter-lang=x&filter=a",
    "filter=nummer=1&filter-crs=x", "skipGeometry=ja", "f=xml", "f=", "lang=fr", "unbekannt=1", "nummer=abc", "nummer=1.5", "hoehe=x",
    "leuchtet=vielleicht", "kennung=x", "gebaut=gestern", "gewartet=2024", "technik=1", "betreiberkonto=DE-KONTO-1",
    "filter=betreiberkonto='DE-KONTO-1'", "sortby=betreiberkonto", "properties=betreiberkonto", "limit=1&limit=2", "name=%00", "name=%ff",
    "Limit=1", "=1",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_bad_input_is_a_400_that_says_what_is_allowed(client: Client, query: str) -> None:
    response = client.get(f"{ITEMS}?{query}")
    assert response.status_code == 400, response.text[:300]
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert (problem["status"], problem["title"], problem["instance"]) == (400, "Bad Request", ITEMS)
    assert len(problem["detail"]) > 20
    assert "Traceback" not in response.text


def test_an_unknown_parameter_is_named_with_the_known_ones(client: Client) -> None:
    problem = client.get(f"{ITEMS}?nahme=x").json()
    assert problem["parameter"] == "nahme"
    assert "bbox" in problem["detail"] and "nummer" in problem["detail"] and "betreiberkonto" not in problem["detail"]


def test_item(client: Client) -> None:
    response = client.get(f"{ITEMS}/7")
    feature = response.json()
    assert response.headers["content-type"] == "application/geo+json"
    assert (feature["type"], feature["id"], feature["properties"]["nummer"]) == ("Feature", 7, 7)
    assert {link["rel"] for link in feature["links"]} == {"self", "alternate", "collection", "license"}
    assert feature["geometry"] is not None
    assert client.json(f"{ITEMS}/24")["geometry"] is None


def test_an_id_with_a_slash(client: Client) -> None:
    feature = client.json("/collections/gebiete/items/01%2Fx")
    assert feature["id"] == "01/x"
    own = next(link["href"] for link in feature["links"] if link["rel"] == "self")
    assert client.json(own)["id"] == "01/x"
    assert client.json("/collections/gebiete/items/01/x")["id"] == "01/x"


@pytest.mark.parametrize("ident", ["999", "abc", "1.5", "99999999999999999999", "%00", "1%27", "", "ä" * 300])
def test_an_unknown_item_is_a_404(client: Client, ident: str) -> None:
    response = client.get(f"{ITEMS}/{ident}")
    if ident == "":
        assert response.status_code == 200  # the slash at the end means nothing
        return
    assert response.status_code == 404, response.text
    assert response.json()["title"] == "Not Found"


def test_item_refuses_what_only_pages_take(client: Client) -> None:
    for query in ("limit=1", "bbox=1,2,3,4", "nummer=7", "crs=x", "properties=x"):
        assert client.get(f"{ITEMS}/7?{query}").status_code == 400, query


def test_a_table_without_geometry(client: Client) -> None:
    page = client.json("/collections/zahlen/items")
    assert page["numberMatched"] == len(FIGURES)
    told = {f["id"]: f["properties"] for f in page["features"]}
    assert told["01-2020"]["einwohner"] is None and told["01-2020"]["einwohner_status"] == "suppressed"
    assert told["03-2021"]["einwohner"] == 6 and told["03-2021"]["einwohner_status"] == "ok"
    assert all(f["geometry"] is None for f in page["features"])
    assert client.json("/collections/zahlen/items?bbox=-180,-90,180,90")["numberMatched"] == 0


def test_csv(client: Client) -> None:
    response = client.get(f"{ITEMS}?f=csv&limit=7")
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert list(rows[0]) == ["id", *(field["name"] for field in MASTEN["fields"]), "geometry"]
    assert rows[3]["name"] == "'=SUMME(A1)"  # no formula
    assert (rows[0]["kosten"], rows[0]["leuchtet"], rows[0]["gross_nr"]) == ("1.10", "true", str(2**53 + 1))
    assert json.loads(rows[0]["technik"]) == {"lampe": 1, "<x>": [1, None]}
    assert rows[4]["hoehe"] == "" and rows[5]["name"] == ""
    native = client.get(f"{ITEMS}?f=csv&limit=1&crs=http://www.opengis.net/def/crs/EPSG/0/25832").text
    assert "POINT (360010 5700010)" in native
    assert len(list(csv.reader(io.StringIO(client.get(f"{ITEMS}/7?f=csv").text)))) == 2


def test_html_escapes_values_and_loads_nothing_from_outside(client: Client) -> None:
    response = client.get(f"{ITEMS}?f=html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "a&lt;b&gt;&amp;c" in response.text and "a<b>" not in response.text
    assert ">2,10<" in response.text
    assert "<svg" in response.text
    sources = re.findall(r"<script\b[^>]*\bsrc=\"([^\"]*)\"[^>]*></script>", response.text)
    assert len(sources) == response.text.count("<script") and all("/static/" in source for source in sources)
    item = client.get("/collections/gebiete/items/01%2Fx?f=html&lang=en").text
    assert AREAS[0]["name"] in item and "<svg" in item


@pytest.mark.parametrize(
    ("query", "de", "en"),
    [
        ("limit=2", "2 von 60 Objekten", "2 of 60 features"),
        ("nummer=1", "1 von 1 Objekt", "1 of 1 feature"),
        ("nummer=0", "0 von 0 Objekten", "0 of 0 features"),
    ],
)
def test_a_page_says_how_many(client: Client, query: str, de: str, en: str) -> None:
    for language, words in (("de", de), ("en", en)):
        assert f"<p>{words}</p>" in client.get(f"{ITEMS}?f=html&lang={language}&{query}").text


def test_values_on_pages(client: Client) -> None:
    """Numbers and days by language; years, numbers and codes are no amounts; a code is said where its title is another word."""
    for url in (f"{ITEMS}/7?f=html", f"{ITEMS}?f=html&nummer=7"):
        german, english = (client.get(f"{url}&lang={language}").text for language in ("de", "en"))
        for words in ("1,75", "7,10", str(2**53 + 7), "15.08.2017", "08.01.2024 10:00 MEZ"):
            assert words in german, words
        for words in ("1.75", "7.10", str(2**53 + 7), "2017-08-15", "2024-01-08 10:00 CET"):
            assert words in english, words
    assert "Holz <small>(holz)</small>" in client.get(f"{ITEMS}/7?f=html").text


def test_coordinates_of_an_item(client: Client) -> None:
    for query, system in (("", "WGS 84 (Länge, Breite)"), ("&crs=EPSG:25832", "ETRS89 / UTM zone 32N")):
        longitude, latitude = client.json(f"{ITEMS}/7?{query}")["geometry"]["coordinates"]
        page = client.get(f"{ITEMS}/7?f=html{query}").text
        assert f"<dd>{longitude}, {latitude}</dd>" in page and system in page
    assert "<dt>Koordinaten</dt><dd>360070.0, 5700020.0</dd>" in page or "<dt>Koordinaten</dt><dd>360070, 5700020</dd>" in page
    area = client.get("/collections/gebiete/items/01%2Fx?f=html&crs=EPSG:25832").text
    assert "<dt>Ausdehnung</dt><dd>360000, 5700000, 360400, 5700400</dd>" in area and "<dt>Stützpunkte</dt><dd>5</dd>" in area
    assert "MULTIPOLYGON (((360000 5700000, " in area
    for url in (f"{ITEMS}/24?f=html", f"{ITEMS}/7?f=html&skipGeometry=true", "/collections/zahlen/items/01-2020?f=html"):
        assert "Koordinaten" not in client.get(url).text


@pytest.mark.parametrize("url", [f"{ITEMS}/7?f=html", f"{ITEMS}?f=html", f"{ITEMS}/7?f=csv"])
def test_the_event_loop_goes_on_while_a_page_is_made(client: Client, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    threads = []

    def noted(made: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            threads.append(threading.current_thread())
            return made(*given)

        return call

    monkeypatch.setattr("server.tables.exact", noted(tables.exact))
    monkeypatch.setattr("server.tables.csv_of", noted(tables.csv_of))
    monkeypatch.setattr("server.items.coordinates", noted(coordinates))
    pages = client.app.items.pages
    monkeypatch.setattr(pages, "render", noted(pages.render))
    assert client.get(url).status_code == 200
    assert threads and client.thread not in threads


def test_coordinates_of_many_vertices_are_left_to_the_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.coordinates._MOST", 4)
    page = client.get("/collections/gebiete/items/01%2Fx?f=html").text
    assert "in GeoJSON und CSV" in page and "MULTIPOLYGON" not in page


def test_an_unknown_collection_and_a_grid(client: Client) -> None:
    assert client.get("/collections/gibtesnicht/items").status_code == 404


def test_too_large_a_page_is_a_413(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.items.MAX_BYTES", 1000)
    response = client.get(f"{ITEMS}?limit=60")
    assert response.status_code == 413
    assert "smaller limit" in response.json()["detail"]
