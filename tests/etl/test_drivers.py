"""Deliveries that are not what their name says: nothing of them leads to another file or to the network."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from support.own import OwnCity, own_city

from etl.describe.sources import minimal
from etl.extract import drivers, open_layer
from etl.extract.ogr import opened
from etl.extract.raster import convert
from stadtgrund.errors import SourceError

from .conftest import City
from .test_ogr import declare_points, write_points
from .test_raster import write_grid

ROOT = Path(__file__).resolve().parents[2]
SECRET = "geheim-4711"
FEATURES = '"features": [{"type": "Feature", "properties": {"nr": 1}, "geometry": {"type": "Point", "coordinates": [7.2, 51.5]}}]'


class Listener:
    """A web server of this computer that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            do_HEAD = do_CONNECT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener that `no_proxy` names, as the computers of an office's own network are."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    made = Listener()
    thread = Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def own(tmp_path: Path) -> OwnCity:
    return own_city(None, tmp_path / "teststadt")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "geheim.json"
    path.write_text(json.dumps({"type": "FeatureCollection", **json.loads("{" + FEATURES.replace("1}", f'"{SECRET}"' + "}") + "}")}))
    return path


def vrt(source: object) -> str:
    layer = f'<OGRVRTLayer name="geheim"><SrcDataSource>{source}</SrcDataSource></OGRVRTLayer>'
    return f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"


def raster_vrt(source: object) -> str:
    band = f'<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
    return (
        '<VRTDataset rasterXSize="600" rasterYSize="700"><SRS>EPSG:25832</SRS><GeoTransform>380000,2,0,5700000,0,-2</GeoTransform>'
        f'<VRTRasterBand dataType="Float32" band="1">{band}</VRTRasterBand></VRTDataset>'
    )


def algorithm(source: object) -> str:
    command = f"gdal vector pipeline ! read {source} ! write --output-format=stream streamed"
    return json.dumps({"type": "gdal_streamed_alg", "command_line": command})


def wfs(url: str) -> str:
    return f"<OGRWFSDataSource><URL>{url}/wfs</URL></OGRWFSDataSource>"


def refused(own: OwnCity, path: Path) -> SourceError:
    """Describe and read; both refuse."""
    with pytest.raises(SourceError) as described:
        own.init(path)
    with pytest.raises(SourceError) as read:
        contract = minimal("quelle", {"kind": "ogr"}, geometry={"type": "Point", "crs": "EPSG:25832"})
        with opened(contract, (path,), own.data, 10) as layer:
            assert SECRET not in str([batch.to_pylist() for batch in layer.batches])
    assert SECRET not in f"{described.value}{read.value}"
    return read.value


@pytest.mark.parametrize("suffix", [".geojson", ".json", ".gml", ".xml", ".shp", ".gpkg", ".kml", ".tab", ".fgb", ".sqlite"])
def test_a_text_that_names_another_file_is_refused(own: OwnCity, secret: Path, listener: Listener, suffix: str) -> None:
    path = own.data / f"orte{suffix}"
    for text, kind in [
        (vrt(secret), "VRT"),
        (vrt(f"/vsicurl/{listener.url}/orte.json"), "VRT"),
        (algorithm(secret), "GDALG"),
        (algorithm(f"/vsicurl/{listener.url}/orte.json"), "GDALG"),
        (wfs(listener.url), "WFS"),
    ]:
        path.write_text(text)
        error = refused(own, path)
        assert error.what == f"orte{suffix} enthält keine Daten, sondern einen Verweis auf andere Dateien oder einen Dienst ({kind})."
        assert error.remedy.startswith("Gelesen werden GeoPackage")
    assert listener.asked == []


def test_a_reference_behind_a_long_comment_is_not_followed_either(own: OwnCity, secret: Path, listener: Listener) -> None:
    path = own.data / "orte.gml"
    for text in (vrt(secret), wfs(listener.url)):
        path.write_text(f"<!-- {'x' * (2 << 20)} -->{text}")
        refused(own, path)
    assert listener.asked == []


