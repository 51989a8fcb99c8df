"""Settings from the environment, one small class per concern; made once by whoever starts, never at import.

Names are `STADTGRUND_*`; by custom `DATABASE_URL` and `PUBLIC_URL` carry no prefix. Secrets print masked.
"""

from __future__ import annotations

__all__ = [
    "DatabaseSettings",
    "DeploymentSettings",
    "DownloadSettings",
    "JobSettings",
    "Paths",
    "Secret",
    "ServerSettings",
    "Settings",
    "TileSettings",
]

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from stadtgrund.errors import UsageError, by_locale

ROOT = Path(__file__).resolve().parent.parent


class Secret:
    """A string that prints masked; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value


@dataclass(frozen=True)
class Paths:
    """Where the checkout keeps what is not in version control."""

    root: Path
    var: Path

    @property
    def secrets(self) -> Path:
        """Passwords of the private PostGIS' roles and the first key (files 0600)."""
        return self.var / "secrets"

    @property
    def files(self) -> Path:
        """COGs and downloads, named by version."""
        return self.var / "files"

    @property
    def tiles(self) -> Path:
        """Stored tiles, which can be made anew at any time."""
        return self.var / "tiles"

    @property
    def downloads(self) -> Path:
        """Files made of whole collections and of excerpts; what is missing is written anew."""
        return self.var / "downloads"

    @property
    def log(self) -> Path:
        """Logs of the private PostGIS and of the server."""
        return self.var / "log"


@dataclass(frozen=True)
class DeploymentSettings:
    """Which deployment folder is used, and where its sources lie."""

    config: Path
    data: Path | None

    @property
    def name(self) -> str:
        """The deployment's name: that of its folder."""
        return self.config.name


@dataclass(frozen=True)
class DatabaseSettings:
    """`url` None = the private PostGIS, which any command starts when it is down."""

    url: Secret | None
    statement_timeout_ms: int
    pool_max: int


@dataclass(frozen=True)
class ServerSettings:
    """Where the server listens and how it names itself."""

    host: str
    port: int
    workers: int
    public_url: str
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose forwarded headers are believed; none = nobody's."""

    @property
    def base_path(self) -> str:
        """Path prefix of the public URL, without a slash at its end ('' when there is none)."""
        return urlsplit(self.public_url).path.rstrip("/")


@dataclass(frozen=True)
class DownloadSettings:
    """How many bytes the files of whole collections may take together."""

    max_bytes: int = 20 << 30


@dataclass(frozen=True)
class TileSettings:
    """How many bytes stored tiles may take on disk; 0 = none are stored."""

    max_bytes: int = 2 << 30


@dataclass(frozen=True)
class JobSettings:
    """Whether `/jobs` lists jobs that were made without a key to everybody: on test systems only."""

    listed: bool = False


_DOWNLOADS = DownloadSettings()
_JOBS = JobSettings()
_TILES = TileSettings()


