"""Features as CSV: names of columns, and values that keep their digits."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import shapely
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


@pytest.mark.parametrize(
    ("geometry", "digits", "text"),
    [
        ("LINESTRING (1e-8 -1e-9, 7.1 51.5)", 8, "LINESTRING (0.00000001 0, 7.1 51.5)"),
        ("POINT Z (-0.00001 100 -0.0)", 8, "POINT Z (-0.00001 100 0)"),
        ("POLYGON ((360000 5700000, 360000.1204 5700010.1, 360100 5700000, 360000 5700000))", 3, None),
        ("POINT EMPTY", 8, "POINT EMPTY"),
    ],
)
def test_coordinates_as_the_answer_writes_them(geometry: str, digits: int, text: str | None) -> None:
    """Without exponents, zeros that say nothing and minus zero."""
    wanted = text or geometry.replace(".1204", ".12")
    assert csv_text.wkt([shapely.from_wkt(geometry), None], digits) == [wanted, ""]


def test_numbers_inside_json_keep_their_digits() -> None:
    text = '{"a": 1.10, "b": [12345678901234567890.123456789, -0.5, true, null, "ä\\"1"], "c": 1e400}'
    written = csv_text.lines(csv_text.parse(f'[{{"id": 1, "properties": {{"j": {text}}}}}]'), ["j"])
    ((ident, cell),) = csv.reader([written])
    assert (ident, cell) == ("1", text) and json.loads(cell)["b"][4] == 'ä"1'
