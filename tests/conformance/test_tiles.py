"""OGC API Tiles Part 1 (20-057, Annex A) with Two Dimensional Tile Matrix Set 2.0 (17-083r4): the abstract tests, by their ids."""

from __future__ import annotations

from math import atan, degrees, pi, sinh
from typing import Any

import mapbox_vector_tile
import pytest
import shapely
from conformance.data import ROWS, place
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from pyproj import Transformer
from support.client import Client

from server.conformance import CLASSES

TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/"
TMS = "http://www.opengis.net/spec/tms/2.0/conf/"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
MVT = "application/vnd.mapbox-vector-tile"
JSON = {"accept": "application/json"}
COLLECTIONS = ("orte", "wege", "flaechen")
SETS = {
    "WebMercatorQuad": ("http://www.opengis.net/def/crs/EPSG/0/3857", 1),
    "WorldCRS84Quad": ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 2),
}
TO_84 = Transformer.from_crs("EPSG:25832", "OGC:CRS84", always_xy=True)
BUFFER = 64
SIDE = 4096

LINK = {
    "type": "object",
    "required": ["rel", "href"],
    "properties": {"rel": {"type": "string"}, "href": {"type": "string"}, "templated": {"type": "boolean"}},
}
BOX = {
    "type": "object",
    "required": ["lowerLeft", "upperRight"],
    "properties": {
        name: {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}} for name in ("lowerLeft", "upperRight")
    },
}
TILESET = {
    "type": "object",
    "required": ["dataType", "crs", "links"],
    "properties": {
        "dataType": {"enum": ["map", "vector", "coverage"]},
        "crs": {"type": "string", "format": "uri"},
        "tileMatrixSetURI": {"type": "string", "format": "uri"},
        "links": {"type": "array", "items": LINK},
        "boundingBox": BOX,
        "centerPoint": {"type": "object", "required": ["coordinates"], "properties": {"coordinates": BOX["properties"]["lowerLeft"]}},
        "tileMatrixSetLimits": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tileMatrix", "minTileRow", "maxTileRow", "minTileCol", "maxTileCol"],
                "properties": {
                    "tileMatrix": {"type": "string"},
                    **{name: {"type": "integer", "minimum": 0} for name in ("minTileRow", "maxTileRow", "minTileCol", "maxTileCol")},
                },
            },
        },
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "dataType"],
                "properties": {
                    "dataType": {"enum": ["map", "vector", "coverage"]},
                    "geometryDimension": {"type": "integer", "minimum": 0, "maximum": 3},
                    "minTileMatrix": {"type": "string"},
                    "maxTileMatrix": {"type": "string"},
                    "boundingBox": BOX,
                    "propertiesSchema": {"type": "object", "required": ["type", "properties"], "properties": {"type": {"const": "object"}}},
                },
            },
        },
    },
}
"""What 17-083r4 (annex B, `tileSet.json`) says of the parts that we state."""


@pytest.fixture(params=("", *(f"/collections/{name}" for name in COLLECTIONS)))
def resource(request: pytest.FixtureRequest) -> str:
    """What tilesets are of: the dataset, each collection."""
    return str(request.param)


