"""A child process that writes files: `python -m etl.deliver PROFILE`, one JSON order a line in, one JSON answer a line out.

It reads through the profile's own role. An answer is `{}` or `{"error": <class>, "what": …, "remedy": …}`. It ends at the end of its
input, at once when it is writing: what it has written by then is nowhere to be found.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import Any

import psycopg

from etl.deliver.deliver import deliver
from etl.deliver.order import Order
from stadtgrund.errors import DatabaseUnavailable, StadtgrundError, StatementTimeout, UsageError
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf

LOGGER = logging.getLogger("etl.deliver")


_OUT_OF_RANGE = "A value in the request is outside the range of its type."
_UNREAD = "The database could not be read."


def _named(error: psycopg.Error) -> type[StadtgrundError]:
    """Return what a fault of the database is to the server that ordered the file."""
    match error:
        case psycopg.errors.QueryCanceled():
            return StatementTimeout
        case psycopg.OperationalError():
            return DatabaseUnavailable
        case psycopg.DataError():  # of the conditions: what is published was written by the same database
            return UsageError
    return StadtgrundError


class Writer:
    """Writes what is ordered, each order over a connection of its own, as minutes may lie between two."""

    def __init__(self, settings: Settings, profile: str) -> None:
        self.profile = profile
        self.database = Database.open(settings, settings.deployment.name, start=False)
        self.shelf = Shelf.of(self.database, settings.downloads.max_bytes)

    def __call__(self, line: str) -> dict[str, Any]:
        """Return the answer to one order; every fault that has a name is an answer too."""
        try:
            order = Order.model_validate_json(line)
            with self.database.connect(self.profile, autocommit=True, application="stadtgrund-deliver") as connection:
                deliver(connection, self.profile, order, self.shelf)
            self.shelf.sweep()
        except StadtgrundError as error:
            return {"error": type(error).__name__, "what": error.what, "remedy": error.remedy}
        except psycopg.Error as error:
            LOGGER.exception("database error while a file was written")
            return {"error": _named(error).__name__, "what": _OUT_OF_RANGE if _named(error) is UsageError else _UNREAD, "remedy": ""}
        except OSError as error:
            LOGGER.exception("a file could not be written")
            return {"error": "Busy", "what": f"The file could not be written: {error.strerror}.", "remedy": ""}
        return {}


def main(profile: str) -> int:
    """Serve orders from standard input until it ends."""
    # Ctrl-C on a terminal reaches the whole group; the server ends us by closing our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)  # who asks for a page must not wait for who asks for a file
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    idle = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        if not idle.is_set():
            os._exit(1)
        lines.put("")

    writer = Writer(Settings.from_environment(), profile)
    idle.set()
    threading.Thread(target=listen, daemon=True).start()
    while line := lines.get():
        idle.clear()
        sys.stdout.write(json.dumps(writer(line), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        idle.set()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        sys.exit(main(sys.argv[1]))
    except BrokenPipeError:  # the server is gone, and with it who would read
        sys.exit(1)
