"""Write the city as the offices deliver it: one format per habit. Nothing in the files depends on the clock."""

from __future__ import annotations

__all__ = ["write_city"]

import json
import re
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from openpyxl import Workbook
from openpyxl.styles import Font
from rasterio.transform import from_origin

from demo.city import City
from demo.faults import plant
from demo.streets import Array
from demo.terrain import CELL, NODATA
from demo.works import TODAY

STAMP = f"{TODAY.isoformat()}T06:00:00.000Z"
ZIP_TIME = (TODAY.year, TODAY.month, TODAY.day, 6, 0, 0)
CRS = "EPSG:25832"
GEOPACKAGES = {
    "verwaltungsgrenzen": ("stadtbezirke", "ortsteile"),
    "liegenschaften": ("flurstuecke", "gebaeude"),
    "leitungen": ("leitungen",),
    "schutzgebiete": ("schutzgebiete",),
}
SHAPEFILES = {
    "strassen": {"schluessel": "STR_SCHL", "name": "STR_NAME", "klasse": "KLASSE", "laenge_m": "LAENGE_M", "tempo_kmh": "TEMPO"},
    "denkmale": {},
}
PROJECTED_JSON = ("gewaesser", "gruenflaechen", "baustellen")
LONLAT_JSON = ("schulen", "haltestellen")
README = """Musterstadt
===========

Eine erfundene Stadt: Straßen, Häuser, Namen und Zahlen sind gerechnet, keine Angabe betrifft wirkliche Orte oder Personen.
Datenlizenz Deutschland – Zero – Version 2.0. Lagebezug ETRS89/UTM 32N (EPSG:25832), Stand {day}.

Die Dateien haben die Eigenheiten wirklicher Lieferungen. Was absichtlich falsch ist, steht mit Zahl und Kennungen in
fehler.json; Zeilenzahlen je Datei und gepflanzte Baustellenpaare stehen in kennzahlen.json.
"""


def write_city(city: City, out: Path, seed: int) -> dict[str, int]:
    """Write all files into `out` (made when missing, files of the same name replaced) and return rows per dataset."""
    out.mkdir(parents=True, exist_ok=True)
    layers, tables = dict(city.layers), dict(city.tables)
    faults = plant(layers, tables, seed)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": STAMP})
    for name, members in GEOPACKAGES.items():
        path = out / f"{name}.gpkg"
        path.unlink(missing_ok=True)
        for layer in members:
            _vector(path, layers[layer], "GPKG", layer=layer, append=path.exists())
    for name, columns in SHAPEFILES.items():
        _shapefile(out / f"{name}.zip", name, layers[name].rename(columns=columns))
    for name in PROJECTED_JSON:
        _vector(out / f"{name}.geojson", layers[name], "GeoJSON", layer=name, COORDINATE_PRECISION="3")
    for name in LONLAT_JSON:
        _vector(out / f"{name}.geojson", layers[name], "GeoJSON", layer=name, to="OGC:CRS84", RFC7946="YES")
    _csv(out / "adressen.csv", _with_coordinates(layers["adressen"], 3), "utf-8-sig")
    _csv(out / "baumkataster.csv", _with_coordinates(layers["baeume"], 2), "cp1252")
    _csv(out / "schueler.csv", tables["schueler"], "cp1252")
    _csv(out / "bauantraege.csv", tables["bauantraege"], "utf-8-sig")
    _population(out / "einwohner.xlsx", tables["einwohner"])
    _grid(out / "dgm.tif", np.where(city.relief.city, np.round(city.relief.height, 2), NODATA).astype("float32"), city)
    for name, depth in city.depth.items():
        _grid(out / f"starkregen_{name}.tif", depth, city)
    counts = {name: len(frame) for name, frame in sorted((layers | tables).items())}
    counts["einwohner"] += 1  # the footnote is a row too; the total row is none by its contract
    figures = {"seed": seed, "stand": TODAY.isoformat(), "zeilen": counts, "baustellenpaare": city.pairs}
    for file, content in (("fehler.json", faults), ("kennzahlen.json", figures)):
        (out / file).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "LIESMICH.txt").write_text(README.format(day=TODAY.strftime("%d.%m.%Y")), encoding="utf-8")
    return counts


