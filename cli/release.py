"""`stadtgrund release`: put the closed questions, write the answers into the contract, and let what follows from them be seen."""

from __future__ import annotations

__all__ = ["Answers", "ask", "command", "from_flags"]

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, get_args

import typer

from cli import context
from cli.console import data, data_json, has_terminal, tell
from stadtgrund.catalog import access, checks, release
from stadtgrund.catalog.contract import Contract, Ground, Text
from stadtgrund.catalog.document import parse
from stadtgrund.catalog.questions import questions
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.rewrite import with_protection, write_protection
from stadtgrund.errors import ContractError, Problem, StadtgrundError, UsageError, by_locale
from stadtgrund.identity import OPEN, VERWALTUNG

_GROUNDS: tuple[Ground, ...] = get_args(Ground)
_NONE = "NONE"


@dataclass(frozen=True)
class Answers:
    """A protection check as it was answered. `fields` has the fields with a word of their own; the others stay as the contract says."""

    by: str
    grounds: tuple[Ground, ...]
    weighing: str | None = None
    fields: dict[str, tuple[Ground, ...]] = field(default_factory=dict)


def from_flags(
    contract: Contract, folder: Path, *, by: str, grounds: Iterable[str], weighing: Path | None, fields: Iterable[str]
) -> Answers:
    """Read the answers from the flags.

    Raises
    ------
    UsageError
        Naming the flag, its value and what is allowed.
    """
    chosen = _grounds("--ground", grounds)
    own: dict[str, list[str]] = {}
    for item in fields:
        name, separator, ground = item.partition("=")
        if not separator or name not in (known := [one.name for one in contract.fields]):
            raise UsageError(
                by_locale(f"--field {item}: erwartet wird FELD=Schutzgrund.", f"--field {item}: expected is FIELD=ground."),
                remedy=by_locale(f"Felder: {', '.join(known)}.", f"Fields: {', '.join(known)}.")
                if separator
                else by_locale(f"Schutzgründe: {_allowed()}.", f"Grounds: {_allowed()}."),
            )
        own.setdefault(name, []).append(ground)
    named = {name: _grounds(f"--field {name}", values) for name, values in own.items()}
    return Answers(by, chosen, _weighing(weighing, folder) if weighing else None, named)


def _allowed() -> str:
    return ", ".join((_NONE, *_GROUNDS))


def _grounds(flag: str, values: Iterable[str]) -> tuple[Ground, ...]:
    given = list(values)
    for value in given:
        if value not in (_NONE, *_GROUNDS):
            raise UsageError(
                by_locale(f"{flag}={value}: diesen Schutzgrund gibt es nicht.", f"{flag}={value}: there is no such ground."),
                remedy=by_locale(f"Erlaubt: {_allowed()}.", f"Allowed: {_allowed()}."),
            )
    if _NONE in given and len(set(given)) > 1:
        raise UsageError(
            by_locale(f"{flag}: {_NONE} und ein Schutzgrund schließen sich aus.", f"{flag}: {_NONE} and a ground exclude each other.")
        )
    return tuple(ground for ground in _GROUNDS if ground in given)


def _weighing(path: Path, folder: Path) -> str:
    """Return the weighing's path relative to the deployment folder: it is kept beside the contract, under the city's version control."""
    for candidate in (path, folder / path):
        if candidate.is_file():
            if candidate.resolve().is_relative_to(folder.resolve()):
                return candidate.resolve().relative_to(folder.resolve()).as_posix()
            raise UsageError(
                by_locale(f"--weighing {path}: liegt nicht im Deployment-Ordner.", f"--weighing {path}: is not in the deployment folder."),
                remedy=by_locale(f"Legen Sie die Abwägung unter {folder} ab.", f"Put the weighing below {folder}."),
            )
    raise UsageError(
        by_locale(f"--weighing {path}: diese Datei gibt es nicht.", f"--weighing {path}: there is no such file."),
        remedy=by_locale(f"Legen Sie die Abwägung unter {folder} ab.", f"Put the weighing below {folder}."),
    )


