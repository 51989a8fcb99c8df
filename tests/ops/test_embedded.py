"""The private PostGIS, with real servers in folders of their own."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from stadtgrund.errors import SetupError
from stadtgrund.settings import Paths
from stadtgrund.store import embedded
from stadtgrund.store.embedded import Cluster

START = """
import sys
from pathlib import Path
from stadtgrund.settings import Paths
from stadtgrund.store import embedded
print(embedded.start(embedded.locate(Paths(Path("."), Path("var"))), fsync=False), flush=True)
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")


def ask(cluster: Cluster, statement: str) -> object:
    with psycopg.connect(embedded.superuser_dsn(cluster), autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def pid_of(cluster: Cluster) -> int:
    pid = embedded.status(cluster).pid
    assert pid is not None
    return pid


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_start_makes_it_once_and_stop_ends_it(cluster: Cluster) -> None:
    assert embedded.status(cluster).running is False
    assert embedded.start(cluster, fsync=False) is True
    assert embedded.start(cluster, fsync=False) is False
    state = embedded.status(cluster)
    assert state.running and state.databases == ("postgres",) and int(state.version.split(".")[0]) >= 14
    with psycopg.connect(embedded.superuser_dsn(cluster), autocommit=True) as connection:
        connection.execute("CREATE DATABASE kept")
        connection.execute("CREATE EXTENSION postgis")
    assert embedded.status(cluster).databases == ("kept", "postgres")
    embedded.stop(cluster)
    embedded.stop(cluster)
    assert state.pid is not None and gone(state.pid)
    assert embedded.status(cluster).running is False
    assert embedded.start(cluster, fsync=False) is True
    assert embedded.status(cluster).databases == ("kept", "postgres")


def test_only_the_socket_and_only_with_the_password(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    assert ask(cluster, "SHOW listen_addresses") == ""
    assert ask(cluster, "SELECT string_agg(DISTINCT type || ' ' || auth_method, ',') FROM pg_hba_file_rules") == "local scram-sha-256"
    assert ask(cluster, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'stadtgrund'") is True
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match=r"password"):
            psycopg.connect(f"host={cluster.socket} user=stadtgrund dbname=postgres password='{password}'")
    for path in (cluster.secrets / "superuser", cluster.home / "superuser"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE(cluster.socket.stat().st_mode) == 0o700
    password = (cluster.secrets / "superuser").read_text().strip()
    assert len(password) >= 40 and password not in cluster.log.read_text()


def test_settings_that_the_design_counts_on(cluster: Cluster) -> None:
    embedded.start(cluster)
    names = ["fsync", "wal_level", "jit", "client_connection_check_interval", "server_encoding", "password_encryption"]
    assert [ask(cluster, f"SHOW {name}") for name in names] == ["on", "minimal", "off", "5s", "UTF8", "scram-sha-256"]
    assert ask(cluster, "SELECT string_agg(DISTINCT datcollate || ' ' || datctype, ',') FROM pg_database") == "C.UTF-8 C.UTF-8"
    assert ask(cluster, "SELECT count(*) FROM pg_settings WHERE pending_restart") == 0
    assert ask(cluster, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == 0


def test_several_processes_start_it_at_once(cluster: Cluster) -> None:
    starts = [subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = sorted(process.communicate(timeout=120)[0].strip() for process in starts)
    assert answers == ["False", "False", "False", "True"]


def test_a_server_left_by_a_killed_run_is_adopted(cluster: Cluster) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", START + killed], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (-signal.SIGKILL, "True")
    pid = pid_of(cluster)
    assert embedded.start(cluster) is False
    assert pid_of(cluster) == pid


def test_ctrl_c_does_not_reach_it(cluster: Cluster) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-c", START + "import time; time.sleep(60)"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert waiting.stdout is not None and waiting.stdout.readline().strip() == "True"
    os.killpg(waiting.pid, signal.SIGINT)
    waiting.wait(timeout=20)
    waiting.stdout.close()
    assert ask(cluster, "SELECT 1") == 1


def test_after_the_server_was_killed_it_starts_with_its_data(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    with psycopg.connect(embedded.superuser_dsn(cluster), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        connection.execute("CHECKPOINT")
    pid = pid_of(cluster)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert embedded.status(cluster).running is False
    assert (cluster.data / "postmaster.pid").exists()
    assert embedded.start(cluster, fsync=False) is True
    assert ask(cluster, "SELECT value FROM kept") == 7


def test_a_pid_that_another_program_has_now_is_no_obstacle(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    record = (cluster.data / "postmaster.pid").read_text().split("\n", 1)[1]
    embedded.stop(cluster)
    # Of the server's own account: PostgreSQL by itself would take it for a server and refuse.
    other = subprocess.Popen(["sleep", "300"], user=cluster.run_as) if cluster.run_as else subprocess.Popen(["sleep", "300"])
    try:
        (cluster.data / "postmaster.pid").write_text(f"{other.pid}\n{record}")
        assert embedded.start(cluster, fsync=False) is True
        assert other.poll() is None
        assert pid_of(cluster) != other.pid
    finally:
        other.kill()
        other.wait()


def test_a_server_that_does_not_answer_is_named_by_pid(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(cluster, fsync=False)
    pid = pid_of(cluster)
    (cluster.socket / ".s.PGSQL.5432").unlink()
    monkeypatch.setattr(embedded, "_LEFTOVER_S", 0.5)
    with pytest.raises(SetupError, match=rf"are still at work in .*pid {pid}.* End them: kill {pid}$"):
        embedded.start(cluster)
    assert alive(pid)
    embedded.stop(cluster)
    assert gone(pid)


def test_the_server_of_another_folder_on_our_socket_is_refused(cluster: Cluster, open_folder: Path) -> None:
    embedded.start(cluster, fsync=False)
    stranger = Cluster(open_folder / "other" / "data", cluster.socket, cluster.log, cluster.secrets, cluster.run_as)
    with pytest.raises(SetupError, match=r"the server of another folder answers \(.*/pg/data\)"):
        embedded.start(stranger)
    assert not stranger.data.exists()


def test_a_socket_folder_that_others_may_write_to_is_refused(cluster: Cluster) -> None:
    cluster.socket.mkdir(parents=True)
    cluster.socket.chmod(0o777)
    if cluster.run_as:
        os.chown(cluster.socket, pwd.getpwnam(cluster.run_as).pw_uid, -1)
    with pytest.raises(SetupError, match=r"Others may write to .*/socket"):
        embedded.start(cluster)


@root_only
def test_a_socket_folder_of_somebody_else_is_refused(cluster: Cluster) -> None:
    cluster.socket.mkdir(parents=True, mode=0o700)
    os.chown(cluster.socket, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(SetupError, match=r"/socket belongs to nobody, not to postgres\. Call the command from the account"):
        embedded.start(cluster)
    assert not cluster.data.exists()


def test_a_link_in_place_of_the_socket_folder_is_refused(cluster: Cluster, open_folder: Path) -> None:
    cluster.home.mkdir()
    cluster.socket.symlink_to(open_folder)
    with pytest.raises(SetupError, match=r"/socket is not a folder"):
        embedded.start(cluster)


@root_only
def test_a_folder_that_postgres_cannot_enter_is_named(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("STADTGRUND_PG_HOME", str(closed / "pg"))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(SetupError, match=rf"Das Konto postgres darf {closed} nicht betreten\."):
        embedded.start(embedded.locate(Paths(open_folder, open_folder / "var")))


def test_a_long_path_gets_a_short_socket(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STADTGRUND_PG_HOME", str(open_folder / ("ein-sehr-langer-name-" * 5) / "pg"))
    (open_folder / ("ein-sehr-langer-name-" * 5)).mkdir()
    cluster = embedded.locate(Paths(open_folder, open_folder / "var"))
    assert cluster.socket.parent == Path("/tmp")
    assert len(str(cluster.socket / ".s.PGSQL.5432")) < 107
    try:
        assert embedded.start(cluster, fsync=False) is True
        assert ask(cluster, "SELECT 1") == 1
    finally:
        embedded.stop(cluster)
        cluster.socket.rmdir()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("wrong\n")], ids=["lost", "wrong"])
def test_the_password_comes_back_from_the_home(cluster: Cluster, damage: object) -> None:
    embedded.start(cluster, fsync=False)
    assert callable(damage)
    damage(cluster.secrets / "superuser")
    assert embedded.start(cluster) is False
    assert ask(cluster, "SELECT 1") == 1


def test_a_password_lost_everywhere_is_said(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    embedded.stop(cluster)
    for folder in (cluster.home, cluster.secrets):
        (folder / "superuser").unlink()
    with pytest.raises(SetupError, match=r"password of the private database in .* is lost .*superuser.*Restore the file"):
        embedded.start(cluster)
    assert (cluster.data / "PG_VERSION").exists()


def test_never_started_is_said(cluster: Cluster) -> None:
    with pytest.raises(SetupError, match=r"password cannot be read .*stadtgrund db start"):
        embedded.superuser_dsn(cluster)


def test_what_a_killed_first_start_left_is_replaced(cluster: Cluster) -> None:
    (cluster.home / "data.new" / "base").mkdir(parents=True)
    (cluster.home / "data.new" / "PG_VERSION").write_text("15\n")
    assert embedded.start(cluster, fsync=False) is True
    assert not (cluster.home / "data.new").exists()


def test_a_first_start_without_room_says_so_and_leaves_nothing(cluster: Cluster) -> None:
    limited = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    done = subprocess.run([sys.executable, "-c", limited + START], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "SetupError: The private database could not be made: " in done.stderr
    assert not cluster.data.exists() and not (cluster.home / "data.new").exists()


def test_data_of_a_postgresql_that_is_not_installed(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    embedded.stop(cluster)
    version = (cluster.data / "PG_VERSION").read_text()
    (cluster.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(SetupError, match=r"of PostgreSQL 9, which is not installed.*postgresql-9-postgis-3"):
        embedded.start(cluster)
    (cluster.data / "PG_VERSION").write_text(version)


def test_a_broken_setting_is_quoted_from_the_log(cluster: Cluster) -> None:
    embedded.start(cluster, fsync=False)
    embedded.stop(cluster)
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.write("max_connections = viele\n")
    with pytest.raises(SetupError, match=r"does not start: .*See .*postgres\.log"):
        embedded.start(cluster)


@root_only
def test_an_ordinary_user_has_it_in_var(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STADTGRUND_PG_HOME", raising=False)
    uid = pwd.getpwnam("nobody").pw_uid
    os.chown(open_folder, uid, -1)
    paths = Paths(open_folder, open_folder / "var")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # the interpreter may lie where another user cannot start it, so this one changes its user
        code = 1
        try:
            os.setgid(pwd.getpwnam("nobody").pw_gid)
            os.setuid(uid)
            found = embedded.locate(paths)
            started = [embedded.start(found, fsync=False), embedded.start(found)]
            os.write(writer, f"{started} {found.home} {found.run_as} {ask(found, 'SELECT 1')}".encode())
            embedded.stop(found)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() == f"[True, False] {open_folder}/var/postgres None 1"
    assert os.waitpid(child, 0)[1] == 0
    assert stat.S_IMODE((open_folder / "var" / "postgres").stat().st_mode) == 0o700
    # Root who comes by is told whose it is, and changes nothing.
    with pytest.raises(SetupError, match=r"/var/postgres/data (belongs to|gehört) nobody"):
        embedded.start(embedded.locate(paths))


@root_only
def test_root_has_it_below_var_lib_and_follows_the_link(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STADTGRUND_PG_HOME", raising=False)
    found = embedded.locate(Paths(open_folder, open_folder / "var"))
    assert found.home.parent == Path("/var/lib/stadtgrund") and len(found.home.name) == 12
    assert (found.link, found.run_as) == (open_folder / "var" / "postgres", "postgres")
    assert embedded.locate(Paths(open_folder, open_folder / "var2")).home != found.home
    elsewhere = open_folder / "elsewhere"
    (open_folder / "var").mkdir()
    (open_folder / "var" / "postgres").symlink_to(elsewhere)
    assert embedded.locate(Paths(open_folder, open_folder / "var")).home == elsewhere
