"""The process `echo`: gives back what it understood of its inputs, so that a client's author sees whether he encodes them right."""

from __future__ import annotations

__all__ = ["METADATA", "run"]

import asyncio
import base64
import json
from typing import Any

from jsonschema import Draft202012Validator

from processes.project import InvalidInput
from processes.workers import Answer
from stadtgrund.errors import Busy

MOST_PAUSE_S = 5
_MOST_NUMBERS = 1000
_MOST_PAUSES = 8
"""Of a server process: who waits costs memory only, but a client could let thousands wait."""
_GEOMETRIES = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"]
_ONCE = {"minOccurs": 0, "maxOccurs": 1}

METADATA: dict[str, Any] = {
    "version": "1.0.0",
    "id": "echo",
    "title": {"de": "Echo", "en": "Echo"},
    "description": {
        "de": "Gibt die Eingaben so zurück, wie der Server sie verstanden hat: zum Ausprobieren eines Programms, ohne Wirkung.",
        "en": "Gives the inputs back as the server understood them: to try a program out, without effect.",
    },
    "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
    "outputTransmission": ["value"],
    "keywords": ["Test"],
    "links": [],
    "inputs": {
        "message": {"title": {"de": "Text", "en": "Text"}, "schema": {"type": "string"}, **_ONCE},
        "content": {
            "title": {"de": "JSON-Objekt oder Text", "en": "JSON object or text"},
            "schema": {"oneOf": [{"type": "object"}, {"type": "string"}]},
            **_ONCE,
        },
        "numbers": {
            "title": {"de": "Ganze Zahlen", "en": "Whole numbers"},
            "schema": {"type": "array", "maxItems": _MOST_NUMBERS, "items": {"type": "integer"}},
            **_ONCE,
        },
        "box": {
            "title": {"de": "Rechteck", "en": "Bounding box"},
            "schema": {
                "type": "object",
                "format": "ogc-bbox",
                "required": ["bbox"],
                "properties": {
                    "bbox": {
                        "type": "array",
                        "minItems": 4,
                        "maxItems": 6,
                        "oneOf": [{"maxItems": 4}, {"minItems": 6}],
                        "items": {"type": "number"},
                    },
                    "crs": {"type": "string", "format": "uri", "default": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
                },
            },
            **_ONCE,
        },
        "file": {
            "title": {"de": "Datei", "en": "File"},
            "schema": {"type": "string", "contentEncoding": "base64", "contentMediaType": "application/octet-stream"},
            **_ONCE,
        },
        "place": {
            "title": {"de": "Geometrie", "en": "Geometry"},
            "description": {
                "de": "GeoJSON, auch als Verweis auf ein Objekt einer Sammlung dieses Servers.",
                "en": "GeoJSON, also as a reference to an item of a collection of this server.",
            },
            "schema": {
                "allOf": [
                    {
                        "format": "geojson-geometry",
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": {"type": "string", "enum": [*_GEOMETRIES, "Feature", "FeatureCollection"]}},
                    }
                ]
            },
            **_ONCE,
        },
        "pause": {
            "title": {"de": "Sekunden bis zur Antwort", "en": "Seconds before the answer"},
            "schema": {"type": "number", "minimum": 0, "maximum": MOST_PAUSE_S, "default": 0},
            **_ONCE,
        },
    },
    "outputs": {
        "echo": {
            "title": {"de": "Die Eingaben", "en": "The inputs"},
            "schema": {"type": "object", "contentMediaType": "application/json"},
        }
    },
    "example": {"inputs": {"message": "Grüße", "numbers": [1, 2, 3]}},
}
_VALIDATORS = {name: Draft202012Validator(told["schema"]) for name, told in METADATA["inputs"].items()}
_pausing = 0


async def run(inputs: dict[str, Any]) -> Answer:
    """Return the inputs, each by its name.

    Raises
    ------
    InvalidInput
        One is not of its schema.
    Busy
        Too many wait for the end of their pause.
    """
    for name, value in inputs.items():
        # The first fault ends it: lengths stand before the items in the schemas, as a million of them would take seconds to look at.
        if error := next(iter(_VALIDATORS[name].iter_errors(value)), None):
            raise InvalidInput(name, _shown(error.instance), f"ein Wert nach dem Schema {_shown(METADATA['inputs'][name]['schema'])}")
        if name == "file":
            _check_base64(value)
    await _pause(inputs.get("pause", 0))
    return Answer("application/json", inputs)


def _check_base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except ValueError as error:
        raise InvalidInput("file", value, "Bytes in base64") from error


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


async def _pause(seconds: float) -> None:
    global _pausing
    if not seconds:
        return
    if _pausing >= _MOST_PAUSES:
        raise Busy(
            "Zu viele Anfragen warten auf das Ende ihrer Pause.", remedy="Bitte ohne pause oder in einigen Sekunden erneut versuchen."
        )
    _pausing += 1
    try:
        await asyncio.sleep(seconds)
    finally:
        _pausing -= 1
