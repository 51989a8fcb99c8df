"""Inputs of a process that are given by reference: an item of this server, or what a `data:` address holds.

No other address is asked: a server that fetches what a client names reaches what the client itself cannot.
"""

from __future__ import annotations

__all__ = ["References"]

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from processes.project import InvalidInput, check_text
from server import jsontext
from server.answer import ASGIApp, Message
from server.layers import MAX_BODY
from server.problems import KNOWN, row_of
from stadtgrund.errors import Busy

_ITEM = re.compile(r"/collections/[^/]+/items/.+")
_DATA = re.compile(r"data:(?P<kind>[\w.+-]+/[\w.+-]+)?(?P<parameters>(?:;[\w.+-]+=[\w.+-]+)*)(?P<base64>;base64)?,(?P<data>.*)", re.DOTALL)
_GEOJSON = frozenset(("coordinates", "geometry", "geometries", "features"))
"""An object with one of these is GeoJSON, whatever else is in it."""
_MOST = 10
"""References of a request."""
_PATIENCE_S = 10
"""How long reading all of them may take."""


class References:
    """Reads what references point to, as the current principal.

    Parameters
    ----------
    router : ASGI application
        Of this server, inside its layers.
    base_url : str
        How its addresses begin.
    """

    def __init__(self, router: ASGIApp, base_url: str) -> None:
        self._router, self._base_url = router, base_url.rstrip("/")

    async def resolved(self, described: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of inputs that are given as they are, as `{"value": …}`, as `{"href": …}` or as lists of these.

        Parameters
        ----------
        described : mapping
            The inputs of the process's description, by name.

        Raises
        ------
        InvalidInput
            An input that the process does not have; a reference to none of ours, or to nothing; too many of them, or too large.
        Busy
            They could not be read in time.
        """
        for name, value in inputs.items():
            if name not in described:
                raise InvalidInput(name, str(value), "Eingaben " + ", ".join(described))
        if sum(_is_reference(part) for value in inputs.values() for part in _parts(value)) > _MOST:
            raise InvalidInput("inputs", f"mehr als {_MOST} Verweise", f"höchstens {_MOST} Verweise")
        budget = _Budget()
        values: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_PATIENCE_S):
                for name, value in inputs.items():
                    as_base64 = described[name]["schema"].get("contentEncoding") == "base64"
                    read = [await self._value(name, part, budget, as_base64=as_base64) for part in _parts(value)]
                    values[name] = read if isinstance(value, list) else read[0]
        except TimeoutError as error:
            raise Busy(f"References could not be read in {_PATIENCE_S} s.") from error
        return values

    async def _value(self, name: str, value: Any, budget: _Budget, *, as_base64: bool) -> Any:
        if _is_reference(value):
            read = await self._read(name, value["href"], budget, as_base64=as_base64)
            check_text(read, name)
            return read
        return value["value"] if isinstance(value, dict) and "value" in value and _GEOJSON.isdisjoint(value) else value

    async def _read(self, name: str, href: Any, budget: _Budget, *, as_base64: bool) -> Any:
        """Return the value that `href` points to: JSON, text of any other type, or bytes in base64 where those are wanted."""
        if isinstance(href, str) and href.startswith("data:"):
            kind, content = _of_data(name, href)
        else:
            kind, content = "application/geo+json", await self._of_item(name, href)
            budget.take(name, href, len(content))
        if as_base64:
            return base64.b64encode(content).decode()
        try:
            return jsontext.parse(content) if "json" in kind else content.decode()
        except ValueError as error:
            raise InvalidInput(name, href, "ein Verweis auf JSON oder Text in UTF-8") from error

    async def _of_item(self, name: str, href: Any) -> bytes:
        parts = urlsplit(href) if isinstance(href, str) and href.startswith(self._base_url + "/") else None
        path = parts.path[len(urlsplit(self._base_url).path) :] if parts else ""
        if parts is None or not _ITEM.fullmatch(path):
            raise InvalidInput(
                name,
                str(href),
                f"ein Verweis auf ein Objekt dieses Servers ({self._base_url}/collections/…/items/…) oder eine Adresse data:…; "
                "andere Adressen ruft der Server nicht auf",
            )
        status, body = 0, b""

        async def send(message: Message) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http",
            "method": "GET",
            "path": unquote(path),
            "raw_path": path.encode("ascii", "replace"),
            "root_path": "",
            "query_string": parts.query.encode("ascii", "replace"),
            "headers": [(b"accept", b"application/geo+json")],
        }
        try:
            await self._router(scope, receive, send)
        except KNOWN as error:
            row = row_of(error)
            if row.status >= 500:
                raise
            fault = f"„{str(href)[:200]}“ geht nicht: {row.detail or error}"
            raise InvalidInput(name, href, "ein Verweis auf ein Objekt, das es gibt", fault) from error
        if status != 200:
            raise InvalidInput(name, href, "ein Verweis auf ein Objekt unter seiner heutigen Adresse")
        return body


class _Budget:
    """What the items of a request may have in bytes, all together."""

    def __init__(self) -> None:
        self._left = MAX_BODY

    def take(self, name: str, href: str, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InvalidInput(name, href, f"Verweise auf Objekte mit zusammen höchstens {MAX_BODY} Bytes")


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and "href" in value and _GEOJSON.isdisjoint(value)


def _of_data(name: str, href: str) -> tuple[str, bytes]:
    """Return media type and content of a `data:` address (RFC 2397)."""
    found = _DATA.fullmatch(href)
    try:
        if found is None:
            raise ValueError(href)
        data = found["data"]
        content = base64.b64decode(unquote(data), validate=True) if found["base64"] else unquote_to_bytes(data)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(name, href, "eine Adresse data:<Medientyp>[;base64],<Daten>") from error
    return found["kind"] or "text/plain", content
