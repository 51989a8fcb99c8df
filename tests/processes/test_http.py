"""The process over HTTP: both profiles, and every bad input in one German sentence that says what to do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely
from pyproj import Transformer
from support.planted import KEY, ORIGIN, PARCEL, PROJECT
from support.served import City, free_port, running

TO_84 = Transformer.from_crs("EPSG:25832", "OGC:CRS84", always_xy=True)


def in_84(geometry: Any) -> dict[str, Any]:
    return dict(shapely.geometry.mapping(shapely.transform(geometry, lambda xy: np.column_stack(TO_84.transform(xy[:, 0], xy[:, 1])))))


def execute(api: str, inputs: Any, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {"x-api-key": key} if key else {}
    return httpx.post(
        f"{api}/processes/construction_overlay/execution", json={"inputs": inputs, **more}, headers=headers, timeout=60, trust_env=False
    )


def get(api: str, path: str, **more: Any) -> httpx.Response:
    return httpx.get(f"{api}{path}", timeout=30, trust_env=False, **more)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_check_for_both_profiles(api: str, key: str | None) -> None:
    response = execute(api, {"baustelle": "P"}, key=key)
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store" and response.headers["access-control-allow-origin"] == "*"
    report = response.json()
    states = {rule["id"]: rule["state"] for rule in report["rules"]}
    assert states["leitungen"] == ("hit" if key else "not_permitted") and report["profile"] == ("verwaltung" if key else "open")
    assert ("H-geheim" in response.text) == (key is not None)
    assert report["summary"]["Konflikt"] == 4


def test_the_page(api: str) -> None:
    response = execute(api, {"baustelle": "P", "format": "html"})
    assert response.headers["content-type"] == "text/html; charset=utf-8" and "<h1>Prüfung eines Vorhabens</h1>" in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_ways_to_say_the_same(api: str) -> None:
    plain = execute(api, {"geometry": in_84(PROJECT)}).json()
    wrapped = execute(api, {"geometry": {"value": in_84(PROJECT)}}, outputs={"report": {"transmissionMode": "value"}}).json()
    feature = execute(api, {"geometry": {"type": "Feature", "properties": {}, "geometry": in_84(PROJECT)}}).json()
    document = execute(api, {"geometry": in_84(PROJECT)}, response="document").json()
    for other in (wrapped, feature, document["report"]["value"]):
        assert {**other, "created": ""} == {**plain, "created": ""}
    assert execute(api, {"flurstueck": PARCEL.replace("_", "")}).status_code == 200
    # Without the Land, which the city's AGS says.
    assert execute(api, {"flurstueck": "9111-1-12/3"}).json()["project"]["id"] == PARCEL


BOX = in_84(PROJECT)
BOWTIE = in_84(shapely.Polygon([ORIGIN, (ORIGIN[0] + 50, ORIGIN[1] + 50), (ORIGIN[0] + 50, ORIGIN[1]), (ORIGIN[0], ORIGIN[1] + 50)]))
SWAPPED = {"type": "Polygon", "coordinates": [[[y, x] for x, y in BOX["coordinates"][0]]]}
METRES = dict(shapely.geometry.mapping(PROJECT))
HUGE = in_84(shapely.box(ORIGIN[0], ORIGIN[1], ORIGIN[0] + 1500, ORIGIN[1] + 1500))
LONG = in_84(shapely.LineString([ORIGIN, (ORIGIN[0] + 5000, ORIGIN[1])]))
MANY = in_84(shapely.Point(*ORIGIN).buffer(50, quad_segs=100))
HOLE_OUTSIDE = {"type": "Polygon", "coordinates": [BOX["coordinates"][0], [[x + 0.01, y] for x, y in BOX["coordinates"][0]]]}
NO_LENGTH = {"type": "LineString", "coordinates": [BOX["coordinates"][0][0]] * 2}
ELSEWHERE = {"type": "Point", "coordinates": [13.4, 52.5]}


@pytest.mark.parametrize(
    ("inputs", "status", "sentence"),
    [
        ({}, 400, "Eingabe inputs: „nichts“ geht nicht. Erwartet: genau eines von geometry, baustelle, flurstueck."),
        ({"baustelle": "P", "flurstueck": PARCEL}, 400, "„baustelle, flurstueck“ geht nicht. Erwartet: genau eines von"),
        ({"geometrie": BOX}, 400, "Erwartet: Eingaben geometry, baustelle, flurstueck, buffer_m, from, to, format."),
        ({"geometry": ELSEWHERE}, 400, "Erwartet: ein Vorhaben im Stadtgebiet 7.0000 51.3000 7.4000 51.6000 (Länge Breite, CRS84)."),
        ({"geometry": SWAPPED}, 400, "(Länge Breite, CRS84); Länge und Breite sind wohl vertauscht."),
        ({"geometry": METRES}, 400, "diese Zahlen sehen nach Metern aus, bitte vorher aus EPSG:25832/25833 umrechnen."),
        ({"geometry": BOWTIE}, 400, "eine Fläche, deren Rand sich nicht selbst schneidet; bitte an der genannten Stelle neu zeichnen."),
        ({"geometry": HUGE}, 400, "Eingabe geometry: „225 ha“ geht nicht. Erwartet: höchstens 20 ha; bitte in Abschnitte teilen."),
        ({"geometry": LONG}, 400, "„5.0 km“ geht nicht. Erwartet: höchstens 2 km Ausdehnung; bitte in Abschnitte teilen."),
        ({"geometry": MANY}, 400, "„401 Stützpunkte“ geht nicht. Erwartet: höchstens 200 Stützpunkte; bitte vereinfachen."),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, 400, "„Polygon ohne Koordinaten“ geht nicht."),
        ({"geometry": {"type": "Polygon", "coordinates": [[[7.1, 51.4]]]}}, 400, "ein Ring hat mindestens vier Ecken."),
        ({"geometry": {"type": "Polygon", "coordinates": "quatsch"}}, 400, "Erwartet: eine vollständige GeoJSON-Geometrie"),
        ({"geometry": {"type": "Polygon"}}, 400, "Erwartet: eine vollständige GeoJSON-Geometrie"),
        ({"geometry": {"type": "Point", "coordinates": [10**400, 51]}}, 400, "Erwartet: eine vollständige GeoJSON-Geometrie"),
        ({"geometry": {"type": "GeometryCollection", "geometries": []}}, 400, "Erwartet: eine GeoJSON-Geometrie in CRS84 vom Typ Point,"),
        ({"geometry": "POINT(7 51)"}, 400, "Erwartet: eine GeoJSON-Geometrie in CRS84 vom Typ Point,"),
        ({"geometry": {"href": "https://example.org/geheim"}}, 400, "Erwartet: ein Verweis auf ein Objekt dieses Servers"),
        ({"baustelle": "P", "from": "2027-05-01", "to": "2027-04-01"}, 400, "Beginn und Ende sind vertauscht."),
        ({"baustelle": "P", "from": "2027-06-01"}, 400, "bitte beide Tage angeben."),
        ({"baustelle": "P", "from": "20270401"}, 400, "Erwartet: ein Tag als JJJJ-MM-TT, z. B. 2027-03-01."),
        ({"baustelle": "P", "to": "2027-02-30"}, 400, "Erwartet: ein Tag als JJJJ-MM-TT, z. B. 2027-03-01."),
        ({"baustelle": "P", "to": 5}, 400, "Erwartet: ein Tag als JJJJ-MM-TT, z. B. 2027-03-01."),
        ({"baustelle": "P", "buffer_m": 501}, 400, "Eingabe buffer_m: „501“ geht nicht. Erwartet: eine Zahl von 0 bis 500 (Meter)."),
        ({"baustelle": "P", "buffer_m": 10**400}, 400, "Erwartet: eine Zahl von 0 bis 500 (Meter)."),
        ({"baustelle": "P", "buffer_m": -1}, 400, "Erwartet: eine Zahl von 0 bis 500 (Meter)."),
        ({"baustelle": "P", "buffer_m": True}, 400, "Erwartet: eine Zahl von 0 bis 500 (Meter)."),
        ({"baustelle": "P", "format": "pdf"}, 400, "Eingabe format: „pdf“ geht nicht. Erwartet: json oder html."),
        ({"baustelle": ["P"]}, 400, "Erwartet: eine Kennung mit höchstens 100 Zeichen."),
        ({"baustelle": "gibt'es--nicht"}, 404, "gibt es nicht. Prüfen Sie die Kennung in der Sammlung baustellen oder geben Sie"),
        ({"flurstueck": "05911100100099900000"}, 404, "gibt es nicht. Prüfen Sie die Kennung in der Sammlung flurstuecke"),
        (
            {"flurstueck": "x"},
            400,
            "Eingabe flurstueck: „x“ ist kein Flurstückskennzeichen (20 Zeichen oder Gemarkung-Flur-Zähler/Nenner)."
            " Erwartet: Flurstückskennzeichen (20 Zeichen).",
        ),
        ({"geometry": BOWTIE}, 400, "Eingabe geometry: „Der Rand schneidet sich selbst bei 7."),
        ({"geometry": HOLE_OUTSIDE}, 400, "„Ein Loch liegt außerhalb der Fläche bei 7."),
        ({"geometry": NO_LENGTH}, 400, "Erwartet: eine Linie aus mindestens zwei verschiedenen Punkten; bitte an der genannten Stelle"),
    ],
)  # fmt: skip
def test_bad_input_is_one_german_sentence(api: str, inputs: Any, status: int, sentence: str) -> None:
    response = execute(api, inputs)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert sentence in response.json()["detail"], response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "sentence"),
    [
        (b"{", "application/json", 400, "kein JSON"),
        (b"\xff\xfe", "application/json", 400, "kein JSON"),
        (b"[]", "application/json", 400, '{"inputs": {…}}'),
        (b'{"inputs": []}', "application/json", 400, '{"inputs": {…}}'),
        (b'{"inputs": {"buffer_m": NaN}}', "application/json", 400, "NaN"),
        (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400, "more than 40 levels"),
        (b'{"inputs": {"baustelle": "P"}, "input": 1}', "application/json", 400, "Erwartet: inputs, outputs, response."),
        (b'{"inputs": {"baustelle": "P"}, "response": "xml"}', "application/json", 400, "raw oder document"),
        (b'{"inputs": {"baustelle": "P"}, "outputs": {"karte": {}}}', "application/json", 400, "ein Objekt mit report"),
        (
            b'{"inputs": {"baustelle": "P"}, "outputs": {"report": {"transmissionMode": "reference"}}}',
            "application/json",
            400,
            "Erwartet: value.",
        ),
        (rb'{"inputs": {"baustelle": "\ud800"}}', "application/json", 400, r"Eingabe inputs.baustelle: „\ud800“ geht nicht."),
        (rb'{"inputs": {"baustelle": "P\u0000"}}', "application/json", 400, r"Eingabe inputs.baustelle: „P\u0000“ geht nicht."),
        (
            rb'{"inputs": {"\udfff": "P"}}',
            "application/json",
            400,
            r"Eingabe inputs: „\udfff“ geht nicht. Erwartet: Text aus ganzen Zeichen",
        ),
        (rb'{"inputs": {"geometry": {"type": ["\ud800"]}}}', "application/json", 400, r"Eingabe inputs.geometry.type: „\ud800“"),
        (rb'{"inputs": {"geometry": {"href": "\ud800"}}}', "application/json", 400, r"Eingabe inputs.geometry.href: „\ud800“"),
        (rb'{"inputs": {"baustelle": "P"}, "response": "\ud800"}', "application/json", 400, r"Eingabe response: „\ud800“"),
        (rb'{"inputs": {"baustelle": "P"}, "outputs": {"\u0000": {}}}', "application/json", 400, r"Eingabe outputs: „\u0000“"),
        (rb'{"inputs": {"baustelle": "P"}, "\ud800": 1}', "application/json", 400, r"Eingabe JSON: „\ud800“"),
        (b"<x/>", "text/xml", 415, "application/json"),
        (b" " * 1_200_000, "application/json", 413, "1048576"),
    ],
)
def test_bad_requests(api: str, body: bytes, kind: str, status: int, sentence: str) -> None:
    response = httpx.post(
        f"{api}/processes/construction_overlay/execution", content=body, headers={"content-type": kind}, timeout=30, trust_env=False
    )
    assert response.status_code == status, response.text[:300]
    assert sentence in response.json()["detail"]


def test_a_body_without_a_stated_length_is_counted(api: str) -> None:
    response = httpx.post(
        f"{api}/processes/construction_overlay/execution",
        content=iter([b" " * 400_000] * 3),
        headers={"content-type": "application/json"},
        timeout=30,
        trust_env=False,
    )
    assert response.status_code == 413


def test_description_and_list(api: str) -> None:
    described = get(api, "/processes/construction_overlay").json()
    assert (described["id"], described["jobControlOptions"], described["title"]) == (
        "construction_overlay",
        ["sync-execute", "async-execute", "dismiss"],
        "Vorhaben prüfen",
    )
    assert set(described["inputs"]) == {"geometry", "baustelle", "flurstueck", "buffer_m", "from", "to", "format"}
    assert described["inputs"]["geometry"]["title"] == "Geometrie des Vorhabens"
    english = get(api, "/processes/construction_overlay?lang=en").json()
    assert english["inputs"]["geometry"]["title"] == "Geometry of the project" and english["outputs"]["report"]["title"] == "Report"
    summary, echo = get(api, "/processes").json()["processes"]
    assert "inputs" not in summary and summary["links"] and (summary["id"], echo["id"]) == ("construction_overlay", "echo")
    assert get(api, "/processes?limit=1").json()["processes"] == [summary]
    for limit in ("0", "-1", "viele", ""):
        refused = get(api, f"/processes?limit={limit}")
        assert refused.status_code == 400 and "limit" in refused.json()["detail"]
    rels = {link["rel"]: link["href"] for link in get(api, "/?f=json").json()["links"]}
    assert rels["http://www.opengis.net/def/rel/ogc/1.0/processes"] == f"{api}/processes"
    for path in ("/processes", "/processes/construction_overlay"):
        page = get(api, f"{path}?f=html")
        assert page.status_code == 200 and "Vorhaben prüfen" in page.text
    assert get(api, "/processes/quatsch").status_code == 404
    for method in ("GET", "PUT", "DELETE"):
        refused = httpx.request(method, f"{api}/processes/construction_overlay/execution", trust_env=False)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")


def test_openapi_has_the_process_and_is_valid(api: str) -> None:
    from openapi_spec_validator import OpenAPIV30SpecValidator

    document = get(api, "/api?f=json").json()
    OpenAPIV30SpecValidator(document).validate()
    assert set(document["paths"]["/processes/{processID}/execution"]) == {"post"}
    assert "construction_overlay" in get(api, "/api?f=html").text


def test_styles_and_qml(api: str) -> None:
    style = get(api, "/styles/baeume").json()
    source = style["sources"]["baeume"]
    assert source["tiles"] == [f"{api}/collections/baeume/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"]
    assert (source["minzoom"], source["maxzoom"], len(source["bounds"])) == (8, 17, 4)
    qml = get(api, "/styles/baeume?f=qml")
    assert qml.headers["content-type"] == "application/x-qgis-layer-settings" and 'name="Krone [m]"' in qml.text
    listed = get(api, "/styles").json()["styles"]
    assert "leitungen" not in {style["id"] for style in listed} and "tiefe" not in {style["id"] for style in listed}
    for style in listed:
        for link in style["links"]:
            assert get(api, link["href"].removeprefix(api)).headers["content-type"] == link["type"]
    assert get(api, "/styles/tiefe").status_code == get(api, "/styles/leitungen").status_code == 404


def test_the_page_is_told_only_what_its_profile_sees(api: str) -> None:
    config = get(api, "/viewer/config.json")
    assert "leitungen" not in config.text and config.json()["process"] == "construction_overlay"
    assert "leitungen" in get(api, "/viewer/config.json", headers={"x-api-key": KEY}).text
    page = get(api, "/viewer", follow_redirects=True)
    assert page.url.path == "/viewer/" and page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy and "http" not in policy
    for name in ("viewer/..%2Fqgis_project.py", "viewer/vendor/..%2F..%2Fpackage.json", "viewer/vendor/maplibre-gl-dev.mjs"):
        assert get(api, f"/{name}").status_code == 404
    tag = get(api, "/viewer/viewer.js").headers["etag"]
    assert get(api, "/viewer/viewer.js", headers={"if-none-match": tag}).status_code == 304


def children(pid: int) -> list[int]:
    """Return the check processes below a server, by /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parts = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                session = os.getsid(int(entry.name))
            except (OSError, ProcessLookupError):
                continue
            if b"processes" in parts and session == pid and parent:
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and bool(Path(f"/proc/{pid}/cmdline").read_bytes())


