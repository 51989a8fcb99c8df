"""A run: one process that loads one dataset, its lock, its staging table, and what is left of the run before it."""

from __future__ import annotations

__all__ = ["Run", "Status", "begin_run", "end_run"]

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from stadtgrund.catalog.contract import Contract
from stadtgrund.errors import Busy, by_locale
from stadtgrund.store import leftovers
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.locks import lock_key, take_lock

Status = Literal["published", "unchanged", "stopped", "failed"]

_END_S = 15
_OTHERS_S = 5.0
"""How long a load waits for another one of its dataset: `make run` compares every source, which takes a moment each."""
_CHECK_CLIENT_MS = 5000


@dataclass(frozen=True)
class Run:
    """A load that is going on.

    Attributes
    ----------
    id : int
        The run's number; its staging table is `staging.<dataset>__<id>`.
    connection : psycopg.Connection
        As ingest, autocommit: staging is filled through it. Its session holds the dataset's lock; closing it ends the run.
    """

    id: int
    dataset: str
    connection: psycopg.Connection[Any]


def begin_run(db: Database, contract: Contract) -> Run:
    """Begin a load: take the dataset's lock, end and clear what a killed run before it left, note the run.

    Raises
    ------
    Busy
        When another process loads the dataset, and goes on for some seconds; it names the process.
    """
    dataset = contract.id
    connection = db.connect("ingest", autocommit=True, application=f"stadtgrund load {dataset}")
    try:
        with named(dataset):
            _watch_client(connection)
            with db.connect("owner", autocommit=True, application=f"stadtgrund begin {dataset}") as owner:
                _take_lock(connection, owner, dataset)
                _clear(owner, dataset)
                row = owner.execute(
                    "INSERT INTO meta.run (dataset, host, pid, process_start, backend_pid, backend_start, status)"
                    " SELECT %s, %s, %s, %s, a.pid, a.backend_start, 'running' FROM pg_stat_activity a WHERE a.pid = %s RETURNING run",
                    (dataset, socket.gethostname(), os.getpid(), _process_start(os.getpid()), connection.info.backend_pid),
                ).fetchone()
        assert row is not None  # our own backend is in pg_stat_activity
        return Run(int(row[0]), dataset, connection)
    except BaseException:
        connection.close()
        raise


def end_run(db: Database, run: Run, status: Status, report: Mapping[str, Any] | None = None) -> None:
    """End a load: drop its staging table, note status, report and findings, give the lock back.

    The table goes first: on a disk that it filled there is no room for the note before.

    Parameters
    ----------
    report : mapping, optional
        JSON-able. `rows_in, rows_published, rows_rejected, seconds, seconds_by_phase, recipe, source_hash` in it are noted in
        their own columns too, `findings` in their own table.
    """
    facts = dict(report or {})
    try:
        _let_go(run)
        with named(run.dataset), db.connect("owner", autocommit=True, application=f"stadtgrund end {run.dataset}") as owner:
            owner.execute("SELECT set_config('lock_timeout', %s, false)", (f"{_END_S}s",))  # what cannot be dropped, the next load clears
            owner.execute(_without_staging(run))
            owner.execute(
                # What was interrupted behind its publish did what it was for.
                "UPDATE meta.run SET status = CASE WHEN version IS NULL OR %s <> 'failed' THEN %s ELSE 'published' END,"
                " finished_at = now(), report = %s, rows_in = %s,"
                " rows_published = coalesce(%s, rows_published), rows_rejected = %s,"
                " seconds = coalesce(%s, extract(epoch FROM now() - started_at)), seconds_by_phase = %s,"
                " recipe = coalesce(%s, recipe), source_hash = coalesce(%s, source_hash) WHERE run = %s",
                (
                    status,
                    status,
                    Jsonb(facts),
                    *(facts.get(name) for name in ("rows_in", "rows_published", "rows_rejected", "seconds")),
                    Jsonb(facts["seconds_by_phase"]) if "seconds_by_phase" in facts else None,
                    facts.get("recipe"),
                    facts.get("source_hash"),
                    run.id,
                ),
            )
            _note_findings(owner, run, facts.get("findings", ()))
    finally:
        run.connection.close()


def _without_staging(run: Run) -> sql.Composed:
    return sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("staging", f"{run.dataset}__{run.id}"))


def _let_go(run: Run) -> None:
    """End what the load's session was interrupted in, and drop its staging table: on a disk that it filled nobody can log in."""
    connection = run.connection
    if connection.closed:
        return
    connection.cancel_safe(timeout=5)
    # A COPY that waits for our next rows does not hear of a cancel: its session ends, and the lock with it.
    if connection.info.transaction_status == TransactionStatus.ACTIVE:
        connection.close()
        return
    with contextlib.suppress(psycopg.Error):  # a session that is lost, or that a lock holds up: the owner drops it
        connection.rollback()
        connection.execute("SELECT set_config('lock_timeout', '2s', false)")
        connection.execute(_without_staging(run))


