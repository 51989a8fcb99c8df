"""Check a deployment folder: the shape of each file, and what the values mean.

Each rule is one small function over (contract, deployment) that yields what it finds; `RULES` is the list of them.
"""

from __future__ import annotations

__all__ = ["RULES", "by_dataset", "check", "check_contract", "checked", "examined"]

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from stadtgrund.catalog import (
    checks_of_deployment,
    checks_of_fields,
    checks_of_joins,
    checks_of_release,
    checks_of_search,
    checks_of_source,
)
from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.document import Finding
from stadtgrund.catalog.registry import Deployment, Documents, read_documents
from stadtgrund.errors import ContractError, Problem

RULES = (
    *checks_of_fields.RULES,
    *checks_of_search.RULES,
    *checks_of_source.RULES,
    *checks_of_release.RULES,
    *checks_of_joins.RULES,
)
"""The rules of a dataset, in the order of the contract's sections."""


def check(config: Path, data: Path | None = None) -> list[Problem]:
    """Return all problems of a deployment folder, by file and line; none = every dataset can be loaded as far as one can know."""
    return examined(config, data)[0]


def examined(
    config: Path, data: Path | None = None, *, compile_where: CompileWhere | None = None
) -> tuple[list[Problem], Deployment | None]:
    """Return what `check` returns, and the deployment as far as it can be read; with `compile_where` row filters are compiled too."""
    documents = read_documents(config, data)
    return _problems(documents, compile_where), documents.deployment


def by_dataset(problems: Iterable[Problem], deployment: Deployment) -> dict[str, list[Problem]]:
    """Return the problems of each dataset by its id; '' has those of the folder, which concern all."""
    ids = {path.name: dataset for dataset, path in deployment.paths.items()}
    result: dict[str, list[Problem]] = {}
    for problem in problems:
        file = PurePosixPath(problem.file)
        # A file that cannot be read has no id but that of its name.
        dataset = ids.get(file.name, file.stem) if file.parts[0] == "datasets" else ""
        result.setdefault(dataset, []).append(problem)
    return result


def checked(config: Path, data: Path | None = None) -> Deployment:
    """Read a deployment folder and check it whole.

    Raises
    ------
    ContractError
        With every problem of every file.
    """
    problems, deployment = examined(config, data)
    if problems or deployment is None:
        raise ContractError(problems)
    return deployment


def check_contract(contract: Contract, deployment: Deployment, compile_where: CompileWhere | None = None) -> Iterator[Finding]:
    """Yield what the rules find in one dataset."""
    found = False
    for rule in RULES:
        for finding in rule(contract, deployment):
            found = True
            yield finding
    if compile_where is not None and not found:
        yield from checks_of_release.filters(contract, compile_where)


def _problems(documents: Documents, compile_where: CompileWhere | None) -> list[Problem]:
    problems = list(documents.problems)
    deployment = documents.deployment
    if deployment is not None:
        for city_rule in checks_of_deployment.RULES:
            problems += (documents.deployment_file.problem(path, message) for path, message in city_rule(deployment))
        problems += checks_of_deployment.key_registers(deployment)
        for name, contract in deployment.contracts.items():
            findings = check_contract(contract, deployment, compile_where)
            problems += (documents.datasets[name].problem(path, message) for path, message in findings)
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0))
