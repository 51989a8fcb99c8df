"""docs/demo.md, run as it stands: each command, and what the page says is then to be seen."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.served import free_port

from cli.demo import write_deployment
from cli.main import run
from demo import deliveries
from stadtgrund.catalog import checks, registry
from stadtgrund.errors import UsageError
from stadtgrund.settings import ROOT, Paths, Settings
from stadtgrund.store import embedded, removal

PAGE = ROOT / "docs" / "demo.md"
_BLOCK = re.compile(r"^```(sh|text)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block of commands and the lines that must be seen after it; `window` names a terminal that stays open."""

    window: str | None
    commands: str
    expected: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """Read the page: each block of commands is followed by its block of expectations."""
    found: list[Step] = []
    blocks = _BLOCK.findall(text)
    assert len(blocks) % 2 == 0
    for (kind, window, commands), (then, _, expected) in zip(blocks[::2], blocks[1::2], strict=True):
        assert (kind, then) == ("sh", "text"), commands
        found.append(Step(window or None, commands, tuple(expected.rstrip("\n").split("\n"))))
    return found


def missing(expected: tuple[str, ...], seen: str) -> str | None:
    """Return the first line that is not seen, in order; "…" stands for any text."""
    lines = iter(seen.splitlines())
    for wanted in expected:
        pattern = re.compile(".*".join(r"\s+".join(map(re.escape, part.split(" "))) for part in re.split(" *… *", wanted)))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None


def test_a_line_that_is_not_seen_is_found() -> None:
    assert missing(("a … c", "d"), "x\na b c\nd") is None
    assert missing(("d", "a … c"), "a b c\nd") == "a … c"
    assert missing(("a",), "ab") == "a"


@dataclass(frozen=True)
class Stage:
    """A place of its own: var/, private PostGIS, port and working folder."""

    folder: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        others = ("STADTGRUND_", "MAKE", "MFLAGS", "DATABASE_URL", "PUBLIC_URL", "LANG", "LC_")  # without a locale all texts are German
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        return kept | {
            "STADTGRUND_VAR": str(self.folder / "var"),
            "STADTGRUND_PG_HOME": str(self.folder / "pg"),
            "STADTGRUND_PORT": str(self.port),
            "STADTGRUND_WORKERS": "1",
            "LC_CTYPE": "C.UTF-8",
            "no_proxy": "localhost",
        }

    def here(self, text: str) -> str:
        """Return a text of the page for this place: another folder, another port, and no setup, which is tested elsewhere."""
        text = text.replace("var/demo", str(self.folder / "var" / "demo")).replace("localhost:5000", f"localhost:{self.port}")
        text = text.replace('"$PWD/.venv/bin:$PATH"', shlex.quote(f"{ROOT}/.venv/bin") + ':"$PATH"')
        return re.sub(r"^make ", f"make -C {shlex.quote(str(ROOT))} --no-print-directory -o setup ", text, flags=re.MULTILINE)

    def run(self, commands: str) -> str:
        """Run a block in the shell of the second window: what it exports holds for the next."""
        memory = self.folder / "exported.sh"
        script = f"set -o pipefail; [ ! -e {memory} ] || . {memory}\nset -e\n{self.here(commands)}\nexport -p > {memory}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        return done.stdout


@pytest.fixture
def stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # the account postgres passes through
    place = Stage(folder, free_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STADTGRUND_PG_HOME", str(folder / "pg"))
        cluster = embedded.locate(Paths(ROOT, folder / "var"))
    yield place
    embedded.stop(cluster)
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demonstration_runs_as_the_page_says(stage: Stage) -> None:
    windows: list[subprocess.Popen[bytes]] = []
    try:
        for step in steps(PAGE.read_text(encoding="utf-8")):
            expected = tuple(stage.here(line) for line in step.expected)
            if step.window is None:
                seen = stage.run(step.commands)
                assert missing(expected, seen) is None, f"{step.commands}\nnot seen: {missing(expected, seen)}\n\n{seen}"
                continue
            log = stage.folder / step.window
            with log.open("wb") as output:
                window = subprocess.Popen(
                    ["bash", "-c", f"exec {stage.here(step.commands)}"],
                    env=stage.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            windows.append(window)
            end = time.monotonic() + 120
            while missing(expected, log.read_text(errors="replace")) is not None:
                assert window.poll() is None and time.monotonic() < end, log.read_text(errors="replace")
                time.sleep(0.3)
        # A second `make demo` is refused while somebody watches, and afterwards makes the beginning again.
        refused = subprocess.run(
            [".venv/bin/stadtgrund", "demo"], cwd=ROOT, env=stage.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert refused.returncode == 1 and "ist in Gebrauch" in refused.stderr
    finally:
        for window in windows:
            os.killpg(window.pid, signal.SIGINT)
            window.wait(60)
    stage.run("make demo")
    assert missing(("denkmale … Entwurf …",), stage.run("stadtgrund status")) is None


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A folder with the one file that the faulty deliveries are made of."""
    ring = [[0, 0], [10, 0], [10, 10], [0, 0]]
    features = [
        {
            "type": "Feature",
            "properties": {"baustelle_id": f"BAU-{n}", "ende": "2027-01-31", "traeger": "Amt", "status": "geplant"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for n in range(10)
    ]
    folder = tmp_path / "musterstadt"
    folder.mkdir()
    (folder / "baustellen.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


def test_the_demonstration_has_contracts_of_its_own(city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    (folder / "datasets").mkdir(parents=True)
    (folder / "datasets" / "alt.yaml").write_text("von der letzten Vorführung")
    write_deployment(folder, city)
    assert checks.check(folder) == []
    made, own = registry.read(folder), registry.read(ROOT / "pygeoapi-config" / "musterstadt")
    assert made.data == folder / "data" and set(made.contracts) == set(own.contracts)
    drafts = {name for name, contract in made.contracts.items() if contract.protection.checked is None}
    assert drafts == {"denkmale"} and own.contracts["denkmale"].protection.checked is not None


def test_the_faulty_deliveries_are_made_of_the_good_one(city: Path, tmp_path: Path) -> None:
    cut, faulty = deliveries.write(city / "baustellen.geojson", tmp_path / "lieferung")
    good = json.loads((city / "baustellen.geojson").read_text())["features"]
    assert json.loads(cut.read_text())["features"] == good[:4]
    rows = json.loads(faulty.read_text())["features"]
    assert [number for number, (row, before) in enumerate(zip(rows, good, strict=True)) if row != before] == [0, 1, 2, 4, 5]


def test_a_foreign_database_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example.org/geo")
    monkeypatch.setenv("STADTGRUND_VAR", str(tmp_path / "var"))
    assert run(["demo"]) == 2
    assert "DATABASE_URL" in capsys.readouterr().err
    with pytest.raises(UsageError, match="DATABASE_URL"):
        removal.remove(Settings.from_environment(), tmp_path / "geo")
    assert not (tmp_path / "var").exists()
