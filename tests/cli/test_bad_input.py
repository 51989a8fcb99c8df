"""What people and machines do wrong, through the real command in both languages: one sentence, the next step, nothing lost."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import psycopg
import pytest
import rasterio
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from rasterio.transform import from_origin
from shapely.geometry import Point
from support.deployment import checked, contract_of, write_contract, write_deployment
from support.postgis import Server, environment

from etl import pipeline
from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract
from stadtgrund.settings import ROOT, Paths
from stadtgrund.store import embedded
from stadtgrund.store.database import Database

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs the account root: mounts, or files of other accounts")

DINGE: dict[str, Any] = {
    "id": "dinge",
    "title": {"de": "Dinge"},
    "description": {"de": "Dinge für Tests."},
    "source": {"kind": "table", "location": "${DATA}/dinge.csv", "delimiter": ";", "encoding": "utf-8"},
    "id_field": {"kind": "column", "column": "nr"},
    "fields": [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}],
}
ORTE: dict[str, Any] = {
    **DINGE,
    "id": "orte",
    "source": {"kind": "ogr", "location": "${DATA}/orte.gpkg"},
    "geometry": {"type": "Point", "crs": "EPSG:25832"},
}
RASTER: dict[str, Any] = {
    "id": "tiefe",
    "title": {"de": "Tiefe"},
    "description": {"de": "Ein Raster."},
    "source": {"kind": "raster", "location": "${DATA}/tiefe.tif", "crs": "EPSG:25832"},
}


@dataclass
class Bench:
    """A loaded deployment and the command line, in one language."""

    language: str
    db: Database
    folder: Path
    env: dict[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def call(self, *words: str, debug: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", *words, *(["--debug"] if debug else [])]
        return subprocess.run(command, cwd=ROOT, env=self.env | more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def refuses(self, *words: str, code: int, de: str, en: str, **more: str) -> str:
        """Call, and find the sentence of this language; return all that was said."""
        done = self.call(*words, **more)
        told = done.stdout + done.stderr
        assert done.returncode == code, told
        assert re.search(de if self.language == "de" else en, told), told
        assert not re.search(en if self.language == "de" else de, told), told
        assert "Traceback" not in told and 'File "' not in told, told
        return told

    def still_serves(self, dataset: str = "dinge", version: int = 1) -> None:
        """The version before is what `open` reads, and no load is left half-way."""
        with self.db.connect("open") as connection:
            states = connection.execute("SELECT version FROM p_open.sg_state WHERE dataset = %s", (dataset,)).fetchall()
            assert states == [(version,)]
        with self.db.connect("owner") as connection:
            staged = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'")
            assert staged.fetchall() == []
            assert connection.execute("SELECT FROM meta.run WHERE status = 'running'").fetchall() == []

    def write(self, contract: dict[str, Any]) -> Contract:
        made = checked(contract_of(contract))
        write_contract(self.folder, made)
        return made

    def write_points(self, crs: str = "EPSG:25832") -> None:
        points = geopandas.GeoDataFrame(
            {"nr": [1, 2], "name": ["a", "b"]}, geometry=[Point(370000, 5700000), Point(370100, 5700100)], crs=crs
        )
        (self.data / "orte.gpkg").unlink(missing_ok=True)
        points.to_file(self.data / "orte.gpkg", layer="orte", driver="GPKG")

    def write_grid(self) -> None:
        values = np.random.default_rng(7).random((1500, 1500), np.float32)
        place = {"crs": "EPSG:25832", "transform": from_origin(370000, 5700000, 1, 1)}
        with rasterio.open(
            self.data / "tiefe.tif", "w", driver="GTiff", width=1500, height=1500, count=1, dtype="float32", **place
        ) as grid:
            grid.write(values, 1)

    def load(self, dataset: str) -> None:
        done = self.call("load", dataset)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=["de", pytest.param("en", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, server: Server, db: Database, tmp_path: Path) -> Bench:
    """`dinge` is loaded as version 1 and public."""
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(DINGE)))
    (folder / "data" / "dinge.csv").write_text("nr;name\n1;Ärger\n2;b\n", encoding="utf-8")
    env = {name: value for name, value in environment(server, db, folder).items() if not name.startswith("LC_") and name != "LANG"}
    pipeline.load(db, registry.read(folder, folder / "data"), "dinge")
    return Bench(request.param, db, folder, env | {"LANG": {"de": "de_DE.UTF-8", "en": "en_US.UTF-8"}[request.param]})


def test_a_missing_file(bench: Bench) -> None:
    (bench.data / "dinge.csv").unlink()
    bench.refuses("load", "dinge", code=1, de=r"dinge\.csv gibt es nicht", en=r"dinge\.csv does not exist")
    bench.still_serves()


def test_an_unreadable_layer(bench: Bench) -> None:
    bench.write(ORTE)
    bench.write_points()
    bench.load("orte")
    (bench.data / "orte.gpkg").write_bytes((bench.data / "orte.gpkg").read_bytes()[:1500])
    bench.refuses("load", "orte", code=1, de=r"orte\.gpkg .*nicht (les|öffn)", en=r"orte\.gpkg .*(cannot be|not) (read|open)")
    bench.still_serves("orte")
    bench.write_points()
    bench.write({**ORTE, "source": {**ORTE["source"], "layer": "strassen"}})
    bench.refuses("load", "orte", code=1, de="eine Ebene 'strassen' gibt es nicht", en="there is no layer 'strassen'")
    bench.still_serves("orte")


def test_a_wrong_crs(bench: Bench) -> None:
    bench.write(ORTE)
    bench.write_points()
    bench.load("orte")
    bench.write_points("EPSG:31467")
    told = bench.refuses("load", "orte", code=1, de="alle Geometrien liegen außerhalb der Stadt", en="all geometries lie outside the city")
    assert "source.crs: EPSG:25832" in told
    bench.still_serves("orte")


def test_a_wrong_encoding(bench: Bench) -> None:
    (bench.data / "dinge.csv").write_text("nr;name\n1;Ärger\n", encoding="cp1252")
    told = bench.refuses("load", "dinge", code=1, de=r"dinge\.csv .*ist nicht", en=r"dinge\.csv .*is not")
    assert "encoding" in told
    bench.still_serves()


def test_a_contract_with_a_typo(bench: Bench) -> None:
    path = bench.folder / "datasets" / "dinge.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("description:", "descripton:"), encoding="utf-8")
    of_the_kind = {
        "de": r"dinge\.yaml:\d+: descripton: Diesen Schlüssel gibt es nicht",
        "en": r"dinge\.yaml:\d+: descripton: There is no such key",
    }
    for words in (("check",), ("load", "dinge"), ("apply",), ("release", "dinge", "--by", "A", "--ground", "NONE"), ("status",), ("run",)):
        # A check is no misuse; all that are right is not all; what needs no contract is done.
        told = bench.refuses(*words, code={("check",): 1, ("apply",): 1, ("status",): 0}.get(words, 2), **of_the_kind)
        assert "description" in told
    bench.still_serves()


@pytest.mark.parametrize("verb", ["serve", "run"])
def test_a_taken_port(bench: Bench, verb: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = bench.refuses(
            verb, code=1, de=f"Port {port} auf 127.0.0.1 ist belegt", en=f"Port {port} on 127.0.0.1 is taken", STADTGRUND_PORT=str(port)
        )
    assert str(os.getpid()) in told and str(port + 1) in told
    bench.still_serves()


@root_only
@pytest.mark.parametrize("words", [("db", "start"), ("load", "dinge")])
def test_a_socket_folder_that_is_not_ours(bench: Bench, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="stadtgrund-socket-") as place:
        Path(place).chmod(0o755)
        monkeypatch.setenv("STADTGRUND_PG_HOME", f"{place}/pg")
        cluster = embedded.locate(Paths(ROOT, Path(place) / "var"))
        cluster.socket.mkdir(parents=True, mode=0o700)
        os.chown(cluster.socket, pwd.getpwnam("nobody").pw_uid, -1)
        own = {"DATABASE_URL": "", "STADTGRUND_PG_HOME": f"{place}/pg", "STADTGRUND_VAR": f"{place}/var"}
        bench.refuses(*words, code=1, de=r"/socket gehört nobody, nicht postgres", en=r"/socket belongs to nobody, not to postgres", **own)
        assert not cluster.data.exists()


def test_a_foreign_database_that_nobody_prepared(bench: Bench, server: Server) -> None:
    name, login = f"{bench.db.name}_fremd", f"{bench.db.name}_wer"
    with server.superuser() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'wer'").format(sql.Identifier(login)))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        address = server.url(name)
        url = re.sub("//[^@]*@", f"//{login}:wer@", address)
        for words in (("load", "dinge"), ("status",), ("serve",)):
            told = bench.refuses(*words, code=1, de="fehlt: Rolle", en="lacks: role", DATABASE_URL=url)
            assert "stadtgrund db script" in told and ":wer@" not in told
    finally:
        with server.superuser() as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))


def test_a_right_that_was_taken_away(bench: Bench, server: Server) -> None:
    place = conninfo_to_dict(bench.db.conninfo("owner"))
    url = f"postgresql://{place['user']}:{place['password']}@/{place['dbname']}?host={place['host']}&port={place['port']}"
    reader = sql.Identifier(bench.db.role("open"))
    named = shutil.copytree(bench.folder, bench.folder.parent / bench.db.prefix)  # without a superuser the folder's name names the roles
    with server.superuser(bench.db.name) as connection:
        connection.execute(sql.SQL("REVOKE USAGE ON SCHEMA p_open FROM {}").format(reader))
    for words in (("load", "dinge"), ("status",), ("serve",)):
        told = bench.refuses(
            *words,
            code=1,
            de="fehlt: USAGE: Schema p_open",
            en="lacks: USAGE: schema p_open",
            DATABASE_URL=url,
            STADTGRUND_CONFIG=str(named),
        )
        assert "stadtgrund db script" in told and str(place["password"]) not in told
    with server.superuser(bench.db.name) as connection:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA p_open TO {}").format(reader))
    bench.still_serves()


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], Path]]:
    """Make disks of a few megabytes, readable for the server's account."""
    made: list[Path] = []

    def mount(megabytes: int) -> Path:
        place = Path(tempfile.mkdtemp(prefix="stadtgrund-small-"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", place], check=True)
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.fixture
def small_database(bench: Bench, server: Server, small_disk: Callable[[int], Path]) -> Iterator[Path]:
    """The bench's database on a disk of 48 MB; the folder of its files."""
    inner = small_disk(48) / "tablespace"
    inner.mkdir(mode=0o700)
    os.chown(inner, pwd.getpwnam("postgres").pw_uid, -1)
    space = sql.Identifier(f"{bench.db.name}_klein")
    name = sql.Identifier(bench.db.name)
    with server.superuser() as connection:
        connection.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(space, sql.Literal(str(inner))))
        connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(name, space))
    yield inner
    with server.superuser() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE pg_default").format(name))
        connection.execute(sql.SQL("DROP TABLESPACE {}").format(space))


