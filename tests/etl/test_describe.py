"""What `init` finds out about a source: one small file for each thing to find."""

from __future__ import annotations

import gzip
import warnings
import zipfile
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon, box
from support.own import OwnCity, own_city

from etl.cast import cast
from etl.describe.draft import Draft
from stadtgrund.errors import SourceError, StadtgrundError, UsageError
from stadtgrund.store.database import Database

BOX = (7.5, 51.8, 7.8, 52.1)
LON, LAT = 7.625, 51.96


@pytest.fixture
def own(tmp_path: Path) -> OwnCity:
    """A city of zone 32 without a database."""
    return own_city(None, tmp_path / "teststadt", box=BOX)


@pytest.fixture
def loading(db: Database, tmp_path: Path) -> OwnCity:
    """The same over a database."""
    return own_city(db, tmp_path / "teststadt", box=BOX)


def text(own: OwnCity, content: str | bytes, name: str = "tabelle.csv", **options: Any) -> Draft:
    path = own.data / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return own.init(path, **options)


def spots(crs: str = "EPSG:25832", count: int = 6) -> list[Point]:
    turn = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform
    return [Point(*turn(LON + 0.002 * number, LAT + 0.001 * number)) for number in range(count)]


def layer(own: OwnCity, values: dict[str, Any], geometry: list[Any], crs: str | None = "EPSG:25832", name: str = "ebene.gpkg") -> Path:
    frame = geopandas.GeoDataFrame(values, geometry=geometry, crs=crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a Shapefile cuts names, and a file without CRS is what some tests want
        frame.to_file(own.data / name)
    return own.data / name


def fields(draft: Draft) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in draft.values["fields"]}


def types(draft: Draft) -> dict[str, str]:
    return {name: item["type"] for name, item in fields(draft).items()}


def comments(draft: Draft) -> str:
    return " ".join(line for lines in draft.comments.values() for line in lines)


def refused(own: OwnCity, source: Path | str, **options: Any) -> StadtgrundError:
    with pytest.raises((SourceError, UsageError)) as told:
        own.init(source, **options)
    assert told.value.what and told.value.remedy, "every failure says what to do"
    return told.value


# Tables ---------------------------------------------------------------------------------------------------------------------------------


def test_types_of_a_table(loading: OwnCity) -> None:
    rows = [
        f"{number:03d};{number};{number},5;1.{number:03d};{number % 28 + 1:02d}.03.2026;2026-03-{number % 28 + 1:02d};"
        f"{number % 28 + 1:02d}.03.2026 08:15;{'ja' if number % 2 else 'nein'};00000000-0000-4000-8000-{number:012d};Straße {number};"
        f'"{{""a"": {number}}}"'
        for number in range(30)
    ]
    head = "Schlüssel;Zahl;Wert;Tausender;Tag;Iso;Zeitpunkt;Aktiv;UUID;Name;Mehr"
    draft = text(loading, "\n".join([head, *rows]) + "\n")
    assert types(draft) == {
        "schluessel": "string", "zahl": "integer", "wert": "number", "tausender": "integer", "tag": "date", "iso": "date",
        "zeitpunkt": "datetime", "aktiv": "boolean", "uuid": "uuid", "name": "string", "mehr": "json",
    }  # fmt: skip
    made = fields(draft)
    assert made["tag"]["format"] == "%d.%m.%Y" and "format" not in made["iso"]
    assert draft.values["source"] | {"location": ""} == {"kind": "table", "location": "", "delimiter": ";", "decimal": ","}
    assert draft.values["id_field"] == {"kind": "column", "column": "schluessel"}
    assert all(item["required"] for item in made.values())
    assert loading.problems() == []
    report = loading.published("tabelle")
    assert (report.rows_published, report.rows_rejected) == (30, 0)
    first = loading.rows("tabelle", "wert, tausender, tag::text, aktiv, schluessel")[1]
    assert first == (1.5, 1001, "2026-03-02", True, "001")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "integer"),
        (["01", "2", "3"], "string"),
        (["1.5", "2", "3"], "number"),
        (["1,5", "2", "3"], "number"),
        (["1.234", "999", "12.345"], "integer"),  # no value over 999 is without the point
        (["1.234", "1500", "12.345"], "number"),
        (["0.250", "0.125", "0.500"], "number"),
        (["1.234.567", "1", "2"], "integer"),
        (["1 234", "12 345", "7"], "integer"),
        (["+49631", "+49632", "+49633"], "string"),
        (["12345678901234567890", "1", "2"], "string"),
        (["1.2.2026", "2.2.2026", "13.2.2026"], "date"),
        (["31.2.2026", "1.2.2026", "2.2.2026"], "string"),
        (["1.2.26", "2.2.26", "13.2.26"], "date"),
        (["2026-02-01T10:00:00Z", "2026-02-01T11:00:00+01:00", "2026-02-02T10:00:00"], "datetime"),
        (["ja", "nein", "Ja"], "boolean"),
        (["J", "N", "J"], "boolean"),
        (["N", "N", "N"], "string"),  # could be north
        (["ja", "nein", "unbekannt"], "string"),
        (["0", "1", "1"], "integer"),
        (["1e3", "2e3", "1.5e3"], "integer"),
        (["ä", "ö", "ü"], "string"),
        (["", "", ""], "string"),
    ],
)
def test_one_column(own: OwnCity, values: list[str], kind: str) -> None:
    draft = text(own, "Art;Wert\n" + "".join(f"{'abc'[number]};{value}\n" for number, value in enumerate(values)))
    assert types(draft)["wert"] == kind, draft.text()
    assert own.problems() == []


