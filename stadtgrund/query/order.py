"""The order of a collection and the place of a cursor in it, so that the index `(column, sg_id)` of a sortable serves both.

NULLs come last in either direction. An index cannot read "descending, NULLs last", so the rows whose first key is NULL are a second
branch, which runs only when the first yields too little.
"""

from __future__ import annotations

__all__ = ["Branch", "Key", "Order", "branches", "order_of", "whole_order"]

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stadtgrund.query.statement import TRUE, Fragment, conjunction
from stadtgrund.query.value import SQL_TYPE

if TYPE_CHECKING:
    from stadtgrund.query.cursor import Cursor
    from stadtgrund.query.feature_query import FeatureQuery


@dataclass(frozen=True, slots=True)
class Key:
    """A sort key: quoted column, type of the field, direction."""

    sql: str
    type: str
    descending: bool

    @property
    def direction(self) -> str:
        """ASC or DESC."""
        return "DESC" if self.descending else "ASC"

    def compare(self, operator: str, value: str) -> Fragment:
        """Return `column operator value`, where ">" means later in this key's order."""
        if self.descending:
            operator = operator.replace(">", "<")
        return Fragment(f"{self.sql} {operator} %s::{SQL_TYPE[self.type]}", (value,))


@dataclass(frozen=True, slots=True)
class Order:
    """The keys before the id, and the id, which is always the last."""

    keys: tuple[Key, ...]
    id: Key


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the rows: its condition and its ORDER BY."""

    condition: Fragment
    order_by: str


def order_of(query: FeatureQuery) -> Order:
    """Return the order of a query. Keys behind the id decide nothing; the id follows the direction of the key before it."""
    relation = query.relation
    keys = list[Key]()
    descending = False
    for key in query.sortby:
        column = relation.by_name[key.column]
        descending = key.descending
        if column.name == relation.id_field and column.type in ("string", "integer"):
            break
        keys.append(Key(column.sql, column.type, descending))
    return Order(tuple(keys), Key("sg_id", relation.id_type, descending))


def whole_order(order: Order) -> str:
    """Return the ORDER BY over all rows, in whatever branch."""
    return ", ".join([*(f"{key.sql} {key.direction} NULLS LAST" for key in order.keys), f"sg_id {order.id.direction}"])


def branches(order: Order, cursor: Cursor | None) -> tuple[Branch, ...]:
    """Return the parts to read one after the other, from the cursor's row on."""
    if not order.keys:
        return (Branch(_from_id(order, cursor), f"sg_id {order.id.direction}"),)
    first, rest = order.keys[0], order.keys[1:]
    tail_order = ", ".join([*(f"{key.sql} {key.direction} NULLS LAST" for key in rest), f"sg_id {order.id.direction}"])
    null, filled = Fragment(f"{first.sql} IS NULL"), Fragment(f"{first.sql} IS NOT NULL")
    # The key itself leads in the tail too, where it is the same for all: PostgreSQL would not see else that the index has this order.
    head_order = f"{first.sql} {first.direction}, {tail_order}"
    tail = Branch(null, head_order)
    if cursor is None:
        return Branch(filled, head_order), tail
    if cursor.values[0] is None:
        return (Branch(conjunction((null, _from(order, cursor, 1))), head_order),)
    return Branch(_from_filled(order, cursor, cursor.values[0]), head_order), tail


def _from_id(order: Order, cursor: Cursor | None) -> Fragment:
    return order.id.compare(">=", cursor.id) if cursor else TRUE


def _from_filled(order: Order, cursor: Cursor, value: str) -> Fragment:
    first = order.keys[0]
    if len(order.keys) == 1 and first.descending == order.id.descending:
        operator = "<=" if first.descending else ">="
        return Fragment(f"({first.sql}, sg_id) {operator} (%s::{SQL_TYPE[first.type]}, %s::{SQL_TYPE[order.id.type]})", (value, cursor.id))
    later, same = first.compare(">", value), first.compare("=", value)
    rest = conjunction((same, _from(order, cursor, 1)))
    # The first condition follows from the second; it is what an index can start at.
    return conjunction((first.compare(">=", value), Fragment(f"({later.sql} OR {rest.sql})", later.params + rest.params)))


def _from(order: Order, cursor: Cursor, index: int) -> Fragment:
    """Return what rows that equal the cursor's in all keys before `index` must fulfil."""
    if index == len(order.keys):
        return _from_id(order, cursor)
    key, value = order.keys[index], cursor.values[index]
    rest = _from(order, cursor, index + 1)
    if value is None:
        return conjunction((Fragment(f"{key.sql} IS NULL"), rest))
    later, same = key.compare(">", value), conjunction((key.compare("=", value), rest))
    return Fragment(f"({later.sql} OR {key.sql} IS NULL OR {same.sql})", later.params + same.params)
