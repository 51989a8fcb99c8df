"""Load from many connections at once: a plain HTTP/1.1 client on asyncio streams, since a fuller one would take the CPU that is measured.

Each connection asks one request after the other (a closed loop), of a kind drawn with a fixed seed.
"""

from __future__ import annotations

__all__ = ["Answer", "Connection", "Kind", "Load", "Tally", "percentile"]

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Kind:
    """One kind of request: its paths, how often it is drawn, and what must hold of an answer (a sentence when it does not)."""

    name: str
    paths: Sequence[str]
    weight: float = 1
    check: Callable[[Answer], str | None] | None = None


@dataclass
class Tally:
    """What came of a kind, an entry an answer: times in ms since the request was sent, moments in s of the monotonic clock at its end."""

    times: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came."""
        return Counter(self.answers)

    def line(self, name: str, seconds: float) -> str:
        """Return a row of a table: requests/s, p50, p95, p99, most, what else than 200 came."""
        values = [len(self.times) / seconds, *(percentile(self.times, share) for share in (0.5, 0.95, 0.99, 1))]
        other = {**{str(status): count for status, count in self.statuses.items() if status not in (200, 204)}, **self.faults}
        return f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + f" | {other or '–'} |"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Connection:
    """One connection, opened again when the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, headers: str = "") -> Answer:
        """Ask for a path.

        Raises
        ------
        OSError, asyncio.IncompleteReadError
            The connection was lost before the answer was whole.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, limit=2**20)
        reader, writer = self._streams
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{headers}\r\n".encode())
            await writer.drain()
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            found = dict(line.lower().split(": ", 1) for line in lines if line)
            body = await reader.readexactly(int(found.get("content-length", 0)))
        except BaseException:
            self.close()
            raise
        if found.get("connection") == "close":
            self.close()
        return Answer(int(status.split(" ", 2)[1]), found, body)

    def close(self) -> None:
        """Close it."""
        if self._streams:
            self._streams[1].close()
        self._streams = None


class Load:
    """Requests of several kinds over `concurrency` connections until `stop()`."""

    def __init__(self, host: str, port: int, kinds: Sequence[Kind], concurrency: int, seed: int = 7) -> None:
        self.host, self.port, self.kinds, self.concurrency, self.seed = host, port, kinds, concurrency, seed
        self.tallies = {kind.name: Tally() for kind in kinds}
        self._stopped = False

    def stop(self) -> None:
        """Let each connection end with the answer that it waits for."""
        self._stopped = True

    def longest_gap(self) -> float:
        """Return the longest time (s) in which no answer came at all."""
        moments = sorted(moment for tally in self.tallies.values() for moment in tally.moments)
        return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)

    async def run(self, seconds: float) -> float:
        """Ask for so long, or until `stop`; return how long it was."""
        began = time.monotonic()
        await asyncio.gather(*(self._ask(number, began + seconds) for number in range(self.concurrency)))
        return time.monotonic() - began

    async def _ask(self, number: int, end: float) -> None:
        draw = random.Random(f"{self.seed} {number}")
        weights = [kind.weight for kind in self.kinds]
        connection = Connection(self.host, self.port)
        while not self._stopped and time.monotonic() < end:
            (kind,) = draw.choices(self.kinds, weights)
            tally = self.tallies[kind.name]
            began = time.monotonic()
            try:
                answer = await connection.get(draw.choice(kind.paths))
            except (OSError, asyncio.IncompleteReadError) as error:
                tally.faults[type(error).__name__] += 1
                await asyncio.sleep(0.05)
                continue
            now = time.monotonic()
            tally.times.append((now - began) * 1000)
            tally.moments.append(now)
            tally.answers.append(answer.status)
            if kind.check and (fault := kind.check(answer)):
                tally.faults[fault] += 1
        connection.close()
