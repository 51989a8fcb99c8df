"""Features Part 5 (23-058): the abstract tests of its annex A, by their ids, over collections with all that a field can state.

Features Part 9 (24-031, draft): its requirements on `q`. The draft has no conformance class with an address of its own yet, so that
none is declared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.client import Client
from support.deployment import checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.catalog.units import keywords

DRAFT = "https://json-schema.org/draft/2020-12/schema"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
KEYWORDS = {
    "$id", "$schema", "additionalProperties", "const", "description", "enum", "format", "maxLength", "maximum", "minLength", "minimum",
    "not", "oneOf", "pattern", "properties", "readOnly", "required", "title", "type",
}  # fmt: skip
"""Of JSON Schema; all else begins with x-ogc-."""
TYPES = ("string", "number", "integer", "boolean", "object", "array")

_COMMON: dict[str, Any] = {
    "title": {"de": "Titel", "en": "Title"},
    "description": {"de": "Beschreibung."},
    "source": {"kind": "ogr", "location": "${DATA}/x.gpkg", "crs": "EPSG:25832"},
}
ALLES: dict[str, Any] = {
    **_COMMON,
    "id": "alles",
    "geometry": {"type": "Geometry", "crs": "EPSG:25832", "dimensions": 3},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [
        {"name": "nr", "type": "integer", "required": True, "unique": True, "title": {"de": "Nummer", "en": "Number"}},
        {"name": "name", "type": "string", "description": {"de": "Wie man es nennt."}},
        {"name": "art", "type": "string", "values": {"w": {"de": "Wald", "en": "Wood"}, "f": {"de": "Feld"}}, "required": True},
        {"name": "stufe", "type": "integer", "values": {"1": {"de": "eins"}, "2": {"de": "zwei"}}},
        {"name": "flaeche", "type": "number", "unit": "m²"},
        {"name": "preis", "type": "decimal", "unit": "EUR"},
        {"name": "zahl", "type": "integer", "unit": "1"},
        {"name": "aktiv", "type": "boolean"},
        {"name": "von", "type": "date"},
        {"name": "bis", "type": "date"},
        {"name": "zeit", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
        {"name": "struktur", "type": "json"},
    ],
    "quality": [{"rule": "codelist", "field": "art", "on_fail": "reject"}, {"rule": "codelist", "field": "stufe", "on_fail": "report"}],
    "temporal": {"start": "von", "end": "bis"},
    "sortables": ["name", "stufe", "preis", "von", "aktiv", "kennung"],
}
ZAEHLUNG: dict[str, Any] = {
    **_COMMON,
    "id": "zaehlung",
    "id_field": {"kind": "composite", "columns": ["ort", "jahr"]},
    "fields": [
        {"name": "ort", "type": "string", "required": True},
        {"name": "jahr", "type": "integer", "required": True, "unit": "Jahr"},
        {"name": "faelle", "type": "integer"},
    ],
    "forms": {"open": {"min_count": {"minimum": 5, "fields": ["faelle"]}}},
    "sortables": ["jahr"],
}
WALD: dict[str, Any] = {
    **_COMMON,
    "id": "wald",
    "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "content"},
    "fields": [{"name": "text", "type": "string"}],
}
ARC = "CIRCULARSTRING Z (360000 5700000 1, 360100 5700100 2, 360200 5700000 3)"
SQUARE = "MULTIPOLYGON(((360000 5700000, 360100 5700000, 360100 5700100, 360000 5700000)))"
ROWS: dict[str, list[dict[str, Any]]] = {
    "alles": [
        {"nr": 1, "name": "Straße am Bach", "art": "w", "stufe": 2, "flaeche": 1.5, "preis": "1.10", "zahl": 2**53 + 1, "aktiv": True,
         "von": "2024-01-01", "bis": "2024-12-31", "zeit": "2024-05-01T12:00:00Z", "kennung": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
         "struktur": {"a": [1, None]}, "geom": "POINT Z (360000 5700000 5)"},
        {"nr": 2, "art": "f", "flaeche": float("nan"), "struktur": [1], "geom": ARC},
        {"nr": 3, "art": "w", "stufe": 7, "struktur": "text"},
    ],
    "zaehlung": [{"ort": "A", "jahr": 2020, "faelle": 3}, {"ort": "B", "jahr": 2020, "faelle": 30}, {"ort": "C", "jahr": 2020}],
    "wald": [{"text": "ocean, climate change", "geom": SQUARE}, {"text": "Climate \t CHANGE", "geom": SQUARE},
             {"text": "change of the climate"}, {"text": "desalination"}, {"text": None}],
}  # fmt: skip
GEOMETRY = {"alles": "geometry-any", "wald": "geometry-multipolygon", "zaehlung": None}
COLLECTIONS = tuple(ROWS)
DOCUMENTS = ("schema", "queryables", "sortables")


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    database = server.clone()
    contracts = [checked(contract_of(values)) for values in (ALLES, ZAEHLUNG, WALD)]
    folder: Path = write_deployment(tmp_path_factory.mktemp("schemas") / "teststadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    for dataset, rows in ROWS.items():
        publish_rows(database, deployment, dataset, rows)
    made = Client(create_app(settings_for(server, database, folder)))
    yield made
    made.close()
    server.drop(database.name)


@pytest.fixture(params=COLLECTIONS)
def collection(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=DOCUMENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def document(client: Client, collection: str, name: str, language: str = "de") -> Any:
    """The link of the collection (A.x /conf/*/link), asked for as a schema (/conf/*/op-and-response)."""
    described = client.json(f"/collections/{collection}", headers={"accept": "application/json"})
    links = [each["href"] for each in described["links"] if each["rel"] == REL + name and each["type"] == "application/schema+json"]
    assert links == [f"http://localhost:5000/collections/{collection}/{name}"]
    response = client.get(links[0], headers={"accept": "application/schema+json", "accept-language": language})
    assert response.status_code == 200 and response.headers["content-type"] == "application/schema+json"
    return response.json()


def keywords_of(value: Any) -> set[str]:
    """The keywords of a schema; the names of its properties are none."""
    if isinstance(value, list):
        return set().union(*map(keywords_of, value))
    if not isinstance(value, dict):
        return set()
    inner = [each for key, each in value.items() if key not in ("properties", "enum", "const")]
    return set(value) | keywords_of(inner) | keywords_of(list(value.get("properties", {}).values()))


def test_basic_schema_inspection(client: Client, collection: str, name: str) -> None:
    """/conf/schemas/basic-schema-inspection: /req/schemas/json-schema, /req/schemas/properties, /req/schemas/additional-keywords."""
    told = document(client, collection, name)
    assert told["$schema"] == DRAFT and told["type"] == "object" and told["additionalProperties"] is False
    assert told["$id"].startswith("http") and "?" not in told["$id"]
    again = client.get(told["$id"], headers={"accept": "application/schema+json"})
    assert again.status_code == 200 and again.headers["content-type"] == "application/schema+json"
    jsonschema.Draft202012Validator.check_schema(told)
    for property_, schema in told["properties"].items():
        assert schema["title"], property_
        if "type" not in schema:
            assert "$ref" not in schema and schema["format"] == GEOMETRY[collection] and name != "sortables"
            continue
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert set(kinds) <= {*TYPES, "null"}
        assert ("null" in kinds) <= (name == "schema"), "what is not known is null in a feature; nobody asks for it by a value"
        if schema.get("format") in ("date", "date-time", "uuid"):
            assert "string" in kinds
    assert {key for key in keywords_of(told) if key not in KEYWORDS and not key.startswith("x-ogc-")} == set()
    spatial = [each["format"] for each in told["properties"].values() if str(each.get("format")).startswith("geometry-")]
    assert spatial == ([GEOMETRY[collection]] if GEOMETRY[collection] and name != "sortables" else [])


def test_formats_and_required(client: Client) -> None:
    """/req/schemas/properties D; /rec/schemas/properties E, F, H, J."""
    told = document(client, "alles", "schema")
    formats = {each: schema["format"] for each, schema in told["properties"].items() if "format" in schema}
    assert formats == {"geometry": "geometry-any", "von": "date", "bis": "date", "zeit": "date-time", "kennung": "uuid"}
    assert told["required"] == ["nr", "art"]
    assert told["properties"]["art"]["enum"] == ["w", "f"]


def test_a_code_list_whose_rule_only_reports_is_open(client: Client) -> None:
    """Rows may have other values; each feature is valid by the schema, and a code keeps its title."""
    for name in ("schema", "queryables"):
        told = document(client, "alles", name)["properties"]["stufe"]
        assert "enum" not in told and told["oneOf"][:2] == [{"const": 1, "title": "eins"}, {"const": 2, "title": "zwei"}]
    told = document(client, "alles", "schema")
    del told["properties"]["geometry"]
    values = [{"nr": each["id"], **each["properties"]} for each in client.json("/collections/alles/items")["features"]]
    assert [each["stufe"] for each in values] == [2, None, 7]
    for each in values:
        jsonschema.validate({name: value for name, value in each.items() if name in told["properties"]}, told)
    for wrong in ({"art": "x"}, {"stufe": "7"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**values[0], **wrong}, told)
    assert client.get("/collections/alles/schema?f=html").text.count("<code>2</code> zwei") == 1


@pytest.mark.parametrize("language", ["de", "en"])
def test_titles_and_codes(client: Client, language: str) -> None:
    """/rec/schemas/properties A; profile codelist-inline (/req/profile-codelists/codelist-inline): oneOf, const, title."""
    told = document(client, "alles", "queryables", language)["properties"]
    assert told["nr"]["title"] == {"de": "Nummer", "en": "Number"}[language]
    assert told["geometry"]["title"] == {"de": "Geometrie", "en": "Geometry"}[language]
    assert told["art"]["oneOf"] == [{"const": "w", "title": {"de": "Wald", "en": "Wood"}[language]}, {"const": "f", "title": "Feld"}]
    other = {"not": {"enum": [1, 2]}, "title": {"de": "anderer Wert", "en": "another value"}[language]}
    assert told["stufe"]["oneOf"] == [{"const": 1, "title": "eins"}, {"const": 2, "title": "zwei"}, other]
    null = document(client, "alles", "schema", language)["properties"]["stufe"]["oneOf"][-1]
    assert null == {"const": None, "title": {"de": "kein Wert", "en": "no value"}[language]}


def test_roles(client: Client, collection: str) -> None:
    """/conf/schemas/role, role-id; /conf/core-roles-features (advanced-property-roles)/role-primary-geometry, role-primary-temporal."""
    for name in DOCUMENTS:
        properties = document(client, collection, name)["properties"]
        roles = [schema["x-ogc-role"] for schema in properties.values() if "x-ogc-role" in schema]
        assert all(isinstance(role, str) for role in roles) and len(roles) == len(set(roles))
        for schema in properties.values():
            match schema.get("x-ogc-role"):
                case "id":
                    assert schema["type"] in ("string", "integer")
                case "primary-geometry":
                    assert schema["format"].startswith("geometry-")
                case "primary-interval-start" | "primary-interval-end" | "primary-instant":
                    assert schema["format"] == "date" and "string" in schema["type"]
        assert not ({"primary-instant"} & set(roles) and {"primary-interval-start", "primary-interval-end"} & set(roles))
    assert [schema["x-ogc-role"] for schema in document(client, collection, "schema")["properties"].values()
            if schema.get("x-ogc-role") == "id"] == ["id"]  # fmt: skip


def test_property_seq(client: Client, collection: str) -> None:
    """/conf/schemas/property-seq."""
    places = [schema["x-ogc-propertySeq"] for schema in document(client, collection, "schema")["properties"].values()]
    assert places == list(range(1, len(places) + 1))


def test_units(client: Client, collection: str, name: str) -> None:
    """/conf/schemas/unit: UCUM, else the language is named; numbers only."""
    for schema in document(client, collection, name)["properties"].values():
        kinds = schema.get("type", ()) if isinstance(schema.get("type"), list) else [schema.get("type")]
        if "x-ogc-unit" in schema or "x-ogc-unitLang" in schema:
            assert isinstance(schema["x-ogc-unit"], str) and ({"number", "integer"} & set(kinds))
    if collection == "alles":
        told = document(client, "alles", "schema")["properties"]
        assert told["flaeche"]["x-ogc-unit"] == "m2" and "x-ogc-unitLang" not in told["flaeche"]
        assert (told["preis"]["x-ogc-unit"], told["preis"]["x-ogc-unitLang"]) == ("EUR", "text")
        assert "x-ogc-unit" not in told["zahl"]


@pytest.mark.parametrize(
    ("unit", "ucum"), [("ha", "har"), ("°C", "Cel"), ("kWh", "kW.h"), ("m³/s", "m3/s"), ("µg/m³", "ug/m3"), ("kV", "kV")]
)
def test_units_of_cities(unit: str, ucum: str) -> None:
    """UCUM, case sensitive: `ha` would be a hectoyear."""
    assert keywords(unit) == {"x-ogc-unit": ucum}


def test_features_are_valid(client: Client, collection: str) -> None:
    """/conf/returnables-and-receivables/response-1: `id` by the role id, `geometry` by its format, each other property by its name."""
    schema = json.loads(client.get(f"/collections/{collection}/schema").text, parse_float=Decimal)
    properties = schema["properties"]
    (ident,) = (each for each, told in properties.items() if told.get("x-ogc-role") == "id")
    page = client.json(f"/collections/{collection}/items")
    singles = [client.json(f"/collections/{collection}/items/{feature['id']}") for feature in page["features"]]
    assert len(singles) == len(ROWS[collection])
    for feature in [*page["features"], *singles]:
        jsonschema.validate(feature["id"], properties[ident])
        assert (feature["geometry"] is None) or GEOMETRY[collection] in ("geometry-any", "geometry-" + feature["geometry"]["type"].lower())
        assert set(feature["properties"]) <= set(properties), "additionalProperties: false"
        assert set(schema.get("required", ())) <= set(feature["properties"])
        for key, value in feature["properties"].items():
            jsonschema.validate(value, properties[key], format_checker=jsonschema.FormatChecker())


def test_read_only(client: Client) -> None:
    """/req/schemas/properties F: the id that is no attribute, and what is made beside a value, cannot be written."""
    for collection, names in (("zaehlung", {"id", "faelle_status"}), ("wald", {"id"}), ("alles", set[str]())):
        told = document(client, collection, "schema")["properties"]
        assert {each for each, schema in told.items() if schema.get("readOnly")} == names


def test_queryables_are_all_that_may_be_asked_by(client: Client, collection: str) -> None:
    """/req/queryables/response C: with additionalProperties false, any other property is a 400."""
    items = f"/collections/{collection}/items"
    for each in document(client, collection, "queryables")["properties"]:
        assert client.get(items, params={"filter": f'"{each}" IS NULL'}).status_code == 200, each
    for each in ("gibtesnicht", "sg_id", "sg_hash", "xmin"):
        assert client.get(items, params={"filter": f'"{each}" IS NULL'}).status_code == 400, each


def test_sortables_are_all_that_may_be_sorted_by(client: Client, collection: str) -> None:
    """/req/sortables/response C, D, E."""
    items = f"/collections/{collection}/items"
    told = document(client, collection, "sortables")["properties"]
    for each, schema in told.items():
        assert schema["type"] not in ("object", "array") and isinstance(schema["type"], str)
        assert client.get(items, params={"sortby": f"-{each}"}).status_code == 200
    for each in {"gibtesnicht", "geometry", "struktur", *document(client, collection, "schema")["properties"]} - set(told):
        assert client.get(items, params={"sortby": each}).status_code == 400, each


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ocean", [0]),  # A: a single term
        ("OCEAN", [0]),  # definition E: case insensitive
        ("ocean,desalination", [0, 3]),  # B: one or more of the terms
        ("climate change", [0, 1]),  # C: all words, in the order specified
        ("climate \t change", [0, 1]),  # … separated by any number of white spaces
        ("change climate", []),
        ("ocean,climate \tchange,desalination", [0, 1, 3]),  # the example of 24-031, 6.2
    ],
)
def test_q(client: Client, asked: str, found: list[int]) -> None:
    """24-031 /req/text-search/q-definition, /req/text-search/q-response, /req/features-text-search."""
    texts = [ROWS["wald"][place]["text"] for place in found]
    page = client.json("/collections/wald/items", params={"q": asked})
    assert sorted(each["properties"]["text"] for each in page["features"]) == sorted(texts)
