"""Files of whole collections: each format read back by another program and compared with the database."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from support.deployment import ZAHLEN
from support.office import HOEHEN, Office, office_of, rows_of
from support.postgis import Server
from support.rows import publish_rows

from etl.deliver.deliver import deliver
from etl.deliver.order import Excerpt, Order
from etl.deliver.snapshot import Stale
from stadtgrund.catalog.file_formats import FORMATS
from stadtgrund.errors import NotFound, TooLarge
from stadtgrund.store.shelf import Shelf

PUNKTE: dict[str, Any] = {
    "id": "punkte",
    "title": {"de": "Öffentliche Punkte", "en": "Public points"},
    "description": {"de": "Alles, was ein Feld enthalten kann – auch „ß“."},
    "source": {"kind": "ogr", "location": "${DATA}/punkte.gpkg", "crs": "EPSG:25832"},
    "geometry": {"type": "Point", "crs": "EPSG:25832"},
    "id_field": {"kind": "composite", "columns": ["fid", "text"]},
    "licence": "dl-de/by-2-0",
    "attribution": "Stadt Teststadt, Vermessung",
    "fields": [
        {"name": "fid", "type": "integer", "title": {"de": "Größe"}, "required": True},
        {"name": "text", "type": "string", "title": {"de": "Straße"}, "required": True},
        {"name": "ogc_fid", "type": "integer", "title": {"de": "Größe"}},
        {"name": "geometry", "type": "string"},
        {"name": "id", "type": "string"},
        {"name": "bbox", "type": "string"},
        {"name": "zahl", "type": "number", "unit": "m"},
        {"name": "genau", "type": "decimal", "unit": "EUR"},
        {"name": "riesig", "type": "decimal"},
        {"name": "preis", "type": "decimal"},
        {"name": "ja", "type": "boolean"},
        {"name": "tag", "type": "date"},
        {"name": "moment", "type": "datetime"},
        {"name": "kennung", "type": "uuid"},
        {"name": "liste", "type": "json"},
        {"name": "art", "type": "string", "values": {"h": {"de": "Holz"}, "s": {"de": "Stahl"}}},
        {"name": "geheim", "type": "string", "grounds": ["personal_data"]},
    ],
}
POINTS: list[dict[str, Any]] = [
    {
        "fid": n * 10**15 * (-1) ** n + n,
        "text": ["Ä\nö", "=1+1", "'q", 'a,"b"', "-", "Ort 🏛"][n % 6],
        "ogc_fid": None if n % 3 else 2**63 - n,
        "geometry": "Wort",
        "id": f"i{n}",
        "bbox": "[1]",
        "zahl": [1.1, float("nan"), float("inf"), -0.1 + 0.3, None][n % 5],
        "genau": ["12.10", "-0.005", None, "NaN", "99999999999999999999.99"][n % 5],
        "riesig": "1" * 45 + ".5",
        "preis": [f"{n}.10", "NaN", None, "1234567890123.45"][n % 4],
        "ja": [True, False, None][n % 3],
        "tag": ["1950-02-28", "2024-02-29", "infinity", None][n % 4],
        "moment": ["2024-03-31T02:59:59.123456+01:00", "1899-12-31T23:59:59.999+00:00", "-infinity", None][n % 4],
        "kennung": f"00000000-0000-4000-8000-{n:012d}",
        "liste": [[1, "ä", None], {"a": {"b": 2**60}}, None][n % 3],
        "art": ["h", "s"][n % 2],
        "geheim": "nur intern",
        "geom": [f"POINT({360000 + n / 7} {5700000 - n / 3})", None, "POINT EMPTY"][0 if n > 4 else n % 3],
    }
    for n in range(1, 31)
]
GEMISCHT: dict[str, Any] = {
    "id": "gemischt",
    "title": {"de": "Gemischt"},
    "description": {"de": "Jede Art von Geometrie."},
    "source": {"kind": "ogr", "location": "${DATA}/gemischt.gpkg", "crs": "EPSG:25832"},
    "geometry": {"type": "Geometry", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [{"name": "nr", "type": "integer", "required": True, "unique": True}],
}
MIXED = [
    {"nr": n, "geom": text}
    for n, text in enumerate(
        (
            "POINT(360000 5700000)",
            "LINESTRING(360000 5700000, 360100 5700100)",
            "POLYGON((360000 5700000, 360100 5700000, 360100 5700100, 360000 5700000))",
            "MULTIPOINT((360000 5700000), (360001 5700001))",
            "GEOMETRYCOLLECTION(POINT(360000 5700000), LINESTRING(360000 5700000, 360009 5700000))",
            "CURVEPOLYGON(CIRCULARSTRING(360000 5700000, 360010 5700010, 360020 5700000, 360010 5699990, 360000 5700000))",
        )
    )
]
HEIGHTS = [{"nr": f"h{n}", "geom": f"LINESTRING Z({390000 + n} 5820000 {n / 8}, {390100 + n} 5820100 -1.25)"} for n in range(5)]
LEER: dict[str, Any] = {**HOEHEN, "id": "leer", "geometry": {"type": "MultiPolygon", "crs": "EPSG:25832"}}
GEHEIM: dict[str, Any] = {**LEER, "id": "geheim"}

SPATIAL = tuple(FORMATS)
TABLES = tuple(name for name in FORMATS if FORMATS[name].tables)


@pytest.fixture(scope="module")
def office(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Published data of every kind, which no test changes."""
    made = office_of(server, tmp_path_factory.mktemp("office") / "teststadt", PUNKTE, GEMISCHT, HOEHEN, LEER, GEHEIM, ZAHLEN)
    figures = [{"schluessel": f"0{n}", "jahr": 2020 + n, "einwohner": n} for n in range(1, 9)]
    rows = {"punkte": POINTS, "gemischt": MIXED, "hoehen": HEIGHTS, "leer": [], "geheim": [], "zahlen": figures}
    for dataset, each in rows.items():
        publish_rows(made.db, made.deployment, dataset, each)
    yield made
    server.drop(made.db.name)


