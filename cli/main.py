r"""The `stadtgrund` command: a table of verbs, each in its own file, imported when it is called.

A verb's file exposes `command` (a function with typer annotations) or, for a group, `app` (a `typer.Typer`).
Its docstring is the help; it ends with a paragraph that `\b` keeps unwrapped and that begins with "Beispiel:".

Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted. No traceback without `--debug`.
"""

from __future__ import annotations

__all__ = ["VERBS", "app", "main", "run"]

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from typer.exceptions import TyperException

import stadtgrund
from cli import context
from cli.console import data, tell
from cli.wording import built, told
from stadtgrund.errors import ContractError, StadtgrundError, UnknownName, UsageError, by_locale

VERBS: dict[str, str] = {
    "run": "Alles auf einmal: PostGIS starten, laden, die API ausliefern.",
    "new": "Einen Deployment-Ordner für eine eigene Stadt anlegen.",
    "init": "Eine Quelle ansehen und den Vertrag ausgeben, der sie lädt.",
    "check": "Die Verträge eines Deployment-Ordners prüfen.",
    "schema": "Das JSON-Schema der Verträge für Editoren schreiben.",
    "load": "Datensätze laden, prüfen und als neue Version veröffentlichen.",
    "apply": "Geänderte Verträge ohne neue Daten übernehmen.",
    "release": "Die Schutzprüfung eines Datensatzes festhalten.",
    "status": "Zeigen, was veröffentlicht ist und was läuft.",
    "report": "Den Bericht einer Ladung zeigen.",
    "rollback": "Eine frühere Version wieder ausliefern.",
    "withdraw": "Einen Datensatz zurückziehen.",
    "serve": "Die API ausliefern.",
    "render": "Die pygeoapi.yml für einen gewöhnlichen pygeoapi schreiben.",
    "docs": "Eine Seite über die Datensätze schreiben.",
    "tiles": "Kacheln vorab erzeugen oder gespeicherte löschen.",
    "export": "Ein QGIS-Projekt oder ganze Datensätze als Dateien schreiben.",
    "keys": "API-Schlüssel anlegen, auflisten, sperren.",
    "db": "Die Datenbank starten, anhalten, einrichten, öffnen.",
    "demo": "Die Vorführung vorbereiten oder auf ihren Anfang zurücksetzen.",
    "doctor": "Prüfen, ob diese Maschine alles hat, und sagen, was hilft.",
}
"""Verb (= module in `cli/`) → its line in `stadtgrund --help`."""

_DELEGATED = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

app = typer.Typer(
    name="stadtgrund",
    help="Stadtgrund: aus den Geodaten einer Stadt werden OGC-APIs.",
    epilog="Beispiel: stadtgrund load --all && stadtgrund serve. Hilfe zu einem Befehl: stadtgrund BEFEHL --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        data(f"stadtgrund {stadtgrund.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="ORDNER", help="Deployment-Ordner; sonst STADTGRUND_CONFIG, sonst Musterstadt.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Bei einem Fehler den Traceback zeigen.")] = False,
    _: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Die Version zeigen.")] = False,
) -> None:
    if config is not None and not config.is_dir():
        raise UsageError(
            by_locale(f"--config: {config} ist kein Ordner.", f"--config: {config} is not a folder."),
            remedy=by_locale("Erwartet wird ein Ordner mit deployment.yml.", "Expected is a folder with deployment.yml."),
        )
    context.configure(config, debug=debug)


def _delegate(ctx: typer.Context) -> None:
    """Import the verb's module and run it with the rest of the command line."""
    name = str(ctx.info_name)
    module = importlib.import_module(f"cli.{name}")
    verb: typer.Typer | None = getattr(module, "app", None)
    if verb is None:
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(name, context_settings={"help_option_names": ["-h", "--help"]})(module.command)
    result = built(verb).main(args=ctx.args, prog_name=ctx.command_path, standalone_mode=False)
    if isinstance(result, int) and result:  # the code of a typer.Exit, which only the outermost command turns into an end
        raise typer.Exit(result)


for _verb, _line in VERBS.items():
    app.command(_verb, help=_line, context_settings=_DELEGATED)(_delegate)


def _hoist(arguments: Sequence[str]) -> list[str]:
    """Move `--debug` and `--config` to the front: people write them behind the verb too."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--debug" or word.startswith("--config="):
            front.append(word)
        elif word == "--config":
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; what was raised on purpose is told on stderr."""
    words = _hoist(arguments)
    try:
        # Not app(words): that puts typer's own excepthook in the place of ours.
        result = built(app).main(args=words, prog_name="stadtgrund", standalone_mode=False)
    except TyperException as error:
        for line in told(error):
            tell(line)
        return error.exit_code
    except typer.Abort:
        tell(by_locale("Abgebrochen.", "Aborted."))
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except StadtgrundError as error:
        if "--debug" in words:
            traceback.print_exception(error)
        for line in (error.what, error.kept, error.remedy):
            if line:
                tell(line)
        return 2 if isinstance(error, UsageError | ContractError | UnknownName) else 1
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else 0


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell what nobody foresaw in one sentence; Python ends with exit code 1 after it."""
    if "--debug" in sys.argv:
        traceback.print_exception(kind, error, trace)
    elif isinstance(error, KeyboardInterrupt):
        return
    elif isinstance(error, BrokenPipeError):  # whoever read us (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        german, english = (f" für {error.filename}", f" for {error.filename}") if error.filename else ("", "")
        tell(by_locale(f"Kein Platz mehr auf dem Datenträger{german}.", f"No space left on the disk{english}."))
        tell(
            by_locale(
                "Was veröffentlicht war, ist unverändert. Schaffen Sie Platz und wiederholen Sie den Befehl.",
                "What was published is unchanged. Make room and repeat the command.",
            )
        )
    else:
        more = by_locale("Mit --debug steht hier, wo.", "With --debug the place is shown here.")
        if isinstance(error, OSError):
            what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        else:
            what = f"{by_locale('Unerwarteter Fehler', 'Unexpected error')}: {kind.__name__}: {' '.join(str(error).split())}"
        tell(f"{what}. {more}")


def main() -> None:
    """Entry point of the `stadtgrund` command."""
    sys.excepthook = _unexpected
    sys.exit(run(sys.argv[1:]))
