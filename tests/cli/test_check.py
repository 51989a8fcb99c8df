"""`stadtgrund check` on what is no contract: `rules/` and `viewer.yml`, each with one small fault."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from cli.main import run
from stadtgrund.settings import ROOT

RULES, VIEWER = "rules/construction_overlay.yaml", "viewer.yml"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "pygeoapi-config" / "musterstadt", tmp_path / "musterstadt"))


def change(city: Path, file: str, old: str, new: str) -> int:
    """Replace the first `old`; return its line."""
    path = city / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "said"),
    [
        (RULES, "class: Konflikt", "class: Konflickt", r"rules[1].class",
         "Gemeint: Konflikt? Erlaubt: Konflikt, Synergie, Auflage, Hinweis."),
        (RULES, "kind: near", "kind: neer", "rules[3].kind", "Gemeint: near? Erlaubt: near, roots, works, rain."),
        (RULES, "distance_m: 3\n", "distance_m: drei\n", "rules[3].distance_m", "„drei“ ist keine Zahl"),
        (RULES, "distance_m: 3\n", "distance_m: 9999\n", "rules[3].distance_m", "„9999“ ist zu groß; erlaubt: bis 5000.0."),
        (RULES, "distance_m: 3\n", "distanz_m: 3\n", "rules[3].distanz_m", "Diesen Schlüssel gibt es nicht. Gemeint: distance_m?"),
        (RULES, "wet_m: 0.1", "nass_m: 0.1", "rules[10].nass_m", "Diesen Schlüssel gibt es nicht. Erlaubt: id, "),
        (RULES, "collection: baeume\n", "collection: baeumen\n", "rules[4].collection",
         "Den Datensatz „baeumen“ gibt es nicht. Gemeint: baeume?"),
        (RULES, "collection: baeume\n", "collection: gelaendemodell\n", "rules[4].collection",
         "gelaendemodell ist ein Raster; dafür gibt es kind: rain."),
        (RULES, "collection: starkregen_selten", "collection: schulen", "rules[10].collection",
         "schulen ist kein Raster; kind: rain braucht eines."),
        (RULES, "collection: schulen", "collection: einwohner", "rules[8].collection", "einwohner hat keine Geometrie."),
        (RULES, "begin: beginn\n", "begin: titel\n", "rules[1].begin", "titel ist string; erlaubt: date, datetime."),
        (RULES, "girth_cm: stammumfang_cm", "girth_cm: art_deutsch", "rules[4].girth_cm",
         "art_deutsch ist string; erlaubt: integer, number, decimal."),
        (RULES, "[name, schulform]", "[name, schulart]", "rules[8].show[2]",
         "Das Feld „schulart“ gibt es nicht. Gemeint: schulform? Felder: "),
        (RULES, "status: [storniert,", "status: [storno,", "rules[1].exclude.status[1]", "„storno“ steht nicht in der Codeliste: "),
        (RULES, "id: denkmale", "id: schutzgebiete", "rules[6].id", "„schutzgebiete“ steht zweimal."),
        (RULES, "key: baustelle_id, ", "key: nummer, ", "baustelle.key", "Das Feld „nummer“ gibt es nicht."),
        (RULES, "key_type: flurstueck", "key_type: flurstuck", "flurstueck.key_type",
         "Den Schlüsseltyp „flurstuck“ gibt es nicht. Gemeint: flurstueck?"),
        (RULES, "label: name", "label: nahme", "background[4].label", "Das Feld „nahme“ gibt es nicht. Gemeint: name?"),
        (RULES, "version:", "version", "", "Das ist kein gültiges YAML"),
        (VIEWER, "shown: [ortsteile", "shown: [ortsteil", "shown[1]", "Den Datensatz „ortsteil“ gibt es nicht. Gemeint: ortsteile?"),
        (VIEWER, "shown: [ortsteile", "shown: [gelaendemodell", "shown[1]", "gelaendemodell ist ein Raster; die Karte zeichnet keines."),
        (VIEWER, "shown:", "gezeigt:", "gezeigt", "Diesen Schlüssel gibt es nicht. Erlaubt: order, shown, search, works, parcels."),
        (VIEWER, "fields: [strasse,", "fields: [strase,", "search[1].fields[1]", "Das Feld „strase“ gibt es nicht. Gemeint: strasse?"),
        (VIEWER, "title: titel}", "title: name_}", "works.title", "Das Feld „name_“ gibt es nicht."),
        (VIEWER, "parcels: flurstuecke", "parcels: flurstück", "parcels", "Den Datensatz „flurstück“ gibt es nicht. Gemeint: flurstuecke?"),
        (VIEWER, "search:", "search", "", "Das ist kein gültiges YAML"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_line_and_what_is_allowed(
    file: str, old: str, new: str, field: str, said: str, city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = change(city, file, old, new)
    assert run(["check", "--json", "--config", str(city)]) == 1
    (problem,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (problem["file"], problem["field"]) == (file, field)
    assert problem["line"] in ((line,) if field else (line, line + 1))
    assert said in problem["message"], problem["message"]


def test_a_rule_for_a_layer_that_the_city_does_not_have_is_remarked(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The process says that there are no data, and whom to ask: that is what the rule is for."""
    change(city, RULES, "collection: haltestellen", "collection: wasserschutz")
    assert run(["check", "--config", str(city)]) == 0
    shown = capsys.readouterr()
    assert not shown.out
    assert re.search(r"Hinweis: rules/construction_overlay\.yaml:\d+: rules\[9\]\.collection: „wasserschutz“ gibt es hier", shown.err)


def test_a_file_of_rules_that_nothing_reads_is_told(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (city / "rules" / "eigene.yml").write_text("rules: []\n")
    assert run(["check", "--config", str(city)]) == 1
    assert capsys.readouterr().out == "rules/eigene.yml: wird nicht gelesen; erlaubt: construction_overlay.yaml.\n"


def test_faults_are_told_beside_those_of_contracts(city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    (city / "deployment.yml").write_text("title: {de: Musterstadt}\n")
    change(city, RULES, "class: Konflikt", "class: Streit")
    change(city, VIEWER, "parcels: flurstuecke", "parcels: [flurstuecke]")
    assert run(["check", "--config", str(city)]) == 1
    told = capsys.readouterr().out
    assert "deployment.yml:1: box: is missing and required." in told
    assert "class: “Streit” is not allowed. Allowed: Konflikt, Synergie, Auflage, Hinweis." in told
    assert "viewer.yml:10: parcels: A list is not text." in told


@pytest.mark.parametrize("file", [RULES, VIEWER])
def test_a_server_says_the_same(file: str, city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STADTGRUND_PORT", "6271")
    line = change(city, file, {RULES: "max_area_ha: 200", VIEWER: "works:"}[file], {RULES: "max_area_ha: 0", VIEWER: "bauten:"}[file])
    assert run(["--config", str(city), "serve"]) == 2
    assert f"{file}:{line}: " in capsys.readouterr().err
