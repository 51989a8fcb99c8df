"""What a rule found: a count, a sentence in the language of the locale, some examples."""

from __future__ import annotations

__all__ = ["DEFAULTS", "Finding", "english_count", "format_count", "outcome_of"]

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stadtgrund.catalog.contract import Contract

DEFAULTS = {
    "valid_geometry": "report",
    "required": "reject",
    "unique": "reject",
    "codelist": "report",
    "row_count": "stop",
}
"""What happens where a rule fails that the contract's `quality` does not name."""


@dataclass(frozen=True)
class Finding:
    """What a rule found in a load. `on_fail` says what was done: report, repair, reject or stop."""

    rule: str
    on_fail: str
    count: int
    message: str
    field: str | None = None
    sample: tuple[Any, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of the finding, without what is empty."""
        return {
            "rule": self.rule,
            **({"field": self.field} if self.field else {}),
            "on_fail": self.on_fail,
            "count": self.count,
            "message": self.message,
            **({"sample": list(self.sample)} if self.sample else {}),
        }


def outcome_of(contract: Contract) -> Callable[[str, str | None], str]:
    """Return the function (rule, field) → on_fail: the rule for that field first, then the one for all, then the default."""
    stated: dict[tuple[str, str | None], str] = {(rule.rule, rule.field): rule.on_fail for rule in contract.quality}

    def outcome(rule: str, name: str | None) -> str:
        return stated.get((rule, name)) or stated.get((rule, None)) or DEFAULTS[rule]

    return outcome


def format_count(count: int, one: str, many: str) -> str:
    """Return "1 Zeile", "12.345 Zeilen": the number as Germans write it."""
    return f"{count:,}".replace(",", ".") + f" {one if count == 1 else many}"


def english_count(count: int, one: str, many: str) -> str:
    """Return "1 row", "12,345 rows": the number as the English write it."""
    return f"{count:,} {one if count == 1 else many}"
