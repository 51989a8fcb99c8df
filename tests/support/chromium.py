"""The system's Chromium, driven by a folder's `drive.mjs`."""

from __future__ import annotations

__all__ = ["drive"]

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

_CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


def drive(folder: Path, task: dict[str, Any]) -> Any:
    """Run the driver of a folder and return what it says it saw; `task["folder"]` takes its pictures and is its home."""
    done = subprocess.run(
        ["node", "drive.mjs", json.dumps({**task, "chromium": _CHROMIUM})],
        cwd=folder,
        env={**os.environ, "HOME": task["folder"], "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
