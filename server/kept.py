"""What is kept by its name, as many as fit; what was not asked for longest makes room."""

from __future__ import annotations

__all__ = ["MOST_BYTES", "Kept", "keep"]

from collections import OrderedDict
from collections.abc import Hashable

from server.answer import Answer

MOST_BYTES = 24 * 2**20


def keep[K, V](kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put a value in, as the one used last; of more than `most` the one that was not used for longest goes."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


class Kept:
    """A cache of answers with a body. Used on the event loop only."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.bytes = most, 0
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable) -> Answer | None:
        """Return what is kept under a name."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer, unless it alone would take a quarter of the room."""
        size = len(answer.body or b"")
        if size * 4 > self.most:
            return
        if old := self._answers.pop(key, None):
            self.bytes -= len(old.body or b"")
        self._answers[key] = answer
        self.bytes += size
        while self.bytes > self.most:
            _, oldest = self._answers.popitem(last=False)
            self.bytes -= len(oldest.body or b"")

    def __len__(self) -> int:
        return len(self._answers)
