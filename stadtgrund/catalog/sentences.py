"""pydantic's errors as sentences: what is wrong, what is allowed, what was probably meant."""

from __future__ import annotations

__all__ = ["problems_of"]

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stadtgrund.catalog.document import Document, Path
from stadtgrund.errors import Problem, nearest
from stadtgrund.language import say

_PATTERNS = {
    r"^[a-z][a-z0-9_]{0,47}$": (
        "Kleinbuchstaben a-z, Ziffern und _, mit einem Buchstaben beginnend, höchstens 48 Zeichen",
        "lower case a-z, digits and _, beginning with a letter, at most 48 characters",
    ),
    r"^[a-z][a-z0-9_]{0,58}$": (
        "Kleinbuchstaben a-z, Ziffern und _, mit einem Buchstaben beginnend, höchstens 59 Zeichen (Umlaute als ae, oe, ue)",
        "lower case a-z, digits and _, beginning with a letter, at most 59 characters",
    ),
    r"^[a-z][a-z0-9_]{0,30}$": (
        "Kleinbuchstaben a-z, Ziffern und _, mit einem Buchstaben beginnend, höchstens 31 Zeichen",
        "lower case a-z, digits and _, beginning with a letter, at most 31 characters",
    ),
    r"^(EPSG:\d{4,6}|OGC:CRS84)$": ("EPSG:<Nummer>, etwa EPSG:25832, oder OGC:CRS84", "EPSG:<number>, such as EPSG:25832, or OGC:CRS84"),
    r"^EPSG:\d{4,6}$": ("EPSG:<Nummer>, etwa EPSG:25832", "EPSG:<number>, such as EPSG:25832"),
    r"^[0-9a-f]{12}$": (
        "die zwölf Zeichen, die `stadtgrund release` schreibt (von Hand nicht zu ändern)",
        "the twelve characters that `stadtgrund release` writes (not to be changed by hand)",
    ),
    r"^(0[1-9]|1[0-6])\d{6}$": (
        'der amtliche Gemeindeschlüssel: 8 Ziffern in Anführungszeichen, etwa "07312000"',
        'the municipality key (AGS): 8 digits in quotes, such as "07312000"',
    ),
}


