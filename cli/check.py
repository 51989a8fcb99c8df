"""`stadtgrund check`: whether the contracts of a deployment folder can be used."""

from __future__ import annotations

__all__ = ["command"]

from dataclasses import asdict
from typing import Annotated

import typer

from cli import context
from cli.console import data, data_json, tell
from stadtgrund.catalog import checks
from stadtgrund.errors import by_locale


def command(json_: Annotated[bool, typer.Option("--json", help="Je Fund eine Zeile JSON.")] = False) -> None:
    """Die Verträge eines Deployment-Ordners prüfen, dazu rules/ und viewer.yml: Datei, Zeile, Feld, was erlaubt ist.

    Ende mit 0, wenn alles stimmt, mit 1, wenn etwas gefunden wurde. Ohne --dry-run: geladen, veröffentlicht und geschrieben wird nichts.

    \b
    Beispiel: stadtgrund check
              stadtgrund check --config pygeoapi-config/berlin --json
    """
    from processes import checks_of_rules
    from server import viewer_file
    from stadtgrund.query.form_filter import compile_where

    wanted = context.settings().deployment
    problems, deployment = checks.examined(wanted.config, wanted.data, compile_where=compile_where)
    problems += [*checks_of_rules.check(wanted.config, deployment), *viewer_file.check(wanted.config, deployment)]
    for problem in problems:
        if json_:
            data_json(asdict(problem))
        else:
            data(str(problem))
    for remark in checks_of_rules.remarks(wanted.config, deployment) if deployment else ():
        tell(by_locale(f"Hinweis: {remark}", f"Note: {remark}"))
    if problems:
        tell(by_locale(f"{_counted(len(problems))} in {wanted.config}.", f"{len(problems)} problem(s) in {wanted.config}."))
        raise typer.Exit(1)
    tell(by_locale(f"{wanted.config}: alles in Ordnung.", f"{wanted.config}: all is well."))


def _counted(number: int) -> str:
    return "Ein Fehler" if number == 1 else f"{number} Fehler"
