"""The row filter of a form, on the data table itself."""

from __future__ import annotations

import pytest
from query.city import ROWS, Published

from stadtgrund.errors import InvalidFilter
from stadtgrund.query import compile_where


def test_rows_of_a_form(city: Published) -> None:
    contract = city.deployment.contract("flaechen")
    text = "art = 'Wald' AND beginn > DATE('2024-06-01') AND S_INTERSECTS(geometry, BBOX(-180,-90,180,90))"
    sql, params = compile_where(text, contract)
    assert "%" not in sql.replace("%s", ""), "a client that binds nothing takes a per cent sign as it stands"
    with city.db.connect("owner") as owner:
        found = owner.execute(f"SELECT sg_id FROM data.flaechen__v1 WHERE {sql} ORDER BY sg_id", params).fetchall()  # type: ignore[arg-type]
    expected = [
        r["schluessel"] for r in ROWS["flaechen"] if r["art"] == "Wald" and r["beginn"] and str(r["beginn"]) > "2024-06-01" and r["geom"]
    ]
    assert [row[0] for row in found] == sorted(expected) and expected


def test_only_declared_fields(city: Published) -> None:
    with pytest.raises(InvalidFilter, match="Unknown property 'sg_revision'; known: art, beginn, ende, geometry, schluessel"):
        compile_where("sg_revision = 1", city.deployment.contract("flaechen"))
