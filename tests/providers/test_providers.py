from __future__ import annotations

import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pygeoapi.plugin import load_plugin
from pygeoapi.provider.base import ProviderGenericError, ProviderItemNotFoundError
from support.deployment import GEBIETE, MASTEN, checked, contract_of, write_deployment
from support.office import HOEHEN
from support.rows import publish_rows

from providers import source
from providers.bridge import as_provider_error, bridged
from stadtgrund import errors, identity
from stadtgrund.catalog import registry, resources
from stadtgrund.catalog.registry import Deployment
from stadtgrund.store.database import Database

# pygeoapi's own models are written in the way of pydantic 1.
pytestmark = pytest.mark.filterwarnings("ignore:Support for class-based `config`:DeprecationWarning")

ROWS = [
    {
        "nummer": number,
        "name": f"Mast {number}",
        "art": "holz" if number % 2 else "stahl",
        "hoehe": number / 4,
        "geom": f"POINT({370000 + number} 5700000)",
    }
    for number in range(1, 31)
]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    contracts = [checked(contract_of(MASTEN)), checked(contract_of(GEBIETE), "security_critical")]
    folder = write_deployment(tmp_path / "teststadt", *contracts)
    return registry.read(folder, folder / "data")


@pytest.fixture
def published(db: Database, deployment: Deployment) -> Iterator[Database]:
    publish_rows(db, deployment, "masten", ROWS)
    publish_rows(
        db,
        deployment,
        "gebiete",
        [{"schluessel": "1", "geom": "MULTIPOLYGON(((370000 5700000,370010 5700000,370010 5700010,370000 5700000)))"}],
    )
    yield db
    for key in ("open", "verwaltung"):
        source._made(db.conninfo(key), key, os.getpid()).close()  # an unopened pool is made to be closed: harmless


def definition(
    db: Database, deployment: Deployment, dataset: str = "masten", kind: str = "feature", profile: str = "open", **data: Any
) -> dict[str, Any]:
    from stadtgrund.catalog import access

    contract = deployment.contract(dataset)
    decision = access.decide(contract, profile)
    spec = decision.form or access.decide(contract, "verwaltung").form
    assert spec
    made = resources.collection(contract, deployment, spec, decision.reason, resources.placeholder())
    resource = resources.resource(made, "http://localhost", profile=profile, dsn=db.conninfo(profile), rendered=True)
    found: dict[str, Any] = next(provider for provider in resource["providers"] if provider["type"] == kind)
    found["data"] |= data
    return found


def features(db: Database, deployment: Deployment, **data: Any) -> Any:
    return load_plugin("provider", definition(db, deployment, **data))


def test_a_page_and_its_counts(published: Database, deployment: Deployment) -> None:
    provider = features(published, deployment)
    page = provider.query(limit=10, offset=5)
    assert [feature["id"] for feature in page["features"]] == list(range(6, 16))
    assert (page["numberReturned"], page["numberMatched"]) == (10, 30)
    assert provider.query(limit=10, offset=25)["numberMatched"] == 30
    assert provider.query(limit=10, offset=99) == {"type": "FeatureCollection", "features": [], "numberReturned": 0, "numberMatched": 30}
    assert provider.query(limit=3, properties=[("art", "holz")])["numberMatched"] == 15
    assert provider.query(resulttype="hits", properties=[("art", "holz")]) == {
        "type": "FeatureCollection",
        "features": [],
        "numberReturned": 0,
        "numberMatched": 15,
    }
    chosen = provider.query(limit=1, select_properties=["name"], skip_geometry=True)["features"][0]
    assert chosen == {"type": "Feature", "id": 1, "geometry": None, "properties": {"name": "Mast 1"}}


