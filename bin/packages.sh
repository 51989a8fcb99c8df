# Sourced: system packages, by the lists in packages/. A line of a list is `<command or file> <package>`.

# 0 when the command, or a file that matches the glob, is there. ROOT is empty, or another root folder in tests.
present() {
    case "$1" in
        /*)
            # shellcheck disable=SC2086 # the glob is meant to be expanded
            for present_path in $ROOT$1; do
                [ -e "$present_path" ] && return 0
            done
            return 1
            ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Print the packages of the given lists whose command or file is absent, in one line.
missing_packages() {
    missing_list=
    for missing_file in "$@"; do
        while read -r missing_thing missing_package missing_rest; do
            case "$missing_thing" in '' | '#'*) continue ;; esac
            [ -n "$missing_package" ] && [ -z "$missing_rest" ] || {
                say "$missing_file: Zeile »$missing_thing $missing_package $missing_rest«: erwartet wird »Befehl-oder-Datei Paket«." \
                    "$missing_file: line \"$missing_thing $missing_package $missing_rest\": expected \"command-or-file package\"."
                return 1
            }
            present "$missing_thing" || missing_list="$missing_list $missing_package"
        done <"$missing_file"
    done
    printf '%s\n' "${missing_list# }"
}

# Install packages as root, by sudo without a question, or by sudo on a terminal; else say which are missing.
install_packages() { # package…
    command -v apt-get >/dev/null 2>&1 ||
        die "Es fehlen $*, und apt-get gibt es hier nicht: Bitte installieren Sie sie von Hand." \
            "Missing: $*, and there is no apt-get here: please install them by hand."
    as_root=
    if [ "$(id -u)" != 0 ]; then
        if sudo -n true >/dev/null 2>&1; then
            as_root="sudo -n"
        elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then
            say "sudo fragt jetzt nach Ihrem Kennwort, um Systempakete zu installieren." \
                "sudo will ask for your password, to install system packages."
            sudo -v || die "Ohne Systemrechte geht es nicht weiter; fehlend: $*" "Cannot go on without system rights; missing: $*"
            as_root="sudo -n"
        else
            die "Systempakete fehlen, und es gibt weder root noch sudo; bitten Sie die Systemverwaltung um: apt-get install $*" \
                "System packages are missing and there is neither root nor sudo; ask your administrator for: apt-get install $*"
        fi
    fi
    case " $* " in
        *" postgresql"*) forbid_system_cluster ;;
    esac
    say "Systempakete werden installiert: $* (einige Minuten)" "Installing system packages: $* (some minutes)"
    # shellcheck disable=SC2086 # as_root is one or two words, or none
    logged $as_root apt-get -q -o DPkg::Lock::Timeout=300 update ||
        die "Die Paketlisten konnten nicht geladen werden: Prüfen Sie die Netzverbindung und wiederholen Sie den Befehl." \
            "The package lists could not be fetched: check the network and try again."
    # The signals too: a shell that one of them ends runs no EXIT trap of its own accord.
    trap allow_services EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    forbid_services
    # shellcheck disable=SC2086
    logged $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install "$@" ||
        die "apt-get konnte nicht alles installieren: $*" "apt-get could not install all of: $*"
    allow_services
    trap - EXIT HUP INT TERM
}

# What is installed for us is started by us, when it is needed: a web server that apt starts would open a port to everybody.
# The administrator's own rule stays as it is; ours, left behind by a setup that was killed, is ours again.
forbid_services() {
    services_policy=
    services_mark='# forbidden while packages for Stadtgrund are installed'
    [ -d "$ROOT/usr/sbin" ] || return 0
    [ ! -e "$ROOT/usr/sbin/policy-rc.d" ] || grep -qsF "$services_mark" "$ROOT/usr/sbin/policy-rc.d" || return 0
    services_policy=$ROOT/usr/sbin/policy-rc.d
    # shellcheck disable=SC2086
    printf '#!/bin/sh\nexit 101 %s\n' "$services_mark" | $as_root tee "$services_policy" >/dev/null &&
        $as_root chmod 755 "$services_policy"
}

allow_services() {
    # shellcheck disable=SC2086
    [ -z "${services_policy:-}" ] || $as_root rm -f "$services_policy"
}

# Our PostGIS is private: keep apt from making and starting a system-wide one, which would take memory and a port.
forbid_system_cluster() {
    forbid_folder=$ROOT/etc/postgresql-common/createcluster.d
    [ -e "$forbid_folder/stadtgrund.conf" ] && return
    # shellcheck disable=SC2086
    $as_root mkdir -p "$forbid_folder" &&
        printf '# Stadtgrund starts a private server. Remove this file if you want apt to make system clusters.\ncreate_main_cluster = false\n' |
        $as_root tee "$forbid_folder/stadtgrund.conf" >/dev/null
}