def gone(pids: list[int]) -> bool:
    end = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    return not any(map(alive, pids))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_the_children_end_with_the_server(planted: City, tmp_path: Path, ending: signal.Signals) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    server = subprocess.Popen([sys.executable, "-m", "cli", "serve"], env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if get(url, "/?f=json").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        assert execute(url, {"baustelle": "P"}).status_code == execute(url, {"baustelle": "P"}, key=KEY).status_code == 200
        found = children(server.pid)
        assert len(found) == 2
        server.send_signal(ending)
        server.wait(20)
        assert gone(found)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)


def test_a_child_that_is_killed_costs_one_request(planted: City, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**planted.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, tmp_path / "log"):
        assert execute(url, {"baustelle": "P"}).status_code == 200
        with psycopg.connect(planted.environment["DATABASE_URL"], autocommit=True) as connection:
            cut = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'stadtgrund-process' AND datname = current_database()"
            ).fetchall()
        assert cut
        assert execute(url, {"baustelle": "P"}).status_code == 200  # over a new connection, without a word
        marks = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_child_of(pid, port)]
        assert len(marks) == 1
        os.kill(marks[0], signal.SIGKILL)
        time.sleep(0.5)
        statuses = [execute(url, {"baustelle": "P"}).status_code for _ in range(2)]
        assert statuses[-1] == 200 and statuses[0] in (200, 503)


