"""Prepared geometry of tiles: what it holds, who may read it, and that only the serving version has any."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from store.test_forms import AREAS, collection, one, select
from support.deployment import GEBIETE, checked, contract_of
from support.rows import publish_rows

from stadtgrund.catalog.contract import Contract
from stadtgrund.query.form_filter import compile_tiles, compile_where
from stadtgrund.store.applied import withdraw
from stadtgrund.store.database import Database
from stadtgrund.store.forms import reconcile
from stadtgrund.store.versions import rollback

READ = "SELECT sg_level, sg_id, GeometryType(geom) FROM p_{}._tile__gebiete ORDER BY 1, 2"
FULL = 99
TILES = {"zoom": [8, 18], "fields": {}}


def restricted(**more: object) -> Contract:
    """Areas of which `open` sees some, as centroids."""
    return checked(contract_of(GEBIETE, forms={"open": {"where": "name <> 'Ost'", "geometry": "centroid"}}, **more))


def rows(db: Database, profile: str, level: int = FULL) -> dict[str, str]:
    return {ident: kind for found, ident, kind in select(db, profile, READ.format(profile)) if found == level}


def tile_tables(db: Database) -> int:
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'rel'::regnamespace AND relkind = 'r' AND starts_with(relname, '_tile__')"
    tables = int(select(db, "owner", query)[0][0])
    assert select(db, "owner", "SELECT count(*) FROM meta.tile") == [(tables,)]
    return tables


def test_each_form_has_its_own_geometry(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path, restricted()), "gebiete", AREAS, compile_where=compile_where)
    assert rows(db, "open") == {"1": "POINT"}
    assert rows(db, "verwaltung") == {"1": "MULTIPOLYGON", "2": "MULTIPOLYGON"}
    assert set(rows(db, "verwaltung", 8)) == {"1", "2"}
    shown, all_ = (collection(db, profile, "gebiete") for profile in ("open", "verwaltung"))
    assert shown and shown.facts.tiles == ()  # a point needs no level
    assert all_ and all_.facts.tiles and [level.zoom for level in all_.facts.tiles] == list(range(8, 15))
    assert all(level.features + level.merged + level.dropped == 2 for level in all_.facts.tiles)


def test_the_geometry_has_the_attributes_that_tiles_carry_and_no_other(db: Database, tmp_path: Path) -> None:
    contract = checked(contract_of(GEBIETE, publish={"tiles": {"zoom": [8, 18], "fields": {"<12": [], ">=12": ["name"]}}}))
    publish_rows(db, one(tmp_path, contract), "gebiete", AREAS)
    with db.connect("open") as connection:
        described = connection.execute("SELECT * FROM p_open._tile__gebiete").description or ()
        low = connection.execute("SELECT DISTINCT name FROM p_open._tile__gebiete WHERE sg_level < 12").fetchall()
    assert [column.name for column in described] == ["sg_level", "sg_id", "sg_count", "name", "geom"]
    assert low == [(None,)]


def test_no_profile_reads_the_geometry_of_another(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path, restricted()), "gebiete", AREAS, compile_where=compile_where)
    tables = select(db, "owner", "SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, '_tile__')")
    assert len(tables) == 2
    for query in [READ.format("verwaltung"), *(f'SELECT geom FROM rel."{name}"' for (name,) in tables), "SELECT levels FROM meta.tile"]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            select(db, "open", query)


def test_only_the_serving_version_has_geometry(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    for number in range(3):
        changed = [{**row, "name": f"{row['name']} {number}"} for row in AREAS]
        publish_rows(db, deployment, "gebiete", changed, compile_where=compile_where)
        assert tile_tables(db) == 2
    rollback(db, deployment, restricted(), 1, compile_where=compile_where, compile_tiles=compile_tiles)
    assert tile_tables(db) == 2
    assert select(db, "verwaltung", "SELECT DISTINCT name FROM p_verwaltung._tile__gebiete WHERE sg_id = '1'") == [("West 0",)]


def test_a_withdrawn_dataset_has_no_geometry_in_open(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    publish_rows(db, deployment, "gebiete", AREAS, compile_where=compile_where)
    withdraw(db, "gebiete", by="Test")
    assert tile_tables(db) == 1 and set(rows(db, "verwaltung")) == {"1", "2"}
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(db, "open")


def test_apply_changes_the_geometry_with_the_form_and_the_tiles(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path / "a", restricted()), "gebiete", AREAS, compile_where=compile_where)

    def apply(name: str, contract: Contract) -> None:
        reconcile(db, one(tmp_path / name, contract), contract, compile_where=compile_where, compile_tiles=compile_tiles)

    apply("b", checked(contract_of(GEBIETE, forms={})))
    assert set(rows(db, "open")) == {"1", "2"} and tile_tables(db) == 1
    before = select(db, "owner", "SELECT relation FROM meta.tile")
    apply("c", checked(contract_of(GEBIETE, forms={})))
    assert select(db, "owner", "SELECT relation FROM meta.tile") == before  # nothing has changed, nothing is made
    apply("d", checked(contract_of(GEBIETE, forms={}, publish={"tiles": {"zoom": [12, 13]}})))
    found = collection(db, "open", "gebiete")
    assert found and found.facts.tiles and [level.zoom for level in found.facts.tiles] == [12]  # clients enlarge the last zoom
    apply("e", checked(contract_of(GEBIETE, forms={}, publish={"items": True})))
    assert tile_tables(db) == 0
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(db, "open")


def test_without_the_compiler_tiles_are_made_of_the_rows(db: Database, tmp_path: Path) -> None:
    deployment = one(tmp_path, restricted())
    publish_rows(db, deployment, "gebiete", AREAS, compile_where=compile_where)
    reconcile(db, deployment, restricted(), compile_where=compile_where)
    found = collection(db, "open", "gebiete")
    assert found is not None and found.facts.tiles is None and tile_tables(db) == 0


@pytest.mark.parametrize("wkt", ["MULTIPOLYGON(((7 88, 8 88, 8 89, 7 88)))", "MULTIPOLYGON(((7 51, 8 51, 8 90, 7 51)))"])
def test_what_web_mercator_cannot_hold_is_published_without(db: Database, tmp_path: Path, wkt: str) -> None:
    contract = checked(contract_of(GEBIETE, geometry={"type": "MultiPolygon", "crs": "EPSG:4326", "within": "anywhere"}))
    version = publish_rows(db, one(tmp_path, contract), "gebiete", [{"schluessel": "1", "geom": wkt}])
    found = collection(db, "open", "gebiete")
    assert version.rows == 1 and found and found.facts.tiles is None and tile_tables(db) == 0


def test_a_dataset_without_any_geometry_has_no_levels(db: Database, tmp_path: Path) -> None:
    publish_rows(db, one(tmp_path, checked(contract_of(GEBIETE))), "gebiete", [{"schluessel": "1"}])
    found = collection(db, "open", "gebiete")
    assert found and found.facts.tiles is None
