from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.catalog_folder import SCHULEN

from stadtgrund.catalog import schema
from stadtgrund.catalog.contract import Contract
from stadtgrund.settings import ROOT

CONTRACTS = sorted((ROOT / "pygeoapi-config").glob("*/datasets/*.yaml"))


def test_the_committed_schema_is_what_the_models_say() -> None:
    assert (ROOT / "docs" / "schema" / "contract.json").read_text(encoding="utf-8") == schema.text()


def described(name: str, definition: dict[str, Any]) -> list[str]:
    """Return what has no description of its own in German."""
    missing = [] if definition.get("description") else [name]
    return missing + [f"{name}.{key}" for key, value in definition.get("properties", {}).items() if not value.get("description")]


def test_everything_is_described() -> None:
    made = schema.contract_schema()
    assert described("Contract", made) == []
    assert [name for key, value in made["$defs"].items() for name in described(key, value)] == []
    assert len(made["$defs"]) == 15


def test_it_is_a_valid_schema_and_knows_the_closed_lists() -> None:
    made = schema.contract_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    assert "dl-de/by-2-0" in made["properties"]["licence"]["enum"]
    assert "personal_data: Personenbezug" in made["$defs"]["Field"]["properties"]["grounds"]["items"]["description"]


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_editors_find_no_fault_in_the_committed_contracts(path: Path) -> None:
    contract = Contract.model_validate(yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader))
    jsonschema.validate(contract.canonical(), json.loads(schema.text()))


@pytest.mark.parametrize(
    ("old", "new"), [("kind: ogr", "kind: org"), ("title:", "titel:"), ("type: Point", "type: Punkt"), ("id: schulen", "id: Ä")]
)
def test_editors_see_what_the_registry_refuses(old: str, new: str) -> None:
    validator = jsonschema.Draft202012Validator(schema.contract_schema())
    assert validator.is_valid(yaml.safe_load(SCHULEN))
    assert not validator.is_valid(yaml.safe_load(SCHULEN.replace(old, new, 1)))
