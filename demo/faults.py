"""A small share of the faults that real deliveries have, planted on purpose and listed in `fehler.json`.

`count` rows are faulty, `ids` are theirs. What a load should make of them is `effect`: `repaired` (kept, mended), `rejected`
(kept back), `reported` (kept, named), `normalised` (kept, key written in full) or `skipped` (known to be no data).
"""

from __future__ import annotations

__all__ = ["plant"]

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import shapely

from demo.streets import Array, generator

Frames = dict[str, pd.DataFrame]
CUT = "Unterstriche am Ende fehlen"
ZEROS = "Führende Nullen fehlen (Tabellenkalkulation)"
NO_PARCEL = "07450199999999______"


def plant(layers: Frames, tables: Frames, seed: int) -> list[dict[str, Any]]:
    """Damage some rows (entries of the dictionaries are replaced, the frames stay as they were) and return the list."""
    layer, table = _Planter(layers, seed, "layers"), _Planter(tables, seed, "tables")
    layer.cross("gebaeude", "gebaeude_id", 12)
    layer.cross("flurstuecke", "kennzeichen", 8)
    layer.cross("gruenflaechen", "gruen_id", 2, 80)
    for name, ident, count in (("gebaeude", "gebaeude_id", 5), ("flurstuecke", "kennzeichen", 4), ("adressen", "adresse_id", 6)):
        layer.repeat(name, ident, count)
    for name, ident, count in (("adressen", "adresse_id", 25), ("baeume", "baum_nr", 12)):
        zeros = layers[name]["strassenschluessel"].str.startswith("0").fillna(False).to_numpy(dtype=bool)
        layer.change(name, ident, "strassenschluessel", count, _number, "lost_leading_zero", "normalised", ZEROS, zeros)
    layer.change("adressen", "adresse_id", "strasse", 3, _nothing, "missing_value", "rejected", "Straßenname fehlt")
    layer.change("baeume", "baum_nr", "art", 2, _nothing, "missing_value", "rejected", "Baumart fehlt")
    layer.change("baeume", "baum_nr", "zustand", 7, lambda _: "9", "unknown_code", "reported", "Zustand 9 steht nicht in der Codeliste")
    done = (layers["baustellen"]["status"] == "beendet").to_numpy()
    text = "Stand „abgeschlossen“ steht nicht in der Codeliste"
    layer.change("baustellen", "baustelle_id", "status", 2, lambda _: "abgeschlossen", "unknown_code", "reported", text, done)
    whole = layers["flurstuecke"]["kennzeichen"].str.endswith("______").to_numpy(dtype=bool)
    layer.change("flurstuecke", "kennzeichen", "kennzeichen", 6, _cut, "cut_key", "normalised", CUT, whole)

    table.change("bauantraege", "Aktenzeichen", "Flurstück", 5, _cut, "cut_key", "normalised", CUT)
    gone = "Flurstück gibt es nicht (mehr)"
    table.change("bauantraege", "Aktenzeichen", "Flurstück", 3, lambda _: NO_PARCEL, "unmatched_key", "reported", gone)
    lost = "Anschrift gibt es nicht (mehr)"
    table.change("schueler", "Schule", "Straße", 1, lambda _: "Alte Schulgasse", "unmatched_key", "reported", lost)
    long = tables["schueler"]["Straße"].str.endswith("straße").to_numpy(dtype=bool)
    table.change("schueler", "Schule", "Straße", 2, _short, "abbreviated_street", "reported", "„str.“ statt „straße“", long)
    _spoil_population(table)
    return layer.found + table.found


