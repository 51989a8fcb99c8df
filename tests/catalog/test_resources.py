from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pygeoapi.config import validate_config
from support.catalog_folder import Folder
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of

from stadtgrund.catalog import access, registry, resources
from stadtgrund.catalog.collection import Collection, Extent, Facts, JoinFacts
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.settings import ROOT

FACTS = Facts(
    version=7,
    published=datetime(2026, 3, 1, tzinfo=UTC),
    count=12,
    extent=Extent(
        crs84=(7.1, 51.3123456789, 7.2, 51.4),
        storage=(1.0, 2.0, 3.0, 4.0),
        begin=datetime(2020, 1, 1, tzinfo=UTC),
        end=datetime(2021, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ),
)


@pytest.fixture
def deployment(folder: Folder) -> Deployment:
    return registry.read(folder())


def collection(contract: Contract, deployment: Deployment, facts: Facts = FACTS, profile: str = "open") -> Collection:
    decision = access.decide(contract, profile)
    assert decision.form is not None
    return resources.collection(contract, deployment, decision.form, decision.reason, facts)


def restricted(values: dict[str, Any], **form: Any) -> Contract:
    return checked(contract_of(values, forms={"open": form}))


def test_the_full_form_shows_all(deployment: Deployment) -> None:
    made = collection(checked(contract_of(MASTEN, licence="cc-by-4.0", attribution="Stadt")), deployment)
    assert [field.name for field in made.fields] == [field["name"] for field in MASTEN["fields"]]
    assert (made.form, made.id_type, made.id_field, made.sortables) == ("full", "integer", "nummer", ("name", "hoehe", "gebaut"))
    assert (made.licence_title, made.licence_url) == (
        "Creative Commons Namensnennung – 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    )
    assert made.geometry is not None
    assert (made.geometry.type, made.geometry.srid) == ("Point", 25832)
    assert made.field("nummer").nullable is False
    assert made.field("hoehe").title.de == "hoehe", "a field without a title is called by its name"
    assert made.facts == FACTS
    assert Collection.model_validate(made.as_json()) == made


def test_what_the_form_omits_is_nowhere_in_it(deployment: Deployment) -> None:
    made = collection(restricted(MASTEN, omit=["hoehe", "gebaut"]), deployment)
    assert made.temporal is None
    assert made.sortables == ("name",)
    assert (made.facts.extent.begin, made.facts.extent.end) == (None, None)
    text = made.model_dump_json()
    assert "hoehe" not in text
    assert "gebaut" not in text


def test_half_an_interval_is_none(deployment: Deployment) -> None:
    assert collection(restricted(GEBIETE, omit=["ende"]), deployment).temporal is None
    assert collection(restricted(GEBIETE, omit=["name"]), deployment).temporal is not None


def test_tiles_carry_no_more_than_the_form(deployment: Deployment) -> None:
    tiles = {"zoom": [8, 18], "fields": {"<12": ["nummer", "hoehe"], ">=12": ["hoehe"]}}
    made = collection(checked(contract_of(MASTEN, forms={"open": {"omit": ["hoehe"]}}, publish={"tiles": tiles})), deployment)
    assert made.tiles is not None
    assert made.tiles.fields == {"<12": ("nummer",), ">=12": ()}


def test_a_minimum_count_brings_its_status(deployment: Deployment) -> None:
    made = collection(checked(contract_of(ZAHLEN)), deployment)
    assert made.form == "open"
    assert [field.name for field in made.fields] == ["schluessel", "jahr", "einwohner", "einwohner_status"]
    status = made.field("einwohner_status")
    assert (status.status_of, status.type, status.nullable) == ("einwohner", "string", False)
    assert set(status.values or ()) == {"ok", "suppressed", "missing"}
    internal = collection(checked(contract_of(ZAHLEN)), deployment, profile="verwaltung")
    assert [field.name for field in internal.fields] == ["schluessel", "jahr", "einwohner"]


def test_a_table_has_no_box_of_its_own_but_the_city_has(deployment: Deployment) -> None:
    made = collection(checked(contract_of(ZAHLEN)), deployment)
    assert made.geometry is None
    assert made.facts.extent.crs84 is None
    assert resources.resource(made, "https://example.org")["extents"]["spatial"]["bbox"] == [7.6, 49.3, 7.9, 49.5]


@pytest.mark.parametrize(("rule", "type_"), [("centroid", "Point"), ("none", None)])
def test_geometry_rules(deployment: Deployment, rule: str, type_: str | None) -> None:
    made = collection(restricted(GEBIETE, geometry=rule), deployment)
    assert (made.geometry.type if made.geometry else None) == type_
    assert (made.tiles is None) == (type_ is None)
    assert (made.facts.extent.crs84 is None) == (type_ is None)


JOIN = {
    "id": "verbund",
    "title": {"de": "Verbund"},
    "description": {"de": "x"},
    "source": {"kind": "join", "left": "gebiete", "right": "zahlen", "on": [{"left": "schluessel", "right": "schluessel"}]},
    "id_field": {"kind": "content"},
    "fields": [
        {"name": "gebiet", "from": "left.schluessel", "type": "string"},
        {"name": "einwohner", "from": "right.einwohner", "type": "integer"},
    ],
}
COUNTS = JoinFacts(
    left_rows=3, left_matched=2, left_unmatched=1, right_rows=2, right_matched=2, right_unmatched=0, left_unmatched_keys=("geheim",)
)


@pytest.mark.parametrize(
    ("form", "keys"),
    [({}, ("geheim",)), ({"omit": ["einwohner"]}, ("geheim",)), ({"omit": ["gebiet"]}, ()), ({"where": "einwohner > 5"}, ())],
)
def test_unmatched_keys_are_named_only_where_the_form_shows_them(
    deployment: Deployment, form: dict[str, Any], keys: tuple[str, ...]
) -> None:
    made = collection(restricted(JOIN, **form), deployment, FACTS.model_copy(update={"join": COUNTS}))
    assert made.facts.join is not None
    assert made.facts.join.left_unmatched_keys == keys
    assert made.facts.join.left_unmatched == 1


def test_a_resource_for_our_host(deployment: Deployment) -> None:
    made = collection(checked(contract_of(MASTEN, licence="cc-by-4.0", attribution="Stadt", keywords=["Licht"])), deployment)
    resource = resources.resource(made, "https://example.org/api", profile="verwaltung", dsn="postgresql:///x")
    assert resource["type"] == "collection"
    assert resource["title"] == {"de": "Masten", "en": "Poles"}
    assert resource["keywords"] == ["Licht"]
    assert resource["extents"]["spatial"] == {
        "bbox": [7.1, 51.3123457, 7.2, 51.4],
        "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    }
    assert resource["extents"]["temporal"] == {"begin": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"}
    assert resource["links"][0] == {
        "type": "text/html",
        "rel": "license",
        "title": "Creative Commons Namensnennung – 4.0 International",
        "href": "https://creativecommons.org/licenses/by/4.0/",
    }
    feature, tile = resource["providers"]
    assert (feature["type"], feature["name"], feature["id_field"], feature["time_field"], feature["title_field"]) == (
        "feature",
        "providers.features.PostGISFeatures",
        "nummer",
        "gebaut",
        "name",
    )
    assert feature["data"] == {"dsn": "postgresql:///x", "profile": "verwaltung", "collection": "masten", "identity": True}
    assert feature["storage_crs"] == "http://www.opengis.net/def/crs/EPSG/0/25832"
    assert feature["storage_crs"] in feature["crs"]
    assert (tile["type"], tile["name"], tile["options"]["zoom"]) == ("tile", "providers.tiles.PostGISTiles", {"min": 8, "max": 18})


def test_a_resource_for_stock_pygeoapi_asks_no_database(deployment: Deployment) -> None:
    made = collection(checked(contract_of(MASTEN)), deployment, resources.placeholder())
    resource = resources.resource(made, "${PUBLIC_URL}", dsn="${STADTGRUND_DSN:-}", rendered=True)
    assert resource["extents"] == {
        "spatial": {"bbox": [7.6, 49.3, 7.9, 49.5], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    }
    for provider in resource["providers"]:
        assert "storage_crs" not in provider
        assert "identity" not in provider["data"]


def test_items_and_tiles_are_offered_only_where_published(deployment: Deployment) -> None:
    def kinds(**publish: Any) -> list[str]:
        made = collection(checked(contract_of(MASTEN, publish=publish)), deployment)
        return [provider["type"] for provider in resources.resource(made, "")["providers"]]

    assert kinds() == ["feature"]
    assert kinds(items=False, tiles={}) == ["tile"]
    assert kinds(items=False) == []


def test_a_raster_has_no_provider(deployment: Deployment) -> None:
    values = {"id": "dgm", "title": {"de": "DGM"}, "description": {"de": "x"}, "source": {"kind": "raster", "location": "a.tif"}}
    made = collection(checked(contract_of(values)), deployment)
    assert (made.raster, made.facts.extent.crs84) == (True, FACTS.extent.crs84)
    assert resources.resource(made, "")["providers"] == []


@pytest.mark.parametrize("rendered", [True, False])
@pytest.mark.parametrize("name", ["berlin", "musterstadt"])
def test_pygeoapi_itself_finds_the_resources_of_both_deployments_valid(name: str, rendered: bool) -> None:
    deployment = registry.read(ROOT / "pygeoapi-config" / name)
    shown = {}
    for contract in deployment.contracts.values():
        decision = access.decide(contract, "verwaltung")
        assert decision.form is not None
        made = resources.collection(contract, deployment, decision.form, decision.reason, FACTS)
        shown[contract.id] = resources.resource(made, "https://example.org", rendered=rendered)
    config = {
        "server": {
            "bind": {"host": "127.0.0.1", "port": 5000},
            "url": "https://example.org",
            "mimetype": "application/json",
            "encoding": "utf-8",
            "map": {"url": "https://example.org", "attribution": "x"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {"title": "x", "description": "x", "keywords": ["x"], "url": "https://example.org"},
            "license": {"name": "x"},
            "provider": {"name": "x"},
            "contact": {"name": "x"},
        },
        "resources": shown,
    }
    assert len(shown) >= 9
    assert validate_config(config)


def test_the_plugins_have_the_names_that_the_resources_say() -> None:
    for name in (resources.FEATURES, resources.TILES):
        module, _, plugin = name.rpartition(".")
        path = Path(ROOT, *module.split(".")).with_suffix(".py")
        assert f"class {plugin}(" in path.read_text(encoding="utf-8")