@dataclass(frozen=True)
class Settings:
    """All settings of one process."""

    paths: Paths
    deployment: DeploymentSettings
    database: DatabaseSettings
    server: ServerSettings
    downloads: DownloadSettings = _DOWNLOADS
    tiles: TileSettings = _TILES
    jobs: JobSettings = _JOBS

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None, *, config: Path | None = None) -> Settings:
        """Read the environment (or `env`); `config` is the command line's `--config` and goes first.

        Raises
        ------
        UsageError
            Naming the variable, its value and what is allowed.
        """
        env = os.environ if env is None else env
        folder = config or Path(env.get("STADTGRUND_CONFIG") or ROOT / "pygeoapi-config" / "musterstadt")
        data = env.get("STADTGRUND_DATA")
        host = env.get("STADTGRUND_HOST") or "127.0.0.1"
        port = _integer(env, "STADTGRUND_PORT", 5000, 1, 65535)
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else host
        public = (env.get("PUBLIC_URL") or f"http://{shown}:{port}").rstrip("/")
        if urlsplit(public).scheme not in ("http", "https") or not urlsplit(public).netloc:
            raise UsageError(
                by_locale(f"PUBLIC_URL={public!r} ist keine Adresse.", f"PUBLIC_URL={public!r} is not an address."),
                remedy=by_locale("Erlaubt: http(s)://Rechner[:Port][/Pfad].", "Allowed: http(s)://host[:port][/path]."),
            )
        url = env.get("DATABASE_URL")
        if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise UsageError(
                by_locale("DATABASE_URL ist keine Adresse einer PostgreSQL-Datenbank.", "DATABASE_URL is not a PostgreSQL address."),
                remedy=by_locale(
                    "Erlaubt: postgresql://Name:Passwort@Rechner:Port/Datenbank.", "Allowed: postgresql://user:password@host:port/database."
                ),
            )
        return cls(
            paths=Paths(ROOT, Path(env.get("STADTGRUND_VAR") or ROOT / "var")),
            deployment=DeploymentSettings(folder.resolve(), Path(data).resolve() if data else None),
            database=DatabaseSettings(
                Secret(url) if url else None,
                _integer(env, "STADTGRUND_STATEMENT_TIMEOUT_MS", 30_000, 100, 3_600_000),
                _integer(env, "STADTGRUND_POOL_MAX", 8, 1, 200),
            ),
            server=ServerSettings(host, port, _integer(env, "STADTGRUND_WORKERS", 2, 1, 64), public, _networks(env, "STADTGRUND_PROXIES")),
            jobs=JobSettings(_integer(env, "STADTGRUND_JOBS_LISTED", 0, 0, 1) == 1),
            tiles=TileSettings(_integer(env, "STADTGRUND_TILES_MB", _TILES.max_bytes >> 20, 0, 10_000_000) << 20),
            downloads=DownloadSettings(_integer(env, "STADTGRUND_DOWNLOADS_GB", _DOWNLOADS.max_bytes >> 30, 1, 100_000) << 30),
        )

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment in which a child process reads these settings; `base`, by default ours, is what else it has."""
        mine = {
            "STADTGRUND_CONFIG": str(self.deployment.config),
            "STADTGRUND_DATA": str(self.deployment.data or ""),
            "STADTGRUND_VAR": str(self.paths.var),
            "DATABASE_URL": self.database.url.reveal() if self.database.url else "",
            "STADTGRUND_STATEMENT_TIMEOUT_MS": str(self.database.statement_timeout_ms),
            "STADTGRUND_POOL_MAX": str(self.database.pool_max),
            "STADTGRUND_DOWNLOADS_GB": str(self.downloads.max_bytes >> 30),
            "STADTGRUND_HOST": self.server.host,
            "STADTGRUND_PORT": str(self.server.port),
            "STADTGRUND_WORKERS": str(self.server.workers),
            "STADTGRUND_TILES_MB": str(self.tiles.max_bytes >> 20),
            "STADTGRUND_JOBS_LISTED": str(int(self.jobs.listed)),
            "STADTGRUND_PROXIES": ",".join(map(str, self.server.proxies)),
            "PUBLIC_URL": self.server.public_url,
        }
        return {**(os.environ if base is None else base), **mine}


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    raw = env.get(name) or str(default)
    try:
        value = int(raw)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise UsageError(
            by_locale(f"{name}={raw!r} ist nicht gültig.", f"{name}={raw!r} is not valid."),
            remedy=by_locale(f"Erlaubt: eine ganze Zahl von {low} bis {high}.", f"Allowed: a whole number from {low} to {high}."),
        )
    return value


def _networks(env: Mapping[str, str], name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    found: list[IPv4Network | IPv6Network] = []
    for part in filter(None, (part.strip() for part in env.get(name, "").split(","))):
        try:
            found.append(ip_network(part, strict=False))
        except ValueError as error:
            raise UsageError(
                by_locale(f"{name}: {part!r} ist keine IP-Adresse.", f"{name}: {part!r} is not an IP address."),
                remedy=by_locale(
                    "Erlaubt: Adressen und Netze, durch Kommas getrennt, etwa 127.0.0.1,10.1.0.0/16,::1.",
                    "Allowed: addresses and networks, separated by commas, such as 127.0.0.1,10.1.0.0/16,::1.",
                ),
            ) from error
    return tuple(found)
