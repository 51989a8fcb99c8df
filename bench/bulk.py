"""All of a collection in the programs of GIS staff: `python -m bench.bulk [--rounds 3]`.

200,000 points (`trees` of the harness) are fetched whole by GDAL's ogr2ogr and by QGIS from our server, by pages and out of the
collection's file, and by ogr2ogr from the harness' PostGIS itself, in interleaved rounds; what they were is in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.harness import PORT, STADTGRUND, environment, served

LAYER = "trees"
PAGE = 10_000
FEATURES = 200_000
QGIS = """\
import os, sys, time
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
began = time.perf_counter()
layer = QgsVectorLayer(sys.argv[1], "trees", sys.argv[2])
count = sum(1 for feature in layer.getFeatures() if feature.hasGeometry())
print(count, time.perf_counter() - began, flush=True)
os._exit(0)  # QGIS' own end takes the layer's threads away under them
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of the CPU that the program itself used (not the servers)."""

    wall: float
    cpu: float


def of_children() -> float:
    """Return the CPU seconds of all ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_ogr2ogr(source: str, *options: str) -> Took:
    """Copy completely into a new GeoPackage."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "copy.gpkg"
        began, used = time.perf_counter(), of_children()
        subprocess.run(["ogr2ogr", "-f", "GPKG", target, source, LAYER, *options], check=True)
        took = Took(time.perf_counter() - began, of_children() - used)
        said = subprocess.run(["ogrinfo", "-so", "-al", target], check=True, capture_output=True, text=True).stdout
    if f"Feature Count: {FEATURES}" not in said:
        raise SystemExit(f"{source} gave another number of features than {FEATURES}:\n{said}")
    return took


def by_qgis(source: str, provider: str) -> Took:
    """Read all features, from the layer's making on, in a QGIS that has begun; the CPU is that of the beginning too."""
    used = of_children()
    with tempfile.TemporaryDirectory() as folder:  # QGIS keeps what it fetched in its profile
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env |= {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": folder, "HOME": folder, "no_proxy": "127.0.0.1"}
        done = subprocess.run(["/usr/bin/python3", "-c", QGIS, source, provider], env=env, check=True, capture_output=True, text=True)
    count, took = done.stdout.split()[-2:]
    if int(count) != FEATURES:
        raise SystemExit(f"QGIS got {count} features instead of {FEATURES}")
    return Took(float(took), of_children() - used)


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    env = environment()
    database = "PG:host={PGHOST} port={PGPORT} user={PGUSER} dbname={PGDATABASE}".format(**env)
    gpkg = Path(env["STADTGRUND_DATA"]) / f"{LAYER}.gpkg"
    if not gpkg.is_file():
        subprocess.run(["ogr2ogr", "-f", "GPKG", gpkg, database, LAYER], check=True)
    subprocess.run([STADTGRUND, "load", LAYER], env=env, check=True, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{PORT}"
    file = f"{url}/collections/{LAYER}/files/{LAYER}"
    ways: dict[str, Callable[[], Took]] = {
        "ogr2ogr from PostGIS": lambda: by_ogr2ogr(database),
        f"ogr2ogr from Stadtgrund, pages of {PAGE}": lambda: by_ogr2ogr(f"OAPIF:{url}", "-oo", f"PAGE_SIZE={PAGE}"),
        "ogr2ogr from Stadtgrund, the file (GeoPackage)": lambda: by_ogr2ogr(f"/vsicurl/{file}.gpkg"),
        "QGIS from Stadtgrund, pages": lambda: by_qgis(f"url='{url}' typename='{LAYER}' pagingEnabled='true'", "OAPIF"),
        "QGIS from Stadtgrund, the file (FlatGeobuf)": lambda: by_qgis(f"/vsicurl/{file}.fgb", "ogr"),
    }
    times: dict[str, list[Took]] = {name: [] for name in ways}
    with served(env, f"/collections/{LAYER}"):
        for extension in ("gpkg", "fgb"):  # the first reader of a version waits until its file is written
            began = time.perf_counter()
            urllib.request.urlopen(f"{file}.{extension}").close()
            print(f"{extension} written in {time.perf_counter() - began:.1f} s")
        for _ in range(options.rounds):
            for name, way in ways.items():
                times[name].append(way())
    first = statistics.median(took.wall for took in next(iter(times.values())))
    print("| way | s (median) | times PostGIS | CPU of the program, s | all |\n|---|---:|---:|---:|---|")
    for name, each in times.items():
        wall, cpu = (statistics.median(figures) for figures in zip(*((took.wall, took.cpu) for took in each), strict=True))
        said = ", ".join(f"{took.wall:.2f}" for took in each)
        print(f"| {name} | {wall:.2f} | {wall / first:.2f} | {cpu:.2f} | {said} |")
    print(f"\n{FEATURES} points, load average {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
