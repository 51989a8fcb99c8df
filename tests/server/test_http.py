from __future__ import annotations

import base64
import gzip
import logging

import pytest
import zstandard

from .conftest import KEY, Client

ITEMS = "/collections/masten/items"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"authorization": basic("jemand", KEY)},
        {"authorization": basic("", KEY)},
        {"x-api-key": KEY},
        {"x-api-key": KEY, "authorization": f"Bearer {KEY}"},
    ],
)
def test_a_key_opens_its_profile(client: Client, headers: dict[str, str]) -> None:
    response = client.get("/collections/geheimleitungen/items?limit=1", headers=headers)
    assert response.status_code == 200
    assert response.json()["numberMatched"] == 1777


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer falsch"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Token {KEY}"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"ohne-doppelpunkt").decode()},
        {"authorization": basic(KEY, "falsch")},
        {"authorization": ""},
        {"x-api-key": ""},
        {"x-api-key": "falsch"},
        {"x-api-key": KEY, "authorization": "Bearer falsch"},
    ],
)
@pytest.mark.parametrize("url", ["/", ITEMS, "/collections/geheimleitungen", "/gibtesnicht"])
def test_a_wrong_key_is_a_401_and_never_the_open_view(client: Client, headers: dict[str, str], url: str) -> None:
    response = client.get(url, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith('Basic realm="Stadtgrund"')
    assert response.headers["content-type"] == "application/problem+json"
    assert KEY not in response.text


def test_every_answer_is_open_to_pages_of_other_origins(client: Client) -> None:
    for url, status in ((ITEMS, 200), (f"{ITEMS}?x=1", 400), ("/gibtesnicht", 404), (f"{ITEMS}/abc", 404)):
        response = client.get(url, headers={"origin": "https://karte.example.org"})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "*"
        assert {"Content-Crs", "Link", "ETag"} <= set(response.headers["access-control-expose-headers"].split(", "))
    assert client.get("/", key="falsch").headers["access-control-allow-origin"] == "*"


def test_preflight(client: Client) -> None:
    asked = {
        "origin": "https://x.example.org",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,x-api-key",
    }
    response = client.request("OPTIONS", ITEMS, headers=asked)
    assert response.status_code == 204
    allowed = response.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed and "x-api-key" in allowed
    assert "GET" in response.headers["access-control-allow-methods"]


def test_options_head_and_other_methods(client: Client) -> None:
    assert client.request("OPTIONS", ITEMS).headers["allow"] == "GET, HEAD, OPTIONS"
    head = client.request("HEAD", f"{ITEMS}?limit=5")
    got = client.get(f"{ITEMS}?limit=5")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-crs", "cache-control"):
        assert head.headers[name] == got.headers[name]
    assert client.request("HEAD", f"{ITEMS}/999").status_code == 404
    assert client.request("HEAD", f"{ITEMS}?limit=x").status_code == 400
    assert int(client.request("HEAD", "/collections").headers["content-length"]) == len(client.get("/collections").content)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = client.request(method, ITEMS)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "url",
    [
        ITEMS,
        f"{ITEMS}/7",
        f"{ITEMS}?f=html",
        "/",
        "/collections",
        "/collections/masten",
        "/collections/masten/schema",
        "/api",
        "/conformance",
    ],
)
def test_a_304_for_who_has_the_answer(client: Client, url: str) -> None:
    tag = client.get(url).headers["etag"]
    again = client.get(url, headers={"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert "cache-control" in again.headers and "vary" in again.headers
    assert client.get(url, headers={"if-none-match": '"x"'}).status_code == 200


def test_what_changes_the_answer_changes_the_tag(client: Client) -> None:
    tags = [
        client.get(url, headers={"accept-language": language}).headers["etag"]
        for url in (ITEMS, f"{ITEMS}?limit=5", f"{ITEMS}?limit=6", f"{ITEMS}?f=html", f"{ITEMS}?f=csv", f"{ITEMS}/1", f"{ITEMS}/2")
        for language in ("de", "en")
    ]
    assert len(set(tags)) == len(tags)
    assert client.get(f"{ITEMS}?limit=5&f=json").headers["etag"] == client.get(f"{ITEMS}?f=json&limit=5").headers["etag"]


def test_compression(client: Client) -> None:
    plain = client.get(ITEMS)

    def raw(coding: str) -> tuple[str | None, bytes, str]:
        async def ask() -> tuple[str | None, bytes, str]:
            async with client.http.stream("GET", ITEMS, headers={"accept-encoding": coding}) as response:
                return (
                    response.headers.get("content-encoding"),
                    b"".join([part async for part in response.aiter_raw()]),
                    response.headers["etag"],
                )

        found: tuple[str | None, bytes, str] = client.run(ask())
        return found

    coding, body, tag = raw("gzip, zstd")
    assert coding == "zstd" and zstandard.ZstdDecompressor().decompress(body, 10**7) == plain.content
    assert tag == plain.headers["etag"][:-1] + '-zstd"'
    coding, body, tag = raw("gzip")
    assert coding == "gzip" and gzip.decompress(body) == plain.content
    for refusal in ("identity", "gzip;q=0", "br", "zstd;q=0, gzip;q=0", "gzip;q=x", "*;q=0"):
        assert raw(refusal)[0] is None, refusal
    assert raw("*")[0] == "zstd"
    assert raw("gzip;q=1, zstd;q=0.5")[0] == "gzip"
    assert client.get(ITEMS, headers={"if-none-match": tag, "accept-encoding": "gzip"}).status_code == 304
    # A copy in another coding is another representation.
    assert client.get(ITEMS, headers={"if-none-match": tag, "accept-encoding": "identity"}).status_code == 200


def test_limits(client: Client) -> None:
    assert client.get(f"{ITEMS}?filter={'a' * 20_000}").status_code == 414
    assert client.get(ITEMS, headers={"x-long": "a" * 40_000}).status_code == 431
    assert client.request("GET", ITEMS, headers={"content-length": str(10**9)}).status_code == 413
    assert client.get(f"{ITEMS}?" + "&".join(f"p{n}=1" for n in range(200))).status_code == 400


def test_request_id_and_access_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "server.layers"):
        response = client.get(f"{ITEMS}?name=Geheimer%20Name&limit=1", headers={"x-request-id": "von-vorne-123"})
        assert response.headers["x-request-id"] == "von-vorne-123"
        made = client.get(ITEMS, headers={"x-request-id": "line; injected=1 "}).headers["x-request-id"]
        assert len(made) == 16
    lines = [record.getMessage() for record in caplog.records if "von-vorne-123" in record.getMessage()]
    assert len(lines) == 1
    assert "GET /collections/masten/items?name,limit 200" in lines[0] and "open" in lines[0]
    assert "Geheimer" not in caplog.text and KEY not in caplog.text


def test_a_fault_that_nobody_foresaw_is_a_500_without_its_text(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("SELECT geheim FROM dsn")

    monkeypatch.setattr("server.params.feature_query", broken)
    response = client.get(ITEMS)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "geheim" not in response.text


def test_languages(client: Client) -> None:
    assert client.json("/collections/masten")["title"] == "Masten"
    assert client.json("/collections/masten", headers={"accept-language": "en-GB, de;q=0.5"})["title"] == "Poles"
    assert client.json("/collections/masten?lang=en", headers={"accept-language": "de"})["title"] == "Poles"
    for value in ("fr", "de;q=0", "*", ";;;,q", "en;q=0, de"):
        assert client.json("/collections/masten", headers={"accept-language": value})["title"] == "Masten", value
    assert client.get("/collections?lang=fr").status_code == 400


@pytest.mark.parametrize("accept", ["text/html;q=0", "text/html;q=", "*/*;q=0.0", ";;;", ",", "text/html;q=abc"])
def test_odd_accept_headers_are_no_fault(client: Client, accept: str) -> None:
    assert client.get("/", headers={"accept": accept}).status_code in (200, 406)


def test_a_browser_gets_pages_for_errors_too(client: Client) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    response = client.get("/collections/gibtesnicht", headers=accept)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "Nicht gefunden" in response.text
    cross = client.get(f"{ITEMS}?f=html&x=<script>alert(1)</script>")
    assert cross.status_code == 400 and "<script>" not in cross.text


def test_paths(client: Client) -> None:
    assert client.get("/collections/").status_code == 200
    for path in (
        "/gibtesnicht",
        "/collections/masten/quatsch",
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/start/x",
        "//",
        "/jobs",
        "/admin/config",
    ):
        assert client.get(path).status_code in (404, 200 if path == "//" else 404), path
