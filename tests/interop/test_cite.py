"""What `bin/conformance` tells the OGC's suites of a server that runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import httpx

CONFORMANCE = Path(__file__).resolve().parents[2] / "bin" / "conformance"


def test_a_suite_of_a_class_that_is_not_declared_is_not_run(api: str) -> None:
    known = runpy.run_path(str(CONFORMANCE))
    suites = [Path(f"{name}-1.0-aio.jar") for name in known["CORE"]]
    assert len(suites) == 3 and [known["undeclared"](suite, api) for suite in suites] == ["", "", ""]
    known["CORE"]["ets-ogcapi-edr10"] = "http://www.opengis.net/spec/ogcapi-edr-1/1.0/conf/core"
    assert known["undeclared"](Path("ets-ogcapi-edr10-1.0-aio.jar"), api) == "http://www.opengis.net/spec/ogcapi-edr-1/1.0/conf/core"


def test_the_suite_is_told_the_process_that_echoes(api: str) -> None:
    known = {
        entry.get("key"): entry.text for entry in ElementTree.fromstring(runpy.run_path(str(CONFORMANCE))["properties"](api)).iter("entry")
    }
    assert known["echoprocessid"] == "echo"


def test_the_suite_is_told_where_tiles_are(api: str) -> None:
    told = runpy.run_path(str(CONFORMANCE))["properties"](api)
    assert "DOCTYPE" not in told
    known = {entry.get("key"): entry.text or "" for entry in ElementTree.fromstring(told).iter("entry")}
    assert known["iut"] == api
    place = {"tileMatrix": known["tilematrix"], "tileRow": known["mintilerow"], "tileCol": known["maxtilecol"]}
    assert httpx.get(known["urltemplatefortiles"].format(**place), trust_env=False).status_code == 200  # not an empty one
