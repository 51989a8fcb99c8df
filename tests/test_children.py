"""Children that answer lines: how long one is kept that nobody asks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from stadtgrund.children import Children

ECHO = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the module `echo_lines` can be run."""
    (tmp_path / "echo_lines.py").write_text(ECHO)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_child_is_kept_from_when_it_was_asked_last(environment: dict[str, str]) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        children = Children("echo_lines", environment, idle_s=1000.0)
        for word in ("eins", "zwei", "drei"):
            asked = loop.time()
            assert await children.ask("open", word, 30) == word.encode() + b"\n"
        assert len(children.pids) == 1
        (timer,) = [timer for timer in loop._scheduled if not timer.cancelled() and "_dismiss" in repr(timer)]  # type: ignore[attr-defined]
        assert timer.when() >= asked + 1000
        await children.close()
        assert timer.cancelled()

    asyncio.run(ask())


def test_a_child_that_nobody_asks_ends(environment: dict[str, str]) -> None:
    async def ask() -> None:
        children = Children("echo_lines", environment, idle_s=0.01)
        for _ in range(2):
            await children.ask("open", "eins", 30)
            (child,) = children._all
            async with asyncio.timeout(30):
                assert await child.wait() == 0
            assert not children.pids
        await children.close()

    asyncio.run(ask())
