"""`stadtgrund run`: from nothing to an API that answers; what `make run` runs."""

from __future__ import annotations

__all__ = ["command", "demo_is_outdated", "stamp_of_demo"]

import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import demo
from cli import context, ports
from cli.children import Children, Ended, signals_end_us
from cli.console import data, data_json, tell
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import SetupError, StadtgrundError, by_locale
from stadtgrund.settings import ROOT, Secret, Settings
from stadtgrund.store import api_keys, applied, embedded
from stadtgrund.store.database import Database

_DEMO = ROOT / "pygeoapi-config" / "musterstadt"
_STAMP = ".stand"
_READY_S = 60.0


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur prüfen und zeigen, was geschähe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Die Adressen als eine Zeile JSON, sobald die API antwortet.")] = False,
) -> None:
    """Alles auf einmal: PostGIS starten, die Demostadt erzeugen, laden, die API ausliefern.

    Ein zweiter Aufruf liefert sofort aus und prüft daneben, ob sich Quellen geändert haben.
    Strg-C beendet alles, was gestartet wurde. Adresse und Zahl der Prozesse: HOST, PORT, WORKERS bei make run.

    \b
    Beispiel: stadtgrund run
              stadtgrund run --config pygeoapi-config/berlin
    """
    settings = context.settings()
    _refuse_a_taken_port(settings)
    deployment = context.deployment()  # a broken contract is told before anything is started
    if dry_run:
        _rehearse(settings, deployment, as_json=as_json)
        return
    work = _Work(settings, deployment, as_json)
    with signals_end_us() as stop:
        try:
            with _postgis(settings) as db, Children(stop) as children:
                stop.check()
                work.do(db, children)
        except Ended as end:
            # Ctrl-C is how a server is stopped; before it serves it is an interruption.
            raise typer.Exit(0 if end.number == signal.SIGINT and work.serves else 128 + end.number) from None
        except StadtgrundError:
            if stop.number is None:
                raise
            raise typer.Exit(128 + stop.number) from None  # what the signal broke on its way is no news


@dataclass
class _Work:
    """The steps behind the database; `serves` from the moment when the server answers."""

    settings: Settings
    deployment: Deployment
    as_json: bool = False
    serves: bool = False

    def do(self, db: Database, children: Children) -> None:
        """Load and serve, in the order that has the API up soonest; return never, but by an exception."""
        key = api_keys.ensure_first(db)
        if api_keys.is_first_lost(db):
            _tell_of_the_lost_key(db)
        # What contracts close is closed by the load: until then nothing is served.
        server = self._serve(db, children, key) if _is_published(db) and not applied.exposed(db, self.deployment) else None
        _generate(self.settings, self.deployment, children)
        if _load(self.settings, self.deployment, children):
            tell(by_locale("Nicht alles wurde geladen; was da ist, wird ausgeliefert.", "Not all was loaded; what is there is served."))
            if server is None and not _is_published(db):
                raise SetupError(
                    by_locale("Nichts wurde veröffentlicht.", "Nothing was published."),
                    remedy=by_locale("Was zu tun ist, steht darüber.", "What to do is said above."),
                )
        server = server or self._serve(db, children, key)
        code = children.wait(server)
        raise SetupError(
            by_locale(f"Der Server hat sich beendet (Code {code}).", f"The server has ended (code {code})."),
            remedy=by_locale("Seine letzten Zeilen stehen darüber.", "Its last lines are above."),
        )

    def _serve(self, db: Database, children: Children, key: Secret | None) -> subprocess.Popen[bytes]:
        server = children.start(_verb(self.settings, "serve"))
        _wait_until_it_answers(self.settings, server, children)
        self.serves = True
        _tell(self.settings, db, key, as_json=self.as_json)
        return server


def _tell_of_the_lost_key(db: Database) -> None:
    command = f"stadtgrund keys create {api_keys.FIRST}-2"
    tell(
        by_locale(
            f"Der Schlüssel der Verwaltung gilt, aber seine Datei {api_keys.key_file(db)} fehlt; einen neuen legt an: {command}",
            f"The administration key is valid, but its file {api_keys.key_file(db)} is gone; this makes a new one: {command}",
        )
    )


