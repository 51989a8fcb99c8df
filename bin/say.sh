# Sourced: what setup says to a person, on stderr, in the language of the terminal: German unless the locale names another.

say() { # German English
    case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
        '' | [dD][eE]*) printf '%s\n' "$1" >&2 ;;
        *) printf '%s\n' "$2" >&2 ;;
    esac
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