def test_a_plus_sign_before_a_number() -> None:
    for kind, value in (("integer", 5), ("number", 5.0)):
        made, errors = cast(pa.array(["+5", "7"]), kind)  # type: ignore[arg-type]
        assert (made.to_pylist(), errors) == ([value, value + 2], [])


def test_a_column_that_is_nearly_a_number_says_what_is_in_the_way(own: OwnCity) -> None:
    draft = text(own, "Name;Wert\n" + "".join(f"n{number};{number}\n" for number in range(60)) + "z;ca. 5\n")
    assert types(draft)["wert"] == "string" and "Fast immer integer, aber nicht „ca. 5“" in comments(draft)


def test_a_compact_date_is_one_where_the_name_says_so(own: OwnCity) -> None:
    draft = text(own, "Datum;Zahl\n20260101;20260101\n20261231;20261231\n")
    assert types(draft) == {"datum": "date", "zahl": "integer"} and fields(draft)["datum"]["format"] == "%Y%m%d"


def test_null_symbols_are_those_that_make_a_column_a_number(loading: OwnCity) -> None:
    draft = text(loading, "Ort;Zahl;Anteil;Text\na;1;-9999;-\nb;-;2,5;x\nc;k. A.;.;y\nd;4;1,0;z\n")
    assert types(draft) == {"ort": "string", "zahl": "integer", "anteil": "number", "text": "string"}
    assert set(draft.values["source"]["null_values"]) == {"", "-", "k. A.", ".", "-9999"}
    assert any("amtlicher Statistik" in note for note in draft.notes)
    assert {name for name, item in fields(draft).items() if item.get("required")} == {"ort"}
    assert loading.published("tabelle").rows_rejected == 0
    assert loading.rows("tabelle", "zahl, anteil, text", "sg_id") == [(1, None, None), (None, 2.5, "x"), (None, None, "y"), (4, 1.0, "z")]


def test_a_total_row_is_no_data(loading: OwnCity) -> None:
    draft = text(loading, "Bezirk;Name;Zahl\n" + "".join(f"{n:02d};Ort {n};{n}\n" for n in range(1, 9)) + ";Summe;36\n")
    assert draft.values["source"]["skip_rows"] == {"Name": "Summe"}
    assert fields(draft)["bezirk"]["required"], "the empty key of the total row is no gap"
    report = loading.published("tabelle")
    assert (report.rows_published, report.rows_skipped, report.rows_rejected) == (8, 1, 0)


def test_a_total_that_is_a_category_stays(own: OwnCity) -> None:
    rows = [f"{place};{sex};{number}" for number, place in enumerate("abcdef") for sex in ("männlich", "weiblich", "Gesamt")]
    draft = text(own, "Ort;Geschlecht;Zahl\n" + "\n".join(rows))
    assert "skip_rows" not in draft.values["source"]
    assert draft.values["id_field"] == {"kind": "composite", "columns": ["ort", "geschlecht"]}


