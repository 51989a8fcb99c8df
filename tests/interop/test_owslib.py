"""OWSLib, the client library of the OSGeo world, against the running server."""

from __future__ import annotations

import pytest
from owslib.ogcapi.features import Features
from support.city import CLOSED, SPATIAL, TABLES
from support.served import City


@pytest.fixture(scope="module")
def client(api: str) -> Features:
    return Features(f"{api}/")


def test_it_lists_the_open_collections(client: Features) -> None:
    assert set(client.feature_collections()) == {*SPATIAL, *TABLES}
    assert not set(CLOSED) & {collection["id"] for collection in client.collections()["collections"]}


def test_it_reads_conformance_and_api(client: Features) -> None:
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in client.conformance()["conformsTo"]
    assert client.api()["openapi"].startswith("3.")


@pytest.mark.parametrize("collection", [*SPATIAL, *TABLES])
def test_it_reads_pages_and_single_items(collection: str, client: Features, city: City) -> None:
    truth = city.rows(collection)
    assert client.collection(collection)["id"] == collection
    page = client.collection_items(collection, limit=7)
    assert page["numberReturned"] == len(page["features"]) == min(7, len(truth))
    assert page["numberMatched"] == len(truth)
    first = page["features"][0]
    item = client.collection_item(collection, str(first["id"]))
    assert {name: item[name] for name in ("id", "geometry", "properties")} == {
        name: first[name] for name in ("id", "geometry", "properties")
    }
    assert set(truth.columns) - {"sg_id", "geometry"} == set(item["properties"])


def test_it_reads_queryables_and_filters(client: Features, city: City) -> None:
    assert {"nummer", "art", "gepflanzt"} <= set(client.collection_queryables("baeume")["properties"])
    found = client.collection_items("baeume", filter="art = 'Linde' AND hoehe_m > 20", limit=1000)
    truth = city.rows("baeume")
    wanted = truth[(truth["art"] == "Linde") & (truth["hoehe_m"] > 20)]
    assert {feature["id"] for feature in found["features"]} == set(wanted["sg_id"])
    assert len(wanted) > 0


def test_it_asks_by_box(client: Features, city: City) -> None:
    x0, y0, x1, y1 = city.rows("gebaeude").to_crs("EPSG:4326").total_bounds
    box = [x0 + (x1 - x0) * 0.2, y0 + (y1 - y0) * 0.25, x0 + (x1 - x0) * 0.6, y0 + (y1 - y0) * 0.7]
    found = client.collection_items("gebaeude", bbox=box, limit=1000)
    assert {feature["id"] for feature in found["features"]} == city.within("gebaeude", box)


def test_a_suppressed_count_says_so(client: Features) -> None:
    found = client.collection_items("einwohner_ortsteile", limit=100)["features"]
    status = {
        (feature["properties"]["ortsteil"], feature["properties"]["einwohner_status"]): feature["properties"]["einwohner"]
        for feature in found
    }
    assert status[("01", "suppressed")] is None
    assert status[("09", "missing")] is None
    assert status[("04", "ok")] > 0
