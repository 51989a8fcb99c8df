"""A contract that is being drafted: values, the comments that explain them, and notes for whoever called."""

from __future__ import annotations

__all__ = ["Draft"]

from dataclasses import dataclass, field
from typing import Any

from stadtgrund.catalog import contract_text


@dataclass
class Draft:
    """A contract that loads: `values` in the order of the file, `comments` by path, `notes` (German) for the terminal."""

    values: dict[str, Any]
    comments: dict[tuple[str | int, ...], list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The dataset's id."""
        return str(self.values["id"])

    def text(self) -> str:
        """Return the YAML."""
        return contract_text.write(self.values, self.comments)