@pytest.mark.parametrize(("encoding", "stated"), [("cp1252", "cp1252"), ("cp850", "cp850"), ("utf-8", None), ("utf-8-sig", None)])
def test_encodings(loading: OwnCity, encoding: str, stated: str | None) -> None:
    rows = "".join(f"{n};Gänseblümchenstraße {n}\n" for n in range(5))
    draft = text(loading, f"Nr;Straße\n{rows}".encode(encoding))
    assert draft.values["source"].get("encoding") == stated
    assert loading.published("tabelle").rows_published == 5
    assert loading.rows("tabelle", "strasse")[0] == ("Gänseblümchenstraße 0",)


def test_an_unclear_encoding_asks_for_the_option(own: OwnCity) -> None:
    content = "Nr;Name\n1;\x9d\x8f\n2;\x90\n".encode("latin-1")
    (own.data / "z.csv").write_bytes(content)
    error = refused(own, own.data / "z.csv")
    assert "nicht eindeutig" in error.what and "--encoding" in error.remedy
    assert own.init(own.data / "z.csv", encoding="cp850").values["source"]["encoding"] == "cp850"
    assert "klingonisch" in refused(own, own.data / "z.csv", encoding="klingonisch").what


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimiters(own: OwnCity, delimiter: str) -> None:
    draft = text(own, "\n".join(delimiter.join(row) for row in (("Nr", "Name", "Ort"), ("1", '"a;b,c"', "x"), ("2", "d", "y"))))
    assert draft.values["source"]["delimiter"] == delimiter and list(fields(draft)) == ["nr", "name", "ort"]


def test_titles_above_the_names(loading: OwnCity) -> None:
    draft = text(loading, "Einwohner der Stadt 2026;;\n\nStadtteil;Männer;Frauen\nAltstadt;10;11\nNeustadt;20;21\n")
    assert draft.values["source"]["header_row"] == 3 and list(fields(draft)) == ["stadtteil", "maenner", "frauen"]
    assert loading.published("tabelle").rows_published == 2


def test_groups_above_twin_names_become_titles(loading: OwnCity) -> None:
    draft = text(
        loading, "Stadtteil;2025;;2026;\n;Männer;Frauen;Männer;Frauen\nx;Zahl;Zahl;Zahl;Zahl\nAltstadt;1;2;3;4\nNeustadt;5;6;7;8\n"
    )
    made = fields(draft)
    assert [item["title"]["de"] for item in made.values()][1:] == [
        f"{year} – {who} – Zahl" for year in (2025, 2026) for who in ("Männer", "Frauen")
    ]
    assert made["zahl_3"]["from"] == "Zahl (3)"
    assert loading.published("tabelle").rows_published == 2
    assert loading.rows("tabelle", "zahl_1, zahl_4", "zahl_1") == [(1, 4), (5, 8)]


def test_a_table_without_names_is_refused(own: OwnCity) -> None:
    (own.data / "z.csv").write_text("1;2;3,5;a\n2;3;4,5;b\n3;4;5,5;c\n")
    assert "Spaltennamen" in refused(own, own.data / "z.csv").what


@pytest.mark.parametrize(("content", "told"), [("", "leer"), ("\n\n", "leer"), ("Nr;Name\n", "keine Zeilen")])
def test_empty_tables(own: OwnCity, content: str, told: str) -> None:
    (own.data / "z.csv").write_text(content)
    assert told in refused(own, own.data / "z.csv").what


def test_columns_without_a_name_and_broken_rows_are_told(loading: OwnCity) -> None:
    draft = text(loading, "Nr;;Name\n1;x;a\n2;y;b\n3;z\n")
    assert any("Spalte 2" in note for note in draft.notes)
    assert any("Zeile 3: die Zeile hat 2 statt 3 Zellen" in note for note in draft.notes)
    assert loading.published("tabelle").rows_published == 2


