"""Equal tags stand for equal bytes: whatever changes between two answers, and whoever of several processes gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.deployment import contract_of
from support.postgis import Server, environment, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.styles import Draw, Style, StyleRule
from stadtgrund.settings import Settings
from stadtgrund.store import forms
from stadtgrund.store.database import Database

from .conftest import HIDDEN_FIELD, KEY, POLES, Client, add_key, write_served
from .test_leaks import OPEN, urls
from .test_process import free_port, serving

BASE = "/collections/masten"
DATA = (f"{BASE}/items", f"{BASE}/items/1", f"{BASE}/items?f=csv", f"{BASE}/items?f=html", f"{BASE}/items?q=Ahorn")
WORDS = (BASE, f"{BASE}/schema", f"{BASE}/queryables", f"{BASE}/sortables", f"{BASE}/api", f"{BASE}/tiles/WebMercatorQuad")
PICTURES = ("/styles/masten", f"{BASE}/tiles/WebMercatorQuad/metadata")


class Told:
    """What was answered under each tag: (address, coding, tag) → body."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str, str], bytes] = {}
        self.before: dict[tuple[str, str], str] = {}

    def ask(self, client: Client, **headers: str) -> dict[str, str]:
        """Ask for each address and return its tag; a tag that was given before must stand for the same bytes, and be a 304."""
        tags = {}
        for url in (*DATA, *WORDS, *PICTURES):
            for coding in ("identity", "gzip"):
                response = client.get(url, headers={**headers, "accept-encoding": coding})
                assert response.status_code == 200, (url, response.text)
                tag = response.headers["etag"]
                known = self.bodies.setdefault((url, coding, tag), response.content)
                assert known == response.content, f"{url}: one tag for two answers"
                before = self.before.get((url, coding), tag)
                again = client.get(url, headers={**headers, "accept-encoding": coding, "if-none-match": before})
                assert again.status_code == (304 if before == tag else 200), (url, before, tag)
                tags[f"{url} {coding}"] = self.before[url, coding] = tag
        return tags


@pytest.fixture
def own(server: Server, db: Database, tmp_path: Path) -> Iterator[tuple[Settings, Database, registry.Deployment]]:
    folder = write_served(tmp_path / "teststadt")
    deployment = registry.read(folder, folder / "data")
    publish_rows(db, deployment, "masten", POLES)
    add_key(db)
    yield settings_for(server, db, folder), db, deployment


def test_a_304_never_lies(own: tuple[Settings, Database, registry.Deployment]) -> None:
    """Contract, style, version, language, base URL, profile and coding: each has tags of its own for what it changes."""
    settings, db, deployment = own
    told = Told()

    def apply(changed: registry.Deployment, contract: Contract) -> None:
        forms.reconcile(db, replace(changed, contracts={**changed.contracts, contract.id: contract}), contract)

    def fresh(settings: Settings = settings, **headers: str) -> dict[str, str]:
        client = Client(create_app(settings))
        try:
            return told.ask(client, **headers)
        finally:
            client.close()

    tags = fresh()
    assert fresh() == tags, "another process, the same tags"
    assert {tag.removesuffix('-gzip"') for tag in tags.values()} != set(tags.values())

    def differ(changed: dict[str, str], *kinds: tuple[str, ...]) -> None:
        for url in (url for kind in kinds for url in kind):
            for coding in ("identity", "gzip"):
                assert changed[f"{url} {coding}"] != tags[f"{url} {coding}"], url

    differ(fresh(**{"accept-language": "en"}), DATA, WORDS)
    differ(fresh(**{"x-api-key": KEY}), DATA, WORDS)
    elsewhere = replace(settings, server=replace(settings.server, public_url="https://daten.example.org/api"))
    differ(fresh(elsewhere), DATA, WORDS, PICTURES)

    contract = deployment.contract("masten")
    described = contract.model_copy(update={"description": Text(de="Andere Beschreibung.")})
    apply(deployment, described)
    differ(fresh(), DATA, WORDS)
    tags = fresh()
    red = Style(title=Text(de="Rot"), rules=(StyleRule(title=Text(de="Mast"), draw=Draw(color="#aa0000")),))
    styled = described.model_copy(update={"publish": described.publish.model_copy(update={"style": "rot"})})
    with_style = replace(deployment, styles={**deployment.styles, "rot": red})
    apply(with_style, styled)
    differ(fresh(), ("/styles/masten",))
    tags = fresh()
    blue = red.model_copy(update={"rules": (red.rules[0].model_copy(update={"draw": Draw(color="#0000aa")}),)})
    apply(replace(deployment, styles={**deployment.styles, "rot": blue}), styled)
    differ(fresh(), ("/styles/masten",))
    tags = fresh()
    publish_rows(db, deployment, "masten", [{**row, "name": "neu"} for row in POLES])
    differ(fresh(), DATA)


