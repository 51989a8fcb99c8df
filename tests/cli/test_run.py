from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support.city import write_city
from support.served import free_port

from cli import run as cli_run
from cli.children import Children, Ended, Stop, signals_end_us
from stadtgrund.settings import Paths
from stadtgrund.store import embedded

START_S = 240


@dataclass
class Home:
    """A machine of its own: deployment, var/ and private PostGIS in one folder, and a port."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STADTGRUND_") and name != "DATABASE_URL"}
        return kept | {
            "STADTGRUND_CONFIG": str(self.folder / "stadt"),
            "STADTGRUND_VAR": str(self.folder / "var"),
            "STADTGRUND_PG_HOME": str(self.folder / "pg"),
            "STADTGRUND_PORT": str(self.port),
            "STADTGRUND_WORKERS": "1",
            "LC_ALL": "de_DE.UTF-8",
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def cluster(self) -> embedded.Cluster:
        return embedded.locate(Paths(self.folder, self.folder / "var"))

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[str]]:
        with (self.folder / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli", "run"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(90)
                process.communicate()

    def until_told(self, process: subprocess.Popen[str]) -> str:
        """Read stdout up to the last line of the addresses."""
        assert process.stdout
        shown = ""
        for line in process.stdout:
            shown += line
            if "Strg-C" in line:
                return shown
        raise AssertionError(shown + (self.folder / "err").read_text())


def alive(group: int) -> list[str]:
    """Return the processes of a session that are still there, but for the dead that nobody has asked about yet."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(f"{entry.name} {(entry / 'cmdline').read_text()}")
    return found


def gone(group: int, seconds: float = 20) -> list[str]:
    end = time.monotonic() + seconds
    while (left := alive(group)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.fixture(scope="module")
def home(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="stadtgrund-run-"))
    folder.chmod(0o755)  # the account of the server passes through
    write_city(folder / "stadt")
    made = Home(folder)
    monkeypatch_module.setenv("STADTGRUND_PG_HOME", str(folder / "pg"))
    yield made
    embedded.stop(made.cluster)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_a_taken_port_is_told_before_anything_is_done(home: Home) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", home.port))
        listener.listen()
        with home.run() as process:
            assert process.wait(60) == 1
    told = (home.folder / "err").read_text()
    assert f"Port {home.port}" in told
    assert str(os.getpid()) in told
    assert f"PORT={home.port + 1}" in told
    assert not (home.folder / "pg").exists()


def test_first_run_loads_serves_and_ends_all_with_ctrl_c(home: Home) -> None:
    with home.run() as process:
        told = home.until_told(process)
        assert f"{home.url}/" in told
        assert re.search(rf"{home.url}/collections/\w+/items", told)
        match = re.search(r"Schlüssel der Verwaltung +(sg_[\w-]{43})", told)
        assert match, told
        secret = home.folder / "var" / "secrets" / "verwaltung.stadt.key"
        assert secret.read_text().strip() == match[1]
        assert secret.stat().st_mode & 0o777 == 0o600
        seen = {one["id"] for one in httpx.get(f"{home.url}/collections?f=json", trust_env=False).json()["collections"]}
        assert "baeume" in seen and "leitungen" not in seen
        with_key = httpx.get(f"{home.url}/collections?f=json", headers={"X-API-Key": match[1]}, trust_env=False).json()
        assert "leitungen" in {one["id"] for one in with_key["collections"]}
        assert embedded.status(home.cluster).running
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert process.wait(60) == 0
    assert gone(process.pid) == []
    assert not embedded.status(home.cluster).running
    assert "Traceback" not in (home.folder / "err").read_text()


def test_ctrl_c_while_a_child_begins_shows_no_traceback(home: Home) -> None:
    """A later run serves first, and begins to load while it tells so."""
    for pause in (0.0, 0.05, 0.15):
        with home.run() as process:
            home.until_told(process)
            time.sleep(pause)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 0
        assert gone(process.pid) == []
        told = (home.folder / "err").read_text()
        assert "Traceback" not in told and "Fatal" not in told, told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_second_run_serves_soon_without_a_key_and_ends_all(number: signal.Signals, home: Home) -> None:
    started = time.monotonic()
    with home.run() as process:
        told = home.until_told(process)
        assert time.monotonic() - started < 20
        assert "sg_" not in told
        assert httpx.get(f"{home.url}/collections/baeume/items?limit=1", trust_env=False).status_code == 200
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert gone(process.pid) == []
    assert not embedded.status(home.cluster).running


def test_a_key_whose_file_is_gone_is_told_with_the_way_to_another(home: Home) -> None:
    file = home.folder / "var" / "secrets" / "verwaltung.stadt.key"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        with home.run() as process:
            shown = home.until_told(process)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    finally:
        aside.rename(file)
    told = f"Der Schlüssel der Verwaltung gilt, aber seine Datei {file} fehlt; einen neuen legt an: stadtgrund keys create verwaltung-2"
    assert (home.folder / "err").read_text().splitlines().count(told) == 1 and "sg_" not in shown
    with home.run() as process:
        home.until_told(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "keys create" not in (home.folder / "err").read_text()


def test_a_database_that_ran_before_runs_on(home: Home) -> None:
    embedded.start(home.cluster)
    with home.run() as process:
        home.until_told(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert embedded.status(home.cluster).running
    embedded.stop(home.cluster)


def test_the_server_does_not_outlive_a_killed_run(home: Home) -> None:
    with home.run() as process:
        home.until_told(process)
        process.kill()
        process.wait(10)
    assert gone(process.pid) == []
    with home.run() as process:  # PostGIS is left: it is adopted
        home.until_told(process)
    assert gone(process.pid) == []
    embedded.stop(home.cluster)


def test_an_interrupted_start_leaves_nothing_behind(home: Home) -> None:
    with home.run() as process:
        end = time.monotonic() + 30
        while "PostGIS wird gestartet" not in (home.folder / "err").read_text() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 128 + signal.SIGTERM
    assert gone(process.pid) == []
    assert not embedded.status(home.cluster).running


def test_a_server_that_dies_is_told(home: Home) -> None:
    with home.run() as process:
        home.until_told(process)
        for line in alive(process.pid):
            if "serve" in line:
                os.kill(int(line.split()[0]), signal.SIGKILL)
        assert process.wait(60) == 1
    assert "Der Server hat sich beendet" in (home.folder / "err").read_text()
    assert gone(process.pid) == []


def test_demo_is_generated_once_per_generator(tmp_path: Path) -> None:
    assert cli_run.demo_is_outdated(tmp_path)
    (tmp_path / ".stand").write_text(cli_run.stamp_of_demo())
    assert not cli_run.demo_is_outdated(tmp_path)
    (tmp_path / ".stand").write_text("von früher")
    assert cli_run.demo_is_outdated(tmp_path)


def test_children_that_do_not_end_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.children._GRACE_S", 0.5)
    with Children(Stop()) as children:
        child = children.start(
            [
                sys.executable,
                "-c",
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
            ]
        )
        time.sleep(1)
    assert child.returncode == -signal.SIGKILL


def test_the_first_signal_counts_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals_end_us() as stop:
        stop.check()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Ended) as caught:
            stop.check()
    assert caught.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
