"""What the city runs and builds: schools, stops, monuments, pipes and cables, construction sites."""

from __future__ import annotations

__all__ = ["TODAY", "works"]

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

from demo.buildings import Houses
from demo.names import FIRST_NAMES, LAST_NAMES, QUARTERS
from demo.parcels import Lots
from demo.streets import WIDTH, Array, Plan, generator

TODAY = date(2026, 7, 1)
"""The day on which the offices delivered; nothing in the city depends on the clock."""
BODIES = {
    "Straßenbau": "Tiefbauamt Musterstadt",
    "Kanal": "Stadtentwässerung Musterstadt",
    "Wasser": "Stadtwerke Musterstadt",
    "Gas": "Stadtwerke Musterstadt",
    "Strom": "Netze Musterland GmbH",
    "Fernwärme": "Stadtwerke Musterstadt",
    "Telekommunikation": "Breitband Musterland GmbH",
    "Grün": "Grünflächenamt Musterstadt",
}


def works(
    plan: Plan, lots: Lots, houses: Houses, cadastre: dict[str, pd.DataFrame], parts: pd.DataFrame, seed: int
) -> tuple[dict[str, pd.DataFrame], list[dict[str, Any]]]:
    """Return schulen, haltestellen, denkmale, leitungen, baustellen, and the planted pairs of construction sites."""
    sites, pairs = _sites(plan, generator(seed, "sites"))
    return {
        "schulen": _schools(cadastre, generator(seed, "schools")),
        "haltestellen": _stops(plan, cadastre["strassen"], parts, generator(seed, "stops")),
        "denkmale": _monuments(lots, houses, cadastre, generator(seed, "monuments")),
        "leitungen": _pipes(plan, generator(seed, "pipes")),
        "baustellen": sites,
    }, pairs


