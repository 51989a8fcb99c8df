"""Waters, greens, trees and protected areas."""

from __future__ import annotations

__all__ = ["nature"]

import numpy as np
import pandas as pd
import shapely

from demo.names import QUARTERS, TREES
from demo.parcels import Lots
from demo.streets import RIVER_HALF, WIDTH, Array, Plan, generator

REFERENCE_YEAR = 2026
GREENS = {"Park": "Parkanlage", "Uferpark": "Uferanlage", "Friedhof": "Friedhof", "Sportplatz": "Sportanlage"}


def nature(plan: Plan, lots: Lots, zone: Array, cadastre: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """Return gewaesser, gruenflaechen, baeume and schutzgebiete."""
    rng = generator(seed, "nature")
    ponds = _ponds(lots, rng)
    return {
        "gewaesser": _waters(plan, ponds),
        "gruenflaechen": _greens(lots, cadastre["flurstuecke"]),
        "baeume": _trees(plan, lots, shapely.union_all(ponds), cadastre["gebaeude"]["geom"].to_numpy(), rng),
        "schutzgebiete": _protected(plan, lots, zone, rng),
    }


def _ponds(lots: Lots, rng: np.random.Generator) -> Array:
    """Return ponds in the larger parks and in some woods: round, not circles."""
    fit = np.flatnonzero(np.isin(lots.zone, ["Park", "Wald"]) & (shapely.area(lots.area) > 3500))
    fit = np.sort(rng.permutation(fit)[: max(2, round(0.16 * len(fit)))])
    angle = np.radians(np.arange(0, 360, 12))
    ponds = []
    for lot in fit:
        centre = shapely.get_coordinates(shapely.point_on_surface(lots.area[lot]))[0]
        room = shapely.boundary(lots.area[lot]).distance(shapely.Point(centre))
        radius = min(0.6 * room, 38) * (1 + 0.16 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(3 * angle + rng.uniform(0, 6)))
        ponds.append(shapely.Polygon(centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)))
    return np.array(ponds, dtype=object)


def _waters(plan: Plan, ponds: Array) -> pd.DataFrame:
    river = shapely.union_all(plan.blocks[plan.zone == "Fluss"])
    brooks = shapely.buffer(plan.edges[plan.kind == "Bach"], WIDTH["Bach"] / 2, quad_segs=4)
    brook = shapely.difference(shapely.intersection(shapely.union_all(brooks), plan.boundary), river)
    rows = [("GW-1", "Muster", "Fluss", river)]
    rows += [
        (f"GW-2{n}", name, "Bach", part)
        for n, (name, part) in enumerate(zip(("Erlenbach", "Mühlbach", "Graben", "Rinne"), shapely.get_parts(brook), strict=False))
    ]
    rows += [(f"GW-3{n:02d}", f"Weiher {n}", "Teich", pond) for n, pond in enumerate(ponds, 1)]
    frame = pd.DataFrame(rows, columns=["gewaesser_id", "name", "art", "geom"])
    frame["flaeche_m2"] = np.round(shapely.area(frame["geom"].to_numpy()), 1)
    return frame


def _greens(lots: Lots, parcels: pd.DataFrame) -> pd.DataFrame:
    pick = np.flatnonzero(np.isin(lots.zone, list(GREENS)) & (shapely.area(lots.area) > 400))
    at = parcels["ortsteil"].to_numpy()[pick]
    kind = np.array([GREENS[zone] for zone in lots.zone[pick]], dtype=object)
    frame = pd.DataFrame({"art": kind, "ortsteil": at, "geom": lots.area[pick]})
    count = frame.groupby(["art", "ortsteil"]).cumcount() + 1
    frame.insert(0, "gruen_id", [f"GF-{n:04d}" for n in range(1, len(frame) + 1)])
    frame.insert(1, "name", [f"{k} {QUARTERS[o][0]} {n}" for k, o, n in zip(kind, at, count, strict=True)])
    frame["flaeche_m2"] = np.round(shapely.area(frame["geom"].to_numpy()), 1)
    frame["pflegeklasse"] = np.select([kind == "Parkanlage", kind == "Friedhof"], ["A", "A"], "B")
    return frame


