"""Many collections: `python -m bench.many make FOLDER` writes a city of 2,400 small, distinct datasets, `… measure` asks its server.

    python -m bench.many make /some/folder/vielstadt            # contracts and GeoJSON files, seed 20261122
    stadtgrund load --all --config /some/folder/vielstadt       # the real loader, one version each
    python -m bench.many measure /some/folder/vielstadt         # starts `stadtgrund serve` and ends it

Environment as for every command: STADTGRUND_VAR and DATABASE_URL say where the database is, STADTGRUND_PORT where the server listens.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bench.memory import family, pss_mib
from stadtgrund.catalog import release
from stadtgrund.catalog.contract import Contract

SEED = 20261122
COUNT = 2400
START_S = 10.0
"""Goal until the first answer."""
_CENTRE = (7.2, 51.45)
_CITY = {
    "title": {"de": "Vielstadt", "en": "Manytown"},
    "ags": "05999000",
    "crs": "EPSG:25832",
    "box": [6.9, 51.3, 7.5, 51.6],
    "data": "data",
    "licence": "dl-de/zero-2-0",
    "responsibility": {
        role: {"organisation": "Messumgebung", "email": "bench@example.org"} for role in ("owner", "steward", "operator", "contact")
    },
}
_THEMES = ("Verkehr", "Umwelt", "Bildung", "Soziales", "Planung", "Versorgung", "Kultur", "Sicherheit", "Statistik", "Gesundheit")
_WORDS = ("Anlage", "Stelle", "Fläche", "Linie", "Bestand", "Plan", "Messung", "Standort", "Bereich", "Netz", "Zählung", "Straße")
_KINDS = ("Point", "MultiLineString", "MultiPolygon", None)
_TYPES = ("string", "integer", "number", "date", "boolean")


def make(folder: Path, count: int) -> None:
    """Write the deployment: each dataset has its own columns (3 to 12), geometry type and rows (20 to 40)."""
    chance = random.Random(SEED)
    (folder / "datasets").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "deployment.yml").write_text(yaml.safe_dump(_CITY, allow_unicode=True, sort_keys=False), "utf-8")
    for number in range(count):
        contract = _contract(chance, number)
        checked = release.record(contract, checked=date(2026, 1, 15), by="Messumgebung")
        text = yaml.safe_dump(checked.canonical(), allow_unicode=True, sort_keys=False)
        (folder / "datasets" / f"{contract.id}.yaml").write_text(text, "utf-8")
        features = [_feature(chance, contract, row) for row in range(chance.randrange(20, 41))]
        document = {"type": "FeatureCollection", "features": features}
        (folder / "data" / f"{contract.id}.geojson").write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def _contract(chance: random.Random, number: int) -> Contract:
    theme, kind = _THEMES[number % len(_THEMES)], _KINDS[number % len(_KINDS)]
    fields: list[dict[str, Any]] = [
        {"name": "nummer", "type": "integer", "title": {"de": "Nummer"}, "required": True, "unique": True},
        {"name": "name", "type": "string", "title": {"de": "Bezeichnung", "en": "Name"}},
    ]
    for place in range(chance.randrange(1, 11)):
        word = chance.choice(_WORDS)
        fields.append({"name": f"merkmal_{number}_{place}", "type": chance.choice(_TYPES), "title": {"de": f"{word} {place}"}})
    dataset = f"{theme.lower()}_{number:04d}"
    words = " ".join(chance.choice(_WORDS) for _ in range(12))
    values: dict[str, Any] = {
        "id": dataset,
        "title": {"de": f"{theme}: {chance.choice(_WORDS)} {number}", "en": f"{theme} {number}"},
        "description": {"de": f"Datensatz {number} zum Thema {theme}: {words}."},
        "keywords": [theme, chance.choice(_WORDS)],
        "source": {"kind": "ogr", "location": f"${{DATA}}/{dataset}.geojson", "crs": "EPSG:4326", "rhythm": "yearly"},
        "id_field": {"kind": "column", "column": "nummer"},
        "fields": fields,
        "sortables": ["name"],
        "publish": {"items": True},
    }
    if kind:
        values |= {"geometry": {"type": kind, "crs": "EPSG:25832"}, "publish": {"items": True, "tiles": {"zoom": [8, 18]}}}
    return Contract.model_validate(values)


def _feature(chance: random.Random, contract: Contract, row: int) -> dict[str, Any]:
    samples = {
        "string": f"Wert {chance.randrange(1000)}",
        "integer": chance.randrange(100_000),
        "number": round(chance.uniform(0, 1000), 2),
        "date": f"20{chance.randrange(10, 26)}-{chance.randrange(1, 13):02d}-15",
        "boolean": chance.random() < 0.5,
    }
    properties = {field.name: samples[field.type] for field in contract.fields} | {"nummer": row + 1}
    x, y = _CENTRE[0] + chance.uniform(-0.2, 0.2), _CENTRE[1] + chance.uniform(-0.1, 0.1)
    square = [[x, y], [x + 0.001, y], [x + 0.001, y + 0.001], [x, y + 0.001], [x, y]]
    shapes: dict[str, Any] = {"Point": [x, y], "MultiLineString": [square[:3]], "MultiPolygon": [[square]]}
    geometry = {"type": contract.geometry.type, "coordinates": shapes[contract.geometry.type]} if contract.geometry else None
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def measure(folder: Path, rounds: int) -> None:
    """Start the server, ask each kind of document cold and `rounds` times warm, and print a table."""
    port = os.environ.get("STADTGRUND_PORT", "5000")
    url = f"http://127.0.0.1:{port}"
    env = {**os.environ, "STADTGRUND_CONFIG": str(folder), "PUBLIC_URL": url}
    before = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-m", "cli", "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(f"{url}/?f=json", server)
        print(f"start until the first answer: {time.perf_counter() - before:.2f} s (goal {START_S:.0f})\n")
        ids = [each["id"] for each in json.loads(_get(f"{url}/collections?f=json")[0])["collections"]]
        print(f"{len(ids)} collections\n\n| document | first, s | median, s | 304, s | kB | kB gzip |")
        print("|---|---:|---:|---:|---:|---:|")
        for path in (
            "/?f=json", "/?f=html&lang=de", "/collections?f=json&lang=en", "/collections?f=html&lang=de", "/collections?f=html&lang=en",
            "/openapi", "/openapi?f=html", "/conformance", "/styles?f=json", "/styles?f=html",
            f"/collections/{ids[7]}?f=json", f"/collections/{ids[7]}?f=html", f"/collections/{ids[7]}/api",
            f"/collections/{ids[7]}/items?limit=10", f"/collections/{ids[7]}/items/1", "/start/qgis", "/start/planung",
            "/viewer/config.json", "/qgis.qgz",
        ):  # fmt: skip
            body, tag, first = _timed(url + path)
            warm = statistics.median(_timed(url + path)[2] for _ in range(rounds))
            same = statistics.median(_timed(url + path, tag)[2] for _ in range(rounds))
            sizes = f"{len(body) / 1000:.1f} | {len(gzip.compress(body, 1)) / 1000:.1f}"
            print(f"| `{path}` | {first:.3f} | {warm:.4f} | {same:.4f} | {sizes} |")
        print(f"\n{_idle(server.pid)}")
    finally:
        server.terminate()
        server.wait()


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=30).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise SystemExit("the server ended; run `stadtgrund serve` to see why")


def _get(url: str, tag: str = "") -> tuple[bytes, str]:
    request = urllib.request.Request(url, headers={"If-None-Match": tag} if tag else {})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.read(), response.headers.get("ETag", "")
    except urllib.error.HTTPError as error:
        if error.code != 304:
            raise
        return b"", tag


def _timed(url: str, tag: str = "") -> tuple[bytes, str, float]:
    before = time.perf_counter()
    body, found = _get(url, tag)
    return body, found, time.perf_counter() - before


def _idle(pid: int) -> str:
    """Return memory (PSS) of the server's processes, and how much of a core they use while nobody asks: what polling costs."""
    processes = family(pid)
    pss = [pss_mib(each) for each in processes]
    before, ticks = time.perf_counter(), sum(map(_ticks, processes))
    time.sleep(10)
    used = (sum(map(_ticks, processes)) - ticks) / os.sysconf("SC_CLK_TCK") / (time.perf_counter() - before)
    return f"PSS {sum(pss):.0f} MiB ({', '.join(f'{each:.0f}' for each in pss)}); idle: {used * 100:.2f} % of a core for the server"


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["make", "measure"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder, options.count)
    else:
        measure(options.folder, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
