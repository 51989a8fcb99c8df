"""Memory of a server: what its processes take together, pages that they share counted once."""

from __future__ import annotations

__all__ = ["family", "pss_mib"]

from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and all that it started."""
    children = [int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in family(child))]


def pss_mib(pid: int) -> float:
    """Return the proportional set size of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