# Values


def assert_same(
    found: Mapping[str, Mapping[str, Any]],
    truth: Mapping[str, Mapping[str, Any]],
    srid: tuple[int, int] | None,
    *,
    exact_moments: bool = True,
) -> None:
    """Compare rows by id; geometries within 1 cm, `srid` = (of the file, of the storage); else moments to the millisecond."""
    assert found.keys() == truth.keys()
    for ident, row in truth.items():
        for name, value in row.items():
            if name == "moment" and value and not exact_moments:
                assert abs(found[ident][name] - value) <= timedelta(milliseconds=1), ident
            elif name != "geom":
                assert found[ident][name] == value, (ident, name)
        if srid is None:
            continue
        shape, place = found[ident]["geom"], row["geom"]
        if place is None or place.is_empty:
            assert shape is None or shape.is_empty
            continue
        if srid[0] != srid[1]:
            move = Transformer.from_crs(srid[1], srid[0], always_xy=True).transform
            place = shapely.transform(place, move, include_z=place.has_z, interleaved=False)
        assert shape.geom_type == place.geom_type and shape.has_z == place.has_z
        tolerance = 1e-7 if srid[0] == 4326 else 0.01
        # GeoJSON turns rings the way RFC 7946 has them.
        assert shapely.equals_exact(shapely.orient_polygons(shape), shapely.orient_polygons(place), tolerance), (ident, shape, place)


def by_id(path: Path, key: str) -> dict[str, dict[str, Any]]:
    """Return the rows by their id, with values of the types of the contract."""
    found = {}
    for row in rows_of(path):
        plain = dict(row)
        plain.pop("geom_bbox", None)
        ident = str(plain.pop("sg_id", None) or plain[key])
        for name in ("genau", "riesig", "preis"):
            if isinstance(plain.get(name), str | int | float):
                plain[name] = Decimal(str(plain[name]))
        for name in ("zahl",):
            if isinstance(plain.get(name), Decimal | int):
                plain[name] = float(plain[name])
        for name in ("tag", "moment"):
            if isinstance(plain.get(name), str):
                plain[name] = (date if name == "tag" else datetime).fromisoformat(plain[name])
        if isinstance(plain.get("tag"), datetime):  # FlatGeobuf has no dates
            plain["tag"] = plain["tag"].date()
        if isinstance(plain.get("liste"), str):
            plain["liste"] = json.loads(plain["liste"])
        place = plain.get("geom")
        if place is not None:
            plain["geom"] = shapely.from_wkb(place) if isinstance(place, bytes) else shapely.from_geojson(json.dumps(place, default=float))
        found[ident] = plain
    return found


