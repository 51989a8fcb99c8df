"""The rows of a page: by walking the order until the page is full, or by collecting all that match and ordering them.

Of `m` matches among `n` rows, spread over the order, walking visits `limit · n / m` rows and collecting visits `m`: few matches are
collected, many are walked to, and the two cost the same at `m = sqrt(limit · n)`. PostgreSQL chooses by estimates, which are often
wrong by orders of magnitude; here the matches are counted, where need be in the statement itself and no further than to that bound.
"""

from __future__ import annotations

__all__ = ["Rows", "few", "page_rows"]

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isqrt

from stadtgrund.query.compile import compile_expression
from stadtgrund.query.expression import Between, Comparison, Expression, In, Literal, Logical, Property
from stadtgrund.query.feature_query import FeatureQuery
from stadtgrund.query.order import Branch, Order, branches, whole_order
from stadtgrund.query.statement import FALSE, TRUE, Fragment, conjunction, disjunction
from stadtgrund.query.time_condition import time_condition

_FEW = 10_000
"""So many rows are collected in about 10 ms, whatever the page."""
_FAR = 1000
"""From this offset on it pays to find the first row by the index alone."""
_NONE = Fragment("")


@dataclass(frozen=True, slots=True)
class Rows:
    """`source`: a query of the rows in order, behind the WITH clause `first`; `matched`: how many match from the cursor on, or NULL.

    `collects` is true where PostgreSQL must find the matches: how it does that best depends on the values asked for.
    """

    source: Fragment
    first: Fragment = _NONE
    matched: str = "NULL::bigint"
    collects: bool = False


def few(query: FeatureQuery) -> int:
    """Return up to how many matches are collected."""
    return max(_FEW, isqrt((query.limit + 1 + _offset(query)) * query.relation.count))


def _offset(query: FeatureQuery) -> int:
    return 0 if query.cursor else query.offset


def page_rows(query: FeatureQuery, order: Order, where: Fragment, view: str, columns: tuple[str, ...], matched: int | None) -> Rows:
    """Return the rows of a page and one more, with `sg_id`, the sort keys and `columns`, out of `view`.

    Parameters
    ----------
    where : Fragment
        What matches.
    matched : int, optional
        How many match, where that is known.
    """
    ids = tuple(dict.fromkeys(("sg_id", *(key.sql for key in order.keys))))
    wanted = tuple(column for column in columns if column not in ids)
    if where == FALSE:
        return Rows(Fragment(f"SELECT {', '.join((*ids, *wanted))} FROM {view} WHERE FALSE"), matched="0::bigint")
    parts = branches(order, query.cursor)
    if where == TRUE and not order.keys and _offset(query) >= _FAR:
        return Rows(_far(query, order, view, ids + wanted))
    if where == TRUE:
        return Rows(_paged(query, [_in_order(view, ids + wanted, part) for part in parts]))
    bound, left = few(query), _left(query, matched)
    if query.relation.count <= bound or (left is not None and left <= bound):
        collected = Fragment(f"SELECT * FROM found ORDER BY {whole_order(order)}")
        rows = Rows(_paged(query, [collected]), _found(view, ids, where, parts, query), "(SELECT count(*) FROM found)", collects=True)
    elif left is not None or query.cursor:  # a page that could not say how many match was of many
        rows = Rows(_paged(query, [_walk(query, order, where, view, ids, part) for part in parts]))
    else:
        number = "(SELECT number FROM counted)"
        collected = Fragment(f"SELECT * FROM found WHERE {number} <= {bound:d} ORDER BY {whole_order(order)}")
        walks = [_walk(query, order, where, view, ids, part, Fragment(f"{number} > {bound:d}")) for part in parts]
        found = _found(view, ids, where, parts, query)
        counted = f"{found.sql}, counted AS MATERIALIZED (SELECT count(*) AS number FROM (SELECT FROM found LIMIT {bound + 1:d}) n)"
        known = f"(SELECT number FROM counted WHERE number <= {bound:d})"
        rows = Rows(_paged(query, [collected, *walks]), Fragment(counted, found.params), known, collects=True)
    return replace(rows, source=_with_columns(rows.source, view, ids, wanted))


def _far(query: FeatureQuery, order: Order, view: str, columns: tuple[str, ...]) -> Fragment:
    """Return the rows from the one at the offset on, in order of the id: the index alone finds it, no skipped row is read."""
    at = "<=" if order.id.descending else ">="
    begins = f"SELECT sg_id FROM {view} ORDER BY {whole_order(order)} OFFSET %s::bigint LIMIT 1"
    part = Branch(Fragment(f"sg_id {at} ({begins})", (str(query.offset),)), whole_order(order))
    rows = _in_order(view, columns, part)
    return Fragment(f"{rows.sql} LIMIT {query.limit + 1:d}", rows.params)


