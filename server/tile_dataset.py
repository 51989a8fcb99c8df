"""`/tiles/{tms}/{z}/{y}/{x}`: all collections of the profile in one tile, a layer each (Tiles Part 1, dataset tilesets)."""

from __future__ import annotations

__all__ = ["MOST_LAYERS", "DatasetTiles", "chosen", "tiled"]

from collections.abc import Mapping
from math import floor, log2

from server import tile_grid
from server.answer import Answer
from server.call import Call
from server.compression import coding_of
from server.host import Published, Snapshot
from server.negotiation import MEDIA
from server.tile_cache import Place, TileKey, composite_key
from server.tiles import Drawn, Tiles
from stadtgrund.errors import Busy, InvalidParameter, NotFound, TooLarge
from stadtgrund.query.tiles import is_overview

MOST_LAYERS = 50
"""Layers of a tile; without `collections`, the first ones by their ids."""
_MOST_BYTES = 8 * 2**20
_OVERVIEW_BYTES = 500_000
"""An overview tile is not larger: what is small in the largest layers is left out."""
_MOST_THIN = 8
_MOST_STEPS = 16
"""Layers that are read anew for one tile."""
_TRIES = 3


def tiled(snapshot: Snapshot) -> dict[str, Published]:
    """Return the collections of a profile that have tiles, by id."""
    return {name: item for name, item in snapshot.published.items() if item.collection.tiles and item.collection.geometry}


def chosen(snapshot: Snapshot, query: Mapping[str, str]) -> tuple[Published, ...]:
    """Return the collections that a request for tiles of the dataset is about, in its order: the first lies lowest.

    Raises
    ------
    InvalidParameter
        `collections` is empty, too long, or names one that is not there or has no tiles.
    NotFound
        No collection has tiles.
    """
    known = tiled(snapshot)
    if not known:
        raise NotFound("No collection has tiles.")
    if "collections" not in query:
        return tuple(known.values())[:MOST_LAYERS]
    allowed = f"up to {MOST_LAYERS} ids or addresses of collections with tiles, parted by commas"
    address = f"{snapshot.base_url}/collections/"
    names = dict.fromkeys(name.strip().removeprefix(address) for name in query["collections"].split(","))
    if len(names) > MOST_LAYERS:
        raise InvalidParameter("collections", f"{len(names)} collections", allowed)
    for name in names:
        if name not in known:
            raise InvalidParameter("collections", name, f"{allowed}; known are {', '.join(list(known)[:MOST_LAYERS])}")
    return tuple(known[name] for name in names)


class DatasetTiles:
    """The handler of tiles of all collections. Each layer is the collection's own tile: a tile of several is theirs one after the other."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles

    async def tile(self, call: Call) -> Answer:
        """Answer with the tile: 204 when nothing lies in it, 404 when there is none by that name."""
        call.only("f", "collections")
        call.format(("mvt", MEDIA["mvt"]), ("pbf", MEDIA["mvt"]))
        layers = chosen(call.snapshot, call.query)
        place = _place(call, layers)
        if known := self.tiles.unasked(call, None, self._tag(call, layers)):
            return known
        coding = coding_of(call.header("accept-encoding"))
        whole = "collections" not in call.query
        if whole and call.profile.recent is call.snapshot and (stored := self.tiles.cache.get(self._key(layers), place, coding)):
            return self.tiles.answer(stored, self._tag(call, layers))
        layers, body = await self._drawn(call)
        self.tiles.unasked(call, None, self._tag(call, layers))
        stored = await self.tiles.encoded(body, coding)
        if whole:
            self.tiles.store(self._key(layers), place, body, stored)
        return self.tiles.answer(stored, self._tag(call, layers))

    async def _drawn(self, call: Call) -> tuple[tuple[Published, ...], bytes]:
        """Return the tile and the collections that it is of, all of one snapshot.

        Raises
        ------
        TooLarge
            The layers together are larger than a tile may be.
        Busy
            Something was published at each of a few tries.
        """
        for _ in range(_TRIES):
            layers = chosen(call.snapshot, call.query)
            place = _place(call, layers)
            drawn: dict[str, Drawn] = {}
            for published in layers:
                if _lies_in(published, place):
                    drawn[published.collection.id] = await self.tiles.drawn(_of(call, published), place)
                    if _size(drawn) > _MOST_BYTES:
                        raise TooLarge(
                            f"This tile has more than {_MOST_BYTES // 2**20} MiB.",
                            remedy="Choose fewer layers with the parameter collections.",
                        )
            await self._lighten(call, place, drawn)
            if all(call.snapshot.published.get(name) is part.published for name, part in drawn.items()):
                return layers, b"".join(part.body for part in drawn.values())
            call.snapshot = await call.profile.refresh()
        raise Busy("Collections of this tile are being published.", remedy="Try again in a few seconds.")

    async def _lighten(self, call: Call, place: Place, drawn: dict[str, Drawn]) -> None:
        """Thin the largest layers of an overview tile out until it is not too large, in a few steps at most.

        Each collection's own tile keeps to the limit, by merging at publish; a tile of many is the sum of theirs.
        """
        thin = dict.fromkeys(drawn if is_overview(place.z) else (), 0)
        for _ in range(_MOST_STEPS):
            over = _size(drawn) - _OVERVIEW_BYTES
            if over <= 0 or not thin:
                return
            largest = max(thin, key=lambda name: len(drawn[name].body))
            size = len(drawn[largest].body)
            thin[largest] += max(1, floor(log2(size / max(size - over, 1))))
            drawn[largest] = await self.tiles.thinned(_of(call, drawn[largest].published), place, min(thin[largest], _MOST_THIN))
            if thin[largest] >= _MOST_THIN or len(drawn[largest].body) > 0.9 * size:  # what is left is large
                del thin[largest]

    def _tag(self, call: Call, layers: tuple[Published, ...]) -> str:
        return self.tiles.tag(call, "".join(f"{item.collection.id}\0{item.digest}\0" for item in layers))

    def _key(self, layers: tuple[Published, ...]) -> TileKey:
        return composite_key(self.tiles.key(item) for item in layers)


def _of(call: Call, published: Published) -> Call:
    """Return the call for the tile of one collection."""
    return Call({**call.scope, "path_params": {**call.places, "dataset": published.collection.id}}, call.profile, call.snapshot)


def _size(drawn: Mapping[str, Drawn]) -> int:
    return sum(len(part.body) for part in drawn.values())


def _lies_in(published: Published, place: Place) -> bool:
    """Whether a collection has the tile."""
    collection = published.collection
    assert collection.tiles
    low, high = collection.tiles.zoom
    box = collection.facts.extent.crs84
    return low <= place.z <= high and (box is None or tile_grid.limits(place.matrix_set, box, place.z).have(place.x, place.y))


def _place(call: Call, layers: tuple[Published, ...]) -> Place:
    zooms = [item.collection.tiles.zoom for item in layers if item.collection.tiles]

    def box_at(zoom: int) -> tuple[float, float, float, float] | None:
        shown = [item.collection for item in layers if item.collection.tiles and _has(item.collection.tiles.zoom, zoom)]
        return tile_grid.union(collection.facts.extent.crs84 for collection in shown)

    return tile_grid.place(call.places, (min(low for low, _ in zooms), max(high for _, high in zooms)), box_at)


def _has(zoom: tuple[int, int], wanted: int) -> bool:
    return zoom[0] <= wanted <= zoom[1]
