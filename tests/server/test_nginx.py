"""Behind a real nginx with the configuration that docs/operations.md gives: links, caching, compression, whose word counts."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from support.postgis import Server, environment
from support.served import free_port, running

from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

from .conftest import KEY

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
ITEMS = "/collections/masten/items"
CLOSED = "/collections/geheimleitungen/items?limit=3"


def documented() -> str:
    """Return the configuration of the page for operators."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@contextmanager
def nginx(folder: Path, port: int, upstream: int, changed: Callable[[str], str] = lambda text: text) -> Iterator[str]:
    """Run nginx with the documented configuration, other ports and folders put in; return the address under it."""
    assert NGINX
    folder.mkdir()
    text = documented()
    for there, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:5000", f"127.0.0.1:{upstream}"),
        ("/var/cache/nginx/stadtgrund", f"{folder}/cache"),
    ):
        assert there in text
        text = text.replace(there, here)
    places = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; types {{ }} {places}\n{changed(text)}\n}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-e", folder / "error.log"], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < end, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield f"http://localhost:{port}/geodaten"
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def served(
    server: Server, served_db: Database, served_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, int, Path]]:
    """A server that nginx shall stand before: nginx's port, its own, its log."""
    front, back = free_port(), free_port()
    log = tmp_path_factory.mktemp("behind") / "log"
    env = {
        **environment(server, served_db, served_folder),
        "STADTGRUND_PORT": str(back),
        "STADTGRUND_WORKERS": "1",
        "STADTGRUND_PROXIES": "127.0.0.1",
        "PUBLIC_URL": f"http://localhost:{front}/geodaten",
    }
    with running([ROOT / ".venv" / "bin" / "stadtgrund", "serve"], env, f"http://127.0.0.1:{back}", log):
        yield front, back, log


def client(**more: object) -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=20, headers={"accept-encoding": "identity"}, **more)  # type: ignore[arg-type]


def links(response: httpx.Response) -> set[str]:
    """Return each address that a document names, as a client would ask for it."""
    kind = response.headers["content-type"]
    found = set(re.findall(r"<([^>]+)>", response.headers.get("link", "")))
    if "json" in kind:
        found |= set(re.findall(r'"((?:https?:)?//[^"\s]+)"', response.text))
    elif "html" in kind:
        found |= {unescape(url) for url in re.findall(r'(?:href|src|action)="([^"#]*)', response.text)}
    return {urljoin(str(response.url), url) for url in found}


@pytest.mark.parametrize("stripped", [False, True], ids=["prefix handed on", "prefix taken off"])
def test_every_link_leads_through_the_proxy(served: tuple[int, int, Path], tmp_path: Path, stripped: bool) -> None:
    front, back, _ = served

    def changed(text: str) -> str:
        return text.replace(f"proxy_pass http://127.0.0.1:{back};", f"proxy_pass http://127.0.0.1:{back}/;") if stripped else text

    with nginx(tmp_path / "nginx", front, back, changed) as url, client() as asking:
        moved = asking.get(url)
        assert (moved.status_code, moved.headers["location"]) == (301, f"{url}/")
        todo, seen = [f"{url}/?f=json", f"{url}/?f=html", f"{url}{ITEMS}?limit=5&f=html", f"{url}{ITEMS}/7?f=html"], dict[str, int]()
        while todo and len(seen) < 150:
            address = todo.pop(0)
            if address in seen:
                continue
            response = asking.get(address)
            seen[address] = response.status_code
            for link in sorted(links(response)):
                parts = urlsplit(link)
                if parts.hostname in ("localhost", "127.0.0.1"):
                    assert link.startswith((f"{url}/", f"{url}?")) or link == url, f"{address} links {link}"
                    if "{" not in link and "%7B" not in link:
                        todo.append(f"{url}/" if link == url else link)
        # Execution alone is not for GET.
        assert {address: status for address, status in seen.items() if status not in (200, 204)} == {f"{url}/processes/echo/execution": 405}
        assert len(seen) > 60
        document = asking.get(f"{url}/api").json()
        assert [server["url"] for server in document["servers"]] == [url]
        metadata = asking.get(f"{url}/collections/masten/tiles/WebMercatorQuad/metadata").json()
        assert all(tile.startswith(f"{url}/collections/masten/tiles/") for tile in metadata["tiles"])
        walked, following = 0, f"{url}{ITEMS}?limit=25"
        while following:
            page = asking.get(following)
            walked += page.json()["numberReturned"]
            following = page.links["next"]["url"] if "next" in page.links else ""
        assert walked == 60


