"""OGC API Common Part 1 (19-072, Annex A) and Part 2 (20-024, Annex A): the abstract tests, by their ids."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator
from support.client import Client

from server.conformance import CLASSES

PART1 = "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/"
PART2 = "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CONFORMANCE = ("conformance", "http://www.opengis.net/def/rel/ogc/1.0/conformance")
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
COLLECTIONS = ("flaechen", "orte", "wege")
RESOURCES = ("/", "/conformance", "/api", "/collections", *(f"/collections/{name}" for name in COLLECTIONS))
"""What Common is about: landing page, declaration, API definition, collections."""


@pytest.fixture(params=RESOURCES)
def resource(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def document(client: Client, path: str) -> Any:
    return client.json(path, headers={"accept": "application/json"})


def links(found: Any, *rels: str) -> list[Any]:
    return [link for link in found["links"] if link["rel"] in rels]


def test_declared() -> None:
    """Each class that is declared of Common is tested here, and no other."""
    tested = {PART1 + name for name in ("core", "landing-page", "json", "html", "oas30")} | {PART2}
    assert tested == {name for name in CLASSES if "/ogcapi-common-" in name}


def test_http(client: Client, resource: str) -> None:
    """19-072 /conf/core/http, 20-024 /conf/collections/http: HTTP 1.1 as its standard has it, with its status codes."""
    got, head = client.get(resource), client.request("HEAD", resource)
    assert got.status_code == head.status_code == 200 and head.content == b""
    assert client.request("OPTIONS", resource).headers["allow"] == "GET, HEAD, OPTIONS"
    refused = client.request("POST", resource, content=b"{}")
    assert refused.status_code == 405 and refused.headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.get(resource, headers={"accept": "image/png"}).status_code == 406
    assert client.get(resource, headers={"if-none-match": got.headers["etag"]}).status_code == 304  # /rec/core/etag
    assert got.headers["access-control-allow-origin"] == "*"  # /rec/core/cross-origin
    assert client.get(f"{resource.rstrip('/')}/gibtesnicht").status_code == 404


def test_names_of_parameters(client: Client, resource: str) -> None:
    """19-072 /conf/core/query-param-name-unknown, query-param-capitalization: a name is known as it is written, or refused."""
    assert client.get(f"{resource}?lang=de").status_code == 200
    for name in ("Lang", "LANG", "F", "unbekannt"):
        response = client.get(f"{resource}?{name}=de")
        assert response.status_code == 400 and response.headers["content-type"] == "application/problem+json"
        assert response.json()["parameter"] == name  # /rec/core/problem-details: which, and what is allowed


ITEMS = "/collections/orte/items"


def test_capitalization_of_each_parameter(client: Client) -> None:
    """19-072 /conf/core/query-param-capitalization, of all that the API definition has for items."""
    described = document(client, "/api")
    shared = described["components"]["parameters"]
    stated = described["paths"][ITEMS]["get"]["parameters"]
    names = {(shared[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each)["name"] for each in stated}
    assert {"bbox", "limit", "skipGeometry", "einwohner"} <= names
    for name in names:
        assert client.get(f"{ITEMS}?{name.swapcase()}=1").status_code == 400, name


VALUES = {
    "boolean": ("skipGeometry", ("true", "false"), ("ja", "1", "")),
    "integer": ("limit", ("1", "10"), ("1.5", "zehn", "1e1", "")),
    "decimal": ("dichte", ("3.14", "-2.25", "100"), ("3,14", "x")),
    "double": ("bbox", ("6.9,51.4,7.1,51.5", "69e-1,514e-1,71E-1,515e-1"), ("6.9,51.4,7.1,y", "6.9,51.4,7.1,")),
    "special": ("bbox", ("-180,-90,180,90",), ("NaN,0,1,1", "0,0,INF,1", "-INF,0,1,1")),
    "list-delimiter": ("properties", ("nr", "nr,name"), ("nr;name", "nr name", "nr|name")),
    "list-empty": ("properties", ("nr,name,dichte",), ("nr,,name", ",")),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_parameters(client: Client, kind: str) -> None:
    """19-072 /conf/core/query-param-value-*, query-param-list-*: a value is of the parameter's type, or a 400 (…-value-invalid)."""
    name, good, bad = VALUES[kind]
    for value in good:
        assert client.get(ITEMS, params={name: value}).status_code == 200, value
    for value in bad:
        response = client.get(ITEMS, params={name: value})
        assert response.status_code == 400 and response.json()["parameter"] == name, value


