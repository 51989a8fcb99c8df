"""`stadtgrund serve`: the API on a port, by granian."""

from __future__ import annotations

__all__ = ["command"]

import os
from typing import Annotated

import typer

from cli import context, ports
from cli.console import data_json, tell
from stadtgrund.errors import SetupError, by_locale
from stadtgrund.settings import Settings


def command(
    host: Annotated[str | None, typer.Option("--host", help="Adresse, auf der gelauscht wird; sonst STADTGRUND_HOST (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port; sonst STADTGRUND_PORT (5000).")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, max=64, help="Prozesse; sonst STADTGRUND_WORKERS (2).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Adresse und Prozess als eine Zeile JSON, bevor gelauscht wird.")] = False,
) -> None:
    """Die API ausliefern, bis Strg-C kommt.

    Neue Versionen und Verträge gelten ohne Neustart. Eine Zeile je Anfrage steht auf stderr.
    Ohne --dry-run: der Befehl schreibt nichts; ob alles da ist, sagen stadtgrund check und stadtgrund doctor.

    \b
    Beispiel: stadtgrund serve
              stadtgrund serve --host 0.0.0.0 --port 8080 --workers 4
    """
    asked = {"STADTGRUND_HOST": host, "STADTGRUND_PORT": port, "STADTGRUND_WORKERS": workers}
    # Workers are new processes: what the command line says reaches them by the environment.
    os.environ.update({name: str(value) for name, value in asked.items() if value is not None})
    os.environ["STADTGRUND_CONFIG"] = str(context.settings().deployment.config)
    settings = Settings.from_environment()
    _refuse_a_taken_port(settings)
    _check(settings)
    if as_json:
        data_json({"url": f"{settings.server.public_url}/", "pid": os.getpid(), "workers": settings.server.workers})
    tell(by_locale(f"Stadtgrund antwortet unter {settings.server.public_url}/", f"Stadtgrund answers at {settings.server.public_url}/"))
    _serve(settings)


def _refuse_a_taken_port(settings: Settings) -> None:
    server = settings.server
    if ports.is_free(server.host, server.port):
        return
    holder = ports.holder(server.port)
    raise SetupError(
        by_locale(f"Port {server.port} auf {server.host} ist belegt", f"Port {server.port} on {server.host} is taken")
        + (by_locale(f" von Prozess {holder}.", f" by process {holder}.") if holder else "."),
        remedy=by_locale(
            f"Anderer Port: stadtgrund serve --port {server.port + 1}", f"Another port: stadtgrund serve --port {server.port + 1}"
        ),
    )


def _check(settings: Settings) -> None:
    """Find out here, in one sentence, what would else end each worker: a broken file of the deployment, a database that is not set up.

    And refuse to show more than contracts allow, as a database does that was restored, or that waits for `apply`.
    """
    from processes import rules
    from server.city import City
    from server.viewer_file import ViewerFile
    from stadtgrund.store import applied

    City.read(settings.deployment.config)
    rules.read(settings.deployment.config)
    ViewerFile.read(settings.deployment.config)
    exposed = applied.exposed(context.database(), context.readable())
    context.check_again()  # the workers are copies of this process, and need no contracts
    if exposed:
        raise SetupError(
            by_locale(
                f"Die Verträge schließen, was die Datenbank noch öffentlich zeigt: {', '.join(exposed)}.",
                f"The contracts close what the database still shows to the public: {', '.join(exposed)}.",
            ),
            kept=by_locale("Nichts wird ausgeliefert.", "Nothing is served."),
            remedy=by_locale("Übernehmen Sie die Verträge: stadtgrund apply", "Take over the contracts: stadtgrund apply"),
        )


def _serve(settings: Settings) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    Granian(
        "server.worker:application",
        address=settings.server.host,
        port=settings.server.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.server.workers,
        factory=True,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_level=LogLevels.warning,
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=128 * 1024),
    ).serve()
