"""Tiles of the dataset: a layer a collection, those of the profile and no other."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import pytest
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server import tile_dataset
from server.app import create_app
from server.tile_sweep import size_of
from stadtgrund.catalog import registry

from .conftest import AREAS, FIGURES, KEY, Client

OGC = "http://www.opengis.net/def/rel/ogc/1.0"


def first(client: Client, zoom: int, query: str = "", key: str | None = None, tms: str = "WebMercatorQuad") -> str:
    limits = client.json(f"/tiles/{tms}{query}", key=key)["tileMatrixSetLimits"]
    found = next(each for each in limits if each["tileMatrix"] == str(zoom))
    return f"/tiles/{tms}/{zoom}/{found['minTileRow']}/{found['minTileCol']}{query}"


def fullest(client: Client, zoom: int, query: str, tms: str) -> str:
    limits = client.json(f"/tiles/{tms}{query}")["tileMatrixSetLimits"]
    found = next(each for each in limits if each["tileMatrix"] == str(zoom))
    rows, columns = (range(found[f"minTile{name}"], found[f"maxTile{name}"] + 1) for name in ("Row", "Col"))
    urls = [f"/tiles/{tms}/{zoom}/{row}/{column}{query}" for row in rows for column in columns]
    return max(urls, key=lambda url: len(client.get(url).content))


def layers(client: Client, url: str, key: str | None = None) -> dict[str, Any]:
    response = client.get(url, key=key)
    assert response.status_code == 200 and response.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    found: dict[str, Any] = mapbox_vector_tile.decode(response.content)
    return found


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad"])
def test_a_layer_a_collection(client: Client, tms: str) -> None:
    url = first(client, 10, tms=tms)
    found = layers(client, url)
    assert list(found) == ["gebiete", "masten"]
    for name, layer in found.items():
        own = mapbox_vector_tile.decode(client.get(f"/collections/{name}{url}").content)[name]
        assert layer["features"] == own["features"] and layer["extent"] == own["extent"]


def test_each_profile_has_its_own_layers(client: Client) -> None:
    for _ in range(2):
        assert "geheimleitungen" in layers(client, first(client, 10, key=KEY), key=KEY)
        assert "geheimleitungen" not in layers(client, first(client, 10))
    for path in ("/tiles/WebMercatorQuad", "/tiles/WebMercatorQuad/metadata", "/tiles", "/api"):
        assert b"geheimleitungen" not in client.get(path).content and b"betreiberkonto" not in client.get(path).content
    assert "betreiberkonto" in layers(client, first(client, 14, key=KEY), key=KEY)["masten"]["features"][0]["properties"]


def test_layers_can_be_chosen_in_an_order(client: Client) -> None:
    assert list(layers(client, first(client, 10, "?collections=masten,gebiete"))) == ["masten", "gebiete"]
    assert list(layers(client, first(client, 10, "?collections=masten"))) == ["masten"]
    address = "http://localhost:5000/collections/gebiete"
    assert list(layers(client, first(client, 10, f"?collections={address},masten,masten"))) == ["gebiete", "masten"]
    told = client.json("/tiles/WebMercatorQuad/metadata?collections=masten,gebiete")
    assert [layer["id"] for layer in told["vector_layers"]] == ["masten", "gebiete"]
    assert told["tiles"] == ["http://localhost:5000/tiles/WebMercatorQuad/{z}/{y}/{x}?collections=masten,gebiete"]
    tileset = client.json("/tiles/WebMercatorQuad?collections=masten")
    assert [layer["id"] for layer in tileset["layers"]] == ["masten"]
    (item,) = [link["href"] for link in tileset["links"] if link["rel"] == "item"]
    assert item.endswith("/{tileMatrix}/{tileRow}/{tileCol}?collections=masten")


@pytest.mark.parametrize(
    "value", ["", "quatsch", "masten,", "zahlen", "geheimleitungen", "masten gebiete", ",".join(f"a{n}" for n in range(60))]
)
@pytest.mark.parametrize("path", ["/tiles/WebMercatorQuad", "/tiles/WebMercatorQuad/metadata", "/tiles/WebMercatorQuad/10/341/532"])
def test_a_wrong_choice_says_what_there_is(client: Client, path: str, value: str) -> None:
    response = client.get(path, params={"collections": value})
    assert response.status_code == 400 and response.json()["parameter"] == "collections"
    assert "geheim" not in response.text.replace(value, "") if value == "geheimleitungen" else True


@pytest.mark.parametrize(
    "path",
    ["Quatsch", "WorldCRS84Quad/metadata", "Quatsch/10/1/1", "WebMercatorQuad/7/0/0", "WebMercatorQuad/99/0/0", "WebMercatorQuad/10/0/0",
     "WebMercatorQuad/x/0/0", "WebMercatorQuad/10/-1/0", "WebMercatorQuad/10/1"],
)  # fmt: skip
def test_what_there_is_not_is_a_404(client: Client, path: str) -> None:
    assert client.get(f"/tiles/{path}").status_code == 404


@pytest.mark.parametrize("query", ["?filter=true", "?datetime=2020", "?f=png", "?lang=de", "?collections=masten&collections=gebiete"])
def test_what_a_tile_does_not_know_is_a_400(client: Client, query: str) -> None:
    assert client.get(first(client, 10) + query).status_code == 400


def test_etag_head_and_codings(client: Client) -> None:
    url = first(client, 10)
    got = client.get(url, headers={"accept-encoding": "zstd"})
    tag = client.get(url).headers["etag"]
    assert got.headers["etag"] == tag[:-1] + '-zstd"' and got.content == client.get(url).content
    assert client.get(url, headers={"if-none-match": tag}).status_code == 304
    assert client.request("HEAD", url).headers["etag"] == tag
    assert client.get(url, headers={"accept": "image/png"}).status_code == 406
    assert client.get(first(client, 10, "?collections=masten,gebiete")).headers["etag"] != tag
    assert client.get(first(client, 10, key=KEY), key=KEY).headers["cache-control"] == "private, no-store"


def test_what_describes_it(client: Client) -> None:
    landing = client.json("/")
    found = {link["type"]: link["href"] for link in landing["links"] if link["rel"] == f"{OGC}/tilesets-vector"}
    listed = client.json(found["application/json"])["tilesets"]
    assert [each["tileMatrixSetId"] for each in listed] == ["WebMercatorQuad", "WorldCRS84Quad"]
    tileset = client.json("/tiles/WebMercatorQuad")
    assert {layer["id"]: layer["geometryDimension"] for layer in tileset["layers"]} == {"gebiete": 2, "masten": 0}
    masten = next(layer for layer in tileset["layers"] if layer["id"] == "masten")
    attributes = masten["propertiesSchema"]["properties"]
    assert attributes["hoehe"]["type"] == ["number", "null"] and "id" in attributes
    assert tileset["centerPoint"]["tileMatrix"] == "12" and len(tileset["centerPoint"]["coordinates"]) == 2
    told = client.json("/tiles/WebMercatorQuad?f=tilejson")
    assert told["tilejson"] == "3.0.0" and (told["minzoom"], told["maxzoom"]) == (8, 18) and "version" not in told
    west, south, east, north = told["bounds"]
    assert west <= told["center"][0] <= east and south <= told["center"][1] <= north
    for path in ("/tiles", "/tiles/WebMercatorQuad", "/tiles/WorldCRS84Quad", "/tiles/WebMercatorQuad?collections=masten"):
        for language in ("de", "en"):
            page = client.get(path, params={"f": "html", "lang": language} | ({"collections": "masten"} if "?" in path else {}))
            assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
            if path.startswith("/tiles/WebMercatorQuad"):
                query = "?collections=masten" if "?" in path else ""
                assert f"<code>http://localhost:5000/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}{query}</code>" in page.text
            assert not re.search(
                r'(?:src|href)="(?!http://localhost:5000|/|#|\?|http://www\.opengis\.net|https://www\.govdata|mailto:)', page.text
            )


def test_the_whole_tile_is_stored_and_the_next_version_is_another(server: Server, tmp_path: Path) -> None:
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(GEBIETE)))
    database = server.clone()
    deployment = registry.read(folder, folder / "data")
    publish_rows(database, deployment, "gebiete", AREAS)
    client = Client(create_app(settings_for(server, database, folder)))
    try:
        url, root = first(client, 10), client.app.tiles.cache.root
        tag = client.get(url).headers["etag"]
        end = time.monotonic() + 5
        while not size_of(root / "_dataset")[0]:
            assert time.monotonic() < end
            time.sleep(0.02)
        publish_rows(database, deployment, "gebiete", AREAS[:1])
        client.run(client.app.profiles["open"].refresh())
        response = client.get(url)
        assert response.headers["etag"] != tag
        assert len(mapbox_vector_tile.decode(response.content)["gebiete"]["features"]) == 1
    finally:
        client.close()
        server.drop(database.name)


@pytest.fixture
def dense(server: Server, tmp_path: Path) -> Iterator[Client]:
    """A layer of 300 points, and one of areas that are 0.2 to 12 km wide."""
    points = [
        {"nummer": n, "name": f"Mast {n}", "hoehe": 1.5, "kosten": "1", "geom": f"POINT({360000 + n % 20 * 500} {5700000 + n // 20 * 500})"}
        for n in range(300)
    ]
    sides = [200 * (n + 1) for n in range(60)]
    areas = [
        {
            "schluessel": f"{n:02}",
            "name": f"Gebiet {n}",
            "geom": f"MULTIPOLYGON((({x} {y}, {x + side} {y}, {x + side} {y + side}, {x} {y})))",
        }
        for n, side in enumerate(sides)
        for x, y in [(360000 + n * 10, 5700000 + n * 10)]
    ]
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(MASTEN)), checked(contract_of(GEBIETE)))
    database = server.clone()
    deployment = registry.read(folder, folder / "data")
    publish_rows(database, deployment, "masten", points)
    publish_rows(database, deployment, "gebiete", areas)
    made = Client(create_app(settings_for(server, database, folder)))
    yield made
    made.close()
    server.drop(database.name)


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad"])
def test_an_overview_of_many_layers_is_thinned_out(dense: Client, monkeypatch: pytest.MonkeyPatch, tms: str) -> None:
    """What is small goes first, from the largest layer; what is left is as it was. Full detail stays whole."""
    both = "?collections=masten,gebiete"
    url, detailed = fullest(dense, 10, both, tms), fullest(dense, 15, both, tms)
    whole, size, in_detail = layers(dense, url), len(dense.get(url).content), dense.get(detailed).content
    alone = dense.get(f"/collections/masten{url.partition('?')[0]}").content
    monkeypatch.setattr(tile_dataset, "_OVERVIEW_BYTES", size // 2)
    thinned = layers(dense, url + "&f=mvt")  # another address: an answer to the first one is kept
    assert len(dense.get(url + "&f=mvt").content) <= size // 2 and list(thinned) == list(whole)
    for name, layer in thinned.items():
        of_whole = {feature["id"]: feature for feature in whole[name]["features"]}
        assert 0 < len(layer["features"]) <= len(of_whole)
        assert all(of_whole[feature["id"]] == feature for feature in layer["features"])
    assert sum(len(layer["features"]) for layer in thinned.values()) < sum(len(layer["features"]) for layer in whole.values())
    kept = {feature["properties"]["schluessel"] for feature in thinned["gebiete"]["features"]}
    assert kept == set(sorted(feature["properties"]["schluessel"] for feature in whole["gebiete"]["features"])[-len(kept) :])
    monkeypatch.setattr(tile_dataset, "_OVERVIEW_BYTES", 1)
    assert sum(len(layer["features"]) for layer in layers(dense, url + "&f=pbf").values()) < 10
    assert dense.get(detailed + "&f=mvt").content == in_detail
    assert dense.get(f"/collections/masten{url.partition('?')[0]}?f=mvt").content == alone


@pytest.fixture
def without_tiles(server: Server, tmp_path: Path) -> Iterator[Client]:
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(ZAHLEN)))
    database = server.clone()
    publish_rows(database, registry.read(folder, folder / "data"), "zahlen", FIGURES)
    made = Client(create_app(settings_for(server, database, folder)))
    yield made
    made.close()
    server.drop(database.name)


def test_where_nothing_has_tiles(without_tiles: Client) -> None:
    assert not [link for link in without_tiles.json("/")["links"] if "tilesets" in link["rel"]]
    assert "/tiles" not in without_tiles.json("/api")["paths"]
    for path in ("/tiles", "/tiles/WebMercatorQuad", "/tiles/WebMercatorQuad/10/1/1"):
        assert without_tiles.get(path).status_code == 404