def test_sheets(loading: OwnCity) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Daten"
    for row in (("Nr", "Wert", "Tag"), (1, 1.5, pd.Timestamp("2026-01-02")), (2, None, pd.Timestamp("2026-01-03"))):
        book["Daten"].append(row)
    book.create_sheet("Leer")
    book.save(loading.data / "tabelle.xlsx")
    draft = loading.init(loading.data / "tabelle.xlsx")
    assert draft.values["source"]["sheet"] == "Daten" and types(draft) == {"nr": "integer", "wert": "number", "tag": "date"}
    assert loading.published(draft.id).rows_published == 2
    book.create_sheet("Zweites").append(("a", "b"))
    book.save(loading.data / "zwei.xlsx")
    error = refused(loading, loading.data / "zwei.xlsx")
    assert "Daten, Zweites" in error.what and "--layer" in error.remedy
    assert "Gibtsnicht" in refused(loading, loading.data / "zwei.xlsx", layer="Gibtsnicht").what


def test_dates_in_pairs_and_alone(own: OwnCity) -> None:
    draft = text(own, "Nr;Beginn;Ende\n1;01.01.2026;02.01.2026\n2;01.02.2026;\n")
    assert draft.values["temporal"] == {"start": "beginn", "end": "ende"}
    assert draft.values["sortables"] == ["nr", "beginn", "ende"]
    assert text(own, "Nr;Stichtag\n1;01.01.2026\n", "b.csv").values["temporal"] == {"instant": "stichtag"}


# Ids ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "rows", "expected"),
    [
        ("Zahl;Nummer;Name", ["10;a1;x", "20;a2;y"], {"kind": "column", "column": "nummer"}),
        ("OBJECTID;Nummer", ["1;a1", "2;a2"], {"kind": "column", "column": "nummer"}),
        ("OBJECTID;Wert", ["1;5", "2;5"], {"kind": "column", "column": "objectid"}),
        ("Name;Wert", ["x;5", "y;5"], {"kind": "column", "column": "name"}),
        ("Stadtteil;Jahr;Zahl", ["x;2025;1", "x;2026;1", "y;2025;1", "y;2026;1"], {"kind": "composite", "columns": ["stadtteil", "jahr"]}),
        ("Name;Wert", ["x;5", "x;5"], {"kind": "content"}),
        ("Nummer;Wert", ["1;5", ";6"], {"kind": "content"}),
        ("Einwohner;Anteil", ["10;1,5", "20;2,5"], {"kind": "content"}),  # different by chance only
    ],
)
def test_ids(own: OwnCity, head: str, rows: list[str], expected: dict[str, Any]) -> None:
    draft = text(own, "\n".join([head, *rows]))
    assert draft.values["id_field"] == expected
    assert own.problems() == []


def test_an_id_is_unique_over_all_batches(own: OwnCity) -> None:
    rows = [f"{number};b{number}" for number in range(50_000)]
    assert text(own, "\n".join(["nr;kennung", *rows])).values["id_field"]["column"] == "nr"
    assert text(own, "\n".join(["nr;kennung", *rows, "7;neu"]), "b.csv").values["id_field"]["column"] == "kennung"
    assert text(own, "\n".join(["nr;kennung", *rows, "7;b9"]), "c.csv").values["id_field"]["kind"] == "composite"


# Keys -----------------------------------------------------------------------------------------------------------------------------------


def test_key_types_by_name_and_every_value(loading: OwnCity) -> None:
    head = "id;flurstueck;plz;strassenschluessel;ags;plz_alt"
    rows = ["1;2450-8-746/284;48143;00123;05515000;48143", "2;055450___00123______;48145;123;5515000;Münster"]
    draft = text(loading, "\n".join([head, *rows]))
    assert {name: item.get("key") for name, item in fields(draft).items()} == {
        "id": None, "flurstueck": "flurstueck", "plz": "plz", "strassenschluessel": "strassenschluessel", "ags": "ags", "plz_alt": None,
    }  # fmt: skip
    assert loading.published("tabelle").rows_rejected == 0
    assert loading.rows("tabelle", "ags, strassenschluessel", "id") == [("05515000", "00123"), ("05515000", "00123")]


