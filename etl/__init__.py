"""From a city's sources to checked versions: extract, transform, quality, staging, publish."""
