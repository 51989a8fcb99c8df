"""Vector tiles of a collection from PostGIS, as a pygeoapi tile plugin."""

from __future__ import annotations

__all__ = ["PostGISTiles"]

from typing import Any

from pygeoapi.models.provider.base import TileMatrixSetEnum
from pygeoapi.provider.base_mvt import BaseMVTProvider

from providers import source
from providers.bridge import bridged
from stadtgrund.catalog.contract import FieldType
from stadtgrund.errors import Busy, NotFound, unknown
from stadtgrund.query import tiles

_MATRIX_SETS = tuple(item.value for item in TileMatrixSetEnum if item.value.tileMatrixSet in tiles.MATRIX_SETS)
_MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
_TILEJSON_TYPES: dict[FieldType, str] = {"integer": "Number", "number": "Number", "decimal": "Number", "boolean": "Boolean"}


class PostGISTiles(BaseMVTProvider):  # type: ignore[misc]
    """Tiles by the same SQL as our host's; nothing is read until a tile or its description is asked for.

    Parameters
    ----------
    provider_def : dict
        pygeoapi's definition; `data` as in `providers`.
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._id = str(provider_def["data"]["collection"])
        self._service_url = ""
        with bridged():
            self._source = source.of(provider_def["data"])

    def __repr__(self) -> str:
        return f"<PostGISTiles> {self._id}"

    def get_layer(self) -> str:
        """Return the name of the layer in each tile: the collection's id."""
        return self._id

    def get_tiling_schemes(self) -> list[Any]:
        """Return pygeoapi's descriptions of the tile matrix sets that we cut."""
        return list(_MATRIX_SETS)

    def get_tiles_service(
        self, baseurl: str | None = None, servicepath: str | None = None, dirpath: str | None = None, tile_type: str | None = None
    ) -> dict[str, Any]:
        """Return the links of the tileset list."""
        self._service_url = servicepath or ""
        links: dict[str, Any] = self.get_tms_links()
        return links

    def get_tiles(
        self, layer: str | None = None, tileset: str | None = None, z: Any = None, y: Any = None, x: Any = None, format_: str | None = None
    ) -> bytes | None:
        """Return a tile, None when nothing is in it (204).

        Raises
        ------
        ProviderItemNotFoundError
            There is no such tile matrix set, or row, column or zoom lie outside of it or of the published zooms (404).
        """
        with bridged():
            zoom, row, column = (_index(value) for value in (z, y, x))
            for anew in (False, True, True):
                published = self._source.published(self._id, anew=anew)
                if published.collection.tiles is None:
                    raise NotFound(f"Collection {self._id!r} has no tiles.")
                statement = tiles.tile(published.relation, published.collection.tiles, str(tileset), zoom, column, row)
                found = tiles.read_tile(published.relation, self._source.row(statement))
                if found.current:
                    return found.body or None
            raise Busy("The collection is being published again and again.", remedy="Try again in a few seconds.")

    def get_default_metadata(
        self,
        dataset: str,
        server_url: str,
        layer: str,
        tileset: str,
        title: str,
        description: str,
        keywords: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the tileset's metadata (OGC Tile Set Metadata)."""
        with bridged():
            matrix_set = _matrix_set(tileset)
            collection = self._source.published(self._id).collection
        low, high = collection.tiles.zoom if collection.tiles else (0, 0)
        box = collection.facts.extent.crs84
        return {
            "title": title,
            "description": description,
            "dataType": "vector",
            "crs": matrix_set.crs,
            "tileMatrixSetURI": matrix_set.tileMatrixSetURI,
            **({"boundingBox": {"lowerLeft": list(box[:2]), "upperRight": list(box[2:])}} if box else {}),
            "layers": [{"id": layer, "dataType": "vector", "minTileMatrix": str(low), "maxTileMatrix": str(high)}],
            "links": [
                {
                    "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme",
                    "type": "application/json",
                    "title": f"{tileset} tile matrix set definition",
                    "href": f"{server_url}/TileMatrixSets/{tileset}",
                },
                {
                    "rel": "item",
                    "type": _MEDIA_TYPE,
                    "templated": True,
                    "title": f"{tileset} vector tiles of {layer}",
                    "href": f"{self._tileset_url(server_url, dataset, tileset)}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f=mvt",
                },
            ],
        }

    def get_vendor_metadata(
        self,
        dataset: str,
        server_url: str,
        layer: str,
        tileset: str,
        title: str,
        description: str,
        keywords: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the tileset as TileJSON 3.0."""
        with bridged():
            collection = self._source.published(self._id).collection
        low, high = collection.tiles.zoom if collection.tiles else (0, 0)
        box = collection.facts.extent.crs84
        return {
            "tilejson": "3.0.0",
            "name": title,
            "description": description,
            "tiles": [f"{self._tileset_url(server_url, dataset, tileset)}/{{z}}/{{y}}/{{x}}?f=mvt"],
            "minzoom": low,
            "maxzoom": high,
            **({"bounds": list(box)} if box else {}),
            **({"attribution": collection.attribution} if collection.attribution else {}),
            "vector_layers": [
                {"id": layer, "fields": {field.name: _TILEJSON_TYPES.get(field.type, "String") for field in collection.fields}}
            ],
        }

    def get_html_metadata(
        self,
        dataset: str,
        server_url: str,
        layer: str,
        tileset: str,
        title: str,
        description: str,
        keywords: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return what pygeoapi's page of a tileset shows."""
        url = self._tileset_url(server_url, dataset, tileset)
        return {
            "id": dataset,
            "title": title,
            "tileset": tileset,
            "collections_path": f"{url}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f=mvt",
            "json_url": f"{url}/metadata?f=json",
        }

    def _tileset_url(self, server_url: str, dataset: str, tileset: str) -> str:
        return f"{server_url}/collections/{dataset}/tiles/{tileset}"


def _matrix_set(tileset: str) -> Any:
    for known in _MATRIX_SETS:
        if known.tileMatrixSet == tileset:
            return known
    raise NotFound(unknown("tile matrix set", tileset, tiles.MATRIX_SETS))


def _index(value: Any) -> int:
    """Return a tile index as the path has it; anything but a plain number is no tile."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"Tile index {text[:20]!r} is no whole number from 0.")
    return int(text)
