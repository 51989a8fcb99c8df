from __future__ import annotations

import pytest

from stadtgrund.catalog.document import parse

MIXED = """\
a: no
on: [1, 2.5, 0123, 07319000, 2020-01-02, 12:30, ~, true, 1e3, 'x']
values: {1: eins, no: nein, 01: null eins}
fields:
  - {name: q,
     type: s}
  - w
n:
"""


def test_scalars_are_those_of_yaml_1_2() -> None:
    document = parse("x.yaml", MIXED)
    assert document.problems == ()
    assert document.data == {
        "a": "no",
        "on": [1, 2.5, "0123", "07319000", "2020-01-02", "12:30", None, True, "1e3", "x"],
        "values": {"1": "eins", "no": "nein", "01": "null eins"},
        "fields": [{"name": "q", "type": "s"}, "w"],
        "n": None,
    }


@pytest.mark.parametrize(
    ("path", "line", "label"),
    [
        ((), 1, ""),
        (("on", 3), 2, "on[4]"),
        (("values", "01"), 3, "values.01"),
        (("fields", 0, "type"), 6, "fields[q].type"),
        (("fields", 0, "gibtsnicht"), 5, "fields[q].gibtsnicht"),
        (("fields", 1), 7, "fields[2]"),
        (("gibtsnicht", "tief"), 1, "gibtsnicht.tief"),
        (("n",), 8, "n"),
    ],
)
def test_each_thing_knows_its_line(path: tuple[str | int, ...], line: int, label: str) -> None:
    document = parse("x.yaml", MIXED)
    assert document.line(path) == line
    assert document.label(path) == label


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: steht zweimal (zuerst in Zeile 1); eines entfernen."),
        ("a:\n  - {b: 1, b: 2}\n", "x.yaml:2: a.0.b: steht zweimal (zuerst in Zeile 2); eines entfernen."),
        ("a:\n\t- b\n", "x.yaml:2: Ein Tabulator ist in YAML nicht erlaubt: mit Leerzeichen einrücken."),
        ("a: \x01\n", "x.yaml:1: Das Zeichen U+0001 ist in YAML nicht erlaubt."),
        ("a: &x [*x]\n", "x.yaml:1: a.0: Ein Verweis (*) darf nicht auf sich selbst zeigen."),
        (
            "a: !!python/object:os.system {}\n",
            "x.yaml:1: a: Die YAML-Kennung tag:yaml.org,2002:python/object:os.system wird nicht unterstützt.",
        ),
        ("? [1, 2]\n: x\n", "x.yaml:1: Ein Schlüssel muss ein einfacher Text sein."),
    ],
)
def test_what_yaml_itself_refuses_is_said_with_its_line(text: str, said: str) -> None:
    assert [str(problem) for problem in parse("x.yaml", text).problems] == [said]


@pytest.mark.parametrize("text", ["a: [1", "a: 'x", "a: b: c", "{a: 1}}", "- a\nb: c", "%", "a: *nie", "--- 1\n--- 2\n", "a: !<x", "&"])
def test_broken_yaml_is_a_problem_with_a_line_and_never_raised(text: str) -> None:
    (problem,) = parse("x.yaml", text).problems
    assert problem.line
    assert problem.message.startswith("Das ist kein gültiges YAML: ")


def test_nothing_is_no_problem() -> None:
    assert parse("x.yaml", "# nur ein Kommentar\n").data is None
    assert parse("x.yaml", "").problems == ()


def test_a_number_of_any_length_is_read() -> None:
    assert parse("x.yaml", f"a: {'9' * 5000}\n").problems == ()
