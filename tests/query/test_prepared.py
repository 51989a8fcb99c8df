"""Prepared features: to the byte what would be made, in every order and under every condition, and never instead of what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from query.city import Published

from stadtgrund.crs import CRS84, BBox, storage
from stadtgrund.errors import NotFound
from stadtgrund.query import FeatureQuery, Relation, SortKey, cql2, items

DATASETS = ("proben", "flaechen", "punkte")


def both(city: Published, dataset: str) -> tuple[Relation, Relation]:
    """The relation as it is published, and one that must make its features."""
    ready = city.relation(dataset)
    assert ready.prepared
    return ready, replace(ready, prepared=False)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_walk_through_all_pages_is_the_same_to_the_byte(city: Published, dataset: str) -> None:
    ready, made = both(city, dataset)
    query, other = FeatureQuery(relation=ready, limit=7), FeatureQuery(relation=made, limit=7)
    pages = 0
    while True:
        statement = items.page(query)
        assert ready.text in statement.sql and "row_to_json" not in statement.sql
        one = items.read_page(query, city.row(statement))
        two = items.read_page(other, city.row(items.page(other)))
        assert (one.body, one.returned, one.next) == (two.body, two.returned, two.next)
        pages += 1
        if one.next is None:
            break
        query, other = replace(query, cursor=one.next), replace(other, cursor=two.next)
    assert pages > 1


@pytest.mark.parametrize(
    "asked",
    [
        {"sortby": (SortKey("wert", True),), "limit": 100},
        {"sortby": (SortKey("wert", False),), "limit": 9, "offset": 5},
        {"bbox": BBox(-180, -90, 180, 90, CRS84), "limit": 100},
        {"limit": 3, "offset": 70},
    ],
)
def test_order_box_and_offset_select_the_same(city: Published, asked: dict[str, Any]) -> None:
    bodies = []
    for relation in both(city, "proben"):
        query = FeatureQuery(relation=relation, **asked)
        bodies.append(items.read_page(query, city.row(items.page(query))).body)
    assert bodies[0] == bodies[1] != b""


def test_a_filter_selects_the_same(city: Published) -> None:
    bodies = []
    for relation in both(city, "proben"):
        query = FeatureQuery(relation=relation, limit=50, filter=cql2.parse("nummer > 10", "cql2-text", relation))
        bodies.append(items.read_page(query, city.row(items.page(query))).body)
    assert bodies[0] == bodies[1] != b""


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_item_is_the_same(city: Published, dataset: str) -> None:
    ready, made = both(city, dataset)
    ident = str(city.column(f"SELECT sg_id FROM p_open.{dataset} ORDER BY sg_id LIMIT 1")[0])
    statement = items.item(ready, ident)
    assert ready.text in statement.sql
    assert items.read_item(ready, ident, city.row(statement)).body == items.read_item(made, ident, city.row(items.item(made, ident))).body
    with pytest.raises(NotFound):
        items.read_item(ready, "4711", city.row(items.item(ready, "4711")))


@pytest.mark.parametrize("asked", [{"crs": storage(25832)}, {"properties": ("art",)}, {"skip_geometry": True}])
def test_what_does_not_lie_ready_is_made(city: Published, asked: dict[str, Any]) -> None:
    ready, _ = both(city, "proben")
    assert ready.text not in items.page(FeatureQuery(relation=ready, limit=5, **asked)).sql
    assert ready.text not in items.item(ready, "1", **asked).sql
