"""Prepared features: to the byte what would be made, in every order and under every condition, and never instead of what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from query.city import Published

from stadtgrund.catalog.collection import PREPARED, Collection
from stadtgrund.crs import CRS84, CRS84H, BBox, Crs, storage, supported
from stadtgrund.errors import NotFound
from stadtgrund.query import FeatureQuery, Relation, SortKey, cql2, items

DATASETS = ("proben", "flaechen", "punkte")


def both(city: Published, dataset: str) -> tuple[Relation, Relation]:
    """The relation as it is published, and one that must make its features."""
    ready = city.relation(dataset)
    assert ready.prepared
    return ready, replace(ready, prepared=False)


WHOLE: tuple[dict[str, Any], ...] = ({}, {"crs": CRS84H}, {"crs": storage(25832)}, {"skip_geometry": True})
"""What lies ready as a whole: in CRS84 and CRS84h, in the storage CRS, without geometry."""


@pytest.mark.parametrize("asked", WHOLE)
@pytest.mark.parametrize("dataset", ["proben", "flaechen"])
def test_a_walk_through_all_pages_is_the_same_to_the_byte(city: Published, dataset: str, asked: dict[str, Any]) -> None:
    ready, made = both(city, dataset)
    query, other = FeatureQuery(relation=ready, limit=7, **asked), FeatureQuery(relation=made, limit=7, **asked)
    pages = 0
    while True:
        statement = items.page(query)
        assert ready.text in statement.sql and ready.view not in statement.sql and "row_to_json" not in statement.sql
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


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("crs", supported(25833, 3), ids=lambda crs: crs.uri.rsplit("/", 1)[1])
@pytest.mark.parametrize("properties", [None, ("art",), ()])
@pytest.mark.parametrize("skip_geometry", [False, True])
def test_each_mixture_of_ready_and_made_is_the_same(
    city: Published, dataset: str, crs: Crs, properties: tuple[str, ...] | None, skip_geometry: bool
) -> None:
    """A piece that lies ready is taken, the other is made: pages in order, chosen pages and items say the same to the byte."""
    asked = {"crs": crs, "properties": properties, "skip_geometry": skip_geometry}
    bodies = []
    for relation in both(city, dataset):
        whole = FeatureQuery(relation=relation, limit=30, **asked)
        chosen = replace(whole, filter=cql2.parse("art <> 'Wald'", "cql2-text", relation), sortby=(SortKey(relation.sortables[0], True),))
        pages = [items.read_page(query, city.row(items.page(query))).body for query in (whole, chosen)]
        ident = str(city.column(f"SELECT sg_id FROM p_open.{dataset} ORDER BY sg_id LIMIT 1")[0])
        bodies.append([*map(bytes, pages), items.read_item(relation, ident, city.row(items.item(relation, ident, **asked))).body])
    assert bodies[0] == bodies[1] and all(bodies[0])


def test_a_text_of_an_earlier_layout_is_not_read(city: Published) -> None:
    """Until the next apply or load makes it anew, features are made when they are asked."""
    row = city.connection.execute("SELECT collection FROM p_open.sg_state WHERE dataset = 'proben'").fetchone()
    assert row is not None and row[0]["facts"]["prepared"] == PREPARED
    earlier = {**row[0], "facts": {**row[0]["facts"], "prepared": True}}
    assert not Relation.of(Collection.model_validate(earlier), "p_open").prepared