def _vector(path: Path, frame: pd.DataFrame, driver: str, layer: str, to: str | None = None, append: bool = False, **options: Any) -> None:
    dates = {name: frame[name].dt.strftime("%Y-%m-%d") for name in frame.select_dtypes("datetime").columns}
    table = gpd.GeoDataFrame(frame.assign(**dates), geometry="geom", crs=CRS)
    kinds = {part.removeprefix("Multi") for part in table.geom_type}
    multi = any(part.startswith("Multi") for part in table.geom_type)
    kind = ("Multi" if multi else "") + kinds.pop()
    pyogrio.write_dataframe(
        table.to_crs(to) if to else table,
        path,
        layer=layer,
        driver=driver,
        append=append,
        geometry_type=kind,
        promote_to_multi=multi,
        **options,
    )


def _shapefile(path: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a zipped Shapefile in CP1252 that does not say so: no .cpg, no code page in the DBF."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.shp"
        _vector(file, frame, "ESRI Shapefile", layer=name, encoding="CP1252", DBF_DATE_LAST_UPDATE=TODAY.isoformat())
        table = bytearray(file.with_suffix(".dbf").read_bytes())
        table[29] = 0
        file.with_suffix(".dbf").write_bytes(table)
        _zip(path, ((part.name, part.read_bytes()) for part in sorted(Path(folder).iterdir()) if part.suffix != ".cpg"))


def _zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), content, zipfile.ZIP_DEFLATED)


def _with_coordinates(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    xy = shapely.get_coordinates(frame["geom"].to_numpy())
    east, north = ([f"{value:.{digits}f}".replace(".", ",") for value in column] for column in xy.T.tolist())
    return frame.drop(columns="geom").assign(Ostwert=east, Nordwert=north)


def _csv(path: Path, frame: pd.DataFrame, encoding: str) -> None:
    path.write_bytes(frame.to_csv(None, sep=";", decimal=",", index=False, lineterminator="\r\n").encode(encoding))


def _population(path: Path, frame: pd.DataFrame) -> None:
    """Write the sheet as a statistics office lays it out: title, merged group header, total row, footnote."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Bevölkerung"
    sheet.append(["Stadt Musterstadt – Statistikstelle"])
    years = f"{frame['Jahr'].min()}–{frame['Jahr'].max()}"
    sheet.append([f"Bevölkerung mit Hauptwohnsitz nach Ortsteil und Altersgruppe, {years} (Stichtag jeweils 31.12.)"])
    sheet.append([])
    sheet.append([None, None, None, None, None, "davon im Alter von … Jahren"])
    sheet.append(list(frame.columns))
    for row in frame.astype(object).itertuples(index=False):
        sheet.append(list(row))
    sheet.append(["Summe", None, None, None, *frame.iloc[:, 4:].sum().tolist()])
    sheet.append(["Quelle: Melderegister, eigene Fortschreibung. Umzüge innerhalb eines Ortsteils sind nicht enthalten."])
    for area in ("A1:L1", "A2:L2", "F4:L4"):
        sheet.merge_cells(area)
    sheet["A1"].font = Font(bold=True, size=14)
    book.properties.created = datetime(TODAY.year, TODAY.month, TODAY.day)
    book.properties.creator = "Statistikstelle Musterstadt"
    raw = BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as archive:  # openpyxl writes the time of saving
        members = [(item.filename, archive.read(item)) for item in archive.infolist()]
    fixed = rb"\g<1>" + STAMP[:19].encode() + b"Z"
    # Any prefix: another library of the process may have registered its own for the namespace.
    _zip(path, ((name, re.sub(rb"(<(?:\w+:)?modified\b[^>]*>)[^<]*", fixed, content)) for name, content in members))


def _grid(path: Path, values: Array, city: City) -> None:
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "nodata": NODATA,
        "crs": CRS,
        "transform": from_origin(city.relief.west, city.relief.north, CELL, CELL),
        "compress": "deflate",
        "predictor": 3,
        "tiled": True,
    }
    with rasterio.open(path, "w", **profile) as grid:
        grid.write(values, 1)
