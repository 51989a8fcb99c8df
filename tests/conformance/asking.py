"""Asking items by filters, as the abstract tests do: by GET, in both languages."""

from __future__ import annotations

__all__ = ["converted", "evaluate", "status"]

import json
from typing import Any

import cql2
import httpx
from support.client import Client


def converted(text: str) -> str:
    """Return a CQL2 text as CQL2 JSON (21-065r2 A.2.1 has the text of all tests converted)."""
    return json.dumps(cql2.parse_text(text).to_json())


def _asked(client: Client, collection: str, text: str, language: str, more: dict[str, str]) -> httpx.Response:
    stated = text if language == "cql2-text" or text.startswith("{") else converted(text)
    asked = {"filter": stated, "filter-lang": language, "limit": "1000", "properties": "nr", "skipGeometry": "true", **more}
    return client.get(f"/collections/{collection}/items", params=asked)


def evaluate(client: Client, collection: str, text: str, language: str = "cql2-text", **more: Any) -> set[int]:
    """Return the ids that a filter finds; it must be taken."""
    response = _asked(client, collection, text, language, more)
    assert response.status_code == 200, (text, response.text)
    document = response.json()
    assert document["numberMatched"] == document["numberReturned"] == len(document["features"])
    return {feature["id"] for feature in document["features"]}


def status(client: Client, collection: str, text: str, language: str = "cql2-text") -> int:
    """Return the status of a filter's answer, which is a problem document when it is none."""
    response = _asked(client, collection, text, language, {})
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
    return response.status_code
