"""Write a protection check into a dataset's YAML file and leave every other byte as it is.

Values are replaced where they stand, by the marks of PyYAML's nodes: comments, order, quotes, line ends and a byte order mark stay.
"""

from __future__ import annotations

__all__ = ["with_protection", "write_protection"]

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stadtgrund.catalog.contract import Ground, Protection
from stadtgrund.catalog.document import compose, data_of, parse
from stadtgrund.errors import ReleaseError
from stadtgrund.language import say

_PLAIN = re.compile(r"[^\W\d_][\w.()/-]*(?: [\w.()/&-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_BEFORE = ("forms", "source", "geometry", "id_field", "fields")
_WIDTH = 120

Edit = tuple[int, int, str]
"""From, to (character offsets) and what stands there afterwards."""


def write_protection(path: Path, protection: Protection, field_grounds: Mapping[str, Collection[Ground]] | None = None) -> None:
    """Write a protection check into the file; it is replaced as a whole, or not at all.

    Raises
    ------
    ReleaseError
        When the file cannot be written, or has a form that cannot be edited in place.
    """
    try:
        before = path.read_bytes().decode("utf-8")
        after = with_protection(before, protection, field_grounds)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_bytes(after.encode("utf-8"))
            aside.chmod(path.stat().st_mode & 0o7777)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise ReleaseError(
            say(f"{path} kann nicht geschrieben werden: {error.strerror}.", f"{path} cannot be written: {error.strerror}."),
            kept=say("Die Datei ist unverändert.", "The file is unchanged."),
            remedy=say("Rechte des Ordners prüfen.", "Check the folder's rights."),
        ) from error


def with_protection(text: str, protection: Protection, field_grounds: Mapping[str, Collection[Ground]] | None = None) -> str:
    """Return the YAML `text` of a contract with this protection check, and these grounds at its fields.

    Raises
    ------
    ReleaseError
        When the result would not say exactly that.
    """
    root = compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ReleaseError(say("Die Datei ist kein Datensatz-Vertrag.", "The file is not a contract."))
    value = protection.model_dump(mode="json", exclude_none=True)
    edits = list(_set(text, root, "protection", value, _BEFORE))
    for item in _items(root, "fields"):
        name = next((str(node.value) for key, node in item.value if key.value == "name"), "")
        if field_grounds is not None and name in field_grounds:
            grounds = list(field_grounds[name])
            if grounds or any(key.value == "grounds" for key, _ in item.value):
                edits.extend(_set(text, item, "grounds", grounds))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    _verify(root, text, protection, field_grounds or {})
    return text


def _verify(root: yaml.MappingNode, text: str, protection: Protection, field_grounds: Mapping[str, Collection[Ground]]) -> None:
    new = parse("", text)
    expected = data_of(root)
    expected.pop("protection", None)
    for field in expected.get("fields", ()):
        if field.get("name") in field_grounds and (field_grounds[field["name"]] or "grounds" in field):
            field["grounds"] = list(field_grounds[field["name"]])
    found = dict(new.data) if isinstance(new.data, dict) and not new.problems else {}
    written = found.pop("protection", None)
    if found != expected or written is None or Protection.model_validate(written) != protection:
        raise ReleaseError(
            say(
                "Der Abschnitt protection lässt sich in dieser Datei nicht ersetzen.",
                "The block protection cannot be replaced in this file.",
            ),
            kept=say("Die Datei ist unverändert.", "The file is unchanged."),
            remedy=say("Anker (&) und Verweise (*) um protection und fields auflösen.", "Resolve anchors (&) and aliases (*) around it."),
        )


def _items(root: yaml.MappingNode, key: str) -> Iterable[yaml.MappingNode]:
    for key_node, value in root.value:
        if key_node.value == key and isinstance(value, yaml.SequenceNode):
            yield from (item for item in value.value if isinstance(item, yaml.MappingNode))


def _set(text: str, mapping: yaml.MappingNode, key: str, value: Any, before: Collection[str] = ()) -> Iterable[Edit]:
    """Yield the edits that give `mapping` the entry key: value; a new one goes before the first of `before`, else to the end."""
    for key_node, node in mapping.value:
        if key_node.value == key:
            yield from _replace(text, key_node, node, value)
            return
    newline = _newline(text)
    if mapping.flow_style:
        last = mapping.value[-1][1] if mapping.value else None
        place = _end(text, last) if last else mapping.start_mark.index + 1
        yield place, place, f"{', ' if last else ''}{key}: {_flow(value)}"
        return
    column = mapping.value[0][0].start_mark.column
    lines = _block({key: value}, column, newline)
    for key_node, _ in mapping.value:
        if key_node.value in before:
            place = _above_comments(text, _line_start(text, key_node.start_mark.index))
            yield place, place, lines
            return
    yield _after(text, _end(text, mapping), lines, newline)


def _replace(text: str, key_node: yaml.Node, node: yaml.Node, value: Any) -> Iterable[Edit]:
    newline, column = _newline(text), key_node.start_mark.column
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict) and not node.flow_style and value:
        for inner_key, inner in node.value:
            if inner_key.value in value:
                if data_of(inner) != value[inner_key.value]:
                    yield from _replace(text, inner_key, inner, value[inner_key.value])
            else:
                start, end = _line_start(text, inner_key.start_mark.index), _line_end(text, _end(text, inner) or inner_key.end_mark.index)
                yield start, end, ""
        known = {inner_key.value for inner_key, _ in node.value}
        fresh = {name: inner for name, inner in value.items() if name not in known}
        if fresh:
            lines = _block(fresh, node.value[0][0].start_mark.column, newline)
            yield _after(text, _end(text, node), lines, newline)
        return
    start, end = node.start_mark.index, _end(text, node)
    block_list = isinstance(node, yaml.SequenceNode) and not node.flow_style  # its first dash may stand below the key: no place for a value
    if start >= end or block_list:  # the first: nothing stands there yet
        start = text.index(":", key_node.end_mark.index) + 1
        end = max(start, end)
    if isinstance(value, dict) and value and not getattr(node, "flow_style", False):
        yield start, end, newline + _block(value, column + 2, newline).rstrip("\r\n")
    else:
        yield start, end, (" " if text[start - 1] in ":" else "") + _flow(value)


