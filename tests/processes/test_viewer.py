"""The planner's page in the system's Chromium, used as a person does; `tests/viewer/drive.mjs` holds the steps."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer
from support import chromium
from support.planted import KEY, MEASURES, ORIGIN, PARCEL, PROJECT
from support.served import City

FOLDER = Path(__file__).parent.parent / "viewer"
TO_84 = Transformer.from_crs("EPSG:25832", "OGC:CRS84", always_xy=True)
WORST = {"serious", "critical"}

pytestmark = pytest.mark.slow


def lonlat(x: float, y: float) -> list[float]:
    return [round(float(value), 7) for value in TO_84.transform(ORIGIN[0] + x, ORIGIN[1] + y)]


def drive(api: str, folder: Path, *, webgl: bool, key: str | None = None) -> dict[str, Any]:
    """Run the driver and return what it saw."""
    task = {
        "url": api,
        "folder": str(folder),
        "webgl": webgl,
        "key": key,
        "searches": ["Lange Straße 7", "lange", PARCEL, "südstadt", "gibtesnicht"],
        "day": "2027-04-15",
        "bounds": [lonlat(-300, -300), lonlat(400, 340)],
        "draw": [lonlat(0, 0), lonlat(100, 0), lonlat(100, 40), lonlat(0, 40)],
        "from": "2027-03-01",
        "to": "2027-04-30",
        "site": {"id": "innen-zeitgleich", "at": lonlat(20, 12), "zoom": 18},
        "zoom": 17,
    }
    seen: dict[str, Any] = chromium.drive(FOLDER, task)
    return seen


@pytest.fixture(scope="module")
def seen(api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return drive(api, tmp_path_factory.mktemp("viewer"), webgl=True)


def test_no_fault_no_other_host_nothing_that_shuts_people_out(seen: dict[str, Any]) -> None:
    assert seen["errors"] == [] and seen["foreign"] == []
    assert [fault for fault in seen["axe"] if fault["impact"] in WORST] == []
    assert seen["title"] == "Teststadt: Planungskarte" and seen["who"] == "öffentliche Sicht"


def test_years_and_codes_are_not_amounts(tmp_path: Path) -> None:
    """The digits of a whole number without a unit stand together."""
    whole, metres, real = {"type": ["integer", "null"]}, {"type": "integer", "x-ogc-unit": "m"}, {"type": ["number", "null"]}
    asked = json.dumps([[1984, whole], [44135, whole], [44135, real], [1413, metres], [1413.5, real], [0.5, real]])
    module = (FOLDER.parent.parent / "server" / "viewer" / "static" / "dom.js").as_uri()
    program = f"import {{ show }} from '{module}'; console.log(JSON.stringify({asked}.map(([value, schema]) => show(value, schema))))"
    told = subprocess.run(["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(told.stdout) == ["1984", "44135", "44135", "1.413", "1.413,5", "0,5"]


def test_all_is_asked_in_german(seen: dict[str, Any]) -> None:
    """Whatever the browser prefers; the check and its printed page, too."""
    assert len(seen["spoken"]) > 20 and set(seen["spoken"]) == {"de"}


def test_layers_on_and_off_with_their_legends(seen: dict[str, Any]) -> None:
    layers = seen["layers"]
    assert next(iter(layers)) == "baustellen" and "leitungen" not in layers and "tiefe" not in layers
    for name, layer in layers.items():
        assert layer["off"] == 0 and layer["legend"], name
        assert layer["on"] > 0 or name == "flurstuecke", name  # the one parcel lies outside the picture
    assert {name for name, layer in layers.items() if layer["was"]} == {"ortsteile", "baustellen"}


def test_search_by_address_street_parcel_and_quarter(seen: dict[str, Any]) -> None:
    searches = seen["searches"]
    assert searches["Lange Straße 7"]["found"] == ["Lange Straße 7 (Adresse)"]
    assert "Lange Straße (Straße)" in searches["lange"]["found"] and len(searches["lange"]["found"]) == 11  # ten of a collection
    assert searches[PARCEL]["found"] == [f"{PARCEL} (Flurstück)"] and "Dieses Flurstück prüfen" in searches[PARCEL]["popup"]
    assert searches["südstadt"]["found"] == ["Südstadt (Ortsteil)"]
    assert searches["gibtesnicht"]["said"].startswith("Nichts gefunden zu „gibtesnicht“.")


def test_works_of_a_day_are_listed_and_drawn(seen: dict[str, Any]) -> None:
    day = "2027-04-15"
    wanted = {name for name, (_, _, begin, end) in MEASURES.items() if (begin or "") <= day <= (end or "9999")}
    assert set(seen["works"]["list"]) == {f"Maßnahme {name}" for name in wanted}
    assert set(seen["works"]["drawn"]) == wanted
    assert set(seen["works"]["all"]) == set(MEASURES)


def test_a_drawn_polygon_is_checked(seen: dict[str, Any]) -> None:
    corners = [tuple(map(float, line.split())) for line in seen["corners"].splitlines()]
    back = Transformer.from_crs("OGC:CRS84", "EPSG:25832", always_xy=True)
    drawn = shapely.Polygon([back.transform(*corner) for corner in corners])
    assert drawn.symmetric_difference(PROJECT).area < 0.02 * PROJECT.area
    checked = seen["checked"]
    conflict = next(rule for rule in checked["rules"] if rule.startswith("Konflikt"))
    for name in ("P", "innen-zeitgleich", "letzter-tag", "offenes-ende"):  # drawn, P is another project
        assert f"{name} · Maßnahme {name} · " in conflict
    assert seen["reversed"].endswith("Beginn und Ende sind vertauscht.")


def test_the_printed_page_is_styled_and_whole(seen: dict[str, Any]) -> None:
    text = seen["sheet"]["text"]
    assert text.startswith("Prüfung eines Vorhabens") and "Stadtwerke, Leitungsauskunft" in text and "Maßnahme innen-zeitgleich" in text
    assert "Überflutungstiefe" not in text and "tiefe\t1\t" in text  # the versions that it rests on
    assert seen["sheet"]["lamp"] == "6px"


def test_popup_in_german_and_check_from_it(seen: dict[str, Any]) -> None:
    for line in (
        "Nummer\tinnen-zeitgleich",
        "Titel\tMaßnahme innen-zeitgleich",
        "Stand\tin Bau",
        "Beginn\t01.04.2027",
        "Diese Maßnahme prüfen",
    ):
        assert line in seen["popup"]
    assert "Konflikt: 1\n" in seen["site"]["summary"]  # P, not itself


def test_with_a_key_the_closed_layer_is_there(api: str, tmp_path: Path) -> None:
    seen = drive(api, tmp_path, webgl=True, key=KEY)
    assert seen["who"] == "Sicht der Verwaltung" and seen["layers"]["leitungen"]["on"] > 0
    assert seen["errors"] == [] and seen["foreign"] == []
    assert any("H-geheim-1 · Strom" in rule for rule in seen["checked"]["rules"])


def test_without_webgl_there_is_list_and_table(api: str, tmp_path: Path, planted: City) -> None:
    seen = drive(api, tmp_path, webgl=False)
    assert seen["errors"] == [] and seen["foreign"] == [] and not [f for f in seen["axe"] if f["impact"] in WORST]
    assert "WebGL fehlt" in seen["noMap"]
    assert f"{len(MEASURES)} von {len(MEASURES)} Einträgen" in seen["table"] and "Maßnahme storniert" in seen["table"]
    assert seen["searches"]["südstadt"]["found"] == ["Südstadt (Ortsteil)"]
    assert "Konflikt: 5" in seen["checked"]["summary"] and "Prüfung eines Vorhabens" in seen["sheet"]["text"]
    assert np.allclose([float(v) for v in seen["corners"].splitlines()[0].split()], lonlat(0, 0))
