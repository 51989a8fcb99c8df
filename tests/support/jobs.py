"""Jobs of a server that runs: asking for them, waiting for their end, looking at their rows."""

from __future__ import annotations

__all__ = ["KEYED", "ended", "execute", "get", "keyed", "one", "settled"]

import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg

from support.planted import KEY
from support.served import City
from support.waiting import until

KEYED = {"x-api-key": KEY}


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=60, trust_env=False)


def keyed(url: str) -> httpx.Response:
    return get(url, **KEYED)


def execute(
    api: str, process: str, body: Any, *, job: bool = False, headers: dict[str, str] | None = None, query: str = ""
) -> httpx.Response:
    """Run a process at once, or make a job; a body of bytes is sent as it is."""
    sent = {"content-type": "application/json", **({"prefer": "respond-async"} if job else {}), **(headers or {})}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx.post(f"{api}/processes/{process}/execution{query}", headers=sent, timeout=120, trust_env=False, **content)


def ended(get: Callable[[str], httpx.Response], address: str, within_s: float = 60) -> dict[str, Any]:
    """Return the status document of a job at its end."""

    def status() -> dict[str, Any] | None:
        answer = get(address)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document if "finished" in document else None

    return until(status, within_s)


def settled(api: str, dataset: str) -> None:
    """Wait until a server has seen that a collection is there again, for the tests that follow."""
    time.sleep(1.5)  # it looks once a second
    until(lambda: get(f"{api}/collections/{dataset}").status_code == 200)


def one(city: City, statement: str, *values: Any) -> Any:
    """Run a statement as the database's owner of all; return the first value of its first row."""
    with psycopg.connect(city.environment["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[call-overload]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None