def _end(text: str, node: yaml.Node) -> int:
    """Return where the last thing of a node ends; a block's own end mark lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        key, value = node.value[-1]
        return max(_end(text, value), int(key.end_mark.index) + 1)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    return start + len(text[start:end].rstrip())


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _above_comments(text: str, line: int) -> int:
    """Return the start of the comment lines that stand right above a line."""
    while line > 0 and text[_line_start(text, line - 1) : line].lstrip().startswith("#"):
        line = _line_start(text, line - 1)
    return line


def _after(text: str, index: int, lines: str, newline: str) -> Edit:
    place = _line_end(text, index)
    return (place, place, lines) if text[:place].endswith("\n") else (place, place, newline + lines)


def _block(value: Mapping[str, Any], column: int, newline: str) -> str:
    """Return entries as lines; a mapping that does not fit into one line is a block of its own."""
    result, blanks = "", " " * column
    for key, inner in value.items():
        line = f"{blanks}{_scalar(key)}: {_flow(inner)}"
        if isinstance(inner, dict) and inner and (key == "protection" or len(line) > _WIDTH):
            result += f"{blanks}{_scalar(key)}:{newline}{_block(inner, column + 2, newline)}"
        else:
            result += line + newline
    return result


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    text = str(value)
    is_date = re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    is_digest = re.fullmatch(r"[0-9a-f]{12}", text) and re.search(r"[a-df]", text)  # 12e456… would be a number to others
    if is_date or is_digest or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    """Return a character as it stands between double quotes in YAML (JSON's pairs of surrogates are no YAML)."""
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
