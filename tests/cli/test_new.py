"""`stadtgrund new`: a folder that passes `check` and serves, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import run
from stadtgrund.catalog import checks, registry
from stadtgrund.catalog.skeleton import LAENDER, Skeleton, ags_of, crs_of
from stadtgrund.settings import ROOT


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")


def test_a_folder_with_all_that_a_city_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "kaiserslautern"
    assert run(["new", str(folder), "--ags", "7312000", "--title", 'Stadt "Kaiserslautern"', "--box", "7.6,49.3,7.9,49.5"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{folder}\n"
    assert f"stadtgrund --config {folder} init" in shown.err and f"make run CONFIG={folder}" in shown.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "datasets", "deployment.yml", "keys", "profiles.yml", "server.yml", "styles",
    ]  # fmt: skip
    assert checks.check(folder) == []
    made = registry.read(folder)
    assert (made.name, made.ags, made.crs, made.box84) == ("kaiserslautern", "07312000", "EPSG:25832", (7.6, 49.3, 7.9, 49.5))
    assert made.title.de == 'Stadt "Kaiserslautern"' and made.contracts == {} and made.data == folder
    assert "Deutschland" not in (folder / "deployment.yml").read_text(encoding="utf-8")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"make run CONFIG={folder}" in text and f"--config {folder} init" in text


def test_without_title_and_box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "bad-doberan"
    folder.mkdir()  # empty: may be used
    assert run(["new", str(folder), "--ags", "13072006"]) == 0
    assert "ganz Deutschland" in capsys.readouterr().err
    made = registry.read(folder)
    assert (made.name, made.title.de, made.crs) == ("bad_doberan", "Bad Doberan", "EPSG:25833")
    assert "Enger fassen" in (folder / "deployment.yml").read_text(encoding="utf-8")
    assert checks.check(folder) == []


@pytest.mark.parametrize("land", LAENDER)
def test_every_land_has_its_zone(land: str, tmp_path: Path) -> None:
    zone = 33 if land in ("11", "12", "13", "14") else 32
    assert crs_of(ags_of(f"{land}000000")) == f"EPSG:258{zone}"


@pytest.mark.parametrize(
    ("name", "id_"), [("Köln", "koeln"), ("2026 Stadt", "stadt_2026_stadt"), ("a" * 60, "a" * 31), ("Bad Ems!", "bad_ems")]
)
def test_a_folders_name_becomes_an_id(name: str, id_: str) -> None:
    assert Skeleton(Path(name), "07312000", "x", "EPSG:25832", None).id == id_


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--ags", "17000000"], "17 ist kein Land"),
        (["--ags", "0731"], "hat 4 Ziffern"),
        (["--ags", "07312"], "Kreisschlüssel"),
        (["--ags", "073120000000"], "ist ein ARS"),
        (["--ags", "Kaiserslautern"], "nur Ziffern"),
        (["--ags", ""], "--ags ist leer"),
        (["--ags", "07312000", "--crs", "31467"], "Erlaubt sind EPSG:25832 und EPSG:25833"),
        (["--ags", "07312000", "--box", "49,7,50,8"], "West,Süd,Ost,Nord"),
        (["--ags", "07312000", "--box", "7.9,49.3,7.6,49.5"], "West,Süd,Ost,Nord"),
        (["--ags", "07312000", "--box", "7.6,49.3,7.9"], "West,Süd,Ost,Nord"),
        (["--ags", "07312000", "--title", " "], "--title ist leer"),
        ([], "--ags"),
    ],
)
def test_misuse_says_what_is_right_and_makes_nothing(
    tmp_path: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", str(tmp_path / "stadt"), *options]) == 2
    shown = capsys.readouterr()
    assert told in shown.err and "Traceback" not in shown.err and not shown.out
    assert not (tmp_path / "stadt").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notiz.txt").write_text("wichtig")
    assert run(["new", str(tmp_path), "--ags", "07312000"]) == 2
    assert "liegt schon etwas" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notiz.txt"]
    assert run(["new", str(tmp_path / "notiz.txt"), "--ags", "07312000"]) == 2
    assert "ist eine Datei" in capsys.readouterr().err


def test_names_and_places_of_this_checkout_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", str(tmp_path / "musterstadt"), "--ags", "07312000"]) == 2
    assert "Nennen Sie ihn anders" in capsys.readouterr().err
    assert run(["new", str(ROOT / "pygeoapi-config" / "meinestadt"), "--ags", "07312000"]) == 2
    assert "liegt in diesem Klon" in capsys.readouterr().err
    assert not (ROOT / "pygeoapi-config" / "meinestadt").exists()
