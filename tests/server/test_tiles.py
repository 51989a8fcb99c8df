from __future__ import annotations

import mapbox_vector_tile
import pytest

from .conftest import Client

TILES = "/collections/masten/tiles/WebMercatorQuad"


def place(client: Client, zoom: int, tms: str = "WebMercatorQuad", dataset: str = "masten") -> str:
    limits = client.json(f"/collections/{dataset}/tiles/{tms}")["tileMatrixSetLimits"]
    found = next(each for each in limits if each["tileMatrix"] == str(zoom))
    return f"/collections/{dataset}/tiles/{tms}/{zoom}/{found['minTileRow']}/{found['minTileCol']}"


def every_place(client: Client, zoom: int, tms: str = "WebMercatorQuad", dataset: str = "masten") -> list[str]:
    limits = client.json(f"/collections/{dataset}/tiles/{tms}")["tileMatrixSetLimits"]
    found = next(each for each in limits if each["tileMatrix"] == str(zoom))
    rows, columns = (range(found[f"minTile{name}"], found[f"maxTile{name}"] + 1) for name in ("Row", "Col"))
    return [f"/collections/{dataset}/tiles/{tms}/{zoom}/{row}/{column}" for row in rows for column in columns]


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad"])
def test_a_tile_holds_the_features_with_their_ids(client: Client, tms: str) -> None:
    limits = client.json(f"/collections/masten/tiles/{tms}")["tileMatrixSetLimits"]
    whole = next(each for each in limits if each["tileMatrix"] == "12")
    found = {}
    for row in range(whole["minTileRow"], whole["maxTileRow"] + 1):
        for column in range(whole["minTileCol"], whole["maxTileCol"] + 1):
            response = client.get(f"/collections/masten/tiles/{tms}/12/{row}/{column}")
            assert response.headers["content-type"] == "application/vnd.mapbox-vector-tile"
            layer = mapbox_vector_tile.decode(response.content)["masten"]
            found |= {feature["id"]: feature["properties"] for feature in layer["features"]}
    assert set(found) == set(range(1, 61)) - {24}
    assert found[2]["name"] == "a<b>&c" and found[7]["id"] == 7


def test_few_attributes_at_small_scales(client: Client) -> None:
    layer = mapbox_vector_tile.decode(client.get(place(client, 11)).content)["masten"]
    assert set(layer["features"][0]["properties"]) == {"id", "nummer"}


@pytest.mark.parametrize("accept", ["*/*", "application/vnd.mapbox-vector-tile", "text/html,*/*;q=0.1"])
def test_the_media_type_can_be_asked_for_or_not(client: Client, accept: str) -> None:
    url = place(client, 14)
    assert client.get(url, headers={"accept": accept}).status_code == 200
    assert client.get(f"{url}?f=mvt").content == client.get(url).content
    assert client.get(url, headers={"accept": "image/png"}).status_code == 406


def test_empty_tiles(client: Client) -> None:
    """Within the limits, with nothing in them."""
    empty = [url for url in every_place(client, 18) if client.get(url).status_code == 204]
    response = client.get(empty[0])
    assert response.content == b"" and "etag" in response.headers and "content-type" not in response.headers
    assert client.get(empty[0], headers={"if-none-match": response.headers["etag"]}).status_code == 304


def test_outside_of_the_limits_there_is_no_tile(client: Client) -> None:
    for tms in ("WebMercatorQuad", "WorldCRS84Quad"):
        for each in client.json(f"/collections/masten/tiles/{tms}")["tileMatrixSetLimits"]:
            zoom, row, column = (each[name] for name in ("tileMatrix", "minTileRow", "minTileCol"))
            assert client.get(f"/collections/masten/tiles/{tms}/{zoom}/{row}/{column}").status_code in (200, 204)
            for y, x in ((row - 1, column), (row, column - 1), (each["maxTileRow"] + 1, column), (row, each["maxTileCol"] + 1)):
                response = client.get(f"/collections/masten/tiles/{tms}/{zoom}/{y}/{x}")
                assert response.status_code == 404
                if 0 <= y < 2 ** int(zoom) and 0 <= x < 2 ** int(zoom):
                    assert f"rows {row} to {each['maxTileRow']}" in response.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["-1/0/0", "14/-1/0", "14/0/-1", "x/0/0", "14/x/0", "14/0/abc", "99/0/0", "7/0/0", "19/0/0", "14/16384/0", "14/0/16384", "14/1.5/0",
     "14/99999999999999999999/0", "14/0/0%00", "14/٣/0"],
)  # fmt: skip
def test_a_tile_that_there_is_not_is_a_404(client: Client, path: str) -> None:
    response = client.get(f"{TILES}/{path}")
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("url", ["/collections/masten/tiles/Quatsch/14/0/0", "/collections/masten/tiles/Quatsch", "/tileMatrixSets/Quatsch",
                                 "/collections/zahlen/tiles", "/collections/zahlen/tiles/WebMercatorQuad/14/0/0",
                                 "/collections/masten/tiles/WorldCRS84Quad/metadata"])  # fmt: skip