def _schools(cadastre: dict[str, pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    buildings, addresses = cadastre["gebaeude"], cadastre["adressen"]
    own = addresses[addresses["gebaeude_id"].isin(buildings.loc[buildings["funktion"] == "3021", "gebaeude_id"])]
    own = own[own["strasse"] != "Hauptstraße"].drop_duplicates("gebaeude_id").reset_index(drop=True)  # that name exists in five villages
    kinds = [
        "Grundschule",
        "Grundschule",
        "Realschule plus",
        "Gymnasium",
        "Integrierte Gesamtschule",
        "Förderschule",
        "Berufsbildende Schule",
    ]
    form = np.array([kinds[n % len(kinds)] for n in range(len(own))], dtype=object)
    place = pd.Series(own["ortsteil"]).map(lambda key: QUARTERS[key][0])
    again = place.groupby([form, place]).cumcount()
    name = [f"{f} {p}" + (f" {'I' * (n + 1)}" if n else "") for f, p, n in zip(form, place, again, strict=True)]
    body = np.where(rng.random(len(own)) < 0.12, "Schulverein Musterland e. V.", "Stadt Musterstadt")
    return pd.DataFrame(
        {
            "schulnummer": [f"{7001 + 7 * n:05d}" for n in range(len(own))],
            "name": name,
            "schulform": form,
            "traeger": body,
            "strasse": own["strasse"],
            "hausnummer": own["hausnummer"].astype(str) + own["zusatz"],
            "plz": own["plz"],
            "ortsteil": own["ortsteil"],
            "geom": own["geom"],
        }
    )


def _stops(plan: Plan, streets: pd.DataFrame, parts: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Put a stop every 380 m or so on the main and collector streets, at the kerb."""
    busy = streets[streets["klasse"].isin(["Hauptverkehrsstraße", "Sammelstraße"])]
    part, row = shapely.get_parts(busy["geom"].to_numpy(), return_index=True)
    count = (shapely.length(part) // 380 + (shapely.length(part) > 160)).astype(int)
    owner = np.repeat(np.arange(len(part)), count)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    line = part[owner]
    measure = (nth + rng.uniform(0.35, 0.65, len(owner))) / count[owner] * shapely.length(line)
    a = shapely.get_coordinates(shapely.line_interpolate_point(line, measure))
    b = shapely.get_coordinates(shapely.line_interpolate_point(line, np.maximum(0, measure - 1)))
    along = (a - b) / np.maximum(np.hypot(*(a - b).T), 1e-9)[:, None]
    half = busy["klasse"].map(WIDTH).to_numpy()[row[owner]] / 2 - 1.2
    points = shapely.points(a + half[:, None] * np.stack([along[:, 1], -along[:, 0]], axis=1))
    name = busy["name"].to_numpy()[row[owner]]
    _, at = shapely.STRtree(parts["geom"].to_numpy()).query_nearest(points, all_matches=False)
    name = np.where(name == "Hauptstraße", parts["OT_NAME"].to_numpy()[at] + ", Hauptstraße", name)
    dry = shapely.distance(points, plan.river) > 25
    frame = pd.DataFrame({"name": name, "geom": points})[dry].reset_index(drop=True)
    again = frame.groupby("name").cumcount()
    frame["name"] = frame["name"] + again.map(lambda n: f" {n + 1}" if n else "")
    frame.insert(0, "haltestelle_id", [f"de:07999:{n:04d}" for n in range(1, len(frame) + 1)])
    lines = [", ".join(map(str, sorted(rng.choice(np.arange(1, 15), rng.integers(1, 4), replace=False)))) for _ in range(len(frame))]
    frame["linien"] = lines
    frame["barrierefrei"] = rng.choice(["ja", "nein", "teilweise"], len(frame), p=[0.55, 0.25, 0.2])
    frame["abfahrten_werktag"] = rng.integers(18, 190, len(frame))
    return frame


def _monuments(lots: Lots, houses: Houses, cadastre: dict[str, pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    """Return listed houses, with their outlines, and a few archaeological sites in the fields."""
    buildings, addresses = cadastre["gebaeude"], cadastre["adressen"].drop_duplicates("gebaeude_id").set_index("gebaeude_id")
    old = np.flatnonzero((houses.zone == "Altstadt") & (houses.kind == "Haus"))
    later = np.flatnonzero((houses.zone == "Block") & (houses.kind == "Haus"))
    pick = np.sort(
        np.concatenate([rng.permutation(old)[: round(0.07 * len(old)) + 3], rng.permutation(later)[: round(0.015 * len(later)) + 2]])
    )
    own = buildings.iloc[pick]
    kind = np.where(
        houses.zone[pick] == "Altstadt",
        rng.choice(["Fachwerkhaus", "Bürgerhaus", "Gasthof „Zum Löwen“", "Zunfthaus"], len(pick)),
        rng.choice(["Mietshaus der Gründerzeit", "Jugendstilhaus", "Brauereigebäude", "Eckhaus mit Türmchen"], len(pick)),
    )
    door = addresses.reindex(own["gebaeude_id"])
    field = np.flatnonzero((lots.zone == "Feld") & (shapely.area(lots.area) > 3000))
    field = np.sort(rng.permutation(field)[:6])
    dig = shapely.buffer(shapely.point_on_surface(lots.area[field]), 30, quad_segs=6)
    frame = pd.DataFrame(
        {
            "NAME": [
                *kind,
                *["Römische Villa", "Hügelgräber", "Wüstung Oberzell", "Römischer Töpferofen", "Fränkisches Gräberfeld", "Burgstall"][
                    : len(field)
                ],
            ],
            "ART": ["Einzeldenkmal"] * len(pick) + ["Bodendenkmal"] * len(field),
            "EPOCHE": [*(f"{y // 100 + 1}. Jh." for y in own["baujahr"]), *["vor 1200"] * len(field)],
            "STRASSE": [*door["strasse"], *[None] * len(field)],
            "HAUSNR": [*(door["hausnummer"].astype("Int64").astype(str) + door["zusatz"]), *[None] * len(field)],
            "geom": np.concatenate([own["geom"].to_numpy(), dig]),
        }
    )
    frame.insert(0, "DENKMAL_NR", [f"D-07999-{n:04d}" for n in range(1, len(frame) + 1)])
    return frame


def _pipes(plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Lay sewers in the middle of each street, water and power beside them; the three meet at the nodes of the network only."""
    edge = np.flatnonzero((plan.street >= 0) & (plan.kind != "Wirtschaftsweg") & (shapely.length(plan.edges) > 1))
    frames = []
    for sparte, letter, offset in (("Kanal", "K", 0.0), ("Wasser", "W", 1.7), ("Strom", "S", -2.3)):
        line = _shifted(plan.edges[edge], offset)
        main = np.isin(plan.kind[edge], ["Hauptverkehrsstraße", "Sammelstraße"])
        size = {"Kanal": np.where(main, 800, 300), "Wasser": np.where(main, 200, 100), "Strom": np.zeros(len(edge), dtype=int)}[sparte]
        stuff = {
            "Kanal": ["Beton", "Steinzeug", "PVC"],
            "Wasser": ["Grauguss", "PE", "duktiles Gussrohr"],
            "Strom": ["Aluminium", "Kupfer"],
        }[sparte]
        owner = {"Kanal": "Kanal", "Wasser": "Wasser", "Strom": "Strom"}[sparte]
        frames.append(
            pd.DataFrame(
                {
                    "leitung_id": [f"LTG-{letter}-{n:06d}" for n in range(1, len(edge) + 1)],
                    "sparte": sparte,
                    "nennweite_mm": pd.array(size, dtype="Int64"),
                    "spannung_kv": np.where(main, 20.0, 0.4) if sparte == "Strom" else np.nan,
                    "material": rng.choice(stuff, len(edge)),
                    "baujahr": rng.integers(1925, 2025, len(edge)),
                    "tiefe_m": np.round(rng.uniform(*{"Kanal": (2, 4.5), "Wasser": (1.2, 1.7), "Strom": (0.6, 0.9)}[sparte], len(edge)), 2),
                    "betreiber": BODIES[owner],
                    "geom": line,
                }
            )
        )
    pipes = pd.concat(frames, ignore_index=True)
    pipes["nennweite_mm"] = pipes["nennweite_mm"].where(pipes["sparte"] != "Strom")
    return pipes


def _shifted(lines: Array, offset: float) -> Array:
    """Move lines sideways by `offset` metres, their ends excepted."""
    if not offset:
        return lines
    fine = shapely.segmentize(lines, 9.0)
    xy, index = shapely.get_coordinates(fine, return_index=True)
    inner = np.append(False, index[1:] == index[:-1]) & np.append(index[1:] == index[:-1], False)
    along = np.roll(xy, -1, axis=0) - np.roll(xy, 1, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.asarray(shapely.linestrings(xy + offset * normal * inner[:, None], indices=index))


def _sites(plan: Plan, rng: np.random.Generator) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return construction sites, past, running and planned, with pairs planted that overlap or could share a trench."""
    count = max(40, round(380 * plan.size**2))
    fit = np.flatnonzero((plan.street >= 0) & (plan.kind != "Wirtschaftsweg") & (shapely.length(plan.edges) > 45))
    edge = rng.permutation(fit)[:count]
    planted = 12
    edge = np.concatenate([edge, edge[:planted], edge[planted : 2 * planted]])
    total = len(edge)
    start = rng.integers(-700, 1100, total)
    days = np.round(np.exp(rng.normal(3.9, 0.9, total))).astype(int).clip(2, 500)
    start[: 2 * planted] = rng.integers(60, 300, 2 * planted)
    start[count : count + planted] = start[:planted] + days[:planted] // 2  # in the same street at the same time
    start[count + planted :] = start[planted : 2 * planted] + days[planted : 2 * planted] + rng.integers(30, 700, planted)  # soon after
    kinds = np.array(list(BODIES), dtype=object)
    kind = rng.integers(0, len(kinds), total)
    kind[count:] = (kind[: 2 * planted] + 1 + rng.integers(0, 6, 2 * planted)) % len(kinds)
    status, draw = np.empty(total, dtype=object), rng.random(total)
    ahead = ["angeordnet", "beantragt", "abgestimmt", "geplant", "Bedarf", "Idee"]
    for n in range(total):
        if start[n] + days[n] < 0:
            status[n] = "beendet"
        elif start[n] <= 0:
            status[n] = "in Bau"
        else:
            status[n] = "storniert" if draw[n] > 0.97 else ahead[min(5, int(start[n] / 180 + draw[n] * 1.8))]
    length = shapely.length(plan.edges[edge])
    part = [
        substring(line, a * reach, b * reach)
        for line, reach, a, b in zip(plan.edges[edge], length, rng.uniform(0.05, 0.25, total), rng.uniform(0.75, 0.95, total), strict=True)
    ]
    wide = np.array([WIDTH[k] / 2 for k in plan.kind[edge]]) * rng.choice([0.5, 0.95], total, p=[0.4, 0.6])
    names = np.array([plan.names[s] for s in plan.street[edge]], dtype=object)
    first = pd.Timestamp(TODAY) + pd.to_timedelta(start, unit="D")
    last = first + pd.to_timedelta(days - 1, unit="D")
    full = wide > 0.9 * np.array([WIDTH[k] / 2 for k in plan.kind[edge]])
    people = [f"{FIRST_NAMES[a]} {LAST_NAMES[b]}" for a, b in zip(rng.integers(0, 26, total), rng.integers(0, 35, total), strict=True)]
    frame = pd.DataFrame(
        {
            "titel": [f"{kinds[k]}: {name}" for k, name in zip(kind, names, strict=True)],
            "art": kinds[kind],
            "traeger": [BODIES[kinds[k]] for k in kind],
            "status": status,
            "beginn": first,
            "ende": last,
            "genauigkeit": np.select([start < 180, start < 500, start < 800], ["Tag", "Monat", "Quartal"], "Jahr"),
            "sperrung": np.where(full, "Vollsperrung", rng.choice(["halbseitig", "Gehweg", "keine"], total, p=[0.6, 0.3, 0.1])),
            "strasse": names,
            "strassenschluessel": plan.key[plan.street[edge]],
            "kosten_eur": np.round(length * rng.uniform(400, 2600, total), -2),
            "ansprechperson": people,
            "geom": shapely.buffer(np.array(part, dtype=object), wide, cap_style="flat", quad_segs=3),
        }
    )
    order = np.lexsort((names, start))
    frame = frame.iloc[order].reset_index(drop=True)
    ident = [f"BAU-{day.year}-{n:04d}" for n, day in enumerate(frame["beginn"], 1)]
    frame.insert(0, "baustelle_id", ident)
    place = np.empty(total, dtype=int)
    place[order] = np.arange(total)
    pairs = [
        {"regel": "zeitgleich" if n < planted else "synergie", "ids": [ident[place[n]], ident[place[count + n]]]}
        for n in range(2 * planted)
    ]
    return frame, pairs
