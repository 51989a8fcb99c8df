"""What the tests themselves stand on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from stadtgrund.settings import ROOT

_RUN = """
import sys, time
sys.path.insert(0, "tests")
from support.postgis import running_server
with running_server() as server:
    print(server.home, flush=True)
    time.sleep(600)
"""


def test_a_test_run_that_is_killed_leaves_no_server_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", _RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout
            home = Path(run.stdout.readline().strip())
            pid = int((home / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            assert Path(f"/proc/{pid}").exists()
        finally:
            run.kill()
    end = time.monotonic() + 30
    while (Path(f"/proc/{pid}").exists() or home.parent.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
    assert not home.parent.exists()
