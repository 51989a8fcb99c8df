"""What our own description of a collection says is what pygeoapi would say of it, and more."""

from __future__ import annotations

from typing import Any

import pytest
from babel import Locale
from pygeoapi.api import API, APIRequest
from pygeoapi.api.collection import gen_collection
from pygeoapi.provider.base import BaseProvider

from stadtgrund.catalog import resources

from .conftest import KEY, Client

BASE = "http://localhost:5000"


class Described(BaseProvider):  # type: ignore[misc]
    """Stands for the providers, as none is asked for data here."""

    tile_type = "vector"


class AskedForJson(APIRequest):  # type: ignore[misc]
    """A request for JSON, without what a web framework would give."""

    def __init__(self, language: str) -> None:
        self._format, self._raw_locale = "json", language


def by_pygeoapi(client: Client, dataset: str, language: str) -> dict[str, Any]:
    """Return pygeoapi's document of a collection as its configuration of the collection gives it."""
    profile = client.app.profiles["verwaltung"]
    collection = client.run(profile.snapshot()).published[dataset].collection
    resource = resources.resource(collection, BASE, profile="verwaltung")
    for provider in resource["providers"]:
        provider["name"] = f"{__name__}.Described"
    api = API(profile.city.pygeoapi(BASE, {dataset: resource}), {})
    found: dict[str, Any] = gen_collection(api, AskedForJson(language), dataset, Locale(language))
    return found


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("dataset", ["masten", "gebiete", "zahlen", "geheimleitungen"])
def test_it_says_what_pygeoapi_says(client: Client, dataset: str, language: str) -> None:
    ours = client.json(f"/collections/{dataset}?lang={language}", key=KEY)
    theirs = by_pygeoapi(client, dataset, language)
    for name in ("id", "title", "description", "keywords", "itemType", "crs"):
        assert ours[name] == theirs[name], name
    if dataset != "zahlen":  # a table lies nowhere, which pygeoapi cannot say
        assert ours["storageCrs"] == theirs["storageCrs"]
        assert ours["extent"]["spatial"]["bbox"][0] == pytest.approx(theirs["extent"]["spatial"]["bbox"][0], abs=1e-6)
        assert ours["extent"].get("temporal", {}).get("interval") == theirs["extent"].get("temporal", {}).get("interval")
    # JSON-LD is not offered; what is missing beside it would be a change of pygeoapi's.
    said, wanted = ({(link["rel"], link["type"].partition(";")[0]) for link in each["links"]} for each in (ours, theirs))
    assert {(rel, media) for rel, media in wanted if "ld+json" not in media} <= said


def test_the_list_says_the_same_as_each_document(client: Client) -> None:
    listed = client.json("/collections?lang=en", key=KEY)["collections"]
    assert [each["id"] for each in listed] == ["gebiete", "geheimleitungen", "masten", "zahlen"]
    for each in listed:
        alone = client.json(f"/collections/{each['id']}?lang=en", key=KEY)
        # Downloads are linked from there only.
        assert [link for link in each["links"] if link not in alone["links"]] == []
        assert {**alone, "links": None} == {**each, "links": None}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("MASTEN", ["masten"]),
        ("strassenbeleuchtung", ["masten"]),
        ("straßenbeleuchtung masten", ["masten"]),
        ("masten einwohner", []),
        ("masten, einwohner", ["masten", "zahlen"]),
        ("poles", ["masten"]),
        ("verborgenes", []),  # a keyword of a collection that is closed
        (" , ", []),
        ("", ["gebiete", "masten", "zahlen"]),
    ],
)
def test_collections_are_searched(client: Client, words: str, found: list[str]) -> None:
    response = client.get("/collections", params={"q": words})
    assert [each["id"] for each in response.json()["collections"]] == found
    page = client.get("/collections", params={"q": words, "f": "html"})
    assert page.status_code == 200
    for dataset in ("gebiete", "masten", "zahlen", "geheimleitungen"):
        assert (f"/collections/{dataset}?" in page.text) == (dataset in found)
    assert response.headers["etag"] != client.get("/collections").headers["etag"]


def test_what_is_searched_is_only_text_on_the_page(client: Client) -> None:
    page = client.get("/collections", params={"q": '"><script>alert(1)</script>', "f": "html"}).text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