def test_an_escaped_value_is_one_value(client: Client) -> None:
    """19-072 /conf/core/query-param-list-escape: what is escaped is read as it was meant."""
    for name in ("O'Brien", "foo%bar", "Äpfel", "%_"):
        found = client.json(ITEMS, params={"name": name, "limit": "100"})
        assert {each["properties"]["name"] for each in found["features"]} == {name}


def test_landing_page(client: Client) -> None:
    """19-072 /conf/landing-page/root-op, root-success."""
    found = document(client, "/")
    assert isinstance(found["title"], str) and isinstance(found["description"], str)
    assert all(isinstance(link["href"], str) and isinstance(link["rel"], str) for link in found["links"])
    for rels in (("self",), ("alternate",), ("service-desc",), ("service-doc",), CONFORMANCE, ("data",)):
        assert links(found, *rels), rels


def test_each_link_leads_to_what_it_says(client: Client, resource: str) -> None:
    """19-072 /rec/core/link-header and /conf/landing-page/root-success, 20-024 /conf/collections/rc-md-links: what is linked is so."""
    if resource == "/api":
        return  # a document of OpenAPI has no links
    found = document(client, resource)
    assert links(found, "self") and links(found, "alternate")
    for link in found["links"]:
        assert link["rel"] and link["type"], link
        if link["href"].startswith("http://localhost:5000") and not link.get("templated"):
            response = client.get(link["href"], headers={"accept": link["type"]}, follow_redirects=True)
            assert response.status_code == 200, link
            assert response.headers["content-type"].partition(";")[0] == link["type"].partition(";")[0], link


def test_api_definition(client: Client) -> None:
    """19-072 /conf/landing-page/api-definition-op, api-definition-success: by its links, as a document and as a page."""
    found = document(client, "/")
    for rel, media_type in (("service-desc", OPENAPI), ("service-doc", "text/html")):
        (link,) = links(found, rel)
        assert link["type"] == media_type
        response = client.get(link["href"])
        assert response.status_code == 200 and response.headers["content-type"].startswith(media_type)


def test_conformance(client: Client) -> None:
    """19-072 /conf/landing-page/conformance-op, conformance-success: the classes of all standards, each once."""
    (link,) = links(document(client, "/"), CONFORMANCE[0])
    assert link["href"].split("?")[0].endswith("/conformance")
    told = document(client, link["href"])["conformsTo"]
    assert told == document(client, "/conformance")["conformsTo"] == list(CLASSES)
    assert len(set(told)) == len(told) and all(each.startswith("http://www.opengis.net/spec/") for each in told)


def test_json(client: Client, resource: str) -> None:
    """19-072 /conf/json/definition, /conf/json/content: asked for as JSON, each is JSON, and an object with links where they are due."""
    for more in ({"headers": {"accept": "application/json"}}, {"params": {"f": "json"}}):
        response = client.get(resource, **more)
        assert response.headers["content-type"] == (OPENAPI if resource == "/api" else "application/json")
        assert isinstance(response.json(), dict)
        assert resource == "/api" or isinstance(response.json()["links"], list)


def test_html(client: Client, resource: str) -> None:
    """19-072 /conf/html/definition, /conf/html/content: a page of HTML 5 that says and links what the JSON does."""
    for more in ({"headers": {"accept": "text/html"}}, {"params": {"f": "html"}}):
        response = client.get(resource, **more)
        assert response.headers["content-type"].startswith("text/html")
        page = response.text
        assert page.lstrip().lower().startswith("<!doctype html") and "<title>" in page
    if resource == "/conformance":
        assert all(each in page for each in CLASSES)
    if resource == "/collections":
        assert all(f"/collections/{name}" in page for name in COLLECTIONS)
    if resource.startswith("/collections/"):
        assert document(client, resource)["title"] in page and "/items" in page


def test_oas30_definition(client: Client) -> None:
    """19-072 /conf/oas30/oas-definition-1, oas-definition-2: OpenAPI 3.0 by media type and by its schema, whole in itself."""
    response = client.get("/api", headers={"accept": OPENAPI})
    assert response.headers["content-type"] == OPENAPI
    OpenAPIV30SpecValidator(response.json()).validate()
    assert '"$ref":"http' not in response.text.replace(" ", "")


