"""Metrics of a zone's providers: how good their forecasts were, and which one is asked first.

Scores are made about once an hour by the comparison that may also reorder the chain, never at a
scrape. Labels are bounded: the providers of the settings and four bands of lead time.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from lowtide_operator.schedule.zones import Zone

_PREFIX: Final = "lowtide_operator_provider"
_LABELS: Final = ("zone", "provider", "band")
_FIGURES: Final = {
    "reach": (
        "realised_saving_ratio",
        "What plans based on the provider's forecasts would have saved, as a share of the best "
        "plans' saving, by lead time",
    ),
    "concordance": (
        "concordance_ratio",
        "Share of pairs of slots that the forecasts put in the right order, by lead time",
    ),
    "error_grams_per_kwh": (
        "error_grams_per_kwh",
        "Mean absolute error of the provider's forecasts, by lead time",
    ),
    "days": ("scored_days", "Days with forecasts that were compared with what came true"),
}


def provider_families(zones: Mapping[str, Zone]) -> Iterator[Metric]:
    """Yield the families about the providers of all zones; absent scores have no sample."""
    place = GaugeMetricFamily(
        f"{_PREFIX}_place",
        "Place of the provider in its zone's chain, 1 is asked first",
        labels=["zone", "provider"],
    )
    for name, zone in zones.items():
        for number, label in enumerate(zone.provider_order, 1):
            place.add_metric([name, label], number)
    yield place
    for attribute, (metric, text) in _FIGURES.items():
        family = GaugeMetricFamily(f"{_PREFIX}_{metric}", text, labels=_LABELS)
        for name, zone in zones.items():
            for score in zone.scores:
                value = getattr(score, attribute)
                if value is not None:
                    family.add_metric([name, score.provider, score.band], value)
        yield family
