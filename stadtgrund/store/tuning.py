"""The one file with the private PostGIS' settings: `stadtgrund.conf`."""

from __future__ import annotations

__all__ = ["configuration", "memory_mb"]

import os
from pathlib import Path


def memory_mb(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Return the memory that this process may count on, in MiB: the machine's, or the container's limit if that is lower."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    try:
        limit = cgroup.read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit) // 2**20) if limit.isdigit() else machine


def configuration(socket: Path, *, fsync: bool, memory: int, shared_memory_mb: int) -> str:
    """Return the text of `stadtgrund.conf`.

    Parameters
    ----------
    socket : Path
        The folder of the unix socket, the only address the server listens on.
    fsync : bool
        False for tests: what was written may be lost with the machine.
    memory, shared_memory_mb : int
        Memory of the machine and size of /dev/shm, in MiB.
    """
    settings = {
        "listen_addresses": "''",
        "port": "5432",
        "unix_socket_directories": _quoted('"' + str(socket) + '"'),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        # A query of a client that went away is cancelled, also in the middle of a long one.
        "client_connection_check_interval": "5s",
        # A transaction that makes the views of hundreds of datasets holds a lock on each.
        "max_locks_per_transaction": "256",
        # PostgreSQL reads through the page cache too: more than 1 GB of its own helps little and harms the small machine.
        "shared_buffers": f"{_clamp(memory // 4, 64, 1024)}MB",
        "effective_cache_size": f"{_clamp(memory * 6 // 10, 128, 1_000_000)}MB",
        "work_mem": f"{_clamp(memory // 256, 8, 64)}MB",
        "maintenance_work_mem": f"{_clamp(memory // 16, 64, 512)}MB",
        # No replicas here: COPY into a table of the same transaction then skips the log.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "100",
        # Requests are short; compiling a plan costs more than it gains.
        "jit": "off",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "lc_messages": "'C'",
        "log_line_prefix": "'%m [%p] %q%u@%d '",
        "log_checkpoints": "off",
        "log_min_messages": "warning",
    }
    if shared_memory_mb < 256:
        # Containers get 64 MB of /dev/shm, where parallel queries and index builds fail.
        settings["dynamic_shared_memory_type"] = "mmap"
    if not fsync:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    lines = ["# Written at each start by Stadtgrund; what you set in postgresql.auto.conf (ALTER SYSTEM) goes before it."]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