@pytest.mark.parametrize(
    ("format_", "srid"),
    [("gpkg", None), ("fgb", None), ("parquet", None), ("gpkg", 4326), ("fgb", 4326), ("parquet", 4326), ("gpkg", 3857), ("parquet", 4258)],
)
def test_every_value_arrives(office: Office, tmp_path: Path, format_: str, srid: int | None) -> None:
    path = office.named(tmp_path, "punkte", format_, srid)
    truth = office.truth("punkte")
    assert len(truth) == 30 and all("geheim" not in row for row in truth.values())
    assert_same(by_id(path, "fid"), truth, (srid or 25832, 25832), exact_moments=format_ == "parquet")


@pytest.mark.parametrize("format_", ["gpkg", "parquet", "geojson", "fgb"])
@pytest.mark.parametrize(("dataset", "srid"), [("gemischt", 25832), ("hoehen", 25833)])
def test_geometries_of_any_kind(office: Office, tmp_path: Path, dataset: str, srid: int, format_: str) -> None:
    path = office.named(tmp_path, dataset, format_)
    assert_same(by_id(path, "nr"), office.truth(dataset), (4326 if format_ == "geojson" else srid, srid))


def test_every_value_arrives_in_geojson(office: Office, tmp_path: Path) -> None:
    path = office.named(tmp_path, "punkte", "geojson")
    assert_same(by_id(path, "fid"), office.truth("punkte"), (4326, 25832))
    frame = geopandas.read_file(office.named(tmp_path, "gemischt", "geojson"))
    assert len(frame) == 6 and frame.crs.to_epsg() == 4326


@pytest.mark.parametrize("srid", [None, 25832])
def test_every_value_arrives_in_csv(office: Office, tmp_path: Path, srid: int | None) -> None:
    path = office.named(tmp_path, "punkte", "csv", srid)
    truth = office.truth("punkte")
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    names = [field["name"] for field in PUNKTE["fields"] if field["name"] != "geheim"]
    # Two attributes have the names of the columns that are no attributes.
    assert head == ["id", *({"id": "id_", "geometry": "geometry_"}.get(name, name) for name in names), "geometry"] and len(lines) == 30
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)
    move = Transformer.from_crs(25832, srid or 4326, always_xy=True).transform
    for ident, *values, wkt in lines:
        row = truth[ident.removeprefix("'")]
        found = dict(zip(names, values, strict=True))
        assert int(found["fid"]) == row["fid"] and found["text"].removeprefix("'") == row["text"].removeprefix("'")
        assert not found["text"].startswith(("=", "-"))
        assert ident.removeprefix("'") != found["id"] == row["id"]
        assert found["ogc_fid"] == ("" if row["ogc_fid"] is None else str(row["ogc_fid"]))
        assert (float(found["zahl"]) if found["zahl"] else None) == row["zahl"]
        assert (Decimal(found["genau"]) if found["genau"] else None) == row["genau"] and found["riesig"] == "1" * 45 + ".5"
        assert (datetime.fromisoformat(found["moment"]) if found["moment"] else None) == (row["moment"])
        assert (json.loads(found["liste"], parse_int=float) if found["liste"] else None) == json.loads(
            json.dumps(row["liste"]), parse_int=float
        )
        if row["geom"] is None:
            assert wkt == ""
        elif row["geom"].is_empty:
            assert wkt == "POINT EMPTY"
        else:
            place = shapely.transform(row["geom"], move, interleaved=False)
            assert shapely.equals_exact(shapely.from_wkt(wkt), place, 0.01 if srid else 1e-7)


@pytest.mark.parametrize("format_", TABLES)
def test_a_table_without_geometry(office: Office, tmp_path: Path, format_: str) -> None:
    path = office.named(tmp_path, "zahlen", format_)
    rows = rows_of(path)
    assert len(rows) == 8
    few = next(row for row in rows if row["schluessel"] == "03")
    many = next(row for row in rows if row["schluessel"] == "07")
    assert few["einwohner"] in (None, "") and few["einwohner_status"] == "suppressed"
    assert int(many["einwohner"]) == 7 and many["einwohner_status"] == "ok" and int(many["jahr"]) == 2027
    with pytest.raises(NotFound, match="fgb"):
        office.make("zahlen", "fgb")


@pytest.mark.parametrize("format_", SPATIAL)
def test_a_collection_without_rows(office: Office, tmp_path: Path, format_: str) -> None:
    path = office.named(tmp_path, "leer", format_)
    if format_ == "csv":
        assert path.read_bytes() == b"id,nr,geometry\r\n"
        return
    assert rows_of(path) == []
    frame = geopandas.read_parquet(path) if format_ == "parquet" else geopandas.read_file(path)
    assert len(frame) == 0 and (frame.crs.to_epsg() == (4326 if format_ == "geojson" else 25832))


