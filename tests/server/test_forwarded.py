"""Whose word counts on where a request came from."""

from __future__ import annotations

import logging
import time
from ipaddress import ip_network
from typing import Any

import pytest

from server.forwarded import Forwarding, shortened
from stadtgrund.errors import UsageError
from stadtgrund.settings import Settings

PUBLIC = "https://geo.example.org/api"
NAMED = Forwarding([ip_network("127.0.0.1"), ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")], PUBLIC)


def scope(peer: str | None, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "client": (peer, 4711) if peer else None, "headers": named}


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("127.0.0.1", {}, "127.0.0.1"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7:5555"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_for": "[2001:db8:9::1]:5555"}, "2001:db8:9::1"),
        ("127.0.0.1", {"x_forwarded_for": "6.6.6.6, 192.0.2.7"}, "192.0.2.7"),  # what the client wrote itself stands left
        ("127.0.0.1", {"x_forwarded_for": "6.6.6.6, 192.0.2.7, 10.1.2.3"}, "192.0.2.7"),  # two proxies of ours
        ("127.0.0.1", {"x_forwarded_for": "10.1.0.9, 10.1.2.3"}, "10.1.0.9"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7, unknown"}, "127.0.0.1"),
        ("127.0.0.1", {"x_forwarded_for": "'; DROP TABLE"}, "127.0.0.1"),
        ("2001:db8:1::5", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("::ffff:10.1.0.1", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("192.0.2.99", {"x_forwarded_for": "1.2.3.4", "forwarded": "for=1.2.3.4"}, "192.0.2.99"),  # nobody named it
        ("127.0.0.1", {"forwarded": 'for=192.0.2.60;proto=http;by=203.0.113.43, For="[2001:db8:cafe::17]:4711"'}, "2001:db8:cafe::17"),
        ("127.0.0.1", {"forwarded": 'for="192.0.2.1, 6.6.6.6";host="a,b"'}, "127.0.0.1"),
        ("127.0.0.1", {"forwarded": "for=_hidden"}, "127.0.0.1"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7", "forwarded": "for=192.0.2.7"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7", "forwarded": "for=6.6.6.6"}, "127.0.0.1"),  # one of them is the client's own
        (None, {"x_forwarded_for": "192.0.2.7"}, ""),
    ],
)
def test_the_client_is_the_nearest_that_is_no_named_proxy(peer: str | None, headers: dict[str, str], client: str) -> None:
    assert NAMED.client(scope(peer, **headers)) == client


def test_without_names_nobody_is_believed() -> None:
    assert Forwarding([], PUBLIC).client(scope("127.0.0.1", x_forwarded_for="192.0.2.7")) == "127.0.0.1"


def test_a_header_that_is_made_to_take_long_does_not() -> None:
    began = time.monotonic()
    for text in ('"\\' * 15_000, '"' * 30_001, "a=b;" * 8000, "1.2.3.4," * 4000):
        NAMED.client(scope("127.0.0.1", forwarded=text, x_forwarded_for=text))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x_forwarded_host": "geo.example.org", "x_forwarded_proto": "https"}, False),
        ({"forwarded": "for=192.0.2.1;host=GEO.example.org;proto=https"}, False),
        ({"x_forwarded_for": "192.0.2.1"}, False),
        ({"x_forwarded_host": "karte.example.org"}, True),
        ({"x_forwarded_proto": "http"}, True),
        ({"forwarded": "host=karte.example.org"}, True),
    ],
)
def test_another_address_than_that_of_the_links_is_told_once(headers: dict[str, str], told: bool, caplog: pytest.LogCaptureFixture) -> None:
    forwarding = Forwarding([ip_network("127.0.0.1")], PUBLIC)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            forwarding.client(scope("127.0.0.1", **headers))
            forwarding.client(scope("192.0.2.1", **headers))
    assert len([record for record in caplog.records if "set PUBLIC_URL" in record.getMessage()]) == int(told)


def test_logs_have_the_network_of_an_address() -> None:
    assert shortened("192.0.2.77") == "192.0.2.0/24"
    assert shortened("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert shortened("127.0.0.1") == "127.0.0.1"
    assert shortened("") == shortened("böse\nZeile") == "-"


def test_the_setting_names_addresses_and_networks() -> None:
    settings = Settings.from_environment({"STADTGRUND_PROXIES": "127.0.0.1, 10.1.2.3/16,::1,"})
    assert settings.server.proxies == (ip_network("127.0.0.1/32"), ip_network("10.1.0.0/16"), ip_network("::1/128"))
    assert Settings.from_environment(settings.environment({})).server.proxies == settings.server.proxies
    assert Settings.from_environment({}).server.proxies == ()
    with pytest.raises(UsageError, match=r"STADTGRUND_PROXIES: 'nginx' ist keine IP-Adresse\. Erlaubt: Adressen und Netze"):
        Settings.from_environment({"STADTGRUND_PROXIES": "127.0.0.1,nginx"})
