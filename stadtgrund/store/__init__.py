"""PostGIS: the private server, connections, tables, forms, versions."""
