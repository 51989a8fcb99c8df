"""`publiccode.yml` is what the standard asks for (https://yml.publiccode.tools, core keys), and says what is true."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import stadtgrund
from stadtgrund.settings import ROOT

TEXT = (ROOT / "publiccode.yml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    "key",
    [
        "publiccodeYmlVersion",
        "name",
        "url",
        "platforms",
        "developmentStatus",
        "softwareType",
        "description",
        "legal.license",
        "maintenance.type",
        "localisation.localisationReady",
        "localisation.availableLanguages",
    ],
)
def test_every_mandatory_key_is_there(key: str) -> None:
    value: Any = FILE
    for part in key.split("."):
        value = value[part]
    assert value not in (None, "", [], {})


def test_closed_lists_hold() -> None:
    assert FILE["developmentStatus"] in ("concept", "development", "beta", "stable", "obsolete")
    assert re.fullmatch(r"standalone/(mobile|iot|desktop|web|backend|other)|addon|library|configurationFiles", FILE["softwareType"])
    assert FILE["maintenance"]["type"] in ("internal", "contract", "community", "none")
    assert isinstance(FILE["localisation"]["localisationReady"], bool)
    assert all(re.fullmatch("[A-Z]{2}", code) for code in FILE["intendedAudience"]["countries"])
    address = urlsplit(FILE["url"])
    assert address.scheme == "https" and address.hostname


@pytest.mark.parametrize("language", ["de", "en"])
def test_descriptions_have_the_length_that_catalogues_take(language: str) -> None:
    said = FILE["description"][language]
    assert language in FILE["localisation"]["availableLanguages"]
    assert 0 < len(said["shortDescription"]) <= 150
    assert 150 <= len(said["longDescription"]) <= 10_000
    assert said["features"] and all(0 < len(feature) <= 100 for feature in said["features"])
    assert len(said["features"]) == len(FILE["description"]["de"]["features"])


def test_a_community_has_a_contact_and_a_contractor_only_by_contract() -> None:
    assert all(contact["name"] for contact in FILE["maintenance"]["contacts"])
    assert ("contractors" in FILE["maintenance"]) == (FILE["maintenance"]["type"] == "contract")


def test_it_says_what_is_true() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert FILE["softwareVersion"] == stadtgrund.__version__
    assert f'license = "{FILE["legal"]["license"]}"' in project
    python = next(item for item in FILE["dependsOn"]["open"] if item["name"] == "Python")
    assert f'requires-python = ">={python["versionMin"]}' in project


def test_placeholders_are_the_two_that_its_head_names() -> None:
    body = [line for line in TEXT.splitlines() if not line.startswith("#")]
    assert [line.partition(":")[0] for line in body if "example." in line] == ["url"]
    head = "\n".join(line for line in TEXT.splitlines() if line.startswith("#"))
    assert "placeholders" in head and "`url`" in head and "`maintenance.contacts`" in head
