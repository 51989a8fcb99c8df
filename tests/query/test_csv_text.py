"""Features as CSV: names of columns, and values that keep their digits."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from query.city import Published

from stadtgrund.query import csv_text


@pytest.mark.parametrize(
    ("names", "geometry", "head"),
    [
        (["id", "name"], True, "id,id_,name,geometry"),
        (["id", "id_", "geometry"], True, "id,id__,id_,geometry_,geometry"),
        (["name", "geometry"], False, "id,name,geometry"),
    ],
)
def test_no_two_columns_have_the_same_name(names: list[str], geometry: bool, head: str) -> None:
    assert csv_text.head(names, geometry=geometry) == head + "\r\n"


def test_an_attribute_that_is_the_id_is_there_once(city: Published) -> None:
    proben = city.relation("proben")
    called_id = replace(proben, columns=(replace(proben.columns[0], name="id"), *proben.columns[1:]), id_field="id")
    assert csv_text.attributes(called_id, None) == [column.name for column in proben.columns[1:]]
    assert csv_text.attributes(replace(called_id, id_field=None), {"id"}) == ["id"]
    assert csv_text.attributes(proben, None) == [column.name for column in proben.columns]


def test_numbers_inside_json_keep_their_digits() -> None:
    text = '{"a": 1.10, "b": [12345678901234567890.123456789, -0.5, true, null, "ä\\"1"], "c": 1e400}'
    written = csv_text.lines(csv_text.parse(f'[{{"id": 1, "properties": {{"j": {text}}}}}]'), ["j"])
    ((ident, cell),) = csv.reader([written])
    assert (ident, cell) == ("1", text) and json.loads(cell)["b"][4] == 'ä"1'
