"""Who asks, when proxies stand between: what forwarded headers say counts only where a proxy wrote it whom the settings name."""

from __future__ import annotations

__all__ = ["Forwarding", "shortened"]

import logging
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from server.answer import Scope

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

_HEADERS = (b"x-forwarded-for", b"forwarded", b"x-forwarded-host", b"x-forwarded-proto")
_ELEMENT = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_PAIR = re.compile(r'\s*([\w-]+)=(?:"((?:\\.|[^"\\])*)"|([^\s;,"]*))\s*(?:;|$)', re.ASCII)
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+)", re.ASCII)
_MOST = 2000
"""Characters at the end of a header that are looked at: no chain of proxies is that long."""


class Forwarding:
    """Reads `X-Forwarded-For` and `Forwarded` (RFC 7239) of named proxies.

    Links never follow a header: they are made of PUBLIC_URL alone, so that no request can put another host into what a cache keeps.
    A proxy that serves under another address than that is told to the log, once.
    """

    def __init__(self, proxies: Iterable[IPv4Network | IPv6Network], public_url: str) -> None:
        self.proxies = tuple(proxies)
        self.public = urlsplit(public_url)
        self._told = False

    def client(self, scope: Scope) -> str:
        """Return the address of who asks: the nearest one in the chain of proxies that is not a named proxy; "" when it is not known.

        Two headers that name different clients are both not believed: a proxy writes one, and hands on what a client sends as the other.
        """
        peer = scope.get("client")
        if not peer:
            return ""
        near: str = peer[0]
        if not self.proxies or (address := _address(near)) is None or not self._named(address):
            return near
        values: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            if name in _HEADERS:
                text = value.decode("latin-1")
                values[name] = (f"{values[name]},{text}" if name in values else text)[-_MOST:]
        forwarded = [dict(_pairs(element)) for element in _ELEMENT.findall(values.get(b"forwarded", ""))]
        if not self._told:
            self._compare(values, forwarded)
        chains = []
        if b"x-forwarded-for" in values:
            chains.append(values[b"x-forwarded-for"].split(","))
        if forwarded:
            chains.append([element.get("for", "") for element in forwarded])
        found = {self._last(chain, address) for chain in chains}
        return str(found.pop()) if len(found) == 1 else near

    def _named(self, address: Address) -> bool:
        return any(address in network for network in self.proxies)

    def _last(self, chain: list[str], near: Address) -> Address:
        """Return the first address from the right that no named proxy has; a name that hides an address ends the search."""
        for text in reversed(chain):
            address = _address(text.strip())
            if address is None:
                return near
            near = address
            if not self._named(address):
                break
        return near

    def _compare(self, values: dict[bytes, str], forwarded: list[dict[str, str]]) -> None:
        """Tell the operator when the proxy's address is not that of our links."""
        nearest = forwarded[-1] if forwarded else {}
        host = values.get(b"x-forwarded-host", nearest.get("host", "")).rpartition(",")[2].strip().lower()
        scheme = values.get(b"x-forwarded-proto", nearest.get("proto", "")).rpartition(",")[2].strip().lower()
        if (host and host != self.public.netloc.lower()) or (scheme and scheme != self.public.scheme):
            self._told = True
            log.warning(
                "a proxy serves us as %.60r, but links begin with %s: set PUBLIC_URL",
                f"{scheme or self.public.scheme}://{host or self.public.netloc}",
                self.public.geturl(),
            )


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    for name, quoted, bare in _PAIR.findall(element):
        yield name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else bare


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """Return an address as a header writes it, with a port or without; None when it is none."""
    found = _WITH_PORT.fullmatch(text)
    if not found:
        return None
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=1024)
def shortened(text: str) -> str:
    """Return the network of an address as logs may keep it: /24 of IPv4, /48 of IPv6; "-" when there is none.

    A whole address is personal data; its network is enough to see where a load comes from.
    """
    address = _address(text)
    if address is None:
        return "-"
    if address.is_loopback:
        return str(address)
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
