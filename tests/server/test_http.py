from __future__ import annotations

import asyncio
import base64
import gzip
import html
import json
import logging
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
import yaml
import zstandard
from psycopg import sql
from support.postgis import Server, settings_for

from server.answer import Message, Receive, Scope, Send
from server.app import create_app
from server.city import City
from server.errorpages import ErrorPage
from server.layers import ProblemLayer
from server.pages import Pages
from stadtgrund.errors import InvalidParameter
from stadtgrund.store.database import Database

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
    for coding in ("identity", "gzip", "zstd"):  # the length and the tag of what GET would send
        asked = {"accept-encoding": coding}
        head, got = client.request("HEAD", "/collections", headers=asked), client.get("/collections", headers=asked)
        for name in ("content-length", "content-encoding", "etag", "content-type", "vary"):
            assert head.headers.get(name) == got.headers.get(name), (coding, name)
        assert head.content == b"" and head.headers.get("content-encoding", "identity") == coding
    missing = client.request("HEAD", "/collections/gibtesnicht")
    assert (missing.status_code, missing.content) == (404, b"") and int(missing.headers["content-length"]) > 0
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


@pytest.fixture
def beside(server: Server, served_db: Database, served_folder: Path, tmp_path: Path) -> Iterator[Callable[[str, str], Client]]:
    """Another application over the same database, with one more file in its deployment's folder."""
    made: list[Client] = []

    def make(name: str, text: str) -> Client:
        folder = tmp_path / str(len(made)) / served_folder.name
        shutil.copytree(served_folder, folder)
        if name:
            (folder / name).write_text(text, "utf-8")
        made.append(Client(create_app(settings_for(server, served_db, folder))))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_what_the_deployment_says_changes_the_tag(client: Client, beside: Callable[[str, str], Client]) -> None:
    urls = ("/", "/collections", "/collections?f=html", "/viewer/config.json")

    def tags(of: Client) -> list[str]:
        return [of.get(url).headers["etag"] for url in urls]

    assert tags(beside("", "")) == tags(client)  # another worker, another start
    said = client.app.profiles["open"].city.pygeoapi("http://localhost:5000", {})["metadata"]["identification"]
    for name, text in (
        ("server.yml", yaml.safe_dump({"metadata": {"identification": {**said, "title": {"de": "Anders", "en": "Other"}}}})),
        ("viewer.yml", "shown: [masten]"),
    ):
        assert not set(tags(client)) & set(tags(beside(name, text))), name


def test_a_template_of_the_deployment_changes_the_tag(server: Server, tmp_path: Path, served_folder: Path) -> None:
    folder = tmp_path / "teststadt"
    shutil.copytree(served_folder, folder)
    (folder / "server.yml").write_text("server: {templates: {path: vorlagen}}", "utf-8")
    (folder / "vorlagen").mkdir()
    found = []
    for text in ("eins", "zwei", "eins"):
        (folder / "vorlagen" / "landing_page.html").write_text(text, "utf-8")
        found.append(City.read(folder).digest)
    assert found[0] == found[2] != found[1]


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


def test_a_tiny_answer_and_one_that_is_compressed_already_stay_as_they_are(client: Client) -> None:
    coded = {"accept-encoding": "gzip, zstd"}
    small = client.get("/gibtesnicht", headers=coded)
    assert len(small.content) < 1000 and "content-encoding" not in small.headers
    assert client.get("/static/icon.svg", headers=coded).status_code == 200
    project = client.get("/qgis.qgz", headers=coded)
    assert project.content[:2] == b"PK" and "content-encoding" not in project.headers
    for answer in (small, project):
        assert "Accept-Encoding" in answer.headers["vary"]


@pytest.fixture
def locked(served_db: Database) -> Iterator[None]:
    """Hold each table with rows of `masten`, so that who reads it waits."""
    with served_db.connect("owner") as owner:
        found = owner.execute(
            "SELECT relnamespace::regnamespace::text, relname FROM pg_class"
            " WHERE relnamespace IN ('data'::regnamespace, 'rel'::regnamespace) AND relkind = 'r' AND relname ~ 'masten'"
        ).fetchall()
        assert {schema for schema, _ in found} == {"data", "rel"}
        for name in found:
            owner.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*name)))
        yield


