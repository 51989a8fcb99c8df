"""What comes over the socket as no ordinary client writes it: old versions, odd targets, bodies without a length, rubbish."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgis import Server, environment
from support.served import free_port, running

from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

CLOSE = "Host: x\r\nConnection: close\r\n\r\n"
ITEM = "/collections/masten/items/7"


@pytest.fixture(scope="module")
def port(server: Server, served_db: Database, served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    number = free_port()
    env = {**environment(server, served_db, served_folder), "STADTGRUND_PORT": str(number), "STADTGRUND_WORKERS": "1"}
    command = [ROOT / ".venv" / "bin" / "stadtgrund", "serve"]
    with running(command, env, f"http://127.0.0.1:{number}", tmp_path_factory.mktemp("wire") / "log"):
        yield number


def exchange(port: int, *sent: bytes | str) -> bytes:
    """Send as it is, and return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for part in sent:
                connection.sendall(part.encode() if isinstance(part, str) else part)
        except OSError:
            pass  # refused before all was sent: the answer is there
        found = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return found
            if not part:
                return found
            found += part


def answer(port: int, *sent: bytes | str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the one answer."""
    head, _, body = exchange(port, *sent).partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), headers, body


def test_http_1_0_without_a_host(port: int) -> None:
    status, _, body = answer(port, f"GET {ITEM} HTTP/1.0\r\n\r\n")
    assert status == 200 and json.loads(body)["id"] == 7


def test_an_absolute_target_and_a_foreign_host_do_not_change_links(port: int) -> None:
    for target, host in ((f"http://boese.example.org{ITEM}", "boese.example.org"), (ITEM, "boese.example.org")):
        headers = f"Host: {host}\r\nX-Forwarded-Host: {host}\r\nForwarded: host={host}\r\nConnection: close\r\n\r\n"
        status, _, body = answer(port, f"GET {target} HTTP/1.1\r\n{headers}")
        assert status == 200 and b"boese" not in body and f"http://localhost:{port}/collections".encode() in body


def test_requests_in_a_row_are_answered_in_their_order(port: int) -> None:
    row = [f"GET /collections/masten/items/{number} HTTP/1.1\r\nHost: x\r\n\r\n" for number in (3, 1, 2)]
    found = exchange(port, "".join(row), f"GET /nirgends HTTP/1.1\r\n{CLOSE}")
    assert [int(number) for number in re.findall(rb'"type":"Feature","id":(\d+)', found)] == [3, 1, 2]
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"200", b"200", b"200", b"404"]


def test_head_has_no_body(port: int) -> None:
    for path in (ITEM, "/collections", "/nirgends", "/collections/masten/items", "/static/icon.svg"):
        _, headers, body = answer(port, f"HEAD {path} HTTP/1.1\r\nAccept-Encoding: gzip\r\n{CLOSE}")
        assert body == b"" and "x-request-id" in headers and headers.get("content-length") != "0", path


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/collections/%zz", 400),
        ("/collections/%ff", 400),
        ("/collections/%00", 404),
        (f"{ITEM}%00", 404),
        (f"{ITEM}?f=%c3", 400),
        ("/collections/masten/items?name=ä", 200),
        ("/collections//masten", 404),
        ("/..%2f..%2fetc/passwd", 404),
        ("/static/..%2fapp.py", 404),
        ("*", 404),
        ("?", 400),
    ],
)
def test_odd_targets(port: int, target: str, status: int) -> None:
    found, headers, body = answer(port, f"GET {target} HTTP/1.1\r\n{CLOSE}")
    assert found == status
    if status != 200 and target != "?":  # which is no target: granian's own refusal
        assert headers["content-type"] == "application/problem+json" and json.loads(body)["status"] == status


def test_methods(port: int) -> None:
    assert answer(port, f"OPTIONS * HTTP/1.1\r\n{CLOSE}")[0] == 204
    for method in ("FOO", "TRACE", "PROPFIND"):
        status, headers, _ = answer(port, f"{method} / HTTP/1.1\r\n{CLOSE}")
        assert (status, headers["allow"]) == (405, "get, head, options")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (f"GET / HTTP/1.1\r\nX-A: {'a' * 40_000}\r\n{CLOSE}", 431),
        (f"GET / HTTP/1.1\r\nX-A: {'a' * 300_000}\r\n{CLOSE}", 431),
        ("GET / HTTP/1.1\r\n" + "".join(f"X-{n}: 1\r\n" for n in range(200)) + CLOSE, 431),
        (f"GET /?a={'a' * 20_000} HTTP/1.1\r\n{CLOSE}", 414),
        (f"GET /?a={'a' * 70_000} HTTP/1.1\r\n{CLOSE}", 414),
        (f"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n{CLOSE}aaaaaa", 400),
        (f"GET / HTTP/1.1\r\nContent-Length: -5\r\n{CLOSE}", 400),
        (f"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n{CLOSE}", 413),
        ("hello\r\n\r\n", 400),
        (f"GET / HTTP/9.9\r\n{CLOSE}", 400),
        (f"GET /x y HTTP/1.1\r\n{CLOSE}", 400),
        (f"GET / HTTP/1.1\r\nBad Name: x\r\n{CLOSE}", 400),
    ],
    ids=lambda value: str(value)[:40].strip(),
)
def test_what_is_too_long_or_no_http_is_refused(port: int, request_: str, status: int) -> None:
    assert answer(port, request_)[0] == status


def test_a_body_in_chunks_is_counted_before_it_is_kept(port: int) -> None:
    opening = "POST /processes/echo/execution HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + CLOSE
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    status, headers, body = answer(port, opening, chunk * 20, b"0\r\n\r\n")
    assert status == 413 and headers["content-type"] == "application/problem+json", body
    status, _, body = answer(port, opening, chunk * 2, b"0\r\n\r\n")
    assert status == 400 and b"JSON" in body  # within the limit: so it is read that there is nothing in it


def test_two_lengths_do_not_smuggle_a_request(port: int) -> None:
    inner = "GET /geheim HTTP/1.1\r\nHost: x\r\n\r\n"
    both = f"Content-Length: {len(inner) + 5}\r\nTransfer-Encoding: chunked\r\n"
    found = exchange(port, f"POST / HTTP/1.1\r\n{both}{CLOSE}0\r\n\r\n{inner}")
    assert len(re.findall(rb"HTTP/1.1 \d+", found)) == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_headers_that_never_end_lose_their_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        connection.settimeout(45)
        found = connection.recv(1000)
        assert found == b"" or b" 408 " in found
