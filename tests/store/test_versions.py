"""Publish, roll back, withdraw, keep: what `meta` and each profile say afterwards."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.deployment import GEBIETE, MASTEN, checked, contract_of, write_deployment
from support.rows import publish_rows, stage_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.collection import Collection, Extent, JoinFacts
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Busy, LoadStopped, NotFound
from stadtgrund.query.interval import BERLIN
from stadtgrund.store import releases, versions
from stadtgrund.store.applied import withdraw
from stadtgrund.store.database import Database
from stadtgrund.store.versions import LoadFacts, StoredFile, begin_run, current, end_run, history, publish, rollback

POLES: list[dict[str, Any]] = [
    {"nummer": 1, "name": "Ahorn", "hoehe": 4.5, "gebaut": "2020-05-01", "geom": "POINT(360000 5700000)"},
    {"nummer": 2, "name": "Birke", "hoehe": 6.0, "gebaut": "2021-05-01", "geom": "POINT(361000 5701000)", "technik": {"a": [1]}},
    {"nummer": 3, "name": None, "geom": None},
]


def rows_of(db: Database, profile: str, columns: str = "sg_id, name", dataset: str = "masten") -> list[Any]:
    names = sql.SQL(", ").join(map(sql.Identifier, columns.split(", ")))
    with db.connect(profile) as connection:
        query = sql.SQL("SELECT {} FROM {} ORDER BY sg_id").format(names, sql.Identifier(f"p_{profile}", dataset))
        return connection.execute(query).fetchall()


def state_of(db: Database, profile: str, dataset: str = "masten") -> Collection | None:
    with db.connect(profile) as connection:
        query = sql.SQL("SELECT collection FROM {} WHERE dataset = %s").format(sql.Identifier(f"p_{profile}", "sg_state"))
        row = connection.execute(query, (dataset,)).fetchone()
    return Collection.model_validate(row[0]) if row else None


def tables_of(db: Database, schema: str) -> list[str]:
    with db.connect("owner") as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename", (schema,))
        return [name for (name,) in rows]


def deployment_with(folder: Path, *contracts: Any) -> Deployment:
    return registry.read(write_deployment(folder, *contracts))


@pytest.mark.parametrize("profile", ["open", "verwaltung"])
def test_publish_shows_rows_and_facts_to_a_profile(db: Database, deployment: Deployment, profile: str) -> None:
    version = publish_rows(db, deployment, "masten", POLES)

    assert (version.version, version.rows, version.origin, version.table_name) == (1, 3, "load", "masten__v1")
    assert rows_of(db, profile) == [(1, "Ahorn"), (2, "Birke"), (3, None)]
    state = state_of(db, profile)
    assert state is not None
    assert (state.form, state.facts.version, state.facts.count) == ("full", 1, 3)
    assert state.facts.extent.storage == (360000, 5700000, 361000, 5701000)
    assert state.facts.extent.begin is not None and state.facts.extent.begin.isoformat() == "2020-04-30T22:00:00+00:00"
    assert state.facts.extent.end is not None and state.facts.extent.end.isoformat() == "2021-05-01T21:59:59+00:00"


def test_the_extent_in_crs84_is_that_of_the_transformed_rows(db: Database, deployment: Deployment) -> None:
    square = "MULTIPOLYGON(((280000 5700000, 281000 5700000, 281000 5750000, 280000 5750000, 280000 5700000)))"
    publish_rows(db, deployment, "gebiete", [{"schluessel": "1", "geom": square}])

    state = state_of(db, "open", "gebiete")
    with db.connect("owner") as connection:
        row = connection.execute(
            "SELECT ST_XMin(g), ST_YMin(g), ST_XMax(g), ST_YMax(g) FROM ST_Transform(ST_GeomFromText(%s, 25832), 4326) AS g", (square,)
        ).fetchone()
    assert state is not None and state.facts.extent.crs84 == row


def test_an_empty_dataset_has_count_0_and_no_extent(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", [])

    state = state_of(db, "open")
    assert state is not None
    assert state.facts.count == 0
    assert state.facts.extent == Extent()


def test_an_interval_with_an_open_end_has_an_open_extent(db: Database, deployment: Deployment) -> None:
    rows = [{"schluessel": "1", "beginn": "2020-01-01", "ende": "2020-12-31"}, {"schluessel": "2", "beginn": "2021-01-01", "ende": None}]
    publish_rows(db, deployment, "gebiete", rows)

    state = state_of(db, "open", "gebiete")
    assert state is not None and state.facts.extent.begin is not None
    assert state.facts.extent.begin.astimezone(BERLIN).year == 2020
    assert state.facts.extent.end is None


@pytest.mark.parametrize(
    ("rows", "begin", "end"),
    [
        ([(None, None), ("2020-01-01", "2020-12-31")], "2020-01-01", "2020-12-31"),  # no time is no open end
        ([(None, None), (None, "2020-12-31")], None, "2020-12-31"),
        ([("2020-01-01", None), (None, "2020-12-31")], None, None),
        ([(None, None)], None, None),
        ([("-infinity", "infinity")], None, None),
        ([("2020-01-01", "infinity")], "2020-01-01", None),
        ([("0044-03-15 BC", "12024-01-01")], None, None),
        ([], None, None),
    ],
)
def test_the_extent_in_time(
    db: Database, deployment: Deployment, rows: list[tuple[str | None, str | None]], begin: str | None, end: str | None
) -> None:
    stated = [{"schluessel": str(number), "beginn": start, "ende": last} for number, (start, last) in enumerate(rows)]
    publish_rows(db, deployment, "gebiete", stated)
    state = state_of(db, "open", "gebiete")
    assert state is not None
    extent = state.facts.extent
    assert [moment and moment.astimezone(BERLIN).date().isoformat() for moment in (extent.begin, extent.end)] == [begin, end]


def test_numbers_rise_and_an_unchanged_row_keeps_its_revision(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)
    second = publish_rows(db, deployment, "masten", [POLES[0], {**POLES[1], "name": "Buche"}])

    assert second.version == 2
    with db.connect("owner") as connection:
        found = connection.execute("SELECT sg_id, name, sg_revision FROM data.masten__v2 ORDER BY sg_id").fetchall()
    assert found == [(1, "Ahorn", 1), (2, "Buche", 2)]


def test_rows_lie_in_hilbert_order(db: Database, deployment: Deployment) -> None:
    rows = [{"nummer": n, "geom": f"POINT({360000 + (n * 7919) % 4000} {5700000 + (n * 104729) % 4000})"} for n in range(1, 300)]
    publish_rows(db, deployment, "masten", rows)

    with db.connect("owner") as connection:
        lying = connection.execute("SELECT sg_id FROM data.masten__v1 ORDER BY ctid").fetchall()
        wanted = connection.execute("SELECT sg_id FROM data.masten__v1 ORDER BY geom, sg_id").fetchall()
    assert lying == wanted != sorted(lying)


def test_rollback_makes_a_new_version_with_the_old_rows(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)
    publish_rows(db, deployment, "masten", POLES[:1])

    made = rollback(db, deployment, deployment.contract("masten"), 1)

    assert (made.version, made.origin, made.rows) == (3, "rollback:1", 3)
    assert rows_of(db, "open") == [(1, "Ahorn"), (2, "Birke"), (3, None)]
    assert made.source_hash == "rows-1"
    assert [version.version for version in history(db, "masten")] == [3, 2, 1]
    with db.connect("owner") as connection:
        revisions = connection.execute("SELECT sg_id, sg_revision FROM data.masten__v3 ORDER BY sg_id").fetchall()
    assert revisions == [(1, 1), (2, 3), (3, 3)]


def test_publish_returns_its_own_version_though_another_one_serves_by_then(
    db: Database, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(db, deployment, "masten", POLES)

    def roll_back(*_: Any) -> None:
        monkeypatch.undo()
        rollback(db, deployment, deployment.contract("masten"), 1)

    monkeypatch.setattr(versions, "drop_old", roll_back)
    made = publish_rows(db, deployment, "masten", POLES[:2])
    assert (made.version, made.origin, made.rows) == (2, "load", 2)
    assert current(db, "masten").version == 3  # type: ignore[union-attr]


def test_rollback_to_a_version_that_is_not_kept_lists_the_possible(db: Database, deployment: Deployment) -> None:
    for count in (1, 2, 3, 2, 1):
        publish_rows(db, deployment, "masten", POLES[:count])

    with pytest.raises(NotFound) as caught:
        rollback(db, deployment, deployment.contract("masten"), 1)
    assert "Version 1" in caught.value.what or "version 1" in caught.value.what
    assert "5, 4, 3" in caught.value.remedy


def test_rollback_across_a_changed_contract_is_refused(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)
    publish_rows(db, deployment, "masten", POLES)
    contract = deployment.contract("masten")
    more = contract_of({**MASTEN, "fields": [*MASTEN["fields"], {"name": "neu", "type": "string"}]})

    with pytest.raises(LoadStopped) as caught:
        rollback(db, deployment, contract.model_copy(update={"fields": more.fields}), 1)
    assert "Spalte neu fehlt (text)" in caught.value.what
    assert [version.version for version in history(db, "masten")] == [2, 1]


def test_only_the_last_versions_keep_their_tables(db: Database, deployment: Deployment) -> None:
    for count in (1, 2, 3, 2, 1):
        publish_rows(db, deployment, "masten", POLES[:count])

    assert tables_of(db, "data") == ["masten__v3", "masten__v4", "masten__v5"]
    assert [version.dropped_at is None for version in history(db, "masten")] == [True, True, True, False, False]


def test_tables_of_forms_go_with_their_version(db: Database, deployment: Deployment) -> None:
    rows = [{"schluessel": "1", "jahr": 2020, "einwohner": 9}]
    for _ in range(5):
        publish_rows(db, deployment, "zahlen", rows)

    assert tables_of(db, "rel") == ["zahlen__open__v3", "zahlen__open__v4", "zahlen__open__v5"]


def test_how_many_versions_are_kept_is_a_setting(db: Database, deployment: Deployment) -> None:
    with db.connect("owner") as connection:
        connection.execute("INSERT INTO meta.setting VALUES ('keep_versions', '1')")
    for _ in range(2):
        publish_rows(db, deployment, "masten", POLES)

    assert tables_of(db, "data") == ["masten__v2"]


def test_a_listener_learns_that_something_changed_and_not_what(db: Database, deployment: Deployment) -> None:
    with db.connect("open", autocommit=True) as connection:
        connection.execute("LISTEN sg_state")
        publish_rows(db, deployment, "masten", POLES)
        heard = list(connection.notifies(timeout=5, stop_after=1))
    assert [(notice.channel, notice.payload) for notice in heard] == [("sg_state", "")]


def test_a_text_too_long_for_an_index_is_said(db: Database, deployment: Deployment) -> None:
    noise = random.Random(1).randbytes(10_000).hex()
    with pytest.raises(LoadStopped) as caught:
        publish_rows(db, deployment, "masten", [{**POLES[0], "name": noise}])
    assert "sortables" in caught.value.remedy
    assert current(db, "masten") is None


def test_an_old_version_that_is_read_is_dropped_by_the_next_publish(db: Database, deployment: Deployment) -> None:
    for count in (1, 2, 3):
        publish_rows(db, deployment, "masten", POLES[:count])
    with db.connect("owner") as reader:
        reader.execute("SELECT FROM data.masten__v1")
        publish_rows(db, deployment, "masten", POLES)
        assert "masten__v1" in tables_of(db, "data")

    publish_rows(db, deployment, "masten", POLES)
    assert tables_of(db, "data") == ["masten__v3", "masten__v4", "masten__v5"]


def test_withdraw_closes_at_once_and_stays_through_loads(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)
    contract = deployment.contract("masten")

    states = withdraw(db, "masten", by="Amt 62", reason="falsch")

    assert [(state.profile, state.form) for state in states] == [("open", None), ("verwaltung", "full")]
    publish_rows(db, deployment, "masten", POLES)
    assert state_of(db, "open") is None
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows_of(db, "open")
    assert len(rows_of(db, "verwaltung")) == 3
    log = releases.history(db, "masten")
    assert [(entry.origin, entry.by) for entry in log] == [("contract", "Prüfstelle"), ("withdraw", "Amt 62")]
    assert log[1].answers == {"reason": "falsch"}

    with db.connect("owner") as connection:
        releases.record(connection, contract, "release", "Amt 62")
    publish_rows(db, deployment, "masten", POLES)
    assert len(rows_of(db, "open")) == 3


def test_withdraw_as_dry_run_changes_nothing(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)

    states = withdraw(db, "masten", by="Amt 62", dry_run=True)

    assert states[0].form is None
    assert len(rows_of(db, "open")) == 3
    assert [entry.origin for entry in releases.history(db, "masten")] == ["contract"]


def test_withdraw_of_what_was_never_loaded_is_refused(db: Database, deployment: Deployment) -> None:
    with pytest.raises(NotFound):
        withdraw(db, "masten")
    assert releases.history(db, "masten") == []


def test_duplicate_ids_stop_the_load_and_keep_the_old_version(db: Database, deployment: Deployment) -> None:
    publish_rows(db, deployment, "masten", POLES)
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    stage_rows(run, contract, [POLES[0], POLES[0]])

    with pytest.raises(LoadStopped) as caught:
        publish(db, deployment, contract, run, LoadFacts("r", "s"))
    end_run(db, run, "stopped")

    assert "(sg_id)=(1)" in caught.value.what
    assert caught.value.kept
    assert current(db, "masten").version == 1  # type: ignore[union-attr]
    assert tables_of(db, "data") == ["masten__v1"]
    assert tables_of(db, "staging") == []


def test_a_reader_that_holds_the_view_makes_publish_give_up(db: Database, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stadtgrund.store.locks.ATTEMPTS", 2)
    publish_rows(db, deployment, "masten", POLES)
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    stage_rows(run, contract, POLES[:1])
    with db.connect("open") as reader:
        reader.execute("SELECT FROM p_open.masten")
        with pytest.raises(Busy):
            publish(db, deployment, contract, run, LoadFacts("r", "s"))
        assert len(rows_of(db, "open")) == 3
    assert publish(db, deployment, contract, run, LoadFacts("r", "s")).version == 2
    end_run(db, run, "published")
    assert len(rows_of(db, "open")) == 1


def test_facts_of_a_load_are_kept(db: Database, deployment: Deployment) -> None:
    contract = deployment.contract("masten")
    run = begin_run(db, contract)
    stage_rows(run, contract, POLES)
    join = JoinFacts(left_rows=4, left_matched=3, left_unmatched=1, right_rows=3, right_matched=3, right_unmatched=0)
    facts = LoadFacts("recipe", "hash", None, "identity", 0.5, rows_in=4, rows_rejected=1, join_facts=join)

    made = publish(db, deployment, contract, run, facts)
    end_run(db, run, "published", {"rows_in": 4, "seconds_by_phase": {"extract": 0.1}})

    assert made == replace(current(db, "masten"), states=made.states)  # type: ignore[type-var]
    assert (made.recipe, made.source_hash, made.operation, made.accuracy_m, made.rows_in, made.rows_rejected) == (
        "recipe",
        "hash",
        "identity",
        0.5,
        4,
        1,
    )
    state = state_of(db, "open")
    assert state is not None and state.facts.join == join
    with db.connect("owner") as connection:
        row = connection.execute("SELECT status, version, rows_in, rows_published, seconds_by_phase FROM meta.run").fetchone()
    assert row == ("published", 1, 4, 3, {"extract": 0.1})


def test_current_of_what_was_never_loaded_is_none(db: Database) -> None:
    assert current(db, "masten") is None
    assert history(db, "masten") == []


def test_a_grid_has_files_and_no_table(db: Database, tmp_path: Path) -> None:
    grid = {
        "id": "gelaende",
        "title": {"de": "Gelände"},
        "description": {"de": "Höhen."},
        "source": {"kind": "raster", "location": "${DATA}/g.tif", "crs": "EPSG:25832"},
    }
    deployment = deployment_with(tmp_path / "teststadt", checked(contract_of(grid)))
    contract = deployment.contract("gelaende")
    extent = Extent(crs84=(7.0, 51.3, 7.1, 51.4), storage=(360000, 5700000, 361000, 5701000))
    run = begin_run(db, contract)

    def place(version: int) -> list[StoredFile]:
        return [StoredFile("gelaende", f"gelaende/v{version}.tif", 12, "ab" * 32, "image/tiff")]

    publish(db, deployment, contract, run, LoadFacts("r", "s", extent=extent), files=place)
    end_run(db, run, "published")

    state = state_of(db, "open", "gelaende")
    assert state is not None
    assert state.raster and state.facts.extent.crs84 == extent.crs84
    for profile in ("open", "verwaltung"):
        with db.connect(profile) as connection:
            query = sql.SQL("SELECT path FROM {}").format(sql.Identifier(f"p_{profile}", "sg_files"))
            assert connection.execute(query).fetchall() == [("gelaende/v1.tif",)]

    made = rollback(db, deployment, contract, 1)
    assert (made.version, made.table_name) == (2, None)
    with db.connect("open") as connection:
        assert connection.execute("SELECT version, path FROM p_open.sg_files").fetchall() == [(2, "gelaende/v1.tif")]

    withdraw(db, "gelaende")
    with db.connect("open") as connection:
        assert connection.execute("SELECT FROM p_open.sg_files").fetchall() == []


def test_files_of_dropped_versions_are_deleted_unless_a_kept_one_has_them(db: Database, tmp_path: Path) -> None:
    grid = {
        "id": "gelaende",
        "title": {"de": "Gelände"},
        "description": {"de": "Höhen."},
        "source": {"kind": "raster", "location": "${DATA}/g.tif"},
    }
    db = replace(db, paths=replace(db.paths, var=db.paths.var))
    deployment = deployment_with(tmp_path / "teststadt", checked(contract_of(grid)))
    contract = deployment.contract("gelaende")
    folder = db.paths.files / "gelaende"
    folder.mkdir(parents=True, exist_ok=True)

    def place(version: int) -> list[StoredFile]:
        (folder / f"v{version}.tif").write_bytes(b"x")
        return [StoredFile("gelaende", f"gelaende/v{version}.tif", 1, "ab" * 32, "image/tiff")]

    def load() -> None:
        run = begin_run(db, contract)
        publish(db, deployment, contract, run, LoadFacts("r", "s"), files=place)
        end_run(db, run, "published")

    load()
    load()
    rollback(db, deployment, contract, 1)
    load()
    load()

    assert sorted(path.name for path in folder.iterdir()) == ["v1.tif", "v4.tif", "v5.tif"]
    assert versions.history(db, "gelaende")[2].origin == "rollback:1"


def test_identical_contracts_of_another_geometry_type(db: Database, tmp_path: Path) -> None:
    solid = contract_of({**GEBIETE, "geometry": {"type": "Geometry", "crs": "OGC:CRS84", "dimensions": 3}})
    deployment = deployment_with(tmp_path / "teststadt", checked(solid))
    publish_rows(db, deployment, "gebiete", [{"schluessel": "1", "geom": "POINT Z (7.1 51.4 80)"}])

    state = state_of(db, "open", "gebiete")
    assert state is not None and state.geometry is not None
    assert (state.geometry.dimensions, state.geometry.srid) == (3, 4326)
    assert state.facts.extent.crs84 == state.facts.extent.storage == (7.1, 51.4, 7.1, 51.4)
