"""A small Musterstadt, built and delivered once for all tests of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import pandas
import pytest

from demo.city import City, build
from demo.write import write_city

SCALE = 0.05


@pytest.fixture(scope="session")
def town() -> City:
    """The town at a twentieth of its area, before faults and files."""
    return build(1, SCALE)


@pytest.fixture(scope="session")
def delivered(town: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same town as files."""
    folder = tmp_path_factory.mktemp("musterstadt")
    write_city(town, folder, 1)
    return folder


@pytest.fixture(scope="session")
def layer(town: City) -> Callable[[str], geopandas.GeoDataFrame]:
    """Return a layer of the town by name, as GeoDataFrame."""

    def frame(name: str) -> geopandas.GeoDataFrame:
        table: pandas.DataFrame = town.layers[name]
        return geopandas.GeoDataFrame(table, geometry="geom", crs="EPSG:25832")

    return frame
