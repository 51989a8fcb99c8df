"""A publish in two steps: what is made is seen by nobody, what is shown is seen at once, and what breaks off leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread, Timer
from time import monotonic, sleep
from typing import Any, LiteralString

import pytest
from psycopg import sql
from support.deployment import GEBIETE, checked, contract_of, read_now, write_deployment
from support.rows import Row, stage_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract, Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Busy, LoadStopped
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import applied, forms, leftovers, search_tables, text_tables, tile_tables, views
from stadtgrund.store.database import Database
from stadtgrund.store.versions import LoadFacts, begin_run, current, end_run, publish, rollback

STEPS = ["lock", "table", "indexes", "forms", "version"]
COMPILERS: dict[str, Any] = {"compile_where": compile_where, "compile_text": compile_text, "compile_tiles": compile_tiles}
OPEN = {"open": {"where": "name <> 'Mitte'", "omit": ["ende"]}}


def areas(*names: str) -> list[Row]:
    square = "MULTIPOLYGON(((36{0}000 5700000, 36{0}900 5700000, 36{0}900 5700900, 36{0}000 5700000)))"
    return [{"schluessel": str(n), "name": name, "geom": square.format(n)} for n, name in enumerate(names)]


def city(folder: Path, **more: Any) -> Deployment:
    """Areas of which `open` has a form with a table of its own, text, words and tiles."""
    return registry.read(write_deployment(folder / "teststadt", checked(contract_of(GEBIETE, forms=OPEN, **more))))


def load(db: Database, deployment: Deployment, rows: list[Row], progress: Callable[[str], None] | None = None) -> int:
    contract = deployment.contract("gebiete")
    run = begin_run(db, contract)
    status: Any = "failed"
    try:
        stage_rows(run, contract, rows)
        made = publish(db, deployment, contract, run, LoadFacts("r", "s"), progress=progress, **COMPILERS)
        status = "published"
    finally:
        end_run(db, run, status)
    return made.version


def apply(db: Database, deployment: Deployment, contract: Contract) -> None:
    forms.reconcile(db, deployment, contract, **COMPILERS)


def seen(db: Database) -> dict[str, list[Any]]:
    """Return what `open` reads of each of the dataset's views, and of its state; nothing waits for a lock."""
    views: dict[LiteralString, str] = {
        "name": "gebiete",
        "sg_properties::text": text_tables.view_name("gebiete"),
        "words::text": search_tables.view_name("gebiete"),
        "sg_id": tile_tables.view_name("gebiete"),
        "version": "sg_state",
    }
    with db.connect("open") as reader:
        reader.execute("SET lock_timeout = '1ms'")
        found = {}
        for what, view in views.items():
            query = sql.SQL("SELECT DISTINCT {} FROM {} ORDER BY 1").format(sql.SQL(what), sql.Identifier("p_open", view))
            found[view] = [value for (value,) in reader.execute(query)]
        return found


def tables(db: Database) -> list[str]:
    query = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('data', 'rel', 'staging') ORDER BY 1"
    with db.connect("owner") as owner:
        return [name for (name,) in owner.execute(query)]


def kinds(names: list[str]) -> list[str]:
    """Return the names up to the dataset's."""
    return [name.split("gebiete")[0] for name in names]


def tiles(db: Database) -> int:
    with db.connect("owner") as owner:
        return len(owner.execute("SELECT FROM meta.tile").fetchall())


def test_until_the_version_is_shown_readers_have_the_one_before_and_wait_for_nothing(db: Database, tmp_path: Path) -> None:
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord", "Mitte"))
    before, passed = seen(db), []
    assert before["gebiete"] == ["Nord"] and before["sg_state"] == [1]

    def look(step: str) -> None:
        passed.append(step)
        assert seen(db) == before

    assert load(db, deployment, areas("Süd", "Mitte", "West"), look) == 2
    assert passed == STEPS
    after = seen(db)
    assert after["gebiete"] == ["Süd", "West"] and after["sg_state"] == [2]
    assert [len(after[view]) for view in after] == [2, 2, 2, 2, 1]


def test_what_takes_long_is_on_the_disk_before_readers_wait(db: Database, tmp_path: Path) -> None:
    """The commit of the tables lies before the views are touched: other sessions see them by then."""
    deployment, known = city(tmp_path), {}
    load(db, deployment, areas("Nord"), lambda step: known.update({step: kinds(tables(db))}))
    assert known["forms"] == ["staging."]
    of_each_form = ["rel.sg_new_text_", "rel._tile__", "rel._words__"]
    assert sorted(known["version"]) == sorted(["staging.", "data.", "rel.sg_new_", *of_each_form, *of_each_form])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, Busy], ids=lambda error: error.__name__)