def ask(contract: Contract, folder: Path, *, by: str | None, prompt: Callable[[str], str]) -> Answers:
    """Put the closed questions, one after the other, until each has an answer that is allowed.

    Parameters
    ----------
    prompt : callable
        Shows a text and returns the line that was typed.
    """
    names = [one.name for one in contract.fields]
    while not by:
        by = prompt(by_locale("Wer hat geprüft (Stelle, Funktion)? ", "Who checked (unit, function)? ")).strip()
    tell(
        by_locale(
            "Fünf Fragen, jede mit j oder n; danach, ob der Grund nur für einzelne Felder gilt.",
            "Five questions, y or n each; then, by field.",
        )
    )
    grounds: list[Ground] = []
    fields: dict[str, list[Ground]] = {name: [] for name in names}
    for question in questions():
        tell("")
        tell(f"{_text(question.name)}: {_text(question.explanation)}")
        if _yes(prompt, f"{_text(question.question)} {by_locale('[j/n]', '[y/n]')} "):
            if _yes(
                prompt, by_locale("Gilt das für den Datensatz als Ganzes? [j/n] ", "Does that hold for the dataset as a whole? [y/n] ")
            ):
                grounds.append(question.ground)
            else:
                for name in _chosen_fields(prompt, names):
                    fields[name].append(question.ground)
    weighing: str | None = None
    if grounds or any(fields.values()):
        weighing = _asked_weighing(prompt, folder)
    changed = {name: tuple(own) for name, own in fields.items() if tuple(own) != contract.field(name).grounds}
    return Answers(by, tuple(grounds), weighing, changed)


def _text(text: Text) -> str:
    return by_locale(text.de, text.get("en"))


def _yes(prompt: Callable[[str], str], text: str) -> bool:
    while True:
        answer = prompt(text).strip().lower()
        if answer in ("j", "ja", "y", "yes"):
            return True
        if answer in ("n", "nein", "no"):
            return False


def _chosen_fields(prompt: Callable[[str], str], names: list[str]) -> list[str]:
    while True:
        text = by_locale(
            f"Für welche Felder (durch Komma getrennt)? Es gibt: {', '.join(names)}\n> ",
            f"For which fields (separated by commas)? There are: {', '.join(names)}\n> ",
        )
        chosen = [part.strip() for part in prompt(text).split(",") if part.strip()]
        unknown = [name for name in chosen if name not in names]
        if chosen and not unknown:
            return chosen
        if unknown:
            tell(by_locale(f"Unbekannt: {', '.join(unknown)}.", f"Unknown: {', '.join(unknown)}."))


def _asked_weighing(prompt: Callable[[str], str], folder: Path) -> str | None:
    while True:
        typed = prompt(
            by_locale(
                "Liegt eine dokumentierte Abwägung vor, die trotzdem öffnet? Datei im Deployment-Ordner, leer = nein: ",
                "Is there a recorded weighing that opens it nevertheless? File in the deployment folder, empty = no: ",
            )
        ).strip()
        if not typed:
            return None
        try:
            return _weighing(Path(typed), folder)
        except UsageError as error:
            tell(str(error))


def _missing_flags(by: str | None, grounds: list[str]) -> list[str]:
    return [flag for flag, given in (("--by", by), ("--ground", grounds)) if not given]


def _visible(contract: Contract, deployment: Deployment) -> list[dict[str, object]]:
    """Say per profile whether it sees the dataset, which of its fields not, and why."""
    seen: list[dict[str, object]] = []
    for profile, texts in deployment.profiles.items():
        decision = access.decide(contract, profile)
        shown = decision.form.fields if decision.form else ()
        seen.append(
            {
                "profile": profile,
                "title": _text(texts.title),
                "form": decision.form.name if decision.form else None,
                "reason": _text(decision.reason),
                "without": [one.name for one in contract.fields if decision.form and one.name not in shown],
            }
        )
    return seen


def _problems(deployment: Deployment, contract: Contract, text: str) -> list[Problem]:
    """Return what is wrong in the file of `contract` once it says `text`."""
    from stadtgrund.query.form_filter import compile_where

    document = parse(f"datasets/{deployment.path_of(contract.id).name}", text.removeprefix("\ufeff"))
    return [document.problem(path, message) for path, message in checks.check_contract(contract, deployment, compile_where)]


def _take_effect(deployment: Deployment, contract: Contract, answers: Answers, *, is_right: bool) -> None:
    """Log the decision and give each profile what it may now see; joins that would show more are taken from the public."""
    # Database and parser: not for a dry run or a question unanswered.
    from cli import closing
    from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
    from stadtgrund.store import applied, forms

    dataset, release, reason = contract.id, forms.Release(answers.by, asdict(answers)), access.decide(contract, VERWALTUNG).reason
    try:
        db = context.database()
        context.check_again()
        if not is_right:
            applied.hide(db, dataset, reason, contract=contract, release=release)
        else:
            try:
                forms.reconcile(
                    db,
                    deployment,
                    contract,
                    compile_where=compile_where,
                    compile_text=compile_text,
                    compile_tiles=compile_tiles,
                    release=release,
                )
            except StadtgrundError:
                if access.decide(contract, OPEN).form is None:  # also where it is not public yet, but is being published
                    applied.hide(db, dataset, reason, contract=contract, release=release)
                closing.close(db, [dataset])
                raise
        if not closing.close(db, [dataset]):
            raise typer.Exit(1)
    except StadtgrundError:
        tell(
            by_locale(
                f"Die Schutzprüfung steht im Vertrag; wirksam wird sie mit: stadtgrund apply {dataset}",
                f"The protection check is in the contract; it takes effect with: stadtgrund apply {dataset}",
            )
        )
        raise


