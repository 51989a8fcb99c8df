"""A YAML file as data, with the line of each key and item.

Scalars follow YAML 1.2: only `true` and `false` are booleans, and a date or a number with a leading zero stays text. Under the
1.1 rules of PyYAML `no` in a code list is False, the key `on` of a join is True and a Gemeindeschlüssel 01001000 is a number in base 8.
"""

from __future__ import annotations

__all__ = ["Document", "Finding", "Path", "compose", "data_of", "parse"]

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from stadtgrund.errors import Problem
from stadtgrund.language import say

Path = tuple[str | int, ...]
"""Keys and positions from the root of a document to a value."""

Finding = tuple[Path, str]
"""Where something is wrong, and the sentence that says what."""

_MAX_DEPTH = 40


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema; its marks count characters, so that text can be replaced by them."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own class attribute


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]{0,30})$", "-+0123456789"),
    ("float", r"^[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), [*_first, *([""] if _tag == "null" else [])])


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, where PyYAML has it: ten times as fast, with lines, but worse messages."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


@dataclass(frozen=True)
class Document:
    """A parsed file. `lines` has the line (from 1) of each path; `problems` what YAML itself had to say."""

    name: str
    text: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: Iterable[str | int]) -> int | None:
        """Return the line of `path`, or of the nearest thing around it that has one."""
        steps = tuple(path)
        while steps:
            if steps in self.lines:
                return self.lines[steps]
            steps = steps[:-1]
        return self.lines.get(())

    def label(self, path: Iterable[str | int]) -> str:
        """Return `path` as people write it: fields[bsn].type, where an item is called by its name when it has one."""
        label, value = "", self.data
        for step in path:
            inner = value[step] if isinstance(value, dict) and step in value else None
            if isinstance(step, int):
                inner = value[step] if isinstance(value, list) and step < len(value) else None
                name = inner.get("name") if isinstance(inner, dict) else None
                label += f"[{name}]" if isinstance(name, str) else f"[{step + 1}]"
            else:
                label += f".{step}" if label else step
            value = inner
        return label

    def problem(self, path: Iterable[str | int], message: str) -> Problem:
        """Return a problem at `path` of this file."""
        steps = tuple(path)
        return Problem(self.name, self.line(steps), self.label(steps), message)


def compose(text: str) -> yaml.Node | None:
    """Return the node tree of YAML text, None for an empty one; raises PyYAML's errors."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def _fast(text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_FastLoader)
    except yaml.YAMLError:
        return compose(text)  # says better what is wrong
    return node


def data_of(node: yaml.Node) -> Any:
    """Return what a node says; what cannot be said is left out."""
    return _Reader("").value(node, (), ())


def parse(name: str, text: str) -> Document:
    """Read YAML text; what is wrong with it is in `problems` of the result, never raised."""
    try:
        root = _fast(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        detail = ", ".join(part for part in (error.context, error.problem) if part)
        if "\t" in text.split("\n")[(line or 1) - 1 : line or 1][0] and "token" in detail:
            message = say(
                "Ein Tabulator ist in YAML nicht erlaubt: mit Leerzeichen einrücken.", "A tab is not allowed in YAML: indent with spaces."
            )
        else:
            message = say(f"Das ist kein gültiges YAML: {detail}.", f"This is not valid YAML: {detail}.")
        return Document(name, text, problems=(Problem(name, line, "", message),))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = f"U+{error.character:04X}" if isinstance(error.character, int) else str(error.character)
        message = say(f"Das Zeichen {code} ist in YAML nicht erlaubt.", f"The character {code} is not allowed in YAML.")
        return Document(name, text, problems=(Problem(name, line, "", message),))
    reader = _Reader(name)
    data = reader.value(root, (), ()) if root is not None else None
    return Document(name, text, data, reader.lines, tuple(reader.problems))


class _Reader:
    """Turns nodes into data, noting lines; refuses duplicate keys, tags and loops."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in above or len(above) > _MAX_DEPTH:
            self.refuse(node, path, say("Ein Verweis (*) darf nicht auf sich selbst zeigen.", "An alias (*) must not point to itself."))
            return None
        above = (*above, id(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.refuse_tag(node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number), above) for number, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: Path, above: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(key_node, path, say("Ein Schlüssel muss ein einfacher Text sein.", "A key must be plain text."))
                continue
            key = str(key_node.value)  # the text as written: 01 stays "01", no stays "no"
            if key in result:
                first = self.lines[(*path, key)]
                self.refuse(
                    key_node,
                    (*path, key),
                    say(
                        f"steht zweimal (zuerst in Zeile {first}); eines entfernen.", f"is given twice (first in line {first}); remove one."
                    ),
                )
                continue
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key), above)
        return result

    def scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "str":
                return text
        self.refuse_tag(node, path)
        return None

    def refuse_tag(self, node: yaml.Node, path: Path) -> None:
        self.refuse(node, path, say(f"Die YAML-Kennung {node.tag} wird nicht unterstützt.", f"The YAML tag {node.tag} is not supported."))

    def refuse(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(Problem(self.name, node.start_mark.line + 1, ".".join(map(str, path)), message))