def test_a_reference_in_a_zip_is_refused(own: OwnCity, secret: Path) -> None:
    path = own.data / "orte.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("orte.geojson", vrt(secret))
    assert refused(own, path).what.startswith("orte.zip/orte.geojson enthält keine Daten")


def test_a_table_that_names_another_file_is_text(own: OwnCity, secret: Path) -> None:
    path = own.data / "orte.csv"
    path.write_text(f"{vrt(secret)}\n1\n")
    with open_layer(minimal("quelle", {"kind": "table", "location": str(path), "delimiter": ";"}), (path,), own.data) as layer:
        assert layer.columns == (vrt(secret),)
    with pytest.raises(SourceError, match="VRT"), open_layer(minimal("quelle", {"kind": "ogr"}), (path,), own.data):
        pass


@pytest.mark.parametrize("kind", ["link", "url", "name"])
def test_the_crs_of_a_geojson_is_not_fetched(own: OwnCity, listener: Listener, kind: str) -> None:
    path = own.data / "orte.geojson"
    address = ", ".join(f'"{key}": "{listener.url}/crs"' for key in ("href", "url", "name"))
    path.write_text(f'{{"type": "FeatureCollection", "crs": {{"type": "{kind}", "properties": {{{address}}}}}, {FEATURES}}}')
    contract = minimal("quelle", {"kind": "ogr"}, [{"name": "nr", "type": "integer"}], {"type": "Point", "crs": "EPSG:25832"})
    with opened(contract, (path,), own.data, 10) as layer:
        assert [batch.num_rows for batch in layer.batches] == [1]
    own.init(path)
    assert listener.asked == [] and os.environ["no_proxy"] == "127.0.0.1,localhost"


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [
        ("http", "GDAL_HTTP_PROXY"),
        ("http", "http_proxy"),
        ("http", "ALL_PROXY"),
        ("https", "GDAL_HTTP_PROXY"),
        ("https", "GDAL_HTTPS_PROXY"),
        ("https", "https_proxy"),
        ("https", "HTTPS_PROXY"),
        ("https", "ALL_PROXY"),
    ],
)
def test_a_proxy_of_the_environment_is_not_asked(
    own: OwnCity, listener: Listener, monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str
) -> None:
    monkeypatch.setenv(variable, listener.url)
    path = own.data / "orte.geojson"
    link = f'{{"type": "link", "properties": {{"href": "{scheme}://example.invalid/x.prj"}}}}'
    path.write_text(f'{{"type": "FeatureCollection", "crs": {link}, {FEATURES}}}')
    contract = minimal("quelle", {"kind": "ogr"}, [{"name": "nr", "type": "integer"}], {"type": "Point", "crs": "EPSG:25832"})
    with opened(contract, (path,), own.data, 10) as layer:
        assert [batch.num_rows for batch in layer.batches] == [1]
    assert listener.asked == []


def test_a_gml_fetches_nothing(own: OwnCity, secret: Path, listener: Listener) -> None:
    path = own.data / "orte.gml"
    entities = f'<!DOCTYPE a SYSTEM "{listener.url}/dtd" [<!ENTITY e SYSTEM "{secret}"><!ENTITY h SYSTEM "{listener.url}/entity">]>'
    path.write_text(
        f'<?xml version="1.0"?>{entities}<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" '
        'xmlns:gml="http://www.opengis.net/gml" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a /vsicurl/{listener.url}/a.xsd '
        f'b {listener.url}/b.xsd">'
        f'<gml:featureMember><ogr:a fid="1"><ogr:geometryProperty xlink:href="{listener.url}/g#1"><gml:Point srsName="{listener.url}/srs">'
        "<gml:coordinates>7.2,51.5</gml:coordinates></gml:Point></ogr:geometryProperty><ogr:n>&e;&h;</ogr:n></ogr:a></gml:featureMember>"
        "</ogr:FeatureCollection>"
    )
    contract = minimal("quelle", {"kind": "ogr"}, [{"name": "fid", "type": "string"}], {"type": "Point", "crs": "EPSG:25832"})
    with opened(contract, (path,), own.data, 10) as layer:
        assert SECRET not in str([batch.to_pylist() for batch in layer.batches])
    assert listener.asked == []


