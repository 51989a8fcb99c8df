"""A contract as YAML text in the house's form, with comments: what a steward goes on editing."""

from __future__ import annotations

__all__ = ["Comments", "write"]

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]
Comments = Mapping[Path, Sequence[str]]
"""Keys and positions from the root to a value → the lines that stand above it; () is the file's head."""

_WIDTH = 118
_PLAIN = re.compile(r"[^\W\d_][\w./()$%²³-]*(?: [\w./()$%²³-]+)*|EPSG:\d+|/[\w./-]+")
_PLAIN_IN_BLOCK = re.compile(r"\$\{DATA\}[\w./ -]*[\w./-]")  # braces mean something in a flow
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_BLOCKS = ("source", "description")


def write(values: Mapping[str, Any], comments: Comments | None = None) -> str:
    """Return a contract's values as YAML, one field a line where it fits; comments wrapped and indented like what they speak of."""
    comments = comments or {}
    lines = _remarks(comments.get((), ()), "")
    for key, value in values.items():
        lines += _remarks(comments.get((key,), ()), "")
        lines += _entry(key, value, (key,), "", comments)
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, path: Path, indent: str, comments: Comments) -> list[str]:
    name = f"{indent}{_scalar(key)}:"
    if isinstance(value, Mapping) and value:
        line = f"{name} {_flow(value)}"
        if not _has_remarks(path, comments) and path[-1] not in _BLOCKS and len(line) <= _WIDTH:
            return [line]
        made = [name]
        for inner, item in value.items():
            made += _remarks(comments.get((*path, inner), ()), indent + "  ")
            made += _entry(inner, item, (*path, inner), indent + "  ", comments)
        return made
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        made = [name]
        for place, item in enumerate(value):
            made += _remarks(comments.get((*path, place), ()), indent + "  ")
            made += _item(item, (*path, place), indent, comments)
        return made
    if isinstance(value, str) and _PLAIN_IN_BLOCK.fullmatch(value):
        return [f"{name} {value}"]
    return [f"{name} {_flow(value)}"]


def _item(item: Any, path: Path, indent: str, comments: Comments) -> list[str]:
    line = f"{indent}  - {_flow(item)}"
    if not isinstance(item, Mapping) or not item or len(line) <= _WIDTH + 22:
        return [line]
    made: list[str] = []
    for key, value in item.items():
        made += _entry(key, value, (*path, key), indent + "    ", comments)
    return [f"{indent}  - {made[0].lstrip()}", *made[1:]]


def _has_remarks(path: Path, comments: Comments) -> bool:
    return any(other[: len(path)] == path and len(other) > len(path) for other in comments)


def _remarks(texts: Sequence[str], indent: str) -> list[str]:
    lines: list[str] = []
    for text in texts:
        one_line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]", " ", text).split())
        lines += textwrap.wrap(
            one_line,
            _WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))  # without a point, 1e-06 is text to our reader
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # YAML's double quotes take JSON's escapes; what it would not take raw is escaped.
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]",
        lambda sign: f"\\u{ord(sign[0]):04x}",
        json.dumps(text, ensure_ascii=False),
    )