def test_a_cache_keeps_what_is_open_and_nothing_else(served: tuple[int, int, Path], tmp_path: Path) -> None:
    front, back, _ = served
    with nginx(tmp_path / "nginx", front, back) as url, client() as asking:

        def cached(path: str, **headers: str) -> tuple[int, str, bytes]:
            response = asking.get(url + path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            return response.status_code, response.headers["x-cache"], response.content

        first, again = cached(ITEMS), cached(ITEMS)
        assert (first[:2], again[:2]) == ((200, "MISS"), (200, "HIT")) and first[2] == again[2]
        # Another language, another form, another coding: each its own.
        assert cached(ITEMS, accept_language="en")[1] == "MISS" and cached(ITEMS, accept="text/html")[1] == "MISS"
        assert cached(ITEMS, accept_encoding="gzip")[1] == "MISS" and cached(ITEMS)[1] == "HIT"
        # A key sees more than what is cached, and what it sees is never kept.
        for name in ("x_api_key", "authorization"):
            value = KEY if name == "x_api_key" else f"Bearer {KEY}"
            for _ in range(2):
                status, told, body = cached(ITEMS, **{name: value})
                assert (status, told) == (200, "MISS") and b"betreiberkonto" in body and b"betreiberkonto" not in first[2]
                assert cached(CLOSED, **{name: value})[:2] == (200, "MISS")
        assert cached(CLOSED)[0] == 404 and b"betreiberkonto" not in cached(ITEMS)[2]
        assert cached(CLOSED, x_api_key="sg_falsch")[0] == 401 and cached(CLOSED)[0] == 404
        kept = b"".join(path.read_bytes() for path in (tmp_path / "nginx" / "cache").rglob("*") if path.is_file())
        assert b"Ahorn" in kept and b"betreiberkonto" not in kept and b"Asbestzement" not in kept
        # Who has the cached answer is told so by the cache; an error is not kept.
        tag = asking.get(url + ITEMS).headers["etag"]
        assert asking.get(url + ITEMS, headers={"if-none-match": tag}).status_code == 304
        assert cached("/collections/gibtesnicht")[1] == cached("/collections/gibtesnicht")[1] == "MISS"


def test_compression_by_the_proxy_keeps_tags_right(served: tuple[int, int, Path], tmp_path: Path) -> None:
    front, back, _ = served

    def changed(text: str) -> str:
        by_nginx = 'gzip on; gzip_proxied any; gzip_types application/geo+json; proxy_set_header Accept-Encoding "";'
        return text.replace("proxy_cache $stadtgrund_cache;", by_nginx)

    with nginx(tmp_path / "nginx", front, back, changed) as url, client() as asking:
        plain = asking.get(url + ITEMS)
        packed = asking.get(url + ITEMS, headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
        assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
        for tag in (packed.headers["etag"], plain.headers["etag"]):
            assert asking.get(url + ITEMS, headers={"accept-encoding": "gzip", "if-none-match": tag}).status_code == 304
    with (
        nginx(tmp_path / "again", front, back, lambda text: text.replace("listen", "gzip on; gzip_types *; listen")) as url,
        client() as asking,
    ):
        ours = asking.get(url + ITEMS, headers={"accept-encoding": "gzip, zstd"})
        assert ours.headers["content-encoding"] == "zstd"
        assert ours.headers["etag"].endswith('-zstd"'), "packed once"


def test_whose_word_counts_on_where_a_request_came_from(served: tuple[int, int, Path], tmp_path: Path) -> None:
    front, back, log = served

    def networks(sent: str) -> str:
        end = time.monotonic() + 5
        while not (lines := [line for line in log.read_text().splitlines() if sent in line]) and time.monotonic() < end:
            time.sleep(0.05)
        (line,) = lines
        return line.rsplit(" ", 2)[1]

    # A client that claims to be another one, through nginx and past it.
    claim = {"x-forwarded-for": "198.51.100.9", "forwarded": "for=203.0.113.7"}
    with (
        nginx(tmp_path / "nginx", front, back, lambda text: text.replace("$request_id", "$http_x_request_id")) as url,
        client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as far,
    ):
        far.get(f"{url}{ITEMS}?limit=1", headers={**claim, "x-request-id": "durch-nginx"})
        far.get(f"http://127.0.0.1:{back}{ITEMS}?limit=1", headers={**claim, "x-request-id": "an-nginx-vorbei"})
        with client() as near:
            near.get(
                f"http://127.0.0.1:{back}{ITEMS}?limit=2", headers={"x-forwarded-for": "198.51.100.9", "x-request-id": "vom-proxy-selbst"}
            )
    assert networks("durch-nginx") == "127.0.0.2"
    assert networks("an-nginx-vorbei") == "127.0.0.2"
    assert networks("vom-proxy-selbst") == "198.51.100.0/24"
    assert "set PUBLIC_URL" not in log.read_text()
