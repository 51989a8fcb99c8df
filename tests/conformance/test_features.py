"""OGC API Features Part 1 (17-069r4, Annex A) and Part 2 (18-058r1, Annex A): the abstract tests, by their ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Any

import pytest
import shapely
from conformance.data import ROWS, place
from openapi_spec_validator import OpenAPIV30SpecValidator
from pyproj import Transformer
from support.client import Client

from server.conformance import CLASSES
from stadtgrund.query.interval import BERLIN, Interval

PART1 = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/"
PART2 = "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
COLLECTIONS = ("orte", "wege", "flaechen")
GEOJSON = "application/geo+json"


@pytest.fixture(params=COLLECTIONS)
def items(request: pytest.FixtureRequest) -> str:
    return f"/collections/{request.param}/items"


def rels(document: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for link in document["links"]:
        found.setdefault(link["rel"], []).append(link)
    return found


def shapes_of(document: Any) -> Any:
    """Return the geometries of a page as one."""
    stated = [feature["geometry"] for feature in document["features"] if feature["geometry"]]
    return shapely.GeometryCollection([shapely.from_geojson(json.dumps(each)) for each in stated])


def test_declared() -> None:
    """A.2.4: what these tests cover is declared."""
    assert {PART1 + name for name in ("core", "geojson", "html", "oas30")} | {PART2} <= set(CLASSES)


def test_landing_page(client: Client) -> None:
    """A.2.2.1 /conf/core/root-op, A.2.2.2 /conf/core/root-success."""
    found = rels(client.json("/", headers={"accept": "application/json"}))
    assert {"self", "alternate", "service-desc", "conformance", "data"} <= set(found)
    assert found["service-desc"][0]["type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert all(link.get("type") for links in found.values() for link in links)


def test_api_definition(client: Client) -> None:
    """A.2.3.1 /conf/core/api-definition-op, A.2.3.2 /conf/core/api-definition-success, A.5.1 /conf/oas30/*."""
    href = rels(client.json("/", headers={"accept": "application/json"}))["service-desc"][0]["href"]
    response = client.get(href)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    OpenAPIV30SpecValidator(response.json()).validate()


def test_conformance_declaration(client: Client) -> None:
    """A.2.4.1 /conf/core/conformance-op, A.2.4.2 /conf/core/conformance-success."""
    assert client.json("/conformance", headers={"accept": "application/json"})["conformsTo"] == list(CLASSES)
    assert len(set(CLASSES)) == len(CLASSES)


def test_collections(client: Client) -> None:
    """A.2.5.1 /conf/core/fc-md-op to A.2.5.4 fc-md-extent-multi, A.2.6 /conf/core/sfc-md-success."""
    document = client.json("/collections", headers={"accept": "application/json"})
    assert {"self", "alternate"} <= set(rels(document))
    assert [each["id"] for each in document["collections"]] == sorted(COLLECTIONS)
    for each in document["collections"]:
        links = rels(each)
        assert {link["type"] for link in links["items"]} >= {GEOJSON, "text/html"}
        alone = client.json(f"/collections/{each['id']}", headers={"accept": "application/json"})
        for name in ("id", "title", "description", "extent", "crs", "itemType"):
            assert alone[name] == each[name]
        box = each["extent"]["spatial"]["bbox"][0]
        shapes = shapes_of(client.json(f"/collections/{each['id']}/items?f=json"))
        assert shapely.box(*box).covers(shapely.box(*shapes.bounds))
        first, last = ("von", "bis") if each["id"] == "orte" else ("beginn", "beginn")
        # A row without any time says nothing of the time of all.
        times = [(row[first], row[last]) for row in ROWS[each["id"]] if row[first]]
        told = [datetime.fromisoformat(moment).astimezone(BERLIN).date() for moment in each["extent"]["temporal"]["interval"][0]]
        assert [f"{day}" for day in told] == [f"{min(start for start, _ in times):%Y-%m-%d}", f"{max(end for _, end in times):%Y-%m-%d}"]


def parameter(document: Any, path: str, name: str) -> Any:
    for given in document["paths"][path]["get"]["parameters"]:
        found = document["components"]["parameters"][given["$ref"].rsplit("/", 1)[1]] if "$ref" in given else given
        if found["name"] == name and found["in"] == "query":
            return found
    raise AssertionError(f"no parameter {name} in {path}")


def test_parameter_definitions(client: Client, items: str) -> None:
    """A.2.7 /conf/core/fc-bbox-definition, fc-limit-definition, fc-time-definition; Part 2: crs and bbox-crs."""
    document = client.json("/api")
    for name in ("bbox", "limit", "datetime", "crs", "bbox-crs", "filter", "filter-lang", "filter-crs"):
        found = parameter(document, items, name)
        assert (found["required"], found["style"], found["explode"]) == (False, "form", False)
    bbox = parameter(document, items, "bbox")["schema"]
    assert bbox["type"] == "array" and bbox["items"] == {"type": "number"}
    assert {(each["minItems"], each["maxItems"]) for each in bbox["oneOf"]} == {(4, 4), (6, 6)}
    limit = parameter(document, items, "limit")["schema"]
    assert limit["type"] == "integer" and limit["minimum"] >= 1 and limit["minimum"] <= limit["default"] <= limit["maximum"]
    assert parameter(document, items, "datetime")["schema"]["type"] == "string"


def check(response: Any, *, numbers: bool = True) -> Any:
    """A.2.7 /conf/core/fc-response with fc-links, fc-rel-type, fc-timeStamp, fc-numberMatched, fc-numberReturned; A.4 geojson/content."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == GEOJSON
    document = response.json()
    assert document["type"] == "FeatureCollection"
    links = rels(document)
    assert {"self", "alternate"} <= set(links)
    assert all(link.get("type") and link.get("rel") for each in links.values() for link in each)
    assert document["timeStamp"].endswith("Z")
    assert document["numberReturned"] == len(document["features"])
    if numbers:
        assert document["numberMatched"] >= document["numberReturned"]
    for feature in document["features"]:
        assert feature["type"] == "Feature" and "geometry" in feature and isinstance(feature["properties"], dict)
        if feature["geometry"] is not None:
            assert shapely.is_valid(shapely.from_geojson(json.dumps(feature["geometry"])))
    return document


def test_features(client: Client, items: str) -> None:
    """A.2.7.1 /conf/core/fc-op, /conf/core/fc-response, /conf/core/crs84."""
    response = client.get(items)
    document = check(response)
    assert document["numberMatched"] == 66
    assert response.headers["content-crs"] == f"<{CRS84}>"
    west, south, east, north = shapes_of(document).bounds
    assert 6.9 < west < east < 7.1 and 51.4 < south < north < 51.5


BOXES = ["6.985,51.43,6.99,51.435", "6.985,51.43,0,6.99,51.435,100", "6.985,51.43,6.985,51.43", "177,65,-177,70", "6.986,-90,-179,90"]


@pytest.mark.parametrize("box", BOXES)
def test_bbox(client: Client, items: str, box: str) -> None:
    """A.2.7 /conf/core/fc-bbox-response: what intersects it, across the antimeridian too; what has no geometry never does."""
    document = check(client.get(items, params={"bbox": box}))
    numbers = [float(part) for part in box.split(",")]
    half = len(numbers) // 2
    west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    parts = [shapely.box(west, south, east, north)] if west <= east else [shapely.box(west, south, 180, north)]
    shape = shapely.segmentize(shapely.union_all(parts), 1e-4) if south > -90 and east - west < 1 and west != east else parts[0]
    forward = Transformer.from_crs(4326, 25832, always_xy=True)
    back = Transformer.from_crs(25832, 4326, always_xy=True)
    expected = set()
    for row in ROWS[items.split("/")[2]]:
        own = place(row)
        if own is None:
            continue
        # Lines in the storage CRS are straight there: either both in it, or, for boxes beyond it, both in degrees.
        near = shape is not parts[0]
        left = own if near else shapely.transform(own, back.transform, interleaved=False)
        right = shapely.transform(shape, forward.transform, interleaved=False) if near else shape
        if left.intersects(right):
            expected.add(row["nr"])
    assert {feature["id"] for feature in document["features"]} == expected
    assert document["numberMatched"] == len(expected)


@pytest.mark.parametrize("limit", [1, 5, 66, 10_000, 10_001])
def test_limit(client: Client, items: str, limit: int) -> None:
    """A.2.7 /conf/core/fc-limit-response, A.2.7 /conf/core/fc-links: `next` where there is more, and only there."""
    document = check(client.get(items, params={"limit": limit}))
    assert document["numberReturned"] == min(limit, 66)
    assert ("next" in rels(document)) == (limit < 66)


def walk(client: Client, url: str) -> Iterator[Any]:
    while url:
        document = check(client.get(url))
        yield document
        url = next((link["href"] for link in rels(document).get("next", [])), "")


def test_paging(client: Client, items: str) -> None:
    """A.2.7 /conf/core/fc-links, fc-numberMatched: every feature once, the same number on every page."""
    pages = list(walk(client, f"{items}?limit=25&bbox=6,51,8,52"))
    found = [feature["id"] for page in pages for feature in page["features"]]
    assert sorted(found) == [nr for nr in range(1, 67) if nr != 13]
    assert {page["numberMatched"] for page in pages} == {65}


TIMES = [
    "2022-04-14", "2022-04-14T14:48:46Z", "2021-01-01T00:00:00Z/2021-12-31T23:59:59Z", "../2021-06-01T00:00:00Z",
    "2021-06-01T00:00:00Z/..", "2021-06-01/", "/2021-06-01", "2021-01-01/2021-12-31",
]  # fmt: skip


@pytest.mark.parametrize("text", TIMES)
def test_datetime(client: Client, text: str) -> None:
    """A.2.7 /conf/core/fc-time-response: what has no time at all is in no answer but those without the parameter."""
    interval = Interval.parse(text)
    document = check(client.get("/collections/orte/items", params={"datetime": text}))
    expected = {
        row["nr"]
        for row in ROWS["orte"]
        if row["von"] and (interval.end is None or row["von"] <= interval.end) and (interval.start is None or row["bis"] >= interval.start)
    }
    assert {feature["id"] for feature in document["features"]} == expected and expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=x", "limit=-1", "bbox=1,2,3", "bbox=1,2,3,x", "bbox=1,2,3,4,5", "bbox=7,52,8,51", "bbox=nan,1,2,3",
        "datetime=gestern", "datetime=2022-01-01/2021-01-01", "datetime=2021-13-01", "datetime=2021-01-01T00:00:00",
        "unbekannt=1", "crs=EPSG:9999", f"crs={EPSG}31466", "bbox=1,2,3,4&bbox-crs=x", "filter=name", "filter=name=1",
        "filter-lang=cql", "einwohner=viele", "hauptort=ja", "beginn=2021", "sortby=geometry", "properties=x", "limit=1&limit=2",
    ],
)  # fmt: skip
def test_error_conditions(client: Client, items: str, query: str) -> None:
    """A.2.7 /conf/core/query-param-invalid, query-param-unknown; Part 2 A.2 crs-param-invalid, bbox-crs-invalid; 7.5.1 error responses."""
    response = client.get(f"{items}?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == 400 and document["title"] and document["detail"]
    assert response.headers["access-control-allow-origin"] == "*"


def test_feature(client: Client, items: str) -> None:
    """A.2.8.1 /conf/core/f-op, A.2.8.2 /conf/core/f-success: links self, alternate, collection; the same as on the page."""
    listed = check(client.get(f"{items}?limit=3"))["features"]
    for feature in listed:
        response = client.get(f"{items}/{feature['id']}")
        assert response.status_code == 200 and response.headers["content-type"] == GEOJSON
        document = response.json()
        assert {"self", "alternate", "collection"} <= set(rels(document))
        assert {name: document[name] for name in feature} == feature
    assert client.get(f"{items}/gibtesnicht").status_code == 404


@pytest.mark.parametrize(
    "url", ["/", "/conformance", "/collections", "/collections/orte", "/collections/orte/items", "/collections/orte/items/1"]
)
def test_html(client: Client, url: str) -> None:
    """A.3 /conf/html/definition, /conf/html/content: each resource is there as HTML, and says what the JSON says."""
    response = client.get(url, params={"lang": "en"}, headers={"accept": "text/html"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.lstrip().lower().startswith("<!doctype html") and "<title>" in response.text
    page, text = response.text, plain(response.text)
    told = client.get(url, params={"lang": "en"}, headers={"accept": f"{GEOJSON}, application/json"}).text
    document = json.loads(told, parse_float=str)
    linked = {address(href) for href in re.findall('<a [^>]*href="([^"]+)"', page)}
    assert [link for link in document["links"] if link["rel"] not in ("self", "alternate") and address(link["href"]) not in linked] == []
    assert [part for part in statements(document) if part not in text and part not in linked] == []
    cells = [[plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in re.findall(r"<tr>(.*?)</tr>", page, re.S)]
    if "features" in document:
        assert f"{document['numberReturned']} of {document['numberMatched']} features" in text
        assert cells[1:] == [[str(each["id"]), *map(spelled, each["properties"].values())] for each in document["features"]]
    if "properties" in document:
        assert cells[1:] == [[spelled(value) or "–"] for value in document["properties"].values()]
        assert f"Coordinates {', '.join(document['geometry']['coordinates'])}" in text


def plain(markup: str) -> str:
    """Return the text of HTML, its words parted by single blanks."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", markup)).split())


def address(href: str) -> str:
    """Return an address whatever its representation."""
    return unescape(href).partition("?")[0].rstrip("/")


def statements(document: Any) -> Iterator[str]:
    """Yield what a page must say, in words or by a link, of a document that is about the API or its collections."""
    for name in ("title", "description", "storageCrs", "conformsTo", "crs", "collections"):
        for part in [document[name]] if isinstance(document.get(name), str) else document.get(name, []):
            # The list of collections leaves their details to their own pages.
            yield from (part["title"], part["description"]) if isinstance(part, dict) else [part]
    if "extent" in document:
        yield ", ".join(f"{float(value):.5f}" for value in document["extent"]["spatial"]["bbox"][0])
        yield " – ".join(
            f"{datetime.fromisoformat(each).astimezone(BERLIN):%Y-%m-%d}" for each in document["extent"]["temporal"]["interval"][0]
        )
    for contact in document.get("contacts", []):
        yield from (contact["organization"], *(email["value"] for email in contact.get("emails", [])))
        yield from (link["href"] for link in contact.get("links", []))


def spelled(value: Any) -> str:
    """Return the value of an attribute as an English page says it."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, str) and value.endswith("Z"):
        moment = datetime.fromisoformat(value).astimezone(BERLIN)
        return f"{moment:%Y-%m-%d %H:%M:%S %Z}" if moment.second else f"{moment:%Y-%m-%d %H:%M %Z}"
    return str(value)


def test_crs_of_collections(client: Client) -> None:
    """Part 2, A.1.1 /conf/crs/crs-uri, fc-md-crs-list, fc-md-storageCrs, fc-md-crs-list-global: CRS84 first, storageCrs in the list."""
    for each in client.json("/collections", headers={"accept": "application/json"})["collections"]:
        assert each["crs"][0] == CRS84
        assert {EPSG + code for code in ("4326", "3857", "4258", "25832", "25833")} <= set(each["crs"])
        assert each["storageCrs"] == f"{EPSG}25832" and each["storageCrs"] in each["crs"]


def test_crs_of_answers(client: Client, items: str) -> None:
    """Part 2, A.2.1 /conf/crs/crs-parameter, crs-response, geojson: Content-Crs, axis order, coordinates as PROJ has them."""
    offered = client.json(items.rsplit("/", 1)[0], headers={"accept": "application/json"})["crs"]
    stored = {row["nr"]: place(row) for row in ROWS[items.split("/")[2]]}
    for uri in offered:
        response = client.get(items, params={"crs": uri})
        assert response.headers["content-crs"] == f"<{uri}>"
        code = 4326 if uri == CRS84 else int(uri.rsplit("/", 1)[1])
        # always_xy off: PROJ's own word for the order of the axes.
        moved = Transformer.from_crs(25832, "OGC:CRS84" if uri == CRS84 else f"EPSG:{code}")
        tolerance = 2e-8 if code in (4326, 4258) else 2e-3
        for feature in check_crs(response)["features"]:
            own = stored[feature["id"]]
            if own is None:
                assert feature["geometry"] is None
                continue
            expected = shapely.transform(own, moved.transform, interleaved=False)
            assert shapely.equals_exact(
                shapely.normalize(shapely.from_geojson(json.dumps(feature["geometry"]))), shapely.normalize(expected), tolerance
            )
        single = client.get(f"{items}/7", params={"crs": uri})
        assert single.headers["content-crs"] == f"<{uri}>"


def check_crs(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def test_bbox_crs(client: Client, items: str) -> None:
    """Part 2, A.2.2 /conf/crs/bbox-crs-definition, bbox-crs-action: the same box in each CRS finds the same."""
    shape = shapely.box(360_150, 5_700_150, 360_450, 5_700_450)
    expected = {row["nr"] for row in ROWS[items.split("/")[2]] if (own := place(row)) is not None and own.intersects(shape)}
    found = check(client.get(items, params={"bbox": "360150,5700150,360450,5700450", "bbox-crs": f"{EPSG}25832"}))
    assert {feature["id"] for feature in found["features"]} == expected and 3 < len(expected) < 60
    swapped = client.json(f"{items}?bbox=51.43,6.985,51.435,6.99&bbox-crs={EPSG}4326&limit=1000")
    plain = client.json(f"{items}?bbox=6.985,51.43,6.99,51.435&limit=1000")
    assert [each["id"] for each in swapped["features"]] == [each["id"] for each in plain["features"]] != []


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["", "bbox=6.985,51.43,6.99,51.435", "limit=3", "datetime=2021-01-01/2022-12-31", f"crs={EPSG}25832", "f=json"]
)
def test_head_and_options(client: Client, items: str, query: str) -> None:
    """A.2.1.1 /conf/core/http: HTTP 1.1 as RFC 9110 has it. HEAD says what GET says; OPTIONS what may be done."""
    url = f"{items}?{query}"
    got, head = client.get(url), client.request("HEAD", url)
    assert head.status_code == 200 and head.content == b""
    for name in ("content-type", "etag", "content-crs", "vary"):
        assert head.headers[name] == got.headers[name]
    assert client.request("OPTIONS", url).headers["allow"] == "GET, HEAD, OPTIONS"
