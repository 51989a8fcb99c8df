"""The jobs of a profile in the database: `p_<profile>.sg_job`, through a pool of its own, as all other connections only read.

A job is somebody's: that of a key is found by that key alone, that of nobody by whoever knows its id, which cannot be guessed.
"""

from __future__ import annotations

__all__ = ["MOST_TRIES", "Asker", "Candidate", "Filters", "Job", "JobStore", "Taken", "due"]

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

from server.lending import Pool, borrowed
from stadtgrund.errors import Busy, DatabaseUnavailable

LEASE_S = 15
"""After so long without a sign of life whoever runs a job is taken for dead."""
MOST_TRIES = 2
KEPT_H = 24
_SURE_MIN = 10
"""An answer is kept so long, whatever the number."""
_MOST_NOBODYS, _MOST_BYTES_NOBODYS = 2000, 2 << 30
"""Jobs without an owner, and bytes of their answers, from all networks."""
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose jobs are counted together and have their turn together: a key by its label, or the network of who has none."""

    owner: str | None
    origin: str | None

    @property
    def most_waiting(self) -> int:
        """How many may wait."""
        return 100 if self.owner else 20

    @property
    def most_kept(self) -> int:
        """How many there may be in all; half of them are kept when others come."""
        return 1000 if self.owner else 200

    @property
    def most_bytes(self) -> int:
        """How many bytes of answers are kept when others come."""
        return (512 if self.owner else 64) << 20


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
class Candidate:
    """The oldest job of an asker that could be run."""

    job: UUID
    owner: str | None
    origin: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that was taken to be run: its `turn` tells this run from another."""

    job: UUID
    turn: int
    tries: int
    created: datetime
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
    min_duration: int | None = None
    max_duration: int | None = None


