"""The description of the API in both its forms: valid, whole, small, and what a program can work with."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.answer import Answer
from server.host import Snapshot
from server.kept import Kept
from server.openapi import MOST_COLLECTIONS, openapi_document
from server.openapi_processes import process_paths
from server.openapi_texts import GERMAN

from .conftest import KEY, Client

MANY = 2400


def many(client: Client, number: int, width: int) -> Snapshot:
    """Return a snapshot of copies of one collection, with ids of `width` characters."""
    snapshot = client.run(client.app.profiles["open"].snapshot())
    one = snapshot.published["masten"]
    ids = [f"s{n}_".ljust(width, "x") for n in range(number)]
    copies = {each: type(one)(one.collection.model_copy(update={"id": each}), one.relation, "") for each in ids}
    return Snapshot("open", snapshot.base_url, "", copies, snapshot.api)


def operations(document: dict[str, Any]) -> list[str]:
    """Return the labels of the operations that schemathesis finds; a fault of one of them is raised."""
    return [each.ok().label for each in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.mark.parametrize("key", [None, KEY])
def test_schemathesis_takes_the_document_of_a_profile(client: Client, key: str | None) -> None:
    found = operations(client.json("/api", key=key))
    assert "GET /collections/masten/items" in found and ("GET /collections/geheimleitungen/items" in found) == (key is not None)


def test_up_to_fifty_collections_have_paths_of_their_own(client: Client) -> None:
    document = openapi_document(many(client, MOST_COLLECTIONS, 12), "de")
    OpenAPIV30SpecValidator(document).validate()
    assert sum(path.endswith("/items") for path in document["paths"]) == MOST_COLLECTIONS
    assert "dataset" not in document["components"]["parameters"]


@pytest.mark.parametrize("width", [12, 48])
def test_thousands_of_collections_are_one_small_document(client: Client, width: int) -> None:
    snapshot = many(client, MANY, width)
    document = openapi_document(snapshot, "de")
    OpenAPIV30SpecValidator(document).validate()
    found = operations(document)
    assert "GET /collections/{dataset}/items" in found and "GET /collections/{dataset}/api" in found
    assert document["components"]["parameters"]["dataset"]["schema"]["enum"] == list(snapshot.published)
    assert len(json.dumps(document, ensure_ascii=False, separators=(",", ":"))) <= 500_000


def texts(part: Any) -> set[str]:
    """Return all summaries and descriptions."""
    if isinstance(part, dict):
        own = {value for key, value in part.items() if key in ("summary", "description") and isinstance(value, str)}
        return own.union(*map(texts, part.values()))
    return set[str]().union(*map(texts, part)) if isinstance(part, list) else set()


def test_the_german_document_is_german(client: Client) -> None:
    snapshot = many(client, MOST_COLLECTIONS + 1, 12)
    german, english = (openapi_document(snapshot, language, more=process_paths(client.app.processes.offered)) for language in ("de", "en"))
    del german["info"], english["info"]
    assert texts(german) & texts(english) == {"OK", "TileJSON", "Schema"}
    own = texts(client.json("/api?lang=de"))
    assert len(own) > 50 and not own & GERMAN.keys()
    assert any(text.startswith("Volltext:") and "Durchsucht: " in text for text in own)


def test_each_collection_links_a_document_with_its_attributes(client: Client) -> None:
    links = {link["rel"]: link for link in client.json("/collections/masten")["links"]}
    document = client.json(links["service-desc"]["href"])
    OpenAPIV30SpecValidator(document).validate()
    asked = document["paths"]["/collections/masten/items"]["get"]["parameters"]
    assert {"hoehe", "art"} <= {each.get("name") for each in asked}
    assert document["components"]["parameters"]["limit"]["schema"]["maximum"] == 10000
    assert client.get(links["service-doc"]["href"]).headers["content-type"].startswith("text/html")
    assert operations(document)


def test_answers_are_kept_as_far_as_they_fit() -> None:
    kept = Kept(100)
    for name in "abcde":
        kept.put(name, Answer(200, name.encode() * 25))
    assert kept.get("a") is None and len(kept) == 4 and kept.bytes == 100
    assert kept.get("b") is not None  # asked for: the next one to go is c
    kept.put("f", Answer(200, b"f" * 20))
    assert kept.get("b") is not None and kept.get("c") is None
    kept.put("b", Answer(200, b"B"))
    assert kept.get("b") == Answer(200, b"B") and kept.bytes == 25 + 25 + 20 + 1
    kept.put("whole", Answer(200, b"x" * 26))
    assert kept.get("whole") is None and len(kept) == 4
