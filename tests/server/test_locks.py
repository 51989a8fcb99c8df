"""In which order statements lock the views of a dataset: that of the rows first, as a publish does, so that neither waits for the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from stadtgrund.store.database import Database

from .conftest import Client

ITEMS = "/collections/masten/items"
TILE = "/collections/masten/tiles/WebMercatorQuad/14/5453/8509"
REQUESTS = {
    "page": f"{ITEMS}?limit=7",
    "item": f"{ITEMS}/7",
    "far": f"{ITEMS}?limit=7&offset=1001",
    "box": f"{ITEMS}?limit=7&bbox=6,50,8,52",
    "filter": f"{ITEMS}?limit=7&filter=nummer>3",
    "words": f"{ITEMS}?limit=7&q=ahorn",
    "words and box": f"{ITEMS}?limit=7&q=birke&bbox=6,50,8,52&sortby=-hoehe",
    "order": f"{ITEMS}?limit=7&sortby=-hoehe",
    "order and filter": f"{ITEMS}?limit=7&sortby=hoehe&filter=nummer>3",
    "other CRS": f"{ITEMS}?limit=7&crs=http://www.opengis.net/def/crs/EPSG/0/25833&bbox=6,50,8,52",
    "some properties": f"{ITEMS}?limit=7&properties=name&filter=nummer>3",
    "CSV": f"{ITEMS}?limit=7&filter=nummer>3&f=csv",
    "nothing": f"{ITEMS}?limit=7&filter=nummer>3 AND nummer<2",
    "tile": TILE,
    "tile with filter": f"{TILE}?filter=nummer>3",
    "tile with words": f"{TILE}?filter=name LIKE 'A%25'",
}
ALONE = ("page", "item", "far", "tile")
"""What reads prepared text or geometry, and no other view."""
WAITING = """
SELECT
    array_agg(DISTINCT g.relation::regclass::text) FILTER (WHERE g.relation::regclass::text ~ '^p_open\\..*masten'),
    count(DISTINCT w.pid)
FROM pg_locks w
LEFT JOIN pg_locks g ON g.pid = w.pid AND g.granted AND g.locktype = 'relation' AND g.database = w.database
WHERE NOT w.granted AND w.relation = 'p_open.masten'::regclass
"""


@contextmanager
def locked(db: Database) -> Iterator[None]:
    """Hold the view of the rows, and nothing else."""
    with db.connect("owner") as owner:
        owner.execute("ALTER VIEW p_open.masten OWNER TO CURRENT_USER")
        yield
        owner.rollback()


def held(db: Database, task: asyncio.Task[httpx.Response]) -> list[str] | None:
    """Return which views a request has locked that waits for that of the rows; None when it needs that one not, and is answered."""
    with db.connect("owner", autocommit=True) as owner:
        end = time.monotonic() + 10
        while not task.done() and time.monotonic() < end:
            names, waiting = owner.execute(WAITING).fetchone() or (None, 0)
            if waiting:
                return list(names or ())
            time.sleep(0.01)
    assert task.done()
    return None


@pytest.mark.parametrize("before", [0, 4], ids=["parsed", "planned anew"])
@pytest.mark.parametrize("name", REQUESTS)
def test_who_waits_for_the_view_of_the_rows_holds_none_of_the_others(own_client: Client, db: Database, name: str, before: int) -> None:
    async def begin() -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(own_client.http.get(REQUESTS[name]))

    for _ in range(before):
        assert own_client.get(REQUESTS[name]).status_code in (200, 204)
    with locked(db):
        task: asyncio.Task[httpx.Response] = own_client.run(begin())
        views = held(db, task)
        assert views == (None if name in ALONE else [])
    assert own_client.run(asyncio.wait_for(task, 20)).status_code in (200, 204)
