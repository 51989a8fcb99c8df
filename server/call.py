"""A request as our handlers see it: who asks, of which snapshot, with which parameters."""

from __future__ import annotations

__all__ = ["Call", "Endpoint", "Handler"]

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from server import renamed
from server.answer import Answer, Receive, Scope, Send
from server.caching import cache_control, etag, matching
from server.compression import coding_of
from server.host import Profile, Published, Snapshot
from server.layers import header
from server.negotiation import choose_format, choose_language
from server.problems import MethodNotAllowed, refused
from stadtgrund import identity
from stadtgrund.errors import NotFound, UsageError

_MOST_PARAMETERS = 100
_ALLOW = "GET, HEAD, OPTIONS"


@dataclass(eq=False)
class Call:
    """One GET or HEAD."""

    scope: Scope
    profile: Profile
    snapshot: Snapshot

    @property
    def head(self) -> bool:
        """Whether only the headers are wanted."""
        return bool(self.scope["method"] == "HEAD")

    @property
    def base_url(self) -> str:
        """The public URL, without a slash at its end."""
        return self.snapshot.base_url

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return str(self.scope["path"])

    @cached_property
    def places(self) -> Mapping[str, str]:
        """What the route's path names: dataset, fid, z, …"""
        return dict(self.scope["path_params"])

    def header(self, name: str) -> str | None:
        """Return a request header (lower case), or None."""
        return header(self.scope, name.encode())

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query parameters, each given once.

        Raises
        ------
        UsageError
            A parameter is repeated, the text is not UTF-8 or holds NUL, or there are more than anybody needs.
        """
        text = self.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", encoding="utf-8", max_num_fields=_MOST_PARAMETERS)
        except UnicodeDecodeError as error:
            raise UsageError("The query is not UTF-8.", remedy="Percent-encode the UTF-8 bytes.") from error
        except ValueError as error:
            raise UsageError("The query has too many parameters.", remedy=f"Allowed: {_MOST_PARAMETERS}.") from error
        found: dict[str, str] = {}
        for name, value in pairs:
            if "\0" in name or "\0" in value:
                raise refused(name.replace("\0", "�"), value.replace("\0", "�"), "text without the character NUL")
            if name in found:
                raise refused(name, value, "one value: the parameter is given once")
            found[name] = value
        return found

    def only(self, *allowed: str) -> None:
        """Refuse a query parameter that is none of these.

        Raises
        ------
        InvalidParameter
            Naming it and the known ones.
        """
        for name, value in self.query.items():
            if name not in allowed:
                raise refused(name, value, "no such parameter" + (f"; known are {', '.join(allowed)}" if allowed else " here"))

    def format(self, *offered: tuple[str, str]) -> str:
        """Return the format to answer in: the parameter `f`, else the Accept header, else the first that is offered."""
        return choose_format(self.query.get("f"), self.header("accept"), offered)

    @cached_property
    def language(self) -> str:
        """Language to answer in: "de" or "en"."""
        return choose_language(self.query.get("lang"), self.header("accept-language"))

    def collection(self) -> Published:
        """Return the collection that the path names.

        Raises
        ------
        NotFound
            It does not exist, or not for this profile.
        """
        return self.snapshot.get(self.places["dataset"])

    def with_items(self) -> Published:
        """Return the collection that the path names, which must have items.

        Raises
        ------
        NotFound
            It does not exist, or not for this profile, or it is a grid.
        """
        published = self.collection()
        if not published.collection.items:
            raise NotFound(f"Collection {published.collection.id!r} has no items.")
        return published

    def tag(self, digest: str | None, media_type: str, *, worded: bool = True) -> str:
        """Return the ETag of this request's answer, as made from a state with this digest; `worded`: it depends on the language."""
        request = "&".join([f"{name}={value}" for name, value in sorted(self.query.items())])
        own, profile, language = self.profile.city.digest, self.snapshot.profile, self.language if worded else ""
        return etag(digest or "", own, profile, self.base_url, self.path, request, language, media_type)

    def unchanged(self, tag: str) -> Answer | None:
        """Return a 304 when the client has the answer with this tag already."""
        match = matching(tag, self.header("if-none-match"), coding_of(self.header("accept-encoding")))
        return Answer(304, None, None, (("etag", match),)) if match else None


Handler = Callable[[Call], Awaitable[Answer]]


class Endpoint:
    """A handler behind a route; a collection's former name leads to its present id.

    Being no function, it is an ASGI application for Starlette's router.
    """

    def __init__(self, handler: Handler, profiles: Mapping[str, Profile]) -> None:
        self.handler, self.profiles = handler, profiles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = scope["method"]
        if method == "OPTIONS":
            await Answer(204, None, None, (("allow", _ALLOW),))(scope, receive, send)
            return
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(method, _ALLOW)
        profile = self.profiles[identity.current().profile]
        call = Call(scope, profile, await profile.snapshot())
        moved = renamed.location(scope, call.snapshot)
        answer = await self.handler(call) if moved is None else Answer(308, b"", None, (("location", moved),))
        if not any(name == "cache-control" for name, _ in answer.headers):
            answer = answer.with_headers(cache_control(profile.name))
        await answer(scope, receive, send)
