"""pygeoapi plugins that say what a collection is and read nothing: our own handlers answer for its data."""

from __future__ import annotations

__all__ = ["DescribedFeatures", "DescribedTiles", "described"]

from collections.abc import Iterable, Mapping
from typing import Any

from pygeoapi.provider.base import BaseProvider


class DescribedFeatures(BaseProvider):  # type: ignore[misc]
    """Makes pygeoapi describe a collection of features."""


class DescribedTiles(BaseProvider):  # type: ignore[misc]
    """Makes pygeoapi describe a collection of vector tiles."""

    tile_type = "vector"


_PLUGINS = {"feature": DescribedFeatures, "tile": DescribedTiles}


def described(providers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return provider definitions as the host's configuration has them: the same, but by plugins that touch no database.

    pygeoapi cannot describe a collection without any provider (a grid, a collection without items), so that gets one for features;
    what it then says too much, `documents` takes out again.
    """
    made = [{**provider, "name": f"{__name__}.{_PLUGINS[provider['type']].__name__}"} for provider in providers]
    if not any(provider["type"] == "feature" for provider in made):
        made.insert(0, {"type": "feature", "name": f"{__name__}.{DescribedFeatures.__name__}", "data": "", "id_field": "sg_id"})
    return made
