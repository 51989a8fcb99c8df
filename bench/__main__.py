"""Measure this checkout beside its peers: `make bench`, or `python -m bench [load|serve] …`.

The peers, the data and the workloads are those of the harness beside the project (`../shared/bench`, its README says what it
needs); our part is the deployment `bench/city`, loaded from the harness' GeoPackage and served with two workers. Figures are
medians of interleaved rounds; what they were is written down in `bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.harness import HARNESS, STADTGRUND, environment, harness, served
from bench.memory import family, pss_mib

PEERS = "stock-uvicorn,tipg,limit,limit-nocount"
WORKLOADS = "W1,W2,W3,W4,W5,W6,W8,W9,W7-z12,W7-z14,W7-z16"


def load(env: dict[str, str], rounds: int) -> None:
    """Load the harness' GeoPackage `rounds` times and print rows/s by phase and peak memory."""
    if not (Path(env["STADTGRUND_DATA"]) / "buildings.gpkg").is_file():
        harness(env, "etl.py", "prepare")
    reports, walls, peaks = [], [], []
    for _ in range(rounds):
        before = time.perf_counter()
        process = subprocess.Popen([STADTGRUND, "load", "buildings", "--force", "--json"], env=env, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit("stadtgrund load failed; its message is above")
        walls.append(time.perf_counter() - before)
        peaks.append(usage.ru_maxrss / 1024)
        reports.append(json.loads(said.splitlines()[-1]))
    rows = reports[0]["rows_in"]
    print("| phase | s (median) | rows/s |\n|---|---:|---:|")
    for phase in reports[0]["seconds_by_phase"]:
        seconds = statistics.median(report["seconds_by_phase"][phase] for report in reports)
        print(f"| {phase} | {seconds:.2f} | {rows / seconds if seconds else 0:,.0f} |")
    print(f"| whole command | {statistics.median(walls):.2f} | {rows / statistics.median(walls):,.0f} |")
    print(f"\n{rows} rows, {rounds} rounds, peak memory {max(peaks):.0f} MiB")


def serve(env: dict[str, str], peers: str, workloads: str, rounds: int, out: str) -> None:
    """Serve `bench/city` beside the peers and run the workloads in interleaved rounds."""
    with served(env, "/conformance") as ours:
        harness(env, "servers.py", "start", *peers.split(","))
        try:
            servers = peers + ",stadtgrund"
            harness(env, "bench.py", "--servers", servers, "--workloads", workloads, "--rounds", str(rounds), "--out", out)
            harness(env, "report.py", out)
            parts = [pss_mib(pid) for pid in family(ours.pid)]
            print(f"\nstadtgrund after the run: {sum(parts):.0f} MiB PSS ({', '.join(f'{part:.0f}' for part in parts)})")
        finally:
            harness(env, "servers.py", "stop")
    print(f"load average {os.getloadavg()[0]:.1f}, memory of this harness {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=["load", "serve"], help="load, serve (default: both)")
    parser.add_argument("--peers", default=PEERS)
    parser.add_argument("--workloads", default=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    if not HARNESS.is_dir():
        print(f"{HARNESS} is absent: the peers and the data cannot be had without it.", file=sys.stderr)
        return 2
    env = environment()
    if "load" in options.what:
        load(env, options.rounds)
    if "serve" in options.what:
        serve(
            env,
            options.peers,
            options.workloads,
            options.rounds,
            options.out or str(Path(env["STADTGRUND_DATA"]) / "results-stadtgrund.json"),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