@pytest.mark.slow
def test_two_processes_answer_byte_equal_on_every_route(server: Server, served_db: Database, served_folder: Path, client: Client) -> None:
    """Also what is compressed, and with a key: the body to the byte, and each header but the request's number and the date."""
    env = {**environment(server, served_db, served_folder), "PUBLIC_URL": "https://daten.example.org"}
    first, second = free_port(), free_port()
    addresses = sorted({url for dataset in (*OPEN, "geheimleitungen") for url in urls(client, dataset)})
    addresses += [f"{url}{sign}f=html" for url in addresses if "/tiles/" not in url for sign in ("&" if "?" in url else "?",)]
    addresses += [f"{BASE}/items?{query}" for query in ("limit=7", "f=csv", "q=Straße", "filter=nummer>7&sortby=-name", "bbox=7,51,8,52")]
    assert len(addresses) > 150

    def answers(asking: httpx.Client, url: str) -> Any:
        given = []
        for headers in ({}, {"x-api-key": KEY}, {"accept-encoding": "identity", "accept-language": "en"}):
            response = asking.get(url, headers=headers)
            apart = ("x-request-id", "date", "server")
            body = response.content.replace(response.headers["x-request-id"].encode(), b"")
            given.append((response.status_code, body, {k: v for k, v in response.headers.items() if k not in apart}))
        return given

    with (
        serving(env, first),
        serving(env, second),
        httpx.Client(base_url=f"http://127.0.0.1:{first}", timeout=60) as one,
        httpx.Client(base_url=f"http://127.0.0.1:{second}", timeout=60) as other,
    ):
        statuses = set()
        for url in addresses:
            mine, theirs = answers(one, url), answers(other, url)
            for (status, body, headers), (status_too, body_too, headers_too) in zip(mine, theirs, strict=True):
                assert (status, headers) == (status_too, headers_too), url
                assert body == body_too, url
                statuses.add(status)
    assert {200, 404} <= statuses and not {status for status in statuses if status >= 500}


def test_a_field_with_a_reserved_name_at_the_source_says_so(own: tuple[Settings, Database, registry.Deployment]) -> None:
    """`limit` is a parameter: the contract names the field otherwise, and the schema says what it was."""
    settings, db, deployment = own
    fields = [{"name": "nr", "type": "integer"}, {"name": "limit_wert", "from": "LIMIT", "type": "integer", "title": {"de": "Grenze"}}]
    fields.append({"name": "x_wert", "from": "SG_X", "type": "integer"})
    values = {**deployment.contract("masten").canonical(), "fields": [*fields, HIDDEN_FIELD], "temporal": None, "sortables": []}
    values |= {"id_field": {"kind": "column", "column": "nr"}, "publish": {"items": True}}
    contract = contract_of(values)
    forms.reconcile(db, replace(deployment, contracts={"masten": contract}), contract)
    publish_rows(
        db, replace(deployment, contracts={"masten": contract}), "masten", [{"nr": 1, "limit_wert": 5, "geom": "POINT(360000 5700000)"}]
    )
    client = Client(create_app(settings))
    try:
        told = client.json(f"{BASE}/schema", key=KEY)["properties"]
        for name, source in (("limit_wert", "LIMIT"), ("x_wert", "SG_X")):  # names with sg_ are the platform's own
            assert told[name]["description"] == f"An der Quelle heißt das Feld „{source}“; als Name ist das der API vorbehalten."
        assert "description" not in told["nr"]
        assert client.json(f"{BASE}/items?limit_wert=5&limit=1", key=KEY)["numberMatched"] == 1
    finally:
        client.close()