def test_what_breaks_off_leaves_no_table_and_the_version_before(
    db: Database, tmp_path: Path, step: str, error: type[BaseException]
) -> None:
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord", "Mitte"))
    before, there, prepared = seen(db), tables(db), tiles(db)

    def break_off(at: str) -> None:
        if at == step:
            raise error("broken off")

    with pytest.raises(error):
        load(db, deployment, areas("Süd", "West"), break_off)
    assert (seen(db), tables(db), tiles(db)) == (before, there, prepared)
    assert load(db, deployment, areas("Ost")) == 2
    assert seen(db)["gebiete"] == ["Ost"] and "ost" in seen(db)[search_tables.view_name("gebiete")][0]


@pytest.mark.parametrize("in_use", [False, True], ids=["dropped", "in use"])
def test_nothing_of_a_publish_that_died_is_taken_for_the_next(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_use: bool
) -> None:
    """The next one has the same number: words, tiles and text that lie there under its names are of other rows."""
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord"))
    before = seen(db)
    with monkeypatch.context() as patch:
        patch.setattr("stadtgrund.store.leftovers.drop", lambda *_: None)  # as when the process is killed
        patch.setattr("stadtgrund.store.forms.settle", lambda *_: (_ for _ in ()).throw(Busy("killed")))
        with pytest.raises(Busy):
            load(db, deployment, areas("Süd"))
    left = tables(db)
    assert "data.gebiete__v2" in left and tiles(db) > 2
    with monkeypatch.context() as patch:
        if in_use:
            patch.setattr("stadtgrund.store.leftovers.drop", lambda *_: None)  # as when somebody holds them
        assert rollback(db, deployment, deployment.contract("gebiete"), 1, **COMPILERS).version == 2
    after = seen(db)
    assert after == {**before, "sg_state": [2]}
    assert load(db, deployment, areas("Ost", "West")) == 3
    after = seen(db)
    assert after["gebiete"] == ["Ost", "West"]
    assert [len(after[view]) for view in after] == [2, 2, 2, 2, 1]
    assert "ost" in after[search_tables.view_name("gebiete")][0] and not any("sg_new" in name for name in tables(db))


