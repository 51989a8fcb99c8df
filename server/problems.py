"""Which error becomes which answer: one table, problem JSON (RFC 9457) for clients, the cause in the log.

A 4xx tells what the error says. The text of a 5xx is fixed: statements, addresses and secrets go to the log only.
"""

from __future__ import annotations

__all__ = [
    "KNOWN",
    "FileMissing",
    "JobLost",
    "MethodNotAllowed",
    "NoSuchJob",
    "NoSuchProcess",
    "NotSatisfiable",
    "ResultNotReady",
    "Row",
    "StoredProblem",
    "Unsupported",
    "is_secret",
    "problem",
    "refused",
    "row_of",
]

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import psycopg
import psycopg_pool
from psycopg import errors as pg

from processes.workers import CheckTooLong
from stadtgrund.errors import (
    DatabaseUnavailable,
    InvalidCursor,
    InvalidFilter,
    InvalidParameter,
    NotAcceptable,
    NotFound,
    StadtgrundError,
    StatementTimeout,
    TooLarge,
    TransientError,
    Unauthorized,
    UsageError,
)

log = logging.getLogger(__name__)


class MethodNotAllowed(UsageError):
    """The resource exists and does not know this method; `allow` are those that it knows."""

    def __init__(self, method: str, allow: str) -> None:
        self.allow = allow
        super().__init__(f"Method {method} is not allowed here.", remedy=f"Allowed: {allow}.")


class Unsupported(UsageError):
    """A request that is over a limit of ours before anything was made of it: `status` is 408, 413, 414, 415 or 431."""

    def __init__(self, status: HTTPStatus, what: str, *, remedy: str) -> None:
        self.status = status
        super().__init__(what, remedy=remedy)


class NotSatisfiable(UsageError):
    """No range that is asked for holds a byte of a file of `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__("The file has none of the bytes in Range.", remedy=f"It has {size} bytes.")


class FileMissing(StadtgrundError):
    """A file that the database names is not on disk: it is there again after the next load."""

    retry_after_s = 3600


class JobLost(StadtgrundError):
    """A job that ended the server process that ran it, twice."""


_EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


class _OfProcesses(NotFound):
    """Something of OGC API - Processes is not there; the standard names the kind by a URI."""

    problem_type: str


class NoSuchProcess(_OfProcesses):
    """A process that is not offered."""

    problem_type = f"{_EXCEPTIONS}/no-such-process"


class NoSuchJob(_OfProcesses):
    """A job that is not there, or is another's: the two look the same."""

    problem_type = f"{_EXCEPTIONS}/no-such-job"


class ResultNotReady(_OfProcesses):
    """A job that has not ended yet."""

    problem_type = f"{_EXCEPTIONS}/result-not-ready"


class StoredProblem(StadtgrundError):
    """Why a job failed: the problem document that was kept with it, answered as it would have been to who waited."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        super().__init__(str(document["detail"]))


_SECRET = re.compile(r"key|token|auth|secret|passw|credential", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a query parameter is called as those are that carry a key."""
    return bool(_SECRET.search(name))


def refused(name: str, value: str, allowed: str) -> InvalidParameter:
    """Return the error of a query parameter that is not taken; a key that stands in one is not repeated."""
    if is_secret(name):
        return InvalidParameter(name, "…", f"{allowed}; a key goes into the header Authorization or X-API-Key")
    return InvalidParameter(name, value, allowed)


@dataclass(frozen=True)
class Row:
    """What the table says about an error class. `detail` None = the error's own message is told."""

    status: HTTPStatus
    detail: str | None = None


_DOWN = "The database is not reachable at the moment. The same request may succeed in a few seconds."
_NO_FILE = "The server does not have this file at the moment; it is there again when the operator has loaded the collection anew."
_TIMEOUT = "The database took longer than the time limit of a statement and was stopped. Ask for less: a smaller bbox, limit or filter."

