"""What typer says by itself (the frame of a help page, a misused command line), in the language of the locale."""

from __future__ import annotations

__all__ = ["built", "told"]

import re
from collections.abc import Sequence

import typer

# typer does not export these: it carries them, and has no translations (0.29).
from typer._click.core import Command
from typer._click.exceptions import NoArgsIsHelpError, UsageError
from typer._click.formatting import HelpFormatter
from typer.core import TyperGroup
from typer.exceptions import TyperException

from stadtgrund.errors import UnknownName, by_locale
from stadtgrund.language import language

_HEADINGS = {"Options": "Optionen", "Arguments": "Argumente", "Commands": "Befehle"}

_SENTENCES = (
    (r"Missing argument '(.+)'\.", r"Das Argument \1 fehlt."),
    (r"Missing option '(.+)'\.", r"Die Option \1 fehlt."),
    (r"Missing command\.", "Der Befehl fehlt."),
    (r"Option '(.+)' requires an argument\.", r"Die Option \1 braucht einen Wert."),
    (r"Option '(.+)' does not take a value\.", r"Die Option \1 nimmt keinen Wert."),
    (r"Got unexpected extra argument\(s\) \((.+)\)", r"Zu viele Argumente: \1."),
    (r"Invalid value for '(.+)': Input should be a valid integer.*", r"\1: Erwartet wird eine ganze Zahl."),
    (r"Invalid value for '(.+)': Input should be greater than or equal to (.+)", r"\1: Der kleinste erlaubte Wert ist \2."),
    (r"Invalid value for '(.+)': Input should be less than or equal to (.+)", r"\1: Der größte erlaubte Wert ist \2."),
    (r"Invalid value for '(.+)': (.+)", r"\1: \2"),
)
"""typer's sentence about a command line (a pattern for all of it) → the German one."""


class _Formatter(HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        if language() == "de":
            prefix = prefix or "Aufruf: "
            args = args.replace("[OPTIONS]", "[OPTIONEN]").replace("COMMAND [ARGS]...", "BEFEHL [ARGUMENTE]...")
        super().write_usage(prog, args, prefix)

    def write_heading(self, heading: str) -> None:
        super().write_heading(by_locale(_HEADINGS.get(heading, heading), heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(first, by_locale(_german(second), second)) for first, second in rows], col_max, col_spacing)


class _Context(typer.Context):
    formatter_class = _Formatter


def built(app: typer.Typer) -> Command:
    """Return the command of `app`, whose help pages have their frame in the language of the locale."""
    command = typer.main.get_command(app)
    for each in (command, *(command.commands.values() if isinstance(command, TyperGroup) else ())):
        each.context_class = _Context
    return command


def told(error: TyperException) -> list[str]:
    """Return the lines that say how a command line is wrong: the usage, the sentence, what is known, where help is."""
    said = error.format_message()
    if isinstance(error, NoArgsIsHelpError) or not isinstance(error, UsageError) or error.ctx is None:
        return [said]
    usage = error.ctx.get_usage()
    command = error.ctx.command_path
    return [usage, *_sentences(error, said), by_locale(f"Hilfe: {command} --help", f"Help: {command} --help")]


def _sentences(error: UsageError, said: str) -> list[str]:
    assert error.ctx is not None
    if isinstance(error.ctx.command, TyperGroup) and (match := re.match(r"No such command (['\"])(.*?)\1\.", said, re.DOTALL)):
        return _unknown("Befehl", "command", match[2], list(error.ctx.command.commands))
    if match := re.match(r"No such option: (\S+)", said):
        names = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts if name.startswith("--")]
        return _unknown("Option", "option", match[1], names)
    if language() == "de":
        for pattern, german in _SENTENCES:
            if match := re.fullmatch(pattern, said, re.DOTALL):
                return [match.expand(german)]
    return [said]


def _unknown(german: str, english: str, name: str, known: list[str]) -> list[str]:
    error = UnknownName(german, english, name, known)
    return [error.what, error.remedy]


def _german(help_of_option: str) -> str:
    """Return the help of an option with what typer adds to it ("[default: open]") in German."""
    if help_of_option == "Show this message and exit.":
        return "Diese Hilfe zeigen."
    text, gap, added = help_of_option.rpartition("  [")
    return text + gap + re.sub(r"\brequired\b", "nötig", added.replace("default: ", "Vorgabe: ")) if gap else help_of_option