_COLUMNS = "job, process, status, created, started, finished, alive, media_type, problem"
_LAPSED = f"alive < now() - interval '{LEASE_S} seconds' AND pg_postmaster_start_time() < now() - interval '{LEASE_S} seconds'"
_RUNNABLE = f"(status = 'accepted' AND later <= now() OR status = 'running' AND {_LAPSED})"
_OF_ASKER = "owner IS NOT DISTINCT FROM %(owner)s AND origin IS NOT DISTINCT FROM %(origin)s"
_MINE = "job = %(job)s AND status = 'running' AND turn = %(turn)s"
_CURRENT = "(finished IS NULL OR epoch = {epoch}(false))"
_SEEN = f"job = %(job)s AND (owner IS NULL OR owner = %(owner)s) AND {_CURRENT}"
_STATEMENTS = {
    "add": f"""
        INSERT INTO {{jobs}} (owner, origin, process, request)
        SELECT %(owner)s, %(origin)s, %(process)s, %(request)s
        WHERE (SELECT count(*) FROM {{jobs}} WHERE {_OF_ASKER} AND status = 'accepted') < %(waiting)s
          AND (SELECT count(*) FROM {{jobs}} WHERE {_OF_ASKER}) < %(kept)s
          AND (
              %(owner)s::text IS NOT NULL
              OR (
                  SELECT count(*) < {_MOST_NOBODYS} AND coalesce(sum(octet_length(answer)), 0) < {_MOST_BYTES_NOBODYS}
                  FROM {{jobs}} WHERE owner IS NULL
              )
          )
        RETURNING {_COLUMNS}""",
    # The oldest go first; the last ones stay in any case, for him who is just about to fetch one. Rows that somebody else holds are left
    # to him, so that no two wait for each other.
    "evict": f"""
        DELETE FROM {{jobs}} WHERE job IN (
            SELECT job FROM {{jobs}} WHERE job IN (
                SELECT job FROM (
                    SELECT job, finished, row_number() OVER newest AS place, sum(octet_length(answer)) OVER newest AS bytes
                    FROM {{jobs}} WHERE {_OF_ASKER} AND finished IS NOT NULL
                    WINDOW newest AS (ORDER BY finished DESC, job)
                ) AS own
                WHERE finished < now() - interval '{_SURE_MIN} minutes' AND (place > %(kept)s / 2 OR bytes > %(bytes)s)
            ) FOR UPDATE SKIP LOCKED
        )""",
    "expire": f"""
        DELETE FROM {{jobs}} WHERE job IN (
            SELECT job FROM {{jobs}} WHERE finished < now() - interval '{KEPT_H} hours' OR NOT {_CURRENT} FOR UPDATE SKIP LOCKED
        )""",
    "candidates": f"""
        SELECT job, owner, origin FROM (
            SELECT DISTINCT ON (owner, origin) job, owner, origin, created FROM {{jobs}}
            WHERE status IN ('accepted', 'running') AND {_RUNNABLE}
            ORDER BY owner, origin, created
        ) AS oldest ORDER BY created""",
    "take": f"""
        UPDATE {{jobs}} SET status = 'running', started = now(), alive = now(), tries = tries + 1, turn = turn + 1, epoch = {{epoch}}(false)
        WHERE job = (SELECT job FROM {{jobs}} WHERE job = %(job)s AND {_RUNNABLE} FOR UPDATE SKIP LOCKED)
        RETURNING job, turn, tries, created, process, owner, request""",
    "sign": f"UPDATE {{jobs}} SET alive = now() WHERE {_MINE} AND epoch = {{epoch}}(false) RETURNING job",
    "give_back": f"""
        UPDATE {{jobs}} SET status = 'accepted', started = NULL, tries = tries - %(forgiven)s,
            later = now() + %(pause)s * interval '1 second'
        WHERE {_MINE}""",
    # It waits for who is about to end the epoch, and whoever wants to waits for it.
    "end": f"""
        UPDATE {{jobs}} SET status = %(status)s, finished = now(), alive = now(), request = NULL, media_type = %(media_type)s,
            answer = %(answer)s, problem = %(problem)s
        WHERE {_MINE} AND epoch = {{epoch}}(true) RETURNING job""",
    "get": f"SELECT {_COLUMNS} FROM {{jobs}} WHERE {_SEEN}",
    "answer": f"SELECT media_type, answer FROM {{jobs}} WHERE {_SEEN}",
    "list": f"""
        SELECT {_COLUMNS} FROM {{jobs}}
        WHERE owner IS NOT DISTINCT FROM %(owner)s AND {_CURRENT}
          AND (%(processes)s::text[] IS NULL OR process = ANY (%(processes)s))
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
          AND (%(since)s::timestamptz IS NULL OR created >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR created <= %(until)s)
          AND (%(min_duration)s::float8 IS NULL OR extract(epoch FROM coalesce(finished, now()) - started) >= %(min_duration)s)
          AND (%(max_duration)s::float8 IS NULL OR extract(epoch FROM coalesce(finished, now()) - started) <= %(max_duration)s)
        ORDER BY created DESC, job LIMIT %(limit)s OFFSET %(offset)s""",
    "dismiss": f"DELETE FROM {{jobs}} WHERE {_SEEN} RETURNING {_COLUMNS}",
}


async def due(connection: psycopg.AsyncConnection[Any]) -> list[str]:
    """Return the profiles that have work for a server process that did not take the job itself; `connection` may be of any profile."""
    asked = (f"{LEASE_S} seconds", f"{KEPT_H} hours")
    rows = await (await connection.execute("SELECT sg.jobs_due(%s::interval, %s::interval)", asked)).fetchall()
    return [row[0] for row in rows]


