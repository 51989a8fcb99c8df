"""Whatever stands in a folder: problems with a sentence each, never an exception."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.catalog_folder import CITY, SCHULEN, Folder

from stadtgrund.catalog import checks
from stadtgrund.settings import ROOT

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**40), st.floats(), st.text(max_size=12),
    st.sampled_from(["bsn", "schueler", "join", "raster", "schulen", "content", "<14", "EPSG:4326", "2026-01-01", "dl-de/by-2-0", "a > 1"]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += paths(inner, (*path, key))
    return found


def changed(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.deepcopy(data)
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return data


CONTRACT = yaml.safe_load(
    SCHULEN
    + "forms: {open: {omit: [ende], where: schueler > 5, min_count: {minimum: 5, fields: [schueler]}}}\n"
    + "quality: [{rule: row_count, minimum: 3}]\ntemporal: {start: beginn}\nprotection: {checked: 2026-01-01, by: Amt}\n"
    + "responsibility: {owner: {organisation: Amt}}\nlicence: cc-by-4.0\nattribution: Stadt\n"
)
DEPLOYMENT = yaml.safe_load(CITY)


def check(contract: Any, city: Any = DEPLOYMENT) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "datasets").mkdir()
        (root / "deployment.yml").write_text(yaml.safe_dump(city, allow_unicode=True), encoding="utf-8")
        (root / "datasets" / "schulen.yaml").write_text(yaml.safe_dump(contract, allow_unicode=True), encoding="utf-8")
        return checks.check(root)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_in_any_place_of_a_contract(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(CONTRACT)))
    for problem in check(changed(CONTRACT, path, data.draw(values))):
        assert problem.message
        assert problem.file in ("datasets/schulen.yaml", "deployment.yml")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_in_any_place_of_a_deployment(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(DEPLOYMENT)))
    for problem in check(CONTRACT, changed(DEPLOYMENT, path, data.draw(values))):
        assert problem.message


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_damage_to_the_text(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SCHULEN)))
    length = data.draw(st.integers(0, 40))
    put = data.draw(st.text(max_size=10) | st.sampled_from(["\t", "&a", "*a", "!!x", ": ", "- ", "{", "]", '"', "|", "\n\n  ", "<<: "]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "datasets").mkdir()
        (root / "deployment.yml").write_text(CITY, encoding="utf-8")
        (root / "datasets" / "schulen.yaml").write_text(SCHULEN[:start] + put + SCHULEN[start + length :], encoding="utf-8")
        for problem in checks.check(root):
            assert problem.message


@pytest.mark.parametrize("broken", [b"\xff\xfe\x00", b"\x00", b"\xc3", b"", b"#" * 200_000])
def test_bytes_that_are_no_text(folder: Folder, broken: bytes) -> None:
    root = folder()
    (root / "datasets" / "x.yaml").write_bytes(broken)
    assert [problem.file for problem in checks.check(root)]


def test_a_whole_deployment_reads_in_both_languages(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = changed(CONTRACT, ("sortables",), ["x"])
    contract["id_field"] = {"kind": "composite", "columns": []}
    contract["publish"]["tiles"]["fields"] = {"unter 14": ["y"]}
    contract["quality"] = [{"rule": "unique"}, {"rule": "codelist", "field": "bsn", "on_fail": "repair"}]
    german = check(contract)
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    english = check(contract)
    assert [(problem.line, problem.field) for problem in german] == [(problem.line, problem.field) for problem in english]
    for one, other in zip(german, english, strict=True):
        assert one.message != other.message
        assert not set("äöüÄÖÜß„") & set(other.message)


def test_a_folder_given_by_another_name(tmp_path: Path) -> None:
    link = tmp_path / "stadt"
    link.symlink_to(ROOT / "pygeoapi-config" / "berlin")
    assert checks.check(link) == []
