"""How an error is written: problem JSON, or a page for who asked for a page."""

from __future__ import annotations

__all__ = ["ErrorPage"]

from typing import Any
from urllib.parse import parse_qsl

from server.answer import Scope, as_json
from server.city import City
from server.layers import header
from server.negotiation import choose_format, choose_language
from server.pages import Pages
from stadtgrund.errors import StadtgrundError

_JSON = "application/problem+json"


class ErrorPage:
    """Makes the body of an error; it needs no profile and no database, as either may be what failed."""

    def __init__(self, pages: Pages, city: City, base_url: str) -> None:
        self.pages = pages
        self.config = city.pygeoapi(base_url, {})

    def __call__(self, scope: Scope, document: dict[str, Any]) -> tuple[bytes, str]:
        """Return body and media type."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        try:
            form = query.get("f") or choose_format(None, header(scope, b"accept"), (("json", "application/json"), ("html", "text/html")))
            language = choose_language(query.get("lang"), header(scope, b"accept-language"))
        except StadtgrundError:  # the very thing that the problem is about
            form, language = "json", "de"
        if form != "html":
            return as_json(document), _JSON
        return self.pages.render_with(self.config, "exception.html", language, document), "text/html; charset=utf-8"
