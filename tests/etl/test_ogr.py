"""Vector files as offices deliver them, made here, read through GDAL, published in PostGIS."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import warnings
import zipfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from stadtgrund.catalog import recipe

from .conftest import City

X, Y = 380000.0, 5700000.0
POINT = {"type": "Point", "crs": "EPSG:25832"}
NAMES = ["Äußere Mühle", "Köln-Süd", "Straße"]


def write_points(path: Path, *, crs: str | None = "EPSG:25832", names: Iterable[str] = NAMES, driver: str = "GPKG", **options: Any) -> Path:
    names = list(names)
    wkb = shapely.to_wkb(shapely.points([(X + i, Y + i) for i in range(len(names))]))
    numbers = np.arange(1, len(names) + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")
        pyogrio.raw.write(
            path, wkb, [numbers, np.array(names, dtype=object)], ["nr", "name"], geometry_type="Point", crs=crs, driver=driver, **options
        )
    return path


def drop_triggers(connection: sqlite3.Connection) -> None:
    """A GeoPackage's triggers call functions that only GDAL's SQLite has."""
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')


def declare_points(city: City, location: str, geometry: dict[str, Any] = POINT, **source: Any) -> None:
    fields = [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}]
    city.declare(
        "punkte",
        {"kind": "ogr", "location": "${DATA}/" + location, **source},
        fields,
        geometry=geometry,
        id_field={"kind": "column", "column": "nr"},
    )


def test_geopackage(city: City) -> None:
    write_points(city.data / "p.gpkg")
    declare_points(city, "p.gpkg")
    report = city.published("punkte")
    assert (report.rows_in, report.rows_published, report.rows_rejected) == (3, 3, 0)
    assert report.operation is not None and report.operation.name == "identity"
    assert city.rows("punkte", "sg_id, name, ST_X(geom), ST_SRID(geom)") == [(i + 1, NAMES[i], X + i, 25832) for i in range(3)]


def test_zipped_shapefile_in_cp1252_without_cpg(city: City, tmp_path: Path) -> None:
    write_points(tmp_path / "p.shp", driver="ESRI Shapefile", encoding="CP1252")
    with zipfile.ZipFile(city.data / "p.zip", "w") as archive:
        for suffix in (".shp", ".shx", ".dbf", ".prj"):
            archive.write(tmp_path / f"p{suffix}", f"daten/p{suffix}")
    declare_points(city, "p.zip")
    report = city.published("punkte")
    assert [name for (name,) in city.rows("punkte", "name")] == NAMES
    assert any("cp1252" in note for note in report.notes)


def test_the_contracts_encoding_wins(city: City) -> None:
    write_points(city.data / "p.shp", driver="ESRI Shapefile", encoding="CP1252")
    (city.data / "p.cpg").write_text("UTF-8")
    declare_points(city, "p.shp", encoding="CP1252")
    city.published("punkte")
    assert [name for (name,) in city.rows("punkte", "name")] == NAMES


def test_geojson_with_the_old_crs_member(city: City) -> None:
    features = [{"type": "Feature", "properties": {"nr": 1, "name": "Ä"}, "geometry": {"type": "Point", "coordinates": [X, Y]}}]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
    (city.data / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    declare_points(city, "p.geojson")
    city.published("punkte")
    assert city.rows("punkte", "name, ST_X(geom), ST_Y(geom)") == [("Ä", X, Y)]


def test_geojson_in_crs84_is_reprojected_and_the_accuracy_noted(city: City) -> None:
    features = [{"type": "Feature", "properties": {"nr": 1, "name": "Ä"}, "geometry": {"type": "Point", "coordinates": [7.2, 51.45, 99]}}]
    (city.data / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    declare_points(city, "p.geojson")
    report = city.published("punkte")
    ((operation, accuracy),) = city.ask("SELECT operation, accuracy_m FROM meta.version")
    assert "UTM zone 32N" in operation and accuracy == 1
    assert "Lagegenauigkeit 1 m" in report.text()
    ((x, y, z),) = city.rows("punkte", "ST_X(ST_Transform(geom, 4326)), ST_Y(ST_Transform(geom, 4326)), ST_NDims(geom)")
    assert (x, y, z) == pytest.approx((7.2, 51.45, 2), abs=1e-8)


def test_several_files_are_one_layer_numbered_through(city: City) -> None:
    for name in ("b", "a"):
        write_points(city.data / f"{name}.gpkg", names=[name])
    city.declare(
        "punkte",
        {"kind": "ogr", "location": "${DATA}/*.gpkg"},
        [{"name": "name", "type": "string"}, {"name": "fid", "type": "integer"}],
        geometry=POINT,
    )
    assert city.published("punkte").rows_in == 2
    assert city.rows("punkte", "name, fid", "name") == [("a", 1), ("b", 1)]


def test_a_where_filter_at_the_source(city: City) -> None:
    write_points(city.data / "p.gpkg")
    declare_points(city, "p.gpkg", where="nr >= 2")
    assert city.published("punkte").rows_in == 2
    declare_points(city, "p.gpkg", where="nummer >= 2")
    report = city.load("punkte")
    assert report.status == "failed" and "source.where" in report.error and "nr, name" in report.next_step


def test_arcs_become_line_segments(city: City) -> None:
    arc = (
        '<gml:Polygon gml:id="g{0}" srsName="urn:ogc:def:crs:EPSG::25832"><gml:exterior><gml:Ring><gml:curveMember>'
        '<gml:Curve gml:id="c{0}">'
        "<gml:segments><gml:Arc><gml:posList>380000 5700000 380010 5700010 380020 5700000</gml:posList></gml:Arc><gml:LineStringSegment>"
        "<gml:posList>380020 5700000 380000 5700000</gml:posList></gml:LineStringSegment></gml:segments></gml:Curve></gml:curveMember>"
        "</gml:Ring></gml:exterior></gml:Polygon>"
    )
    members = "".join(
        f'<ogr:featureMember><ogr:k gml:id="k.{i}"><ogr:geom>{arc.format(i)}</ogr:geom></ogr:k></ogr:featureMember>' for i in range(3)
    )
    (city.data / "p.gml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/"'
        f' xmlns:gml="http://www.opengis.net/gml/3.2" gml:id="a">{members}</ogr:FeatureCollection>'
    )
    city.declare(
        "kreise",
        {"kind": "ogr", "location": "${DATA}/p.gml"},
        [{"name": "gml_id", "type": "string"}],
        geometry={"type": "Polygon", "crs": "EPSG:25832"},
    )
    report = city.published("kreise")
    assert any(finding.rule == "curves" and finding.count == 3 for finding in report.findings)
    ((area, points),) = city.rows("kreise", "ST_Area(geom), ST_NPoints(geom)")[:1]
    assert area == pytest.approx(np.pi * 100 / 2, rel=0.01) and points > 20
    assert sorted(path.name for path in city.data.iterdir()) == ["p.gml"], "GDAL must not write beside the file"


def curve_polygon(centre: tuple[float, float], radius: float, apex: tuple[float, float], *, turned: bool = False) -> bytes:
    """Return WKB of the area between a fourth of a circle around `centre` and the two lines from its ends to `apex`."""
    a, b, c = [(centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)) for angle in (0.0, 0.7, np.pi / 2)]
    if turned:
        a, c = c, a
    arc = struct.pack("<BII6d", 1, 8, 3, *a, *b, *c)
    lines = struct.pack("<BII6d", 1, 2, 3, *c, *apex, *a)
    return struct.pack("<BIIBII", 1, 10, 1, 1, 9, 2) + arc + lines


@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon", "Geometry"])
@pytest.mark.parametrize("radius", [10.0, 1000.0, 50_000.0])
def test_arcs_keep_to_a_centimetre_and_stay_shared(city: City, radius: float, kind: str) -> None:
    centre = (X - radius / 2, Y - radius / 2)
    inner, outer = centre, (centre[0] + 1.2 * radius, centre[1] + 1.2 * radius)
    shapes = [curve_polygon(centre, radius, inner), curve_polygon(centre, radius, outer, turned=True), shapely.box(X, Y, X + 1, Y + 1).wkb]
    columns = [np.arange(1, 4), np.array(NAMES, dtype=object)]
    pyogrio.raw.write(
        city.data / "p.gpkg",
        np.array(shapes, dtype=object),
        columns,
        ["nr", "name"],
        geometry_type="Unknown",
        crs="EPSG:25832",
        driver="GPKG",
    )
    declare_points(city, "p.gpkg", geometry={"type": kind, "crs": "EPSG:25832"})
    report = city.published("punkte")
    (finding,) = [finding for finding in report.findings if finding.rule == "curves"]
    assert finding.message == "2 Geometrien mit Bögen in Linienzüge umgewandelt, die höchstens 1 cm vom Bogen abweichen."
    made = [shapely.get_coordinates(shapely.from_wkb(bytes(row[0]))) for row in city.rows("punkte", "ST_AsBinary(geom)")][:2]
    on_arc = [ring[np.abs(np.hypot(*(ring - centre).T) - radius) < 1e-3] for ring in made]
    one, other = ({tuple(point) for point in ring.tolist()} for ring in on_arc)
    assert one == other and len(one) > 5
    assert {(centre[0] + radius, centre[1]), (centre[0] + radius * np.cos(np.pi / 2), centre[1] + radius)} <= one
    arc = np.array(sorted(one))
    middles = (arc[1:] + arc[:-1]) / 2
    assert np.abs(np.hypot(*(middles - centre).T) - radius).max() <= 0.01


def test_arcs_in_degrees_keep_to_a_centimetre(city: City) -> None:
    radius = 0.02
    wkb = curve_polygon((7.2, 51.45), radius, (7.2, 51.45))
    columns = [np.array([1]), np.array(NAMES[:1], dtype=object)]
    pyogrio.raw.write(
        city.data / "p.gpkg",
        np.array([wkb], dtype=object),
        columns,
        ["nr", "name"],
        geometry_type="Unknown",
        crs="OGC:CRS84",
        driver="GPKG",
    )
    declare_points(city, "p.gpkg", geometry={"type": "Polygon", "crs": "EPSG:25832"})
    city.published("punkte")
    ((wkb,),) = city.rows("punkte", "ST_AsBinary(geom)")
    ring = shapely.get_coordinates(shapely.from_wkb(bytes(wkb)))[1:-1]
    angles = np.linspace(0, np.pi / 2, 20_001)
    true = Transformer.from_crs("OGC:CRS84", "EPSG:25832", always_xy=True).transform(
        7.2 + radius * np.cos(angles), 51.45 + radius * np.sin(angles)
    )
    distance = shapely.distance(shapely.linestrings(shapely.get_coordinates(shapely.from_wkb(bytes(wkb)))), shapely.points(*true))
    assert distance.max() <= 0.01 and 100 < len(ring) < 1000


@pytest.mark.parametrize(
    ("dimensions", "axes", "heights"), [(3, "ZM", [55, 56]), (3, "M", [0, 0]), (2, "ZM", [None, None]), (2, "M", [None, None])]
)
def test_measures_of_a_geopackage_are_counted_and_left_out(city: City, dimensions: int, axes: str, heights: list[float | None]) -> None:
    extra = [" 55 7", " 56 8"] if axes == "ZM" else [" 7", " 8"]
    shapes = shapely.from_wkt([f"POINT {axes} ({X + i} {Y}{text})" for i, text in enumerate(extra)])
    columns = [np.array([1, 2]), np.array(NAMES[:2], dtype=object)]
    wkb = shapely.to_wkb(shapes, output_dimension=4, flavor="iso")
    pyogrio.raw.write(city.data / "p.gpkg", wkb, columns, ["nr", "name"], geometry_type="Unknown", crs="EPSG:25832", driver="GPKG")
    declare_points(city, "p.gpkg", geometry={**POINT, "dimensions": dimensions})
    report = city.published("punkte")
    messages = [finding.message for finding in report.findings if finding.rule == "dimensions"]
    assert "2 Geometrien haben Messwerte an Stützpunkten (M), die nicht übernommen werden." in messages
    assert len(messages) == 1 + (dimensions == 2 and axes == "ZM")
    assert city.rows("punkte", "ST_Z(geom), ST_M(geom)") == [(height, None) for height in heights]


def test_vector_files_are_loaded_anew_where_their_geometries_are_made_another_way(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    write_points(city.data / "p.gpkg")
    declare_points(city, "p.gpkg")
    with monkeypatch.context() as before:
        before.setattr(recipe, "SHAPES", 1)
        first = city.published("punkte").recipe
    assert city.load("punkte").recipe != first


def test_a_geopackage_with_a_journal_is_read_from_a_copy(city: City) -> None:
    path = write_points(city.data / "p.gpkg")
    with closing(sqlite3.connect(path)) as connection:
        drop_triggers(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE p SET name = 'geändert' WHERE nr = 1")
        connection.commit()
        before = sorted(item.name for item in city.data.iterdir())
        declare_points(city, "p.gpkg")
        city.published("punkte")
        assert sorted(item.name for item in city.data.iterdir()) == before
    assert city.rows("punkte", "name")[0] == ("geändert",)
    assert city.leftovers() == []


def test_a_geopackage_with_several_layers_needs_a_layer(city: City) -> None:
    write_points(city.data / "p.gpkg", layer="eins")
    write_points(city.data / "p.gpkg", layer="zwei", append=True)
    declare_points(city, "p.gpkg")
    report = city.load("punkte")
    assert (report.status, report.next_step) == ("failed", "Vorhanden sind: eins, zwei.")
    declare_points(city, "p.gpkg", layer="zwei")
    city.published("punkte")


def test_a_source_without_crs_says_what_to_write(city: City) -> None:
    path = write_points(city.data / "p.shp", driver="ESRI Shapefile", crs=None, encoding="UTF-8")
    declare_points(city, path.name)
    report = city.load("punkte")
    assert report.error == "Datensatz punkte: die Quelle nennt kein Bezugssystem." and "source.crs" in report.next_step
    declare_points(city, path.name, crs="EPSG:25832")
    city.published("punkte")


def test_the_contracts_crs_overrides_and_is_told(city: City) -> None:
    write_points(city.data / "p.gpkg", crs="EPSG:25833")
    declare_points(city, "p.gpkg", crs="EPSG:25832")
    report = city.published("punkte")
    assert any(finding.message.startswith("Die Quelle nennt EPSG:25833, der Vertrag setzt EPSG:25832") for finding in report.findings)


def test_a_wrong_crs_stops_with_the_suspected_cause(city: City) -> None:
    write_points(city.data / "p.gpkg")
    declare_points(city, "p.gpkg", crs="EPSG:25833")
    report = city.load("punkte")
    assert report.status == "stopped"
    assert "liegen außerhalb der Stadt" in report.error and "passen zu EPSG:25832 (UTM 32)" in report.error
    assert report.next_step == "Schreiben Sie source.crs: EPSG:25832 in den Vertrag."
    assert city.leftovers() == []


def test_a_typo_in_a_column_lists_what_there_is(city: City) -> None:
    write_points(city.data / "p.gpkg")
    city.declare(
        "punkte", {"kind": "ogr", "location": "${DATA}/p.gpkg"}, [{"name": "name", "from": "nmae", "type": "string"}], geometry=POINT
    )
    report = city.load("punkte")
    assert report.error == "Datensatz punkte: p.gpkg hat keine Spalte 'nmae' (gemeint 'name'?)."
    assert report.next_step == "Vorhanden sind: 'nr', 'name', 'fid'. Berichtigen Sie `from` im Vertrag."


def test_missing_and_unreadable_files(city: City) -> None:
    declare_points(city, "gibtsnicht.gpkg")
    (city.data / "anderes.gpkg").write_bytes(b"SQLite format 3\x00 aber nicht weiter")
    report = city.load("punkte")
    assert report.status == "failed" and "gibtsnicht.gpkg gibt es nicht" in report.error and "anderes.gpkg" in report.next_step
    assert report.kept == "Es gab noch keine Version; der Datensatz bleibt unsichtbar."
    declare_points(city, "anderes.gpkg")
    assert "anderes.gpkg ist nicht lesbar" in city.load("punkte").error
    (city.data / "kaputt.zip").write_bytes(b"PK kaputt")
    declare_points(city, "kaputt.zip")
    assert "kein lesbares ZIP" in city.load("punkte").error


def test_an_empty_layer_stops_unless_it_is_allowed(city: City) -> None:
    path = write_points(city.data / "p.gpkg")
    with closing(sqlite3.connect(path)) as connection:
        drop_triggers(connection)
        connection.execute("DELETE FROM p")
        connection.commit()
    declare_points(city, "p.gpkg")
    report = city.load("punkte")
    assert report.status == "stopped" and "Keine Zeile" in report.error
    contract = city.contracts["punkte"].model_dump(mode="json", by_alias=True, exclude_defaults=True)
    city.declare(
        "punkte",
        contract["source"],
        contract["fields"],
        geometry=POINT,
        id_field=contract["id_field"],
        quality=[{"rule": "row_count", "minimum": 0}],
    )
    assert city.published("punkte").rows_published == 0


def test_a_deleted_record_of_a_shapefile_is_no_row(city: City) -> None:
    path = write_points(city.data / "p.shp", driver="ESRI Shapefile", encoding="UTF-8")
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    content[int.from_bytes(content[8:10], "little")] = ord("*")
    table.write_bytes(content)
    declare_points(city, "p.shp")
    assert city.published("punkte").rows_in == 2


def test_a_kind_of_a_later_version_is_named(city: City) -> None:
    city.declare("punkte", {"kind": "wfs", "location": "https://example.org/wfs"}, [{"name": "name", "type": "string"}], geometry=POINT)
    report = city.load("punkte")
    assert report.status == "failed" and "wfs" in report.error and report.next_step == "Erlaubt sind: ogr, table, raster, join."


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "crs", "rows"),
    [
        ("hamburg/stadtteile-shp/Stadtteile.shp", "EPSG:25832", 104),
        ("sachsen/einzugsgebiete-gk4/freiberger_mulde.shp", "EPSG:31468", 430),
        ("koeln/gruenflaechen-shp/objekte.shp", "EPSG:25832", 2802),
    ],
)
def test_real_shapefiles(city: City, shared_data: Path, path: str, crs: str, rows: int) -> None:
    for item in (shared_data / path).parent.glob(f"{Path(path).stem}.*"):
        shutil.copyfile(item, city.data / item.name)
    city.declare(
        "flaechen",
        {"kind": "ogr", "location": "${DATA}/" + Path(path).name},
        [{"name": "fid", "type": "integer"}],
        geometry={"type": "MultiPolygon", "crs": "EPSG:25833", "within": "anywhere"},
        quality=[{"rule": "valid_geometry", "on_fail": "repair"}],
    )
    report = city.published("flaechen")
    assert report.rows_in == report.rows_published == rows
    assert city.ask("SELECT operation IS NOT NULL FROM meta.version") == [(True,)]
    assert city.rows("flaechen", "count(*)", "1") == [(rows,)] and city.rows("flaechen", "bool_and(ST_IsValid(geom))", "1") == [(True,)]
