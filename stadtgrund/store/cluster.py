"""Where the private PostGIS lies, who owns what in it, and how a program runs as its account.

Its home is a folder with `data/` (PostgreSQL's own), `socket/`, `stadtgrund.conf` (settings), `superuser` (the password;
a copy lies with the other secrets, so that a lost `var/` does not lose the database) and `lock`. PostgreSQL refuses root:
as root the home is below `/var/lib/stadtgrund`, since `postgres` cannot enter root's home folder, and the server runs as
`postgres`, who owns `data/` and `socket/` and nothing else.
"""

from __future__ import annotations

__all__ = [
    "PORT",
    "SUPERUSER",
    "Cluster",
    "locate",
    "locked",
    "make_home",
    "make_server_folder",
    "restore_password",
    "run",
    "server_uid",
    "superuser_dsn",
    "write",
]

import fcntl
import hashlib
import os
import pwd
import secrets
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from stadtgrund.errors import Busy, SetupError
from stadtgrund.language import say
from stadtgrund.settings import Paths
from stadtgrund.store.binaries import binaries

SUPERUSER = "stadtgrund"
PORT = 5432
_LOCK_S = 180
_PROGRAM_S = 180
_SOCKET_BYTES = 107  # sun_path has 108 bytes, one of them the closing zero
_SYSTEM_HOME = Path("/var/lib/stadtgrund")


@dataclass(frozen=True)
class Cluster:
    """Where the private PostGIS lies, and who runs it.

    `socket` is the folder of the unix socket, `log` a file, `link` where the home is linked from when it lies outside
    `var/`. `run_as` names the server's account when we are root; None = ourselves.
    """

    data: Path
    socket: Path
    log: Path
    secrets: Path
    run_as: str | None
    link: Path | None = None

    @property
    def home(self) -> Path:
        """The folder around `data`."""
        return self.data.parent


def locate(paths: Paths) -> Cluster:
    """Say where the private PostGIS of a checkout lies; touches nothing.

    `STADTGRUND_PG_HOME` names another home (tests); log and secrets are then in it too.
    """
    run_as = "postgres" if os.geteuid() == 0 else None
    own = os.environ.get("STADTGRUND_PG_HOME")
    if own:
        home = Path(own).absolute()
        return Cluster(home / "data", _socket_folder(home), home / "log" / "postgres.log", home / "secrets", run_as)
    local = paths.var.absolute() / "postgres"
    # A database that a user has here already stays the one of this checkout, also when root comes by (and is refused).
    outside = local.is_symlink() or (run_as is not None and not local.exists())
    home = local
    if outside:  # the link goes first: it holds when the checkout is moved
        home = Path(os.path.realpath(local)) if local.is_symlink() else _SYSTEM_HOME / _digest(local)
    log_file, folder = paths.log.absolute() / "postgres.log", paths.secrets.absolute()
    return Cluster(home / "data", _socket_folder(home), log_file, folder, run_as, local if outside else None)


def superuser_dsn(cluster: Cluster, database: str = "postgres") -> str:
    """Return libpq's connection text of the superuser over the unix socket.

    Raises
    ------
    SetupError
        When the private PostGIS was never started, or belongs to somebody else.
    """
    try:
        password = (cluster.secrets / "superuser").read_text().strip()
    except OSError as error:
        raise SetupError(
            say(
                f"Das Passwort der privaten Datenbank ist nicht lesbar ({error.filename}: {error.strerror}).",
                f"The private database's password cannot be read ({error.filename}: {error.strerror}).",
            ),
            remedy=say("Starten Sie sie mit: stadtgrund db start", "Start it with: stadtgrund db start"),
        ) from error
    return make_conninfo(host=str(cluster.socket), port=PORT, user=SUPERUSER, password=password, dbname=database, connect_timeout=10)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _socket_folder(home: Path) -> Path:
    folder = home / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) < _SOCKET_BYTES:
        return folder
    return Path("/tmp") / f"stadtgrund-{_digest(home)}"


