"""The catalogue of a deployment: contracts and what derives from them. Pure: no database, no network."""
