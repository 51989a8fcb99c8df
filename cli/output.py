"""A file that a verb writes, told the same way by all of them: written, or with `--dry-run` only named; as text or as JSON."""

from __future__ import annotations

__all__ = ["as_current", "as_file"]

from pathlib import Path
from typing import Any

from cli.console import data, data_json, tell
from stadtgrund.errors import StadtgrundError, by_locale


def as_file(path: Path, content: str | bytes, *, dry_run: bool, as_json: bool, make_folder: bool = False, **facts: Any) -> None:
    """Write `content` and tell the file's place on stdout; `facts` go into its JSON.

    With `dry_run` nothing is written: whether the file would be new, changed or the same is told. `make_folder`: where its folder is
    missing it is made.

    Raises
    ------
    StadtgrundError
        When it cannot be written; with `dry_run` too, as far as its folder says so.
    """
    body = content.encode() if isinstance(content, str) else content
    state = _state(path, body)
    if dry_run:
        if not make_folder and not path.parent.is_dir():
            raise _not_written(path, by_locale("der Ordner fehlt", "there is no such folder"))
    else:
        try:
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        except OSError as error:
            raise _not_written(path, str(error.strerror)) from error
    if as_json:
        data_json({"file": path, "bytes": len(body), "state": state, "written": not dry_run, **facts})
        return
    data(str(path))
    if dry_run:
        told = {
            "new": by_locale("würde neu geschrieben", "would be new"),
            "changed": by_locale("würde geändert", "would be changed"),
            "same": by_locale("bliebe, wie sie ist", "would stay as it is"),
        }[state]
        tell(by_locale(f"Probe: {path} {told} ({len(body)} Bytes).", f"Dry run: {path} {told} ({len(body)} bytes)."))


def as_current(path: Path, content: str, *, as_json: bool, remedy: str) -> None:
    """Tell that a committed file is what would be written (`--check`).

    Raises
    ------
    StadtgrundError
        When it is not; `remedy` is the command that writes it.
    """
    state = _state(path, content.encode())
    if as_json:
        data_json({"file": path, "current": state == "same"})
    if state != "same":
        word = by_locale("fehlt", "is missing") if state == "new" else by_locale("ist veraltet", "is out of date")
        raise StadtgrundError(f"{path} {word}.", remedy=by_locale(f"Schreiben: {remedy}", f"Write it: {remedy}"))
    if not as_json:
        tell(by_locale(f"{path} ist aktuell.", f"{path} is up to date."))


def _state(path: Path, body: bytes) -> str:
    if not path.is_file():
        return "new"
    try:
        return "same" if path.read_bytes() == body else "changed"
    except OSError:  # not ours to read: writing it says why
        return "changed"


def _not_written(path: Path, reason: str) -> StadtgrundError:
    return StadtgrundError(
        by_locale(f"{path} kann nicht geschrieben werden: {reason}.", f"{path} cannot be written: {reason}."),
        remedy=by_locale("Anderer Ort: --output DATEI", "Another place: --output FILE"),
    )
