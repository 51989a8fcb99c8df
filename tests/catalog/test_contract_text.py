"""A contract's text says the same values again, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stadtgrund.catalog.contract_text import write
from stadtgrund.catalog.document import parse

SCALARS = st.text(max_size=30) | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def same(values: Any) -> Any:
    """Return what YAML can keep apart: mappings with text keys, lists, scalars."""
    document = parse("x.yaml", write({"a": values}))
    assert document.problems == (), (document.text, document.problems)
    return document.data["a"]


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_values_come_back(values: Any) -> None:
    assert same(values) == values


@pytest.mark.parametrize(
    "text",
    [
        "", "true", "No", "null", "~", "01001000", "1.5", "1e3", "2026-01-01", "12:30:45", "0x1F", "0o7", ".inf", "EPSG:25832",
        "EPSG:25832 (x)", "a: b", "a #b", "- a", "{a}", "${DATA}/x y/ö.shp", "/a/b c.csv", " a ", "a\nb", "\x85", "\u2028", "\ufeff",
        "\U0001f333", "„Straße“", '"', "'", "=", "<<", "!x", "&x", "*x", "%x", "@x", "`x", "?", "|", ">", "Anteil (%) (1)",
    ],
)  # fmt: skip
def test_texts_that_yaml_would_take_for_something_else(text: str) -> None:
    assert same(text) == text
    assert same([text, {text or "a": text}]) == [text, {text or "a": text}]


def test_comments_stand_above_what_they_speak_of_and_change_nothing() -> None:
    values = {"id": "x", "source": {"kind": "ogr", "crs": "EPSG:25832"}, "fields": [{"name": "a"}, {"name": "b"}]}
    comments = {(): ["Kopf"], ("source", "crs"): ["aus der Datei\nid: y"], ("fields", 1): ["lang " * 60]}
    text = write(values, comments)
    assert parse("x.yaml", text).data == values
    lines = text.splitlines()
    assert lines[0] == "# Kopf"
    assert lines[lines.index("  crs: EPSG:25832") - 1] == "  # aus der Datei id: y"
    assert lines[-1] == "  - {name: b}" and lines[-2].startswith("  #   lang") and max(map(len, lines)) <= 118
