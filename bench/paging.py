"""Pages reached by `next`, at any depth: `python -m bench.paging [--rounds 9]`.

For each sortable of `buildings`, both ways, the first page of 1000 beside pages that begin behind so many rows, in rounds of
shuffled order on one connection; what they were is in bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from urllib.parse import urlsplit

from bench.driver import Connection
from bench.fault import BASE, serving

LIMIT = 1000
DEPTHS = (1000, 100_000, 250_000, 400_000, 498_000)
GOAL = 1.1


async def deep(connection: Connection, query: str, depth: int) -> str:
    """Return the path of the page behind `depth` rows, as `next` of the page before leads to it."""
    answer = await connection.get(f"{BASE}/items?limit=1&offset={depth - 1}{query}")
    (href,) = (link["href"] for link in json.loads(answer.body)["links"] if link["rel"] == "next")
    parts = urlsplit(href)
    return f"{parts.path}?{parts.query}".replace("limit=1&", f"limit={LIMIT}&")


async def measured(port: int, rounds: int) -> list[str]:
    """Print the table; return what misses the goal."""
    connection = Connection("127.0.0.1", port)
    sortables = json.loads((await connection.get(f"{BASE}/sortables?f=json")).body)["properties"]
    missed = []
    shuffled = random.Random(7)
    print("| sorted by | first page, ms | " + " | ".join(f"behind {depth:,}" for depth in DEPTHS) + " |")
    print("|---|---:|" + "---:|" * len(DEPTHS))
    for key in ("", *(f"{sign}{name}" for name in sortables for sign in ("", "-"))):
        query = f"&sortby={key}" if key else ""
        paths = [f"{BASE}/items?limit={LIMIT}{query}"] + [await deep(connection, query, depth) for depth in DEPTHS]
        times: list[list[float]] = [[] for _ in paths]
        turns = list(zip(paths, times, strict=True))
        for _ in range(rounds):
            shuffled.shuffle(turns)  # which page is asked after which made up to 0.15 of difference
            for path, each in turns:
                began = time.perf_counter()
                answer = await connection.get(path)
                each.append((time.perf_counter() - began) * 1000)
                assert answer.status == 200 and json.loads(answer.body)["numberReturned"] == LIMIT, path
        first, *others = map(statistics.median, times)
        print(f"| {key or 'nothing'} | {first:.1f} | " + " | ".join(f"{each / first:.2f}" for each in others) + " |", flush=True)
        missed += [f"{key or 'nothing'} behind {d:,}" for d, each in zip(DEPTHS, others, strict=True) if each > GOAL * first]
    connection.close()
    print(f"\nTimes the first page; {rounds} rounds, load average {os.getloadavg()[0]:.1f}")
    return missed


def main() -> int:
    """Read the command line and measure; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.paging", description=__doc__)
    parser.add_argument("--port", type=int, default=8191)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with serving(options.port):
        missed = asyncio.run(measured(options.port, options.rounds))
    print("Over the goal: " + "; ".join(missed) if missed else "All within the goal.")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
