from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalog_folder import SCHULEN, Folder

from stadtgrund.catalog import registry, release
from stadtgrund.catalog.contract import Contract, Protection
from stadtgrund.catalog.document import parse
from stadtgrund.catalog.rewrite import with_protection, write_protection
from stadtgrund.errors import ReleaseError

CHECK = Protection(
    checked=date(2026, 3, 1), by="Amt 62, Leitung", source="3f9c02ab71de", fields={"bsn": "0123456789ab", "name": "12e456789012"}
)
WRITTEN = """\
protection:
  checked: 2026-03-01
  by: "Amt 62, Leitung"
  grounds: []
  source: 3f9c02ab71de
  fields: {bsn: 0123456789ab, name: "12e456789012"}
"""


def test_a_first_check_is_put_before_the_source_and_nothing_else_changes() -> None:
    after = with_protection(SCHULEN, CHECK)
    head, tail = SCHULEN.split("source: ")
    assert after == head + WRITTEN + "source: " + tail


def test_a_comment_above_the_source_stays_above_it() -> None:
    text = SCHULEN.replace("source: ", "# Quelle\n# vom Schulamt\nsource: ")
    assert with_protection(text, CHECK) == text.replace("# Quelle\n", WRITTEN + "# Quelle\n")


def test_a_later_check_replaces_values_where_they_stand() -> None:
    old = """\
id: x   # Kommentar
protection:   # Schutzprüfung
  # wann
  checked: '2020-01-01'   # damals
  fields:
    weg: 0123456789ab   # gibt es nicht mehr
    # die Nummer
    bsn: ffffffffffff   # alt
  grounds: [personal_data]   # früher
  weighing: >-
    Ein Text
    über zwei Zeilen
  # am Ende

# Quelle
source: {kind: ogr}
"""
    new = """\
id: x   # Kommentar
protection:   # Schutzprüfung
  # wann
  checked: 2026-03-01   # damals
  fields:
    # die Nummer
    bsn: 0123456789ab   # alt
    name: "12e456789012"
  grounds: []   # früher
  by: "Amt 62, Leitung"
  source: 3f9c02ab71de
  # am Ende

# Quelle
source: {kind: ogr}
"""
    assert with_protection(old, CHECK) == new


@pytest.mark.parametrize(
    "text",
    [
        "id: x\nprotection: {checked: 2020-01-01, by: 'wer'}   # hier\nsource: {kind: ogr}\n",
        "id: x\nprotection: {}\nsource: {kind: ogr}\n",
        "id: x\nprotection:\nsource: {kind: ogr}\n",
        "id: x\nprotection: ~\nsource: {kind: ogr}\n",
        "id: x\nprotection:   # leer\nsource: {kind: ogr}",
        "{id: x, source: {kind: ogr}}\n",
        "id: x",
        "id: x\n# Ende",
        "\ufeffid: x\r\nsource: {kind: ogr}\r\nfields:\r\n  - {name: a}\r\n",
        "---\nid: x\nsource: {kind: ogr}\n...\n",
        "id: x\nprotection:\n    checked: 2020-01-01\n    fields:\n        bsn: ffffffffffff\nsource: {kind: ogr}\n",
        "id: x\nfields:\n- name: a\n  type: string\n",
    ],
)
def test_every_way_to_write_it(text: str) -> None:
    after = with_protection(text, CHECK)
    document = parse("x", after)
    assert document.problems == ()
    assert Protection.model_validate(document.data.pop("protection")) == CHECK
    before = parse("x", text).data
    before.pop("protection", None)
    assert document.data == before
    assert with_protection(after, CHECK) == after, "a second time changes nothing"
    assert after.count("\r\n") == (after.count("\n") if "\r\n" in text else 0)
    for line in text.splitlines():
        if "#" in line:
            assert line[line.index("#") :] in after


def test_grounds_of_fields_are_written_beside_them() -> None:
    text = SCHULEN + "  # am Ende\n"
    after = with_protection(text, CHECK, {"bsn": ["personal_data", "business_secret"], "name": [], "schueler": ["personal_data"]})
    assert "{name: bsn, type: string, title: {de: Schulnummer}, required: true, grounds: [personal_data, business_secret]}" in after
    assert '{name: schueler, type: integer, unit: "1", grounds: [personal_data]}' in after
    assert "{name: name, type: string, title: {de: Name}}" in after
    again = with_protection(after, CHECK, {"bsn": [], "schueler": ["security_critical"]})
    assert "required: true, grounds: []}" in again
    assert 'unit: "1", grounds: [security_critical]}' in again


def test_grounds_in_block_style() -> None:
    text = "fields:\n  - name: a   # das Feld\n    type: string   # Text\n    # danach\n  - name: b\n    grounds: [personal_data]  # x\n"
    after = with_protection(text, CHECK, {"a": ["personal_data"], "b": ["business_secret"]})
    assert "    type: string   # Text\n    grounds: [personal_data]\n    # danach\n" in after
    assert "    grounds: [business_secret]  # x\n" in after


def test_many_fields_are_a_block() -> None:
    fields = {f"feld_{number}": f"{number:012x}" for number in range(30)}
    after = with_protection("id: x\n", CHECK.model_copy(update={"fields": fields}))
    assert '  fields:\n    feld_0: "000000000000"\n' in after
    assert '    feld_29: "00000000001d"\n' in after or "    feld_29: 00000000001d\n" in after
    assert max(map(len, after.splitlines())) < 120


@pytest.mark.parametrize(
    "text",
    [
        "id: x\nprotection: &p {checked: 2020-01-01}\nzweimal: *p\n",
        "id: x\nalt: &p {checked: 2020-01-01}\nprotection: *p\n",
        "- keine Abbildung\n",
        "",
    ],
)
def test_what_cannot_be_replaced_in_place_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError):
        with_protection(text, CHECK)


@settings(deadline=None)
@given(by=st.text(min_size=1, max_size=60), weighing=st.none() | st.text(max_size=200))
def test_any_text_comes_back(by: str, weighing: str | None) -> None:
    check = CHECK.model_copy(update={"by": by, "weighing": weighing})
    after = with_protection(SCHULEN, check)
    assert Protection.model_validate(parse("x", after).data["protection"]) == check


def test_the_file_is_written_whole_and_the_contract_says_what_was_recorded(folder: Folder) -> None:
    deployment = registry.read(folder(schulen=SCHULEN))
    path = deployment.path_of("schulen")
    path.chmod(0o640)
    recorded = release.record(
        deployment.contract("schulen"), checked=date(2026, 3, 1), by="Schulamt", field_grounds={"schueler": ["personal_data"]}
    )
    write_protection(path, recorded.protection, {"schueler": ["personal_data"]})
    assert registry.read(deployment.folder).contract("schulen") == recorded
    assert path.stat().st_mode & 0o777 == 0o640
    assert [other.name for other in path.parent.iterdir()] == ["schulen.yaml"]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"kann nicht geschrieben werden: No such file or directory\. Die Datei ist unverändert\."):
        write_protection(tmp_path / "x.yaml", CHECK)


def test_the_result_is_always_a_contract(folder: Folder) -> None:
    text = with_protection(SCHULEN, CHECK)
    assert Contract.model_validate(parse("x", text).data).protection == CHECK