@pytest.fixture(params=SETS)
def tms(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def link(document: Any, rel: str, media_type: str = "application/json") -> dict[str, Any]:
    found: list[dict[str, Any]] = [each for each in document["links"] if each["rel"] == rel and each["type"] == media_type]
    assert len(found) == 1, (rel, media_type, document["links"])
    return found[0]


def tileset(client: Client, resource: str, tms: str) -> Any:
    """Follow the links from the landing page or the collection, as the tests of the annex do."""
    origin = client.json(resource or "/", headers=JSON)
    listed = client.json(link(origin, f"{OGC}tilesets-vector")["href"], headers=JSON)["tilesets"]
    (entry,) = [each for each in listed if each["tileMatrixSetURI"].endswith(f"/{tms}")]
    return client.json(link(entry, "self")["href"], headers=JSON)


def address(document: Any, zoom: int | str, row: int, column: int) -> str:
    template: str = link(document, "item", MVT)["href"]
    return template.replace("{tileMatrix}", str(zoom)).replace("{tileRow}", str(row)).replace("{tileCol}", str(column))


def limits(document: Any, zoom: int) -> dict[str, int]:
    (found,) = [each for each in document["tileMatrixSetLimits"] if each["tileMatrix"] == str(zoom)]
    return {name: value for name, value in found.items() if name != "tileMatrix"}


def corner(tms: str, zoom: int, row: float, column: float) -> tuple[float, float]:
    """Return longitude and latitude of a place on the grid, by the definitions in annex D of 17-083r4."""
    if tms == "WorldCRS84Quad":
        return column * 180 / 2**zoom - 180, 90 - row * 180 / 2**zoom
    return column * 360 / 2**zoom - 180, degrees(atan(sinh(pi * (1 - 2 * row / 2**zoom))))


def test_declared(client: Client) -> None:
    """A.1 /conf/core/conformance-success, with that of each class: what these tests cover is declared."""
    classes = ("core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "collections-selection", "mvt", "oas30")
    declared = set(client.json("/conformance", headers=JSON)["conformsTo"])
    assert {TILES + name for name in classes} <= declared == set(CLASSES)
    assert {TMS + name for name in ("tilematrixset", "json-tilematrixset", "tilesetmetadata", "json-tilesetmetadata")} <= declared


def test_tilesets_list(client: Client, resource: str) -> None:
    """A.9 /conf/tilesets-list/tileset-links; A.12 /conf/dataset-tilesets/operation, A.13, A.14 /conf/geodata-tilesets: `…/tiles`."""
    origin = client.json(resource or "/", headers=JSON)
    href = link(origin, f"{OGC}tilesets-vector")["href"]
    assert href.split("?")[0] == f"http://localhost:5000{resource}/tiles"
    listed = client.json(href, headers=JSON)["tilesets"]
    assert len(listed) == len(SETS)
    for entry in listed:
        Draft7Validator(TILESET).validate(entry)
        assert entry["dataType"] == "vector" and entry["tileMatrixSetURI"].startswith("http://www.opengis.net/def/tilematrixset/OGC/1.0/")
        assert link(entry, f"{OGC}tiling-scheme") and link(entry, "self")
        for each in entry["links"]:  # a client that wants JSON gets it of all of them
            assert client.get(each["href"], headers=JSON).json()


def test_tileset_metadata(client: Client, resource: str, tms: str) -> None:
    """A.8 /conf/tileset/tileset-description: model, URI, link to the scheme, template with its variables and type."""
    document = tileset(client, resource, tms)
    Draft7Validator(TILESET).validate(document)
    crs, columns = SETS[tms]
    assert document["crs"] == crs and document["tileMatrixSetURI"] == f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{tms}"
    scheme = client.json(link(document, f"{OGC}tiling-scheme")["href"], headers=JSON)
    assert scheme["id"] == tms and scheme["crs"] == crs
    template = link(document, "item", MVT)
    assert template["templated"] is True and {"{tileMatrix}", "{tileRow}", "{tileCol}"} <= set(template["href"].split("/"))
    shown = COLLECTIONS if not resource else (resource.rpartition("/")[2],)
    assert [layer["id"] for layer in document["layers"]] == sorted(shown)
    matrices = {matrix["id"]: matrix for matrix in scheme["tileMatrices"]}
    for held in document["tileMatrixSetLimits"]:
        matrix = matrices[held["tileMatrix"]]
        assert held["minTileRow"] <= held["maxTileRow"] < matrix["matrixHeight"]
        assert held["minTileCol"] <= held["maxTileCol"] < matrix["matrixWidth"] == matrix["matrixHeight"] * columns
    west, south, east, north = *document["boundingBox"]["lowerLeft"], *document["boundingBox"]["upperRight"]
    assert west <= document["centerPoint"]["coordinates"][0] <= east and south <= document["centerPoint"]["coordinates"][1] <= north


def test_limits_are_those_of_the_data(client: Client, resource: str, tms: str) -> None:
    """17-083r4, 7 (tile matrix set limits): each feature lies within, and the outermost tiles are needed."""
    document = tileset(client, resource, tms)
    for zoom in (10, 13, 16):
        held = limits(document, zoom)
        west, north = corner(tms, zoom, held["minTileRow"], held["minTileCol"])
        east, south = corner(tms, zoom, held["maxTileRow"] + 1, held["maxTileCol"] + 1)
        inner = (
            *corner(tms, zoom, held["minTileRow"] + 1, held["minTileCol"] + 1),
            *corner(tms, zoom, held["maxTileRow"], held["maxTileCol"]),
        )
        box = (*document["boundingBox"]["lowerLeft"], *document["boundingBox"]["upperRight"])
        assert shapely.box(west, south, east, north).covers(shapely.box(*box))
        assert box[0] <= inner[0] and box[3] >= inner[1] and box[2] >= inner[2] and box[1] <= inner[3]


def test_tile_matrix_sets(client: Client) -> None:
    """17-083r4 /conf/tilematrixset, /conf/json-tilematrixset: complete definitions, with the numbers of its annex D."""
    landing = client.json("/", headers=JSON)
    (href,) = [each["href"] for each in landing["links"] if each["rel"] == f"{OGC}tiling-schemes"]
    listed = client.json(href, headers=JSON)["tileMatrixSets"]
    assert [each["id"] for each in listed] == list(SETS)
    for entry in listed:
        document = client.json(link(entry, "self")["href"], headers=JSON)
        crs, columns = SETS[entry["id"]]
        assert document["crs"] == entry["crs"] == crs and document["uri"] == entry["uri"] and document["orderedAxes"]
        assert [matrix["id"] for matrix in document["tileMatrices"]] == [str(n) for n in range(len(document["tileMatrices"]))]
        for n, matrix in enumerate(document["tileMatrices"]):
            assert (matrix["tileWidth"], matrix["tileHeight"]) == (256, 256)
            assert (matrix["matrixWidth"], matrix["matrixHeight"]) == (columns * 2**n, 2**n)
            metres = 1 if columns == 1 else 6378137 * pi / 180
            assert matrix["cellSize"] * metres / 0.00028 == pytest.approx(matrix["scaleDenominator"], rel=1e-9)
            assert matrix["cellSize"] * 256 * 2**n == pytest.approx(2 * 20037508.342789244 if columns == 1 else 180, rel=1e-9)
            expected = [-20037508.342789244, 20037508.342789244] if columns == 1 else [-180, 90]
            assert matrix["pointOfOrigin"] == pytest.approx(expected) and matrix.get("cornerOfOrigin", "topLeft") == "topLeft"


def features(client: Client, url: str) -> dict[str, list[dict[str, Any]]]:
    response = client.get(url)
    if response.status_code == 204:
        return {}
    assert response.status_code == 200 and response.headers["content-type"] == MVT
    layers = mapbox_vector_tile.decode(response.content, default_options={"y_coord_down": True})
    assert all(layer["extent"] == SIDE and layer["version"] == 2 for layer in layers.values())
    return {name: layer["features"] for name, layer in layers.items()}


def test_tiles_hold_what_lies_in_them(client: Client, resource: str, tms: str) -> None:
    """A.2 /conf/core/tc-op, A.6 /conf/core/tc-success: exactly the features that meet a tile, or its buffer."""
    document = tileset(client, resource, tms)
    zoom = 16 if tms == "WebMercatorQuad" else 15
    held = limits(document, zoom)
    shapes = {
        name: {row["nr"]: shapely.transform(place(row), TO_84.transform, interleaved=False) for row in ROWS[name] if row["geom"]}
        for name in (COLLECTIONS if not resource else (resource.rpartition("/")[2],))
    }
    seen: set[tuple[str, int]] = set()
    for row in range(held["minTileRow"], held["maxTileRow"] + 1):
        for column in range(held["minTileCol"], held["maxTileCol"] + 1):
            found = features(client, address(document, zoom, row, column))
            (west, north), (east, south) = corner(tms, zoom, row, column), corner(tms, zoom, row + 1, column + 1)
            reach = shapely.box(west, south, east, north).buffer((east - west) * (BUFFER + 2) / SIDE, join_style="mitre")
            inner = shapely.box(west, south, east, north).buffer(-(east - west) * 2 / SIDE)
            for name, own in shapes.items():
                ids = {each["id"] for each in found.get(name, [])}
                assert ids <= {nr for nr, shape in own.items() if shape.intersects(reach)}
                assert ids >= {nr for nr, shape in own.items() if shape.intersects(inner)}
                seen |= {(name, nr) for nr in ids}
    assert seen == {(name, nr) for name, own in shapes.items() for nr in own}


def test_mvt_content(client: Client, tms: str) -> None:
    """A.20 /conf/mvt/content: the grid maps linearly to the tile in the CRS of its matrix set, 0,0 is its upper left corner."""
    document = tileset(client, "/collections/orte", tms)
    zoom, count = 14, 0
    held = limits(document, zoom)
    to_set = Transformer.from_crs("OGC:CRS84", "EPSG:3857" if tms == "WebMercatorQuad" else "OGC:CRS84", always_xy=True)
    rows = {row["nr"]: row for row in ROWS["orte"]}
    for row in range(held["minTileRow"], held["maxTileRow"] + 1):
        for column in range(held["minTileCol"], held["maxTileCol"] + 1):
            left, top = to_set.transform(*corner(tms, zoom, row, column))
            right, bottom = to_set.transform(*corner(tms, zoom, row + 1, column + 1))
            for feature in features(client, address(document, zoom, row, column)).get("orte", []):
                assert feature["type"] == "Feature" and feature["geometry"]["type"] == "Point"
                point = place(rows[feature["id"]])
                assert isinstance(point, shapely.Point)
                x, y = to_set.transform(*TO_84.transform(point.x, point.y))
                told = feature["geometry"]["coordinates"]
                assert told[0] == pytest.approx((x - left) / (right - left) * SIDE, abs=1)
                assert told[1] == pytest.approx((y - top) / (bottom - top) * SIDE, abs=1)
                count += 1
    assert count >= 65


@pytest.mark.parametrize("where", ["99/0/0", "-1/0/0", "x/0/0", "13/-1/0", "13/0/x", "7/0/0", "17/0/0", "13/1.5/0", "13/99999999999/0"])
def test_outside_of_the_matrix_set(client: Client, resource: str, where: str) -> None:
    """A.7 /conf/core/tc-error 1: outside of the matrix set, or of the zooms that there are."""
    response = client.get(f"{resource}/tiles/WebMercatorQuad/{where}")
    assert response.status_code in (400, 404) and response.headers["content-type"] == "application/problem+json"


def test_outside_of_the_limits(client: Client, resource: str, tms: str) -> None:
    """A.7 /conf/core/tc-error 1: one row or column outside of the limits, at each zoom."""
    document = tileset(client, resource, tms)
    for each in document["tileMatrixSetLimits"]:
        zoom, north, south, west, east = (each[name] for name in ("tileMatrix", "minTileRow", "maxTileRow", "minTileCol", "maxTileCol"))
        assert client.get(address(document, zoom, north, west)).status_code in (200, 204)
        for row, column in ((north - 1, west), (south + 1, east), (north, west - 1), (south, east + 1)):
            assert client.get(address(document, zoom, row, column)).status_code == 404, (zoom, row, column)


def test_empty_tiles(client: Client, tms: str) -> None:
    """A.7 /conf/core/tc-error 2: within the limits and without data, 204."""
    document = tileset(client, "/collections/orte", tms)
    held = limits(document, 16)
    answers = [
        client.get(address(document, 16, row, column))
        for row in range(held["minTileRow"], held["maxTileRow"] + 1)
        for column in range(held["minTileCol"], held["maxTileCol"] + 1)
    ]
    assert {answer.status_code for answer in answers} <= {200, 204}
    filtered = client.get(address(document, 16, held["minTileRow"], held["minTileCol"]), params={"filter": "einwohner = -1"})
    assert (filtered.status_code, filtered.content) == (204, b"")


def test_collections_parameter(client: Client, tms: str) -> None:
    """A.15 /conf/collections-selection/query-collections: ids or addresses, parted by commas, on tilesets and tiles."""
    for stated in ("orte", "wege,orte", "flaechen,wege,orte", "http://localhost:5000/collections/wege,orte"):
        names = [name.rpartition("/")[2] for name in stated.split(",")]
        document = client.json(f"/tiles/{tms}", params={"collections": stated}, headers=JSON)
        # A.16 /conf/collections-selection/collections-response: those and no other, in their order.
        assert [layer["id"] for layer in document["layers"]] == names
        held = limits(document, 11)
        assert list(features(client, address(document, 11, held["minTileRow"], held["minTileCol"]))) == names
    assert client.get(f"/tiles/{tms}", params={"collections": "orte,quatsch"}).status_code == 400


def test_api_definition(client: Client) -> None:
    """A.3 to A.5 /conf/core/tc-tilematrix-definition, -tilerow-, -tilecol-; A.23 /conf/oas30/completeness."""
    definition = client.json("/api")
    OpenAPIV30SpecValidator(definition).validate()
    for base in ("", *(f"/collections/{name}" for name in COLLECTIONS)):
        operation = definition["paths"][f"{base}/tiles/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"]["get"]
        found = {}
        for given in operation["parameters"]:
            stated = definition["components"]["parameters"][given["$ref"].rsplit("/", 1)[1]] if "$ref" in given else given
            found[stated["name"]] = stated
        assert all(found[name]["in"] == "path" and found[name]["required"] for name in ("tileMatrix", "tileRow", "tileCol"))
        assert found["tileMatrix"]["schema"]["type"] == "string"
        assert all(found[name]["schema"] == {"type": "integer", "minimum": 0} for name in ("tileRow", "tileCol"))
        assert {"200", "204", "404"} <= set(operation["responses"]) and MVT in operation["responses"]["200"]["content"]
        if not base:
            selection = found["collections"]
            assert (selection["in"], selection["required"], selection["style"], selection["explode"]) == ("query", False, "form", False)
            assert selection["schema"]["type"] == "array" and selection["schema"]["items"] == {"type": "string"}


def test_operation_ids(client: Client) -> None:
    """A.24 /conf/oas30/operation-id: the suffixes of table 11, each once."""
    paths = client.json("/api")["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values() if "operationId" in operation]
    assert len(ids) == len(set(ids))
    for base, origin in (("", "dataset"), *((f"/collections/{name}", "collection") for name in COLLECTIONS)):
        for path, suffix in (
            (f"{base}/tiles", "getTileSetsList"),
            (f"{base}/tiles/{{tileMatrixSetId}}", "getTileSet"),
            (f"{base}/tiles/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "getTile"),
        ):
            assert paths[path]["get"]["operationId"].endswith(f"{origin}.vector.{suffix}")