def test_a_key_that_was_made_a_number_is_text_again(loading: OwnCity) -> None:
    draft = loading.init(layer(loading, {"id": [1, 2], "PLZ": [1067, 48143]}, spots(count=2)))
    assert fields(draft)["plz"] == {
        "name": "plz",
        "from": "PLZ",
        "type": "string",
        "title": {"de": "Postleitzahl"},
        "key": "plz",
        "required": True,
    }
    loading.published("ebene")
    assert loading.rows("ebene", "plz") == [("01067",), ("48143",)]


def test_a_register_of_the_deployment(own: OwnCity) -> None:
    (own.folder / "keys" / "stadt_ortsteil.yml").write_text(
        "name: stadt_ortsteil\ntitle: {de: Ortsteil}\nwidth: 2\nvalues: [{key: '01'}, {key: '02'}]\n"
    )
    assert fields(text(own, "Nr;Ortsteil_Nr\n1;01\n2;2\n"))["ortsteil_nr"]["key"] == "stadt_ortsteil"
    assert "key" not in fields(text(own, "Nr;Ortsteil_Nr\n1;01\n2;3\n", "b.csv"))["ortsteil_nr"]


# Places ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [25832, 25833, 4647, 31466, 31467, 31468, 4326, 3857])
@pytest.mark.parametrize("name", ["ebene.shp", "tabelle.csv"])
def test_a_crs_by_the_size_of_the_coordinates(loading: OwnCity, code: int, name: str) -> None:
    places = spots(f"EPSG:{code}")
    if name.endswith("csv"):
        rows = [f"{number};{place.x:.6f};{place.y:.6f}" for number, place in enumerate(places)]
        (loading.data / name).write_text("\n".join(["nr;x;y", *rows]))
        draft = loading.init(loading.data / name)
        assert (draft.values["source"]["x"], draft.values["source"]["y"]) == ("x", "y")
        assert list(fields(draft)) == ["nr"]
    else:
        draft = loading.init(layer(loading, {"nr": range(len(places))}, places, None, name))
    assert draft.values["source"]["crs"] == f"EPSG:{code}"
    assert any("nach der Größe der Koordinaten" in note for note in draft.notes)
    report = loading.published(draft.id)
    assert report.rows_published == len(places)
    ((lon, lat),) = loading.rows(draft.id, "ST_X(ST_Transform(geom, 4326)), ST_Y(ST_Transform(geom, 4326))", "nr")[:1]
    assert (lon, lat) == pytest.approx((LON, LAT), abs=2e-5)


def test_with_all_of_germany_as_box_two_zones_are_possible_and_that_is_said(tmp_path: Path) -> None:
    own = own_city(None, tmp_path / "weit")
    draft = own.init(layer(own, {"nr": range(6)}, spots(), None, "ebene.shp"))
    assert draft.values["source"]["crs"] == "EPSG:25832"
    assert any("Auch EPSG:25833 wäre möglich" in note for note in draft.notes)


def test_a_stated_crs_that_the_coordinates_belie(own: OwnCity) -> None:
    draft = own.init(layer(own, {"nr": range(6)}, spots("EPSG:25832"), "EPSG:25833", "ebene.gpkg"))
    assert draft.values["source"]["crs"] == "EPSG:25832"
    assert any("Die Datei nennt EPSG:25833" in note for note in draft.notes)
    assert own.init(own.data / "ebene.gpkg", dataset="b", crs="EPSG:25833").values["geometry"]["within"] == "anywhere"


def test_the_states_old_crs_names_its_operation(own: OwnCity) -> None:
    draft = own.init(layer(own, {"nr": range(6)}, spots("EPSG:31467"), "EPSG:31467"))
    assert draft.values["source"]["crs"] == "EPSG:31467" and "Umrechnung nach EPSG:25832 mit" in comments(draft)


def test_swapped_axes(loading: OwnCity) -> None:
    turned = [Point(place.y, place.x) for place in spots("OGC:CRS84")]
    error = refused(loading, layer(loading, {"nr": range(6)}, turned, "EPSG:4326", "ebene.geojson"))
    assert "Achsen sind vertauscht" in error.what and "QGIS" in error.remedy
    rows = [f"{number};{place.x:.6f};{place.y:.6f}" for number, place in enumerate(turned)]
    draft = text(loading, "\n".join(["nr;x;y", *rows]).replace(".", ","))
    assert (draft.values["source"]["x"], draft.values["source"]["y"], draft.values["source"]["decimal"]) == ("y", "x", ",")
    assert loading.published("tabelle").rows_published == 6


