"""How an error is written: problem JSON, or a page for who asked for a page."""

from __future__ import annotations

__all__ = ["ErrorPage"]

from typing import Any
from urllib.parse import parse_qsl

from server.answer import Scope, as_json
from server.city import City
from server.layers import header
from server.negotiation import MEDIA, choose_format, choose_language, weighted
from server.pages import HTML, Pages
from server.problems import is_secret
from stadtgrund.errors import InvalidParameter, NotAcceptable

_JSON = "application/problem+json"


class ErrorPage:
    """Makes the body of an error; it needs no profile and no database, as either may be what failed."""

    def __init__(self, pages: Pages, city: City, base_url: str) -> None:
        self.pages = pages
        self.config = city.pygeoapi(base_url, {})

    def __call__(self, scope: Scope, document: dict[str, Any]) -> tuple[bytes, str]:
        """Return body and media type."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if _form(query.get("f"), header(scope, b"accept")) != "html":
            return as_json(document), _media(scope)
        language = _language(query.get("lang"), header(scope, b"accept-language"))
        asked = {name: value for name, value in query.items() if not is_secret(name)}
        return self.pages.render_with(self.config, "exception.html", language, document, asked), HTML


def _media(scope: Scope) -> str:
    """Return the media type of a problem document.

    In OGC API - Processes errors are `application/json`; who asks for that alone, where it holds, gets it by that name.
    """
    of_processes = scope["path"].startswith(("/processes", "/jobs"))
    accepted = dict(weighted(header(scope, b"accept") or ""))
    return MEDIA["json"] if of_processes and MEDIA["json"] in accepted and _JSON not in accepted else _JSON


def _form(wanted: str | None, accept: str | None) -> str:
    """Return "html" or "json": `f` where it names either of them, else as Accept says, as a browser shows no CSV or tile with an error."""
    if wanted == "html":
        return "html"
    if "json" in MEDIA.get(wanted or "", ""):
        return "json"
    try:
        return choose_format(None, accept, (("json", MEDIA["json"]), ("html", MEDIA["html"])))
    except NotAcceptable:  # the very thing that the problem is about
        return "json"


def _language(wanted: str | None, accept_language: str | None) -> str:
    try:
        return choose_language(wanted, accept_language)
    except InvalidParameter:  # the same
        return choose_language(None, accept_language)
