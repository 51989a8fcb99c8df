"""What surveyors keep: districts, streets, parcels, buildings and addresses, as tables with a column `geom`."""

from __future__ import annotations

__all__ = ["areas", "cadastre", "quarter_of"]

import numpy as np
import pandas as pd
import shapely

from demo.buildings import Houses, number_doors
from demo.names import DISTRICTS, QUARTERS
from demo.parcels import Lots, public_ground
from demo.streets import CENTRE, Array, Plan, generator

GEMARKUNG = {"06": ("4521", "Oberau"), "07": ("4531", "Wiesental")}
USE = {
    "Altstadt": "Wohnbaufläche",
    "Block": "Wohnbaufläche",
    "Einfamilienhaus": "Wohnbaufläche",
    "Reihenhaus": "Wohnbaufläche",
    "Zeile": "Wohnbaufläche",
    "Dorf": "Wohnbaufläche",
    "Gewerbe": "Industrie- und Gewerbefläche",
    "Feld": "Landwirtschaft",
    "Aue": "Landwirtschaft",
    "Wald": "Wald",
    "Fluss": "Fließgewässer",
    "Friedhof": "Friedhof",
    "Sportplatz": "Sport-, Freizeit- und Erholungsfläche",
    "Park": "Sport-, Freizeit- und Erholungsfläche",
    "Uferpark": "Sport-, Freizeit- und Erholungsfläche",
    "Marktplatz": "Platz",
    "Schule": "Fläche besonderer funktionaler Prägung",
}


def quarter_of(plan: Plan, zone: Array) -> Array:
    """Return each block's Ortsteil key: the nearest quarter's, with the old town as a quarter of its own."""
    keys = np.array(sorted(QUARTERS))
    polar = np.array([QUARTERS[key][1:] for key in keys])
    radius = polar[:, 1] * 2250 * plan.size
    spot = np.stack([np.cos(np.radians(polar[:, 0])), np.sin(np.radians(polar[:, 0]))], axis=1) * radius[:, None]
    middle = shapely.get_coordinates(shapely.centroid(plan.blocks))
    gap = np.hypot(*np.moveaxis(middle[:, None] - (CENTRE + spot), 2, 0))
    old = np.isin(zone, ["Altstadt", "Marktplatz"]) | (plan.zone == "Altstadt")
    gap[:, 0] = np.where(old, -1, np.inf)
    village = np.char.startswith(keys, ("06",)) | np.char.startswith(keys, ("07",))
    gap[np.ix_(plan.zone == "Dorf", ~village)] = np.inf  # no village is cut in two
    return keys[np.argmin(gap, axis=1)]


def areas(plan: Plan, quarter: Array) -> dict[str, pd.DataFrame]:
    """Return Ortsteile and Stadtbezirke, whose keys are hierarchical: 021 lies in 02."""
    keys = sorted(set(quarter))
    geom = np.array([shapely.union_all(plan.blocks[quarter == key]) for key in keys], dtype=object)
    parts = pd.DataFrame(
        {"OT_KEY": keys, "OT_NAME": [QUARTERS[key][0] for key in keys], "SBZ_KEY": [key[:2] for key in keys], "geom": geom}
    )
    parts["FLAECHE_HA"] = np.round(shapely.area(geom) / 1e4, 1)
    above = sorted({key[:2] for key in keys})
    whole = np.array([shapely.union_all(geom[parts["SBZ_KEY"] == key]) for key in above], dtype=object)
    districts = pd.DataFrame({"SBZ_KEY": above, "SBZ_NAME": [DISTRICTS[key] for key in above], "geom": whole})
    return {"stadtbezirke": districts, "ortsteile": parts}


