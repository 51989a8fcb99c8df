"""What several test modules share: a PostGIS, a small deployment, rows without the ETL."""
