"""Inputs by reference: what they may point to, what that costs, and what they tell."""

from __future__ import annotations

import base64
import time
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator
from support.jobs import ended, execute, get
from support.planted import KEY


def an_item(api: str, collection: str = "denkmale") -> tuple[str, bytes]:
    first = get(f"{api}/collections/{collection}/items?limit=1&f=json").json()["features"][0]["id"]
    address = f"{api}/collections/{collection}/items/{first}"
    return address, get(address, accept="application/geo+json").content


def test_an_item_is_a_geometry_and_what_the_caller_sees(api: str) -> None:
    """The same check, whether the project is named, sent or referred to; a reference shows nobody more than he sees anyway."""
    address = f"{api}/collections/baustellen/items/P"
    feature = get(address).json()
    sent, referred = (execute(api, "construction_overlay", {"inputs": {"geometry": each}}).json() for each in (feature, {"href": address}))
    assert referred["summary"] == sent["summary"] and referred["project"]["geometry"] == sent["project"]["geometry"]
    job = execute(api, "construction_overlay", {"inputs": {"geometry": {"href": address}}}, job=True).headers["location"]
    assert ended(get, job)["status"] == "successful" and get(f"{job}/results").json()["summary"] == sent["summary"]
    closed = {"inputs": {"place": {"href": f"{api}/collections/leitungen/items/{_closed_item(api)}"}}}
    assert execute(api, "echo", closed).status_code == 400
    assert execute(api, "echo", closed, headers={"x-api-key": KEY}).json()["place"]["type"] == "Feature"


def _closed_item(api: str) -> str:
    items = get(f"{api}/collections/leitungen/items?limit=1", **{"x-api-key": KEY}).json()
    return str(items["features"][0]["id"])


@pytest.mark.parametrize(
    ("name", "href", "value"),
    [
        ("message", "data:,Gr%C3%BC%C3%9Fe", "Grüße"),
        ("message", "data:text/plain;charset=utf-8;base64," + base64.b64encode("Grüße".encode()).decode(), "Grüße"),
        ("numbers", "data:application/json,[1,2]", [1, 2]),
        ("content", "data:application/json,%7B%22a%22:1%7D", {"a": 1}),
        ("file", "data:image/gif;base64,R0lGODlh", "R0lGODlh"),
        ("file", "data:,%00%ff", "AP8="),
    ],
)
def test_what_an_address_of_data_holds(api: str, name: str, href: str, value: object) -> None:
    answer = execute(api, "echo", {"inputs": {name: {"href": href}}})
    assert answer.status_code == 200 and answer.json() == {name: value}


@pytest.mark.parametrize(
    "href",
    ["data:", "data:application/json,{", "data:;base64,%%%", "data:,%00", "data:,%FF", "data:application/json," + "[" * 50_000, 5, None,
     "http://127.0.0.1:1/", "file:///etc/passwd", "//example.org/x", "/collections/denkmale/items/1"],
)  # fmt: skip
def test_what_is_no_reference(api: str, href: object) -> None:
    answer = execute(api, "echo", {"inputs": {"content": {"href": href}}})
    assert answer.status_code == 400 and answer.json()["parameter"] == "content"


def test_references_do_not_multiply_a_request(api: str) -> None:
    """A body of 300 kB names one item 3000 times: it is refused before one of them is read."""
    address, _ = an_item(api)
    for job in (False, True):
        began = time.monotonic()
        answer = execute(api, "echo", {"inputs": {"message": [{"href": address}] * 3000}}, job=job)
        assert answer.status_code == 400 and "10 Verweise" in answer.json()["detail"]
        assert time.monotonic() - began < 5
    few = execute(api, "echo", {"inputs": {"numbers": [{"href": "data:application/json,1"}] * 10}})
    assert few.status_code == 200 and few.json() == {"numbers": [1] * 10}
    assert execute(api, "echo", {"inputs": {"unbekannt": {"href": address}}}).json()["parameter"] == "unbekannt"


def test_references_say_nothing_of_the_database(api: str) -> None:
    for tail in ("%00", "%FF", "%zz", "1%0A2", "a" * 70_000):
        href = f"{api}/collections/denkmale/items/{tail}"
        answer = execute(api, "echo", {"inputs": {"place": {"href": href}}})
        assert answer.status_code == 400, (tail[:10], answer.status_code, answer.text[:300])
        assert "PostgreSQL" not in answer.text and "psycopg" not in answer.text, answer.text


@pytest.mark.parametrize(
    "tail",
    [
        "/collections/leitungen/items/L1",
        "/collections/baeume%2F..%2Fleitungen/items/1",
        "/collections/../jobs/items/x",
        "/collections/x/items/../../../jobs",
        "/collections/x%2Fitems%2F..%2F..%2F..%2Fjobs%3F/items/y",
        "/collections/denkmale%2Ffiles%2Fdenkmale.gpkg%3F/items/y",
        "/collections//items/x",
        "@example.org/collections/a/items/b",
        "/collections/denkmale/items?limit=1#/items/x",
    ],
)
def test_what_a_reference_may_not_reach(api: str, tail: str) -> None:
    for base in (api, api.replace("127.0.0.1", "127.0.0.1@127.0.0.1"), f"{api}0", api.replace("http", "HTTP")):
        answer = execute(api, "echo", {"inputs": {"place": {"href": base + tail}}})
        assert answer.status_code == 400, (base + tail, unquote(tail), answer.status_code, answer.text[:200])


def test_a_geojson_with_a_member_value_is_geojson(api: str) -> None:
    place = {"type": "Point", "coordinates": [7.2, 51.4], "value": 5}
    answer = execute(api, "echo", {"inputs": {"place": place}})
    assert answer.status_code == 200 and answer.json() == {"place": place}, answer.text[:200]


def test_a_reference_is_an_input_by_the_document(api: str) -> None:
    """The OpenAPI document says what an execute request may hold; where `echo` is alone, a reference is none of it."""
    document = get(f"{api}/openapi?f=json").json()
    schema = document["paths"]["/processes/{processID}/execution"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = {"inputs": {"place": {"href": f"{api}/collections/denkmale/items/D1"}}}
    for each in schema["anyOf"]:
        if "place" in each["properties"]["inputs"]["properties"]:
            assert Draft4Validator(each).is_valid(body)
