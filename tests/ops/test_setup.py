"""bin/setup: package lists, installation and the search for a Python, in a shell with made-up programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Shell = Callable[..., subprocess.CompletedProcess[str]]
Program = Callable[[str, str], Path]


@pytest.fixture
def few(tmp_path: Path) -> str:
    """A search path with the basic tools and nothing else: no sudo, no apt-get, no Python."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("sh", "env", "cat", "mkdir", "tee", "tail", "sort", "id", "true"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


def test_only_what_is_absent_is_missing(shell: Shell, tmp_path: Path) -> None:
    found = tmp_path / "root/usr/lib/postgresql/15/bin"
    found.mkdir(parents=True)
    (found / "initdb").touch()
    (tmp_path / "list").write_text(
        "# a comment\n\n/usr/lib/postgresql/*/bin/initdb postgresql\n/usr/share/*/postgis.control postgresql-postgis\n"
        "sh dash\nno-such-program  fancy\n"
    )
    done = shell("missing_packages list")
    assert (done.returncode, done.stdout) == (0, "postgresql-postgis fancy\n")


@pytest.mark.parametrize("line", ["initdb", "initdb postgresql postgis"])
def test_a_broken_line_of_a_list_is_quoted(shell: Shell, tmp_path: Path, line: str) -> None:
    (tmp_path / "list").write_text(f"{line}\n")
    done = shell("missing=$(missing_packages list); echo on")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith('list: line "initdb ') and "command-or-file package" in done.stderr


def test_root_installs_without_questions_and_makes_no_system_cluster(shell: Shell, program: Program, tmp_path: Path) -> None:
    program("apt-get", f'echo "$DEBIAN_FRONTEND|$*" >>{tmp_path}/calls; [ ! -t 0 ]; cat >/dev/null')
    program("id", "echo 0")
    done = shell("install_packages postgresql-postgis proj-data")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Installing system packages: postgresql-postgis proj-data (some minutes)\n"
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith(" update")
    assert install.startswith("noninteractive|-q -y --no-install-recommends") and install.endswith(" install postgresql-postgis proj-data")
    drop_in = tmp_path / "root/etc/postgresql-common/createcluster.d/stadtgrund.conf"
    assert "create_main_cluster = false" in drop_in.read_text().splitlines()


@pytest.mark.parametrize("ends", [0, 100])
def test_apt_starts_no_service(shell: Shell, program: Program, tmp_path: Path, ends: int) -> None:
    policy = tmp_path / "root/usr/sbin/policy-rc.d"
    policy.parent.mkdir(parents=True)
    program("apt-get", f'case "$*" in *update*) ;; *) {policy}; echo "$?" >>{tmp_path}/said; exit {ends} ;; esac')
    program("id", "echo 0")
    assert shell("install_packages nginx-light").returncode == (1 if ends else 0)
    assert (tmp_path / "said").read_text() == "101\n" and not policy.exists()
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o755)
    shell("install_packages nginx-light")
    assert (tmp_path / "said").read_text() == "101\n104\n" and policy.exists()


MARK = "#!/bin/sh\nexit 101 # forbidden while packages for Stadtgrund are installed\n"


@pytest.mark.parametrize(("signal", "ends"), [("HUP", 129), ("INT", 130), ("TERM", 143)])
def test_an_interrupted_installation_forbids_nothing_afterwards(
    shell: Shell, program: Program, tmp_path: Path, signal: str, ends: int
) -> None:
    policy = tmp_path / "root/usr/sbin/policy-rc.d"
    policy.parent.mkdir(parents=True)
    program("apt-get", f'case "$*" in *update*) ;; *) cat {policy} >{tmp_path}/said; kill -{signal} "$PPID" ;; esac')
    program("id", "echo 0")
    done = shell("install_packages nginx-light; echo on")
    assert (done.returncode, done.stdout) == (ends, "")
    assert (tmp_path / "said").read_text() == MARK and not policy.exists()


def test_what_a_killed_installation_left_is_taken_away_by_the_next(shell: Shell, program: Program, tmp_path: Path) -> None:
    policy = tmp_path / "root/usr/sbin/policy-rc.d"
    policy.parent.mkdir(parents=True)
    policy.write_text(MARK)
    program("apt-get", f'case "$*" in *update*) ;; *) {policy}; echo "$?" >>{tmp_path}/said ;; esac')
    program("id", "echo 0")
    assert shell("install_packages nginx-light; echo on").stdout == "on\n"
    assert (tmp_path / "said").read_text() == "101\n" and not policy.exists()