def _refuse_a_taken_port(settings: Settings) -> None:
    server = settings.server
    if not ports.is_free(server.host, server.port):
        holder = ports.holder(server.port)
        raise SetupError(
            by_locale(f"Port {server.port} auf {server.host} ist belegt", f"Port {server.port} on {server.host} is taken")
            + (by_locale(f" von Prozess {holder}.", f" by process {holder}.") if holder else "."),
            kept=by_locale("Nichts wurde gestartet oder geladen.", "Nothing was started or loaded."),
            remedy=by_locale(
                f"Beenden Sie ihn, oder nehmen Sie einen anderen: make run PORT={server.port + 1}",
                f"End it, or take another: make run PORT={server.port + 1}",
            ),
        )


@contextmanager
def _postgis(settings: Settings) -> Iterator[Database]:
    """Have the database for the block; a private PostGIS that was down before is stopped at its end, also when we are interrupted."""
    if settings.database.url is not None:
        yield context.database()
        return
    cluster = embedded.locate(settings.paths)
    was_running = embedded.status(cluster).running
    if not was_running:
        tell(by_locale("PostGIS wird gestartet …", "Starting PostGIS …"))
    try:
        yield context.database()
    finally:
        if not was_running:
            embedded.stop(cluster)


def _verb(settings: Settings, *words: str) -> list[str]:
    """Return the command line of one of our own verbs, for the same deployment."""
    return [sys.executable, "-m", "cli", "--config", str(settings.deployment.config), *(["--debug"] if context.debug() else []), *words]


def _is_published(db: Database) -> bool:
    with db.connect("owner") as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM meta.state)").fetchone()
    return bool(row and row[0])


def stamp_of_demo() -> str:
    """Return what the demo city's files depend on: the generator's source."""
    digest = hashlib.sha256()
    for path in sorted(Path(demo.__path__[0]).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def demo_is_outdated(folder: Path) -> bool:
    """Whether the demo city is missing, unfinished, or made by another generator."""
    stamp = folder / _STAMP
    return not stamp.is_file() or stamp.read_text() != stamp_of_demo()


def _is_ours_to_generate(settings: Settings, deployment: Deployment) -> bool:
    return settings.deployment.config == _DEMO and settings.deployment.data is None and demo_is_outdated(deployment.data)


def _generate(settings: Settings, deployment: Deployment, children: Children) -> None:
    """Write the demo city's files, where the deployment is the demo and its files are ours to write."""
    if not _is_ours_to_generate(settings, deployment):
        return
    tell(by_locale("Die Demostadt wird erzeugt …", "Generating the demo city …"))
    deployment.data.mkdir(parents=True, exist_ok=True)
    (deployment.data / _STAMP).unlink(missing_ok=True)
    if children.wait(children.start([sys.executable, "-m", "demo", str(deployment.data)])):
        raise StadtgrundError(
            by_locale("Die Demostadt ließ sich nicht erzeugen.", "The demo city could not be generated."),
            remedy=by_locale(f"Von Hand: python -m demo {deployment.data}", f"By hand: python -m demo {deployment.data}"),
        )
    (deployment.data / _STAMP).write_text(stamp_of_demo())


def _load(settings: Settings, deployment: Deployment, children: Children) -> bool:
    """Load all datasets, telling each in a line; return whether anything failed."""
    loading = children.start(_verb(settings, "load", "--all", "--json"), read=True)
    unchanged = 0
    for line in children.lines(loading):
        report = json.loads(line)
        if report["status"] == "unchanged":
            unchanged += 1
        elif report["status"] == "published":
            tell(_line(report, raster=deployment.contract(report["dataset"]).is_raster))
    if unchanged:
        tell(by_locale(f"{unchanged} Datensätze sind unverändert.", f"{unchanged} datasets are unchanged."))
    return children.wait(loading) != 0


def _line(report: dict[str, Any], *, raster: bool) -> str:
    if raster:
        return f"{report['dataset']}: Version {report['version']}, Raster"
    rows, rejected = (f"{report[name] or 0:,}" for name in ("rows_published", "rows_rejected"))
    told = by_locale(f"Version {report['version']}, {rows.replace(',', '.')} Zeilen", f"version {report['version']}, {rows} rows")
    if report["rows_rejected"]:
        told += by_locale(
            f", {rejected.replace(',', '.')} abgelehnt (stadtgrund report {report['dataset']})",
            f", {rejected} rejected (stadtgrund report {report['dataset']})",
        )
    return f"{report['dataset']}: {told}"


def _wait_until_it_answers(settings: Settings, server: subprocess.Popen[bytes], children: Children) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}{settings.server.base_path}/?f=json"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers, if with an error: the server says itself what is wrong
        except OSError:
            children.pause()
    raise SetupError(
        by_locale(f"Der Server antwortet nicht unter {address}.", f"The server does not answer at {address}."),
        remedy=by_locale(
            "Seine letzten Zeilen stehen darüber; prüfen: stadtgrund doctor", "Its last lines are above; check: stadtgrund doctor"
        ),
    )


