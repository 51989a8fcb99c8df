"""What a verb needs, made once per process: settings, deployment, database."""

from __future__ import annotations

__all__ = ["configure", "database", "debug", "deployment", "settings"]

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stadtgrund.settings import Settings

if TYPE_CHECKING:
    from stadtgrund.catalog.registry import Deployment
    from stadtgrund.store.database import Database

_config: Path | None = None
_debug = False


def configure(config: Path | None, *, debug: bool) -> None:
    """Take the global options and forget what was made with earlier ones."""
    global _config, _debug
    _config, _debug = config, debug
    for made in (settings, deployment, database):
        made.cache_clear()


def debug() -> bool:
    """Whether `--debug` was given."""
    return _debug


@cache
def settings() -> Settings:
    """Return the settings: the environment, `--config` first.

    Raises
    ------
    UsageError
        A variable has a value that is not allowed.
    """
    return Settings.from_environment(config=_config)


@cache
def deployment() -> Deployment:
    """Return the deployment folder, read and checked.

    Raises
    ------
    ContractError
        Listing all that is wrong, by file, line and field.
    """
    from stadtgrund.catalog import checks

    wanted = settings().deployment
    return checks.checked(wanted.config, wanted.data)


@cache
def database() -> Database:
    """Return the deployment's database; the private PostGIS is started when it is down.

    Raises
    ------
    SetupError, DatabaseUnavailable
        It cannot be started or reached.
    """
    from stadtgrund.store.database import Database

    return Database.open(settings(), settings().deployment.name)
