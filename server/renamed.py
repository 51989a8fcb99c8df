"""Where a collection is that somebody asks for by a name that it had before (`identifiers` of its contract)."""

from __future__ import annotations

__all__ = ["location"]

from urllib.parse import quote

from server.answer import Scope
from server.host import Snapshot

_COLLECTIONS = "/collections/"


def location(scope: Scope, snapshot: Snapshot) -> str | None:
    """Return the same path and query under the present id; None when the path names no former name.

    The profile's own collections count only, so that the former name of a closed one is unknown like any other.
    """
    path, name = scope["path"], scope["path_params"].get("dataset")
    if name is None or name in snapshot.published or not path.startswith(_COLLECTIONS):
        return None
    present = next((item for item, published in snapshot.published.items() if name in published.collection.identifiers), None)
    if present is None:
        return None
    rest = quote(path.removeprefix(_COLLECTIONS + name))
    if rest.endswith("/"):  # of an id: what ends a path is gone by now
        rest = rest[:-1] + "%2F"
    query = scope["query_string"].decode("latin-1")
    return snapshot.base_url + _COLLECTIONS + present + rest + (f"?{query}" if query else "")
