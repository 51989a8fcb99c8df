"""What contracts close, against a database that shows it still; and contracts that are wrong or gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.city import BAEUME, ORTSTEILE
from support.closing import JOIN, closed, edit, misspell, path, public
from support.deployment import checked, contract_of, write_contract

from cli.main import run
from etl import pipeline
from stadtgrund.catalog import access, registry
from stadtgrund.store import releases, versions
from stadtgrund.store.database import Database

# release


def test_a_closing_takes_the_joins_that_would_show_it(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "ortsteile", "--by", "A", "--ground", "personal_data"]) == 0
    assert f"{JOIN} zeigte mehr, als öffentlich sein darf" in capfd.readouterr().err
    assert public(db) == {"baeume", "einwohner"}

    assert run(["release", "ortsteile", "--by", "A", "--ground", "NONE"]) == 0
    assert public(db) == {"baeume", "einwohner", "ortsteile"}
    assert run(["apply", JOIN]) == 0
    assert JOIN in public(db)


def test_a_closed_field_takes_the_join_that_shows_it(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "ortsteile", "--by", "A", "--ground", "NONE", "--field", "name=personal_data"]) == 0
    assert JOIN in capfd.readouterr().err
    assert public(db) == {"baeume", "einwohner", "ortsteile"}

    edit(loaded, JOIN, forms={"open": {"min_count": {"minimum": 5, "fields": ["einwohner"]}, "omit": ["name"]}})
    assert run(["apply", JOIN]) == 0
    assert JOIN in public(db)


def test_a_join_whose_contract_is_right_follows_it(loaded: Path, db: Database) -> None:
    edit(loaded, JOIN, forms={"open": {"min_count": {"minimum": 5, "fields": ["einwohner"]}, "omit": ["name"]}})
    assert run(["release", "ortsteile", "--by", "A", "--ground", "NONE", "--field", "name=personal_data"]) == 0
    with db.connect("open") as connection:
        row = connection.execute("SELECT collection FROM p_open.sg_state WHERE dataset = %s", (JOIN,)).fetchone()
    assert row and "name" not in [field["name"] for field in row[0]["fields"]]


def test_a_closing_that_leaves_the_contract_wrong_goes_through_and_back(
    loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["release", "baeume", "--by", "A", "--ground", "NONE", "--field"]
    assert run([*words, "nummer=personal_data"]) == 0
    assert "Hinweis: datasets/baeume.yaml:" in capfd.readouterr().err
    assert "baeume" not in public(db)
    with db.connect("verwaltung") as connection:
        row = connection.execute("SELECT collection #>> '{access,de}' FROM p_verwaltung.sg_state WHERE dataset = 'baeume'").fetchone()
    assert row and row[0].startswith("Nur Verwaltung: Die Kennung der Objekte besteht aus nummer")

    assert run(["load", "baeume", "--force"]) == 2
    assert run(["rollback", "baeume", "--to", "1"]) == 0  # by the contract that was applied last, which was an open one
    assert "baeume" not in public(db)

    assert run([*words, "nummer=NONE"]) == 0
    assert "baeume" in public(db)


def test_a_load_does_not_open_what_was_closed_while_it_ran(loaded: Path, db: Database) -> None:
    began = registry.read(loaded)
    assert run(["release", "baeume", "--by", "A", "--ground", "personal_data"]) == 0
    report = pipeline.load(db, began, "baeume", force=True)
    assert report.status == "stopped" and "inzwischen weiter geschlossen" in str(report.error)
    assert "baeume" not in public(db)
    assert pipeline.load(db, registry.read(loaded), "baeume", force=True).status == "published"
    assert "baeume" not in public(db)


def test_a_release_whose_filter_cannot_be_made_closes_the_dataset(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    fields = [*BAEUME["fields"], {"name": "gesperrt", "type": "boolean"}]  # not loaded yet
    edit(loaded, "baeume", fields=fields, forms={"open": {"where": "gesperrt = FALSE"}})
    assert run(["release", "baeume", "--by", "A", "--ground", "NONE"]) == 2
    assert "baeume zeigte mehr, als öffentlich sein darf, und ist nicht mehr öffentlich" in capfd.readouterr().err
    assert "baeume" not in public(db)


def test_an_opening_that_is_refused_writes_nothing(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    edit(loaded, "baeume", forms={"open": {"where": "art = 5"}})
    before, log = path(loaded, "baeume").read_bytes(), releases.history(db, "baeume")
    assert run(["release", "baeume", "--by", "A", "--ground", "NONE"]) == 2
    told = capfd.readouterr().err
    assert "forms.open.where: " in told and "Nichts wurde geschrieben" in told and "stadtgrund withdraw baeume" in told
    assert path(loaded, "baeume").read_bytes() == before
    assert releases.history(db, "baeume") == log

    assert run(["release", "baeume", "--by", "A", "--ground", "personal_data"]) == 0
    assert "baeume" not in public(db)


def test_a_join_of_a_join_is_closed_with_it(loaded: Path, db: Database) -> None:
    fields = [{"name": "ortsteil", "from": "left.ortsteil", "type": "string"}, {"name": "rang", "from": "right.name", "type": "string"}]
    source = {"kind": "join", "left": JOIN, "right": "ortsteile", "on": [{"left": "ortsteil", "right": "ortsteil"}], "join": "key"}
    values = {**BAEUME, "id": "doppelt", "source": source, "fields": fields, "id_field": {"kind": "content"}, "temporal": None}
    values |= {"geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"}, "sortables": []}
    write_contract(loaded, checked(contract_of(values), weighing=None))
    assert run(["load", "doppelt"]) == 0
    assert "doppelt" in public(db)
    assert run(["release", "einwohner", "--by", "A", "--ground", "personal_data"]) == 0
    assert public(db) == {"baeume", "ortsteile"}


# Contracts that are wrong


@pytest.mark.parametrize(
    "words",
    [
        ("withdraw", "baeume"),
        ("rollback", "baeume", "--list"),
        ("status",),
        ("report", "baeume"),
        ("load", "baeume"),
        ("apply", "baeume"),
        ("release", "baeume", "--by", "A", "--ground", "personal_data"),
        ("export", "files", "baeume", "--format", "csv"),
        ("tiles", "clear", "baeume"),
    ],
)
def test_another_contract_that_is_wrong_is_no_obstacle(words: tuple[str, ...], loaded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    misspell(loaded, "strassen")
    assert run(words) == 0, capfd.readouterr().err


@pytest.mark.parametrize("words", [("load", "baeume"), ("apply", "baeume"), ("load", JOIN), ("apply", JOIN)])
def test_the_own_contract_or_that_of_a_part_is(words: tuple[str, str], loaded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    misspell(loaded, "baeume")
    misspell(loaded, "ortsteile")
    assert run(words) == 2
    wrong, other = ("baeume", "ortsteile") if words[1] == "baeume" else ("ortsteile", "baeume")
    told = capfd.readouterr().err
    assert f"datasets/{wrong}.yaml:" in told and f"datasets/{other}.yaml" not in told


def test_what_the_database_knows_serves_where_the_own_contract_is_wrong(
    loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["load", "baeume", "--force"]) == 0
    misspell(loaded, "baeume")
    capfd.readouterr()
    assert run(["report", "baeume"]) == 0
    assert run(["status", "--json"]) == 0
    told = capfd.readouterr()
    lines = {line["dataset"]: line for line in map(json.loads, told.out.splitlines()[-8:])}
    assert (lines["baeume"]["version"], lines["baeume"]["release"]) == (2, "open")
    assert "Hinweis: datasets/baeume.yaml:" in told.err
    assert run(["rollback", "baeume", "--to", "1"]) == 0
    current = versions.current(db, "baeume")
    assert current is not None and (current.version, current.origin) == (3, "rollback:1")
    assert "baeume" in public(db)

    assert run(["withdraw", "baeume", "--by", "A", "--reason", "falsch", "--dry-run"]) == 0
    assert "baeume" in public(db)
    assert run(["withdraw", "baeume", "--by", "A", "--reason", "falsch"]) == 0
    assert "baeume: open sieht ihn nicht." in capfd.readouterr().out
    assert "baeume" not in public(db)
    with db.connect("verwaltung") as connection:
        assert connection.execute("SELECT FROM p_verwaltung.baeume").rowcount == 400
    assert [(row.origin, row.by, row.answers) for row in releases.history(db, "baeume")][-1] == ("withdraw", "A", {"reason": "falsch"})

    write_contract(loaded, checked(contract_of(BAEUME)))
    assert run(["load", "baeume", "--force"]) == 0
    assert "baeume" not in public(db)


def test_all_means_all_that_are_right(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    misspell(loaded, "ortsteile")
    assert run(["load", "--all", "--dry-run"]) == 1
    assert f"Nicht geladen würden: {JOIN}, ortsteile." in capfd.readouterr().err
    assert run(["load", "--all"]) == 1
    told = capfd.readouterr().err
    assert "datasets/ortsteile.yaml:" in told and f"Nicht geladen: {JOIN}, ortsteile." in told
    assert public(db) == {"baeume", "einwohner", JOIN, "gebaeude", "ortsteile", "pegel", "strassen"}
    assert run(["apply"]) == 1
    assert f"Nicht übernommen: {JOIN}, ortsteile." in capfd.readouterr().err


def test_an_id_that_nobody_knows_is_still_refused(loaded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["withdraw", "baeumee"]) == 2
    assert "Gemeint: baeume?" in capfd.readouterr().err


def test_apply_closes_what_a_wrong_contract_closes(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    closed(loaded, "baeume")
    edit(loaded, "baeume", sortables=["nix"])
    assert run(["apply"]) == 1
    assert "baeume zeigte mehr, als öffentlich sein darf, und ist nicht mehr öffentlich." in capfd.readouterr().err
    assert "baeume" not in public(db)


def test_apply_of_a_wrong_contract_closes_what_it_closes(loaded: Path, db: Database) -> None:
    closed(loaded, "ortsteile")
    edit(loaded, "ortsteile", sortables=["nix"])
    assert run(["apply", "ortsteile"]) == 2
    assert public(db) == {"baeume", "einwohner"}


def test_what_cannot_be_closed_by_its_contract_keeps_nothing_open(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    fields = [*BAEUME["fields"], {"name": "gesperrt", "type": "boolean"}]
    edit(loaded, "baeume", fields=fields, forms={"open": {"where": "gesperrt = FALSE"}})
    write_contract(loaded, checked(registry.read(loaded).contract("baeume")))
    closed(loaded, "ortsteile")
    assert run(["apply"]) == 1
    assert "gesperrt" in capfd.readouterr().err
    assert public(db) == {"einwohner"}


def test_a_deployment_that_cannot_be_read_does_not_keep_a_dataset_open(loaded: Path, db: Database) -> None:
    (loaded / "deployment.yml").write_text("crs: [", encoding="utf-8")
    assert run(["withdraw", "baeume", "--reason", "falsch"]) == 0
    assert "baeume" not in public(db)
    assert run(["withdraw", "nix", "--reason", "falsch"]) == 2


# Contracts that are gone


def test_a_dataset_without_a_contract_is_named_and_can_be_withdrawn(loaded: Path, db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    path(loaded, "baeume").unlink()
    for verb in ("status", "apply"):
        assert run([verb]) == 0
        told = capfd.readouterr()
        assert "baeume ist öffentlich und hat keinen Vertrag mehr." in told.err and "stadtgrund withdraw baeume" in told.err
        assert ("baeume" in told.out) is (verb == "status")
    assert run(["withdraw", "baeume", "--by", "A"]) == 0
    assert "baeume" not in public(db)
    capfd.readouterr()
    assert run(["status"]) == 0
    assert "stadtgrund withdraw" not in capfd.readouterr().err


# What the server does with it


def test_a_server_does_not_open_what_its_contract_closes(
    loaded: Path, db: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    served: list[object] = []
    monkeypatch.setattr("cli.serve._serve", served.append)
    closed(loaded, "ortsteile")
    assert run(["serve"]) == 1
    told = capfd.readouterr().err
    assert "ortsteile" in told and JOIN in told and "stadtgrund apply" in told
    assert not served
    run(["apply"])
    assert run(["serve"]) == 0
    assert len(served) == 1


def test_a_contract_that_opens_more_or_is_wrong_does_not_keep_a_server(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    monkeypatch.setattr("cli.serve._serve", served.append)
    write_contract(loaded, checked(registry.read(loaded).contract("leitungen")))
    misspell(loaded, "strassen")
    assert run(["serve"]) == 0
    assert len(served) == 1


FORM = {"open": {"where": "art = 'Linde'", "min_count": {"minimum": 5, "fields": ["umfang_cm"]}}}


COUNTED: dict[str, Any] = {"open": {"omit": ["hoehe_m"], "min_count": {"minimum": 5, "fields": ["umfang_cm"]}}}


@pytest.mark.parametrize(
    ("served", "now", "narrower"),
    [
        ({}, {}, False),
        ({}, {"forms": FORM}, True),
        ({"forms": FORM}, {}, False),
        ({"forms": FORM}, {"forms": {"open": {**FORM["open"], "min_count": {"minimum": 9, "fields": ["umfang_cm"]}}}}, True),
        ({"forms": FORM}, {"forms": {"open": {**FORM["open"], "where": "art = 'Eiche'"}}}, True),
        ({}, {"forms": {"open": {"omit": ["art"]}}}, True),
        ({}, {"forms": {"open": {"geometry": "none"}}}, True),
        ({"forms": {"open": {"geometry": "none"}}}, {}, False),
        ({"forms": COUNTED}, {"forms": {"open": {"min_count": {"minimum": 5, "fields": ["umfang_cm", "hoehe_m"]}}}}, False),
        ({"forms": {"open": {"omit": ["umfang_cm"]}}}, {"forms": {"open": {"min_count": COUNTED["open"]["min_count"]}}}, False),
    ],
)
def test_what_is_narrower(served: dict[str, Any], now: dict[str, Any], narrower: bool) -> None:
    before, after = (checked(contract_of({**BAEUME, **changes})) for changes in (served, now))
    assert access.narrows(after, before) is narrower
    assert access.narrows(checked(after, "personal_data"), before)
    assert not access.narrows(after, checked(before, "personal_data"))


def test_a_coarser_geometry_is_narrower() -> None:
    centroid = checked(contract_of(ORTSTEILE, forms={"open": {"geometry": "centroid"}}))
    none = checked(contract_of(ORTSTEILE, forms={"open": {"geometry": "none"}}))
    assert access.narrows(centroid, checked(contract_of(ORTSTEILE)))
    assert access.narrows(none, centroid)
    assert not access.narrows(centroid, none)