def _note_findings(owner: psycopg.Connection[Any], run: Run, findings: Iterable[Mapping[str, Any]]) -> None:
    with owner.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO meta.finding (run, dataset, rule, field, on_fail, count, message, sample) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    run.id,
                    run.dataset,
                    *(found.get(name) for name in ("rule", "field", "on_fail", "count", "message")),
                    Jsonb(found.get("sample", [])),
                )
                for found in findings
            ],
        )


def _watch_client(connection: psycopg.Connection[Any]) -> None:
    """Have the server end what it does for us when this process is gone, also in the middle of a long statement."""
    try:
        connection.execute("SELECT set_config('client_connection_check_interval', %s, false)", (str(_CHECK_CLIENT_MS),))
    except psycopg.errors.InvalidParameterValue:
        return  # a server on a platform that cannot look; its backend ends with the statement


def _take_lock(connection: psycopg.Connection[Any], owner: psycopg.Connection[Any], dataset: str) -> None:
    key = lock_key(connection, "load", dataset)
    begun = time.monotonic()
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row and row[0]:
            return
        holder = owner.execute(
            "SELECT r.host, r.pid, r.process_start, r.backend_pid, r.backend_start, r.started_at FROM meta.run r"
            " JOIN pg_stat_activity a ON a.pid = r.backend_pid AND a.backend_start = r.backend_start"
            " WHERE r.dataset = %s AND r.finished_at IS NULL ORDER BY r.run DESC LIMIT 1",
            (dataset,),
        ).fetchone()
        waited = time.monotonic() - begun
        lives = holder is not None and not _is_gone(*holder[:3])
        if holder and lives and waited > _OTHERS_S:
            host, pid, *_, started = holder
            raise Busy(
                by_locale(
                    f"{dataset} wird seit {started:%H:%M:%S} UTC schon geladen: Prozess {pid} auf {host}.",
                    f"{dataset} is being loaded since {started:%H:%M:%S} UTC: process {pid} on {host}.",
                ),
                remedy=by_locale("Warten Sie auf ihn, oder beenden Sie ihn.", "Wait for it, or end it."),
            )
        if holder and not lives:
            _end_backend(owner, holder[3], holder[4])
        if waited > _END_S:
            raise Busy(
                by_locale(f"Die Sperre für das Laden von {dataset} wird nicht frei.", f"The lock for loading {dataset} stays taken."),
                remedy=by_locale("Wer sie hält, zeigt: stadtgrund db psql, pg_locks", "Its holder: stadtgrund db psql, pg_locks"),
            )
        time.sleep(0.1)


def _clear(owner: psycopg.Connection[Any], dataset: str) -> None:
    """End the backends of runs that died, close their rows, drop staging and tables that no version knows. We hold the lock."""
    dead = owner.execute(
        "SELECT run, backend_pid, backend_start, owner_pid, owner_start FROM meta.run WHERE dataset = %s AND finished_at IS NULL",
        (dataset,),
    ).fetchall()
    for run, *backends in dead:
        for pid, start in (backends[:2], backends[2:]):
            if pid is not None:
                _end_backend(owner, pid, start)
        owner.execute(
            # Killed after its publish() had committed: it did what it was for.
            "UPDATE meta.run SET finished_at = now(), status = CASE WHEN version IS NULL THEN 'failed' ELSE 'published' END,"
            " report = %s WHERE run = %s",
            (Jsonb({"ended": "process died"}), run),
        )
    staged = owner.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r' AND relname ~ %s",
        (f"^{dataset}__[0-9]+$",),
    ).fetchall()
    for (name,) in staged:
        owner.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("staging", name)))
    if leftovers.found(owner, dataset):
        with owner.transaction():
            take_lock(owner, "publish", dataset)  # a rollback makes tables too, and is no run
            leftovers.drop(owner, dataset)


def _end_backend(owner: psycopg.Connection[Any], pid: int, start: Any) -> None:
    """End exactly the backend with this pid and start, and wait until it is gone."""
    deadline = time.monotonic() + _END_S
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
    while owner.execute(end, (pid, start)).rowcount:
        if time.monotonic() > deadline:
            raise Busy(
                by_locale(f"Die Datenbanksitzung {pid} endet nicht.", f"The database session {pid} does not end."),
                remedy=by_locale("Wiederholen Sie den Befehl in einer Minute.", "Repeat the command in a minute."),
            )
        time.sleep(0.05)


def _is_gone(host: str, pid: int, process_start: str) -> bool:
    """Whether a run's process is provably gone: on this host, no process or another one has its pid."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _process_start(pid) != process_start


def _process_start(pid: int) -> str:
    """Return when a process was started, as its system says it ('' where it does not say): a pid alone is given away again.

    Source: proc(5), /proc/<pid>/stat, field 22, in clock ticks since boot; the boot's id before it.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()
    return "zombie" if state == "Z" else f"{boot}:{fields[18]}"
