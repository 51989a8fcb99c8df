"""Tables without geometry, as the statistics office, the school office and the building office keep them."""

from __future__ import annotations

__all__ = ["AGE_GROUPS", "YEARS", "tables"]

from datetime import date

import numpy as np
import pandas as pd

from demo.names import FIRST_NAMES, LAST_NAMES, QUARTERS
from demo.streets import generator
from demo.works import TODAY

YEARS = range(2019, 2025)
AGE_GROUPS = {
    "unter 3": 0.026,
    "3 bis unter 6": 0.027,
    "6 bis unter 18": 0.105,
    "18 bis unter 30": 0.15,
    "30 bis unter 65": 0.47,
    "65 bis unter 80": 0.155,
    "80 und älter": 0.067,
}


def tables(layers: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """Return einwohner, schueler and bauantraege; their keys are those of the layers."""
    return {
        "einwohner": _population(layers["gebaeude"], layers["ortsteile"], generator(seed, "population")),
        "schueler": _pupils(layers["schulen"], generator(seed, "pupils")),
        "bauantraege": _permits(layers["flurstuecke"], generator(seed, "permits")),
    }


def _population(buildings: pd.DataFrame, parts: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return a row per Ortsteil and year; where nearly nobody lives the counts are below 5, or 0."""
    homes = buildings.groupby("ortsteil")["wohnungen"].sum()
    rows = []
    for key in parts["OT_KEY"]:
        base, ageing = float(homes.get(key, 0)) * 1.95, rng.normal(0, 0.2)
        mix = np.array(list(AGE_GROUPS.values())) * np.exp(
            ageing * np.linspace(-1, 1, len(AGE_GROUPS)) + rng.normal(0, 0.08, len(AGE_GROUPS))
        )
        for year in YEARS:
            base *= 1 + rng.normal(0.004, 0.006)
            ages = (
                rng.poisson(base * mix / mix.sum())
                if base > 40
                else rng.integers(0, 9, len(AGE_GROUPS)) * (rng.random(len(AGE_GROUPS)) < 0.75)
            )
            rows.append([date(year, 12, 31), year, key, QUARTERS[key][0], int(ages.sum()), *map(int, ages)])
    return pd.DataFrame(rows, columns=["Stichtag", "Jahr", "OT-Schlüssel", "Ortsteil", "Insgesamt", *AGE_GROUPS])


def _pupils(schools: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    count = rng.integers(90, 900, len(schools))
    return pd.DataFrame(
        {
            "Schule": schools["name"],
            "Straße": schools["strasse"],
            "Hausnummer": schools["hausnummer"],
            "Schuljahr": "2025/26",
            "Schüler": count,
            "davon weiblich": np.round(count * rng.normal(0.49, 0.03, len(schools))).astype(int),
            "Klassen": np.maximum(4, count // 24),
            "Schüler je Klasse": np.round(count / np.maximum(4, count // 24), 1),
        }
    )


def _permits(parcels: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return building applications; not more than one for a parcel in ten, some for the same parcel."""
    fit = parcels[parcels["nutzung"].isin(["Wohnbaufläche", "Industrie- und Gewerbefläche"])]
    count = max(30, round(0.022 * len(fit)))
    ident = rng.choice(fit["kennzeichen"].to_numpy(), count)
    kinds = [
        "Neubau Einfamilienhaus",
        "Neubau Mehrfamilienhaus",
        "Anbau",
        "Nutzungsänderung",
        "Dachausbau",
        "Abbruch",
        "Garage/Carport",
        "Photovoltaik-Freifläche",
    ]
    kind = rng.choice(kinds, count, p=[0.22, 0.08, 0.22, 0.14, 0.14, 0.06, 0.12, 0.02])
    arrived = pd.Series(pd.Timestamp(TODAY) - pd.to_timedelta(np.sort(rng.integers(1, 1400, count))[::-1], unit="D"))
    age = (pd.Timestamp(TODAY) - arrived).dt.days
    state = np.select(
        [age < 60, (age < 220) & (rng.random(count) < 0.7), rng.random(count) < 0.08],
        ["eingegangen", "in Prüfung", "abgelehnt"],
        "genehmigt",
    )
    cost = np.round(np.exp(rng.normal(11.6, 1.1, count)), 2)
    people = [f"{LAST_NAMES[a]}, {FIRST_NAMES[b]}" for a, b in zip(rng.integers(0, 35, count), rng.integers(0, 26, count), strict=True)]
    return pd.DataFrame(
        {
            "Aktenzeichen": [f"BA-{day.year}-{n:05d}" for n, day in enumerate(arrived, 1)],
            "Eingang": arrived.dt.strftime("%d.%m.%Y"),
            "Vorhaben": kind,
            "Status": state,
            "Flurstück": ident,
            "Baukosten EUR": [_german(value) for value in cost],
            "Antragsteller": people,
        }
    )


def _german(value: float) -> str:
    """Write an amount as a clerk does: 1.234.567,80."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