FULL = {"code": 1, "de": "Datenträger der Datenbank ist kein Platz mehr", "en": "the database's disk is full"}


@root_only
@pytest.mark.usefixtures("small_database")
def test_a_full_disk_of_the_database(bench: Bench) -> None:
    before = (bench.data / "dinge.csv").read_bytes()
    with (bench.data / "dinge.csv").open("w", encoding="utf-8") as rows:
        rows.write("nr;name\n")
        rows.writelines(f"{n};{'x' * 200}\n" for n in range(200_000))
    told = bench.refuses("load", "dinge", **FULL)
    assert re.search("Version 1", told)
    bench.still_serves()
    (bench.data / "dinge.csv").write_bytes(before + b"3;c\n")
    bench.load("dinge")
    bench.still_serves(version=2)


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


@root_only
def test_a_disk_on_which_no_session_can_begin(bench: Bench, small_database: Path) -> None:
    """A session that begins writes a file of the catalog where there is none; each change of the catalog removes it."""
    (bench.data / "dinge.csv").write_text("nr;name\n1;a\n")
    filler = small_database.parent / "filler"
    _fill(filler)
    (kept,) = small_database.glob("PG_*/*/pg_internal.init")
    kept.unlink()
    _fill(filler)  # or a session writes the file anew where it stood
    bench.refuses("load", "dinge", code=1, de=FULL["de"], en=r"^The database's disk is full\.")
    filler.unlink()
    bench.still_serves()
    bench.load("dinge")
    bench.still_serves(version=2)


