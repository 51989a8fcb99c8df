"""`bin/conformance`: what it makes of a suite's results; a stub stands for Java and the suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JAVA = f"""\
#!{sys.executable}
import os, pathlib, sys
jar, out, properties = sys.argv[2], pathlib.Path(sys.argv[4]), pathlib.Path(sys.argv[-1]).read_text()
print(jar)
folder = out / "0b2c"
folder.mkdir()
url = properties.split('"iut">')[1].split("<")[0]
if os.environ["RESULTS"]:
    (folder / "testng-results.xml").write_text(os.environ["RESULTS"].replace("OWN-URL", url), "utf-8")
"""


def method(name: str, status: str, message: str | None = None, trace: str = "") -> str:
    told = f"<message><![CDATA[\n{message}\n]]></message>" if message else ""
    return (
        f'<test-method name="{name}" status="{status}"><exception class="x">{told}'
        f"<full-stacktrace><![CDATA[{trace}]]></full-stacktrace></exception></test-method>"
    )


def results(*methods: str, **counts: int) -> str:
    told = " ".join(f'{name}="{number}"' for name, number in {"passed": 0, "failed": 0, "skipped": 0, **counts}.items())
    inside = "".join(methods)
    return f'<testng-results total="{sum(counts.values())}" {told}><suite><test><class>{inside}</class></test></suite></testng-results>'


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text(JAVA, "utf-8")
    java.chmod(0o755)
    (tmp_path / "ets").mkdir()
    (tmp_path / "ets" / "ets-ogcapi-features10-1.9-aio.jar").touch()
    return tmp_path


def run(suites: Path, xml: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PATH": f"{suites}/bin:{os.environ['PATH']}",
        "CITE_HOME": str(suites / "ets"),
        "STADTGRUND_VAR": str(suites / "var"),
        "RESULTS": xml,
    }
    env.pop("URL", None)
    return subprocess.run([ROOT / "bin" / "conformance"], env=env | more, capture_output=True, text=True, timeout=60, check=False)


def test_all_passed(suites: Path) -> None:
    done = run(suites, results(method("landingPage", "PASS"), passed=1))
    assert done.returncode == 0 and "nicht nachgewiesen" not in done.stderr
    assert done.stdout == "ets-ogcapi-features10-1.9-aio, http://localhost:5000: total=1 passed=1 failed=0 skipped=0\n"


def test_a_suite_that_ran_nothing_has_proved_nothing(suites: Path) -> None:
    done = run(suites, results(method("one", "SKIP", "No landing page"), method("two", "SKIP", "No landing page"), skipped=2))
    assert done.returncode == 1 and "kein Test ist bestanden" in done.stderr
    assert done.stdout.splitlines()[1:] == ["  übersprungen: one: No landing page", "  übersprungen: two: No landing page"]


def test_what_is_skipped_says_why(suites: Path) -> None:
    named = method("heights", "SKIP", "No collection\n   has heights")
    prepared = method("setUp", "SKIP").replace("<test-method", '<test-method is-config="true"')  # no test: not counted
    done = run(suites, results(method("items", "PASS"), prepared, named, passed=1, skipped=1))
    assert done.returncode == 0 and "  übersprungen: heights: No collection has heights\n" in done.stdout
    for methods in ([method("heights", "SKIP")], []):  # without a message, and not even listed
        done = run(suites, results(*methods, passed=1, skipped=1))
        assert done.returncode == 1 and "1 ohne Meldung übersprungen" in done.stderr


def test_what_failed_says_of_what_and_what_was_skipped_how_often(suites: Path) -> None:
    given = "<params><param index='0'><value><![CDATA[{id=schulen,\n title=Schulen}]]></value></param></params>"
    failed = method("limit", "FAIL", "expected 10").replace("<exception", f"{given}<exception", 1)
    empty = [method("bbox", "SKIP", "No features")] * 2
    done = run(suites, results(method("items", "PASS"), failed, *empty, passed=1, failed=1, skipped=2))
    assert "  durchgefallen: limit({id=schulen, title=Schulen}): expected 10\n" in done.stdout
    assert "  übersprungen (2 ×): bbox: No features\n" in done.stdout


def test_what_failed_is_named(suites: Path) -> None:
    done = run(suites, results(method("items", "PASS"), method("limit", "FAIL", "expected 10 but was 11"), passed=1, failed=1))
    assert done.returncode == 1 and "  durchgefallen: limit: expected 10 but was 11\n" in done.stdout
    assert "nicht nachgewiesen (1 durchgefallen)" in done.stderr


@pytest.mark.parametrize(
    ("message", "trace"),
    [
        ("java.net.UnknownHostException: schemas.opengis.net", ""),
        ("Unable to load the schema", "Caused by: java.net.UnknownHostException: geojson.org\n  at x"),
        ("http://schemas.opengis.net/ogcapi/x.json: Connection timed out", ""),
    ],
)
def test_what_needs_the_internet_is_named_apart(suites: Path, message: str, trace: str) -> None:
    done = run(suites, results(method("items", "PASS"), method("schema", "FAIL", message, trace), passed=1, failed=1))
    assert f"  durchgefallen, weil die Suite selbst das Internet braucht: schema: {message}\n" in done.stdout
    assert done.returncode == 1 and "nicht nachgewiesen (1 nicht prüfbar ohne Internet)" in done.stderr


@pytest.mark.parametrize(
    "message", ["java.net.UnknownHostException: karten.example", "The answer does not fit http://schemas.opengis.net/ogcapi/x.json"]
)
def test_our_own_fault_is_not_the_internets(suites: Path, message: str) -> None:
    done = run(suites, results(method("a", "PASS"), method("b", "FAIL", message), passed=1, failed=1), URL="http://karten.example/geo")
    assert f"  durchgefallen: b: {message}\n" in done.stdout and done.returncode == 1


def test_several_servers_and_several_suites(suites: Path) -> None:
    (suites / "ets" / "ets-ogcapi-tiles10-1.2-aio.jar").touch()
    xml = results(method("OWN-URL", "SKIP", "not here"), passed=1, skipped=1)
    done = run(suites, xml, URL="http://localhost:5000 http://localhost:5001/a&amp;b")
    assert done.returncode == 0
    titles = [line.split(": total")[0] for line in done.stdout.splitlines() if "total=" in line]
    assert [title.replace("-aio", "") for title in titles] == [
        f"ets-ogcapi-{suite}, http://localhost:500{number}" for number in ("0", "1/a&amp;b") for suite in ("features10-1.9", "tiles10-1.2")
    ]


def test_without_a_result_or_without_suites(suites: Path, tmp_path: Path) -> None:
    done = run(suites, "")
    assert done.returncode == 1 and "kein Ergebnis, siehe" in done.stderr
    done = run(suites, "", CITE_HOME=str(tmp_path / "leer"))
    assert done.returncode == 2 and "sind nicht da" in done.stderr


def test_maven_gives_what_nobody_laid_there(suites: Path) -> None:
    """A stub stands for Maven, too: it has one of the three."""
    maven = suites / "bin" / "mvn"
    maven.write_text(
        "#!/bin/sh\n"
        "for word; do\n"
        "  case $word in -DoutputDirectory=*) folder=${word#*=} ;; -Dartifact=*features10:LATEST:jar:aio) gives=yes ;; esac\n"
        "done\n"
        'if [ "$gives" ]; then mkdir -p "$folder"; touch "$folder/ets-ogcapi-features10-1.9-aio.jar"; exit 0; fi\n'
        'echo "[ERROR] Failed to execute goal: Could not find metadata"; exit 1\n',
        "utf-8",
    )
    maven.chmod(0o755)
    done = run(suites, results(method("items", "PASS"), passed=1), CITE_HOME="")
    assert done.returncode == 0 and "ets-ogcapi-features10-1.9-aio, http://localhost:5000: total=1" in done.stdout
    assert "Maven gibt sie nicht: ets-ogcapi-tiles10: Could not find metadata\n" in done.stdout
    maven.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    (suites / "var" / "cite" / "ets-ogcapi-features10-1.9-aio.jar").unlink()
    done = run(suites, "", CITE_HOME="")
    assert done.returncode == 2 and "ets-ogcapi-features10: ohne Meldung" in done.stdout and "Maven gibt keine" in done.stderr