def test_oas30_completeness(client: Client) -> None:
    """19-072 /conf/oas30/completeness, exceptions-codes: each operation has its answer with its types, and the codes of its errors."""
    described = document(client, "/api")
    assert set(RESOURCES) <= set(described["paths"])
    for path, methods in described["paths"].items():
        for operation in methods.values():
            codes = set(operation["responses"])
            assert operation["responses"]["200"]["content"] and {"400", "401", "404", "503"} <= codes, path
            assert operation["operationId"]


def test_oas30_implementation(client: Client) -> None:
    """19-072 /conf/oas30/oas-impl: what is described without a place to fill in is there, in a type that is described."""
    described = document(client, "/api")
    for path, methods in described["paths"].items():
        if "{" in path or "get" not in methods:
            continue
        response = client.get(path, follow_redirects=False)
        known = methods["get"]["responses"]
        assert str(response.status_code) in known and response.status_code < 400, path
        if response.status_code == 200:
            types = {name.partition(";")[0] for name in known["200"]["content"]}
            assert response.headers["content-type"].partition(";")[0] in types, path


def test_oas30_security(client: Client) -> None:
    """19-072 /conf/oas30/security: each way to come in is described, and one that does not hold is refused."""
    described = document(client, "/api")
    schemes = described["components"]["securitySchemes"]
    assert {name for each in described["security"] for name in each} == set(schemes)
    for scheme in schemes.values():
        name, value = (scheme["name"], "sg_x") if scheme["type"] == "apiKey" else ("Authorization", f"{scheme['scheme'].title()} c2dfeDp4")
        assert client.get("/collections", headers={name: value}).status_code == 401


def test_collections(client: Client) -> None:
    """20-024 /conf/collections/rc-md-op, rc-md-success, rc-md-items: each collection that is there, described as it is alone."""
    (link,) = links(document(client, "/"), "data")
    found = document(client, link["href"])
    assert [each["id"] for each in found["collections"]] == list(COLLECTIONS)
    for each in found["collections"]:
        alone = document(client, f"/collections/{each['id']}")
        assert {name: alone[name] for name in each if name != "links"} == {name: each[name] for name in each if name != "links"}


@pytest.mark.parametrize("query", ["bbox=6,51,8,52", "limit=2", "datetime=2021-01-01"])
def test_a_list_of_collections_is_not_queried_by_place_or_time(client: Client, query: str) -> None:
    """20-024 /conf/collections/rc-bbox-unsupported, rc-limit-unsupported, rc-datetime-unsupported: simple-query is not declared."""
    assert client.get(f"/collections?{query}").status_code == 400


@pytest.mark.parametrize("name", COLLECTIONS)
def test_collection(client: Client, name: str) -> None:
    """20-024 /conf/collections/src-md-op, src-md-success, rc-md-collection-content, rc-md-items-links."""
    found = document(client, f"/collections/{name}")
    assert found["id"] == name and found["title"] and found["description"] and found["itemType"] == "feature"
    assert found["crs"][0] == CRS84 and found["storageCrs"] in found["crs"]
    assert {link["type"] for link in links(found, "items")} >= {"application/geo+json", "text/html"}
    assert {link["type"] for link in links(found, "self", "alternate")} >= {"application/json", "text/html"}
    assert client.get(f"/collections/{name}x").status_code == 404


@pytest.mark.parametrize("name", COLLECTIONS)
def test_extent(client: Client, name: str) -> None:
    """20-024 /conf/collections/rc-md-extent, rc-md-extent-multi: boxes in CRS84, times in the Gregorian calendar."""
    extent = document(client, f"/collections/{name}")["extent"]
    assert extent["spatial"].get("crs", CRS84) == CRS84
    (west, south, east, north), *more = extent["spatial"]["bbox"]
    assert -180 <= west < east <= 180 and -90 <= south < north <= 90
    assert all(west <= box[0] and south <= box[1] and east >= box[2] and north >= box[3] for box in more)
    calendar = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
    assert extent["temporal"].get("trs", calendar) == calendar
    first, last = (datetime.fromisoformat(each) for each in extent["temporal"]["interval"][0])
    assert first < last
