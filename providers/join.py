"""A joined collection as a pygeoapi provider: the same features, and how the join went."""

from __future__ import annotations

__all__ = ["PostGISJoin"]

from typing import Any

from providers.bridge import bridged
from providers.features import PostGISFeatures
from stadtgrund.errors import NotFound


class PostGISJoin(PostGISFeatures):
    """Features of a join that was materialised when it was published; its counts come with each page and as metadata."""

    def __repr__(self) -> str:
        return f"<PostGISJoin> {self._id}"

    def get_metadata(self) -> dict[str, Any]:
        """Return the join's report: rows, matched and unmatched per side, and unmatched keys as far as the form shows keys.

        Raises
        ------
        ProviderItemNotFoundError
            The collection is no join, or was not published as one.
        """
        with bridged():
            facts = self._published.collection.facts
            if facts.join is None:
                raise NotFound(f"Collection {self._id!r} has no join report.")
            return {"version": facts.version, "published": facts.published.isoformat(), "join": facts.join.model_dump(mode="json")}

    def query(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return a page as `PostGISFeatures` does, with the counts as the foreign member `join`."""
        page = super().query(*args, **kwargs)
        facts = self._published.collection.facts
        if facts.join is not None:
            page["join"] = facts.join.model_dump(mode="json")
        return page