def test_large_tables_are_dropped_some_seconds_later(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, waited = city(tmp_path), []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert seen(db)["sg_state"] == [2] and len(tables(db)) > len(there)

    load(db, deployment, areas("Nord"))
    there = tables(db)
    monkeypatch.setattr(leftovers, "_LARGE_BYTES", 1)
    monkeypatch.setattr(leftovers, "sleep", wait)
    load(db, deployment, areas("Süd"))
    assert waited == [5.0] and len(tables(db)) == len(there) + 2  # the rows of the version before, in both forms, stay


def test_an_interrupt_behind_the_publish_is_no_failure(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    deployment = city(tmp_path)
    load(db, deployment, areas("Nord"))
    monkeypatch.setattr(leftovers, "_LARGE_BYTES", 1)
    monkeypatch.setattr(leftovers, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(db, deployment, areas("Süd"))
    with db.connect("owner") as owner:
        assert owner.execute("SELECT status, version FROM meta.run ORDER BY run").fetchall() == [("published", 1), ("published", 2)]


def closing(way: str) -> Callable[[Database], object]:
    """Take the dataset from the public, in one of the ways there are; none asks the contract."""
    if way == "withdraw":
        return lambda db: applied.withdraw(db, "gebiete", by="Amt", reason="falsch")
    return lambda db: applied.hide(db, "gebiete", Text(de="Nur Verwaltung."))


def is_public(db: Database) -> bool:
    """Whether `open` has the dataset's state and its views; it has all or none."""
    with db.connect("open") as reader:
        state = reader.execute("SELECT FROM p_open.sg_state").rowcount
        shown = reader.execute("SELECT FROM pg_views WHERE schemaname = 'p_open' AND viewname ~ 'gebiete'").rowcount
    assert (state, shown) in ((0, 0), (1, 4))
    return state > 0


@pytest.mark.parametrize("way", ["withdraw", "hide"])
@pytest.mark.parametrize("step", [*STEPS, "drop"])
def test_a_closing_waits_for_no_publish_and_no_publish_opens_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, step: str
) -> None:
    deployment, closed_at = city(tmp_path), []
    load(db, deployment, areas("Nord"))
    monkeypatch.setattr("stadtgrund.store.locks._WAIT_S", 1)

    def close(at: str) -> None:
        if at == step:
            closed_at.append(at)
            closing(way)(db)
            assert not is_public(db)

    monkeypatch.setattr(leftovers, "_LARGE_BYTES", 1)
    monkeypatch.setattr(leftovers, "sleep", lambda _: close("drop"))
    if way == "withdraw" or step == "drop":
        assert load(db, deployment, areas("Süd", "Ost"), close) == 2
    else:
        with pytest.raises(LoadStopped, match="inzwischen weiter geschlossen"):
            load(db, deployment, areas("Süd", "Ost"), close)
    assert closed_at == [step] and not is_public(db)
    with db.connect("verwaltung") as reader:
        served = reader.execute("SELECT name FROM p_verwaltung.gebiete ORDER BY 1").fetchall()
    assert served == ([("Nord",)] if way == "hide" and step != "drop" else [("Ost",), ("Süd",)])
    monkeypatch.undo()
    apply(db, read_now(deployment), deployment.contract("gebiete"))
    assert is_public(db) == (way == "hide")
    assert not any("sg_new" in name or "sg_old" in name for name in tables(db))


@pytest.mark.parametrize("way", ["withdraw", "hide"])
def test_a_closing_leaves_nothing_that_nobody_reads(db: Database, tmp_path: Path, way: str) -> None:
    load(db, city(tmp_path), areas("Nord"))
    assert kinds(tables(db)).count("rel._text__") == 2 and tiles(db) == 2
    closing(way)(db)
    assert [kinds(tables(db)).count(kind) for kind in ("rel._text__", "rel._words__", "rel._tile__")] == [1, 1, 1] and tiles(db) == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_withdrawal_during_the_first_load_counts(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr("stadtgrund.store.locks._WAIT_S", 1)
    load(db, city(tmp_path), areas("Nord"), lambda at: applied.withdraw(db, "gebiete") if at == step else None)
    assert not is_public(db)
    with db.connect("owner") as owner:
        assert owner.execute("SELECT profile FROM meta.state").fetchall() == [("verwaltung",)]


@pytest.mark.parametrize("step", STEPS)
def test_a_withdrawal_during_a_rollback_counts(db: Database, tmp_path: Path, step: str) -> None:
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord"))
    load(db, deployment, areas("Süd"))

    def withdraw(at: str) -> None:
        if at == step:
            applied.withdraw(db, "gebiete")

    assert rollback(db, deployment, deployment.contract("gebiete"), 1, progress=withdraw, **COMPILERS).version == 3
    with db.connect("owner") as owner:
        assert not is_public(db) and leftovers.found(owner, "gebiete") == []
        told = "SELECT DISTINCT description FROM pg_description WHERE objoid IN (SELECT oid FROM pg_class WHERE relname LIKE 'gebiete%')"
        assert owner.execute(told).fetchall() == [("Stadtgrund",)]


@pytest.mark.parametrize("way", ["withdraw", "hide"])
def test_a_vacuum_keeps_nothing_public(db: Database, tmp_path: Path, way: str) -> None:
    """It is ended after a second by itself, for who waits so long."""
    load(db, city(tmp_path), areas("Nord"))
    with ExitStack() as stack:
        stack.enter_context(held(db, "data.gebiete__v1", "SHARE UPDATE EXCLUSIVE"))
        Timer(1.5, stack.close).start()
        closing(way)(db)
    assert not is_public(db)


@pytest.mark.parametrize("way", ["withdraw", "hide"])
def test_a_reader_that_holds_a_view_keeps_nothing_public(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr("stadtgrund.store.locks.ATTEMPTS", 2)
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord"))
    with db.connect("open") as reader:
        reader.execute("SELECT FROM p_open.gebiete")
        with pytest.raises(Busy, match="ist nicht mehr öffentlich"):
            closing(way)(db)
        with db.connect("open") as other:
            assert other.execute("SELECT FROM p_open.sg_state").rowcount == 0
    closing(way)(db)
    assert not is_public(db)


def test_who_waits_for_a_dump_keeps_no_closing_waiting(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish waits for what holds its new tables before it takes the lock that a closing needs."""
    monkeypatch.setattr("stadtgrund.store.locks._WAIT_S", 20)
    deployment, dumps, through = city(tmp_path), ExitStack(), []
    load(db, deployment, areas("Nord"))

    def withdraw() -> None:
        try:
            applied.withdraw(db, "gebiete")
            through.append(current(db, "gebiete"))
        finally:
            dumps.close()  # not before: the publish waits for it

    def dump(step: str) -> None:
        if step == "version":
            dumps.enter_context(held(db, "rel.sg_new_", "ACCESS SHARE"))
            Timer(0.5, withdraw).start()

    assert load(db, deployment, areas("Süd"), dump) == 2
    assert [version.version for version in through if version] == [1] and not is_public(db)


def test_an_apply_looks_again_when_it_has_made_its_forms(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, prepare = city(tmp_path), forms.prepare
    load(db, deployment, areas("Nord"))

    def close(*values: Any) -> Any:
        made = prepare(*values)
        closing("hide")(db)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(forms, "prepare", close)
        with pytest.raises(LoadStopped, match="inzwischen weiter geschlossen"):
            apply(db, read_now(deployment), deployment.contract("gebiete"))
    assert not is_public(db)


@pytest.mark.parametrize("way", ["withdraw", "hide"])
def test_a_closing_and_a_showing_come_one_after_the_other(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """One that comes while the views are switched waits until all is shown, and closes that."""
    deployment, switch, closings = city(tmp_path), views.switch, []
    load(db, deployment, areas("Nord"))

    def close(*values: Any) -> None:
        switch(*values)
        closings.append(Thread(target=closing(way), args=(db,)))
        closings[0].start()
        end = monotonic() + 20
        while closings[0].is_alive() and not waits_for_a_lock(db) and monotonic() < end:
            sleep(0.02)
        assert waits_for_a_lock(db)

    with monkeypatch.context() as patch:
        patch.setattr(views, "switch", close)
        assert load(db, deployment, areas("Süd")) == 2
    closings[0].join(60)
    assert not closings[0].is_alive() and not is_public(db)


def waits_for_a_lock(db: Database) -> bool:
    query = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with db.connect("owner") as owner:
        return owner.execute(query).rowcount > 0


def test_neither_apply_nor_rollback_opens_by_a_contract_that_is_out_of_date(db: Database, tmp_path: Path) -> None:
    before = city(tmp_path)
    load(db, before, areas("Nord"))
    load(db, before, areas("Süd"))
    contract = before.contract("gebiete")
    applied.hide(db, "gebiete", Text(de="Nur Verwaltung."))
    for again in (lambda: apply(db, before, contract), lambda: rollback(db, before, contract, 1, **COMPILERS)):
        with pytest.raises(LoadStopped, match="inzwischen weiter geschlossen"):
            again()
        assert not is_public(db)
    assert rollback(db, read_now(before), contract, 1, **COMPILERS).version == 3
    assert seen(db)["gebiete"] == ["Nord"]


@contextmanager
def held(db: Database, part: str, mode: LiteralString) -> Iterator[None]:
    """Hold the tables whose names begin so."""
    with db.connect("owner") as owner:
        for name in tables(db):
            if name.startswith(part):
                owner.execute(sql.SQL(f"LOCK TABLE {{}} IN {mode} MODE").format(sql.Identifier(*name.split("."))))
        yield
        owner.rollback()


def test_a_table_that_is_in_use_stays_and_stops_nothing(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_WAIT", "100ms")
    deployment = city(tmp_path)
    with db.connect("owner") as owner:
        owner.execute("INSERT INTO meta.setting (key, value) VALUES ('keep_versions', '1') ON CONFLICT (key) DO UPDATE SET value = '1'")
    load(db, deployment, areas("Nord"))
    with held(db, "rel._text__", "ACCESS SHARE"):
        load(db, deployment, areas("Süd"))
        apply(db, deployment, deployment.contract("gebiete"))
        load(db, deployment, areas("Ost"))
        assert seen(db)["gebiete"] == ["Ost"]
    load(db, deployment, areas("West"))
    assert len(tables(db)) == 8  # rows, rows of the form of `open`, and text, words, tiles of both forms


def test_a_vacuum_of_what_was_just_made_stops_nothing(db: Database, tmp_path: Path) -> None:
    """What is committed is vacuumed by itself, at any moment; who waits long enough ends that, and no reader waits meanwhile."""
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord"))
    before, stack, seen_meanwhile = seen(db), ExitStack(), []

    def vacuum(step: str) -> None:
        if step == "version":
            for name in ("data.gebiete__v2", "rel.sg_new_"):
                stack.enter_context(held(db, name, "SHARE UPDATE EXCLUSIVE"))
            Timer(1.5, end).start()

    def end() -> None:
        seen_meanwhile.append(seen(db))
        stack.close()

    assert load(db, deployment, areas("Süd"), vacuum) == 2
    assert seen_meanwhile == [before] and seen(db)["gebiete"] == ["Süd"]


def test_an_apply_that_breaks_off_leaves_what_was_seen(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = city(tmp_path)
    load(db, deployment, areas("Nord", "Mitte", "West"))
    before, there, prepared = seen(db), tables(db), tiles(db)
    stricter = checked(contract_of(GEBIETE, forms={"open": {**OPEN["open"], "where": "name = 'West'"}}))
    with monkeypatch.context() as patch:
        patch.setattr(views, "switch", lambda *_: (_ for _ in ()).throw(Busy("broken off")))
        with pytest.raises(Busy):
            apply(db, read_now(deployment), stricter)
    assert (seen(db), tables(db), tiles(db)) == (before, there, prepared)
    apply(db, read_now(deployment), stricter)
    assert seen(db)["gebiete"] == ["West"]
    version = current(db, "gebiete")
    assert version is not None and version.version == 1
