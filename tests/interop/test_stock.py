"""Stock pygeoapi with our providers and our rendered file gives the features that our host gives."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import mapbox_vector_tile
import pytest
from support.city import CLOSED, SPATIAL, TABLES
from support.served import City

pytestmark = pytest.mark.slow  # a stock server of its own, beside ours

COLLECTIONS = ("baeume", "strassen", "gebaeude")
CRSS = (
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "http://www.opengis.net/def/crs/EPSG/0/4326",
    "http://www.opengis.net/def/crs/EPSG/0/25832",
)

# NOT before a parenthesis with OR in it, and names of one letter, are more than the parser of stock pygeoapi reads.
FILTERS = {
    "baeume": (
        "art = 'Linde'",
        "nummer < 17",
        "art LIKE 'A%'",
        "bemerkung LIKE 'Größe 5 _ + %'",
        "art IN ('Eiche', 'Roßkastanie')",
        "nummer BETWEEN 20 AND 40",
        "hoehe_m IS NULL",
        "hoehe_m IS NOT NULL AND umfang_cm IS NULL",
        "NOT (art = 'Linde') AND (nummer <= 100 OR umfang_cm IS NULL) AND hoehe_m > 12.5",
        "gepflanzt < DATE('1970-01-01')",
        "nummer <> 3 AND nummer <= 5",
        "nummer = 3 OR nummer = 5 OR art = 'gibt es nicht'",
    ),
    "strassen": (
        "name = 'Straße 7'",
        "laenge_m < 165",
        "schluessel LIKE 'Ö %'",
        "name IN ('Straße 1', 'Straße 2')",
        "laenge_m BETWEEN 162 AND 166",
    ),
    "gebaeude": (
        "geschosse = 3",
        "baujahr IS NULL",
        "nutzung IN ('schule')",
        "NOT baujahr BETWEEN 1900 AND 2000",
        "geschosse >= 7 OR baujahr < 1860",
    ),
}


def get(base: str, path: str, **params: str) -> Any:
    answer = httpx.get(f"{base}{path}", params={**params, "f": "json"}, timeout=60, trust_env=False)
    assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()


def unescaped(value: Any) -> Any:
    """Undo what stock pygeoapi does to every text of its answers."""
    if isinstance(value, str):
        return value.replace("&lt;", "<").replace("&gt;", ">")
    if isinstance(value, dict):
        return {name: unescaped(part) for name, part in value.items()}
    if isinstance(value, list):
        return [unescaped(part) for part in value]
    return value


def features(base: str, collection: str, **params: str) -> tuple[list[Any], int | None]:
    page = get(base, f"/collections/{collection}/items", **params)
    return [{name: unescaped(feature[name]) for name in ("id", "geometry", "properties")} for feature in page["features"]], page.get(
        "numberMatched"
    )


def assert_equal(api: str, stock: str, collection: str, **params: str) -> list[Any]:
    ours, our_count = features(api, collection, **params)
    theirs, their_count = features(stock, collection, **params)
    assert theirs == ours
    assert their_count == our_count
    return ours


def test_stock_offers_the_same_collections(api: str, stock: str) -> None:
    assert {one["id"] for one in get(stock, "/collections")["collections"]} == {*SPATIAL, *TABLES}
    assert {one["id"] for one in get(api, "/collections")["collections"]} == {*SPATIAL, *TABLES}
    for name in CLOSED:
        assert httpx.get(f"{stock}/collections/{name}/items?f=json", trust_env=False).status_code == 404


@pytest.mark.parametrize("collection", [*SPATIAL, *TABLES])
def test_items_are_equal(collection: str, api: str, stock: str, city: City) -> None:
    assert len(assert_equal(api, stock, collection, limit="10000")) == len(city.rows(collection))
    assert_equal(api, stock, collection, limit="7", offset="3")


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("crs", CRSS)
def test_every_crs_is_equal(collection: str, crs: str, api: str, stock: str) -> None:
    assert_equal(api, stock, collection, limit="50", crs=crs)


def test_words_find_the_same(api: str, stock: str) -> None:
    found = assert_equal(api, stock, "baeume", q="Linden", limit="1000")
    assert 0 < len(found) == len(assert_equal(api, stock, "baeume", filter="art = 'Linde'", limit="1000"))


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_single_items_are_equal(collection: str, api: str, stock: str) -> None:
    for feature in features(api, collection, limit="12")[0]:
        path = f"/collections/{collection}/items/{quote(str(feature['id']))}"  # a slash of an id stays one, as clients write it
        ours, theirs = get(api, path), get(stock, path)
        for name in ("id", "geometry", "properties"):
            assert unescaped(theirs[name]) == ours[name]
    for base in (api, stock):
        assert httpx.get(f"{base}/collections/{collection}/items/gibt-es-nicht?f=json", trust_env=False).status_code == 404


@pytest.mark.parametrize("collection", SPATIAL)
def test_boxes_are_equal_to_each_other_and_to_postgis(collection: str, api: str, stock: str, city: City) -> None:
    x0, y0, x1, y1 = city.rows(collection).to_crs("EPSG:4326").total_bounds
    for low, high in ((0.1, 0.4), (0.35, 0.8), (-1.0, 0.5), (-1.0, 2.0), (1.1, 1.2)):
        box = [x0 + (x1 - x0) * low, y0 + (y1 - y0) * low, x0 + (x1 - x0) * high, y0 + (y1 - y0) * high]
        text = ",".join(f"{value:.8f}" for value in box)
        found = assert_equal(api, stock, collection, bbox=text, limit="10000")
        assert {str(feature["id"]) for feature in found} == city.within(collection, box)
    assert_equal(api, stock, collection, bbox="-180,-90,180,90", limit="10")


@pytest.mark.parametrize(("collection", "text"), [(name, text) for name, texts in FILTERS.items() for text in texts])
def test_filters_are_equal(collection: str, text: str, api: str, stock: str) -> None:
    ours, count = features(api, collection, filter=text, limit="10000")
    theirs, their_count = features(stock, collection, filter=text, limit="10000")
    assert theirs == ours
    assert count == their_count == len(ours)


def test_filters_find_something(api: str) -> None:
    """The comparison above would hold for a filter that never finds anything."""
    empty = [text for name, texts in FILTERS.items() for text in texts if not features(api, name, filter=text)[0]]
    assert empty == []


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("zoom", [12, 14, 16])
def test_tiles_are_equal(collection: str, zoom: int, api: str, stock: str, city: City) -> None:
    x0, y0, x1, y1 = city.rows(collection).to_crs("EPSG:3857").total_bounds
    size = 2 * 20037508.342789244 / 2**zoom
    column, row = int(((x0 + x1) / 2 + 20037508.342789244) / size), int((20037508.342789244 - (y0 + y1) / 2) / size)
    path = f"/collections/{collection}/tiles/WebMercatorQuad/{zoom}/{row}/{column}"
    ours, theirs = (httpx.get(f"{base}{path}", params={"f": "mvt"}, trust_env=False) for base in (api, stock))
    assert ours.status_code == theirs.status_code == 200
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    decoded = mapbox_vector_tile.decode(ours.content)
    assert decoded[collection]["features"]
    assert mapbox_vector_tile.decode(theirs.content) == decoded


def test_sorting_properties_time_and_queryables_are_equal(api: str, stock: str) -> None:
    assert_equal(api, stock, "baeume", sortby="-gepflanzt", limit="400")
    assert_equal(api, stock, "baeume", sortby="art,-nummer", limit="100", offset="50")
    assert_equal(api, stock, "baeume", properties="art,kennung", limit="20")
    assert_equal(api, stock, "baeume", datetime="1960-01-01/1970-12-31", limit="400")
    assert_equal(api, stock, "baeume", datetime="../1970-12-31", limit="400")
    assert_equal(api, stock, "baeume", art="Eiche", limit="400")
    assert_equal(api, stock, "gebaeude", nutzung="schule", geschosse="3", limit="400")
    page = get(stock, "/collections/baeume/items", skipGeometry="true", limit="5")
    assert {feature["geometry"] for feature in page["features"]} == {None}


def test_queryables_and_schema_hold_the_forms_fields_only(stock: str, city: City) -> None:
    for collection in ("baeume", "einwohner_ortsteile"):
        names = set(city.rows(collection).columns) - {"sg_id", "geometry"}
        for document in ("queryables", "schema"):
            shown = set(get(stock, f"/collections/{collection}/{document}")["properties"]) - {"geometry"}
            assert shown == names
    fields = get(stock, "/collections/baeume/schema")["properties"]
    assert fields["gepflanzt"]["format"] == "date"
    assert fields["hoehe_m"]["x-ogc-unit"] == "m"
    assert "enum" not in get(stock, "/collections/gebaeude/queryables")["properties"]["nutzung"]  # its rule only reports other values


@pytest.mark.parametrize(
    ("collection", "params"),
    [
        ("baeume", {"filter": "gibtesnicht = 1"}),
        ("baeume", {"filter": "nummer = 'abc'"}),
        ("baeume", {"nummer": "abc"}),
        ("baeume", {"bbox": "nan,1,2,3"}),
        ("baeume", {"bbox": "-inf,-inf,inf,inf"}),
        ("baeume", {"datetime": "gestern"}),
        ("baeume", {"datetime": "2021-01-01/2020-01-01"}),
        ("baeume", {"sortby": "bemerkung"}),
        ("baeume", {"properties": "gibtesnicht"}),
        ("baeume", {"q": ","}),
        ("baeume", {"q": "x" * 501}),
        ("baeume", {"offset": "99999999999999999999"}),
        ("baeume", {"crs": "http://www.opengis.net/def/crs/EPSG/0/31467"}),
        ("baeume", {"art": "a\x00b"}),
    ],
)
def test_bad_input_is_a_400_that_says_what(collection: str, params: dict[str, str], stock: str) -> None:
    answer = httpx.get(f"{stock}/collections/{collection}/items", params={**params, "f": "json"}, trust_env=False)
    assert answer.status_code == 400, answer.text
    assert answer.json()["description"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("WebMercatorQuad/14/-1/5", 404),
        ("WebMercatorQuad/99/1/1", 404),
        ("WebMercatorQuad/14/99999/1", 404),
        ("WebMercatorQuad/x/1/1", 404),
        ("GibtEsNicht/14/1/1", 404),
        ("WebMercatorQuad/8/0/0", 204),
    ],
)
def test_tiles_that_are_not_there(path: str, status: int, stock: str) -> None:
    assert httpx.get(f"{stock}/collections/baeume/tiles/{path}", params={"f": "mvt"}, trust_env=False).status_code == status


def test_the_tileset_describes_itself(stock: str) -> None:
    listed = get(stock, "/collections/baeume/tiles")
    assert [one["tileMatrixSetURI"].rpartition("/")[2] for one in listed["tilesets"]] == ["WebMercatorQuad", "WorldCRS84Quad"]
    assert any(link["rel"] == "item" and "{tileMatrix}" in link["href"] for link in listed["links"])
    described = get(stock, "/collections/baeume/tiles/WebMercatorQuad")
    assert {link["rel"] for link in described["links"]} >= {"item", "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"}


def test_the_join_tells_how_it_went(stock: str) -> None:
    page = get(stock, "/collections/einwohner_ortsteile/items", limit="1")
    assert page["join"]["left_rows"] == 9
    assert page["join"]["left_unmatched"] == 1
    assert page["join"]["right_unmatched"] == 2
    assert page["join"]["left_unmatched_keys"] == ["09"]
