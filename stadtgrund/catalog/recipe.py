"""The recipe of a load: a hash of all that its result depends on, beside the source itself."""

from __future__ import annotations

__all__ = ["CONTENT_IDS", "RECIPE_VERSION", "SHAPES", "recipe_of"]

import hashlib
import json

from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment

RECIPE_VERSION = 1
"""Rises when the code makes other rows of the same source and contract; every dataset is then loaded anew."""

CONTENT_IDS = 2
"""Rises when ids of content are made another way; only datasets that have such are then loaded anew. 2: keyed, see `store/id_key.py`."""

SHAPES = 2
"""Rises when geometries of vector files are made another way; only those are loaded anew. 2: arcs within 1 cm, heights beside measures."""


def recipe_of(contract: Contract, deployment: Deployment | None = None) -> str:
    """Return the hash (16 hex digits) of source, geometry, id, fields, indexes and rules; texts and access are not in it.

    With `deployment`, the key registers that the fields use and the city's extent count too, where the contract checks against them.
    """
    stated = contract.model_dump(mode="json", by_alias=True, include={"geometry", "id_field", "quality", "temporal", "sortables"})
    stated["source"] = contract.source.model_dump(mode="json", exclude_defaults=True, exclude={"rhythm"})
    stated["fields"] = [
        {
            "name": field.name,
            "from": field.source_name,
            "type": field.type,
            "required": field.required,
            "unique": field.unique,
            "key": field.key,
            "values": sorted(field.values) if field.values is not None else None,
            "format": field.format,
        }
        for field in contract.fields
    ]
    if contract.has_content_ids:
        stated["content_ids"] = CONTENT_IDS
    if contract.source.kind == "ogr" and contract.geometry:
        stated["shapes"] = SHAPES
    if deployment:
        used = {field.key for field in contract.fields} | {pair.key for pair in contract.source.on}
        registers = deployment.keys.registers
        stated["keys"] = {name: registers[name].model_dump(mode="json") for name in sorted(registers) if name in used}
        stated["land"] = deployment.ags[:2] if deployment.ags and "flurstueck" in used else None
        stated["box"] = deployment.box84 if contract.geometry and contract.geometry.within == "deployment" else None
    text = json.dumps([RECIPE_VERSION, stated], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