def problems_of(document: Document, model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    """Yield a problem for each of pydantic's errors, at its line, in the language of the locale."""
    for detail in error.errors(include_url=False):
        path: Path = tuple(step for step in detail["loc"] if step != "[key]")
        if detail["type"] == "union_tag_invalid":
            path = (*path, detail["ctx"]["discriminator"].strip("'"))
        yield document.problem(_without_tags(path, document.data), _sentence(detail, model, path))


def _without_tags(path: Path, value: Any) -> Path:
    """Return `path` as the document has it: pydantic adds which model of a union it took."""
    steps: list[str | int] = []
    for number, step in enumerate(path):
        last = number == len(path) - 1
        if isinstance(value, dict) and isinstance(step, str) and step not in value and not last:
            continue
        steps.append(step)
        inside = (isinstance(value, dict) and step in value) or (isinstance(value, list) and isinstance(step, int) and step < len(value))
        value = value[step] if inside else None
    return tuple(steps)


def _sentence(detail: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail.get("input")
    shown = _shown(value)
    match kind:
        case "missing":
            return say("fehlt und ist erforderlich.", "is missing and required.")
        case "union_tag_invalid":
            return _not_allowed(context["tag"], [tag.strip("' ") for tag in str(context["expected_tags"]).split(",")])
        case "union_tag_not_found":
            return say(f"{context['discriminator']} fehlt und ist erforderlich.", f"{context['discriminator']} is missing and required.")
        case "extra_forbidden":
            return _unknown_key(str(path[-1]), _keys_at(model, path[:-1]))
        case "literal_error":
            return _not_allowed(value, _literals_at(model, path))
        case "string_pattern_mismatch":
            de, en = _PATTERNS.get(str(context["pattern"]), (f"Muster {context['pattern']}", f"pattern {context['pattern']}"))
            return say(f"{shown} ist nicht erlaubt; erlaubt: {de}.", f"{shown} is not allowed; allowed: {en}.")
        case "string_type" if isinstance(value, bool | int | float):
            text = str(value).lower() if isinstance(value, bool) else value
            return say(
                f'{text} steht für Text: in Anführungszeichen setzen ("{text}").', f'{text} stands for text: put it in quotes ("{text}").'
            )
        case "string_type":
            return say(f"{shown} ist kein Text.", f"{shown} is not text.")
        case "string_too_short":
            return say("darf nicht leer sein.", "must not be empty.")
        case "bool_type" | "bool_parsing":
            return say(f"{shown} ist nicht erlaubt; erlaubt: true oder false.", f"{shown} is not allowed; allowed: true or false.")
        case "int_type" | "int_parsing" | "int_from_float":
            return say(f"{shown} ist keine ganze Zahl.", f"{shown} is not a whole number.")
        case "float_type" | "float_parsing":
            return say(f"{shown} ist keine Zahl (Dezimalzeichen ist der Punkt).", f"{shown} is not a number.")
        case "date_type" | "date_parsing" | "date_from_datetime_parsing" | "date_from_datetime_inexact":
            return say(
                f"{shown} ist kein Datum; erlaubt: JJJJ-MM-TT, etwa 2026-03-01.",
                f"{shown} is not a date; allowed: YYYY-MM-DD, such as 2026-03-01.",
            )
        case "model_type" | "dict_type" | "model_attributes_type":
            known = _keys_at(model, path)
            hint_de = f" mit: {', '.join(known)}" if known else " (Schlüssel: Wert)"
            hint_en = f" with: {', '.join(known)}" if known else " (key: value)"
            return say(f"{shown} ist nicht erlaubt; erlaubt: ein Block{hint_de}.", f"{shown} is not allowed; allowed: a block{hint_en}.")
        case "tuple_type" | "list_type":
            return say(f"{shown} ist keine Liste; erlaubt: [erstes, zweites].", f"{shown} is not a list; allowed: [first, second].")
        case "too_short" | "too_long":
            number = context.get("min_length", context.get("max_length"))
            return say(
                f"hat {context['actual_length']} Einträge; erlaubt: {number}.",
                f"has {context['actual_length']} entries; allowed: {number}.",
            )
        case "greater_than_equal":
            return say(f"{shown} ist zu klein; erlaubt: ab {context['ge']}.", f"{shown} is too small; allowed: from {context['ge']}.")
        case "less_than_equal":
            return say(f"{shown} ist zu groß; erlaubt: bis {context['le']}.", f"{shown} is too large; allowed: up to {context['le']}.")
        case "value_error":
            return str(context["error"])
    return say(f"{shown} ist nicht erlaubt ({detail['msg']}).", f"{shown} is not allowed ({detail['msg']}).")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return say("Ein Block", "A block")
    if isinstance(value, list | tuple):
        return say("Eine Liste", "A list")
    if value is None:
        return say("Nichts", "Nothing")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"„{text[:80]}…“" if len(text) > 80 else say(f"„{text}“", f"“{text}”")


def _unknown_key(key: str, known: list[str]) -> str:
    guess = nearest(key, known, 0.6)
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    return say(
        f"Diesen Schlüssel gibt es nicht.{meant} Erlaubt: {', '.join(known)}.", f"There is no such key.{meant} Allowed: {', '.join(known)}."
    )


def _not_allowed(value: Any, allowed: list[str]) -> str:
    guess = nearest(str(value), allowed, 0.6) if isinstance(value, str) else None
    meant = say(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    return say(
        f"{_shown(value)} ist nicht erlaubt.{meant} Erlaubt: {', '.join(allowed)}.",
        f"{_shown(value)} is not allowed.{meant} Allowed: {', '.join(allowed)}.",
    )


def _annotation_at(model: type[BaseModel], path: Path) -> Any:
    """Return the annotation of the value at `path` below `model`; None when it cannot be said."""
    annotation: Any = model
    for step in path:
        if len(members := _models(annotation)) > 1:  # the step says which of them
            annotation = next((member for member in members if step in _tags(member)), None)
            continue
        annotation = _bare(annotation)
        arguments = get_args(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}
            annotation = fields.get(str(step))
        elif get_origin(annotation) is dict:
            annotation = arguments[1]
        elif get_origin(annotation) is tuple and isinstance(step, int):
            annotation = arguments[0] if arguments[-1] is Ellipsis else arguments[min(step, len(arguments) - 1)]
        else:
            return None
    return _bare(annotation)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models of a union."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, types.UnionType):
        return []
    return [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def _tags(model: type[BaseModel]) -> set[str]:
    return {value for info in model.model_fields.values() for value in _literal_values(info.annotation)}


def _bare(annotation: Any) -> Any:
    """Return the annotation without `Annotated` and `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    annotation = _annotation_at(model, path)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [info.alias or name for name, info in annotation.model_fields.items()]
    if get_origin(annotation) is dict:
        return _literal_values(get_args(annotation)[0])
    return []


def _literals_at(model: type[BaseModel], path: Path) -> list[str]:
    values = _literal_values(_annotation_at(model, path))
    if values:
        return values
    outer = _annotation_at(model, path[:-1])  # the key of a mapping
    return _literal_values(get_args(outer)[0]) if get_origin(outer) is dict else []


def _literal_values(annotation: Any) -> list[str]:
    annotation = _bare(annotation)
    return [str(value) for value in get_args(annotation)] if get_origin(annotation) is Literal else []
