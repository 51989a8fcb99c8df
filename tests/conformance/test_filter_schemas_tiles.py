"""Features Part 3 (19-079r2) and Part 5 (23-058, draft): their abstract tests, by their ids."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from conformance.data import ROWS
from support.client import Client

from server.conformance import CLASSES

OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
PART3 = "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/"
PART5 = "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/"
COLLECTIONS = ("orte", "wege", "flaechen")
TYPES = {"orte": "point", "wege": "linestring", "flaechen": "polygon"}


@pytest.fixture(params=COLLECTIONS)
def collection(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def linked(client: Client, collection: str, rel: str) -> Any:
    """Return the document that the collection links by this relation."""
    document = client.json(f"/collections/{collection}", headers={"accept": "application/json"})
    (link,) = [each for each in document["links"] if each["rel"] == rel and each["type"] == "application/schema+json"]
    response = client.get(link["href"])
    assert response.status_code == 200 and response.headers["content-type"] == "application/schema+json"
    return response.json()


def test_declared() -> None:
    assert {PART3 + name for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")} <= set(CLASSES)
    of_schemas = ("schemas", "core-roles-features", "queryables", "sortables", "returnables-and-receivables")
    assert {PART5 + name for name in of_schemas} <= set(CLASSES)


def test_queryables(client: Client, collection: str) -> None:
    """19-079r2 /conf/queryables/get-conformance, /conf/queryables/response; 23-058 /conf/queryables: a JSON Schema of an object."""
    document = linked(client, collection, f"{OGC}queryables")
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"].endswith(f"/collections/{collection}/queryables")
    assert document["type"] == "object" and document["additionalProperties"] is False
    for name, schema in document["properties"].items():
        assert schema["title"], name
        assert "type" in schema or schema["format"].startswith("geometry-"), name


def stated(value: Any) -> str:
    """Return a value as a query parameter has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def test_queryables_as_parameters(client: Client, collection: str) -> None:
    """19-079r2 /conf/queryables-query-parameters: each queryable with a scalar type, in the API definition too."""
    paths = client.json("/api")["paths"][f"/collections/{collection}/items"]["get"]["parameters"]
    named = {each["name"]: each for each in paths if "name" in each}
    for name, schema in linked(client, collection, f"{OGC}queryables")["properties"].items():
        if "type" not in schema:
            continue
        assert named[name]["in"] == "query" and named[name]["schema"]["type"] == schema["type"]
        value = next(row[name] for row in ROWS[collection] if row[name] is not None)
        text = stated(value)
        found = client.json(f"/collections/{collection}/items", params={name: text, "limit": "1000"})
        expected = [row["nr"] for row in ROWS[collection] if row[name] == value]
        assert sorted(each["id"] for each in found["features"]) == expected, name
    both = client.json(f"/collections/{collection}/items", params={"hauptort": "true", "einwohner": "1", "limit": "1000"})
    assert {each["id"] for each in both["features"]} == {row["nr"] for row in ROWS[collection] if row["hauptort"] and row["einwohner"] == 1}


def test_filter_and_other_parameters(client: Client, collection: str) -> None:
    """19-079r2 /conf/features-filter/filter-param, /conf/filter/mixing-expressions: filter and the others hold together."""
    query = {"filter": "einwohner > 1", "bbox": "6.985,51.43,6.99,51.435", "limit": "1000"}
    both = {each["id"] for each in client.json(f"/collections/{collection}/items", params=query)["features"]}
    alone = [
        {each["id"] for each in client.json(f"/collections/{collection}/items", params={name: query[name], "limit": "1000"})["features"]}
        for name in ("filter", "bbox")
    ]
    assert both == alone[0] & alone[1] and both != alone[0]


def test_filter_lang(client: Client, collection: str) -> None:
    """19-079r2 /conf/filter/filter-lang-param: text unless told; what is not offered is refused."""
    items = f"/collections/{collection}/items"
    stated = '{"op": ">", "args": [{"property": "einwohner"}, 1]}'
    by_json = client.json(items, params={"filter": stated, "filter-lang": "cql2-json"})
    by_text = client.json(items, params={"filter": "einwohner > 1", "filter-lang": "cql2-text"})
    without = client.json(items, params={"filter": "einwohner > 1"})
    assert by_json["features"] == by_text["features"] == without["features"] != []
    assert client.get(items, params={"filter": "true", "filter-lang": "ecql"}).status_code == 400
    assert client.get(items, params={"filter": stated}).status_code == 400


def test_next_keeps_the_filter(client: Client, collection: str) -> None:
    """17-069r4 /conf/core/fc-links with 19-079r2: the links of a filtered page lead to filtered pages."""
    page = client.json(f"/collections/{collection}/items", params={"filter": "einwohner > 1", "limit": "7"})
    found = [each["id"] for each in page["features"]]
    while following := next((link["href"] for link in page["links"] if link["rel"] == "next"), None):
        page = client.json(following)
        found += [each["id"] for each in page["features"]]
    assert sorted(found) == [row["nr"] for row in ROWS[collection] if row["einwohner"] is not None and row["einwohner"] > 1]


def test_schema(client: Client, collection: str) -> None:
    """23-058 /conf/schemas, /conf/core-roles-features, /conf/returnables-and-receivables: types, roles, the geometry's own type."""
    document = linked(client, collection, f"{OGC}schema")
    properties = document["properties"]
    assert properties["geometry"]["format"] == f"geometry-{TYPES[collection]}"
    roles = {schema["x-ogc-role"]: name for name, schema in properties.items() if "x-ogc-role" in schema}
    times = {"primary-interval-start": "von", "primary-interval-end": "bis"} if collection == "orte" else {"primary-instant": "beginn"}
    assert roles == {"id": "nr", "primary-geometry": "geometry", **times}
    feature = client.json(f"/collections/{collection}/items?limit=1")["features"][0]
    assert set(feature["properties"]) <= set(properties), "what is returned is in the schema"
    assert all(schema.get("title") for schema in properties.values())


def test_sortables(client: Client, collection: str) -> None:
    """23-058 /conf/sortables: each sorts, in both directions."""
    for name in linked(client, collection, f"{OGC}sortables")["properties"]:
        for sign, reverse in (("", False), ("-", True)):
            found = client.json(f"/collections/{collection}/items", params={"sortby": f"{sign}{name}", "limit": "1000"})["features"]
            values = [each["properties"][name] for each in found if each["properties"][name] is not None]
            assert values == sorted(values, reverse=reverse), name
            assert len(found) == 66
