"""A child process that checks projects: `python -m processes PROFILE`, one JSON request a line in, one JSON answer a line out.

It reads through the profile's own role. An answer is `{"media_type": …, "body": …}` or `{"error": <class>, "what": …, "remedy": …}`,
for a wrong input `{"error": "InvalidInput", "parameter": [name, value, allowed, fault]}`. It ends at the end of its input.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import Any

import psycopg
from shapely.geometry import box

from processes import overlay, project, report, rules, sheet, view
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.registry import read as read_deployment
from stadtgrund.errors import StadtgrundError
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database

LOGGER = logging.getLogger(__name__)


def answer(
    conn: psycopg.Connection[Any], settings: Settings, deployment: Deployment, ruleset: rules.Ruleset, profile: str, data: Any
) -> dict[str, Any]:
    """Check one project and return the answer."""
    if not isinstance(data, dict):
        raise project.InvalidInput("inputs", type(data).__name__, "ein JSON-Objekt mit " + ", ".join(project.ALLOWED))
    project.check_text(data, "inputs")
    inputs = project.parse(data, ruleset)
    with conn.transaction():  # one snapshot: every rule sees the same versions
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        seen = view.read(conn, profile, settings.paths.files)
        result = overlay.check(seen, inputs, ruleset, srid=deployment.srid, city=box(*deployment.box84), registers=deployment.keys)
    if inputs.format == "html":
        return {"media_type": "text/html", "body": sheet.render(result)}
    return {"media_type": "application/json", "body": report.as_json(result)}


class Checker:
    """Answers requests over one connection, which is made anew when it is lost."""

    def __init__(self, settings: Settings, ruleset: rules.Ruleset, profile: str) -> None:
        self.settings, self.ruleset, self.profile = settings, ruleset, profile
        self.deployment = read_deployment(settings.deployment.config, settings.deployment.data)
        self.database = Database.open(settings, settings.deployment.name, start=False)
        self._conn: psycopg.Connection[Any] | None = None

    def __call__(self, data: Any) -> dict[str, Any]:
        """Return the answer to one request; every fault that has a name is an answer too."""
        try:
            return self._checked(data)
        except project.InvalidInput as error:
            return {"error": "InvalidInput", "parameter": [error.name, error.value, error.allowed, error.fault]}
        except StadtgrundError as error:
            return {"error": type(error).__name__, "what": error.what, "remedy": error.remedy}
        except psycopg.errors.QueryCanceled:
            LOGGER.exception("a check took too long")
            return {"error": "StatementTimeout", "what": "Die Prüfung dauerte zu lange.", "remedy": "Bitte ein kleineres Vorhaben prüfen."}
        except (psycopg.OperationalError, psycopg.InterfaceError):
            LOGGER.exception("database error in a check")
            return {"error": "DatabaseUnavailable", "what": "Die Datenbank hat nicht geantwortet.", "remedy": ""}
        except psycopg.Error:
            LOGGER.exception("a check failed")
            return {"error": "StadtgrundError", "what": "Die Prüfung ist fehlgeschlagen.", "remedy": ""}

    def _checked(self, data: Any) -> dict[str, Any]:
        kept = self._conn is not None and not self._conn.closed
        try:
            return answer(self._connection(), self.settings, self.deployment, self.ruleset, self.profile, data)
        except psycopg.OperationalError:
            # A connection that lay idle may have been cut by a restart of the server, which says nothing of the next one.
            if not kept or self._conn is None or not self._conn.closed:
                raise
            return answer(self._connection(), self.settings, self.deployment, self.ruleset, self.profile, data)

    def _connection(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.closed:
            self._conn = self.database.connect(self.profile, autocommit=True, application="stadtgrund-process")
            # A plan for any project would not know how few rows this one meets.
            self._conn.prepare_threshold = None
        return self._conn


def main(profile: str) -> int:
    """Serve requests from standard input until it ends."""
    # Ctrl-C on a terminal reaches the whole group; the server ends us by closing our input, when its own requests are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.from_environment()
    ruleset = rules.read(settings.deployment.config)
    if ruleset is None:
        print(f"{settings.deployment.config}: rules/construction_overlay.yaml is missing", file=sys.stderr)
        return 1
    checker = Checker(settings, ruleset, profile)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(checker(json.loads(line)), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        sys.exit(main(sys.argv[1]))
    except BrokenPipeError:  # the server is gone, and with it who would read
        sys.exit(1)
