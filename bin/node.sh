# Sourced: packages of the browser's side, each folder by its own lock. No script of a package is run.

# 0 when a folder's node_modules are those of its lock.
node_prepared() { # folder
    [ "$(cat "$1/node_modules/.prepared" 2>/dev/null)" = "$(sha256sum <"$1/package-lock.json")" ]
}

install_node() { # folder
    logged npm --prefix "$1" ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier &&
        sha256sum <"$1/package-lock.json" >"$1/node_modules/.prepared"
}