def is_child_of(pid: int, port: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"processes" in command and f"STADTGRUND_PORT={port}".encode() in environment


def test_without_rules_there_is_no_check(planted: City, tmp_path: Path) -> None:
    from server.app import create_app
    from stadtgrund.settings import Settings

    env = {**planted.environment, "STADTGRUND_CONFIG": str(_copy_without_rules(planted, tmp_path))}

    async def ask() -> list[httpx.Response]:
        app = create_app(Settings.from_environment(env))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:5000") as client:
            answers = [await client.get(path) for path in ("/?f=json", "/api", "/processes", "/viewer/config.json")]
            answers.append(await client.post("/processes/construction_overlay/execution", json={"inputs": {"baustelle": "P"}}))
        await app.shutdown()
        return answers

    landing, api_document, listed, config, executed = asyncio.run(ask())
    assert landing.status_code == api_document.status_code == 200 and "construction_overlay" not in api_document.text
    assert [each["id"] for each in listed.json()["processes"]] == ["echo"]
    assert executed.status_code == 404 and config.json()["process"] is None


def _copy_without_rules(planted: City, folder: Path) -> Path:
    import shutil

    copied = Path(shutil.copytree(planted.folder, folder / planted.folder.name))
    shutil.rmtree(copied / "rules")
    return copied


def test_the_plugin_of_the_stock_server_gives_the_same(planted: City, monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    from pygeoapi.process.base import ProcessorExecuteError

    from processes.construction_overlay import ConstructionOverlay

    for name, value in planted.environment.items():
        monkeypatch.setenv(name, value)
    plugin = ConstructionOverlay({"name": "ConstructionOverlay"})
    media_type, body = plugin.execute({"baustelle": "P"})
    assert media_type == "application/json"
    assert {**json.loads(json.dumps(body)), "created": ""} == {**execute(api, {"baustelle": "P"}).json(), "created": ""}
    with pytest.raises(ProcessorExecuteError, match="gibt es nicht"):
        plugin.execute({"baustelle": "Q"})
    for text in ("\ud800", "\0"):
        with pytest.raises(ProcessorExecuteError, match=r"inputs\.baustelle: .*ganzen Zeichen"):
            plugin.execute({"baustelle": text})
