"""The notebooks run from top to bottom, show what they promise, and lie in the repository without outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from stadtgrund.settings import ROOT

FOLDER = ROOT / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))

# zmq's and IPython's own business, in the process of the tests.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def execute(name: str, env: Mapping[str, str], folder: Path) -> str:
    """Run a notebook in a kernel of its own; return all text that it shows. Each error of a cell is an error here."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    quiet = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "IPYTHONDIR": str(folder),
    }
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute(env={**env, **quiet})
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # A warning on stderr is nothing that a reader should see.
            assert output.get("name") != "stderr", output["text"]
            data = output.get("data", {})
            shown += [output.get("text", ""), data.get("text/plain", ""), "BILD" if "image/png" in data else ""]
    return "\n".join(shown)


def test_there_is_one_for_each_kind_of_user() -> None:
    assert NAMES == ["01_eigene_ebene.ipynb", "02_vorhaben_pruefen.ipynb", "03_daten_holen.ipynb"]


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_and_no_traces_of_a_machine(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"/(root|home|work|Users|tmp)/", text)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.slow
def test_an_own_layer(private: dict[str, str], tmp_path: Path) -> None:
    shown = execute("01_eigene_ebene.ipynb", private, tmp_path)
    reports = re.findall(r"^Trinkbrunnen \(brunnen\): (.*)$", shown, re.MULTILINE)
    assert reports == ["Version 1 veröffentlicht"] * 2 + ["Version 2 veröffentlicht", "Version 2 unverändert", "Version 2 angehalten"]
    assert "Zeilen: 6 gelesen = 4 veröffentlicht + 2 abgelehnt" in shown
    assert re.search(r"Zeile 3, nr: .*name=Stadtpark \(alt\)", shown) and re.search(r"Zeile 4, name: .*NR=B4", shown)
    assert "„prima“ (1)" in shown
    assert "2 Zeilen statt bisher 6" in shown and "Ende mit 1" in shown
    assert re.search(r"brunnen\s+3\s+rollback:1\s+4\s", shown)
    assert "Öffentlich (open) sieht ihn." in shown and "ohne: kosten_eur" in shown
    assert "Grünflächenamt, Datenverantwortliche" in shown.rpartition("fields:")[0]
    assert "Datenbank und Ordner sind gelöscht." in shown


@pytest.mark.slow
def test_check_a_project(musterstadt: str, tmp_path: Path) -> None:
    shown = execute("02_vorhaben_pruefen.ipynb", {**os.environ, "STADTGRUND_URL": musterstadt}, tmp_path)
    assert re.search(r"Konflikt\s+1\n", shown) and re.search(r"Auflage\s+7\n", shown)
    assert "BAU-2026-0209" in shown and "gemeinsame Tage 21.12.2026 bis 29.12.2026" in shown
    assert re.search(r"Leitungen im Untergrund\s+not_permitted\s+Stadtwerke Musterstadt", shown)
    assert "Der Rand schneidet sich selbst" in shown
    assert shown.count("BILD") == 1
    address = re.search(r"Prüfbericht\s+file://(\S+)", shown)
    assert address and "<h1>Prüfung eines Vorhabens</h1>" in Path(address[1]).read_text(encoding="utf-8")
    assert f"{musterstadt}/viewer/" in shown


@pytest.mark.slow
def test_fetch_data(musterstadt: str, tmp_path: Path) -> None:
    shown = execute("03_daten_holen.ipynb", {**os.environ, "STADTGRUND_URL": musterstadt}, tmp_path)
    assert "13254 Bäume, ETRS89 / UTM zone 32N" in shown
    assert re.search(r"[1-9]\d* Straßen, [1-9]\d* Gebäude, [1-9]\d* Bäume", shown)
    assert re.search(r"[1-9]\d* hohe Eichen; [1-9]\d* Baustellen im Sommer 2027", shown)
    assert "Unknown property 'hoehe'" in shown and "'geometry']" in shown
    assert "{'ok': 132, 'suppressed': 6}" in shown
    assert shown.count("BILD") == 3
