"""Under load and fault: `python -m bench.fault [mixed|publish|restart …]`.

Serves the deployment of the environment (`STADTGRUND_CONFIG`, by default bench/city, loaded beforehand) with two workers and asks it
as `bench.driver` does. Prints a table a run; what they were is in bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.driver import Kind, Load, percentile
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database

ROOT = Path(__file__).resolve().parent.parent
STADTGRUND = [sys.executable, "-m", "cli"]
BASE = "/collections/buildings"
CENTRE = (6.78, 51.235)
LIGHT = ("W1", "W5")
GOAL_MS = 250
STALL_S = 0.3
BACK_S = 2.0
HEAD = "| kind | requests/s | p50 ms | p95 ms | p99 ms | most ms | other than 200 |\n|---|---:|---:|---:|---:|---:|---|"


def kinds() -> list[Kind]:
    """Return the mixed load: of 100 requests 40 pages of 10, 40 items, 8 boxes of 1000, 2 pages of 10,000, 10 tiles of z14 to z16."""
    draw = random.Random(7)
    boxes = []
    for _ in range(40):
        x, y = CENTRE[0] + draw.uniform(-0.04, 0.04), CENTRE[1] + draw.uniform(-0.022, 0.022)
        boxes.append(f"{BASE}/items?bbox={x - 0.0093:.6f},{y - 0.0058:.6f},{x + 0.0093:.6f},{y + 0.0058:.6f}&limit=1000")
    tiles = [f"{BASE}/tiles/WebMercatorQuad/{z}/{y}/{x}" for z in (14, 15, 16) for x, y in _around(z)]
    return [
        Kind("W1", [f"{BASE}/items?limit=10"], 40),
        Kind("W5", [f"{BASE}/items/{draw.randrange(1, 499_000)}" for _ in range(500)], 40),
        Kind("W2", boxes, 8),
        Kind("W3", [f"{BASE}/items?limit=10000&offset={page * 10_000}" for page in range(5)], 2),
        Kind("tiles", tiles, 10),
    ]


def _around(z: int) -> list[tuple[int, int]]:
    """Return the tiles around the centre, all zoom levels over the same area."""
    n = 2**z
    x = int((CENTRE[0] + 180) / 360 * n)
    y = int((1 - math.asinh(math.tan(math.radians(CENTRE[1]))) / math.pi) / 2 * n)
    reach = 2 ** (z - 13)
    return [(x + i, y + j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]


def mixed(port: int, seconds: float, concurrency: int) -> list[str]:
    """Run the mixed load; nothing but answers of 200, and those of light kinds in time."""
    load = _asked(port, kinds(), seconds, concurrency)
    late = {name: p99 for name in LIGHT if (p99 := percentile(load.tallies[name].times, 0.99)) > GOAL_MS}
    return [f"p99 of {name}: {p99:.0f} ms, goal {GOAL_MS}" for name, p99 in late.items()] + _faults(load, {200, 204})


def publish(port: int, seconds: float, concurrency: int) -> list[str]:
    """Load the whole city anew, again and again, while light requests and boxes are asked: the longest time without any answer."""
    asked = [kind for kind in kinds() if kind.name in ("W1", "W5", "W2")]

    def load_again(load: Load) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            subprocess.run([*STADTGRUND, "load", "buildings", "--force"], cwd=ROOT, check=True, capture_output=True)
            print(f"published in {time.monotonic() - began:.1f} s")
        load.stop()

    load = _asked(port, asked, 3600, concurrency, load_again)
    gap = load.longest_gap()
    print(f"longest time without an answer: {gap * 1000:.0f} ms")
    return [f"a stall of {gap * 1000:.0f} ms"] * (gap > STALL_S) + _faults(load, {200})


def restart(port: int, seconds: float, concurrency: int) -> list[str]:
    """Stop the private PostgreSQL under load and start it again: only 503 in between, and soon no more of them."""
    up: list[float] = []
    settings = Settings.from_environment()
    database = Database.at(settings, settings.deployment.name).conninfo("open").encode()

    def again(load: Load) -> None:
        time.sleep(seconds / 3)
        subprocess.run([*STADTGRUND, "db", "stop"], cwd=ROOT, check=True, capture_output=True)
        time.sleep(2)
        starting = subprocess.Popen([*STADTGRUND, "db", "start"], cwd=ROOT, stdout=subprocess.DEVNULL)
        while psycopg.pq.PGconn.ping(database) != psycopg.pq.Ping.OK:
            time.sleep(0.01)
        up.append(time.monotonic())
        starting.wait()
        time.sleep(seconds / 3)
        load.stop()

    load = _asked(port, kinds(), 3600, concurrency, again)
    refused = [
        moment for tally in load.tallies.values() for moment, status in zip(tally.moments, tally.answers, strict=True) if status == 503
    ]
    back = max(refused, default=0.0) - up[0]
    print(f"{len(refused)} times 503; the last one {back:.2f} s after the database was up")
    return [f"503 until {back:.1f} s after it was up"] * (back > BACK_S) + _faults(load, {200, 204, 503})


def _asked(port: int, asked: list[Kind], seconds: float, concurrency: int, beside: Callable[[Load], None] | None = None) -> Load:
    load = Load("127.0.0.1", port, asked, concurrency)
    thread = threading.Thread(target=beside, args=(load,)) if beside else None
    if thread:
        thread.start()
    took = asyncio.run(load.run(seconds))
    if thread:
        thread.join()
    print(HEAD)
    for name, tally in load.tallies.items():
        print(tally.line(name, took))
    print(f"concurrency {concurrency}, {took:.0f} s, load average {os.getloadavg()[0]:.1f}")
    return load


def _faults(load: Load, allowed: set[int]) -> list[str]:
    found = [f"{name}: {tally.faults}" for name, tally in load.tallies.items() if tally.faults]
    return found + [f"{name}: {tally.statuses}" for name, tally in load.tallies.items() if not set(tally.statuses) <= allowed]


@contextmanager
def serving(port: int) -> Iterator[None]:
    """Have the server until the block ends."""
    process = subprocess.Popen(
        [*STADTGRUND, "serve", "--port", str(port), "--workers", "2"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            first = Load("127.0.0.1", port, kinds()[:1], 1)
            asyncio.run(first.run(0.2))
            if 200 in first.tallies["W1"].statuses:
                break
        else:
            raise SystemExit("the server does not answer; is buildings loaded? stadtgrund load buildings --config bench/city")
        yield
    finally:
        process.terminate()
        process.wait(30)


RUNS = {"mixed": mixed, "publish": publish, "restart": restart}


def main() -> int:
    """Read the command line and measure; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.fault", description=__doc__)
    parser.add_argument("what", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--port", type=int, default=8191)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    os.environ.setdefault("STADTGRUND_CONFIG", str(ROOT / "bench" / "city"))
    missed: list[str] = []
    with serving(options.port):
        for name in options.what:
            print(f"\n### {name}\n")
            missed += RUNS[name](options.port, options.seconds, options.concurrency)
    print("\nMissed: " + "; ".join(missed) if missed else "\nAll goals met.")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
