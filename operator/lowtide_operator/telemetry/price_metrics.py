"""Metrics of a zone's prices: what is paid now, how far ahead that is known, and whether it is."""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric

from lowtide import names
from lowtide.prices.zone import PriceState


def price_families(
    zones: Iterable[str], known: Mapping[str, PriceState], planned: Container[str], now: datetime
) -> Iterator[Metric]:
    """Yield the families about prices; a zone without a known price has no sample of it.

    `zones` have prices in the settings, `planned` are those that plans can count prices in.
    """
    paid = GaugeMetricFamily(
        names.METRIC_PRICE,
        "Price of a kilowatt-hour now, fees and taxes included, in the currency of the label",
        labels=["zone", "currency", "provider"],
    )
    ahead = GaugeMetricFamily(
        "lowtide_operator_price_published_seconds",
        "How far ahead prices are published without a gap",
        labels=["zone"],
    )
    available = GaugeMetricFamily(
        "lowtide_operator_prices_available",
        "1 if plans can count prices; at 0 they are made by carbon alone",
        labels=["zone"],
    )
    for zone in zones:
        available.add_metric([zone], float(zone in planned))
    for zone, state in known.items():
        series = state.paid_between(now, now + timedelta(seconds=1))
        price = None if series is None else series.at(now)
        if state.market is None or price is None:
            continue
        paid.add_metric([zone, state.currency, state.provider or ""], price)
        until = state.market.known_until(now)
        ahead.add_metric([zone], (until - now).total_seconds())
    yield from (paid, ahead, available)
