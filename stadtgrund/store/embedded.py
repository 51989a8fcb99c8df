"""The private PostGIS: a server of our own, made from the system's binaries, reachable by its unix socket only."""

from __future__ import annotations

__all__ = ["SUPERUSER", "Cluster", "Status", "binaries", "locate", "start", "status", "stop", "superuser_dsn"]

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from stadtgrund.errors import SetupError
from stadtgrund.language import say
from stadtgrund.store.binaries import binaries
from stadtgrund.store.cluster import (
    PORT,
    SUPERUSER,
    Cluster,
    locate,
    locked,
    make_home,
    make_server_folder,
    restore_password,
    run,
    server_uid,
    superuser_dsn,
    write,
)
from stadtgrund.store.tuning import configuration, memory_mb

log = logging.getLogger(__name__)

_START_S = 120
_LEFTOVER_S = 10
_LOG_LIMIT = 20 * 2**20


@dataclass(frozen=True)
class Status:
    """What the private PostGIS is doing; `version` and `databases` are empty while it is down."""

    running: bool
    pid: int | None
    version: str
    socket: Path
    databases: tuple[str, ...]


def start(cluster: Cluster, *, fsync: bool = True) -> bool:
    """Have the private PostGIS running; return True when this call started it.

    The first start makes it. Several processes may call it at once. A server left over by a killed run is adopted when it
    answers and says that it is of this data folder.

    Parameters
    ----------
    fsync : bool
        False for tests; counts when this call starts the server.

    Raises
    ------
    SetupError
        Naming the package, folder or process that is in the way.
    Busy
        When another process is starting or stopping it for three minutes.
    """
    if _answer(cluster) == "ours":
        return False
    with _failures_named():
        make_home(cluster)
        with locked(cluster):
            restore_password(cluster)
            if _await_answer(cluster):
                return False
            _check_leftovers(cluster)
            if not cluster.data.exists():
                _initialise(cluster)
            folder = binaries(_major(cluster))
            write(cluster.home / "stadtgrund.conf", _settings(cluster, fsync), 0o644)
            _launch(cluster, folder)
    return True


def stop(cluster: Cluster, *, fast: bool = True) -> None:
    """Stop the private PostGIS; nothing happens when it is down.

    Parameters
    ----------
    fast : bool
        True ends open sessions, False waits for them (at most a minute).

    Raises
    ------
    SetupError
        When it does not stop in time.
    """
    if not os.path.exists(cluster.data):
        return
    with _failures_named(), locked(cluster):
        if _recorded_pid(cluster) not in _processes(cluster):
            return
        mode = "fast" if fast else "smart"
        done = run(cluster, [binaries(_major(cluster)) / "pg_ctl", "stop", "-D", cluster.data, "-m", mode, "-w", "-t", "60"])
        if done.returncode:
            raise SetupError(
                say("Die private Datenbank ließ sich nicht anhalten: ", "The private database did not stop: ") + _last_line(done.stderr),
                remedy=say("Beenden Sie offene Sitzungen und wiederholen Sie es.", "End open sessions and try again."),
            )


def status(cluster: Cluster) -> Status:
    """Ask the private PostGIS how it is; starts nothing."""
    try:
        with psycopg.connect(superuser_dsn(cluster), autocommit=True) as connection:
            databases = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname").fetchall()
            version = str(connection.info.parameter_status("server_version"))
    except (psycopg.OperationalError, SetupError):
        return Status(False, None, "", cluster.socket, ())
    return Status(True, _recorded_pid(cluster), version, cluster.socket, tuple(name for (name,) in databases))


@contextmanager
def _failures_named() -> Iterator[None]:
    """Turn a full disk, missing rights and programs that hang into a SetupError."""
    try:
        yield
    except OSError as error:
        place = error.filename or say("Private Datenbank", "Private database")
        raise SetupError(
            f"{place}: {error.strerror}.",
            remedy=say("Prüfen Sie Rechte und freien Platz: stadtgrund doctor", "Check rights and free space: stadtgrund doctor"),
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            say(
                f"{error.cmd[0]} antwortet seit {error.timeout:.0f} s nicht.", f"{error.cmd[0]} has not answered for {error.timeout:.0f} s."
            )
        ) from error


def _settings(cluster: Cluster, fsync: bool) -> str:
    shared = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    shared_mb = shared.f_frsize * shared.f_blocks // 2**20 if shared else 0
    return configuration(cluster.socket, fsync=fsync, memory=memory_mb(), shared_memory_mb=shared_mb)


def _major(cluster: Cluster) -> int:
    return int((cluster.data / "PG_VERSION").read_text())


def _recorded_pid(cluster: Cluster) -> int | None:
    try:
        first = (cluster.data / "postmaster.pid").read_text().split("\n", 1)[0]
    except OSError:
        return None
    return int(first) if first.isdigit() else None


