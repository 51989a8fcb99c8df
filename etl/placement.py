"""Where a source lies, and what is probably wrong when all of it lies outside the city: swapped axes, zone prefix, other CRS."""

from __future__ import annotations

__all__ = ["NAMES", "explain", "fits", "likely"]

from collections.abc import Iterable

import numpy as np
from pyproj import Transformer

from stadtgrund.errors import by_locale

_USUAL = (25832, 25833, 4326, 3857, 4647, 5650, 31466, 31467, 31468, 31469, 25831)
NAMES = {
    4326: "Grad (WGS 84)",
    3857: "Web-Mercator",
    4647: "UTM 32 mit Zonenkennung 32 vor dem Rechtswert",
    5650: "UTM 33 mit Zonenkennung 33 vor dem Rechtswert",
    25831: "UTM 31",
    25832: "UTM 32",
    25833: "UTM 33",
    31466: "Gauß-Krüger Zone 2",
    31467: "Gauß-Krüger Zone 3",
    31468: "Gauß-Krüger Zone 4",
    31469: "Gauß-Krüger Zone 5",
}
"""The usual CRSs of German sources, by EPSG code, as people call them."""


def explain(sample: np.ndarray, assumed: str, box84: tuple[float, float, float, float]) -> tuple[str, str, bool]:
    """Return the cause that the coordinates suggest, what to write (both as sentences), and whether a cause was found.

    Parameters
    ----------
    sample : array of shape (n, 2)
        Coordinates as the source has them, x first as it was read.
    assumed : str
        The CRS that was used.
    box84 : tuple of float
        The city in CRS84.
    """
    x, y = (float(value) for value in np.median(sample, axis=0)) if len(sample) else (float("nan"), float("nan"))
    seen = by_locale(
        f"Die Koordinaten liegen bei {x:.2f} / {y:.2f}, angenommen war {assumed}.",
        f"The coordinates lie at {x:.2f} / {y:.2f}; {assumed} was assumed.",
    )
    if fits(y, x, assumed, box84):
        return (
            seen
            + by_locale(
                " Vermutlich sind die Achsen vertauscht (Hochwert vor Rechtswert).",
                " The axes are probably swapped (northing before easting).",
            ),
            by_locale("Tauschen Sie x und y an der Quelle oder im Vertrag.", "Swap x and y in the source or in the contract."),
            True,
        )
    for code in likely(x):
        if fits(x, y, f"EPSG:{code}", box84):
            return (
                seen + by_locale(f" Sie passen zu EPSG:{code} ({NAMES[code]}).", f" They fit EPSG:{code} ({NAMES[code]})."),
                by_locale(f"Schreiben Sie source.crs: EPSG:{code} in den Vertrag.", f"Write source.crs: EPSG:{code} into the contract."),
                True,
            )
        if fits(y, x, f"EPSG:{code}", box84):
            return (
                seen
                + by_locale(
                    f" Sie passen zu EPSG:{code} ({NAMES[code]}) mit vertauschten Achsen.",
                    f" They fit EPSG:{code} ({NAMES[code]}) with swapped axes.",
                ),
                by_locale(
                    f"Tauschen Sie x und y und schreiben Sie source.crs: EPSG:{code} in den Vertrag.",
                    f"Swap x and y and write source.crs: EPSG:{code} into the contract.",
                ),
                True,
            )
    return (
        seen + by_locale(" Kein gebräuchliches Bezugssystem bringt sie in die Stadt.", " No usual CRS brings them into the city."),
        by_locale(
            "Prüfen Sie Quelle, source.crs und die box in deployment.yml.", "Check the source, source.crs and the box in deployment.yml."
        ),
        False,
    )


def likely(x: float) -> Iterable[int]:
    """Return the EPSG codes that German sources use, those with a zone prefix first where the magnitude says so."""
    return sorted(_USUAL, key=lambda code: code not in (4647, 5650)) if abs(x) >= 1e7 else _USUAL


def fits(x: float, y: float, crs: str, box84: tuple[float, float, float, float]) -> bool:
    """Whether a place in `crs` (x first) lies in a box in CRS84."""
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    west, south, east, north = box84
    return bool(west <= lon <= east and south <= lat <= north)
