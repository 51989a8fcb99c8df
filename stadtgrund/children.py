"""Child processes that answer a line with a line: their libraries stay out of the server, and a crash costs one request."""

from __future__ import annotations

__all__ = ["ChildEnded", "Children"]

import asyncio
import contextlib
import sys
from collections.abc import Mapping


class ChildEnded(Exception):
    """The child ended before it answered; `status` is what it ended with."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ended with {status}")
        self.status = status


class Children:
    """Children of one module by profile, made when needed, each asked by one at a time and kept for the next.

    Parameters
    ----------
    module : str
        Run as `python -m MODULE PROFILE`; it ends at the end of its input.
    environment : mapping
        Of the children, which read their settings from it.
    most_bytes : int
        Bytes of an answer.
    idle_s : float, optional
        How long a child is kept that nobody asks; None = until `close`.
    """

    def __init__(self, module: str, environment: Mapping[str, str], *, most_bytes: int = 2**16, idle_s: float | None = None) -> None:
        self._module, self._environment, self._most_bytes, self._idle_s = module, dict(environment), most_bytes, idle_s
        self._all: set[asyncio.subprocess.Process] = set()
        self._idle: dict[str, list[asyncio.subprocess.Process]] = {}
        self._timers: dict[asyncio.subprocess.Process, asyncio.TimerHandle] = {}

    @property
    def pids(self) -> set[int]:
        """Of those that run, asked or not."""
        return {child.pid for child in self._all if child.returncode is None}

    async def ask(self, profile: str, line: str, timeout_s: float) -> bytes:
        """Return the answer to a line, from a child that is free or new.

        Raises
        ------
        TimeoutError
            There was none in time.
        ChildEnded
            There will be none.
        ValueError
            It is longer than `most_bytes`.
        """
        child = await self._child(profile)
        assert child.stdin is not None and child.stdout is not None
        answer = b""
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                async with asyncio.timeout(timeout_s):
                    child.stdin.write(line.encode() + b"\n")
                    await child.stdin.drain()
                    answer = await child.stdout.readline()
        finally:
            if not answer:  # what is left of one, or comes late, would be read by the next who asks
                self._end(child)
        if not answer:
            raise ChildEnded(await child.wait())
        self._idle.setdefault(profile, []).append(child)
        if self._idle_s is not None:
            self._timers[child] = asyncio.get_running_loop().call_later(self._idle_s, self._dismiss, profile, child)
        return answer

    async def close(self) -> None:
        """End all children, those at work too."""
        self._idle.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        ended = tuple(self._all)
        for child in ended:
            self._end(child)
        await asyncio.gather(*(child.wait() for child in ended))

    async def _child(self, profile: str) -> asyncio.subprocess.Process:
        idle = self._idle.get(profile, [])
        while idle:
            child = idle.pop()
            if timer := self._timers.pop(child, None):
                timer.cancel()
            if child.returncode is None:
                return child
            self._all.discard(child)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            profile,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=self._most_bytes,
            env=self._environment,
        )
        self._all.add(child)
        return child

    def _dismiss(self, profile: str, child: asyncio.subprocess.Process) -> None:
        """Let a child end that nobody asked in its time; who asks it stops the timer."""
        del self._timers[child]
        self._idle[profile].remove(child)
        self._all.discard(child)
        assert child.stdin is not None
        child.stdin.close()

    def _end(self, child: asyncio.subprocess.Process) -> None:
        self._all.discard(child)
        if child.returncode is None:
            child.kill()
