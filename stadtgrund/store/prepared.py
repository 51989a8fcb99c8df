"""Names of the tables of forms and of what is prepared beside them."""

from __future__ import annotations

__all__ = ["stem"]

import hashlib


def stem(prefix: str, dataset: str) -> str:
    """Return how the names of a dataset's tables of one kind begin: as no other dataset's do, and short enough for a digest behind."""
    return f"{prefix}{dataset[:24]}_{hashlib.sha256(dataset.encode()).hexdigest()[:8]}_"
