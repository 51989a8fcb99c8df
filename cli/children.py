"""Processes that a command starts and ends: they take its signals, and none of them outlives it."""

from __future__ import annotations

__all__ = ["Children", "Ended", "Stop", "signals_end_us"]

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_GRACE_S = 15.0
_POLL_S = 0.1
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(Exception):
    """A signal has asked us to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Stop:
    """Remembers the first signal that asks us to end; whoever works in steps asks `check` between them.

    Raising out of the handler itself would be lost where Python cannot pass an exception on: in the hooks around a fork, for one.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise `Ended` when a signal has come."""
        if self.number is not None:
            raise Ended(self.number)


@contextmanager
def signals_end_us() -> Iterator[Stop]:
    """Take SIGINT, SIGTERM and SIGHUP for the block; an impatient second Ctrl-C does not leave half of the processes behind."""
    stop = Stop()

    def end(number: int, _: FrameType | None) -> None:
        stop.number = stop.number or number

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _belong_to_parent() -> None:
    """Leave the terminal's Ctrl-C to the parent, which ends us by SIGTERM: Python that is just starting would show where it was.

    And ask Linux to end this process when the parent is killed outright and cannot do so itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """The processes of one block; all are ended when it is left, in the reverse order of their start."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._all):
            _end(child)

    def start(self, arguments: Sequence[str], *, read: bool = False) -> subprocess.Popen[bytes]:
        """Start a process with our stdin closed, our stderr, and our stdout unless we `read` its own."""
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else None,
            preexec_fn=_belong_to_parent,  # we have no threads that it could catch with a lock
        )
        self._all.append(child)
        return child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for a process and return its exit code.

        Raises
        ------
        Ended
            When we are to end before.
        """
        while (code := child.poll()) is None:
            self.pause()
        self._stop.check()  # what ends us may have ended it too
        return code

    def lines(self, child: subprocess.Popen[bytes]) -> Iterator[str]:
        """Yield the lines that a process writes to its stdout, until it closes it.

        Raises
        ------
        Ended
            When we are to end before.
        """
        assert child.stdout is not None
        rest = b""
        while True:
            self._stop.check()
            if not select.select([child.stdout], [], [], _POLL_S)[0]:
                continue
            chunk = os.read(child.stdout.fileno(), 65536)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
            if not chunk:
                child.stdout.close()
                return

    def pause(self) -> None:
        """Let a moment go by; raise `Ended` when we are to end."""
        self._stop.check()
        time.sleep(_POLL_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdout:
        child.stdout.close()
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
