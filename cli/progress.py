"""How far a load is: a bar with rate and time left on a terminal, plain lines otherwise; always on stderr."""

from __future__ import annotations

__all__ = ["LoadProgress"]

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli.console import tell
from stadtgrund.errors import by_locale

_NAMES = {
    "extract": ("lesen und ablegen", "read and stage"),
    "quality": ("prüfen", "check"),
    "publish": ("veröffentlichen", "publish"),
    "write": ("schreiben", "write"),
    "seed": ("Kacheln erzeugen", "make tiles"),
}
_EVERY_S = 5.0


class LoadProgress:
    """Takes the pipeline's progress calls; a context manager."""

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit or by_locale("Zeilen", "rows")
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._at: tuple[str, str] = ("", "")
        self._started = self._told = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def pause(self) -> None:
        """Remove the bar before something is written."""
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.refresh()
            self._task, self._at = None, ("", "")

    def __call__(self, dataset: str, phase: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` rows of `dataset` went through `phase`."""
        now = time.monotonic()
        new = (dataset, phase) != self._at
        if new:
            self._at, self._started, self._told = (dataset, phase), now, now
        label = f"{dataset}: {by_locale(*_NAMES[phase])}"
        speed = done / max(now - self._started, 0.001)
        numbers = by_locale(f"{done:,} {speed:,.0f}".replace(",", "."), f"{done:,} {speed:,.0f}").split()
        rate = f"{numbers[0]} {self.unit}, {numbers[1]}/s" if done else ""
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(label, total=total, rate=rate)
            self._bar.update(self._task, description=label, completed=done, total=total, rate=rate)
        elif new and phase in ("extract", "write", "seed"):
            tell(f"{label} …")
        elif done and now - self._told >= _EVERY_S:
            self._told = now
            share = f" ({100 * done / total:.0f} %)" if total else ""
            tell(f"{label}: {rate}{share}")
