"""The condition of the `q` parameter."""

from __future__ import annotations

__all__ = ["search_condition"]

from stadtgrund.query.relation import Relation
from stadtgrund.query.search import Search, is_beginning, spellings
from stadtgrund.query.statement import Fragment


def search_condition(relation: Relation, search: Search) -> Fragment:
    """Return that a row has the words of one of the terms in one of its searched fields."""
    terms = [_term(term) for term in search.terms]
    query = " || ".join(term.sql for term in terms)
    found = f"SELECT w.sg_id FROM {relation.words} w WHERE w.words @@ ({query})"
    return Fragment(f"sg_id IN ({found})", tuple(value for term in terms for value in term.params))


def _term(words: tuple[str, ...]) -> Fragment:
    """Return the words, by their stems, in order; the last one also as the beginning of a word."""
    stems = Fragment("to_tsquery('sg.german'::regconfig, %s::text)", (" <-> ".join(f"({_any(word)})" for word in words),))
    last = words[-1]
    if not is_beginning(last):
        return stems
    before = " <-> ".join(f"({_any(word)})" for word in words[:-1])
    beginning = Fragment("%s::tsquery", (_any(last, ":*"),))
    if before:
        beginning = Fragment(f"(to_tsquery('sg.german'::regconfig, %s::text) <-> {beginning.sql})", (before, *beginning.params))
    return Fragment(f"({stems.sql} || {beginning.sql})", (*stems.params, *beginning.params))


def _any(word: str, mark: str = "") -> str:
    """Return the text of a tsquery: one of the spellings. No quote and no backslash survives the folding."""
    return " | ".join(f"'{spelled}'{mark}" for spelled in spellings(word))
