# Sourced: what setup says to a person, on stderr, in the language of the terminal: German unless the locale names another
# (stadtgrund/language.py decides alike; C and POSIX name no language).

say() { # German English
    for named in "${LC_ALL:-}" "${LC_MESSAGES:-}" "${LANG:-}"; do
        case "$named" in
            '' | [cC] | [cC].* | POSIX | POSIX.*) ;;
            [dD][eE]*) break ;;
            *)
                printf '%s\n' "$2" >&2
                return
                ;;
        esac
    done
    printf '%s\n' "$1" >&2
}

die() { # German English
    say "$@"
    exit 1
}

# Run a program with its output kept in the log; when it fails, show the log's end and return its exit code.
logged() {
    "$@" </dev/null >>"$LOG" 2>&1 && return
    logged_code=$?
    tail -n 15 "$LOG" >&2
    say "Mehr steht in $LOG." "See $LOG."
    return "$logged_code"
}
