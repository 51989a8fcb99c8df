"""What `bin/conformance` tells the OGC's suites of a server that runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import httpx

CONFORMANCE = Path(__file__).resolve().parents[2] / "bin" / "conformance"


def test_a_suite_of_a_class_that_is_not_declared_is_not_run(api: str) -> None:
    undeclared = runpy.run_path(str(CONFORMANCE))["undeclared"]
    assert undeclared(Path("ets-ogcapi-features10-1.9-aio.jar"), api) == undeclared(Path("ets-ogcapi-tiles10-1.2-aio.jar"), api) == ""
    assert undeclared(Path("ets-ogcapi-processes10-1.3-aio.jar"), api).endswith("/ogcapi-processes-1/1.0/conf/core")


def test_the_suite_is_told_where_tiles_are(api: str) -> None:
    told = runpy.run_path(str(CONFORMANCE))["properties"](api)
    assert "DOCTYPE" not in told
    known = {entry.get("key"): entry.text or "" for entry in ElementTree.fromstring(told).iter("entry")}
    assert known["iut"] == api
    place = {"tileMatrix": known["tilematrix"], "tileRow": known["mintilerow"], "tileCol": known["maxtilecol"]}
    assert httpx.get(known["urltemplatefortiles"].format(**place), trust_env=False).status_code == 200  # not an empty one
