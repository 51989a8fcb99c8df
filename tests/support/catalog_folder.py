"""A deployment folder as text, for tests of the catalogue."""

from __future__ import annotations

__all__ = ["CITY", "SCHULEN", "Folder"]

from collections.abc import Callable
from pathlib import Path

CITY = """\
id: teststadt
title: {de: Teststadt}
ags: "07312000"
crs: EPSG:25832
box: [7.6, 49.3, 7.9, 49.5]
licence: dl-de/zero-2-0
contact: {organisation: Geodaten, email: geodaten@example.org}
responsibility:
  owner: {organisation: Amt 62}
  steward: {organisation: Amt 62}
  operator: {organisation: IT}
"""

SCHULEN = """\
# Schulen
id: schulen
title: {de: Schulen, en: Schools}
description: {de: Schulen mit Standort.}
source: {kind: ogr, location: "${DATA}/schulen.geojson", rhythm: yearly}
geometry: {type: Point}
id_field: {kind: column, column: bsn}
fields:
  - {name: bsn, type: string, title: {de: Schulnummer}, required: true}
  - {name: name, type: string, title: {de: Name}}
  - {name: schueler, type: integer, unit: "1"}
  - {name: beginn, type: date}
  - {name: ende, type: date}
sortables: [bsn]
publish: {tiles: {zoom: [9, 16], fields: {"<14": [bsn]}}}
"""

Folder = Callable[..., Path]
