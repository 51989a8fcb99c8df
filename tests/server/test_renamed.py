"""A collection under the names that it had before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.deployment import MASTEN, checked, contract_of, write_deployment
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry

from .conftest import CLOSED, KEY, LINES, POLES, Client, add_key

BASE = "https://geo.example.org/stadt/api"


@pytest.fixture(scope="module")
def renamed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """`masten` and a closed layer, both with former names, below a path prefix."""
    folder = write_deployment(
        tmp_path_factory.mktemp("renamed") / "teststadt",
        checked(contract_of(MASTEN, identifiers=["ms:masten", "lichtmast", "alt/masten"])),
        checked(contract_of(CLOSED, identifiers=["altgeheim"]), "security_critical"),
    )
    db = server.clone()
    deployment = registry.read(folder, folder / "data")
    publish_rows(db, deployment, "masten", POLES[:3])
    publish_rows(db, deployment, "geheimleitungen", LINES[:3])
    add_key(db)
    settings = settings_for(server, db, folder)
    made = Client(create_app(replace(settings, server=replace(settings.server, public_url=BASE))))
    yield made
    made.close()
    server.drop(db.name)


@pytest.mark.parametrize(
    ("asked", "present"),
    [
        ("/collections/lichtmast", "/collections/masten"),
        ("/collections/ms:masten", "/collections/masten"),
        ("/collections/ms%3Amasten/", "/collections/masten"),
        ("/collections/lichtmast/items", "/collections/masten/items"),
        (
            "/collections/lichtmast/items?filter=name%20=%20'M%C3%BC%26'&limit=1",
            "/collections/masten/items?filter=name%20=%20'M%C3%BC%26'&limit=1",
        ),
        ("/collections/lichtmast/items/1", "/collections/masten/items/1"),
        ("/collections/lichtmast/items/a%20b%2Fc%2F", "/collections/masten/items/a%20b/c%2F"),
        ("/collections/lichtmast/items/lichtmast", "/collections/masten/items/lichtmast"),
        ("/collections/lichtmast/schema", "/collections/masten/schema"),
        ("/collections/lichtmast/tiles/WebMercatorQuad/10/340/531", "/collections/masten/tiles/WebMercatorQuad/10/340/531"),
        ("/collections/lichtmast/files/lichtmast.gpkg", "/collections/masten/files/lichtmast.gpkg"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/stadt/api"])
def test_a_former_name_leads_to_the_collection(renamed: Client, asked: str, present: str, prefix: str) -> None:
    answer = renamed.get(prefix + asked, headers={"origin": "https://karte.example.org"})
    assert (answer.status_code, answer.headers["location"]) == (308, BASE + present)
    assert answer.headers["access-control-allow-origin"] == "*" and answer.headers["cache-control"].startswith("public, max-age=30")
    assert renamed.request("HEAD", prefix + asked).headers["location"] == BASE + present


def test_the_former_name_of_a_closed_collection_is_unknown(renamed: Client) -> None:
    for below in ("", "/items", "/items/77000001", "/schema", "/tiles/WebMercatorQuad/10/340/531", "/download"):
        closed, unknown = (renamed.get(f"/collections/{name}{below}") for name in ("altgeheim", "unbekannt"))
        assert closed.status_code == unknown.status_code == 404
        said, known = ({**answer.json(), "requestId": ""} for answer in (closed, unknown))
        assert said == json.loads(json.dumps(known).replace("unbekannt", "altgeheim"))
        assert closed.headers.keys() == unknown.headers.keys()
    answer = renamed.get("/collections/altgeheim/items", key=KEY)
    assert (answer.status_code, answer.headers["location"]) == (308, f"{BASE}/collections/geheimleitungen/items")
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_present_id_and_other_paths_are_not_redirected(renamed: Client) -> None:
    assert renamed.get("/collections/masten").status_code == 200
    assert renamed.get("/collections/masten/items/lichtmast").status_code == 404
    assert renamed.get("/collections/lichtmast/gibtesnicht").status_code == 404
    assert renamed.get("/collections/alt%2Fmasten").status_code == 404  # docs/contracts.md
    assert renamed.request("POST", "/collections/lichtmast/items").status_code == 405
