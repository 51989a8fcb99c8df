"""Which columns hold keys of a type that the platform knows: the name must say so, and every value must fit."""

from __future__ import annotations

__all__ = ["KeyTests", "looks_like_key"]

import re
from collections.abc import Callable, Iterable

import pyarrow as pa

from etl.describe.names import snake
from stadtgrund.catalog import keys
from stadtgrund.catalog.keys import Registers

_NAMES = (
    ("flurstueck", r"(flurst|flst|fsk|flurstueckskennzeichen|flstkennz)"),
    ("plz", r"(^|_)(plz|postleitzahl|postleit)(_|$)"),
    ("strassenschluessel", r"(str(asse|assen)?_?(schl|schluessel|key|kz)|(^|_)sss$|strschl|(^|_)str_?s$)"),
    ("ars", r"(^|_)(ars|regionalschluessel|rs)$"),
    ("ags", r"(^|_)(ags|agz|gkz|gemeindeschluessel|gemeindekennziffer|gemeindeschl|gem_schl)(_|$)"),
)
_KEY_WORDS = (
    r"(^|_)(id|nr|nummer|key|schl|schluessel|kennung|kennziffer|kennz|kz|code|gml_id|uuid|guid|objectid|fid|oid|gid|ogc_fid|blknr)(_|$)"
    r"|(id|nr|nummer|schluessel|kennzeichen|kennziffer)$"
)


def looks_like_key(name: str) -> bool:
    """Whether a column's name says that it identifies something."""
    return re.search(_KEY_WORDS, snake(name)) is not None


class KeyTests:
    """Tries the key types that each column's name allows on all its values.

    Parameters
    ----------
    columns : iterable of str
        Names at the source.
    registers : Registers
        The deployment's own key types; a register fits a column that has its name's last word in its own.
    """

    def __init__(self, columns: Iterable[str], registers: Registers) -> None:
        self._open: dict[str, dict[str, Callable[[object], str | None]]] = {}
        self._seen: dict[str, int] = {}
        self.changed: set[str] = set()
        """Columns in which a value is not in its right form yet; two values may turn out to be one."""
        for column in columns:
            name = snake(column)
            kinds = [kind for kind, pattern in _NAMES if re.search(pattern, name)]
            kinds += [kind for kind in registers.registers if _shares_word(kind, name)]
            self._open[column] = {kind: keys.normaliser(kind, registers) for kind in kinds}

    def add(self, column: str, words: pa.Array) -> None:
        """Take in distinct values."""
        tests = self._open.get(column)
        if not tests or not len(words):
            return
        self._seen[column] = self._seen.get(column, 0) + len(words)
        for kind, normalise in list(tests.items()):
            made = _normalised(normalise, words)
            if made is None:
                del tests[kind]
            elif made != words.to_pylist():
                self.changed.add(column)

    def found(self, column: str) -> str | None:
        """Return the key type of a column, a register of the deployment before the platform's own."""
        if not self._seen.get(column):
            return None
        return next(reversed(self._open[column]), None)


def _shares_word(register: str, column: str) -> bool:
    """Whether the last word of a register's name, such as plr of berlin_plr, is a word of the column's name."""
    word = register.rsplit("_", 1)[-1]
    return len(word) >= 2 and word in column.split("_")


def _normalised(normalise: Callable[[object], str | None], words: pa.Array) -> list[str | None] | None:
    """Return the words in their right form, None when one is no such key."""
    try:
        return [normalise(word) for word in words.to_pylist()]
    except ValueError:
        return None
