# Sourced: find a Python >= 3.12, by executing each candidate: a pyenv shim, for one, is there and cannot run.

# The version the lock was made with goes first.
python_candidates() {
    printf '%s\n' python3.13 python3.12 python3.14 python3
    for python_path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-4]*/bin/python; do
        printf '%s\n' "$python_path"
    done | sort -rV
    printf '%s\n' "$ROOT/usr/local/bin/python3" "$ROOT/usr/bin/python3.13" "$ROOT/usr/bin/python3.12" "$ROOT/usr/bin/python3"
}

# 0 when the candidate runs, is of a version that we support, and can make an environment (Debian splits that off).
python_fits() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -I -c 'import ensurepip, sys, venv; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 14))' </dev/null >/dev/null 2>&1
}

# Print the first candidate that fits; fail when there is none.
find_python() {
    python_list=$(python_candidates)
    while IFS= read -r python_candidate; do
        if python_fits "$python_candidate"; then
            command -v "$python_candidate"
            return 0
        fi
    done <<LIST
$python_list
LIST
    return 1
}

# Print a Python that fits: found; else the distribution's, completed by python3-venv; else one that uv brings into var/.
have_python() {
    find_python && return
    if ! "$ROOT/usr/bin/python3" -I -c 'import ensurepip, venv' </dev/null >/dev/null 2>&1; then
        install_packages python3-venv
        find_python && return
    fi
    say "Kein Python ab 3.12 gefunden; uv holt eines nach var/python." "No Python from 3.12 on was found; uv brings one to var/python."
    logged "$ROOT/usr/bin/python3" -m venv var/uv && logged var/uv/bin/pip install --quiet uv &&
        logged env UV_PYTHON_INSTALL_DIR="$PWD/var/python" var/uv/bin/uv python install 3.13 ||
        die "Es gibt hier kein Python ab 3.12 (versucht: PATH, pyenv, /usr/bin), und uv konnte keines holen; installieren Sie eines und wiederholen Sie den Befehl." \
            "There is no Python from 3.12 on here (tried: PATH, pyenv, /usr/bin) and uv could not bring one; install one and try again."
    UV_PYTHON_INSTALL_DIR="$PWD/var/python" var/uv/bin/uv python find --managed-python 3.13
}