def test_a_view_of_mapinfo_is_refused(own: OwnCity) -> None:
    path = own.data / "orte.tab"
    path.write_text('!table\n!version 100\nOpen Table "../../geheim" Hide\nCreate View orte As\nSelect s\nFrom geheim\n')
    assert refused(own, path).what.endswith("(MapInfo).")


@pytest.mark.parametrize("seamless", [True, False])
def test_only_a_seamless_table_of_mapinfo_is_a_reference(own: OwnCity, seamless: bool) -> None:
    path = write_points(own.data / "orte.tab", driver="MapInfo File")
    with path.open("a") as table:
        table.write(f'begin_metadata\n"\\IsSeamless" = "{str(seamless).upper()}"\nend_metadata\n')
    if seamless:
        assert refused(own, path).what.endswith("(MapInfo).")
    else:
        with opened(minimal("quelle", {"kind": "ogr"}, [{"name": "name", "type": "string"}]), (path,), own.data, 10) as layer:
            assert sum(batch.num_rows for batch in layer.batches) == 3


def patched(path: Path, offset: int, value: int) -> None:
    """Set two bytes in each header of a zip; `offset` is that in a local header, in the central one they lie two further."""
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        start = content.find(sign)
        while start >= 0:
            content[start + place : start + place + 2] = value.to_bytes(2, "little")
            start = content.find(sign, start + 4)
    path.write_bytes(content)


def zipped(own: OwnCity, name: str, driver: str) -> Path:
    write_points(own.data / name, driver=driver)
    path = own.data / "orte.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(own.data.glob("orte.*")):
            if part != path:
                archive.write(part, part.name)
    return path


@pytest.mark.parametrize(("name", "driver"), [("orte.geojson", "GeoJSON"), ("orte.gpkg", "GPKG"), ("orte.shp", "ESRI Shapefile")])
def test_an_encrypted_zip_is_refused(own: OwnCity, name: str, driver: str) -> None:
    path = zipped(own, name, driver)
    patched(path, 6, 1)
    error = refused(own, path)
    assert error.what == "Datensatz quelle: orte.zip ist mit einem Kennwort verschlüsselt." and "ohne Kennwort" in error.remedy


def test_what_only_gdal_can_unpack_is_read_by_gdal(own: OwnCity) -> None:
    path = zipped(own, "orte.geojson", "GeoJSON")
    patched(path, 8, 9)
    with opened(minimal("quelle", {"kind": "ogr"}, [{"name": "name", "type": "string"}]), (path,), own.data, 10) as layer:
        assert sum(batch.num_rows for batch in layer.batches) == 3
    patched(path, 8, 97)
    assert "orte.zip/orte.geojson ist nicht lesbar" in refused(own, path).what


@pytest.mark.parametrize(
    ("name", "driver"), [("orte.gpkg", "GPKG"), ("orte.gml", "GML"), ("orte.shp", "ESRI Shapefile"), ("orte.tab", "MapInfo File")]
)
def test_a_zip_that_must_be_unpacked_and_cannot_be_is_refused(own: OwnCity, name: str, driver: str) -> None:
    path = zipped(own, name, driver)
    patched(path, 8, 9)
    error = refused(own, path)
    assert "orte.zip ist auf eine Art gepackt, die nicht gelesen wird" in error.what and "Methode Deflate" in error.remedy


