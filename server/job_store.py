"""The jobs of a profile in the database: `p_<profile>.sg_job`, through a pool of its own, as all other connections only read.

A job is somebody's: that of a key is found by that key alone, that of nobody by whoever knows its id, which cannot be guessed.
"""

from __future__ import annotations

__all__ = ["Filters", "Job", "JobStore", "Taken"]

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import psycopg_pool
from psycopg import sql
from psycopg.rows import class_row

from server.lending import Pool
from stadtgrund.errors import Busy, DatabaseUnavailable

LEASE_S = 15
"""After so long without a sign of life whoever runs a job is taken for dead."""
MOST_TRIES = 2
KEPT_H = 24
_MOST_WAITING = 100
_MOST_KEPT = 1000
_MOST_BYTES = 512 << 20
"""Jobs that wait, jobs that are kept, and bytes of their answers, for each owner; nobody is one too."""
_SURE_MIN = 10
"""An answer is kept so long, whatever the number."""
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its status tells it; times with a zone. `problem` is the problem document of a failed one."""

    job: UUID
    process: str
    status: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    alive: datetime
    media_type: str | None
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that was taken to be run: its `turn` tells this run from another."""

    job: UUID
    turn: int
    tries: int
    process: str
    owner: str | None
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which jobs a list is to have; None = all. Durations in seconds, from the start to the end or to now."""

    processes: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_duration: float | None = None
    max_duration: float | None = None


_COLUMNS = "job, process, status, created, started, finished, alive, media_type, problem"
_STATEMENTS = {
    "add": f"""
        INSERT INTO {{jobs}} (owner, process, request)
        SELECT %(owner)s, %(process)s, %(request)s
        WHERE (SELECT count(*) FROM {{jobs}} WHERE owner IS NOT DISTINCT FROM %(owner)s AND status = 'accepted') < {_MOST_WAITING}
          AND (SELECT count(*) FROM {{jobs}} WHERE owner IS NOT DISTINCT FROM %(owner)s) < {_MOST_KEPT}
        RETURNING {_COLUMNS}""",
    # The oldest of an owner's go first; the last answers stay in any case, for him who is just about to fetch one.
    "evict": f"""
        DELETE FROM {{jobs}} WHERE job IN (
            SELECT job FROM {{jobs}} WHERE job IN (
                SELECT job FROM (
                    SELECT job, finished, row_number() OVER newest AS place, sum(octet_length(answer)) OVER newest AS bytes
                    FROM {{jobs}} WHERE owner IS NOT DISTINCT FROM %(owner)s AND finished IS NOT NULL
                    WINDOW newest AS (ORDER BY finished DESC, job)
                ) AS own
                WHERE finished < now() - interval '{_SURE_MIN} minutes' AND (place > {_MOST_KEPT // 2} OR bytes > {_MOST_BYTES})
            ) FOR UPDATE SKIP LOCKED
        )""",
    # Rows that somebody else holds are left to him: who waits here while he holds others could be in the way of a withdrawal.
    "expire": f"""
        DELETE FROM {{jobs}} WHERE job IN (
            SELECT job FROM {{jobs}} WHERE finished < now() - interval '{KEPT_H} hours' FOR UPDATE SKIP LOCKED
        )""",
    # Read through the connections that only read: what waits longer than its own server process would let it, or ran in one that is gone.
    "due": f"""
        SELECT EXISTS (
            SELECT FROM {{jobs}}
            WHERE status = 'accepted' AND created < now() - interval '2 seconds'
               OR status = 'running' AND alive < now() - interval '{LEASE_S} seconds'
               OR finished < now() - interval '{KEPT_H} hours'
        )""",
    # The owners in turn, so that nobody waits behind a hundred jobs of another.
    "take": f"""
        UPDATE {{jobs}} SET status = 'running', started = coalesce(started, now()), alive = now(), tries = tries + 1, turn = turn + 1
        WHERE job = (
            SELECT job FROM {{jobs}} AS waiting
            WHERE status = 'accepted' OR status = 'running' AND alive < now() - interval '{LEASE_S} seconds'
            ORDER BY (SELECT max(started) FROM {{jobs}} AS own WHERE own.owner IS NOT DISTINCT FROM waiting.owner) NULLS FIRST, created
            LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING job, turn, tries, process, owner, request""",
    "sign": "UPDATE {jobs} SET alive = now() WHERE job = %(job)s AND status = 'running' AND turn = %(turn)s RETURNING job",
    "give_back": """
        UPDATE {jobs} SET status = 'accepted', tries = tries - 1
        WHERE job = %(job)s AND status = 'running' AND turn = %(turn)s""",
    "end": """
        UPDATE {jobs} SET status = %(status)s, finished = now(), alive = now(), request = NULL, media_type = %(media_type)s,
            answer = %(answer)s, problem = %(problem)s
        WHERE job = %(job)s AND status = 'running' AND turn = %(turn)s""",
    "get": f"SELECT {_COLUMNS} FROM {{jobs}} WHERE job = %(job)s AND (owner IS NULL OR owner = %(owner)s)",
    "answer": "SELECT media_type, answer FROM {jobs} WHERE job = %(job)s AND (owner IS NULL OR owner = %(owner)s)",
    "list": f"""
        SELECT {_COLUMNS} FROM {{jobs}}
        WHERE owner IS NOT DISTINCT FROM %(owner)s
          AND (%(processes)s::text[] IS NULL OR process = ANY (%(processes)s))
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
          AND (%(since)s::timestamptz IS NULL OR created >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR created <= %(until)s)
          AND (%(min_duration)s::float8 IS NULL OR extract(epoch FROM coalesce(finished, now()) - started) >= %(min_duration)s)
          AND (%(max_duration)s::float8 IS NULL OR extract(epoch FROM coalesce(finished, now()) - started) <= %(max_duration)s)
        ORDER BY created DESC, job LIMIT %(limit)s OFFSET %(offset)s""",
    "dismiss": f"DELETE FROM {{jobs}} WHERE job = %(job)s AND (owner IS NULL OR owner = %(owner)s) RETURNING {_COLUMNS}",
}


class JobStore:
    """Statements over the jobs of a profile.

    Each raises Busy when no connection comes free, DatabaseUnavailable or psycopg.Error when the database does not answer.
    """

    def __init__(self, profile: str, pool: Pool) -> None:
        self._pool = pool
        self._opened = False
        view = sql.Identifier(f"p_{profile}", "sg_job")
        self._sql = {name: sql.SQL(text).format(jobs=view) for name, text in _STATEMENTS.items()}

    async def add(self, owner: str | None, process: str, request: dict[str, Any]) -> Job:
        """Put a job into the queue.

        Raises
        ------
        Busy
            The owner has too many already.
        """
        async with self._cursor(Job) as cursor:
            await cursor.execute(self._sql["evict"], {"owner": owner})
            asked = {"owner": owner, "process": process, "request": json.dumps(request)}
            job: Job | None = await (await cursor.execute(self._sql["add"], asked)).fetchone()
            if job is not None:
                return job
        raise Busy(f"More than {_MOST_WAITING} jobs wait, or more than {_MOST_KEPT} are kept.")

    async def due(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Say whether there is work for a server process that did not take the job itself; `connection` may only read."""
        row = await (await connection.execute(self._sql["due"])).fetchone()
        return bool(row and row[0])

    async def take(self) -> Taken | None:
        """Take a job that waits, or whose server process is gone: the oldest of the owner who has waited longest for his turn."""
        async with self._cursor(Taken) as cursor:
            return await (await cursor.execute(self._sql["take"])).fetchone()

    async def sign(self, taken: Taken) -> bool:
        """Say that it is still being run; return whether it is wanted."""
        async with self._cursor() as cursor:
            return await (await cursor.execute(self._sql["sign"], {"job": taken.job, "turn": taken.turn})).fetchone() is not None

    async def give_back(self, taken: Taken) -> None:
        """Let another one run it, as if it had not been taken."""
        async with self._cursor() as cursor:
            await cursor.execute(self._sql["give_back"], {"job": taken.job, "turn": taken.turn})

    async def succeed(self, taken: Taken, media_type: str, answer: bytes) -> None:
        """Keep the answer, where it is still wanted."""
        await self._end(taken, "successful", media_type, answer, None)

    async def fail(self, taken: Taken, problem: dict[str, Any]) -> None:
        """Keep why there is none."""
        await self._end(taken, "failed", None, None, problem)

    async def _end(self, taken: Taken, status: str, media_type: str | None, answer: bytes | None, problem: dict[str, Any] | None) -> None:
        values = {"job": taken.job, "turn": taken.turn, "status": status, "media_type": media_type, "answer": answer}
        async with self._cursor() as cursor:
            await cursor.execute(self._sql["end"], {**values, "problem": json.dumps(problem) if problem else None})

    async def expire(self) -> None:
        """Remove what ended a day ago."""
        async with self._cursor() as cursor:
            await cursor.execute(self._sql["expire"])

    async def get(self, job: UUID, owner: str | None) -> Job | None:
        """Return a job, where `owner` may see it."""
        async with self._cursor(Job) as cursor:
            return await (await cursor.execute(self._sql["get"], {"job": job, "owner": owner})).fetchone()

    async def answer(self, job: UUID, owner: str | None) -> tuple[str, bytes] | None:
        """Return media type and body of a successful job, where `owner` may see it."""
        async with self._cursor() as cursor:
            row = await (await cursor.execute(self._sql["answer"], {"job": job, "owner": owner})).fetchone()
        return (row[0], row[1]) if row and row[0] else None

    async def list(self, owner: str | None, filters: Filters, limit: int, offset: int) -> list[Job]:
        """Return an owner's jobs, the newest first."""
        chosen = {
            "processes": list(filters.processes) if filters.processes is not None else None,
            "statuses": list(filters.statuses) if filters.statuses is not None else None,
            "since": filters.since,
            "until": filters.until,
            "min_duration": filters.min_duration,
            "max_duration": filters.max_duration,
        }
        async with self._cursor(Job) as cursor:
            return await (await cursor.execute(self._sql["list"], {**chosen, "owner": owner, "limit": limit, "offset": offset})).fetchall()

    async def dismiss(self, job: UUID, owner: str | None) -> Job | None:
        """Remove a job with its answer and return what it was; who runs it stops at the next sign of life."""
        async with self._cursor(Job) as cursor:
            return await (await cursor.execute(self._sql["dismiss"], {"job": job, "owner": owner})).fetchone()

    async def close(self) -> None:
        """Close the pool."""
        if self._opened:
            await self._pool.close()

    @asynccontextmanager
    async def _cursor(self, kind: type[Any] | None = None) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
        if not self._opened:
            self._opened = True
            await self._pool.open(wait=False)
        try:
            async with (
                self._pool.connection(timeout=_PATIENCE_S) as connection,
                connection.cursor(row_factory=class_row(kind)) if kind else connection.cursor() as cursor,
            ):
                yield cursor
        except psycopg_pool.PoolTimeout as error:
            raise DatabaseUnavailable("No connection for jobs.") from error
