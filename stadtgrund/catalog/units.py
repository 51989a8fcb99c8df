"""Units as a schema states them: in UCUM's spelling, which programs convert by."""

from __future__ import annotations

__all__ = ["keywords"]

from collections.abc import Mapping
from types import MappingProxyType

# As contracts write them → UCUM, case sensitive ("c/s"). Source: Unified Code for Units of Measure, tables of units.
_AS_WRITTEN = (
    "m km cm mm m2 km2 m3 t kg g l s min h d a W kW MW GW V kV A Hz lx lm cd Pa hPa kPa bar N kN K % dB m/s km/h l/s l/min t/a mg/l g/l"
    " mg/kg gon"
)
_UCUM: Mapping[str, str] = MappingProxyType(
    {
        **{unit: unit for unit in _AS_WRITTEN.split()},
        "m²": "m2", "qm": "m2", "km²": "km2", "cm²": "cm2", "m³": "m3", "ha": "har", "°": "deg", "°C": "Cel", "‰": "[ppth]", "µm": "um",
        "m³/s": "m3/s", "m³/h": "m3/h", "m³/d": "m3/d", "m³/a": "m3/a", "kg/m²": "kg/m2", "g/m²": "g/m2", "1/km²": "1/km2",
        "µg/m³": "ug/m3", "mg/m³": "mg/m3", "kVA": "kV.A", "kWp": "kW", "kWh": "kW.h", "MWh": "MW.h", "GWh": "GW.h", "kWh/a": "kW.h/a",
        "MWh/a": "MW.h/a", "kWh/m²": "kW.h/m2", "Jahr": "a", "Jahre": "a", "Monate": "mo", "Tage": "d", "Stunden": "h", "Minuten": "min",
    }
)  # fmt: skip


def keywords(unit: str | None) -> dict[str, str]:
    """Return the keywords of a property with this unit; none for a mere number.

    What UCUM has no word for, such as a currency, is stated as the contract writes it, in the language "text".

    Source: OGC API – Features Part 5 (23-058), /req/schemas/unit.
    """
    if unit is None or unit == "1":
        return {}
    known = _UCUM.get(unit)
    return {"x-ogc-unit": known} if known else {"x-ogc-unit": unit, "x-ogc-unitLang": "text"}