def test_a_box_is_crs84_unless_the_definition_states_a_storage_crs(published: Database, deployment: Deployment) -> None:
    plain = definition(published, deployment)
    west, south, east, north = 7.0, 51.3, 7.4, 51.6
    assert load_plugin("provider", plain).query(limit=100, bbox=[west, south, east, north])["numberMatched"] == 30
    assert load_plugin("provider", plain).query(limit=100, bbox=[west, south, -10, east, north, 10])["numberMatched"] == 30
    stated = {**plain, "storage_crs": "http://www.opengis.net/def/crs/EPSG/0/25832"}
    found = load_plugin("provider", stated).query(limit=100, bbox=[370000.5, 5699999, 370010.5, 5700001])
    assert [feature["id"] for feature in found["features"]] == list(range(1, 11))
    assert found["features"][0]["geometry"]["coordinates"] == [370001, 5700000]


def test_heights_of_a_box_select_where_geometries_have_some(published: Database, tmp_path: Path) -> None:
    folder = write_deployment(tmp_path / "hoch" / "teststadt", checked(contract_of(HOEHEN)))
    deployment = registry.read(folder, folder / "data")
    rows = [{"nr": f"L{n}", "geom": f"LINESTRING Z (370000 5700000 {n}, 370010 5700000 {n}.5)"} for n in range(5)]
    publish_rows(published, deployment, "hoehen", rows)
    provider = load_plugin("provider", definition(published, deployment, "hoehen"))
    page = provider.query(limit=10, bbox=[-180, -90, 1.5, 180, 90, 3])
    assert [feature["id"] for feature in page["features"]] == ["L1", "L2", "L3"] and page["numberMatched"] == 3


def test_a_new_version_is_seen_by_a_provider_that_knew_the_old_one(published: Database, deployment: Deployment) -> None:
    provider = features(published, deployment)
    far = [{"nummer": 7, "name": "Fern", "geom": "POINT(385000 5710000)"}]
    publish_rows(published, deployment, "masten", far)
    # The old extent ends 15 km before: with it the box would hold nothing.
    page = provider.query(limit=10, bbox=[7.3, 51.5, 7.4, 51.6])
    assert [feature["properties"]["name"] for feature in page["features"]] == ["Fern"]
    assert features(published, deployment).query(limit=1)["numberMatched"] == 1


def test_what_the_profile_may_not_see_looks_like_what_is_not_there(published: Database, deployment: Deployment) -> None:
    with pytest.raises(ProviderItemNotFoundError) as closed:
        load_plugin("provider", definition(published, deployment, "gebiete"))
    with pytest.raises(ProviderItemNotFoundError) as absent:
        features(published, deployment, collection="gibt_es_nicht")
    assert closed.value.http_status_code == absent.value.http_status_code == HTTPStatus.NOT_FOUND
    assert closed.value.message == absent.value.message.replace("gibt_es_nicht", "gebiete")
    seen = load_plugin("provider", definition(published, deployment, "gebiete", profile="verwaltung"))
    assert seen.query(limit=1)["numberMatched"] == 1


def test_in_our_host_the_caller_must_be_of_the_profile(published: Database, deployment: Deployment) -> None:
    asked = {"identity": True}
    with pytest.raises(ProviderGenericError) as nobody:
        features(published, deployment, **asked)
    assert nobody.value.http_status_code == HTTPStatus.UNAUTHORIZED
    with identity.use(identity.Principal("Amt 62", identity.VERWALTUNG)), pytest.raises(ProviderGenericError) as other:
        features(published, deployment, **asked)
    assert other.value.http_status_code == HTTPStatus.UNAUTHORIZED
    with identity.use(identity.Principal("anonymous", identity.OPEN)):
        assert features(published, deployment, **asked).query(limit=1)["numberMatched"] == 30


def test_single_features(published: Database, deployment: Deployment) -> None:
    provider = features(published, deployment)
    assert provider.get("4")["properties"]["name"] == "Mast 4"
    for wrong in ("99", "abc", "", "1 OR 1=1", "\0"):
        with pytest.raises(ProviderItemNotFoundError):
            provider.get(wrong)


def test_fields_are_json_schema(published: Database, deployment: Deployment) -> None:
    fields = features(published, deployment).fields
    assert list(fields) == [field["name"] for field in MASTEN["fields"]]
    assert fields["gebaut"] == {"type": "string", "format": "date", "title": "gebaut"}
    assert fields["hoehe"]["x-ogc-unit"] == "m"
    assert "enum" not in fields["art"]  # its rule only reports other values