def command(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Kennung des Datensatzes.")],
    by: Annotated[str | None, typer.Option("--by", metavar="TEXT", help="Wer geprüft hat: Stelle, Funktion.")] = None,
    ground: Annotated[
        list[str] | None, typer.Option("--ground", metavar="GRUND", help=f"Schutzgrund, mehrfach möglich: {_allowed()}.")
    ] = None,
    weighing: Annotated[
        Path | None, typer.Option("--weighing", metavar="DATEI", help="Dokumentierte Abwägung, die trotz Schutzgrund öffnet.")
    ] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="FELD=GRUND", help="Schutzgrund eines Feldes, mehrfach möglich.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Nur zeigen, was danach wer sähe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Das Ergebnis als eine Zeile JSON.")] = False,
) -> None:
    """Die Schutzprüfung eines Datensatzes festhalten und zeigen, wer ihn danach sieht.

    Am Terminal wird gefragt; ohne Terminal, oder mit --by und --ground, gilt, was angegeben ist.
    Geschrieben werden der Abschnitt protection und die Schutzgründe der Felder im Vertrag. Verknüpfungen, die danach zeigten,
    was hier geschlossen ist, sind nicht mehr öffentlich.

    \b
    Beispiel: stadtgrund release schulen --by "Schulamt, Datenverantwortliche" --ground NONE
              stadtgrund release leitungen --by Tiefbauamt --ground security_critical
              stadtgrund release kitas --by Jugendamt --ground NONE --field leitung=personal_data
    """
    deployment = context.readable(told=False)
    if dataset not in deployment.contracts:
        context.require_file(dataset)
    contract = deployment.contract(dataset)
    missing = _missing_flags(by, ground or [])
    if missing and not has_terminal():
        raise UsageError(
            by_locale(
                f"Ohne Terminal kann nicht gefragt werden: {' und '.join(missing)} fehlt.",
                f"There is no terminal to ask at: {' and '.join(missing)} is missing.",
            ),
            remedy=by_locale(
                f'Zum Beispiel: stadtgrund release {dataset} --by "Amt, Funktion" --ground {_NONE}',
                f'For example: stadtgrund release {dataset} --by "unit, function" --ground {_NONE}',
            ),
        )
    if missing and (ground or weighing or fields):
        raise UsageError(
            by_locale(f"{' und '.join(missing)} fehlt.", f"{' and '.join(missing)} is missing."),
            remedy=by_locale(
                "Geben Sie alle Antworten an, oder keine: dann wird gefragt.", "Give all answers, or none: then you are asked."
            ),
        )
    if by is not None and ground:
        answers = from_flags(contract, deployment.folder, by=by, grounds=ground, weighing=weighing, fields=fields or [])
    else:
        answers = ask(
            contract,
            deployment.folder,
            by=by,
            prompt=lambda text: typer.prompt(text, prompt_suffix="", default="", show_default=False, err=True),
        )
    checked = release.record(
        contract, checked=date.today(), by=answers.by, grounds=answers.grounds, field_grounds=answers.fields, weighing=answers.weighing
    )
    path = deployment.path_of(dataset)
    deployment = replace(deployment, contracts=MappingProxyType({**deployment.contracts, dataset: checked}))
    text = with_protection(path.read_bytes().decode("utf-8"), checked.protection, answers.fields)
    problems = _problems(deployment, checked, text)
    if problems and access.decide(checked, OPEN).form is not None:
        raise ContractError(
            problems,
            kept=by_locale("Nichts wurde geschrieben oder geöffnet.", "Nothing was written or opened."),
            remedy=by_locale(
                f"Sofort ganz schließen: stadtgrund withdraw {dataset}", f"To close it at once: stadtgrund withdraw {dataset}"
            ),
        )
    for problem in problems:  # a closing is never refused
        tell(by_locale(f"Hinweis: {problem}", f"Note: {problem}"))
    if not dry_run:
        write_protection(path, checked.protection, answers.fields)
        _take_effect(deployment, checked, answers, is_right=not problems)
    seen = _visible(checked, deployment)
    if as_json:
        data_json({"dataset": dataset, "written": None if dry_run else str(path), "state": release.state(checked).name, "profiles": seen})
        return
    data(f"{dataset}: {by_locale('Probe, nichts geschrieben', 'dry run, nothing written') if dry_run else path}")
    for one in seen:
        word = by_locale("sieht ihn", "sees it") if one["form"] else by_locale("sieht ihn nicht", "does not see it")
        data(f"  {one['title']} ({one['profile']}) {word}. {one['reason']}")
        if one["without"]:
            data(f"    {by_locale('ohne', 'without')}: {', '.join(map(str, one['without']))}")  # type: ignore[call-overload]