def _left(query: FeatureQuery, matched: int | None) -> int | None:
    """Return how many match from the cursor on, None when that is not known."""
    if query.cursor is None:
        return matched
    total = matched if matched is not None else query.cursor.count
    return None if total is None else max(0, total - query.cursor.before)


def _found(view: str, ids: Iterable[str], where: Fragment, parts: Iterable[Branch], query: FeatureQuery) -> Fragment:
    """Return the WITH clause of all that match. A CTE is planned for all of its rows, and stops when no more are asked."""
    rest = disjunction(part.condition for part in parts) if query.cursor else TRUE
    condition = conjunction((where, rest))
    return Fragment(f"WITH found AS MATERIALIZED (SELECT {', '.join(ids)} FROM {view} WHERE {condition.sql})", condition.params)


def _in_order(view: str, columns: Iterable[str], part: Branch) -> Fragment:
    clause = "" if part.condition == TRUE else f" WHERE {part.condition.sql}"
    return Fragment(f"SELECT {', '.join(columns)} FROM {view}{clause} ORDER BY {part.order_by}", part.condition.params)


def _walk(
    query: FeatureQuery, order: Order, where: Fragment, view: str, ids: Iterable[str], part: Branch, when: Fragment = TRUE
) -> Fragment:
    """Return the matches of a branch, looked for along its order: the OFFSET keeps PostgreSQL from any other way.

    What is asked of the first sort key itself narrows the walk.
    """
    inner = conjunction((when, part.condition, _on_first_key(query, order)))
    clause = "" if inner == TRUE else f" WHERE {inner.sql}"
    return Fragment(
        f"SELECT {', '.join(ids)} FROM (SELECT * FROM {view}{clause} ORDER BY {part.order_by} OFFSET 0) w WHERE ({where.sql}) IS TRUE",
        (*inner.params, *where.params),
    )


def _on_first_key(query: FeatureQuery, order: Order) -> Fragment:
    """Return those of the conditions, joined by AND, that concern the first sort key alone."""
    if not order.keys:
        return TRUE
    name = query.sortby[0].column
    found = [compile_expression(part) for part in _conjuncts(query.filter) if _concerns(part, name)]
    temporal = query.relation.temporal
    if query.datetime and temporal and temporal.instant == name:
        found.append(time_condition(query.relation, query.datetime))
    return conjunction(found)


def _conjuncts(expression: Expression | None) -> tuple[Expression, ...]:
    match expression:
        case None:
            return ()
        case Logical(operator="and", operands=operands):
            return tuple(part for operand in operands for part in _conjuncts(operand))
    return (expression,)


def _concerns(expression: Expression, name: str) -> bool:
    """Whether an expression compares a column with constants, and nothing else."""
    match expression:
        case Comparison(left=Property(name=column), right=Literal()) | Comparison(left=Literal(), right=Property(name=column)):
            return column == name
        case Between(value=Property(name=column), low=Literal(), high=Literal()):
            return column == name
        case In(value=Property(name=column), items=items):
            return column == name and all(isinstance(item, Literal) for item in items)
    return False


def _paged(query: FeatureQuery, parts: list[Fragment]) -> Fragment:
    """Return the rows of the page out of parts that are read one after the other: each may be the only one that has any."""
    rows, offset = query.limit + 1, _offset(query)
    skip = Fragment(" OFFSET %s::bigint", (str(offset),)) if offset else _NONE
    if len(parts) == 1:
        return Fragment(f"{parts[0].sql} LIMIT {rows:d}{skip.sql}", parts[0].params + skip.params)
    # With an offset each part must bring what is skipped, too.
    limit = Fragment("%s::bigint", (str(rows + offset),)) if offset else Fragment(f"{rows:d}")
    texts = [f"({part.sql} LIMIT {limit.sql})" for part in parts]
    params = [param for part in parts for param in (*part.params, *limit.params)]
    return Fragment(f"SELECT * FROM ({' UNION ALL '.join(texts)}) u LIMIT {rows:d}{skip.sql}", (*params, *skip.params))


def _with_columns(rows: Fragment, view: str, ids: tuple[str, ...], wanted: tuple[str, ...]) -> Fragment:
    """Return rows with more columns, looked up by id: so PostgreSQL can neither bring them in another order nor carry what is not shown."""
    if not wanted:
        return rows
    shown = ", ".join((*(f"i.{name}" for name in ids), *(f"v.{name}" for name in wanted)))
    looked_up = f"(SELECT {', '.join(wanted)} FROM {view} v WHERE v.sg_id = i.sg_id OFFSET 0)"
    return Fragment(f"SELECT {shown} FROM ({rows.sql}) i, LATERAL {looked_up} v", rows.params)