TABLE: tuple[tuple[type[Exception], Row], ...] = (
    (InvalidParameter, Row(HTTPStatus.BAD_REQUEST)),
    (InvalidFilter, Row(HTTPStatus.BAD_REQUEST)),
    (InvalidCursor, Row(HTTPStatus.BAD_REQUEST)),
    (MethodNotAllowed, Row(HTTPStatus.METHOD_NOT_ALLOWED)),
    (Unsupported, Row(HTTPStatus.BAD_REQUEST)),
    (NotSatisfiable, Row(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)),
    (UsageError, Row(HTTPStatus.BAD_REQUEST)),
    (NotFound, Row(HTTPStatus.NOT_FOUND)),
    (NotAcceptable, Row(HTTPStatus.NOT_ACCEPTABLE)),
    (Unauthorized, Row(HTTPStatus.UNAUTHORIZED)),
    (TooLarge, Row(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)),
    (StatementTimeout, Row(HTTPStatus.SERVICE_UNAVAILABLE, _TIMEOUT)),
    (FileMissing, Row(HTTPStatus.SERVICE_UNAVAILABLE, _NO_FILE)),
    (DatabaseUnavailable, Row(HTTPStatus.SERVICE_UNAVAILABLE, _DOWN)),
    (CheckTooLong, Row(HTTPStatus.SERVICE_UNAVAILABLE)),
    (JobLost, Row(HTTPStatus.INTERNAL_SERVER_ERROR)),
    (TransientError, Row(HTTPStatus.SERVICE_UNAVAILABLE, "The server is busy. The same request may succeed in a few seconds.")),
    # What PostgreSQL refuses although we checked the input: it is the input's fault, not ours.
    (pg.QueryCanceled, Row(HTTPStatus.SERVICE_UNAVAILABLE, _TIMEOUT)),
    (pg.DataError, Row(HTTPStatus.BAD_REQUEST, "A value in the request is outside the range of its type.")),
    (psycopg_pool.PoolTimeout, Row(HTTPStatus.SERVICE_UNAVAILABLE, _DOWN)),
    (psycopg_pool.PoolClosed, Row(HTTPStatus.SERVICE_UNAVAILABLE, _DOWN)),
    (
        psycopg_pool.TooManyRequests,
        Row(HTTPStatus.SERVICE_UNAVAILABLE, "The server is busy. The same request may succeed in a few seconds."),
    ),
    (psycopg.OperationalError, Row(HTTPStatus.SERVICE_UNAVAILABLE, _DOWN)),
    (psycopg.InterfaceError, Row(HTTPStatus.SERVICE_UNAVAILABLE, _DOWN)),
    # The rest of what we raise on purpose (a contract, a setup) and of what PostgreSQL says is a fault of the server.
    (
        StadtgrundError,
        Row(HTTPStatus.INTERNAL_SERVER_ERROR, "The server could not answer. The operator finds the cause by the request id."),
    ),
    (psycopg.Error, Row(HTTPStatus.INTERNAL_SERVER_ERROR, "The server could not answer. The operator finds the cause by the request id.")),
)
"""First match counts, so a subclass stands before its base."""

KNOWN: tuple[type[Exception], ...] = tuple(kind for kind, _ in TABLE)
"""What becomes a problem; anything else is a fault that the outermost layer logs with its traceback."""

FAULT = Row(HTTPStatus.INTERNAL_SERVER_ERROR, "The server could not answer. The operator finds the cause by the request id.")


def row_of(error: Exception) -> Row:
    """Return the row of the table for `error`."""
    if isinstance(error, Unsupported):
        return Row(error.status)
    if isinstance(error, StoredProblem):
        return Row(HTTPStatus(error.document["status"]))
    return next((row for kind, row in TABLE if isinstance(error, kind)), FAULT)


def _type_of(error: Exception, path: str) -> str:
    """Return the type of a problem; only OGC API - Processes names some."""
    if isinstance(error, _OfProcesses):
        return error.problem_type
    of_processes = path.startswith(("/processes/", "/jobs/"))
    return "InvalidParameterValue" if of_processes and isinstance(error, InvalidParameter) else "about:blank"


def problem(error: Exception, path: str, request_id: str | None = None) -> tuple[int, dict[str, Any], tuple[tuple[str, str], ...]]:
    """Return status, problem document and headers for `error`; a 5xx is logged with its cause.

    `path` is the path of the request without its query, so that no value is repeated; `request_id` is that of `X-Request-Id`.
    """
    row = row_of(error)
    if row.status >= 500 and not isinstance(error, StoredProblem):
        log.error("%s: %s: %s [%s]", path, type(error).__name__, error, request_id, exc_info=row.status == 500)
    detail = row.detail or str(error)
    document: dict[str, Any] = {
        "type": _type_of(error, path),
        "title": row.status.phrase,
        "status": int(row.status),
        "detail": detail,
        "instance": path,
    }
    if request_id:
        document["requestId"] = request_id
    if isinstance(error, StoredProblem):
        document = {**error.document, "instance": path, **({"requestId": request_id} if request_id else {})}
    headers: list[tuple[str, str]] = [("cache-control", "no-store")]
    if isinstance(error, InvalidParameter):
        document["parameter"] = error.name
        document["allowed"] = error.allowed
    elif isinstance(error, InvalidFilter | InvalidCursor):
        document["parameter"] = "filter" if isinstance(error, InvalidFilter) else "cursor"
    if row.status == HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(error, StoredProblem):  # which does not pass
        headers.append(
            ("retry-after", str(error.retry_after_s if isinstance(error, TransientError | FileMissing) else TransientError.retry_after_s))
        )
    if row.status == HTTPStatus.UNAUTHORIZED:
        headers.append(("www-authenticate", 'Basic realm="Stadtgrund", charset="UTF-8"'))
    if isinstance(error, MethodNotAllowed):
        headers.append(("allow", error.allow))
    if isinstance(error, NotSatisfiable):
        headers.append(("content-range", f"bytes */{error.size}"))
    return int(row.status), document, tuple(headers)