def cadastre(plan: Plan, lots: Lots, houses: Houses, quarter: Array, parts: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Return strassen, flurstuecke, gebaeude and adressen; keys agree among them."""
    rng = generator(seed, "cadastre")
    way = plan.street >= 0
    order = np.argsort(plan.street[way], kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(plan.street[way][order]) != 0))
    lines = np.array(
        [shapely.line_merge(shapely.multilinestrings(part)) for part in np.split(plan.edges[way][order], starts[1:])], dtype=object
    )
    used = plan.street[way][order][starts]
    names, key = np.array(plan.names, dtype=object), plan.key
    kinds = np.array(plan.street_kind, dtype=object)[used]
    limit = (
        pd.Series(kinds)
        .map({"Hauptverkehrsstraße": 50, "Sammelstraße": 50, "Anliegerstraße": 30, "Altstadtgasse": 20})
        .fillna(0)
        .astype(int)
    )
    streets = pd.DataFrame(
        {
            "schluessel": key[used],
            "name": names[used],
            "klasse": kinds,
            "laenge_m": np.round(shapely.length(lines), 1),
            "tempo_kmh": limit,
            "geom": lines,
        }
    ).sort_values("schluessel")

    street, number, suffix = number_doors(plan, houses, seed)
    door_lot = houses.lot[houses.door_house]
    main = np.full(len(lots.area), -1)
    main[door_lot[::-1]] = np.arange(len(door_lot))[::-1]  # a plot's address is its first door
    ground, edge = public_ground(plan)
    parcels = _parcels(plan, lots, quarter, parts, ground, edge)
    text = np.array([f"{plan.names[s]} {n}{a}" for s, n, a in zip(street, number, suffix, strict=True)], dtype=object)
    on_way = plan.street[edge]
    public = np.where(on_way >= 0, names[np.maximum(on_way, 0)], "Mühlbach")
    parcels["lage"] = np.concatenate([np.where(main >= 0, text[main], None), public])
    plots = len(lots.area)
    kennzeichen = parcels["kennzeichen"].to_numpy()[:plots]
    part_of = parcels["ortsteil"].to_numpy()[:plots]

    count = len(houses.area)
    ident = np.array([f"DEMUGEB0{n:08d}" for n in range(1, count + 1)], dtype=object)
    zone, kind = houses.zone, houses.kind
    use = np.select(
        [
            kind == "Garage",
            kind == "Schuppen",
            zone == "Schule",
            zone == "Gewerbe",
            np.isin(zone, ["Altstadt", "Block"]) & (rng.random(count) < 0.25),
        ],
        ["2463", "2723", "3021", "2100", "1120"],
        "1010",
    )
    floors = np.select(
        [np.isin(use, ["2463", "2723"]), use == "3021", use == "2100", zone == "Altstadt", zone == "Block", zone == "Zeile"],
        [
            1,
            rng.integers(2, 5, count),
            rng.integers(1, 4, count),
            rng.integers(2, 5, count),
            rng.integers(3, 6, count),
            rng.integers(4, 9, count),
        ],
        rng.integers(1, 4, count),
    )
    first, last = np.array([(1520, 1950) if z == "Altstadt" else (1870, 1935) if z == "Block" else (1952, 2023) for z in zone]).T
    flat = np.isin(zone, ["Zeile", "Gewerbe", "Schule"]) | (kind == "Garage")
    homes = np.select(
        [~np.isin(use, ["1010", "1120"]), np.isin(zone, ["Altstadt", "Block"]), zone == "Zeile"], [0, floors + 1, floors * 7], 1
    )
    buildings = pd.DataFrame(
        {
            "gebaeude_id": ident,
            "funktion": use,
            "geschosse": floors,
            "hoehe_m": np.round(
                floors * np.where(use == "2100", 4.6, 2.9) + np.where(flat, 0.4, 3.2) + rng.uniform(-0.3, 0.5, count) - (floors == 1) * 0.4,
                2,
            ),
            "baujahr": (first + (last - first) * rng.random(count)).astype(int),
            "dachform": np.where(flat, "1000", rng.choice(["3100", "3200", "3300"], count, p=[0.7, 0.2, 0.1])),
            "wohnungen": homes,
            "grundflaeche_m2": np.round(shapely.area(houses.area), 1),
            "flurstueck": kennzeichen[houses.lot],
            "ortsteil": part_of[houses.lot],
            "geom": houses.area,
        }
    )
    addresses = pd.DataFrame(
        {
            "strassenschluessel": key[street],
            "strasse": names[street],
            "hausnummer": number,
            "zusatz": suffix,
            "plz": np.char.add("0799", _post(part_of[door_lot])),
            "ort": "Musterstadt",
            "ortsteil": part_of[door_lot],
            "gebaeude_id": ident[houses.door_house],
            "flurstueck": kennzeichen[door_lot],
            "qualitaet": "A",
            "geom": houses.door,
        }
    ).sort_values(["strassenschluessel", "hausnummer", "zusatz"])
    addresses.insert(0, "adresse_id", [f"DEMUADR0{n:08d}" for n in range(1, len(addresses) + 1)])
    return {
        name: frame.reset_index(drop=True)
        for name, frame in {"strassen": streets, "flurstuecke": parcels, "gebaeude": buildings, "adressen": addresses}.items()
    }


def _post(quarter: Array) -> Array:
    """Return the last digit of the postcode: one office for the centre and the north, one for the rest."""
    return np.where(np.char.startswith(quarter.astype(str), ("01",)), "7", np.where(quarter.astype(str) < "04", "8", "9"))


def _parcels(plan: Plan, lots: Lots, quarter: Array, parts: pd.DataFrame, ground: Array, edge: Array) -> pd.DataFrame:
    """Number the parcels: a Flur for each forty blocks of an Ortsteil, a Zähler for each block, a Nenner for each plot of it."""
    tree = shapely.STRtree(parts["geom"].to_numpy())
    spot, at = tree.query_nearest(shapely.point_on_surface(ground), all_matches=False)
    own = np.empty(len(ground), dtype=object)
    own[spot] = parts["OT_KEY"].to_numpy()[at]
    ortsteil = np.concatenate([quarter[lots.block].astype(object), own])
    unit = np.concatenate([lots.block, len(plan.blocks) + np.arange(len(ground))])  # each piece of public ground is a unit of its own
    frame = pd.DataFrame({"ortsteil": ortsteil, "unit": unit})
    first = frame.drop_duplicates("unit")
    rank = first.groupby("ortsteil").cumcount()
    gemarkung = first["ortsteil"].str[:2].map(lambda key: GEMARKUNG.get(key, ("4501", "Musterstadt"))[0])
    flur = first.assign(gemarkung=gemarkung, page=rank // 120).groupby(["gemarkung", "ortsteil", "page"], sort=True).ngroup() + 1
    register = pd.DataFrame({"unit": first["unit"], "gemarkung": gemarkung, "flur": flur, "zaehler": rank % 120 + 1}).set_index("unit")
    frame = frame.join(register, on="unit")
    nenner = frame.groupby("unit").cumcount() + 1
    alone = frame.groupby("unit")["unit"].transform("size") == 1
    frame["nenner"] = nenner.where(~alone)
    ident = [
        f"07{g}{f:03d}{z:05d}{'____' if lone else format(n, '04d')}__"
        for g, f, z, n, lone in zip(frame["gemarkung"], frame["flur"], frame["zaehler"], nenner, alone, strict=True)
    ]
    geom = np.concatenate([lots.area, ground])
    use = [USE[zone] for zone in lots.zone]
    kind = {"Bach": "Fließgewässer", "Wirtschaftsweg": "Weg"}
    use += [kind.get(k, "Straßenverkehr") for k in plan.kind[edge]]
    names = dict([("4501", "Musterstadt"), *GEMARKUNG.values()])
    return pd.DataFrame(
        {
            "kennzeichen": ident,
            "gemarkung": frame["gemarkung"].map(names),
            "flur": frame["flur"],
            "zaehler": frame["zaehler"],
            "nenner": frame["nenner"].astype("Int64"),
            "nutzung": use,
            "flaeche_m2": np.maximum(1, np.round(shapely.area(geom))).astype(int),
            "ortsteil": ortsteil,
            "geom": geom,
        }
    )
