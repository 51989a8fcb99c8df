"""The town hangs together: one network, houses on parcels on streets, keys that agree."""

from __future__ import annotations

from collections.abc import Callable

import geopandas
import numpy as np
import pandas
import pytest
import shapely

from demo.city import City
from demo.terrain import NODATA, SCENARIOS
from stadtgrund.catalog import flurstueck

Layer = Callable[[str], geopandas.GeoDataFrame]


def components(ends: np.ndarray) -> int:
    """Return the number of connected parts of a graph, given the nodes (n, 2) of its edges."""
    above = list(range(int(ends.max()) + 1))

    def root(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for a, b in ends.tolist():
        above[root(a)] = root(b)
    return len({root(node) for node in np.unique(ends).tolist()})


def test_all_geometries_are_valid_and_within_the_municipality(town: City) -> None:
    limits = town.plan.boundary.buffer(0.01)
    for name, frame in town.layers.items():
        geom = frame["geom"].to_numpy()
        assert not shapely.is_empty(geom).any(), name
        assert shapely.is_valid(geom).all(), name
        assert shapely.covers(limits, geom).all(), name


def test_streets_are_one_network(town: City) -> None:
    edges = town.plan.edges[town.plan.street >= 0]
    ends = np.concatenate([shapely.get_coordinates(shapely.get_point(edges, i)) for i in (0, -1)])
    _, node = np.unique(np.round(ends, 3), axis=0, return_inverse=True)
    assert components(node.reshape(2, -1).T) == 1


def test_every_street_keeps_its_key_and_length(layer: Layer) -> None:
    streets = layer("strassen")
    assert streets["schluessel"].is_unique
    assert streets["schluessel"].str.fullmatch(r"\d{5}").all()
    assert streets["schluessel"].str.startswith("0").any()
    assert streets["laenge_m"].to_numpy() == pytest.approx(streets.length.to_numpy(), abs=0.06)


def test_every_building_lies_on_its_parcel(layer: Layer) -> None:
    houses, parcels = layer("gebaeude"), layer("flurstuecke").set_index("kennzeichen")
    own = parcels.loc[houses["flurstueck"], "geom"].to_numpy()
    assert shapely.covers(own, houses["geom"].to_numpy()).all()


def test_buildings_do_not_overlap(layer: Layer) -> None:
    houses = layer("gebaeude")["geom"].to_numpy()
    one, other = shapely.STRtree(houses).query(houses, predicate="intersects")
    pairs = one < other
    assert shapely.area(shapely.intersection(houses[one[pairs]], houses[other[pairs]])).max(initial=0) < 0.01


def test_parcels_tile_the_municipality(town: City, layer: Layer) -> None:
    parcels = layer("flurstuecke")["geom"].to_numpy()
    assert shapely.area(parcels).sum() == pytest.approx(town.plan.boundary.area, rel=1e-4)
    one, other = shapely.STRtree(parcels).query(parcels, predicate="overlaps")
    pairs = one < other
    assert shapely.area(shapely.intersection(parcels[one[pairs]], parcels[other[pairs]])).max(initial=0) < 0.5


def test_parcel_keys_are_what_their_columns_say(layer: Layer) -> None:
    parcels = layer("flurstuecke")
    assert parcels["kennzeichen"].is_unique
    for row in parcels.itertuples():
        key = flurstueck.parse(row.kennzeichen)
        assert str(key) == row.kennzeichen
        assert (key.land, key.flur, key.zaehler) == (7, row.flur, row.zaehler)
        assert key.nenner == (0 if pandas.isna(row.nenner) else row.nenner)


def test_addresses_stand_at_the_door_on_the_right_side(town: City, layer: Layer) -> None:
    doors, houses = layer("adressen"), layer("gebaeude").set_index("gebaeude_id")
    house = houses.loc[doors["gebaeude_id"], "geom"].to_numpy()
    points = doors["geom"].to_numpy()
    assert shapely.covers(house, points).all()
    streets = layer("strassen").set_index("schluessel")["geom"]
    near = shapely.distance(points, streets.loc[doors["strassenschluessel"]].to_numpy())
    assert np.quantile(near, 0.99) < 45
    # at the front: the door is nearer to its street than the middle of the house is
    centre = shapely.centroid(house)
    back = shapely.distance(centre, streets.loc[doors["strassenschluessel"]].to_numpy())
    assert np.mean(near < back) > 0.95
    assert not doors.duplicated(["strassenschluessel", "hausnummer", "zusatz"]).any()
    axis = dict(zip(town.plan.key, town.plan.axis, strict=True))
    odd, left = doors["hausnummer"].to_numpy() % 2 == 1, []
    for key, point in zip(doors["strassenschluessel"], points, strict=True):
        line = axis[key]
        measure = min(max(line.project(point), 1.0), line.length - 1.0)
        a, b = line.interpolate(measure - 1), line.interpolate(measure + 1)
        left.append((b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x) > 0)
    assert np.mean(odd == np.array(left)) > 0.97


def test_house_numbers_rise_along_the_street(town: City, layer: Layer) -> None:
    axis = dict(zip(town.plan.key, town.plan.axis, strict=True))
    doors = layer("adressen")
    measure = [axis[key].project(point) for key, point in zip(doors["strassenschluessel"], doors["geom"], strict=True)]
    doors = doors.assign(measure=measure, odd=doors["hausnummer"] % 2)
    for _, side in doors[doors["zusatz"] == ""].groupby(["strassenschluessel", "odd"]):
        assert side.sort_values("measure")["hausnummer"].is_monotonic_increasing


def test_areas_are_hierarchical_and_complete(town: City, layer: Layer) -> None:
    parts, districts = layer("ortsteile"), layer("stadtbezirke")
    assert (parts["OT_KEY"].str[:2] == parts["SBZ_KEY"]).all()
    assert set(parts["SBZ_KEY"]) == set(districts["SBZ_KEY"])
    for frame in (parts, districts):
        assert frame.area.sum() == pytest.approx(town.plan.boundary.area, rel=1e-6)
    for name in ("adressen", "gebaeude", "flurstuecke"):
        rows = layer(name)
        own = parts.set_index("OT_KEY").loc[rows["ortsteil"], "geom"].to_numpy()
        assert shapely.dwithin(own, shapely.point_on_surface(rows["geom"].to_numpy()), 0.01).all(), name


def test_trees_stand_on_the_ground(layer: Layer) -> None:
    trees = layer("baeume")
    houses, ponds = layer("gebaeude")["geom"].to_numpy(), layer("gewaesser").query("art == 'Teich'")["geom"].to_numpy()
    for obstacle in (houses, ponds):
        assert len(shapely.STRtree(obstacle).query(trees["geom"].to_numpy(), predicate="intersects")[0]) == 0
    of_street = trees[trees["standort"] == "Straße"]
    axis = layer("strassen").set_index("schluessel")["geom"].loc[of_street["strassenschluessel"]].to_numpy()
    assert shapely.distance(of_street["geom"].to_numpy(), axis).max() < 11


def test_stops_and_sites_lie_on_streets(layer: Layer) -> None:
    streets = layer("strassen")
    for name, reach in (("haltestellen", 10), ("baustellen", 0.5)):
        near = shapely.STRtree(streets["geom"].to_numpy()).query(layer(name)["geom"].to_numpy(), predicate="dwithin", distance=reach)[0]
        assert len(set(near)) == len(layer(name)), name


def test_pipes_meet_at_nodes_and_share_no_id(town: City, layer: Layer) -> None:
    pipes = layer("leitungen")
    assert pipes["leitung_id"].str.fullmatch(r"LTG-[KWS]-\d{6}").all()
    for sparte, own in pipes.groupby("sparte"):
        lines = own["geom"].to_numpy()
        ends = np.concatenate([shapely.get_coordinates(shapely.get_point(lines, i)) for i in (0, -1)])
        _, node = np.unique(np.round(ends, 3), axis=0, return_inverse=True)
        assert components(node.reshape(2, -1).T) == 1, sparte
    for name, frame in town.layers.items():
        if name != "leitungen":
            text = frame.drop(columns="geom").astype(str)
            assert not text.apply(lambda column: column.str.contains("LTG-")).to_numpy().any(), name


def test_planted_pairs_of_sites_are_what_they_are_called(town: City, layer: Layer) -> None:
    sites = layer("baustellen").set_index("baustelle_id")
    assert (sites["beginn"] <= sites["ende"]).all()
    assert {pair["regel"] for pair in town.pairs} == {"zeitgleich", "synergie"}
    for pair in town.pairs:
        one, other = (sites.loc[key] for key in pair["ids"])
        assert one.geom.distance(other.geom) < 10
        if pair["regel"] == "zeitgleich":
            assert one.beginn <= other.ende
            assert other.beginn <= one.ende
        else:
            assert 0 < (other.beginn - one.ende).days <= 730


def test_population_has_zeros_and_counts_below_five(town: City) -> None:
    table = town.tables["einwohner"]
    counts = table.iloc[:, 5:].to_numpy()
    assert (table["Insgesamt"].to_numpy() == counts.sum(axis=1)).all()
    assert ((counts > 0) & (counts < 5)).sum() >= 5
    assert (counts == 0).any()
    assert len(table) == 6 * len(town.layers["ortsteile"])


def test_water_follows_the_terrain(town: City) -> None:
    relief = town.relief
    banks = relief.city & ~relief.water
    assert relief.height[relief.water].max() < relief.level[relief.water].max()
    assert (relief.height[banks] >= relief.level[banks] - 3).all()
    before = None
    for name in SCENARIOS:
        depth = town.depth[name]
        assert ((depth == NODATA) == ~relief.city).all()
        inside = depth[relief.city]
        assert ((inside == 0) | (inside >= 0.05)).all()
        assert (depth[relief.city & relief.water] > 0.5).all()  # the river never runs dry
        if before is not None:
            assert (depth >= before).all()
            assert inside.sum() > before[relief.city].sum()
        before = depth