# What the formats say of themselves


def test_a_geopackage_is_one(office: Office, tmp_path: Path) -> None:
    path = office.named(tmp_path, "punkte", "gpkg")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (entry,) = connection.execute("SELECT table_name, data_type, identifier, description, srs_id FROM gpkg_contents").fetchall()
        assert entry == ("punkte", "features", "Öffentliche Punkte", PUNKTE["description"]["de"], 25832)
        types = {name: kind for _, name, kind, *_ in connection.execute("PRAGMA table_info(punkte)")}
        titles = dict(connection.execute("SELECT column_name, name FROM gpkg_data_columns").fetchall())
        told = dict(connection.execute("SELECT column_name, description FROM gpkg_data_columns").fetchall())
    connection.close()
    # `fid` is an attribute here: GDAL's own number has another name.
    assert types["sg_fid"] == "INTEGER" and types["fid"] == "INTEGER" and types["sg_id"] == "TEXT"
    assert types["tag"] == "DATE" and types["moment"] == "DATETIME" and types["ja"] == "BOOLEAN" and types["genau"] == "TEXT"
    assert types["preis"] == "REAL"  # no value of it loses a digit
    assert titles["text"] == "Straße" and titles["fid"] == "Größe" and titles["ogc_fid"] == "Größe (ogc_fid)"
    assert told["zahl"] == "Einheit: m" and told["art"] == "h = Holz; s = Stahl"
    assert "Warning" not in subprocess.run(["ogrinfo", "-so", "-al", path], capture_output=True, text=True, check=True).stderr


def test_a_geoparquet_is_one(office: Office, tmp_path: Path) -> None:
    path = office.named(tmp_path, "punkte", "parquet")
    file = pq.ParquetFile(path)
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geom"]
    assert geo["version"] == "1.1.0" and geo["primary_column"] == "geom"
    assert (
        column["encoding"] == "WKB"
        and column["geometry_types"] == ["Point"]
        and column["crs"]["id"] == {"authority": "EPSG", "code": 25832}
    )
    places = [row["geom"] for row in office.truth("punkte").values() if row["geom"] and not row["geom"].is_empty]
    assert column["bbox"] == pytest.approx(list(shapely.total_bounds(places)))
    box = file.read(["geom_bbox"]).to_pylist()
    assert sum(each["geom_bbox"] is None for each in box) == 30 - len(places)
    assert column["covering"]["bbox"]["xmin"] == ["geom_bbox", "xmin"]
    schema = file.schema_arrow
    assert str(schema.field("genau").type) == "decimal128(38, 3)" and str(schema.field("riesig").type) == "string"
    assert schema.field("text").metadata == {b"title": "Straße".encode()}
    degrees = json.loads(pq.read_metadata(office.make("punkte", "parquet", 4326).path).metadata[b"geo"])
    assert "crs" not in degrees["columns"]["geom"]  # the default: CRS84
    mixed = json.loads(pq.read_metadata(office.make("gemischt", "parquet").path).metadata[b"geo"])["columns"]["geom"]["geometry_types"]
    assert mixed == ["GeometryCollection", "LineString", "MultiPoint", "Point", "Polygon"]
    heights = json.loads(pq.read_metadata(office.make("hoehen", "parquet").path).metadata[b"geo"])["columns"]["geom"]
    assert heights["geometry_types"] == ["LineString Z"]
    assert b"geo" not in pq.read_metadata(office.make("zahlen", "parquet").path).metadata


@pytest.mark.parametrize("format_", ["gpkg", "fgb", "parquet", "geojson"])
def test_licence_and_attribution_are_inside(office: Office, tmp_path: Path, format_: str) -> None:
    path = office.named(tmp_path, "punkte", format_)
    if format_ == "parquet":
        text = " ".join(
            f"{key.decode()}={value.decode()}" for key, value in pq.read_metadata(path).metadata.items() if key != b"ARROW:schema"
        )
    elif format_ == "geojson":
        document = json.loads(path.read_text())
        text = " ".join(f"{key}={value}" for key, value in document.items() if key != "features")
    else:
        text = " ".join(f"{key}={value}" for key, value in pyogrio.read_info(path)["layer_metadata"].items())
    for words in (
        "Datenlizenz Deutschland – Namensnennung – Version 2.0",
        "https://www.govdata.de/dl-de/by-2-0",
        "Stadt Teststadt, Vermessung",
        "Stadt Teststadt, Amt 62",
        "Öffentliche Punkte",
        "Öffentlich: Schutzprüfung vom 15.01.2026",
    ):
        assert words in text, words
    assert re.search(r"(?i)version=1\b", text) and re.search(r"(?i)published=20\d\d-", text)