def test_a_database_that_does_not_answer_is_a_503_without_an_address(published: Database, deployment: Deployment) -> None:
    broken = definition(published, deployment)
    broken["data"]["dsn"] = "host=127.0.0.1 port=1 user=geheim dbname=geheim connect_timeout=1"
    made = source.of(broken["data"])
    made._pool.timeout = 1
    with pytest.raises(ProviderGenericError) as caught:
        load_plugin("provider", broken)
    made.close()
    assert caught.value.http_status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "geheim" not in caught.value.message


def test_the_connection_cannot_write(published: Database, deployment: Deployment) -> None:
    with source.of(definition(published, deployment)["data"]).cursor() as cursor, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        cursor.execute("CREATE TABLE p_open.x (y int)")


def test_tiles_describe_themselves(published: Database, deployment: Deployment) -> None:
    provider = load_plugin("provider", definition(published, deployment, kind="tile"))
    told = {
        "dataset": "masten",
        "server_url": "http://h",
        "layer": provider.get_layer(),
        "tileset": "WebMercatorQuad",
        "title": "t",
        "description": "d",
    }
    tilejson = provider.get_metadata(metadata_format="tilejson", **told)
    assert tilejson["tilejson"] == "3.0.0"
    assert (tilejson["minzoom"], tilejson["maxzoom"]) == (8, 18)
    assert tilejson["tiles"] == ["http://h/collections/masten/tiles/WebMercatorQuad/{z}/{y}/{x}?f=mvt"]
    assert tilejson["vector_layers"][0]["fields"]["hoehe"] == "Number"
    west, south, east, north = tilejson["bounds"]
    assert 7 < west < east < 7.4 and 51.3 < south < north < 51.6
    described = provider.get_metadata(metadata_format="json", **told)
    assert described["boundingBox"]["lowerLeft"] == [west, south]
    with pytest.raises(ProviderItemNotFoundError):
        provider.get_metadata(metadata_format="json", **{**told, "tileset": "GibtEsNicht"})
    assert provider.get_html_metadata(**told, keywords=None)["id"] == "masten"


def test_a_collection_without_tiles_has_no_tile(published: Database, deployment: Deployment) -> None:
    wanted = definition(published, deployment, kind="tile")
    wanted["data"]["collection"] = "gebiete"  # closed for this profile
    with pytest.raises(ProviderItemNotFoundError):
        load_plugin("provider", wanted).get_tiles(tileset="WebMercatorQuad", z="9", y="1", x="1")


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (errors.InvalidParameter("bbox", "x", "four numbers"), 400, "four numbers"),
        (errors.InvalidFilter("Unknown property"), 400, "Unknown property"),
        (errors.NotFound("Nichts da"), 404, "Nichts da"),
        (errors.Unauthorized("Wer?"), 401, "Wer?"),
        (errors.TooLarge("Zu viel"), 413, "Zu viel"),
        (errors.Busy("Gerade nicht"), 503, "Gerade nicht"),
        (errors.SetupError("password=geheim"), 500, "log"),
        (psycopg.errors.QueryCanceled("SELECT geheim"), 503, "too long"),
        (psycopg.errors.NumericValueOutOfRange("geheim"), 400, "not valid"),
        (psycopg.OperationalError("host=geheim"), 503, "does not answer"),
        (psycopg.errors.UndefinedColumn("geheim"), 500, "log"),
    ],
)
def test_errors_become_pygeoapis_with_their_status(error: Exception, status: int, shown: str) -> None:
    with pytest.raises(ProviderGenericError) as caught, bridged():
        raise error
    assert caught.value.http_status_code == status
    assert shown in caught.value.message
    assert "geheim" not in caught.value.message


def test_every_error_class_has_a_counterpart() -> None:
    def below(kind: type[errors.StadtgrundError]) -> Iterator[type[errors.StadtgrundError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    for kind in below(errors.StadtgrundError):
        error = kind.__new__(kind)
        errors.StadtgrundError.__init__(error, "…")
        assert 400 <= as_provider_error(error).http_status_code < 600
