"""A field of a contract that is being drafted."""

from __future__ import annotations

__all__ = ["FieldDraft"]

from dataclasses import dataclass, field
from typing import Any

from stadtgrund.catalog.contract import FieldType


@dataclass
class FieldDraft:
    """A field of the contract, with the reasons that stand above it as comments."""

    source: str
    name: str
    type: FieldType
    title: str
    format: str | None = None
    key: str | None = None
    required: bool = False
    unique: bool = False
    comments: list[str] = field(default_factory=list)

    def as_yaml(self) -> dict[str, Any]:
        """Return the keys of a contract's field."""
        made: dict[str, Any] = {"name": self.name}
        if self.source != self.name:
            made["from"] = self.source
        made |= {"type": self.type, "title": {"de": self.title}}
        made |= {key: value for key, value in (("format", self.format), ("key", self.key)) if value}
        made |= {key: True for key, value in (("required", self.required), ("unique", self.unique)) if value}
        return made