def test_columns_called_x_that_are_no_place_stay_values(own: OwnCity) -> None:
    draft = text(own, "nr;x;y\n1;5;3\n2;6;4\n")
    assert "geometry" not in draft.values and list(fields(draft)) == ["nr", "x", "y"]


def test_a_place_outside_the_box_and_one_outside_germany(loading: OwnCity) -> None:
    outside = [*spots("OGC:CRS84"), Point(11.5, 48.1)]
    draft = loading.init(layer(loading, {"nr": range(7)}, outside, "EPSG:4326", "ebene.geojson"))
    assert draft.values["geometry"]["within"] == "anywhere" and any("1 Objekt liegt außerhalb der box" in note for note in draft.notes)
    assert loading.published("ebene").rows_published == 7
    lost = [*spots("OGC:CRS84"), Point(0, 0)]
    draft = loading.init(layer(loading, {"nr": range(7)}, lost, "EPSG:4326", "verirrt.geojson"))
    assert "within" not in draft.values["geometry"] and any("1 Objekt liegt nicht in Deutschland" in note for note in draft.notes)
    assert loading.published("verirrt").rows_published == 6


def test_coordinates_that_fit_nowhere(own: OwnCity) -> None:
    path = layer(own, {"nr": [1, 2]}, [Point(1e9, 5), Point(1e9, 6)], None, "ebene.shp")
    error = refused(own, path)
    assert "kein gebräuchliches Bezugssystem" in error.what and "--crs" in error.remedy
    assert "PROJ nicht" in refused(own, path, crs="EPSG:999999").what


# Geometries -----------------------------------------------------------------------------------------------------------------------------


def square(shift: float = 0.0) -> Polygon:
    place = spots(count=1)[0]
    return box(place.x + shift, place.y, place.x + shift + 50, place.y + 50)


def bow_tie() -> Polygon:
    x, y = spots(count=1)[0].coords[0]
    return Polygon([(x, y), (x + 40, y + 40), (x + 40, y), (x, y + 40)])


@pytest.mark.parametrize(
    ("geometry", "name", "kind"),
    [
        (lambda: spots(count=2), "ebene.gpkg", "Point"),
        (lambda: [spots()[0], MultiPoint(spots()[1:])], "ebene.gpkg", "MultiPoint"),
        (lambda: [square(), square(100)], "ebene.gpkg", "Polygon"),
        (lambda: [square(), square(100)], "ebene.shp", "MultiPolygon"),
        (lambda: [square(), MultiPolygon([square(100), square(200)])], "ebene.gpkg", "MultiPolygon"),
        (lambda: [LineString(spots()[:2]), LineString(spots()[2:4])], "ebene.gpkg", "LineString"),
        (lambda: [square(), spots()[0]], "ebene.gpkg", "Geometry"),
    ],
)
def test_geometry_types(loading: OwnCity, geometry: Any, name: str, kind: str) -> None:
    draft = loading.init(layer(loading, {"nr": [1, 2]}, geometry(), name=name))
    assert draft.values["geometry"]["type"] == kind
    report = loading.published("ebene")
    assert (report.rows_published, report.rows_rejected) == (2, 0)


def test_invalid_missing_and_high_geometries(loading: OwnCity) -> None:
    draft = loading.init(layer(loading, {"nr": [1, 2, 3]}, [square(), bow_tie(), None]))
    assert draft.values["geometry"]["type"] == "MultiPolygon"
    assert draft.values["quality"][0] == {"rule": "valid_geometry", "on_fail": "repair"}
    assert any("1 Geometrie ist ungültig" in note for note in draft.notes) and any(
        "1 Zeile hat keine Geometrie" in note for note in draft.notes
    )
    assert loading.published("ebene").rows_published == 3
    high = [Point(place.x, place.y, 60 + number) for number, place in enumerate(spots(count=2))]
    assert "z von 60 bis 61" in comments(loading.init(layer(loading, {"nr": [1, 2]}, high, name="hoch.gpkg")))


