"""Is a port free, and who has it where it is not."""

from __future__ import annotations

__all__ = ["holder", "is_free"]

import socket
from pathlib import Path

_LISTEN = "0A"


def is_free(host: str, port: int) -> bool:
    """Whether `host:port` can be listened on now (an address that is not this machine's counts as taken)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return pid and name of the process that listens on `port`, as far as we may look; else ''. Linux only."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.is_file() else ():
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:  # another user's process, or one that has just ended
            continue
    return ""
