"""A child process that checks projects: `python -m processes PROFILE`, one JSON request a line in, one JSON answer a line out.

It reads through the profile's own role. An answer is `{"media_type": …, "body": …}` or
`{"error": <class>, "what": …, "remedy": …, "parameter": [name, value, allowed]}`. It ends at the end of its input.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import psycopg
from shapely.geometry import box

from processes import overlay, project, report, rules, sheet, view
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.registry import read as read_deployment
from stadtgrund.errors import InvalidParameter, StadtgrundError
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database

LOGGER = logging.getLogger(__name__)


def answer(
    conn: psycopg.Connection[Any], settings: Settings, deployment: Deployment, ruleset: rules.Ruleset, profile: str, data: Any
) -> dict[str, Any]:
    """Check one project and return the answer."""
    if not isinstance(data, dict):
        raise InvalidParameter("inputs", type(data).__name__, "ein JSON-Objekt mit " + ", ".join(project.ALLOWED))
    inputs = project.parse(data, ruleset)
    with conn.transaction():  # one snapshot: every rule sees the same versions
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        seen = view.read(conn, profile, settings.paths.files)
        result = overlay.check(seen, inputs, ruleset, srid=deployment.srid, city=box(*deployment.box84))
    if inputs.format == "html":
        sources = sorted({c.attribution for c in seen.collections.values() if c.attribution})
        return {"media_type": "text/html", "body": sheet.render(result, "Quellen: " + "; ".join(sources))}
    return {"media_type": "application/json", "body": report.as_json(result)}


def main(profile: str) -> int:
    """Serve requests from standard input until it ends."""
    settings = Settings.from_environment()
    deployment = read_deployment(settings.deployment.config, settings.deployment.data)
    ruleset = rules.read(settings.deployment.config)
    if ruleset is None:
        print(f"{settings.deployment.config}: rules/construction_overlay.yaml is missing", file=sys.stderr)
        return 1
    database = Database.open(settings, deployment.name, start=False)
    conn: psycopg.Connection[Any] | None = None
    for line in sys.stdin:
        try:
            if conn is None or conn.closed:
                conn = database.connect(profile, autocommit=True, application="stadtgrund-process")
            result = answer(conn, settings, deployment, ruleset, profile, json.loads(line))
        except InvalidParameter as error:
            result = {"error": "InvalidParameter", "parameter": [error.name, error.value, error.allowed]}
        except StadtgrundError as error:
            result = {"error": type(error).__name__, "what": error.what, "remedy": error.remedy}
        except psycopg.Error:
            LOGGER.exception("database error in a check")
            if conn is not None:
                conn.close()
            result = {"error": "DatabaseUnavailable", "what": "Die Datenbank hat nicht geantwortet.", "remedy": ""}
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.exit(main(sys.argv[1]))