def _trees(plan: Plan, lots: Lots, ponds: shapely.Geometry, houses: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Plant avenues along the wider streets and groves in the parks."""
    wide = np.isin(plan.kind, ["Hauptverkehrsstraße", "Sammelstraße"]) | (
        (plan.kind == "Anliegerstraße") & (rng.random(len(plan.kind)) < 0.2)
    )
    edge = np.flatnonzero(wide & (shapely.length(plan.edges) > 40))
    step = np.where(plan.kind[edge] == "Anliegerstraße", 19.0, 13.5)
    count = np.floor((shapely.length(plan.edges[edge]) - 30) / step).astype(int)
    owner, side = np.repeat(edge, count * 2), np.tile([-1.0, 1.0], int(count.sum()))
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count * 2) - count * 2, count * 2)
    measure = 15 + np.repeat(step, count * 2) * (nth // 2 + 0.5)
    a = shapely.get_coordinates(shapely.line_interpolate_point(plan.edges[owner], measure))
    b = shapely.get_coordinates(shapely.line_interpolate_point(plan.edges[owner], measure + 0.5))
    along = (b - a) / np.hypot(*(b - a).T)[:, None]
    half = np.array([WIDTH[kind] / 2 for kind in plan.kind[owner]]) - np.where(plan.kind[owner] == "Anliegerstraße", 0.9, 1.8)
    xy = a + (side * half)[:, None] * np.stack([-along[:, 1], along[:, 0]], axis=1) + rng.normal(0, 0.15, a.shape)
    bridge = shapely.dwithin(shapely.points(a), plan.river, RIVER_HALF + 6) | ~shapely.covers(plan.boundary, shapely.points(xy))
    keep = (rng.random(len(xy)) < 0.68) & ~bridge
    xy, owner = xy[keep], owner[keep]

    grove = np.flatnonzero(np.isin(lots.zone, [*GREENS, "Schule", "Marktplatz"]))
    spread = np.sqrt(shapely.area(lots.area[grove])) * np.where(lots.zone[grove] == "Sportplatz", 0.05, 0.075)
    xmin, ymin, xmax, ymax = shapely.bounds(lots.area[grove]).T
    tries = np.maximum(4, (spread**2 * (xmax - xmin) * (ymax - ymin) / shapely.area(lots.area[grove]))).astype(int)
    lot = np.repeat(np.arange(len(grove)), tries)
    spot = np.stack([rng.uniform(xmin[lot], xmax[lot]), rng.uniform(ymin[lot], ymax[lot])], axis=1)
    points = shapely.points(spot)
    inner = shapely.buffer(lots.area[grove], -2.5)
    good = shapely.contains(inner[lot], points) & (shapely.distance(points, ponds) > 1.5)
    good[shapely.STRtree(houses).query(points, predicate="dwithin", distance=2.0)[0]] = False
    good[lots.zone[grove][lot] == "Schule"] &= rng.random(int((lots.zone[grove][lot] == "Schule").sum())) < 0.5
    spot, lot = spot[good], lot[good]

    total = np.concatenate([xy, spot])
    street = np.concatenate([plan.key[plan.street[owner]], np.full(len(spot), None, dtype=object)])
    place = np.concatenate(
        [np.full(len(xy), "Straße", dtype=object), np.array([GREENS.get(z, z) for z in lots.zone[grove[lot]]], dtype=object)]
    )
    species_by_edge = rng.integers(0, len(TREES), len(plan.edges))
    species = np.concatenate([species_by_edge[owner], rng.integers(0, len(TREES), len(spot))])
    year = np.where(rng.random(len(total)) < 0.6, rng.integers(1955, 2000, len(total)), rng.integers(2000, REFERENCE_YEAR, len(total)))
    year = np.where((place == "Straße") | (rng.random(len(total)) < 0.5), year, rng.integers(1880, 1960, len(total)))
    age = REFERENCE_YEAR - year
    size = np.array([tree[2] for tree in TREES])[species] * (1 - np.exp(-age / 32)) * rng.uniform(0.8, 1.15, len(total))
    return pd.DataFrame(
        {
            "baum_nr": [f"B{n:06d}" for n in range(1, len(total) + 1)],
            "art": np.array([tree[0] for tree in TREES], dtype=object)[species],
            "art_deutsch": np.array([tree[1] for tree in TREES], dtype=object)[species],
            "pflanzjahr": year,
            "hoehe_m": np.round(2.5 + 1.25 * size, 1),
            "kronendurchmesser_m": np.round(1.0 + size, 1),
            "stammumfang_cm": np.round(14 + 1.9 * age * rng.uniform(0.75, 1.2, len(total))).astype(int),
            "standort": place,
            "strassenschluessel": street,
            "zustand": rng.choice(["1", "2", "3", "4"], len(total), p=[0.52, 0.32, 0.12, 0.04]),
            "geom": shapely.points(total),
        }
    )


def _protected(plan: Plan, lots: Lots, zone: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Return nature and landscape reserves, the wells' three zones, and the flood plain."""
    wood, meadow = plan.blocks[zone == "Wald"], plan.blocks[zone == "Aue"]
    middle = shapely.get_coordinates(shapely.centroid(wood))
    north = middle[:, 1] > np.median(middle[:, 1])
    rows: list[tuple[str, str, shapely.Geometry]] = []
    for name, blocks in (("Nördlicher Stadtwald", wood[north]), ("Südhang", wood[~north])):
        rows.append(("LSG", name, shapely.union_all(blocks)))
    west = shapely.get_coordinates(shapely.centroid(meadow))[:, 0] < plan.boundary.centroid.x
    rows += [
        ("NSG", name, shapely.union_all(blocks))
        for name, blocks in (("Obere Musteraue", meadow[west]), ("Untere Musteraue", meadow[~west]))
        if len(blocks)
    ]
    well = shapely.Point(middle[rng.integers(len(middle))])
    rings = [well.buffer(radius * max(plan.size, 0.2)) for radius in (40, 260, 800)]
    for name, outer, inner in (("Zone I", rings[0], None), ("Zone II", rings[1], rings[0]), ("Zone III", rings[2], rings[1])):
        rows.append(("WSG", f"Brunnen Erlengrund, {name}", outer.difference(inner) if inner else outer))
    rows.append(("USG", "Überschwemmungsgebiet der Muster", plan.river.buffer(110 * plan.size)))
    parks = lots.area[(lots.zone == "Park") & (shapely.area(lots.area) > 6000)][:6]
    rows += [("GLB", f"Parkwäldchen {n}", park) for n, park in enumerate(parks, 1)]
    geom = shapely.intersection(np.array([row[2] for row in rows], dtype=object), plan.boundary)
    frame = pd.DataFrame([row[:2] for row in rows], columns=["kategorie", "name"])
    frame.insert(0, "gebiet_nr", [f"{kind}-07999-{n:02d}" for n, kind in enumerate(frame["kategorie"], 1)])
    frame["seit"] = rng.integers(1958, 2021, len(frame))
    frame["flaeche_ha"] = np.round(shapely.area(geom) / 1e4, 2)
    frame["geom"] = geom
    return frame[shapely.area(geom) > 1].reset_index(drop=True)
