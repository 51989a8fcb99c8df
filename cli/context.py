"""What a verb needs, made once per process: settings, deployment, database."""

from __future__ import annotations

__all__ = [
    "check_again",
    "configure",
    "database",
    "debug",
    "deployment",
    "readable",
    "require_file",
    "require_known",
    "right",
    "right_contract",
    "served",
    "settings",
    "unowned",
    "usable",
]

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cli.console import tell
from stadtgrund.errors import ContractError, DatabaseUnavailable, Problem, SetupError, UnknownName, by_locale
from stadtgrund.settings import Settings

if TYPE_CHECKING:
    from stadtgrund.catalog.contract import Contract
    from stadtgrund.catalog.registry import Deployment
    from stadtgrund.store.database import Database

_config: Path | None = None
_debug = False


def configure(config: Path | None, *, debug: bool) -> None:
    """Take the global options and forget what was made with earlier ones."""
    global _config, _debug
    _config, _debug = config, debug
    for made in (settings, _examined, database):
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
def _examined() -> tuple[tuple[Problem, ...], Deployment | None]:
    from stadtgrund.catalog import checks
    from stadtgrund.query.form_filter import compile_where

    wanted = settings().deployment
    problems, found = checks.examined(wanted.config, wanted.data, compile_where=compile_where)
    return tuple(problems), found


def deployment() -> Deployment:
    """Return the deployment folder, read and checked as a whole.

    Raises
    ------
    ContractError
        Listing all that is wrong, by file, line and field.
    """
    problems, found = _examined()
    if problems or found is None:
        raise ContractError(problems)
    return found


def readable(*, told: bool = True) -> Deployment:
    """Return the deployment folder as far as it can be read; what is wrong in it is told, for commands that need no more.

    Raises
    ------
    ContractError
        When deployment.yml cannot be read.
    """
    problems, found = _examined()
    if found is None:
        raise ContractError(problems)
    if told:
        _tell(problems)
    return found


def usable(ids: Iterable[str] | None = None) -> tuple[Deployment, list[str]]:
    """Return the deployment with the datasets whose contracts are right (and those of their parts), and the ids of the others; told is why.

    Parameters
    ----------
    ids : iterable of str, optional
        Datasets that the command is about: they, and what they are joined of, must be right.

    Raises
    ------
    ContractError
        With what is wrong in one of `ids`, or in what concerns the whole folder.
    UnknownName
        When one of `ids` is not there.
    """
    problems, found = _examined()
    if found is None:
        raise ContractError(problems)
    wrong = _wrong()
    if "" in wrong:
        raise ContractError(wrong[""])
    for dataset in ids or ():
        if dataset not in wrong:
            found.contract(dataset)
        if concerned := [problem for name in dict.fromkeys(_with_parts(found, dataset)) for problem in wrong.get(name, ())]:
            raise ContractError(concerned)
    _tell(problems)
    chosen = right()
    return chosen, sorted({*wrong, *found.contracts} - set(chosen.contracts))


def right() -> Deployment:
    """Return the deployment with the datasets whose contracts, and those of their parts, are right; none where the folder is wrong.

    Raises
    ------
    ContractError
        When deployment.yml cannot be read.
    """
    found, wrong = readable(told=False), _wrong()
    names = [] if "" in wrong else [name for name in found.contracts if not any(part in wrong for part in _with_parts(found, name))]
    return replace(found, contracts=MappingProxyType({name: found.contracts[name] for name in names}))


def require_file(dataset: str) -> None:
    """Refuse a dataset whose file cannot be read as a contract.

    Raises
    ------
    ContractError
    """
    if problems := _wrong().get(dataset):
        raise ContractError(
            problems,
            remedy=by_locale(
                f"Sofort ganz schließen: stadtgrund withdraw {dataset}", f"To close it at once: stadtgrund withdraw {dataset}"
            ),
        )


def unowned(datasets: Iterable[str]) -> list[str]:
    """Return those of `datasets` that no file speaks of, not even one that is wrong."""
    return sorted({*datasets} - {*readable(told=False).contracts, *_wrong()})


def check_again() -> None:
    """Forget the contracts: one was written."""
    _examined.cache_clear()


def served(dataset: str) -> Contract:
    """Return a dataset's contract; where the file is wrong or gone, the one that was applied last, which is told.

    Raises
    ------
    ContractError
        When the file is wrong and no contract was applied that can be read.
    UnknownName
        When neither the folder nor the database knows it.
    """
    from stadtgrund.store import applied

    if contract := right_contract(dataset):
        return contract
    require_known(dataset)
    if contract := applied.contract(database(), dataset):
        tell(by_locale(f"{dataset}: Es gilt der zuletzt übernommene Vertrag.", f"{dataset}: the contract that was applied last holds."))
        return contract
    raise ContractError(_wrong().get(dataset, ()), remedy=by_locale("Der Vertrag ist fehlerhaft.", "The contract is wrong."))


def right_contract(dataset: str) -> Contract | None:
    """Return a dataset's contract; None, and its problems told, when the file is wrong or gone.

    Raises
    ------
    ContractError
        When deployment.yml cannot be read.
    """
    found, wrong = readable(told=False), _wrong().get(dataset, [])
    _tell(wrong)
    return None if wrong else found.contracts.get(dataset)


def require_known(dataset: str) -> None:
    """Refuse a name that is neither a file's nor one that the database has; one that does not answer, or is not set up, knows none.

    Raises
    ------
    UnknownName
    """
    from stadtgrund.store import applied

    _, found = _examined()
    names = {*(found.contracts if found else ()), *_wrong()} - {""}
    if dataset in names:
        return
    with suppress(DatabaseUnavailable, SetupError):
        names |= {*applied.datasets(database())}
    if dataset not in names:
        raise UnknownName("Datensatz", "dataset", dataset, sorted(names))


def _wrong() -> dict[str, list[Problem]]:
    """Return the problems of each dataset that has some; '' has those of the folder."""
    from stadtgrund.catalog import checks

    problems, found = _examined()
    return checks.by_dataset(problems, found) if found else {"": list(problems)}


def _with_parts(deployment: Deployment, dataset: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield a dataset and all that it is joined of."""
    yield dataset
    contract = deployment.contracts.get(dataset)
    if contract is None or contract.source.kind != "join":
        return
    for part in (contract.source.left, contract.source.right):
        if part and part not in (*above, dataset):
            yield from _with_parts(deployment, part, (*above, dataset))


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        tell(by_locale(f"Hinweis: {problem}", f"Note: {problem}"))


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