def test_who_has_the_answer_and_who_wants_no_body_cost_no_query(client: Client, request: pytest.FixtureRequest) -> None:
    tile = "/collections/masten/tiles/WebMercatorQuad/14/5453/8509"
    urls = [ITEMS, f"{ITEMS}?filter=nummer>3&sortby=name", f"{ITEMS}?f=html", f"{ITEMS}?f=csv", f"{ITEMS}/7", tile, "/collections/masten"]
    tags = {url: client.get(url).headers["etag"] for url in urls}
    request.getfixturevalue("locked")

    def quickly(method: str, url: str, tag: str) -> int:
        return client.request(method, url, headers={"if-none-match": tag}, timeout=5).status_code

    for method in ("GET", "HEAD"):
        assert {url: quickly(method, url, f'{tag}, "x"') for url, tag in tags.items()} == dict.fromkeys(urls, 304), method
    without_body = [url for url in urls if url != f"{ITEMS}/7"]  # whether there is a 7, only the rows say
    assert {url: quickly("HEAD", url, '"x"') for url in without_body} == dict.fromkeys(without_body, 200)
    assert {url: quickly("OPTIONS", url, '"x"') for url in urls} == dict.fromkeys(urls, 204)

    async def waits() -> None:  # the proof that the lock would hold a query up
        await asyncio.wait_for(client.http.get(ITEMS), 0.5)

    with pytest.raises(TimeoutError):
        client.run(waits())


def test_nothing_but_an_image_is_not_acceptable(client: Client) -> None:
    for url in ("/", ITEMS, f"{ITEMS}/7", "/collections/masten/schema", "/api", "/collections/masten/tiles/WebMercatorQuad/14/5453/8509"):
        response = client.get(url, headers={"accept": "image/png"})
        assert response.status_code == 406, url
        assert response.headers["content-type"] == "application/problem+json"
        assert "Offered: " in response.json()["detail"]


PROBLEMS = [
    ("GET", "/gibtesnicht", 404),
    ("GET", "/collections/gibtesnicht/items", 404),
    ("GET", f"{ITEMS}?limit=x", 400),
    ("GET", f"{ITEMS}?limit=1&limit=2", 400),
    ("GET", f"{ITEMS}?name=%zz", 400),
    ("GET", f"{ITEMS}?name=%", 400),
    ("GET", f"{ITEMS}?name=%ff", 400),
    ("GET", f"{ITEMS}?%ff=1", 400),
    ("GET", f"{ITEMS}?name=a%00b", 400),
    ("GET", f"{ITEMS}?%00=1", 400),
    ("GET", "/collections/%ff/items", 400),
    ("GET", "/collections/100%/items", 400),
    ("GET", "/collections/%00/items", 404),
    ("GET", f"{ITEMS}/%00", 404),
    ("GET", f"{ITEMS}?" + "a" * 20_000, 414),
    ("POST", ITEMS, 405),
    ("BREW", "/", 405),
    ("DELETE", "/processes/x/execution", 405),
]


@pytest.mark.parametrize(("method", "url", "status"), PROBLEMS, ids=lambda value: str(value)[:50])
def test_every_error_is_a_problem_document_with_the_number_of_its_request(client: Client, method: str, url: str, status: int) -> None:
    for language in ("de", "en"):
        response = client.request(method, url, headers={"x-request-id": "frage-0815", "accept-language": language})
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["x-request-id"] == "frage-0815"
        document = response.json()
        assert (document["status"], document["requestId"]) == (status, "frage-0815")
        assert set(document) >= {"type", "title", "detail", "instance"}
    assert ("allow" in response.headers) == (status == 405)


def test_a_repeated_parameter_is_named(client: Client) -> None:
    problem = client.get(f"{ITEMS}?name=a&limit=3&name=b").json()
    assert (problem["parameter"], problem["allowed"]) == ("name", "one value: the parameter is given once")


