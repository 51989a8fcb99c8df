"""The harness beside the project (`../shared/bench`, whose README says what it needs), and our server as the measurements run it."""

from __future__ import annotations

__all__ = ["HARNESS", "PORT", "STADTGRUND", "environment", "harness", "served", "waited_for"]

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ROOT.parent / "shared" / "bench"
PORT = 8190
STADTGRUND = ROOT / ".venv" / "bin" / "stadtgrund"


def environment() -> dict[str, str]:
    """Return the harness' settings (its `env.sh`) with ours."""
    script = "set -a; . ./env.sh; env -0"
    found = subprocess.run(["bash", "-c", script], cwd=HARNESS, check=True, capture_output=True).stdout
    env = dict(entry.split("=", 1) for entry in found.decode().split("\0") if "=" in entry)
    work = Path(env["BENCH_HOME"]) / "work"
    return env | {
        "STADTGRUND_CONFIG": str(ROOT / "bench" / "city"),
        "STADTGRUND_DATA": str(work),
        "STADTGRUND_PORT": str(PORT),
        "BENCH_EXTRA": f"stadtgrund={PORT}",
        "STADTGRUND_TILES_MB": "0",  # tiles are measured as they are made, like the peers'
    }


def harness(env: dict[str, str], *words: str) -> None:
    """Run one of the harness' programs."""
    subprocess.run([env["BENCH_PY"], *words], cwd=HARNESS, env=env, check=True)


def waited_for(url: str) -> None:
    """Return once a server answers."""
    for _ in range(150):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


@contextmanager
def served(env: Mapping[str, str], path: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have our server on `PORT`, with two workers, from when it answers at a path until the block ends."""
    process = subprocess.Popen([STADTGRUND, "serve", "--workers", "2"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        waited_for(f"http://127.0.0.1:{PORT}{path}")
        yield process
    finally:
        process.terminate()
        process.wait()
