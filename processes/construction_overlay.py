"""The process `construction_overlay` as a pygeoapi plugin: its description, and its execution in the stock server."""

from __future__ import annotations

__all__ = ["METADATA", "ConstructionOverlay"]

import asyncio
from typing import Any

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from processes.workers import Workers
from stadtgrund.errors import StadtgrundError
from stadtgrund.identity import OPEN

_DAY = {"type": "string", "format": "date"}
METADATA: dict[str, Any] = {
    "version": "0.1.0",
    "id": "construction_overlay",
    "title": {"de": "Vorhaben prüfen", "en": "Check a construction project"},
    "description": {
        "de": "Legt ein Vorhaben über alle Ebenen, die das Regelwerk nennt: Konflikte, Synergien, Auflagen, Hinweise, Datenlücken.",
        "en": "Lays a project over every layer that the rules name: conflicts, synergies, conditions, notes, gaps in the data.",
    },
    "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
    "outputTransmission": ["value"],
    "keywords": ["Baustellenkoordinierung", "Starkregen"],
    "links": [],
    "inputs": {
        "geometry": {
            "title": {"de": "Geometrie des Vorhabens", "en": "Geometry of the project"},
            "description": {
                "de": "GeoJSON in CRS84; genau eines von geometry, baustelle, flurstueck.",
                "en": "GeoJSON in CRS84; exactly one of geometry, baustelle, flurstueck.",
            },
            "schema": {"type": "object", "contentMediaType": "application/geo+json"},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "baustelle": {
            "title": {"de": "Kennung einer Baustelle", "en": "Id of a construction site"},
            "schema": {"type": "string"},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "flurstueck": {
            "title": {"de": "Flurstückskennzeichen", "en": "Key of a land parcel"},
            "schema": {"type": "string"},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "buffer_m": {
            "title": {"de": "Puffer in Metern", "en": "Buffer in metres"},
            "schema": {"type": "number", "minimum": 0, "maximum": 500, "default": 10},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
        "from": {"title": {"de": "Beginn", "en": "Begin"}, "schema": _DAY, "minOccurs": 0, "maxOccurs": 1},
        "to": {"title": {"de": "Ende", "en": "End"}, "schema": _DAY, "minOccurs": 0, "maxOccurs": 1},
        "format": {
            "title": {"de": "Ausgabe", "en": "Output"},
            "schema": {"type": "string", "enum": ["json", "html"], "default": "json"},
            "minOccurs": 0,
            "maxOccurs": 1,
        },
    },
    "outputs": {
        "report": {
            "title": {"de": "Prüfbericht", "en": "Report"},
            "schema": {
                "oneOf": [{"type": "object", "contentMediaType": "application/json"}, {"type": "string", "contentMediaType": "text/html"}]
            },
        }
    },
    "example": {"inputs": {"baustelle": "BAU-2027-0309", "buffer_m": 10}},
}


class ConstructionOverlay(BaseProcessor):  # type: ignore[misc]
    """Runs checks as `open` under the stock server; our own host runs them as the caller's profile."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, METADATA)

    def execute(self, data: dict[str, Any], outputs: dict[str, Any] | None = None) -> tuple[str, Any]:
        """Return the media type and the report."""
        try:
            answer = asyncio.run(_once(data))
        except StadtgrundError as error:
            raise ProcessorExecuteError(str(error)) from error
        return answer

    def __repr__(self) -> str:
        return "<ConstructionOverlay>"


async def _once(data: dict[str, Any]) -> tuple[str, Any]:
    workers = Workers(size=1)
    try:
        answer = await workers.run(OPEN, data)
    finally:
        await workers.close()
    return answer.media_type, answer.body