def test_plus_is_a_space_and_an_escaped_plus_is_a_plus(client: Client) -> None:
    for written, found in (
        ("name=a%3Cb%3E%26c", 9),
        ("filter=name='a<b>%26c'", 9),
        ("filter=name+=+'Ahorn'", 8),
        ("filter=name=%2B", None),
    ):
        response = client.get(f"{ITEMS}?{written}&limit=1")
        assert (response.json()["numberMatched"] if found else response.status_code) == (found or 400), written
    assert "+01:00" not in client.get(f"{ITEMS}?datetime=2024-01-01T00:00:00+01:00").text
    assert client.get(f"{ITEMS}?datetime=2024-01-01T00:00:00%2B01:00").status_code == 200


def test_cors_and_vary_stand_once_on_every_answer(client: Client) -> None:
    asked = [
        ("GET", url, key)
        for url in (ITEMS, f"{ITEMS}?f=html", "/api", "/gibtesnicht", "/static/stadtgrund.css")
        for key in (None, KEY, "falsch")
    ]
    asked += [("OPTIONS", ITEMS, None), ("POST", ITEMS, None)]
    for method, url, key in asked:
        headers = {"origin": "https://karte.example.org", **({"authorization": f"Bearer {key}"} if key else {})}
        response = client.request(method, url, headers=headers)
        assert response.headers.get_list("access-control-allow-origin") == ["*"], (method, url)
        assert response.headers.get_list("vary") == ["Accept, Accept-Encoding, Accept-Language, Authorization, X-API-Key"]
        assert "access-control-allow-credentials" not in response.headers
        if key == KEY and response.status_code == 200:
            assert response.headers["cache-control"] == "private, no-store" or url.startswith("/static"), url


def test_limits(client: Client) -> None:
    assert client.get(f"{ITEMS}?filter={'a' * 20_000}").status_code == 414
    assert client.get(ITEMS, headers={"x-long": "a" * 40_000}).status_code == 431
    assert client.request("GET", ITEMS, headers={"content-length": str(10**9)}).status_code == 413
    assert client.get(f"{ITEMS}?" + "&".join(f"p{n}=1" for n in range(200))).status_code == 400


def test_a_body_that_does_not_arrive_is_waited_for_only_so_long(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.execution._BODY_S", 0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"inputs":'
        await asyncio.sleep(30)

    json_ = {"content-type": "application/json"}
    response = client.request("POST", "/processes/echo/execution", content=slowly(), headers=json_)
    assert (response.status_code, response.headers["content-type"]) == (408, "application/problem+json")


def test_request_id_and_access_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "server.layers"):
        response = client.get(f"{ITEMS}?name=Geheimer%20Name&limit=1", headers={"x-request-id": "von-vorne-123"})
        assert response.headers["x-request-id"] == "von-vorne-123"
        made = client.get(ITEMS, headers={"x-request-id": "line; injected=1 "}).headers["x-request-id"]
        assert len(made) == 16
    lines = [record.getMessage() for record in caplog.records if "von-vorne-123" in record.getMessage()]
    assert len(lines) == 1
    assert re.fullmatch(r"GET /collections/masten/items\?name,limit 200 \d+ B \d+\.\d ms open 127\.0\.0\.1 \[von-vorne-123\]", lines[0])
    assert "Geheimer" not in caplog.text and KEY not in caplog.text


