"""No id, title, count or value of what is closed is in any answer that is open."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.routing import Route

from .conftest import KEY, Client

# What only the closed layer, or the field that is not open, would say.
SECRETS = re.compile(
    r"geheimleitungen|verborgene|secret lines|verbaumaterial|asbest|leitungsnr|\b7700[01]\d{3}\b|betreiberkonto|konto-\d", re.IGNORECASE
)
COUNT = 1777  # rows of the closed layer; nothing else in the answers has this number
PLACES = {
    "tms": ["WebMercatorQuad"],
    "fid": ["1", "77000001", "01%2Fx"],
    "door": ["qgis", "planung", "entwicklung"],
    "name": ["stadtgrund.css", "icon.svg", "viewer.js", "raster.tif"],
    "process": ["construction_overlay", "echo"],
    "job": ["0642062f-ad40-4ddd-8585-87257c659252", "x"],
}
ASSETS = re.compile(r"/static/|favicon|/viewer/viewer\.js")  # the same bytes for everybody
OPEN = ("masten", "gebiete", "zahlen")
HIDDEN, UNKNOWN = "geheimleitungen", "gibtesnicht"
SAME = {"x-request-id": "immer-gleich"}
"""A problem names its request."""


def tiles(client: Client, dataset: str, key: str | None = None) -> list[tuple[int, int, int]]:
    response = client.get(f"/collections/{dataset}/tiles/WebMercatorQuad", key=key)
    if response.status_code != 200:
        return [(14, 5440, 8510)]
    return [(int(t["tileMatrix"]), t["minTileRow"], t["minTileCol"]) for t in response.json()["tileMatrixSetLimits"]]


def urls(client: Client, dataset: str) -> Iterator[str]:
    """Yield an address of each route of the running application, filled in for a collection."""
    for route in client.app.routes:
        assert isinstance(route, Route)
        path = route.path.replace("{dataset}", dataset).replace("{fid:path}", "{fid}")
        if "{z}" in path:
            for z, y, x in tiles(client, dataset):
                yield path.format(tms="WebMercatorQuad", z=z, y=y, x=x)
            continue
        names = re.findall(r"{(\w+)}", path)
        if not names:
            yield path
        for value in PLACES[names[0]] if names else ():
            yield path.replace(f"{{{names[0]}}}", value)


def seen(response: httpx.Response) -> str:
    """Return what an answer tells: its text and its headers, without moments, hashes and lengths, whose digits are chance."""
    headers = {name: value for name, value in response.headers.items() if name not in ("x-request-id", "etag", "content-length")}
    text = response.content.decode("latin-1") + "\n".join(f"{name}: {value}" for name, value in headers.items())
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", text)


def test_the_words_are_secret_and_the_administration_sees_them(client: Client) -> None:
    """Else the walk below proves nothing."""
    assert SECRETS.search(client.get("/collections", key=KEY).text)
    assert client.json("/collections/geheimleitungen/items", key=KEY)["numberMatched"] == COUNT
    assert "Asbestzement-1" in client.get("/collections/geheimleitungen/items", key=KEY).text
    assert "DE-KONTO-1" in client.get("/collections/masten/items", key=KEY).text
    found = [
        client.get(f"/collections/geheimleitungen/tiles/WebMercatorQuad/{z}/{y}/{x}", key=KEY) for z, y, x in tiles(client, HIDDEN, KEY)
    ]
    assert b"Asbestzement" in b"".join(response.content for response in found)


@pytest.mark.parametrize("form", ["", "?f=json", "?f=html", "?f=html&lang=en", "?f=csv", "?f=tilejson", "?f=mvt"])
def test_no_open_answer_of_any_route_tells_what_is_closed(client: Client, form: str) -> None:
    walked = 0
    for dataset in (*OPEN, UNKNOWN):
        for url in urls(client, dataset):
            text = seen(client.get(url + form))
            if "77000001" in url:
                text = text.replace("77000001", "")  # what was asked for is told back
            assert not SECRETS.search(text), (url, SECRETS.search(text))
            assert not re.search(rf"\b{COUNT}\b|\b1[.,]777\b", text), url
            walked += 1
    assert walked > 100


@pytest.mark.parametrize(
    "form", ["", "?f=json", "?f=html", "?f=csv", "?f=mvt", "?quatsch=1", "?filter=verbaumaterial='Asbestzement-1'", "?limit=0"]
)
def test_a_hidden_collection_is_answered_as_an_unknown_one(client: Client, form: str) -> None:
    def answers(dataset: str) -> list[tuple[int, dict[str, str], str]]:
        found = []
        for url in urls(client, dataset):
            if dataset in url:
                response = client.get(url + form, headers=SAME)
                kept = {n: v for n, v in response.headers.items() if n not in ("x-request-id", "content-length", "etag")}
                found.append((response.status_code, kept, response.text.replace(dataset, "ID")))
        return found

    hidden, unknown = answers(HIDDEN), answers(UNKNOWN)
    assert len(hidden) == len(unknown) > 8
    assert hidden == unknown
    assert {status for status, _, _ in hidden} <= {400, 404}


@pytest.mark.parametrize(
    "query",
    [
        "betreiberkonto=DE-KONTO-7",
        "filter=betreiberkonto='DE-KONTO-7'",
        "filter=betreiberkonto LIKE 'DE%'",
        "sortby=betreiberkonto",
        "properties=betreiberkonto",
        'filter={"op":"=","args":[{"property":"betreiberkonto"},"DE-KONTO-7"]}&filter-lang=cql2-json',
    ],
)
def test_a_field_that_is_not_open_is_no_oracle(client: Client, query: str) -> None:
    closed = client.get(f"/collections/masten/items?{query}", headers=SAME)
    unknown = client.get(f"/collections/masten/items?{query.replace('betreiberkonto', 'gibtsbestimmtnicht')}", headers=SAME)
    assert closed.status_code == unknown.status_code == 400
    assert closed.text == unknown.text.replace("gibtsbestimmtnicht", "betreiberkonto")


def test_the_administration_reaches_all_routes(client: Client) -> None:
    for url in urls(client, HIDDEN):
        assert client.get(url, key=KEY).status_code in (200, 204, 303, 308, 404, 405), url  # 405: an execution is a POST
    assert client.get("/collections/geheimleitungen", key=KEY).status_code == 200


def test_answers_to_a_key_are_kept_nowhere(client: Client) -> None:
    for url in urls(client, "masten"):
        response = client.get(url, key=KEY)
        if response.status_code in (200, 204) and not ASSETS.search(url):
            assert response.headers["cache-control"] == "private, no-store", url
        assert "Authorization, X-API-Key" in response.headers["vary"], url


def test_equal_tags_never_stand_for_two_profiles(client: Client) -> None:
    for url in urls(client, "masten"):
        if ASSETS.search(url):
            continue
        mine, theirs = client.get(url).headers.get("etag"), client.get(url, key=KEY).headers.get("etag")
        assert mine is None or mine != theirs, url
        if theirs:
            assert client.get(url, headers={"if-none-match": theirs}).status_code != 304, url