def test_a_layer_without_geometry(loading: OwnCity) -> None:
    draft = loading.init(layer(loading, {"nr": [1, 2], "wert": [1.5, 2.5]}, [None, None], name="leer.gpkg"))
    assert "geometry" not in draft.values and "crs" not in draft.values["source"]
    assert any("Keine Zeile hat eine Geometrie" in note for note in draft.notes)
    assert loading.problems() == [] and loading.published("leer").rows_published == 2


# Fields of vector files -----------------------------------------------------------------------------------------------------------------


def test_typed_columns(loading: OwnCity) -> None:
    values = {
        "ganz": [1.0, 2.0], "bruch": [1.5, 2.0], "zahl": [1, 2], "flag": [True, False], "tag": ["31.12.2025", "01.01.2026"],
        "aktiv": ["ja", "nein"], "ziffern": ["1", "2"], "moment": pd.to_datetime(["2026-01-01 10:00", "2026-01-02 11:00"]),
    }  # fmt: skip
    draft = loading.init(layer(loading, values, spots(count=2)))
    assert types(draft) == {
        "ganz": "integer", "bruch": "number", "zahl": "integer", "flag": "boolean", "tag": "date", "aktiv": "boolean",
        "ziffern": "string", "moment": "datetime",
    }  # fmt: skip
    assert fields(draft)["tag"]["format"] == "%d.%m.%Y"
    assert loading.published("ebene").rows_rejected == 0
    assert loading.rows("ebene", "ganz, tag::text, aktiv", "ganz")[0] == (1, "2025-12-31", True)


def test_names_become_columns_and_say_why(loading: OwnCity) -> None:
    values = {name: [1, 2] for name in ("Straße", "NAME", "limit", "xmin", "2015", "sg_id", "Länge (m)", "strasse")}
    draft = loading.init(layer(loading, values, spots(count=2), name="ebene.geojson", crs="EPSG:25832"))
    assert list(fields(draft)) == ["strasse", "name", "limit_wert", "xmin_wert", "jahr_2015", "id_wert", "laenge_m", "strasse_2"]
    assert "„limit“ ist ein Parameter der API" in comments(draft)
    assert loading.problems() == [] and loading.published("ebene").rows_published == 2


def test_a_shapefile_in_windows_letters_without_cpg(loading: OwnCity) -> None:
    path = layer(loading, {"nr": range(6), "name": [f"Köln-Süd {n}" for n in range(6)]}, spots(), name="ebene.shp")
    path.with_suffix(".cpg").unlink()
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes().replace("ö".encode(), "ö ".encode("cp1252")).replace("ü".encode(), "ü ".encode("cp1252")))
    table.write_bytes(content)
    draft = loading.init(path)
    assert draft.values["source"]["encoding"] == "CP1252" and "Windows" in comments(draft)
    loading.published("ebene")
    assert loading.rows("ebene", "name")[0][0].startswith("Kö")


def test_nested_geometry_is_told(own: OwnCity) -> None:
    values = {"nr": [1], "lage": ['{"type": "Point", "coordinates": [7.6, 51.9]}']}
    assert any("geom_from_geojson" in note for note in own.init(layer(own, values, spots(count=1))).notes)
    assert any("WKT" in note for note in text(own, "nr;form\n1;POINT (7.6 51.9)\n").notes)


# What cannot be --------------------------------------------------------------------------------------------------------------------------


