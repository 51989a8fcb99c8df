"""pygeoapi plugins over PostGIS: features, tiles, joined collections. They run in our host and in stock pygeoapi.

A definition's `data` is a mapping::

    data:
      dsn: ${STADTGRUND_DSN:-}    # of the profile's role; empty = libpq's own PG* variables
      profile: open               # its schema is p_open
      collection: schulen
      identity: true              # our host only: the caller's profile must be this one
"""

__all__: list[str] = []
