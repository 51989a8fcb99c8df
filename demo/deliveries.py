"""Two faulty deliveries of the construction sites, for the demonstration: one that a load stops, one that it takes in part."""

from __future__ import annotations

__all__ = ["CUT", "FAULTY", "write"]

import copy
import json
from pathlib import Path
from typing import Any

CUT = "baustellen_abgebrochen.geojson"
FAULTY = "baustellen_fehlerhaft.geojson"
_KEPT = 0.4


def write(source: Path, folder: Path) -> tuple[Path, Path]:
    """Write both deliveries into `folder`, made from the good one `source` (`baustellen.geojson`), and return their paths.

    `CUT` ends after two fifths of its features, as an export that was interrupted; `FAULTY` has all of them, and five faults:
    an impossible day, no client, an id twice, a ring that crosses itself, a state that the code list does not know.
    """
    good = json.loads(source.read_text(encoding="utf-8"))
    features = good["features"]
    folder.mkdir(parents=True, exist_ok=True)
    cut = _write(folder / CUT, good, features[: int(len(features) * _KEPT)])
    return cut, _write(folder / FAULTY, good, _spoiled(features))


def _write(path: Path, collection: dict[str, Any], features: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({**collection, "features": features}, ensure_ascii=False), encoding="utf-8")
    return path


def _spoiled(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = copy.deepcopy(features)
    rows[0]["properties"]["ende"] = "31.02.2027"
    rows[1]["properties"]["traeger"] = None
    rows[2]["properties"]["baustelle_id"] = rows[3]["properties"]["baustelle_id"]
    west, south = rows[4]["geometry"]["coordinates"][0][0]
    bow = [[west, south], [west + 40, south + 20], [west + 40, south], [west, south + 20], [west, south]]
    rows[4]["geometry"] = {"type": "Polygon", "coordinates": [bow]}
    rows[5]["properties"]["status"] = "verschoben"
    return rows
