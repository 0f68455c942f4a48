"""Average intensity derived from generation by type: a model, and labelled as one.

Direct emissions per kilowatt-hour = fuel emission factor * 3.6 / efficiency. Fuel factors are the
IPCC defaults for stationary combustion (2006 Guidelines, volume 2, table 2.2, g CO2/MJ). The
efficiencies are assumptions for existing European plants, and every value can be replaced in the
settings. Wind, sun, water, nuclear and biomass have no direct fossil emissions. Imports are not
followed: the intensity is that of what the zone itself generates.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from lowtide.grid.providers.entsoe_documents import MegawattsByHour


def _direct(fuel_grams_per_megajoule: float, efficiency: float) -> float:
    """Return grams per kilowatt-hour of electricity (1 kWh = 3.6 MJ)."""
    return fuel_grams_per_megajoule * 3.6 / efficiency


_CLEAN: Final = ("B01", "B09", "B10", "B11", "B12", "B13", "B14", "B15", "B16", "B18", "B19", "B25")
DIRECT_GRAMS_PER_KWH: Final[Mapping[str, float]] = {
    **dict.fromkeys(_CLEAN, 0.0),
    "B02": _direct(101.0, 0.38),  # lignite
    "B03": _direct(44.4, 0.38),  # gas from coal (coke oven gas)
    "B04": _direct(56.1, 0.50),  # natural gas, mostly combined cycle
    "B05": _direct(94.6, 0.40),  # hard coal (other bituminous)
    "B06": _direct(77.4, 0.38),  # residual fuel oil
    "B07": _direct(107.0, 0.38),  # oil shale
    "B08": _direct(106.0, 0.38),  # peat
    "B17": _direct(91.7, 0.25),  # municipal waste, its fossil part taken for the whole
    "B20": _direct(56.1, 0.50),  # other: taken for gas
}
WIND_AND_SUN: Final = frozenset({"B16", "B18", "B19"})
MIX_HOURS: Final = 24
"""How many of the last known hours make the recent residual mix."""


def intensity_by_hour(
    generation: Mapping[str, MegawattsByHour], factors: Mapping[str, float]
) -> dict[datetime, float]:
    """Return g/kWh of all generation, for the hours in which every type is known.

    An hour in which a type is still unpublished would look cleaner or dirtier than it was.
    """
    running = _running(generation)
    return {
        hour: emitted / total
        for hour in _common_hours(running.values())
        if (total := sum(hours[hour] for hours in running.values())) > 0
        for emitted in [sum(hours[hour] * factors[kind] for kind, hours in running.items())]
    }


def residual_intensity(
    generation: Mapping[str, MegawattsByHour], factors: Mapping[str, float]
) -> float | None:
    """Return g/kWh of all generation but wind and sun over the last known hours, by energy."""
    rest = {kind: hours for kind, hours in _running(generation).items() if kind not in WIND_AND_SUN}
    hours = sorted(_common_hours(rest.values()))[-MIX_HOURS:]
    energy = sum(rest[kind][hour] for kind in rest for hour in hours)
    if energy <= 0:
        return None
    return sum(rest[kind][hour] * factors[kind] for kind in rest for hour in hours) / energy


def expected_by_hour(
    load: MegawattsByHour,
    wind_and_sun: Mapping[str, MegawattsByHour],
    residual_grams_per_kwh: float,
) -> dict[datetime, float | None]:
    """Return expected g/kWh: what wind and sun leave of the load, at the recent residual mix.

    `None` where a forecast is missing, or where wind and sun cover the whole load: then the model
    has nothing to say about what else must run.
    """
    known = _common_hours(wind_and_sun.values()) if wind_and_sun else set()
    expected: dict[datetime, float | None] = {}
    for hour, demand in sorted(load.items()):
        renewable = sum(hours[hour] for hours in wind_and_sun.values()) if hour in known else None
        if renewable is None or demand <= 0 or renewable >= demand:
            expected[hour] = None
        else:
            expected[hour] = (demand - renewable) / demand * residual_grams_per_kwh
    return expected


def unknown_types(kinds: Iterable[str], factors: Mapping[str, float]) -> list[str]:
    """Return the production types for which no factor is known, in order."""
    return sorted(kind for kind in kinds if kind not in factors)


def _running(generation: Mapping[str, MegawattsByHour]) -> dict[str, MegawattsByHour]:
    """Return the types that generate at all; an idle one need not be published every hour."""
    return {kind: hours for kind, hours in generation.items() if any(hours.values())}


def _common_hours(series: Iterable[MegawattsByHour]) -> set[datetime]:
    sets = [set(hours) for hours in series]
    return set.intersection(*sets) if sets else set()