@pytest.mark.parametrize(("url", "said"), [("/nix%0aFAKE", r"/nix\nFAKE 404"), ("/?x%0aFAKE=1", r"/?x\nFAKE 400")])
def test_nobody_writes_a_line_into_the_log(client: Client, caplog: pytest.LogCaptureFixture, url: str, said: str) -> None:
    with caplog.at_level(logging.INFO, "server.layers"):
        client.get(url)
    assert f"GET {said}" in caplog.text and "\nFAKE" not in caplog.text


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_half_a_character_in_an_error_is_no_fault(served_folder: Path, accept: str) -> None:
    """A JSON body may hold half a surrogate pair, and the error repeats it."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        raise InvalidParameter("response", "x\ud800", "raw, \ud800")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    layer = ProblemLayer(refuse, ErrorPage(Pages(None), City.read(served_folder), "http://localhost:5000"))
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [(b"accept", accept.encode())]}
    asyncio.run(layer(scope, receive, send))
    start, body = sent
    assert start["status"] == 400
    if accept == "application/json":
        assert json.loads(body["body"])["allowed"] == "raw, \ud800"
    else:
        assert "Allowed: raw, ?" in body["body"].decode()


def test_lines_of_one_list_are_one_list(client: Client) -> None:
    def ask(*headers: tuple[str, str], url: str = ITEMS) -> httpx.Response:
        return client.request("GET", url, headers=list(headers))

    assert ask(("accept", "image/png"), ("accept", "text/csv")).headers["content-type"].startswith("text/csv")
    assert ask(("accept-encoding", "br"), ("accept-encoding", "gzip")).headers["content-encoding"] == "gzip"
    assert ask(("accept-language", "fr"), ("accept-language", "en"), url="/collections/masten").json()["title"] == "Poles"
    tag = client.get(ITEMS).headers["etag"]
    assert ask(("if-none-match", '"x"'), ("if-none-match", tag)).status_code == 304
    assert ask(("x-api-key", KEY), ("x-api-key", "falsch")).status_code == 401


def test_a_fault_that_nobody_foresaw_is_a_500_without_its_text(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("SELECT geheim FROM dsn")

    monkeypatch.setattr("server.params.feature_query", broken)
    response = client.get(f"{ITEMS}?limit=47")  # asked nowhere else, or it would be remembered
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "geheim" not in response.text
    assert response.json()["requestId"] == response.headers["x-request-id"]


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


BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "accept-language": "en"}


@pytest.mark.parametrize("query", ["lang=fr", "f=xml", "f=csv&limit=0", "f=html&lang=fr", "limit=0"])
def test_a_browser_that_asks_amiss_gets_a_page(client: Client, query: str) -> None:
    response = client.get(f"{ITEMS}?{query}", headers=BROWSER)
    assert response.status_code == 400 and response.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in response.text
    if not query.startswith("f=html"):
        assert client.get(f"{ITEMS}?{query}").headers["content-type"] == "application/problem+json"


def test_who_names_json_gets_it_for_errors_too(client: Client) -> None:
    for name in ("json", "geojson"):
        response = client.get(f"{ITEMS}?f={name}&limit=0", headers=BROWSER)
        assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/collections", {"q": 'a"b<c&d ä'}),
        (ITEMS, {"filter": "name = 'a<b>&c'", "limit": "3", "bbox": "6,51,8,52"}),
        (f"{ITEMS}/1", {"properties": "name"}),
        ("/tiles", {"collections": "masten,gebiete"}),
        (ITEMS, {"limit": "0", "q": '"><script>'}),
    ],
)
def test_the_other_language_keeps_what_was_asked(client: Client, path: str, query: dict[str, str]) -> None:
    page = client.get(path, params={**query, "f": "html", "lang": "de"}).text
    (href,) = re.findall(r'<a href="([^"]*)" hreflang="en" lang="en">', page)
    assert dict(parse_qsl(html.unescape(href).removeprefix("?"))) == {**query, "f": "html", "lang": "en"}
    assert not re.search(r"&(?!\w+;)|[<>]", href)


@pytest.mark.parametrize("name", ["api_key", "key", "token", "apikey", "access_token", "X-API-Key"])
@pytest.mark.parametrize("path", ["/", ITEMS, f"{ITEMS}/1"])
def test_a_key_in_the_address_is_refused_and_not_repeated(client: Client, path: str, name: str) -> None:
    for query in (f"{name}={KEY}", f"{name}={KEY}&{name}={KEY}", f"{name}={KEY}%00"):
        for form in ("json", "html"):
            response = client.get(f"{path}?f={form}&{query}")
            assert response.status_code == 400 and KEY not in response.text, query
            assert "header Authorization or X-API-Key" in response.text


def test_paths(client: Client) -> None:
    assert client.get("/collections/").status_code == 200
    for path in (
        "/gibtesnicht",
        "/collections/masten/quatsch",
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/start/x",
        "//",
        "/jobs/x",
        "/admin/config",
    ):
        assert client.get(path).status_code in (404, 200 if path == "//" else 404), path
