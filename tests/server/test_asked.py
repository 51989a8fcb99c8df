"""What was asked a moment ago is not read again, and never taken for something else."""

from __future__ import annotations

from typing import Any

import pytest

from server import asked, params
from server.asked import Lately
from stadtgrund.query.feature_query import FeatureQuery

from .conftest import Client

PAGE = "/collections/masten/items"


@pytest.fixture
def read(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[FeatureQuery]:
    """The queries that requests are read into, from now on."""
    queries: list[FeatureQuery] = []
    whole = params.feature_query

    def noted(*given: Any) -> FeatureQuery:
        queries.append(whole(*given))
        return queries[-1]

    monkeypatch.setattr(params, "feature_query", noted)
    monkeypatch.setattr(client.app.items, "lately", Lately())
    return queries


def test_the_same_page_is_read_once(client: Client, read: list[FeatureQuery]) -> None:
    first, second = (client.get(f"{PAGE}?limit=3&filter=nummer>2") for _ in range(2))
    assert first.content == second.content and first.json()["numberMatched"] == second.json()["numberMatched"]
    assert len(read) == 1


@pytest.mark.parametrize("other", ["?limit=4", "?limit=3&offset=1", "?limit=3&sortby=-nummer", "?limit=3&nummer=7"])
def test_another_page_is_another(client: Client, read: list[FeatureQuery], other: str) -> None:
    pages = [client.get(PAGE + query).json()["features"] for query in ("?limit=3", other, "?limit=3")]
    assert pages[0] == pages[2] != pages[1]
    assert len(read) == 2


def test_each_collection_and_form_for_itself(client: Client, read: list[FeatureQuery]) -> None:
    whole = client.get(PAGE).json()["numberReturned"]
    assert client.get(PAGE, headers={"accept": "text/html"}).status_code == 200
    assert [query.limit for query in read] == [params.DEFAULT_LIMIT, 100]
    assert client.get("/collections/gebiete/items").json()["numberReturned"] != whole
    assert [query.relation.dataset for query in read] == ["masten", "masten", "gebiete"]


def test_what_is_wrong_is_wrong_again(client: Client, read: list[FeatureQuery]) -> None:
    assert [client.get(f"{PAGE}?limit=x").status_code for _ in range(2)] == [400, 400]


def test_only_the_last_ones_are_kept(client: Client, read: list[FeatureQuery], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "_MOST", 2)
    for limit in (1, 2, 3, 3, 1):
        client.get(f"{PAGE}?limit={limit}")
    client.get(f"{PAGE}?limit=3&filter=" + " OR ".join(["nummer=1"] * 40))
    client.get(f"{PAGE}?limit=1")
    assert [query.limit for query in read] == [1, 2, 3, 1, 3]
