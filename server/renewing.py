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


_AGAIN_S = 1.0
"""How long until one looks again whether others are done."""


class Renewing:
    """Orders such files: one at a time in the whole deployment, behind what somebody waits for."""

    def __init__(self, shelf: Shelf, exports: Exports) -> None:
        self.shelf, self.exports = shelf, exports
        self._due: dict[tuple[str, str], tuple[Published, Published]] = {}
        self._at_work: dict[tuple[str, str], Published] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def changed(self, before: Snapshot, after: Snapshot) -> None:
        """Order the files of collections of which a profile sees another state now."""
        for dataset, published in after.published.items():
            replaced = before.published.get(dataset)
            if replaced is None or replaced is published or not self.shelf.changed(dataset):
                continue
            key = (after.profile, dataset)
            # Of a state that was replaced before its files were written nobody had any to ask for.
            first = self._due[key][0] if key in self._due else self._at_work.get(key, replaced)
            self._due[key] = (first, published)
        if self._due and not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._renew(), name="renew files")

    async def _renew(self) -> None:
        while self._due:
            profile, dataset = key = next(iter(self._due))
            replaced, published = self._due.pop(key)
            self._at_work[key] = replaced
            try:
                await self._write(profile, await asyncio.to_thread(self._wanted, dataset, replaced, published))
            except Exception:  # nobody waits for this task: the other collections would have to wait for the next publish
                log.exception("%s: its files are not written ahead", dataset)
            finally:
                del self._at_work[key]

    async def _write(self, profile: str, wanted: list[tuple[Target, Order]]) -> None:
        while wanted:
            with self.shelf.ahead() as alone:
                if alone and not self.exports.busy:
                    await self._obtain(profile, *wanted.pop(0))
                    continue
            await asyncio.sleep(_AGAIN_S)

    async def _obtain(self, profile: str, target: Target, order: Order) -> None:
        if self.shelf.is_written(target):
            return  # by another process, for who asked for it
        try:
            await self.exports.obtain(profile, target, order, to_the_end=True)
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
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
