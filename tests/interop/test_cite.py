"""What `bin/conformance` tells the OGC's suites of a server that runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import httpx

CONFORMANCE = Path(__file__).resolve().parents[2] / "bin" / "conformance"


def test_the_suite_is_told_where_tiles_are(api: str) -> None:
    told = runpy.run_path(str(CONFORMANCE))["properties"](api)
    known = {entry.get("key"): entry.text or "" for entry in ElementTree.fromstring(told).iter("entry")}
    assert known["iut"] == api
    place = {"tileMatrix": known["tilematrix"], "tileRow": known["mintilerow"], "tileCol": known["maxtilecol"]}
    assert httpx.get(known["urltemplatefortiles"].format(**place), trust_env=False).status_code in (200, 204)
