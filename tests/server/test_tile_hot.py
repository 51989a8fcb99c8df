"""Tiles from memory answer as the chain does: byte for byte, header for header, with a line in the log and nobody let in."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from support.postgis import Server, settings_for

from server.app import create_app
from server.layers import MAX_HEADERS
from server.tile_hot import HotLayer
from stadtgrund.store import api_keys
from stadtgrund.store.database import Database

from .conftest import KEY, Client
from .test_tiles import every_place, place


class Asked:
    """The application, and the hot layer in it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        layer = client.app._layers
        assert isinstance(layer, HotLayer)
        self.layer = layer

    def both(self, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return the answer of the chain; that of the memory is the same."""
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        self.layer._kept.clear()
        answers = [self.client.get(url, headers=asked) for _ in range(3)]
        said = [
            (
                each.status_code,
                {name: value for name, value in each.headers.items() if name != "x-request-id"},
                each.content.replace(each.headers["x-request-id"].encode(), b""),  # a problem document names it
            )
            for each in answers
        ]
        assert said[0] == said[1] == said[2]
        assert len({each.headers["x-request-id"] for each in answers}) == (1 if "x-request-id" in asked else 3)
        return said[0]

    @property
    def kept(self) -> int:
        return len(self.layer._kept)


@pytest.fixture
def asked(client: Client) -> Iterator[Asked]:
    made = Asked(client)
    yield made
    made.layer._kept.clear()
    made.layer._bytes = 0


def test_lines_of_one_list_are_one_list(client: Client, asked: Asked) -> None:
    url = place(client, 10)
    tag = client.get(url).headers["etag"]
    asked.layer._kept.clear()
    for lines, status in (
        ([("accept", "text/csv"), ("accept", "application/vnd.mapbox-vector-tile")], 200),
        ([("accept", "text/csv"), ("accept", "image/png")], 406),
        ([("if-none-match", '"x"'), ("if-none-match", tag)], 304),
    ):
        assert [client.request("GET", url, headers=lines).status_code for _ in range(3)] == [status] * 3, lines
    assert asked.kept == 2  # those that are no error


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad"])
def test_the_same_answer(asked: Asked, coding: str, tms: str) -> None:
    status, headers, body = asked.both(place(asked.client, 10, tms), accept_encoding=coding)
    assert (status, asked.kept) == (200, 1) and body
    assert headers["cache-control"] == "public, max-age=30, must-revalidate"
    assert (
        headers["access-control-allow-origin"] == "*" and "X-API-Key" in headers["vary"] and headers["x-content-type-options"] == "nosniff"
    )


def test_304_204_and_who_else_is_kept(asked: Asked) -> None:
    url = place(asked.client, 10)
    _, headers, _ = asked.both(url, accept_encoding="zstd")
    status, known, body = asked.both(url, accept_encoding="zstd", if_none_match=headers["etag"])
    assert (status, body, known["etag"], asked.kept) == (304, b"", headers["etag"], 1)
    assert asked.both(url, accept_encoding="zstd", if_none_match='"other"')[0] == 200 and asked.kept == 0, "no copy for each wrong tag"
    empty = next(each for each in every_place(asked.client, 18) if asked.client.get(each).status_code == 204)
    assert asked.both(empty)[0] == 204 and asked.kept == 1


@pytest.mark.parametrize(
    "url",
    ["/collections/masten/tiles/WebMercatorQuad/14/0/0", "/collections/masten/tiles/WebMercatorQuad", "/collections/masten/tiles",
     "{tile}?filter=nummer=7", "{tile}?f=png", "{tile}?x=1", "{tile}/", "{tile}%30", "/collections/masten/tiles/Quatsch/14/0/0"],
)  # fmt: skip
def test_what_is_not_kept(asked: Asked, url: str) -> None:
    asked.both(url.replace("{tile}", place(asked.client, 10)))
    assert asked.kept == 0


@pytest.mark.parametrize("header", [{"content_length": "0"}, {"accept": "image/png"}, {"accept": "x" * 400}, {"authorization": "Quatsch"},
                                    {"x_api_key": ""}, {"x_api_key": "sg_" + "q" * 43}])  # fmt: skip
def test_what_the_chain_must_look_at(asked: Asked, header: dict[str, str]) -> None:
    asked.both(place(asked.client, 10), **header)
    assert asked.kept == 0


def test_no_limit_is_passed_by(asked: Asked) -> None:
    url = place(asked.client, 10)
    assert asked.both(url)[0] == 200 and asked.kept == 1
    assert asked.client.get(url, headers={"x-filler": "a" * MAX_HEADERS}).status_code == 431
    assert asked.client.request("POST", url).status_code == 405
    assert asked.client.request("HEAD", url).content == b""


def test_the_own_id_of_a_request(asked: Asked) -> None:
    url = place(asked.client, 10)
    asked.both(url, x_request_id="mein-vorgang-1")
    assert asked.client.get(url, headers={"x-request-id": "mein-vorgang-1"}).headers["x-request-id"] == "mein-vorgang-1"
    assert asked.client.get(url, headers={"x-request-id": "<b>se"}).headers["x-request-id"] != "<b>se"


def test_the_same_line_in_the_log(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    url = place(asked.client, 10) + "?f=mvt"
    with caplog.at_level(logging.INFO, "server.layers"):
        asked.both(url, x_api_key=KEY)
    lines = [record.getMessage().split(" ") for record in caplog.records if record.name == "server.layers"]
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
    varying = {5, len(lines[0]) - 1}  # time, id
    assert len({tuple(word for place, word in enumerate(line) if place not in varying) for line in lines}) == 1
    assert lines[0][:3] == ["GET", url.replace("=mvt", ""), "200"] and "verwaltung" in lines[0]


def test_who_may_see_what_is_asked_each_time(server: Server, served_db: Database, asked: Asked, client: Client) -> None:
    closed = "/collections/geheimleitungen/tiles/WebMercatorQuad"
    held = client.json(closed, key=KEY)["tileMatrixSetLimits"][4]
    url = f"{closed}/{held['tileMatrix']}/{held['minTileRow']}/{held['minTileCol']}"
    status, headers, body = asked.both(url, x_api_key=KEY)
    assert status == 200 and body and asked.kept == 1 and headers["cache-control"] == "private, no-store"
    assert client.get(url).status_code == 404
    assert client.get(url, headers={"authorization": f"Bearer {KEY}"}).content == body
    assert client.get(url, headers={"authorization": f"Bearer {KEY}", "x-api-key": "sg_" + "q" * 43}).status_code == 401
    assert client.get(url, key="sg_" + "q" * 43).status_code == 401


def test_a_revoked_key_ends(server: Server, served_db: Database, asked: Asked, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    key = api_keys.create(served_db, "Kurz", "verwaltung").reveal()
    url = place(client, 10)
    asked.both(url, x_api_key=key)
    api_keys.revoke(served_db, "Kurz")
    monkeypatch.setattr("server.auth.KeyRing.TTL_S", 0.0)
    asked.layer.keys._known.clear()
    assert client.get(url, key=key).status_code == 401 and client.get(url, key=key).status_code == 401


def test_the_memory_is_bounded(asked: Asked) -> None:
    asked.layer.most_bytes, before = 20_000, asked.layer.most_bytes
    try:
        for url in every_place(asked.client, 17):
            asked.client.get(url)
            assert asked.layer._bytes <= 20_000
        assert 0 < asked.kept <= 13
        assert asked.layer._bytes == sum(len(kept.body) + 1500 for kept in asked.layer._kept.values())
    finally:
        asked.layer.most_bytes = before


def test_a_path_prefix(server: Server, served_db: Database, served_folder: object, client: Client) -> None:
    from dataclasses import replace

    settings = settings_for(server, served_db, served_folder)  # type: ignore[arg-type]
    prefixed = Client(create_app(replace(settings, server=replace(settings.server, public_url="http://localhost:5000/geo"))))
    try:
        url, own = place(client, 10), Asked(prefixed)
        plain, under = own.both(url), own.both(f"/geo{url}")
        assert plain == under and plain[2] == client.get(url).content
    finally:
        prefixed.close()
