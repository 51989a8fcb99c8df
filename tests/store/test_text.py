"""Prepared feature text: what it holds, who may read it, and that only the serving version has any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from store.test_forms import AREAS, collection, one, select
from support.deployment import GEBIETE, checked, contract_of
from support.rows import publish_rows

from stadtgrund.catalog.contract import Contract
from stadtgrund.query.form_filter import compile_text, compile_where
from stadtgrund.store.applied import withdraw
from stadtgrund.store.database import Database
from stadtgrund.store.forms import reconcile

READ = "SELECT sg_id, sg_geom84, sg_geom, sg_properties FROM p_{}._text__gebiete ORDER BY sg_id"


PIECES = ("crs84", "storage", "properties")


def restricted() -> Contract:
    """Areas of which `open` sees some, as centroids."""
    return checked(contract_of(GEBIETE, forms={"open": {"where": "name <> 'Ost'", "geometry": "centroid"}}))


def texts(db: Database, profile: str) -> dict[str, Any]:
    rows = select(db, profile, READ.format(profile))
    return {ident: dict(zip(PIECES, map(json.loads, pieces), strict=True)) for ident, *pieces in rows}


def text_tables(db: Database) -> int:
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'rel'::regnamespace AND relkind = 'r' AND starts_with(relname, '_text__')"
    return int(select(db, "owner", query)[0][0])


def test_each_form_has_its_own_text(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path, restricted()), "gebiete", AREAS, compile_where=compile_where)
    shown, all_ = texts(db, "open"), texts(db, "verwaltung")
    assert (set(shown), set(all_)) == ({"1", "3"}, {"1", "2", "3"})
    assert shown["1"]["crs84"]["type"] == "Point" and all_["1"]["crs84"]["type"] == "MultiPolygon"
    assert abs(shown["1"]["crs84"]["coordinates"][0]) < 180 < shown["1"]["storage"]["coordinates"][0]
    properties = {"schluessel": "3", "name": "O'Neill", "beginn": None, "ende": None}
    assert shown["3"] == {"crs84": None, "storage": None, "properties": properties}
    for profile in ("open", "verwaltung"):
        found = collection(db, profile, "gebiete")
        assert found is not None and found.facts.prepared


def test_no_profile_reads_the_text_of_another(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path, restricted()), "gebiete", AREAS, compile_where=compile_where)
    tables = select(db, "owner", "SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, '_text__')")
    assert len(tables) == 2
    queries = [READ.format("verwaltung"), *(f'SELECT sg_properties FROM rel."{name}"' for (name,) in tables)]
    for query in queries:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            select(db, "open", query)


def test_only_the_serving_version_has_text(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    for number in range(3):
        rows = [{**row, "name": f"{row['name']} {number}"} for row in AREAS]
        publish_rows(db, deployment, "gebiete", rows, compile_where=compile_where)
        assert text_tables(db) == 2
    assert texts(db, "verwaltung")["1"]["properties"]["name"] == "West 2"


def test_a_withdrawn_dataset_has_no_text_in_open(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    publish_rows(db, deployment, "gebiete", AREAS, compile_where=compile_where)
    withdraw(db, "gebiete", by="Test")
    assert text_tables(db) == 1 and set(texts(db, "verwaltung")) == {"1", "2", "3"}
    with pytest.raises(psycopg.errors.UndefinedTable):
        texts(db, "open")


def test_apply_changes_the_text_with_the_form_and_makes_it_again(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path / "a", restricted()), "gebiete", AREAS, compile_where=compile_where)
    whole = checked(contract_of(GEBIETE, forms={}))
    bare = checked(contract_of(GEBIETE, forms={"open": {"where": "name <> 'West'", "geometry": "centroid"}}))
    for name, contract, expected in (("b", whole, {"1", "2", "3"}), ("c", restricted(), {"1", "3"}), ("d", bare, {"2", "3"})):
        reconcile(db, one(tmp_path / name, contract), contract, compile_where=compile_where, compile_text=compile_text)
        assert set(texts(db, "open")) == expected


def test_without_the_formatter_there_is_no_text(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    publish_rows(db, deployment, "gebiete", AREAS, compile_where=compile_where)
    reconcile(db, deployment, restricted(), compile_where=compile_where)
    found = collection(db, "open", "gebiete")
    assert found is not None and not found.facts.prepared and text_tables(db) == 0
