"""Files written ahead: what was asked for of the state that another has replaced.

Who fetches a file after each publish would wait each time, and a catalogue would find neither size nor checksum. A file that nobody asked
for is not written again: there are never more of these than requests.
"""

from __future__ import annotations

__all__ = ["Renewing"]

import asyncio
import logging

from etl.deliver.order import Order
from server.exporting import Exports
from server.host import Published, Snapshot
from stadtgrund.catalog.file_formats import offered, srids
from stadtgrund.errors import StadtgrundError
from stadtgrund.store.shelf import Shelf, Target

log = logging.getLogger(__name__)


class Renewing:
    """Orders such files, one after the other, behind what somebody waits for."""

    def __init__(self, shelf: Shelf, exports: Exports) -> None:
        self.shelf, self.exports = shelf, exports
        self._due: dict[tuple[str, str], tuple[Published, Published]] = {}
        self._task: asyncio.Task[None] | None = None

    def changed(self, before: Snapshot, after: Snapshot) -> None:
        """Order the files of collections of which a profile sees another state now."""
        for dataset, published in after.published.items():
            replaced = before.published.get(dataset)
            if replaced is None or replaced is published or not self.shelf.changed(dataset):
                continue
            key = (after.profile, dataset)
            first, _ = self._due.get(key, (replaced, None))
            self._due[key] = (first, published)
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._renew(), name="renew files")

    async def _renew(self) -> None:
        while self._due:
            profile, dataset = key = next(iter(self._due))
            for target, order in await asyncio.to_thread(self._wanted, dataset, *self._due.pop(key)):
                if self.shelf.is_written(target):
                    continue  # by another process
                try:
                    await self.exports.obtain(profile, target, order)
                except StadtgrundError as error:  # the first who asks for it gets it, or hears why not
                    log.info("%s is not written ahead: %s", target.name, error)

    def _wanted(self, dataset: str, replaced: Published, published: Published) -> list[tuple[Target, Order]]:
        """Return what was asked for of `replaced`, as files of `published`."""
        wanted = []
        for format_ in offered(published.collection):
            for srid in srids(published.collection, format_) or (None,):
                if self.shelf.was_asked_for(Target.of(replaced.collection, format_, srid)):
                    target = Target.of(published.collection, format_, srid)
                    wanted.append((target, Order(dataset=dataset, format=format_.name, srid=srid)))
        return wanted

    async def close(self) -> None:
        """Order no more; what is being written is for `Exports` to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