class JobStore:
    """Statements over the jobs of a profile.

    Each raises DatabaseUnavailable when no connection comes free, or psycopg.Error when the database does not answer.
    """

    def __init__(self, profile: str, pool: Pool) -> None:
        self._pool = pool
        self._opened = False
        names = {"jobs": sql.Identifier(f"p_{profile}", "sg_job"), "epoch": sql.Identifier(f"p_{profile}", "sg_job_epoch")}
        self._sql = {name: sql.SQL(text).format(**names) for name, text in _STATEMENTS.items()}

    async def add(self, asker: Asker, process: str, request: dict[str, Any]) -> Job:
        """Put a job into the queue.

        Raises
        ------
        Busy
            The asker has too many already.
        """
        mine = {"owner": asker.owner, "origin": asker.origin, "kept": asker.most_kept}
        async with self._cursor(Job) as cursor:
            await cursor.execute(self._sql["evict"], {**mine, "bytes": asker.most_bytes})
            asked = {**mine, "waiting": asker.most_waiting, "process": process, "request": json.dumps(request)}
            job: Job | None = await (await cursor.execute(self._sql["add"], asked)).fetchone()
            if job is not None:
                return job
        raise Busy(f"{asker.most_waiting} jobs wait, or there are {asker.most_kept}.")

    async def candidates(self) -> list[Candidate]:
        """Return a job an asker that waits, or whose server process is gone: each one's oldest, the oldest of all first."""
        async with self._cursor(Candidate) as cursor:
            return await (await cursor.execute(self._sql["candidates"])).fetchall()

    async def take(self, job: UUID) -> Taken | None:
        """Take a job, unless another one has just done so."""
        async with self._cursor(Taken) as cursor:
            taken: Taken | None = await (await cursor.execute(self._sql["take"], {"job": job})).fetchone()
            return taken

    async def sign(self, taken: Taken) -> bool:
        """Say that it is still being run; return whether it is wanted, and of what the profile still sees."""
        async with self._cursor() as cursor:
            return await (await cursor.execute(self._sql["sign"], {"job": taken.job, "turn": taken.turn})).fetchone() is not None

    async def give_back(self, taken: Taken, *, forgiven: bool = True, pause_s: float = 0) -> None:
        """Let it be run again, in `pause_s` seconds at the earliest; `forgiven`: as if it had not been taken."""
        values = {"job": taken.job, "turn": taken.turn, "forgiven": int(forgiven), "pause": pause_s}
        async with self._cursor() as cursor:
            await cursor.execute(self._sql["give_back"], values)

    async def succeed(self, taken: Taken, media_type: str, answer: bytes) -> bool:
        """Keep the answer; return whether it is still wanted, and of what the profile still sees."""
        return await self._end(taken, "successful", media_type, answer, None)

    async def fail(self, taken: Taken, problem: dict[str, Any]) -> bool:
        """Keep why there is none; return as `succeed`."""
        return await self._end(taken, "failed", None, None, problem)

    async def _end(self, taken: Taken, status: str, media_type: str | None, answer: bytes | None, problem: dict[str, Any] | None) -> bool:
        values = {"job": taken.job, "turn": taken.turn, "status": status, "media_type": media_type, "answer": answer}
        async with self._cursor() as cursor:
            done = await cursor.execute(self._sql["end"], {**values, "problem": json.dumps(problem) if problem else None})
            return await done.fetchone() is not None

    async def expire(self) -> None:
        """Remove what ended a day ago."""
        async with self._cursor() as cursor:
            await cursor.execute(self._sql["expire"])

    async def get(self, job: UUID, owner: str | None) -> Job | None:
        """Return a job, where `owner` may see it."""
        return await self._one("get", job, owner)

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
        return await self._one("dismiss", job, owner)

    async def _one(self, statement: str, job: UUID, owner: str | None) -> Job | None:
        async with self._cursor(Job) as cursor:
            found: Job | None = await (await cursor.execute(self._sql[statement], {"job": job, "owner": owner})).fetchone()
            return found

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
                borrowed(self._pool, _PATIENCE_S) as connection,
                connection.cursor(row_factory=class_row(kind)) if kind else connection.cursor() as cursor,
            ):
                yield cursor
        except psycopg_pool.PoolTimeout as error:
            raise DatabaseUnavailable("No connection for jobs.") from error