class _Planter:
    """Damages rows of some frames, none twice, and keeps the list of what it did."""

    def __init__(self, frames: Frames, seed: int, part: str) -> None:
        self.frames, self.rng = frames, generator(seed, f"faults {part}")
        self.found: list[dict[str, Any]] = []
        self._taken: dict[str, list[int]] = {}

    def note(self, name: str, kind: str, field: str, ids: list[Any], effect: str, text: str) -> None:
        """Add an entry to the list."""
        entry = {"dataset": name, "kind": kind, "field": field, "count": len(ids), "ids": [str(i) for i in ids], "effect": effect}
        self.found.append({**entry, "text": text})

    def _pick(self, name: str, count: int, among: Array | None) -> list[int]:
        frame, taken = self.frames[name], self._taken.setdefault(name, [])
        fit = np.arange(len(frame)) if among is None else np.flatnonzero(among)
        rows: list[int] = np.sort(self.rng.permutation(np.setdiff1d(fit, taken))[:count]).tolist()
        taken += rows
        return rows

    def change(
        self,
        name: str,
        ident: str,
        field: str,
        count: int,
        value: Callable[[Any], Any],
        kind: str,
        effect: str,
        text: str,
        among: Array | None = None,
    ) -> None:
        """Replace a value in `count` rows (of those in `among`)."""
        frame, rows = self.frames[name], self._pick(name, count, among)
        column = frame[field].to_numpy(dtype=object).copy()
        for row in rows:
            column[row] = value(column[row])
        self.frames[name] = frame.assign(**{field: column})
        self.note(name, kind, field, frame[ident].iloc[rows].tolist(), effect, text)

    def cross(self, name: str, ident: str, count: int, limit: int = 12) -> None:
        """Make rings of fewer than `limit` points cross themselves."""
        geom = self.frames[name]["geom"].to_numpy()
        size = shapely.area(geom)
        simple = (shapely.get_type_id(geom) == 3) & (shapely.get_num_coordinates(geom) < limit) & (size > 40) & (size < 40_000)
        text = "Ring kreuzt sich selbst (zwei Stützpunkte vertauscht)"
        self.change(name, ident, "geom", count, _bow_tie, "invalid_ring", "repaired", text, simple)

    def repeat(self, name: str, ident: str, count: int) -> None:
        """Append rows that are there already."""
        frame, rows = self.frames[name], self._pick(name, count, None)
        self.frames[name] = pd.concat([frame, frame.iloc[rows]], ignore_index=True)
        self._taken[name] += range(len(frame), len(frame) + count)
        text = "Zeile steht zweimal in der Lieferung, die zweite am Ende"
        self.note(name, "duplicate_key", ident, frame[ident].iloc[rows].tolist(), "rejected", text)


def _spoil_population(table: _Planter) -> None:
    """Add rows without an area, store the first year's keys as numbers, and tell of the two rows below the table."""
    people = table.frames["einwohner"]
    years = sorted(set(people["Jahr"]))
    nobody = [[date(year, 12, 31), year, "999", "ohne Zuordnung", 6 + year % 4, 0, 0, 1, 2, year % 4, 3, 0] for year in years]
    first = (people["Jahr"] == years[0]).to_numpy()
    keys = people["OT-Schlüssel"].to_numpy(dtype=object).copy()
    keys[first] = [int(key) for key in keys[first]]
    numbered = people.assign(**{"OT-Schlüssel": keys})
    table.frames["einwohner"] = pd.concat([numbered, pd.DataFrame(nobody, columns=people.columns)], ignore_index=True)
    lost = [f"{key}-{year}" for key, year in people.loc[first, ["OT-Schlüssel", "Jahr"]].itertuples(index=False)]
    table.note("einwohner", "lost_leading_zero", "OT-Schlüssel", lost, "normalised", "Schlüssel des ersten Jahres als Zahl gespeichert")
    strange = [f"999-{year}" for year in years]
    table.note("einwohner", "unmatched_key", "OT-Schlüssel", strange, "reported", "Schlüssel 999 (ohne Zuordnung) ist kein Ortsteil")
    table.note("einwohner", "total_row", "Stichtag", ["Summe"], "skipped", "Summenzeile am Ende der Tabelle")
    table.note("einwohner", "footnote_row", "Stichtag", ["Quelle"], "rejected", "Fußnote unter der Tabelle")


def _nothing(_: Any) -> None:
    return None


def _number(key: str) -> str:
    return key.lstrip("0")


def _cut(key: str) -> str:
    return key.rstrip("_")


def _short(street: str) -> str:
    return street.removesuffix("straße") + "str."


def _bow_tie(polygon: shapely.Polygon) -> shapely.Polygon:
    """Exchange two neighbouring corners, so that the ring crosses itself."""
    ring = shapely.get_coordinates(shapely.get_exterior_ring(polygon))[:-1]
    for start in range(len(ring)):
        swapped = ring.copy()
        swapped[[start, (start + 1) % len(ring)]] = swapped[[(start + 1) % len(ring), start]]
        damaged = shapely.Polygon(swapped)
        if not damaged.is_valid and shapely.make_valid(damaged).area > 0.2 * polygon.area:
            return damaged
    raise ValueError("no two corners of this ring can be exchanged")