def test_the_drop_in_is_written_once_and_only_for_postgresql(shell: Shell, program: Program, tmp_path: Path) -> None:
    program("apt-get", "exit 0")
    program("id", "echo 0")
    drop_in = tmp_path / "root/etc/postgresql-common/createcluster.d/stadtgrund.conf"
    assert shell("install_packages gdal-bin").returncode == 0
    assert not drop_in.exists()
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("# mine\n")
    assert shell("install_packages postgresql").returncode == 0
    assert drop_in.read_text() == "# mine\n"


def test_sudo_without_a_question_is_used(shell: Shell, program: Program, tmp_path: Path, few: str) -> None:
    program("apt-get", f'echo "$DEBIAN_FRONTEND|$*" >>{tmp_path}/calls')
    program("id", "echo 1000")
    program("sudo", f'echo "sudo $*" >>{tmp_path}/sudo; [ "$1" = -n ] || exit 1; shift; exec "$@"')
    assert shell("install_packages postgresql", path=few).returncode == 0
    assert (tmp_path / "calls").read_text().splitlines()[1].startswith("noninteractive|")
    assert all(line.startswith("sudo -n ") for line in (tmp_path / "sudo").read_text().splitlines())
    assert (tmp_path / "root/etc/postgresql-common/createcluster.d/stadtgrund.conf").exists()


@pytest.mark.parametrize("sudo", [None, "exit 1"], ids=["none", "asks"])
def test_without_rights_one_sentence_names_the_packages(shell: Shell, program: Program, few: str, sudo: str | None) -> None:
    program("apt-get", "exit 0")
    program("id", "echo 1000")
    if sudo:
        program("sudo", sudo)
    done = shell("install_packages postgresql proj-data", path=few, LC_ALL="de_DE.UTF-8")
    assert done.returncode == 1
    assert done.stderr == (
        "Systempakete fehlen, und es gibt weder root noch sudo; bitten Sie die Systemverwaltung um: apt-get install postgresql proj-data\n"
    )


def test_without_apt_the_packages_are_named(shell: Shell, few: str) -> None:
    done = shell("install_packages postgresql", path=few)
    assert done.returncode == 1 and "there is no apt-get here" in done.stderr and "postgresql" in done.stderr


def test_a_failing_apt_shows_its_last_words(shell: Shell, program: Program) -> None:
    program("id", "echo 0")
    program("apt-get", 'case "$*" in *update*) ;; *) echo "E: Unable to locate package fancy"; exit 100 ;; esac')
    done = shell("install_packages fancy; echo on")
    assert done.returncode == 1 and done.stdout == ""
    assert "E: Unable to locate package fancy" in done.stderr
    assert done.stderr.endswith("apt-get could not install all of: fancy\n")


GOOD = "exit 0"


def test_a_python_counts_only_when_it_runs(shell: Shell, program: Program, few: str, tmp_path: Path) -> None:
    program("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    program("python3", "exit 1")  # too old, or without ensurepip: its own check says so
    program(".pyenv/versions/3.12.1/bin/python", "exit 1")
    good = program(".pyenv/versions/3.13.0/bin/python", GOOD)
    program(".pyenv/versions/3.11.7/bin/python", GOOD)
    done = shell("find_python", path=few)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(good), "")


def test_the_python_of_the_path_goes_first(shell: Shell, program: Program, few: str, tmp_path: Path) -> None:
    program("python3.12", GOOD)
    program(".pyenv/versions/3.13.0/bin/python", GOOD)
    assert shell("find_python", path=few).stdout.strip() == f"{tmp_path}/bin/python3.12"


def test_the_distributions_python_is_found_and_none_is_none(shell: Shell, program: Program, few: str) -> None:
    assert shell("find_python", path=few).returncode == 1
    good = program("root/usr/bin/python3", GOOD)
    assert shell("find_python", path=few).stdout.strip() == str(good)


def test_real_interpreters_are_judged_by_their_version(shell: Shell) -> None:
    assert shell(f"python_fits {sys.executable}").returncode == 0
    assert shell("python_fits /bin/false").returncode != 0
    assert shell("python_fits no-such-python").returncode != 0


