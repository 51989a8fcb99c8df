"""Publish, roll back, withdraw: what each profile sees afterwards."""

from __future__ import annotations

from support.rows import publish_rows

from stadtgrund.catalog.registry import Deployment
from stadtgrund.store.database import Database

MASTEN = [
    {"nummer": 1, "name": "Ahorn", "hoehe": 4.5, "gebaut": "2020-05-01", "geom": "POINT(360000 5700000)"},
    {"nummer": 2, "name": "Birke", "hoehe": 6.0, "gebaut": "2021-05-01", "geom": "POINT(361000 5701000)", "technik": {"a": [1]}},
    {"nummer": 3, "name": None, "geom": None},
]


def test_publish_shows_all_rows_to_both_profiles(db: Database, deployment: Deployment) -> None:
    version = publish_rows(db, deployment, "masten", MASTEN)

    assert (version.version, version.rows, version.origin) == (1, 3, "load")
    for profile in ("open", "verwaltung"):
        with db.connect(profile) as connection:
            from psycopg import sql

            rows = connection.execute(
                sql.SQL("SELECT sg_id, name FROM {}.masten ORDER BY sg_id").format(sql.Identifier(f"p_{profile}"))
            ).fetchall()
            state = connection.execute(
                sql.SQL("SELECT version, form, collection FROM {}.sg_state").format(sql.Identifier(f"p_{profile}"))
            ).fetchone()
        assert rows == [(1, "Ahorn"), (2, "Birke"), (3, None)]
        assert state is not None and state[:2] == (1, "full")
        print(state[2])
