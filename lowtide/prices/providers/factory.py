"""Factory of price providers from settings; the only place that knows all of them."""

from datetime import timedelta
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from lowtide.grid.providers.factory import Throttles, client_of
from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.prices.providers.base import PriceProvider
from lowtide.prices.providers.energy_charts import EnergyChartsPrices
from lowtide.prices.providers.entsoe import EntsoEPrices
from lowtide.prices.providers.local import FilePrices, TariffPrices
from lowtide.prices.providers.octopus import OctopusPrices
from lowtide.prices.providers.prometheus import PrometheusPrices
from lowtide.prices.settings import (
    DAYS,
    EnergyChartsPriceSettings,
    EntsoEPriceSettings,
    FilePriceSettings,
    OctopusPriceSettings,
    PriceProviderSettings,
    PrometheusPriceSettings,
    TariffPriceSettings,
)
from lowtide.prices.tariff import Tariff, TariffPeriod

OCTOPUS_TITLE: Final = "Octopus Energy"


def build_price_provider(
    settings: PriceProviderSettings, *, zone: str, currency: str, throttles: Throttles
) -> PriceProvider:
    """Return the provider that the settings describe, for one zone; nothing is asked yet."""
    codes = {} if settings.zone is None else {zone: settings.zone}
    match settings:
        case EnergyChartsPriceSettings():
            client = client_of(settings.kind, settings, throttles)
            return EnergyChartsPrices(client=client, currency=currency, zone_codes=codes)
        case EntsoEPriceSettings():
            return EntsoEPrices(
                client=client_of(settings.kind, settings, throttles),
                credential=settings.credential,
                currency=currency,
                zone_codes=codes,
            )
        case OctopusPriceSettings():
            return OctopusPrices(
                client=client_of(settings.kind, settings, throttles, title=OCTOPUS_TITLE),
                product=settings.product,
                vat_included=settings.vat_included,
                zone_codes=codes,
            )
        case PrometheusPriceSettings():
            queries = PrometheusQueries(
                client=client_of(settings.kind, settings, throttles),
                step=timedelta(seconds=settings.step_seconds),
                headers=settings.headers,
                credential=settings.credential,
            )
            return PrometheusPrices(
                queries=queries,
                query=settings.query,
                currency=currency,
                per_mwh=settings.per == "MWh",
                zone_codes=codes,
            )
        case FilePriceSettings():
            return FilePrices(
                settings.path, zone=zone, currency=currency, times_are_utc=settings.times_are_utc
            )
        case TariffPriceSettings():
            return TariffPrices(tariff_of(settings, currency))
    assert_never(settings)


def tariff_of(settings: TariffPriceSettings, currency: str) -> Tariff:
    """Return the tariff that the settings describe."""
    return Tariff(
        base_per_kwh=settings.per_kwh,
        currency=currency,
        periods=tuple(
            TariffPeriod(
                one.per_kwh, one.start, one.end, frozenset(DAYS.index(day) for day in one.days)
            )
            for one in settings.periods
        ),
        clock=ZoneInfo(settings.time_zone),
    )
