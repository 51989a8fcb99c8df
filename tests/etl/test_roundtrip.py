"""Values → file → load → SELECT: what went in comes out."""

from __future__ import annotations

import csv
import json
import math
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .conftest import City

KINDS = ("string", "integer", "number", "decimal", "boolean", "date", "datetime", "uuid", "json")
FIELDS = [{"name": "nr", "type": "integer"}, *({"name": f"f_{kind}", "type": kind} for kind in KINDS)]
TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf")),
    min_size=1,
    max_size=20,
)
ROW = st.fixed_dictionaries(
    {
        "f_string": st.none() | TEXT,
        "f_integer": st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        "f_number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "f_decimal": st.none() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=7),
        "f_boolean": st.none() | st.booleans(),
        "f_date": st.none() | st.dates(min_value=date(1, 1, 1)),
        "f_datetime": st.none()
        | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)).map(lambda value: value.replace(tzinfo=UTC)),
        "f_uuid": st.none() | st.uuids(),
        "f_json": st.none() | st.dictionaries(TEXT, st.none() | st.booleans() | TEXT | st.integers(-(2**40), 2**40), max_size=3),
        "xy": st.none() | st.tuples(st.floats(365_000, 385_000), st.floats(5_690_000, 5_710_000)),
    }
)


def german(value: Any) -> str:
    """Write a value as a German office would."""
    match value:
        case None:
            return ""
        case bool():
            return "ja" if value else "nein"
        case float() | Decimal():
            return str(value).replace(".", ",")
        case datetime():
            return value.isoformat()
        case date():
            return f"{value.day:02}.{value.month:02}.{value.year:04}"
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        out = csv.writer(stream, delimiter=";")
        out.writerow(["nr", *(f"f_{kind}" for kind in KINDS), "x", "y"])
        for number, row in enumerate(rows):
            x, y = row["xy"] or (None, None)
            out.writerow([number, *(german(row[f"f_{kind}"]) for kind in KINDS), german(x), german(y)])


def write_geojson(path: Path, rows: list[dict[str, Any]]) -> None:
    features = []
    for number, row in enumerate(rows):
        values = {name: value for name, value in row.items() if name != "xy"}
        values = {
            name: str(value) if isinstance(value, Decimal | uuid.UUID) else value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }
        geometry = {"type": "Point", "coordinates": list(row["xy"])} if row["xy"] else None
        features.append({"type": "Feature", "properties": {"nr": number, **values}, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}, ensure_ascii=False), encoding="utf-8")


def as_gdal_keeps_it(row: dict[str, Any]) -> dict[str, Any]:
    """GDAL's GeoJSON reader has milliseconds, and clamps integers near the end of 64 bits."""
    instant, number = row["f_datetime"], row["f_integer"]
    instant = instant and instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    return {**row, "f_datetime": instant, "f_integer": number and number % 2**53}


def same(sent: Any, got: Any) -> bool:
    if isinstance(sent, float) and isinstance(got, float):
        return sent == got or math.isclose(sent, got, rel_tol=1e-15)
    return bool(sent == got)


@pytest.mark.parametrize("form", ["csv", "geojson"])
def test_load_then_select_gives_what_was_written(city: City, form: str) -> None:
    point = {"type": "Point", "crs": "EPSG:25832"}
    id_field = {"kind": "column", "column": "nr"}
    if form == "csv":
        fields = [*FIELDS[:6], {**FIELDS[6], "format": "%d.%m.%Y"}, *FIELDS[7:]]
        city.declare(
            "werte",
            {"kind": "table", "location": "${DATA}/w.csv", "decimal": ",", "x": "x", "y": "y", "crs": "EPSG:25832"},
            fields,
            geometry=point,
            id_field=id_field,
        )
    else:
        city.declare("werte", {"kind": "ogr", "location": "${DATA}/w.geojson"}, FIELDS, geometry=point, id_field=id_field)
    write = {"csv": write_csv, "geojson": write_geojson}[form]
    # All columns present and typed in the first feature, so that GDAL's guess does not depend on the draw.
    first = {
        "f_string": "a", "f_integer": 2**40, "f_number": 0.5, "f_decimal": Decimal("1.5"), "f_boolean": True, "f_date": date(2026, 1, 1),
        "f_datetime": datetime(2026, 1, 1, tzinfo=UTC), "f_uuid": uuid.UUID(int=1), "f_json": {"a": "b"}, "xy": (380000.0, 5700000.0),
    }  # fmt: skip

    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(ROW, max_size=8))
    def check(drawn: list[dict[str, Any]]) -> None:
        rows = [first, *(drawn if form == "csv" else map(as_gdal_keeps_it, drawn))]
        write(city.data / f"w.{form}", rows)
        report = city.load("werte", force=True)
        assert report.status == "published" and report.rows_rejected == 0, report.text()
        got = city.rows("werte", ", ".join(f"f_{kind}" for kind in KINDS) + ", ST_X(geom), ST_Y(geom)", "nr")
        assert len(got) == len(rows)
        for sent, back in zip(rows, got, strict=True):
            for kind, value in zip(KINDS, back, strict=False):
                assert same(sent[f"f_{kind}"], value), (kind, sent[f"f_{kind}"], value)
            assert back[-2:] == (sent["xy"] or (None, None))

    check()


def test_polygons_keep_their_coordinates_bit_by_bit(city: City) -> None:
    import pyogrio.raw

    random = np.random.default_rng(7)
    centres = random.uniform((365_000, 5_690_000), (385_000, 5_710_000), (200, 2))
    shapes = shapely.buffer(shapely.points(centres), random.uniform(1, 50, 200))
    pyogrio.raw.write(
        city.data / "f.gpkg", shapely.to_wkb(shapes), [np.arange(200)], ["nr"], geometry_type="Polygon", crs="EPSG:25832", driver="GPKG"
    )
    city.declare(
        "flaechen",
        {"kind": "ogr", "location": "${DATA}/f.gpkg"},
        [{"name": "nr", "type": "integer"}],
        geometry={"type": "Polygon", "crs": "EPSG:25832"},
        id_field={"kind": "column", "column": "nr"},
    )
    city.published("flaechen")
    got = shapely.from_wkb([bytes(wkb) for (wkb,) in city.rows("flaechen", "ST_AsBinary(geom)", "nr")])
    assert shapely.equals_exact(got, shapes, 0).all()
