"""The secret that goes into ids made of a row's content, so that nobody can try values of hidden columns until the public id fits."""

from __future__ import annotations

__all__ = ["id_key"]

import secrets

from stadtgrund.settings import Secret
from stadtgrund.store.database import Database

_KEY = "id_key"


def id_key(db: Database) -> Secret:
    """Return the database's key (64 hex digits); the first call makes it.

    It lies in `meta.setting`, which owner and ingest may read and no profile: with another key all ids of content are others, so it
    is part of a backup of the database.
    """
    with db.connect("owner", autocommit=True, application="stadtgrund ids") as connection:
        # Of two loads that come first at once, both take what one of them wrote.
        connection.execute(
            "INSERT INTO meta.setting (key, value) SELECT %s, %s WHERE NOT EXISTS (SELECT FROM meta.setting WHERE key = %s)"
            " ON CONFLICT (key) DO NOTHING",
            (_KEY, secrets.token_hex(32), _KEY),
        )
        row = connection.execute("SELECT value FROM meta.setting WHERE key = %s", (_KEY,)).fetchone()
    assert row is not None  # just written
    return Secret(row[0])
