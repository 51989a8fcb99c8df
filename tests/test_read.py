"""`stadtgrund.read`: a collection of a served city as a GeoDataFrame, over more pages than one."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from datetime import date

import geopandas
import pytest
import shapely
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, environment
from support.rows import publish_rows
from support.served import free_port, running

from stadtgrund.catalog import registry
from stadtgrund.errors import NotFound, StadtgrundError, TransientError, Unauthorized, UsageError
from stadtgrund.read import PAGE, read
from stadtgrund.store import api_keys

COUNT = 2 * PAGE + 345
EAST, NORTH = 360_000, 5_700_000


@pytest.fixture(scope="module")
def city(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a served city with more poles than two pages hold, and a key of the administration."""
    db = server.clone()
    secret = {**MASTEN, "id": "geheim", "fields": MASTEN["fields"][:2], "temporal": None, "sortables": [], "publish": {"items": True}}
    contracts = [*(checked(contract_of(each)) for each in (MASTEN, GEBIETE, ZAHLEN)), checked(contract_of(secret), "personal_data")]
    folder = write_deployment(tmp_path_factory.mktemp("read") / "lesestadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    poles = [
        {
            "nummer": n,
            "name": f"Mast {n}",
            "art": "holz" if n % 2 else "stahl",
            "hoehe": n / 100,
            "leuchtet": bool(n % 2),
            "gebaut": f"20{n % 20:02d}-01-01",
            "geom": f"POINT({EAST + n % 1000} {NORTH + n // 1000})",
        }
        for n in range(1, COUNT + 1)
    ]
    publish_rows(db, deployment, "masten", poles)
    publish_rows(db, deployment, "zahlen", [])
    publish_rows(db, deployment, "geheim", [{"nummer": 1, "name": "x", "geom": f"POINT({EAST} {NORTH})"}])
    key = api_keys.create(db, "Test", "verwaltung").reveal()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**environment(server, db, folder), "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path_factory.mktemp("log") / "log") as address:
        yield address, key
    server.drop(db.name)


@pytest.fixture(scope="module")
def url(city: tuple[str, str]) -> str:
    return city[0]


def test_all_pages_come_each_feature_once(url: str) -> None:
    frame = read(url, "masten")
    assert len(frame) == COUNT
    assert frame.index.name == "id" and frame.index.is_unique
    assert set(frame["nummer"]) == set(range(1, COUNT + 1))
    assert frame.crs == "OGC:CRS84"


def test_a_limit_ends_within_a_page_or_after_one(url: str) -> None:
    assert len(read(url, "masten", limit=7)) == 7
    assert len(read(url, "masten", limit=PAGE + 1)) == PAGE + 1


def test_coordinates_come_in_the_crs_that_was_asked_for(url: str) -> None:
    frame = read(url, "masten", crs="EPSG:25832", limit=1, nummer=17)
    assert frame.crs == "EPSG:25832"
    assert frame.geometry.iloc[0].equals(shapely.Point(EAST + 17, NORTH))
    turned = read(url, "masten", limit=1, nummer=17).to_crs("EPSG:25832").geometry.iloc[0]
    assert turned.distance(frame.geometry.iloc[0]) < 0.01
    assert read(url, "masten", crs="epsg:25832", limit=1).crs == "EPSG:25832"
    assert read(url, "masten", crs="CRS84", limit=1).crs == "OGC:CRS84"


def test_what_is_asked_is_what_comes(url: str) -> None:
    assert set(read(url, "masten", filter="nummer > 20000 AND name LIKE 'Mast 2034%'")["nummer"]) == {
        20340,
        20341,
        20342,
        20343,
        20344,
        20345,
    }
    assert set(read(url, "masten", leuchtet=True, limit=5)["leuchtet"]) == {True}
    assert set(read(url, "masten", datetime=date(2003, 1, 1), limit=5)["gebaut"]) == {"2003-01-01"}
    assert set(read(url, "masten", datetime=("2018-06-01", None))["gebaut"]) == {"2019-01-01"}
    assert read(url, "masten", sortby="-hoehe", limit=2)["nummer"].tolist() == [COUNT, COUNT - 1]
    assert list(read(url, "masten", properties=["name", "hoehe"], limit=1).columns.drop("geometry")) == ["name", "hoehe"]


def test_a_box_is_longitude_and_latitude(url: str) -> None:
    place = read(url, "masten", limit=1, nummer=500).geometry.iloc[0]
    box = (place.x - 0.001, place.y - 0.0005, place.x + 0.001, place.y + 0.0005)
    inside = read(url, "masten", bbox=box)
    every = read(url, "masten")
    assert 0 < len(inside) < COUNT
    assert set(inside.index) == set(every.index[every.intersects(shapely.box(*box))])


def test_a_filter_may_name_its_crs(url: str) -> None:
    text = f"S_INTERSECTS(geometry, BBOX({EAST + 16.5}, {NORTH - 0.5}, {EAST + 17.5}, {NORTH + 0.5}))"
    uri = "http://www.opengis.net/def/crs/EPSG/0/25832"
    assert read(url, "masten", filter=text, filter_crs=uri)["nummer"].tolist() == [17]


def test_nothing_found_keeps_columns_and_crs(url: str) -> None:
    frame = read(url, "masten", filter="nummer < 0", crs="EPSG:25832")
    assert len(frame) == 0 and isinstance(frame, geopandas.GeoDataFrame)
    assert list(frame.columns) == [*(field["name"] for field in MASTEN["fields"]), "geometry"]
    assert frame.crs == "EPSG:25832"
    assert list(read(url, "masten", filter="nummer < 0", properties=["hoehe"]).columns) == ["hoehe", "geometry"]
    assert "geometry" in read(url, "zahlen")


def test_the_key_opens_what_is_closed(city: tuple[str, str]) -> None:
    url, key = city
    assert len(read(url, "geheim", key=key)) == 1
    with pytest.raises(NotFound, match="geheim"):
        read(url, "geheim")
    with pytest.raises(Unauthorized):
        read(url, "masten", key="sg_" + "x" * 43)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filter": "nummer >"}, "filter"),
        ({"bbox": (1, 2, 3)}, "bbox"),
        ({"farbe": "rot"}, "farbe"),
        ({"crs": "EPSG:99999"}, "crs"),
        ({"limit": 0}, "limit"),
    ],
)
def test_what_is_wrong_is_said(url: str, query: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(url, "masten", **query)  # type: ignore[arg-type]


def test_a_collection_name_is_no_path(url: str) -> None:
    with pytest.raises(NotFound):
        read(url, "../masten")


def test_nobody_answers() -> None:
    with pytest.raises(TransientError, match="does not answer"):
        read(f"http://127.0.0.1:{free_port()}", "masten", timeout_s=2)


class _Other(http.server.BaseHTTPRequestHandler):
    """A server that is none of ours."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>Willkommen</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    stranger = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=stranger.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{stranger.server_port}"
    stranger.shutdown()
    thread.join()
    stranger.server_close()


def test_a_server_of_another_kind_is_named(other: str) -> None:
    with pytest.raises(StadtgrundError, match="not as OGC API Features does"):
        read(other, "masten")


def test_an_error_without_a_text_names_its_number(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Other, "status", 503)
    with pytest.raises(TransientError, match="answered 503"):
        read(other, "masten")
