"""`/collections/{dataset}/tiles/{tms}/{z}/{y}/{x}`: a vector tile out of PostGIS, in its bytes."""

from __future__ import annotations

__all__ = ["Tiles"]

import re

from server import params
from server.answer import Answer
from server.call import Call
from server.host import Published
from server.negotiation import MEDIA
from server.reading import Connection, execute, read
from stadtgrund.errors import NotFound
from stadtgrund.query import tiles
from stadtgrund.query.tiles import Tile

_INDEX = re.compile(r"\d{1,9}", re.ASCII)


class Tiles:
    """The handler of tiles."""

    async def tile(self, call: Call) -> Answer:
        """Answer with the tile: 204 when nothing lies in it, 404 when there is none by that name (Tiles Part 1, `tc-error`)."""
        published = call.collection()
        call.only(*params.TILE_PARAMETERS)
        call.format(("mvt", MEDIA["mvt"]), ("pbf", MEDIA["mvt"]))
        z, y, x = _place(call, published)
        params.tile_conditions(call.query, published.relation)
        tag = call.tag(published.digest, MEDIA["mvt"])
        if unchanged := call.unchanged(tag):
            return unchanged
        if call.head:
            return Answer(200, None, MEDIA["mvt"], (("etag", tag),))

        async def ask(connection: Connection, published: Published) -> Tile:
            collection = published.collection
            _place(call, published)
            assert collection.tiles
            chosen, interval = params.tile_conditions(call.query, published.relation)
            statement = tiles.tile(published.relation, collection.tiles, call.places["tms"], z, x, y, chosen, interval)
            return tiles.read_tile(published.relation, await execute(connection, statement))

        published, tile = await read(call, ask)
        headers = (("etag", call.tag(published.digest, MEDIA["mvt"])),)
        return Answer(200, tile.body, MEDIA["mvt"], headers) if tile.body else Answer(204, None, None, headers)


def _place(call: Call, published: Published) -> tuple[int, int, int]:
    """Return zoom, row and column.

    Raises
    ------
    NotFound
        The collection has no such tiles: another matrix set, a zoom that is not offered, an index outside of the matrix.
    """
    tms, texts = call.places["tms"], [call.places[name] for name in ("z", "y", "x")]
    offered = published.collection.tiles if published.collection.geometry else None
    if offered is None:
        raise NotFound(f"Collection {published.collection.id!r} has no tiles.")
    if tms not in tiles.MATRIX_SETS:
        raise NotFound(f"There is no tileset {tms!r}.", remedy=f"Known: {', '.join(tiles.MATRIX_SETS)}.")
    if not all(map(_INDEX.fullmatch, texts)):
        raise NotFound(f"There is no tile {'/'.join(texts)}.", remedy="Zoom, row and column are whole numbers.")
    z, y, x = map(int, texts)
    low, high = offered.zoom
    if not low <= z <= high:
        raise NotFound(f"There is no tile {'/'.join(texts)}.", remedy=f"Zoom levels: {low} to {high}.")
    if not tiles.MATRIX_SETS[tms].has(z, x, y):
        raise NotFound(f"There is no tile {'/'.join(texts)}.", remedy=f"Rows of this zoom level: 0 to {2**z - 1}.")
    return z, y, x