def server_uid(cluster: Cluster) -> int:
    """Return the user id that the server runs under."""
    if cluster.run_as is None:
        return os.geteuid()
    try:
        return pwd.getpwnam(cluster.run_as).pw_uid
    except KeyError:
        binaries()  # the usual cause, with its own remedy: PostgreSQL is not installed
        raise SetupError(
            say(f"Das Konto {cluster.run_as} fehlt.", f"The account {cluster.run_as} does not exist."),
            remedy=say("Installieren Sie das Paket postgresql-common.", "Install the package postgresql-common."),
        ) from None


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def make_home(cluster: Cluster) -> None:
    """Make the folders of a cluster, each with its owner; refuse those of somebody else."""
    uid = server_uid(cluster)
    # As root the home is root's own, so that the server's account cannot put links into it; it only passes through.
    cluster.home.mkdir(parents=True, exist_ok=True, mode=0o755 if cluster.run_as else 0o700)
    if cluster.data.exists():
        _check_owner(cluster.data, uid)
    if cluster.run_as:
        _check_passage(cluster)
    for folder in (cluster.secrets, cluster.log.parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_server_folder(cluster.socket, uid)
    _check_owner(cluster.socket, uid)
    if cluster.link and not cluster.link.is_symlink():
        cluster.link.symlink_to(cluster.home)


def make_server_folder(folder: Path, uid: int) -> None:
    """Make a folder that only the server's account (and root) can enter."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    os.chown(folder, uid, -1)


def _check_owner(folder: Path, uid: int) -> None:
    """Refuse a folder that somebody else owns or may write to: in /tmp anybody could have made it."""
    facts = folder.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid == uid and not facts.st_mode & 0o022:
        return
    if not stat.S_ISDIR(facts.st_mode):
        what = say(f"{folder} ist kein Ordner.", f"{folder} is not a folder.")
    elif facts.st_uid != uid:
        owner, expected = _owner(facts.st_uid), _owner(uid)
        what = say(f"{folder} gehört {owner}, nicht {expected}.", f"{folder} belongs to {owner}, not to {expected}.")
    else:
        what = say(f"In {folder} dürfen auch andere schreiben.", f"Others may write to {folder}.")
    raise SetupError(
        what,
        remedy=say(
            "Rufen Sie den Befehl mit dem Konto auf, dem die private Datenbank gehört, oder räumen Sie den Ordner beiseite.",
            "Call the command from the account that owns the private database, or move the folder away.",
        ),
    )


def _check_passage(cluster: Cluster) -> None:
    if run(cluster, ["test", "-x", cluster.home]).returncode == 0:
        return
    closed = next((part for part in reversed(cluster.home.parents) if not part.stat().st_mode & 0o001), cluster.home)
    raise SetupError(
        say(f"Das Konto {cluster.run_as} darf {closed} nicht betreten.", f"The account {cluster.run_as} may not enter {closed}."),
        remedy=say(f"Wählen Sie einen anderen Ordner oder: chmod o+x {closed}", f"Choose another folder, or: chmod o+x {closed}"),
    )


def write(path: Path, text: str, mode: int) -> None:
    """Write a file in one step, with its rights from the first byte on."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, mode)
        file.write(text)
    os.replace(name, path)


def restore_password(cluster: Cluster) -> None:
    """Have the same superuser password in the home and in the secrets; a new one when there is no database yet."""
    origin, copy = cluster.home / "superuser", cluster.secrets / "superuser"
    if origin.exists():
        password = origin.read_text()
    elif copy.exists():
        password = copy.read_text()
    elif not cluster.data.exists():
        password = secrets.token_urlsafe(32) + "\n"
    else:
        raise SetupError(
            say(
                f"Das Passwort der privaten Datenbank in {cluster.home} fehlt ({copy}).",
                f"The password of the private database in {cluster.home} is lost ({copy}).",
            ),
            remedy=say(
                f"Stellen Sie die Datei wieder her; oder räumen Sie {cluster.data} beiseite und laden Sie neu.",
                f"Restore the file; or move {cluster.data} away and load again.",
            ),
        )
    for path in (origin, copy):
        if not path.exists() or path.read_text() != password:
            write(path, password, 0o600)


@contextmanager
def locked(cluster: Cluster) -> Iterator[None]:
    """Hold the lock of those who start or stop the server; waits up to three minutes, then `Busy`."""
    handle = os.open(cluster.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        say(
                            f"Ein anderer Prozess startet oder beendet die private Datenbank seit {_LOCK_S} Sekunden.",
                            f"Another process has been starting or stopping the private database for {_LOCK_S} seconds.",
                        ),
                        remedy=say(f"Wer es ist, zeigt: fuser {cluster.home}/lock", f"See which with: fuser {cluster.home}/lock"),
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def run(cluster: Cluster, command: Sequence[str | Path], *, output: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's account, from `/`, in a session of its own, so that Ctrl-C does not reach the server."""
    account = pwd.getpwnam(cluster.run_as) if cluster.run_as else None
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE if output == subprocess.PIPE else output,
        text=True,
        check=False,
        cwd="/",
        # No PG* variable of the caller, and messages that we can read.
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        timeout=_PROGRAM_S,
        start_new_session=True,
        umask=0o077,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=os.getgrouplist(account.pw_name, account.pw_gid) if account else None,
    )