@root_only
# Full while the grid is copied, and while it is made a COG.
@pytest.mark.parametrize("megabytes", [2, pytest.param(13, marks=pytest.mark.slow)])
def test_a_full_disk_of_our_files(bench: Bench, small_disk: Callable[[int], Path], megabytes: int) -> None:
    bench.write(RASTER)
    bench.write_grid()
    place = small_disk(megabytes)
    (place / "secrets").symlink_to(Path(bench.env["STADTGRUND_VAR"]) / "secrets")
    told = bench.refuses(
        "load", "tiefe", code=1, de="konnte nicht in .* geschrieben werden", en="could not be written into", STADTGRUND_VAR=str(place)
    )
    assert str(place) in told and list(place.rglob("*.tif*")) == []
    bench.load("tiefe")  # where there is room


@pytest.mark.slow
def test_a_backend_that_is_killed(bench: Bench, server: Server) -> None:
    with (bench.data / "dinge.csv").open("w", encoding="utf-8") as rows:
        rows.write("nr;name\n")
        rows.writelines(f"{n};name {n}\n" for n in range(400_000))
    loading = subprocess.Popen(
        [sys.executable, "-m", "cli", "load", "dinge"], cwd=ROOT, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ended = False
    deadline = time.monotonic() + 60
    with server.superuser() as connection:
        while not ended and time.monotonic() < deadline and loading.poll() is None:
            row = connection.execute(
                "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = %s AND query ILIKE 'COPY %%' AND state = 'active'",
                (bench.db.name,),
            ).fetchone()
            ended = bool(row and row[0])
            time.sleep(0.02)
    out, err = loading.communicate(timeout=60)
    told = out + err
    assert ended and loading.returncode == 1 and "Traceback" not in told, told
    german, english = "Die Verbindung zur Datenbank ist abgebrochen", "connection lost"
    assert (german if bench.language == "de" else english) in told
    assert ("Wiederholen Sie den Befehl" if bench.language == "de" else "Repeat the command") in told
    bench.load("dinge")
    bench.still_serves(version=2)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGINT))]
)
def test_a_load_that_is_killed(bench: Bench, server: Server, number: signal.Signals) -> None:
    with (bench.data / "dinge.csv").open("w", encoding="utf-8") as rows:
        rows.write("nr;name\n")
        rows.writelines(f"{n};name {n}\n" for n in range(400_000))
    loading = subprocess.Popen(
        [sys.executable, "-m", "cli", "load", "dinge"], cwd=ROOT, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    copying, deadline = False, time.monotonic() + 60
    with server.superuser() as connection:
        while not copying and time.monotonic() < deadline and loading.poll() is None:
            found = connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = %s AND query ILIKE 'COPY %%' AND state = 'active'", (bench.db.name,)
            )
            copying = found.rowcount > 0
    assert copying
    loading.send_signal(number)
    out, err = loading.communicate(timeout=60)
    assert loading.returncode == {signal.SIGKILL: -9, signal.SIGTERM: -15, signal.SIGINT: 130}[number] or loading.returncode in (130, 143)
    assert "Traceback" not in out + err
    with bench.db.connect("open") as connection:
        assert connection.execute("SELECT version FROM p_open.sg_state").fetchall() == [(1,)]
    bench.load("dinge")
    bench.still_serves(version=2)


def test_debug_shows_where(bench: Bench) -> None:
    (bench.folder / "datasets" / "dinge.yaml").write_text("id: [", encoding="utf-8")
    assert "Traceback" not in bench.call("check").stderr
    assert "Traceback" in bench.call("load", "dinge", debug=True).stderr


def test_a_database_that_does_not_answer(bench: Bench) -> None:
    url = "postgresql://wer:geheim@127.0.0.1:1/nichts"
    told = bench.refuses("status", code=1, de="antwortet nicht|nicht erreichbar", en="does not answer|not reach", DATABASE_URL=url)
    assert "geheim" not in told


def test_no_connection_text_is_ever_told(bench: Bench) -> None:
    with pytest.raises(psycopg.Error):
        psycopg.connect("postgresql://wer:geheim@127.0.0.1:1/nichts", connect_timeout=1)
    done = bench.call("status", DATABASE_URL="mysql://wer:geheim@127.0.0.1/nichts")
    assert done.returncode == 2 and "geheim" not in done.stdout + done.stderr
    assert ("Erlaubt: postgresql://" if bench.language == "de" else "Allowed: postgresql://") in done.stderr
