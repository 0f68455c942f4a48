"""Default sources of a zone: those that need no account and no key.

Great Britain has NESO, most of Europe Energy-Charts. Elsewhere nothing is assumed: a zone without
a provider lives on its history, and says so.
"""

from typing import Final

from lowtide.grid.provider_settings import EnergyChartsSettings, NesoSettings, ProviderSettings
from lowtide.grid.settings import ZoneSettings

ENERGY_CHARTS_COUNTRIES: Final = frozenset(
    {"AT", "BE", "BG", "CH", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"}
    | {"IT", "LT", "LU", "LV", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK"}
)


def keyless_settings(zone: str) -> ZoneSettings:
    """Return settings with the keyless sources of `zone`; empty where none is known."""
    providers: tuple[ProviderSettings, ...] = ()
    if zone == "GB":
        providers = (NesoSettings(kind="neso"),)
    elif zone in ENERGY_CHARTS_COUNTRIES:
        providers = (EnergyChartsSettings(kind="energy-charts", zone=zone.lower()),)
    return ZoneSettings(providers=providers)