def _rehearse(settings: Settings, deployment: Deployment, *, as_json: bool) -> None:
    """Tell what `run` would do; the port was free and the contracts were right."""
    private = settings.database.url is None
    starts = private and not embedded.status(embedded.locate(settings.paths)).running
    generates = _is_ours_to_generate(settings, deployment)
    if as_json:
        known = {"url": f"{settings.server.public_url}/", "datasets": list(deployment.contracts)}
        data_json({**known, "starts_postgis": starts, "generates_demo": generates, "dry_run": True})
        return
    steps = [by_locale("Probe. Geschähe:", "Dry run. This would be done:")]
    if starts:
        steps.append(by_locale("PostGIS starten", "start PostGIS"))
    if generates:
        steps.append(by_locale("die Demostadt erzeugen", "generate the demo city"))
    names = ", ".join(deployment.contracts) or by_locale("keine Datensätze", "no datasets")
    steps += [by_locale(f"laden: {names}", f"load: {names}"), by_locale("ausliefern", "serve") + f": {settings.server.public_url}/"]
    data("\n  ".join(steps))


def _tell(settings: Settings, db: Database, key: Secret | None, *, as_json: bool) -> None:
    """Print what to open, and the first time the key: data, on stdout."""
    url = settings.server.public_url
    with db.connect("open") as connection:
        row = connection.execute(
            "SELECT dataset FROM p_open.sg_state WHERE collection -> 'tiles' IS NOT NULL"
            " ORDER BY (collection -> 'facts' ->> 'count')::bigint DESC, dataset LIMIT 1"
        ).fetchone()
    if as_json:
        first = {"collection": f"{url}/collections/{row[0]}"} if row else {}
        data_json({"url": f"{url}/", **first, **({"key": key.reveal(), "key_file": api_keys.key_file(db)} if key else {})})
        return
    lines = [(by_locale("Startseite", "Start page"), f"{url}/")]
    if row:
        name = row[0]
        lines += [
            (by_locale("Eine Sammlung", "A collection"), f"{url}/collections/{name}"),
            ("GeoJSON", f"{url}/collections/{name}/items?limit=10"),
            (by_locale("Kacheln", "Tiles"), f"{url}/collections/{name}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"),
        ]
    lines.append(("QGIS", f"{url}/  ({by_locale('WFS / OGC API – Features, Neu', 'WFS / OGC API - Features, New')})"))
    if key:
        lines.append((by_locale("Schlüssel der Verwaltung", "Administration key"), key.reveal()))
    width = max(len(name) for name, _ in lines)
    data("")
    for name, value in lines:
        data(f"  {name:<{width}}  {value}")
    if key:
        data(by_locale(f"  Er steht auch in {api_keys.key_file(db)}.", f"  It is in {api_keys.key_file(db)} too."))
    data("")
    data(by_locale("  Strg-C beendet alles.", "  Ctrl-C ends everything."))
