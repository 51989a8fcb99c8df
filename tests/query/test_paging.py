"""Paging: any page size over ties and NULLs gives each row exactly once, in the order that SQL itself says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query.city import PROBEN, ROWS, Published
from support.rows import publish_rows

from stadtgrund.crs import BBox
from stadtgrund.errors import InvalidCursor, InvalidParameter
from stadtgrund.query import Cursor, FeatureQuery, SortKey, cql2, items, parse_sortby
from stadtgrund.query.cursor import fingerprint
from stadtgrund.query.interval import Interval

SORTABLES = [*PROBEN["sortables"], "nummer"]
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def walk(city: Published, query: FeatureQuery) -> Iterator[items.Page]:
    """Yield the pages, each cursor having gone through its text."""
    while True:
        page = items.read_page(query, city.row(items.page(query)))
        yield page
        if page.next is None:
            return
        options = {**{name: getattr(query, name) for name in query.__dataclass_fields__}, "cursor": None}
        bare = FeatureQuery(**options)
        query = FeatureQuery(**{**options, "cursor": Cursor.decode(page.next.encode(bare), bare)})


def ids(page: items.Page) -> list[Any]:
    return [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]


def reference(city: Published, keys: list[SortKey], where: str = "TRUE") -> list[Any]:
    """The order as plain SQL states it; the id follows the direction of the last key, and ends the order where it is a key itself."""
    terms, descending = list[str](), False
    for key in keys:
        descending = key.descending
        if key.column == "nummer":
            break
        terms.append(f'"{key.column}" {"DESC" if descending else "ASC"} NULLS LAST')
    terms.append("sg_id DESC" if descending else "sg_id")
    return city.column(f"SELECT sg_id FROM p_open.proben WHERE {where} ORDER BY {', '.join(terms)}")


keys = st.lists(st.builds(SortKey, st.sampled_from(SORTABLES), st.booleans()), max_size=3, unique_by=lambda key: key.column)


@UNHURRIED
@given(sortby=keys, limit=st.integers(1, 90), offset=st.integers(0, 85))
def test_each_row_once(city: Published, sortby: list[SortKey], limit: int, offset: int) -> None:
    query = FeatureQuery(relation=city.relation("proben"), limit=limit, offset=offset, sortby=tuple(sortby), skip_geometry=True)
    pages = list(walk(city, query))
    assert [ident for page in pages for ident in ids(page)] == reference(city, sortby)[offset:]
    assert all(page.returned == limit for page in pages[:-1])
    assert len(pages) == 1 or pages[-1].returned > 0, "no page that next promised is empty"
    done = offset
    for page in pages[:-1]:
        done += page.returned
        assert page.next is not None and page.next.before == done


@UNHURRIED
@given(sortby=keys, limit=st.integers(1, 30))
def test_each_row_once_under_conditions(city: Published, sortby: list[SortKey], limit: int) -> None:
    relation = city.relation("proben")
    query = FeatureQuery(
        relation=relation,
        limit=limit,
        sortby=tuple(sortby),
        bbox=BBox(-180, -90, 180, 90),
        datetime=Interval.parse("2024-05-01"),
        filter=cql2.parse("nummer > 3 AND (art <> 'apfel' OR art IS NULL)", "cql2-text", relation),
        properties=("nummer",),
    )
    where = (
        "geom IS NOT NULL AND zeit BETWEEN '2024-05-01 00:00+02' AND '2024-05-01 23:59:59.999999+02' "
        "AND nummer > 3 AND (art <> 'apfel' OR art IS NULL)"
    )
    found = [ident for page in walk(city, query) for ident in ids(page)]
    assert found == reference(city, sortby, where) and len(found) > 5


def test_an_empty_answer_is_a_page(city: Published) -> None:
    query = FeatureQuery(relation=city.relation("proben"), limit=10, bbox=BBox(100, 10, 101, 11))
    page = items.read_page(query, city.row(items.page(query)))
    assert (page.returned, page.body, page.next, page.current) == (0, b"", None, True)


def test_id_order_survives_a_publish(city: Published) -> None:
    """What is present throughout the walk comes once, though rows before and behind the cursor come and go."""
    relation = city.relation("punkte")
    query = FeatureQuery(relation=relation, limit=50)
    first = items.read_page(query, city.row(items.page(query)))
    assert first.next is not None
    gone = {7, 51, 52, 120}
    publish_rows(city.db, city.deployment, "punkte", [row for row in ROWS["punkte"] if row["nummer"] not in gone])
    later = FeatureQuery(relation=city.relation("punkte"), limit=50, cursor=Cursor.decode(first.next.encode(query), query))
    found = ids(first) + [ident for page in walk(city, later) for ident in ids(page)]
    assert found == [ident for ident in range(1, 301) if ident not in gone - {7}]


changes = st.lists(st.tuples(st.integers(1, 4), st.frozensets(st.integers(1, 330), max_size=40)), min_size=1, max_size=3)


@settings(UNHURRIED, max_examples=8)
@given(limit=st.integers(20, 90), changes=changes)
def test_a_walk_over_loads_that_publish(city: Published, limit: int, changes: list[tuple[int, frozenset[int]]]) -> None:
    """After some pages another version serves, without some rows and with new ones: what is there throughout comes exactly once,
    what comes was there when its page was read, and the order never goes back.
    """
    place = ROWS["punkte"][0]["geom"]
    everything = {row["nummer"]: row for row in ROWS["punkte"]} | {n: {"nummer": n, "art": "neu", "geom": place} for n in range(301, 331)}
    present = set(range(1, 301))
    publish_rows(city.db, city.deployment, "punkte", [everything[n] for n in sorted(present)])
    throughout, seen = set(present), list[int]()
    waiting = list(changes)
    pages = 0
    query = FeatureQuery(relation=city.relation("punkte"), limit=limit)
    while True:
        page = items.read_page(query, city.row(items.page(query)))
        found = ids(page)
        assert set(found) <= present and found == sorted(found)
        seen += found
        pages += 1
        if page.next is None:
            break
        if waiting and pages >= waiting[0][0]:
            _, turned = waiting.pop(0)
            present ^= turned
            throughout &= present
            publish_rows(city.db, city.deployment, "punkte", [everything[n] for n in sorted(present)])
        bare = FeatureQuery(relation=city.relation("punkte"), limit=limit)
        query = FeatureQuery(relation=bare.relation, limit=limit, cursor=Cursor.decode(page.next.encode(bare), bare))
    assert len(seen) == len(set(seen)) and seen == sorted(seen)
    assert set(seen) >= throughout


def test_cursor_text_round_trips_with_count(city: Published) -> None:
    query = FeatureQuery(relation=city.relation("proben"), limit=10, sortby=(SortKey("art"),))
    cursor = Cursor(3, "-5", ("Ümläut „x“\n",), 20, 80)
    assert Cursor.decode(cursor.encode(query), query) == cursor


def test_each_damage_is_seen(city: Published) -> None:
    query = FeatureQuery(relation=city.relation("proben"), limit=10, sortby=(SortKey("art"),))
    token = Cursor(3, "5", ("a",), 20, 80).encode(query)
    assert token.isascii() and token.replace("-", "").replace("_", "").isalnum()
    damaged = [token[:k] + ("A" if token[k] != "A" else "B") + token[k + 1 :] for k in range(len(token) - 1)]
    more = [token[:5] + "!" + token[5:], token[:7] + "%" + token[7:], f" {token}", f"{token}\n", f"{token}="]  # base64 would leave them out
    for bad in [*damaged, *more, token[:-2], token + "AAAA", "", "ä", "=", "[]", "A" * 5000]:
        with pytest.raises(InvalidCursor, match="damaged or belongs to another query"):
            Cursor.decode(bad, query)


@pytest.mark.parametrize(
    "change",
    [{"sortby": ()}, {"sortby": (SortKey("art", True),)}, {"bbox": BBox(7, 51, 8, 52)}, {"datetime": Interval.parse("2024-05-01")}],
)
def test_cursor_of_another_query_is_refused(city: Published, change: dict[str, Any]) -> None:
    relation = city.relation("proben")
    query = FeatureQuery(relation=relation, limit=10, sortby=(SortKey("art"),))
    token = Cursor(3, "5", ("a",), 20).encode(query)
    with pytest.raises(InvalidCursor):
        Cursor.decode(token, FeatureQuery(**{"relation": relation, "limit": 10, "sortby": (SortKey("art"),), **change}))
    resized = FeatureQuery(relation=relation, limit=99, sortby=(SortKey("art"),), properties=("art",), skip_geometry=True)
    assert Cursor.decode(token, resized).before == 20


def test_the_fingerprint_of_a_box_is_the_one_of_open_cursors(city: Published) -> None:
    """Heights are in it where there are some; without them the digest stays, over updates of the server, too."""
    flat, low, high = (
        fingerprint(FeatureQuery(relation=city.relation("proben"), limit=10, bbox=BBox(7, 51, 8, 52, heights=heights)))
        for heights in (None, (0.0, 1.0), (0.0, 2.0))
    )
    assert flat.hex() == "35643fd0e77abb0c" and len({flat, low, high}) == 3


@pytest.mark.parametrize("values", [("x", "1"), (None, "y"), (), ("1", "1", "1"), (True, None), ("1e400", None), (["1"], None)])
def test_a_forged_cursor_never_reaches_sql(city: Published, values: tuple[Any, ...]) -> None:
    """Its check sum is no secret: what it holds must fit the types of the keys."""
    query = FeatureQuery(relation=city.relation("proben"), limit=10, sortby=(SortKey("wert"), SortKey("stufe")))
    with pytest.raises(InvalidCursor):
        Cursor.decode(Cursor(3, "5", values, 20).encode(query), query)
    with pytest.raises(InvalidCursor):
        Cursor.decode(Cursor(3, "fünf", ("1", "1"), 20).encode(query), query)


def test_sortby_is_read(city: Published) -> None:
    relation = city.relation("proben")
    assert parse_sortby("-art, +wert, tag", relation) == (SortKey("art", True), SortKey("wert"), SortKey("tag"))
    assert parse_sortby(" art", relation) == (SortKey("art"),)  # a + that arrived as a space
    for bad in ("", ",", "art,", "technik", "art;DROP", "--", "art,-art"):
        with pytest.raises(InvalidParameter, match="sortby"):
            parse_sortby(bad, relation)


def test_a_sorted_page_reads_the_index(city: Published) -> None:
    """Without the branches for NULL, "descending, NULLs last" sorts the whole table."""
    query = FeatureQuery(relation=city.relation("proben"), limit=5, sortby=(SortKey("stufe", True),), cursor=Cursor(1, "9", ("3",), 5))
    statement = items.page(query)
    with city.connection.transaction():
        city.connection.execute("SET LOCAL enable_seqscan = off")
        city.connection.execute("SET LOCAL enable_bitmapscan = off")
        plan = "\n".join(city.column("EXPLAIN " + statement.sql, statement.params))
    assert "Index Cond: (ROW(" in plan and "Backward" in plan
    assert "Sort Key" not in plan.partition("IS NULL")[0]
