"""Stored tiles and 304: `python -m bench.stored [--rounds 5]`.

One tile of zoom 16 of `bench/city`, asked by wrk at concurrency 64 in interleaved rounds: without a key and with one, compressed, and
by who has it already; beside them a bare ASGI application in the same host that sends 3 kB. What they were is in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import PORT, STADTGRUND, environment, served, waited_for

TILE = "/collections/buildings/tiles/WebMercatorQuad/16/21872/34002"
GOAL = 15_000
BARE = """\
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"3000")]

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"x" * 3000})
"""


def rate(url: str, header: str, seconds: int) -> float:
    """Return requests a second."""
    said = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds}s", *(["-H", header] if header else []), url], capture_output=True, check=True, text=True
    ).stdout
    if "Non-2xx" in said:
        raise SystemExit(f"{url} answers with errors:\n{said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found
    return float(found[1])


@contextmanager
def bare_application() -> Iterator[str]:
    """Have an application that does nothing, in the host that ours runs in; yield its address."""
    granian = [str(Path(sys.executable).with_name("granian")), "--interface", "asgi", "--workers", "2", "--no-ws", "--log-level", "error"]
    url = f"http://127.0.0.1:{PORT + 1}/"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        process = subprocess.Popen([*granian, "--port", str(PORT + 1), "bare:app"], cwd=folder)
        try:
            waited_for(url)
            yield url
        finally:
            process.terminate()
            process.wait()


def main() -> int:
    """Read the command line and measure; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.stored", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    env = environment()
    del env["STADTGRUND_TILES_MB"]
    label = f"bench.stored {os.getpid()}"
    made = subprocess.run(
        [STADTGRUND, "keys", "create", label, "--profile", "verwaltung"], env=env, capture_output=True, check=True, text=True
    )
    key = made.stdout.split()[-1]
    ours = f"http://127.0.0.1:{PORT}{TILE}"
    rates: dict[str, list[float]] = {}
    try:
        with served(env, TILE), bare_application() as bare, urllib.request.urlopen(ours) as answer:
            tag, size = answer.headers["ETag"], len(answer.read())
            ways = {
                f"tile of {size:,} bytes": (ours, ""),
                "the same with a key": (ours, f"Authorization: Bearer {key}"),
                "the same compressed (gzip)": (ours, "Accept-Encoding: gzip"),
                "304": (ours, f"If-None-Match: {tag}"),
                "bare ASGI application, 3,000 bytes": (bare, ""),
            }
            for _ in range(options.rounds):
                for name, way in ways.items():
                    rates.setdefault(name, []).append(rate(*way, options.seconds))
    finally:
        subprocess.run([STADTGRUND, "keys", "revoke", label], env=env, check=True, stdout=subprocess.DEVNULL)
    print("| answer | requests/s (median) | lowest | highest |\n|---|---:|---:|---:|")
    for name, each in rates.items():
        print(f"| {name} | {statistics.median(each):,.0f} | {min(each):,.0f} | {max(each):,.0f} |")
    print(f"\nload average {os.getloadavg()[0]:.1f}")
    return any(statistics.median(each) < GOAL for each in rates.values())


if __name__ == "__main__":
    sys.exit(main())
