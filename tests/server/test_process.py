"""The server as a process of its own: granian, workers, port, parent; and what it must not load."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.postgis import Server, environment

from stadtgrund.settings import ROOT
from stadtgrund.store.database import Database

from .conftest import KEY

FORBIDDEN = ("pyarrow", "pandas", "geopandas", "rasterio", "rdflib", "sqlalchemy", "geoalchemy2", "pyogrio", "tinydb", "flask")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(env: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/?f=json")
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def env(server: Server, served_db: Database, served_folder: Path) -> dict[str, str]:
    return environment(server, served_db, served_folder)


@pytest.fixture(scope="module")
def url(env: dict[str, str]) -> Iterator[str]:
    port = free_port()
    with serving(env, port):
        yield f"http://localhost:{port}"


def workers_of(pid: int) -> list[int]:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            children.append(int(stat.parent.name))
    return children


def test_the_server_loads_no_library_of_the_etl(env: dict[str, str]) -> None:
    script = """
import asyncio, json, sys, httpx
from server.app import create_app
from stadtgrund.settings import Settings
async def main():
    app = create_app(Settings.from_environment())
    await app.startup()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        for url in sys.argv[1:]:
            response = await client.get(url)
            assert response.status_code == 200, (url, response.text)
    await app.shutdown()
asyncio.run(main())
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    items = "/collections/masten/items"
    asked = ["/?f=html", "/collections", "/api", items, f"{items}?f=csv", f"{items}?filter=nummer=1", f"{items}?f=html", "/start/qgis"]
    run = subprocess.run([sys.executable, "-c", script, *asked], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout.splitlines()[-1]))
    assert "pygeoapi" in loaded
    assert loaded.isdisjoint(FORBIDDEN), loaded & set(FORBIDDEN)


def test_two_workers_answer_byte_equal(url: str) -> None:
    address = f"{url}/collections/masten/items?limit=20&filter=nummer>3"
    answers = set()
    for _ in range(12):
        response = httpx.get(address)  # a new connection each: the kernel spreads them
        answers.add((response.content, response.headers["etag"]))
    assert len(answers) == 1


def test_http_of_the_real_server(url: str) -> None:
    assert httpx.get(f"{url}/collections/geheimleitungen/items", headers={"x-api-key": KEY}).json()["numberMatched"] == 1777
    assert httpx.get(f"{url}/collections/gebiete/items/01%2Fx").json()["id"] == "01/x"
    assert httpx.get(f"{url}/collections/masten/items", headers={"accept-encoding": "zstd"}).headers["content-encoding"] == "zstd"
    assert httpx.get(f"{url}/collections/masten/items?filter={'a' * 20000}").status_code == 414
    assert httpx.head(f"{url}/collections/masten/items").status_code == 200
    assert httpx.post(f"{url}/collections/masten/items", json={}).status_code == 405


def test_a_path_prefix_with_and_without_a_proxy_that_strips_it(env: dict[str, str]) -> None:
    port = free_port()
    with serving({**env, "PUBLIC_URL": "https://geo.example.org/stadt/api/"}, port):
        for prefix in ("", "/stadt/api"):
            page = httpx.get(f"http://127.0.0.1:{port}{prefix}/collections/masten/items?limit=1").json()
            following = next(link["href"] for link in page["links"] if link["rel"] == "next")
            assert following.startswith("https://geo.example.org/stadt/api/collections/masten/items?limit=1&cursor=")
        assert 'href="/stadt/api/static/stadtgrund.css' in httpx.get(f"http://127.0.0.1:{port}/stadt/api?f=html").text


def test_the_end_of_the_parent_ends_the_workers(env: dict[str, str]) -> None:
    port = free_port()
    with serving(env, port) as process:
        workers = workers_of(process.pid)
        assert len(workers) >= 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 15
        while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < end:
            time.sleep(0.1)
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_sigterm_ends_all(env: dict[str, str]) -> None:
    port = free_port()
    with serving(env, port) as process:
        workers = workers_of(process.pid)
        process.terminate()
        process.wait(20)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def test_a_taken_port_is_one_sentence(env: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "cli", "serve", "--port", str(port)]
        run = subprocess.run(
            command, env={**env, "LC_ALL": "de_DE.UTF-8"}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
    assert run.returncode == 1
    assert f"Port {port} auf 127.0.0.1 ist belegt von Prozess {os.getpid()}" in run.stderr
    assert "Traceback" not in run.stderr and len(run.stderr.strip().splitlines()) == 2


@pytest.mark.parametrize(("file", "said"), [("deployment.yml", "titel"), ("server.yml", "quatsch")])
def test_a_broken_deployment_file_is_named(env: dict[str, str], served_folder: Path, tmp_path: Path, file: str, said: str) -> None:
    folder = tmp_path / "kaputt"
    shutil.copytree(served_folder, folder)
    (folder / file).write_text(
        (served_folder / file).read_text() + "titel: x\n" if file == "deployment.yml" else "quatsch: 1\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "cli", "serve", "--port", str(free_port())]
    run = subprocess.run(
        command, env={**env, "STADTGRUND_CONFIG": str(folder)}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 2
    assert f"{file}:" in run.stderr and said in run.stderr and "Traceback" not in run.stderr


def test_a_broken_contract_file_does_not_stop_the_server(env: dict[str, str], served_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "teststadt"
    shutil.copytree(served_folder, folder)
    (folder / "datasets" / "masten.yaml").write_text("id: [", encoding="utf-8")
    port = free_port()
    with serving({**env, "STADTGRUND_CONFIG": str(folder)}, port):
        assert httpx.get(f"http://127.0.0.1:{port}/collections/masten/items").json()["numberMatched"] == 60


@pytest.mark.skipif(shutil.which("ogr2ogr") is None, reason="GDAL's ogr2ogr is not installed")
def test_gdal_reads_all_features(url: str, tmp_path: Path) -> None:
    target = tmp_path / "masten.geojson"
    command = ["ogr2ogr", "-f", "GeoJSON", str(target), f"OAPIF:{url}", "masten", "-oo", "PAGE_SIZE=25"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    features = json.loads(target.read_text())["features"]
    assert len(features) == 60
    assert {feature["properties"]["name"] for feature in features} >= {"a<b>&c", "O'Brien", "Straße"}
    info = subprocess.run(
        ["ogrinfo", "-ro", "-so", f"OAPIF:{url}", "gebiete"], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert "Feature Count: 3" in info
    found = subprocess.run(
        ["ogrinfo", "-ro", "-so", "-spat", "6.98", "51.43", "6.987", "51.44", f"OAPIF:{url}", "masten"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    whole = httpx.get(f"{url}/collections/masten/items?bbox=6.98,51.43,6.987,51.44").json()["numberMatched"]
    assert f"Feature Count: {whole}" in found and 0 < whole < 59
    one = subprocess.run(
        ["ogrinfo", "-ro", "-fid", "7", f"OAPIF:{url}", "masten"], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert "nummer (Integer) = 7" in one