def _processes(cluster: Cluster) -> set[int]:
    """Return the pids of the server's processes: PostgreSQL works from inside its data folder.

    Asked as the server's account: in a container root may not look at the processes of others.
    """
    wanted = os.path.realpath(cluster.data)
    seen = run(cluster, ["find", "/proc", "-mindepth", "2", "-maxdepth", "2", "-name", "cwd", "-printf", "%h %l\\n"])
    pairs = (line.split(" ", 1) for line in seen.stdout.splitlines() if " " in line)
    return {int(folder.removeprefix("/proc/")) for folder, target in pairs if target == wanted and folder[6:].isdigit()}


def _answer(cluster: Cluster) -> Literal["ours", "wait", "none"]:
    """Ask who answers on the socket: our server, one that is starting or stopping, or none.

    Raises
    ------
    SetupError
        When it is the server of another data folder.
    """
    if not os.path.exists(cluster.socket / f".s.PGSQL.{PORT}") or not os.access(cluster.secrets / "superuser", os.R_OK):
        return "none"
    try:
        with psycopg.connect(superuser_dsn(cluster), autocommit=True) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.OperationalError as error:
        busy = ("the database system is", "too many clients")
        return "wait" if any(text in str(error) for text in busy) else "none"
    if row and os.path.realpath(row[0]) == os.path.realpath(cluster.data):
        return "ours"
    raise SetupError(
        say(
            f"Unter {cluster.socket} antwortet der Server eines anderen Ordners",
            f"At {cluster.socket} the server of another folder answers",
        )
        + (f" ({row[0]})." if row else "."),
        remedy=say("Beenden Sie ihn, oder räumen Sie den Ordner beiseite.", "Stop it, or move the folder away."),
    )


def _await_answer(cluster: Cluster) -> bool:
    """Wait for a server that is starting or stopping; return whether it is ours and up."""
    deadline = time.monotonic() + _START_S
    while (answer := _answer(cluster)) == "wait" and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer == "ours"


def _check_leftovers(cluster: Cluster) -> None:
    """Refuse to start beside processes that are at work in the data folder, naming them."""
    pid = _recorded_pid(cluster)
    deadline = time.monotonic() + _LEFTOVER_S
    while (alive := _processes(cluster)) and time.monotonic() < deadline:
        time.sleep(0.2)  # after a kill of the server its sessions notice and end by themselves
    if alive:
        names = ", ".join(map(str, sorted(alive)))
        raise SetupError(
            say(
                f"In {cluster.data} arbeiten noch Prozesse eines früheren Laufs (pid {names}), die nicht antworten.",
                f"Processes of an earlier run are still at work in {cluster.data} (pid {names}) and do not answer.",
            ),
            remedy=say(f"Beenden Sie sie: kill {pid or names}", f"End them: kill {pid or names}"),
        )
    if pid is not None and _exists(pid):
        # The machine was restarted and the number given to another program; PostgreSQL would take that for a server.
        log.warning("postmaster.pid names process %d, which is not of %s: removed", pid, cluster.data)
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _initialise(cluster: Cluster) -> None:
    """Make the data folder aside and rename it: it is whole, or not there."""
    folder = binaries()
    fresh = cluster.home / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    uid = server_uid(cluster)
    make_server_folder(fresh, uid)
    handle, name = tempfile.mkstemp(dir=cluster.home)
    try:
        with os.fdopen(handle, "w") as file:
            os.fchown(handle, uid, -1)
            file.write((cluster.home / "superuser").read_text())
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        done = run(cluster, [folder / "initdb", "-D", fresh, "-U", SUPERUSER, f"--pwfile={name}", *options])
    finally:
        os.unlink(name)
    if done.returncode:
        shutil.rmtree(fresh)
        raise SetupError(
            say("Die private Datenbank ließ sich nicht anlegen: ", "The private database could not be made: ") + _last_line(done.stderr),
            remedy=say("Prüfen Sie Rechte und freien Platz: stadtgrund doctor", "Check rights and free space: stadtgrund doctor"),
        )
    (fresh / "pg_hba.conf").write_text("# The unix socket only, never without a password.\nlocal all all scram-sha-256\n")
    with (fresh / "postgresql.conf").open("a") as file:
        file.write("\ninclude '../stadtgrund.conf'\n")
    fresh.rename(cluster.data)


def _launch(cluster: Cluster, folder: Path) -> None:
    if cluster.log.exists() and cluster.log.stat().st_size > _LOG_LIMIT:
        cluster.log.replace(cluster.log.with_suffix(".1.log"))
    handle = os.open(cluster.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        begin = os.fstat(handle).st_size
        # The server inherits the log: its account could not open a file in our folder.
        done = run(cluster, [folder / "pg_ctl", "start", "-D", cluster.data, "-w", "-s", "-t", str(_START_S)], output=handle)
    finally:
        os.close(handle)
    if done.returncode:
        said = cluster.log.read_bytes()[begin:].decode(errors="replace")
        fatal = [line.split("FATAL:", 1)[1].strip() for line in said.splitlines() if "FATAL:" in line]
        raise SetupError(
            say("Die private Datenbank startet nicht: ", "The private database does not start: ")
            + (fatal[-1] if fatal else _last_line(said)),
            remedy=say(f"Mehr steht in {cluster.log}.", f"See {cluster.log}."),
        )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