def test_a_tileset_that_there_is_not_is_a_404(client: Client, url: str) -> None:
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("query", ["f=png", "x=1", "limit=1", "datetime=2024", "filter=x=1", "filter-crs=x", "lang=de", "f=mvt&f=mvt"])
def test_wrong_parameters_of_a_tile(client: Client, query: str) -> None:
    assert client.get(f"{place(client, 14)}?{query}").status_code == 400


def test_filter_and_datetime_choose(client: Client) -> None:
    def count(query: str) -> int:
        response = client.get(f"{place(client, 10)}?{query}")
        return len(mapbox_vector_tile.decode(response.content)["masten"]["features"]) if response.content else 0

    assert count("filter=nummer=7") == 1
    assert count("filter=nummer>1000") == 0
    assert count("datetime=2011-02-15") == 1


def test_a_304_for_who_has_the_tile(client: Client) -> None:
    url = place(client, 14)
    tag = client.get(url).headers["etag"]
    assert client.get(url, headers={"if-none-match": tag}).status_code == 304
    assert client.get(url, headers={"if-none-match": tag[:-1] + '-zstd"', "accept-encoding": "zstd"}).status_code == 304
    assert client.get(url, headers={"if-none-match": tag[:-1] + '-zstd"', "accept-encoding": "gzip"}).status_code == 200
    assert client.get(place(client, 13), headers={"if-none-match": tag}).status_code == 200
    head = client.request("HEAD", url)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert client.get(url, headers={"accept-language": "en"}).headers["etag"] == tag, "no word of a tile depends on the language"


def test_tileset_and_tilejson(client: Client) -> None:
    tileset = client.json(TILES)
    assert tileset["tileMatrixSetURI"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    layer = tileset["layers"][0]
    assert (layer["id"], layer["geometryDimension"], layer["minTileMatrix"], layer["maxTileMatrix"]) == ("masten", 0, "8", "18")
    assert tileset["boundingBox"]["crs"].endswith("CRS84")
    template = next(link for link in tileset["links"] if link["rel"] == "item")
    assert template["templated"] is True and "{tileMatrix}/{tileRow}/{tileCol}" in template["href"]
    for url in (f"{TILES}?f=tilejson", f"{TILES}/metadata", f"{TILES}/metadata?f=json", f"{TILES}/metadata?f=tilejson"):
        told = client.json(url)
        assert told["tilejson"] == "3.0.0"
        assert told["tiles"] == ["http://localhost:5000/collections/masten/tiles/WebMercatorQuad/{z}/{y}/{x}"]
        assert (told["minzoom"], told["maxzoom"], told["scheme"]) == (8, 18, "xyz")
        assert told["vector_layers"][0]["fields"]["hoehe"] == "Number"
    west, south, east, north = told["bounds"]
    assert west < 6.99 < east + 0.01 and south < 51.4344 < north + 0.01
    for name in ("WebMercatorQuad", "WorldCRS84Quad"):
        definition = client.json(f"/tileMatrixSets/{name}")
        assert definition["id"] == name and len(definition["tileMatrices"]) >= 18


@pytest.mark.parametrize(("tms", "scale"), [("WebMercatorQuad", 1), ("WorldCRS84Quad", 2)])
def test_the_metadata_count_what_generalising_left_out(client: Client, tms: str, scale: int) -> None:
    count = client.json("/collections/gebiete/items?limit=1")["numberMatched"]
    layer = client.json(f"/collections/gebiete/tiles/{tms}")["layers"][0]
    generalised = layer["stadtgrund"]["generalised"]
    assert [each["tileMatrix"] for each in generalised] == [str(zoom) for zoom in range(8, 15)]
    for each in generalised:
        assert 0 < each["features"] + each["merged"] + each["dropped"] <= count
        assert each["pixels"] == scale
    assert ("sg_count" in layer["propertiesSchema"]["properties"]) == any(each["merged"] for each in generalised)
    assert "stadtgrund" not in client.json(f"/collections/masten/tiles/{tms}")["layers"][0]  # points, and few
