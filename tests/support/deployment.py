"""A small deployment in EPSG:25832, written as YAML: `masten` (points), `gebiete` (polygons), `zahlen` (a table)."""

from __future__ import annotations

__all__ = ["GEBIETE", "MASTEN", "ZAHLEN", "checked", "contract_of", "write_contract", "write_deployment"]

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from stadtgrund.catalog import release
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment

_CITY = {
    "title": {"de": "Teststadt", "en": "Test city"},
    "description": {"de": "Eine Stadt für Tests."},
    "ags": "05911000",
    "crs": "EPSG:25832",
    "box": [7.0, 51.3, 7.4, 51.6],
    "data": "data",
    "licence": "dl-de/zero-2-0",
    "contact": {"organisation": "Stadt Teststadt", "unit": "Geodaten", "email": "geodaten@example.org"},
    "responsibility": {
        "owner": {"organisation": "Stadt Teststadt", "unit": "Amt 62"},
        "steward": {"organisation": "Stadt Teststadt", "unit": "Amt 62"},
        "operator": {"organisation": "Stadt Teststadt", "unit": "IT"},
    },
}

MASTEN: dict[str, Any] = {
    "id": "masten",
    "title": {"de": "Masten", "en": "Poles"},
    "description": {"de": "Masten der Straßenbeleuchtung."},
    "source": {"kind": "ogr", "location": "${DATA}/masten.gpkg", "crs": "EPSG:25832", "rhythm": "monthly"},
    "geometry": {"type": "Point", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "nummer"},
    "fields": [
        {"name": "nummer", "type": "integer", "title": {"de": "Nummer"}, "required": True, "unique": True},
        {"name": "name", "type": "string", "title": {"de": "Name", "en": "Name"}},
        {"name": "art", "type": "string", "values": {"holz": {"de": "Holz"}, "stahl": {"de": "Stahl"}}},
        {"name": "hoehe", "type": "number", "unit": "m"},
        {"name": "kosten", "type": "decimal", "unit": "EUR"},
        {"name": "leuchtet", "type": "boolean"},
        {"name": "gebaut", "type": "date"},
        {"name": "gewartet", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
        {"name": "technik", "type": "json"},
        {"name": "gross_nr", "type": "integer"},
    ],
    "temporal": {"instant": "gebaut"},
    "sortables": ["name", "hoehe", "gebaut"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18], "fields": {"<12": ["nummer"]}}},
}

GEBIETE: dict[str, Any] = {
    "id": "gebiete",
    "title": {"de": "Gebiete", "en": "Areas"},
    "description": {"de": "Gebiete der Stadt."},
    "source": {"kind": "ogr", "location": "${DATA}/gebiete.geojson", "rhythm": "yearly"},
    "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "schluessel"},
    "fields": [
        {"name": "schluessel", "type": "string", "title": {"de": "Schlüssel"}, "required": True, "unique": True},
        {"name": "name", "type": "string"},
        {"name": "beginn", "type": "date"},
        {"name": "ende", "type": "date"},
    ],
    "temporal": {"start": "beginn", "end": "ende"},
    "sortables": ["schluessel", "name"],
    "publish": {"items": True, "tiles": {"zoom": [8, 18], "fields": {}}},
}

ZAHLEN: dict[str, Any] = {
    "id": "zahlen",
    "title": {"de": "Zahlen", "en": "Figures"},
    "description": {"de": "Einwohner je Gebiet und Jahr."},
    "source": {"kind": "table", "location": "${DATA}/zahlen.csv", "delimiter": ";", "decimal": ",", "rhythm": "yearly"},
    "id_field": {"kind": "composite", "columns": ["schluessel", "jahr"]},
    "fields": [
        {"name": "schluessel", "type": "string", "required": True},
        {"name": "jahr", "type": "integer", "required": True},
        {"name": "einwohner", "type": "integer", "unit": "1"},
    ],
    "sortables": ["jahr"],
    "forms": {"open": {"min_count": {"minimum": 5, "fields": ["einwohner"]}}},
    "publish": {"items": True},
}


def checked(contract: Contract, *grounds: Any, weighing: str | None = None) -> Contract:
    """Return the contract with a protection check of all its fields; no ground = public."""
    return release.record(contract, checked=date(2026, 1, 15), by="Prüfstelle", grounds=grounds, weighing=weighing)


def read_now(deployment: Deployment) -> Deployment:
    """Return the deployment as if its folder had just been read: after whatever was applied until now."""
    return replace(deployment, read_at=datetime.now(UTC))


def contract_of(values: Mapping[str, Any], **changes: Any) -> Contract:
    """Return the contract that a mapping says, with `changes` at its top level."""
    return Contract.model_validate({**values, **changes})


def write_contract(folder: Path, contract: Contract) -> Path:
    """Write `datasets/<id>.yaml` into a deployment folder."""
    path = folder / "datasets" / f"{contract.id}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(contract.canonical(), allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def write_deployment(folder: Path, *contracts: Contract) -> Path:
    """Write a deployment folder with these contracts, else with the three of this module, checked and public."""
    (folder / "datasets").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "deployment.yml").write_text(yaml.safe_dump(_CITY, allow_unicode=True, sort_keys=False), encoding="utf-8")
    for contract in contracts or [checked(contract_of(values)) for values in (MASTEN, GEBIETE, ZAHLEN)]:
        write_contract(folder, contract)
    return folder