def test_a_zip_with_damaged_content_is_refused(own: OwnCity) -> None:
    path = zipped(own, "orte.gpkg", "GPKG")
    with zipfile.ZipFile(path) as archive:
        start = 30 + len(archive.infolist()[0].filename)
    content = bytearray(path.read_bytes())
    content[start : start + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert "ist kein lesbares ZIP" in refused(own, path).what


def test_a_virtual_table_of_sqlite_is_no_layer(own: OwnCity, secret: Path) -> None:
    path = write_points(own.data / "orte.sqlite", driver="SQLite")
    table = f"CREATE VIRTUAL TABLE orte2 USING VirtualOGR(''{secret}'', 0, ''geheim'')"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            f"INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', 'orte2', 'orte2', 0, '{table}')"
        )
        connection.commit()
    # A process of its own, as a load is: SQLite keeps what the first database of a process brought.
    script = (
        "import sys; from pathlib import Path; from etl.describe.sources import minimal; from etl.extract.ogr import opened\n"
        "path = Path(sys.argv[1]); contract = minimal('quelle', {'kind': 'ogr', 'location': str(path), 'layer': 'orte2'}, "
        "[{'name': 'nr', 'type': 'string'}])\n"
        "with opened(contract, (path,), path.parent, 10) as layer: print([batch.to_pylist() for batch in layer.batches])"
    )
    made = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert made.returncode == 1 and "SourceError" in made.stderr and SECRET not in made.stdout + made.stderr


def test_a_grid_that_names_others_is_refused(own: OwnCity, listener: Listener, tmp_path: Path) -> None:
    write_grid(tmp_path / "geheim.tif")
    service = f'<Service name="TMS"><ServerUrl>{listener.url}/${{z}}</ServerUrl></Service>'
    wms = f"<GDAL_WMS>{service}<DataWindow><SizeX>256</SizeX></DataWindow></GDAL_WMS>"
    for text in (
        raster_vrt(tmp_path / "geheim.tif"),
        raster_vrt(f"/vsicurl/{listener.url}/g.tif"),
        wms,
        f"<GDAL_WMTS><GetCapabilitiesUrl>{listener.url}/wmts</GetCapabilitiesUrl></GDAL_WMTS>",
        f"<WCS_GDAL><ServiceURL>{listener.url}/wcs?</ServiceURL><CoverageName>x</CoverageName></WCS_GDAL>",
        f"<!-- {'x' * (2 << 20)} -->{raster_vrt(tmp_path / 'geheim.tif')}",
    ):
        for suffix in (*drivers.RASTERS, ".vrt"):
            path = own.data / f"tiefe{suffix}"
            path.write_text(text)
            with pytest.raises(SourceError):
                own.init(path)
            with pytest.raises(SourceError):
                convert(minimal("tiefe", {"kind": "raster", "location": str(path)}), path, tmp_path / "files")
    assert listener.asked == []


def test_what_lies_beside_a_grid_leads_nowhere(own: OwnCity, listener: Listener, tmp_path: Path) -> None:
    path = own.data / "tiefe.tif"
    values = write_grid(path)
    for beside in (".ovr", ".msk"):
        path.with_name(path.name + beside).write_text(raster_vrt(f"/vsicurl/{listener.url}/g.tif"))
    metadata = f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{listener.url}/o.tif</MDI></Metadata>'
    path.with_name("tiefe.tif.aux.xml").write_text(f"<PAMDataset>{metadata}</PAMDataset>")
    made = convert(minimal("tiefe", {"kind": "raster", "location": str(path)}), path, tmp_path / "files")
    assert made.facts.maximum == pytest.approx(float(values.max())) and listener.asked == []