def test_a_flatgeobuf_has_an_index_where_it_can(office: Office, tmp_path: Path) -> None:
    whole, gaps = office.named(tmp_path, "hoehen", "fgb"), office.named(tmp_path, "punkte", "fgb")
    # Byte 2 of the header's last fields: what counts is that GDAL answers a box without reading all.
    assert pyogrio.read_info(whole)["capabilities"]["fast_spatial_filter"]
    assert not pyogrio.read_info(gaps)["capabilities"]["fast_spatial_filter"]


def test_the_same_rows_make_the_same_file(office: Office, tmp_path: Path) -> None:
    for format_ in FORMATS:
        again = Shelf(tmp_path / format_, 1 << 30)
        with office.db.connect("open", autocommit=True) as connection:
            found, made = deliver(connection, "open", Order(dataset="punkte", format=format_), again)
            kept, not_made = deliver(connection, "open", Order(dataset="punkte", format=format_), again)
        assert made and not not_made and kept == found
        assert found.sha256 == office.make("punkte", format_).sha256, format_
        assert hashlib.sha256(found.path.read_bytes()).hexdigest() == found.sha256


# Who sees what


def test_closed_data_have_files_for_the_administration_only(office: Office) -> None:
    with pytest.raises(NotFound) as closed:
        office.make("geheim", "csv")
    with pytest.raises(NotFound) as absent:
        office.make("nirgends", "csv")
    assert str(closed.value).replace("geheim", "nirgends") == str(absent.value)
    assert office.make("geheim", "csv", profile="verwaltung").bytes
    mine, theirs = office.make("punkte", "csv", profile="verwaltung"), office.make("punkte", "csv")
    assert mine.path != theirs.path
    assert "geheim" in mine.path.read_text() and "nur intern" in mine.path.read_text()
    assert "geheim" not in theirs.path.read_text() and "nur intern" not in theirs.path.read_text()


def test_what_is_not_offered_is_named(office: Office) -> None:
    with pytest.raises(NotFound, match=r"EPSG:31467.*EPSG:25832, EPSG:4326, EPSG:3857"):
        office.make("punkte", "gpkg", 31467)
    with pytest.raises(NotFound, match="GeoJSON nicht in EPSG:25832"):
        office.make("punkte", "geojson", 25832)
    with pytest.raises(NotFound, match=r"shp.*gpkg, fgb, parquet, csv, geojson"):
        office.make("punkte", "shp")


# Excerpts


def excerpt(office: Office, where: str, *params: str, **more: Any) -> Excerpt:
    with office.db.connect("open") as connection:
        (digest,) = connection.execute("SELECT digest FROM p_open.sg_state WHERE dataset = 'punkte'").fetchone() or ("",)
    return Excerpt(
        **{"asked": where + repr(params) + repr(more), "where": where, "params": params, "digest": digest, "max_bytes": 1 << 20} | more
    )


@pytest.mark.parametrize("format_", SPATIAL)
def test_an_excerpt_holds_what_fulfils_the_condition(office: Office, tmp_path: Path, format_: str) -> None:
    chosen = excerpt(office, "art = %s::text", "h", properties=("fid", "art"))
    path = office.named(tmp_path, "punkte", format_, excerpt=chosen)
    rows = rows_of(path)
    assert path.name == f"punkte_auszug.{format_}" and len(rows) == 15
    assert {row["art"] for row in rows} == {"h"} and not {"text", "zahl"} & rows[0].keys()
    if format_ == "gpkg":
        assert "art = %s" in pyogrio.read_info(path)["layer_metadata"]["EXCERPT"]


def test_an_excerpt_of_an_old_state_is_refused(office: Office) -> None:
    with pytest.raises(Stale):
        office.make("punkte", "csv", excerpt=excerpt(office, "TRUE", digest="old"))


@pytest.mark.parametrize("format_", SPATIAL)
def test_an_excerpt_over_its_limit_leaves_nothing(office: Office, format_: str) -> None:
    with pytest.raises(TooLarge, match="smaller bbox"):
        office.make("punkte", format_, excerpt=excerpt(office, "TRUE", max_bytes=10, asked=f"limit {format_}"))
    assert not list((office.shelf.root / "excerpts").rglob("*.part"))
