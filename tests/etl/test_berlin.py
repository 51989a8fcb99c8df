"""Berlin's open data through the committed contracts: counts as the inventory of the data gives them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.postgis import Server, environment

from etl import pipeline
from stadtgrund.catalog import registry
from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

pytestmark = [pytest.mark.shared]

BERLIN = ROOT / "pygeoapi-config" / "berlin"
ROWS = {
    "adressen": 401_032,
    "bezirke": 12,
    "bezirksregionen": 138,
    "einwohner_2020": 448,
    "jugendfreizeiteinrichtungen": 407,
    "kitas": 2_880,
    "ladesaeulen": 2_197,
    "planungsraeume": 448,
    "prognoseraeume": 58,
    "schulen": 902,
}
JOINED = "einwohner_planungsraeume_2020"


def test_rows_in_of_every_dataset(db: Database, shared_data: Path) -> None:
    deployment = registry.read(BERLIN, shared_data)
    assert set(deployment.contracts) == {*ROWS, JOINED}
    reports = {report.dataset: report for report in pipeline.load_all(db, deployment)}
    assert {name: report.status for name, report in reports.items()} == dict.fromkeys(reports, "published")
    assert {name: reports[name].rows_in for name in ROWS} == ROWS
    assert all(report.rows_in == report.rows_published + report.rows_rejected for report in reports.values())
    join = reports[JOINED].join
    assert join is not None
    assert (join.right_rows, join.right_matched, join.right_unmatched_keys) == (448, 447, ("04030417",))
    assert (join.left_rows, join.left_matched) == (448, 448)
    again = [report.status for report in pipeline.load_all(db, deployment)]
    assert set(again) == {"unchanged"}


@pytest.mark.slow
def test_peak_memory_of_the_addresses(db: Database, server: Server, shared_data: Path) -> None:
    program = (
        "import json, re, sys; from pathlib import Path; from etl import pipeline; from stadtgrund.catalog import registry;"
        " from stadtgrund.settings import Settings; from stadtgrund.store.database import Database;"
        " settings = Settings.from_environment(); database = Database.open(settings, settings.deployment.name);"
        " report = pipeline.load(database, registry.read(Path(sys.argv[1]), Path(sys.argv[2])), 'adressen');"
        " peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1];"  # ru_maxrss has the parent's of before exec
        " print(json.dumps([report.line(), int(peak) / 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(BERLIN), str(shared_data)],
        capture_output=True, text=True, cwd=ROOT, env=environment(server, db, BERLIN) | {"PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    line, peak_mib = json.loads(done.stdout)
    assert line["rows_published"] == 401_032
    assert peak_mib < 450, f"{peak_mib:.0f} MiB"