def test_several_layers_are_listed(own: OwnCity) -> None:
    for name in ("wege", "plaetze"):
        geopandas.GeoDataFrame({"nr": [1]}, geometry=spots(count=1), crs="EPSG:25832").to_file(own.data / "plan.gpkg", layer=name)
    error = refused(own, own.data / "plan.gpkg")
    assert "wege (Point), plaetze (Point)" in error.what and "--layer" in error.remedy
    draft = own.init(own.data / "plan.gpkg", layer="wege")
    assert (draft.id, draft.values["source"]["layer"]) == ("wege", "wege")
    assert "Vorhanden sind: wege, plaetze" in refused(own, own.data / "plan.gpkg", layer="weg").remedy
    with zipfile.ZipFile(own.data / "plan.zip", "w") as archive:
        archive.write(own.data / "plan.gpkg", "plan.gpkg")
    assert "--layer" in str(refused(own, own.data / "plan.zip"))
    assert own.problems() == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("alt.xls", b"x", ".xlsx"),
        ("plan.dwg", b"x", "GeoPackage"),
        ("kaputt.xlsx", b"kein xlsx", "neu als .xlsx"),
        ("kaputt.gpkg", b"kein gpkg", "GeoPackage"),
        ("kaputt.zip", b"kein zip", "neu geben"),
        ("kaputt.tif", b"kein tif", "vollständig"),
        ("kaputt.csv.gz", gzip.compress(b"a;b\n1;2\n" * 1000, mtime=0)[:30], "neu geben"),
        ("text.json", b'{"a": 1}', "GeoJSON"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(own: OwnCity, name: str, content: bytes, told: str) -> None:
    (own.data / name).write_bytes(content)
    assert told in str(refused(own, own.data / name))


def test_places_that_are_no_file(own: OwnCity) -> None:
    assert "ogr2ogr" in refused(own, "https://example.org/wfs?service=WFS").remedy
    (own.data / "eins.csv").write_text("nr;name\n1;a\n")
    assert "eins.csv" in refused(own, own.data / "zwei.csv").remedy
    assert own.init(own.data).values["source"]["location"] == "${DATA}/data/eins.csv"
    (own.data / "drei.csv").write_text("nr;name\n1;a\n")
    assert "drei.csv, eins.csv" in refused(own, own.data).remedy
    with zipfile.ZipFile(own.data / "z.zip", "w") as archive:
        archive.writestr("a.csv", "nr\n1\n")
    assert "a.csv" in refused(own, own.data / "z.zip").what


def test_where_the_source_lies(own: OwnCity, tmp_path: Path) -> None:
    (tmp_path / "daten").mkdir()
    (tmp_path / "daten" / "a.csv").write_text("nr;name\n1;a\n")
    assert own.init(tmp_path / "daten" / "a.csv").values["source"]["location"] == str(tmp_path / "daten" / "a.csv")
    path = own.folder / "deployment.yml"
    path.write_text(path.read_text(encoding="utf-8") + "data: ../daten\n", encoding="utf-8")
    (tmp_path / "daten" / "b.csv").write_text("nr;name\n2;b\n")
    draft = own.init(str(tmp_path / "daten" / "*.csv"), dataset="alle")
    assert draft.values["source"]["location"] == "${DATA}/*.csv" and "2 Zeilen" in draft.values["description"]["de"]


# Grids ----------------------------------------------------------------------------------------------------------------------------------


def grid(own: OwnCity, crs: str | None, west: float, north: float, size: float, nodata: float | None = None) -> Path:
    path = own.data / "gelaende.tif"
    cells = np.arange(12, dtype="float32").reshape(3, 4)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=4,
        height=3,
        count=1,
        dtype="float32",
        crs=crs,
        transform=from_origin(west, north, size, size),
        nodata=nodata,
    ) as made:
        made.write(cells, 1)
    return path


def test_a_grid(loading: OwnCity) -> None:
    place = spots(count=1)[0]
    draft = loading.init(grid(loading, "EPSG:25832", place.x, place.y, 5, -9999))
    assert draft.values["source"] == {"kind": "raster", "location": "${DATA}/data/gelaende.tif", "crs": "EPSG:25832", "nodata": -9999}
    assert "4 × 3 Zellen" in draft.values["description"]["de"] and any("source.unit" in note for note in draft.notes)
    assert loading.problems() == [] and loading.published("gelaende").status == "published"


def test_a_grid_without_crs_and_one_elsewhere(loading: OwnCity) -> None:
    draft = loading.init(grid(loading, None, LON, LAT, 0.001, 0))
    assert draft.values["source"]["crs"] == "EPSG:4326"
    assert any("nennt kein Bezugssystem" in note for note in draft.notes) and any("kein Wert" in note for note in draft.notes)
    assert loading.published("gelaende").status == "published"
    error = refused(loading, grid(loading, "EPSG:25832", 700_000, 5_300_000, 5))
    assert "liegt nicht in der Stadt" in error.what and "box" in error.remedy
