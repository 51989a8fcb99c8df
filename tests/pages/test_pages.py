"""Every page in the system's Chromium: no fault, no other host, nothing that shuts people out, no text that becomes a script."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from .conftest import AREAS, TEXTS, Visits

WORST = {"serious", "critical"}
PATHS = (
    "/", "/conformance", "/api", "/collections", "/collections/masten", "/collections/gebiete", "/collections/zahlen",
    "/collections/masten/schema", "/collections/masten/queryables", "/collections/masten/sortables", "/collections/masten/items",
    "/collections/gebiete/items", "/collections/zahlen/items", "/collections/masten/items/1", "/collections/masten/api",
    "/collections/masten/tiles", "/collections/masten/tiles/WebMercatorQuad", "/tileMatrixSets", "/tileMatrixSets/WorldCRS84Quad",
    "/processes", "/processes/construction_overlay", "/processes/echo", "/jobs", "/styles",
    "/start/qgis", "/start/planung", "/start/entwicklung",
)  # fmt: skip
WRONG = ("/collections/gibtesnicht", "/collections/masten/items?f=html&limit=x", "/gibtesnicht/%3Cscript%3Ealert(8)%3C%2Fscript%3E")
BAD = ("/collections?q=", "/collections/masten/items?name=", "/collections/masten/items?gibtesnicht=", "/collections/masten/items?bbox=")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def with_format(path: str, language: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}f=html&lang={language}" if "f=html" not in path else f"{path}&lang={language}"


def faults(seen: dict[str, Any]) -> list[object]:
    """Return what is wrong with a page, whatever its deployment."""
    found: list[object] = [f"ran a script: {seen['hit']} {seen['dialogs']}"] if seen["hit"] is not None or seen["dialogs"] else []
    found += [f"links a script: {seen['scripts']}"] if seen["scripts"] else []
    found += [*seen["foreign"], *seen["errors"], *(fault for fault in seen["axe"] if fault["impact"] in WORST)]
    if "default-src 'none'" not in seen["policy"] or "unsafe" in seen["policy"]:
        found.append(f"policy: {seen['policy']!r}")
    found += ["wider than the window"] if seen["wide"] else []
    return [seen["path"], *found] if found else []


def assert_sound(seen: list[dict[str, Any]]) -> None:
    assert [found for each in seen if (found := faults(each))] == []


@pytest.mark.parametrize("language", ["de", "en"])
def test_pages_as_they_should_be(good_api: str, visit: Visits, language: str) -> None:
    visits = [{"path": with_format(path, language), "width": (1280, 390)[number % 2]} for number, path in enumerate(PATHS)]
    visits += [{"path": path} for path in (*WRONG[1:2], "/viewer/")]
    seen = visit(good_api, visits)
    assert_sound(seen)
    assert [each["path"] for each in seen if each["status"] != (400 if "limit=x" in each["path"] else 200)] == []


def test_pages_with_bad_texts(hostile_api: str, visit: Visits) -> None:
    visits: list[dict[str, Any]] = [{"path": with_format(path, "de")} for path in (*PATHS, *WRONG)]
    visits += [{"path": with_format(path, "en"), "brief": True} for path in PATHS]
    items = [f"/collections/gebiete/items/{quote(area['schluessel'], safe='')}" for area in AREAS]
    asked = [f"{path}{quote(' '.join(TEXTS))}" for path in BAD]
    visits += [{"path": with_format(path, "de"), "brief": True} for path in (*items, *asked)]
    visits.append({"path": "/viewer/", "layers": True})
    assert_sound(visit(hostile_api, visits))


def test_the_administrations_pages(good_api: str, visit: Visits, key: str) -> None:
    visits = [{"path": with_format(path, "de")} for path in ("/", "/collections", "/collections/leitungen", "/api")]
    seen = visit(good_api, visits, key)
    assert_sound(seen)
    assert [each["status"] for each in seen] == [200] * len(visits)


@pytest.mark.parametrize("language", ["de", "en"])
def test_each_piece_of_code_is_copied_as_it_stands(good_api: str, visit: Visits, language: str) -> None:
    seen = visit(good_api, [{"path": with_format("/collections/masten", language), "copy": True}])[0]
    assert_sound([seen])
    assert len(seen["copied"]) > 10
    for shown, copied in seen["copied"]:
        assert copied == shown.strip("\n")


def test_the_list_is_searched_while_typing(good_api: str, visit: Visits) -> None:
    typed = {"strassenbeleuchtung": 1, "Masten, Zahlen": 2, "gibtesnicht": 0}
    for words, seen in zip(
        typed, visit(good_api, [{"path": "/collections?f=html&lang=de", "type": words} for words in typed]), strict=True
    ):
        assert_sound([seen])
        assert seen["rows"] == typed[words] and seen["found"] == f"{typed[words]} von 3 Datensätzen"


def test_csv_runs_no_formula(hostile_api: str) -> None:
    text = httpx.get(f"{hostile_api}/collections/masten/items?f=csv", trust_env=False).text
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]


def test_json_keeps_every_text_as_it_is(hostile_api: str) -> None:
    got = httpx.get(f"{hostile_api}/collections/masten/items", trust_env=False).json()
    assert {feature["properties"]["name"] for feature in got["features"]} == set(TEXTS)
    assert httpx.get(f"{hostile_api}/?f=json", trust_env=False).json()["title"] == f"{TEXTS[0]} 0"
