"""Real sources: what `init` writes passes `check` and loads unchanged, with as many rows as the source has."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.own import OwnCity, own_city

from etl.report import LoadReport
from stadtgrund.errors import SourceError, UsageError
from stadtgrund.store.database import Database

pytestmark = pytest.mark.shared


@pytest.fixture
def own(db: Database, tmp_path: Path) -> OwnCity:
    return own_city(db, tmp_path / "teststadt")


ROWS = {
    "hamburg/stadtteile-shp/Stadtteile.shp": 104,
    "sachsen/einzugsgebiete-gk4/freiberger_mulde.shp": 430,
    "koeln/stadtteile": 86,
    "koeln/gruenflaechen-shp": 2802,
    "karlsruhe/baustellen/baustellen.geojson": 181,
    "karlsruhe/wahlbezirke-bevoelkerung/landtagswahl_2016_wahlbezirke.geojson": 188,
    "karlsruhe/wahlbezirke-bevoelkerung/bevolkerung-wohnberechtigte-bevolkerung.csv": 405,
    "berlin/schulen/schulen.geojson": 902,
    "berlin/kitas/kindertagesstaetten.geojson": 2880,
    "berlin/bezirke/berlin_bezirke_shp.zip": 12,
    "berlin/bezirke/berlin_bezirke.kml": 12,
    "berlin/bezirke/berlin_bezirke.csv": 12,
    "berlin/lor-prognoseraeume-ab-2021/lor_prognoseraeume_2021.geojson": 58,
    "berlin/lor-prognoseraeume-ab-2021/LOR_2021.csv": 542,
    "berlin/lor-planungsraeume-bis-2020": 448,
    "berlin/einwohner-ewr-2020": 448,
    "berlin/gigabit-xlsx/Berlin_LOR_Versorgungsdaten_Stand_2402.xlsx": 542,
    "berlin/gigabit-xlsx/Berlin_LOR_Versorgungsdaten_Stand_2402.csv": 542,
    "berlin/fahrraddiebstahl-kriminalitaet/fahrraddiebstahl.csv": 22_833,
    "berlin/fahrraddiebstahl-kriminalitaet/kriminalitaet_2021_fallzahlen_bzr.csv": 156,
    "berlin/energieverbrauch-bloecke": 16_385,
    "berlin/sozialmonitoring-mss-2021/mss_2021_indizes.csv": 542,
    "berlin/weitere-einrichtungen/ladesaeulen_standorte.geojson": 2197,
    "muenster/stadtteile/stadtbezirke-muenster.geojson": 6,
    "muenster/stadtteile/stadtteile-statistische-bezirke-muenster.geojson": 45,
    "muenster/corona-stadtteile": 5377,
}


def load(own: OwnCity, source: Path, **options: str) -> LoadReport:
    draft = own.init(source, **options)
    assert own.problems() == [], draft.text()
    report = own.load(draft.id)
    assert report.status == "published", report.text() + draft.text()
    return report


@pytest.mark.parametrize("source", ROWS)
def test_a_real_source_loads_as_it_is_described(own: OwnCity, shared_data: Path, source: str) -> None:
    report = load(own, shared_data / source, dataset="probe")
    assert (report.rows_published, report.rows_rejected) == (ROWS[source], 0), report.text()


@pytest.mark.parametrize(
    ("source", "layer", "rows"),
    [
        ("heidelberg/osm-pbf/heidelberg.test.pbf", "points", 12_620),
        ("hamburg/xplan-bplaene/Rotherbaum27.gml", "BP_BaugebietsTeilFlaeche", None),
    ],
)
def test_one_layer_of_several(own: OwnCity, shared_data: Path, source: str, layer: str, rows: int | None) -> None:
    with pytest.raises(UsageError, match=r"Ebenen: .*--layer"):
        own.init(shared_data / source)
    report = load(own, shared_data / source, layer=layer)
    assert report.rows_rejected == 0 and report.rows_published == (rows or report.rows_in)
    assert not list((shared_data / source).parent.glob("*.gfs")), "nothing is written beside a source"


@pytest.mark.parametrize("source", ["tuebingen/hochwasser-raster/TubingenInundation.tif", "duisburg/dgm1/nrw_dgm.tif", "bonn/dem-gtopo30"])
def test_grids(own: OwnCity, shared_data: Path, source: str) -> None:
    load(own, shared_data / source)


def test_a_grid_without_crs_says_what_was_assumed(own: OwnCity, shared_data: Path) -> None:
    notes = " ".join(own.init(shared_data / "bonn/dem-gtopo30/bonn_gtopo.tif").notes)
    assert "nennt kein Bezugssystem; nach der Größe der Koordinaten (bei 7.0000 / 50.5000) ist es EPSG:4326" in notes


def test_what_gdal_warns_of_is_a_note(own: OwnCity, shared_data: Path) -> None:
    draft = own.init(shared_data / "duisburg/alkis-nas-flurstueck/flurstueckrequired.gml")
    assert any(note.startswith("GDAL meldet: Field with same name") for note in draft.notes)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nrw/lod2-citygml", "Körper.*Grundrisse"),
        ("deutschland/radolan-starkregen/RW-20221018.tar.gz", "Archiv.*auspacken"),
        ("heidelberg/gtfs-vrn/vrn_gtfs_cut.zip", "stops.txt.*Packen Sie das ZIP aus"),
        ("muenster/stadtteile", "stadtbezirke-muenster.geojson"),
        ("koeln/osm-strassen-gruen/osm.zip", "258 Ebenen.*--layer"),
    ],
)
def test_what_cannot_be_described_says_what_to_do(own: OwnCity, shared_data: Path, source: str, told: str) -> None:
    with pytest.raises((SourceError, UsageError), match=told):
        own.init(shared_data / source)


@pytest.mark.slow
def test_four_hundred_thousand_addresses(own: OwnCity, shared_data: Path) -> None:
    report = load(own, shared_data / "berlin/adressen-plr/adressen.csv.gz")
    assert (report.rows_published, report.rows_rejected) == (401_032, 0)
