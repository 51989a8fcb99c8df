"""Inputs of a process that are given by reference: an item of this server, or what a `data:` address holds.

No other address is asked: a server that fetches what a client names reaches what the client itself cannot.
"""

from __future__ import annotations

__all__ = ["References"]

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from processes.project import InvalidInput
from server import jsontext
from server.answer import ASGIApp, Message
from server.layers import MAX_BODY
from server.problems import KNOWN, row_of

_ITEM = re.compile(r"/collections/[^/]+/items/.+")
_DATA = re.compile(r"data:(?P<kind>[\w.+-]+/[\w.+-]+)?(?P<parameters>(?:;[\w.+-]+=[\w.+-]+)*)(?P<base64>;base64)?,(?P<data>.*)", re.DOTALL)


class References:
    """Reads what a reference points to, as the current principal.

    Parameters
    ----------
    router : ASGI application
        Of this server, inside its layers.
    base_url : str
        How its addresses begin.
    """

    def __init__(self, router: ASGIApp, base_url: str) -> None:
        self._router, self._base_url = router, base_url.rstrip("/")

    async def read(self, name: str, href: Any) -> Any:
        """Return the value that the input `name` refers to: JSON, or text from a `data:` address of any other type.

        Raises
        ------
        InvalidInput
            It is none of ours, or there is nothing.
        """
        if isinstance(href, str) and href.startswith("data:"):
            return self._of_data(name, href)
        parts = urlsplit(href) if isinstance(href, str) and href.startswith(self._base_url + "/") else None
        path = parts.path[len(urlsplit(self._base_url).path) :] if parts else ""
        if parts is None or not _ITEM.fullmatch(path):
            raise InvalidInput(
                name,
                str(href),
                f"ein Verweis auf ein Objekt dieses Servers ({self._base_url}/collections/…/items/…) oder eine Adresse data:…; "
                "andere Adressen ruft der Server nicht auf",
            )
        return await self._of_item(name, href, path, parts.query)

    async def _of_item(self, name: str, href: str, path: str, query: str) -> Any:
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
            "query_string": query.encode("ascii", "replace"),
            "headers": [(b"accept", b"application/geo+json")],
        }
        try:
            await self._router(scope, receive, send)
        except KNOWN as error:
            if row_of(error).status >= 500:
                raise
            raise InvalidInput(name, href, "ein Verweis auf ein Objekt, das es gibt", f"„{href[:200]}“ geht nicht: {error}") from error
        if status != 200:
            raise InvalidInput(name, href, "ein Verweis auf ein Objekt unter seiner heutigen Adresse")
        if len(body) > MAX_BODY:
            raise InvalidInput(name, href, f"ein Objekt mit höchstens {MAX_BODY} Bytes")
        return self._json(name, href, body)

    def _of_data(self, name: str, href: str) -> Any:
        found = _DATA.fullmatch(href)
        try:
            if found is None:
                raise ValueError(href)
            data = found["data"]
            content = base64.b64decode(unquote(data), validate=True) if found["base64"] else unquote_to_bytes(data)
            text = content.decode()
        except (ValueError, binascii.Error) as error:
            raise InvalidInput(name, href, "eine Adresse data:<Medientyp>[;base64],<Daten> mit Text in UTF-8") from error
        return self._json(name, href, content) if "json" in (found["kind"] or "") else text

    def _json(self, name: str, href: str, content: bytes) -> Any:
        try:
            return jsontext.parse(content)
        except ValueError as error:
            raise InvalidInput(name, href, "ein Verweis auf JSON in UTF-8") from error
