"""How the rows of a page are found: never which, whatever is known; and what is read for it, by PostgreSQL's own account."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql
from query.city import PROBEN, Published
from support.deployment import checked, contract_of, write_deployment
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.crs import BBox
from stadtgrund.query import Cursor, FeatureQuery, Relation, SortKey, cql2, items, rows
from stadtgrund.query.interval import Interval
from stadtgrund.query.items import Page
from stadtgrund.store.database import Database

UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY, STEPS = 40_000, 400
NOT_ALL_VISIBLE = """
    SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = 'rel' AND relkind = 'r' AND relallvisible < relpages
"""
SORTABLES = ("art", "stufe", "wert", "preis", "tag", "zeit", "aktiv")

keys = st.builds(SortKey, st.sampled_from([*SORTABLES, "nummer"]), st.booleans())


def asked(page: Page) -> tuple[bytes, int, Cursor | None]:
    return bytes(page.body), page.returned, page.next


@UNHURRIED
@given(
    sortby=st.lists(
        st.builds(SortKey, st.sampled_from([*SORTABLES, "nummer"]), st.booleans()), max_size=2, unique_by=lambda key: key.column
    ),
    filter=st.sampled_from(
        [None, "nummer > 3", "stufe >= 2", "art = 'apfel'", "wert > 0 AND aktiv", "nummer < 0", "tag > DATE('2024-01-01') OR stufe = 1"]
    ),
    datetime=st.sampled_from([None, "2024-05-01/.."]),
    box=st.booleans(),
    limit=st.integers(1, 40),
    offset=st.sampled_from([0, 0, 5, 60]),
    made=st.booleans(),
)
def test_the_way_decides_nothing(
    city: Published, sortby: list[SortKey], filter: str | None, datetime: str | None, box: bool, limit: int, offset: int, made: bool
) -> None:
    """Collected, walked to, or first measured: the same bytes, the same next page."""
    relation = replace(city.relation("proben"), prepared=not made)
    query = FeatureQuery(
        relation=relation,
        limit=limit,
        offset=offset,
        sortby=tuple(sortby),
        filter=cql2.parse(filter, "cql2-text", relation) if filter else None,
        datetime=Interval.parse(datetime) if datetime else None,
        bbox=BBox(-180, -90, 180, 90) if box else None,
    )
    # So large that it does not go without saying that all may be collected.
    huge = replace(query, relation=replace(relation, count=10**9))
    while True:
        reference = items.read_page(query, city.row(items.page(query)))
        pages = [items.read_page(huge, city.row(items.page(huge, matched))) for matched in (None, 0, 10**9)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows, "_FEW", 0)
            patch.setattr(rows, "_FAR", 1)
            small = replace(huge, relation=replace(relation, count=80))
            pages.append(items.read_page(small, city.row(items.page(small))))
        for page in pages:
            assert asked(page) == asked(reference)
            assert page.matched in (None, reference.matched)
        if reference.next is None:
            return
        query, huge = replace(query, cursor=reference.next), replace(huge, cursor=reference.next)


def test_few_grows_with_page_and_collection(city: Published) -> None:
    relation = city.relation("proben")
    small = FeatureQuery(relation=replace(relation, count=500_000), limit=10)
    assert rows.few(small) == 10_000
    assert 69_000 < rows.few(replace(small, limit=10_000)) < 72_000
    assert rows.few(replace(small, offset=400_000)) > 400_000


# What is read, by EXPLAIN (ANALYZE): actual rows, not times.


def _vacuum(owner: Connection[Any]) -> None:
    """As autovacuum does within a minute; again while a snapshot of another backend keeps pages from being marked all-visible.

    Such are autovacuum's own and that of a backend which is just starting, in whichever database.
    """
    for _ in range(100):
        owner.execute("VACUUM ANALYZE")
        if owner.execute(NOT_ALL_VISIBLE).fetchone() == (0,):
            return
        time.sleep(0.1)
    raise TimeoutError("VACUUM has not marked the published tables as all-visible within 100 runs.")


@pytest.fixture(scope="module")
def big(module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """`proben` with MANY rows: half of each sortable is NULL, `stufe` has STEPS values, `art` = 'selten' is rare."""
    folder = write_deployment(tmp_path_factory.mktemp("big") / "teststadt", checked(contract_of({**PROBEN, "publish": {"items": True}})))
    deployment = registry.read(folder, folder / "data")
    row = {field["name"]: None for field in PROBEN["fields"]}
    made = [
        {
            **row,
            "nummer": n,
            "art": "selten" if n % 4000 == 7 else f"art{n % 10}" if n % 2 else None,
            "stufe": n % STEPS,
            "wert": None if n % 2 else n * 7919 % 10_007 / 7,
            "preis": None if n % 2 else n * 31 % 1009,
            "aktiv": None if n % 3 else n % 2 == 0,
            "tag": None if n % 2 else f"20{10 + n % 10}-0{1 + n % 9}-11",
            "zeit": None if n % 2 else f"20{10 + n % 10}-0{1 + n % 9}-11T10:00:00Z",
            "geom": f"POINT({360_000 + n * 7919 % 20_011} {5_690_000 + n * 104_729 % 20_011})",
        }
        for n in range(1, MANY + 1)
    ]
    publish_rows(module_db, deployment, "proben", made)
    with module_db.connect("owner", autocommit=True) as owner:
        _vacuum(owner)
    with module_db.connect("open", autocommit=True) as connection:
        yield Published(module_db, deployment, connection)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def visited(city: Published, query: FeatureQuery, matched: int | None = None) -> int:
    """The rows that the nodes of the plan took out of tables and indexes, those that a filter removed too; planned as the server has it."""
    statement = items.page(query, matched)
    numbers = count(1)
    text = re.sub("%([%s])", lambda place: "%" if place[1] == "%" else f"${next(numbers)}", statement.sql)
    execute = sql.SQL("EXECUTE walk") + (sql.SQL("({})").format(sql.SQL(", ").join(statement.params)) if statement.params else sql.SQL(""))
    with city.connection.transaction(force_rollback=True):
        mode = "force_custom_plan" if statement.prepare is False else "force_generic_plan"
        city.connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        city.connection.execute(f"PREPARE walk AS {text}")  # type: ignore[call-overload]
        ((plan,),) = city.connection.execute(sql.SQL("EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) ") + execute).fetchall()
        city.connection.execute("DEALLOCATE walk")
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name", "state") != "state"
    )


def ask(relation: Relation, limit: int = 20, **options: Any) -> FeatureQuery:
    if isinstance(options.get("filter"), str):
        options["filter"] = cql2.parse(options["filter"], "cql2-text", relation)
    return FeatureQuery(relation=relation, limit=limit, **options)


def at(big: Published, query: FeatureQuery, depth: int) -> FeatureQuery:
    """The page that begins `depth` rows behind the first, as `next` leads to it."""
    page = replace(query, limit=1, offset=depth - 1, skip_geometry=True)
    before = items.read_page(page, big.row(items.page(page))).next
    assert before is not None
    return replace(query, cursor=before)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", [None, "nummer", *SORTABLES])
def test_each_page_by_next_reads_as_much_as_the_first(big: Published, key: str | None, descending: bool) -> None:
    """At any depth, also where the key is NULL: a page and one row more, and a look-up for each."""
    query = ask(big.relation("proben"), sortby=(SortKey(key, descending),) if key else ())
    for page in (query, *(at(big, query, depth) for depth in (1, 10_000, 13_330, 19_990, 20_000, 30_000, MANY - 30))):
        assert visited(big, page) <= 2 * (query.limit + 1)


def test_a_page_at_a_far_offset_reads_the_index_only_up_to_there(big: Published) -> None:
    relation = big.relation("proben")
    statement = items.page(ask(relation, offset=30_000))
    ((plan,),) = big.connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement.sql, statement.params).fetchall()  # type: ignore[call-overload]
    far = [node for node in nodes(plan[0]["Plan"]) if node["Actual Rows"] > 1000 and "Relation Name" in node]
    assert [(node["Node Type"], node["Heap Fetches"]) for node in far] == [("Index Only Scan", 0)]


@pytest.mark.parametrize("key", ["stufe", "wert", None])
@pytest.mark.parametrize(
    ("filter", "matches"),
    [("art = 'selten'", 10), ("art = 'nirgends'", 0), ("nummer < 0", 0), ("art IN ('selten', 'art7') AND stufe = 7", 100)],
)
def test_rare_matches_are_collected(big: Published, filter: str, matches: int, key: str | None) -> None:
    """By the index of what is asked, never along the order: what there is not would be looked for in the whole table."""
    query = ask(big.relation("proben"), filter=filter, sortby=(SortKey(key, True),) if key else ())
    assert items.read_page(query, big.row(items.page(query))).matched == matches
    assert visited(big, query) <= matches + 2 * query.limit + 10


def test_a_filter_without_an_index_reads_the_table_once(big: Published) -> None:
    query = ask(big.relation("proben"), filter="kennung IS NOT NULL", sortby=(SortKey("wert"),))
    assert items.read_page(query, big.row(items.page(query))).matched == 0
    assert visited(big, query) <= MANY + 10


@pytest.mark.parametrize("options", [{"filter": "stufe >= 0"}, {"bbox": BBox(7.0, 51.35, 7.2, 51.6)}])
def test_many_matches_are_walked_to(big: Published, options: dict[str, Any]) -> None:
    """Measured up to the bound when nothing is known; a page of what is known to be many costs the page."""
    query = ask(big.relation("proben"), sortby=(SortKey("wert", True),), **options)
    page = items.read_page(query, big.row(items.page(query)))
    assert page.matched is None and page.next is not None
    assert visited(big, query) <= 1.05 * rows.few(query) + 10 * query.limit
    matches = items.read_count(query, big.row(items.count(query))).matched
    for known in (query, at(big, query, 12_000)):
        assert visited(big, known, matches) <= 10 * query.limit


@pytest.mark.parametrize("options", [{"filter": "stufe > 250"}, {"filter": "stufe BETWEEN 250 AND 390 AND nummer > 0"}])
def test_a_walk_begins_where_the_filter_of_its_key_does(big: Published, options: dict[str, Any]) -> None:
    query = ask(big.relation("proben"), sortby=(SortKey("stufe"),), **options)
    assert visited(big, query, 15_000) <= 3 * query.limit


def test_a_walk_begins_where_its_time_does(big: Published) -> None:
    query = ask(big.relation("proben"), sortby=(SortKey("zeit"),), datetime=Interval.parse("2018-01-01/.."))
    assert visited(big, query, 15_000) <= 3 * query.limit


def test_pages_under_a_condition_cost_no_more_than_the_first(big: Published) -> None:
    query = ask(big.relation("proben"), filter="stufe >= 100 AND art = 'art1'", sortby=(SortKey("stufe"),))
    first = visited(big, query)
    for depth in (100, 1000, 2500):
        assert visited(big, at(big, query, depth), 3000) <= 1.1 * first