@pytest.mark.parametrize("there", [True, False], ids=["without venv", "no python at all"])
def test_a_new_distributions_python_is_completed(shell: Shell, program: Program, few: str, tmp_path: Path, there: bool) -> None:
    mark = tmp_path / "venv-installed"
    python = program("root/usr/bin/python3", f'case "$*" in *ensurepip*) [ -e {mark} ] ;; esac')
    if not there:
        python.rename(tmp_path / "python3")
    program("apt-get", f'case "$*" in *" install python3-venv") echo >{mark}; [ -e {python} ] || mv {tmp_path}/python3 {python} ;; esac')
    program("id", "echo 0")
    (Path(few) / "mv").symlink_to(shutil.which("mv") or "")
    done = shell("have_python", path=few)
    assert (done.returncode, done.stdout.strip()) == (0, str(python)), done.stderr
    assert "uv" not in done.stderr.split()


def test_uv_brings_a_python_where_there_is_none(shell: Shell, program: Program, few: str, tmp_path: Path) -> None:
    program(
        "root/usr/bin/python3",
        f"""case "$*" in
            *version_info*) exit 1 ;;
            '-m venv '*) mkdir -p "$3/bin"; cat >"$3/bin/pip" <<'END'
#!/bin/sh
echo "$*" >>{tmp_path}/pip-calls
cat >var/uv/bin/uv <<'UV'
#!/bin/sh
echo "$UV_PYTHON_INSTALL_DIR|$*" >>{tmp_path}/uv-calls
[ "$2" != find ] || echo /brought/python3.13
UV
chmod +x var/uv/bin/uv
END
            chmod +x "$3/bin/pip" ;;
        esac""",
    )
    (Path(few) / "chmod").symlink_to(shutil.which("chmod") or "")
    done = shell("have_python", path=few)
    assert (done.returncode, done.stdout) == (0, "/brought/python3.13\n")
    assert (tmp_path / "pip-calls").read_text() == "install --quiet uv\n"
    assert (tmp_path / "uv-calls").read_text().splitlines()[0] == f"{tmp_path}/var/python|python install 3.13"


def test_no_python_at_all_is_said(shell: Shell, program: Program, few: str) -> None:
    program("root/usr/bin/python3", 'case "$*" in *"ensurepip, venv"*) ;; *) exit 1 ;; esac')
    done = shell("python=$(have_python); echo on", path=few)
    assert done.returncode == 1 and done.stdout == ""
    assert "There is no Python from 3.12 on here (tried: PATH, pyenv, /usr/bin) and uv could not bring one" in done.stderr


def test_misuse_says_how(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bin/setup", "all"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C", "LANG": "en_US.UTF-8"}, timeout=30
    )
    assert (done.returncode, done.stderr) == (2, "Usage: bin/setup run|test\n")


def copy_checkout(target: Path) -> None:
    skip = shutil.ignore_patterns(".venv", "var", ".git", "*.egg-info", "__pycache__", ".*_cache", "node_modules")
    shutil.copytree(ROOT, target, ignore=skip)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fresh_copy_is_set_up_once_and_moves(tmp_path: Path) -> None:
    copy = tmp_path / "ein ort"  # a path with a space, as people have them
    copy_checkout(copy)
    env = {**os.environ, "LC_ALL": "C", "LANG": "en_US.UTF-8"}

    def setup() -> tuple[subprocess.CompletedProcess[str], float]:
        begun = time.monotonic()
        done = subprocess.run(["make", "setup"], cwd=copy, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=800, env=env)
        assert done.returncode == 0, done.stderr
        return done, time.monotonic() - begun

    first, _ = setup()
    assert first.stdout == "" and len(first.stderr.splitlines()) <= 4
    version = subprocess.run(
        [copy / ".venv/bin/python", "-c", "import stadtgrund, cli; print(stadtgrund.__file__)"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert version.stdout.strip() == str(copy / "stadtgrund/__init__.py"), version.stderr
    again, seconds = setup()
    assert (again.stdout, again.stderr) == ("", "") and seconds < 1
    with (copy / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "Installing" in setup()[0].stderr
    # Programs of an environment name its place: moved, it is made anew.
    moved = tmp_path / "moved"
    copy.rename(moved)
    copy = moved
    assert "Making the Python environment" in setup()[0].stderr
    assert (moved / ".venv/bin/stadtgrund").read_text().splitlines()[0].startswith(f"#!{moved}/.venv/bin/python")
