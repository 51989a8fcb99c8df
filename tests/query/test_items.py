"""Pages and items: each value as JSON, each CRS, versions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import shapely
from query.city import PROBEN, ROWS, Published
from support.rows import publish_rows

from stadtgrund.catalog.collection import Collection
from stadtgrund.crs import CRS84, Crs, storage, supported
from stadtgrund.errors import InvalidParameter, NotFound
from stadtgrund.query import FeatureQuery, Relation, SortKey, items


def features(city: Published, query: FeatureQuery) -> list[dict[str, Any]]:
    page = items.read_page(query, city.row(items.page(query)))
    assert page.current
    found: list[dict[str, Any]] = json.loads(b"[" + page.body + b"]", parse_float=Decimal)
    assert len(found) == page.returned
    return found


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """The properties of a row of `proben`, as JSON must say them."""
    zeit, wert = row["zeit"], row["wert"]
    return {
        **{name: row[name] for name in ("nummer", "art", "stufe", "preis", "aktiv", "technik", "order")},
        "wert": Decimal(repr(wert)) if wert is not None and abs(wert) < float("inf") else None,
        "tag": row["tag"] and row["tag"].isoformat(),
        "zeit": zeit and zeit.isoformat().replace("+00:00", "Z"),
        "kennung": row["kennung"] and str(row["kennung"]),
    }


def test_every_value_is_exact(city: Published) -> None:
    found = features(city, FeatureQuery(relation=city.relation("proben"), limit=100))
    assert [feature["id"] for feature in found] == list(range(1, 81))
    assert [feature["properties"] for feature in found] == [expected(row) for row in ROWS["proben"]]
    assert [feature["geometry"] is None for feature in found] == [row["geom"] is None for row in ROWS["proben"]]
    assert list(found[0]["properties"]) == [field["name"] for field in PROBEN["fields"]]


def test_curve_becomes_chords_within_a_centimetre(city: Published) -> None:
    (found,) = features(city, FeatureQuery(relation=city.relation("proben"), limit=1, offset=6, crs=storage(25832)))
    curve = found["geometry"]
    assert curve["type"] == "Polygon"
    radii = [((float(x) - 370_100) ** 2 + (float(y) - 5_700_000) ** 2) ** 0.5 for x, y in curve["coordinates"][0]]
    middles = [
        ((float(a[0] + b[0]) / 2 - 370_100) ** 2 + (float(a[1] + b[1]) / 2 - 5_700_000) ** 2) ** 0.5
        for a, b in zip(curve["coordinates"][0], curve["coordinates"][0][1:], strict=False)
    ]
    assert max(abs(radius - 100) for radius in radii) < 0.002
    assert max(abs(100 - middle) for middle in middles) <= 0.012


def test_height_stays(city: Published) -> None:
    for crs in supported(25833, 3):
        found = features(city, FeatureQuery(relation=city.relation("punkte"), limit=2, crs=crs))
        assert [feature["geometry"]["coordinates"][2] for feature in found] == [Decimal("34.5")] * 2


@pytest.mark.parametrize("crs", supported(25832), ids=lambda crs: crs.uri.rsplit("/", 1)[1])
def test_geometry_in_each_crs(city: Published, crs: Crs) -> None:
    relation = city.relation("flaechen")
    found = features(city, FeatureQuery(relation=relation, limit=1000, crs=crs))
    flip = "ST_FlipCoordinates" if crs.northing_first else ""
    reference = city.column(
        f"SELECT ST_AsGeoJSON({flip}(ST_Transform(ST_ForcePolygonCCW(geom), {crs.srid})), 12, 0)::jsonb FROM p_open.flaechen ORDER BY sg_id"
    )
    tolerance = 1e-8 if crs.geographic else 1e-3
    for feature, told in zip(found, reference, strict=True):
        assert (feature["geometry"] is None) == (told is None)
        if told:
            pairs = zip(feature["geometry"]["coordinates"][0], told["coordinates"][0], strict=True)
            assert all(abs(float(a) - b) <= tolerance for left, right in pairs for a, b in zip(left, right, strict=True))


def test_outer_rings_run_counterclockwise(city: Published) -> None:
    """RFC 7946, 3.1.6; the rows have them as their source had."""
    stored = city.column("SELECT ST_IsPolygonCCW(geom) FROM p_open.flaechen WHERE geom IS NOT NULL")
    assert False in stored
    for crs in (CRS84, storage(25832)):
        shapes = [feature["geometry"] for feature in features(city, FeatureQuery(relation=city.relation("flaechen"), limit=1000, crs=crs))]
        rings = [[ring["coordinates"][0], *ring["coordinates"][1:]] for ring in shapes if ring]
        assert len(rings) == len(stored)
        for outer, *holes in rings:
            assert shapely.LinearRing(outer).is_ccw and not any(shapely.LinearRing(hole).is_ccw for hole in holes)


def test_attributes_are_chosen_and_the_geometry_is_left_out(city: Published) -> None:
    relation = city.relation("proben")
    found = features(city, FeatureQuery(relation=relation, limit=3, properties=("order", "art"), skip_geometry=True))
    assert [list(feature["properties"]) for feature in found] == [["art", "order"]] * 3
    assert [feature["geometry"] for feature in found] == [None] * 3
    assert features(city, FeatureQuery(relation=relation, limit=1, properties=()))[0]["properties"] == {}


def test_item(city: Published) -> None:
    relation = city.relation("flaechen")
    row = ROWS["flaechen"][1]
    found = items.read_item(relation, row["schluessel"], city.row(items.item(relation, row["schluessel"])))
    assert found.current and found.version == relation.version
    feature = json.loads(found.body)
    assert feature["id"] == row["schluessel"]
    assert feature["properties"]["art"] == row["art"]
    assert feature["geometry"]["type"] == "Polygon"


@pytest.mark.parametrize(
    ("dataset", "ident"), [("flaechen", "F"), ("flaechen", "x' OR '1'='1"), ("flaechen", "a\0b"), ("proben", "abc"), ("proben", "9" * 40)]
)
def test_no_such_item(city: Published, dataset: str, ident: str) -> None:
    relation = city.relation(dataset)
    with pytest.raises(NotFound, match="has no item"):
        items.read_item(relation, ident, city.row(items.item(relation, ident)))


def test_unknown_collection(city: Published) -> None:
    relation = city.relation("proben")
    with pytest.raises(NotFound, match="'proben' does not exist"):
        items.read_page(FeatureQuery(relation=relation, limit=1), None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit='0'"),
        ({"offset": -1}, "offset='-1'"),
        ({"offset": 2**63}, "offset='9223372036854775808'"),
        ({"properties": ("geheim",)}, "Allowed: nummer, art, stufe"),
        ({"sortby": (SortKey("kennung"),)}, "Allowed: art, stufe, wert, preis, tag, zeit, aktiv, nummer"),
        ({"sortby": (SortKey("art"), SortKey("art", True))}, "each column once"),
    ],
)
def test_query_is_refused(city: Published, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message.replace("^", r"\^")):
        FeatureQuery(**{"relation": city.relation("proben"), "limit": 10, **options})


def test_an_old_relation_is_noticed(city: Published) -> None:
    old = city.relation("punkte")
    publish_rows(city.db, city.deployment, "punkte", ROWS["punkte"][:-1])
    query = FeatureQuery(relation=old, limit=1000)
    page = items.read_page(query, city.row(items.page(query)))
    assert (page.current, page.version, page.returned) == (False, old.version + 1, 299)
    new = city.relation("punkte")
    count = items.read_count(FeatureQuery(relation=new, limit=1), city.row(items.count(FeatureQuery(relation=new, limit=1))))
    assert (count.current, count.matched, new.count) == (True, 299, 299)


def test_text_depends_on_the_shape_only(city: Published) -> None:
    relation = city.relation("proben")
    plain = items.page(FeatureQuery(relation=relation, limit=10))
    assert plain.params == ()
    assert plain.sql == items.page(FeatureQuery(relation=Relation.of(*_state(city)), limit=10, crs=CRS84)).sql
    first, second = (items.item(relation, ident) for ident in ("1", "2"))
    assert first.sql == second.sql and first.params != second.params


def _state(city: Published) -> tuple[Collection, str]:
    (collection,) = city.column("SELECT collection FROM p_open.sg_state WHERE dataset = 'proben'")
    return Collection.model_validate(collection), "p_open"
