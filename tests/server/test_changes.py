"""What the server takes without a restart: versions, contracts, withdrawals, keys; and what it does without a database."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.deployment import checked, contract_of, read_now
from support.postgis import Server, settings_for
from support.rows import publish_rows

from server.app import create_app
from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract, Field
from stadtgrund.store import forms
from stadtgrund.store.applied import withdraw
from stadtgrund.store.database import Database

from .conftest import AREAS, CLOSED, KEY, LINES, POLES, Client, add_key, write_served

ITEMS = "/collections/masten/items"


@pytest.fixture
def own(server: Server, db: Database, tmp_path: Path) -> Iterator[tuple[Client, Database, registry.Deployment]]:
    """An application over a database of its own, with `masten` published."""
    folder = write_served(tmp_path / "teststadt")
    deployment = registry.read(folder, folder / "data")
    publish_rows(db, deployment, "masten", POLES)
    client = Client(create_app(settings_for(server, db, folder)))
    yield client, db, deployment
    client.close()


def soon(told: Callable[[], Any], wanted: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while (found := told()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    assert found == wanted


def changed(deployment: registry.Deployment, contract: Contract) -> registry.Deployment:
    return replace(read_now(deployment), contracts={**deployment.contracts, contract.id: contract})


def test_a_new_version_is_served_at_once_and_its_tag_is_new(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    before = client.get(ITEMS)
    publish_rows(db, deployment, "masten", POLES[:10])
    # Without waiting for the poll: the answer to a fresh request is wholly of the new version.
    after = client.get(f"{ITEMS}?limit=7")
    assert (after.json()["numberMatched"], after.json()["timeStamp"]) != (60, before.json()["timeStamp"])
    assert client.get(ITEMS, headers={"if-none-match": before.headers["etag"]}).json()["numberMatched"] == 10
    assert client.get(ITEMS).headers["etag"] != before.headers["etag"]


def test_a_304_lies_for_no_longer_than_a_poll(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    tag = client.get(ITEMS).headers["etag"]
    publish_rows(db, deployment, "masten", POLES[:10])
    soon(lambda: client.get(ITEMS, headers={"if-none-match": tag}).status_code, 200, 3)


def test_a_walk_goes_on_over_a_publish(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    page = client.json(f"{ITEMS}?limit=25")
    publish_rows(db, deployment, "masten", [row for row in POLES if row["nummer"] not in (3, 40)] + [{**POLES[0], "nummer": 30000}])
    found = [feature["id"] for feature in page["features"]]
    while following := next((link["href"] for link in page["links"] if link["rel"] == "next"), None):
        page = client.json(following)
        assert page["numberMatched"] == 59
        found += [feature["id"] for feature in page["features"]]
    assert len(found) == len(set(found))
    assert set(found) >= set(range(1, 61)) - {3, 40}


def test_a_new_contract_is_taken_without_a_restart(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    tags = {url: client.get(url).headers["etag"] for url in (ITEMS, "/collections/masten", "/api", "/collections")}
    contract = deployment.contract("masten")
    titled = contract.model_copy(update={"title": contract.title.model_copy(update={"de": "Maste & <Pfähle>"})})
    forms.reconcile(db, changed(deployment, titled), titled)
    soon(lambda: client.json("/collections/masten")["title"], "Maste & <Pfähle>")
    for url, tag in tags.items():
        assert client.get(url).headers["etag"] != tag, url
    text = client.get("/collections/masten").text
    assert '"Maste & <Pfähle>"' in text
    assert "Maste &amp; &lt;Pfähle&gt;" in client.get("/collections/masten?f=html").text


def test_a_field_that_is_closed_is_gone_at_once(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    assert "technik" in client.get(ITEMS).text
    contract = deployment.contract("masten")
    fields = tuple(f.model_copy(update={"grounds": ("business_secret",)}) if f.name == "technik" else f for f in contract.fields)
    less = checked(contract.model_copy(update={"fields": fields}))
    forms.reconcile(db, changed(deployment, less), less)
    response = client.get(ITEMS)  # the snapshot still names the column; the answer must not
    assert response.status_code == 200
    assert "technik" not in response.text
    assert client.get(f"{ITEMS}?filter=technik IS NULL").status_code == 400


def test_a_new_field_of_a_released_contract_waits_for_its_check(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    add_key(db)
    contract = deployment.contract("masten")
    added = Field.model_validate({"name": "nachtrag", "type": "string", "title": {"de": "Nachtrag"}})
    wider = contract.model_copy(update={"fields": (*contract.fields, added)})
    now = changed(deployment, wider)
    publish_rows(db, now, "masten", [{**row, "nachtrag": "unbesehen"} for row in POLES])
    base = "/collections/masten"
    tile = next(
        (f"{base}/tiles/WebMercatorQuad/{limit['tileMatrix']}/{limit['minTileRow']}/{limit['minTileCol']}")
        for limit in client.json(f"{base}/tiles/WebMercatorQuad")["tileMatrixSetLimits"]
        if limit["tileMatrix"] == "12"
    )
    told = (
        ITEMS,
        f"{ITEMS}?f=html",
        f"{ITEMS}?f=csv",
        f"{base}/items/1",
        f"{base}/schema",
        f"{base}/queryables",
        "/api",
        f"{base}/api",
        tile,
    )

    def tell(key: str | None = None) -> list[str]:
        return [url for url in told if re.search(b"nachtrag|unbesehen", client.get(url, key=key).content, re.IGNORECASE)]

    soon(lambda: tell(KEY), list(told))
    assert tell() == []
    assert client.get(f"{ITEMS}?nachtrag=unbesehen").status_code == 400
    released = checked(wider)
    forms.reconcile(db, changed(deployment, released), released)
    soon(tell, list(told))


def test_a_dataset_that_is_withdrawn_is_unknown(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, _ = own
    same = {"x-request-id": "immer-gleich"}
    unknown = client.get("/collections/gibtesnicht/items", headers=same)
    withdraw(db, "masten")
    response = client.get(ITEMS, headers=same)
    assert response.status_code == 404
    assert response.text == unknown.text.replace("gibtesnicht", "masten")
    soon(lambda: client.json("/collections")["collections"], [])
    assert client.get("/collections/masten").status_code == 404


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("server.host.Connections.settle", "open: connections could not be given back"),
        ("server.host.Profile.refresh", "open: the state could not be read"),
    ],
)
def test_polling_goes_on_whatever_broke(
    own: tuple[Client, Database, registry.Deployment],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    told: str,
) -> None:
    client, db, _ = own
    assert len(client.json("/collections")["collections"]) == 1
    failed = threading.Event()

    async def broken(_: object) -> None:
        failed.set()
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as patch:
        patch.setattr(step, broken)
        assert failed.wait(20)
    withdraw(db, "masten")
    soon(lambda: client.json("/collections")["collections"], [], 10)
    assert "nobody foresaw this" in caplog.text and told in caplog.text


def test_a_collection_that_cannot_be_read_is_left_out_and_the_others_stay_current(
    own: tuple[Client, Database, registry.Deployment], caplog: pytest.LogCaptureFixture
) -> None:
    client, db, deployment = own
    publish_rows(db, deployment, "gebiete", AREAS)
    soon(lambda: client.get("/collections/gebiete").status_code, 200)
    with db.connect("owner", autocommit=True) as connection:
        connection.execute("UPDATE meta.state SET collection = '{\"of\": \"newer code\"}', digest = 'other' WHERE dataset = 'masten'")
    assert client.get(ITEMS).status_code == 404
    publish_rows(db, deployment, "gebiete", AREAS[:1])
    soon(lambda: client.json("/collections/gebiete/items")["numberMatched"], 1)
    assert [each["id"] for each in client.json("/collections")["collections"]] == ["gebiete"]
    assert "open: masten cannot be read and is not served" in caplog.text
    publish_rows(db, deployment, "masten", POLES)
    soon(lambda: client.get(ITEMS).status_code, 200)


def test_what_is_released_appears_for_all(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    add_key(db)
    publish_rows(db, deployment, "geheimleitungen", LINES)
    soon(lambda: client.get("/collections/geheimleitungen", key=KEY).status_code, 200)
    assert client.get("/collections/geheimleitungen").status_code == 404
    released = checked(contract_of(CLOSED))
    forms.reconcile(db, changed(deployment, released), released)
    soon(lambda: client.get("/collections/geheimleitungen").status_code, 200)
    assert client.json("/collections/geheimleitungen/items")["numberMatched"] == 1777


def test_a_revoked_key_ends_within_seconds(own: tuple[Client, Database, registry.Deployment], monkeypatch: pytest.MonkeyPatch) -> None:
    client, db, _ = own
    monkeypatch.setattr("server.auth.KeyRing.TTL_S", 0.3)
    assert client.get("/", key=KEY).status_code == 401
    add_key(db)
    soon(lambda: client.get("/", key=KEY).status_code, 200)
    with db.connect("owner", autocommit=True) as connection:
        connection.execute("UPDATE meta.api_key SET revoked = now()")
    soon(lambda: client.get("/", key=KEY).status_code, 401)


def test_a_publish_under_load_mixes_no_versions(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, deployment = own
    stop = threading.Event()
    seen: set[tuple[int, str]] = set()
    wrong: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            response = client.get(f"{ITEMS}?limit=1000")
            if response.status_code != 200:
                wrong.append(response.text)
                return
            page = response.json()
            names = {feature["properties"]["name"] for feature in page["features"]}
            if page["numberMatched"] != page["numberReturned"] or len(names) != 1:
                wrong.append(f"{page['numberMatched']} {page['numberReturned']} {names}")
            seen.add((page["numberMatched"], names.pop()))

    publish_rows(db, deployment, "masten", [{**row, "name": "v0"} for row in POLES])
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(1, 6):
        publish_rows(db, deployment, "masten", [{**row, "name": f"v{version}"} for row in POLES[: 60 - version]])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen <= {(60 - version, f"v{version}") for version in range(6)} and len(seen) > 2


def test_a_database_that_is_gone_is_a_503_and_comes_back(server: Server, own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, _ = own
    assert client.get(ITEMS).status_code == 200
    with server.superuser() as superuser:
        superuser.execute(f'ALTER DATABASE "{db.name}" ALLOW_CONNECTIONS false')
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (db.name,))
    try:
        response = client.get(ITEMS)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["access-control-allow-origin"] == "*"
        assert db.name not in response.text and "psycopg" not in response.text
        assert client.get("/", key="sg_unbekannt").status_code == 503  # not known to be wrong, and never open
        assert client.get("/collections").status_code == 200  # what is known is known
        time.sleep(2.5)  # long enough for pauses between attempts to grow, if they did
        for _ in range(3):
            started = time.monotonic()
            assert client.get(ITEMS).status_code == 503
            assert time.monotonic() - started < 5
    finally:
        with server.superuser() as superuser:
            superuser.execute(f'ALTER DATABASE "{db.name}" ALLOW_CONNECTIONS true')
    soon(lambda: client.get(ITEMS).status_code, 200)


@pytest.mark.slow
def test_a_statement_over_its_time_is_a_503_that_says_so(own: tuple[Client, Database, registry.Deployment]) -> None:
    client, db, _ = own

    async def lower() -> None:
        for pool in client.app.profiles["open"].connections.pools.values():
            for _ in range(8):  # each connection of the pool
                async with pool.connection() as connection:
                    await connection.execute("SET statement_timeout = 1")

    client.run(lower())
    with db.connect("owner") as owner, owner.transaction():
        owner.execute("LOCK TABLE meta.state IN ACCESS EXCLUSIVE MODE")
        response = client.get(f"{ITEMS}?limit=3")
    assert response.status_code == 503
    assert "time limit" in response.json()["detail"]
