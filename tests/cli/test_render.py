from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pygeoapi.config import validate_config
from pygeoapi.util import yaml_load
from support.deployment import MASTEN, checked, contract_of, write_contract

from cli.main import run
from stadtgrund.settings import ROOT


def rendered(folder: Path) -> dict[str, object]:
    assert run(["--config", str(folder), "render"]) == 0
    with (folder / "pygeoapi.yml").open(encoding="utf-8") as file:
        loaded: dict[str, object] = yaml_load(file)
    return loaded


def test_the_file_is_valid_and_takes_the_environment(deployment_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://geo.example.org/api")
    monkeypatch.setenv("STADTGRUND_DSN", "postgresql://leser@host/stadt")
    monkeypatch.setenv("STADTGRUND_PORT", "5077")
    config = rendered(deployment_folder)
    assert validate_config(config)
    assert config["server"]["bind"]["port"] == 5077  # type: ignore[index]
    assert config["server"]["url"] == "https://geo.example.org/api"  # type: ignore[index]
    provider = config["resources"]["masten"]["providers"][0]  # type: ignore[index]
    assert provider["data"] == {"dsn": "postgresql://leser@host/stadt", "profile": "open", "collection": "masten"}
    assert "storage_crs" not in provider


def test_pygeoapis_own_command_validates_it_without_environment(deployment_folder: Path) -> None:
    assert run(["--config", str(deployment_folder), "render"]) == 0
    done = subprocess.run(
        [Path(sys.executable).with_name("pygeoapi"), "config", "validate", "-c", deployment_folder / "pygeoapi.yml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["Valid configuration"])


def test_closed_datasets_are_in_the_administrations_file_only(deployment_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = contract_of(MASTEN, id="leitungen", title={"de": "Geheimleitungen"})
    write_contract(deployment_folder, checked(contract, "security_critical"))
    assert "Geheimleitungen" not in (yaml.safe_dump(rendered(deployment_folder), allow_unicode=True))
    capsys.readouterr()
    assert run(["--config", str(deployment_folder), "render", "--profile", "verwaltung", "--output", "-"]) == 0
    assert "Geheimleitungen" in capsys.readouterr().out
    assert not (deployment_folder / "pygeoapi.verwaltung.yml").exists()


def test_fields_that_are_not_checked_are_not_named(deployment_folder: Path) -> None:
    path = deployment_folder / "datasets" / "masten.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("- name: gross_nr", "- name: telefon_privat\n  type: string\n- name: gross_nr"), encoding="utf-8")
    assert "telefon_privat" not in yaml.safe_dump(rendered(deployment_folder))


def test_drift_is_told_with_the_files_name(deployment_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = ["--config", str(deployment_folder), "render", "--check"]
    assert run(check) == 1
    rendered(deployment_folder)
    assert run(check) == 0
    path = deployment_folder / "datasets" / "gebiete.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("de: Gebiete\n", "de: Flächen\n"), encoding="utf-8")
    before = (deployment_folder / "pygeoapi.yml").read_text(encoding="utf-8")
    capsys.readouterr()
    assert run(check) == 1
    assert str(deployment_folder / "pygeoapi.yml") in capsys.readouterr().err
    assert (deployment_folder / "pygeoapi.yml").read_text(encoding="utf-8") == before


def test_a_variable_that_a_steward_wrote_stays_text(deployment_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:geheim@h/d")
    path = deployment_folder / "datasets" / "gebiete.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("de: Gebiete der Stadt.", "de: Pfad ${DATABASE_URL}"), encoding="utf-8")
    config = rendered(deployment_folder)
    assert config["resources"]["gebiete"]["description"]["de"] == "Pfad ${DATABASE_URL}"  # type: ignore[index]


def test_no_database_and_no_path_of_this_machine(deployment_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    rendered(deployment_folder)
    text = (deployment_folder / "pygeoapi.yml").read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert str(deployment_folder) not in text


def test_an_unknown_profile_is_misuse(deployment_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(deployment_folder), "render", "--profile", "geheim"]) == 2
    assert "verwaltung" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["musterstadt", "berlin"])
def test_the_committed_files_are_up_to_date(name: str) -> None:
    assert run(["--config", str(ROOT / "pygeoapi-config" / name), "render", "--check"]) == 0
