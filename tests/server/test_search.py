"""`q` on pages: GeoJSON, CSV, HTML, counts, links, the API definition, and bad input."""

from __future__ import annotations

import csv
import io
from html import unescape

import pytest
from support.client import Client

from stadtgrund.query.search import MAX_LENGTH, MAX_WORDS

from .conftest import KEY

ITEMS = "/collections/masten/items"
STREETS = [n for n in range(1, 61) if n % 7 == 5]


def test_every_format_finds_the_same(client: Client) -> None:
    page = client.json(ITEMS, params={"q": "Strassen"})
    assert [feature["id"] for feature in page["features"]] == STREETS
    assert page["numberMatched"] == page["numberReturned"] == len(STREETS)
    rows = list(csv.DictReader(io.StringIO(client.get(ITEMS, params={"q": "Strassen", "f": "csv"}).text)))
    assert {row["name"] for row in rows} == {"Straße"} and len(rows) == len(STREETS)
    html = client.get(ITEMS, params={"q": "straße <b>", "f": "html"})
    assert html.status_code == 200 and 'value="straße &lt;b&gt;"' in html.text
    assert "(Name, art)" in unescape(html.text)


def test_pages_keep_the_words(client: Client) -> None:
    page = client.json(ITEMS, params={"q": "Straße,Ahorn", "limit": "3", "sortby": "-name", "bbox": "-180,-90,180,90"})
    expected = page["numberMatched"]
    found = [feature["id"] for feature in page["features"]]
    while following := next((link["href"] for link in page["links"] if link["rel"] == "next"), None):
        assert "q=Stra%C3%9Fe,Ahorn" in following
        page = client.json(following)
        assert page["numberMatched"] == expected
        found += [feature["id"] for feature in page["features"]]
    assert sorted(found) == sorted(n for n in range(1, 61) if n % 7 in (0, 5)) and len(found) == expected


def test_words_and_other_conditions_hold_together(client: Client) -> None:
    def ids(**query: str) -> set[int]:
        return {feature["id"] for feature in client.json(ITEMS, params=query)["features"]}

    words, others = ids(q="Straße"), {"filter": "nummer > 20", "art": "holz", "datetime": "2011-01-01/2016-12-31"}
    for name, value in others.items():
        assert ids(q="Straße", **{name: value}) == words & ids(**{name: value})


@pytest.mark.parametrize("text", ["", "  ", ",,", "!?", "x" * (MAX_LENGTH + 1), "a," * (MAX_WORDS + 1), "…", "a" * 60_000])
def test_bad_words_are_named(client: Client, text: str) -> None:
    response = client.get(ITEMS, params={"q": text})
    if response.status_code == 414:  # longer than an address may be
        return
    problem = response.json()
    assert response.status_code == 400 and problem["parameter"] == "q" and "terms parted by commas" in problem["allowed"]


@pytest.mark.parametrize(
    "text", ["%", "'", "\\", "a' | 'b", "!a", "(a", "a:*", "%ed%a0%80", "\ufffe a", "a\0b", "🙂 a", "der", "a" * MAX_LENGTH]
)
def test_strange_words_are_words(client: Client, text: str) -> None:
    response = client.get(ITEMS, params={"q": text})
    assert response.status_code in (200, 400), response.text


def test_a_profile_is_searched_by_its_own_fields(client: Client) -> None:
    """`betreiberkonto` is closed: its words find nothing for open, and the definition does not name it."""
    assert client.json(ITEMS, params={"q": "KONTO"})["numberMatched"] == 0
    assert client.json(ITEMS, params={"q": "KONTO"}, key=KEY)["numberMatched"] == 60
    assert client.get("/collections/geheimleitungen/items?q=Asbestzement").status_code == 404
    assert client.json("/collections/geheimleitungen/items?q=Asbestzement", key=KEY)["numberMatched"] == 1777


def test_what_has_no_text_says_so(client: Client) -> None:
    response = client.get("/collections/zahlen/items?q=a")
    assert response.status_code == 400 and "no text to search" in response.json()["allowed"]
    assert 'name="q"' not in client.get("/collections/zahlen/items?f=html").text


def test_the_definition_has_q_where_there_is_text(client: Client) -> None:
    paths = client.json("/api?lang=de")["paths"]
    (q,) = [each for each in paths[ITEMS]["get"]["parameters"] if each.get("name") == "q"]
    # OGC API – Features Part 9 (24-031), /req/text-search/q-definition, B
    assert (q["in"], q["required"], q["explode"], q["schema"]["type"], q["schema"]["items"]["type"]) == (
        "query",
        False,
        False,
        "array",
        "string",
    )
    assert q["description"].endswith("Durchsucht: Name, art.")
    assert not [each for each in paths["/collections/zahlen/items"]["get"]["parameters"] if each.get("name") == "q"]
    key_paths = client.json("/api?lang=en", key=KEY)["paths"]
    (q,) = [each for each in key_paths[ITEMS]["get"]["parameters"] if each.get("name") == "q"]
    assert q["description"].endswith("Searched: Name, art, Betreiberkonto.")