def test_a_load_keeps_what_it_had(city: City, secret: Path) -> None:
    write_points(city.data / "p.gpkg")
    declare_points(city, "p.gpkg")
    city.published("punkte")
    (city.data / "p.gpkg").write_text(vrt(secret))
    report = city.load("punkte")
    assert report.status == "failed" and "p.gpkg enthält keine Daten" in report.error and "Gelesen werden" in report.next_step
    assert len(city.rows("punkte")) == 3


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("p.gpkg", "GPKG"),
        ("p.sqlite", "SQLite"),
        ("p.shp", "ESRI Shapefile"),
        ("p.geojson", "GeoJSON"),
        ("p.geojsonl", "GeoJSONSeq"),
        ("p.fgb", "FlatGeobuf"),
        ("p.gml", "GML"),
        ("p.kml", "LIBKML"),
        ("p.tab", "MapInfo File"),
        ("p.gdb", "OpenFileGDB"),
        ("p.json", "JSONFG"),
    ],
)
def test_the_formats_that_are_read(own: OwnCity, name: str, driver: str) -> None:
    options = {"layer_options": {"TARGET_ARCGIS_VERSION": "ARCGIS_PRO_3_2_OR_LATER"}} if driver == "OpenFileGDB" else {}
    path = write_points(own.data / name, driver=driver, **options)
    fields = [{"name": "name", "type": "string", "from": "Name" if driver == "LIBKML" else "name"}]
    contract = minimal("quelle", {"kind": "ogr", "location": str(path)}, fields)
    with opened(contract, (path,), own.data, 10) as layer:
        assert sum(batch.num_rows for batch in layer.batches) == 3


@pytest.mark.parametrize("suffix", list(drivers.RASTERS))
def test_the_grids_that_are_read(own: OwnCity, tmp_path: Path, suffix: str) -> None:
    values = np.arange(1, 2401, dtype=np.uint16).reshape(40, 60)
    plain, path = tmp_path / "plain.tif", own.data / f"tiefe{suffix}"
    profile = {"driver": "GTiff", "width": 60, "height": 40, "count": 1, "dtype": "uint16", "crs": "EPSG:25832"}
    with rasterio.open(plain, "w", **profile, transform=from_origin(380000, 5700000, 2, 2)) as grid:
        grid.write(values, 1)
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if suffix == ".jp2" else {}
    rasterio.shutil.copy(plain, path, driver=drivers.RASTERS[suffix], **options)
    made = convert(minimal("tiefe", {"kind": "raster", "location": str(path), "crs": "EPSG:25832"}), path, tmp_path / "files")
    with rasterio.open(made.path) as grid:
        assert np.array_equal(grid.read(1), values) and grid.transform == from_origin(380000, 5700000, 2, 2)
    name = "GeoTIFF" if suffix.startswith(".tif") else suffix[1:].upper()
    (row,) = [line for line in (ROOT / "docs/contracts.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `raster` |")]
    assert name in row and all(name in text for text in drivers.FORMATS)


@pytest.mark.parametrize("order", ["rows from north", "rows from south", "columns from south"])
def test_the_points_of_an_xyz_may_come_in_any_order(own: OwnCity, tmp_path: Path, order: str) -> None:
    values = np.arange(600 * 3, dtype=np.float32).reshape(600, 3) / 10
    points = [(380001 + 2 * column, 5699999 - 2 * row, values[row, column]) for row in range(600) for column in range(3)]
    if order == "rows from south":
        points.sort(key=lambda point: (point[1], point[0]))
    elif order == "columns from south":
        points.sort()
    path = own.data / "dgm.xyz"
    path.write_text("".join(f"{x} {y} {z:.1f}\n" for x, y, z in points))
    assert own.init(path).values["source"]["crs"] == "EPSG:25832"
    made = convert(minimal("dgm", {"kind": "raster", "location": str(path), "crs": "EPSG:25832"}), path, tmp_path / "files")
    assert made.facts.bounds == (380000, 5698800, 380006, 5700000) and made.facts.pixel == (2, 2)
    with rasterio.open(made.path) as grid:
        assert np.allclose(grid.read(1), values) and grid.transform == from_origin(380000, 5700000, 2, 2)
